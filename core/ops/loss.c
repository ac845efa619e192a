/* Cross-entropy from logits, fused: neither the softmax nor its logarithm is stored. */
#include "ops.h"

#include <string.h>

typedef struct loss_attributes {
    heed_cross_entropy_options options;
} loss_attributes;

static kernel_cross_entropy arguments(const heed_call *c)
{
    const heed_tensor *x = c->x[0], *labels = c->x[1];
    const heed_cross_entropy_options *o = &((const loss_attributes *)c->attributes)->options;
    int64_t classes = x->shape[x->ndim - 1];
    return (kernel_cross_entropy){ .rows = heed_size(labels),
                                   .classes = classes,
                                   .x = x->data,
                                   .labels = labels->data,
                                   .ignore = o->ignore ? o->ignore_index : -1,
                                   .smoothing = o->smoothing };
}

static int64_t counted(const kernel_cross_entropy *k)
{
    int64_t count = 0;
    for (int64_t i = 0; i < k->rows; i++)
        count += k->labels[i] != k->ignore;
    return count;
}

static bool check_operands(heed_tape *t, const heed_call *c)
{
    const heed_tensor *x = c->x[0], *labels = c->x[1];
    const heed_cross_entropy_options *o = &((const loss_attributes *)c->attributes)->options;
    if (!heed__floats(t, c))
        return false;
    if (labels->dtype != HEED_I32)
        return heed_refuse(t, c, "the labels are %s but must be i32",
                           heed_dtype_name(labels->dtype));
    bool fits = x->ndim == labels->ndim + 1;
    for (int k = 0; fits && k < labels->ndim; k++)
        fits = x->shape[k] == labels->shape[k];
    if (!fits)
        return heed_refuse(t, c, "needs logits [..., classes] and labels [...]");
    if (o->reduction < HEED_MEAN || o->reduction > HEED_NONE)
        return heed_refuse(t, c, "there is no reduction %d", (int)o->reduction);
    if (!(o->smoothing >= 0 && o->smoothing < 1))
        return heed_refuse(t, c, "smoothing %g is not in [0, 1)", o->smoothing);
    kernel_cross_entropy k = arguments(c);
    for (int64_t i = 0; i < k.rows; i++) {
        if ((k.labels[i] < 0 || k.labels[i] >= k.classes) &&
            !(o->ignore && k.labels[i] == o->ignore_index))
            return heed_refuse(t, c, "label %d at index %lld is outside 0 .. %lld", k.labels[i],
                               (long long)i, (long long)k.classes - 1);
    }
    return true;
}

static bool loss_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0], *labels = c->x[1];
    const heed_cross_entropy_options *o = &((const loss_attributes *)c->attributes)->options;
    if (!check_operands(t, c))
        return false;
    kernel_cross_entropy k = arguments(c);
    r->dtype = x->dtype;
    if (o->reduction == HEED_NONE)
        r->shape = heed_shape_of(labels);
    r->saved = 1; /* log-sum-exp of each row */
    r->saved_dtype[0] = x->dtype;
    r->saved_shape[0] = HEED_SHAPE(k.rows);
    r->scratch = (size_t)k.rows * heed_dtype_size(x->dtype);
    return true;
}

/* cross_entropy.   loss_r = w_r (lse_r - (1-s) x_rl - (s/C) sum_j x_rj), w_r = 0 for an ignored
 * label gx_rj = gy w_r (softmax(x_r)_j - (1-s) [j = l] - s/C), divided by the number of labels
 * that count for a mean. */
static void loss_run(const heed_call *c, heed_tensor *y)
{
    const heed_cross_entropy_options *o = &((const loss_attributes *)c->attributes)->options;
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
    int64_t count = counted(&k);
    if (o->reduction == HEED_MEAN)
        total = count ? total / (double)count : 0;
    if (y->dtype == HEED_F64)
        *(double *)y->data = total;
    else
        *(float *)y->data = (float)total;
}
static void loss_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_apply(t, &heed_op_cross_entropy_grad, 4,
                       (heed_tensor *[]){ c->x[0], c->x[1], gy, c->saved[0] }, c->attributes);
}
static heed_tensor *loss_compose(heed_tape *t, const heed_call *c)
{
    const heed_cross_entropy_options *o = &((const loss_attributes *)c->attributes)->options;
    const int last = -1;
    kernel_cross_entropy k = arguments(c);
    int64_t count = counted(&k);
    heed_tensor *x = c->x[0];
    /* The target distribution; an ignored label, outside the classes or not, has a row of
     * zeros. */
    heed_tensor *hot = heed_cast(t, heed_one_hot(t, c->x[1], k.classes), x->dtype);
    heed_tensor *target =
        heed_shift(t, heed_scale(t, hot, 1 - o->smoothing), o->smoothing / (double)k.classes);
    if (o->ignore) {
        heed_tensor *label = heed_cast(t, c->x[1], x->dtype);
        heed_tensor *ignored =
            heed_cast(t, heed_full(t, HEED_SCALAR, o->ignore_index), x->dtype);
        heed_tensor *counts = heed_cast(t, heed_not_equal(t, label, ignored), x->dtype);
        heed_shape column = heed_shape_of(counts);
        column.size[column.ndim++] = 1;
        target = heed_mul(t, target, heed_reshape(t, counts, column));
    }
    heed_tensor *products = heed_mul(t, target, heed_log_softmax(t, x, -1));
    heed_tensor *loss = heed_neg(t, heed_sum_axes(t, products, 1, &last, false));
    if (o->reduction == HEED_NONE)
        return loss;
    loss = heed_sum(t, loss);
    return o->reduction == HEED_SUM ? loss : heed_scale(t, loss, count ? 1 / (double)count : 0);
}
#define LABELS(...)                                                      \
    {                                                                    \
        .dtype = HEED_I32, .values = (const double[]){ __VA_ARGS__ },    \
        .shape = HEED_DIMS(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)) \
    }
