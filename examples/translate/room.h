/* Whether the machine has memory for the largest batch, before any work on it begins: a batch is
 * padded to its longest pair, so that a single one can take it all. Knows the table of models and
 * the machine. */
#ifndef TRANSLATE_ROOM_H
#define TRANSLATE_ROOM_H

#include "judge.h"

#include <heed/training.h>

/* For a step on any batch; leaves the batches at their beginning. False and a sentence that says
 * how long the pairs are and what to do. */
bool room_to_learn(const translator *m, heed_batches *b, char *error, size_t error_size);

/* For judging by a part. */
bool room_to_judge(const translator *m, const corpus *c, corpus_part part,
                   const judge_options *options, char *error, size_t error_size);

#endif
