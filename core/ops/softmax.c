/* Softmax and log-softmax. The records work on the last axis of contiguous rows; the calls
 * bring another axis there by a view. */
#include "ops.h"

static kernel_rows rows_of(const heed_call *c, heed_tensor *y)
{
    const heed_tensor *x = c->x[0];
    int64_t n = x->ndim ? x->shape[x->ndim - 1] : 1;
    return (
        kernel_rows){ .rows = n ? heed_size(x) / n : 0, .n = n, .x = x->data, .y = y->data };
}

static bool two_alike(heed_tape *t, const heed_call *c, heed_result *r)
{
    for (int k = 0; k < c->x[0]->ndim || k < c->x[1]->ndim; k++) {
        if (c->x[0]->ndim != c->x[1]->ndim || c->x[0]->shape[k] != c->x[1]->shape[k])
            return heed_refuse(t, c, "the shapes differ");
    }
    return heed__shape_like(t, c, r);
}

static const heed_case softmax_cases[] = {
    { .label = "rows", .x = { { .shape = HEED_DIMS(2, 3) } } },
    { .label = "batch", .x = { { .shape = HEED_DIMS(2, 2, 4), .low = -3, .high = 3 } } },
    { .label = "one class",
      .x = { { .shape = HEED_DIMS(2, 1) } },
      .stated = true,
      .y = (const double[]){ 1, 1 },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "huge, and -inf",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 1e4, 1e4, -INFINITY } } },
      .stated = true,
      .y = (const double[]){ 0.5, 0.5, 0 },
      .gx = { (const double[]){ 0, 0, 0 } } },
    { .label = "empty", .x = { { .shape = HEED_DIMS(0, 3) } }, .stated = true },
};

/* softmax over the last axis.   y_i = exp(x_i - m)/sum_j exp(x_j - m),  m = max_j x_j
 * Jacobian: dy_i/dx_j = y_i ([i = j] - y_j);  hence gx = y (gy - <gy, y>): O(n), no n x n
 * matrix. */
static void softmax_run(const heed_call *c, heed_tensor *y)
{
    kernel_rows rows = rows_of(c, y);
    heed__kernels(y->dtype)->softmax(&rows);
}
static void softmax_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    (void)c;
    gx[0] = heed__apply2(t, &heed_op_softmax_grad, y, gy, NULL);
}
HEED_DEFINE_OP(softmax) = { .name = "softmax",
                            .arity = 1,
                            .dense = 1,
                            .shape = heed__shape_like,
                            .run = softmax_run,
                            .formula = "y_i = e^x_i / sum_j e^x_j",
                            .adjoint = "gx = y (gy - <gy, y>)",
                            .uses = HEED_USES_Y,
                            .vjp = softmax_vjp,
                            HEED_CASES(softmax_cases) };

/* softmax_grad.   z = y (g - <g, y>);   with incoming h:
 * gy = h (g - <g, y>) - g <h, y>,   gg = y (h - <h, y>) */
static void softmax_grad_run(const heed_call *c, heed_tensor *z)
{
    kernel_rows rows = rows_of(c, z);
    rows.gy = c->x[1]->data;
    rows.gx = z->data;
    heed__kernels(z->dtype)->softmax_grad(&rows);
}
static void softmax_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *z, heed_tensor *h,
                             heed_tensor *gx[])
{
    heed_tensor *y = c->x[0], *g = c->x[1];
    const int last = -1;
    (void)z;
    if (heed_wants(c, 0)) {
        heed_tensor *gy = heed_sum_axes(t, heed_mul(t, g, y), 1, &last, true);
        heed_tensor *hy = heed_sum_axes(t, heed_mul(t, h, y), 1, &last, true);
        heed_tensor *centred = heed_sub(t, g, gy);
        heed_tensor *first = heed_mul(t, h, centred);
        heed_tensor *second = heed_mul(t, g, hy);
        gx[0] = heed_sub(t, first, second);
    }
    gx[1] = heed__apply2(t, &heed_op_softmax_grad, y, h, NULL);
}
static const heed_case softmax_grad_cases[] = {
    { .label = "rows", .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(2, 0) }, { .shape = HEED_DIMS(2, 0) } },
      .stated = true },
};
HEED_DEFINE_OP(softmax_grad) = {
    .name = "softmax_grad",
    .arity = 2,
    .dense = 3,
    .shape = two_alike,
    .run = softmax_grad_run,
    .formula = "z = y (g - <g, y>)",
    .adjoint = "gy = h (g - <g, y>) - g <h, y>, gg = y (h - <h, y>)",
    .uses = HEED_USES_X(0) | HEED_USES_X(1),
    .vjp = softmax_grad_vjp,
    HEED_CASES(softmax_grad_cases)
};

