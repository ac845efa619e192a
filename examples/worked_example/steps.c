/* Constants and attention in plain ops (steps.h). */
#include "steps.h"

heed_tensor *row(heed_tape *t, int n, const double *values)
{
    return heed_constant(t, HEED_SHAPE(n), values);
}

heed_tensor *matrix(heed_tape *t, int m, int n, const double *values)
{
    return heed_constant(t, HEED_SHAPE(m, n), values);
}

heed_tensor *watched(heed_tape *t, int m, int n, const double *values)
{
    return heed_watch(t, matrix(t, m, n, values));
}

heed_tensor *one(heed_tape *t, double value)
{
    return row(t, 1, &value);
}

heed_tensor *transpose(heed_tape *t, heed_tensor *x)
{
    return heed_swap(t, x, 0, 1);
}

heed_tensor *cat_sat_mat(heed_tape *t)
{
    return matrix(t, 3, 4, (const double[]){ 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0 });
}

steps attend(heed_tape *t, heed_tensor *q, heed_tensor *k, heed_tensor *v, double scale,
             heed_tensor *keep)
{
    steps a;
    heed_tensor *scores = heed_matmul(t, q, transpose(t, k));
    a.s = heed_watch(t, heed_scale(t, scores, scale));
    if (keep) {
        heed_tensor *low = heed_masked_fill(t, a.s, heed_logical_not(t, keep), -1e30);
        heed_tensor *weights = heed_softmax(t, low, -1);
        a.p = heed_masked_fill(t, weights, heed_logical_not(t, keep), 0);
    } else {
        a.p = heed_softmax(t, a.s, -1);
    }
    heed_keep(t, heed_watch(t, a.p));
    a.o = heed_watch(t, heed_matmul(t, a.p, v));
    heed_keep(t, a.s);
    heed_keep(t, a.o);
    return a;
}
