/* From logits to sequences: drawing a token, and searching for the best sequences step by step.
 *
 *     heed_sampler *s = heed_sampler_new(vocabulary, (heed_sampling_options){ .temperature = 1,
 *                                        .top_p = 0.9, .random = { .seed = 7 } }, NULL);
 *     int32_t id = heed_sampler_choose(s, logits, row);
 *
 *     heed_decoded *d = heed_decode(t, &decoder, batch, (heed_decode_options){ .start = 1,
 *                                   .end = 2, .longest = 50, .beam = 5 });
 *     heed_hypothesis best = heed_decoded_at(d, 0, 0);
 *     heed_decoded_free(d); */
#ifndef HEED_DECODE_H
#define HEED_DECODE_H

#include <heed/heed.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- drawing a token ---- */

typedef struct heed_sampling_options {
    double temperature; /* logits are divided by it; 0: always the likeliest */
    int64_t top_k;      /* only the k likeliest; 0: all */
    double top_p;       /* only the likeliest that together have this probability; 0 or 1: all
                     (Holtzman et al. 2020) */
    double min_p;       /* only those at least this probable, relative to the likeliest; 0: all
                     (Nguyen et al. 2025) */
    heed_random random;
} heed_sampling_options;
typedef struct heed_sampler heed_sampler;
/* NULL: out of memory, or options outside temperature >= 0, top_k >= 0, top_p and min_p in
 * [0, 1]. */
HEED_API heed_sampler *heed_sampler_new(int64_t vocabulary, heed_sampling_options options,
                                        const heed_allocator *allocator);
HEED_API void heed_sampler_free(heed_sampler *s);
/* The next token of a row of logits [..., vocabulary], -1 if the row holds NaN or nothing but
 * -inf, or has another width. An infinite logit takes all the probability there is. Ties go to
 * the smaller id; sums run in f64 and in a fixed order, so the same logits and
 * the same draw give the same token everywhere. */
HEED_API int32_t heed_sampler_choose(heed_sampler *s, const heed_tensor *logits, int64_t row);
/* Where the draws are: to save, or to set. */
HEED_API heed_random *heed_sampler_random(heed_sampler *s);

/* ---- searching for sequences ---- */

/* A model that says, step by step, what comes next. It keeps the state of n sequences. */
typedef struct heed_decoder {
    /* Logits (or log-probabilities) [n, V] of what follows the tokens `last` (i32 [n]), which
     * are at `position` (0: the start tokens). The state moves on. */
    heed_tensor *(*step)(heed_tape *t, void *user, heed_tensor *last, int64_t position);
    /* From now on sequence i is what sequence from[i] (i32 [n]) was. NULL: only for a beam of
     * 1. */
    bool (*reorder)(heed_tape *t, void *user, heed_tensor *from);
    void *user;
} heed_decoder;

typedef struct heed_decode_options {
    int32_t start, end; /* of a sequence; the end is part of a hypothesis; -1: there is none */
    int64_t longest;    /* tokens of a hypothesis, the end included */
    int beam;           /* hypotheses kept for each example; 0 or 1: greedy */
    int best;           /* how many are given back; 0: 1, at most beam */
    /* Hypotheses are ranked by ln p / ((5 + length)/6)^alpha: Wu et al. 2016, equation 14. */
    double length_penalty; /* alpha >= 0 */
    heed_sampler *sampler; /* draws instead of taking the likeliest; not with a beam */
    const heed_allocator *allocator;
} heed_decode_options;

typedef struct heed_hypothesis {
    const int32_t *ids; /* without the start */
    int64_t length;
    bool ended;             /* by the end token, not by `longest` */
    double log_probability; /* of all its tokens */
    double score;           /* by which it is ranked */
} heed_hypothesis;
typedef struct heed_decoded heed_decoded;
/* Decodes a batch: the decoder's n is batch times beam, example by example. NULL when the tape
 * has failed, with the reason there. Nothing is recorded; what the decoder keeps lives on the
 * tape. A sequence that nothing can follow, all logits being -inf, is dropped. */
HEED_API heed_decoded *heed_decode(heed_tape *t, const heed_decoder *decoder, int64_t batch,
                                   heed_decode_options options);
HEED_API void heed_decoded_free(heed_decoded *d);
/* The rank-th best hypothesis of an example; `length` 0 and `ids` NULL where there is none. */
HEED_API heed_hypothesis heed_decoded_at(const heed_decoded *d, int64_t example, int rank);

#ifdef __cplusplus
}
#endif

#endif
