/* Attention with a feature map in place of the softmax, so that keys and values are summed up
 * once for all queries. */
#include "attention.h"

#include <string.h>

typedef struct linear_attributes {
    heed_feature_map feature;
    bool causal;
} linear_attributes;

/* Positions summed within by a product; states are kept from one such piece to the next. */
enum { PIECE = 64 };

/* linear_attention.   f = elu + 1 or relu;  S_i = sum_j f(k_j) (v_j, 1)^T over all j or,
 * causal, j <= i;  (n_i, z_i) = f(q_i) S_i;  o_i = n_i / z_i, and 0 where z_i = 0. The causal
 * sums go in pieces: S before the piece, a running sum over pieces, and within it tril(f(Q)
 * f(K)^T). */
static bool linear_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const linear_attributes *a = c->attributes;
    const heed_tensor *q = c->x[0], *k = c->x[1], *v = c->x[2], *mask = c->x[3];
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
    if (a->causal && q->shape[2] != k->shape[2])
        return heed_refuse(t, c, "causal sums need as many keys as queries");
    if (a->feature != HEED_FEATURE_ELU && a->feature != HEED_FEATURE_RELU)
        return heed_refuse(t, c, "there is no feature map %d", (int)a->feature);
    if (mask && mask->dtype != HEED_BOOL)
        return heed_refuse(t, c, "the mask is %s but must be bool",
                           heed_dtype_name(mask->dtype));
    int64_t full[4] = { q->shape[0], k->shape[1], 1, k->shape[2] };
    for (int i = 1; mask && i <= mask->ndim; i++) {
        int64_t extent = mask->shape[mask->ndim - i];
        if (i > 4 || (extent != 1 && extent != full[4 - i]))
            return heed_refuse(t, c, "the mask does not broadcast to [%lld,%lld,1,%lld]",
                               (long long)full[0], (long long)full[1], (long long)full[3]);
    }
    r->dtype = q->dtype;
    r->shape = HEED_SHAPE(q->shape[0], q->shape[1], q->shape[2], v->shape[3]);
    return true;
}

static heed_tensor *constant(heed_tape *t, double value, heed_dtype dtype)
{
    return heed_cast(t, heed_full(t, HEED_SCALAR, value), dtype);
}

static heed_tensor *feature(heed_tape *t, heed_tensor *x, heed_feature_map map)
{
    if (map == HEED_FEATURE_RELU)
        return heed_relu(t, x);
    heed_tensor *zero = constant(t, 0, x->dtype);
    heed_tensor *positive = heed_greater(t, x, zero);
    heed_tensor *below = heed_exp(t, heed_where(t, positive, zero, x));
    return heed_where(t, positive, heed_shift(t, x, 1), below);
}

/* A mask [..., 1, S] of keys as one of their rows, [..., S, 1]. */
static heed_tensor *of_rows(heed_tape *t, heed_tensor *mask)
{
    return mask->ndim < 2 ? heed_reshape(t, mask, HEED_SHAPE(-1, 1))
                          : heed_swap(t, mask, -1, -2);
}

/* f(k), 0 where it is hidden; also before the map, so that NaN in what is hidden stays there. */
static heed_tensor *key_features(heed_tape *t, heed_tensor *k, heed_tensor *mask,
                                 heed_feature_map map)
{
    if (!mask)
        return feature(t, k, map);
    heed_tensor *zero = constant(t, 0, k->dtype), *rows = of_rows(t, mask);
    heed_tensor *shown = heed_where(t, rows, k, zero);
    return shown ? heed_where(t, rows, feature(t, shown, map), zero) : NULL;
}

static heed_tensor *zeros(heed_tape *t, const heed_tensor *like, int axis, int64_t extent)
{
    heed_shape shape = heed_shape_of(like);
    shape.size[axis] = extent;
    return heed_expand(t, constant(t, 0, like->dtype), shape);
}

/* [B, H, T, D] as [B, H, pieces, positions, D], with zeros after the end. */
static heed_tensor *in_pieces(heed_tape *t, heed_tensor *x, int64_t pieces, int64_t positions)
{
    int64_t rest = pieces * positions - x->shape[2];
    if (rest > 0)
        x = heed_concatenate(t, 2, (heed_tensor *[]){ x, zeros(t, x, 2, rest) }, 2);
    return x ? heed_reshape(
                   t, x, HEED_SHAPE(x->shape[0], x->shape[1], pieces, positions, x->shape[3]))
             : NULL;
}

/* Which of n keys as many queries see: j <= i. */
static heed_tensor *past(heed_tape *t, int64_t n)
{
    heed_tensor *place = heed_arange(t, 0, (int32_t)n);
    return heed_greater_equal(t, heed_unsqueeze(t, place, 1), place);
}

