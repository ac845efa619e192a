/* The modules (modules.h): each is made small, given inputs, and its result turned into one
 * number that every element of it enters with a weight of its own. */
#include "modules.h"

#include <heed/align.h>
#include <heed/nn.h>

#include <math.h>
#include <stddef.h>

enum { B = 2, T = 3, S = 4, C = 4, H = 2, V = 5 };

heed_tensor *number_of(heed_tape *t, heed_tensor *y)
{
    heed_tensor *flat = heed_reshape(t, y, HEED_SHAPE(-1));
    if (!flat)
        return NULL;
    heed_tensor *place = heed_cast(t, heed_arange(t, 0, (int32_t)flat->shape[0]), flat->dtype);
    heed_tensor *weights = heed_scale(t, heed_cos(t, place), 1 / sqrt((double)flat->shape[0]));
    heed_tensor *sum = heed_sum(t, heed_mul(t, flat, weights));
    heed_tensor *half_square = heed_scale(t, heed_square(t, sum), 0.5);
    return heed_add(t, sum, half_square);
}

/* Norms within a model bend sharply where the variance of what they are given happens to be
 * small. Parameters of the size of 1, not the small ones that training starts from, more than a
 * few channels, and shorter steps keep the error of the differences away. */
heed_check_options finer(const heed_check_options *o)
{
    heed_check_options options = *o;
    options.step = options.step > 0 ? options.step : 2e-4;
    options.full_limit = options.full_limit > 0 ? options.full_limit : 1000;
    return options;
}

void spread(heed_params *ps)
{
    heed_random r = { .seed = 8 };
    for (int i = 0; i < heed_params_count(ps); i++) {
        heed_parameter *p = heed_params_at(ps, i);
        for (int64_t k = 0; k < p->size; k++)
            ((double *)p->data)[k] += 2 * heed_random_uniform(&r) - 1;
    }
}

heed_report ended(heed_params *ps, heed_report report)
{
    heed_params_free(ps);
    return report;
}

static const heed_input input_btc = { .shape = HEED_DIMS(B, T, C) };
static const heed_input input_bsc = { .shape = HEED_DIMS(B, S, C) };
static const heed_input input_ids = { .dtype = HEED_I32, .shape = HEED_DIMS(B, T), .high = V };

/* ---- linear, embedding, norms, feed-forward ---- */

static heed_tensor *linear_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    return number_of(t, heed_linear_forward(t, m, x[0]));
}

static heed_report check_linear(const module *m, const heed_check_options *o)
{
    heed_linear_module linear;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 1 };
    heed_linear_init(&linear, ps, "linear", C, 3,
                     (heed_linear_options){ .bias = m->variant != 0, .random = &r });
    return ended(ps, heed_check(linear_of, &linear, ps, 1, &input_btc, o));
}

static heed_tensor *embedding_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    return number_of(t, heed_embedding_forward(t, m, x[0]));
}

/* The same table reads the ids and gives the logits. */
static heed_tensor *tied_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    heed_tensor *rows = heed_embedding_forward(t, m, x[0]);
    heed_tensor *logits = heed_embedding_logits(t, m, heed_tanh(t, rows));
    return heed_cross_entropy(t, logits, x[0], NULL);
}

static heed_report check_embedding(const module *m, const heed_check_options *o)
{
    heed_embedding_module table;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 2 };
    heed_embedding_init(&table, ps, "tokens", V, C, 0.5, &r);
    return ended(ps,
                 heed_check(m->variant ? tied_of : embedding_of, &table, ps, 1, &input_ids, o));
}

static heed_tensor *norm_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    return number_of(t, heed_norm_forward(t, m, x[0]));
}

static heed_report check_norm(const module *m, const heed_check_options *o)
{
    static const heed_norm_options options[] = { { .kind = HEED_LAYERNORM, .bias = true },
                                                 { .kind = HEED_LAYERNORM },
                                                 { .kind = HEED_RMSNORM } };
    heed_norm_module norm;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_norm_init(&norm, ps, "norm", C, options[m->variant]);
    return ended(ps, heed_check(norm_of, &norm, ps, 1, &input_btc, o));
}

static heed_tensor *feedforward_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    return number_of(t, heed_feedforward_forward(t, m, x[0]));
}

enum { GATED = 16 }; /* beside an activation */

