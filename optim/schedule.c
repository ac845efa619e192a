/* Schedules: the learning rate as a pure function of the step. */
#include "optim.h"

#include <math.h>

/* Vaswani et al. 2017, equation 3, with lr as a factor. */
static double noam(const heed_schedule *schedule, double step)
{
    double width = schedule->width > 1 ? (double)schedule->width : 1;
    double warmup = schedule->warmup > 1 ? (double)schedule->warmup : 1;
    double rise = step * pow(warmup, -1.5), fall = pow(step, -0.5);
    return schedule->lr * pow(width, -0.5) * (rise < fall ? rise : fall);
}

double heed_schedule_rate(const heed_schedule *schedule, int64_t step)
{
    const double pi = 3.14159265358979323846;
    if (!schedule)
        return 0;
    const heed_schedule s = *schedule;
    int64_t warmup = s.warmup > 0 ? s.warmup : 0;
    bool falls = s.kind == HEED_LINEAR || s.kind == HEED_COSINE;
    if (step < 0)
        step = 0;
    if (s.kind == HEED_NOAM)
        return noam(&s, (double)step + 1);
    if (falls && step >= s.steps)
        return s.min_lr;
    if (step < warmup)
        return s.lr * ((double)step + 1) / ((double)warmup + 1);
    if (!falls)
        return s.lr;
    /* Here warmup <= step < steps. */
    double way = (double)(step - warmup) / (double)(s.steps - warmup);
    double left = s.kind == HEED_LINEAR ? 1 - way : 0.5 * (1 + cos(pi * way));
    return s.min_lr + left * (s.lr - s.min_lr);
}
