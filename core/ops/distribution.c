/* Losses of probabilities, composed: binary cross-entropy, Kullback-Leibler divergence,
 * entropy; and the cosine embedding loss. */
#include "loss.h"

typedef struct distribution_attributes {
    heed_reduction reduction;
    double margin;
    int axis;
} distribution_attributes;

#define ATTRIBUTES(...)                            \
    .attributes = &(const distribution_attributes) \
    {                                              \
        __VA_ARGS__                                \
    }

static bool distribution_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const distribution_attributes *a = c->attributes;
    return heed__shape_map(t, c, r) && heed__loss_reduced(t, c, a->reduction, r);
}

static const heed_case distribution_refusals[] = {
    { .label = "do not broadcast",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2) } },
      ATTRIBUTES(.reduction = HEED_MEAN) },
    { .label = "there is no reduction 7",
      .x = { { .shape = HEED_DIMS(2) }, { .shape = HEED_DIMS(2) } },
      ATTRIBUTES(.reduction = NO_REDUCTION) },
};

/* binary_cross_entropy.   y = -z ln s - (1 - z) ln(1 - s),  s = 1/(1 + e^-x). With
 * L = ln(1 + e^-|x|) the logarithms are -ln s = max(-x, 0) + L and -ln(1 - s) = max(x, 0) + L:
 *   y = L + z max(-x, 0) + (1 - z) max(x, 0),  for 0 <= z <= 1 a sum without cancellation
 *   gx = gy (s - z),  gz = -gy x
 * The sides are chosen by a mask, so that the kinks of L and of the maxima, which cancel, are
 * taken from the same side at 0. */
static heed_tensor *binary_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *x = c->x[0], *z = c->x[1];
    heed_tensor *zero = heed__number(t, x, 0);
    heed_tensor *negative = heed_less(t, x, zero);
    heed_tensor *minus_x = heed_neg(t, x);
    heed_tensor *minus_size = heed_where(t, negative, x, minus_x);
    heed_tensor *both = heed_log1p(t, heed_exp(t, minus_size));
    heed_tensor *if_one = heed_where(t, negative, minus_x, zero);
    heed_tensor *if_zero = heed_where(t, negative, zero, x);
    heed_tensor *other = heed_shift(t, heed_neg(t, z), 1);
    heed_tensor *ones = heed_mul(t, z, if_one);
    heed_tensor *zeros = heed_mul(t, other, if_zero);
    heed_tensor *loss = heed_add(t, both, heed_add(t, ones, zeros));
    return heed__loss_reduce(t, loss,
                             ((const distribution_attributes *)c->attributes)->reduction);
}
static const heed_case binary_cases[] = {
    { .label = "mean",
      .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.1 },
             { .shape = HEED_DIMS(2, 3), .low = 0.1, .high = 0.9 } },
      ATTRIBUTES(.reduction = HEED_MEAN) },
    { .label = "sum, broadcast",
      .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.1 },
             { .shape = HEED_DIMS(2, 1), .low = 0.1, .high = 0.9 } },
      ATTRIBUTES(.reduction = HEED_SUM) },
    { .label = "none, across 0",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 0, 0.001, -0.001 } },
             { .shape = HEED_DIMS(3), .low = 0.1, .high = 0.9 } },
      ATTRIBUTES(.reduction = HEED_NONE) },
    { .label = "certain, targets outside of [0, 1], 0",
      .x = { { .shape = HEED_DIMS(5), .values = (const double[]){ 800, -800, -800, 800, 0 } },
             { .shape = HEED_DIMS(5), .values = (const double[]){ 1, 0, 1, -1, 2 } } },
      ATTRIBUTES(.reduction = HEED_NONE),
      .stated = true,
      .y = (const double[]){ 0, 0, 800, 1600, 0.69314718055994530942 },
      .gx = { (const double[]){ 0, 0, -1, 2, -1.5 },
              (const double[]){ -800, 800, 800, -800, 0 } } },
    { .label = "nothing, mean",
      .x = { { .shape = HEED_DIMS(0) }, { .shape = HEED_DIMS(0) } },
      ATTRIBUTES(.reduction = HEED_MEAN),
      .stated = true,
      .y = (const double[]){ NAN } },
};
HEED_DEFINE_OP(binary_cross_entropy) = { .name = "binary_cross_entropy",
                                         .arity = 2,
                                         .attributes_size = sizeof(distribution_attributes),
                                         .shape = distribution_shape,
                                         .compose = binary_compose,
                                         .formula = "y = max(x, 0) - x z + ln(1 + e^-|x|)",
                                         .adjoint = "gx = gy (1/(1 + e^-x) - z), gz = -gy x",
                                         HEED_REFUSES(distribution_refusals),
                                         HEED_CASES(binary_cases) };

