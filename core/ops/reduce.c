/* Reductions over sets of axes. The axes travel as a bit mask; kept axes come first in the
 * kernel's eyes. */
#include "ops.h"

typedef struct reduce_attributes {
    unsigned axes; /* a bit each; all axes where the call said so */
    bool keep;
} reduce_attributes;

static bool reduce_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const reduce_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    if (!heed__floats(t, c))
        return false;
    r->dtype = x->dtype;
    for (int k = 0; k < x->ndim; k++) {
        bool goes = (a->axes >> k & 1) != 0;
        if (!goes || a->keep)
            r->shape.size[r->shape.ndim++] = goes ? 1 : x->shape[k];
    }
    kernel_reduce reduce = heed__reduce_arguments(x, a->axes, NULL);
    r->scratch = heed__kernels(x->dtype)->reduce_scratch(&reduce);
    return true;
}

static kernel_reduce arguments(const heed_call *c, const heed_tensor *y)
{
    const reduce_attributes *a = c->attributes;
    kernel_reduce reduce = heed__reduce_arguments(c->x[0], a->axes, y);
    int kept = 0;
    for (int k = 0, at = 0; k < c->x[0]->ndim; k++) {
        bool goes = (a->axes >> k & 1) != 0;
        if (!goes)
            reduce.y_strides[kept++] = y->strides[at];
        at += !goes || a->keep;
    }
    reduce.scratch = c->scratch;
    return reduce;
}

/* gy with the reduced axes back as 1, ready to broadcast over x. */
static heed_tensor *unreduce(heed_tape *t, const heed_call *c, heed_tensor *g)
{
    const reduce_attributes *a = c->attributes;
    heed_shape kept = heed_shape_of(c->x[0]);
    for (int k = 0; k < kept.ndim; k++) {
        if (a->axes >> k & 1)
            kept.size[k] = 1;
    }
    return heed_reshape(t, g, kept);
}

#define AXES(bits, keep)                     \
    .attributes = &(const reduce_attributes) \
    {                                        \
        bits, keep                           \
    }
static const heed_case reduce_cases[] = {
    { .label = "all", .x = { { .shape = HEED_DIMS(2, 3) } }, AXES(3, false) },
    { .label = "last, kept", .x = { { .shape = HEED_DIMS(2, 3) } }, AXES(2, true) },
    { .label = "first and last", .x = { { .shape = HEED_DIMS(2, 3, 2) } }, AXES(5, false) },
    { .label = "none", .x = { { .shape = HEED_DIMS(3) } }, AXES(0, false) },
    { .label = "0-d", .x = { { .shape = { 0 } } }, AXES(0, false) },
    { .label = "empty axis kept",
      .x = { { .shape = HEED_DIMS(0, 2) } },
      AXES(2, false),
      .stated = true },
};

/* sum.   y = sum_R x;   gx = gy, broadcast */
static void sum_run(const heed_call *c, heed_tensor *y)
{
    kernel_reduce reduce = arguments(c, y);
    heed__kernels(y->dtype)->sum(&reduce);
}
static void sum_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_expand(t, unreduce(t, c, gy), heed_shape_of(c->x[0]));
}
HEED_DEFINE_OP(sum) = { .name = "sum",
                        .arity = 1,
                        .attributes_size = sizeof(reduce_attributes),
                        .shape = reduce_shape,
                        .run = sum_run,
                        .formula = "y = sum over axes of x",
                        .adjoint = "gx = gy, broadcast",
                        .linear = true,
                        .vjp = sum_vjp,
                        HEED_CASES(reduce_cases) };

