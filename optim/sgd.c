/* Stochastic gradient descent: the options.
 *
 *     g += decay w
 *     v = momentum v + (1 - dampening) g      (the first time v = g)
 *     w -= lr v                               (nesterov: lr (g + momentum v)) */
#include "optimizer.h"

#include <math.h>

static void update(const kernel_table *kernels, kernel_update *u, double decline, int64_t step)
{
    (void)decline;
    (void)step;
    kernels->sgd(u);
}

static const heed__rule sgd = { "sgd", update };

heed_optimizer *heed_sgd_new(heed_params *ps, heed_sgd_options o)
{
    if (!heed__option_lies(ps, "sgd", "lr", o.lr, 0, INFINITY) ||
        !heed__option_lies(ps, "sgd", "momentum", o.momentum, 0, INFINITY) ||
        !heed__option_lies(ps, "sgd", "dampening", o.dampening, -INFINITY, INFINITY) ||
        !heed__option_lies(ps, "sgd", "decay", o.decay, 0, INFINITY))
        return NULL;
    if (o.nesterov && !(o.momentum > 0 && o.dampening == 0)) {
        heed_params_fail(ps, "sgd: nesterov needs a momentum above 0 and no dampening");
        return NULL;
    }
    heed__constants constants = { .update = { .lr = o.lr,
                                              .momentum = o.momentum,
                                              .dampening = o.dampening,
                                              .nesterov = o.nesterov,
                                              .decay = o.decay } };
    return heed__optimizer_new(ps, &sgd, o.momentum > 0 ? HEED__MOMENT_M : 0, &constants);
}
