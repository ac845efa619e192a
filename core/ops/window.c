/* Sliding windows along an axis: a view in which they overlap, and its adjoint, which adds them
 * up. */
#include "ops.h"

#include <string.h>

typedef struct window_attributes {
    int axis;
    int64_t size, step;
    int64_t extent; /* of the whole axis: fold only */
} window_attributes;

/* unfold.   y[..., w, ..., k] = x[..., w step + k, ...];   gx = fold(gy) */
static bool unfold_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const window_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, a->axis, x->ndim);
    if (axis < 0)
        return false;
    if (x->ndim == HEED_MAX_NDIM)
        return heed_refuse(t, c, "has %d axes and can have no more", HEED_MAX_NDIM);
    if (a->size < 1 || a->step < 1)
        return heed_refuse(t, c, "size %lld and step %lld must be at least 1",
                           (long long)a->size, (long long)a->step);
    if (a->size > x->shape[axis])
        return heed_refuse(t, c, "a window of %lld is longer than axis %d of extent %lld",
                           (long long)a->size, axis, (long long)x->shape[axis]);
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    r->shape.size[axis] = 1 + (x->shape[axis] - a->size) / a->step;
    r->shape.size[r->shape.ndim++] = a->size;
    r->view = true;
    for (int k = 0; k < x->ndim; k++)
        r->strides[k] = x->strides[k];
    r->strides[x->ndim] = x->strides[axis];
    /* A step may be far longer than the axis, but then there is one window. */
    if (r->shape.size[axis] > 1)
        r->strides[axis] *= a->step;
    return true;
}
static void unfold_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    const window_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = a->axis < 0 ? a->axis + x->ndim : a->axis;
    (void)y;
    gx[0] = heed_fold(t, gy, axis, a->step, x->shape[axis]);
}
static const heed_case unfold_cases[] = {
    { .label = "overlapping",
      .x = { { .shape = HEED_DIMS(5) } },
      .attributes = &(const window_attributes){ 0, 3, 1, 0 } },
    { .label = "first axis, a rest",
      .x = { { .shape = HEED_DIMS(6, 2) } },
      .attributes = &(const window_attributes){ -2, 3, 2, 0 } },
    { .label = "apart",
      .x = { { .shape = HEED_DIMS(2, 5) } },
      .attributes = &(const window_attributes){ 1, 2, 3, 0 } },
    { .label = "one window",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 5, 6 } } },
      .attributes = &(const window_attributes){ 0, 2, INT64_MAX, 0 },
      .stated = true,
      .y = (const double[]){ 5, 6 },
      .gx = { (const double[]){ 1, 1 } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0, 2) } },
      .attributes = &(const window_attributes){ 1, 2, 1, 0 },
      .stated = true },
};
static const heed_case unfold_refusals[] = {
    { .label = "a window of 3 is longer than axis 0 of extent 2",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const window_attributes){ 0, 3, 1, 0 } },
    { .label = "size 0 and step 1 must be at least 1",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const window_attributes){ 0, 0, 1, 0 } },
    { .label = "size 1 and step 0 must be at least 1",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const window_attributes){ 0, 1, 0, 0 } },
    { .label = "has 8 axes and can have no more",
      .x = { { .shape = HEED_DIMS(1, 1, 1, 1, 1, 1, 1, 1) } },
      .attributes = &(const window_attributes){ 0, 1, 1, 0 } },
};
HEED_DEFINE_OP(unfold) = { .name = "unfold",
                           .arity = 1,
                           .attributes_size = sizeof(window_attributes),
                           .shape = unfold_shape,
                           .formula = "y[w, k] = x[w step + k]",
                           .adjoint = "gx[i] = sum over w, k with w step + k = i of gy[w, k]",
                           .linear = true,
                           .vjp = unfold_vjp,
                           HEED_REFUSES(unfold_refusals),
                           HEED_CASES(unfold_cases) };

