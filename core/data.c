/* Data in and out of a tape. */
#include "engine.h"

#include <math.h>
#include <string.h>

extern const heed_op heed_op_contiguous;

/* A leaf of its own memory, values still unset. */
static heed_tensor *leaf(heed_tape *t, const char *who, heed_dtype dtype, heed_shape shape,
                         bool allocate)
{
    int64_t size;
    char text[160];
    if (!t || t->failed)
        return NULL;
    if (dtype < HEED_F32 || dtype > HEED_U8)
        return heed_fail(t, "%s: there is no dtype %d", who, (int)dtype);
    if (!heed__shape_size(&shape, &size))
        return heed_fail(t, "%s: shape %s is negative, has too many axes or overflows", who,
                         heed_shape_text(&shape, text, sizeof text));
    heed_tensor *x = heed__tensor_new(t, dtype, &shape);
    return x && (!allocate || heed__tensor_allocate(t, x)) ? x : NULL;
}

heed_tensor *heed_copy_in(heed_tape *t, heed_dtype dtype, heed_shape shape, const void *data)
{
    heed_tensor *x = leaf(t, "copy_in", dtype, shape, true);
    if (!x)
        return NULL;
    size_t bytes = (size_t)heed_size(x) * heed_dtype_size(dtype);
    if (!data && bytes)
        return heed_fail(t, "copy_in: the data is NULL");
    if (bytes)
        memcpy(x->data, data, bytes);
    if (dtype == HEED_BOOL) { /* kernels rely on 0 and 1 */
        for (size_t i = 0; i < bytes; i++)
            ((uint8_t *)x->data)[i] = ((uint8_t *)x->data)[i] != 0;
    }
    return x;
}

heed_tensor *heed_borrow(heed_tape *t, heed_dtype dtype, heed_shape shape, const void *data)
{
    heed_tensor *x = leaf(t, "borrow", dtype, shape, false);
    if (!x)
        return NULL;
    if (!data && heed_size(x))
        return heed_fail(t, "borrow: the data is NULL");
    x->data = (void *)(uintptr_t)data;
    return x;
}

heed_tensor *heed_ids(heed_tape *t, heed_shape shape, const int32_t *ids)
{
    return heed_copy_in(t, HEED_I32, shape, ids);
}

heed_tensor *heed_mask(heed_tape *t, heed_shape shape, const bool *mask)
{
    return heed_copy_in(t, HEED_BOOL, shape, mask);
}

static void put(heed_tensor *x, int64_t i, double value)
{
    if (x->dtype == HEED_F64)
        ((double *)x->data)[i] = value;
    else
        ((float *)x->data)[i] = (float)value;
}

heed_tensor *heed_full(heed_tape *t, heed_shape shape, double value)
{
    heed_tensor *x = leaf(t, "full", heed_tape_dtype(t), shape, true);
    for (int64_t i = 0, n = heed_size(x); i < n; i++)
        put(x, i, value);
    return x;
}

heed_tensor *heed_constant(heed_tape *t, heed_shape shape, const double *values)
{
    heed_tensor *x = leaf(t, "constant", heed_tape_dtype(t), shape, true);
    if (x && !values && heed_size(x))
        return heed_fail(t, "constant: the values are NULL");
    for (int64_t i = 0, n = heed_size(x); i < n; i++)
        put(x, i, values[i]);
    return x;
}

heed_tensor *heed_arange(heed_tape *t, int32_t start, int32_t stop)
{
    int64_t count = (int64_t)stop - start;
    heed_tensor *x = leaf(t, "arange", HEED_I32, HEED_SHAPE(count < 0 ? 0 : count), true);
    for (int64_t i = 0, n = heed_size(x); i < n; i++)
        ((int32_t *)x->data)[i] = start + (int32_t)i;
    return x;
}

heed_tensor *heed_detach(heed_tape *t, heed_tensor *x)
{
    if (!t || t->failed || !x)
        return NULL;
    if (!heed__readable(t, x, "detach") || !heed__evaluate(t, x))
        return NULL;
    heed_shape shape = heed_shape_of(x);
    heed_tensor *y = heed__tensor_new(t, x->dtype, &shape);
    if (!y)
        return NULL;
    memcpy(y->strides, x->strides, sizeof y->strides);
    y->data = x->data;
    y->storage = x->storage;
    if (!t->deferring) /* outside a rule the value is the user's and outlives the sweep */
        heed__hold(y);
    return y;
}

bool heed_copy_out(heed_tape *t, const heed_tensor *x, void *out)
{
    if (!t || t->failed)
        return false;
    if (!x || !out)
        return heed_fail(t, "copy_out: %s is NULL", x ? "the destination" : "the tensor") !=
               NULL;
    if (!heed__readable(t, x, "copy_out") || !heed__evaluate(t, (heed_tensor *)(uintptr_t)x))
        return false;
    heed_shape shape = heed_shape_of(x);
    heed_tensor y = *x;
    y.data = out;
    heed__row_major(&shape, y.strides);
    if (heed_size(x))
        heed_op_contiguous.run(
            &(heed_call){ .op = &heed_op_contiguous,
                          .n = 1,
                          .x = (heed_tensor *[]){ (heed_tensor *)(uintptr_t)x } },
            &y);
    return true;
}

double heed_item(heed_tape *t, const heed_tensor *x)
{
    if (!t || t->failed)
        return NAN;
    if (!x || heed_size(x) != 1) {
        heed_fail(t, "item: %s",
                  x ? "the tensor has more or fewer than one element" : "the tensor is NULL");
        return NAN;
    }
    if (!heed__readable(t, x, "item") || !heed__evaluate(t, (heed_tensor *)(uintptr_t)x))
        return NAN;
    return heed_at(x, 0);
}
