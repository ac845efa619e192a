/* Adagrad and RMSprop: steps measured by the squares of the gradients so far. The options and
 * what changes from step to step.
 *
 *     g += decay w
 *     adagrad:  v += g^2                          (from `initial`)
 *               w -= lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + epsilon)
 *     rmsprop:  v = alpha v + (1 - alpha) g^2
 *               s = g / (sqrt(v) + epsilon)       (centered: v - m^2, m the mean of g)
 *               b = momentum b + s;  w -= lr b    (without momentum w -= lr s) */
#include "optimizer.h"

#include <math.h>

static void update_adagrad(const kernel_table *kernels, kernel_update *u, double decline,
                           int64_t step)
{
    u->lr /= 1 + (double)(step - 1) * decline;
    kernels->adagrad(u);
}

static const heed__rule adagrad = { "adagrad", update_adagrad };

heed_optimizer *heed_adagrad_new(heed_params *ps, heed_adagrad_options o)
{
    heed__constants constants = { .update = { .lr = heed__option_or(o.lr, 1e-2),
                                              .initial = o.initial,
                                              .epsilon = heed__option_or(o.epsilon, 1e-10),
                                              .decay = o.decay },
                                  .decline = o.lr_decay };
    const kernel_update *u = &constants.update;
    if (!heed__option_lies(ps, "adagrad", "lr", u->lr, 0, INFINITY) ||
        !heed__option_lies(ps, "adagrad", "lr_decay", o.lr_decay, 0, INFINITY) ||
        !heed__option_lies(ps, "adagrad", "initial", u->initial, 0, INFINITY) ||
        !heed__option_lies(ps, "adagrad", "epsilon", u->epsilon, 0, INFINITY) ||
        !heed__option_lies(ps, "adagrad", "decay", u->decay, 0, INFINITY))
        return NULL;
    return heed__optimizer_new(ps, &adagrad, HEED__MOMENT_V, &constants);
}

static void update_rmsprop(const kernel_table *kernels, kernel_update *u, double decline,
                           int64_t step)
{
    (void)decline;
    (void)step;
    kernels->rmsprop(u);
}

static const heed__rule rmsprop = { "rmsprop", update_rmsprop };

heed_optimizer *heed_rmsprop_new(heed_params *ps, heed_rmsprop_options o)
{
    heed__constants constants = { .update = { .lr = heed__option_or(o.lr, 1e-2),
                                              .beta2 = heed__option_or(o.alpha, 0.99),
                                              .epsilon = heed__option_or(o.epsilon, 1e-8),
                                              .momentum = o.momentum,
                                              .decay = o.decay } };
    const kernel_update *u = &constants.update;
    if (!heed__option_lies(ps, "rmsprop", "lr", u->lr, 0, INFINITY) ||
        !heed__option_forgets(ps, "rmsprop", "alpha", u->beta2) ||
        !heed__option_lies(ps, "rmsprop", "epsilon", u->epsilon, 0, INFINITY) ||
        !heed__option_lies(ps, "rmsprop", "momentum", u->momentum, 0, INFINITY) ||
        !heed__option_lies(ps, "rmsprop", "decay", u->decay, 0, INFINITY))
        return NULL;
    unsigned moments = HEED__MOMENT_V;
    if (o.centered)
        moments |= HEED__MOMENT_M;
    if (o.momentum > 0)
        moments |= HEED__MOMENT_B;
    return heed__optimizer_new(ps, &rmsprop, moments, &constants);
}
