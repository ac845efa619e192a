/* Scaled dot-product attention: fused and exact. What it takes is in attention_check.c, its
 * composition in attention_compose.c, its adjoint's records in attention_grad.c. */
#include "attention.h"

/* attention.   S = cap tanh(scale Q K^T / cap) + bias - slope |p - j|, P = softmax(S) over the
 * visible keys (and a sink, which has no value), O = P V; L = log-sum-exp is kept. Dropout
 * makes it O = (M P) V, with M 0 or 1/(1 - p), replayed from a key:
 *   GV = (M P)^T GO,  dP = M (GO V^T),  dS = P (dP - rowsum(dP P)) = P (dP - rowsum(GO O)),
 *   dU = dS (1 - tanh^2),  GQ = scale dU K,  GK = scale dU^T Q,
 *   Gbias = dS,  Gslope = -sum dS |p - j|,  Gsink = -sum exp(sink - L) rowsum(GO O);
 * P = exp(S - L) is computed again, block by block. Without a cap dU = dS. */
bool heed__attention_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!heed__attention_check(t, c))
        return false;
    kernel_attention g = heed__attention_arguments(c);
    r->dtype = c->x[0]->dtype;
    r->shape = HEED_SHAPE(g.batch, g.heads, g.queries, g.value_width);
    r->ordered = true;
    heed__attention_heads_last(g.heads, g.queries, g.value_width, r->strides);
    r->saved = 1;
    r->saved_dtype[0] = r->dtype;
    r->saved_shape[0] = HEED_SHAPE(g.batch, g.heads, g.queries);
    r->scratch = heed__kernels(r->dtype)->attention_scratch(&g);
    return true;
}
void heed__attention_run(const heed_call *c, heed_tensor *y)
{
    kernel_attention g = heed__attention_arguments(c);
    g.o = y->data;
    for (int i = 0; i < 3; i++)
        g.o_strides[i] = y->strides[i];
    g.lse = c->saved[0]->data;
    g.scratch = c->scratch;
    heed__kernels(y->dtype)->attention(&g);
}
/* Part [start, start + size) of the packed gradients as [B, H, rows, width]. */
static heed_tensor *part(heed_tape *t, heed_tensor *packed, int64_t start, const heed_tensor *x)
{
    heed_tensor *flat = heed_slice(t, packed, 0, start, start + heed_size(x), 1);
    heed_tensor *rows =
        heed_reshape(t, flat, HEED_SHAPE(x->shape[0], x->shape[2], x->shape[1], x->shape[3]));
    return heed_swap(t, rows, 1, 2);
}
static void attention_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                          heed_tensor *gx[])
{
    heed_tensor *x[ATTENTION_GRAD_OPERANDS];
    for (int i = 0; i < ATTENTION_OPERANDS; i++)
        x[i] = c->x[i];
    x[ATTENTION_O] = y;
    x[ATTENTION_GO] = gy;
    x[ATTENTION_LSE] = c->saved[0];
    if (heed_wants(c, 0) || heed_wants(c, 1) || heed_wants(c, 2)) {
        heed_tensor *packed =
            heed_apply(t, &heed_op_attention_grad, ATTENTION_GRAD_OPERANDS, x, c->attributes);
        int64_t start = 0;
        for (int i = 0; i < 3 && packed; i++) {
            if (heed_wants(c, i))
                gx[i] = part(t, packed, start, c->x[i]);
            start += heed_size(c->x[i]);
        }
    }
    if (heed_wants(c, ATTENTION_BIAS))
        gx[ATTENTION_BIAS] = heed_apply(t, &heed_op_attention_bias_grad,
                                        ATTENTION_GRAD_OPERANDS, x, c->attributes);
    if (heed_wants(c, ATTENTION_SLOPES))
        gx[ATTENTION_SLOPES] = heed_apply(t, &heed_op_attention_slopes_grad,
                                          ATTENTION_GRAD_OPERANDS, x, c->attributes);
    if (heed_wants(c, ATTENTION_SINKS)) {
        heed_tensor *dot = heed_sum_axes(t, heed_mul(t, y, gy), 1, (const int[]){ -1 }, false);
        gx[ATTENTION_SINKS] =
            heed__attention_sinks_gradient(t, c->x[ATTENTION_SINKS], c->saved[0], dot);
    }
}
static heed_tensor *attention_compose(heed_tape *t, const heed_call *c)
{
    return heed__attention_compose(t, c, NULL);
}

