/* Losses of a difference d = x - target, composed: squared, absolute, and Huber's. Operands
 * broadcast; the mean is over all elements. */
#include "loss.h"

typedef struct regression_attributes {
    heed_reduction reduction;
    double delta;
} regression_attributes;

static heed_reduction reduction_of(const heed_call *c)
{
    return ((const regression_attributes *)c->attributes)->reduction;
}

static bool regression_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    return heed__shape_map(t, c, r) && heed__loss_reduced(t, c, reduction_of(c), r);
}

#define REDUCTION(...)                           \
    .attributes = &(const regression_attributes) \
    {                                            \
        __VA_ARGS__                              \
    }
#define NOTHING                                                        \
    {                                                                  \
        .label = "nothing, mean",                                      \
        .x = { { .shape = HEED_DIMS(0) }, { .shape = HEED_DIMS(0) } }, \
        REDUCTION(HEED_MEAN, 1), .stated = true, .y = (const double[]) \
        {                                                              \
            NAN                                                        \
        }                                                              \
    }

static const heed_case regression_refusals[] = {
    { .label = "do not broadcast",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2) } },
      REDUCTION(HEED_MEAN, 1) },
    { .label = "there is no reduction 7",
      .x = { { .shape = HEED_DIMS(2) }, { .shape = HEED_DIMS(2) } },
      REDUCTION(NO_REDUCTION, 1) },
};

/* mse.   y = d^2;   gx = 2 gy d,  gtarget = -2 gy d */
static heed_tensor *mse_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *d = heed_sub(t, c->x[0], c->x[1]);
    return heed__loss_reduce(t, heed_square(t, d), reduction_of(c));
}
static const heed_case mse_cases[] = {
    { .label = "mean",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } },
      REDUCTION(HEED_MEAN, 0) },
    { .label = "sum, broadcast",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(3) } },
      REDUCTION(HEED_SUM, 0) },
    { .label = "none, 0-d",
      .x = { { .shape = { 0 } }, { .shape = { 0 } } },
      REDUCTION(HEED_NONE, 0) },
    { .label = "nothing, sum",
      .x = { { .shape = HEED_DIMS(0, 2) }, { .shape = HEED_DIMS(2) } },
      REDUCTION(HEED_SUM, 0),
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { NULL, (const double[]){ 0, 0 } } },
    NOTHING,
};
HEED_DEFINE_OP(mse) = { .name = "mse",
                        .arity = 2,
                        .attributes_size = sizeof(regression_attributes),
                        .shape = regression_shape,
                        .compose = mse_compose,
                        .formula = "y = d^2, d = x - target",
                        .adjoint = "gx = 2 gy d, gtarget = -gx",
                        HEED_REFUSES(regression_refusals),
                        HEED_CASES(mse_cases) };

/* l1.   y = |d|;   gx = gy sign(d): 0 at 0 */
static heed_tensor *l1_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *d = heed_sub(t, c->x[0], c->x[1]);
    return heed__loss_reduce(t, heed_abs(t, d), reduction_of(c));
}
static const heed_case l1_cases[] = {
    { .label = "mean",
      .x = { { .shape = HEED_DIMS(2, 3), .low = 0.1, .high = 1 },
             { .shape = HEED_DIMS(2, 3), .low = 1.1, .high = 2 } },
      REDUCTION(HEED_MEAN, 0) },
    { .label = "none, broadcast",
      .x = { { .shape = HEED_DIMS(2, 1), .low = 1.1, .high = 2 },
             { .shape = HEED_DIMS(3), .low = 0.1, .high = 1 } },
      REDUCTION(HEED_NONE, 0) },
    { .label = "at 0, sum",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 1, 1 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 1, 3 } } },
      REDUCTION(HEED_SUM, 0),
      .stated = true,
      .y = (const double[]){ 2 },
      .gx = { (const double[]){ 0, -1 }, (const double[]){ 0, 1 } } },
    NOTHING,
};
HEED_DEFINE_OP(l1) = { .name = "l1",
                       .arity = 2,
                       .attributes_size = sizeof(regression_attributes),
                       .shape = regression_shape,
                       .compose = l1_compose,
                       .formula = "y = |d|, d = x - target",
                       .adjoint = "gx = gy sign(d), gtarget = -gx; 0 at 0",
                       HEED_REFUSES(regression_refusals),
                       HEED_CASES(l1_cases) };

