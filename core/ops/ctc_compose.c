/* ctc in plain ops: the forward sums, one time after the other, over the states of
 * kernels/ctc.inc, all examples at once; an example whose input has ended keeps its sums. The
 * oracle of the kernel, and its way to higher order. */
#include "loss.h"

/* Stands for -inf, whose difference from itself is not a number. Twice it is still finite in
 * f32, and no step goes below it. */
#define LOWEST (-1e37)

static heed_tensor *filled(heed_tape *t, const heed_tensor *x, double value, heed_shape shape)
{
    return heed_expand(t, heed__number(t, x, value), shape);
}

/* The states' labels as one-hot rows [B, U, classes]: the blank's, and after it a label's, ...,
 * and the blank's again. Padding stands behind all states that matter, and may be anything. */
static heed_tensor *path_of(heed_tape *t, const heed_call *c)
{
    const heed_tensor *x = c->x[0];
    const heed_ctc_options *o = c->attributes;
    int64_t batch = x->shape[1], classes = x->shape[2], labels = c->x[1]->shape[1];
    heed_tensor *target = heed_cast(t, heed_one_hot(t, c->x[1], classes), x->dtype);
    heed_tensor *index = heed_ids(t, HEED_SCALAR, &o->blank);
    heed_tensor *blank = heed_cast(t, heed_one_hot(t, index, classes), x->dtype);
    heed_tensor *blanks = heed_expand(t, blank, HEED_SHAPE(batch, labels, classes));
    heed_tensor *pairs = heed_concatenate(t, 2, (heed_tensor *[]){ blanks, target }, 2);
    heed_tensor *most = heed_reshape(t, pairs, HEED_SHAPE(batch, 2 * labels, classes));
    heed_tensor *end = heed_expand(t, blank, HEED_SHAPE(batch, 1, classes));
    return heed_concatenate(t, 2, (heed_tensor *[]){ most, end }, 1);
}

/* a's states moved up by n, with `value` in the first n. */
static heed_tensor *moved(heed_tape *t, heed_tensor *a, int64_t n, double value)
{
    if (heed_error(t))
        return NULL;
    int64_t states = a->shape[1], first = n < states ? n : states;
    heed_tensor *start = filled(t, a, value, HEED_SHAPE(a->shape[0], first));
    heed_tensor *rest = heed_slice(t, a, 1, 0, states - first, 1);
    return heed_concatenate(t, 2, (heed_tensor *[]){ start, rest }, 1);
}

/* bool [B, U]: does a state's label differ from that two before? Two blanks never do. */
static heed_tensor *skips_of(heed_tape *t, heed_tensor *path)
{
    const int last = -1;
    if (heed_error(t))
        return NULL;
    int64_t batch = path->shape[0], states = path->shape[1], first = states > 1 ? 2 : 1;
    heed_tensor *before = heed_slice(t, path, 1, 0, states - first, 1);
    heed_tensor *after = heed_slice(t, path, 1, first, HEED_END, 1);
    heed_tensor *products = heed_mul(t, before, after);
    heed_tensor *start = filled(t, path, 1, HEED_SHAPE(batch, first));
    heed_tensor *rest = heed_sum_axes(t, products, 1, &last, false);
    heed_tensor *same = heed_concatenate(t, 2, (heed_tensor *[]){ start, rest }, 1);
    return heed_equal(t, same, heed__number(t, path, 0));
}

/* ln(e^a + e^b + e^c) */
static heed_tensor *log_add(heed_tape *t, heed_tensor *a, heed_tensor *b, heed_tensor *c)
{
    heed_tensor *top = heed_detach(t, heed_maximum(t, heed_maximum(t, a, b), c));
    heed_tensor *from_a = heed_exp(t, heed_sub(t, a, top));
    heed_tensor *from_b = heed_exp(t, heed_sub(t, b, top));
    heed_tensor *from_c = heed_exp(t, heed_sub(t, c, top));
    heed_tensor *two = heed_add(t, from_a, from_b);
    heed_tensor *sum = heed_add(t, two, from_c);
    return heed_add(t, top, heed_log(t, sum));
}

