/* What an optimizer is, for the files of this room: a rule and its constants over the runs
 * of a set. Each rule's file checks options and fills in the constants; optimizer.c does
 * everything else. The kernels' description of one update is the form in which the constants
 * are kept. */
#ifndef HEED_OPTIMIZER_H
#define HEED_OPTIMIZER_H

#include "../core/kernels/kernels.h"
#include "optim.h"

typedef struct heed__rule {
    const char *name;
    /* Updates one run: u is complete but for what depends on the step, counted from 1. */
    void (*update)(const kernel_table *kernels, kernel_update *u, int64_t step);
} heed__rule;

/* moments: arrays the rule keeps by parameter, 0 to 2. constants: lr, decay, and what the
 * rule needs. NULL, and the set's error, when there is no memory. */
heed_optimizer *heed__optimizer_new(heed_params *ps, const heed__rule *rule, int moments,
                                    const kernel_update *constants);

/* Whether x lies in [low, high); if not, the set's error says "name: what must ...". */
bool heed__option_lies(heed_params *ps, const char *rule, const char *what, double x,
                       double low, double high);

#endif
