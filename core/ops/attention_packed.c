/* Self-attention straight from the packed projection: attention's records on views of one
 * tensor, so that neither splitting the heads nor joining them, nor their adjoints, copies
 * anything. */
#include "attention.h"

#include <string.h>

typedef struct packed_attributes {
    heed__attention attention;
    int heads;
} packed_attributes;

/* q, k and v as views of qkv [B, T, 3 C], and the call that attention itself would see. */
typedef struct unpacked {
    heed_tensor view[3];
    heed_tensor *x[ATTENTION_OPERANDS];
    heed_call call;
} unpacked;

/* View `which` (0 q, 1 k, 2 v) of [B, T, 3 C] as [B, H, T, D]. */
static void view_heads(const heed_tensor *packed, int heads, int which, heed_tensor *view)
{
    int64_t width = packed->shape[2] / 3 / heads;
    *view = *packed;
    view->ndim = 4;
    view->shape[1] = heads;
    view->shape[2] = packed->shape[1];
    view->shape[3] = width;
    view->strides[1] = width;
    view->strides[2] = packed->strides[1];
    view->strides[3] = 1;
    view->data =
        (char *)packed->data + which * heads * width * (int64_t)heed_dtype_size(packed->dtype);
}

static void unpack(const heed_call *c, unpacked *u)
{
    const packed_attributes *a = c->attributes;
    for (int i = 0; i < 3; i++) {
        view_heads(c->x[0], a->heads, i, &u->view[i]);
        u->x[i] = &u->view[i];
    }
    u->x[ATTENTION_MASK] = c->x[1];
    for (int i = ATTENTION_MASK + 1; i < ATTENTION_OPERANDS; i++)
        u->x[i] = NULL;
    u->call = (heed_call){ .op = &heed_op_attention,
                           .n = ATTENTION_OPERANDS,
                           .x = u->x,
                           .attributes = &a->attention,
                           .saved = c->saved,
                           .scratch = c->scratch };
}

static bool check_packed(heed_tape *t, const heed_call *c)
{
    const packed_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    if (!heed__floats(t, c))
        return false;
    if (x->ndim != 3 || a->heads < 1 || x->shape[2] % (3 * (int64_t)a->heads) != 0)
        return heed_refuse(t, c, "needs [B,T,3C] with C divisible by %d heads", a->heads);
    unpacked u;
    unpack(c, &u);
    return heed__attention_check(t, &u.call);
}

/* attention_packed.   [B, T, 3 C] holds q, k and v; the result is [B, T, C], heads joined. The
 * formulas are attention's; reading and writing the packed tensor in place spares every copy.
 */
static bool packed_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    unpacked u;
    heed_result inner = { 0 };
    if (!check_packed(t, c))
        return false;
    unpack(c, &u);
    if (!heed__attention_shape(t, &u.call, &inner))
        return false;
    *r = inner;
    r->ordered = false;
    r->shape = HEED_SHAPE(c->x[0]->shape[0], c->x[0]->shape[1], c->x[0]->shape[2] / 3);
    return true;
}
/* [B, T, C] as [B, H, T, D]. */
static heed_tensor by_heads(const heed_tensor *x, int heads)
{
    heed_tensor view = *x;
    view.ndim = 4;
    view.shape[1] = heads;
    view.shape[2] = x->shape[1];
    view.shape[3] = x->shape[2] / heads;
    view.strides[1] = view.shape[3];
    view.strides[2] = x->strides[1];
    view.strides[3] = 1;
    return view;
}
static void packed_run(const heed_call *c, heed_tensor *y)
{
    unpacked u;
    unpack(c, &u);
    heed_tensor heads = by_heads(y, ((const packed_attributes *)c->attributes)->heads);
    heed__attention_run(&u.call, &heads);
}
static void packed_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    heed_tensor *x[5] = { c->x[0], c->x[1], y, gy, c->saved[0] };
    gx[0] = heed_apply(t, &heed_op_attention_packed_grad, 5, x, c->attributes);
}
static heed_tensor *packed_compose(heed_tape *t, const heed_call *c)
{
    const packed_attributes *a = c->attributes;
    int64_t width = c->x[0]->shape[2] / 3;
    heed_tensor *x[ATTENTION_OPERANDS] = { [ATTENTION_MASK] = c->x[1] };
    for (int i = 0; i < 3; i++)
        x[i] = heed_split_heads(t, heed_slice(t, c->x[0], 2, i * width, (i + 1) * width, 1),
                                a->heads);
    if (!x[0] || !x[1] || !x[2])
        return NULL;
    heed_call call = {
        .op = &heed_op_attention, .n = ATTENTION_OPERANDS, .x = x, .attributes = &a->attention
    };
    return heed_join_heads(t, heed__attention_compose(t, &call, NULL));
}
#define PACKED(s, c, h)                            \
    .attributes = &(const packed_attributes)       \
    {                                              \
        { .scale = s, .causality = c }, .heads = h \
    }
