/* Arithmetic of two operands and more, elementwise: each record is a formula, its adjoint, and
 * one kernel of the elementwise family. Results broadcast; the engine reduces contributions to
 * each operand's shape. */
#include "ops.h"

#define MAP(name_) \
    .name = #name_, .shape = heed__shape_map, .run = heed__run_map, .kernel = KERNEL_MAP_##name_
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

/* pow.   y = a^b;   ga = gy b a^(b-1), and 0 where b = 0;   gb = gy y ln a, and 0 where a = 0 and
 * b >= 0: the limit from the right, for there y is constant in b. What is masked in the end is
 * set to 1 before, so that no infinity arises that a second derivative would meet. */
static const heed_case pow_cases[] = {
    { .label = "same shape",
      .x = { { .shape = HEED_DIMS(2, 3), .low = 0.5, .high = 2 },
             { .shape = HEED_DIMS(2, 3), .low = -2, .high = 2 } } },
    { .label = "outer",
      .x = { { .shape = HEED_DIMS(2, 1), .low = 0.5, .high = 2 },
             { .shape = HEED_DIMS(3), .low = 0.5, .high = 2 } } },
    { .label = "whole exponents of negative numbers",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ -2, -0.5, -1.5 } },
             { .shape = HEED_DIMS(3),
               .values = (const double[]){ 3, 2, -1 },
               .constant = true } } },
    { .label = "at 0",
      .x = { { .shape = HEED_DIMS(5), .values = (const double[]){ 0, 0, 0, -2, 3 } },
             { .shape = HEED_DIMS(5), .values = (const double[]){ 0, 2, -1, 3, 0 } } },
      .stated = true,
      .y = (const double[]){ 1, 0, INFINITY, -8, 1 },
      .gx = { (const double[]){ 0, 0, -INFINITY, 12, 0 },
              (const double[]){ 0, 0, -INFINITY, NAN, 1.09861228866810969140 } } },
};
static void pow_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    heed_tensor *a = c->x[0], *b = c->x[1];
    heed_tensor *zero = heed__number(t, gy, 0);
    if (heed_wants(c, 0)) {
        heed_tensor *constant = heed_equal(t, b, zero);
        heed_tensor *base = heed_masked_fill(t, a, constant, 1);
        heed_tensor *less = heed_shift(t, b, -1);
        heed_tensor *lower = heed_pow(t, base, less);
        heed_tensor *slope = heed_mul(t, b, lower);
        heed_tensor *product = heed_mul(t, gy, slope);
        gx[0] = heed_masked_fill(t, product, constant, 0);
    }
    if (heed_wants(c, 1)) {
        heed_tensor *at_zero = heed_equal(t, a, zero);
        heed_tensor *defined = heed_greater_equal(t, b, zero);
        heed_tensor *constant = heed_logical_and(t, at_zero, defined);
        heed_tensor *base = heed_masked_fill(t, a, constant, 1);
        heed_tensor *slope = heed_mul(t, y, heed_log(t, base));
        heed_tensor *product = heed_mul(t, gy, slope);
        gx[1] = heed_masked_fill(t, product, constant, 0);
    }
}
HEED_DEFINE_OP(pow) = { MAP(pow),
                        BINARY(pow_cases),
                        .formula = "y = a^b",
                        .adjoint = "ga = gy b a^(b-1), 0 where b = 0; gb = gy y ln a, 0 where "
                                   "a = 0 <= b",
                        .uses = HEED_USES_X(0) | HEED_USES_X(1) | HEED_USES_Y,
                        .vjp = pow_vjp };

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

/* gy where a wins, half of it where the two are equal. */
static heed_tensor *share(heed_tape *t, heed_tensor *wins, heed_tensor *ties, heed_tensor *gy)
{
    heed_tensor *zero = heed__number(t, gy, 0);
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

heed_tensor *heed_pow(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_pow, a, b, NULL);
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
