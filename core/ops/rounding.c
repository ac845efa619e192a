/* Functions that are flat but for jumps: the sign, and rounding to whole numbers. Their derivative
 * is 0 everywhere, at the jumps too: what comes after them stays differentiable, with gradient
 * 0. */
#include "ops.h"

#define MAP(name_, list)                                                        \
    .name = #name_, .arity = 1, .shape = heed__shape_map, .run = heed__run_map, \
    .kernel = KERNEL_MAP_##name_, HEED_CASES(list)

static void flat_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)c, (void)y;
    heed_tensor *zero = heed__number(t, gy, 0);
    gx[0] = heed_expand(t, zero, heed_shape_of(gy));
}

/* sign.   y = -1, 0 or 1;   gx = 0 */
static const heed_case sign_cases[] = {
    { .label = "away from 0", .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.1 } } },
    { .label = "at 0",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 0, -INFINITY, INFINITY } } },
      .stated = true,
      .y = (const double[]){ 0, -1, 1 },
      .gx = { (const double[]){ 0, 0, 0 } } },
};
HEED_DEFINE_OP(sign) = { MAP(sign, sign_cases), .formula = "y = sign(x)", .adjoint = "gx = 0",
                         .vjp = flat_vjp };

/* floor, ceil, round.   gx = 0 */
static const double between[] = { -1.75, -0.25, 0.25, 0.75, 1.25, 7.75 };
static const double jumps[] = {
    -1.5, -1, -0.5, 0, 0.5, 1.5, 2.5, 16777216, -INFINITY, INFINITY
};
static const double flat[10] = { 0 };
static const heed_case floor_cases[] = {
    { .label = "between", .x = { { .shape = HEED_DIMS(2, 3), .values = between } } },
    { .label = "at the jumps",
      .x = { { .shape = HEED_DIMS(10), .values = jumps } },
      .stated = true,
      .y = (const double[]){ -2, -1, -1, 0, 0, 1, 2, 16777216, -INFINITY, INFINITY },
      .gx = { flat } },
};
HEED_DEFINE_OP(floor) = { MAP(floor, floor_cases),
                          .formula = "y = the largest whole number <= x", .adjoint = "gx = 0",
                          .vjp = flat_vjp };

static const heed_case ceil_cases[] = {
    { .label = "between", .x = { { .shape = HEED_DIMS(2, 3), .values = between } } },
    { .label = "at the jumps",
      .x = { { .shape = HEED_DIMS(10), .values = jumps } },
      .stated = true,
      .y = (const double[]){ -1, -1, 0, 0, 1, 2, 3, 16777216, -INFINITY, INFINITY },
      .gx = { flat } },
};
HEED_DEFINE_OP(ceil) = { MAP(ceil, ceil_cases), .formula = "y = the smallest whole number >= x",
                         .adjoint = "gx = 0", .vjp = flat_vjp };

static const heed_case round_cases[] = {
    { .label = "between", .x = { { .shape = HEED_DIMS(2, 3), .values = between } } },
    { .label = "at the jumps",
      .x = { { .shape = HEED_DIMS(10), .values = jumps } },
      .stated = true,
      .y = (const double[]){ -2, -1, 0, 0, 0, 2, 2, 16777216, -INFINITY, INFINITY },
      .gx = { flat } },
};
HEED_DEFINE_OP(round) = { MAP(round, round_cases),
                          .formula = "y = the whole number nearest to x, of two the even one",
                          .adjoint = "gx = 0", .vjp = flat_vjp };

/* ---- the calls ---- */

heed_tensor *heed_sign(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_sign, x, NULL);
}

heed_tensor *heed_floor(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_floor, x, NULL);
}

heed_tensor *heed_ceil(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_ceil, x, NULL);
}

heed_tensor *heed_round(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_round, x, NULL);
}
