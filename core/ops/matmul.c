/* Matrix products. Strides are free, so transposes are views and never copies; batch axes
 * broadcast. */
#include "ops.h"

static void add_batch_axis(kernel_gemm *g, int64_t extent, int64_t a, int64_t b, int64_t c)
{
    g->batch_shape[g->batch_ndim] = extent;
    g->a_batch[g->batch_ndim] = a;
    g->b_batch[g->batch_ndim] = b;
    g->c_batch[g->batch_ndim++] = c;
}

/* matmul.   Y = A B over the last two axes;   GA = GY B^T,  GB = A^T GY */
static bool matmul_shape(heed_tape *t, const heed_call *c, heed_result *r);

static kernel_gemm matmul_arguments(const heed_call *c, const heed_shape *shape,
                                    const int64_t *strides)
{
    const heed_tensor *a = c->x[0], *b = c->x[1];
    int n = shape->ndim;
    kernel_gemm g = { .m = shape->size[n - 2],
                      .n = shape->size[n - 1],
                      .k = a->shape[a->ndim - 1],
                      .a = a->data,
                      .b = b->data,
                      .a_row = a->strides[a->ndim - 2],
                      .a_col = a->strides[a->ndim - 1],
                      .b_row = b->strides[b->ndim - 2],
                      .b_col = b->strides[b->ndim - 1] };
    for (int k = 0; k < n - 2; k++) {
        int ka = k - (n - a->ndim), kb = k - (n - b->ndim);
        add_batch_axis(&g, shape->size[k], ka < 0 || a->shape[ka] == 1 ? 0 : a->strides[ka],
                       kb < 0 || b->shape[kb] == 1 ? 0 : b->strides[kb], strides[k]);
    }
    g.c_row = g.n;
    /* One B for all: rows of A that follow one another across the batch are one tall matrix. */
    while (g.batch_ndim > 0) {
        int last = g.batch_ndim - 1;
        if (g.b_batch[last] != 0 || g.a_batch[last] != g.m * g.a_row ||
            g.c_batch[last] != g.m * g.c_row)
            break;
        g.m *= g.batch_shape[last];
        g.batch_ndim--;
    }
    return g;
}
static bool matmul_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *a = c->x[0], *b = c->x[1];
    if (!heed__floats(t, c))
        return false;
    if (a->ndim < 2 || b->ndim < 2)
        return heed_refuse(t, c, "both operands need two axes or more");
    int64_t inner_a = a->shape[a->ndim - 1], inner_b = b->shape[b->ndim - 2];
    if (inner_a != inner_b)
        return heed_refuse(t, c, "inner extents %lld and %lld differ", (long long)inner_a,
                           (long long)inner_b);
    r->dtype = a->dtype;
    r->shape.ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int k = 3; k <= r->shape.ndim; k++) {
        int64_t ea = k <= a->ndim ? a->shape[a->ndim - k] : 1,
                eb = k <= b->ndim ? b->shape[b->ndim - k] : 1;
        if (ea != eb && ea != 1 && eb != 1)
            return heed_refuse(t, c, "batch extents %lld and %lld at axis %d do not broadcast",
                               (long long)ea, (long long)eb, -k);
        r->shape.size[r->shape.ndim - k] = ea == 1 ? eb : ea;
    }
    r->shape.size[r->shape.ndim - 2] = a->shape[a->ndim - 2];
    r->shape.size[r->shape.ndim - 1] = b->shape[b->ndim - 1];
    int64_t strides[HEED_MAX_NDIM], stride = 1;
    for (int k = r->shape.ndim - 1; k >= 0; k--) {
        strides[k] = stride;
        stride *= r->shape.size[k];
    }
    kernel_gemm g = matmul_arguments(c, &r->shape, strides);
    r->scratch = heed__kernels(r->dtype)->gemm_scratch(&g);
    return true;
}
static void matmul(const heed_call *c, heed_tensor *y, bool accumulate)
{
    heed_shape shape = heed_shape_of(y);
    kernel_gemm g = matmul_arguments(c, &shape, y->strides);
    g.c = y->data;
    g.accumulate = accumulate;
    g.scratch = c->scratch;
    heed__kernels(y->dtype)->gemm(&g);
}
static void matmul_run(const heed_call *c, heed_tensor *y)
{
    matmul(c, y, false);
}
static void matmul_accumulate(const heed_call *c, heed_tensor *y)
{
    matmul(c, y, true);
}
/* An operand without the other's batch axes: its gradient is one product over all rows, not a
 * batch of products to be summed. */
