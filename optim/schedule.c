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
    const heed_schedule s = *schedule;
    if (step < 0)
        step = 0;
    if (s.kind == HEED_NOAM)
        return noam(&s, (double)step + 1);
    if (step < s.warmup)
        return s.lr * (double)(step + 1) / (double)(s.warmup + 1);

    int64_t whole = s.steps - s.warmup > 1 ? s.steps - s.warmup : 1;
    double way =
        (double)(step - s.warmup) / (double)whole; /* from 0 at the warmup's end to 1 */
    if (way > 1)
        way = 1;
    if (s.kind == HEED_LINEAR)
        return s.min_lr + (1 - way) * (s.lr - s.min_lr);
    if (s.kind == HEED_COSINE)
        return s.min_lr + 0.5 * (1 + cos(pi * way)) * (s.lr - s.min_lr);
    return s.lr;
}
