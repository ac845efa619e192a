/* Running sums and products along an axis, the product over axes, and the linear recurrence
 * that their derivatives are made of: nothing here divides, so zeros are exact at every order.
 */
#include "reduce.h"

typedef struct axis_attributes {
    int axis;
    bool backwards; /* recurrence only */
} axis_attributes;

static int axis_of(const heed_call *c)
{
    int axis = ((const axis_attributes *)c->attributes)->axis;
    return axis < 0 ? axis + c->x[0]->ndim : axis;
}

static bool cumulative_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    int axis = ((const axis_attributes *)c->attributes)->axis;
    return heed_axis(t, c, axis, c->x[0]->ndim) >= 0 && heed__shape_like(t, c, r);
}

/* x from the other end. */
static heed_tensor *reversed(heed_tape *t, heed_tensor *x, int axis)
{
    return heed_slice(t, x, axis, -1, HEED_END, -1);
}

/* One place later along an axis: first, x_0, ..., x_(n-2). */
static heed_tensor *delayed(heed_tape *t, heed_tensor *x, int axis, double first)
{
    if (!x || x->shape[axis] == 0)
        return x;
    heed_shape one = heed_shape_of(x);
    one.size[axis] = 1;
    heed_tensor *head = heed_expand(t, heed__number(t, x, first), one);
    heed_tensor *rest = heed_slice(t, x, axis, 0, -1, 1);
    return heed_concatenate(t, 2, (heed_tensor *[]){ head, rest }, axis);
}

/* cumsum.   y_i = sum_{j <= i} x_j;   gx_j = sum_{i >= j} gy_i, the running sum of gy from the
 * other end */
static void cumsum_run(const heed_call *c, heed_tensor *y)
{
    kernel_lines lines = heed__lines(c->x[0], axis_of(c), y);
    heed__portable(y->dtype)->cumsum(&lines);
}
static void cumsum_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    int axis = axis_of(c);
    (void)y;
    heed_tensor *sums = heed_cumsum(t, reversed(t, gy, axis), axis);
    gx[0] = reversed(t, sums, axis);
}
static const heed_case cumsum_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const axis_attributes){ -1, false } },
    { .label = "first axis",
      .x = { { .shape = HEED_DIMS(3, 2) } },
      .attributes = &(const axis_attributes){ 0, false } },
    { .label = "nothing",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      .attributes = &(const axis_attributes){ 1, false },
      .stated = true },
};
HEED_DEFINE_OP(cumsum) = { .name = "cumsum",
                           .arity = 1,
                           .dense = 1,
                           .attributes_size = sizeof(axis_attributes),
                           .shape = cumulative_shape,
                           .run = cumsum_run,
                           .formula = "y_i = sum over j <= i of x_j",
                           .adjoint = "gx_j = sum over i >= j of gy_i",
                           .linear = true,
                           .vjp = cumsum_vjp,
                           HEED_CASES(cumsum_cases) };

/* recurrence.   y_i = b_i + a_i y_(i-1), or backwards y_i = b_i + a_(i+1) y_(i+1), with nothing
 * before the start: a_0 is not used. b reaches y_i by the same factors that take gy back to b,
 * so gb is the recurrence of gy with the same a in the other direction, and ga_i is gb where
 * a_i enters times the y it multiplies. */
