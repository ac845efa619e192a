/* Modules: plain structs that hold parameters, an init that registers them under a dotted path,
 * and a forward that composes ops. Nothing to free, no base type: a module of yours cannot be
 * told from these.
 *
 *     heed_params *ps = heed_params_new(HEED_F32, NULL);
 *     heed_random r = { .seed = 1337 };
 *     heed_linear_module layer;
 *     heed_linear_init(&layer, ps, "out", 64, 10, (heed_linear_options){ .bias = true, .random
 *     = &r });
 *
 * An init on a failed set does nothing; heed_params_error says why. Shapes: B batch, T
 * positions, S key positions, C width, H heads, D head width, V vocabulary. */
#ifndef HEED_NN_H
#define HEED_NN_H

#include <heed/heed.h>
#include <heed/params.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- initialisation ---- */

/* Fills a parameter with independent draws; `r` moves on. fan_in, fan_out: of a weight [out,
 * in]. */
HEED_API void heed_init_normal(heed_parameter *p, double deviation, heed_random *r);
HEED_API void heed_init_uniform(heed_parameter *p, double low, double high, heed_random *r);
HEED_API void heed_init_constant(heed_parameter *p, double value);
/* Variance 2/(fan_in + fan_out), uniform: Glorot, Bengio 2010, equation 16. */
HEED_API void heed_init_xavier(heed_parameter *p, int64_t fan_in, int64_t fan_out,
                               heed_random *r);
/* Variance 2/fan_in, normal, for relu: He et al. 2015, equation 10. */
HEED_API void heed_init_he(heed_parameter *p, int64_t fan_in, heed_random *r);

typedef enum heed_init {
    HEED_INIT_XAVIER, /* default */
    HEED_INIT_HE,
    HEED_INIT_GPT2, /* normal, deviation 0.02 (Radford et al. 2019) */
    /* Normal, deviation 0.02/sqrt(2 layers): for weights that end a residual branch. */
    HEED_INIT_GPT2_RESIDUAL
} heed_init;

/* ---- linear: y = x W^T + b ---- */

typedef struct heed_linear_options {
    bool bias;
    heed_init init;
    int layers;          /* for HEED_INIT_GPT2_RESIDUAL */
    heed_random *random; /* NULL: weights stay 0, for a model about to be loaded */
} heed_linear_options;
typedef struct heed_linear_module {
    heed_parameter *weight; /* [out, in], decays */
    heed_parameter *bias;   /* [out] or NULL */
} heed_linear_module;
HEED_API void heed_linear_init(heed_linear_module *m, heed_params *ps, const char *name,
                               int64_t in, int64_t out, heed_linear_options options);
HEED_API heed_tensor *heed_linear_forward(heed_tape *t, const heed_linear_module *m,
                                          heed_tensor *x);

/* ---- embedding: rows of a table ---- */

typedef struct heed_embedding_module {
    heed_parameter *weight; /* [V, C], decays */
} heed_embedding_module;
/* Normal of the given deviation; r NULL leaves zeros. */
HEED_API void heed_embedding_init(heed_embedding_module *m, heed_params *ps, const char *name,
                                  int64_t vocabulary, int64_t width, double deviation,
                                  heed_random *r);
/* [...] -> [..., C] */
HEED_API heed_tensor *heed_embedding_forward(heed_tape *t, const heed_embedding_module *m,
                                             heed_tensor *ids);
/* Logits with the same table: x [..., C] -> [..., V] (Press, Wolf 2017). */
HEED_API heed_tensor *heed_embedding_logits(heed_tape *t, const heed_embedding_module *m,
                                            heed_tensor *x);

/* ---- norms, over the last axis ---- */

typedef enum heed_norm_kind { HEED_LAYERNORM, HEED_RMSNORM } heed_norm_kind;
typedef struct heed_norm_options {
    heed_norm_kind kind;
    bool bias;      /* layernorm's beta */
    double epsilon; /* 0: 1e-5 */
} heed_norm_options;
typedef struct heed_norm_module {
    heed_parameter *weight, *bias; /* gamma [C]; beta [C] or NULL */
    heed_norm_kind kind;
    double epsilon;
} heed_norm_module;
HEED_API void heed_norm_init(heed_norm_module *m, heed_params *ps, const char *name,
                             int64_t width, heed_norm_options options);
