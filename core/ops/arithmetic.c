/* Arithmetic, elementwise: each record is a formula, its adjoint, and one kernel of the
 * elementwise family. Results broadcast; the engine reduces contributions to each operand's
 * shape. */
#include "ops.h"

#define MAP(name_) \
    .name = #name_, .shape = heed__shape_map, .run = heed__run_map, .kernel = KERNEL_MAP_##name_
#define UNARY(list)  .arity = 1, HEED_CASES(list)
#define BINARY(list) .arity = 2, HEED_CASES(list)

/* Operands: the same shape, broadcast from either side, an axis of 1 against a longer one, 0-d,
 * empty. */
static const heed_case pair_cases[] = {
    { .label = "same shape",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } } },
    { .label = "row", .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(3) } } },
    { .label = "outer",
      .x = { { .shape = HEED_DIMS(2, 1, 2) }, { .shape = HEED_DIMS(3, 1) } } },
    { .label = "scalar", .x = { { .shape = { 0 } }, { .shape = HEED_DIMS(2, 2) } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0, 3) }, { .shape = HEED_DIMS(1, 3) } },
      .stated = true,
      .gx = { NULL, (const double[]){ 0, 0, 0 } } },
};

/* add.   y = a + b;   ga = gy,  gb = gy */
static void add_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)t, (void)c, (void)y;
    gx[0] = gx[1] = gy;
}
HEED_DEFINE_OP(add) = {
    MAP(add),       BINARY(pair_cases), .formula = "y = a + b", .adjoint = "ga = gy, gb = gy",
    .linear = true, .vjp = add_vjp
};

/* sub.   y = a - b;   ga = gy,  gb = -gy */
static void sub_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    gx[0] = gy;
    if (heed_wants(c, 1))
        gx[1] = heed_neg(t, gy);
}
HEED_DEFINE_OP(sub) = {
    MAP(sub),       BINARY(pair_cases), .formula = "y = a - b", .adjoint = "ga = gy, gb = -gy",
    .linear = true, .vjp = sub_vjp
};

/* mul.   y = a b;   ga = gy b,  gb = gy a */
static void mul_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    if (heed_wants(c, 0))
        gx[0] = heed_mul(t, gy, c->x[1]);
    if (heed_wants(c, 1))
        gx[1] = heed_mul(t, gy, c->x[0]);
}
HEED_DEFINE_OP(mul) = { MAP(mul),
                        BINARY(pair_cases),
                        .formula = "y = a b",
                        .adjoint = "ga = gy b, gb = gy a",
                        .uses = HEED_USES_X(0) | HEED_USES_X(1),
                        .vjp = mul_vjp };

/* div.   y = a/b;   ga = gy/b,  gb = -gy a/b^2 */
static const heed_case div_cases[] = {
    { .label = "same shape",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3), .low = 0.5, .high = 2 } } },
    { .label = "negative row",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(3), .low = -2, .high = -0.5 } } },
    { .label = "by zero",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 1, -1 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 0, 0 }, .constant = true } },
      .stated = true,
      .y = (const double[]){ INFINITY, -INFINITY },
      .gx = { (const double[]){ INFINITY, INFINITY } } },
};
static void div_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    heed_tensor *quotient = heed_div(t, gy, c->x[1]);
    gx[0] = quotient;
    if (heed_wants(c, 1)) {
        heed_tensor *product = heed_mul(t, quotient, y);
        gx[1] = heed_neg(t, product);
    }
}
HEED_DEFINE_OP(div) = { MAP(div),
                        BINARY(div_cases),
                        .formula = "y = a/b",
                        .adjoint = "ga = gy/b, gb = -(gy/b) y",
                        .uses = HEED_USES_X(1) | HEED_USES_Y,
                        .vjp = div_vjp };

