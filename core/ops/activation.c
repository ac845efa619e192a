/* Smooth activations. Each derivative is one kernel (x_grad); the composition in plain ops is
 * what a recorded sweep differentiates. At -infinity and infinity they take their limits, 0 and
 * x, and the gradients are 0 and gy. */
#include "ops.h"

#define ACTIVATION(name_, list)                                                 \
    .name = #name_, .arity = 1, .shape = heed__shape_map, .run = heed__run_map, \
    .kernel = KERNEL_MAP_##name_, HEED_CASES(list)
#define GRADIENT(name_)                                                         \
    .name = #name_, .arity = 2, .shape = heed__shape_map, .run = heed__run_map, \
    .kernel = KERNEL_MAP_##name_, HEED_CASES(grad_cases), .formula = "z = gy f'(x)"

static const heed_case smooth_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3), .low = -2, .high = 2 } } },
    { .label = "0-d", .x = { { .shape = { 0 } } } },
    { .label = "saturated",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ -100, 100 } } },
      .stated = true,
      .y = (const double[]){ 0, 100 },
      .gx = { (const double[]){ 0, 1 } } },
    { .label = "infinite",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ -INFINITY, INFINITY } } },
      .stated = true,
      .y = (const double[]){ 0, INFINITY },
      .gx = { (const double[]){ 0, 1 } } },
};
static const heed_case grad_cases[] = {
    { .label = "matrix",
      .x = { { .shape = HEED_DIMS(2, 3), .low = -2, .high = 2, .gap = 0.1 },
             { .shape = HEED_DIMS(2, 3) } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0) }, { .shape = HEED_DIMS(0) } },
      .stated = true },
};

/* For compositions: y, made of x clamped to [-limit, limit], and x itself from there on. Infinity
 * times a tail of 0 then does not arise. */
static heed_tensor *with_tail(heed_tape *t, heed_tensor *x, double limit, heed_tensor *y)
{
    heed_tensor *end = heed__number(t, x, limit);
    return heed_where(t, heed_greater(t, x, end), x, y);
}

/* softplus.   y = ln(1 + e^x);   gx = gy/(1 + e^-x) */
static void softplus_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                         heed_tensor *gx[])
{
    (void)y;
    heed_tensor *slope = heed_sigmoid(t, c->x[0]);
    gx[0] = heed_mul(t, gy, slope);
}
HEED_DEFINE_OP(softplus) = { ACTIVATION(softplus, smooth_cases), .formula = "y = ln(1 + e^x)",
                             .adjoint = "gx = gy/(1 + e^-x)", .uses = HEED_USES_X(0),
                             .vjp = softplus_vjp };

/* gelu.   y = x Phi(x) = x (1 + erf(x/sqrt 2))/2;   gx = gy (Phi(x) + x phi(x)) */
static void gelu_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_gelu_grad, c->x[0], gy, NULL);
}
static heed_tensor *gelu_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *x = heed_clamp(t, c->x[0], -40, 40);
    heed_tensor *scaled = heed_scale(t, x, 0.70710678118654752440);
    heed_tensor *erf = heed_erf(t, scaled);
    heed_tensor *twice = heed_shift(t, erf, 1);
    heed_tensor *product = heed_mul(t, x, twice);
    heed_tensor *y = heed_scale(t, product, 0.5);
    return with_tail(t, c->x[0], 40, y);
}
HEED_DEFINE_OP(gelu) = { ACTIVATION(gelu, smooth_cases),
                         .formula = "y = x (1 + erf(x/sqrt(2)))/2",
                         .adjoint = "gx = gy (Phi(x) + x phi(x))",
                         .uses = HEED_USES_X(0),
                         .vjp = gelu_vjp,
                         .compose = gelu_compose };
HEED_DEFINE_OP(gelu_grad) = { GRADIENT(gelu_grad),
                              .adjoint = "none: a recorded sweep takes gelu's composition" };

/* gelu_tanh.   y = x (1 + tanh u)/2,  u = sqrt(2/pi)(x + 0.044715 x^3);
 * gx = gy ((1 + tanh u)/2 + x (1 - tanh^2 u) u'/2),  u' = sqrt(2/pi)(1 + 0.134145 x^2) */