static heed_tensor *rows_of(heed_tape *t, heed_tensor *x)
{
    int64_t rows = 1;
    for (int k = 0; k < x->ndim - 1; k++)
        rows *= x->shape[k];
    return x->ndim == 2 ? x : heed_reshape(t, x, HEED_SHAPE(rows, x->shape[x->ndim - 1]));
}
static void matmul_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    heed_tensor *a = c->x[0], *b = c->x[1];
    (void)y;
    if (heed_wants(c, 0)) {
        heed_tensor *bt = heed_swap(t, b, -1, -2);
        gx[0] = heed_matmul(t, gy, bt);
    }
    if (heed_wants(c, 1)) {
        bool fold = b->ndim == 2 && a->ndim > 2;
        heed_tensor *rows = fold ? rows_of(t, a) : a;
        heed_tensor *grows = fold ? rows_of(t, gy) : gy;
        heed_tensor *at = heed_swap(t, rows, -1, -2);
        gx[1] = heed_matmul(t, at, grows);
    }
}
static double matmul_arithmetic(const heed_call *c, const heed_tensor *y)
{
    return 2 * (double)heed_size(y) * (double)c->x[0]->shape[c->x[0]->ndim - 1];
}
static const heed_case matmul_cases[] = {
    { .label = "matrices",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(3, 4) } } },
    { .label = "batch",
      .x = { { .shape = HEED_DIMS(2, 2, 3) }, { .shape = HEED_DIMS(2, 3, 2) } } },
    { .label = "broadcast batch",
      .x = { { .shape = HEED_DIMS(2, 1, 2, 2) }, { .shape = HEED_DIMS(3, 2, 1) } } },
    { .label = "one right matrix",
      .x = { { .shape = HEED_DIMS(2, 2, 3) }, { .shape = HEED_DIMS(3, 2) } } },
    { .label = "no inner extent",
      .x = { { .shape = HEED_DIMS(2, 0) }, { .shape = HEED_DIMS(0, 2) } },
      .stated = true,
      .y = (const double[]){ 0, 0, 0, 0 } },
    { .label = "no columns",
      .x = { { .shape = HEED_DIMS(1, 1, 2) }, { .shape = HEED_DIMS(2, 0) } },
      .stated = true,
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "no rows",
      .x = { { .shape = HEED_DIMS(0, 2) }, { .shape = HEED_DIMS(2, 2) } },
      .stated = true,
      .gx = { NULL, (const double[]){ 0, 0, 0, 0 } } },
};
static const heed_case matmul_refusals[] = {
    { .label = "inner extents 3 and 2 differ",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } } },
    { .label = "batch extents 2 and 3 at axis -3 do not broadcast",
      .x = { { .shape = HEED_DIMS(2, 2, 3) }, { .shape = HEED_DIMS(3, 3, 2) } } },
    { .label = "two axes or more",
      .x = { { .shape = HEED_DIMS(3) }, { .shape = HEED_DIMS(3, 2) } } },
};
HEED_DEFINE_OP(matmul) = { .name = "matmul",
                           .arity = 2,
                           .shape = matmul_shape,
                           .run = matmul_run,
                           .accumulate = matmul_accumulate,
                           .formula = "Y = A B",
                           .adjoint = "GA = GY B^T, GB = A^T GY",
                           .cost = "2 m n k + 4 m n k for each of the batch",
                           .arithmetic = matmul_arithmetic,
                           .uses = HEED_USES_X(0) | HEED_USES_X(1),
                           .vjp = matmul_vjp,
                           HEED_REFUSES(matmul_refusals),
                           HEED_CASES(matmul_cases) };

