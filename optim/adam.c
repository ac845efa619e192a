/* Adam and AdamW: the options and what changes from step to step.
 *
 *     m = beta1 m + (1 - beta1) g
 *     v = beta2 v + (1 - beta2) g^2
 *     w -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
 *
 * Adam's decay joins g before all that; AdamW's takes lr decay w off w instead. */
#include "optimizer.h"

#include <math.h>

/* 1 - beta from this on would leave too few bits of a mean. */
#define BETA_LIMIT (1 - 1e-12)

static void update(const kernel_table *kernels, kernel_update *u, int64_t step)
{
    u->correction1 = 1 - pow(u->beta1, (double)step);
    u->correction2 = 1 - pow(u->beta2, (double)step);
    kernels->adam(u);
}

static const heed__rule adam = { "adam", update }, adamw = { "adamw", update };

static double or_default(double option, double otherwise)
{
    return option == 0 ? otherwise : option;
}

static heed_optimizer *new_adam(heed_params *ps, const heed__rule *rule, heed_adam_options o)
{
    kernel_update constants = { .lr = or_default(o.lr, 1e-3),
                                .beta1 = or_default(o.beta1, 0.9),
                                .beta2 = or_default(o.beta2, 0.999),
                                .epsilon = or_default(o.epsilon, 1e-8),
                                .decay = o.decay,
                                .decoupled = rule == &adamw };
    if (!heed__option_lies(ps, rule->name, "lr", constants.lr, 0, INFINITY) ||
        !heed__option_lies(ps, rule->name, "beta1", constants.beta1, 0, BETA_LIMIT) ||
        !heed__option_lies(ps, rule->name, "beta2", constants.beta2, 0, BETA_LIMIT) ||
        !heed__option_lies(ps, rule->name, "epsilon", constants.epsilon, 0, INFINITY) ||
        !heed__option_lies(ps, rule->name, "decay", constants.decay, 0, INFINITY))
        return NULL;
    return heed__optimizer_new(ps, rule, 2, &constants);
}

heed_optimizer *heed_adam_new(heed_params *ps, heed_adam_options options)
{
    return new_adam(ps, &adam, options);
}

heed_optimizer *heed_adamw_new(heed_params *ps, heed_adam_options options)
{
    return new_adam(ps, &adamw, options);
}
