/* Schedules of teacher forcing. */
#include "seq2seq.h"

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
    default:
        return first;
    }
}

double heed_forcing_rate(heed_forcing *f, int64_t step, double metric)
{
    double p = rate(f, step, metric);
    return p > f->least ? p : f->least;
}
