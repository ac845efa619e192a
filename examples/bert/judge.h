/* What a BERT has learned of hidden words. Knows readers and sentences. */
#ifndef BERT_JUDGE_H
#define BERT_JUDGE_H

#include "reader.h"
#include "sentences.h"

typedef struct judgement {
    double loss, found; /* of hidden words: mean cross-entropy; the share that is likeliest */
    double agreement;   /* see judge_verbs */
} judgement;

/* The batch at hand with words hidden, by the tape's draws: logits [B, T, V], and what they
 * should say. */
heed_tensor *judge_read(heed_tape *t, const reader *r, heed_batches *batches,
                        heed_tensor **targets);

/* Loss and found, over an epoch of the batches; the same words are hidden each time. */
bool judge_words(heed_tape *t, const reader *r, heed_batches *batches, judgement *j,
                 char *error, size_t error_size);

/* The share of made sentences whose hidden main verb is likelier in its right form than in its
 * wrong one: 1/2 for who has learned nothing of numbers. */
bool judge_verbs(heed_tape *t, const reader *r, uint64_t seed, judgement *j, char *error,
                 size_t error_size);

#endif
