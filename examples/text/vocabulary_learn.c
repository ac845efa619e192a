/* Learning a vocabulary: what occurs how often, and for bpe the merges. */
#include "bpe_learn.h"
#include "vocabulary_own.h"

#include <string.h>

/* Longer words, which are none, teach no merges: their cost would grow with their square. */
#define MOST_CHARACTERS 128

/* Strings, and how often each has been counted. */
typedef struct counts {
    string_set strings;
    int64_t *of;
    size_t capacity;
} counts;

static bool count_string(counts *c, const char *bytes, size_t size, int64_t times)
{
    size_t known = c->strings.count;
    int32_t number = string_set_add(&c->strings, bytes, size);
    if (number < 0)
        return false;
    int64_t *of = heed__grow(NULL, c->of, &c->capacity, c->strings.count, sizeof *of);
    if (!of)
        return false;
    c->of = of;
    if ((size_t)number == known)
        of[number] = 0;
    of[number] += times;
    return true;
}

static void free_counts(counts *c)
{
    string_set_free(&c->strings);
    heed__release(NULL, c->of, 0);
}

static bool count_pieces(const vocabulary *v, const text_span *texts, size_t count,
                         counts *pieces, char *error, size_t error_size)
{
    char why[200];
    heed__text plain = { 0 };
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        if (!vocabulary_plain(v, texts[i].bytes, texts[i].size, &plain, why, sizeof why)) {
            good = heed__say(error, error_size, "text %zu of %zu: %s", i + 1, count, why);
            break;
        }
        for (size_t at = 0, end; good && at < plain.size; at = end) {
            end = vocabulary_piece(v, &plain, at);
            if (!count_string(pieces, plain.bytes + at, end - at, 1))
                good = heed__say(error, error_size, "not enough memory");
        }
    }
    heed__text_free(&plain);
    return good;
}

/* The characters of counted words, as often as the words. */
static bool count_characters(const counts *words, counts *characters)
{
    for (size_t i = 0; i < words->strings.count; i++) {
        size_t size, length;
        const char *word = string_set_get(&words->strings, i, &size);
        for (size_t at = 0; at < size; at += length) {
            heed__utf8_decode(word + at, size - at, &length);
            if (!count_string(characters, word + at, length, words->of[i]))
                return false;
        }
    }
    return true;
}

typedef struct ranked {
    text_span text;
    int64_t count;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    size_t shared = x->text.size < y->text.size ? x->text.size : y->text.size;
    int order = memcmp(x->text.bytes, y->text.bytes, shared);
    return order ? order : (x->text.size > y->text.size) - (x->text.size < y->text.size);
}

/* Makes tokens of the most frequent strings. */
static bool take_frequent(vocabulary *v, const counts *c, int64_t least, int64_t limit)
{
    ranked *order = heed__allocate(NULL, c->strings.count * sizeof *order);
    if (!order)
        return false;
    for (size_t i = 0; i < c->strings.count; i++) {
        order[i].text.bytes = string_set_get(&c->strings, i, &order[i].text.size);
        order[i].count = c->of[i];
    }
    qsort(order, c->strings.count, sizeof *order, compare_ranked);
    bool good = true;
    for (size_t i = 0; good && i < c->strings.count; i++) {
        if (order[i].count < least || vocabulary_size(v) >= limit)
            break;
        good = string_set_add(&v->tokens, order[i].text.bytes, order[i].text.size) >= 0;
    }
    heed__release(NULL, order, 0);
    return good;
}

/* ---- merges ---- */

/* The words as symbols, all in one block, *ids. A character that is no token is -1. */
static bpe_word *spell(const vocabulary *v, const counts *words, int32_t **ids, size_t *count)
{
    bpe_word *spelled = heed__allocate(NULL, words->strings.count * sizeof *spelled);
    *ids = heed__allocate(NULL, words->strings.bytes.size * sizeof **ids);
    *count = 0;
    if (!spelled || !*ids) {
        heed__release(NULL, spelled, 0);
        return NULL;
    }
    int32_t *next = *ids;
    for (size_t i = 0; i < words->strings.count; i++) {
        size_t size, length;
        const char *word = string_set_get(&words->strings, i, &size);
        bpe_word *w = &spelled[*count];
        *w = (bpe_word){ .ids = next, .weight = words->of[i] };
        for (size_t at = 0; at < size; at += length) {
            heed__utf8_decode(word + at, size - at, &length);
            w->ids[w->count++] = string_set_find(&v->tokens, word + at, length);
        }
        next += w->count;
        *count += w->count <= MOST_CHARACTERS;
    }
    return spelled;
}

static bool learn_merges(vocabulary *v, const counts *words, int64_t least, int64_t limit)
{
    int32_t *ids, result;
    size_t count;
    bpe_word *spelled = spell(v, words, &ids, &count);
    bpe_learner l = { 0 };
    bpe_pair best;
    bool good = spelled && bpe_learner_begin(&l, spelled, count);
    while (good && vocabulary_size(v) < limit && v->merges.merge_count < BPE_MAX_MERGES &&
           bpe_learner_best(&l, &best) && best.count >= least) {
        /* A token can be made in two ways, and so a pair come up again that is merged already.
         */
        int32_t rank = bpe_rank(&v->merges, best.left, best.right);
        if (rank >= 0)
            result = v->merges.merges[rank].result;
        else
            good = vocabulary_merge(v, best.left, best.right, &result);
        good = good && bpe_learner_merge(&l, best.left, best.right, result);
    }
    bpe_learner_end(&l);
    heed__release(NULL, spelled, 0);
    heed__release(NULL, ids, 0);
    return good;
}

vocabulary *vocabulary_learn(const text_span *texts, size_t count, vocabulary_options options,
                             char *error, size_t error_size)
{
    int64_t limit = options.limit ? options.limit : VOCABULARY_MOST;
    if (options.least < 0 || limit <= VOCABULARY_SPECIALS || limit > VOCABULARY_MOST) {
        heed__say(error, error_size,
                  "a vocabulary of %lld tokens that occur %lld times: %d to %d tokens are "
                  "allowed, and 0 times or more",
                  (long long)limit, (long long)options.least, VOCABULARY_SPECIALS + 1,
                  VOCABULARY_MOST);
        return NULL;
    }
    vocabulary *v = vocabulary_begin(options.kind, options.lower);
    if (!v) {
        heed__say(error, error_size, "not enough memory");
        return NULL;
    }
    counts pieces = { 0 }, characters = { 0 };
    int64_t least_merge = options.least > 2 ? options.least : 2;
    bool good = count_pieces(v, texts, count, &pieces, error, error_size);
    if (good) {
        if (options.kind == VOCABULARY_BPE)
            good = count_characters(&pieces, &characters) &&
                   take_frequent(v, &characters, options.least, limit) &&
                   learn_merges(v, &pieces, least_merge, limit);
        else
            good = take_frequent(v, &pieces, options.least, limit);
        if (!good)
            heed__say(error, error_size, "not enough memory");
    }
    free_counts(&pieces);
    free_counts(&characters);
    if (!good) {
        vocabulary_free(v);
        return NULL;
    }
    return v;
}
