/* Multi-head attention in the variants of the literature: projections, what is done to queries
 * and keys before they meet, a cache, and what is done to what was read. The meeting itself is
 * heed_attention. */
#include "multihead_parts.h"

/* ---- making one ---- */

static void init_projections(heed_multihead_attention *m, heed_params *ps, int64_t width)
{
    const heed_multihead_attention_options *o = &m->options;
    heed_linear_options linear = { o->bias, o->init, o->layers, o->random };
    int64_t q = o->heads * o->key_width, k = o->key_heads * o->key_width,
            v = o->key_heads * o->value_width;
    if (o->packed && !o->cross) {
        heed_linear_init(&m->q, ps, "qkv", width, q + k + v, linear);
    } else {
        heed_linear_init(&m->q, ps, "q", width, q, linear);
        if (o->packed) {
            heed_linear_init(&m->k, ps, "kv", o->source_width, k + v, linear);
        } else {
            heed_linear_init(&m->k, ps, "k", o->source_width, k, linear);
            heed_linear_init(&m->v, ps, "v", o->source_width, v, linear);
        }
    }
    linear.init = o->output_init;
    heed_linear_init(&m->output, ps, "output", o->heads * o->value_width, width, linear);
}

void heed_multihead_attention_init(heed_multihead_attention *m, heed_params *ps,
                                   const char *name, int64_t width,
                                   heed_multihead_attention_options options)
{
    *m = (heed_multihead_attention){ .options = options };
    heed_multihead_attention_options *o = &m->options;
    o->max_distance = o->max_distance ? o->max_distance : 128;
    if (!heed__multihead_sound(ps, width, o))
        return;
    o->key_heads = o->key_heads ? o->key_heads : o->heads;
    o->key_width = o->key_width ? o->key_width : width / o->heads;
    o->value_width = o->value_width ? o->value_width : width / o->heads;
    o->source_width = o->source_width ? o->source_width : width;
    heed_params_scope(ps, name);
    init_projections(m, ps, width);
    heed_shape heads = HEED_SHAPE(o->heads);
    if (o->gate == HEED_GATE_HEAD)
        m->head_gate = heed_parameter_new(ps, "gate", heads, 0);
    if (o->gate == HEED_GATE_INPUT)
        heed_linear_init(&m->input_gate, ps, "gate", width, o->heads,
                         (heed_linear_options){ true, o->init, o->layers, o->random });
    if (o->normalize) {
        heed_norm_options norm = { .kind = HEED_RMSNORM };
        heed_norm_init(&m->q_norm, ps, "q_norm", o->key_width, norm);
        heed_norm_init(&m->k_norm, ps, "k_norm", o->key_width, norm);
    }
    if (o->buckets) {
        m->relative =
            heed_parameter_new(ps, "relative", HEED_SHAPE(o->buckets, o->heads), HEED_DECAY);
        heed_init_normal(m->relative, 0.02, o->random);
    }
    if (o->sinks)
        m->sinks = heed_parameter_new(ps, "sinks", heads, 0);
    heed_params_scope_end(ps);
}

/* ---- forward ---- */

typedef struct meeting {
    heed_tensor *q, *k, *v; /* [B, H, T, D], [B, Hk, S, D], [B, Hk, S, Dv] */
} meeting;

/* Columns [from, from + heads width) of [B, T, C] as [B, heads, T, width]. */
static heed_tensor *heads_of(heed_tape *t, heed_tensor *x, int64_t from, int heads,
                             int64_t width)
{
    return heed_split_heads(t, heed_slice(t, x, 2, from, from + heads * width, 1), heads);
}

static void project_source(heed_tape *t, const heed_multihead_attention *m, heed_tensor *source,
                           meeting *a)
{
    const heed_multihead_attention_options *o = &m->options;
    if (o->packed) {
        heed_tensor *kv = heed_linear_forward(t, &m->k, source);
        a->k = heads_of(t, kv, 0, o->key_heads, o->key_width);
        a->v = heads_of(t, kv, o->key_heads * o->key_width, o->key_heads, o->value_width);
    } else {
        a->k = heed_split_heads(t, heed_linear_forward(t, &m->k, source), o->key_heads);
        a->v = heed_split_heads(t, heed_linear_forward(t, &m->v, source), o->key_heads);
    }
    if (o->normalize)
        a->k = heed_norm_forward(t, &m->k_norm, a->k);
}

static void project(heed_tape *t, const heed_multihead_attention *m, heed_tensor *x,
                    heed_tensor *source, meeting *a)
{
    const heed_multihead_attention_options *o = &m->options;
    heed_tensor *q = heed_linear_forward(t, &m->q, x);
    a->q = heads_of(t, q, 0, o->heads, o->key_width);
    if (o->packed && !o->cross) {
        int64_t from = o->heads * o->key_width;
        a->k = heads_of(t, q, from, o->key_heads, o->key_width);
        a->v = heads_of(t, q, from + o->key_heads * o->key_width, o->key_heads, o->value_width);
        if (o->normalize)
            a->k = heed_norm_forward(t, &m->k_norm, a->k);
    } else if (source) {
        project_source(t, m, source, a);
    }
    if (o->normalize)
        a->q = heed_norm_forward(t, &m->q_norm, a->q);
}

