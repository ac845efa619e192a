/* Layer normalisation and RMS normalisation over the last axis. The gradient of all operands is
 * one op with one packed result [gx, ggamma, gbeta], read by views. */
#include "ops.h"

typedef struct norm_attributes {
    double epsilon;
    bool x_only; /* of a gradient: those of gamma and beta are not wanted */
} norm_attributes;

static int64_t width_of(const heed_tensor *x)
{
    return x->ndim ? x->shape[x->ndim - 1] : 1;
}

static kernel_rows rows_of(const heed_call *c, const heed_tensor *x)
{
    int64_t n = width_of(x);
    return (kernel_rows){ .rows = n ? heed_size(x) / n : 0,
                          .n = n,
                          .x = x->data,
                          .epsilon = ((const norm_attributes *)c->attributes)->epsilon };
}

static bool norm_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    if (!heed__floats(t, c))
        return false;
    double epsilon = ((const norm_attributes *)c->attributes)->epsilon;
    if (x->ndim < 1)
        return heed_refuse(t, c, "needs an axis to normalise over");
    if (!(epsilon >= 0))
        return heed_refuse(t, c, "epsilon %g is not 0 or more", epsilon);
    for (int i = 1; i < c->n; i++) {
        if (c->x[i] && (c->x[i]->ndim != 1 || c->x[i]->shape[0] != width_of(x)))
            return heed_refuse(t, c, "%s must have shape [%lld]", i == 1 ? "gamma" : "beta",
                               (long long)width_of(x));
    }
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    r->saved = c->n - 1; /* layernorm: rstd and mean; rmsnorm: rstd */
    for (int i = 0; i < r->saved; i++) {
        r->saved_dtype[i] = x->dtype;
        r->saved_shape[i] = HEED_SHAPE(width_of(x) ? heed_size(x) / width_of(x) : 0);
    }
    return true;
}

/* The packed gradients: gx, then (unless x_only) ggamma and gbeta of n elements each. */
static bool norm_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    int64_t n = width_of(x);
    kernel_rows rows = { .rows = n ? heed_size(x) / n : 0, .n = n };
    if (!heed__floats(t, c))
        return false;
    if (x->ndim < 1 || heed_size(c->x[2]) != heed_size(x) ||
        (c->x[1] && heed_size(c->x[1]) != n))
        return heed_refuse(t, c, "needs x and gy of one shape [..., n], and gamma [n] or NULL");
    for (int i = 3; i < c->n; i++) {
        if (heed_size(c->x[i]) != rows.rows)
            return heed_refuse(t, c, "operand %d must have one element a row", i);
    }
    r->dtype = x->dtype;
    bool x_only = ((const norm_attributes *)c->attributes)->x_only;
    r->shape = HEED_SHAPE(heed_size(x) + (x_only ? 0 : 2 * n));
    r->scratch = x_only ? 0 : heed__kernels(x->dtype)->norm_grad_scratch(&rows);
    return true;
}

static void *element(const heed_tensor *x, int64_t i)
{
    return (char *)x->data + i * (int64_t)heed_dtype_size(x->dtype);
}

/* Gives each operand its part of the packed gradients. */
static void unpack(heed_tape *t, const heed_call *c, heed_tensor *packed, heed_tensor *gx[])
{
    int64_t size = heed_size(c->x[0]), n = width_of(c->x[0]);
    if (!packed)
        return;
    if (heed_wants(c, 0)) {
        heed_tensor *part = heed_slice(t, packed, 0, 0, size, 1);
        gx[0] = heed_reshape(t, part, heed_shape_of(c->x[0]));
    }
    for (int i = 1; i < c->n; i++) {
        if (c->x[i] && heed_wants(c, i))
            gx[i] = heed_slice(t, packed, 0, size + (i - 1) * n, size + i * n, 1);
    }
}

/* layernorm.   xhat = (x - mean)/sqrt(var + eps),  y = gamma xhat + beta
 * With g = gamma gy:  gx = (g - mean(g) - xhat mean(g xhat))/sqrt(var + eps),
 *                     ggamma = sum over rows of gy xhat,  gbeta = sum over rows of gy. */