/* linear.   Y = X W^T + b;   GX = GY W,  GW = GY^T X,  gb = column sums of GY */
static kernel_gemm linear_arguments(const heed_call *c)
{
    const heed_tensor *x = c->x[0], *w = c->x[1], *bias = c->x[2];
    kernel_gemm g = { .m = 1,
                      .n = w->shape[0],
                      .k = w->shape[1],
                      .a = x->data,
                      .b = w->data,
                      .a_row = w->shape[1],
                      .a_col = 1,
                      .b_row = w->strides[1],
                      .b_col = w->strides[0],
                      .c_row = w->shape[0],
                      .bias = bias ? bias->data : NULL };
    for (int k = 0; k < x->ndim - 1; k++)
        g.m *= x->shape[k];
    return g;
}
static bool linear_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0], *w = c->x[1], *bias = c->x[2];
    if (!heed__floats(t, c))
        return false;
    if (x->ndim < 1 || w->ndim != 2)
        return heed_refuse(t, c, "needs x [..., in] and weight [out, in]");
    if (x->shape[x->ndim - 1] != w->shape[1])
        return heed_refuse(t, c, "x has width %lld but the weight takes %lld",
                           (long long)x->shape[x->ndim - 1], (long long)w->shape[1]);
    if (bias && (bias->ndim != 1 || bias->shape[0] != w->shape[0]))
        return heed_refuse(t, c, "the bias must have shape [%lld]", (long long)w->shape[0]);
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    r->shape.size[x->ndim - 1] = w->shape[0];
    kernel_gemm g = linear_arguments(c);
    r->scratch = heed__kernels(r->dtype)->gemm_scratch(&g);
    return true;
}
static void linear_run(const heed_call *c, heed_tensor *y)
{
    kernel_gemm g = linear_arguments(c);
    g.c = y->data;
    g.scratch = c->scratch;
    heed__kernels(y->dtype)->gemm(&g);
}
static void linear_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    heed_tensor *x = c->x[0], *w = c->x[1];
    int64_t rows = 1;
    (void)y;
    for (int k = 0; k < x->ndim - 1; k++)
        rows *= x->shape[k];
    if (heed_wants(c, 0))
        gx[0] = x->ndim == 1
                    ? heed_reshape(
                          t, heed_matmul(t, heed_reshape(t, gy, HEED_SHAPE(1, w->shape[0])), w),
                          HEED_SHAPE(w->shape[1]))
                    : heed_matmul(t, gy, w);
    if (heed_wants(c, 1) || heed_wants(c, 2)) {
        heed_tensor *grows = heed_reshape(t, gy, HEED_SHAPE(rows, w->shape[0]));
        if (heed_wants(c, 1)) {
            heed_tensor *flat = heed_reshape(t, x, HEED_SHAPE(rows, w->shape[1]));
            heed_tensor *transposed = heed_swap(t, grows, 0, 1);
            gx[1] = heed_matmul(t, transposed, flat);
        }
        if (heed_wants(c, 2))
            gx[2] = heed_sum_to(t, grows, HEED_SHAPE(w->shape[0]));
    }
}
static heed_tensor *linear_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *x = c->x[0], *w = heed_swap(t, c->x[1], 0, 1);
    heed_tensor *row = x->ndim == 1 ? heed_reshape(t, x, HEED_SHAPE(1, x->shape[0])) : x;
    heed_tensor *y = heed_matmul(t, row, w);
    if (x->ndim == 1)
        y = heed_reshape(t, y, HEED_SHAPE(-1));
    return c->x[2] ? heed_add(t, y, c->x[2]) : y;
}
static const heed_case linear_cases[] = {
    { .label = "with bias",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(4, 3) },
             { .shape = HEED_DIMS(4) } } },
    { .label = "batch, no bias",
      .x = { { .shape = HEED_DIMS(2, 2, 3) }, { .shape = HEED_DIMS(2, 3) } },
      .absent = 4 },
    { .label = "one vector",
      .x = { { .shape = HEED_DIMS(3) },
             { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2) } } },
    { .label = "no rows",
      .x = { { .shape = HEED_DIMS(0, 2) },
             { .shape = HEED_DIMS(2, 2) },
             { .shape = HEED_DIMS(2) } },
      .stated = true,
      .gx = { NULL, (const double[]){ 0, 0, 0, 0 }, (const double[]){ 0, 0 } } },
};
static const heed_case linear_refusals[] = {
    { .label = "x has width 3 but the weight takes 2",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(4, 2) },
             { .shape = HEED_DIMS(4) } } },
    { .label = "the bias must have shape [4]",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(4, 3) },
             { .shape = HEED_DIMS(3) } } },
    { .label = "needs x [..., in] and weight [out, in]",
      .x = { { .shape = { 0 } }, { .shape = HEED_DIMS(4, 3) }, { .shape = HEED_DIMS(4) } } },
};
HEED_DEFINE_OP(linear) = { .name = "linear",
                           .arity = 3,
                           .optional = 4,
                           .dense = 1 | 4,
                           .shape = linear_shape,
                           .run = linear_run,
                           .formula = "Y = X W^T + b",
                           .adjoint = "GX = GY W, GW = GY^T X, gb = column sums of GY",
                           .cost = "2 rows in out + 4 rows in out",
                           .arithmetic = matmul_arithmetic,
                           .uses = HEED_USES_X(0) | HEED_USES_X(1),
                           .vjp = linear_vjp,
                           .compose = linear_compose,
                           HEED_REFUSES(linear_refusals),
                           HEED_CASES(linear_cases) };