/* maximum, minimum.   At a tie each operand gets half, as in PyTorch. */
static const heed_case tie_cases[] = {
    { .label = "distinct",
      .x = { { .shape = HEED_DIMS(4), .values = (const double[]){ 1, -2, 0.5, 3 } },
             { .shape = HEED_DIMS(4), .values = (const double[]){ 0, 1.5, -0.5, 4 } } } },
    { .label = "row",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, -2, 0.5, 3 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 0, 1.5 } } } },
    { .label = "tie",
      .x = { { .shape = HEED_DIMS(1), .values = (const double[]){ 2 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 2 } } },
      .stated = true,
      .y = (const double[]){ 2 },
      .gx = { (const double[]){ 0.5 }, (const double[]){ 0.5 } } },
};

/* 0 in x's dtype, to broadcast. 0 times gy would be NaN where gy is infinite. */
static heed_tensor *zero_like(heed_tape *t, const heed_tensor *x)
{
    return x ? heed_cast(t, heed_full(t, HEED_SCALAR, 0), x->dtype) : NULL;
}

/* gy where a wins, half of it where the two are equal. */
static heed_tensor *share(heed_tape *t, heed_tensor *wins, heed_tensor *ties, heed_tensor *gy)
{
    heed_tensor *zero = zero_like(t, gy);
    heed_tensor *half = heed_scale(t, gy, 0.5);
    heed_tensor *rest = heed_where(t, ties, half, zero);
    return heed_where(t, wins, gy, rest);
}

static void maximum_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    (void)y;
    heed_tensor *ties = heed_equal(t, c->x[0], c->x[1]);
    heed_tensor *first = heed_greater(t, c->x[0], c->x[1]);
    heed_tensor *second = heed_less(t, c->x[0], c->x[1]);
    gx[0] = share(t, first, ties, gy);
    gx[1] = share(t, second, ties, gy);
}
HEED_DEFINE_OP(maximum) = {
    MAP(maximum),
    BINARY(tie_cases),
    .formula = "y = max(a, b)",
    .adjoint = "ga = gy [a > b] + gy/2 [a = b], gb = gy [b > a] + gy/2 [a = b]",
    .uses = HEED_USES_X(0) | HEED_USES_X(1),
    .vjp = maximum_vjp
};

static void minimum_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    (void)y;
    heed_tensor *ties = heed_equal(t, c->x[0], c->x[1]);
    heed_tensor *first = heed_less(t, c->x[0], c->x[1]);
    heed_tensor *second = heed_greater(t, c->x[0], c->x[1]);
    gx[0] = share(t, first, ties, gy);
    gx[1] = share(t, second, ties, gy);
}
HEED_DEFINE_OP(minimum) = {
    MAP(minimum),
    BINARY(tie_cases),
    .formula = "y = min(a, b)",
    .adjoint = "ga = gy [a < b] + gy/2 [a = b], gb = gy [b < a] + gy/2 [a = b]",
    .uses = HEED_USES_X(0) | HEED_USES_X(1),
    .vjp = minimum_vjp
};

/* lerp.   y = a + w (b - a) */
static heed_tensor *lerp_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *difference = heed_sub(t, c->x[1], c->x[0]);
    heed_tensor *part = heed_mul(t, c->x[2], difference);
    return heed_add(t, c->x[0], part);
}
static const heed_case lerp_cases[] = {
    { .label = "same shape",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3) } } },
    { .label = "one weight a row",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(3) },
             { .shape = HEED_DIMS(2, 1) } } },
    { .label = "ends",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 3, 3 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 5, 5 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 0, 1 } } },
      .stated = true,
      .y = (const double[]){ 3, 5 },
      .gx = { (const double[]){ 1, 0 }, (const double[]){ 0, 1 }, (const double[]){ 2, 2 } } },
};
HEED_DEFINE_OP(lerp) = { .name = "lerp",
                         .arity = 3,
                         .shape = heed__shape_map,
                         .compose = lerp_compose,
                         .formula = "y = a + w (b - a)",
                         .adjoint = "ga = gy (1 - w), gb = gy w, gw = gy (b - a)",
                         HEED_CASES(lerp_cases) };

