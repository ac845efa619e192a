/* Lion: the options.
 *
 *     c = beta1 m + (1 - beta1) g
 *     w -= lr (sign(c) + decay w)
 *     m = beta2 m + (1 - beta2) g */
#include "optimizer.h"

#include <math.h>

static void update(const kernel_table *kernels, kernel_update *u, double decline, int64_t step)
{
    (void)decline;
    (void)step;
    kernels->lion(u);
}

static const heed__rule lion = { "lion", update };

heed_optimizer *heed_lion_new(heed_params *ps, heed_lion_options o)
{
    heed__constants constants = { .update = { .lr = heed__option_or(o.lr, 1e-4),
                                              .beta1 = heed__option_or(o.beta1, 0.9),
                                              .beta2 = heed__option_or(o.beta2, 0.99),
                                              .decay = o.decay,
                                              .decoupled = true } };
    const kernel_update *u = &constants.update;
    if (!heed__option_lies(ps, "lion", "lr", u->lr, 0, INFINITY) ||
        !heed__option_forgets(ps, "lion", "beta1", u->beta1) ||
        !heed__option_forgets(ps, "lion", "beta2", u->beta2) ||
        !heed__option_lies(ps, "lion", "decay", u->decay, 0, INFINITY))
        return NULL;
    return heed__optimizer_new(ps, &lion, HEED__MOMENT_M, &constants);
}
