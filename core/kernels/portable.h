/* Kernels that gain nothing from wide registers: built once per dtype, the same bits on every
 * instruction set. They keep the promises of kernels.h: no tensor, no failure, scratch lent by
 * the caller, results that do not depend on the number of threads. */
#ifndef HEED_PORTABLE_H
#define HEED_PORTABLE_H

#include "kernels.h"

/* The lines along one axis of a contiguous array [outer, n, inner]: outer inner lines of n
 * elements, `inner` apart. */
typedef struct kernel_lines {
    int64_t outer, n, inner;
    const void *x;
    void *y;
    const void *a;  /* of a recurrence: its factors, */
    bool backwards; /* and whether it starts at the end */
} kernel_lines;

/* Connectionist temporal classification: loss_b = -ln of the summed probability of all paths
 * of input_lengths[b] classes that give the target when repeats are merged and blanks dropped;
 * gx = gy times its gradient, 0 beyond the input's length and where there is no such path. Sums
 * are carried in double. */
typedef struct kernel_ctc {
    int64_t time, batch, classes, width;
    const void *x;          /* [time, batch, classes]: log-probabilities; */
    const int32_t *targets; /* [batch, width]; both contiguous, the caller has checked ranges */
    const int32_t *input_lengths, *target_lengths; /* [batch] */
    int32_t blank;
    bool zero_infinity; /* 0 for a loss that is infinite */
    bool mean;          /* gy is divided by batch max(target length, 1) */
    void *loss;         /* [batch] */
    const void *gy;     /* [batch], element stride gy_stride (0 for one common value) */
    int64_t gy_stride;
    void *gx; /* [time, batch, classes] */
    void *scratch;
} kernel_ctc;

/* Sums and products are carried in double. */
typedef struct portable_table {
    void (*cumsum)(const kernel_lines *);  /* y_i = x_0 + ... + x_i */
    void (*cumprod)(const kernel_lines *); /* y_i = x_0 ... x_i */
    /* y_i = x_i + a_i y_(i-1), or backwards y_i = x_i + a_(i+1) y_(i+1); a_0 is not used */
    void (*recurrence)(const kernel_lines *);
    void (*prod)(const kernel_reduce *); /* scale and accumulate are ignored */
    /* i32 y [outer, inner]: the first place of the largest (smallest); NaN is both */
    void (*argmax)(const kernel_lines *);
    void (*argmin)(const kernel_lines *);
    size_t (*ctc_scratch)(const kernel_ctc *);
    void (*ctc)(const kernel_ctc *);
    size_t (*ctc_grad_scratch)(const kernel_ctc *);
    void (*ctc_grad)(const kernel_ctc *);
} portable_table;

extern const portable_table heed__portable_f32, heed__portable_f64;

/* Of bools, as bools. Over nothing: any gives false, all true. */
void heed__any(const kernel_reduce *r);
void heed__all(const kernel_reduce *r);

#endif
