/* Clipping by the global norm. */
#include "optim.h"

#include <math.h>

double heed_clip_norm(heed_gradients *g, double limit)
{
    double norm = heed_gradients_norm(g);
    double factor = limit / (norm + 1e-6);
    if (limit > 0 && isfinite(norm) && factor < 1)
        heed_gradients_scale(g, factor);
    return norm;
}
