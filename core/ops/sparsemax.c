/* Sparsemax and 1.5-entmax: softmax's relatives that give weight exactly 0 to what scores too
 * little. Each is the point y of the simplex with the largest <y, x> + entropy of y: Shannon's
 * entropy gives softmax, (1 - |y|^2)/2 sparsemax (Martins, Astudillo 2016), and Tsallis' with
 * alpha = 1.5 what lies between (Peters, Niculae, Martins 2019). */
#include "ops.h"

typedef struct sparse_attributes {
    int axis;
} sparse_attributes;

#define ALONG(number)                        \
    .attributes = &(const sparse_attributes) \
    {                                        \
        number                               \
    }

static int axis_of(const heed_call *c)
{
    int axis = ((const sparse_attributes *)c->attributes)->axis;
    return axis < 0 ? axis + c->x[0]->ndim : axis;
}

static bool sparse_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    int axis = ((const sparse_attributes *)c->attributes)->axis;
    r->scratch = (size_t)heed_size(x) * sizeof(double);
    return heed_axis(t, c, axis, x->ndim) >= 0 && heed__floats(t, c) &&
           heed__shape_like(t, c, r);
}

static kernel_lines lines_of(const heed_call *c, heed_tensor *y)
{
    kernel_lines lines = heed__lines(c->x[0], axis_of(c), y);
    lines.scratch = c->scratch;
    return lines;
}

/* w (gy - <gy, w>/sum w). On the support the weights w add up to 1 or more; on a line without
 * support they are all 0, and half stands in for their sum. */
static heed_tensor *centred(heed_tape *t, heed_tensor *w, heed_tensor *gy, int axis)
{
    heed_tensor *inner = heed_sum_axes(t, heed_mul(t, gy, w), 1, &axis, true);
    heed_tensor *total = heed_sum_axes(t, w, 1, &axis, true);
    heed_tensor *safe = heed_clamp(t, total, 0.5, INFINITY);
    heed_tensor *mean = heed_div(t, inner, safe);
    return heed_mul(t, w, heed_sub(t, gy, mean));
}

/* sparsemax.   y = max(x - tau, 0), tau such that sum y = 1: the point of the simplex
 * nearest to x. With the support S = { y > 0 } fixed, tau = (sum_S x - 1)/|S|, so
 *   dy_i/dx_j = [i = j] - 1/|S| on S, else 0;   gx = [y > 0] (gy - mean_S gy).
 * A value just at the threshold is outside. -inf has weight 0, and so has a line of nothing
 * else. */
static void sparsemax_run(const heed_call *c, heed_tensor *y)
{
    kernel_lines lines = lines_of(c, y);
    heed__portable(y->dtype)->sparsemax(&lines);
}
static void sparsemax_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                          heed_tensor *gx[])
{
    heed_tensor *support = heed_greater(t, y, heed__number(t, y, 0));
    heed_tensor *w = heed_cast(t, support, y->dtype);
    gx[0] = centred(t, w, gy, axis_of(c));
}
static const heed_case sparsemax_cases[] = {
    { .label = "some outside, all inside",
      .x = { { .shape = HEED_DIMS(2, 3),
               .values = (const double[]){ 0.5, 0.2, -0.9, 0.1, 0.05, -0.1 } } },
      ALONG(-1) },
    { .label = "first axis",
      .x = { { .shape = HEED_DIMS(4, 2),
               .values = (const double[]){ 0.3, 2, 0.1, 0.1, -1.5, -0.4, 0.4, 1.7 } } },
      ALONG(0) },
    { .label = "at the threshold",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 1, 0.25, 0.5 } } },
      ALONG(0),
      .stated = true,
      .y = (const double[]){ 0.75, 0, 0.25 },
      .gx = { (const double[]){ 0, 0, 0 } } },
    { .label = "one place",
      .x = { { .shape = HEED_DIMS(2, 1) } },
      ALONG(1),
      .stated = true,
      .y = (const double[]){ 1, 1 },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "huge, and -inf",
      .x = { { .shape = HEED_DIMS(4),
               .values = (const double[]){ 1e4, 9e3, -INFINITY, 1e4 } } },
      ALONG(0),
      .stated = true,
      .y = (const double[]){ 0.5, 0, 0, 0.5 },
      .gx = { (const double[]){ 0, 0, 0, 0 } } },
    { .label = "nothing but -inf",
      .x = { { .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ -INFINITY, 0, -INFINITY, 0 } } },
      ALONG(0),
      .stated = true,
      .y = (const double[]){ 0, 0.5, 0, 0.5 },
      .gx = { (const double[]){ 0, 0, 0, 0 } } },
    { .label = "no lines", .x = { { .shape = HEED_DIMS(0, 3) } }, ALONG(1), .stated = true },
    { .label = "no places", .x = { { .shape = HEED_DIMS(2, 0) } }, ALONG(-1), .stated = true },
};
static const heed_case sparse_refusals[] = {
    { .label = "axis 2 is out of range", .x = { { .shape = HEED_DIMS(2, 3) } }, ALONG(2) },
    { .label = "axis -1 is out of range", .x = { { .shape = { 0 } } }, ALONG(-1) },
};
HEED_DEFINE_OP(sparsemax) = { .name = "sparsemax",
                              .arity = 1,
                              .dense = 1,
                              .attributes_size = sizeof(sparse_attributes),
                              .shape = sparse_shape,
                              .run = sparsemax_run,
                              .formula = "y = max(x - tau, 0), sum y = 1",
                              .adjoint = "gx = [y > 0] (gy - mean of gy where y > 0)",
                              .cost = "n + k ln n a line, k of them above 0, + 8 n",
                              .uses = HEED_USES_Y,
                              .vjp = sparsemax_vjp,
                              HEED_REFUSES(sparse_refusals),
                              HEED_CASES(sparsemax_cases) };