/* p ln p as p ln r with r = p, but 1 where p is 0: then 0, and nothing flows. */
static heed_tensor *safe_log(heed_tape *t, heed_tensor *p, heed_tensor *absent)
{
    heed_tensor *one = heed__number(t, p, 1);
    return heed_log(t, heed_where(t, absent, one, p));
}

/* kl_divergence.   y = p (ln p - log_q),  0 where p = 0;   glog_q = -gy p,
 * gp = gy (ln p + 1 - log_q), which grows without bound towards p = 0, and is 0 there: a class
 * that the target leaves out has no say, whatever log_q is. */
static heed_tensor *kl_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *log_q = c->x[0], *p = c->x[1];
    heed_tensor *zero = heed__number(t, p, 0);
    heed_tensor *absent = heed_equal(t, p, zero);
    heed_tensor *log_p = safe_log(t, p, absent);
    heed_tensor *against = heed_where(t, absent, zero, log_q);
    heed_tensor *difference = heed_sub(t, log_p, against);
    return heed__loss_reduce(t, heed_mul(t, p, difference),
                             ((const distribution_attributes *)c->attributes)->reduction);
}
static const heed_case kl_cases[] = {
    { .label = "mean",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3), .low = 0.2, .high = 1 } },
      ATTRIBUTES(.reduction = HEED_MEAN) },
    { .label = "sum, broadcast",
      .x = { { .shape = HEED_DIMS(3) }, { .shape = HEED_DIMS(2, 3), .low = 0.2, .high = 1 } },
      ATTRIBUTES(.reduction = HEED_SUM) },
    { .label = "none",
      .x = { { .shape = HEED_DIMS(2, 2) },
             { .shape = HEED_DIMS(2, 2), .low = 0.2, .high = 1 } },
      ATTRIBUTES(.reduction = HEED_NONE) },
    { .label = "p 0 and 1, q 0",
      .x = { { .shape = HEED_DIMS(4),
               .values = (const double[]){ -2, -INFINITY, 0, -INFINITY } },
             { .shape = HEED_DIMS(4), .values = (const double[]){ 0, 0, 1, 1 } } },
      ATTRIBUTES(.reduction = HEED_NONE),
      .stated = true,
      .y = (const double[]){ 0, 0, 0, INFINITY },
      .gx = { (const double[]){ 0, 0, -1, -1 }, (const double[]){ 0, 0, 1, INFINITY } } },
    { .label = "nothing, mean",
      .x = { { .shape = HEED_DIMS(0) }, { .shape = HEED_DIMS(0) } },
      ATTRIBUTES(.reduction = HEED_MEAN),
      .stated = true,
      .y = (const double[]){ NAN } },
};
HEED_DEFINE_OP(kl_divergence) = {
    .name = "kl_divergence",
    .arity = 2,
    .attributes_size = sizeof(distribution_attributes),
    .shape = distribution_shape,
    .compose = kl_compose,
    .formula = "y = p (ln p - log_q); 0 where p = 0",
    .adjoint = "glog_q = -gy p, gp = gy (ln p + 1 - log_q); 0 where p = 0",
    HEED_REFUSES(distribution_refusals),
    HEED_CASES(kl_cases)
};

/* entropy.   y = -sum p ln p along axis, a term 0 where p = 0;   gp = -gy (ln p + 1), 0 there
 */
