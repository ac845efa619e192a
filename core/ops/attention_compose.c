/* Attention in plain ops: the oracle of the fused kernel, its way to higher order, and the only
 * form that takes a score function. */
#include "attention.h"

#include <float.h>

static heed_tensor *number(heed_tape *t, double value, heed_dtype dtype)
{
    return heed_cast(t, heed_full(t, HEED_SCALAR, value), dtype);
}

static heed_tensor *nowhere(heed_tape *t, heed_shape shape)
{
    heed_tensor *zero = heed_full(t, HEED_SCALAR, 0), *one = heed_full(t, HEED_SCALAR, 1);
    heed_tensor *no = heed_equal(t, zero, one);
    return heed_contiguous(t, heed_expand(t, no, shape));
}

static int64_t extent_of(const heed_tensor *x, int axis)
{
    int at = x ? axis - (4 - x->ndim) : -1;
    return at < 0 ? 1 : x->shape[at];
}

static bool may_see(const heed_call *c, const kernel_attention *g, const int64_t at[4])
{
    const heed_tensor *bias = c->x[ATTENTION_BIAS];
    int64_t place = at[2] + g->offset, j = at[3], mask = 0, add = 0;
    if (j >= g->prefix && g->causal && j > place)
        return false;
    if (j >= g->prefix && g->windowed && (j < place - g->left || j > place + g->right))
        return false;
    for (int i = 0; i < 4; i++) {
        mask += at[i] * g->mask_strides[i];
        add += at[i] * g->bias_strides[i];
    }
    if (g->mask && !g->mask[mask])
        return false;
    if (!bias)
        return true;
    return bias->dtype == HEED_F64 ? ((const double *)bias->data)[add] != -INFINITY
                                   : ((const float *)bias->data)[add] != -INFINITY;
}

heed_tensor *heed__attention_visible(heed_tape *t, const heed_call *c, heed_tensor **any)
{
    kernel_attention g = heed__attention_arguments(c);
    heed_shape shape = { 4, { 1, 1, g.queries, g.keys } };
    for (int i = 0; i < 2; i++) {
        int64_t mask = extent_of(c->x[ATTENTION_MASK], i),
                bias = extent_of(c->x[ATTENTION_BIAS], i);
        shape.size[i] = mask == 1 ? bias : mask;
    }
    heed_tensor *visible = nowhere(t, shape);
    *any = nowhere(t, (heed_shape){ 4, { shape.size[0], shape.size[1], g.keys, 1 } });
    if (!visible || !*any)
        return NULL;
    uint8_t *to = visible->data, *seen = (*any)->data;
    int64_t at[4];
    for (at[0] = 0; at[0] < shape.size[0]; at[0]++) {
        for (at[1] = 0; at[1] < shape.size[1]; at[1]++, seen += g.keys) {
            for (at[2] = 0; at[2] < g.queries; at[2]++) {
                for (at[3] = 0; at[3] < g.keys; at[3]++, to++) {
                    *to = may_see(c, &g, at);
                    seen[at[3]] |= *to;
                }
            }
        }
    }
    return visible;
}

heed_tensor *heed__attention_spread(heed_tape *t, heed_tensor *x, int64_t heads,
                                    heed_tensor *any)
{
    if (x->shape[1] != heads) {
        int64_t b = x->shape[0], kv = x->shape[1], s = x->shape[2], d = x->shape[3];
        heed_tensor *grouped = heed_reshape(t, x, HEED_SHAPE(b, kv, 1, s, d));
        heed_tensor *repeated = heed_expand(t, grouped, HEED_SHAPE(b, kv, heads / kv, s, d));
        x = heed_reshape(t, repeated, HEED_SHAPE(b, heads, s, d));
    }
    heed_tensor *zero = x ? number(t, 0, x->dtype) : NULL;
    return heed_where(t, any, x, zero);
}

heed_tensor *heed__attention_distance(heed_tape *t, const heed_call *c)
{
    kernel_attention g = heed__attention_arguments(c);
    heed_dtype dtype = c->x[ATTENTION_Q]->dtype;
    heed_tensor *rows = heed_arange(t, 0, (int32_t)g.queries);
    heed_tensor *keys = heed_arange(t, 0, (int32_t)g.keys);
    rows = heed_reshape(t, heed_cast(t, rows, dtype), HEED_SHAPE(-1, 1));
    rows = heed_shift(t, rows, (double)g.offset);
    return heed_abs(t, heed_sub(t, rows, heed_cast(t, keys, dtype)));
}