/* Keys and values go into the cache and come back as all that it holds. */
static void remember(heed_tape *t, const heed_multihead_attention *m, heed_cache *cache,
                     meeting *a)
{
    if (m->options.cross && !a->k) {
        a->k = heed_state_value(t, cache->k);
        a->v = heed_state_value(t, cache->v);
    } else {
        a->k = heed_state_append(t, cache->k, a->k, 2, cache->capacity);
        a->v = heed_state_append(t, cache->v, a->v, 2, cache->capacity);
    }
}

/* T5's bias [H, T, S]: the rows of a table that the distances name. */
static heed_tensor *relative_bias(heed_tape *t, const heed_multihead_attention *m,
                                  const meeting *a, int64_t offset)
{
    const heed_multihead_attention_options *o = &m->options;
    heed_tensor *ids =
        heed_relative_buckets(t, a->q->shape[2], a->k->shape[2], offset, o->buckets,
                              o->max_distance, o->causality == HEED_NOT_CAUSAL);
    heed_tensor *rows = heed_embedding(t, heed_use(t, m->relative), ids);
    return heed_permute(t, rows, (const int[]){ 2, 0, 1 });
}

static heed_tensor *gated(heed_tape *t, const heed_multihead_attention *m, heed_tensor *x,
                          heed_tensor *read)
{
    heed_tensor *gate = NULL;
    if (m->head_gate) {
        gate = heed_reshape(t, heed_use(t, m->head_gate), HEED_SHAPE(-1, 1, 1));
    } else {
        gate = heed_swap(t, heed_linear_forward(t, &m->input_gate, x), 1, 2); /* [B, H, T] */
        gate = gate
                   ? heed_reshape(t, gate,
                                  HEED_SHAPE(gate->shape[0], gate->shape[1], gate->shape[2], 1))
                   : NULL;
    }
    return heed_mul(t, read, heed_sigmoid(t, gate));
}

/* What a cache has room for; one without a capacity takes what it is given first. */
static int64_t positions_of(const heed_multihead_attention_options *o, const heed_tensor *x,
                            const heed_tensor *source, const heed_cache *cache)
{
    int64_t held = heed_cache_length(cache);
    return cache->capacity > 0 ? cache->capacity
           : held > 0          ? held
           : o->cross          ? source->shape[1]
                               : x->shape[1];
}

static bool check_forward(heed_tape *t, const heed_multihead_attention *m, const heed_tensor *x,
                          const heed_tensor *source, const heed_cache *cache)
{
    const heed_multihead_attention_options *o = &m->options;
    const char *wrong = NULL;
    if (heed_error(t))
        return false;
    if (!x)
        wrong = "x is NULL";
    else if (x->ndim != 3)
        wrong = "x needs shape [B, T, C]";
    else if (!o->cross && source)
        wrong = "self-attention takes no source";
    else if (o->cross && !source && !(cache && heed_cache_length(cache) > 0))
        wrong = "cross-attention needs a source";
    else if (o->cross && source && source->ndim != 3)
        wrong = "the source needs shape [B, S, C]";
    else if (cache && !o->cross && o->causality == HEED_NOT_CAUSAL)
        wrong = "a cache needs causal self-attention";
    else if (o->cross && cache && heed_cache_length(cache) > 0 && heed_recording(t))
        wrong = "what a cache holds of the source has no derivative; turn recording off";
    else if (o->cross && cache && source && heed_cache_length(cache) > 0 &&
             source->shape[1] != heed_cache_length(cache))
        wrong = "the cache holds a source of another length; clear it first";
    else if (o->cross && cache && (o->causality != HEED_NOT_CAUSAL || o->windowed))
        wrong = "a cache of a source does not know the places of queries, which causality and "
                "windows need";
    else if (cache && o->linear)
        wrong = "linear attention has no cache";
    else if (cache && o->positions && positions_of(o, x, source, cache) > o->positions)
        wrong = "the cache is longer than the positions there are";
    if (wrong)
        heed_fail(t, "multihead_attention: %s", wrong);
    return !wrong;
}

/* What attention itself is told, but for what depends on where queries and keys are. */
static heed_attention_options attention_options(heed_tape *t, const heed_multihead_attention *m)
{
    const heed_multihead_attention_options *o = &m->options;
    heed_attention_options options = { .scale = o->scale,
                                       .causality = o->causality,
                                       .dropout = o->attention_dropout,
                                       .composed = o->composed,
                                       .cap = o->cap,
                                       .windowed = o->windowed,
                                       .left = o->left,
                                       .right = o->right,
                                       .prefix = o->prefix,
                                       .score = o->score,
                                       .user = o->user };
    if (o->alibi)
        options.slopes = heed_alibi_slopes(t, o->heads);
    if (m->sinks)
        options.sinks = heed_use(t, m->sinks);
    return options;
}