/* ln P [B] from the last forward sums a [B, U]: of the states 2L and 2L - 1. */
static heed_tensor *end_of(heed_tape *t, const heed_call *c, heed_tensor *a)
{
    const int last = -1;
    if (heed_error(t))
        return NULL;
    heed_tensor *zero = heed__number(t, a, 0);
    heed_tensor *one = heed__number(t, a, 1);
    heed_tensor *lowest = heed__number(t, a, LOWEST);
    heed_tensor *state = heed_cast(t, heed_arange(t, 0, (int32_t)a->shape[1]), a->dtype);
    heed_tensor *lengths = heed_cast(t, c->x[3], a->dtype);
    heed_tensor *column = heed_reshape(t, lengths, HEED_SHAPE(a->shape[0], 1));
    heed_tensor *before_end = heed_sub(t, heed_scale(t, column, 2), state);
    heed_tensor *not_past = heed_greater_equal(t, before_end, zero);
    heed_tensor *kept = heed_where(t, not_past, a, lowest);
    heed_tensor *near_end = heed_less_equal(t, before_end, one);
    kept = heed_where(t, near_end, kept, lowest);
    return heed_logsumexp_axes(t, kept, 1, &last, false);
}

heed_tensor *heed__ctc_compose(heed_tape *t, const heed_call *c)
{
    const heed_ctc_options *o = c->attributes;
    const int to_rows[3] = { 1, 2, 0 };
    heed_tensor *x = c->x[0];
    int64_t time = x->shape[0], batch = x->shape[1], states = 2 * c->x[1]->shape[1] + 1;
    heed_tensor *lowest = heed__number(t, x, LOWEST);
    heed_tensor *path = path_of(t, c), *skips = skips_of(t, path);
    heed_tensor *finite = heed_clamp(t, x, LOWEST, INFINITY);
    /* emitted[b, u, t] = x[t, b, the label of u] */
    heed_tensor *emitted = heed_matmul(t, path, heed_permute(t, finite, to_rows));
    heed_tensor *lengths = heed_cast(t, c->x[2], x->dtype);
    heed_tensor *column = heed_reshape(t, lengths, HEED_SHAPE(batch, 1));
    heed_tensor *first = filled(t, x, 0, HEED_SHAPE(batch, 1));
    heed_tensor *others = filled(t, x, LOWEST, HEED_SHAPE(batch, states - 1));
    heed_tensor *a = heed_concatenate(t, 2, (heed_tensor *[]){ first, others }, 1);
    for (int64_t i = 0; i < time; i++) {
        heed_tensor *by_one = moved(t, a, 1, LOWEST), *by_two = moved(t, a, 2, LOWEST);
        heed_tensor *over = heed_where(t, skips, by_two, lowest);
        heed_tensor *sum = log_add(t, a, by_one, over);
        heed_tensor *next = heed_add(t, sum, heed_select(t, emitted, 2, i));
        next = heed_clamp(t, next, LOWEST, INFINITY);
        heed_tensor *runs = heed_greater(t, column, heed__number(t, x, (double)i));
        a = heed_where(t, runs, next, a);
    }
    heed_tensor *whole = end_of(t, c, a);
    heed_tensor *impossible = heed_less(t, whole, heed_scale(t, lowest, 0.5));
    heed_tensor *otherwise = heed__number(t, x, o->zero_infinity ? 0 : INFINITY);
    heed_tensor *loss = heed_where(t, impossible, otherwise, heed_neg(t, whole));
    if (o->reduction == HEED_MEAN) {
        heed_tensor *divisor = heed_cast(t, c->x[3], x->dtype);
        loss = heed_div(t, loss, heed_clamp(t, divisor, 1, INFINITY));
    }
    return heed__loss_reduce(t, loss, o->reduction);
}
