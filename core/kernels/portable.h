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
    void *scratch;  /* of the sparse ones: a double for each element of x */
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
/* Places of a table named by ids: rows[i] against table[i with ids[i] in place of i_axis], for
 * every i within shape. All three by strides over that space; one id for a whole slice is a
 * stride of 0. */
typedef struct kernel_places {
    int ndim, axis;
    int64_t shape[KERNEL_MAX_NDIM];
    const int32_t *ids; /* the caller has checked the range */
    int64_t ids_strides[KERNEL_MAX_NDIM];
    void *table;
    int64_t table_strides[KERNEL_MAX_NDIM];
    void *rows;
    int64_t rows_strides[KERNEL_MAX_NDIM];
    uint8_t *seen; /* scatter: a byte for each element of the table (contiguous), 0 at entry, */
    uint8_t *last; /* and one for each row (in order): was it the last to name its place? */
} kernel_places;

/* The first `count` places of each line in order of value, equal values in order of place; NaN
 * counts as the largest. */
typedef struct kernel_order {
    int64_t outer, n, inner;
    int64_t count;
    bool descending;
    const void *x; /* [outer, n, inner] */
    int32_t *ids;  /* [outer, count, inner] */
    void *scratch;
} kernel_order;

/* Elements picked by a mask, or their places; contiguous. */
typedef struct kernel_mask {
    int64_t n, count;
    const uint8_t *mask; /* [n], of which `count` hold */
    const void *x;
    void *y;
} kernel_mask;

/* Moving, finding and sorting of elements: built for f32, f64, i32 and u8, which is bool's too.
 */
typedef struct element_table {
    void (*gather)(const kernel_places *);  /* rows = table */
    void (*scatter)(const kernel_places *); /* table = rows; the last row of a place wins */
    size_t (*order_scratch)(const kernel_order *);
    void (*order)(const kernel_order *);
    int64_t (*count)(const void *x, int64_t n); /* of elements that are not 0 */
    /* Their indices, [count, ndim], in row-major order. */
    void (*nonzero)(const void *x, int ndim, const int64_t *shape, int64_t count,
                    int32_t *places);
    void (*compress)(const kernel_mask *);   /* y: the elements of x [n] where mask holds */
    void (*decompress)(const kernel_mask *); /* y [n]: those elements of x put back, else 0 */
} element_table;

extern const element_table heed__elements_f32, heed__elements_f64, heed__elements_i32,
    heed__elements_u8;

/* Windows of size elements, `dilation` apart, sliding by `stride` over two axes (height, width)
 * of `extent` elements between `before` and `after` zeros; `count` positions along each. */
typedef struct kernel_windows {
    int64_t extent[2], size[2], stride[2], dilation[2], before[2], after[2], count[2];
} kernel_windows;

/* Planes [extent[0], extent[1]] and what windows make of each, both contiguous. */
typedef struct kernel_planes {
    int64_t planes;
    kernel_windows windows;
    const void *x;
    void *y;
} kernel_planes;

/* n numbers, the i-th a function of (key, i). */
typedef struct kernel_draw {
    int64_t n;
    const void *x; /* bernoulli's probabilities */
    void *y;
    double p, q;
    uint64_t key;
} kernel_draw;

/* Draws from rows of weights, finite and not negative. The caller has seen to it that each row
 * has a positive one, and `count` of them where nothing is put back. */
typedef struct kernel_multinomial {
    int64_t rows, n, count;
    const void *weights; /* [rows, n] */
    int32_t *y;          /* [rows, count] */
    bool replacement;
    uint64_t key;
    void *scratch;
} kernel_multinomial;

/* Rotary positions. Rows of `width` elements lie at [.., position] of `ndim` axes, the last of
 * them the position; pair i of the first `turned` (even) elements of row p is turned by the
 * angle
 *   sign (offset + p)/divisor base^(-2i/turned),
 * the others are copied. A pair is elements 2i and 2i + 1, or (halves) i and i + turned/2. */
typedef struct kernel_rope {
    int ndim;
    int64_t shape[KERNEL_MAX_NDIM], x_strides[KERNEL_MAX_NDIM];
    int64_t width, turned, offset;
    bool halves;
    double base, divisor, sign;
    const void *x;
    void *y;       /* contiguous */
    void *scratch; /* 2 shape[ndim - 1] (turned/2) elements: sines and cosines */
} kernel_rope;

/* y_i += the products p_ij v_j that are not finite, over the keys j that query i sees. Queries
 * are the places of ndim axes; the rows v_j follow one another. */
typedef struct kernel_seen {
    int ndim;
    int64_t shape[KERNEL_MAX_NDIM], p_strides[KERNEL_MAX_NDIM],
        visible_strides[KERNEL_MAX_NDIM], v_strides[KERNEL_MAX_NDIM];
    int64_t keys, width;
    const void *p;
    const uint8_t *visible;
    int64_t p_step, visible_step; /* from key to key */
    const void *v;
    void *y; /* contiguous */
} kernel_seen;

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
    /* y = max(x - tau, 0), y = max(x/2 - tau, 0)^2, tau such that each line adds up to 1; a
     * line of -inf gives 0 */
    void (*sparsemax)(const kernel_lines *);
    void (*entmax15)(const kernel_lines *);
    size_t (*ctc_scratch)(const kernel_ctc *);
    void (*ctc)(const kernel_ctc *);
    size_t (*ctc_grad_scratch)(const kernel_ctc *);
    void (*ctc_grad)(const kernel_ctc *);
    void (*scatter_add)(const kernel_places *); /* table += rows, in order of the rows */
    void (*im2col)(const kernel_planes *); /* y [plane, size, size, count, count]: elements */
    void (*col2im)(const kernel_planes *); /* the adjoint: each adds to the place it is from */
    void (*avg_pool)(const kernel_planes *);
    void (*avg_pool_grad)(const kernel_planes *);
    /* i32 y: the place in its plane of the first of the largest; NaN is the largest */
    void (*max_pool_ids)(const kernel_planes *);
    void (*uniform)(const kernel_draw *);   /* in [p, q) */
    void (*normal)(const kernel_draw *);    /* of mean p and deviation q */
    void (*bernoulli)(const kernel_draw *); /* 1 with probability x, bytes */
    size_t (*multinomial_scratch)(const kernel_multinomial *);
    void (*multinomial)(const kernel_multinomial *);
    void (*rope)(const kernel_rope *);
    bool (*all_finite)(const void *x, int64_t n);
    void (*finite_part)(const void *x, int64_t n, void *y); /* 0 for what is not; y may be x */
    void (*add_not_finite)(const kernel_seen *);
} portable_table;

extern const portable_table heed__portable_f32, heed__portable_f64;

/* Of bools, as bools. Over nothing: any gives false, all true. */
void heed__any(const kernel_reduce *r);
void heed__all(const kernel_reduce *r);

#endif
