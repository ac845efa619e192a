/* Elementary functions, elementwise. */
#include "ops.h"

#define MAP1(name_, list)                                                       \
    .name = #name_, .arity = 1, .shape = heed__shape_map, .run = heed__run_map, \
    .kernel = KERNEL_MAP_##name_, HEED_CASES(list)

static const heed_case smooth_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3) } } },
    { .label = "0-d", .x = { { .shape = { 0 } } } },
    { .label = "empty", .x = { { .shape = HEED_DIMS(0, 2) } }, .stated = true },
};

/* exp.   y = e^x;   gx = gy y */
static const heed_case exp_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3) } } },
    { .label = "extreme",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ -INFINITY, -1e4, 0 } } },
      .stated = true,
      .y = (const double[]){ 0, 0, 1 },
      .gx = { (const double[]){ 0, 0, 1 } } },
};
static void exp_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)c;
    gx[0] = heed_mul(t, gy, y);
}
HEED_DEFINE_OP(exp) = { MAP1(exp, exp_cases), .formula = "y = e^x", .adjoint = "gx = gy y",
                        .uses = HEED_USES_Y, .vjp = exp_vjp };

/* expm1.   y = e^x - 1;   gx = gy (y + 1) */
static void expm1_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    (void)c;
    heed_tensor *slope = heed_shift(t, y, 1);
    gx[0] = heed_mul(t, gy, slope);
}
HEED_DEFINE_OP(expm1) = { MAP1(expm1, smooth_cases), .formula = "y = e^x - 1",
                          .adjoint = "gx = gy (y + 1)", .uses = HEED_USES_Y, .vjp = expm1_vjp };

/* log.   y = ln x;   gx = gy/x */
static const heed_case log_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3), .low = 0.5, .high = 2 } } },
    { .label = "at 0",
      .x = { { .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .stated = true,
      .y = (const double[]){ -INFINITY },
      .gx = { (const double[]){ INFINITY } } },
};
static void log_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_div(t, gy, c->x[0]);
}
HEED_DEFINE_OP(log) = { MAP1(log, log_cases), .formula = "y = ln x", .adjoint = "gx = gy/x",
                        .uses = HEED_USES_X(0), .vjp = log_vjp };

/* log1p.   y = ln(1 + x);   gx = gy/(1 + x) */
static const heed_case log1p_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3), .low = -0.5, .high = 1 } } },
    { .label = "tiny",
      .x = { { .shape = HEED_DIMS(1), .values = (const double[]){ 1e-20 } } },
      .stated = true,
      .y = (const double[]){ 1e-20 },
      .gx = { (const double[]){ 1 } } },
};
static void log1p_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    (void)y;
    heed_tensor *shifted = heed_shift(t, c->x[0], 1);
    gx[0] = heed_div(t, gy, shifted);
}
HEED_DEFINE_OP(log1p) = { MAP1(log1p, log1p_cases), .formula = "y = ln(1 + x)",
                          .adjoint = "gx = gy/(1 + x)", .uses = HEED_USES_X(0),
                          .vjp = log1p_vjp };

/* sin.   gx = gy cos x */
static void sin_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    heed_tensor *slope = heed_cos(t, c->x[0]);
    gx[0] = heed_mul(t, gy, slope);
}
HEED_DEFINE_OP(sin) = { MAP1(sin, smooth_cases), .formula = "y = sin x",
                        .adjoint = "gx = gy cos x", .uses = HEED_USES_X(0), .vjp = sin_vjp };

/* cos.   gx = -gy sin x */
static void cos_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    heed_tensor *sine = heed_sin(t, c->x[0]);
    heed_tensor *product = heed_mul(t, gy, sine);
    gx[0] = heed_neg(t, product);
}
HEED_DEFINE_OP(cos) = { MAP1(cos, smooth_cases), .formula = "y = cos x",
                        .adjoint = "gx = -gy sin x", .uses = HEED_USES_X(0), .vjp = cos_vjp };

/* tan.   gx = gy (1 + y^2) */
static void tan_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)c;
    heed_tensor *square = heed_square(t, y);
    heed_tensor *slope = heed_shift(t, square, 1);
    gx[0] = heed_mul(t, gy, slope);
}
HEED_DEFINE_OP(tan) = { MAP1(tan, smooth_cases), .formula = "y = tan x",
                        .adjoint = "gx = gy (1 + y^2)", .uses = HEED_USES_Y, .vjp = tan_vjp };

/* tanh.   gx = gy (1 - y^2), one kernel: tanh_grad */
static const heed_case tanh_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3), .low = -2, .high = 2 } } },
    { .label = "saturated",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ -1e3, 1e3 } } },
      .stated = true,
      .y = (const double[]){ -1, 1 },
      .gx = { (const double[]){ 0, 0 } } },
};
static void tanh_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)c;
    gx[0] = heed__apply2(t, &heed_op_tanh_grad, y, gy, NULL);
}
HEED_DEFINE_OP(tanh) = { MAP1(tanh, tanh_cases), .formula = "y = tanh x",
                         .adjoint = "gx = gy (1 - y^2)", .uses = HEED_USES_Y, .vjp = tanh_vjp };