#define SCALED(s, c)                       \
    .attributes = &(const heed__attention) \
    {                                      \
        .scale = s, .causality = c         \
    }
#define ALONE (8 | 16 | 32 | 64) /* q, k, v and nothing else */
static const heed_case attention_cases[] = {
    { .label = "cross",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 3) },
             { .shape = HEED_DIMS(1, 2, 3, 3) },
             { .shape = HEED_DIMS(1, 2, 3, 2) } },
      .absent = ALONE,
      SCALED(0.57, HEED_NOT_CAUSAL) },
    { .label = "causal, shared keys",
      .x = { { .shape = HEED_DIMS(2, 2, 3, 2) },
             { .shape = HEED_DIMS(2, 1, 3, 2) },
             { .shape = HEED_DIMS(2, 1, 3, 2) } },
      .absent = ALONE,
      SCALED(1, HEED_CAUSAL_TOP_LEFT) },
    { .label = "causal, earlier keys",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 2) },
             { .shape = HEED_DIMS(1, 1, 4, 2) },
             { .shape = HEED_DIMS(1, 1, 4, 2) } },
      .absent = ALONE,
      SCALED(0.7, HEED_CAUSAL_BOTTOM_RIGHT) },
    { .label = "a third dropped, shared keys",
      .x = { { .shape = HEED_DIMS(2, 2, 3, 2) },
             { .shape = HEED_DIMS(2, 1, 5, 2) },
             { .shape = HEED_DIMS(2, 1, 5, 3) } },
      .absent = ALONE,
      .attributes = &(const heed__attention){ .scale = 0.8,
                                              .causality = HEED_CAUSAL_BOTTOM_RIGHT,
                                              .dropout = { 1.0 / 3, 42 } } },
    { .label = "dropped, capped, biased, with slopes and sinks",
      .x = { { .shape = HEED_DIMS(1, 2, 3, 2) },
             { .shape = HEED_DIMS(1, 2, 5, 2) },
             { .shape = HEED_DIMS(1, 2, 5, 3) },
             { 0 },
             { .shape = HEED_DIMS(1, 2, 3, 5) },
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } },
      .absent = 8,
      .attributes = &(const heed__attention){ .scale = 1, .cap = 2, .dropout = { 0.5, 7 } } },
    { .label = "masked",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 3) },
             { .shape = HEED_DIMS(1, 1, 4, 3) },
             { .shape = HEED_DIMS(1, 1, 4, 2) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 4),
               .values = (const double[]){ 1, 0, 1, 1, 1, 1, 0, 0 } } },
      .absent = ALONE & ~8u,
      SCALED(0.6, HEED_NOT_CAUSAL) },
    { .label = "a row that sees nothing, NaN where nobody looks",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 1, 2 } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 3, NAN } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 5, NAN } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, 0, 0, 0 } } },
      .absent = ALONE & ~8u,
      SCALED(1, HEED_NOT_CAUSAL),
      .stated = true,
      .y = (const double[]){ 5, 0 },
      .gx = { (const double[]){ 0, 0 }, (const double[]){ 0, 0 }, (const double[]){ 1, 0 } } },
    { .label = "no keys",
      .x = { { .shape = HEED_DIMS(1, 1, 1, 2) },
             { .shape = HEED_DIMS(1, 1, 0, 2) },
             { .shape = HEED_DIMS(1, 1, 0, 1) } },
      .absent = ALONE,
      SCALED(1, HEED_NOT_CAUSAL),
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "nothing at all, shared keys",
      .x = { { .shape = HEED_DIMS(1, 6, 0, 2) },
             { .shape = HEED_DIMS(1, 2, 0, 2) },
             { .shape = HEED_DIMS(1, 2, 0, 1) } },
      .absent = ALONE,
      SCALED(1, HEED_NOT_CAUSAL),
      .stated = true },
    { .label = "a bias of its own for each score",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 3) },
             { .shape = HEED_DIMS(1, 1, 3, 3) },
             { .shape = HEED_DIMS(1, 1, 3, 2) },
             { 0 },
             { .shape = HEED_DIMS(1, 2, 2, 3) } },
      .absent = ALONE & ~16u,
      SCALED(0.57, HEED_NOT_CAUSAL) },
    { .label = "a bias for all heads, capped, causal",
      .x = { { .shape = HEED_DIMS(2, 2, 3, 2) },
             { .shape = HEED_DIMS(2, 2, 3, 2) },
             { .shape = HEED_DIMS(2, 2, 3, 2) },
             { 0 },
             { .shape = HEED_DIMS(3, 3) } },
      .absent = ALONE & ~16u,
      .attributes = &(const heed__attention){ .scale = 1.1,
                                              .cap = 0.8,
                                              .causality = HEED_CAUSAL_TOP_LEFT } },
    { .label = "slopes and sinks, causal",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 2) },
             { .shape = HEED_DIMS(1, 1, 4, 2) },
             { .shape = HEED_DIMS(1, 1, 4, 3) },
             { 0 },
             { 0 },
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } },
      .absent = 8 | 16,
      SCALED(0.7, HEED_CAUSAL_BOTTOM_RIGHT) },
    { .label = "a window to both sides, and the first key",
      .x = { { .shape = HEED_DIMS(1, 1, 5, 2) },
             { .shape = HEED_DIMS(1, 1, 5, 2) },
             { .shape = HEED_DIMS(1, 1, 5, 1) } },
      .absent = ALONE,
      .attributes = &(const heed__attention){ .scale = 0.9,
                                              .windowed = true,
                                              .left = 1,
                                              .right = 1,
                                              .prefix = 1 } },
    { .label = "all there is",
      .x = { { .shape = HEED_DIMS(1, 2, 3, 2) },
             { .shape = HEED_DIMS(1, 1, 4, 2) },
             { .shape = HEED_DIMS(1, 1, 4, 2) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(1, 1, 1, 4),
               .values = (const double[]){ 1, 1, 0, 1 } },
             { .shape = HEED_DIMS(2, 1, 4) },
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } },
      .attributes = &(const heed__attention){ .scale = 0.8,
                                              .cap = 1.5,
                                              .causality = HEED_CAUSAL_BOTTOM_RIGHT,
                                              .windowed = true,
                                              .left = 1,
                                              .prefix = 1 } },
    { .label = "a sink alone: weight e^s / (e^s + e^sink)",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 0, 1 } },
             { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 0 } },
             { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 8 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 1),
               .values = (const double[]){ 1, 0 } },
             { 0 },
             { 0 },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 1.0986122886681098 } } },
      .absent = 16 | 32,
      SCALED(1, HEED_NOT_CAUSAL),
      .stated = true,
      .y = (const double[]){ 2, 0 },
      .gx = { (const double[]){ 0, 0 }, (const double[]){ 0 },
              (const double[]){ 0.25 }, [6] = (const double[]){ -1.5 } } },
    { .label = "a bias of -inf hides, NaN too",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 1, 2 } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 3, NAN } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 5, NAN } },
             { 0 },
             { .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, -INFINITY, -INFINITY, -INFINITY } } },
      .absent = ALONE & ~16u,
      SCALED(1, HEED_NOT_CAUSAL),
      .stated = true,
      .y = (const double[]){ 5, 0 },
      .gx = { (const double[]){ 0, 0 }, (const double[]){ 0, 0 },
              (const double[]){ 1, 0 }, [4] = (const double[]){ 0, 0, 0, 0 } } },
};
#define QKV(h, s, d, dv)                                                    \
    { .shape = HEED_DIMS(1, 2, 3, 4) }, { .shape = HEED_DIMS(1, h, s, d) }, \
    {                                                                       \
        .shape = HEED_DIMS(1, h, 5, dv)                                     \
    }
