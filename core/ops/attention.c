/* Scaled dot-product attention: fused and exact. Its composition is in attention_compose.c, its
 * adjoint's records in attention_grad.c. */
#include "attention.h"

#include <string.h>

void heed__attention_strides(const heed_tensor *x, int64_t strides[4])
{
    for (int i = 0; i < 4; i++) {
        int at = i - (4 - x->ndim);
        strides[i] = at < 0 || x->shape[at] == 1 ? 0 : x->strides[at];
    }
}

void heed__attention_heads_last(int64_t heads, int64_t rows, int64_t width, int64_t strides[4])
{
    strides[0] = rows * heads * width;
    strides[1] = width;
    strides[2] = heads * width;
    strides[3] = 1;
}

kernel_attention heed__attention_arguments(const heed_call *c)
{
    const heed_tensor *q = c->x[ATTENTION_Q], *k = c->x[ATTENTION_K], *v = c->x[ATTENTION_V],
                      *mask = c->x[ATTENTION_MASK], *bias = c->x[ATTENTION_BIAS],
                      *slopes = c->x[ATTENTION_SLOPES], *sinks = c->x[ATTENTION_SINKS];
    const heed__attention *a = c->attributes;
    kernel_attention g = { .batch = q->shape[0],
                           .heads = q->shape[1],
                           .queries = q->shape[2],
                           .width = q->shape[3],
                           .kv_heads = k->shape[1],
                           .keys = k->shape[2],
                           .value_width = v ? v->shape[3] : 0,
                           .q = q->data,
                           .k = k->data,
                           .v = v ? v->data : NULL,
                           .scale = a->scale,
                           .cap = a->cap,
                           .causal = a->causality != HEED_NOT_CAUSAL,
                           .windowed = a->windowed,
                           .left = a->left,
                           .right = a->right,
                           .prefix = a->prefix,
                           .mask = mask ? mask->data : NULL,
                           .bias = bias ? bias->data : NULL,
                           .slopes = slopes ? slopes->data : NULL,
                           .sinks = sinks ? sinks->data : NULL };
    g.offset = a->causality == HEED_CAUSAL_BOTTOM_RIGHT ? g.keys - g.queries : 0;
    for (int i = 0; i < 3; i++) {
        g.q_strides[i] = q->strides[i];
        g.k_strides[i] = k->strides[i];
        g.v_strides[i] = v ? v->strides[i] : 0;
    }
    if (mask)
        heed__attention_strides(mask, g.mask_strides);
    if (bias)
        heed__attention_strides(bias, g.bias_strides);
    return g;
}

static bool check_shapes(heed_tape *t, const heed_call *c)
{
    const heed_tensor *q = c->x[ATTENTION_Q], *k = c->x[ATTENTION_K], *v = c->x[ATTENTION_V];
    if (q->ndim != 4 || k->ndim != 4 || (v && v->ndim != 4))
        return heed_refuse(t, c, "needs q [B,H,T,D], k [B,Hk,S,D], v [B,Hk,S,Dv]");
    if (k->shape[0] != q->shape[0] || (v && v->shape[0] != q->shape[0]))
        return heed_refuse(t, c, "the batch extents differ");
    if (q->shape[1] < 1 || (v && k->shape[1] != v->shape[1]) || k->shape[1] < 1 ||
        q->shape[1] % k->shape[1] != 0)
        return heed_refuse(t, c, "the %lld heads of k and v do not divide the %lld of q",
                           (long long)k->shape[1], (long long)q->shape[1]);
    if ((v && k->shape[2] != v->shape[2]) || k->shape[3] != q->shape[3])
        return heed_refuse(t, c, "k must have q's width and v's length");
    return true;
}

static bool check_attributes(heed_tape *t, const heed_call *c)
{
    const heed__attention *a = c->attributes;
    if (a->causality < HEED_NOT_CAUSAL || a->causality > HEED_CAUSAL_BOTTOM_RIGHT)
        return heed_refuse(t, c, "there is no causality %d", (int)a->causality);
    if (!(a->scale > 0) || isinf(a->scale))
        return heed_refuse(t, c, "scale %g is not positive", a->scale);
    if (!(a->cap >= 0) || isinf(a->cap))
        return heed_refuse(t, c, "cap %g is negative or not finite", a->cap);
    if (a->windowed && (a->left < 0 || a->right < 0))
        return heed_refuse(t, c,
                           "the window reaches %lld to the left and %lld to the right, "
                           "which must not be negative",
                           (long long)a->left, (long long)a->right);
    if (a->prefix < 0)
        return heed_refuse(t, c, "prefix %lld is negative", (long long)a->prefix);
    return true;
}

static bool check_broadcast(heed_tape *t, const heed_call *c, const heed_tensor *x,
                            const char *what)
{
    const heed_tensor *q = c->x[ATTENTION_Q];
    int64_t full[4] = { q->shape[0], q->shape[1], q->shape[2], c->x[ATTENTION_K]->shape[2] };
    for (int i = 1; x && i <= x->ndim; i++) {
        int64_t extent = x->shape[x->ndim - i];
        if (i > 4 || (extent != 1 && extent != full[4 - i]))
            return heed_refuse(t, c, "the %s does not broadcast to [%lld,%lld,%lld,%lld]", what,
                               (long long)full[0], (long long)full[1], (long long)full[2],
                               (long long)full[3]);
    }
    return true;
}

