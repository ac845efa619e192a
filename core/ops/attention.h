/* What the two attention records share: extents and checks, running, composing, and the
 * gradient. */
#ifndef HEED_ATTENTION_H
#define HEED_ATTENTION_H

#include "ops.h"

typedef struct heed__attention {
    double scale;
    heed_causality causality;
} heed__attention;

/* Extents and the key limit: key j is visible to query i by position iff j <= i + offset. */
kernel_attention heed__attention_arguments(const heed_call *c);
bool heed__attention_check(heed_tape *t, const heed_call *c);
bool heed__attention_shape(heed_tape *t, const heed_call *c, heed_result *r);
void heed__attention_run(const heed_call *c, heed_tensor *y);
/* In plain ops; dropout of the weights only here. */
heed_tensor *heed__attention_compose(heed_tape *t, const heed_call *c, double dropout);
/* Runs the kernel with go, into gradient[0..2] of q's, k's and v's shapes. */
void heed__attention_gradients(const heed_call *c, const heed_tensor *o, const heed_tensor *go,
                               const heed_tensor *lse, const heed_tensor gradient[3],
                               void *scratch);
/* The attributes an options struct asks for; width is a head's. */
heed__attention heed__attention_resolve(const heed_attention_options *o, int64_t width);

#endif
