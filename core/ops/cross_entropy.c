/* Cross-entropy from logits, fused: neither the softmax nor its logarithm is stored. */
#include "loss.h"

static kernel_cross_entropy arguments(const heed_call *c)
{
    const heed_tensor *x = c->x[0], *labels = c->x[1], *weights = c->x[2];
    const heed__label_options *o = c->attributes;
    int64_t classes = x->shape[x->ndim - 1];
    kernel_cross_entropy k = { .rows = heed_size(labels),
                               .classes = classes,
                               .x = x->data,
                               .labels = labels->data,
                               .ignore = o->ignore ? o->ignore_index : -1,
                               .smoothing = o->smoothing };
    if (weights) {
        k.weights = weights->data;
        for (int64_t j = 0; j < classes; j++)
            k.weight_sum += heed_at(weights, j);
    }
    return k;
}

static bool loss_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0], *labels = c->x[1];
    const heed__label_options *o = c->attributes;
    if (!heed__labels_check(t, c))
        return false;
    int64_t rows = heed_size(labels);
    r->dtype = x->dtype;
    r->shape = heed_shape_of(labels);
    r->saved = 1; /* log-sum-exp of each row */
    r->saved_dtype[0] = x->dtype;
    r->saved_shape[0] = HEED_SHAPE(rows);
    r->scratch = (size_t)rows * heed_dtype_size(x->dtype);
    return heed__loss_reduced(t, c, o->reduction, r);
}

/* cross_entropy.   With s the smoothing, w the weights of the C classes, l the label of row r
 * and M_r = (1-s) w_l + (s/C) sum_j w_j,
 *   loss_r = M_r lse_r - (1-s) w_l x_rl - (s/C) sum_j w_j x_rj,  0 for an ignored label
 *   gx_rj = gy (M_r softmax(x_r)_j - (1-s) w_l [j = l] - (s/C) w_j)
 * both divided by the sum of w_l over the labels that count for a mean. */
static void loss_run(const heed_call *c, heed_tensor *y)
{
    const heed__label_options *o = c->attributes;
    kernel_cross_entropy k = arguments(c);
    k.loss = o->reduction == HEED_NONE ? y->data : c->scratch;
    k.lse = c->saved[0]->data;
    heed__kernels(y->dtype)->cross_entropy(&k);
    if (o->reduction == HEED_NONE)
        return;
    /* The total is summed in f64, in order: a batch has few rows. */
    double total = 0;
    for (int64_t i = 0; i < k.rows; i++)
        total += y->dtype == HEED_F64 ? ((double *)k.loss)[i] : (double)((float *)k.loss)[i];
    if (o->reduction == HEED_MEAN)
        total *= heed__labels_mean(c);
    if (y->dtype == HEED_F64)
        *(double *)y->data = total;
    else
        *(float *)y->data = (float)total;
}
static void loss_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_apply(t, &heed_op_cross_entropy_grad, 5,
                       (heed_tensor *[]){ c->x[0], c->x[1], c->x[2], gy, c->saved[0] },
                       c->attributes);
}
static heed_tensor *loss_compose(heed_tape *t, const heed_call *c)
{
    return heed__labels_loss(t, c, heed_log_softmax(t, c->x[0], -1));
}
static const heed_case loss_cases[] = {
    { .label = "mean",
      .x = { { .shape = HEED_DIMS(3, 4) }, LABELS(0, 3, 1) },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "sum, smoothing",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(2, 0) },
      .absent = 4,
      OPTIONS(HEED_SUM, false, 0, 0.1) },
    { .label = "none, ignoring",
      .x = { { .shape = HEED_DIMS(3, 3) }, LABELS(1, -100, 2) },
      .absent = 4,
      OPTIONS(HEED_NONE, true, -100, 0.2) },
    { .label = "mean, ignoring a class",
      .x = { { .shape = HEED_DIMS(3, 3) }, LABELS(1, 0, 2) },
      .absent = 4,
      OPTIONS(HEED_MEAN, true, 0, 0) },
    { .label = "mean, weights",
      .x = { { .shape = HEED_DIMS(3, 4) }, LABELS(0, 3, 1), WEIGHTS(2, 0.5, 7, 1) },
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "mean, ignoring, weights, smoothing",
      .x = { { .shape = HEED_DIMS(3, 3) }, LABELS(1, 2, 0), WEIGHTS(2, 0.5, 3) },
      OPTIONS(HEED_MEAN, true, 2, 0.3) },
    { .label = "none, weights, smoothing",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(1, 2), WEIGHTS(2, 0.5, 0) },
      OPTIONS(HEED_NONE, false, 0, 0.1) },
    { .label = "all ignored",
      .x = { { .shape = HEED_DIMS(2, 2) }, LABELS(7, 7) },
      .absent = 4,
      OPTIONS(HEED_MEAN, true, 7, 0),
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 0, 0, 0, 0 } } },
    { .label = "all of weight 0",
      .x = { { .shape = HEED_DIMS(2, 2) }, LABELS(1, 1), WEIGHTS(1, 0) },
      OPTIONS(HEED_MEAN, false, 0, 0.1),
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 0, 0, 0, 0 } } },
    { .label = "no rows",
      .x = { { .shape = HEED_DIMS(0, 2) }, { .dtype = HEED_I32, .shape = HEED_DIMS(0) } },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0),
      .stated = true,
      .y = (const double[]){ 0 } },
    { .label = "logits far apart",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 1e4, -1e4 } }, LABELS(1) },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0),
      .stated = true,
      .y = (const double[]){ 2e4 },
      .gx = { (const double[]){ 1, -1 } } },
    { .label = "a class of probability 0",
      .x = { { .shape = HEED_DIMS(1, 3), .values = (const double[]){ 0, -INFINITY, 0 } },
             LABELS(2) },
      .absent = 4,
      OPTIONS(HEED_SUM, false, 0, 0),
      .stated = true,
      .y = (const double[]){ 0.69314718055994530942 },
      .gx = { (const double[]){ 0.5, 0, -0.5 } } },
};
static const heed_case loss_refusals[] = {
    { .label = "label 5 at index 1 is outside 0 .. 2",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(0, 5) },
      .absent = 4,
      OPTIONS(HEED_MEAN, true, 7, 0) },
    { .label = "label -1 at index 0",
      .x = { { .shape = HEED_DIMS(1, 3) }, LABELS(-1) },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, -1, 0) },
    { .label = "needs x [..., classes] and labels [...]",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(0, 1, 2) },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "smoothing 1 is not in [0, 1)",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(0, 1) },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 1) },
    { .label = "the weights must be [3]",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(0, 1), WEIGHTS(1, 2) },
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "operand 2 is i32",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(0, 1), LABELS(1, 1, 1) },
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "there is no reduction 7",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(0, 1) },
      .absent = 4,
      OPTIONS(NO_REDUCTION, false, 0, 0) },
};
HEED_DEFINE_OP(cross_entropy) = {
    .name = "cross_entropy",
    .arity = 3,
    .optional = 4,
    .integer = 2,
    .dense = 7,
    .attributes_size = sizeof(heed__label_options),
    .shape = loss_shape,
    .run = loss_run,
    .formula = "loss_r = M lse(x_r) - (1-s) w_l x_rl - (s/C) sum_j w_j x_rj, "
               "M = (1-s) w_l + (s/C) sum_j w_j; 0 if ignored",
    .adjoint = "gx_rj = gy (M softmax(x_r)_j - (1-s) w_l [j = l] - (s/C) w_j)",
    .uses = HEED_USES_X(0) | HEED_USES_X(1) | HEED_USES_X(2),
    .vjp = loss_vjp,
    .compose = loss_compose,
    HEED_REFUSES(loss_refusals),
    HEED_CASES(loss_cases)
};

