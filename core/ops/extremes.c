/* The largest and the smallest over sets of axes, and their places along one axis. */
#include "reduce.h"

/* max, min.   y = max_R x;   gx = gy [x = y]/(number of ties): ties share evenly. NaN wins and
 * equals nothing, so there the gradient is 0. */
static bool extreme_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed__reduction *a = c->attributes;
    for (int k = 0; k < c->x[0]->ndim; k++) {
        if ((a->axes >> k & 1) && c->x[0]->shape[k] == 0)
            return heed_refuse(t, c, "the %s over axis %d of extent 0 does not exist",
                               c->op == &heed_op_max ? "maximum" : "minimum", k);
    }
    return heed__reduce_shape(t, c, r);
}
static void max_run(const heed_call *c, heed_tensor *y)
{
    kernel_reduce reduce = heed__reduce_of(c, y);
    heed__kernels(y->dtype)->max(&reduce);
}
static void min_run(const heed_call *c, heed_tensor *y)
{
    kernel_reduce reduce = heed__reduce_of(c, y);
    heed__kernels(y->dtype)->min(&reduce);
}
static void extreme_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    heed_tensor *zero = heed__number(t, gy, 0);
    heed_tensor *here = heed_equal(t, c->x[0], heed__unreduce(t, c, y));
    heed_tensor *count = heed_cast(t, here, gy->dtype);
    heed_tensor *ties = heed__apply1(t, &heed_op_sum, count, c->attributes);
    heed_tensor *share = heed_div(t, gy, ties);
    gx[0] = heed_where(t, here, heed__unreduce(t, c, share), zero);
}
static const heed_case max_cases[] = {
    { .label = "last",
      .x = { { .shape = HEED_DIMS(2, 3), .values = (const double[]){ 1, 3, 2, 0, -1, 4 } } },
      HEED__AXES(2, false) },
    { .label = "all",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, 3, 2, 0 } } },
      HEED__AXES(3, true) },
    { .label = "ties share",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 2, 1, 2 } } },
      HEED__AXES(1, false),
      .stated = true,
      .y = (const double[]){ 2 },
      .gx = { (const double[]){ 0.5, 0, 0.5 } } },
    { .label = "NaN wins",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ NAN, 3, 2, INFINITY } } },
      HEED__AXES(2, false),
      .stated = true,
      .y = (const double[]){ NAN, INFINITY },
      .gx = { (const double[]){ 0, 0, 0, 1 } } },
};
HEED_DEFINE_OP(max) = { .name = "max",
                        .arity = 1,
                        .attributes_size = sizeof(heed__reduction),
                        .shape = extreme_shape,
                        .run = max_run,
                        .formula = "y = max over axes of x",
                        .adjoint = "gx = gy [x = y]/ties",
                        .uses = HEED_USES_X(0) | HEED_USES_Y,
                        .vjp = extreme_vjp,
                        HEED_CASES(max_cases) };

static const heed_case min_cases[] = {
    { .label = "last",
      .x = { { .shape = HEED_DIMS(2, 3), .values = (const double[]){ 1, 3, 2, 0, -1, 4 } } },
      HEED__AXES(2, false) },
    { .label = "first, kept",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, 3, 2, 0 } } },
      HEED__AXES(1, true) },
    { .label = "ties share",
      .x = { { .shape = HEED_DIMS(4), .values = (const double[]){ 1, 2, 1, 1 } } },
      HEED__AXES(1, false),
      .stated = true,
      .y = (const double[]){ 1 },
      .gx = { (const double[]){ 1. / 3, 0, 1. / 3, 1. / 3 } } },
    { .label = "NaN wins",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 3, NAN, 2, -INFINITY } } },
      HEED__AXES(2, false),
      .stated = true,
      .y = (const double[]){ NAN, -INFINITY },
      .gx = { (const double[]){ 0, 0, 0, 1 } } },
};
HEED_DEFINE_OP(min) = { .name = "min",
                        .arity = 1,
                        .attributes_size = sizeof(heed__reduction),
                        .shape = extreme_shape,
                        .run = min_run,
                        .formula = "y = min over axes of x",
                        .adjoint = "gx = gy [x = y]/ties",
                        .uses = HEED_USES_X(0) | HEED_USES_Y,
                        .vjp = extreme_vjp,
                        HEED_CASES(min_cases) };

/* argmax, argmin.   The first place of the largest or smallest along an axis; NaN is both. */
typedef struct place_attributes {
    int axis;
    bool keep;
} place_attributes;

