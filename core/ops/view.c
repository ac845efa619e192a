/* Views: new shapes and strides on the same memory, their adjoints, and the copies that make
 * memory contiguous or put pieces together. */
#include "ops.h"

#include <string.h>

/* reshape.   The same elements in row-major order;   gx = reshape(gy) */
static bool reshape_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    char text[160];
    heed_shape to = *(const heed_shape *)c->attributes;
    int64_t known = 1, size = heed_size(x);
    int unknown = -1;
    if (to.ndim < 0 || to.ndim > HEED_MAX_NDIM)
        return heed_refuse(t, c, "a shape of %d axes is not one: at most %d", to.ndim,
                           HEED_MAX_NDIM);
    for (int k = 0; k < to.ndim; k++) {
        if (to.size[k] == -1 && unknown < 0)
            unknown = k;
        else if (to.size[k] < 0 || (to.size[k] > 0 && known > INT64_MAX / to.size[k]))
            return heed_refuse(t, c, "shape %s is not one",
                               heed_shape_text(&to, text, sizeof text));
        else
            known *= to.size[k];
    }
    if (unknown >= 0 && known > 0 && size % known == 0)
        to.size[unknown] = size / known;
    else if (unknown >= 0 || known != size)
        return heed_refuse(t, c, "does not reshape to %s",
                           heed_shape_text(&to, text, sizeof text));
    r->dtype = x->dtype;
    r->shape = to;
    r->view = true;
    int64_t stride = 1;
    for (int k = to.ndim - 1; k >= 0; k--) {
        r->strides[k] = stride;
        stride *= to.size[k];
    }
    return true;
}
static void reshape_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_reshape(t, gy, heed_shape_of(c->x[0]));
}
static const heed_case reshape_cases[] = {
    { .label = "split an axis",
      .x = { { .shape = HEED_DIMS(2, 6) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, 3, 2) },
    { .label = "inferred",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(3, -1) },
    { .label = "to 0-d",
      .x = { { .shape = HEED_DIMS(1, 1) } },
      .attributes = &(const heed_shape){ 0 } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(3, 0),
      .stated = true },
};
HEED_DEFINE_OP(reshape) = { .name = "reshape",
                            .arity = 1,
                            .attributes_size = sizeof(heed_shape),
                            .dense = 1,
                            .shape = reshape_shape,
                            .formula = "y = x in another shape, row-major order",
                            .adjoint = "gx = gy in x's shape",
                            .linear = true,
                            .vjp = reshape_vjp,
                            HEED_CASES(reshape_cases) };

/* permute.   y[i_p0, i_p1, ...] = x[i_0, i_1, ...];   gx = gy by the inverse permutation */
typedef struct permute_attributes {
    int axes[HEED_MAX_NDIM];
} permute_attributes;
static bool permute_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const permute_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    unsigned seen = 0;
    r->dtype = x->dtype;
    r->shape.ndim = x->ndim;
    r->view = true;
    for (int k = 0; k < x->ndim; k++) {
        int axis = heed_axis(t, c, a->axes[k], x->ndim);
        if (axis < 0)
            return false;
        if (seen >> axis & 1)
            return heed_refuse(t, c, "axis %d is given twice", a->axes[k]);
        seen |= 1u << axis;
        r->shape.size[k] = x->shape[axis];
        r->strides[k] = x->strides[axis];
    }
    return true;
}
static void permute_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    const permute_attributes *a = c->attributes;
    int inverse[HEED_MAX_NDIM];
    (void)y;
    for (int k = 0; k < gy->ndim; k++)
        inverse[a->axes[k] < 0 ? a->axes[k] + gy->ndim : a->axes[k]] = k;
    gx[0] = heed_permute(t, gy, inverse);
}
static const heed_case permute_cases[] = {
    { .label = "rotate",
      .x = { { .shape = HEED_DIMS(2, 3, 2) } },
      .attributes = &(const permute_attributes){ { 1, 2, 0 } } },
    { .label = "negative axes",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const permute_attributes){ { -1, -2 } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      .attributes = &(const permute_attributes){ { 1, 0 } },
      .stated = true },
};
HEED_DEFINE_OP(permute) = { .name = "permute",
                            .arity = 1,
                            .attributes_size = sizeof(permute_attributes),
                            .shape = permute_shape,
                            .formula = "y = x with its axes reordered",
                            .adjoint = "gx = gy with its axes put back",
                            .linear = true,
                            .vjp = permute_vjp,
                            HEED_CASES(permute_cases) };

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
HEED_DEFINE_OP(slice) = { .name = "slice",
                          .arity = 1,
                          .attributes_size = sizeof(slice_attributes),
                          .shape = slice_shape,
                          .formula = "y = x[..., start:stop:step, ...]",
                          .adjoint = "gx = 0 with gy at the slice",
                          .linear = true,
                          .vjp = slice_vjp,
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
                            HEED_CASES(unslice_cases) };

