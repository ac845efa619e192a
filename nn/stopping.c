/* Early stopping: counts the looks at a metric since it was last better. */
#include "training.h"

bool heed_stop(heed_stopping *s, int64_t step, double metric)
{
    double gain = s->maximize ? metric - s->best : s->best - metric;
    bool number = metric == metric;
    bool better = number && (s->looks == s->waited || gain > s->min_delta);
    s->looks++;
    if (better) {
        s->best = metric;
        s->best_step = step;
        s->waited = 0;
    } else {
        s->waited++;
    }
    return s->patience > 0 && s->waited >= s->patience;
}
