/* The weights of attention as a tensor: what the fused kernel never keeps, made on demand from
 * the log-sum-exp that it does keep. */
#include "attention.h"

/* The call attention itself would see: the operands are attention's without v. */
typedef struct valueless {
    heed_tensor *x[ATTENTION_OPERANDS];
    heed_call call;
} valueless;

static void view_call(const heed_call *c, valueless *u)
{
    u->x[ATTENTION_Q] = c->x[0];
    u->x[ATTENTION_K] = c->x[1];
    u->x[ATTENTION_V] = NULL;
    for (int i = ATTENTION_MASK; i < ATTENTION_OPERANDS; i++)
        u->x[i] = c->x[i - 1];
    u->call = *c;
    u->call.x = u->x;
}

static bool check_weights(heed_tape *t, const heed_call *c)
{
    valueless u;
    if (!heed__floats(t, c))
        return false;
    view_call(c, &u);
    return heed__attention_fits(t, &u.call);
}

/* attention_weights.   P = softmax(S) over the visible keys (and a sink), S as in attention; L
 * = log-sum-exp is kept.
 *   dS = P (GP - rowsum(GP P)),  dU = dS (1 - tanh^2),  GQ = scale dU K,  GK = scale dU^T Q,
 *   Gbias = dS,  Gslope = -sum dS |p - j|,  Gsink = -sum exp(sink - L) rowsum(GP P). */
static bool weights_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    valueless u;
    if (!check_weights(t, c))
        return false;
    view_call(c, &u);
    kernel_attention g = heed__attention_arguments(&u.call);
    const kernel_table *kernels = heed__kernels(c->x[0]->dtype);
    size_t forward = kernels->attention_scratch(&g),
           backward = kernels->attention_grad_scratch(&g);
    r->dtype = c->x[0]->dtype;
    r->shape = HEED_SHAPE(g.batch, g.heads, g.queries, g.keys);
    r->saved = 1;
    r->saved_dtype[0] = r->dtype;
    r->saved_shape[0] = HEED_SHAPE(g.batch, g.heads, g.queries);
    r->scratch = forward > backward ? forward : backward;
    return true;
}
static void weights_run(const heed_call *c, heed_tensor *y)
{
    valueless u;
    view_call(c, &u);
    kernel_attention g = heed__attention_arguments(&u.call);
    const kernel_table *kernels = heed__kernels(y->dtype);
    g.lse = c->saved[0]->data;
    g.scratch = c->scratch;
    kernels->attention(&g);
    g.weights = y->data;
    kernels->attention_weights(&g);
}
/* dU from dS: the cap's part of the derivative, from the products once more. */
static heed_tensor *through_cap(heed_tape *t, const heed_call *c, heed_tensor *k,
                                heed_tensor *visible, heed_tensor *ds)
{
    const heed__attention *a = c->attributes;
    if (a->cap == 0)
        return ds;
    heed_tensor *products = heed__apply3(t, &heed_op_seen_products, c->x[0], k, visible, NULL);
    heed_tensor *y = heed_tanh(t, heed_scale(t, products, a->scale / a->cap));
    return heed__apply2(t, &heed_op_tanh_grad, y, ds, NULL);
}
static void weights_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    const heed__attention *a = c->attributes;
    const heed_tensor *k = c->x[1];
    valueless u;
    view_call(c, &u);
    heed_tensor *any = NULL, *visible = heed__attention_visible(t, &u.call, &any);
    heed_tensor *spread = visible ? heed__attention_spread(t, c->x[1], y->shape[1], any) : NULL;
    gy = heed_where(t, visible, gy, heed__number(t, y, 0));
    heed_tensor *dot = heed_sum_axes(t, heed_mul(t, y, gy), 1, (const int[]){ -1 }, true);
    heed_tensor *ds = heed_mul(t, y, heed_sub(t, gy, dot));
    if (!ds || !spread)
        return;
    heed_tensor *du = heed_scale(t, through_cap(t, c, spread, visible, ds), a->scale);
    if (heed_wants(c, 0))
        gx[0] = heed__apply3(t, &heed_op_seen_sums, du, spread, visible, NULL);
    if (heed_wants(c, 1)) {
        heed_tensor *back = heed_swap(t, du, -1, -2), *seen_by = heed_swap(t, visible, -1, -2);
        heed_tensor *each = heed__apply3(t, &heed_op_seen_sums, back, c->x[0], seen_by, NULL);
        heed_tensor *grouped =
            heed_reshape(t, each,
                         HEED_SHAPE(k->shape[0], k->shape[1], y->shape[1] / k->shape[1],
                                    k->shape[2], k->shape[3]));
        gx[1] = heed_sum_axes(t, grouped, 1, (const int[]){ 2 }, false);
    }
    if (heed_wants(c, ATTENTION_BIAS - 1))
        gx[ATTENTION_BIAS - 1] = ds;
    if (heed_wants(c, ATTENTION_SLOPES - 1)) {
        heed_tensor *moved = heed_mul(t, ds, heed__attention_distance(t, &u.call));
        gx[ATTENTION_SLOPES - 1] =
            heed_neg(t, heed_sum_axes(t, moved, 3, (const int[]){ 0, 2, 3 }, false));
    }
    if (heed_wants(c, ATTENTION_SINKS - 1)) {
        heed_tensor *row = heed_sum_axes(t, dot, 1, (const int[]){ -1 }, false);
        gx[ATTENTION_SINKS - 1] =
            heed__attention_sinks_gradient(t, c->x[ATTENTION_SINKS - 1], c->saved[0], row);
    }
}
static heed_tensor *weights_compose(heed_tape *t, const heed_call *c)
{
    valueless u;
    view_call(c, &u);
    return heed__attention_compose_weights(t, &u.call, NULL);
}
static const heed_case weights_cases[] = {
    { .label = "causal, shared keys",
      .x = { { .shape = HEED_DIMS(1, 2, 3, 2) }, { .shape = HEED_DIMS(1, 1, 3, 2) } },
      .absent = 4 | 8 | 16 | 32,
      .attributes =
          &(const heed__attention){ .scale = 0.7, .causality = HEED_CAUSAL_TOP_LEFT } },
    { .label = "all there is",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 2) },
             { .shape = HEED_DIMS(1, 2, 3, 2) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(1, 1, 1, 3),
               .values = (const double[]){ 1, 0, 1 } },
             { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } },
      .attributes = &(const heed__attention){ .scale = 0.8, .cap = 1.5, .prefix = 1 } },
    { .label = "a row that sees nothing, NaN where nobody looks",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 1, 2 } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 3, NAN } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, 0, 0, 0 } } },
      .absent = 8 | 16 | 32,
      .attributes = &(const heed__attention){ .scale = 1 },
      .stated = true,
      .y = (const double[]){ 1, 0, 0, 0 },
      .gx = { (const double[]){ 0, 0 }, (const double[]){ 0, 0 } } },
    { .label = "no keys",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 1) }, { .shape = HEED_DIMS(1, 1, 0, 1) } },
      .absent = 4 | 8 | 16 | 32,
      .attributes = &(const heed__attention){ .scale = 1 },
      .stated = true,
      .gx = { (const double[]){ 0, 0 } } },
};
static const heed_case weights_refusals[] = {
    { .label = "k must have q's width",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 3) }, { .shape = HEED_DIMS(1, 1, 2, 4) } },
      .absent = 4 | 8 | 16 | 32,
      .attributes = &(const heed__attention){ .scale = 1 } },
    { .label = "the mask does not broadcast to [1,1,2,4]",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 3) },
             { .shape = HEED_DIMS(1, 1, 4, 3) },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(4, 2) } },
      .absent = 8 | 16 | 32,
      .attributes = &(const heed__attention){ .scale = 1 } },
};
static double weights_arithmetic(const heed_call *c, const heed_tensor *y)
{
    return 4 * (double)heed_size(y) * (double)c->x[0]->shape[3];
}
HEED_DEFINE_OP(attention_weights) = {
    .name = "attention_weights",
    .arity = ATTENTION_OPERANDS - 1,
    .optional = 4 | 8 | 16 | 32,
    .integer = 4,
    .dense_rows = 1 | 2 | 8,
    .dense = 16 | 32,
    .attributes_size = sizeof(heed__attention),
    .shape = weights_shape,
    .run = weights_run,
    .formula = "P = softmax(S) over the visible keys and a sink, S as in attention",
    .adjoint = "dS = P (GP - rowsum(GP P)), then as attention",
    .cost = "B H T S 4 D + B H T S 4 D",
    .arithmetic = weights_arithmetic,
    .uses = HEED_USES_X(0) | HEED_USES_X(1) | HEED_USES_X(2) | HEED_USES_X(3) | HEED_USES_X(5) |
            HEED_USES_Y,
    .vjp = weights_vjp,
    .compose = weights_compose,
    HEED_REFUSES(weights_refusals),
    HEED_CASES(weights_cases)
};