static bool place_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const place_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, a->axis, x->ndim);
    if (axis < 0 || !heed__floats(t, c))
        return false;
    if (x->shape[axis] == 0)
        return heed_refuse(t, c, "axis %d has extent 0: there is no place to name", axis);
    if (x->shape[axis] > INT32_MAX)
        return heed_refuse(t, c, "axis %d has extent %lld, more than an i32 counts", axis,
                           (long long)x->shape[axis]);
    r->dtype = HEED_I32;
    for (int k = 0; k < x->ndim; k++) {
        if (k != axis || a->keep)
            r->shape.size[r->shape.ndim++] = k == axis ? 1 : x->shape[k];
    }
    return true;
}
static kernel_lines place_lines(const heed_call *c, heed_tensor *y)
{
    int axis = ((const place_attributes *)c->attributes)->axis;
    return heed__lines(c->x[0], axis < 0 ? axis + c->x[0]->ndim : axis, y);
}
static void argmax_run(const heed_call *c, heed_tensor *y)
{
    kernel_lines lines = place_lines(c, y);
    heed__portable(c->x[0]->dtype)->argmax(&lines);
}
static void argmin_run(const heed_call *c, heed_tensor *y)
{
    kernel_lines lines = place_lines(c, y);
    heed__portable(c->x[0]->dtype)->argmin(&lines);
}
#define ALONG(axis, keep)                   \
    .attributes = &(const place_attributes) \
    {                                       \
        axis, keep                          \
    }
#define SIX(...) \
    .x = { { .shape = HEED_DIMS(2, 3), .values = (const double[]){ __VA_ARGS__ } } }
static const heed_case argmax_cases[] = {
    { .label = "drawn", .x = { { .shape = HEED_DIMS(2, 3, 2) } }, ALONG(1, false) },
    { .label = "last axis",
      SIX(1, 3, 2, 0, -1, 4),
      ALONG(-1, false),
      .stated = true,
      .y = (const double[]){ 1, 2 } },
    { .label = "first axis, kept",
      SIX(1, 3, 2, 0, -1, 4),
      ALONG(0, true),
      .stated = true,
      .y = (const double[]){ 0, 0, 1 } },
    { .label = "the first of equals; NaN wins",
      SIX(1, 2, 2, INFINITY, NAN, NAN),
      ALONG(1, false),
      .stated = true,
      .y = (const double[]){ 1, 1 } },
    { .label = "no lines",
      .x = { { .shape = HEED_DIMS(0, 2) } },
      ALONG(1, false),
      .stated = true },
};
HEED_DEFINE_OP(argmax) = { .name = "argmax",
                           .arity = 1,
                           .dense = 1,
                           .attributes_size = sizeof(place_attributes),
                           .shape = place_shape,
                           .run = argmax_run,
                           .formula = "y = the first i with x_i = max x",
                           .adjoint = "none: the result is an index",
                           HEED_CASES(argmax_cases) };

static const heed_case argmin_cases[] = {
    { .label = "drawn", .x = { { .shape = HEED_DIMS(2, 3, 2) } }, ALONG(1, false) },
    { .label = "last axis",
      SIX(1, 3, 2, 0, -1, 4),
      ALONG(-1, true),
      .stated = true,
      .y = (const double[]){ 0, 1 } },
    { .label = "first axis",
      SIX(1, 3, 2, 0, -1, 4),
      ALONG(0, false),
      .stated = true,
      .y = (const double[]){ 1, 1, 0 } },
    { .label = "the first of equals; NaN wins",
      SIX(2, 1, 1, NAN, -INFINITY, NAN),
      ALONG(1, false),
      .stated = true,
      .y = (const double[]){ 1, 0 } },
};
HEED_DEFINE_OP(argmin) = { .name = "argmin",
                           .arity = 1,
                           .dense = 1,
                           .attributes_size = sizeof(place_attributes),
                           .shape = place_shape,
                           .run = argmin_run,
                           .formula = "y = the first i with x_i = min x",
                           .adjoint = "none: the result is an index",
                           HEED_CASES(argmin_cases) };

/* ---- the calls ---- */

heed_tensor *heed_max_axes(heed_tape *t, heed_tensor *x, int n, const int *axes, bool keep)
{
    return heed__over_axes(t, &heed_op_max, x, n, axes, keep, 0);
}

heed_tensor *heed_min_axes(heed_tape *t, heed_tensor *x, int n, const int *axes, bool keep)
{
    return heed__over_axes(t, &heed_op_min, x, n, axes, keep, 0);
}

heed_tensor *heed_max(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_max, x, 0, NULL, false, 0);
}

heed_tensor *heed_min(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_min, x, 0, NULL, false, 0);
}

heed_tensor *heed_argmax(heed_tape *t, heed_tensor *x, int axis, bool keep)
{
    return heed__apply1(t, &heed_op_argmax, x, &(place_attributes){ axis, keep });
}

heed_tensor *heed_argmin(heed_tape *t, heed_tensor *x, int axis, bool keep)
{
    return heed__apply1(t, &heed_op_argmin, x, &(place_attributes){ axis, keep });
}