static const heed_case packed_cases[] = {
    { .label = "half dropped",
      .x = { { .shape = HEED_DIMS(2, 3, 12) } },
      .absent = 2,
      .attributes =
          &(const packed_attributes){
              { .scale = 0.7, .causality = HEED_CAUSAL_TOP_LEFT, .dropout = { 0.5, 3 } },
              .heads = 2 } },
    { .label = "two heads, causal",
      .x = { { .shape = HEED_DIMS(1, 2, 12) } },
      .absent = 2,
      PACKED(0.7, HEED_CAUSAL_TOP_LEFT, 2) },
    { .label = "masked",
      .x = { { .shape = HEED_DIMS(2, 2, 6) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 1, 1, 2),
               .values = (const double[]){ 1, 1, 1, 0 } } },
      PACKED(0.5, HEED_NOT_CAUSAL, 1) },
    { .label = "capped, a window and a prefix",
      .x = { { .shape = HEED_DIMS(1, 4, 12) } },
      .absent = 2,
      .attributes = &(const packed_attributes){ { .scale = 0.8,
                                                  .cap = 0.7,
                                                  .causality = HEED_CAUSAL_TOP_LEFT,
                                                  .windowed = true,
                                                  .left = 1,
                                                  .prefix = 1 },
                                                .heads = 2 } },
    { .label = "one position",
      .x = { { .shape = HEED_DIMS(1, 1, 3), .values = (const double[]){ 2, 3, 5 } } },
      .absent = 2,
      PACKED(1, HEED_NOT_CAUSAL, 1),
      .stated = true,
      .y = (const double[]){ 5 },
      .gx = { (const double[]){ 0, 0, 1 } } },
};
static double packed_arithmetic(const heed_call *c, const heed_tensor *y)
{
    (void)c;
    return 4 * (double)heed_size(y) * (double)y->shape[1];
}
HEED_DEFINE_OP(attention_packed) = { .name = "attention_packed",
                                     .arity = 2,
                                     .optional = 2,
                                     .integer = 2,
                                     .dense = 1,
                                     .attributes_size = sizeof(packed_attributes),
                                     .shape = packed_shape,
                                     .run = packed_run,
                                     .formula = "attention of q, k, v = x, heads joined",
                                     .adjoint = "gx = attention's GQ, GK, GV side by side",
                                     .cost = "B H T S (2 D + 2 Dv) + B H T S (6 D + 4 Dv)",
                                     .arithmetic = packed_arithmetic,
                                     .uses = HEED_USES_X(0) | HEED_USES_X(1) | HEED_USES_Y,
                                     .vjp = packed_vjp,
                                     .compose = packed_compose,
                                     HEED_CASES(packed_cases) };

