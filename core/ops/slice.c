/* Parts of an axis, as views: slices and their adjoint, one index, axes reversed. */
#include "ops.h"

#include <string.h>

/* slice.   y = x[..., start:stop:step, ...];   gx = zeros with gy at those places (unslice) */
typedef struct slice_attributes {
    int axis;
    int64_t start, stop, step;
    int64_t extent; /* of the whole axis: unslice only */
} slice_attributes;
/* Python's rules for a slice of an axis of extent n: first index and count. */
static void slice_bounds(const slice_attributes *a, int64_t n, int64_t *first, int64_t *count)
{
    int64_t step = a->step, low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    int64_t start = a->start, stop = a->stop;
    start = start < 0 ? start + n : start;
    start = start < low ? low : start > high ? high : start;
    if (stop == HEED_END)
        stop = step > 0 ? n : -1;
    else
        stop = stop < 0 ? stop + n : stop;
    stop = stop < low ? low : stop > high ? high : stop;
    int64_t span = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
    *first = start;
    *count = span > 0 ? (span - 1) / stride + 1 : 0;
}
static bool slice_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const slice_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, a->axis, x->ndim);
    if (axis < 0)
        return false;
    if (a->step == 0 || a->step == INT64_MIN)
        return heed_refuse(t, c, "a slice's step must not be %s", a->step ? "that small" : "0");
    int64_t first, count;
    slice_bounds(a, x->shape[axis], &first, &count);
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    r->shape.size[axis] = count;
    r->view = true;
    for (int k = 0; k < x->ndim; k++)
        r->strides[k] = x->strides[k];
    if (count > 0) {
        r->offset = first * x->strides[axis];
        r->strides[axis] = count > 1 ? a->step * x->strides[axis] : x->strides[axis];
    }
    return true;
}
static void slice_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    slice_attributes a = *(const slice_attributes *)c->attributes;
    const heed_tensor *x = c->x[0];
    (void)y;
    a.extent = x->shape[a.axis < 0 ? a.axis + x->ndim : a.axis];
    gx[0] = heed__apply1(t, &heed_op_unslice, gy, &a);
}
static const heed_case slice_cases[] = {
    { .label = "middle",
      .x = { { .shape = HEED_DIMS(4, 2) } },
      .attributes = &(const slice_attributes){ 0, 1, 3, 1, 0 } },
    { .label = "backwards",
      .x = { { .shape = HEED_DIMS(2, 5) } },
      .attributes = &(const slice_attributes){ -1, -1, HEED_END, -2, 0 } },
    { .label = "clipped",
      .x = { { .shape = HEED_DIMS(3) } },
      .attributes = &(const slice_attributes){ 0, -9, 9, 2, 0 } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const slice_attributes){ 0, 2, 2, 1, 0 },
      .stated = true,
      .gx = { (const double[]){ 0, 0 } } },
};
static const heed_case slice_refusals[] = {
    { .label = "a slice's step must not be 0",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const slice_attributes){ 0, 0, 1, 0, 0 } },
    { .label = "axis 1 is out of range",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const slice_attributes){ 1, 0, 1, 1, 0 } },
};
HEED_DEFINE_OP(slice) = { .name = "slice",
                          .arity = 1,
                          .attributes_size = sizeof(slice_attributes),
                          .shape = slice_shape,
                          .formula = "y = x[..., start:stop:step, ...]",
                          .adjoint = "gx = 0 with gy at the slice",
                          .linear = true,
                          .vjp = slice_vjp,
                          HEED_REFUSES(slice_refusals),
                          HEED_CASES(slice_cases) };

