/* What the losses share: the reduction at the end, and labels of weighted classes. */
#ifndef HEED_LOSS_H
#define HEED_LOSS_H

#include "ops.h"

/* The last step of a loss's shape rule, whose result so far is that of no reduction: refuses a
 * reduction that there is not; a mean or sum is 0-d. */
bool heed__loss_reduced(heed_tape *t, const heed_call *c, heed_reduction reduction,
                        heed_result *r);
heed_tensor *heed__loss_reduce(heed_tape *t, heed_tensor *loss, heed_reduction reduction);
/* -sum over the last axis of coefficient log_p, where 0 times minus infinity is 0. */
heed_tensor *heed__loss_expected(heed_tape *t, heed_tensor *coefficient, heed_tensor *log_p);

/* Labels. Operands of the call: x [..., classes], labels [...], weights [classes] or NULL. */
typedef struct heed__label_options {
    heed_reduction reduction;
    bool ignore;
    int32_t ignore_index;
    double smoothing;
} heed__label_options;
heed__label_options heed__labels_resolve(const heed_cross_entropy_options *o);
/* The weights, without a way back; NULL where there are none. */
heed_tensor *heed__labels_weights(heed_tape *t, const heed_cross_entropy_options *o);
bool heed__labels_check(heed_tape *t, const heed_call *c);
/* Are there weights, and if so, are they [classes]? */
bool heed__labels_check_weights(heed_tape *t, const heed_call *c);
/* What a mean multiplies the sum by: 1 over the weights of the labels that count; 0 where they
 * add up to 0. */
double heed__labels_mean(const heed_call *c);
/* The loss of rows of log-probabilities, reduced, in plain ops. */
heed_tensor *heed__labels_loss(heed_tape *t, const heed_call *c, heed_tensor *log_p);

/* heed_op_ctc's composition: ctc_compose.c. */
heed_tensor *heed__ctc_compose(heed_tape *t, const heed_call *c);

/* Cases: a reduction that there is not; attributes, labels, and weights. */
#define NO_REDUCTION ((heed_reduction)7)
#define OPTIONS(...)                           \
    .attributes = &(const heed__label_options) \
    {                                          \
        __VA_ARGS__                            \
    }
#define LABELS(...)                                                      \
    {                                                                    \
        .dtype = HEED_I32, .values = (const double[]){ __VA_ARGS__ },    \
        .shape = HEED_DIMS(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)) \
    }
#define WEIGHTS(...)                                                     \
    {                                                                    \
        .values = (const double[]){ __VA_ARGS__ }, .constant = true,     \
        .shape = HEED_DIMS(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)) \
    }

#endif
