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

/* Values of each position that a layer records: its norms and sums, q, k and v, what attention
 * read and made of it, four widths and back; and the rows of numbers that norms and attention
 * keep. Where the kernel cannot read q, k and v in place, they are copied; rotated q and k are
 * others again. */
static bool add_layer(int64_t *total, const heed_gpt_options *o)
{
    int key_heads = o->key_heads > 0 ? o->key_heads : o->heads;
    int norms = o->place == HEED_PARALLEL ? 1 : 2;
    bool rotary = o->positions == HEED_POSITIONS_ROTARY;
    bool copied = rotary || o->positions == HEED_POSITIONS_ALIBI ||
                  o->positions == HEED_POSITIONS_RELATIVE || key_heads != o->heads;
    int64_t queries = 1 + copied + rotary, keys = 2 + 2 * copied + rotary;
    int64_t others = norms + 2 + 2 + 9 + (o->gated ? 8 : 0) + (o->dropout != 0 ? 2 : 0);
    return add_product(total, queries + others, o->width) &&
           add_product(total, keys, o->width / o->heads * key_heads) &&
           add_product(total, 1, o->heads + 2 * norms);
}

/* Numbers of a map of each head, which T5's bias is; 0 where there is none. */
static bool add_maps(int64_t *total, const heed_gpt_options *o, int64_t count)
{
    int64_t map = 0;
    return o->positions != HEED_POSITIONS_RELATIVE ||
           (add_product(&map, o->context, o->context) && add_product(total, count, map));
}

/* What the sweep takes on top of all that is recorded, at its worst: at the end, where the last
 * norm, logits and their gradient are there; in the last layer's feed-forward, with gradients of
 * what is four widths wide; or in its attention, with those of the bias, when some of the layer
 * has been given back. */
static bool add_sweep(int64_t *total, const heed_gpt_options *o, int64_t positions)
{
    int64_t c = o->width, end = 0, feedforward = 0, attention = 0, logits = c;
    bool fits = add_product(&logits, 2, o->vocabulary) &&
                add_product(&end, logits, positions) &&
                add_product(&feedforward, (o->gated ? 11 : 7) * c, positions) &&
                add_maps(&attention, o, o->heads) && add_product(&attention, -5 * c, positions);
    int64_t most = end > feedforward ? end : feedforward;
    return fits && add_product(total, 1, most > attention ? most : attention);
}

/* Embeddings, with positions and dropout; layers. All sequences share the table of positions and
 * the bias, which is gathered, then put in the order of heads, by the numbers of its buckets. */
static bool add_record(int64_t *total, const heed_gpt_options *o, int64_t positions)
{
    int64_t layer = 0, kept = 0, shared = 0;
    int64_t maps = (o->heads > 1 ? 2 : 1) * (int64_t)o->heads + 1;
    bool table = o->positions == HEED_POSITIONS_SINUSOIDAL;
    bool added = table || o->positions == HEED_POSITIONS_LEARNED;
    return add_layer(&layer, o) && add_product(&kept, layer, o->layers) &&
           add_product(&kept, 1 + added + (o->dropout != 0), o->width) &&
           add_product(total, kept, positions) && add_maps(&shared, o, maps) &&
           add_product(total, shared, o->layers) &&
           add_product(total, table ? o->context : 0, o->width);
}

int64_t heed_gpt_memory(const heed_gpt_options *o, int64_t batch)
{
    /* Of a layer, the records themselves. */
    enum { SCALARS_OF_RECORDS = 4096 };
    int64_t scalars = heed_gpt_count(o), positions, total = 0;
    if (scalars < 0 || __builtin_mul_overflow(batch, o->context, &positions))
        return -1;
    /* Weights, gradients, two moments; values; and a fifth more, as runs of memory are up to an
     * eighth longer than asked for. */
    bool fits = add_product(&total, scalars, 4) && add_record(&total, o, positions) &&
                add_sweep(&total, o, positions) &&
                add_product(&total, o->layers + 1, SCALARS_OF_RECORDS) &&
                add_product(&total, total / 5, 1) &&
                !__builtin_mul_overflow(total, (int64_t)sizeof(float), &total);
    return fits ? total : -1;
}
