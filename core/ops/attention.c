/* Scaled dot-product attention: fused and exact, with the composed form beside it as its oracle
 * and as its way to higher order. */
#include "attention.h"

#include <string.h>

kernel_attention heed__attention_arguments(const heed_call *c)
{
    const heed_tensor *q = c->x[0], *k = c->x[1], *v = c->x[2], *mask = c->x[3];
    const heed__attention *a = c->attributes;
    kernel_attention g = { .batch = q->shape[0],
                           .heads = q->shape[1],
                           .queries = q->shape[2],
                           .width = q->shape[3],
                           .kv_heads = k->shape[1],
                           .keys = k->shape[2],
                           .value_width = v->shape[3],
                           .q = q->data,
                           .k = k->data,
                           .v = v->data,
                           .scale = a->scale,
                           .causal = a->causality != HEED_NOT_CAUSAL };
    g.offset = a->causality == HEED_CAUSAL_BOTTOM_RIGHT ? g.keys - g.queries : 0;
    for (int i = 0; i < 3; i++) {
        g.q_strides[i] = q->strides[i];
        g.k_strides[i] = k->strides[i];
        g.v_strides[i] = v->strides[i];
    }
    if (mask) {
        g.mask = mask->data;
        for (int i = 0; i < 4; i++) {
            int at = i - (4 - mask->ndim);
            g.mask_strides[i] = at < 0 || mask->shape[at] == 1 ? 0 : mask->strides[at];
        }
    }
    return g;
}

bool heed__attention_check(heed_tape *t, const heed_call *c)
{
    const heed_tensor *q = c->x[0], *k = c->x[1], *v = c->x[2], *mask = c->x[3];
    const heed__attention *a = c->attributes;
    if (!heed__floats(t, c))
        return false;
    if (q->ndim != 4 || k->ndim != 4 || v->ndim != 4)
        return heed_refuse(t, c, "needs q [B,H,T,D], k [B,Hk,S,D], v [B,Hk,S,Dv]");
    if (k->shape[0] != q->shape[0] || v->shape[0] != q->shape[0])
        return heed_refuse(t, c, "the batch extents differ");
    if (q->shape[1] < 1 || k->shape[1] != v->shape[1] || k->shape[1] < 1 ||
        q->shape[1] % k->shape[1] != 0)
        return heed_refuse(t, c, "the %lld heads of k and v do not divide the %lld of q",
                           (long long)k->shape[1], (long long)q->shape[1]);
    if (k->shape[2] != v->shape[2] || k->shape[3] != q->shape[3])
        return heed_refuse(t, c, "k must have q's width and v's length");
    if (a->causality < HEED_NOT_CAUSAL || a->causality > HEED_CAUSAL_BOTTOM_RIGHT)
        return heed_refuse(t, c, "there is no causality %d", (int)a->causality);
    if (!(a->scale > 0) || isinf(a->scale))
        return heed_refuse(t, c, "scale %g is not positive", a->scale);
    int64_t full[4] = { q->shape[0], q->shape[1], q->shape[2], k->shape[2] };
    if (mask && mask->dtype != HEED_BOOL)
        return heed_refuse(t, c, "the mask is %s but must be bool",
                           heed_dtype_name(mask->dtype));
    for (int i = 1; mask && i <= mask->ndim; i++) {
        int64_t extent = mask->shape[mask->ndim - i];
        if (i > 4 || (extent != 1 && extent != full[4 - i]))
            return heed_refuse(t, c, "the mask does not broadcast to [%lld,%lld,%lld,%lld]",
                               (long long)full[0], (long long)full[1], (long long)full[2],
                               (long long)full[3]);
    }
    return true;
}

/* Strides of [B, H, T, D] whose memory is [B, T, H, D]: joining the heads is then a view. */
static void heads_last(int64_t heads, int64_t rows, int64_t width, int64_t strides[4])
{
    strides[0] = rows * heads * width;
    strides[1] = width;
    strides[2] = heads * width;
    strides[3] = 1;
}

/* attention.   S = scale Q K^T, P = softmax(S) over the visible keys, O = P V; L = log-sum-exp
 * is kept.
 *   GV = P^T GO,  dP = GO V^T,  dS = P (dP - rowsum(dP P)) = P (dP - rowsum(GO O)),
 *   GQ = scale dS K,  GK = scale dS^T Q;  P = exp(S - L) is computed again, block by block. */