/* huber.   y = d^2/2 where |d| <= delta, else delta (|d| - delta/2). With q = clamp(d, -delta,
 * delta) both are q (d - q/2): inside q = d; outside q = delta sign(d), and q^2 = delta^2.
 *   gx = gy q,  gtarget = -gy q,  from either side of the seam too */
static bool huber_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    double delta = ((const regression_attributes *)c->attributes)->delta;
    if (!(delta > 0) || isinf(delta))
        return heed_refuse(t, c, "delta %g is not a positive number", delta);
    return regression_shape(t, c, r);
}
static heed_tensor *huber_compose(heed_tape *t, const heed_call *c)
{
    double delta = ((const regression_attributes *)c->attributes)->delta;
    heed_tensor *d = heed_sub(t, c->x[0], c->x[1]);
    heed_tensor *q = heed_clamp(t, d, -delta, delta);
    heed_tensor *half = heed_scale(t, q, 0.5);
    heed_tensor *rest = heed_sub(t, d, half);
    return heed__loss_reduce(t, heed_mul(t, q, rest), reduction_of(c));
}
static const heed_case huber_cases[] = {
    { .label = "inside and outside, mean",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 0.2, 2, -3, 0.1 } },
             { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 0.3, 0.5, 0.4, 0.4 } } },
      REDUCTION(HEED_MEAN, 1) },
    { .label = "sum, broadcast",
      .x = { { .shape = HEED_DIMS(2, 3), .low = 2, .high = 3 },
             { .shape = HEED_DIMS(3), .low = 0.1, .high = 1 } },
      REDUCTION(HEED_SUM, 0.5) },
    { .label = "none, all inside",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } },
      REDUCTION(HEED_NONE, 5) },
    { .label = "at the seams and 0, and far",
      .x = { { .shape = HEED_DIMS(5),
               .values = (const double[]){ -1.5, 0, 1.5, INFINITY, -INFINITY } },
             { .shape = HEED_DIMS(5), .values = (const double[]){ 0, 0, 0, 0, 0 } } },
      REDUCTION(HEED_NONE, 1.5),
      .stated = true,
      .y = (const double[]){ 1.125, 0, 1.125, INFINITY, INFINITY },
      .gx = { (const double[]){ -1.5, 0, 1.5, 1.5, -1.5 },
              (const double[]){ 1.5, 0, -1.5, -1.5, 1.5 } } },
    NOTHING,
};
static const heed_case huber_refusals[] = {
    { .label = "delta 0 is not a positive number",
      .x = { { .shape = HEED_DIMS(2) }, { .shape = HEED_DIMS(2) } },
      REDUCTION(HEED_MEAN, 0) },
    { .label = "delta inf is not a positive number",
      .x = { { .shape = HEED_DIMS(2) }, { .shape = HEED_DIMS(2) } },
      REDUCTION(HEED_MEAN, INFINITY) },
    { .label = "nan is not a positive number",
      .x = { { .shape = HEED_DIMS(2) }, { .shape = HEED_DIMS(2) } },
      REDUCTION(HEED_MEAN, NAN) },
    { .label = "there is no reduction 7",
      .x = { { .shape = HEED_DIMS(2) }, { .shape = HEED_DIMS(2) } },
      REDUCTION(NO_REDUCTION, 1) },
};
HEED_DEFINE_OP(huber) = {
    .name = "huber",
    .arity = 2,
    .attributes_size = sizeof(regression_attributes),
    .shape = huber_shape,
    .compose = huber_compose,
    .formula = "y = q (d - q/2), q = min(max(d, -delta), delta), d = x - target",
    .adjoint = "gx = gy q, gtarget = -gx",
    HEED_REFUSES(huber_refusals),
    HEED_CASES(huber_cases)
};

/* ---- the calls ---- */

heed_tensor *heed_mse(heed_tape *t, heed_tensor *x, heed_tensor *target,
                      heed_reduction reduction)
{
    return heed__apply2(t, &heed_op_mse, x, target, &(regression_attributes){ reduction, 0 });
}

heed_tensor *heed_l1(heed_tape *t, heed_tensor *x, heed_tensor *target,
                     heed_reduction reduction)
{
    return heed__apply2(t, &heed_op_l1, x, target, &(regression_attributes){ reduction, 0 });
}

heed_tensor *heed_huber(heed_tape *t, heed_tensor *x, heed_tensor *target, double delta,
                        heed_reduction reduction)
{
    return heed__apply2(t, &heed_op_huber, x, target,
                        &(regression_attributes){ reduction, delta });
}