/* sigmoid.   gx = gy y (1 - y), one kernel: sigmoid_grad */
static const heed_case sigmoid_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3), .low = -2, .high = 2 } } },
    { .label = "saturated",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ -1e3, 1e3 } } },
      .stated = true,
      .y = (const double[]){ 0, 1 },
      .gx = { (const double[]){ 0, 0 } } },
};
static void sigmoid_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    (void)c;
    gx[0] = heed__apply2(t, &heed_op_sigmoid_grad, y, gy, NULL);
}
HEED_DEFINE_OP(sigmoid) = { MAP1(sigmoid, sigmoid_cases), .formula = "y = 1/(1 + e^-x)",
                            .adjoint = "gx = gy y (1 - y)", .uses = HEED_USES_Y,
                            .vjp = sigmoid_vjp };

/* tanh_grad.   z = g (1 - y^2);   with incoming h:  gy = -2 y g h,  gg = h (1 - y^2) */
static const heed_case grad_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } } },
    { .label = "row", .x = { { .shape = HEED_DIMS(2, 2) }, { .shape = HEED_DIMS(2) } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0) }, { .shape = HEED_DIMS(0) } },
      .stated = true },
};
static void tanh_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *z, heed_tensor *h,
                          heed_tensor *gx[])
{
    (void)z;
    if (heed_wants(c, 0)) {
        heed_tensor *gh = heed_mul(t, c->x[1], h);
        heed_tensor *product = heed_mul(t, c->x[0], gh);
        gx[0] = heed_scale(t, product, -2);
    }
    gx[1] = heed__apply2(t, &heed_op_tanh_grad, c->x[0], h, NULL);
}
HEED_DEFINE_OP(tanh_grad) = { .name = "tanh_grad",
                              .arity = 2,
                              .shape = heed__shape_map,
                              .run = heed__run_map,
                              .kernel = KERNEL_MAP_tanh_grad,
                              HEED_CASES(grad_cases),
                              .formula = "z = g (1 - y^2)",
                              .adjoint = "gy = -2 y g h, gg = h (1 - y^2)",
                              .uses = HEED_USES_X(0) | HEED_USES_X(1),
                              .vjp = tanh_grad_vjp };

/* sigmoid_grad.   z = g y (1 - y);   gy = h g (1 - 2 y),  gg = h y (1 - y) */
static void sigmoid_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *z, heed_tensor *h,
                             heed_tensor *gx[])
{
    (void)z;
    if (heed_wants(c, 0)) {
        heed_tensor *gh = heed_mul(t, c->x[1], h);
        heed_tensor *twice = heed_scale(t, c->x[0], -2);
        heed_tensor *slope = heed_shift(t, twice, 1);
        gx[0] = heed_mul(t, gh, slope);
    }
    gx[1] = heed__apply2(t, &heed_op_sigmoid_grad, c->x[0], h, NULL);
}
HEED_DEFINE_OP(sigmoid_grad) = { .name = "sigmoid_grad",
                                 .arity = 2,
                                 .shape = heed__shape_map,
                                 .run = heed__run_map,
                                 .kernel = KERNEL_MAP_sigmoid_grad,
                                 HEED_CASES(grad_cases),
                                 .formula = "z = g y (1 - y)",
                                 .adjoint = "gy = h g (1 - 2 y), gg = h y (1 - y)",
                                 .uses = HEED_USES_X(0) | HEED_USES_X(1),
                                 .vjp = sigmoid_grad_vjp };

/* erf.   y = 2/sqrt(pi) int_0^x e^(-u^2) du;   gx = gy 2/sqrt(pi) e^(-x^2) */
static void erf_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    heed_tensor *square = heed_square(t, c->x[0]);
    heed_tensor *negative = heed_neg(t, square);
    heed_tensor *bell = heed_exp(t, negative);
    heed_tensor *slope = heed_scale(t, bell, 1.12837916709551257390);
    gx[0] = heed_mul(t, gy, slope);
}
HEED_DEFINE_OP(erf) = { MAP1(erf, smooth_cases),
                        .formula = "y = 2/sqrt(pi) int_0^x e^(-u^2) du",
                        .adjoint = "gx = gy 2/sqrt(pi) e^(-x^2)", .uses = HEED_USES_X(0),
                        .vjp = erf_vjp };

/* ---- the calls ---- */

heed_tensor *heed_exp(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_exp, x, NULL);
}

heed_tensor *heed_expm1(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_expm1, x, NULL);
}

heed_tensor *heed_log(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_log, x, NULL);
}

heed_tensor *heed_log1p(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_log1p, x, NULL);
}

heed_tensor *heed_sin(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_sin, x, NULL);
}

heed_tensor *heed_cos(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_cos, x, NULL);
}

heed_tensor *heed_tan(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_tan, x, NULL);
}

heed_tensor *heed_tanh(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_tanh, x, NULL);
}

heed_tensor *heed_sigmoid(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_sigmoid, x, NULL);
}

heed_tensor *heed_erf(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_erf, x, NULL);
}
