/* Kernels that gain nothing from wide registers: built once per dtype, the same bits on every
 * instruction set. They keep the promises of kernels.h: no tensor, no failure, scratch lent by
 * the caller, results that do not depend on the number of threads. */
#ifndef HEED_PORTABLE_H
#define HEED_PORTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The lines along one axis of a contiguous array [outer, n, inner]: outer inner lines of n
 * elements, `inner` apart. */
typedef struct kernel_lines {
    int64_t outer, n, inner;
    const void *x;
    void *y;
} kernel_lines;

typedef struct portable_table {
    void (*cumsum)(
        const kernel_lines *); /* y_i = x_0 + ... + x_i; sums are carried in double */
} portable_table;

extern const portable_table heed__portable_f32, heed__portable_f64;

#endif