/* mean.   y = sum_R x / n;   gx = gy/n, broadcast */
static double mean_factor(const heed_call *c)
{
    const reduce_attributes *a = c->attributes;
    double count = 1;
    for (int k = 0; k < c->x[0]->ndim; k++)
        count *= a->axes >> k & 1 ? (double)c->x[0]->shape[k] : 1;
    return 1 / count;
}
static void mean_run(const heed_call *c, heed_tensor *y)
{
    kernel_reduce reduce = arguments(c, y);
    reduce.scale = mean_factor(c);
    heed__kernels(y->dtype)->sum(&reduce);
}
static void mean_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    heed_tensor *scaled = heed_scale(t, gy, mean_factor(c));
    gx[0] = heed_expand(t, unreduce(t, c, scaled), heed_shape_of(c->x[0]));
}
HEED_DEFINE_OP(mean) = { .name = "mean",
                         .arity = 1,
                         .attributes_size = sizeof(reduce_attributes),
                         .shape = reduce_shape,
                         .run = mean_run,
                         .formula = "y = mean over axes of x",
                         .adjoint = "gx = gy/n, broadcast",
                         .linear = true,
                         .vjp = mean_vjp,
                         HEED_CASES(reduce_cases) };

/* max.   y = max_R x;   gx = gy [x = y]/(number of ties) */
static const heed_case max_cases[] = {
    { .label = "last",
      .x = { { .shape = HEED_DIMS(2, 3), .values = (const double[]){ 1, 3, 2, 0, -1, 4 } } },
      AXES(2, false) },
    { .label = "all",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, 3, 2, 0 } } },
      AXES(3, true) },
    { .label = "ties share",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 2, 1, 2 } } },
      AXES(1, false),
      .stated = true,
      .y = (const double[]){ 2 },
      .gx = { (const double[]){ 0.5, 0, 0.5 } } },
};
static bool max_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const reduce_attributes *a = c->attributes;
    for (int k = 0; k < c->x[0]->ndim; k++) {
        if ((a->axes >> k & 1) && c->x[0]->shape[k] == 0)
            return heed_refuse(t, c, "the maximum over axis %d of extent 0 does not exist", k);
    }
    return reduce_shape(t, c, r);
}
static void max_run(const heed_call *c, heed_tensor *y)
{
    kernel_reduce reduce = arguments(c, y);
    heed__kernels(y->dtype)->max(&reduce);
}
static void max_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    heed_tensor *zero = heed_cast(t, heed_full(t, HEED_SCALAR, 0), gy->dtype);
    heed_tensor *is_max = heed_equal(t, c->x[0], unreduce(t, c, y));
    heed_tensor *count = heed_cast(t, is_max, gy->dtype);
    heed_tensor *ties = heed__apply1(t, &heed_op_sum, count, c->attributes);
    heed_tensor *share = heed_div(t, gy, ties);
    gx[0] = heed_where(t, is_max, unreduce(t, c, share), zero);
}
HEED_DEFINE_OP(max) = { .name = "max",
                        .arity = 1,
                        .attributes_size = sizeof(reduce_attributes),
                        .shape = max_shape,
                        .run = max_run,
                        .formula = "y = max over axes of x",
                        .adjoint = "gx = gy [x = y]/ties",
                        .uses = HEED_USES_X(0) | HEED_USES_Y,
                        .vjp = max_vjp,
                        HEED_CASES(max_cases) };

/* sum_to.   The adjoint of broadcasting: y of a shape that broadcasts to x's;   gx = gy,
 * broadcast */
