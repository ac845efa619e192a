/* What attention keeps from call to call: keys and values of positions seen so far. */
#include "nn.h"

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

static bool reorder(heed_tape *t, heed_state *state, heed_tensor *from, int64_t capacity)
{
    heed_tensor *held = heed_state_value(t, state);
    heed_tensor *rows = heed_index_select(t, held, from, 0); /* a copy: the state may go */
    if (!rows)
        return false;
    heed_state_clear(state);
    return heed_state_append(t, state, rows, 2, capacity) != NULL;
}

bool heed_cache_reorder(heed_tape *t, heed_cache *cache, heed_tensor *from)
{
    if (heed_cache_length(cache) == 0)
        return heed_error(t) == NULL;
    return reorder(t, cache->k, from, cache->capacity) &&
           reorder(t, cache->v, from, cache->capacity);
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
