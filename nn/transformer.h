/* The Transformer: an encoder that reads a sentence at once, and a decoder that writes another
 * one a token at a time, seeing the encoder's states and what it has written (Vaswani et al.
 * 2017).
 *
 *     heed_transformer_source source = heed_transformer_encode(t, &m, ids, lengths);
 *     heed_tensor *inputs = heed_shift_right(t, targets, start);
 *     heed_tensor *logits = heed_transformer_forward(t, &m, &source, inputs, 1);
 *     heed_tensor *loss = heed_cross_entropy(t, logits, targets, &ignoring_padding);
 *
 * Shapes: B batch, S source positions, T target positions, C width, V vocabulary. */
#ifndef HEED_TRANSFORMER_H
#define HEED_TRANSFORMER_H

#include <heed/decode.h>
#include <heed/forcing.h>
#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/params.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zeros are a Transformer of today (pre-norm, gelu) but for its positions: a learned table, which
 * needs `longest`. The paper's own: HEED_POST_NORM, HEED_RELU,
 * HEED_POSITIONS_SINUSOIDAL, bias, tied, shared. */
typedef struct heed_transformer_options {
    int64_t source_vocabulary, target_vocabulary;
    int64_t width;      /* C */
    int64_t hidden;     /* of the feed-forward network; 0: 4 C */
    int layers;         /* of the encoder */
    int decoder_layers; /* 0: as many */
    int heads;          /* divides width */
    int key_heads;      /* 0: heads */
    heed_position_kind positions;
    int64_t longest; /* positions of either side; 0: no limit; a learned table needs one */
    heed_norm_place place; /* not HEED_PARALLEL */
    heed_norm_kind norm;
    heed_activation activation;
    bool gated;
    bool bias;
    bool tied;   /* logits against the target's table (Press, Wolf 2017) */
    bool shared; /* one table for both languages, whose vocabularies are then one */
    double dropout, attention_dropout;
    heed_random *random; /* NULL: zeros, for a model about to be loaded */
} heed_transformer_options;

typedef struct heed_transformer {
    heed_transformer_options options;
    heed_embedding_module source_embedding, target_embedding; /* times sqrt(C): section 3.4 */
    heed_position_module source_positions, target_positions;
    heed_block_stack encoder, decoder;
    heed_linear_module output; /* unless tied */
} heed_transformer;

/* Unsound options are refused in a sentence (heed_params_error): "width 130 is not divisible by
 * heads 4". */
HEED_API void heed_transformer_init(heed_transformer *m, heed_params *ps, const char *name,
                                    heed_transformer_options options);

/* ---- the encoder ---- */

typedef struct heed_transformer_source {
    heed_tensor *states; /* [B, S, C] */
    heed_tensor *mask;   /* bool [B, 1, 1, S], true for what is no padding, or NULL */
} heed_transformer_source;
/* ids [B, S]; lengths: NULL, or B numbers in 0 .. S, beyond which is padding. Of a sentence of
 * length 0 the decoder reads 0. */
HEED_API heed_transformer_source heed_transformer_encode(heed_tape *t,
                                                         const heed_transformer *m,
                                                         heed_tensor *ids,
                                                         const int32_t *lengths);

/* ---- whole targets ---- */

/* inputs i32 [B, T]: the true tokens before (heed_shift_right) -> logits [B, T, V]. Each input
 * is taken with probability `forcing`, by a draw of its own, and otherwise the decoder's own
 * likeliest token: 1 is teacher forcing, 0 running freely, between is scheduled sampling (Bengio
 * et al. 2015; for the Transformer, Mihaylova, Martins 2019). The first token is always the
 * given one. Below 1 the tokens are chosen in a first pass, step by step and unrecorded; the
 * logits are of one pass over what was chosen. */
HEED_API heed_tensor *heed_transformer_forward(heed_tape *t, const heed_transformer *m,
                                               const heed_transformer_source *source,
                                               heed_tensor *inputs, double forcing);

/* ---- step by step ---- */

/* The keys and values of what has been written, and of the source. */
typedef struct heed_transformer_state {
    int layers;
    heed_cache caches[HEED_STACK_MAX_LAYERS], source[HEED_STACK_MAX_LAYERS];
} heed_transformer_state;
/* Room for sentences of so many tokens. False, with nothing to free, for want of memory.
 * allocator NULL: the C library's. */
HEED_API bool heed_transformer_state_init(heed_transformer_state *state,
                                          const heed_transformer *m, int64_t capacity,
                                          const heed_allocator *allocator);
HEED_API void heed_transformer_state_clear(heed_transformer_state *state);
HEED_API void heed_transformer_state_free(heed_transformer_state *state);
/* ids [B]: the tokens that come next -> logits [B, V]; the state moves on. Not differentiable:
 * with recording off. */
HEED_API heed_tensor *heed_transformer_step(heed_tape *t, const heed_transformer *m,
                                            const heed_transformer_source *source,
                                            heed_transformer_state *state, heed_tensor *ids);

/* ---- searching ---- */

/* A decoder for heed_decode, over `beam` hypotheses of each sentence of the source. The search
 * must live as long as the decoder is used; `state` is one that has been made, and is cleared at
 * the start of each search. */
typedef struct heed_transformer_search {
    const heed_transformer *m;
    heed_transformer_source source; /* each sentence `beam` times */
    heed_transformer_state *state;
} heed_transformer_search;
HEED_API heed_decoder heed_transformer_decoder(heed_tape *t, const heed_transformer *m,
                                               const heed_transformer_source *source, int beam,
                                               heed_transformer_state *state,
                                               heed_transformer_search *search);

#ifdef __cplusplus
}
#endif

#endif
