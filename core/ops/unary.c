/* Arithmetic of one operand, elementwise. */
#include "ops.h"

#define MAP(name_, list)                                                        \
    .name = #name_, .arity = 1, .shape = heed__shape_map, .run = heed__run_map, \
    .kernel = KERNEL_MAP_##name_, HEED_CASES(list)

static const heed_case any_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3) } } },
    { .label = "0-d", .x = { { .shape = { 0 } } } },
    { .label = "empty", .x = { { .shape = HEED_DIMS(2, 0) } }, .stated = true },
};
static const heed_case positive_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3), .low = 0.5, .high = 2 } } },
    { .label = "empty", .x = { { .shape = HEED_DIMS(0) } }, .stated = true },
};

/* scale.   y = p x;   gx = p gy */
static const heed_case scale_cases[] = {
    { .label = "matrix",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed__scalars){ -1.5, 0 } },
    { .label = "by 0",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const heed__scalars){ 0, 0 },
      .stated = true,
      .y = (const double[]){ 0, 0 },
      .gx = { (const double[]){ 0, 0 } } },
};
static void scale_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_scale(t, gy, ((const heed__scalars *)c->attributes)->p);
}
HEED_DEFINE_OP(scale) = { MAP(scale, scale_cases),
                          .formula = "y = p x",
                          .adjoint = "gx = p gy",
                          .linear = true,
                          .attributes_size = sizeof(heed__scalars),
                          .vjp = scale_vjp };

static void pass_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)t, (void)c, (void)y;
    gx[0] = gy;
}

/* shift.   y = x + p;   gx = gy */
static const heed_case shift_cases[] = {
    { .label = "matrix",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed__scalars){ 0.25, 0 } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0) } },
      .attributes = &(const heed__scalars){ 1, 0 },
      .stated = true },
};
HEED_DEFINE_OP(shift) = { MAP(shift, shift_cases), .formula = "y = x + p", .adjoint = "gx = gy",
                          .attributes_size = sizeof(heed__scalars), .vjp = pass_vjp };

/* power.   y = x^p;   gx = gy p x^(p-1), and 0 for p = 0 */
static const heed_case power_cases[] = {
    { .label = "cube",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed__scalars){ 3, 0 } },
    { .label = "real exponent",
      .x = { { .shape = HEED_DIMS(3), .low = 0.5, .high = 2 } },
      .attributes = &(const heed__scalars){ -1.7, 0 } },
    { .label = "exponent 0 at 0",
      .x = { { .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .attributes = &(const heed__scalars){ 0, 0 },
      .stated = true,
      .y = (const double[]){ 1 },
      .gx = { (const double[]){ 0 } } },
};
static void power_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    double p = ((const heed__scalars *)c->attributes)->p;
    (void)y;
    if (p == 0) {
        gx[0] = heed_expand(t, heed__number(t, gy, 0), heed_shape_of(gy));
        return;
    }
    heed_tensor *slope = heed_power(t, c->x[0], p - 1);
    heed_tensor *scaled = heed_scale(t, slope, p);
    gx[0] = heed_mul(t, gy, scaled);
}
HEED_DEFINE_OP(power) = { MAP(power, power_cases),
                          .formula = "y = x^p",
                          .adjoint = "gx = gy p x^(p-1); 0 for p = 0",
                          .uses = HEED_USES_X(0),
                          .attributes_size = sizeof(heed__scalars),
                          .vjp = power_vjp };

/* clamp.   y = min(max(x, p), q);   gx = gy on the closed interval [p, q], 0 outside */
static const heed_case clamp_cases[] = {
    { .label = "inside and outside",
      .x = { { .shape = HEED_DIMS(4), .values = (const double[]){ -2, -0.3, 0.4, 3 } } },
      .attributes = &(const heed__scalars){ -1, 1 } },
    { .label = "at the bounds",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ -1, 1 } } },
      .attributes = &(const heed__scalars){ -1, 1 },
      .stated = true,
      .y = (const double[]){ -1, 1 },
      .gx = { (const double[]){ 1, 1 } } },
};
static void clamp_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    (void)y;
    /* The value is unchanged exactly where x lies in the interval. */
    heed_tensor *clamped =
        heed__apply1(t, &heed_op_clamp, heed_detach(t, c->x[0]), c->attributes);
    heed_tensor *inside = heed_equal(t, c->x[0], clamped);
    gx[0] = heed_where(t, inside, gy, heed__number(t, gy, 0));
}
HEED_DEFINE_OP(clamp) = { MAP(clamp, clamp_cases),
                          .formula = "y = min(max(x, p), q)",
                          .adjoint = "gx = gy [p <= x <= q]",
                          .uses = HEED_USES_X(0),
                          .attributes_size = sizeof(heed__scalars),
                          .vjp = clamp_vjp };