/* unslice.   y = zeros with x at a slice;   gx = gy at the slice */
static bool unslice_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const slice_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, a->axis, x->ndim);
    if (axis < 0 || !heed__floats(t, c))
        return false;
    int64_t first, count;
    slice_bounds(a, a->extent, &first, &count);
    if (count != x->shape[axis])
        return heed_refuse(t, c, "the slice has extent %lld", (long long)count);
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    r->shape.size[axis] = a->extent;
    return true;
}
/* y at the slice = x, or that plus what is there. */
static void put_slice(const heed_call *c, heed_tensor *y, kernel_map_name name)
{
    const slice_attributes *a = c->attributes;
    heed_tensor place = *y;
    int axis = a->axis < 0 ? a->axis + y->ndim : a->axis;
    int64_t first, count;
    slice_bounds(a, a->extent, &first, &count);
    if (heed_size(c->x[0]) == 0)
        return;
    place.shape[axis] = count;
    if (count > 1)
        place.strides[axis] = y->strides[axis] * a->step;
    place.data =
        (char *)y->data + first * y->strides[axis] * (int64_t)heed_dtype_size(y->dtype);
    heed_call at_place = { .n = 2, .x = (heed_tensor *[]){ c->x[0], &place } };
    kernel_map map = heed__map_arguments(&at_place, &place);
    heed__kernels(y->dtype)->map[name](&map);
}
static void unslice_accumulate(const heed_call *c, heed_tensor *y)
{
    put_slice(c, y, KERNEL_MAP_add);
}
static void unslice_run(const heed_call *c, heed_tensor *y)
{
    memset(y->data, 0, (size_t)heed_size(y) * heed_dtype_size(y->dtype));
    put_slice(c, y, KERNEL_MAP_copy);
}
static void unslice_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    const slice_attributes *a = c->attributes;
    (void)y;
    gx[0] = heed_slice(t, gy, a->axis, a->start, a->stop, a->step);
}
static const heed_case unslice_cases[] = {
    { .label = "middle",
      .x = { { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const slice_attributes){ 0, 1, 3, 1, 4 } },
    { .label = "backwards",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const slice_attributes){ -1, -1, HEED_END, -2, 5 } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0) } },
      .attributes = &(const slice_attributes){ 0, 2, 2, 1, 2 },
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
static const heed_case unslice_refusals[] = {
    { .label = "the slice has extent 2",
      .x = { { .shape = HEED_DIMS(3) } },
      .attributes = &(const slice_attributes){ 0, 0, 2, 1, 4 } },
};
HEED_DEFINE_OP(unslice) = { .name = "unslice",
                            .arity = 1,
                            .attributes_size = sizeof(slice_attributes),
                            .shape = unslice_shape,
                            .run = unslice_run,
                            .accumulate = unslice_accumulate,
                            .formula = "y = 0 with x at a slice",
                            .adjoint = "gx = gy at the slice",
                            .linear = true,
                            .vjp = unslice_vjp,
                            HEED_REFUSES(unslice_refusals),
                            HEED_CASES(unslice_cases) };

/* select.   y = x[..., index, ...];   gx = 0 with gy at the index */
typedef struct select_attributes {
    int axis;
    int64_t index;
} select_attributes;
static bool select_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const select_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, a->axis, x->ndim);
    if (axis < 0)
        return false;
    int64_t extent = x->shape[axis], index = a->index < 0 ? a->index + extent : a->index;
    if (index < 0 || index >= extent)
        return heed_refuse(t, c, "index %lld is out of range at axis %d of extent %lld",
                           (long long)a->index, axis, (long long)extent);
    r->dtype = x->dtype;
    r->view = true;
    r->offset = heed_size(x) ? index * x->strides[axis] : 0;
    for (int k = 0; k < x->ndim; k++) {
        if (k == axis)
            continue;
        r->strides[r->shape.ndim] = x->strides[k];
        r->shape.size[r->shape.ndim++] = x->shape[k];
    }
    return true;
}
static void select_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    const select_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int64_t extent = x->shape[a->axis < 0 ? a->axis + x->ndim : a->axis];
    int64_t index = a->index < 0 ? a->index + extent : a->index;
    (void)y;
    heed_tensor *slice = heed_unsqueeze(t, gy, a->axis);
    gx[0] = heed__apply1(t, &heed_op_unslice, slice,
                         &(slice_attributes){ a->axis, index, index + 1, 1, extent });
}
static const heed_case select_cases[] = {
    { .label = "first axis",
      .x = { { .shape = HEED_DIMS(3, 2) } },
      .attributes = &(const select_attributes){ 0, 1 } },
    { .label = "last of the last",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const select_attributes){ -1, -1 } },
    { .label = "to 0-d",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 5, 6 } } },
      .attributes = &(const select_attributes){ 0, 1 },
      .stated = true,
      .y = (const double[]){ 6 },
      .gx = { (const double[]){ 0, 1 } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0, 2) } },
      .attributes = &(const select_attributes){ 1, 1 },
      .stated = true },
};
static const heed_case select_refusals[] = {
    { .label = "index 2 is out of range",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const select_attributes){ 0, 2 } },
    { .label = "index -3 is out of range",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const select_attributes){ 0, -3 } },
    { .label = "index 0 is out of range",
      .x = { { .shape = HEED_DIMS(0) } },
      .attributes = &(const select_attributes){ 0, 0 } },
    { .label = "axis 0 is out of range",
      .x = { { .shape = { 0 } } },
      .attributes = &(const select_attributes){ 0, 0 } },
};
HEED_DEFINE_OP(select) = { .name = "select",
                           .arity = 1,
                           .attributes_size = sizeof(select_attributes),
                           .shape = select_shape,
                           .formula = "y = x[..., index, ...]",
                           .adjoint = "gx = 0 with gy at the index",
                           .linear = true,
                           .vjp = select_vjp,
                           HEED_REFUSES(select_refusals),
                           HEED_CASES(select_cases) };

