/* Multi-head self-attention with a packed projection, masks and a KV cache. */
#include "nn.h"

void heed_self_attention_init(heed_self_attention *m, heed_params *ps, const char *name,
                              int64_t width, heed_self_attention_options options)
{
    *m = (heed_self_attention){ .heads = options.heads,
                                .causality = options.causality,
                                .composed = options.composed,
                                .attention_dropout = options.attention_dropout,
                                .dropout = options.dropout };
    if (options.heads < 1 || width % options.heads != 0) {
        heed_params_fail(ps, "width %lld is not divisible by heads %d", (long long)width,
                         options.heads);
        return;
    }
    heed_params_scope(ps, name);
    heed_linear_init(
        &m->qkv, ps, "qkv", width, 3 * width,
        (heed_linear_options){ options.bias, options.init, options.layers, options.random });
    heed_linear_init(&m->output, ps, "output", width, width,
                     (heed_linear_options){ options.bias, options.output_init, options.layers,
                                            options.random });
    heed_params_scope_end(ps);
}

bool heed_cache_init(heed_cache *cache, int64_t capacity, const heed_allocator *allocator)
{
    *cache = (heed_cache){ heed_state_new(allocator), heed_state_new(allocator), capacity };
    if (cache->k && cache->v)
        return true;
    heed_cache_free(cache);
    return false;
}

void heed_cache_clear(heed_cache *cache)
{
    heed_state_clear(cache->k);
    heed_state_clear(cache->v);
}

void heed_cache_free(heed_cache *cache)
{
    heed_state_free(cache->k);
    heed_state_free(cache->v);
    *cache = (heed_cache){ 0 };
}

int64_t heed_cache_length(const heed_cache *cache)
{
    return heed_state_length(cache->k);
}

/* The new positions' keys and values go into the cache; the new queries see all that it holds.
 */
static heed_tensor *attend_cached(heed_tape *t, const heed_self_attention *m, heed_tensor *qkv,
                                  heed_tensor *mask, heed_cache *cache,
                                  heed_attention_options options)
{
    int64_t width = qkv->shape[2] / 3;
    heed_tensor *q =
        heed_split_heads(t, heed_slice(t, qkv, 2, 0, width, 1), m->heads); /* [B, H, T, D] */
    heed_tensor *k = heed_split_heads(t, heed_slice(t, qkv, 2, width, 2 * width, 1), m->heads);
    heed_tensor *v =
        heed_split_heads(t, heed_slice(t, qkv, 2, 2 * width, 3 * width, 1), m->heads);
    k = heed_state_append(t, cache->k, k, 2, cache->capacity); /* [B, H, S, D] */
    v = heed_state_append(t, cache->v, v, 2, cache->capacity);
    if (options.causality != HEED_NOT_CAUSAL)
        options.causality = HEED_CAUSAL_BOTTOM_RIGHT;
    return heed_join_heads(t, heed_attention(t, q, k, v, mask, &options));
}

heed_tensor *heed_self_attention_forward(heed_tape *t, const heed_self_attention *m,
                                         heed_tensor *x, heed_tensor *mask, heed_cache *cache)
{
    heed_tensor *qkv = heed_linear_forward(t, &m->qkv, x); /* [B, T, 3 C] */
    if (!qkv)
        return NULL;
    if (qkv->ndim != 3)
        return heed_fail(t, "self_attention: x needs shape [B, T, C], got %d axes", qkv->ndim);
    heed_attention_options options = { .causality = m->causality,
                                       .composed = m->composed,
                                       .dropout = m->attention_dropout };
    heed_tensor *joined =
        cache ? attend_cached(t, m, qkv, mask, cache, options)
              : heed_attention_packed(t, qkv, m->heads, mask, &options); /* [B, T, C] */
    heed_tensor *y = heed_linear_forward(t, &m->output, joined);
    return m->dropout != 0 ? heed_dropout(t, y, m->dropout) : y;
}

heed_tensor *heed_padding_mask(heed_tape *t, int64_t batch, int64_t positions,
                               const int32_t *lengths)
{
    for (int64_t b = 0; b < batch; b++) {
        if (lengths[b] < 0 || lengths[b] > positions)
            return heed_fail(t, "padding_mask: length %d of row %lld is outside 0 .. %lld",
                             lengths[b], (long long)b, (long long)positions);
    }
    heed_tensor *index = heed_arange(t, 0, (int32_t)positions);
    heed_tensor *place = heed_cast(t, index, heed_tape_dtype(t)); /* [S] */
    heed_tensor *length =
        heed_cast(t, heed_ids(t, HEED_SHAPE(batch, 1, 1, 1), lengths), heed_tape_dtype(t));
    return heed_less(t, place, length); /* [B, 1, 1, S] */
}
