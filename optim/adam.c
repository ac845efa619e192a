/* Adam, AdamW and NAdam: the options and what changes from step to step.
 *
 *     m = beta1 m + (1 - beta1) g
 *     v = beta2 v + (1 - beta2) g^2
 *     w -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
 *
 * NAdam looks ahead: with mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2) and p_t = mu_1 .. mu_t
 *
 *     w -= lr (mu_{t+1} m / (1 - p_{t+1}) + (1 - mu_t) g / (1 - p_t)) / (the same)
 *
 * Adam's decay joins g before all that; AdamW's takes lr decay w off w instead. */
#include "optimizer.h"

#include <math.h>

static void update_adam(const kernel_table *kernels, kernel_update *u, double decline,
                        int64_t step)
{
    (void)decline;
    u->correction1 = 1 - pow(u->beta1, (double)step);
    u->correction2 = 1 - pow(u->beta2, (double)step);
    kernels->adam(u);
}

static const heed__rule adam = { "adam", update_adam }, adamw = { "adamw", update_adam };

static heed_optimizer *new_adam(heed_params *ps, const heed__rule *rule, heed_adam_options o)
{
    heed__constants constants = { .update = { .lr = heed__option_or(o.lr, 1e-3),
                                              .beta1 = heed__option_or(o.beta1, 0.9),
                                              .beta2 = heed__option_or(o.beta2, 0.999),
                                              .epsilon = heed__option_or(o.epsilon, 1e-8),
                                              .decay = o.decay,
                                              .decoupled = rule == &adamw } };
    const kernel_update *u = &constants.update;
    if (!heed__option_lies(ps, rule->name, "lr", u->lr, 0, INFINITY) ||
        !heed__option_forgets(ps, rule->name, "beta1", u->beta1) ||
        !heed__option_forgets(ps, rule->name, "beta2", u->beta2) ||
        !heed__option_lies(ps, rule->name, "epsilon", u->epsilon, 0, INFINITY) ||
        !heed__option_lies(ps, rule->name, "decay", u->decay, 0, INFINITY))
        return NULL;
    return heed__optimizer_new(ps, rule, HEED__MOMENT_M | HEED__MOMENT_V, &constants);
}

heed_optimizer *heed_adam_new(heed_params *ps, heed_adam_options options)
{
    return new_adam(ps, &adam, options);
}

heed_optimizer *heed_adamw_new(heed_params *ps, heed_adam_options options)
{
    return new_adam(ps, &adamw, options);
}

/* ---- NAdam ---- */

static double nadam_mean(double beta1, double decline, double step)
{
    return beta1 * (1 - 0.5 * pow(0.96, step * decline));
}

/* p_t, made anew from 1 each time so that a resumed run has its bits. It ends where 1 - p_t is
 * 1 to the last bit. */
static double nadam_product(double beta1, double decline, int64_t step)
{
    double product = 1;
    for (int64_t i = 1; i <= step && product > 0x1p-60; i++)
        product *= nadam_mean(beta1, decline, (double)i);
    return product;
}

static void update_nadam(const kernel_table *kernels, kernel_update *u, double decline,
                         int64_t step)
{
    double now = nadam_mean(u->beta1, decline, (double)step);
    double next = nadam_mean(u->beta1, decline, (double)step + 1);
    double product = nadam_product(u->beta1, decline, step);
    u->correction1 = (1 - product * next) / next;
    u->correction2 = 1 - pow(u->beta2, (double)step);
    u->ahead = (1 - now) / (1 - product);
    kernels->adam(u);
}

static const heed__rule nadam = { "nadam", update_nadam };

heed_optimizer *heed_nadam_new(heed_params *ps, heed_nadam_options o)
{
    heed__constants constants = { .update = { .lr = heed__option_or(o.lr, 2e-3),
                                              .beta1 = heed__option_or(o.beta1, 0.9),
                                              .beta2 = heed__option_or(o.beta2, 0.999),
                                              .epsilon = heed__option_or(o.epsilon, 1e-8),
                                              .decay = o.decay,
                                              .decoupled = o.decoupled,
                                              .nesterov = true },
                                  .decline = heed__option_or(o.momentum_decay, 0.004) };
    const kernel_update *u = &constants.update;
    if (!heed__option_lies(ps, "nadam", "lr", u->lr, 0, INFINITY) ||
        !heed__option_forgets(ps, "nadam", "beta1", u->beta1) ||
        !heed__option_forgets(ps, "nadam", "beta2", u->beta2) ||
        !heed__option_lies(ps, "nadam", "epsilon", u->epsilon, 0, INFINITY) ||
        !heed__option_lies(ps, "nadam", "momentum_decay", constants.decline, 0, INFINITY) ||
        !heed__option_lies(ps, "nadam", "decay", u->decay, 0, INFINITY))
        return NULL;
    return heed__optimizer_new(ps, &nadam, HEED__MOMENT_M | HEED__MOMENT_V, &constants);
}
