/* What a decoder is given while it learns, and the schedules by which that changes (forcing.h). */
#include "forcing.h"

#include <math.h>

static double rate(heed_forcing *f, int64_t step, double metric)
{
    double first = f->first > 0 ? f->first : 1;
    double way = f->steps > 0 ? (double)(step > 0 ? step : 0) / (double)f->steps : 1, k = f->k;
    switch (f->kind) {
    case HEED_FORCING_LINEAR:
        return first + (f->least - first) * fmin(way, 1);
    case HEED_FORCING_EXPONENTIAL:
        return first * pow(k > 0 && k < 1 ? k : 0.1, way);
    case HEED_FORCING_INVERSE_SIGMOID:
        k = k > 0 ? k : 20;
        return first * (k + 1) / (k + exp(10 * way));
    case HEED_FORCING_METRIC:
        f->reached = f->reached || metric >= f->threshold;
        return f->reached ? f->least : first;
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
    if (p >= 1)
        return given;
    heed_tensor *own = heed_argmax(t, logits, -1, false);
    if (!own || !given)
        return heed_fail(t, "forced_ids: the given ids are NULL");
    if (given->ndim != 1 || own->ndim != 1 || given->shape[0] != own->shape[0])
        return heed_fail(t, "forced_ids: needs ids [B] and logits [B, V]");
    if (p <= 0)
        return own;
    heed_tensor *probability = heed_full(t, heed_shape_of(given), p);
    return heed_where(t, heed_bernoulli(t, probability), given, own);
}

double heed_forcing_rate(heed_forcing *f, int64_t step, double metric)
{
    double p = rate(f, step, metric);
    return p > f->least ? p : f->least;
}
