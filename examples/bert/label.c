/* Sentences, whole and broken (label.h). */
#include "label.h"

#include "grammar.h"

enum { TRIES = 10 };

/* Exchanges a word and its neighbour, another one; a sentence without such a pair may stay. */
static void exchange(int32_t *ids, int64_t size, heed_random *r)
{
    for (int tries = 0; size > 2 && tries < TRIES; tries++) {
        int64_t at = 1 + (int64_t)heed_random_below(r, (uint64_t)size - 2);
        int32_t id = ids[at];
        if (id == ids[at + 1])
            continue;
        ids[at] = ids[at + 1];
        ids[at + 1] = id;
        return;
    }
}

static bool add_made(sentences *to, const label_options *o, int broken, heed_random *r,
                     char *error, size_t error_size)
{
    heed__text text = { 0 };
    grammar_sentence(&text, broken, r);
    bool good = text.failed ? heed__say(error, error_size, "not enough memory")
                            : sentences_add(to, o->words, text.bytes, text.size, o->longest,
                                            broken, error, error_size);
    heed__text_free(&text);
    return good;
}

static bool add_line(sentences *to, const label_options *o, text_span line, int broken,
                     heed_random *r, char *error, size_t error_size)
{
    if (!sentences_add(to, o->words, line.bytes, line.size, o->longest, broken, error,
                       error_size))
        return false;
    int64_t start = to->starts[to->count - 1];
    if (broken)
        exchange(to->ids.ids + start, to->starts[to->count] - start, r);
    return true;
}

bool label_sentences(sentences *to, const label_options *o, const text_span *line,
                     int64_t line_count, int64_t count, char *error, size_t error_size)
{
    heed_random r = { .seed = o->seed };
    bool good = true;
    for (int64_t i = 0; good && i < count; i++) {
        int broken = (int)heed_random_below(&r, 2);
        good = o->grammar
                   ? add_made(to, o, broken, &r, error, error_size)
                   : add_line(to, o, line[i % line_count], broken, &r, error, error_size);
    }
    return good;
}