/* expand.   x broadcast to a shape (strides of 0);   gx = gy, which the engine reduces to x's
 * shape */
static bool expand_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_shape *to = c->attributes;
    const heed_tensor *x = c->x[0];
    char text[160];
    int lead = to->ndim - x->ndim;
    bool fits = lead >= 0 && to->ndim <= HEED_MAX_NDIM;
    for (int k = 0; fits && k < x->ndim; k++)
        fits = x->shape[k] == to->size[k + lead] || x->shape[k] == 1;
    if (!fits)
        return heed_refuse(t, c, "does not broadcast to %s",
                           heed_shape_text(to, text, sizeof text));
    r->dtype = x->dtype;
    r->shape = *to;
    r->view = true;
    for (int k = 0; k < to->ndim; k++)
        r->strides[k] =
            k < lead || x->shape[k - lead] != to->size[k] ? 0 : x->strides[k - lead];
    return true;
}
static void expand_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    (void)t, (void)c, (void)y;
    gx[0] = gy;
}
static const heed_case expand_cases[] = {
    { .label = "new axis",
      .x = { { .shape = HEED_DIMS(3) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, 3) },
    { .label = "axis of 1",
      .x = { { .shape = HEED_DIMS(2, 1, 2) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, 3, 2) },
    { .label = "to nothing",
      .x = { { .shape = HEED_DIMS(1) } },
      .attributes = &(const heed_shape)HEED_DIMS(0),
      .stated = true,
      .gx = { (const double[]){ 0 } } },
};
HEED_DEFINE_OP(expand) = { .name = "expand",
                           .arity = 1,
                           .attributes_size = sizeof(heed_shape),
                           .shape = expand_shape,
                           .formula = "y = x broadcast to a shape",
                           .adjoint = "gx = gy summed over the added axes",
                           .linear = true,
                           .vjp = expand_vjp,
                           HEED_CASES(expand_cases) };

/* contiguous.   y = x, copied to row-major order;   gx = gy */
static bool contiguous_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    (void)t;
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[0]);
    return true;
}
static void contiguous_run(const heed_call *c, heed_tensor *y)
{
    heed__copy_elements(c->x[0], y);
}
static const heed_case contiguous_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3) } } },
    { .label = "ids",
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, 2, 3, 4 } } },
      .stated = true,
      .y = (const double[]){ 1, 2, 3, 4 } },
    { .label = "empty", .x = { { .shape = HEED_DIMS(0) } }, .stated = true },
};
HEED_DEFINE_OP(contiguous) = { .name = "contiguous",
                               .arity = 1,
                               .shape = contiguous_shape,
                               .run = contiguous_run,
                               .formula = "y = x",
                               .adjoint = "gx = gy",
                               .linear = true,
                               .vjp = expand_vjp,
                               HEED_CASES(contiguous_cases) };

/* concatenate.   Operands one after another along an axis;   gx_i = gy at operand i's slice */
typedef struct concatenate_attributes {
    int axis;
} concatenate_attributes;
static bool concatenate_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *first = c->x[0];
    int axis =
        heed_axis(t, c, ((const concatenate_attributes *)c->attributes)->axis, first->ndim);
    if (axis < 0)
        return false;
    r->dtype = first->dtype;
    r->shape = heed_shape_of(first);
    for (int i = 1; i < c->n; i++) {
        const heed_tensor *x = c->x[i];
        if (x->dtype != first->dtype)
            return heed_refuse(t, c, "dtypes %s and %s differ", heed_dtype_name(first->dtype),
                               heed_dtype_name(x->dtype));
        bool fits = x->ndim == first->ndim;
        for (int k = 0; fits && k < x->ndim; k++)
            fits = k == axis || x->shape[k] == first->shape[k];
        if (!fits)
            return heed_refuse(t, c, "operands 0 and %d differ beside axis %d", i, axis);
        if (__builtin_add_overflow(r->shape.size[axis], x->shape[axis], &r->shape.size[axis]))
            return heed_refuse(t, c, "the extents overflow");
    }
    return true;
}
static void concatenate_run(const heed_call *c, heed_tensor *y)
{
    int axis = ((const concatenate_attributes *)c->attributes)->axis;
    axis = axis < 0 ? axis + y->ndim : axis;
    heed_tensor place = *y;
    for (int i = 0; i < c->n; i++) {
        place.shape[axis] = c->x[i]->shape[axis];
        heed__copy_elements(c->x[i], &place);
        place.data = (char *)place.data +
                     place.shape[axis] * y->strides[axis] * (int64_t)heed_dtype_size(y->dtype);
    }
}
static void concatenate_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                            heed_tensor *gx[])
{
    int axis = ((const concatenate_attributes *)c->attributes)->axis;
    int64_t at = 0;
    (void)y;
    for (int i = 0; i < c->n; i++) {
        int64_t extent = c->x[i]->shape[axis < 0 ? axis + gy->ndim : axis];
        if (heed_wants(c, i))
            gx[i] = heed_slice(t, gy, axis, at, at + extent, 1);
        at += extent;
    }
}
static const heed_case concatenate_cases[] = {
    { .label = "columns",
      .n = 3,
      .x = { { .shape = HEED_DIMS(2, 1) },
             { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const concatenate_attributes){ -1 } },
    { .label = "rows",
      .n = 2,
      .x = { { .shape = HEED_DIMS(1, 2) }, { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const concatenate_attributes){ 0 } },
    { .label = "ids",
      .n = 2,
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(2, 1),
               .values = (const double[]){ 1, 2 } },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(2, 1),
               .values = (const double[]){ 3, 4 } } },
      .attributes = &(const concatenate_attributes){ 1 },
      .stated = true,
      .y = (const double[]){ 1, 3, 2, 4 } },
    { .label = "an empty one",
      .n = 2,
      .x = { { .shape = HEED_DIMS(0), .constant = true }, { .shape = HEED_DIMS(2) } },
      .attributes = &(const concatenate_attributes){ 0 },
      .stated = true,
      .gx = { NULL, (const double[]){ 1, 1 } } },
};
HEED_DEFINE_OP(concatenate) = { .name = "concatenate",
                                .arity = HEED_VARIADIC,
                                .attributes_size = sizeof(concatenate_attributes),
                                .shape = concatenate_shape,
                                .run = concatenate_run,
                                .formula = "y = x_0, x_1, ... along an axis",
                                .adjoint = "gx_i = gy at x_i's slice",
                                .linear = true,
                                .vjp = concatenate_vjp,
                                HEED_CASES(concatenate_cases) };