/* cap tanh(scale q k^T / cap) + bias - slope |p - j| */
static heed_tensor *scores_of(heed_tape *t, const heed_call *c, heed_tensor *k,
                              heed_tensor *visible, const heed__attention_extras *extras)
{
    const heed__attention *a = c->attributes;
    heed_tensor *q = c->x[ATTENTION_Q], *slopes = c->x[ATTENTION_SLOPES];
    heed_tensor *products = heed__apply3(t, &heed_op_seen_products, q, k, visible, NULL);
    heed_tensor *scores = heed_scale(t, products, a->scale);
    if (a->cap > 0)
        scores = heed_scale(t, heed_tanh(t, heed_scale(t, scores, 1 / a->cap)), a->cap);
    if (extras && extras->score && scores) {
        heed_shape before = heed_shape_of(scores);
        scores = extras->score(t, scores, extras->user);
        bool same = scores && scores->ndim == before.ndim;
        for (int i = 0; same && i < before.ndim; i++)
            same = scores->shape[i] == before.size[i];
        if (!same)
            return heed_fail(t, "attention: the score function must return the scores' shape");
    }
    if (c->x[ATTENTION_BIAS])
        scores = heed_add(t, scores, c->x[ATTENTION_BIAS]);
    if (slopes) {
        heed_tensor *distance = heed__attention_distance(t, c);
        heed_tensor *column = heed_reshape(t, slopes, HEED_SHAPE(-1, 1, 1));
        scores = heed_sub(t, scores, heed_mul(t, column, distance));
    }
    return scores;
}

/* softmax with the sink as one more column, which is then left out. */
static heed_tensor *softmax_with(heed_tape *t, heed_tensor *scores, heed_tensor *sinks)
{
    if (!sinks || !scores)
        return heed_softmax(t, scores, -1);
    heed_shape column = heed_shape_of(scores);
    column.size[3] = 1;
    heed_tensor *sink = heed_reshape(t, sinks, HEED_SHAPE(-1, 1, 1));
    heed_tensor *both[2] = { scores, heed_expand(t, sink, column) };
    heed_tensor *weights = heed_softmax(t, heed_concatenate(t, 2, both, -1), -1);
    return heed_slice(t, weights, -1, 0, scores->shape[3], 1);
}

static heed_tensor *weights_of(heed_tape *t, const heed_call *c, heed_tensor *visible,
                               heed_tensor *any, const heed__attention_extras *extras)
{
    heed_tensor *q = c->x[ATTENTION_Q];
    heed_tensor *k = heed__attention_spread(t, c->x[ATTENTION_K], q->shape[1], any);
    heed_tensor *scores = k ? scores_of(t, c, k, visible, extras) : NULL;
    /* Finite, so that a row with nothing to see has a softmax; what it gives is then set to 0.
     */
    double most = q->dtype == HEED_F32 ? FLT_MAX : DBL_MAX;
    heed_tensor *low = heed_scale(t, number(t, -1, q->dtype), most);
    heed_tensor *weights =
        softmax_with(t, heed_where(t, visible, scores, low), c->x[ATTENTION_SINKS]);
    return heed_where(t, visible, weights, number(t, 0, q->dtype));
}

heed_tensor *heed__attention_compose_weights(heed_tape *t, const heed_call *c,
                                             const heed__attention_extras *extras)
{
    heed_tensor *any = NULL, *visible = heed__attention_visible(t, c, &any);
    return visible ? weights_of(t, c, visible, any, extras) : NULL;
}

heed_tensor *heed__attention_compose(heed_tape *t, const heed_call *c,
                                     const heed__attention_extras *extras)
{
    const heed__attention *a = c->attributes;
    heed_tensor *any = NULL, *visible = heed__attention_visible(t, c, &any);
    heed_tensor *weights = visible ? weights_of(t, c, visible, any, extras) : NULL;
    if (!weights)
        return NULL;
    heed_tensor *v =
        heed__attention_spread(t, c->x[ATTENTION_V], c->x[ATTENTION_Q]->shape[1], any);
    if (extras)
        heed_attention_show(t, weights, extras->queries);
    if (a->dropout.probability > 0)
        weights = heed__apply1(t, &heed_op_dropout, weights, &a->dropout);
    return heed__apply3(t, &heed_op_seen_sums, weights, v, visible, NULL);
}
