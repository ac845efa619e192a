/* What a training loop needs beside a model and an optimizer: batches of a data set, when to
 * stop, what drives heads apart, and statistics that show where numbers vanish or explode.
 *
 *     heed_batches *b = heed_batches_new(2, fields, count, options, error, sizeof error);
 *     while (heed_batches_next(b)) {
 *         heed_tensor *source = heed_batch_values(t, b, 0);
 *         heed_tensor *target = heed_batch_values(t, b, 1);
 *         ... forward, heed_backward, step ...
 *         heed_tape_reset(t);
 *     }
 */
#ifndef HEED_TRAINING_H
#define HEED_TRAINING_H

#include <heed/heed.h>
#include <heed/params.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- batches ---- */

/* One column of a data set, borrowed until the batches are freed: sequences of ids, or rows of
 * one shape. */
typedef struct heed_field {
    const void *data; /* the examples one after another */
    const int64_t
        *starts;      /* sequences, i32: example i is data[starts[i]] .. data[starts[i+1]-1];
                            * count + 1 of them. NULL: rows */
    int32_t pad;      /* fills a sequence up to the longest one of its batch */
    heed_dtype dtype; /* rows: their dtype, */
    heed_shape shape; /* and the shape of one */
} heed_field;

typedef struct heed_batches_options {
    int64_t size; /* examples of a batch */
    bool shuffle; /* each epoch anew; otherwise in order */
    uint64_t seed;
    /* Examples of like length together: the order is cut into pieces of so many batches, each
     * sorted by length (of all sequences of an example together), and then, if shuffling, the
     * batches are shuffled. 0 or 1: no sorting. */
    int64_t bucket;
    bool drop_last; /* leaves out what does not fill a batch: other examples each epoch */
    const heed_allocator *allocator;
} heed_batches_options;

/* The order of an epoch is a function of seed and epoch alone, so that two integers are a
 * position in the whole training. */
typedef struct heed_batches heed_batches;
/* NULL, and one sentence in error, for data or options that are unsound, or no memory. */
HEED_API heed_batches *heed_batches_new(int fields, const heed_field *field, int64_t count,
                                        heed_batches_options options, char *error,
                                        size_t error_size);
HEED_API void heed_batches_free(heed_batches *b);
HEED_API int64_t heed_batches_count(const heed_batches *b); /* batches of an epoch */
/* Moves on by one batch, from epoch to epoch without end; false when an epoch has no batch. */
HEED_API bool heed_batches_next(heed_batches *b);
/* Which batch comes next. Index 0: the one at hand is the last of its epoch. */
HEED_API int64_t heed_batches_epoch(const heed_batches *b);
HEED_API int64_t heed_batches_index(const heed_batches *b);
/* From now on as if heed_batches_next had come to there; false outside 0 .. count - 1. */
HEED_API bool heed_batches_seek(heed_batches *b, int64_t epoch, int64_t index);

/* Of the batch at hand: how many examples (B), and which. */
HEED_API int64_t heed_batch_size(const heed_batches *b);
HEED_API const int64_t *heed_batch_examples(const heed_batches *b);
/* Sequences: i32 [B, T], T the longest, padded. Rows: [B, ...]. */
HEED_API heed_tensor *heed_batch_values(heed_tape *t, heed_batches *b, int field);
/* Sequences: bool [B, T], true where a value is one of the sequence's. */
HEED_API heed_tensor *heed_batch_mask(heed_tape *t, heed_batches *b, int field);
/* Sequences: B lengths, until the next batch; NULL for rows. */
HEED_API const int32_t *heed_batch_lengths(const heed_batches *b, int field);

/* ---- early stopping ---- */

/* Plain numbers: copying the struct saves the state. */
typedef struct heed_stopping {
    int64_t patience; /* stop at so many looks in a row without improvement; 0: never */
    double min_delta; /* an improvement is by more than this */
    bool maximize;    /* of an accuracy, say; otherwise less is better */
    /* ---- filled in by heed_stop ---- */
    int64_t looks, waited; /* all so far; since the best */
    double best;
    int64_t best_step;
} heed_stopping;
/* A metric at a step; true when it is time to stop. best_step == step says that it is the best
 * so far. NaN never improves. */
HEED_API bool heed_stop(heed_stopping *s, int64_t step, double metric);

/* ---- losses on attention's weights ---- */

/* (1/H^2) sum_hh' sum_j p_hj p_h'j, the mean over queries, of weights p [..., H, T, S]: 1 if all
 * heads look at the same one key, less the more keys they share out. A multiple of it, added to
 * the loss, drives heads apart (Li et al. 2018: minus their disagreement on positions); each
 * head's product with itself is in it too, and spreads that head's rows. Weights are those of
 * heed_attention_weights, or come from a heed_attention_penalty. */