static const heed_case attention_refusals[] = {
    { .label = "the 3 heads of k and v do not divide the 2 of q",
      .x = { QKV(3, 5, 4, 2) },
      .absent = ALONE,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "k must have q's width and v's length",
      .x = { QKV(2, 5, 3, 2) },
      .absent = ALONE,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "k must have q's width and v's length",
      .x = { QKV(2, 6, 4, 2) },
      .absent = ALONE,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "the mask does not broadcast to [1,2,3,5]",
      .x = { QKV(2, 5, 4, 2), { .dtype = HEED_BOOL, .shape = HEED_DIMS(3, 4) } },
      .absent = ALONE & ~8u,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "the mask does not broadcast to [1,2,3,5]",
      .x = { QKV(2, 5, 4, 2), { .dtype = HEED_BOOL, .shape = HEED_DIMS(3, 1, 1, 5) } },
      .absent = ALONE & ~8u,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "scale 0 is not positive",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      SCALED(0, HEED_NOT_CAUSAL) },
    { .label = "the bias does not broadcast to [1,2,3,5]",
      .x = { QKV(2, 5, 4, 2), { 0 }, { .shape = HEED_DIMS(3, 4) } },
      .absent = ALONE & ~16u,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "the slopes must be [2], one a head",
      .x = { QKV(2, 5, 4, 2), { 0 }, { 0 }, { .shape = HEED_DIMS(3) } },
      .absent = ALONE & ~32u,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "the sinks must be [2], one a head",
      .x = { QKV(2, 5, 4, 2), { 0 }, { 0 }, { 0 }, { .shape = HEED_DIMS(2, 1) } },
      .absent = ALONE & ~64u,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "dropout 1 is not in [0, 1)",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      .attributes = &(const heed__attention){ .scale = 1, .dropout = { 1, 0 } } },
    { .label = "cap -1 is negative",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      .attributes = &(const heed__attention){ .scale = 1, .cap = -1 } },
    { .label = "the window reaches -1 to the left",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      .attributes = &(const heed__attention){ .scale = 1, .windowed = true, .left = -1 } },
    { .label = "left 0 and right 3 are of a window, which is off",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      .attributes = &(const heed__attention){ .scale = 1, .right = 3 } },
    { .label = "prefix -2 is negative",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      .attributes = &(const heed__attention){ .scale = 1, .prefix = -2 } },
    { .label = "there is no causality 7",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      SCALED(1, 7) },
};
static double attention_arithmetic(const heed_call *c, const heed_tensor *y)
{
    const heed_tensor *q = c->x[ATTENTION_Q], *k = c->x[ATTENTION_K], *v = c->x[ATTENTION_V];
    double rows = (double)(q->shape[0] * q->shape[1] * q->shape[2]);
    (void)y;
    return rows * (double)k->shape[2] * (double)(2 * q->shape[3] + 2 * v->shape[3]);
}
HEED_DEFINE_OP(attention) = {
    .name = "attention",
    .arity = ATTENTION_OPERANDS,
    .optional = 8 | 16 | 32 | 64,
    .integer = 8,
    .dense_rows = 1 | 2 | 4 | 16,
    .dense = 32 | 64,
    .attributes_size = sizeof(heed__attention),
    .shape = heed__attention_shape,
    .run = heed__attention_run,
    .formula = "O = (M P) V, P = softmax(S) over the visible keys and a sink, "
               "S = cap tanh(scale Q K^T / cap) + bias - slope |p - j|, M = 1 or dropout's",
    .adjoint = "GV = (M P)^T GO, dS = P (M (GO V^T) - rowsum(GO O)), dU = dS (1 - tanh^2), "
               "GQ = scale dU K, GK = scale dU^T Q, Gbias = dS, Gslope = -sum dS |p - j|, "
               "Gsink = -sum exp(sink - L) rowsum(GO O)",
    .cost = "B H T S (2 D + 2 Dv) + B H T S (6 D + 4 Dv)",
    .arithmetic = attention_arithmetic,
    .uses = ((1u << ATTENTION_OPERANDS) - 1) | HEED_USES_Y,
    .vjp = attention_vjp,
    .compose = attention_compose,
    HEED_REFUSES(attention_refusals),
    HEED_CASES(attention_cases)
};

