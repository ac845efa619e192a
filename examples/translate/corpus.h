/* Pairs of texts to translate, in three parts: to train on, to choose by and to judge by.
 *
 *     corpus c = { 0 };
 *     if (!corpus_generate(&c, CORPUS_NUMBERS, CORPUS_PAIRS, seed, error, sizeof error)) ...
 *     for (size_t i = c.starts[CORPUS_TRAIN]; i < c.starts[CORPUS_TRAIN + 1]; i++)
 *         ... c.pairs[i].source, c.pairs[i].target ...
 *     corpus_free(&c);
 *
 * Knows the library's text and file rooms. Functions that can fail say why, in one sentence, in
 * `error`, and leave the corpus empty. */
#ifndef TRANSLATE_CORPUS_H
#define TRANSLATE_CORPUS_H

#include "span.h"
#include "text.h"

typedef struct corpus_pair {
    text_span source, target;
} corpus_pair;

typedef enum corpus_part { CORPUS_TRAIN, CORPUS_DEV, CORPUS_TEST, CORPUS_PARTS } corpus_part;

/* Part p is pairs[starts[p]] .. pairs[starts[p + 1] - 1]; texts live as long as the corpus.
 * Start with { 0 }. */
typedef struct corpus {
    corpus_pair *pairs;
    size_t count, capacity;
    size_t starts[CORPUS_PARTS + 1];
    heed__text text; /* of all pairs, one after another */
} corpus;

/* Translations with exactly one right answer. */
typedef enum corpus_task {
    CORPUS_NUMBERS,      /* numbers in English words to Korean words */
    CORPUS_NUMBERS_BACK, /* and back */
    CORPUS_DATES,        /* dates in four forms to ISO 8601 */
    CORPUS_DATES_KOREAN, /* the same, with ISO for the Korean form, to Korean */
    CORPUS_TASKS
} corpus_task;

#define CORPUS_PAIRS 20000 /* what a demonstration asks for */

const char *corpus_task_name(corpus_task task); /* "numbers", "numbers-back", ... */
int64_t corpus_task_size(corpus_task task);     /* how many pairs it has */

/* The pair of an index below that size: a function of the three. Different indices have
 * different sources, and different targets too. */
void corpus_example(corpus_task task, uint64_t seed, int64_t index, heed__text *source,
                    heed__text *target);

/* The first `count` pairs of a task, from 3 on. */
bool corpus_generate(corpus *c, corpus_task task, int64_t count, uint64_t seed, char *error,
                     size_t error_size);

/* The pairs of a file of lines, UTF-8: source, tab, target, and perhaps more columns, which are
 * ignored. A line with a tab is a pair; of those without, the empty ones and those that begin
 * with # say nothing. Reversed, the second column is the source. Mistakes are named with file
 * and line. */
bool corpus_read(corpus *c, const char *path, bool reversed, char *error, size_t error_size);

/* The same, but all pairs in their order are the part to judge by, and one is enough. */
bool corpus_read_whole(corpus *c, const char *path, bool reversed, char *error,
                       size_t error_size);

/* Writes a part as a file that corpus_read reads, replaced in one step. */
bool corpus_write(const corpus *c, corpus_part part, const char *path, char *error,
                  size_t error_size);

/* A corpus of one's own: pairs are added, and then split or kept whole, once. */
bool corpus_add(corpus *c, text_span source, text_span target); /* false: no memory */

/* Shuffles the pairs and cuts them at 90 and 95 %, always in the same way. It is different
 * sources that are counted out: pairs of one source are in one part, so that nothing that is
 * judged by has been trained on. At least 3 sources. */
bool corpus_split(corpus *c, char *error, size_t error_size);

/* All pairs in their order become the part to judge by. */
void corpus_keep(corpus *c);

void corpus_free(corpus *c);

#endif
