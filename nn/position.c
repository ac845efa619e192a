/* Fixed positions. */
#include "nn.h"

#include <math.h>

heed_tensor *heed_sinusoidal_positions(heed_tape *t, int64_t start, int64_t count,
                                       int64_t width)
{
    /* The tensor is fresh and nobody has read it yet: filling it in place keeps values
     * immutable. */
    heed_tensor *x = heed_full(t, HEED_SHAPE(count, width), 0);
    for (int64_t p = 0; x && p < count; p++) {
        for (int64_t j = 0; j < width; j++) {
            double angle =
                (double)(start + p) / pow(10000, (double)(j / 2 * 2) / (double)width);
            double value = j % 2 ? cos(angle) : sin(angle);
            if (x->dtype == HEED_F64)
                ((double *)x->data)[p * width + j] = value;
            else
                ((float *)x->data)[p * width + j] = (float)value;
        }
    }
    return x;
}