heed_tensor *heed_attention(heed_tape *t, heed_tensor *q, heed_tensor *k, heed_tensor *v,
                            heed_tensor *mask, const heed_attention_options *options)
{
    heed_attention_options o = options ? *options : (heed_attention_options){ 0 };
    if (!t || heed_error(t))
        return NULL;
    heed__attention a = heed__attention_resolve(&o, q && q->ndim == 4 ? q->shape[3] : 1);
    a.dropout = heed__attention_dropout(t, &o);
    heed_tensor *x[ATTENTION_OPERANDS] = { q, k, v, mask, o.bias, o.slopes, o.sinks };
    if (heed__attention_fuses(&o)) {
        heed_tensor *y = heed_apply(t, &heed_op_attention, ATTENTION_OPERANDS, x, &a);
        heed__attention_show(t, q, k, mask, &o);
        return heed_error(t) ? NULL : y;
    }
    heed_call call = {
        .op = &heed_op_attention, .n = ATTENTION_OPERANDS, .x = x, .attributes = &a
    };
    for (int i = 0; i < 3; i++) {
        if (!x[i])
            return heed_fail(t, "attention: operand %d is NULL", i);
    }
    heed__attention_extras extras = { o.score, o.user, o.queries };
    return heed__attention_check(t, &call) ? heed__attention_compose(t, &call, &extras) : NULL;
}
