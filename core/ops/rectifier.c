/* Activations made of pieces, with their derivatives as kernels (x_grad). What they are at the
 * points where pieces meet is stated by their cases. */
#include "ops.h"

#define ACTIVATION(name_, list)                                                 \
    .name = #name_, .arity = 1, .shape = heed__shape_map, .run = heed__run_map, \
    .kernel = KERNEL_MAP_##name_, HEED_CASES(list)
#define GRADIENT(name_)                                                         \
    .name = #name_, .arity = 2, .shape = heed__shape_map, .run = heed__run_map, \
    .kernel = KERNEL_MAP_##name_, HEED_CASES(grad_cases), .formula = "z = gy f'(x)"

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

/* leaky_relu.   y = x > 0 ? x : p x;   gx = gy (x > 0 ? 1 : p): p at 0 */
static const heed_case leaky_relu_cases[] = {
    { .label = "away from 0",
      .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.1 } },
      .attributes = &(const heed__scalars){ 0.1, 0 } },
    { .label = "at 0",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ -2, 0, 2 } } },
      .attributes = &(const heed__scalars){ 0.25, 0 },
      .stated = true,
      .y = (const double[]){ -0.5, 0, 2 },
      .gx = { (const double[]){ 0.25, 0.25, 1 } } },
};
static void leaky_relu_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                           heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_leaky_relu_grad, c->x[0], gy, c->attributes);
}
HEED_DEFINE_OP(leaky_relu) = {
    ACTIVATION(leaky_relu, leaky_relu_cases), .formula = "y = x > 0 ? x : p x",
    .adjoint = "gx = x > 0 ? gy : p gy",      .uses = HEED_USES_X(0),
    .attributes_size = sizeof(heed__scalars), .vjp = leaky_relu_vjp
};

/* Gradients with a parameter. */
static const heed_case scaled_grad_cases[] = {
    { .label = "matrix",
      .x = { { .shape = HEED_DIMS(2, 3), .low = -2, .high = 2, .gap = 0.1 },
             { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed__scalars){ 1.5, 0 } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0) }, { .shape = HEED_DIMS(0) } },
      .attributes = &(const heed__scalars){ 1.5, 0 },
      .stated = true },
};
#define SCALED_GRADIENT(name_)                                                  \
    .name = #name_, .arity = 2, .shape = heed__shape_map, .run = heed__run_map, \
    .kernel = KERNEL_MAP_##name_, .attributes_size = sizeof(heed__scalars),     \
    HEED_CASES(scaled_grad_cases), .formula = "z = gy f'(x)"

/* leaky_relu_grad.   z = x > 0 ? gy : p gy;   with incoming h:  gx = 0, ggy = x > 0 ? h : p h */
static void leaky_relu_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *z,
                                heed_tensor *h, heed_tensor *gx[])
{
    (void)z;
    gx[1] = heed__apply2(t, &heed_op_leaky_relu_grad, c->x[0], h, c->attributes);
}
HEED_DEFINE_OP(leaky_relu_grad) = { SCALED_GRADIENT(leaky_relu_grad),
                                    .adjoint = "gx = 0, ggy = x > 0 ? h : p h",
                                    .uses = HEED_USES_X(0), .vjp = leaky_relu_grad_vjp };

/* elu.   y = x > 0 ? x : p (e^x - 1);   gx = gy (x > 0 ? 1 : p e^x): p at 0. The composition,
 * max(x, 0) + p (e^min(x, 0) - 1), has the derivative 0 + p there: relu's is 0 at 0, clamp's 1. */
static const heed_case elu_cases[] = {
    { .label = "away from 0",
      .x = { { .shape = HEED_DIMS(2, 3), .low = -2, .high = 2, .gap = 0.1 } },
      .attributes = &(const heed__scalars){ 1.5, 0 } },
    { .label = "at 0 and infinity",
      .x = { { .shape = HEED_DIMS(5),
               .values = (const double[]){ -INFINITY, -1000, 0, 1000, INFINITY } } },
      .attributes = &(const heed__scalars){ 1.5, 0 },
      .stated = true,
      .y = (const double[]){ -1.5, -1.5, 0, 1000, INFINITY },
      .gx = { (const double[]){ 0, 0, 1.5, 1, 1 } } },
};
static void elu_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_elu_grad, c->x[0], gy, c->attributes);
}
static heed_tensor *elu_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *positive = heed_relu(t, c->x[0]);
    heed_tensor *negative = heed_clamp(t, c->x[0], -INFINITY, 0);
    heed_tensor *curve = heed_expm1(t, negative);
    heed_tensor *scaled = heed_scale(t, curve, ((const heed__scalars *)c->attributes)->p);
    return heed_add(t, positive, scaled);
}
HEED_DEFINE_OP(elu) = { ACTIVATION(elu, elu_cases),
                        .formula = "y = x > 0 ? x : p (e^x - 1)",
                        .adjoint = "gx = x > 0 ? gy : gy p e^x",
                        .uses = HEED_USES_X(0),
                        .attributes_size = sizeof(heed__scalars),
                        .vjp = elu_vjp,
                        .compose = elu_compose };