HEED_API heed_tensor *heed_norm_forward(heed_tape *t, const heed_norm_module *m,
                                        heed_tensor *x);

/* ---- norms over channels, of x [B, C, ...] ---- */

typedef struct heed_groupnorm_options {
    int64_t groups; /* divides the channels; as many as channels: instance norm */
    bool bias;      /* beta */
    double epsilon; /* 0: 1e-5 */
} heed_groupnorm_options;
typedef struct heed_groupnorm_module {
    heed_parameter *weight, *bias; /* gamma [C]; beta [C] or NULL */
    int64_t groups;
    double epsilon;
} heed_groupnorm_module;
HEED_API void heed_groupnorm_init(heed_groupnorm_module *m, heed_params *ps, const char *name,
                                  int64_t channels, heed_groupnorm_options options);
HEED_API heed_tensor *heed_groupnorm_forward(heed_tape *t, const heed_groupnorm_module *m,
                                             heed_tensor *x);

typedef struct heed_batchnorm_options {
    bool bias;       /* beta */
    double epsilon;  /* 0: 1e-5 */
    double momentum; /* the share of the newest batch in running statistics; 0: 0.1 */
} heed_batchnorm_options;
typedef struct heed_batchnorm_module {
    heed_parameter *weight, *bias; /* gamma [C]; beta [C] or NULL */
    /* Running statistics [C], buffers "running_mean", zeros at first, and "running_var", ones:
     * saved with the set, not trained. */
    heed_parameter *mean, *variance;
    double epsilon, momentum;
} heed_batchnorm_module;
HEED_API void heed_batchnorm_init(heed_batchnorm_module *m, heed_params *ps, const char *name,
                                  int64_t channels, heed_batchnorm_options options);
/* While training (heed_set_training) by the batch's own statistics, at least two values a
 * channel; else by the running ones. Each forward pass of a training tape that records moves
 * the running statistics at once, so two passes move them twice; one that does not record, and
 * one on a tape where another set stands in for this one (heed_shadow: checks, averages),
 * leaves them as they are. So one tape at a time may train such a module. */
HEED_API heed_tensor *heed_batchnorm_forward(heed_tape *t, const heed_batchnorm_module *m,
                                             heed_tensor *x);

/* ---- positions ---- */

/* PE[p, 2i] = sin(p/10000^(2i/C)), PE[p, 2i+1] = cos of the same (Vaswani et al. 2017, section
 * 3.5), for positions start .. start + count - 1: [count, C] in the tape's dtype, without
 * gradient. */
HEED_API heed_tensor *heed_sinusoidal_positions(heed_tape *t, int64_t start, int64_t count,
                                                int64_t width);

/* ALiBi (Press et al. 2022): 2^(-8 h/H), h = 1 .. H; for an H that is not a power of two those
 * of the power below, then every other one of twice that power: [H] in the tape's dtype,
 * without gradient. */
HEED_API heed_tensor *heed_alibi_slopes(heed_tape *t, int heads);
/* T5's buckets (Raffel et al. 2020): i32 [T, S] from the distance of query i, at position
 * offset + i, and key j. Half of the buckets are exact distances, the rest grow by a constant
 * factor up to max_distance, beyond which all share the last. Both ways: half of all buckets
 * are for keys after the query; else such keys are in bucket 0. */
HEED_API heed_tensor *heed_relative_buckets(heed_tape *t, int64_t queries, int64_t keys,
                                            int64_t offset, int buckets, int64_t max_distance,
                                            bool both_ways);

/* How a model tells positions apart. */
typedef enum heed_position_kind {
    HEED_POSITIONS_LEARNED,    /* a table, added to the embeddings */
    HEED_POSITIONS_SINUSOIDAL, /* fixed, added to the embeddings */
    HEED_POSITIONS_ROTARY,     /* these turn queries and keys, ... */
    HEED_POSITIONS_ALIBI,      /* ... lower scores with distance, */
    HEED_POSITIONS_RELATIVE,   /* or add T5's bias, 32 buckets up to 128, in each attention */
    HEED_POSITIONS_NONE        /* not at all; a causal mask still tells something */
} heed_position_kind;
/* What is added to embeddings. */
typedef struct heed_position_module {
    heed_position_kind kind;
    int64_t longest;             /* positions there are; 0: no limit */
    heed_embedding_module table; /* [longest, C], of learned ones */
} heed_position_module;
/* A table is normal of the given deviation. Refuses a table without a length. */
HEED_API void heed_position_init(heed_position_module *m, heed_params *ps, const char *name,
                                 heed_position_kind kind, int64_t longest, int64_t width,
                                 double deviation, heed_random *r);