static void layernorm_run(const heed_call *c, heed_tensor *y)
{
    kernel_rows rows = rows_of(c, c->x[0]);
    rows.gamma = c->x[1] ? c->x[1]->data : NULL;
    rows.beta = c->x[2] ? c->x[2]->data : NULL;
    rows.y = y->data;
    rows.rstd = c->saved[0]->data;
    rows.mean = c->saved[1]->data;
    heed__kernels(y->dtype)->layernorm(&rows);
}
static void layernorm_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                          heed_tensor *gx[])
{
    heed_tensor *x[5] = { c->x[0], c->x[1], gy, c->saved[0], c->saved[1] };
    norm_attributes a = *(const norm_attributes *)c->attributes;
    (void)y;
    a.x_only = !heed_wants(c, 1) && !heed_wants(c, 2);
    unpack(t, c, heed_apply(t, &heed_op_layernorm_grad, 5, x, &a), gx);
}
static heed_tensor *layernorm_compose(heed_tape *t, const heed_call *c)
{
    const int last = -1;
    heed_tensor *mean = heed_mean_axes(t, c->x[0], 1, &last, true);
    heed_tensor *centred = heed_sub(t, c->x[0], mean);
    heed_tensor *variance = heed_mean_axes(t, heed_square(t, centred), 1, &last, true);
    heed_tensor *shifted =
        heed_shift(t, variance, ((const norm_attributes *)c->attributes)->epsilon);
    heed_tensor *rstd = heed_rsqrt(t, shifted);
    heed_tensor *y = heed_mul(t, centred, rstd);
    if (c->x[1])
        y = heed_mul(t, y, c->x[1]);
    return c->x[2] ? heed_add(t, y, c->x[2]) : y;
}
#define EPSILON(...)                       \
    .attributes = &(const norm_attributes) \
    {                                      \
        __VA_ARGS__                        \
    }
static const heed_case layernorm_cases[] = {
    { .label = "gamma and beta",
      .x = { { .shape = HEED_DIMS(2, 4) },
             { .shape = HEED_DIMS(4) },
             { .shape = HEED_DIMS(4) } },
      EPSILON(1e-5, false),
      .step = 1e-3 },
    { .label = "gamma only",
      .x = { { .shape = HEED_DIMS(2, 2, 3) }, { .shape = HEED_DIMS(3) } },
      .absent = 4,
      EPSILON(0.1, false) },
    { .label = "neither",
      .x = { { .shape = HEED_DIMS(5) } },
      .absent = 6,
      EPSILON(1e-5, false) },
    { .label = "a constant row",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 2, 2, 2 } } },
      .absent = 6,
      EPSILON(1e-5, false),
      .stated = true,
      .y = (const double[]){ 0, 0, 0 },
      .gx = { (const double[]){ 0, 0, 0 } } },
    { .label = "one element",
      .x = { { .shape = HEED_DIMS(2, 1) } },
      .absent = 6,
      EPSILON(1e-5, false),
      .stated = true,
      .y = (const double[]){ 0, 0 },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "no rows",
      .x = { { .shape = HEED_DIMS(0, 2) },
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } },
      EPSILON(1e-5, false),
      .stated = true,
      .gx = { NULL, (const double[]){ 0, 0 }, (const double[]){ 0, 0 } } },
};
static const heed_case norm_refusals[] = {
    { .label = "gamma must have shape [4]",
      .x = { { .shape = HEED_DIMS(2, 4) }, { .shape = HEED_DIMS(3) } },
      .absent = 4,
      EPSILON(1e-5, false) },
    { .label = "gamma must have shape [1]",
      .x = { { .shape = HEED_DIMS(4, 1) }, { .shape = HEED_DIMS(4) } },
      .absent = 4,
      EPSILON(1e-5, false) },
    { .label = "epsilon -1 is not 0 or more",
      .x = { { .shape = HEED_DIMS(2, 4) } },
      .absent = 6,
      EPSILON(-1, false) },
    { .label = "needs an axis",
      .x = { { .shape = { 0 } } },
      .absent = 6,
      EPSILON(1e-5, false) },
};
HEED_DEFINE_OP(layernorm) = {
    .name = "layernorm",
    .arity = 3,
    .optional = 6,
    .dense = 7,
    .attributes_size = sizeof(norm_attributes),
    .shape = norm_shape,
    .run = layernorm_run,
    .formula = "y = gamma xhat + beta, xhat = (x - mean)/sqrt(variance + eps)",
    .adjoint = "gx = (g - mean(g) - xhat mean(g xhat)) rstd, g = gamma gy; "
               "ggamma = sum gy xhat, gbeta = sum gy",
    .uses = HEED_USES_X(0) | HEED_USES_X(1),
    .vjp = layernorm_vjp,
    .compose = layernorm_compose,
    HEED_REFUSES(norm_refusals),
    HEED_CASES(layernorm_cases)
};