static bool entropy_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    int axis =
        heed_axis(t, c, ((const distribution_attributes *)c->attributes)->axis, c->x[0]->ndim);
    if (axis < 0 || !heed__shape_like(t, c, r))
        return false;
    for (int k = axis + 1; k < r->shape.ndim; k++)
        r->shape.size[k - 1] = r->shape.size[k];
    r->shape.ndim--;
    return true;
}
static heed_tensor *entropy_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *p = c->x[0], *zero = heed__number(t, p, 0);
    heed_tensor *absent = heed_equal(t, p, zero);
    heed_tensor *terms = heed_mul(t, p, safe_log(t, p, absent));
    return heed_neg(t, heed_sum_axes(t, terms, 1,
                                     &((const distribution_attributes *)c->attributes)->axis,
                                     false));
}
static const heed_case entropy_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 3), .low = 0.2, .high = 1 } },
      ATTRIBUTES(.axis = -1) },
    { .label = "first axis",
      .x = { { .shape = HEED_DIMS(2, 3), .low = 0.2, .high = 1 } },
      ATTRIBUTES(.axis = 0) },
    { .label = "p 0 and 1",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 0, 1, 0.5, 0.5 } } },
      ATTRIBUTES(.axis = 1),
      .stated = true,
      .y = (const double[]){ 0, 0.69314718055994530942 },
      .gx = { (const double[]){ 0, -1, -0.30685281944005469058, -0.30685281944005469058 } } },
    { .label = "nothing",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      ATTRIBUTES(.axis = 1),
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
static const heed_case entropy_refusals[] = {
    { .label = "axis 2 is out of range",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      ATTRIBUTES(.axis = 2) },
    { .label = "axis -1 is out of range", .x = { { .shape = { 0 } } }, ATTRIBUTES(.axis = -1) },
};
HEED_DEFINE_OP(entropy) = { .name = "entropy",
                            .arity = 1,
                            .attributes_size = sizeof(distribution_attributes),
                            .shape = entropy_shape,
                            .compose = entropy_compose,
                            .formula = "y = -sum along axis of p ln p; a term 0 where p = 0",
                            .adjoint = "gp = -gy (ln p + 1); 0 where p = 0",
                            HEED_REFUSES(entropy_refusals),
                            HEED_CASES(entropy_cases) };

/* cosine_embedding.   u = <a, b>/(|a| |b|) over the last axis, with |a|^2 = <a, a> + 1e-12, so
 * that a vector of zeros has u = 0;
 *   y = same ? 1 - u : max(0, u - margin), derivative 0 at the kink
 *   ga = gu (b/(|a| |b|) - u a/|a|^2),  gb likewise,  gu = same ? -gy : gy [u > margin] */
static bool cosine_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *a = c->x[0], *b = c->x[1], *same = c->x[2];
    const heed_call vectors = { .op = c->op, .n = 2, .x = c->x };
    if (same->dtype != HEED_BOOL)
        return heed_refuse(t, c,
                           "operand 2, whether a and b are the same, is %s but must be bool",
                           heed_dtype_name(same->dtype));
    if (!heed__shape_map(t, &vectors, r))
        return false;
    if (!a->ndim || !b->ndim || a->shape[a->ndim - 1] != b->shape[b->ndim - 1])
        return heed_refuse(t, c, "a and b need a last axis of one extent");
    r->shape.ndim--;
    bool fits = same->ndim <= r->shape.ndim;
    for (int k = 1; fits && k <= same->ndim; k++) {
        int64_t extent = same->shape[same->ndim - k];
        fits = extent == 1 || extent == r->shape.size[r->shape.ndim - k];
    }
    if (!fits)
        return heed_refuse(t, c, "operand 2 does not broadcast to one bool for each vector");
    return heed__loss_reduced(t, c, ((const distribution_attributes *)c->attributes)->reduction,
                              r);
}
static heed_tensor *dot(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    const int last = -1;
    return heed_sum_axes(t, heed_mul(t, a, b), 1, &last, false);
}
static heed_tensor *inverse_length(heed_tape *t, heed_tensor *a)
{
    return heed_rsqrt(t, heed_shift(t, dot(t, a, a), 1e-12));
}
static heed_tensor *cosine_compose(heed_tape *t, const heed_call *c)
{
    const distribution_attributes *o = c->attributes;
    heed_tensor *a = c->x[0], *b = c->x[1];
    heed_tensor *product = dot(t, a, b);
    heed_tensor *along = heed_mul(t, product, inverse_length(t, a));
    heed_tensor *cosine = heed_mul(t, along, inverse_length(t, b));
    heed_tensor *apart = heed_shift(t, heed_neg(t, cosine), 1);
    heed_tensor *close = heed_relu(t, heed_shift(t, cosine, -o->margin));
    return heed__loss_reduce(t, heed_where(t, c->x[2], apart, close), o->reduction);
}
#define SAME(...)                                                        \
    {                                                                    \
        .dtype = HEED_BOOL, .values = (const double[]){ __VA_ARGS__ },   \
        .shape = HEED_DIMS(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)) \
    }