static bool check_heads(heed_tape *t, const heed_call *c, const heed_tensor *x,
                        const char *what)
{
    int64_t heads = c->x[ATTENTION_Q]->shape[1];
    if (x && (x->ndim != 1 || x->shape[0] != heads))
        return heed_refuse(t, c, "the %s must be [%lld], one a head", what, (long long)heads);
    return true;
}

bool heed__attention_fits(heed_tape *t, const heed_call *c)
{
    const heed_tensor *mask = c->x[ATTENTION_MASK];
    if (!check_shapes(t, c) || !check_attributes(t, c))
        return false;
    if (mask && mask->dtype != HEED_BOOL)
        return heed_refuse(t, c, "the mask is %s but must be bool",
                           heed_dtype_name(mask->dtype));
    return check_broadcast(t, c, mask, "mask") &&
           check_broadcast(t, c, c->x[ATTENTION_BIAS], "bias") &&
           check_heads(t, c, c->x[ATTENTION_SLOPES], "slopes") &&
           check_heads(t, c, c->x[ATTENTION_SINKS], "sinks");
}

bool heed__attention_check(heed_tape *t, const heed_call *c)
{
    return heed__floats(t, c) && heed__attention_fits(t, c);
}

/* attention.   S = cap tanh(scale Q K^T / cap) + bias - slope |p - j|, P = softmax(S) over the
 * visible keys (and a sink, which has no value), O = P V; L = log-sum-exp is kept.
 *   GV = P^T GO,  dP = GO V^T,  dS = P (dP - rowsum(dP P)) = P (dP - rowsum(GO O)),
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
      .attributes =
          &(const heed__attention){
              .scale = 0.9, .windowed = true, .left = 1, .right = 1, .prefix = 1 } },
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
    { .label = "cap -1 is negative",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      .attributes = &(const heed__attention){ .scale = 1, .cap = -1 } },
    { .label = "the window reaches -1 to the left",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      .attributes = &(const heed__attention){ .scale = 1, .windowed = true, .left = -1 } },
    { .label = "prefix -2 is negative",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      .attributes = &(const heed__attention){ .scale = 1, .prefix = -2 } },
    { .label = "there is no causality 7",
      .x = { QKV(2, 5, 4, 2) },
      .absent = ALONE,
      SCALED(1, 7) },
};
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
    .formula = "O = P V, P = softmax(S) over the visible keys and a sink, "
               "S = cap tanh(scale Q K^T / cap) + bias - slope |p - j|",
    .adjoint = "GV = P^T GO, dS = P (GO V^T - rowsum(GO O)), dU = dS (1 - tanh^2), "
               "GQ = scale dU K, GK = scale dU^T Q, Gbias = dS, Gslope = -sum dS |p - j|, "
               "Gsink = -sum exp(sink - L) rowsum(GO O)",
    .cost = "B H T S (2 D + 2 Dv) + B H T S (6 D + 4 Dv)",
    .uses = ((1u << ATTENTION_OPERANDS) - 1) | HEED_USES_Y,
    .vjp = attention_vjp,
    .compose = attention_compose,
    HEED_REFUSES(attention_refusals),
    HEED_CASES(attention_cases)
};

/* ---- the call ---- */

/* Longer than any sequence, and far from overflow. */
static int64_t reach(int64_t keys)
{
    return keys > INT64_MAX / 4 ? INT64_MAX / 4 : keys;
}

heed__attention heed__attention_resolve(const heed_attention_options *o, int64_t width)
{
    heed__attention a;
    memset(&a, 0, sizeof a);
    a.causality = o->causality;
    a.scale = o->scale == 0 ? width > 0 ? 1 / sqrt((double)width) : 1 : o->scale;
    a.cap = o->cap;
    a.windowed = o->windowed;
    if (o->windowed) {
        a.left = reach(o->left);
        a.right = reach(o->right);
    }
    a.prefix = reach(o->prefix);
    return a;
}

bool heed__attention_fuses(const heed_tape *t, const heed_attention_options *o)
{
    return !o->composed && !o->score && !(o->dropout != 0 && heed_training(t));
}

heed_tensor *heed_attention(heed_tape *t, heed_tensor *q, heed_tensor *k, heed_tensor *v,
                            heed_tensor *mask, const heed_attention_options *options)
{
    heed_attention_options o = options ? *options : (heed_attention_options){ 0 };
    if (!t || heed_error(t))
        return NULL;
    heed__attention a = heed__attention_resolve(&o, q && q->ndim == 4 ? q->shape[3] : 1);
    heed_tensor *x[ATTENTION_OPERANDS] = { q, k, v, mask, o.bias, o.slopes, o.sinks };
    if (heed__attention_fuses(t, &o))
        return heed_apply(t, &heed_op_attention, ATTENTION_OPERANDS, x, &a);
    heed_call call = {
        .op = &heed_op_attention, .n = ATTENTION_OPERANDS, .x = x, .attributes = &a
    };
    for (int i = 0; i < 3; i++) {
        if (!x[i])
            return heed_fail(t, "attention: operand %d is NULL", i);
    }
    heed__attention_extras extras = { heed_training(t) ? o.dropout : 0, o.score, o.user };
    return heed__attention_check(t, &call) ? heed__attention_compose(t, &call, &extras) : NULL;
}
