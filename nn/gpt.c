/* GPT: token and position embeddings, pre-norm blocks, a last norm, and logits against the
 * token table. */
#include "nn.h"
#include "training.h"

#include <stdio.h>

static bool sound(heed_params *ps, const heed_gpt_options *o)
{
    if (o->vocabulary < 1 || o->vocabulary > INT32_MAX)
        heed_params_fail(ps, "vocabulary %lld is not in 1 .. 2147483647",
                         (long long)o->vocabulary);
    else if (o->context < 1 || o->context > INT32_MAX)
        heed_params_fail(ps, "context %lld is not in 1 .. 2147483647", (long long)o->context);
    else if (o->layers < 1 || o->layers > HEED_STACK_MAX_LAYERS)
        heed_params_fail(ps, "layers %d is not in 1 .. %d", o->layers, HEED_STACK_MAX_LAYERS);
    else if (o->heads < 1)
        heed_params_fail(ps, "heads %d is not positive", o->heads);
    else if (o->width < 1 || o->width > INT32_MAX)
        heed_params_fail(ps, "width %lld is not in 1 .. 2147483647", (long long)o->width);
    else if (o->width % o->heads != 0)
        heed_params_fail(ps, "width %lld is not divisible by heads %d", (long long)o->width,
                         o->heads);
    else if (!(o->dropout >= 0 && o->dropout < 1))
        heed_params_fail(ps, "dropout %g is not in [0, 1)", o->dropout);
    return heed_params_error(ps) == NULL;
}

void heed_gpt_init(heed_gpt *m, heed_params *ps, heed_gpt_options o)
{
    *m = (heed_gpt){ 0 };
    if (!sound(ps, &o))
        return;
    m->options = o;
    heed_block_options block = {
        .place = o.place,
        .norm = { .kind = o.norm, .bias = o.bias },
        .attention = { .heads = o.heads,
                       .key_heads = o.key_heads,
                       .packed = true,
                       .causality = HEED_CAUSAL_TOP_LEFT,
                       .positions = o.context,
                       .bias = o.bias,
                       .attention_dropout = o.dropout,
                       .dropout = o.dropout,
                       .init = HEED_INIT_GPT2,
                       .output_init = HEED_INIT_GPT2_RESIDUAL,
                       .layers = o.layers,
                       .random = o.random },
        .feedforward = { .activation = o.activation,
                         .gated = o.gated,
                         .bias = o.bias,
                         .dropout = o.dropout,
                         .init = HEED_INIT_GPT2,
                         .output_init = HEED_INIT_GPT2_RESIDUAL,
                         .layers = o.layers,
                         .random = o.random },
    };
    heed_position_attend(o.positions, &block.attention);
    heed_embedding_init(&m->tokens, ps, "tokens", o.vocabulary, o.width, 0.02, o.random);
    heed_position_init(&m->positions, ps, "positions", o.positions, o.context, o.width, 0.02,
                       o.random);
    heed_block_stack_init(&m->stack, ps, o.width, o.layers, block);
}

static heed_tensor *embed(heed_tape *t, const heed_gpt *m, heed_tensor *ids, int64_t past)
{
    heed_tensor *x = heed_embedding_forward(t, &m->tokens, ids); /* [B, T, C] */
    x = heed_position_forward(t, &m->positions, x, past);
    return m->options.dropout != 0 ? heed_dropout(t, x, m->options.dropout) : x;
}

heed_tensor *heed_gpt_forward(heed_tape *t, const heed_gpt *m, heed_tensor *ids,
                              heed_cache *caches)
{
    if (!t || heed_error(t))
        return NULL;
    if (!ids || ids->ndim != 2)
        return heed_fail(t, "gpt: ids need shape [B, T]");
    int64_t past = caches ? heed_cache_length(&caches[0]) : 0;
    if (ids->shape[1] > m->options.context - past)
        return heed_fail(t, "gpt: %lld positions after %lld do not fit the context of %lld",
                         (long long)ids->shape[1], (long long)past,
                         (long long)m->options.context);
    struct heed_statistics *statistics = m->stack.statistics;
    heed_position start = heed_mark(t);
    heed_tensor *x = heed_observe(statistics, t, embed(t, m, ids, past), "embedded");
    x = heed_block_stack_forward(t, &m->stack, x, &(heed_block_inputs){ .cache = caches });
    heed_tensor *logits = heed_embedding_logits(t, &m->tokens, x); /* [B, T, V] */
    return heed_return(t, start, heed_observe(statistics, t, logits, "logits"));
}

heed_tensor *heed_gpt_loss(heed_tape *t, const heed_gpt *m, heed_tensor *ids,
                           heed_tensor *targets)
{
    heed_tensor *logits = heed_gpt_forward(t, m, ids, NULL);
    return heed_cross_entropy(t, logits, targets, NULL);
}

static bool add_product(int64_t *total, int64_t a, int64_t b)
{
    int64_t product;
    return !__builtin_mul_overflow(a, b, &product) &&
           !__builtin_add_overflow(*total, product, total);
}

int64_t heed_gpt_count(const heed_gpt_options *o)
{
    int64_t c = o->width, total = 0, block = 0;
    if (c < 1 || c > INT32_MAX || o->heads < 1)
        return -1;
    int64_t norm = c * (1 + (o->bias && o->norm == HEED_LAYERNORM));
    int64_t keys = c / o->heads * (o->key_heads > 0 ? o->key_heads : o->heads);
    int64_t rows = 6 * c + 2 * keys + (o->gated ? 4 * c : 0); /* of matrices c wide or high */
    int64_t biases = 7 * c + 2 * keys + (o->gated ? 4 * c : 0);
    bool fits =
        add_product(&total, o->vocabulary, c) &&
        add_product(&total, o->positions == HEED_POSITIONS_LEARNED ? o->context : 0, c) &&
        add_product(&block, rows + 4 * c, c) &&
        add_product(&block, o->place == HEED_PARALLEL ? 1 : 2, norm) &&
        add_product(&block, o->bias ? 1 : 0, biases) &&
        add_product(&block, o->positions == HEED_POSITIONS_RELATIVE ? 32 : 0, o->heads) &&
        add_product(&total, o->layers, block) &&
        add_product(&total, o->place == HEED_POST_NORM ? 0 : 1, norm);
    return fits ? total : -1;
}

int64_t heed_gpt_memory(const heed_gpt_options *o, int64_t batch)
{
    int64_t scalars = heed_gpt_count(o), positions, per_position = 0, total = 0;
    if (scalars < 0 || __builtin_mul_overflow(batch, o->context, &positions))
        return -1;
    /* Weights, gradients, two moments; per position the values kept for the sweep (some 20
     * widths a layer) and the logits with their gradient, and a fifth more for what comes and
     * goes. */
    bool fits = add_product(&total, scalars, 4) &&
                add_product(&per_position, 20 * o->width, o->layers) &&
                add_product(&per_position, 10, o->width) &&
                add_product(&per_position, 2, o->vocabulary) &&
                add_product(&total, per_position, positions) &&
                add_product(&total, total / 5, 1) &&
                !__builtin_mul_overflow(total, (int64_t)sizeof(float), &total);
    return fits ? total : -1;
}
