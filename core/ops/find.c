/* Elements picked by what they, or a mask, hold: how many there are is read from the data, so
 * the shape rules count. */
#include "ops.h"

static bool mask_of(heed_tape *t, const heed_call *c, const heed_tensor *mask)
{
    if (mask->dtype != HEED_BOOL)
        return heed_refuse(t, c, "the mask is %s but must be bool",
                           heed_dtype_name(mask->dtype));
    return true;
}

/* masked_select.   y = the elements of x where the mask holds, in order;   gx = gy put back */
static bool masked_select_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0], *mask = c->x[1];
    if (!mask_of(t, c, mask))
        return false;
    bool same = x->ndim == mask->ndim;
    for (int k = 0; same && k < x->ndim; k++)
        same = x->shape[k] == mask->shape[k];
    if (!same)
        return heed_refuse(t, c, "x and mask differ in shape");
    r->dtype = x->dtype;
    r->shape = HEED_SHAPE(heed__elements(HEED_BOOL)->count(mask->data, heed_size(mask)));
    return true;
}
static void masked_select_run(const heed_call *c, heed_tensor *y)
{
    kernel_mask m = { .n = heed_size(c->x[1]),
                      .count = y->shape[0],
                      .mask = c->x[1]->data,
                      .x = c->x[0]->data,
                      .y = y->data };
    heed__elements(y->dtype)->compress(&m);
}
static void masked_select_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                              heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply2(t, &heed_op_masked_select_grad, gy, c->x[1], NULL);
}
static const heed_case masked_select_cases[] = {
    { .label = "matrix",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 3),
               .values = (const double[]){ 1, 0, 1, 0, 0, 1 } } } },
    { .label = "ids",
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 4, 5, 6 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 0, 1, 1 } } },
      .stated = true,
      .y = (const double[]){ 5, 6 } },
    { .label = "NaN left out",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ NAN, 5 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 0, 1 } } },
      .stated = true,
      .y = (const double[]){ 5 },
      .gx = { (const double[]){ 0, 1 } } },
    { .label = "none",
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 0, 0 } } },
      .stated = true,
      .gx = { (const double[]){ 0, 0 } } },
};
static const heed_case masked_select_refusals[] = {
    { .label = "x and mask differ in shape",
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } } },
    { .label = "the mask is i32 but must be bool",
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 0, 1 } } } },
};
HEED_DEFINE_OP(masked_select) = { .name = "masked_select",
                                  .arity = 2,
                                  .integer = 2,
                                  .dense = 3,
                                  .shape = masked_select_shape,
                                  .run = masked_select_run,
                                  .formula = "y = the elements of x where m holds",
                                  .adjoint = "gx = gy put back there, 0 elsewhere",
                                  .uses = HEED_USES_X(1),
                                  .linear = true,
                                  .vjp = masked_select_vjp,
                                  HEED_REFUSES(masked_select_refusals),
                                  HEED_CASES(masked_select_cases) };

/* masked_select_grad.   y = 0 with the elements of x where the mask holds;
 * gx = masked_select(gy) */
static bool masked_select_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0], *mask = c->x[1];
    if (!heed__floats(t, c) || !mask_of(t, c, mask))
        return false;
    int64_t count = heed__elements(HEED_BOOL)->count(mask->data, heed_size(mask));
    if (x->ndim != 1 || x->shape[0] != count)
        return heed_refuse(t, c, "the mask holds at %lld places", (long long)count);
    r->dtype = x->dtype;
    r->shape = heed_shape_of(mask);
    return true;
}
static void masked_select_grad_run(const heed_call *c, heed_tensor *y)
{
    kernel_mask m = { .n = heed_size(c->x[1]),
                      .count = c->x[0]->shape[0],
                      .mask = c->x[1]->data,
                      .x = c->x[0]->data,
                      .y = y->data };
    heed__elements(y->dtype)->decompress(&m);
}
static void masked_select_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *y,
                                   heed_tensor *gy, heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_masked_select(t, gy, c->x[1]);
}
static const heed_case masked_select_grad_cases[] = {
    { .label = "matrix",
      .x = { { .shape = HEED_DIMS(3) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 3),
               .values = (const double[]){ 1, 0, 1, 0, 0, 1 } } } },
    { .label = "none",
      .x = { { .shape = HEED_DIMS(0) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 0, 0 } } },
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
static const heed_case masked_select_grad_refusals[] = {
    { .label = "the mask holds at 1 places",
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 0, 1 } } } },
    { .label = "the mask is i32 but must be bool",
      .x = { { .shape = HEED_DIMS(1) },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 0, 1 } } } },
};
HEED_DEFINE_OP(masked_select_grad) = { .name = "masked_select_grad",
                                       .arity = 2,
                                       .integer = 2,
                                       .dense = 3,
                                       .shape = masked_select_grad_shape,
                                       .run = masked_select_grad_run,
                                       .formula = "y = 0 with x where m holds",
                                       .adjoint = "gx = the elements of gy where m holds",
                                       .uses = HEED_USES_X(1),
                                       .linear = true,
                                       .vjp = masked_select_grad_vjp,
                                       HEED_REFUSES(masked_select_grad_refusals),
                                       HEED_CASES(masked_select_grad_cases) };

/* nonzero.   The indices of what is not 0, a row each, in row-major order */
static bool nonzero_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    for (int k = 0; k < x->ndim; k++) {
        if (x->shape[k] > INT32_MAX)
            return heed_refuse(t, c, "axis %d is too long for i32 places", k);
    }
    r->dtype = HEED_I32;
    r->shape = HEED_SHAPE(heed__elements(x->dtype)->count(x->data, heed_size(x)), x->ndim);
    return true;
}
static void nonzero_run(const heed_call *c, heed_tensor *y)
{
    const heed_tensor *x = c->x[0];
    heed__elements(x->dtype)->nonzero(x->data, x->ndim, x->shape, y->shape[0], y->data);
}
static const heed_case nonzero_cases[] = {
    { .label = "zeros of both signs, NaN",
      .x = { { .shape = HEED_DIMS(2, 3),
               .values = (const double[]){ 0, 1, -0.0, NAN, 0, 1e-30 } } },
      .stated = true,
      .y = (const double[]){ 0, 1, 1, 0, 1, 2 } },
    { .label = "mask",
      .x = { { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 1, 0, 1 } } },
      .stated = true,
      .y = (const double[]){ 0, 2 } },
    { .label = "0-d", .x = { { .shape = { 0 }, .values = (const double[]){ 5 } } } },
    { .label = "empty", .x = { { .shape = HEED_DIMS(2, 0) } }, .stated = true },
};
HEED_DEFINE_OP(nonzero) = { .name = "nonzero",
                            .arity = 1,
                            .dense = 1,
                            .shape = nonzero_shape,
                            .run = nonzero_run,
                            .formula = "y = the places where x is not 0",
                            .adjoint = "none: places are integers",
                            HEED_CASES(nonzero_cases) };

heed_tensor *heed_masked_select(heed_tape *t, heed_tensor *x, heed_tensor *mask)
{
    return heed__apply2(t, &heed_op_masked_select, x, mask, NULL);
}

heed_tensor *heed_nonzero(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_nonzero, x, NULL);
}
