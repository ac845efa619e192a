/* Elements in another order or several times over. */
#include "ops.h"

/* ---- the calls ---- */

heed_tensor *heed_split_heads(heed_tape *t, heed_tensor *x, int heads)
{
    if (!x || !t || heed_error(t))
        return x ? NULL : heed_fail(t, "split_heads: operand 0 is NULL");
    if (x->ndim != 3 || heads < 1 || x->shape[2] % heads != 0)
        return heed_fail(t, "split_heads: needs [B,T,C] with C divisible by %d heads", heads);
    heed_tensor *split =
        heed_reshape(t, x, HEED_SHAPE(x->shape[0], x->shape[1], heads, x->shape[2] / heads));
    return heed_swap(t, split, 1, 2);
}

heed_tensor *heed_join_heads(heed_tape *t, heed_tensor *x)
{
    if (!x || !t || heed_error(t))
        return x ? NULL : heed_fail(t, "join_heads: operand 0 is NULL");
    if (x->ndim != 4)
        return heed_fail(t, "join_heads: needs [B,H,T,D], got %d axes", x->ndim);
    heed_tensor *rows = heed_swap(t, x, 1, 2);
    return heed_reshape(t, rows,
                        HEED_SHAPE(x->shape[0], x->shape[2], x->shape[1] * x->shape[3]));
}