/* ---- one operand ---- */

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
HEED_DEFINE_OP(scale) = { MAP(scale),           UNARY(scale_cases),
                          .formula = "y = p x", .adjoint = "gx = p gy",
                          .linear = true,       .attributes_size = sizeof(heed__scalars),
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
HEED_DEFINE_OP(shift) = { MAP(shift),
                          UNARY(shift_cases),
                          .formula = "y = x + p",
                          .adjoint = "gx = gy",
                          .attributes_size = sizeof(heed__scalars),
                          .vjp = pass_vjp };

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
        gx[0] = heed_expand(t, zero_like(t, gy), heed_shape_of(gy));
        return;
    }
    heed_tensor *slope = heed_power(t, c->x[0], p - 1);
    heed_tensor *scaled = heed_scale(t, slope, p);
    gx[0] = heed_mul(t, gy, scaled);
}
HEED_DEFINE_OP(power) = { MAP(power),
                          UNARY(power_cases),
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
    gx[0] = heed_where(t, inside, gy, zero_like(t, gy));
}
HEED_DEFINE_OP(clamp) = { MAP(clamp),
                          UNARY(clamp_cases),
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
HEED_DEFINE_OP(neg) = {
    MAP(neg),       UNARY(any_cases), .formula = "y = -x", .adjoint = "gx = -gy",
    .linear = true, .vjp = neg_vjp
};

/* square.   y = x^2;   gx = 2 gy x */
static void square_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    (void)y;
    heed_tensor *product = heed_mul(t, gy, c->x[0]);
    gx[0] = heed_scale(t, product, 2);
}
HEED_DEFINE_OP(square) = { MAP(square),
                           UNARY(any_cases),
                           .formula = "y = x^2",
                           .adjoint = "gx = 2 gy x",
                           .uses = HEED_USES_X(0),
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
HEED_DEFINE_OP(reciprocal) = { MAP(reciprocal),      UNARY(positive_cases),
                               .formula = "y = 1/x", .adjoint = "gx = -gy y^2",
                               .uses = HEED_USES_Y,  .vjp = reciprocal_vjp };

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
HEED_DEFINE_OP(sqrt) = { MAP(sqrt),
                         UNARY(sqrt_cases),
                         .formula = "y = x^(1/2)",
                         .adjoint = "gx = gy/(2 y)",
                         .uses = HEED_USES_Y,
                         .vjp = sqrt_vjp };

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
HEED_DEFINE_OP(rsqrt) = { MAP(rsqrt),
                          UNARY(positive_cases),
                          .formula = "y = x^(-1/2)",
                          .adjoint = "gx = -gy y^3/2",
                          .uses = HEED_USES_Y,
                          .vjp = rsqrt_vjp };

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
HEED_DEFINE_OP(abs) = { MAP(abs),
                        UNARY(kink_cases),
                        .formula = "y = |x|",
                        .adjoint = "gx = gy sign(x); 0 at 0",
                        .uses = HEED_USES_X(0),
                        .vjp = abs_vjp };

/* sign.   y = -1, 0 or 1;   gx = 0 */
static void sign_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)c, (void)y;
    gx[0] = heed_expand(t, zero_like(t, gy), heed_shape_of(gy));
}
HEED_DEFINE_OP(sign) = { MAP(sign), UNARY(kink_cases), .formula = "y = sign(x)",
                         .adjoint = "gx = 0", .vjp = sign_vjp };

/* ---- the calls ---- */

heed_tensor *heed_add(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_add, a, b, NULL);
}

heed_tensor *heed_sub(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_sub, a, b, NULL);
}

heed_tensor *heed_mul(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_mul, a, b, NULL);
}

heed_tensor *heed_div(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_div, a, b, NULL);
}

heed_tensor *heed_maximum(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_maximum, a, b, NULL);
}

heed_tensor *heed_minimum(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_minimum, a, b, NULL);
}

heed_tensor *heed_lerp(heed_tape *t, heed_tensor *a, heed_tensor *b, heed_tensor *weight)
{
    return heed__apply3(t, &heed_op_lerp, a, b, weight, NULL);
}

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

heed_tensor *heed_sign(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_sign, x, NULL);
}
