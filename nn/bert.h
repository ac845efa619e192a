/* BERT: an encoder that reads a sentence both ways, learns by filling in words that were hidden
 * from it, and is then taught to classify with few examples (Devlin et al. 2019).
 *
 *     heed_bert_init(&bert, ps, "bert", options);
 *     heed_bert_words_init(&words, ps, "words", &bert, &random);
 *     heed_masked masked = heed_mask_tokens(t, ids, lengths, &masking);
 *     heed_tensor *states = heed_bert_forward(t, &bert, masked.inputs, NULL, lengths);
 *     heed_tensor *logits = heed_bert_words_forward(t, &words, states);
 *     heed_tensor *loss = heed_cross_entropy(t, logits, masked.targets, &ignoring_the_rest);
 *
 * The two heads are modules of their own: a set may have either, both or none, and a classifier
 * may be added to a set that was trained without it. heed_params_load_partial reads a body
 * from a file that has other heads.
 *
 * Shapes: B batch, T positions, C width, V vocabulary. */
#ifndef HEED_BERT_H
#define HEED_BERT_H

#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/params.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zeros are pre-norm blocks with gelu. The paper's own: HEED_POST_NORM, bias, segments 2,
 * epsilon 1e-12. */
typedef struct heed_bert_options {
    int64_t vocabulary;
    int64_t width;  /* C */
    int64_t hidden; /* of the feed-forward network; 0: 4 C */
    int layers;
    int heads;     /* divides width */
    int key_heads; /* 0: heads */
    heed_position_kind positions;
    int64_t longest;       /* positions; 0: no limit; a learned table needs one */
    int64_t segments;      /* kinds of them; 0: none are told apart */
    heed_norm_place place; /* not HEED_PARALLEL */
    heed_norm_kind norm;
    double epsilon; /* of norms; 0: 1e-5 */
    heed_activation activation;
    bool gated;
    bool bias;
    double dropout, attention_dropout;
    heed_random *random; /* NULL: zeros, for a model about to be loaded */
} heed_bert_options;

typedef struct heed_bert {
    heed_bert_options options;
    heed_embedding_module tokens, segments;
    heed_position_module positions;
    heed_norm_module norm; /* of the embeddings' sum */
    heed_block_stack encoder;
} heed_bert;

/* Unsound options are refused in a sentence (heed_params_error): "bert: width 130 is not
 * divisible by heads 4". */
HEED_API void heed_bert_init(heed_bert *m, heed_params *ps, const char *name,
                             heed_bert_options options);
/* ids i32 [B, T]; segments: their kinds, i32 [B, T], or NULL: all of kind 0; lengths: B numbers
 * in 0 .. T, beyond which is padding, or NULL: there is none -> states [B, T, C]. States of
 * padding mean nothing. */
HEED_API heed_tensor *heed_bert_forward(heed_tape *t, const heed_bert *m, heed_tensor *ids,
                                        heed_tensor *segments, const int32_t *lengths);

/* ---- hidden words ---- */

/* norm(f(x W^T + b)) E^T + c, with the model's activation f and its table E. */
typedef struct heed_bert_words {
    heed_linear_module dense;
    heed_norm_module norm;
    heed_embedding_module table;
    heed_parameter *bias; /* c, [V] */
    heed_activation activation;
} heed_bert_words;
HEED_API void heed_bert_words_init(heed_bert_words *m, heed_params *ps, const char *name,
                                   const heed_bert *bert, heed_random *random);
/* states [..., C], all or some -> logits [..., V] */
HEED_API heed_tensor *heed_bert_words_forward(heed_tape *t, const heed_bert_words *m,
                                              heed_tensor *states);

typedef struct heed_masking {
    double share;  /* of words that are chosen; the paper's: 0.15 */
    double kept;   /* of these: left as they are; 0.1 */
    double random; /* of these: replaced by any word; 0.1 */
    int32_t mask;  /* the id that replaces the others */
    /* Ids from first on, below vocabulary, are words: only they are chosen, and any of them,
     * all alike, may replace one. Ids below first (padding, class, separator) are left alone,
     * and so is the mask, wherever it is. A tape of f32 draws one of 2^24 numbers: vocabulary
     * is at most that there, and the chances of n words differ by up to about n/2^24 of one. */
    int32_t first, vocabulary;
} heed_masking;
typedef struct heed_masked {
    heed_tensor *inputs;  /* i32 [B, T] */
    heed_tensor *targets; /* i32 [B, T]: the ids that were chosen, HEED_NOT_MASKED elsewhere */
} heed_masked;
#define HEED_NOT_MASKED (-1) /* heed_cross_entropy's ignore_index */
/* The masked-token objective. Each word is chosen by a draw of its own from the tape's streams
 * (heed_seed), whatever the number of threads. A short sentence may have none chosen; a batch
 * with none has loss 0 and gradient 0. lengths as heed_bert_forward's: padding is never chosen.
 * Both are NULL after an error. */
HEED_API heed_masked heed_mask_tokens(heed_tape *t, heed_tensor *ids, const int32_t *lengths,
                                      const heed_masking *options);

/* ---- classes ---- */

/* tanh(x_0 W^T + b) U^T + c, x_0 the state of the first position. */
typedef struct heed_bert_classes {
    heed_linear_module pooler, output;
    double dropout;
} heed_bert_classes;
HEED_API void heed_bert_classes_init(heed_bert_classes *m, heed_params *ps, const char *name,
                                     const heed_bert *bert, int64_t classes,
                                     heed_random *random);
/* states [B, T, C] -> logits [B, classes] */
HEED_API heed_tensor *heed_bert_classes_forward(heed_tape *t, const heed_bert_classes *m,
                                                heed_tensor *states);

#ifdef __cplusplus
}
#endif

#endif
