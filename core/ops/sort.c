/* Order along an axis: the places in order of value, and the values gathered there. */
#include "ops.h"

typedef struct argsort_attributes {
    int axis;
    bool descending;
    int64_t count; /* the first so many places; -1: all */
} argsort_attributes;

/* argsort.   x[y_0] <= x[y_1] <= ..., equal values in order of place; NaN is the largest */
static bool argsort_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const argsort_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, a->axis, x->ndim);
    if (axis < 0)
        return false;
    int64_t extent = x->shape[axis], count = a->count == -1 ? extent : a->count;
    if (extent > INT32_MAX)
        return heed_refuse(t, c, "axis %d is too long for i32 places", axis);
    if (count < 0 || count > extent)
        return heed_refuse(t, c, "axis %d of extent %lld has no first %lld", axis,
                           (long long)extent, (long long)count);
    kernel_order order = { .n = extent, .count = count };
    r->dtype = HEED_I32;
    r->shape = heed_shape_of(x);
    r->shape.size[axis] = count;
    r->scratch = heed__elements(x->dtype)->order_scratch(&order);
    return true;
}
static void argsort_run(const heed_call *c, heed_tensor *y)
{
    const argsort_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = a->axis < 0 ? a->axis + x->ndim : a->axis;
    kernel_lines lines = heed__lines(x, axis, y);
    kernel_order order = { .outer = lines.outer,
                           .n = lines.n,
                           .inner = lines.inner,
                           .count = y->shape[axis],
                           .descending = a->descending,
                           .x = x->data,
                           .ids = y->data,
                           .scratch = c->scratch };
    heed__elements(x->dtype)->order(&order);
}
static const heed_case argsort_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const argsort_attributes){ -1, false, -1 } },
    { .label = "first axis, descending",
      .x = { { .shape = HEED_DIMS(3, 2) } },
      .attributes = &(const argsort_attributes){ 0, true, -1 } },
    { .label = "ties, NaN, zeros of both signs",
      .x = { { .shape = HEED_DIMS(7),
               .values = (const double[]){ 1, NAN, 0, -INFINITY, 1, -0.0, NAN } } },
      .attributes = &(const argsort_attributes){ 0, false, -1 },
      .stated = true,
      .y = (const double[]){ 3, 2, 5, 0, 4, 1, 6 } },
    { .label = "the same, descending",
      .x = { { .shape = HEED_DIMS(7),
               .values = (const double[]){ 1, NAN, 0, -INFINITY, 1, -0.0, NAN } } },
      .attributes = &(const argsort_attributes){ 0, true, -1 },
      .stated = true,
      .y = (const double[]){ 1, 6, 0, 4, 2, 5, 3 } },
    { .label = "the first one",
      .x = { { .shape = HEED_DIMS(17),
               .values =
                   (const double[]){ 3, 2, 5, 1, 4, 3, 2, 5, 1, 4, 3, 2, 5, 1, 4, 3, 2 } } },
      .attributes = &(const argsort_attributes){ 0, true, 1 },
      .stated = true,
      .y = (const double[]){ 2 } },
    { .label = "bytes",
      .x = { { .dtype = HEED_U8,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 255, 0, 128 } } },
      .attributes = &(const argsort_attributes){ 0, false, -1 },
      .stated = true,
      .y = (const double[]){ 1, 2, 0 } },
    { .label = "ids",
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 5, -7, 0 } } },
      .attributes = &(const argsort_attributes){ 0, false, -1 },
      .stated = true,
      .y = (const double[]){ 1, 2, 0 } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      .attributes = &(const argsort_attributes){ 1, false, -1 },
      .stated = true },
};
static const heed_case argsort_refusals[] = {
    { .label = "axis 0 of extent 2 has no first 3",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const argsort_attributes){ 0, false, 3 } },
    { .label = "has no first -2",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const argsort_attributes){ 0, false, -2 } },
    { .label = "axis 0 is out of range for 0 axes",
      .x = { { .shape = { 0 } } },
      .attributes = &(const argsort_attributes){ 0, false, -1 } },
};
HEED_DEFINE_OP(argsort) = {
    .name = "argsort",
    .arity = 1,
    .dense = 1,
    .attributes_size = sizeof(argsort_attributes),
    .shape = argsort_shape,
    .run = argsort_run,
    .formula = "y = the places of x in order of value, the first of them",
    .adjoint = "none: places are integers",
    .cost = "n ln count comparisons",
    HEED_REFUSES(argsort_refusals),
    HEED_CASES(argsort_cases)
};

heed_tensor *heed_argsort(heed_tape *t, heed_tensor *x, int axis, bool descending)
{
    return heed__apply1(t, &heed_op_argsort, x, &(argsort_attributes){ axis, descending, -1 });
}

heed_tensor *heed_sort(heed_tape *t, heed_tensor *x, int axis, bool descending,
                       heed_tensor **ids)
{
    heed_tensor *places = heed_argsort(t, x, axis, descending);
    if (ids)
        *ids = places;
    return places ? heed_gather(t, x, places, axis) : NULL;
}

heed_tensor *heed_top_k(heed_tape *t, heed_tensor *x, int64_t k, int axis, bool largest,
                        heed_tensor **ids)
{
    static const heed_op top_k = { .name = "top_k" };
    heed_call call = { .op = &top_k, .n = 1, .x = &x };
    if (ids)
        *ids = NULL;
    if (!t || heed_error(t))
        return NULL;
    if (!x)
        return heed_fail(t, "top_k: operand 0 is NULL");
    axis = heed_axis(t, &call, axis, x->ndim);
    if (axis < 0)
        return NULL;
    if (k < 0 || k > x->shape[axis]) {
        heed_refuse(t, &call, "axis %d of extent %lld has no first %lld", axis,
                    (long long)x->shape[axis], (long long)k);
        return NULL;
    }
    heed_tensor *places =
        heed__apply1(t, &heed_op_argsort, x, &(argsort_attributes){ axis, largest, k });
    if (ids)
        *ids = places;
    return places ? heed_gather(t, x, places, axis) : NULL;
}
