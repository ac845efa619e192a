/* The kinds of models that can be trained, as one table: how each is made, run and searched.
 * The programs know models by this table only. Knows nn. */
#ifndef TRANSLATE_MODELS_H
#define TRANSLATE_MODELS_H

#include <heed/decode.h>
#include <heed/heed.h>
#include <heed/params.h>

/* What a model is made from. */
typedef struct model_sizes {
    int64_t source_vocabulary, target_vocabulary;
    int64_t embedding, hidden;
    int layers, heads;
    double dropout;
    bool reverse;       /* the encoder reads from the end of a sentence */
    bool input_feeding; /* Luong, Pham, Manning 2015, section 3.3 */
} model_sizes;

/* A batch of sentences: ids i32 [B, S], and B lengths beyond which is padding. NULL: none is. */
typedef struct model_source {
    heed_tensor *ids;
    const int32_t *lengths;
} model_source;

typedef struct model_output {
    heed_tensor *logits;  /* [B, T, V] */
    heed_tensor *weights; /* [B, T, S] of attention, if the source has no lengths; else NULL */
} model_output;

/* A batch by its sizes: of padded positions, the end of a sentence among them. */
typedef struct model_batch {
    int64_t size, source, target;
    bool learning; /* with gradients to come */
    bool forced;   /* every token before is the true one */
} model_batch;

/* What a position of an example costs, in numbers for each of the hidden width: of the source once
 * and in each layer, of the target in each layer and once, and of each pair of the two where
 * attention is a layer over both, step by step and at once. */
typedef struct model_costs {
    double input, source, target, output, pairs, pairs_at_once;
} model_costs;

typedef struct model_kind {
    const char *name, *help;
    bool attends;        /* there is attention to show: in the weights of its outputs, */
    bool watched;        /* or else seen by who watches the tape */
    bool feeds;          /* it can feed its output back: model_sizes.input_feeding */
    bool two_directions; /* of half the hidden width each, so that it must be even */
    bool heads;          /* its hidden width is shared out among model_sizes.heads */
    /* A model of zeros, or of random numbers if random is not NULL, its parameters in ps; free()
     * it. NULL for want of memory; what is unsound is said by heed_params_error. */
    void *(*make)(heed_params *ps, const model_sizes *sizes, heed_random *random);
    /* inputs i32 [B, T]: the true tokens before, each taken with probability `forcing` and
     * otherwise the model's own. */
    model_output (*forward)(heed_tape *t, const void *model, const model_source *source,
                            heed_tensor *inputs, double forcing);
    /* Searches for the translations of `batch` sentences. NULL when the tape has failed. */
    heed_decoded *(*decode)(heed_tape *t, const void *model, const model_source *source,
                            int64_t batch, heed_decode_options options);
    model_costs learning, judging;
} model_kind;

/* In the order of help; NULL after the last. */
const model_kind *model_at(int index);
const model_kind *model_find(const char *name); /* or NULL */
/* About how many bytes a tape takes for one batch, beside the model's own numbers. */
double model_memory(const model_kind *kind, const model_sizes *sizes, const model_batch *batch);
/* The name that a wrong one most likely means, or NULL. */
const char *model_nearest(const char *wrong);

#endif
