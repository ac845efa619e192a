/* Losses of log-probabilities and of distributions over classes, composed: negative
 * log-likelihood of labels, and cross-entropy of whole distributions. */
#include "loss.h"

/* nll.   loss_r = -w_l x_rl,  0 for an ignored label */
static bool nll_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed__label_options *o = c->attributes;
    if (!heed__labels_check(t, c))
        return false;
    if (o->smoothing != 0)
        return heed_refuse(t, c, "smoothing %g: it is for heed_cross_entropy", o->smoothing);
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[1]);
    return heed__loss_reduced(t, c, o->reduction, r);
}
static heed_tensor *nll_compose(heed_tape *t, const heed_call *c)
{
    return heed__labels_loss(t, c, c->x[0]);
}
static const heed_case nll_cases[] = {
    { .label = "mean, weights, ignoring",
      .x = { { .shape = HEED_DIMS(3, 4), .low = -3, .high = -0.1 },
             LABELS(0, -1, 2),
             WEIGHTS(2, 0.5, 3, 1) },
      OPTIONS(HEED_MEAN, true, -1, 0) },
    { .label = "sum, a batch",
      .x = { { .shape = HEED_DIMS(2, 2, 3), .low = -3, .high = -0.1 },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 0, 2, 1, 1 } } },
      .absent = 4,
      OPTIONS(HEED_SUM, false, 0, 0) },
    { .label = "none, others impossible",
      .x = { { .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ -INFINITY, 0, -INFINITY, -0.5 } },
             LABELS(1, 0) },
      .absent = 4,
      OPTIONS(HEED_NONE, false, 0, 0),
      .stated = true,
      .y = (const double[]){ 0, INFINITY },
      .gx = { (const double[]){ 0, -1, -1, 0 } } },
    { .label = "all ignored",
      .x = { { .shape = HEED_DIMS(1, 2) }, LABELS(5) },
      .absent = 4,
      OPTIONS(HEED_MEAN, true, 5, 0),
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 0, 0 } } },
};
static const heed_case nll_refusals[] = {
    { .label = "label 3 at index 1 is outside 0 .. 2",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(0, 3) },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "smoothing 0.5: it is for heed_cross_entropy",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(0, 1) },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0.5) },
    { .label = "there is no reduction 7",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(0, 1) },
      .absent = 4,
      OPTIONS(NO_REDUCTION, false, 0, 0) },
};
HEED_DEFINE_OP(nll) = { .name = "nll",
                        .arity = 3,
                        .optional = 4,
                        .integer = 2,
                        .dense = 6,
                        .attributes_size = sizeof(heed__label_options),
                        .shape = nll_shape,
                        .compose = nll_compose,
                        .formula = "loss_r = -w_l x_rl; 0 if ignored",
                        .adjoint = "gx_rj = -gy w_l [j = l]",
                        HEED_REFUSES(nll_refusals),
                        HEED_CASES(nll_cases) };

/* soft_cross_entropy.   loss_r = -sum_j w_j q_rj ln softmax(x_r)_j,  q = (1-s) p + s/C.
 * A class whose logit is -inf costs nothing where q is 0. */