/* flip.   y[..., i, ...] = x[..., n - 1 - i, ...];   gx = gy flipped */
typedef struct flip_attributes {
    int n; /* 0: all axes */
    int axes[HEED_MAX_NDIM];
} flip_attributes;
static bool flip_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const flip_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    unsigned flipped = a->n == 0 ? (1u << HEED_MAX_NDIM) - 1 : 0;
    if (a->n < 0 || a->n > x->ndim)
        return heed_refuse(t, c, "a list of %d axes", a->n);
    for (int i = 0; i < a->n; i++) {
        int axis = heed_axis(t, c, a->axes[i], x->ndim);
        if (axis < 0)
            return false;
        if (flipped >> axis & 1)
            return heed_refuse(t, c, "axis %d is given twice", a->axes[i]);
        flipped |= 1u << axis;
    }
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    r->view = true;
    for (int k = 0; k < x->ndim; k++) {
        bool back = (flipped >> k & 1) != 0;
        r->strides[k] = back ? -x->strides[k] : x->strides[k];
        if (back && heed_size(x))
            r->offset += (x->shape[k] - 1) * x->strides[k];
    }
    return true;
}
static void flip_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply1(t, &heed_op_flip, gy, c->attributes);
}
static const heed_case flip_cases[] = {
    { .label = "all",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const flip_attributes){ 0 } },
    { .label = "first and last",
      .x = { { .shape = HEED_DIMS(2, 3, 2) } },
      .attributes = &(const flip_attributes){ 2, { -1, 0 } } },
    { .label = "values",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, 2, 3, 4 } } },
      .attributes = &(const flip_attributes){ 1, { 1 } },
      .stated = true,
      .y = (const double[]){ 2, 1, 4, 3 },
      .gx = { (const double[]){ 1, 1, 1, 1 } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      .attributes = &(const flip_attributes){ 0 },
      .stated = true },
};
static const heed_case flip_refusals[] = {
    { .label = "axis -1 is given twice",
      .x = { { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const flip_attributes){ 2, { 1, -1 } } },
    { .label = "axis 2 is out of range",
      .x = { { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const flip_attributes){ 1, { 2 } } },
    { .label = "a list of 3 axes",
      .x = { { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const flip_attributes){ 3, { 0, 1, 0 } } },
};
HEED_DEFINE_OP(flip) = { .name = "flip",
                         .arity = 1,
                         .attributes_size = sizeof(flip_attributes),
                         .shape = flip_shape,
                         .formula = "y = x with axes reversed",
                         .adjoint = "gx = gy with the axes reversed",
                         .linear = true,
                         .vjp = flip_vjp,
                         HEED_REFUSES(flip_refusals),
                         HEED_CASES(flip_cases) };

/* ---- the calls ---- */

heed_tensor *heed_slice(heed_tape *t, heed_tensor *x, int axis, int64_t start, int64_t stop,
                        int64_t step)
{
    return heed__apply1(t, &heed_op_slice, x,
                        &(slice_attributes){ axis, start, stop, step, 0 });
}

heed_tensor *heed_select(heed_tape *t, heed_tensor *x, int axis, int64_t index)
{
    return heed__apply1(t, &heed_op_select, x, &(select_attributes){ axis, index });
}

heed_tensor *heed_flip(heed_tape *t, heed_tensor *x, int n, const int *axes)
{
    flip_attributes a = { .n = n };
    for (int i = 0; i < n && i < HEED_MAX_NDIM; i++)
        a.axes[i] = axes[i];
    return heed__apply1(t, &heed_op_flip, x, &a);
}