static void gelu_tanh_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                          heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_gelu_tanh_grad, c->x[0], gy, NULL);
}
static heed_tensor *gelu_tanh_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *x = heed_clamp(t, c->x[0], -40, 40);
    heed_tensor *cube = heed_power(t, x, 3);
    heed_tensor *part = heed_scale(t, cube, 0.044715);
    heed_tensor *inner = heed_add(t, x, part);
    heed_tensor *u = heed_scale(t, inner, 0.79788456080286535588);
    heed_tensor *tanh_u = heed_tanh(t, u);
    heed_tensor *twice = heed_shift(t, tanh_u, 1);
    heed_tensor *product = heed_mul(t, x, twice);
    heed_tensor *y = heed_scale(t, product, 0.5);
    return with_tail(t, c->x[0], 40, y);
}
HEED_DEFINE_OP(gelu_tanh) = { ACTIVATION(gelu_tanh, smooth_cases),
                              .formula = "y = x (1 + tanh(sqrt(2/pi)(x + 0.044715 x^3)))/2",
                              .adjoint = "gx = gy ((1 + tanh u)/2 + x (1 - tanh(u)^2) u'/2)",
                              .uses = HEED_USES_X(0),
                              .vjp = gelu_tanh_vjp,
                              .compose = gelu_tanh_compose };
HEED_DEFINE_OP(gelu_tanh_grad) = {
    GRADIENT(gelu_tanh_grad), .adjoint = "none: a recorded sweep takes gelu_tanh's composition"
};

/* silu.   y = x s, s = 1/(1 + e^-x);   gx = gy s (1 + x (1 - s)) */
static void silu_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_silu_grad, c->x[0], gy, NULL);
}
static heed_tensor *silu_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *x = heed_clamp(t, c->x[0], -1000, 1000);
    heed_tensor *s = heed_sigmoid(t, x);
    heed_tensor *y = heed_mul(t, x, s);
    return with_tail(t, c->x[0], 1000, y);
}
HEED_DEFINE_OP(silu) = { ACTIVATION(silu, smooth_cases),
                         .formula = "y = x/(1 + e^-x)",
                         .adjoint = "gx = gy s (1 + x (1 - s)), s = 1/(1 + e^-x)",
                         .uses = HEED_USES_X(0),
                         .vjp = silu_vjp,
                         .compose = silu_compose };
HEED_DEFINE_OP(silu_grad) = { GRADIENT(silu_grad),
                              .adjoint = "none: a recorded sweep takes silu's composition" };

/* mish.   y = x tanh(u), u = ln(1 + e^x);   gx = gy (tanh u + x (1 - tanh^2 u)/(1 + e^-x)) */
static void mish_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_mish_grad, c->x[0], gy, NULL);
}
static heed_tensor *mish_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *x = heed_clamp(t, c->x[0], -1000, 1000);
    heed_tensor *u = heed_softplus(t, x);
    heed_tensor *tanh_u = heed_tanh(t, u);
    heed_tensor *y = heed_mul(t, x, tanh_u);
    return with_tail(t, c->x[0], 1000, y);
}
HEED_DEFINE_OP(mish) = { ACTIVATION(mish, smooth_cases),
                         .formula = "y = x tanh(ln(1 + e^x))",
                         .adjoint = "gx = gy (tanh u + x (1 - tanh(u)^2)/(1 + e^-x)), "
                                    "u = ln(1 + e^x)",
                         .uses = HEED_USES_X(0),
                         .vjp = mish_vjp,
                         .compose = mish_compose };
HEED_DEFINE_OP(mish_grad) = { GRADIENT(mish_grad),
                              .adjoint = "none: a recorded sweep takes mish's composition" };

/* ---- the calls ---- */

heed_tensor *heed_gelu(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_gelu, x, NULL);
}

heed_tensor *heed_gelu_tanh(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_gelu_tanh, x, NULL);
}

heed_tensor *heed_silu(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_silu, x, NULL);
}

heed_tensor *heed_softplus(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_softplus, x, NULL);
}

heed_tensor *heed_mish(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_mish, x, NULL);
}