static heed_report check_feedforward(const module *m, const heed_check_options *o)
{
    heed_feedforward f;
    heed_activation activation = (heed_activation)(m->variant % GATED);
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 3 };
    heed_feedforward_init(&f, ps, "feedforward", C,
                          (heed_feedforward_options){ .hidden = 5,
                                                      .activation = activation,
                                                      .gated = m->variant >= GATED,
                                                      .bias = true,
                                                      .random = &r });
    /* Far from the kink of relu, on either side of it: |x W1^T| is below 4. */
    for (int64_t k = 0; m->variant == HEED_RELU && k < f.up.bias->size; k++)
        ((double *)f.up.bias->data)[k] = k % 2 ? 4 : -4;
    return ended(ps, heed_check(feedforward_of, &f, ps, 1, &input_btc, o));
}

/* ---- attention ---- */

enum { CAUSAL = 1, COMPOSED = 2, DROPOUT = 4, PADDED = 8 };

typedef struct attention_subject {
    heed_multihead_attention attention;
    int variant;
} attention_subject;

static heed_tensor *self_attention_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    static const int32_t lengths[B] = { T, T - 1 };
    const attention_subject *s = user;
    heed_tensor *mask = s->variant & PADDED ? heed_padding_mask(t, B, T, lengths) : NULL;
    bool training = heed_set_training(t, (s->variant & DROPOUT) != 0);
    heed_tensor *y = heed_multihead_attention_forward(t, &s->attention, x[0], NULL, mask, NULL);
    heed_set_training(t, training);
    return number_of(t, y);
}

static heed_report check_self_attention(const module *m, const heed_check_options *o)
{
    attention_subject s = { .variant = m->variant };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 4 };
    heed_multihead_attention_options options = {
        .packed = true, .heads = H, .bias = true, .random = &r
    };
    options.causality = m->variant & CAUSAL ? HEED_CAUSAL_TOP_LEFT : HEED_NOT_CAUSAL;
    options.composed = (m->variant & COMPOSED) != 0;
    options.attention_dropout = m->variant & DROPOUT ? 0.3 : 0;
    heed_multihead_attention_init(&s.attention, ps, "attention", C, options);
    return ended(ps, heed_check(self_attention_of, &s, ps, 1, &input_btc, o));
}

/* Cross-attention as a user writes it: three projections, heads, and the op. */
typedef struct cross_subject {
    heed_linear_module q, k, v, output;
    int key_heads;
    bool composed;
} cross_subject;

static heed_tensor *cross_attention_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    const cross_subject *s = user;
    heed_tensor *q = heed_split_heads(t, heed_linear_forward(t, &s->q, x[0]), H);
    heed_tensor *k = heed_split_heads(t, heed_linear_forward(t, &s->k, x[1]), s->key_heads);
    heed_tensor *v = heed_split_heads(t, heed_linear_forward(t, &s->v, x[1]), s->key_heads);
    heed_attention_options o = { .composed = s->composed };
    heed_tensor *read = heed_join_heads(t, heed_attention(t, q, k, v, NULL, &o));
    return number_of(t, heed_linear_forward(t, &s->output, read));
}

static heed_report check_cross_attention(const module *m, const heed_check_options *o)
{
    cross_subject s = { .key_heads = m->variant & 1 ? 1 : H, .composed = m->variant & 2 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 5 };
    heed_linear_options options = { .random = &r };
    int64_t shared = C / H * s.key_heads;
    heed_linear_init(&s.q, ps, "q", C, C, options);
    heed_linear_init(&s.k, ps, "k", C, shared, options);
    heed_linear_init(&s.v, ps, "v", C, shared, options);
    heed_linear_init(&s.output, ps, "output", C, C, options);
    return ended(ps, heed_check(cross_attention_of, &s, ps, 2,
                                (const heed_input[]){ input_btc, input_bsc }, o));
}

