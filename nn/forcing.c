/* What a decoder is given while it learns, and the schedules by which that changes (forcing.h). */
#include "forcing.h"

#include <math.h>

/* The nearest probability; NaN: 0. */
static double probability_of(double x)
{
    return x > 0 ? fmin(x, 1) : 0;
}

static double rate(heed_forcing *f, double first, double least, int64_t step, double metric)
{
    double way = f->steps > 0 ? (double)(step > 0 ? step : 0) / (double)f->steps : 1, k = f->k;
    switch (f->kind) {
    case HEED_FORCING_LINEAR:
        return first + (least - first) * fmin(way, 1);
    case HEED_FORCING_EXPONENTIAL:
        return first * pow(k > 0 && k < 1 ? k : 0.1, way);
    case HEED_FORCING_INVERSE_SIGMOID:
        k = k > 0 ? k : 20;
        return first * (k + 1) / (k + exp(10 * way));
    case HEED_FORCING_METRIC:
        f->reached = f->reached || metric >= f->threshold;
        return f->reached ? least : first;
    case HEED_FORCING_NEVER:
        return 0;
    default:
        return first;
    }
}

heed_tensor *heed_shift_right(heed_tape *t, heed_tensor *ids, int32_t start)
{
    if (!t || heed_error(t))
        return NULL;
    if (!ids || ids->ndim != 2)
        return heed_fail(t, "shift_right: the ids need shape [B, T]");
    if (ids->shape[1] == 0)
        return ids;
    int32_t first[1] = { start };
    heed_tensor *one = heed_ids(t, HEED_SHAPE(1, 1), first);
    heed_tensor *column = heed_expand(t, one, HEED_SHAPE(ids->shape[0], 1));
    heed_tensor *rest = heed_slice(t, ids, 1, 0, -1, 1);
    return heed_concatenate(t, 2, (heed_tensor *[]){ column, rest }, 1);
}

heed_tensor *heed_forced_ids(heed_tape *t, heed_tensor *given, heed_tensor *logits, double p)
{
    if (!t || heed_error(t))
        return NULL;
    if (!given || !logits)
        return heed_fail(t, "forced_ids: the %s are NULL", given ? "logits" : "given ids");
    if (given->ndim != 1 || logits->ndim != 2 || given->shape[0] != logits->shape[0])
        return heed_fail(t, "forced_ids: needs ids [B] and logits [B, V]");
    if (given->dtype != HEED_I32)
        return heed_fail(t, "forced_ids: the given ids are %s but must be i32",
                         heed_dtype_name(given->dtype));
    if (!(p >= 0 && p <= 1))
        return heed_fail(t, "forced_ids: the probability %g is not in [0, 1]", p);
    if (p == 1)
        return given;
    heed_tensor *own = heed_argmax(t, logits, -1, false);
    if (p == 0)
        return own;
    heed_tensor *probability = heed_full(t, heed_shape_of(given), p);
    return heed_where(t, heed_bernoulli(t, probability), given, own);
}

double heed_forcing_rate(heed_forcing *f, int64_t step, double metric)
{
    if (!f)
        return 0;
    double first = probability_of(f->first), least = probability_of(f->least);
    double p = rate(f, first > 0 ? first : 1, least, step, metric);
    return p > least ? p : least;
}
