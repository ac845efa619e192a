/* What the reductions share: attributes, the shape rule, kernel arguments, and the calls with a
 * list of axes. */
#ifndef HEED_REDUCE_H
#define HEED_REDUCE_H

#include "ops.h"

typedef struct heed__reduction {
    unsigned axes; /* a bit each; all axes where the call said so */
    bool keep;
    double p; /* a variance's correction, a norm's exponent */
} heed__reduction;

/* For the cases of a record. */
#define HEED__AXES(bits, keep)             \
    .attributes = &(const heed__reduction) \
    {                                      \
        bits, keep, 0                      \
    }

/* Operand 0's shape without the reduced axes, and its dtype, whatever it is. */
void heed__reduced_shape(const heed_call *c, heed_result *r);
/* The same for f32 and f64, with the scratch of a sum, maximum or minimum. */
bool heed__reduce_shape(heed_tape *t, const heed_call *c, heed_result *r);
kernel_reduce heed__reduce_of(const heed_call *c, const heed_tensor *y);
/* How many elements each result takes. */
int64_t heed__reduced_count(const heed_call *c);
/* g, of the result's shape, with the reduced axes back as 1: ready to broadcast over x. */
heed_tensor *heed__unreduce(heed_tape *t, const heed_call *c, heed_tensor *g);
/* A reduction of the operand x over the same axes, kept as 1. */
heed_tensor *heed__over_same(heed_tape *t, const heed_call *c, const heed_op *op,
                             heed_tensor *x);
/* Applies op over a list of axes, all where n = 0. */
heed_tensor *heed__over_axes(heed_tape *t, const heed_op *op, heed_tensor *x, int n,
                             const int *axes, bool keep, double p);

#endif
