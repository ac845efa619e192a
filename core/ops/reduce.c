/* Sums over sets of axes, and what all reductions share. The axes travel as a bit mask; kept
 * axes come first in the kernel's eyes. */
#include "reduce.h"

void heed__reduced_shape(const heed_call *c, heed_result *r)
{
    const heed__reduction *a = c->attributes;
    const heed_tensor *x = c->x[0];
    r->dtype = x->dtype;
    for (int k = 0; k < x->ndim; k++) {
        bool goes = (a->axes >> k & 1) != 0;
        if (!goes || a->keep)
            r->shape.size[r->shape.ndim++] = goes ? 1 : x->shape[k];
    }
}

bool heed__reduce_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed__reduction *a = c->attributes;
    if (!heed__floats(t, c))
        return false;
    heed__reduced_shape(c, r);
    kernel_reduce reduce = heed__reduce_arguments(c->x[0], a->axes, NULL);
    r->scratch = heed__kernels(r->dtype)->reduce_scratch(&reduce);
    return true;
}

kernel_reduce heed__reduce_of(const heed_call *c, const heed_tensor *y)
{
    const heed__reduction *a = c->attributes;
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

int64_t heed__reduced_count(const heed_call *c)
{
    const heed__reduction *a = c->attributes;
    int64_t count = 1;
    for (int k = 0; k < c->x[0]->ndim; k++)
        count *= a->axes >> k & 1 ? c->x[0]->shape[k] : 1;
    return count;
}

heed_tensor *heed__unreduce(heed_tape *t, const heed_call *c, heed_tensor *g)
{
    const heed__reduction *a = c->attributes;
    heed_shape kept = heed_shape_of(c->x[0]);
    for (int k = 0; k < kept.ndim; k++) {
        if (a->axes >> k & 1)
            kept.size[k] = 1;
    }
    return heed_reshape(t, g, kept);
}

heed_tensor *heed__over_same(heed_tape *t, const heed_call *c, const heed_op *op,
                             heed_tensor *x)
{
    const heed__reduction *a = c->attributes;
    return heed__apply1(t, op, x, &(heed__reduction){ a->axes, true, 0 });
}

static const heed_case reduce_cases[] = {
    { .label = "all", .x = { { .shape = HEED_DIMS(2, 3) } }, HEED__AXES(3, false) },
    { .label = "last, kept", .x = { { .shape = HEED_DIMS(2, 3) } }, HEED__AXES(2, true) },
    { .label = "first and last",
      .x = { { .shape = HEED_DIMS(2, 3, 2) } },
      HEED__AXES(5, false) },
    { .label = "none", .x = { { .shape = HEED_DIMS(3) } }, HEED__AXES(0, false) },
    { .label = "0-d", .x = { { .shape = { 0 } } }, HEED__AXES(0, false) },
    { .label = "empty axis kept",
      .x = { { .shape = HEED_DIMS(0, 2) } },
      HEED__AXES(2, false),
      .stated = true },
};

/* sum.   y = sum_R x;   gx = gy, broadcast */
static void sum_run(const heed_call *c, heed_tensor *y)
{
    kernel_reduce reduce = heed__reduce_of(c, y);
    heed__kernels(y->dtype)->sum(&reduce);
}
static void sum_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_expand(t, heed__unreduce(t, c, gy), heed_shape_of(c->x[0]));
}
HEED_DEFINE_OP(sum) = { .name = "sum",
                        .arity = 1,
                        .attributes_size = sizeof(heed__reduction),
                        .shape = heed__reduce_shape,
                        .run = sum_run,
                        .formula = "y = sum over axes of x",
                        .adjoint = "gx = gy, broadcast",
                        .linear = true,
                        .vjp = sum_vjp,
                        HEED_CASES(reduce_cases) };

static const heed_case mean_cases[] = {
    { .label = "all", .x = { { .shape = HEED_DIMS(2, 3) } }, HEED__AXES(3, false) },
    { .label = "first and last",
      .x = { { .shape = HEED_DIMS(2, 3, 2) } },
      HEED__AXES(5, true) },
    { .label = "of nothing",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      HEED__AXES(2, false),
      .stated = true,
      .y = (const double[]){ NAN, NAN } },
};

/* mean.   y = sum_R x / n;   gx = gy/n, broadcast */
static double mean_factor(const heed_call *c)
{
    return 1 / (double)heed__reduced_count(c);
}
static void mean_run(const heed_call *c, heed_tensor *y)
{
    kernel_reduce reduce = heed__reduce_of(c, y);
    reduce.scale = mean_factor(c);
    heed__kernels(y->dtype)->sum(&reduce);
}
static void mean_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    heed_tensor *scaled = heed_scale(t, gy, mean_factor(c));
    gx[0] = heed_expand(t, heed__unreduce(t, c, scaled), heed_shape_of(c->x[0]));
}
HEED_DEFINE_OP(mean) = { .name = "mean",
                         .arity = 1,
                         .attributes_size = sizeof(heed__reduction),
                         .shape = heed__reduce_shape,
                         .run = mean_run,
                         .formula = "y = mean over axes of x",
                         .adjoint = "gx = gy/n, broadcast",
                         .linear = true,
                         .vjp = mean_vjp,
                         HEED_CASES(mean_cases) };

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

heed_tensor *heed__over_axes(heed_tape *t, const heed_op *op, heed_tensor *x, int n,
                             const int *axes, bool keep, double p)
{
    heed_call call = { .op = op, .n = x ? 1 : 0, .x = &x };
    heed__reduction a = { 0, keep, p };
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
    return heed__over_axes(t, &heed_op_sum, x, n, axes, keep, 0);
}

heed_tensor *heed_mean_axes(heed_tape *t, heed_tensor *x, int n, const int *axes, bool keep)
{
    return heed__over_axes(t, &heed_op_mean, x, n, axes, keep, 0);
}

heed_tensor *heed_sum(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_sum, x, 0, NULL, false, 0);
}

heed_tensor *heed_mean(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_mean, x, 0, NULL, false, 0);
}

heed_tensor *heed_sum_to(heed_tape *t, heed_tensor *x, heed_shape shape)
{
    return heed__apply1(t, &heed_op_sum_to, x, &shape);
}
