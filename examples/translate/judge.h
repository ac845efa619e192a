/* How well a model translates pairs: how probable it finds the references, and what it writes
 * itself. Knows translators and metrics. */
#ifndef TRANSLATE_JUDGE_H
#define TRANSLATE_JUDGE_H

#include "metrics.h"
#include "translator.h"

typedef struct judge_options {
    int64_t batch;
    int beam;
    double length_penalty;
    /* NULL, or that many: what is written is also counted in the one whose index is the number
     * of words of the source, the last one if there are more. */
    metrics *by_words;
    size_t by_words_count;
} judge_options;

typedef struct judgement {
    double loss_forced; /* mean over all tokens of the references, in nats, ends included, */
    double loss_free;   /* given the reference's tokens before, or the model's own */
    metrics_scores scores;
    /* Characters if the references hold any of Korean, Chinese or Japanese. */
    bleu_unit unit;
} judgement;

/* The batches by which judge proceeds. */
heed_batches *judge_batches(const pair_ids *ids, const judge_options *options, char *error,
                            size_t error_size);

/* Works on a tape that holds nothing any more. An interrupt ends it early, with numbers that
 * mean nothing. */
bool judge(const translator *m, heed_tape *t, const corpus *c, corpus_part part,
           const judge_options *options, judgement *result, char *error, size_t error_size);

/* One translation. */
typedef struct translation {
    char *text; /* ends in a NUL that size does not count */
    size_t size;
    double score; /* heed_hypothesis has its formula */
} translation;
/* What is written for a sentence, the best one first. */
typedef struct written {
    translation *translations;
    size_t count;
    id_list source, target; /* of the best; with their <eos>, if it has come to it */
} written;
/* How a sentence is searched for: as many hypotheses, of which so many are given back. */
typedef struct search_options {
    int beam, best;
    double length_penalty;
} search_options;
/* As many translations as were found, `best` at most. What is written is the caller's, also
 * after a failure. */
bool judge_translate(const translator *m, heed_tape *t, text_span sentence,
                     const search_options *options, written *result, char *error,
                     size_t error_size);
void written_free(written *w);

#endif