/* outer.   Y = a b^T: the product of a column and a row */
static bool outer_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *a = c->x[0], *b = c->x[1];
    if (!heed__floats(t, c))
        return false;
    if (a->ndim != 1 || b->ndim != 1)
        return heed_refuse(t, c, "both operands need one axis");
    r->dtype = a->dtype;
    r->shape = HEED_SHAPE(a->shape[0], b->shape[0]);
    return true;
}
static heed_tensor *outer_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *column = heed_reshape(t, c->x[0], HEED_SHAPE(c->x[0]->shape[0], 1));
    heed_tensor *row = heed_reshape(t, c->x[1], HEED_SHAPE(1, c->x[1]->shape[0]));
    return heed_matmul(t, column, row);
}
static const heed_case outer_cases[] = {
    { .label = "vectors", .x = { { .shape = HEED_DIMS(2) }, { .shape = HEED_DIMS(3) } } },
    { .label = "with itself", .x = { { .shape = HEED_DIMS(3) }, { .shape = HEED_DIMS(3) } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0) }, { .shape = HEED_DIMS(2) } },
      .stated = true,
      .gx = { NULL, (const double[]){ 0, 0 } } },
};
HEED_DEFINE_OP(outer) = { .name = "outer",
                          .arity = 2,
                          .shape = outer_shape,
                          .compose = outer_compose,
                          .formula = "y_ij = a_i b_j",
                          .adjoint = "ga_i = sum_j gy_ij b_j, gb_j = sum_i gy_ij a_i",
                          HEED_CASES(outer_cases) };

/* ---- the calls ---- */

heed_tensor *heed_matmul(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    if (!t || heed_error(t))
        return NULL;
    bool row = a && a->ndim == 1, column = b && b->ndim == 1;
    if (row)
        a = heed_reshape(t, a, HEED_SHAPE(1, a->shape[0]));
    if (column)
        b = heed_reshape(t, b, HEED_SHAPE(b->shape[0], 1));
    heed_tensor *y = heed__apply2(t, &heed_op_matmul, a, b, NULL);
    if (!y || (!row && !column))
        return y;
    heed_shape shape = heed_shape_of(y);
    if (row) {
        if (!column)
            shape.size[shape.ndim - 2] = shape.size[shape.ndim - 1];
        shape.ndim--;
    }
    if (column)
        shape.ndim--;
    return heed_reshape(t, y, shape);
}

heed_tensor *heed_linear(heed_tape *t, heed_tensor *x, heed_tensor *weight, heed_tensor *bias)
{
    return heed__apply3(t, &heed_op_linear, x, weight, bias, NULL);
}

heed_tensor *heed_outer(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_outer, a, b, NULL);
}