/* x [B, T, C] at positions past .. past + T - 1 -> x with what belongs to them. */
HEED_API heed_tensor *heed_position_forward(heed_tape *t, const heed_position_module *m,
                                            heed_tensor *x, int64_t past);

/* ---- feed-forward: f(x W1^T + b1) W2^T + b2, or (f(x Wg^T + bg) (x W1^T + b1)) W2^T + b2 ---- */

typedef enum heed_activation {
    HEED_GELU, /* default */
    HEED_GELU_TANH,
    HEED_RELU,
    HEED_SILU,
    HEED_TANH,
    HEED_SIGMOID
} heed_activation;
HEED_API heed_tensor *heed_activate(heed_tape *t, heed_activation activation, heed_tensor *x);

typedef struct heed_feedforward_options {
    int64_t hidden; /* 0: 4 width */
    heed_activation activation;
    /* The second form: SwiGLU with HEED_SILU, GEGLU with HEED_GELU, ReGLU, GLU with
     * HEED_SIGMOID (Shazeer 2020). */
    bool gated;
    bool bias;
    double dropout;        /* of the result */
    double hidden_dropout; /* after the activation */
    heed_init init, output_init;
    int layers;
    heed_random *random; /* as in heed_linear_options */
} heed_feedforward_options;
typedef struct heed_feedforward {
    heed_linear_module up, down, gate; /* gate: only of a gated one */
    heed_activation activation;
    double dropout, hidden_dropout;
    bool gated;
} heed_feedforward;
HEED_API void heed_feedforward_init(heed_feedforward *m, heed_params *ps, const char *name,
                                    int64_t width, heed_feedforward_options options);
HEED_API heed_tensor *heed_feedforward_forward(heed_tape *t, const heed_feedforward *m,
                                               heed_tensor *x);

/* ---- multi-head attention ---- */

/* A KV cache: the keys and values of positions seen so far. */
typedef struct heed_cache {
    heed_state *k, *v; /* [B, H, S, D] */
    int64_t capacity;  /* positions */
} heed_cache;
/* Room for `capacity` positions; 0: for those of the first call. False, with nothing to free, if
 * it is negative or there is no memory. */
HEED_API bool heed_cache_init(heed_cache *cache, int64_t capacity,
                              const heed_allocator *allocator);
HEED_API void heed_cache_clear(heed_cache *cache);
HEED_API void heed_cache_free(heed_cache *cache);
HEED_API int64_t heed_cache_length(const heed_cache *cache);

/* From now on row b of the batch holds what row from[b] (i32 [B]) held: for beams. False: the
 * tape says why, and the cache holds what it held, or, for want of memory, nothing. */
HEED_API bool heed_cache_reorder(heed_tape *t, heed_cache *cache, heed_tensor *from);

/* Padding: lengths[b] positions of each row are real: bool [B, 1, 1, S]. */
HEED_API heed_tensor *heed_padding_mask(heed_tape *t, int64_t batch, int64_t positions,
                                        const int32_t *lengths);