static bool soft_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0], *target = c->x[1];
    const heed__label_options *o = c->attributes;
    if (!heed__floats(t, c))
        return false;
    bool fits = x->ndim == target->ndim && x->ndim > 0;
    for (int k = 0; fits && k < x->ndim; k++)
        fits = x->shape[k] == target->shape[k];
    if (!fits)
        return heed_refuse(t, c, "needs logits [..., classes] and a target of their shape");
    if (o->ignore)
        return heed_refuse(t, c, "ignoring label %d: target distributions have no labels",
                           o->ignore_index);
    if (!(o->smoothing >= 0 && o->smoothing < 1))
        return heed_refuse(t, c, "smoothing %g is not in [0, 1)", o->smoothing);
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    r->shape.ndim--;
    return heed__labels_check_weights(t, c) && heed__loss_reduced(t, c, o->reduction, r);
}
static heed_tensor *soft_compose(heed_tape *t, const heed_call *c)
{
    const heed__label_options *o = c->attributes;
    double classes = (double)c->x[0]->shape[c->x[0]->ndim - 1];
    heed_tensor *log_p = heed_log_softmax(t, c->x[0], -1), *target = c->x[1];
    if (o->smoothing > 0) {
        heed_tensor *own = heed_scale(t, target, 1 - o->smoothing);
        target = heed_shift(t, own, o->smoothing / classes);
    }
    if (c->x[2])
        target = heed_mul(t, target, c->x[2]);
    heed_tensor *loss = heed__loss_expected(t, target, log_p);
    return heed__loss_reduce(t, loss, o->reduction);
}
static const heed_case soft_cases[] = {
    { .label = "mean",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3), .low = 0.1, .high = 1 } },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "sum, weights, smoothing",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3), .low = 0.1, .high = 1 },
             WEIGHTS(2, 0.5, 3) },
      OPTIONS(HEED_SUM, false, 0, 0.2) },
    { .label = "none, a batch, smoothing",
      .x = { { .shape = HEED_DIMS(2, 1, 3) },
             { .shape = HEED_DIMS(2, 1, 3), .low = 0.1, .high = 1 } },
      .absent = 4,
      OPTIONS(HEED_NONE, false, 0, 0.1) },
    { .label = "an impossible class of target 0",
      .x = { { .shape = HEED_DIMS(1, 3), .values = (const double[]){ 0, 0, -INFINITY } },
             { .shape = HEED_DIMS(1, 3), .values = (const double[]){ 1, 0, 0 } } },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0),
      .stated = true,
      .y = (const double[]){ 0.69314718055994530942 },
      .gx = { (const double[]){ -0.5, 0.5, 0 },
              (const double[]){ 0.69314718055994530942, 0.69314718055994530942, 0 } } },
    { .label = "no rows",
      .x = { { .shape = HEED_DIMS(0, 2) }, { .shape = HEED_DIMS(0, 2) } },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0),
      .stated = true,
      .y = (const double[]){ NAN } },
};
static const heed_case soft_refusals[] = {
    { .label = "a target of their shape",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(3) } },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "a target of their shape",
      .x = { { .shape = { 0 } }, { .shape = { 0 } } },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "ignoring label 4",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } },
      .absent = 4,
      OPTIONS(HEED_MEAN, true, 4, 0) },
    { .label = "smoothing -0.5 is not in [0, 1)",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, -0.5) },
    { .label = "the weights must be [3]",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(1, 3) } },
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "there is no reduction 7",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } },
      .absent = 4,
      OPTIONS(NO_REDUCTION, false, 0, 0) },
};
HEED_DEFINE_OP(soft_cross_entropy) = {
    .name = "soft_cross_entropy",
    .arity = 3,
    .optional = 4,
    .dense = 4,
    .attributes_size = sizeof(heed__label_options),
    .shape = soft_shape,
    .compose = soft_compose,
    .formula = "loss_r = -sum_j w_j q_rj ln softmax(x_r)_j, q = (1-s) p + s/C",
    .adjoint = "gx_rj = gy (softmax(x_r)_j sum_k w_k q_rk - w_j q_rj), "
               "gp_rj = -gy (1-s) w_j ln softmax(x_r)_j",
    HEED_REFUSES(soft_refusals),
    HEED_CASES(soft_cases)
};

heed_tensor *heed_nll(heed_tape *t, heed_tensor *x, heed_tensor *labels,
                      const heed_cross_entropy_options *options)
{
    heed__label_options o = heed__labels_resolve(options);
    heed_tensor *weights = heed__labels_weights(t, options);
    return heed__apply3(t, &heed_op_nll, x, labels, weights, &o);
}

heed_tensor *heed_soft_cross_entropy(heed_tape *t, heed_tensor *logits, heed_tensor *target,
                                     const heed_cross_entropy_options *options)
{
    heed__label_options o = heed__labels_resolve(options);
    heed_tensor *weights = heed__labels_weights(t, options);
    return heed__apply3(t, &heed_op_soft_cross_entropy, logits, target, weights, &o);
}
