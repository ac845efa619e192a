/* The fused adjoints of attention: by q, k and v in one sweep of blocks, by a bias or by slopes
 * in another, which is run only if somebody asks, because it computes the weights again. */
#include "attention.h"

static kernel_attention gradient_arguments(const heed_call *c, const heed_tensor *o,
                                           const heed_tensor *go, const heed_tensor *lse,
                                           void *scratch)
{
    kernel_attention g = heed__attention_arguments(c);
    g.o = o->data;
    g.go = go->data;
    g.lse = lse->data;
    for (int i = 0; i < 3; i++) {
        g.o_strides[i] = o->strides[i];
        g.go_strides[i] = go->strides[i];
    }
    g.scratch = scratch;
    return g;
}

/* attention_grad.   Operands q, k, v, mask, bias, slopes, sinks, o, go, lse; the result is GQ,
 * GK, GV, packed. */
static bool check_gradient(heed_tape *t, const heed_call *c)
{
    if (!heed__attention_check(t, c))
        return false;
    const heed_tensor *q = c->x[ATTENTION_Q];
    heed_shape rows = HEED_SHAPE(q->shape[0], q->shape[1], q->shape[2]), o = rows;
    o.ndim = 4;
    o.size[3] = c->x[ATTENTION_V]->shape[3];
    return heed__attention_has(t, c, ATTENTION_O, o) &&
           heed__attention_has(t, c, ATTENTION_GO, o) &&
           heed__attention_has(t, c, ATTENTION_LSE, rows);
}
static bool attention_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!check_gradient(t, c))
        return false;
    kernel_attention g = heed__attention_arguments(c);
    r->dtype = c->x[0]->dtype;
    r->shape = HEED_SHAPE(heed_size(c->x[0]) + heed_size(c->x[1]) + heed_size(c->x[2]));
    r->scratch = heed__kernels(r->dtype)->attention_grad_scratch(&g);
    return true;
}
void heed__attention_gradients(const heed_call *c, const heed_tensor *o, const heed_tensor *go,
                               const heed_tensor *lse, const heed_tensor gradient[3],
                               void *scratch)
{
    kernel_attention g = gradient_arguments(c, o, go, lse, scratch);
    g.gq = gradient[0].data;
    g.gk = gradient[1].data;
    g.gv = gradient[2].data;
    for (int i = 0; i < 3; i++) {
        g.gq_strides[i] = gradient[0].strides[i];
        g.gk_strides[i] = gradient[1].strides[i];
        g.gv_strides[i] = gradient[2].strides[i];
    }
    heed__kernels(go->dtype)->attention_grad(&g);
}
static void attention_grad_run(const heed_call *c, heed_tensor *y)
{
    heed_tensor gradient[3];
    char *at = y->data;
    for (int i = 0; i < 3; i++) {
        const heed_tensor *x = c->x[i];
        gradient[i] = *x;
        gradient[i].data = at;
        heed__attention_heads_last(x->shape[1], x->shape[2], x->shape[3], gradient[i].strides);
        at += (size_t)heed_size(x) * heed_dtype_size(y->dtype);
    }
    heed__attention_gradients(c, c->x[ATTENTION_O], c->x[ATTENTION_GO], c->x[ATTENTION_LSE],
                              gradient, c->scratch);
}
#define NUMBER(...)                                                \
    {                                                              \
        .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]) \
        {                                                          \
            __VA_ARGS__                                            \
        }                                                          \
    }
#define ROW(...)                                                \
    {                                                           \
        .shape = HEED_DIMS(1, 1, 1), .values = (const double[]) \
        {                                                       \
            __VA_ARGS__                                         \
        }                                                       \
    }
#define PLAIN                              \
    .attributes = &(const heed__attention) \
    {                                      \
        .scale = 1                         \
    }
static const heed_case attention_grad_cases[] = {
    { .label = "one key",
      .x = { NUMBER(2),
             NUMBER(3),
             NUMBER(5),
             { 0 },
             { 0 },
             { 0 },
             { 0 },
             NUMBER(5),
             NUMBER(7),
             ROW(6) },
      .absent = 8 | 16 | 32 | 64,
      PLAIN,
      .stated = true,
      .y = (const double[]){ 0, 0, 7 } },
    { .label = "a row that sees nothing",
      .x = { NUMBER(1),
             NUMBER(2),
             NUMBER(3),
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(1, 1), .values = (const double[]){ 0 } },
             { 0 },
             { 0 },
             { 0 },
             NUMBER(0),
             NUMBER(4),
             ROW(INFINITY) },
      .absent = 16 | 32 | 64,
      PLAIN,
      .stated = true,
      .y = (const double[]){ 0, 0, 0 } },
};
#define GRADIENT_OPERANDS                                                         \
    .arity = ATTENTION_GRAD_OPERANDS, .optional = 8 | 16 | 32 | 64, .integer = 8, \
    .dense_rows = 1 | 2 | 4 | 16 | 128 | 256, .dense = 32 | 64 | 512
HEED_DEFINE_OP(attention_grad) = {
    .name = "attention_grad",
    GRADIENT_OPERANDS,
    .attributes_size = sizeof(heed__attention),
    .shape = attention_grad_shape,
    .run = attention_grad_run,
    .formula = "attention's GQ, GK, GV, packed",
    .adjoint = "none: a recorded sweep takes attention's composition",
    HEED_CASES(attention_grad_cases)
};