typedef enum heed_gate {
    HEED_GATE_NONE,
    HEED_GATE_HEAD, /* o_h sigmoid(g_h) with one learned number a head (Voita et al. 2019) */
    HEED_GATE_INPUT /* o_h sigmoid(g_h(x)), linear in x (Qiu et al. 2025) */
} heed_gate;
/* Zeros mean none, or what is most usual. */
typedef struct heed_multihead_attention_options {
    int heads;
    /* Of keys and values; divides heads. 0: as many; 1: multi-query (Shazeer 2019); between:
     * grouped (Ainslie et al. 2023). */
    int key_heads;
    int64_t key_width, value_width; /* of one head; 0: width/heads */
    bool cross;                     /* keys and values come from a source, not from x */
    int64_t source_width;           /* 0: width */
    /* q, k, v from one matrix "qkv", rows of q, then k, then v; for cross-attention k and v
     * from "kv". The kernel reads a packed projection in place where nothing is done to q and k
     * before they meet. */
    bool packed;
    bool bias;
    heed_gate gate;
    bool normalize; /* rmsnorm of each head's q and k, with gains (Henry et al. 2020) */
    bool rotary;    /* turns q and k by `rope`; a cache adds its length to the offset */
    heed_rope_options rope;
    bool alibi;
    /* T5's relative bias, learned: so many buckets; see heed_relative_buckets. */
    int buckets;
    int64_t max_distance; /* 0: 128 */
    bool sinks;           /* one learned logit a head */
    heed_causality causality;
    double scale, cap; /* and below: as in heed_attention_options */
    bool windowed;
    int64_t left, right, prefix;
    heed_attention_score *score; /* changes the scores; takes the composed form */
    void *user;                  /* of score */
    /* heed_linear_attention in place of the softmax. It has no scores, so refused beside it are
     * alibi, buckets, sinks, scale, cap, windowed, prefix, score, composed, attention_dropout
     * and HEED_CAUSAL_BOTTOM_RIGHT, and in a call a cache, masks that are not bool or not
     * broadcastable to [B, Hk, 1, S] (Hk = key_heads), and, if causal, other than T keys. */
    bool linear;
    heed_feature_map feature;
    int64_t positions; /* most positions a cache may be made for; 0: no limit */
    bool composed;
    double attention_dropout, dropout; /* of the weights; of the output */
    heed_init init, output_init;
    int layers;
    heed_random *random; /* as in heed_linear_options */
} heed_multihead_attention_options;
typedef struct heed_multihead_attention {
    heed_multihead_attention_options options; /* with zeros filled in */
    heed_linear_module q, k, v;               /* or qkv in q; or kv in k */
    heed_linear_module output;
    heed_linear_module input_gate; /* [H, C] */
    heed_parameter *head_gate;     /* [H] */
    heed_parameter *relative;      /* [buckets, H] */
    heed_parameter *sinks;         /* [H] */
    heed_norm_module q_norm, k_norm;
} heed_multihead_attention;
/* Refuses what is unsound in one sentence (heed_params_error): "heads 6 are not divisible by
 * key heads 4". */
HEED_API void heed_multihead_attention_init(heed_multihead_attention *m, heed_params *ps,
                                            const char *name, int64_t width,
                                            heed_multihead_attention_options options);
/* x [B, T, C] -> [B, T, C]. source [B, S, source_width] of cross-attention, else NULL. mask:
 * NULL, bool, true where a query may attend, or of x's dtype, added to the scores; broadcastable
 * to [B, H, T, S]. cache: NULL, or for self-attention x is the T positions after those it holds
 * (a prefix must come in one call, for its positions see what is there);
 * for cross-attention the source's keys and values are computed once and kept, and later calls
 * may leave the source NULL or give the same: it is not read, and only its length is compared
 * with what the cache holds, and neither causality nor a window is possible, for which the place
 * of x among the queries would count. Caches have no derivative: with recording off. */
HEED_API heed_tensor *heed_multihead_attention_forward(heed_tape *t,
                                                       const heed_multihead_attention *m,
                                                       heed_tensor *x, heed_tensor *source,
                                                       heed_tensor *mask, heed_cache *cache);
/* Sets what a kind of positions asks of an attention: rotary, alibi or buckets. */
HEED_API void heed_position_attend(heed_position_kind kind,
                                   heed_multihead_attention_options *options);

/* ---- residual block: attention, perhaps of a source too, then feed-forward ---- */

