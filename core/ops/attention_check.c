/* What attention takes: options made attributes, operands and attributes checked and made
 * arguments of the kernel. */
#include "attention.h"

#include <string.h>

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
    a.left = reach(o->left);
    a.right = reach(o->right);
    a.prefix = reach(o->prefix);
    return a;
}

heed__dropout heed__attention_dropout(heed_tape *t, const heed_attention_options *o)
{
    bool off = !heed_training(t) && o->dropout >= 0 && o->dropout < 1;
    if (off || o->dropout == 0)
        return (heed__dropout){ 0, 0 };
    return heed__draw_dropout(t, o->dropout);
}

bool heed__attention_fuses(const heed_attention_options *o)
{
    return !o->composed && !o->score;
}

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
                           .dropout = a->dropout.probability,
                           .dropout_key = a->dropout.key,
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
    if (!(a->dropout.probability >= 0 && a->dropout.probability < 1))
        return heed_refuse(t, c, "dropout %g is not in [0, 1)", a->dropout.probability);
    if (a->windowed && (a->left < 0 || a->right < 0))
        return heed_refuse(t, c,
                           "the window reaches %lld to the left and %lld to the right, "
                           "which must not be negative",
                           (long long)a->left, (long long)a->right);
    if (!a->windowed && (a->left != 0 || a->right != 0))
        return heed_refuse(t, c, "left %lld and right %lld are of a window, which is off",
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

bool heed__attention_has(heed_tape *t, const heed_call *c, int i, heed_shape shape)
{
    const heed_tensor *x = c->x[i];
    char text[HEED_MAX_NDIM * 21 + 8];
    bool same = x->ndim == shape.ndim;
    for (int k = 0; same && k < shape.ndim; k++)
        same = x->shape[k] == shape.size[k];
    return same || heed_refuse(t, c, "operand %d must have shape %s", i,
                               heed_shape_text(&shape, text, sizeof text));
}

bool heed__attention_check(heed_tape *t, const heed_call *c)
{
    return heed__floats(t, c) && heed__attention_fits(t, c);
}