static heed_tensor *causal_sums(heed_tape *t, heed_tensor *q, heed_tensor *k, heed_tensor *v)
{
    int64_t length = q->shape[2], positions = length < 1 ? 1 : length < PIECE ? length : PIECE;
    int64_t pieces = (length + positions - 1) / positions;
    q = in_pieces(t, q, pieces, positions);
    k = in_pieces(t, k, pieces, positions);
    v = in_pieces(t, v, pieces, positions);
    heed_tensor *transposed = heed_swap(t, k, -1, -2);
    heed_tensor *seen = past(t, positions);
    heed_tensor *inner = heed__apply3(t, &heed_op_seen_products, q, k, seen, NULL);
    heed_tensor *sums = heed__apply3(t, &heed_op_seen_sums, inner, v, seen, NULL);
    if (pieces > 1) {
        heed_tensor *states = heed_cumsum(t, heed_matmul(t, transposed, v), 2);
        heed_tensor *before = heed_slice(t, states, 2, 0, pieces - 1, 1);
        if (!before)
            return NULL;
        heed_tensor *both[2] = { zeros(t, before, 2, 1), before };
        heed_tensor *earlier = heed_matmul(t, q, heed_concatenate(t, 2, both, 2));
        sums = heed_add(t, sums, earlier);
    }
    if (!sums)
        return NULL;
    sums = heed_reshape(
        t, sums,
        HEED_SHAPE(sums->shape[0], sums->shape[1], pieces * positions, sums->shape[4]));
    return heed_slice(t, sums, 2, 0, length, 1);
}

/* k or v for every query head. */
static heed_tensor *for_heads(heed_tape *t, heed_tensor *x, int64_t heads)
{
    if (!x || x->shape[1] == heads)
        return x;
    int64_t b = x->shape[0], kv = x->shape[1], s = x->shape[2], d = x->shape[3];
    heed_tensor *grouped = heed_reshape(t, x, HEED_SHAPE(b, kv, 1, s, d));
    heed_tensor *repeated = heed_expand(t, grouped, HEED_SHAPE(b, kv, heads / kv, s, d));
    return heed_reshape(t, repeated, HEED_SHAPE(b, heads, s, d));
}

static heed_tensor *linear_compose(heed_tape *t, const heed_call *c)
{
    const linear_attributes *a = c->attributes;
    heed_tensor *q = c->x[0], *k = c->x[1], *v = c->x[2], *mask = c->x[3];
    int64_t heads = q->shape[1], width = v->shape[3];
    heed_dtype dtype = q->dtype;
    heed_tensor *fq = feature(t, q, a->feature), *zero = constant(t, 0, dtype);
    heed_shape column = heed_shape_of(v);
    column.size[3] = 1;
    heed_tensor *one = heed_expand(t, constant(t, 1, dtype), column);
    heed_tensor *fk = key_features(t, k, mask, a->feature);
    if (mask)
        v = heed_where(t, of_rows(t, mask), v, zero);
    v = heed_concatenate(t, 2, (heed_tensor *[]){ v, one }, -1);
    fk = for_heads(t, fk, heads);
    v = for_heads(t, v, heads);
    if (!fq || !fk || !v)
        return NULL;
    heed_tensor *sums = a->causal
                            ? causal_sums(t, fq, fk, v)
                            : heed_matmul(t, fq, heed_matmul(t, heed_swap(t, fk, -1, -2), v));
    heed_tensor *top = heed_slice(t, sums, -1, 0, width, 1);
    heed_tensor *bottom = heed_slice(t, sums, -1, width, width + 1, 1);
    heed_tensor *nothing = heed_equal(t, bottom, zero);
    heed_tensor *safe = heed_where(t, nothing, constant(t, 1, dtype), bottom);
    return heed_where(t, nothing, zero, heed_div(t, top, safe));
}