#define OPTIONS(...)                       \
    .attributes = &(const loss_attributes) \
    {                                      \
        {                                  \
            __VA_ARGS__                    \
        }                                  \
    }
static const heed_case loss_cases[] = {
    { .label = "mean",
      .x = { { .shape = HEED_DIMS(3, 4) }, LABELS(0, 3, 1) },
      OPTIONS(HEED_MEAN, false, 0, 0) },
    { .label = "sum, smoothing",
      .x = { { .shape = HEED_DIMS(2, 3) }, LABELS(2, 0) },
      OPTIONS(HEED_SUM, false, 0, 0.1) },
    { .label = "none, ignoring",
      .x = { { .shape = HEED_DIMS(3, 3) }, LABELS(1, -100, 2) },
      OPTIONS(HEED_NONE, true, -100, 0.2) },
    { .label = "mean, ignoring a class",
      .x = { { .shape = HEED_DIMS(3, 3) }, LABELS(1, 0, 2) },
      OPTIONS(HEED_MEAN, true, 0, 0) },
    { .label = "all ignored",
      .x = { { .shape = HEED_DIMS(2, 2) }, LABELS(7, 7) },
      OPTIONS(HEED_MEAN, true, 7, 0),
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 0, 0, 0, 0 } } },
    { .label = "logits far apart",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 1e4, -1e4 } }, LABELS(1) },
      OPTIONS(HEED_MEAN, false, 0, 0),
      .stated = true,
      .y = (const double[]){ 2e4 },
      .gx = { (const double[]){ 1, -1 } } },
};
HEED_DEFINE_OP(cross_entropy) = {
    .name = "cross_entropy",
    .arity = 2,
    .integer = 2,
    .dense = 3,
    .attributes_size = sizeof(loss_attributes),
    .shape = loss_shape,
    .run = loss_run,
    .formula = "loss_r = lse(x_r) - (1-s) x_rl - (s/C) sum_j x_rj; 0 if ignored",
    .adjoint = "gx_rj = gy (softmax(x_r)_j - (1-s) [j = l] - s/C)",
    .uses = HEED_USES_X(0) | HEED_USES_X(1),
    .vjp = loss_vjp,
    .compose = loss_compose,
    HEED_CASES(loss_cases)
};

/* cross_entropy_grad.   Operands x, labels, gy, lse. */
static void loss_grad_run(const heed_call *c, heed_tensor *y)
{
    const heed_cross_entropy_options *o = &((const loss_attributes *)c->attributes)->options;
    kernel_cross_entropy k = arguments(c);
    int64_t count = o->reduction == HEED_MEAN ? counted(&k) : 1;
    k.gy = c->x[2]->data;
    k.gy_stride = o->reduction == HEED_NONE ? 1 : 0;
    k.gy_scale = count ? 1 / (double)count : 0;
    k.lse = c->x[3]->data;
    k.gx = y->data;
    heed__kernels(y->dtype)->cross_entropy_grad(&k);
}
static bool loss_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_cross_entropy_options *o = &((const loss_attributes *)c->attributes)->options;
    if (!check_operands(t, c))
        return false;
    int64_t rows = heed_size(c->x[1]);
    if (heed_size(c->x[2]) != (o->reduction == HEED_NONE ? rows : 1) ||
        heed_size(c->x[3]) != rows)
        return heed_refuse(t, c, "gy or the log-sum-exp has a wrong size");
    return heed__shape_like(t, c, r);
}
static const heed_case loss_grad_cases[] = {
    { .label = "two classes",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 0, 0 } },
             LABELS(1),
             { .shape = { 0 }, .values = (const double[]){ 2 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 0.69314718055994530942 } } },
      OPTIONS(HEED_MEAN, false, 0, 0),
      .stated = true,
      .y = (const double[]){ 1, -1 } },
    { .label = "ignored",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 0, 0 } },
             LABELS(1),
             { .shape = HEED_DIMS(1), .values = (const double[]){ 2 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 0.69314718055994530942 } } },
      OPTIONS(HEED_NONE, true, 1, 0),
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
HEED_DEFINE_OP(cross_entropy_grad) = {
    .name = "cross_entropy_grad",
    .arity = 4,
    .integer = 2,
    .dense = 15,
    .attributes_size = sizeof(loss_attributes),
    .shape = loss_grad_shape,
    .run = loss_grad_run,
    .formula = "cross_entropy's gx",
    .adjoint = "none: a recorded sweep takes cross_entropy's composition",
    HEED_CASES(loss_grad_cases)
};

heed_tensor *heed_cross_entropy(heed_tape *t, heed_tensor *logits, heed_tensor *labels,
                                const heed_cross_entropy_options *options)
{
    loss_attributes a;
    memset(&a, 0, sizeof a);
    if (options)
        a.options = *options;
    return heed__apply2(t, &heed_op_cross_entropy, logits, labels, &a);
}
