/* Products over what a mask shows. What it hides has the factor 0, but 0 times NaN is NaN: where
 * something is not finite the products are taken element by element, without the hidden ones, in
 * T S D numbers instead of T S. */
#include "ops.h"

static bool all_finite(const heed_tensor *x)
{
    int64_t size = heed_size(x);
    for (int64_t i = 0; i < size; i++) {
        if (!isfinite(heed_at(x, i)))
            return false;
    }
    return true;
}

static heed_tensor *zero_of(heed_tape *t, heed_dtype dtype)
{
    return heed_cast(t, heed_full(t, HEED_SCALAR, 0), dtype);
}

/* x - x is 0, or else NaN. */
static heed_tensor *is_finite(heed_tape *t, heed_tensor *x)
{
    return x ? heed_equal(t, heed_sub(t, x, x), zero_of(t, x->dtype)) : NULL;
}

/* x with 0 for what is not finite. */
static heed_tensor *finite_part(heed_tape *t, heed_tensor *x)
{
    return heed_where(t, is_finite(t, x), x, zero_of(t, x->dtype));
}

/* x [..., S, D] beside each query, [..., T, S, D], and 0 where it is hidden. */
static heed_tensor *beside_queries(heed_tape *t, heed_tensor *x, heed_tensor *visible)
{
    heed_tensor *each = heed_unsqueeze(t, x, -3), *mask = heed_unsqueeze(t, visible, -1);
    return heed_where(t, mask, each, zero_of(t, x->dtype));
}

/* The product of the finite parts, but where the sum of single products is not finite. So what
 * sees nothing but finite numbers has the bits that it has when all are. */
static heed_tensor *merge(heed_tape *t, heed_tensor *products, int axis, heed_tensor *finite)
{
    heed_tensor *exact = heed_sum_axes(t, products, 1, (const int[]){ axis }, false);
    return heed_where(t, is_finite(t, exact), finite, exact);
}

heed_tensor *heed__seen_products(heed_tape *t, heed_tensor *q, heed_tensor *k,
                                 heed_tensor *visible)
{
    if (!q || !k || !visible)
        return NULL;
    if (all_finite(q) && all_finite(k))
        return heed_matmul(t, q, heed_swap(t, k, -1, -2));
    heed_tensor *columns = heed_swap(t, finite_part(t, k), -1, -2);
    heed_tensor *finite = heed_matmul(t, finite_part(t, q), columns);
    heed_tensor *keys = beside_queries(t, k, visible);
    return merge(t, heed_mul(t, heed_unsqueeze(t, q, -2), keys), -1, finite);
}

heed_tensor *heed__seen_sums(heed_tape *t, heed_tensor *p, heed_tensor *v, heed_tensor *visible)
{
    if (!p || !v || !visible)
        return NULL;
    if (all_finite(p) && all_finite(v))
        return heed_matmul(t, p, v);
    heed_tensor *finite = heed_matmul(t, finite_part(t, p), finite_part(t, v));
    heed_tensor *values = beside_queries(t, v, visible);
    return merge(t, heed_mul(t, heed_unsqueeze(t, p, -1), values), -2, finite);
}
