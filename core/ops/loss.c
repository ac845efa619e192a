/* What the losses share: the reduction at the end, and labels of weighted classes. */
#include "loss.h"

bool heed__loss_reduced(heed_tape *t, const heed_call *c, heed_reduction reduction,
                        heed_result *r)
{
    if (reduction < HEED_MEAN || reduction > HEED_NONE)
        return heed_refuse(t, c, "there is no reduction %d", (int)reduction);
    if (reduction != HEED_NONE)
        r->shape = HEED_SCALAR;
    return true;
}

heed_tensor *heed__loss_reduce(heed_tape *t, heed_tensor *loss, heed_reduction reduction)
{
    if (reduction == HEED_NONE)
        return loss;
    return reduction == HEED_SUM ? heed_sum(t, loss) : heed_mean(t, loss);
}

heed_tensor *heed__loss_expected(heed_tape *t, heed_tensor *coefficient, heed_tensor *log_p)
{
    const int last = -1;
    if (heed_error(t))
        return NULL;
    heed_tensor *zero = heed__number(t, log_p, 0);
    heed_tensor *lowest = heed__number(t, log_p, -INFINITY);
    heed_tensor *impossible = heed_equal(t, log_p, lowest);
    heed_tensor *finite = heed_where(t, impossible, zero, log_p);
    heed_tensor *absent = heed_equal(t, coefficient, zero);
    heed_tensor *factor = heed_where(t, absent, finite, log_p);
    heed_tensor *products = heed_mul(t, coefficient, factor);
    return heed_neg(t, heed_sum_axes(t, products, 1, &last, false));
}

/* ---- labels ---- */

heed__label_options heed__labels_resolve(const heed_cross_entropy_options *o)
{
    if (!o)
        return (heed__label_options){ 0 };
    return (heed__label_options){ o->reduction, o->ignore, o->ignore_index, o->smoothing };
}

heed_tensor *heed__labels_weights(heed_tape *t, const heed_cross_entropy_options *o)
{
    return o && o->weights ? heed_detach(t, o->weights) : NULL;
}

bool heed__labels_check_weights(heed_tape *t, const heed_call *c)
{
    const heed_tensor *x = c->x[0], *weights = c->x[2];
    int64_t classes = x->shape[x->ndim - 1];
    if (weights && (weights->ndim != 1 || weights->shape[0] != classes))
        return heed_refuse(t, c, "the weights must be [%lld], one for each class",
                           (long long)classes);
    return true;
}

bool heed__labels_check(heed_tape *t, const heed_call *c)
{
    const heed_tensor *x = c->x[0], *labels = c->x[1];
    const heed__label_options *o = c->attributes;
    if (!heed__floats(t, c))
        return false;
    if (labels->dtype != HEED_I32)
        return heed_refuse(t, c, "the labels are %s but must be i32",
                           heed_dtype_name(labels->dtype));
    bool fits = x->ndim == labels->ndim + 1;
    for (int k = 0; fits && k < labels->ndim; k++)
        fits = x->shape[k] == labels->shape[k];
    if (!fits)
        return heed_refuse(t, c, "needs x [..., classes] and labels [...]");
    if (!(o->smoothing >= 0 && o->smoothing < 1))
        return heed_refuse(t, c, "smoothing %g is not in [0, 1)", o->smoothing);
    int64_t rows = heed_size(labels), classes = x->shape[x->ndim - 1];
    for (int64_t i = 0; i < rows; i++) {
        int32_t label = (int32_t)heed_at(labels, i);
        if ((label < 0 || label >= classes) && !(o->ignore && label == o->ignore_index))
            return heed_refuse(t, c, "label %d at index %lld is outside 0 .. %lld", label,
                               (long long)i, (long long)classes - 1);
    }
    return heed__labels_check_weights(t, c);
}

double heed__labels_mean(const heed_call *c)
{
    const heed_tensor *labels = c->x[1], *weights = c->x[2];
    const heed__label_options *o = c->attributes;
    int64_t rows = heed_size(labels);
    double total = 0;
    for (int64_t i = 0; i < rows; i++) {
        int32_t label = ((const int32_t *)labels->data)[i];
        if (!(o->ignore && label == o->ignore_index))
            total += weights ? heed_at(weights, label) : 1;
    }
    return total != 0 ? 1 / total : 0;
}

/* loss_r = -sum_j d_rj log_p_rj,  d_rj = w_j ((1-s) [j = l_r] + s/C), and 0 if l_r is ignored.
 * An ignored class is taken out of the one-hot rows, so that such a row, as one of a label
 * outside the classes, is of zeros; a row's sum then says whether it counts. */
heed_tensor *heed__labels_loss(heed_tape *t, const heed_call *c, heed_tensor *log_p)
{
    const heed__label_options *o = c->attributes;
    const heed_tensor *x = c->x[0];
    const int last = -1;
    int64_t classes = x->shape[x->ndim - 1];
    heed_tensor *hot = heed_cast(t, heed_one_hot(t, c->x[1], classes), x->dtype);
    if (o->ignore) {
        heed_tensor *index = heed_ids(t, HEED_SCALAR, &o->ignore_index);
        heed_tensor *ignored = heed_cast(t, heed_one_hot(t, index, classes), x->dtype);
        heed_tensor *kept = heed_shift(t, heed_neg(t, ignored), 1);
        hot = heed_mul(t, hot, kept);
    }
    heed_tensor *target = hot;
    if (o->smoothing > 0) {
        heed_tensor *counts = heed_sum_axes(t, hot, 1, &last, true);
        heed_tensor *even = heed_scale(t, counts, o->smoothing / (double)classes);
        heed_tensor *own = heed_scale(t, hot, 1 - o->smoothing);
        target = heed_add(t, own, even);
    }
    if (c->x[2])
        target = heed_mul(t, target, c->x[2]);
    heed_tensor *loss = heed__loss_expected(t, target, log_p);
    if (o->reduction == HEED_NONE)
        return loss;
    loss = heed_sum(t, loss);
    return o->reduction == HEED_SUM ? loss : heed_scale(t, loss, heed__labels_mean(c));
}