/* entmax15.   y = max(x/2 - tau, 0)^2, tau such that sum y = 1. With w = sqrt(y) = x/2 - tau on
 * the support, dy = 2 w (dx/2 - dtau) and sum dy = 0 give dtau = <w, dx>/(2 sum w), hence
 *   gx = w (gy - <gy, w>/sum w),
 * which is symmetric. The root is taken where y > 0 only: at 0 its slope is infinite. */
static void entmax15_run(const heed_call *c, heed_tensor *y)
{
    kernel_lines lines = lines_of(c, y);
    heed__portable(y->dtype)->entmax15(&lines);
}
static void entmax15_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                         heed_tensor *gx[])
{
    heed_tensor *zero = heed__number(t, y, 0), *one = heed__number(t, y, 1);
    heed_tensor *support = heed_greater(t, y, zero);
    heed_tensor *root = heed_sqrt(t, heed_where(t, support, y, one));
    heed_tensor *w = heed_where(t, support, root, zero);
    gx[0] = centred(t, w, gy, axis_of(c));
}
static const heed_case entmax15_cases[] = {
    { .label = "some outside, all inside",
      .x = { { .shape = HEED_DIMS(2, 3),
               .values = (const double[]){ 0.9, 0.4, -2.5, 0.1, 0.4, -0.2 } } },
      ALONG(-1) },
    { .label = "first axis",
      .x = { { .shape = HEED_DIMS(4, 2),
               .values = (const double[]){ 0.3, 2, 0.1, 0.1, -3, -2.4, 0.4, 1.7 } } },
      ALONG(0) },
    { .label = "at the threshold",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 3, 1 } } },
      ALONG(0),
      .stated = true,
      .y = (const double[]){ 1, 0 },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "one place",
      .x = { { .shape = HEED_DIMS(2, 1) } },
      ALONG(1),
      .stated = true,
      .y = (const double[]){ 1, 1 },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "huge, and -inf",
      .x = { { .shape = HEED_DIMS(4),
               .values = (const double[]){ 1e4, 9e3, -INFINITY, 1e4 } } },
      ALONG(0),
      .stated = true,
      .y = (const double[]){ 0.5, 0, 0, 0.5 },
      .gx = { (const double[]){ 0, 0, 0, 0 } } },
    { .label = "nothing but -inf",
      .x = { { .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ -INFINITY, 0, -INFINITY, 0 } } },
      ALONG(0),
      .stated = true,
      .y = (const double[]){ 0, 0.5, 0, 0.5 },
      .gx = { (const double[]){ 0, 0, 0, 0 } } },
    { .label = "no lines", .x = { { .shape = HEED_DIMS(0, 3) } }, ALONG(1), .stated = true },
    { .label = "no places", .x = { { .shape = HEED_DIMS(2, 0) } }, ALONG(-1), .stated = true },
};
HEED_DEFINE_OP(entmax15) = { .name = "entmax15",
                             .arity = 1,
                             .dense = 1,
                             .attributes_size = sizeof(sparse_attributes),
                             .shape = sparse_shape,
                             .run = entmax15_run,
                             .formula = "y = max(x/2 - tau, 0)^2, sum y = 1",
                             .adjoint = "gx = w (gy - <gy, w>/sum w), w = sqrt(y)",
                             .cost = "n + k ln n a line, k of them above 0, + 10 n",
                             .uses = HEED_USES_Y,
                             .vjp = entmax15_vjp,
                             HEED_REFUSES(sparse_refusals),
                             HEED_CASES(entmax15_cases) };

/* ---- the calls ---- */

heed_tensor *heed_sparsemax(heed_tape *t, heed_tensor *x, int axis)
{
    return heed__apply1(t, &heed_op_sparsemax, x, &(sparse_attributes){ axis });
}

heed_tensor *heed_entmax15(heed_tape *t, heed_tensor *x, int axis)
{
    return heed__apply1(t, &heed_op_entmax15, x, &(sparse_attributes){ axis });
}