static unsigned lost_axes(const heed_call *c)
{
    const heed_shape *to = c->attributes;
    const heed_tensor *x = c->x[0];
    unsigned axes = 0;
    for (int k = 0; k < x->ndim; k++) {
        int at = k - (x->ndim - to->ndim);
        if (at < 0 || (to->size[at] == 1 && x->shape[k] != 1))
            axes |= 1u << k;
    }
    return axes;
}
static bool sum_to_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_shape *to = c->attributes;
    const heed_tensor *x = c->x[0];
    char text[160];
    bool fits = to->ndim <= x->ndim;
    for (int k = 1; fits && k <= to->ndim; k++)
        fits = to->size[to->ndim - k] == 1 || to->size[to->ndim - k] == x->shape[x->ndim - k];
    if (!fits)
        return heed_refuse(t, c, "shape %s does not broadcast to it",
                           heed_shape_text(to, text, sizeof text));
    r->dtype = x->dtype;
    r->shape = *to;
    kernel_reduce reduce = heed__reduce_arguments(x, lost_axes(c), NULL);
    r->scratch = heed__kernels(x->dtype)->reduce_scratch(&reduce);
    return heed__floats(t, c);
}
static void sum_to(const heed_call *c, heed_tensor *y, bool accumulate)
{
    const heed_tensor *x = c->x[0];
    unsigned lost = lost_axes(c);
    kernel_reduce reduce = heed__reduce_arguments(x, lost, y);
    for (int k = 0, kept = 0; k < x->ndim; k++) {
        if (!(lost >> k & 1))
            reduce.y_strides[kept++] = y->strides[k - (x->ndim - y->ndim)];
    }
    reduce.accumulate = accumulate;
    reduce.scratch = c->scratch;
    heed__kernels(y->dtype)->sum(&reduce);
}
static void sum_to_run(const heed_call *c, heed_tensor *y)
{
    sum_to(c, y, false);
}
static void sum_to_accumulate(const heed_call *c, heed_tensor *y)
{
    sum_to(c, y, true);
}
static void sum_to_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_expand(t, gy, heed_shape_of(c->x[0]));
}
static const heed_case sum_to_cases[] = {
    { .label = "row",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(3) },
    { .label = "middle",
      .x = { { .shape = HEED_DIMS(2, 3, 2) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, 1, 2) },
    { .label = "0-d",
      .x = { { .shape = HEED_DIMS(3) } },
      .attributes = &(const heed_shape){ 0 } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0, 2) } },
      .attributes = &(const heed_shape)HEED_DIMS(2),
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
HEED_DEFINE_OP(sum_to) = { .name = "sum_to",
                           .arity = 1,
                           .attributes_size = sizeof(heed_shape),
                           .shape = sum_to_shape,
                           .run = sum_to_run,
                           .accumulate = sum_to_accumulate,
                           .formula = "y = sum over the axes that broadcasting adds",
                           .adjoint = "gx = gy, broadcast",
                           .linear = true,
                           .vjp = sum_to_vjp,
                           HEED_CASES(sum_to_cases) };

/* ---- the calls ---- */

static heed_tensor *over_axes(heed_tape *t, const heed_op *op, heed_tensor *x, int n,
                              const int *axes, bool keep)
{
    heed_call call = { .op = op, .n = x ? 1 : 0, .x = &x };
    reduce_attributes a = { 0, keep };
    if (!t || heed_error(t))
        return NULL;
    if (n < 0)
        return heed_fail(t, "%s: a list of %d axes", op->name, n);
    if (n == 0)
        a.axes = (1u << HEED_MAX_NDIM) - 1;
    for (int i = 0; i < n && x; i++) {
        int axis = heed_axis(t, &call, axes[i], x->ndim);
        if (axis < 0)
            return NULL;
        if (a.axes >> axis & 1) {
            heed_refuse(t, &call, "axis %d is given twice", axes[i]);
            return NULL;
        }
        a.axes |= 1u << axis;
    }
    return heed__apply1(t, op, x, &a);
}

heed_tensor *heed_sum_axes(heed_tape *t, heed_tensor *x, int n, const int *axes, bool keep)
{
    return over_axes(t, &heed_op_sum, x, n, axes, keep);
}

heed_tensor *heed_mean_axes(heed_tape *t, heed_tensor *x, int n, const int *axes, bool keep)
{
    return over_axes(t, &heed_op_mean, x, n, axes, keep);
}

heed_tensor *heed_max_axes(heed_tape *t, heed_tensor *x, int n, const int *axes, bool keep)
{
    return over_axes(t, &heed_op_max, x, n, axes, keep);
}

heed_tensor *heed_sum(heed_tape *t, heed_tensor *x)
{
    return over_axes(t, &heed_op_sum, x, 0, NULL, false);
}

heed_tensor *heed_mean(heed_tape *t, heed_tensor *x)
{
    return over_axes(t, &heed_op_mean, x, 0, NULL, false);
}

heed_tensor *heed_max(heed_tape *t, heed_tensor *x)
{
    return over_axes(t, &heed_op_max, x, 0, NULL, false);
}

heed_tensor *heed_sum_to(heed_tape *t, heed_tensor *x, heed_shape shape)
{
    return heed__apply1(t, &heed_op_sum_to, x, &shape);
}
