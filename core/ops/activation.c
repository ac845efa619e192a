/* Activations. Each derivative is one kernel (x_grad); the composition in plain ops is what a
 * recorded sweep differentiates. */
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
};
static const heed_case grad_cases[] = {
    { .label = "matrix",
      .x = { { .shape = HEED_DIMS(2, 3), .low = -2, .high = 2, .gap = 0.1 },
             { .shape = HEED_DIMS(2, 3) } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0) }, { .shape = HEED_DIMS(0) } },
      .stated = true },
};

/* relu.   y = max(x, 0);   gx = gy [x > 0]: 0 at 0 */
static const heed_case relu_cases[] = {
    { .label = "away from 0", .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.1 } } },
    { .label = "at 0",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ -1, 0, 2 } } },
      .stated = true,
      .y = (const double[]){ 0, 0, 2 },
      .gx = { (const double[]){ 0, 0, 1 } } },
};
static void relu_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_relu_grad, c->x[0], gy, NULL);
}
HEED_DEFINE_OP(relu) = { ACTIVATION(relu, relu_cases), .formula = "y = max(x, 0)",
                         .adjoint = "gx = gy [x > 0]", .uses = HEED_USES_X(0),
                         .vjp = relu_vjp };

/* relu_grad.   z = gy [x > 0];   with incoming h:  gx = 0,  ggy = h [x > 0] */
static void relu_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *z, heed_tensor *h,
                          heed_tensor *gx[])
{
    (void)z;
    gx[1] = heed__apply2(t, &heed_op_relu_grad, c->x[0], h, NULL);
}
HEED_DEFINE_OP(relu_grad) = { GRADIENT(relu_grad), .adjoint = "gx = 0, ggy = h [x > 0]",
                              .uses = HEED_USES_X(0), .vjp = relu_grad_vjp };

/* gelu.   y = x Phi(x) = x (1 + erf(x/sqrt 2))/2;   gx = gy (Phi(x) + x phi(x)) */
static void gelu_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_gelu_grad, c->x[0], gy, NULL);
}
static heed_tensor *gelu_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *scaled = heed_scale(t, c->x[0], 0.70710678118654752440);
    heed_tensor *erf = heed_erf(t, scaled);
    heed_tensor *twice = heed_shift(t, erf, 1);
    heed_tensor *product = heed_mul(t, c->x[0], twice);
    return heed_scale(t, product, 0.5);
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
    heed_tensor *cube = heed_power(t, c->x[0], 3);
    heed_tensor *part = heed_scale(t, cube, 0.044715);
    heed_tensor *inner = heed_add(t, c->x[0], part);
    heed_tensor *u = heed_scale(t, inner, 0.79788456080286535588);
    heed_tensor *tanh_u = heed_tanh(t, u);
    heed_tensor *twice = heed_shift(t, tanh_u, 1);
    heed_tensor *product = heed_mul(t, c->x[0], twice);
    return heed_scale(t, product, 0.5);
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
    heed_tensor *s = heed_sigmoid(t, c->x[0]);
    return heed_mul(t, c->x[0], s);
}
HEED_DEFINE_OP(silu) = { ACTIVATION(silu, smooth_cases),
                         .formula = "y = x/(1 + e^-x)",
                         .adjoint = "gx = gy s (1 + x (1 - s)), s = 1/(1 + e^-x)",
                         .uses = HEED_USES_X(0),
                         .vjp = silu_vjp,
                         .compose = silu_compose };
HEED_DEFINE_OP(silu_grad) = { GRADIENT(silu_grad),
                              .adjoint = "none: a recorded sweep takes silu's composition" };

heed_tensor *heed_relu(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_relu, x, NULL);
}

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