/* fold.   y[..., i, ...] = sum of x[..., w, ..., k] over w step + k = i;   gx = unfold(gy) */
static bool fold_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const window_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, a->axis, x->ndim - 1);
    if (axis < 0 || !heed__floats(t, c))
        return false;
    int64_t size = x->shape[x->ndim - 1], count = x->shape[axis];
    if (a->step < 1 || size < 1 || a->extent < size ||
        1 + (a->extent - size) / a->step != count)
        return heed_refuse(
            t, c, "%lld windows of %lld, %lld apart, do not make an extent of %lld",
            (long long)count, (long long)size, (long long)a->step, (long long)a->extent);
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    r->shape.ndim--;
    r->shape.size[axis] = a->extent;
    return true;
}
/* One place of every window at a time: those are distinct places of y. */
static void fold_accumulate(const heed_call *c, heed_tensor *y)
{
    const window_attributes *a = c->attributes;
    int axis = a->axis < 0 ? a->axis + y->ndim : a->axis;
    int64_t size = c->x[0]->shape[y->ndim], width = (int64_t)heed_dtype_size(y->dtype);
    heed_tensor from = *c->x[0], to = *y;
    from.ndim = y->ndim;
    to.shape[axis] = from.shape[axis];
    if (to.shape[axis] > 1)
        to.strides[axis] *= a->step;
    for (int64_t k = 0; k < size; k++) {
        heed_call add = { .n = 2, .x = (heed_tensor *[]){ &from, &to } };
        kernel_map map = heed__map_arguments(&add, &to);
        heed__kernels(y->dtype)->map[KERNEL_MAP_add](&map);
        from.data = (char *)from.data + c->x[0]->strides[y->ndim] * width;
        to.data = (char *)to.data + y->strides[axis] * width;
    }
}
static void fold_run(const heed_call *c, heed_tensor *y)
{
    memset(y->data, 0, (size_t)heed_size(y) * heed_dtype_size(y->dtype));
    fold_accumulate(c, y);
}
static void fold_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    const window_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = a->axis < 0 ? a->axis + x->ndim - 1 : a->axis;
    (void)y;
    gx[0] = heed_unfold(t, gy, axis, x->shape[x->ndim - 1], a->step);
}
static const heed_case fold_cases[] = {
    { .label = "overlapping",
      .x = { { .shape = HEED_DIMS(3, 3) } },
      .attributes = &(const window_attributes){ 0, 0, 1, 5 } },
    { .label = "middle axis, a rest",
      .x = { { .shape = HEED_DIMS(2, 2, 2, 3) } },
      .attributes = &(const window_attributes){ -2, 0, 2, 6 } },
    { .label = "sums",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, 2, 3, 4 } } },
      .attributes = &(const window_attributes){ 0, 0, 1, 3 },
      .stated = true,
      .y = (const double[]){ 1, 5, 4 },
      .gx = { (const double[]){ 1, 1, 1, 1 } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0, 1, 2) } },
      .attributes = &(const window_attributes){ 1, 0, 1, 2 },
      .stated = true },
};
static const heed_case fold_refusals[] = {
    { .label = "2 windows of 2, 1 apart, do not make an extent of 4",
      .x = { { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const window_attributes){ 0, 0, 1, 4 } },
    { .label = "do not make an extent of 1",
      .x = { { .shape = HEED_DIMS(1, 2) } },
      .attributes = &(const window_attributes){ 0, 0, 1, 1 } },
    { .label = "axis 1 is out of range for 1 axes",
      .x = { { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const window_attributes){ 1, 0, 1, 3 } },
};
HEED_DEFINE_OP(fold) = { .name = "fold",
                         .arity = 1,
                         .attributes_size = sizeof(window_attributes),
                         .shape = fold_shape,
                         .run = fold_run,
                         .accumulate = fold_accumulate,
                         .formula = "y[i] = sum over w, k with w step + k = i of x[w, k]",
                         .adjoint = "gx[w, k] = gy[w step + k]",
                         .cost = "size additions for each window + none",
                         .linear = true,
                         .vjp = fold_vjp,
                         HEED_REFUSES(fold_refusals),
                         HEED_CASES(fold_cases) };

heed_tensor *heed_unfold(heed_tape *t, heed_tensor *x, int axis, int64_t size, int64_t step)
{
    return heed__apply1(t, &heed_op_unfold, x, &(window_attributes){ axis, size, step, 0 });
}

heed_tensor *heed_fold(heed_tape *t, heed_tensor *x, int axis, int64_t step, int64_t extent)
{
    return heed__apply1(t, &heed_op_fold, x, &(window_attributes){ axis, 0, step, extent });
}