/* layernorm_grad.   Operands x, gamma, gy, rstd, mean. */
static void layernorm_grad_run(const heed_call *c, heed_tensor *y)
{
    kernel_rows rows = rows_of(c, c->x[0]);
    int64_t size = heed_size(c->x[0]);
    rows.gamma = c->x[1] ? c->x[1]->data : NULL;
    rows.gy = c->x[2]->data;
    rows.rstd = c->x[3]->data;
    rows.mean = c->x[4]->data;
    rows.gx = y->data;
    if (!((const norm_attributes *)c->attributes)->x_only) {
        rows.ggamma = element(y, size);
        rows.gbeta = element(y, size + rows.n);
    }
    rows.scratch = c->scratch;
    heed__kernels(y->dtype)->layernorm_grad(&rows);
}
static const heed_case layernorm_grad_cases[] = {
    { .label = "two rows",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(3) },
             { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } },
      EPSILON(1e-5, false) },
    { .label = "no gamma",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 3, 5 } },
             { 0 },
             { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 1, 3 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 1 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 4 } } },
      .absent = 2,
      EPSILON(0, false),
      .stated = true,
      .y = (const double[]){ 0, 0, -1, 3, 1, 3 } },
    { .label = "of x only",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 3, 5 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } },
             { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 4, 3 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 0.5 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 4 } } },
      EPSILON(0, true),
      .stated = true,
      .y = (const double[]){ -0.375, 0.375 } },
};
HEED_DEFINE_OP(layernorm_grad) = {
    .name = "layernorm_grad",
    .arity = 5,
    .optional = 2,
    .dense = 31,
    .attributes_size = sizeof(norm_attributes),
    .shape = norm_grad_shape,
    .run = layernorm_grad_run,
    .formula = "layernorm's gx, ggamma, gbeta, packed",
    .adjoint = "none: a recorded sweep takes layernorm's composition",
    HEED_CASES(layernorm_grad_cases)
};

/* rmsnorm.   r = 1/sqrt(mean(x^2) + eps),  y = gamma x r
 * With g = gamma gy:  gx = r (g - x r^2 mean(g x)),  ggamma = sum over rows of gy x r. */
