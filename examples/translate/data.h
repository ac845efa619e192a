/* Pairs as tokens: what a model learns from and is judged by. Each side ends in <eos>. Knows
 * corpora and vocabularies. */
#ifndef TRANSLATE_DATA_H
#define TRANSLATE_DATA_H

#include "corpus.h"
#include "vocabulary.h"

#include <heed/training.h>

enum { SIDE_SOURCE, SIDE_TARGET, SIDES };

/* Start with { 0 }. */
typedef struct pair_ids {
    int64_t count;
    id_list ids[SIDES];
    int64_t *starts[SIDES]; /* pair i is ids[starts[i]] .. ids[starts[i + 1] - 1] */
} pair_ids;

bool pair_ids_make(pair_ids *p, const corpus *c, corpus_part part,
                   const vocabulary *const vocabularies[SIDES], char *error, size_t error_size);
void pair_ids_free(pair_ids *p);
int64_t pair_ids_longest(const pair_ids *p, int side);

/* Batches of both sides, padded with <pad>; field 0 is the source. */
heed_batches *pair_ids_batches(const pair_ids *p, heed_batches_options options, char *error,
                               size_t error_size);

/* Appends the ids of a text and <eos>. */
bool encode_sentence(const vocabulary *v, text_span text, id_list *ids, char *error,
                     size_t error_size);

#endif
