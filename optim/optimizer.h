/* What an optimizer is, for the files of this room: a rule and its constants over the runs
 * of a set. Each rule's file checks options and fills in the constants; optimizer.c takes the
 * steps, group.c knows which parameters go at a rate of their own, optimizer_file.c stores and
 * restores. The kernels' description of one update is the form in which the constants are
 * kept. */
#ifndef HEED_OPTIMIZER_H
#define HEED_OPTIMIZER_H

#include "../core/kernels/kernels.h"
#include "optim.h"

/* The arrays that a rule keeps by parameter, as a set of bits. */
#define HEED__MOMENTS 3
enum { HEED__MOMENT_M = 1, HEED__MOMENT_V = 2, HEED__MOMENT_B = 4 };

typedef struct heed__constants {
    kernel_update update; /* lr, decay, and what the rule needs */
    double decline;       /* with the steps: of adagrad's lr, of what nadam takes off beta1 */
} heed__constants;

typedef struct heed__rule {
    const char *name;
    /* Updates one run: u is complete but for what depends on the step, counted from 1. */
    void (*update)(const kernel_table *kernels, kernel_update *u, double decline, int64_t step);
} heed__rule;

/* NULL, and the set's error, when there is no memory. */
heed_optimizer *heed__optimizer_new(heed_params *ps, const heed__rule *rule, unsigned moments,
                                    const heed__constants *constants);

/* Whether x lies in [low, high); if not, the set's error says "name: what must ...". */
bool heed__option_lies(heed_params *ps, const char *rule, const char *what, double x,
                       double low, double high);
/* The same for a rate of forgetting: at least 0, and so far below 1 that bits of a mean are
 * left. */
bool heed__option_forgets(heed_params *ps, const char *rule, const char *what, double x);
/* An option that is 0 where the caller left it out. */
double heed__option_or(double option, double otherwise);

/* ---- the insides ---- */

/* The moments of the trainable parameters, each in a block laid out like the gradients; how
 * many steps each parameter has taken, for one that was added or thawed later is corrected by
 * its own count; and its group. */
typedef struct heed__memory {
    int count;
    int64_t *offset, *age, *group; /* by parameter; one allocation */
    void *block[HEED__MOMENTS];    /* likewise one, at `blocks`; NULL: the rule has none */
    void *blocks;
    size_t header_bytes, block_bytes;
} heed__memory;

typedef struct heed__group {
    char *pattern;
    double rate, decay;
} heed__group;

struct heed_optimizer {
    heed_params *set;
    const heed_allocator *allocator;
    heed_allocator own;
    const heed__rule *rule;
    unsigned moments;
    heed__constants constants;
    heed__memory memory;
    heed__group *groups; /* later ones win */
    size_t group_count, group_capacity;
    int64_t steps;
    char error[512];
};

/* Memory for the parameters that are trainable now, all zeros. False: there is none. */
bool heed__memory_new(const heed_optimizer *o, heed__memory *m);
void heed__memory_free(const heed_optimizer *o, heed__memory *m);
/* Where a moment lies, `offset` elements into its block; NULL: the rule has no such moment. */
void *heed__moment_at(const heed_optimizer *o, const heed__memory *m, int moment,
                      int64_t offset);
/* Says so; false. */
bool heed__optimizer_refuse(heed_optimizer *o, const char *why);

/* The index of the group that a parameter belongs to; -1: none. */
int64_t heed__group_of(const heed_optimizer *o, const heed_parameter *p);
void heed__groups_free(heed_optimizer *o);

#endif