static bool recurrence_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *a = c->x[0], *b = c->x[1];
    bool same = a->ndim == b->ndim;
    for (int k = 0; same && k < a->ndim; k++)
        same = a->shape[k] == b->shape[k];
    if (!same)
        return heed_refuse(t, c, "the shapes differ");
    return cumulative_shape(t, c, r);
}
static void recurrence_run(const heed_call *c, heed_tensor *y)
{
    kernel_lines lines = heed__lines(c->x[1], axis_of(c), y);
    lines.a = c->x[0]->data;
    lines.backwards = ((const axis_attributes *)c->attributes)->backwards;
    heed__portable(y->dtype)->recurrence(&lines);
}
static void recurrence_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                           heed_tensor *gx[])
{
    axis_attributes back = *(const axis_attributes *)c->attributes;
    back.backwards = !back.backwards;
    gx[1] = heed__apply2(t, &heed_op_recurrence, c->x[0], gy, &back);
    if (heed_wants(c, 0)) {
        heed_tensor *here = back.backwards ? gx[1] : y;
        heed_tensor *before = delayed(t, back.backwards ? y : gx[1], axis_of(c), 0);
        gx[0] = heed_mul(t, here, before);
    }
}
static const heed_case recurrence_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 4) }, { .shape = HEED_DIMS(2, 4) } },
      .attributes = &(const axis_attributes){ -1, false } },
    { .label = "first axis, backwards",
      .x = { { .shape = HEED_DIMS(3, 2) }, { .shape = HEED_DIMS(3, 2) } },
      .attributes = &(const axis_attributes){ 0, true } },
    { .label = "a factor of 0",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 7, 2, 0 } },
             { .shape = HEED_DIMS(3), .values = (const double[]){ 1, 3, 4 } } },
      .attributes = &(const axis_attributes){ 0, false },
      .stated = true,
      .y = (const double[]){ 1, 5, 4 },
      .gx = { (const double[]){ 0, 1, 5 }, (const double[]){ 3, 1, 1 } } },
    { .label = "nothing",
      .x = { { .shape = HEED_DIMS(0, 2) }, { .shape = HEED_DIMS(0, 2) } },
      .attributes = &(const axis_attributes){ 0, true },
      .stated = true },
};
HEED_DEFINE_OP(recurrence) = { .name = "recurrence",
                               .arity = 2,
                               .dense = 3,
                               .attributes_size = sizeof(axis_attributes),
                               .shape = recurrence_shape,
                               .run = recurrence_run,
                               .formula = "y_i = b_i + a_i y_(i-1)",
                               .adjoint = "gb_i = gy_i + a_(i+1) gb_(i+1), ga_i = gb_i y_(i-1)",
                               .uses = HEED_USES_X(0) | HEED_USES_Y,
                               .vjp = recurrence_vjp,
                               HEED_CASES(recurrence_cases) };

/* cumprod.   y_i = prod_{j <= i} x_j.   dy_i/dx_k = y_(k-1) x_(k+1) ... x_i for i >= k, hence
 * gx_k = y_(k-1) w_k with w_k = gy_k + x_(k+1) w_(k+1) */
static void cumprod_run(const heed_call *c, heed_tensor *y)
{
    kernel_lines lines = heed__lines(c->x[0], axis_of(c), y);
    heed__portable(y->dtype)->cumprod(&lines);
}
static void cumprod_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    int axis = axis_of(c);
    heed_tensor *before = delayed(t, y, axis, 1);
    heed_tensor *w =
        heed__apply2(t, &heed_op_recurrence, c->x[0], gy, &(axis_attributes){ axis, true });
    gx[0] = heed_mul(t, before, w);
}
static const heed_case cumprod_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 4) } },
      .attributes = &(const axis_attributes){ -1, false } },
    { .label = "first axis, with zeros",
      .x = { { .shape = HEED_DIMS(3, 2), .values = (const double[]){ 2, 0, 0, 3, -1, 0 } } },
      .attributes = &(const axis_attributes){ 0, false } },
    { .label = "one zero",
      .x = { { .shape = HEED_DIMS(4), .values = (const double[]){ 2, 0, 3, 5 } } },
      .attributes = &(const axis_attributes){ 0, false },
      .stated = true,
      .y = (const double[]){ 2, 0, 0, 0 },
      .gx = { (const double[]){ 1, 38, 0, 0 } } },
    { .label = "two zeros",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 0, 0, 3 } } },
      .attributes = &(const axis_attributes){ 0, false },
      .stated = true,
      .y = (const double[]){ 0, 0, 0 },
      .gx = { (const double[]){ 1, 0, 0 } } },
    { .label = "nothing",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      .attributes = &(const axis_attributes){ 1, false },
      .stated = true },
};
HEED_DEFINE_OP(cumprod) = { .name = "cumprod",
                            .arity = 1,
                            .dense = 1,
                            .attributes_size = sizeof(axis_attributes),
                            .shape = cumulative_shape,
                            .run = cumprod_run,
                            .formula = "y_i = product over j <= i of x_j",
                            .adjoint = "gx_k = y_(k-1) w_k, w_k = gy_k + x_(k+1) w_(k+1)",
                            .uses = HEED_USES_X(0) | HEED_USES_Y,
                            .vjp = cumprod_vjp,
                            HEED_CASES(cumprod_cases) };

/* prod.   y = prod_R x;   gx_i = gy prod_{j != i} x_j: the product of those before i times that
 * of those after i */
