/* Positions: numbers that nobody learns, and what is added to embeddings. */
#include "nn.h"

#include <math.h>

heed_tensor *heed_sinusoidal_positions(heed_tape *t, int64_t start, int64_t count,
                                       int64_t width)
{
    /* The tensor is fresh and nobody has read it yet: filling it in place keeps values
     * immutable. */
    heed_tensor *x = heed_full(t, HEED_SHAPE(count, width), 0);
    for (int64_t p = 0; x && p < count; p++) {
        for (int64_t j = 0; j < width; j++) {
            double angle =
                (double)(start + p) / pow(10000, (double)(j / 2 * 2) / (double)width);
            double value = j % 2 ? cos(angle) : sin(angle);
            if (x->dtype == HEED_F64)
                ((double *)x->data)[p * width + j] = value;
            else
                ((float *)x->data)[p * width + j] = (float)value;
        }
    }
    return x;
}

heed_tensor *heed_alibi_slopes(heed_tape *t, int heads)
{
    if (heads < 1)
        return heed_fail(t, "alibi_slopes: heads %d are not positive", heads);
    heed_tensor *x = heed_full(t, HEED_SHAPE(heads), 0);
    int power = 1;
    while (power <= heads / 2)
        power *= 2;
    for (int h = 0; x && h < heads; h++) {
        double exponent =
            h < power ? (double)(h + 1) / power : (double)(2 * (h - power) + 1) / (2 * power);
        double slope = pow(2, -8 * exponent);
        if (x->dtype == HEED_F64)
            ((double *)x->data)[h] = slope;
        else
            ((float *)x->data)[h] = (float)slope;
    }
    return x;
}

/* The bucket of a distance, of `buckets` for its direction. */
static int32_t bucket_of(int64_t distance, int buckets, int64_t max_distance)
{
    int exact = buckets / 2;
    if (distance < exact)
        return (int32_t)distance;
    double part = log((double)distance / exact) / log((double)max_distance / exact);
    int64_t place = exact + (int64_t)(part * (buckets - exact));
    return (int32_t)(place < buckets ? place : buckets - 1);
}

heed_tensor *heed_relative_buckets(heed_tape *t, int64_t queries, int64_t keys, int64_t offset,
                                   int buckets, int64_t max_distance, bool both_ways)
{
    int each = both_ways ? buckets / 2 : buckets;
    if (each < 2 || (both_ways && buckets % 2 != 0))
        return heed_fail(t, "relative_buckets: cannot share out %d buckets", buckets);
    if (max_distance <= each / 2)
        return heed_fail(t,
                         "relative_buckets: max_distance %lld is not beyond the %d exact ones",
                         (long long)max_distance, each / 2);
    if (offset < 0 || offset > INT32_MAX)
        return heed_fail(t, "relative_buckets: offset %lld is not in 0 .. 2147483647",
                         (long long)offset);
    if (queries < 0 || keys < 0 || (keys > 0 && queries > INT32_MAX / keys))
        return heed_fail(t, "relative_buckets: cannot number %lld x %lld places",
                         (long long)queries, (long long)keys);
    heed_tensor *x = heed_arange(t, 0, (int32_t)(queries * keys));
    int32_t *to = x ? x->data : NULL;
    for (int64_t i = 0; x && i < queries; i++) {
        for (int64_t j = 0; j < keys; j++, to++) {
            int64_t back = offset + i - j;
            if (back >= 0)
                *to = bucket_of(back, each, max_distance);
            else
                *to = both_ways ? each + bucket_of(-back, each, max_distance) : 0;
        }
    }
    return heed_reshape(t, x, HEED_SHAPE(queries, keys));
}

/* ---- in a model ---- */

void heed_position_init(heed_position_module *m, heed_params *ps, const char *name,
                        heed_position_kind kind, int64_t longest, int64_t width,
                        double deviation, heed_random *r)
{
    *m = (heed_position_module){ .kind = kind, .longest = longest };
    if (kind < HEED_POSITIONS_LEARNED || kind > HEED_POSITIONS_NONE)
        heed_params_fail(ps, "there is no kind of positions %d", (int)kind);
    else if (longest < 0 || longest > INT32_MAX)
        heed_params_fail(ps, "%lld positions are not in 0 .. 2147483647", (long long)longest);
    else if (kind == HEED_POSITIONS_LEARNED && longest == 0)
        heed_params_fail(ps, "learned positions need a number of them");
    else if (kind == HEED_POSITIONS_LEARNED)
        heed_embedding_init(&m->table, ps, name, longest, width, deviation, r);
}

heed_tensor *heed_position_forward(heed_tape *t, const heed_position_module *m, heed_tensor *x,
                                   int64_t past)
{
    if (!x)
        return heed_fail(t, "positions: x is NULL");
    if (past < 0)
        return heed_fail(t, "positions: %lld before are negative", (long long)past);
    if (x->ndim != 3)
        return heed_fail(t, "positions: x needs shape [B, T, C], got %d axes", x->ndim);
    int64_t count = x->shape[1];
    if (m->longest && count > m->longest - past)
        return heed_fail(t, "positions: %lld after %lld do not fit the %lld there are",
                         (long long)count, (long long)past, (long long)m->longest);
    heed_tensor *places = NULL; /* [T, C] */
    if (m->kind == HEED_POSITIONS_SINUSOIDAL)
        places = heed_sinusoidal_positions(t, past, count, x->shape[2]);
    else if (m->kind == HEED_POSITIONS_LEARNED)
        places = heed_slice(t, heed_use(t, m->table.weight), 0, past, past + count, 1);
    else
        return x;
    return heed_add(t, x, places);
}

void heed_position_attend(heed_position_kind kind, heed_multihead_attention_options *options)
{
    options->rotary = kind == HEED_POSITIONS_ROTARY;
    options->alibi = kind == HEED_POSITIONS_ALIBI;
    options->buckets = kind == HEED_POSITIONS_RELATIVE ? 32 : 0;
    options->max_distance = 0;
}