static const module modules[] = {
    { "linear-module", "x W^T + b", check_linear, 1 },
    { "linear-no-bias", "x W^T", check_linear, 0 },
    { "embedding-module", "rows of a table", check_embedding, 0 },
    { "embedding-tied", "one table in and out, cross-entropy", check_embedding, 1 },
    { "layernorm-module", "with gamma and beta", check_norm, 0 },
    { "layernorm-no-bias", "with gamma", check_norm, 1 },
    { "rmsnorm-module", "with gamma", check_norm, 2 },
    { "groupnorm-module", "two groups, two axes of places", check_groupnorm, 2 },
    { "instancenorm-module", "as many groups as channels", check_groupnorm, 4 },
    { "batchnorm-training", "the batch's statistics", check_batchnorm, 1 },
    { "batchnorm-evaluation", "the running statistics", check_batchnorm, 0 },
    { "lora", "a frozen weight and a low-rank adapter", check_lora, 0 },
    { "lora-dropout", "dropout before the adapter, the weight trained too", check_lora, 1 },
    { "feedforward-gelu", "two linears, gelu", check_feedforward, HEED_GELU },
    { "feedforward-gelu-tanh", "two linears, gelu's tanh form", check_feedforward,
      HEED_GELU_TANH },
    { "feedforward-relu", "two linears, relu", check_feedforward, HEED_RELU },
    { "feedforward-silu", "two linears, silu", check_feedforward, HEED_SILU },
    { "feedforward-tanh", "two linears, tanh", check_feedforward, HEED_TANH },
    { "feedforward-sigmoid", "two linears, sigmoid", check_feedforward, HEED_SIGMOID },
    { "feedforward-swiglu", "gated by silu", check_feedforward, GATED + HEED_SILU },
    { "feedforward-geglu", "gated by gelu", check_feedforward, GATED + HEED_GELU },
    { "feedforward-glu", "gated by sigmoid", check_feedforward, GATED + HEED_SIGMOID },
    { "self-attention", "multi-head, fused", check_self_attention, 0 },
    { "self-attention-causal", "multi-head, causal, fused", check_self_attention, CAUSAL },
    { "self-attention-padded", "multi-head, a padding mask, fused", check_self_attention,
      PADDED },
    { "self-attention-masked", "causal and padded, fused", check_self_attention,
      CAUSAL | PADDED },
    { "self-attention-composed", "causal and padded, of plain ops", check_self_attention,
      CAUSAL | PADDED | COMPOSED },
    { "self-attention-dropout", "causal, dropout on the weights", check_self_attention,
      CAUSAL | DROPOUT },
    { "cross-attention", "projections, heads and the op", check_cross_attention, 0 },
    { "cross-attention-shared", "all query heads share one key head", check_cross_attention,
      1 },
    { "cross-attention-composed", "the same of plain ops", check_cross_attention, 3 },
    { "rnn-tanh", "one layer", check_recurrent, RECURRENT_TANH },
    { "rnn-relu", "one layer", check_recurrent, RECURRENT_RELU },
    { "rnn-cell", "tanh, step by step", check_recurrent, RECURRENT_TANH | RECURRENT_CELL },
    { "rnn-bidirectional", "two layers, both directions, lengths, dropout", check_recurrent,
      RECURRENT_TANH | RECURRENT_BOTH },
    { "lstm", "one layer", check_recurrent, RECURRENT_LSTM },
    { "lstm-cell", "step by step", check_recurrent, RECURRENT_LSTM | RECURRENT_CELL },
    { "lstm-bidirectional", "two layers, both directions, lengths, dropout", check_recurrent,
      RECURRENT_LSTM | RECURRENT_BOTH },
    { "lstm-peepholes", "one layer", check_recurrent, RECURRENT_PEEPHOLES },
    { "lstm-peepholes-bidirectional", "two layers, both directions, lengths, dropout",
      check_recurrent, RECURRENT_PEEPHOLES | RECURRENT_BOTH },
    { "gru", "one layer, reset after the product", check_recurrent, RECURRENT_GRU },
    { "gru-cell", "step by step", check_recurrent, RECURRENT_GRU | RECURRENT_CELL },
    { "gru-bidirectional", "two layers, both directions, lengths, dropout", check_recurrent,
      RECURRENT_GRU | RECURRENT_BOTH },
    { "gru-reset-before", "one layer, reset before the product", check_recurrent,
      RECURRENT_GRU_BEFORE },
    { "gru-reset-before-bidirectional", "two layers, both directions, lengths, dropout",
      check_recurrent, RECURRENT_GRU_BEFORE | RECURRENT_BOTH },
    { "multihead", "separate projections with biases", check_multihead, 0 },
    { "multihead-packed", "one projection, causal", check_multihead, 1 },
    { "multihead-cross", "a source of another width, d_k not d_v, padded", check_multihead, 2 },
    { "multihead-cross-packed", "k and v by one projection, one key head", check_multihead, 3 },
    { "multihead-shared", "multi-query, causal", check_multihead, 4 },
    { "multihead-gated", "a gate and a sink a head", check_multihead, 5 },
    { "multihead-input-gated", "gates from the input, causal", check_multihead, 6 },
    { "multihead-normalized", "normalised and rotated q and k", check_multihead, 7 },
    { "multihead-rotary-halves", "rotary in halves, stretched, offset", check_multihead, 8 },
    { "multihead-rotary-part", "half of each head rotated, base raised", check_multihead, 9 },
    { "multihead-alibi", "slopes, causal", check_multihead, 10 },
    { "multihead-relative", "learned relative bias both ways", check_multihead, 11 },
    { "multihead-relative-causal", "learned relative bias and sinks", check_multihead, 12 },
    { "multihead-capped", "scores capped", check_multihead, 13 },
    { "multihead-window", "causal window and a prefix", check_multihead, 14 },
    { "multihead-composed", "nearly all at once, of plain ops", check_multihead, 15 },
    { "multihead-dropout", "on weights and output", check_multihead, 16 },
    { "multihead-linear", "elu + 1 in place of the softmax, causal", check_multihead, 17 },
    { "multihead-linear-cross", "the same of a source, padded", check_multihead, 18 },
    { "multihead-score", "scores changed by a function", check_multihead, 19 },
    { "multihead-blocks", "a mask of blocks, some hidden whole", check_multihead_blocks, 0 },
    { "linear-attention-elu", "elu + 1", check_linear_attention, 0 },
    { "linear-attention-elu-causal", "elu + 1, over two pieces", check_linear_attention, 1 },
    { "linear-attention-relu", "relu", check_linear_attention, 2 },
    { "linear-attention-relu-causal", "relu, over two pieces", check_linear_attention, 3 },
    { "block-pre-norm", "x + F(norm(x)), causal", check_block, HEED_PRE_NORM },
    { "block-post-norm", "norm(x + F(x)), causal", check_block, HEED_POST_NORM },
    { "block-parallel", "x + A(norm(x)) + F(norm(x)), causal", check_block, HEED_PARALLEL },
    { "block-cross", "pre-norm, of a source too", check_block, HEED_PRE_NORM | BLOCK_CROSS },
    { "block-cross-post", "post-norm, of a source too", check_block,
      HEED_POST_NORM | BLOCK_CROSS },
    { "seq2seq-start", "LSTM, the last state alone, source reversed", check_seq2seq,
      SEQ2SEQ_START },
    { "seq2seq-fed", "GRU, the last state fed to each step, two layers", check_seq2seq,
      SEQ2SEQ_FED },
    { "seq2seq-bahdanau", "bidirectional GRU, additive attention before the step",
      check_seq2seq, SEQ2SEQ_BAHDANAU },
    { "seq2seq-luong", "LSTM, general attention after the step", check_seq2seq, SEQ2SEQ_LUONG },
    { "seq2seq-feeding", "GRU, concat attention, input feeding", check_seq2seq,
      SEQ2SEQ_FEEDING },
    { "seq2seq-coverage", "LSTM, additive attention with coverage, before the step",
      check_seq2seq, SEQ2SEQ_COVERAGE },
    { "seq2seq-location", "GRU, concat attention with filters and coverage, input feeding",
      check_seq2seq, SEQ2SEQ_LOCATION },
    { "seq2seq-monotonic", "GRU, a window that moves on", check_seq2seq, SEQ2SEQ_MONOTONIC },
    { "seq2seq-predictive", "LSTM, a window at a predicted place", check_seq2seq,
      SEQ2SEQ_PREDICTIVE },
    { "seq2seq-sparsemax", "GRU, general attention, sparsemax", check_seq2seq,
      SEQ2SEQ_SPARSEMAX },
    { "seq2seq-entmax15", "LSTM, general attention, entmax15, before the step", check_seq2seq,
      SEQ2SEQ_ENTMAX15 },
    { "gpt", "two layers, tied embeddings, cross-entropy", check_gpt, 0 },
    { "gpt-sinusoidal", "fixed positions, rmsnorm", check_gpt, 1 },
    { "gpt-rotary", "rotary positions, SwiGLU, one key head", check_gpt, 2 },
    { "gpt-alibi", "ALiBi, parallel blocks", check_gpt, 3 },
    { "transformer-paper", "post-norm, sinusoidal, one table", check_transformer, 0 },
    { "transformer-learned", "pre-norm, learned positions", check_transformer, 1 },
    { "transformer-rotary", "rotary, rmsnorm, SwiGLU, one key head", check_transformer, 2 },
    { "transformer-relative", "T5's bias, GEGLU", check_transformer, 3 },
    { "bert", "post-norm, segments, hidden words and a class", check_bert, 0 },
    { "bert-rotary", "rotary, rmsnorm, SwiGLU, one key head", check_bert, 1 },
    { "bert-relative", "pre-norm, T5's bias", check_bert, 2 },
    { "vit", "a class token, learned positions", check_vit, 0 },
    { "vit-mean", "mean of the patches, rotary, rmsnorm, SwiGLU", check_vit, 1 },
    { "align-dot-softmax", "<s, h>, softmax", check_align, ALIGN(DOT, SOFTMAX) },
    { "align-dot-sparsemax", "<s, h>, sparsemax", check_align, ALIGN(DOT, SPARSEMAX) },
    { "align-dot-entmax15", "<s, h>, entmax15", check_align, ALIGN(DOT, ENTMAX15) },
    { "align-general-softmax", "s^T W h, softmax", check_align, ALIGN(GENERAL, SOFTMAX) },
    { "align-general-sparsemax", "s^T W h, sparsemax", check_align, ALIGN(GENERAL, SPARSEMAX) },
    { "align-general-entmax15", "s^T W h, entmax15", check_align, ALIGN(GENERAL, ENTMAX15) },
    { "align-concat-softmax", "v . tanh(W [s; h]), softmax", check_align,
      ALIGN(CONCAT, SOFTMAX) },
    { "align-concat-sparsemax", "v . tanh(W [s; h]), sparsemax", check_align,
      ALIGN(CONCAT, SPARSEMAX) },
    { "align-concat-entmax15", "v . tanh(W [s; h]), entmax15", check_align,
      ALIGN(CONCAT, ENTMAX15) },
    { "align-additive-softmax", "v . tanh(W s + U h), softmax", check_align,
      ALIGN(ADDITIVE, SOFTMAX) },
    { "align-additive-sparsemax", "v . tanh(W s + U h), sparsemax", check_align,
      ALIGN(ADDITIVE, SPARSEMAX) },
    { "align-additive-entmax15", "v . tanh(W s + U h), entmax15", check_align,
      ALIGN(ADDITIVE, ENTMAX15) },
    { "align-scaled-softmax", "<s, h>/sqrt(D), softmax", check_align,
      ALIGN(SCALED_DOT, SOFTMAX) },
    { "align-scaled-sparsemax", "<s, h>/sqrt(D), sparsemax", check_align,
      ALIGN(SCALED_DOT, SPARSEMAX) },
    { "align-scaled-entmax15", "<s, h>/sqrt(D), entmax15", check_align,
      ALIGN(SCALED_DOT, ENTMAX15) },
    { "align-cosine-softmax", "<s, h>/(|s| |h|), softmax", check_align,
      ALIGN(COSINE, SOFTMAX) },
    { "align-cosine-sparsemax", "<s, h>/(|s| |h|), sparsemax", check_align,
      ALIGN(COSINE, SPARSEMAX) },
    { "align-cosine-entmax15", "<s, h>/(|s| |h|), entmax15", check_align,
      ALIGN(COSINE, ENTMAX15) },
    { "align-history", "location and coverage terms, two steps", check_align,
      ALIGN(ADDITIVE, SOFTMAX) | ALIGN_LOOKING_BACK },
    { "align-history-sparse", "the same, entmax15", check_align,
      ALIGN(ADDITIVE, ENTMAX15) | ALIGN_LOOKING_BACK },
    { "align-monotonic", "a window that moves on", check_align,
      ALIGN(GENERAL, SOFTMAX) | ALIGN_MONOTONIC },
    { "align-predictive", "a window at a predicted place", check_align,
      ALIGN(GENERAL, SOFTMAX) | ALIGN_PREDICTIVE },
    { "align-gumbel", "a relaxed draw", check_align, ALIGN(DOT, SOFTMAX) | ALIGN_GUMBEL },
};

const module *module_at(int i)
{
    return i >= 0 && i < (int)(sizeof modules / sizeof modules[0]) ? &modules[i] : NULL;
}