static bool prod_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    heed__reduced_shape(c, r);
    return heed__floats(t, c);
}
static void prod_run(const heed_call *c, heed_tensor *y)
{
    kernel_reduce reduce = heed__reduce_of(c, y);
    heed__portable(y->dtype)->prod(&reduce);
}
static void prod_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    const heed__reduction *a = c->attributes;
    heed_tensor *x = c->x[0], *g = heed__unreduce(t, c, gy);
    int64_t count = heed__reduced_count(c);
    int order[HEED_MAX_NDIM], back[HEED_MAX_NDIM], at = 0;
    (void)y;
    if (heed_size(x) == 0) {
        gx[0] = heed_expand(t, g, heed_shape_of(x));
        return;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < x->ndim; k++) {
            if ((int)(a->axes >> k & 1) == pass) {
                order[at] = k;
                back[k] = at++;
            }
        }
    }
    /* The reduced elements of each result as a line. */
    heed_tensor *sorted = heed_permute(t, x, order);
    heed_tensor *lines = heed_reshape(t, sorted, HEED_SHAPE(heed_size(x) / count, count));
    heed_tensor *before = delayed(t, heed_cumprod(t, lines, 1), 1, 1);
    heed_tensor *from_end = heed_cumprod(t, reversed(t, lines, 1), 1);
    heed_tensor *after = reversed(t, delayed(t, from_end, 1, 1), 1);
    heed_tensor *others = heed_mul(t, before, after);
    if (!others)
        return;
    others = heed_permute(t, heed_reshape(t, others, heed_shape_of(sorted)), back);
    gx[0] = heed_mul(t, g, others);
}
static const heed_case prod_cases[] = {
    { .label = "all", .x = { { .shape = HEED_DIMS(2, 3) } }, HEED__AXES(3, false) },
    { .label = "middle, kept",
      .x = { { .shape = HEED_DIMS(2, 3, 2), .gap = 0.2 } },
      HEED__AXES(2, true) },
    { .label = "first and last",
      .x = { { .shape = HEED_DIMS(2, 3, 2), .gap = 0.2 } },
      HEED__AXES(5, false) },
    { .label = "zeros: none, one, two",
      .x = { { .shape = HEED_DIMS(3, 3),
               .values = (const double[]){ 2, 3, -1, 2, 0, 5, 0, 4, 0 } } },
      HEED__AXES(2, false) },
    { .label = "zeros, stated",
      .x = { { .shape = HEED_DIMS(3, 3),
               .values = (const double[]){ 2, 3, -1, 2, 0, 5, 0, 4, 0 } } },
      HEED__AXES(2, false),
      .stated = true,
      .y = (const double[]){ -6, 0, 0 },
      .gx = { (const double[]){ -3, -2, 6, 0, 10, 0, 0, 0, 0 } } },
    { .label = "of nothing",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      HEED__AXES(2, false),
      .stated = true,
      .y = (const double[]){ 1, 1 } },
    { .label = "0-d",
      .x = { { .shape = { 0 }, .values = (const double[]){ 0 } } },
      HEED__AXES(0, false),
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 1 } } },
};
HEED_DEFINE_OP(prod) = { .name = "prod",
                         .arity = 1,
                         .attributes_size = sizeof(heed__reduction),
                         .shape = prod_shape,
                         .run = prod_run,
                         .formula = "y = product over axes of x",
                         .adjoint = "gx_i = gy times the product of the other x",
                         .uses = HEED_USES_X(0),
                         .vjp = prod_vjp,
                         HEED_CASES(prod_cases) };

/* ---- the calls ---- */

heed_tensor *heed_cumsum(heed_tape *t, heed_tensor *x, int axis)
{
    return heed__apply1(t, &heed_op_cumsum, x, &(axis_attributes){ axis, false });
}

heed_tensor *heed_cumprod(heed_tape *t, heed_tensor *x, int axis)
{
    return heed__apply1(t, &heed_op_cumprod, x, &(axis_attributes){ axis, false });
}

heed_tensor *heed_prod_axes(heed_tape *t, heed_tensor *x, int n, const int *axes, bool keep)
{
    return heed__over_axes(t, &heed_op_prod, x, n, axes, keep, 0);
}

heed_tensor *heed_prod(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_prod, x, 0, NULL, false, 0);
}