/* attention_bias_grad.   The same operands; the result has the bias's shape: dS summed over
 * what the bias broadcasts over, block by block, so that no [B, H, T, S] is made for it. */
static bool bias_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!check_gradient(t, c))
        return false;
    if (!c->x[ATTENTION_BIAS])
        return heed_refuse(t, c, "there is no bias");
    kernel_attention g = heed__attention_arguments(c);
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[ATTENTION_BIAS]);
    r->scratch = heed__kernels(r->dtype)->attention_grad_scratch(&g);
    return true;
}
static void bias_grad_run(const heed_call *c, heed_tensor *y)
{
    kernel_attention g = gradient_arguments(c, c->x[ATTENTION_O], c->x[ATTENTION_GO],
                                            c->x[ATTENTION_LSE], c->scratch);
    g.gbias = y->data;
    g.gbias_count = heed_size(y);
    heed__attention_strides(y, g.gbias_strides);
    heed__kernels(y->dtype)->attention_score_grad(&g);
}
static const heed_case bias_grad_cases[] = {
    { .label = "one key and a sink",
      /* P = 1/4: dS = P (go v - go o) = 1/4 (8 - 2) */
      .x = { NUMBER(2),
             NUMBER(3),
             NUMBER(4),
             { 0 },
             NUMBER(-6),
             { 0 },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 1.0986122886681098 } },
             NUMBER(1),
             NUMBER(2),
             ROW(1.3862943611198906) },
      .absent = 8 | 32,
      PLAIN,
      .stated = true,
      .y = (const double[]){ 1.5 } },
    { .label = "a bias of -inf hides",
      .x = { NUMBER(2),
             NUMBER(NAN),
             NUMBER(NAN),
             { 0 },
             NUMBER(-INFINITY),
             { 0 },
             { 0 },
             NUMBER(0),
             NUMBER(1),
             ROW(INFINITY) },
      .absent = 8 | 32 | 64,
      PLAIN,
      .stated = true,
      .y = (const double[]){ 0 } },
};
HEED_DEFINE_OP(attention_bias_grad) = {
    .name = "attention_bias_grad",
    GRADIENT_OPERANDS,
    .attributes_size = sizeof(heed__attention),
    .shape = bias_grad_shape,
    .run = bias_grad_run,
    .formula = "attention's gradient by its bias: dS, summed over broadcast axes",
    .adjoint = "none: a recorded sweep takes attention's composition",
    .cost = "B H T S (2 D + 2 Dv)",
    HEED_CASES(bias_grad_cases)
};

/* attention_slopes_grad.   The same operands; the result, [H], is -sum dS |p - j|. */
static bool slopes_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!check_gradient(t, c))
        return false;
    if (!c->x[ATTENTION_SLOPES])
        return heed_refuse(t, c, "there are no slopes");
    kernel_attention g = heed__attention_arguments(c);
    r->dtype = c->x[0]->dtype;
    r->shape = HEED_SHAPE(g.heads);
    r->scratch = heed__kernels(r->dtype)->attention_grad_scratch(&g);
    return true;
}
static void slopes_grad_run(const heed_call *c, heed_tensor *y)
{
    kernel_attention g = gradient_arguments(c, c->x[ATTENTION_O], c->x[ATTENTION_GO],
                                            c->x[ATTENTION_LSE], c->scratch);
    g.gslopes = y->data;
    heed__kernels(y->dtype)->attention_score_grad(&g);
}
static const heed_case slopes_grad_cases[] = {
    { .label = "two keys",
      /* P = 1/2 each, dP = (2, 6), D = 4: dS = (-1, 1); distances 0 and 1 */
      .x = { NUMBER(0),
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 1, 2 } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 1, 3 } },
             { 0 },
             { 0 },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 0 } },
             { 0 },
             NUMBER(2),
             NUMBER(2),
             ROW(0.69314718055994531) },
      .absent = 8 | 16 | 64,
      PLAIN,
      .stated = true,
      .y = (const double[]){ -1 } },
    { .label = "no distance",
      .x = { NUMBER(1),
             NUMBER(2),
             NUMBER(3),
             { 0 },
             { 0 },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 5 } },
             { 0 },
             NUMBER(3),
             NUMBER(4),
             ROW(2) },
      .absent = 8 | 16 | 64,
      PLAIN,
      .stated = true,
      .y = (const double[]){ 0 } },
};
HEED_DEFINE_OP(attention_slopes_grad) = {
    .name = "attention_slopes_grad",
    GRADIENT_OPERANDS,
    .attributes_size = sizeof(heed__attention),
    .shape = slopes_grad_shape,
    .run = slopes_grad_run,
    .formula = "attention's gradient by its slopes: -sum dS |p - j|",
    .adjoint = "none: a recorded sweep takes attention's composition",
    .cost = "B H T S (2 D + 2 Dv)",
    HEED_CASES(slopes_grad_cases)
};

heed_tensor *heed__attention_sinks_gradient(heed_tape *t, heed_tensor *sinks, heed_tensor *lse,
                                            heed_tensor *d)
{
    heed_tensor *column = heed_reshape(t, sinks, HEED_SHAPE(-1, 1));
    heed_tensor *weight = heed_exp(t, heed_sub(t, column, lse));
    heed_tensor *sum =
        heed_sum_axes(t, heed_mul(t, weight, d), 2, (const int[]){ 0, 2 }, false);
    return heed_neg(t, sum);
}