/* log_softmax over the last axis.   y = x - ln sum_j e^x_j;   gx = gy - e^y sum_j gy_j */
static void log_softmax_run(const heed_call *c, heed_tensor *y)
{
    kernel_rows rows = rows_of(c, y);
    heed__kernels(y->dtype)->log_softmax(&rows);
}
static void log_softmax_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                            heed_tensor *gx[])
{
    (void)c;
    gx[0] = heed__apply2(t, &heed_op_log_softmax_grad, y, gy, NULL);
}
static const heed_case log_softmax_cases[] = {
    { .label = "rows", .x = { { .shape = HEED_DIMS(2, 3) } } },
    { .label = "far apart",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 0, 1e4 } } },
      .stated = true,
      .y = (const double[]){ -1e4, 0 },
      .gx = { (const double[]){ 1, -1 } } },
    { .label = "one class",
      .x = { { .shape = HEED_DIMS(1) } },
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 0 } } },
};
HEED_DEFINE_OP(log_softmax) = { .name = "log_softmax",
                                .arity = 1,
                                .dense = 1,
                                .shape = heed__shape_like,
                                .run = log_softmax_run,
                                .formula = "y_i = x_i - ln sum_j e^x_j",
                                .adjoint = "gx = gy - e^y sum_j gy_j",
                                .uses = HEED_USES_Y,
                                .vjp = log_softmax_vjp,
                                HEED_CASES(log_softmax_cases) };

/* log_softmax_grad.   z = g - e^y sum g;   gy = -h e^y sum g,   gg = h - <h, e^y> */
static void log_softmax_grad_run(const heed_call *c, heed_tensor *z)
{
    kernel_rows rows = rows_of(c, z);
    rows.gy = c->x[1]->data;
    rows.gx = z->data;
    heed__kernels(z->dtype)->log_softmax_grad(&rows);
}
static void log_softmax_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *z,
                                 heed_tensor *h, heed_tensor *gx[])
{
    const int last = -1;
    heed_tensor *p = heed_exp(t, c->x[0]);
    heed_tensor *hp = heed_mul(t, h, p);
    (void)z;
    if (heed_wants(c, 0)) {
        heed_tensor *total = heed_sum_axes(t, c->x[1], 1, &last, true);
        heed_tensor *product = heed_mul(t, hp, total);
        gx[0] = heed_neg(t, product);
    }
    if (heed_wants(c, 1))
        gx[1] = heed_sub(t, h, heed_sum_axes(t, hp, 1, &last, true));
}
HEED_DEFINE_OP(log_softmax_grad) = { .name = "log_softmax_grad",
                                     .arity = 2,
                                     .dense = 3,
                                     .shape = two_alike,
                                     .run = log_softmax_grad_run,
                                     .formula = "z = g - e^y sum_j g_j",
                                     .adjoint = "gy = -h e^y sum_j g_j, gg = h - <h, e^y>",
                                     .uses = HEED_USES_X(0) | HEED_USES_X(1),
                                     .vjp = log_softmax_grad_vjp,
                                     HEED_CASES(softmax_grad_cases) };

/* ---- the calls ---- */

static heed_tensor *along(heed_tape *t, const heed_op *op, heed_tensor *x, int axis)
{
    heed_call call = { .op = op, .n = x ? 1 : 0, .x = &x };
    if (!t || heed_error(t))
        return NULL;
    if (!x)
        return heed_fail(t, "%s: operand 0 is NULL", op->name);
    axis = heed_axis(t, &call, axis, x->ndim);
    if (axis < 0)
        return NULL;
    if (axis == x->ndim - 1)
        return heed__apply1(t, op, x, NULL);
    heed_tensor *y = heed__apply1(t, op, heed_swap(t, x, axis, -1), NULL);
    return heed_swap(t, y, axis, -1);
}

heed_tensor *heed_softmax(heed_tape *t, heed_tensor *x, int axis)
{
    return along(t, &heed_op_softmax, x, axis);
}

heed_tensor *heed_log_softmax(heed_tape *t, heed_tensor *x, int axis)
{
    return along(t, &heed_op_log_softmax, x, axis);
}