/* cross_entropy_grad.   Operands x, labels, weights, gy, lse. */
static void loss_grad_run(const heed_call *c, heed_tensor *y)
{
    const heed__label_options *o = c->attributes;
    kernel_cross_entropy k = arguments(c);
    k.gy = c->x[3]->data;
    k.gy_stride = o->reduction == HEED_NONE ? 1 : 0;
    k.gy_scale = o->reduction == HEED_MEAN ? heed__labels_mean(c) : 1;
    k.lse = c->x[4]->data;
    k.gx = y->data;
    heed__kernels(y->dtype)->cross_entropy_grad(&k);
}
static bool loss_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed__label_options *o = c->attributes;
    if (!heed__labels_check(t, c))
        return false;
    int64_t rows = heed_size(c->x[1]);
    if (heed_size(c->x[3]) != (o->reduction == HEED_NONE ? rows : 1) ||
        heed_size(c->x[4]) != rows)
        return heed_refuse(t, c, "gy or the log-sum-exp has a wrong size");
    return heed__shape_like(t, c, r);
}
static const heed_case loss_grad_cases[] = {
    { .label = "two classes",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 0, 0 } },
             LABELS(1),
             { 0 },
             { .shape = { 0 }, .values = (const double[]){ 2 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 0.69314718055994530942 } } },
      .absent = 4,
      OPTIONS(HEED_MEAN, false, 0, 0),
      .stated = true,
      .y = (const double[]){ 1, -1 } },
    { .label = "weights, smoothing",
      .x = { { .shape = HEED_DIMS(2, 3) },
             LABELS(1, 2),
             WEIGHTS(5, 3, 1),
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } },
      OPTIONS(HEED_NONE, false, 0, 0.1) },
    { .label = "ignored",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 0, 0 } },
             LABELS(1),
             { 0 },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 2 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 0.69314718055994530942 } } },
      .absent = 4,
      OPTIONS(HEED_NONE, true, 1, 0),
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
HEED_DEFINE_OP(cross_entropy_grad) = {
    .name = "cross_entropy_grad",
    .arity = 5,
    .optional = 4,
    .integer = 2,
    .dense = 31,
    .attributes_size = sizeof(heed__label_options),
    .shape = loss_grad_shape,
    .run = loss_grad_run,
    .formula = "cross_entropy's gx",
    .adjoint = "none: a recorded sweep takes cross_entropy's composition",
    HEED_CASES(loss_grad_cases)
};

heed_tensor *heed_cross_entropy(heed_tape *t, heed_tensor *logits, heed_tensor *labels,
                                const heed_cross_entropy_options *options)
{
    heed__label_options o = heed__labels_resolve(options);
    heed_tensor *weights = heed__labels_weights(t, options);
    return heed__apply3(t, &heed_op_cross_entropy, logits, labels, weights, &o);
}