bool heed__attention_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!heed__attention_check(t, c))
        return false;
    kernel_attention g = heed__attention_arguments(c);
    r->dtype = c->x[0]->dtype;
    r->shape = HEED_SHAPE(g.batch, g.heads, g.queries, g.value_width);
    r->ordered = true;
    heads_last(g.heads, g.queries, g.value_width, r->strides);
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
    heed_tensor *x[7] = { c->x[0], c->x[1], c->x[2], c->x[3], y, gy, c->saved[0] };
    heed_tensor *packed = heed_apply(t, &heed_op_attention_grad, 7, x, c->attributes);
    int64_t start = 0;
    for (int i = 0; i < 3 && packed; i++) {
        if (heed_wants(c, i))
            gx[i] = part(t, packed, start, c->x[i]);
        start += heed_size(c->x[i]);
    }
}

/* Which keys each query may see, as one bool tensor [b, h, T, S] (b, h: the mask's extents),
 * and which keys any query may see, [b, h, S, 1]. */
static heed_tensor *visible_keys(heed_tape *t, const heed_call *c, heed_tensor **any)
{
    kernel_attention g = heed__attention_arguments(c);
    const heed_tensor *mask = c->x[3];
    heed_shape shape = { 4, { 1, 1, g.queries, g.keys } };
    for (int i = 0; mask && i < 2; i++) {
        int at = i - (4 - mask->ndim);
        shape.size[i] = at < 0 ? 1 : mask->shape[at];
    }
    heed_shape column = { 4, { shape.size[0], shape.size[1], g.keys, 1 } };
    heed_tensor *zero = heed_full(t, HEED_SCALAR, 0), *one = heed_full(t, HEED_SCALAR, 1);
    heed_tensor *no = heed_equal(t, zero, one);
    heed_tensor *visible = heed_contiguous(t, heed_expand(t, no, shape));
    *any = heed_contiguous(t, heed_expand(t, no, column));
    if (!visible || !*any)
        return NULL;
    uint8_t *to = visible->data, *seen = (*any)->data;
    for (int64_t b = 0; b < shape.size[0]; b++) {
        for (int64_t h = 0; h < shape.size[1]; h++, seen += g.keys) {
            for (int64_t i = 0; i < g.queries; i++) {
                for (int64_t j = 0; j < g.keys; j++, to++) {
                    bool may = !g.causal || j <= i + g.offset;
                    if (may && g.mask)
                        may = g.mask[b * g.mask_strides[0] + h * g.mask_strides[1] +
                                     i * g.mask_strides[2] + j * g.mask_strides[3]] != 0;
                    *to = may;
                    seen[j] |= may;
                }
            }
        }
    }
    return visible;
}

/* k or v with its heads repeated for the query heads that share them, and zeros where no query
 * looks. */
static heed_tensor *spread(heed_tape *t, heed_tensor *x, int64_t heads, heed_tensor *any)
{
    if (x->shape[1] != heads) {
        int64_t b = x->shape[0], kv = x->shape[1], s = x->shape[2], d = x->shape[3];
        heed_tensor *grouped = heed_reshape(t, x, HEED_SHAPE(b, kv, 1, s, d));
        heed_tensor *repeated = heed_expand(t, grouped, HEED_SHAPE(b, kv, heads / kv, s, d));
        x = heed_reshape(t, repeated, HEED_SHAPE(b, heads, s, d));
    }
    heed_tensor *zero = x ? heed_cast(t, heed_full(t, HEED_SCALAR, 0), x->dtype) : NULL;
    return heed_where(t, any, x, zero);
}

heed_tensor *heed__attention_compose(heed_tape *t, const heed_call *c, double dropout)
{
    const heed__attention *a = c->attributes;
    heed_tensor *q = c->x[0], *any = NULL, *visible = visible_keys(t, c, &any);
    heed_tensor *k = spread(t, c->x[1], q->shape[1], any),
                *v = spread(t, c->x[2], q->shape[1], any);
    heed_tensor *scores = heed_scale(t, heed_matmul(t, q, heed_swap(t, k, -1, -2)), a->scale);
    /* Finite, so that a row with nothing to see has a softmax; what it gives is then set to 0.
     */
    heed_tensor *low = heed_cast(t, heed_full(t, HEED_SCALAR, -1e30), q->dtype);
    heed_tensor *weights = heed_softmax(t, heed_where(t, visible, scores, low), -1);
    heed_tensor *zero = heed_cast(t, heed_full(t, HEED_SCALAR, 0), q->dtype);
    weights = heed_where(t, visible, weights, zero);
    if (dropout != 0)
        weights = heed_dropout(t, weights, dropout);
    return heed_matmul(t, weights, v);
}
static heed_tensor *attention_compose(heed_tape *t, const heed_call *c)
{
    return heed__attention_compose(t, c, 0);
}