static const heed_case cosine_cases[] = {
    { .label = "mean",
      .x = { { .shape = HEED_DIMS(3, 2), .low = 0.2, .high = 1 },
             { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 1, -0.2 } },
             SAME(1, 0, 1) },
      ATTRIBUTES(.reduction = HEED_MEAN, .margin = -0.5) },
    { .label = "sum, one b",
      .x = { { .shape = HEED_DIMS(2, 2, 3), .low = 0.2, .high = 1 },
             { .shape = HEED_DIMS(3), .low = -1, .high = -0.2 },
             SAME(1, 0) },
      ATTRIBUTES(.reduction = HEED_SUM, .margin = 0.1) },
    { .label = "none, one pair",
      .x = { { .shape = HEED_DIMS(3), .low = 0.2, .high = 1 },
             { .shape = HEED_DIMS(3), .values = (const double[]){ 1, 0, 0 }, .constant = true },
             { .dtype = HEED_BOOL, .shape = { 0 }, .values = (const double[]){ 0 } } },
      ATTRIBUTES(.reduction = HEED_NONE, .margin = 0.1) },
    { .label = "at the margin, and zeros",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, 0, 0, 0 } },
             { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 0, 1, 0, 0 } },
             SAME(0, 1) },
      ATTRIBUTES(.reduction = HEED_NONE, .margin = 0),
      .stated = true,
      .y = (const double[]){ 0, 1 },
      .gx = { (const double[]){ 0, 0, 0, 0 }, (const double[]){ 0, 0, 0, 0 } } },
    { .label = "no pairs",
      .x = { { .shape = HEED_DIMS(0, 2) },
             { .shape = HEED_DIMS(0, 2) },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(0) } },
      ATTRIBUTES(.reduction = HEED_SUM),
      .stated = true,
      .y = (const double[]){ 0 } },
};
static const heed_case cosine_refusals[] = {
    { .label = "a last axis of one extent",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 1) }, SAME(1, 0) },
      ATTRIBUTES(.reduction = HEED_MEAN) },
    { .label = "a last axis of one extent",
      .x = { { .shape = HEED_DIMS(1) }, { .shape = { 0 } }, SAME(1) },
      ATTRIBUTES(.reduction = HEED_MEAN) },
    { .label = "does not broadcast to one bool for each vector",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) }, SAME(1, 0, 1) },
      ATTRIBUTES(.reduction = HEED_MEAN) },
    { .label = "does not broadcast to one bool for each vector",
      .x = { { .shape = HEED_DIMS(3) }, { .shape = HEED_DIMS(3) }, SAME(1) },
      ATTRIBUTES(.reduction = HEED_MEAN) },
    { .label = "there is no reduction 7",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) }, SAME(1, 0) },
      ATTRIBUTES(.reduction = NO_REDUCTION) },
};
HEED_DEFINE_OP(cosine_embedding) = {
    .name = "cosine_embedding",
    .arity = 3,
    .integer = 4,
    .attributes_size = sizeof(distribution_attributes),
    .shape = cosine_shape,
    .compose = cosine_compose,
    .formula = "y = same ? 1 - u : max(0, u - margin), u = <a, b>/(|a| |b|), "
               "|a|^2 = <a, a> + 1e-12",
    .adjoint = "ga = gu (b/(|a| |b|) - u a/|a|^2), gb likewise, "
               "gu = same ? -gy : gy [u > margin]",
    HEED_REFUSES(cosine_refusals),
    HEED_CASES(cosine_cases)
};

/* ---- the calls ---- */

heed_tensor *heed_binary_cross_entropy(heed_tape *t, heed_tensor *logits, heed_tensor *target,
                                       heed_reduction reduction)
{
    return heed__apply2(t, &heed_op_binary_cross_entropy, logits, target,
                        &(distribution_attributes){ .reduction = reduction });
}

heed_tensor *heed_kl_divergence(heed_tape *t, heed_tensor *log_q, heed_tensor *p,
                                heed_reduction reduction)
{
    return heed__apply2(t, &heed_op_kl_divergence, log_q, p,
                        &(distribution_attributes){ .reduction = reduction });
}

heed_tensor *heed_entropy(heed_tape *t, heed_tensor *p, int axis)
{
    return heed__apply1(t, &heed_op_entropy, p, &(distribution_attributes){ .axis = axis });
}

heed_tensor *heed_cosine_embedding(heed_tape *t, heed_tensor *a, heed_tensor *b,
                                   heed_tensor *same, double margin, heed_reduction reduction)
{
    return heed__apply3(t, &heed_op_cosine_embedding, a, b, same,
                        &(distribution_attributes){ reduction, margin, 0 });
}
