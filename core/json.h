/* The room of JSON (RFC 8259): a strict reader that hands out one event at a time, and what it
 * takes to write a value. It knows text.h and memory.h; what the values mean is the business of
 * its callers.
 *
 * Strict means: one value, well-formed UTF-8, no key twice in one object, no lone surrogate, no
 * comment, no trailing comma, and no deeper than the caller allows. The reader never recurses,
 * and it holds only the keys of the objects that are open, so a hostile text costs no more
 * memory than its own size.
 *
 *     heed__json json;
 *     heed__json_begin(&json, bytes, size, 4, NULL);
 *     if (heed__json_next(&json) != HEED__JSON_OBJECT)
 *         heed__json_fail(&json, "expected an object");
 *     while (heed__json_next(&json) == HEED__JSON_KEY) {
 *         bool wanted = heed__json_is(&json, "layers");
 *         heed__json_next(&json);
 *         if (wanted)
 *             heed__json_integer(&json, 1, 1000, &layers);
 *         else
 *             heed__json_skip(&json);
 *     }
 *     if (!heed__json_end(&json, error, error_size)) ...
 *
 * The first failure sticks: from then on every event is HEED__JSON_ERROR. */
#ifndef HEED_JSON_H
#define HEED_JSON_H

#include "text.h"

#define HEED__JSON_MAX_DEPTH 32

typedef enum heed__json_event {
    HEED__JSON_NULL,
    HEED__JSON_FALSE,
    HEED__JSON_TRUE,
    HEED__JSON_NUMBER,
    HEED__JSON_STRING,
    HEED__JSON_ARRAY,
    HEED__JSON_ARRAY_END,
    HEED__JSON_OBJECT,
    HEED__JSON_KEY, /* the events of its value follow */
    HEED__JSON_OBJECT_END,
    HEED__JSON_DONE, /* the value is complete and only blanks followed */
    HEED__JSON_ERROR
} heed__json_event;

typedef struct heed__json_key {
    uint64_t hash;
    size_t start, size, slot;
    int depth;
} heed__json_key;

typedef struct heed__json {
    /* What the last event says. */
    heed__json_event event;
    /* KEY, STRING: decoded; NUMBER: as written. Ends in a NUL; until the next event. */
    const char *text;
    size_t size;   /* its bytes; a string may contain NULs of its own */
    size_t offset; /* where the event starts in the input */
    size_t base;   /* added to offsets in sentences: where the input starts in its file */

    /* The reader's own. */
    const char *input;
    uint64_t seed; /* of the hash of keys */
    size_t input_size, at;
    int depth, depth_limit, expected;
    struct {
        bool object;
        size_t keys, names; /* sizes of those two when this level was opened */
    } level[HEED__JSON_MAX_DEPTH];
    heed__text string, names;
    heed__json_key *keys; /* of all open objects, as a stack; names holds their bytes */
    size_t key_count, key_capacity;
    size_t *table; /* open addressing: 1 + index into keys, 0 is free */
    size_t table_size;
    const heed_allocator *allocator;
    char sentence[400];
} heed__json;

/* Starts reading size bytes, which must stay while the reader is used. depth_limit is the
 * number of arrays and objects that may be open at once, at most HEED__JSON_MAX_DEPTH. */
void heed__json_begin(heed__json *json, const void *bytes, size_t size, int depth_limit,
                      const heed_allocator *allocator);

heed__json_event heed__json_next(heed__json *json);

/* After the event that begins a value: passes over the rest of that value. */
bool heed__json_skip(heed__json *json);

/* Whether the last event is a key or string equal to s. */
bool heed__json_is(const heed__json *json, const char *s);

/* The last event as a whole number in plain form (digits only; a minus sign if least < 0)
 * within least..most, or as a finite double. Anything else is a failure of the reader. */
bool heed__json_integer(heed__json *json, int64_t least, int64_t most, int64_t *value);
bool heed__json_double(heed__json *json, double *value);

/* Makes the reader fail at the last event, for a value that is legal JSON but not what is
 * meant. The sentence becomes "at byte 12 (line 1): ...". Always false. */
bool heed__json_fail(heed__json *json, const char *format, ...) HEED__PRINTS(2, 3);

/* Releases everything. True if the whole input was read to HEED__JSON_DONE; a caller that
 * stopped early for no reason of its own thus learns of the rest, which is read here. Else the
 * first failure. */
bool heed__json_end(heed__json *json, char *error, size_t error_size);

/* Adds a string in quotes: '"', '\' and controls escaped, all else as it is. The bytes must be
 * UTF-8. */
void heed__json_put_string(heed__text *text, const char *bytes, size_t size);

/* Adds a number in the fewest digits that read back as the same double; null if it is not
 * finite. */
void heed__json_put_double(heed__text *text, double value);

#endif