/* ---- the calls ---- */

heed_tensor *heed_reshape(heed_tape *t, heed_tensor *x, heed_shape shape)
{
    return heed__apply1(t, &heed_op_reshape, x, &shape);
}

heed_tensor *heed_permute(heed_tape *t, heed_tensor *x, const int *axes)
{
    permute_attributes a = { { 0 } };
    for (int k = 0; x && k < x->ndim; k++)
        a.axes[k] = axes[k];
    return heed__apply1(t, &heed_op_permute, x, &a);
}

heed_tensor *heed_swap(heed_tape *t, heed_tensor *x, int axis_a, int axis_b)
{
    permute_attributes a = { { 0 } };
    heed_call call = { .op = &heed_op_permute, .n = x ? 1 : 0, .x = &x };
    if (!t || heed_error(t))
        return NULL;
    if (x) {
        axis_a = heed_axis(t, &call, axis_a, x->ndim);
        axis_b = axis_a < 0 ? -1 : heed_axis(t, &call, axis_b, x->ndim);
        if (axis_b < 0)
            return NULL;
        for (int k = 0; k < x->ndim; k++)
            a.axes[k] = k == axis_a ? axis_b : k == axis_b ? axis_a : k;
    }
    return heed__apply1(t, &heed_op_permute, x, &a);
}

heed_tensor *heed_slice(heed_tape *t, heed_tensor *x, int axis, int64_t start, int64_t stop,
                        int64_t step)
{
    return heed__apply1(t, &heed_op_slice, x,
                        &(slice_attributes){ axis, start, stop, step, 0 });
}

heed_tensor *heed_select(heed_tape *t, heed_tensor *x, int axis, int64_t index)
{
    heed_call call = { .op = &heed_op_slice, .n = x ? 1 : 0, .x = &x };
    if (!t || heed_error(t))
        return NULL;
    if (!x)
        return heed_fail(t, "select: operand 0 is NULL");
    axis = heed_axis(t, &call, axis, x->ndim);
    if (axis < 0)
        return NULL;
    int64_t n = x->shape[axis], at = index < 0 ? index + n : index;
    if (at < 0 || at >= n) {
        heed_refuse(t, &call, "index %lld is out of range at axis %d", (long long)index, axis);
        return NULL;
    }
    heed_tensor *one = heed_slice(t, x, axis, at, at + 1, 1);
    heed_shape shape = heed_shape_of(one);
    for (int k = axis; k + 1 < shape.ndim; k++)
        shape.size[k] = shape.size[k + 1];
    shape.ndim--;
    return one ? heed_reshape(t, one, shape) : NULL;
}

heed_tensor *heed_expand(heed_tape *t, heed_tensor *x, heed_shape shape)
{
    return heed__apply1(t, &heed_op_expand, x, &shape);
}

heed_tensor *heed_contiguous(heed_tape *t, heed_tensor *x)
{
    if (x && t && !heed_error(t) && heed_is_contiguous(x))
        return x;
    return heed__apply1(t, &heed_op_contiguous, x, NULL);
}

heed_tensor *heed_concatenate(heed_tape *t, int n, heed_tensor *const x[], int axis)
{
    return heed_apply(t, &heed_op_concatenate, n, x, &(concatenate_attributes){ axis });
}

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
