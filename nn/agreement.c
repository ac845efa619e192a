/* Heads that look at the same keys: what to add to a loss so that they do not. */
#include "training.h"

/* sum_hh' <p_h, p_h'> = |sum_h p_h|^2: one pass over the weights instead of one for each pair. */
heed_tensor *heed_head_agreement(heed_tape *t, heed_tensor *weights)
{
    if (!t || heed_error(t))
        return NULL;
    if (!weights || weights->ndim < 3) {
        char text[HEED_MAX_NDIM * 21 + 8] = "NULL";
        heed_shape shape = weights ? heed_shape_of(weights) : HEED_SCALAR;
        return heed_fail(t, "head_agreement: weights need shape [..., H, T, S], got %s",
                         weights ? heed_shape_text(&shape, text, sizeof text) : text);
    }
    heed_tensor *mean = heed_mean_axes(t, weights, 1, (const int[]){ -3 }, false);
    heed_tensor *rows =
        heed_sum_axes(t, heed_square(t, mean), 1, (const int[]){ -1 }, false); /* [..., T] */
    return heed_mean(t, rows);
}