/* neg.   y = -x;   gx = -gy */
static void neg_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)c, (void)y;
    gx[0] = heed_neg(t, gy);
}
HEED_DEFINE_OP(neg) = { MAP(neg, any_cases), .formula = "y = -x", .adjoint = "gx = -gy",
                        .linear = true, .vjp = neg_vjp };

/* square.   y = x^2;   gx = 2 gy x */
static void square_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    (void)y;
    heed_tensor *product = heed_mul(t, gy, c->x[0]);
    gx[0] = heed_scale(t, product, 2);
}
HEED_DEFINE_OP(square) = { MAP(square, any_cases), .formula = "y = x^2",
                           .adjoint = "gx = 2 gy x", .uses = HEED_USES_X(0),
                           .vjp = square_vjp };

/* reciprocal.   y = 1/x;   gx = -gy y^2 */
static void reciprocal_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                           heed_tensor *gx[])
{
    (void)c;
    heed_tensor *square = heed_square(t, y);
    heed_tensor *product = heed_mul(t, gy, square);
    gx[0] = heed_neg(t, product);
}
HEED_DEFINE_OP(reciprocal) = { MAP(reciprocal, positive_cases), .formula = "y = 1/x",
                               .adjoint = "gx = -gy y^2", .uses = HEED_USES_Y,
                               .vjp = reciprocal_vjp };

/* sqrt.   y = x^(1/2);   gx = gy/(2 y): infinite at 0 */
static const heed_case sqrt_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3), .low = 0.5, .high = 2 } } },
    { .label = "at 0",
      .x = { { .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ INFINITY } } },
};
static void sqrt_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)c;
    heed_tensor *quotient = heed_div(t, gy, y);
    gx[0] = heed_scale(t, quotient, 0.5);
}
HEED_DEFINE_OP(sqrt) = { MAP(sqrt, sqrt_cases), .formula = "y = x^(1/2)",
                         .adjoint = "gx = gy/(2 y)", .uses = HEED_USES_Y, .vjp = sqrt_vjp };

/* rsqrt.   y = x^(-1/2);   gx = -gy y^3/2 */
static void rsqrt_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    (void)c;
    heed_tensor *square = heed_square(t, y);
    heed_tensor *cube = heed_mul(t, square, y);
    heed_tensor *product = heed_mul(t, gy, cube);
    gx[0] = heed_scale(t, product, -0.5);
}
HEED_DEFINE_OP(rsqrt) = { MAP(rsqrt, positive_cases), .formula = "y = x^(-1/2)",
                          .adjoint = "gx = -gy y^3/2", .uses = HEED_USES_Y, .vjp = rsqrt_vjp };

/* abs.   y = |x|;   gx = gy sign(x): 0 at 0 */
static const heed_case kink_cases[] = {
    { .label = "away from 0", .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.1 } } },
    { .label = "at 0",
      .x = { { .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 0 } } },
};
static void abs_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    heed_tensor *sign = heed_sign(t, c->x[0]);
    gx[0] = heed_mul(t, gy, sign);
}
HEED_DEFINE_OP(abs) = { MAP(abs, kink_cases), .formula = "y = |x|",
                        .adjoint = "gx = gy sign(x); 0 at 0", .uses = HEED_USES_X(0),
                        .vjp = abs_vjp };

/* ---- the calls ---- */

heed_tensor *heed_scale(heed_tape *t, heed_tensor *x, double factor)
{
    return heed__apply1(t, &heed_op_scale, x, &(heed__scalars){ factor, 0 });
}

heed_tensor *heed_shift(heed_tape *t, heed_tensor *x, double constant)
{
    return heed__apply1(t, &heed_op_shift, x, &(heed__scalars){ constant, 0 });
}

heed_tensor *heed_power(heed_tape *t, heed_tensor *x, double exponent)
{
    return heed__apply1(t, &heed_op_power, x, &(heed__scalars){ exponent, 0 });
}

heed_tensor *heed_clamp(heed_tape *t, heed_tensor *x, double low, double high)
{
    return heed__apply1(t, &heed_op_clamp, x, &(heed__scalars){ low, high });
}

heed_tensor *heed_neg(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_neg, x, NULL);
}

heed_tensor *heed_square(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_square, x, NULL);
}

heed_tensor *heed_reciprocal(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_reciprocal, x, NULL);
}

heed_tensor *heed_sqrt(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_sqrt, x, NULL);
}

heed_tensor *heed_rsqrt(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_rsqrt, x, NULL);
}

heed_tensor *heed_abs(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_abs, x, NULL);
}
