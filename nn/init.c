/* Initial values of parameters. Draws come one after another from the caller's heed_random, so
 * a model's start is a function of seed and stream. */
#include "nn.h"

#include <math.h>

static void put(heed_parameter *p, int64_t i, double value)
{
    if (p->dtype == HEED_F64)
        ((double *)p->data)[i] = value;
    else
        ((float *)p->data)[i] = (float)value;
}

void heed_init_normal(heed_parameter *p, double deviation, heed_random *r)
{
    for (int64_t i = 0; p && r && i < p->size; i++)
        put(p, i, deviation * heed_random_normal(r));
}

void heed_init_uniform(heed_parameter *p, double low, double high, heed_random *r)
{
    for (int64_t i = 0; p && r && i < p->size; i++)
        put(p, i, low + (high - low) * heed_random_uniform(r));
}

void heed_init_constant(heed_parameter *p, double value)
{
    for (int64_t i = 0; p && i < p->size; i++)
        put(p, i, value);
}

void heed_init_xavier(heed_parameter *p, int64_t fan_in, int64_t fan_out, heed_random *r)
{
    double bound =
        sqrt(6.0 / ((double)fan_in + (double)fan_out)); /* a uniform's variance is bound^2/3 */
    heed_init_uniform(p, -bound, bound, r);
}

void heed_init_he(heed_parameter *p, int64_t fan_in, heed_random *r)
{
    heed_init_normal(p, sqrt(2.0 / (double)fan_in), r);
}