/* attention_packed_grad.   Operands qkv, mask, o, go, lse; the result has qkv's shape. */
static bool packed_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!check_packed(t, c))
        return false;
    unpacked u;
    unpack(c, &u);
    kernel_attention g = heed__attention_arguments(&u.call);
    heed_shape joined = HEED_SHAPE(g.batch, g.queries, g.heads * g.width);
    if (!heed__attention_has(t, c, 2, joined) || !heed__attention_has(t, c, 3, joined) ||
        !heed__attention_has(t, c, 4, HEED_SHAPE(g.batch, g.heads, g.queries)))
        return false;
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[0]);
    r->scratch = heed__kernels(r->dtype)->attention_grad_scratch(&g);
    return true;
}
static void packed_grad_run(const heed_call *c, heed_tensor *y)
{
    int heads = ((const packed_attributes *)c->attributes)->heads;
    unpacked u;
    unpack(c, &u);
    heed_tensor o = by_heads(c->x[2], heads), go = by_heads(c->x[3], heads), gradient[3];
    for (int i = 0; i < 3; i++)
        view_heads(y, heads, i, &gradient[i]);
    heed__attention_gradients(&u.call, &o, &go, c->x[4], gradient, c->scratch);
}
static const heed_case packed_grad_cases[] = {
    { .label = "one position",
      .x = { { .shape = HEED_DIMS(1, 1, 3), .values = (const double[]){ 2, 3, 5 } },
             { 0 },
             { .shape = HEED_DIMS(1, 1, 1), .values = (const double[]){ 5 } },
             { .shape = HEED_DIMS(1, 1, 1), .values = (const double[]){ 7 } },
             { .shape = HEED_DIMS(1, 1, 1), .values = (const double[]){ 6 } } },
      .absent = 2,
      PACKED(1, HEED_NOT_CAUSAL, 1),
      .stated = true,
      .y = (const double[]){ 0, 0, 7 } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0, 1, 3) },
             { 0 },
             { .shape = HEED_DIMS(0, 1, 1) },
             { .shape = HEED_DIMS(0, 1, 1) },
             { .shape = HEED_DIMS(0, 1, 1) } },
      .absent = 2,
      PACKED(1, HEED_NOT_CAUSAL, 1),
      .stated = true },
};
HEED_DEFINE_OP(attention_packed_grad) = {
    .name = "attention_packed_grad",
    .arity = 5,
    .optional = 2,
    .integer = 2,
    .dense = 1 | 4 | 8 | 16,
    .attributes_size = sizeof(packed_attributes),
    .shape = packed_grad_shape,
    .run = packed_grad_run,
    .formula = "attention_packed's gx",
    .adjoint = "none: a recorded sweep takes attention_packed's composition",
    HEED_CASES(packed_grad_cases)
};

/* ---- for who watches ---- */

typedef struct watched {
    heed_tensor *qkv, *mask;
    const heed_attention_options *options;
    int heads;
} watched;

static heed_tensor *make_weights(heed_tape *t, int64_t example, void *user)
{
    const watched *w = user;
    heed_tensor *one = example < 0 ? w->qkv : heed_slice(t, w->qkv, 0, example, example + 1, 1);
    int64_t width = w->qkv->shape[2] / 3;
    heed_tensor *q = heed_split_heads(t, heed_slice(t, one, 2, 0, width, 1), w->heads);
    heed_tensor *k = heed_split_heads(t, heed_slice(t, one, 2, width, 2 * width, 1), w->heads);
    heed_tensor *mask = heed__attention_example(t, w->mask, example);
    return heed_attention_weights(t, q, k, mask, w->options);
}

heed_tensor *heed_attention_packed(heed_tape *t, heed_tensor *qkv, int heads, heed_tensor *mask,
                                   const heed_attention_options *options)
{
    heed_attention_options o = options ? *options : (heed_attention_options){ 0 };
    packed_attributes a;
    if (!t || heed_error(t))
        return NULL;
    memset(&a, 0, sizeof a);
    a.attention = heed__attention_resolve(
        &o, qkv && qkv->ndim == 3 && heads > 0 ? qkv->shape[2] / 3 / heads : 1);
    a.heads = heads;
    heed_tensor *x[2] = { qkv, mask };
    if (heed__attention_fuses(&o) && !o.bias && !o.slopes && !o.sinks) {
        a.attention.dropout = heed__attention_dropout(t, &o);
        heed_tensor *y = heed_apply(t, &heed_op_attention_packed, 2, x, &a);
        watched w = { qkv, mask, &o, heads };
        if (heed_attention_watched(t))
            heed_attention_show_made(t, qkv->shape[0], make_weights, &w, o.queries);
        return heed_error(t) ? NULL : y;
    }
    heed_call call = { .op = &heed_op_attention_packed, .n = 2, .x = x, .attributes = &a };
    if (!qkv)
        return heed_fail(t, "attention_packed: operand 0 is NULL");
    if (!check_packed(t, &call))
        return NULL;
    int64_t width = qkv->shape[2] / 3;
    heed_tensor *q = heed_split_heads(t, heed_slice(t, qkv, 2, 0, width, 1), heads);
    heed_tensor *k = heed_split_heads(t, heed_slice(t, qkv, 2, width, 2 * width, 1), heads);
    heed_tensor *v = heed_split_heads(t, heed_slice(t, qkv, 2, 2 * width, 3 * width, 1), heads);
    return heed_join_heads(t, heed_attention(t, q, k, v, mask, &o));
}