#define SCALED(s, causality)               \
    .attributes = &(const heed__attention) \
    {                                      \
        s, causality                       \
    }
static const heed_case attention_cases[] = {
    { .label = "cross",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 3) },
             { .shape = HEED_DIMS(1, 2, 3, 3) },
             { .shape = HEED_DIMS(1, 2, 3, 2) } },
      .absent = 8,
      SCALED(0.57, HEED_NOT_CAUSAL) },
    { .label = "causal, shared keys",
      .x = { { .shape = HEED_DIMS(2, 2, 3, 2) },
             { .shape = HEED_DIMS(2, 1, 3, 2) },
             { .shape = HEED_DIMS(2, 1, 3, 2) } },
      .absent = 8,
      SCALED(1, HEED_CAUSAL_TOP_LEFT) },
    { .label = "causal, earlier keys",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 2) },
             { .shape = HEED_DIMS(1, 1, 4, 2) },
             { .shape = HEED_DIMS(1, 1, 4, 2) } },
      .absent = 8,
      SCALED(0.7, HEED_CAUSAL_BOTTOM_RIGHT) },
    { .label = "masked",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 3) },
             { .shape = HEED_DIMS(1, 1, 4, 3) },
             { .shape = HEED_DIMS(1, 1, 4, 2) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 4),
               .values = (const double[]){ 1, 0, 1, 1, 1, 1, 0, 0 } } },
      SCALED(0.6, HEED_NOT_CAUSAL) },
    { .label = "a row that sees nothing, NaN where nobody looks",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 1, 2 } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 3, NAN } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 5, NAN } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, 0, 0, 0 } } },
      SCALED(1, HEED_NOT_CAUSAL),
      .stated = true,
      .y = (const double[]){ 5, 0 },
      .gx = { (const double[]){ 0, 0 }, (const double[]){ 0, 0 }, (const double[]){ 1, 0 } } },
    { .label = "no keys",
      .x = { { .shape = HEED_DIMS(1, 1, 1, 2) },
             { .shape = HEED_DIMS(1, 1, 0, 2) },
             { .shape = HEED_DIMS(1, 1, 0, 1) } },
      .absent = 8,
      SCALED(1, HEED_NOT_CAUSAL),
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 0, 0 } } },
};
#define QKV(h, s, d, dv)                                                    \
    { .shape = HEED_DIMS(1, 2, 3, 4) }, { .shape = HEED_DIMS(1, h, s, d) }, \
    {                                                                       \
        .shape = HEED_DIMS(1, h, 5, dv)                                     \
    }
static const heed_case attention_refusals[] = {
    { .label = "the 3 heads of k and v do not divide the 2 of q",
      .x = { QKV(3, 5, 4, 2) },
      .absent = 8,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "k must have q's width and v's length",
      .x = { QKV(2, 5, 3, 2) },
      .absent = 8,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "k must have q's width and v's length",
      .x = { QKV(2, 6, 4, 2) },
      .absent = 8,
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "the mask does not broadcast to [1,2,3,5]",
      .x = { QKV(2, 5, 4, 2), { .dtype = HEED_BOOL, .shape = HEED_DIMS(3, 4) } },
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "the mask does not broadcast to [1,2,3,5]",
      .x = { QKV(2, 5, 4, 2), { .dtype = HEED_BOOL, .shape = HEED_DIMS(3, 1, 1, 5) } },
      SCALED(1, HEED_NOT_CAUSAL) },
    { .label = "scale 0 is not positive",
      .x = { QKV(2, 5, 4, 2) },
      .absent = 8,
      SCALED(0, HEED_NOT_CAUSAL) },
    { .label = "there is no causality 7", .x = { QKV(2, 5, 4, 2) }, .absent = 8, SCALED(1, 7) },
};
HEED_DEFINE_OP(attention) = {
    .name = "attention",
    .arity = 4,
    .optional = 8,
    .integer = 8,
    .dense_rows = 7,
    .attributes_size = sizeof(heed__attention),
    .shape = heed__attention_shape,
    .run = heed__attention_run,
    .formula = "O = P V, P = softmax(scale Q K^T) over the visible keys",
    .adjoint = "GV = P^T GO, dS = P (GO V^T - rowsum(GO O)), GQ = scale dS K, "
               "GK = scale dS^T Q",
    .cost = "B H T S (2 D + 2 Dv) + B H T S (6 D + 4 Dv)",
    .uses = HEED_USES_X(0) | HEED_USES_X(1) | HEED_USES_X(2) | HEED_USES_X(3) | HEED_USES_Y,
    .vjp = attention_vjp,
    .compose = attention_compose,
    HEED_REFUSES(attention_refusals),
    HEED_CASES(attention_cases)
};