/* A mask of numbers is a bias, beside T5's [H, T, S] if there is one. */
static heed_tensor *bias_of(heed_tape *t, heed_attention_options *options, heed_tensor *mask)
{
    if (!mask || (mask->dtype != HEED_F32 && mask->dtype != HEED_F64))
        return mask;
    for (int i = 1; i <= mask->ndim && options->bias; i++) {
        int64_t extent = mask->shape[mask->ndim - i];
        if (extent != 1 && i < 4 && extent != options->bias->shape[3 - i])
            return heed_fail(
                t, "multihead_attention: the mask has extent %lld at axis %d, not %lld",
                (long long)extent, -i, (long long)options->bias->shape[3 - i]);
    }
    options->bias = options->bias ? heed_add(t, options->bias, mask) : mask;
    return NULL;
}

/* Nothing happens between the projection and the meeting, or between that and the joined heads:
 * the kernel can read the one and write the other. */
static bool reads_in_place(const heed_multihead_attention *m, const heed_cache *cache)
{
    const heed_multihead_attention_options *o = &m->options;
    return o->packed && !o->cross && !cache && !o->linear && o->key_heads == o->heads &&
           o->key_width == o->value_width && !o->normalize && !o->rotary && !o->buckets &&
           o->gate == HEED_GATE_NONE;
}

static heed_tensor *read_in_place(heed_tape *t, const heed_multihead_attention *m,
                                  heed_tensor *x, heed_tensor *mask)
{
    heed_tensor *qkv = heed_linear_forward(t, &m->q, x);
    heed_attention_options options = attention_options(t, m);
    mask = bias_of(t, &options, mask);
    return heed_attention_packed(t, qkv, m->options.heads, mask, &options);
}

static heed_tensor *meet(heed_tape *t, const heed_multihead_attention *m, const meeting *a,
                         heed_tensor *mask, const heed_cache *cache, int64_t held, bool known)
{
    heed_attention_options options = attention_options(t, m);
    if (cache)
        options.queries = held || known ? HEED_QUERIES_MORE : HEED_QUERIES_FIRST;
    if (cache && !m->options.cross)
        options.causality = HEED_CAUSAL_BOTTOM_RIGHT;
    if (m->relative)
        options.bias = relative_bias(t, m, a, held);
    mask = bias_of(t, &options, mask);
    return heed_attention(t, a->q, a->k, a->v, mask, &options);
}

static heed_tensor *meet_linearly(heed_tape *t, const heed_multihead_attention *m,
                                  const meeting *a, heed_tensor *mask)
{
    heed_linear_attention_options options = { .feature = m->options.feature,
                                              .causal =
                                                  m->options.causality != HEED_NOT_CAUSAL };
    return heed_linear_attention(t, a->q, a->k, a->v, mask, &options);
}

static heed_tensor *read_apart(heed_tape *t, const heed_multihead_attention *m, heed_tensor *x,
                               heed_tensor *source, heed_tensor *mask, heed_cache *cache)
{
    const heed_multihead_attention_options *o = &m->options;
    int64_t held = cache && !o->cross ? heed_cache_length(cache) : 0;
    bool known = o->cross && cache && heed_cache_length(cache) > 0;
    meeting a = { NULL, NULL, NULL };
    project(t, m, x, known ? NULL : o->cross ? source : x, &a);
    if (o->rotary) {
        heed_rope_options rope = o->rope;
        rope.offset += held;
        a.q = heed_rope(t, a.q, &rope);
        a.k = heed_rope(t, a.k, &rope);
    }
    if (cache)
        remember(t, m, cache, &a);
    if (!a.q || !a.k || !a.v)
        return NULL;
    heed_tensor *read =
        o->linear ? meet_linearly(t, m, &a, mask) : meet(t, m, &a, mask, cache, held, known);
    if (o->gate != HEED_GATE_NONE)
        read = gated(t, m, x, read);
    return heed_join_heads(t, read);
}

heed_tensor *heed_multihead_attention_forward(heed_tape *t, const heed_multihead_attention *m,
                                              heed_tensor *x, heed_tensor *source,
                                              heed_tensor *mask, heed_cache *cache)
{
    const heed_multihead_attention_options *o = &m->options;
    if (!check_forward(t, m, x, source, cache))
        return NULL;
    heed_tensor *joined = reads_in_place(m, cache)
                              ? read_in_place(t, m, x, mask)
                              : read_apart(t, m, x, source, mask, cache); /* [B, T, H Dv] */
    heed_tensor *y = heed_linear_forward(t, &m->output, joined);
    return o->dropout != 0 ? heed_dropout(t, y, o->dropout) : y;
}