static const heed_case linear_cases[] = {
    { .label = "elu, shared keys",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 3), .gap = 0.05 },
             { .shape = HEED_DIMS(1, 1, 3, 3), .gap = 0.05 },
             { .shape = HEED_DIMS(1, 1, 3, 2),
               .values = (const double[]){ 1, -1, -1, 2, 2, 0.5 } } },
      .absent = 8,
      .attributes = &(const linear_attributes){ HEED_FEATURE_ELU, false } },
    /* Values and keys far apart: of equal ones every weighted mean is the same. */
    { .label = "relu, causal",
      .x = { { .shape = HEED_DIMS(1, 1, 3, 2), .low = 0.3, .high = 1 },
             { .shape = HEED_DIMS(1, 1, 3, 2),
               .values = (const double[]){ 0.9, 0.2, 0.3, 0.8, 1, 0.1 } },
             { .shape = HEED_DIMS(1, 1, 3, 2),
               .values = (const double[]){ 1, -1, -1, 2, 2, 0.5 } } },
      .absent = 8,
      .attributes = &(const linear_attributes){ HEED_FEATURE_RELU, true } },
    { .label = "masked, NaN where nobody looks",
      .x = { { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 1 } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 3, NAN } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 5, NAN } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 1, 0 } } },
      .attributes = &(const linear_attributes){ HEED_FEATURE_ELU, false },
      .stated = true,
      .y = (const double[]){ 5 },
      .gx = { (const double[]){ 0 }, (const double[]){ 0, 0 }, (const double[]){ 1, 0 } } },
    { .label = "nothing to divide by gives 0",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ -1, 2 } },
             { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 3 } },
             { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 7 } } },
      .absent = 8,
      .attributes = &(const linear_attributes){ HEED_FEATURE_RELU, false },
      .stated = true,
      .y = (const double[]){ 0, 7 },
      .gx = { (const double[]){ 0, 0 }, (const double[]){ 0 }, (const double[]){ 1 } } },
    { .label = "elu + 1 at 0 and below",
      .x = { { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 0 } },
             { .shape = HEED_DIMS(1, 1, 2, 1),
               .values = (const double[]){ 0, -0.69314718055994531 } },
             { .shape = HEED_DIMS(1, 1, 2, 1), .values = (const double[]){ 0, 3 } } },
      .absent = 8,
      .attributes = &(const linear_attributes){ HEED_FEATURE_ELU, false },
      .stated = true,
      /* weights 2/3, 1/3; d o/d f(k_j) = (v_j - o)/(3/2) */
      .y = (const double[]){ 1 },
      .gx = { (const double[]){ 0 }, (const double[]){ -2.0 / 3, 2.0 / 3 },
              (const double[]){ 2.0 / 3, 1.0 / 3 } } },
};
static const heed_case linear_refusals[] = {
    { .label = "causal sums need as many keys as queries",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 3) },
             { .shape = HEED_DIMS(1, 1, 4, 3) },
             { .shape = HEED_DIMS(1, 1, 4, 3) } },
      .absent = 8,
      .attributes = &(const linear_attributes){ HEED_FEATURE_ELU, true } },
    { .label = "the mask does not broadcast to [1,1,1,4]",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 3) },
             { .shape = HEED_DIMS(1, 1, 4, 3) },
             { .shape = HEED_DIMS(1, 1, 4, 3) },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(2, 4) } },
      .attributes = &(const linear_attributes){ HEED_FEATURE_ELU, false } },
};
HEED_DEFINE_OP(linear_attention) = {
    .name = "linear_attention",
    .arity = 4,
    .optional = 8,
    .integer = 8,
    .attributes_size = sizeof(linear_attributes),
    .shape = linear_shape,
    .compose = linear_compose,
    .formula = "o_i = f(q_i) sum_j f(k_j) v_j^T / f(q_i) sum_j f(k_j)",
    .adjoint = "g_i = (go_i, -go_i . o_i)/z_i, G = sum_i f(q_i) g_i^T: Gf(q_i) = S g_i, "
               "Gf(k_j) = G (v_j, 1), Gv_j = f(k_j) G",
    .cost = "B H (T + S) (2 D Dv) + B H (T + S) (4 D Dv)",
    HEED_REFUSES(linear_refusals),
    HEED_CASES(linear_cases)
};

/* ---- for who watches ---- */

typedef struct watched {
    heed_tensor *q, *k, *mask;
    const linear_attributes *attributes;
} watched;

/* f(q_i) . f(k_j) / z_i, and 0 where z_i = 0. */
static heed_tensor *make_weights(heed_tape *t, int64_t example, void *user)
{
    const watched *w = user;
    heed_tensor *q = heed__attention_example(t, w->q, example),
                *k = heed__attention_example(t, w->k, example);
    heed_tensor *mask = heed__attention_example(t, w->mask, example);
    heed_tensor *fk = q && k ? key_features(t, k, mask, w->attributes->feature) : NULL;
    fk = for_heads(t, fk, w->q->shape[1]);
    heed_tensor *fq = fk ? feature(t, q, w->attributes->feature) : NULL;
    if (!fq)
        return NULL;
    heed_tensor *seen = w->attributes->causal ? past(t, fq->shape[2]) : NULL;
    heed_tensor *zero = constant(t, 0, fq->dtype), *one = constant(t, 1, fq->dtype);
    heed_tensor *products =
        seen ? heed__apply3(t, &heed_op_seen_products, fq, fk, seen, NULL)
             : heed_matmul(t, fq, heed_swap(t, fk, -1, -2)); /* [1, H, T, S] */
    heed_tensor *sum = heed_sum_axes(t, products, 1, (const int[]){ -1 }, true);
    heed_tensor *nothing = heed_equal(t, sum, zero);
    return heed_div(t, products, heed_where(t, nothing, one, sum));
}

heed_tensor *heed_linear_attention(heed_tape *t, heed_tensor *q, heed_tensor *k, heed_tensor *v,
                                   heed_tensor *mask,
                                   const heed_linear_attention_options *options)
{
    heed_linear_attention_options o = options ? *options : (heed_linear_attention_options){ 0 };
    linear_attributes a;
    memset(&a, 0, sizeof a);
    a.feature = o.feature;
    a.causal = o.causal;
    heed_tensor *x[4] = { q, k, v, mask };
    heed_tensor *y = heed_apply(t, &heed_op_linear_attention, 4, x, &a);
    watched w = { q, k, mask, &a };
    if (y && heed_attention_watched(t))
        heed_attention_show_made(t, q->shape[0], make_weights, &w, HEED_QUERIES_WHOLE);
    return y && !heed_error(t) ? y : NULL;
}