/* attention_grad.   Operands q, k, v, mask, o, go, lse; the result is GQ, GK, GV, packed. */
static bool attention_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!heed__attention_check(t, c))
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
    kernel_attention g = heed__attention_arguments(c);
    g.o = o->data;
    g.go = go->data;
    g.lse = lse->data;
    g.gq = gradient[0].data;
    g.gk = gradient[1].data;
    g.gv = gradient[2].data;
    for (int i = 0; i < 3; i++) {
        g.o_strides[i] = o->strides[i];
        g.go_strides[i] = go->strides[i];
        g.gq_strides[i] = gradient[0].strides[i];
        g.gk_strides[i] = gradient[1].strides[i];
        g.gv_strides[i] = gradient[2].strides[i];
    }
    g.scratch = scratch;
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
        heads_last(x->shape[1], x->shape[2], x->shape[3], gradient[i].strides);
        at += (size_t)heed_size(x) * heed_dtype_size(y->dtype);
    }
    heed__attention_gradients(c, c->x[4], c->x[5], c->x[6], gradient, c->scratch);
}
static const heed_case attention_grad_cases[] = {
    { .label = "one key",
      .n = 7,
      .x = { { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 2 } },
             { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 3 } },
             { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 5 } },
             { 0 },
             { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 5 } },
             { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 7 } },
             { .shape = HEED_DIMS(1, 1, 1), .values = (const double[]){ 6 } } },
      .absent = 8,
      SCALED(1, HEED_NOT_CAUSAL),
      .stated = true,
      .y = (const double[]){ 0, 0, 7 } },
    { .label = "a row that sees nothing",
      .n = 7,
      .x = { { .shape = HEED_DIMS(1, 1, 1, 1) },
             { .shape = HEED_DIMS(1, 1, 1, 1) },
             { .shape = HEED_DIMS(1, 1, 1, 1) },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(1, 1), .values = (const double[]){ 0 } },
             { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 0 } },
             { .shape = HEED_DIMS(1, 1, 1, 1) },
             { .shape = HEED_DIMS(1, 1, 1), .values = (const double[]){ INFINITY } } },
      SCALED(1, HEED_NOT_CAUSAL),
      .stated = true,
      .y = (const double[]){ 0, 0, 0 } },
};
HEED_DEFINE_OP(attention_grad) = {
    .name = "attention_grad",
    .arity = 7,
    .optional = 8,
    .integer = 8,
    .dense_rows = 1 | 2 | 4 | 16 | 32,
    .dense = 64,
    .attributes_size = sizeof(heed__attention),
    .shape = attention_grad_shape,
    .run = attention_grad_run,
    .formula = "attention's GQ, GK, GV, packed",
    .adjoint = "none: a recorded sweep takes attention's composition",
    HEED_CASES(attention_grad_cases)
};

/* ---- the calls ---- */

heed__attention heed__attention_resolve(const heed_attention_options *o, int64_t width)
{
    heed__attention a;
    memset(&a, 0, sizeof a);
    a.causality = o->causality;
    a.scale = o->scale == 0 ? width > 0 ? 1 / sqrt((double)width) : 1 : o->scale;
    return a;
}

heed_tensor *heed_attention(heed_tape *t, heed_tensor *q, heed_tensor *k, heed_tensor *v,
                            heed_tensor *mask, const heed_attention_options *options)
{
    heed_attention_options o = options ? *options : (heed_attention_options){ 0 };
    if (!t || heed_error(t))
        return NULL;
    heed__attention a = heed__attention_resolve(&o, q && q->ndim == 4 ? q->shape[3] : 1);
    heed_tensor *x[4] = { q, k, v, mask };
    bool drops = o.dropout != 0 && heed_training(t);
    if (!o.composed && !drops)
        return heed_apply(t, &heed_op_attention, 4, x, &a);
    heed_call call = { .op = &heed_op_attention, .n = 4, .x = x, .attributes = &a };
    for (int i = 0; i < 3; i++) {
        if (!x[i])
            return heed_fail(t, "attention: operand %d is NULL", i);
    }
    return heed__attention_check(t, &call)
               ? heed__attention_compose(t, &call, drops ? o.dropout : 0)
               : NULL;
}
