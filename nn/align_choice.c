/* From probabilities to the weights of the context: themselves, or one key, with the gradient
 * estimators that let a choice be trained. */
#include "align_parts.h"

#include <math.h>

/* ln p where p > 0, `otherwise` elsewhere, with no gradient there. */
static heed_tensor *log_where_positive(heed_tape *t, heed_tensor *p, double otherwise)
{
    heed_tensor *zero = heed_full(t, HEED_SCALAR, 0), *one = heed_full(t, HEED_SCALAR, 1);
    heed_tensor *positive = heed_greater(t, p, zero);
    heed_tensor *log_p = heed_log(t, heed_where(t, positive, p, one));
    return heed_where(t, positive, log_p, heed_full(t, HEED_SCALAR, otherwise));
}

/* ln p + G with G = -ln(-ln u): the largest is at j with probability p_j (Gumbel 1954). u stays
 * above 0, so that a key with p > 0 always has a finite number. */
static heed_tensor *perturbed(heed_tape *t, heed_tensor *p)
{
    if (!p)
        return NULL;
    heed_tensor *log_p = log_where_positive(t, p, -INFINITY);
    heed_tensor *u = heed_uniform(t, heed_shape_of(p), 1e-30, 1);
    heed_tensor *noise = heed_neg(t, heed_log(t, heed_neg(t, heed_log(t, u))));
    return heed_add(t, log_p, noise);
}

/* 1 at the largest of a row and 0 elsewhere, nowhere where nothing is seen. */
static heed_tensor *largest_alone(heed_tape *t, heed_tensor *x, heed_tensor *seen)
{
    if (!x || x->shape[x->ndim - 1] == 0)
        return x;
    heed_tensor *ids = heed_argmax(t, x, -1, false);
    return heed__align_hide(t, heed_one_hot(t, ids, x->shape[x->ndim - 1]), seen);
}

/* The value of hard with the gradient of soft: soft - soft is exactly 0. */
static heed_tensor *straight_through(heed_tape *t, heed_tensor *hard, heed_tensor *soft)
{
    heed_tensor *nothing = heed_sub(t, soft, heed_detach(t, soft));
    return heed_add(t, hard, nothing);
}

/* softmax(x/temperature) where something is seen */
static heed_tensor *relaxed(heed_tape *t, heed_tensor *x, heed_tensor *seen, double temperature)
{
    if (seen) {
        heed_tensor *any = heed_any_axes(t, seen, 1, (int[]){ -1 }, true);
        x = heed__align_hide(t, x, any);
    }
    heed_tensor *scaled = heed_scale(t, x, 1 / temperature);
    return heed__align_hide(t, heed_softmax(t, scaled, -1), seen);
}

void heed__align_choose(heed_tape *t, const heed_align *m, heed_tensor *seen, heed_aligned *a)
{
    heed_align_choice choice = m->options.choice;
    heed_tensor *p = a->probabilities;
    if (choice == HEED_ALIGN_SOFT) {
        a->weights = p;
        return;
    }
    if (choice == HEED_ALIGN_ARGMAX || !heed_training(t)) {
        a->weights = largest_alone(t, p, seen);
        return;
    }
    heed_tensor *x = perturbed(t, p);
    heed_tensor *drawn = largest_alone(t, x, seen);
    switch (choice) {
    case HEED_ALIGN_STRAIGHT_THROUGH:
        a->weights = straight_through(t, drawn, p);
        break;
    case HEED_ALIGN_GUMBEL:
        a->weights = relaxed(t, x, seen, m->options.temperature);
        break;
    case HEED_ALIGN_GUMBEL_HARD: {
        heed_tensor *soft = relaxed(t, x, seen, m->options.temperature);
        a->weights = straight_through(t, drawn, soft);
        break;
    }
    default: { /* HEED_ALIGN_REINFORCE */
        heed_tensor *logs = heed_mul(t, drawn, log_where_positive(t, p, 0));
        a->weights = drawn;
        a->log_probability = heed_sum_axes(t, logs, 1, (int[]){ -1 }, false);
    }
    }
}

static bool same_shape(const heed_tensor *a, const heed_tensor *b)
{
    bool same = a->ndim == b->ndim;
    for (int i = 0; same && i < a->ndim; i++)
        same = a->shape[i] == b->shape[i];
    return same;
}

heed_tensor *heed_align_reinforce(heed_tape *t, heed_tensor *log_probability, heed_tensor *cost,
                                  heed_tensor *baseline)
{
    if (!t || heed_error(t))
        return NULL;
    if (!log_probability || !cost)
        return heed_fail(t, "align_reinforce: the %s is NULL",
                         cost ? "log-probability" : "cost");
    if (!same_shape(log_probability, cost) ||
        (baseline && baseline->ndim > 0 && !same_shape(log_probability, baseline)))
        return heed_fail(t, "align_reinforce: cost and baseline must have the shape of the "
                            "log-probability");
    heed_tensor *advantage = baseline ? heed_sub(t, cost, baseline) : cost;
    return heed_mul(t, heed_detach(t, advantage), log_probability);
}
