/* Corpora that are made, and the parts of any (corpus.h). */
#include "corpus.h"

#include "dates.h"
#include "numbers.h"
#include "permutation.h"

#include <heed/heed.h>
#include <string.h>

/* Of the split, whatever the seed of a run. */
#define SPLIT_SEED 1

void corpus_free(corpus *c)
{
    heed__release(NULL, c->pairs, 0);
    heed__text_free(&c->text);
    *c = (corpus){ 0 };
}

/* Until the split a span has its size only: the text may still move. */
bool corpus_add(corpus *c, text_span source, text_span target)
{
    corpus_pair *pairs = heed__grow(NULL, c->pairs, &c->capacity, c->count + 1, sizeof *pairs);
    if (!pairs)
        return false;
    c->pairs = pairs;
    pairs[c->count++] = (corpus_pair){ { NULL, source.size }, { NULL, target.size } };
    heed__text_add(&c->text, source.bytes, source.size);
    heed__text_add(&c->text, target.bytes, target.size);
    return !c->text.failed;
}

/* ---- the split ---- */

typedef struct place {
    uint64_t key; /* a random number of the source */
    size_t index;
    corpus_pair pair;
} place;

static int compare_spans(text_span a, text_span b)
{
    if (a.size != b.size)
        return a.size < b.size ? -1 : 1;
    return memcmp(a.bytes, b.bytes, a.size);
}

static int compare_places(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    int order = compare_spans(x->pair.source, y->pair.source);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static uint64_t key_of(text_span source)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < source.size; i++)
        hash = (hash ^ (unsigned char)source.bytes[i]) * 0x100000001b3u;
    heed_random r = { .seed = SPLIT_SEED, .stream = hash };
    return heed_random_below(&r, UINT64_MAX);
}

static bool is_new_source(const corpus *c, size_t i)
{
    return i == 0 || compare_spans(c->pairs[i - 1].source, c->pairs[i].source) != 0;
}

/* No text is added any more: where each one lies. */
static void locate(corpus *c)
{
    const char *at = c->text.bytes;
    for (size_t i = 0; i < c->count; i++) {
        corpus_pair *pair = &c->pairs[i];
        pair->source.bytes = at;
        pair->target.bytes = at + pair->source.size;
        at = pair->target.bytes + pair->target.size;
    }
}

void corpus_keep(corpus *c)
{
    locate(c);
    for (int i = 0; i <= CORPUS_PARTS; i++)
        c->starts[i] = i <= CORPUS_TEST ? 0 : c->count;
}

static bool shuffle(corpus *c)
{
    place *places = heed__allocate(NULL, c->count * sizeof *places);
    if (!places)
        return false;
    locate(c);
    for (size_t i = 0; i < c->count; i++)
        places[i] = (place){ key_of(c->pairs[i].source), i, c->pairs[i] };
    qsort(places, c->count, sizeof *places, compare_places);
    for (size_t i = 0; i < c->count; i++)
        c->pairs[i] = places[i].pair;
    heed__release(NULL, places, 0);
    return true;
}

bool corpus_split(corpus *c, char *error, size_t error_size)
{
    size_t sources = 0;
    bool good = shuffle(c);
    for (size_t i = 0; good && i < c->count; i++)
        sources += is_new_source(c, i);
    if (!good)
        heed__say(error, error_size, "not enough memory");
    else if (sources < CORPUS_PARTS)
        good = heed__say(error, error_size,
                         "%d different sources are needed at least, to train on, to choose by "
                         "and to judge by, and there are only %zu",
                         CORPUS_PARTS, sources);
    if (!good) {
        corpus_free(c);
        return false;
    }
    size_t held = sources >= 20 ? sources / 20 : 1, seen = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (!is_new_source(c, i))
            continue;
        if (seen == sources - 2 * held)
            c->starts[CORPUS_DEV] = i;
        if (seen == sources - held)
            c->starts[CORPUS_TEST] = i;
        seen++;
    }
    c->starts[CORPUS_PARTS] = c->count;
    return true;
}

/* ---- tasks ---- */

const char *corpus_task_name(corpus_task task)
{
    static const char *const names[] = { "numbers", "numbers-back", "dates", "dates-korean" };
    return names[task];
}

int64_t corpus_task_size(corpus_task task)
{
    return task == CORPUS_NUMBERS || task == CORPUS_NUMBERS_BACK ? NUMBERS : DATES;
}

void corpus_example(corpus_task task, uint64_t seed, int64_t index, heed__text *source,
                    heed__text *target)
{
    if (task == CORPUS_NUMBERS || task == CORPUS_NUMBERS_BACK) {
        int64_t number = number_at(seed, index);
        number_english(number, task == CORPUS_NUMBERS ? source : target);
        number_korean(number, task == CORPUS_NUMBERS ? target : source);
        return;
    }
    date_form answer = task == CORPUS_DATES ? DATE_ISO : DATE_KOREAN;
    date_form forms[] = { DATE_LONG, DATE_SHORT, DATE_SPOKEN, DATE_KOREAN };
    forms[3] = task == CORPUS_DATES ? DATE_KOREAN : DATE_ISO;
    date d = date_of((int64_t)permutation_at(seed, 0, DATES, (uint64_t)index));
    date_write(d, forms[index % 4], source);
    date_write(d, answer, target);
}

bool corpus_generate(corpus *c, corpus_task task, int64_t count, uint64_t seed, char *error,
                     size_t error_size)
{
    heed__text source = { 0 }, target = { 0 };
    *c = (corpus){ 0 };
    if (count < CORPUS_PARTS || count > corpus_task_size(task))
        return heed__say(error, error_size, "%lld pairs of %s: %d to %lld are there",
                         (long long)count, corpus_task_name(task), CORPUS_PARTS,
                         (long long)corpus_task_size(task));
    bool good = true;
    for (int64_t i = 0; good && i < count; i++) {
        corpus_example(task, seed, i, &source, &target);
        good = !source.failed && !target.failed &&
               corpus_add(c, (text_span){ source.bytes, source.size },
                          (text_span){ target.bytes, target.size });
    }
    heed__text_free(&source);
    heed__text_free(&target);
    if (!good) {
        corpus_free(c);
        return heed__say(error, error_size, "not enough memory for %lld pairs",
                         (long long)count);
    }
    return corpus_split(c, error, error_size);
}