HEED_API heed_tensor *heed_head_agreement(heed_tape *t, heed_tensor *weights);
/* The mean of -sum_j p_ij ln p_ij over the rows of weights [..., S], nats; a row that sees
 * nothing has 0, and one of padding counts as any other. Added to the loss it makes rows sharp,
 * and with a minus it spreads them (Pereyra et al. 2017, of a model's output; Zhai et al. 2023 on
 * what its collapse does). */
HEED_API heed_tensor *heed_attention_entropy(heed_tape *t, heed_tensor *weights);

/* Terms from every attention that a model computes, whatever it is made of:
 *
 *     heed_attention_penalty penalty;
 *     heed_attention_penalty_begin(t, &penalty, heed_attention_entropy);
 *     heed_tensor *logits = heed_gpt_forward(t, &gpt, ids, NULL);
 *     heed_tensor *entropy = heed_attention_penalty_end(t, &penalty);
 *     loss = heed_add(t, loss, heed_scale(t, entropy, 0.01));
 *
 * In between, the weights of each attention are computed as a recorded tensor too, which takes
 * the memory that the fused kernel does without. */
typedef heed_tensor *heed_attention_term(heed_tape *t, heed_tensor *weights); /* -> a number */
typedef struct heed_attention_penalty {
    heed_attention_term *term;
    /* ---- filled in ---- */
    heed_tensor *sum;
    int64_t count; /* of terms */
    heed_attention_watch former;
} heed_attention_penalty;
/* Takes the place of a watch (heed_maps_watch, say) until the end, but penalties begun within one
 * another see the same attentions, and end in the other order. Both calls belong to one step,
 * with recording on: the tape's reset, or a rewind to before what has been seen, ends a penalty
 * (a watch whose place it took is then to be set again). The tape holds p until then. */
HEED_API void heed_attention_penalty_begin(heed_tape *t, heed_attention_penalty *p,
                                           heed_attention_term *term);
/* The mean of the terms over the attentions seen (each step of a decoder is one), 0-d. */
HEED_API heed_tensor *heed_attention_penalty_end(heed_tape *t, heed_attention_penalty *p);

/* ---- statistics ---- */

/* Of the finite ones among some numbers; those that are not are only counted. */
typedef struct heed_summary {
    int64_t count;
    double mean, deviation, rms;
    double largest;     /* max |x| */
    double zeros;       /* their share */
    int64_t not_finite; /* infinite or NaN */
} heed_summary;
HEED_API heed_summary heed_summarize(const heed_tensor *x);
/* As if both had been one. */
HEED_API heed_summary heed_summary_merge(heed_summary a, heed_summary b);

/* What has been seen of a value and of the loss's gradient by it, over all steps since the last
 * clear. */
typedef struct heed_observation {
    const char *name;
    bool parameter;
    heed_summary value, gradient;
} heed_observation;

/*     heed_statistics *s = heed_statistics_new(NULL);
 *     x = heed_observe(s, t, x, "blocks.%d", i);      // in the forward pass
 *     heed_backward(t, loss);
 *     heed_statistics_gradients(s, t);                // before the tape's reset
 *     heed_statistics_parameters(s, ps, NULL);        // before the optimizer's step
 *     heed_statistics_print(s, stdout);
 */
typedef struct heed_statistics heed_statistics;
HEED_API heed_statistics *heed_statistics_new(const heed_allocator *allocator);
HEED_API void heed_statistics_free(heed_statistics *s);
/* Forgets all numbers and names. */
HEED_API void heed_statistics_clear(heed_statistics *s);
/* Notes x under a name and returns x; while recording, its gradient is watched. s NULL: only
 * returns x, so that a model can have such lines for good. */
HEED_API heed_tensor *heed_observe(heed_statistics *s, heed_tape *t, heed_tensor *x,
                                   const char *name, ...) HEED_PRINTF(4, 5);
/* Notes the gradients of what was observed on t in this step. */
HEED_API bool heed_statistics_gradients(heed_statistics *s, heed_tape *t);
/* Notes the set's trainable parameters and their gradients in g (NULL: its own ones). */
HEED_API bool heed_statistics_parameters(heed_statistics *s, heed_params *ps,
                                         const heed_gradients *g);
/* In the order in which names were seen first. */
HEED_API int heed_statistics_count(const heed_statistics *s);
HEED_API const heed_observation *heed_statistics_at(const heed_statistics *s, int index);
/* or NULL */
HEED_API const heed_observation *heed_statistics_find(const heed_statistics *s,
                                                      const char *name);
/* A table, one line a name. */
HEED_API void heed_statistics_print(const heed_statistics *s, FILE *file);

#ifdef __cplusplus
}
#endif

#endif