typedef enum heed_norm_place {
    HEED_PRE_NORM,  /* x + F(norm(x)): Xiong et al. 2020; default */
    HEED_POST_NORM, /* norm(x + F(x)): Vaswani et al. 2017 */
    HEED_PARALLEL   /* x + A(norm(x)) + F(norm(x)): Wang, Komatsuzaki 2021 (GPT-J) */
} heed_norm_place;
typedef struct heed_block_options {
    heed_norm_place place;
    heed_norm_options norm;
    heed_multihead_attention_options attention; /* of x to itself */
    bool cross;                                 /* then of x to a source: a decoder's block */
    heed_multihead_attention_options cross_attention;
    heed_feedforward_options feedforward;
} heed_block_options;
typedef struct heed_block {
    heed_norm_place place;
    bool cross;
    heed_norm_module norm_1, norm_cross, norm_2; /* parallel: one for all, norm_1 */
    heed_multihead_attention attention, cross_attention;
    heed_feedforward feedforward;
} heed_block;
/* What is read beside x. Zeros: nothing. */
typedef struct heed_block_inputs {
    heed_tensor *mask;                 /* as heed_multihead_attention_forward's */
    heed_cache *cache;                 /* likewise; a stack's: one for each block */
    heed_tensor *source, *source_mask; /* of cross-attention: [B, S, source width] */
    heed_cache *source_cache;          /* likewise */
} heed_block_inputs;
HEED_API void heed_block_init(heed_block *m, heed_params *ps, const char *name, int64_t width,
                              heed_block_options options);
/* x [B, T, C] -> [B, T, C]. inputs NULL: none. */
HEED_API heed_tensor *heed_block_forward(heed_tape *t, const heed_block *m, heed_tensor *x,
                                         const heed_block_inputs *inputs);

/* ---- stack: blocks one after the other ---- */

#define HEED_STACK_MAX_LAYERS 256
typedef struct heed_block_stack {
    int layers;
    heed_block *blocks;    /* [layers], kept by the set of parameters */
    heed_norm_module norm; /* after the last block; a stack of post-norm blocks has none */
    /* NULL, or, set after init, what observes the values "blocks.0", "blocks.1", ..., "norm" of
     * each forward pass (training.h). */
    struct heed_statistics *statistics;
} heed_block_stack;
/* Parameters "blocks.0. ...", "norm. ..." in the present scope (heed_params_scope). */
HEED_API void heed_block_stack_init(heed_block_stack *m, heed_params *ps, int64_t width,
                                    int layers, heed_block_options options);
/* x [B, T, C] -> [B, T, C] */
HEED_API heed_tensor *heed_block_stack_forward(heed_tape *t, const heed_block_stack *m,
                                               heed_tensor *x, const heed_block_inputs *inputs);

/* ---- GPT: the decoder-only language model (Radford et al. 2019) ---- */

typedef struct heed_gpt_options {
    int64_t vocabulary, context, width;
    int layers, heads;
    int key_heads; /* 0: heads */
    bool bias;     /* in linears and norms */
    double dropout;
    heed_activation activation;
    bool gated;
    heed_norm_kind norm;
    heed_norm_place place;
    heed_position_kind positions;
    heed_random *random; /* NULL: zeros, for a model about to be loaded */
} heed_gpt_options;
typedef struct heed_gpt {
    heed_gpt_options options;
    heed_embedding_module tokens; /* tied: also the output layer */
    heed_position_module positions;
    heed_block_stack stack; /* its statistics also observe "embedded" and "logits" */
} heed_gpt;
/* Refuses sizes that do not fit in one sentence (heed_params_error): "width 130 is not
 * divisible by heads 4". */
HEED_API void heed_gpt_init(heed_gpt *m, heed_params *ps, heed_gpt_options options);
/* ids [B, T] -> logits [B, T, V]; T at most the context. caches: NULL, or `layers` of them, all
 * of the same length: ids are then the positions that follow. */
HEED_API heed_tensor *heed_gpt_forward(heed_tape *t, const heed_gpt *m, heed_tensor *ids,
                                       heed_cache *caches);
/* Mean cross-entropy of targets [B, T], nats per token. */
HEED_API heed_tensor *heed_gpt_loss(heed_tape *t, const heed_gpt *m, heed_tensor *ids,
                                    heed_tensor *targets);
/* Scalars of such a model, and bytes a training step needs at about most (parameters,
 * gradients, two moments, activations); for saying no before allocating. -1 on overflow. */
HEED_API int64_t heed_gpt_count(const heed_gpt_options *options);
HEED_API int64_t heed_gpt_memory(const heed_gpt_options *options, int64_t batch);

#ifdef __cplusplus
}
#endif

#endif