static void rmsnorm_run(const heed_call *c, heed_tensor *y)
{
    kernel_rows rows = rows_of(c, c->x[0]);
    rows.gamma = c->x[1] ? c->x[1]->data : NULL;
    rows.y = y->data;
    rows.rstd = c->saved[0]->data;
    heed__kernels(y->dtype)->rmsnorm(&rows);
}
static void rmsnorm_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    heed_tensor *x[4] = { c->x[0], c->x[1], gy, c->saved[0] };
    norm_attributes a = *(const norm_attributes *)c->attributes;
    (void)y;
    a.x_only = !heed_wants(c, 1);
    unpack(t, c, heed_apply(t, &heed_op_rmsnorm_grad, 4, x, &a), gx);
}
static heed_tensor *rmsnorm_compose(heed_tape *t, const heed_call *c)
{
    const int last = -1;
    heed_tensor *mean = heed_mean_axes(t, heed_square(t, c->x[0]), 1, &last, true);
    heed_tensor *shifted =
        heed_shift(t, mean, ((const norm_attributes *)c->attributes)->epsilon);
    heed_tensor *y = heed_mul(t, c->x[0], heed_rsqrt(t, shifted));
    return c->x[1] ? heed_mul(t, y, c->x[1]) : y;
}
static const heed_case rmsnorm_cases[] = {
    { .label = "gamma",
      .x = { { .shape = HEED_DIMS(2, 4), .gap = 0.3 }, { .shape = HEED_DIMS(4) } },
      EPSILON(1e-5, false) },
    { .label = "none",
      .x = { { .shape = HEED_DIMS(2, 2, 3) } },
      .absent = 2,
      EPSILON(0.1, false) },
    { .label = "zeros",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 0, 0 } } },
      .absent = 2,
      EPSILON(0.25, false),
      .stated = true,
      .y = (const double[]){ 0, 0 },
      .gx = { (const double[]){ 2, 2 } } },
};
HEED_DEFINE_OP(rmsnorm) = {
    .name = "rmsnorm",
    .arity = 2,
    .optional = 2,
    .dense = 3,
    .attributes_size = sizeof(norm_attributes),
    .shape = norm_shape,
    .run = rmsnorm_run,
    .formula = "y = gamma x r, r = 1/sqrt(mean(x^2) + eps)",
    .adjoint = "gx = r (g - x r^2 mean(g x)), g = gamma gy; ggamma = sum gy x r",
    .uses = HEED_USES_X(0) | HEED_USES_X(1),
    .vjp = rmsnorm_vjp,
    .compose = rmsnorm_compose,
    HEED_CASES(rmsnorm_cases)
};

/* rmsnorm_grad.   Operands x, gamma, gy, rstd. */
static void rmsnorm_grad_run(const heed_call *c, heed_tensor *y)
{
    kernel_rows rows = rows_of(c, c->x[0]);
    int64_t size = heed_size(c->x[0]);
    rows.gamma = c->x[1] ? c->x[1]->data : NULL;
    rows.gy = c->x[2]->data;
    rows.rstd = c->x[3]->data;
    rows.gx = y->data;
    if (!((const norm_attributes *)c->attributes)->x_only)
        rows.ggamma = element(y, size);
    rows.scratch = c->scratch;
    heed__kernels(y->dtype)->rmsnorm_grad(&rows);
}
static bool rmsnorm_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!norm_grad_shape(t, c, r))
        return false;
    if (!((const norm_attributes *)c->attributes)->x_only)
        r->shape.size[0] -= width_of(c->x[0]);
    return true;
}
static const heed_case rmsnorm_grad_cases[] = {
    { .label = "two rows",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(3) },
             { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2) } },
      EPSILON(1e-5, false) },
    { .label = "no gamma",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 1, 1 } },
             { 0 },
             { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 1, 3 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 1 } } },
      .absent = 2,
      EPSILON(0, false),
      .stated = true,
      .y = (const double[]){ -1, 1, 1, 3 } },
    { .label = "of x only",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 1, 1 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } },
             { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 2, 3 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 1 } } },
      EPSILON(0, true),
      .stated = true,
      .y = (const double[]){ -2, 2 } },
};
HEED_DEFINE_OP(rmsnorm_grad) = {
    .name = "rmsnorm_grad",
    .arity = 4,
    .optional = 2,
    .dense = 15,
    .attributes_size = sizeof(norm_attributes),
    .shape = rmsnorm_grad_shape,
    .run = rmsnorm_grad_run,
    .formula = "rmsnorm's gx, ggamma, packed",
    .adjoint = "none: a recorded sweep takes rmsnorm's composition",
    HEED_CASES(rmsnorm_grad_cases)
};

/* ---- the calls ---- */

heed_tensor *heed_layernorm(heed_tape *t, heed_tensor *x, heed_tensor *gamma, heed_tensor *beta,
                            double epsilon)
{
    return heed__apply3(t, &heed_op_layernorm, x, gamma, beta,
                        &(norm_attributes){ epsilon, false });
}

heed_tensor *heed_rmsnorm(heed_tape *t, heed_tensor *x, heed_tensor *gamma, double epsilon)
{
    return heed__apply2(t, &heed_op_rmsnorm, x, gamma, &(norm_attributes){ epsilon, false });
}
