/* What attention keeps from call to call: keys and values of positions seen so far. */
#include "nn.h"

bool heed_cache_init(heed_cache *cache, int64_t capacity, const heed_allocator *allocator)
{
    *cache = (heed_cache){ 0 };
    if (capacity < 0)
        return false;
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

/* A copy: the state may go. */
static heed_tensor *rows_of(heed_tape *t, heed_state *state, heed_tensor *from)
{
    heed_tensor *held = heed_state_value(t, state);
    return heed_index_select(t, held, from, 0);
}

bool heed_cache_reorder(heed_tape *t, heed_cache *cache, heed_tensor *from)
{
    if (heed_cache_length(cache) == 0)
        return heed_error(t) == NULL;
    heed_tensor *k = rows_of(t, cache->k, from), *v = rows_of(t, cache->v, from);
    if (!k || !v)
        return false;
    heed_cache_clear(cache);
    if (heed_state_append(t, cache->k, k, 2, cache->capacity) &&
        heed_state_append(t, cache->v, v, 2, cache->capacity))
        return true;
    heed_cache_clear(cache); /* keys and values of different rows would go unnoticed */
    return false;
}

heed_tensor *heed_padding_mask(heed_tape *t, int64_t batch, int64_t positions,
                               const int32_t *lengths)
{
    if (!lengths)
        return heed_fail(t, "padding_mask: the lengths are NULL");
    if (positions < 0 || positions > INT32_MAX)
        return heed_fail(t, "padding_mask: %lld positions are not in 0 .. 2147483647",
                         (long long)positions);
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
