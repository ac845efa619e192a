/* Dropout. The mask is a function of the draw's key, so the adjoint replays it and nothing is
 * stored. */
#include "../engine.h"
#include "ops.h"

/* dropout.   y_i = m_i x_i/(1 - p), m_i = 0 with probability p;   gx_i = m_i gy_i/(1 - p) */
static bool dropout_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    double p = ((const heed__dropout *)c->attributes)->probability;
    if (!(p >= 0 && p < 1))
        return heed_refuse(t, c, "probability %g is not in [0, 1)", p);
    return heed__shape_like(t, c, r);
}
static void dropout_run(const heed_call *c, heed_tensor *y)
{
    const heed__dropout *a = c->attributes;
    kernel_dropout d = { .n = heed_size(y),
                         .x = c->x[0]->data,
                         .y = y->data,
                         .key = a->key,
                         .probability = a->probability,
                         .factor = 1 / (1 - a->probability) };
    heed__kernels(y->dtype)->dropout(&d);
}
static void dropout_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply1(t, &heed_op_dropout, gy, c->attributes);
}
static const heed_case dropout_cases[] = {
    { .label = "a third",
      .x = { { .shape = HEED_DIMS(4, 3) } },
      .attributes = &(const heed__dropout){ 1.0 / 3, 42 } },
    { .label = "none",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } } },
      .attributes = &(const heed__dropout){ 0, 1 },
      .stated = true,
      .y = (const double[]){ 1, 2 },
      .gx = { (const double[]){ 1, 1 } } },
};
HEED_DEFINE_OP(dropout) = { .name = "dropout",
                            .arity = 1,
                            .dense = 1,
                            .attributes_size = sizeof(heed__dropout),
                            .shape = dropout_shape,
                            .run = dropout_run,
                            .formula = "y = m x/(1 - p)",
                            .adjoint = "gx = m gy/(1 - p), the same mask m",
                            .linear = true,
                            .vjp = dropout_vjp,
                            HEED_CASES(dropout_cases) };

heed__dropout heed__draw_dropout(heed_tape *t, double probability)
{
    return (heed__dropout){ probability, heed__draw_key(t) };
}

heed_tensor *heed_dropout(heed_tape *t, heed_tensor *x, double p)
{
    if (!t || heed_error(t))
        return NULL;
    if (x && !heed_training(t) && p >= 0 && p < 1)
        return x;
    heed__dropout drawn = heed__draw_dropout(t, p);
    return heed__apply1(t, &heed_op_dropout, x, &drawn);
}
