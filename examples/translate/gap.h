/* How far models without attention are below those with it on long sentences. Knows the library's
 * text room. */
#ifndef TRANSLATE_GAP_H
#define TRANSLATE_GAP_H

#include "text.h"

#include <stdbool.h>
#include <stdint.h>

enum { GAP_WORDS = 7 }; /* from which on a source is long */

/* A model and how many of the pairs with a long source it gets right to the letter. */
typedef struct gap_model {
    int64_t hidden;
    bool attends;
    int64_t pairs, exact;
} gap_model;

/* The models of one hidden width: shares of exact matches, in [0, 1]. */
typedef struct gap {
    int64_t hidden;
    double with, without; /* the lowest of those with attention, the highest of the others */
} gap;

/* False: no long source, or not both kinds of model of that width. */
bool gap_find(const gap_model *models, int count, int64_t hidden, gap *g);

/* A sentence. */
void gap_say(const gap *g, heed__text *to);

/* That of each hidden width that has one, a line each, in the order of the models. */
void gap_say_all(const gap_model *models, int count, heed__text *to);

#endif