HEED_DEFINE_OP(elu_grad) = { SCALED_GRADIENT(elu_grad),
                             .adjoint = "none: a recorded sweep takes elu's composition" };

/* hard_sigmoid.   y = min(max(x/6 + 1/2, 0), 1);   gx = gy/6 on (-3, 3), 0 at its ends too */
static const heed_case hard_sigmoid_cases[] = {
    { .label = "on every piece",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ -4, -1.5, 2, 5 } } } },
    { .label = "at the ends",
      .x = { { .shape = HEED_DIMS(5),
               .values = (const double[]){ -INFINITY, -3, 0, 3, INFINITY } } },
      .stated = true,
      .y = (const double[]){ 0, 0, 0.5, 1, 1 },
      .gx = { (const double[]){ 0, 0, 1.0 / 6, 0, 0 } } },
};
static void hard_sigmoid_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                             heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_hard_sigmoid_grad, c->x[0], gy, NULL);
}
HEED_DEFINE_OP(hard_sigmoid) = { ACTIVATION(hard_sigmoid, hard_sigmoid_cases),
                                 .formula = "y = min(max(x/6 + 1/2, 0), 1)",
                                 .adjoint = "gx = gy/6 [-3 < x < 3]", .uses = HEED_USES_X(0),
                                 .vjp = hard_sigmoid_vjp };

/* hard_sigmoid_grad.   z = gy/6 [-3 < x < 3];   gx = 0,  ggy = h/6 [-3 < x < 3] */
static void hard_sigmoid_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *z,
                                  heed_tensor *h, heed_tensor *gx[])
{
    (void)z;
    gx[1] = heed__apply2(t, &heed_op_hard_sigmoid_grad, c->x[0], h, NULL);
}
HEED_DEFINE_OP(hard_sigmoid_grad) = { GRADIENT(hard_sigmoid_grad),
                                      .adjoint = "gx = 0, ggy = h/6 [-3 < x < 3]",
                                      .uses = HEED_USES_X(0), .vjp = hard_sigmoid_grad_vjp };

/* hard_swish.   y = x hard_sigmoid(x);   gx = gy times 0 up to -3, x/3 + 1/2 between, 1 from 3
 * on. At -infinity it is 0. */
static const heed_case hard_swish_cases[] = {
    { .label = "on every piece",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ -4, -1.5, 2, 5 } } } },
    { .label = "at the ends",
      .x = { { .shape = HEED_DIMS(5),
               .values = (const double[]){ -INFINITY, -3, 0, 3, INFINITY } } },
      .stated = true,
      .y = (const double[]){ 0, 0, 0, 3, INFINITY },
      .gx = { (const double[]){ 0, 0, 0.5, 1, 1 } } },
};
static void hard_swish_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                           heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_hard_swish_grad, c->x[0], gy, NULL);
}
HEED_DEFINE_OP(hard_swish) = { ACTIVATION(hard_swish, hard_swish_cases),
                               .formula = "y = x min(max(x/6 + 1/2, 0), 1)",
                               .adjoint = "gx = gy (x/3 + 1/2) on (-3, 3), 0 below, gy above",
                               .uses = HEED_USES_X(0), .vjp = hard_swish_vjp };

/* hard_swish_grad.   z = gy f'(x);   gx = gy h/3 [-3 < x < 3],  ggy = h f'(x) */
static void hard_swish_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *z,
                                heed_tensor *h, heed_tensor *gx[])
{
    (void)z;
    if (heed_wants(c, 0)) {
        heed_tensor *product = heed_mul(t, c->x[1], h);
        heed_tensor *twice = heed_scale(t, product, 2);
        gx[0] = heed__apply2(t, &heed_op_hard_sigmoid_grad, c->x[0], twice, NULL);
    }
    gx[1] = heed__apply2(t, &heed_op_hard_swish_grad, c->x[0], h, NULL);
}
HEED_DEFINE_OP(hard_swish_grad) = { GRADIENT(hard_swish_grad),
                                    .adjoint = "gx = gy h/3 [-3 < x < 3], ggy = h f'(x)",
                                    .uses = HEED_USES_X(0) | HEED_USES_X(1),
                                    .vjp = hard_swish_grad_vjp };

/* ---- the calls ---- */

heed_tensor *heed_relu(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_relu, x, NULL);
}

heed_tensor *heed_leaky_relu(heed_tape *t, heed_tensor *x, double slope)
{
    return heed__apply1(t, &heed_op_leaky_relu, x, &(heed__scalars){ slope, 0 });
}

heed_tensor *heed_elu(heed_tape *t, heed_tensor *x, double alpha)
{
    return heed__apply1(t, &heed_op_elu, x, &(heed__scalars){ alpha, 0 });
}

heed_tensor *heed_hard_sigmoid(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_hard_sigmoid, x, NULL);
}

heed_tensor *heed_hard_swish(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_hard_swish, x, NULL);
}