heed_tensor *heed_attention_weights(heed_tape *t, heed_tensor *q, heed_tensor *k,
                                    heed_tensor *mask, const heed_attention_options *options)
{
    heed_attention_options o = options ? *options : (heed_attention_options){ 0 };
    if (!t || heed_error(t))
        return NULL;
    heed__attention a = heed__attention_resolve(&o, q && q->ndim == 4 ? q->shape[3] : 1);
    heed_tensor *x[ATTENTION_OPERANDS - 1] = { q, k, mask, o.bias, o.slopes, o.sinks };
    if (!o.composed && !o.score)
        return heed_apply(t, &heed_op_attention_weights, ATTENTION_OPERANDS - 1, x, &a);
    heed_call call = {
        .op = &heed_op_attention_weights, .n = ATTENTION_OPERANDS - 1, .x = x, .attributes = &a
    };
    if (!q || !k)
        return heed_fail(t, "attention_weights: operand %d is NULL", q ? 1 : 0);
    if (!check_weights(t, &call))
        return NULL;
    valueless u;
    view_call(&call, &u);
    heed__attention_extras extras = { o.score, o.user, o.queries };
    return heed__attention_compose_weights(t, &u.call, &extras);
}

/* ---- for who watches ---- */

typedef struct watched {
    heed_tensor *q, *k, *mask;
    const heed_attention_options *options;
} watched;

heed_tensor *heed__attention_example(heed_tape *t, heed_tensor *x, int64_t example)
{
    bool shared = !x || x->ndim < 4 || x->shape[0] == 1 || example < 0;
    return shared ? x : heed_slice(t, x, 0, example, example + 1, 1);
}

static heed_tensor *make_weights(heed_tape *t, int64_t example, void *user)
{
    const watched *w = user;
    heed_attention_options o = *w->options;
    heed_tensor *q = heed__attention_example(t, w->q, example);
    heed_tensor *k = heed__attention_example(t, w->k, example);
    heed_tensor *mask = heed__attention_example(t, w->mask, example);
    o.bias = heed__attention_example(t, o.bias, example);
    return heed_attention_weights(t, q, k, mask, &o);
}

void heed__attention_show(heed_tape *t, heed_tensor *q, heed_tensor *k, heed_tensor *mask,
                          const heed_attention_options *o)
{
    watched w = { q, k, mask, o };
    if (heed_attention_watched(t))
        heed_attention_show_made(t, q->shape[0], make_weights, &w, o->queries);
}
