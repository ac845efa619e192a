/* The room of bytes that mean something to a reader: a growable text, error sentences, UTF-8.
 * It knows memory.h and libc; files, JSON and formats are built on it and it knows none of
 * them. */
#ifndef HEED_TEXT_H
#define HEED_TEXT_H

#include "memory.h"

#if defined(__GNUC__)
#define HEED__PRINTS(string, first) __attribute__((__format__(__printf__, string, first)))
#else
#define HEED__PRINTS(string, first)
#endif

/* A text that grows at its end. Start with { .allocator = a } (NULL is libc). The first failed
 * allocation sticks: later additions do nothing, and one look at `failed` after the last one is
 * enough. Text always ends in a NUL that `size` does not count, unless nothing was ever added.
 */
typedef struct heed__text {
    char *bytes;
    size_t size, capacity;
    bool failed;
    const heed_allocator *allocator;
} heed__text;

void heed__text_add(heed__text *text, const void *bytes, size_t size);
void heed__text_add_string(heed__text *text, const char *string);
void heed__text_print(heed__text *text, const char *format, ...) HEED__PRINTS(2, 3);
void heed__text_clear(heed__text *text); /* size 0, memory kept, failure forgotten */
void heed__text_free(heed__text *text);

/* Writes a sentence into a caller's buffer (NULL or size 0: nowhere), cut at a whole character
 * if it is too long. Returns false, so that a function can fail and say why in one statement.
 */
bool heed__say(char *error, size_t error_size, const char *format, ...) HEED__PRINTS(3, 4);

/* A name from a file made fit for a message: 'name' in single quotes, bytes that could drive a
 * terminal or are not UTF-8 as \xNN, cut after 64 bytes with "...". */
typedef struct heed__quoted {
    char text[280];
} heed__quoted;
heed__quoted heed__quote(const char *bytes, size_t size);

/* Whether the whole of `text` matches a pattern: * stands for any bytes, also none and also
 * dots, ? for one byte, and everything else for itself; a ! in front turns the answer round. */
bool heed__matches(const char *pattern, const char *text);

/* The plain number, from 0 up, that all of `text` is; -1: it is none. */
int64_t heed__read_count(const char *text);

/* The code point at the start of `bytes`, its length into *length; -1, with *length = 1, where
 * there is no well-formed UTF-8 character: overlong forms, surrogates and values above 10FFFF
 * included. */
int32_t heed__utf8_decode(const void *bytes, size_t size, size_t *length);

/* Writes the code point's 1 to 4 bytes and returns how many. */
size_t heed__utf8_encode(uint32_t code_point, char bytes[4]);

/* Whether all of it is well-formed; if not, *bad (may be NULL) is the offset of the first bad
 * byte. */
bool heed__utf8_valid(const void *bytes, size_t size, size_t *bad);

#endif
