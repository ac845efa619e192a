/* Every operation, by family. Part of heed.h, which is what to include.
 *
 * Conventions are numpy's unless said otherwise; at kinks and edges PyTorch's, and a test case
 * of the op's record states each one. Any strides are taken; elementwise operands broadcast.
 * Shape and indexing ops take every dtype; arithmetic takes f32 and f64. A result that is not
 * differentiable (comparisons, indices, draws) has no gradient. Derivatives and costs are in
 * docs/derivatives.md. */
#ifndef HEED_OPERATIONS_H
#define HEED_OPERATIONS_H

#include "heed.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- arithmetic ---- */

HEED_API heed_tensor *heed_add(heed_tape *t, heed_tensor *a, heed_tensor *b); /* a + b */
HEED_API heed_tensor *heed_sub(heed_tape *t, heed_tensor *a, heed_tensor *b); /* a - b */
HEED_API heed_tensor *heed_mul(heed_tape *t, heed_tensor *a, heed_tensor *b); /* a b */
HEED_API heed_tensor *heed_div(heed_tape *t, heed_tensor *a, heed_tensor *b); /* a / b */
/* a^b as C's pow. The exponent's gradient is gy y ln a, and 0 where a = 0 and b >= 0. */
HEED_API heed_tensor *heed_pow(heed_tape *t, heed_tensor *a, heed_tensor *b);
/* a + weight (b - a) */
HEED_API heed_tensor *heed_lerp(heed_tape *t, heed_tensor *a, heed_tensor *b,
                                heed_tensor *weight);
/* NaN if either is; a tie gives each operand half the gradient */
HEED_API heed_tensor *heed_maximum(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_minimum(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_scale(heed_tape *t, heed_tensor *x, double factor); /* factor x */
/* x + constant */
HEED_API heed_tensor *heed_shift(heed_tape *t, heed_tensor *x, double constant);
/* x^exponent */
HEED_API heed_tensor *heed_power(heed_tape *t, heed_tensor *x, double exponent);
/* min(max(x, low), high); derivative 1 on the closed interval */
HEED_API heed_tensor *heed_clamp(heed_tape *t, heed_tensor *x, double low, double high);
HEED_API heed_tensor *heed_neg(heed_tape *t, heed_tensor *x);        /* -x */
HEED_API heed_tensor *heed_square(heed_tape *t, heed_tensor *x);     /* x^2 */
HEED_API heed_tensor *heed_reciprocal(heed_tape *t, heed_tensor *x); /* 1/x */
HEED_API heed_tensor *heed_abs(heed_tape *t, heed_tensor *x);  /* |x|; derivative 0 at 0 */
HEED_API heed_tensor *heed_sign(heed_tape *t, heed_tensor *x); /* -1, 0 or 1; derivative 0 */
/* To a whole number; derivative 0 everywhere. */
HEED_API heed_tensor *heed_floor(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_ceil(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_round(heed_tape *t, heed_tensor *x); /* halves to the even one */

/* ---- elementary functions ---- */

HEED_API heed_tensor *heed_exp(heed_tape *t, heed_tensor *x);   /* e^x */
HEED_API heed_tensor *heed_expm1(heed_tape *t, heed_tensor *x); /* e^x - 1 */
HEED_API heed_tensor *heed_log(heed_tape *t, heed_tensor *x);   /* ln x */
HEED_API heed_tensor *heed_log1p(heed_tape *t, heed_tensor *x); /* ln(1 + x) */
HEED_API heed_tensor *heed_sqrt(heed_tape *t, heed_tensor *x);  /* x^(1/2) */
HEED_API heed_tensor *heed_rsqrt(heed_tape *t, heed_tensor *x); /* x^(-1/2) */
HEED_API heed_tensor *heed_sin(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_cos(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_tan(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_tanh(heed_tape *t, heed_tensor *x);
/* 2/sqrt(pi) int_0^x e^(-u^2) du */
HEED_API heed_tensor *heed_erf(heed_tape *t, heed_tensor *x);

/* ---- activations ---- */

HEED_API heed_tensor *heed_sigmoid(heed_tape *t, heed_tensor *x);  /* 1/(1 + e^-x) */
HEED_API heed_tensor *heed_softplus(heed_tape *t, heed_tensor *x); /* ln(1 + e^x) */
/* max(x, 0); derivative 0 at 0 */
HEED_API heed_tensor *heed_relu(heed_tape *t, heed_tensor *x);
/* x > 0 ? x : slope x; derivative slope at 0. Maas, Hannun, Ng 2013. */
HEED_API heed_tensor *heed_leaky_relu(heed_tape *t, heed_tensor *x, double slope);
/* x > 0 ? x : alpha (e^x - 1). Clevert, Unterthiner, Hochreiter 2016. */
HEED_API heed_tensor *heed_elu(heed_tape *t, heed_tensor *x, double alpha);
/* x Phi(x): Hendrycks, Gimpel 2016 */
HEED_API heed_tensor *heed_gelu(heed_tape *t, heed_tensor *x);
/* the same paper's tanh form (GPT-2) */
HEED_API heed_tensor *heed_gelu_tanh(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_silu(heed_tape *t, heed_tensor *x); /* x sigmoid(x) */
/* x tanh(ln(1 + e^x)): Misra 2020 */
HEED_API heed_tensor *heed_mish(heed_tape *t, heed_tensor *x);
/* clamp(x/6 + 1/2, 0, 1), and x times that: Howard et al. 2019 */
HEED_API heed_tensor *heed_hard_sigmoid(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_hard_swish(heed_tape *t, heed_tensor *x);

/* ---- comparisons, logic, choice ----
 *
 * These give bool and have no derivative. Comparisons take two operands of one dtype, any. */

HEED_API heed_tensor *heed_equal(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_not_equal(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_less(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_less_equal(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_greater(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_greater_equal(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_isnan(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_isinf(heed_tape *t, heed_tensor *x); /* of either sign */
/* Of bools. */
HEED_API heed_tensor *heed_logical_and(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_logical_or(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_logical_xor(heed_tape *t, heed_tensor *a, heed_tensor *b);
HEED_API heed_tensor *heed_logical_not(heed_tape *t, heed_tensor *x);
/* mask ? a : b, elementwise, any dtype; the branch not taken gets gradient 0 even where it is
 * NaN. */
HEED_API heed_tensor *heed_where(heed_tape *t, heed_tensor *mask, heed_tensor *a,
                                 heed_tensor *b);
HEED_API heed_tensor *heed_masked_fill(heed_tape *t, heed_tensor *x, heed_tensor *mask,
                                       double value);
/* To another dtype; only float to float is differentiable. To i32 and u8: the fraction is cut
 * off, what lies outside takes the nearest number, NaN gives 0. To bool: is it not 0. */
HEED_API heed_tensor *heed_cast(heed_tape *t, heed_tensor *x, heed_dtype dtype);

/* ---- reductions ----
 *
 * axes: a list of n axes (negative ones count from the end); n = 0 means all. keep: reduced
 * axes stay with extent 1. The short forms reduce all axes to a 0-d tensor. */

HEED_API heed_tensor *heed_sum_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                    bool keep);
HEED_API heed_tensor *heed_mean_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                     bool keep);
HEED_API heed_tensor *heed_prod_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                     bool keep);
/* ties share the gradient evenly; NaN wins */
HEED_API heed_tensor *heed_max_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                    bool keep);
HEED_API heed_tensor *heed_min_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                    bool keep);
/* sum (x - mean)^2 / (count - correction): correction 1 is the sample variance, 0 that of a
 * population. NaN where count <= correction (PyTorch: infinity if the sum is not 0). */
HEED_API heed_tensor *heed_variance_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                         bool keep, double correction);
/* its square root; gradient 0 where the deviation is 0, as in PyTorch */
HEED_API heed_tensor *heed_deviation_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                          bool keep, double correction);
/* ln sum e^x, without overflow; -inf where all are, with gradient 0 (PyTorch: NaN) */
HEED_API heed_tensor *heed_logsumexp_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                          bool keep);
/* (sum |x|^p)^(1/p), p > 0 or INFINITY (max |x|, ties share the gradient evenly), without
 * overflow; gradient 0 at the origin, and by each element that is 0 */
HEED_API heed_tensor *heed_norm_axes(heed_tape *t, heed_tensor *x, double p, int n,
                                     const int *axes, bool keep);
/* Of bools. Over nothing: any gives false, all gives true. */
HEED_API heed_tensor *heed_any_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                    bool keep);
HEED_API heed_tensor *heed_all_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                    bool keep);
HEED_API heed_tensor *heed_sum(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_mean(heed_tape *t, heed_tensor *x); /* NaN if there is nothing */
HEED_API heed_tensor *heed_prod(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_max(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_min(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_variance(heed_tape *t, heed_tensor *x);  /* correction 1 */
HEED_API heed_tensor *heed_deviation(heed_tape *t, heed_tensor *x); /* correction 1 */
HEED_API heed_tensor *heed_logsumexp(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_norm(heed_tape *t, heed_tensor *x); /* p = 2 */
HEED_API heed_tensor *heed_any(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_all(heed_tape *t, heed_tensor *x);
/* i32: the first place of the largest (smallest) along axis; NaN counts as the largest
 * (smallest). */
HEED_API heed_tensor *heed_argmax(heed_tape *t, heed_tensor *x, int axis, bool keep);
HEED_API heed_tensor *heed_argmin(heed_tape *t, heed_tensor *x, int axis, bool keep);
/* Undoes broadcasting. */
HEED_API heed_tensor *heed_sum_to(heed_tape *t, heed_tensor *x, heed_shape shape);
/* y_i = x_0 + ... + x_i, and the like of products, along axis */
HEED_API heed_tensor *heed_cumsum(heed_tape *t, heed_tensor *x, int axis);
HEED_API heed_tensor *heed_cumprod(heed_tape *t, heed_tensor *x, int axis);

/* ---- shape ----
 *
 * Views, without a copy, are: reshape of what is contiguous, permute, swap, squeeze, unsqueeze,
 * expand, slice, select, split, chunk, flip, unfold, diagonal. */

/* one -1 is inferred */
HEED_API heed_tensor *heed_reshape(heed_tape *t, heed_tensor *x, heed_shape shape);
/* x->ndim axes */
HEED_API heed_tensor *heed_permute(heed_tape *t, heed_tensor *x, const int *axes);
HEED_API heed_tensor *heed_swap(heed_tape *t, heed_tensor *x, int axis_a, int axis_b);
/* Drops an axis, which must have extent 1. */
HEED_API heed_tensor *heed_squeeze(heed_tape *t, heed_tensor *x, int axis);
/* A new axis of extent 1, which becomes axis `axis` of the result. */
HEED_API heed_tensor *heed_unsqueeze(heed_tape *t, heed_tensor *x, int axis);
/* Broadcast to a shape; -1 keeps an extent. */
HEED_API heed_tensor *heed_expand(heed_tape *t, heed_tensor *x, heed_shape shape);
/* All n to their common shape; false (y filled with NULL) when they have none. */
HEED_API bool heed_broadcast(heed_tape *t, int n, heed_tensor *const x[], heed_tensor *y[]);
/* x[..., start:stop:step, ...] along axis, as Python: negative bounds count from the end,
 * bounds are clipped, step may be negative. HEED_END as stop means all that remain in the
 * direction of step. */
#define HEED_END INT64_MAX
HEED_API heed_tensor *heed_slice(heed_tape *t, heed_tensor *x, int axis, int64_t start,
                                 int64_t stop, int64_t step);
/* drops axis */
HEED_API heed_tensor *heed_select(heed_tape *t, heed_tensor *x, int axis, int64_t index);
HEED_API heed_tensor *heed_contiguous(heed_tape *t, heed_tensor *x); /* x itself if it is */
HEED_API heed_tensor *heed_concatenate(heed_tape *t, int n, heed_tensor *const x[], int axis);
/* Tensors of one shape, along a new axis. */
HEED_API heed_tensor *heed_stack(heed_tape *t, int n, heed_tensor *const x[], int axis);
/* y[i] has sizes[i] along axis; the sizes must add up. False (y filled with NULL) on error. */
HEED_API bool heed_split(heed_tape *t, heed_tensor *x, int n, const int64_t sizes[], int axis,
                         heed_tensor *y[]);
/* n parts whose sizes differ by at most one, the longer ones first (numpy's array_split). */
HEED_API bool heed_chunk(heed_tape *t, heed_tensor *x, int n, int axis, heed_tensor *y[]);

typedef enum heed_padding {
    HEED_PAD_CONSTANT,
    HEED_PAD_REFLECT, /* mirrored without repeating the edge: c b | a b c | b a */
    HEED_PAD_EDGE     /* the edge repeated */
} heed_padding;
/* before[k], after[k] new elements on each side of axis k, x->ndim of each. A negative number
 * cuts (constant only). value: of the constant. */
HEED_API heed_tensor *heed_pad(heed_tape *t, heed_tensor *x, const int64_t *before,
                               const int64_t *after, heed_padding mode, double value);
/* Reverses n axes; n = 0: all. */
HEED_API heed_tensor *heed_flip(heed_tape *t, heed_tensor *x, int n, const int *axes);
/* Shifts along axis; what leaves one end enters at the other. */
HEED_API heed_tensor *heed_roll(heed_tape *t, heed_tensor *x, int64_t shift, int axis);
/* Each element `count` times along axis: a a b b. */
HEED_API heed_tensor *heed_repeat(heed_tape *t, heed_tensor *x, int64_t count, int axis);
/* The whole counts.size[k] times along axis k: a b a b. Axes are aligned at the end. */
HEED_API heed_tensor *heed_tile(heed_tape *t, heed_tensor *x, heed_shape counts);
/* Sliding windows: axis becomes the number of windows, 1 + (extent - size) / step, and a new
 * last axis runs within a window. */
HEED_API heed_tensor *heed_unfold(heed_tape *t, heed_tensor *x, int axis, int64_t size,
                                  int64_t step);
/* The adjoint: windows [..., count, ..., size] added up into an axis of `extent`. */
HEED_API heed_tensor *heed_fold(heed_tape *t, heed_tensor *x, int axis, int64_t step,
                                int64_t extent);
/* Image patches as rows: [B, C, H, W] -> [B, N, C height width], patches left to right, top to
 * bottom, channels first within one. H and W must be multiples. Dosovitskiy et al. 2021. */
HEED_API heed_tensor *heed_patches(heed_tape *t, heed_tensor *x, int64_t height, int64_t width);
HEED_API heed_tensor *heed_split_heads(heed_tape *t, heed_tensor *x,
                                       int heads);                   /* [B,T,HD] -> [B,H,T,D] */
HEED_API heed_tensor *heed_join_heads(heed_tape *t, heed_tensor *x); /* [B,H,T,D] -> [B,T,HD] */

/* ---- linear algebra ---- */

/* [..., m, k] x [..., k, n] -> [..., m, n], batch axes broadcast; a 1-d operand is a row (left)
 * or a column (right) and its axis is dropped from the result, as numpy.matmul. */
HEED_API heed_tensor *heed_matmul(heed_tape *t, heed_tensor *a, heed_tensor *b);
/* x W^T + b: x [..., in], weight [out, in], bias [out] or NULL -> [..., out]. */
HEED_API heed_tensor *heed_linear(heed_tape *t, heed_tensor *x, heed_tensor *weight,
                                  heed_tensor *bias);
/* a_i b_j of two 1-d tensors */
HEED_API heed_tensor *heed_outer(heed_tape *t, heed_tensor *a, heed_tensor *b);
/* numpy.einsum: "bhtd,bhsd->bhts". Letters a-z and A-Z; a repeated letter within one operand is
 * its diagonal; "..." stands for broadcast axes, and an extent of 1 broadcasts under a letter,
 * too; without "->" the result has the broadcast axes and the letters that occur once, in
 * alphabetical order, capitals first. Contracted from left to right by matrix products. */
HEED_API heed_tensor *heed_einsum(heed_tape *t, const char *equation, int n,
                                  heed_tensor *const x[]);
/* Of the last two axes: 0 above (below) the diagonal j - i = offset. */
HEED_API heed_tensor *heed_tril(heed_tape *t, heed_tensor *x, int64_t offset);
HEED_API heed_tensor *heed_triu(heed_tape *t, heed_tensor *x, int64_t offset);
/* x[..., i, i + offset]: the two axes leave and their diagonal becomes the last axis. */
HEED_API heed_tensor *heed_diagonal(heed_tape *t, heed_tensor *x, int64_t offset, int axis_a,
                                    int axis_b);
/* The sum of the main diagonal of the last two axes. */
HEED_API heed_tensor *heed_trace(heed_tape *t, heed_tensor *x);

/* ---- indexing ----
 *
 * ids are i32; one out of range is an error that names it. Negative ids are not wrapped. */

/* table [rows, width], ids [...] -> [..., width]. */
HEED_API heed_tensor *heed_embedding(heed_tape *t, heed_tensor *table, heed_tensor *ids);
/* The adjoint: y[ids[i]] += x[i], y [rows, width]. */
HEED_API heed_tensor *heed_scatter_rows(heed_tape *t, heed_tensor *x, heed_tensor *ids,
                                        int64_t rows);
/* y[i, j, k] = x[i, ids[i, j, k], k] for axis 1, and so on: torch.gather, numpy's
 * take_along_axis. ids has x's number of axes, and no larger extents beside axis. */
HEED_API heed_tensor *heed_gather(heed_tape *t, heed_tensor *x, heed_tensor *ids, int axis);
/* Slices x[..., ids[j], ...]: ids is 1-d and its length becomes the extent of axis. */
HEED_API heed_tensor *heed_index_select(heed_tape *t, heed_tensor *x, heed_tensor *ids,
                                        int axis);
/* x with the places ids names (as in gather) overwritten by source, of ids's shape, or with
 * source added there. Where overwriting names a place twice the last one wins, in row-major
 * order, and alone has a gradient. */
HEED_API heed_tensor *heed_scatter(heed_tape *t, heed_tensor *x, heed_tensor *ids,
                                   heed_tensor *source, int axis);
HEED_API heed_tensor *heed_scatter_add(heed_tape *t, heed_tensor *x, heed_tensor *ids,
                                       heed_tensor *source, int axis);
/* The elements where mask (of x's shape) is true, 1-d, in row-major order. */
HEED_API heed_tensor *heed_masked_select(heed_tape *t, heed_tensor *x, heed_tensor *mask);
/* i32 [count, ndim]: the places of what is not 0 (NaN is not), in row-major order. */
HEED_API heed_tensor *heed_nonzero(heed_tape *t, heed_tensor *x);
/* 1 at the id and 0 elsewhere: ids [...] -> [..., classes] in the tape's dtype. */
HEED_API heed_tensor *heed_one_hot(heed_tape *t, heed_tensor *ids, int64_t classes);
/* i32: the places in order of value along axis, equal ones in order of place; NaN counts as the
 * largest. */
HEED_API heed_tensor *heed_argsort(heed_tape *t, heed_tensor *x, int axis, bool descending);
/* x in order along axis, and (where ids is not NULL) the places it came from. */
HEED_API heed_tensor *heed_sort(heed_tape *t, heed_tensor *x, int axis, bool descending,
                                heed_tensor **ids);
/* The k largest (smallest) along axis, the first first. */
HEED_API heed_tensor *heed_top_k(heed_tape *t, heed_tensor *x, int64_t k, int axis,
                                 bool largest, heed_tensor **ids);

/* ---- convolution and pooling ---- */

/* Zeros mean: stride 1, no padding, dilation 1, one group. */
typedef struct heed_convolution_options {
    int64_t stride[2], padding[2], dilation[2]; /* of height, width; 1-d uses the first */
    int64_t groups; /* channels in and out are cut into so many independent parts */
    bool causal;    /* 1-d: pads dilation (size - 1) on the left alone; padding must be 0 */
} heed_convolution_options;
/* y[b,o,i] = bias[o] + sum_{c,k} weight[o,c,k] x[b, c, i stride + k dilation - padding].
 * x [B, C, L], weight [O, C/groups, K], bias [O] or NULL -> [B, O, L']. options may be NULL. */
HEED_API heed_tensor *heed_conv1d(heed_tape *t, heed_tensor *x, heed_tensor *weight,
                                  heed_tensor *bias, const heed_convolution_options *options);
/* The same over two axes: x [B, C, H, W], weight [O, C/groups, Kh, Kw] -> [B, O, H', W']. */
HEED_API heed_tensor *heed_conv2d(heed_tape *t, heed_tensor *x, heed_tensor *weight,
                                  heed_tensor *bias, const heed_convolution_options *options);
typedef struct heed_pooling_options {
    int64_t size[2], stride[2], padding[2]; /* stride 0: as size */
} heed_pooling_options;
/* Over the last axis (1-d) or two (2-d) of x. The average counts the padding's zeros, as
 * PyTorch's; the maximum never takes padding, and its gradient goes to the first of equals. */
HEED_API heed_tensor *heed_avg_pool1d(heed_tape *t, heed_tensor *x,
                                      const heed_pooling_options *options);
HEED_API heed_tensor *heed_avg_pool2d(heed_tape *t, heed_tensor *x,
                                      const heed_pooling_options *options);
HEED_API heed_tensor *heed_max_pool1d(heed_tape *t, heed_tensor *x,
                                      const heed_pooling_options *options);
HEED_API heed_tensor *heed_max_pool2d(heed_tape *t, heed_tensor *x,
                                      const heed_pooling_options *options);

/* ---- normalisation ---- */

HEED_API heed_tensor *heed_softmax(heed_tape *t, heed_tensor *x, int axis); /* e^x / sum e^x */
/* x - ln sum e^x */
HEED_API heed_tensor *heed_log_softmax(heed_tape *t, heed_tensor *x, int axis);
/* max(x - tau, 0) with tau such that they add up to 1 along axis: weights exactly 0 for what
 * scores too little. Martins, Astudillo 2016. */
HEED_API heed_tensor *heed_sparsemax(heed_tape *t, heed_tensor *x, int axis);
/* max(x/2 - tau, 0)^2 likewise, between softmax and sparsemax. Peters, Niculae, Martins 2019.
 * A line of -inf gives 0 in both, with gradient 0. */
HEED_API heed_tensor *heed_entmax15(heed_tape *t, heed_tensor *x, int axis);
/* (x - mean)/sqrt(variance + epsilon) gamma + beta over the last axis; gamma, beta [n] or NULL.
 * Ba, Kiros, Hinton 2016. */
HEED_API heed_tensor *heed_layernorm(heed_tape *t, heed_tensor *x, heed_tensor *gamma,
                                     heed_tensor *beta, double epsilon);
/* x/sqrt(mean x^2 + epsilon) gamma over the last axis; gamma [n] or NULL. Zhang, Sennrich 2019.
 */
HEED_API heed_tensor *heed_rmsnorm(heed_tape *t, heed_tensor *x, heed_tensor *gamma,
                                   double epsilon);
/* x [B, C, ...]; each of `groups` groups of channels of each example is normalised over all its
 * elements; gamma, beta [C] or NULL. Wu, He 2018. */
HEED_API heed_tensor *heed_groupnorm(heed_tape *t, heed_tensor *x, int64_t groups,
                                     heed_tensor *gamma, heed_tensor *beta, double epsilon);
/* Each channel of each example by itself: groupnorm with C groups. Ulyanov et al. 2016. */
HEED_API heed_tensor *heed_instancenorm(heed_tape *t, heed_tensor *x, heed_tensor *gamma,
                                        heed_tensor *beta, double epsilon);
/* x [B, C, ...]; each channel over the batch and all positions. mean, variance [C]: those to
 * use (evaluation), or both NULL: the batch's own, population variance (training). gamma, beta
 * [C] or NULL. Ioffe, Szegedy 2015. */
HEED_API heed_tensor *heed_batchnorm(heed_tape *t, heed_tensor *x, heed_tensor *gamma,
                                     heed_tensor *beta, heed_tensor *mean,
                                     heed_tensor *variance, double epsilon);
/* x / max(|x|_2, epsilon) along axis */
HEED_API heed_tensor *heed_l2norm(heed_tape *t, heed_tensor *x, int axis, double epsilon);

/* ---- losses ----
 *
 * Natural logarithms. HEED_NONE keeps one number an element (a row for those with classes). */

typedef enum heed_reduction { HEED_MEAN, HEED_SUM, HEED_NONE } heed_reduction;
typedef struct heed_cross_entropy_options {
    heed_reduction reduction; /* the mean is over the labels that count, by their weights */
    bool ignore;              /* skip labels equal to ignore_index */
    int32_t ignore_index;
    /* In [0, 1): the target is (1 - s) one-hot + s/classes (Szegedy et al. 2016). */
    double smoothing;
    /* [classes], or NULL: all 1. A factor of each term by its class. Not differentiated. */
    heed_tensor *weights;
} heed_cross_entropy_options;
/* -ln softmax(logits)[label]. logits [..., classes], labels i32 [...]. With every label
 * ignored, and where the weights of those that count add up to 0, the mean is 0. options NULL:
 * mean, none ignored, no smoothing, no weights. */
HEED_API heed_tensor *heed_cross_entropy(heed_tape *t, heed_tensor *logits, heed_tensor *labels,
                                         const heed_cross_entropy_options *options);
/* -sum_j w_j p_j ln softmax(logits)_j with target distributions p of the logits' shape; the
 * mean is over rows, whatever the weights. Differentiable in p too. ignore is not for it. */
HEED_API heed_tensor *heed_soft_cross_entropy(heed_tape *t, heed_tensor *logits,
                                              heed_tensor *target,
                                              const heed_cross_entropy_options *options);
/* -x[label] of log-probabilities x [..., classes]; smoothing is not for it. */
HEED_API heed_tensor *heed_nll(heed_tape *t, heed_tensor *x, heed_tensor *labels,
                               const heed_cross_entropy_options *options);
/* Operands broadcast; the mean is over all elements. (x - target)^2 */
HEED_API heed_tensor *heed_mse(heed_tape *t, heed_tensor *x, heed_tensor *target,
                               heed_reduction reduction);
/* |x - target|; derivative 0 at 0 */
HEED_API heed_tensor *heed_l1(heed_tape *t, heed_tensor *x, heed_tensor *target,
                              heed_reduction reduction);
/* d^2/2 where |d| <= delta, else delta (|d| - delta/2), d = x - target. Huber 1964. */
HEED_API heed_tensor *heed_huber(heed_tape *t, heed_tensor *x, heed_tensor *target,
                                 double delta, heed_reduction reduction);
/* max(x, 0) - x target + ln(1 + e^-|x|): the cross-entropy of target and sigmoid(x). Meant for
 * targets in [0, 1]; others are not refused. */
HEED_API heed_tensor *heed_binary_cross_entropy(heed_tape *t, heed_tensor *logits,
                                                heed_tensor *target, heed_reduction reduction);
/* p (ln p - log_q); 0 where p = 0, with gradient 0 to both, whatever log_q is. Summed, it is
 * KL(p || q). The mean is over all elements. */
HEED_API heed_tensor *heed_kl_divergence(heed_tape *t, heed_tensor *log_q, heed_tensor *p,
                                         heed_reduction reduction);
/* 1 - cos(a, b) where same, else max(0, cos(a, b) - margin), over the last axis; same: bool,
 * one for each pair, or fewer to broadcast. 1e-12 is added to the squared lengths. */
HEED_API heed_tensor *heed_cosine_embedding(heed_tape *t, heed_tensor *a, heed_tensor *b,
                                            heed_tensor *same, double margin,
                                            heed_reduction reduction);
/* -ln of the probability of all paths that collapse to the target (Graves et al. 2006).
 * log_probabilities [T, B, classes] (log_softmax's), targets i32 [B, S] (padded), lengths i32
 * [B]: of the inputs (<= T) and of the targets (<= S). Blank: the class that stands for none;
 * no label of a target is the blank. The mean divides each by its target's length first, as
 * PyTorch. An impossible target gives infinity, or 0 with zero_infinity, and has gradient 0
 * either way. The gradient is by the log-probabilities as they stand, and agrees with PyTorch's
 * behind log_softmax. options NULL: mean, blank 0. */
typedef struct heed_ctc_options {
    heed_reduction reduction;
    int32_t blank;
    bool zero_infinity;
} heed_ctc_options;
HEED_API heed_tensor *heed_ctc(heed_tape *t, heed_tensor *log_probabilities,
                               heed_tensor *targets, heed_tensor *input_lengths,
                               heed_tensor *target_lengths, const heed_ctc_options *options);
/* -sum p ln p along axis; a term with p = 0 is 0 and has gradient 0. Shannon 1948. */
HEED_API heed_tensor *heed_entropy(heed_tape *t, heed_tensor *p, int axis);

/* ---- random ----
 *
 * Drawn from the tape's streams (heed_seed): the same at any number of threads. In the tape's
 * dtype unless said otherwise. */

/* While training: 0 with probability p, x/(1 - p) otherwise; else x. Srivastava et al. 2014. */
HEED_API heed_tensor *heed_dropout(heed_tape *t, heed_tensor *x, double p);
/* [low, high) */
HEED_API heed_tensor *heed_uniform(heed_tape *t, heed_shape shape, double low, double high);
HEED_API heed_tensor *heed_normal(heed_tape *t, heed_shape shape, double mean,
                                  double deviation);
/* bool, true with probability p (elementwise) */
HEED_API heed_tensor *heed_bernoulli(heed_tape *t, heed_tensor *p);
/* i32 [n]: 0 .. n - 1 in random order */
HEED_API heed_tensor *heed_permutation(heed_tape *t, int64_t n);
/* i32 [..., count]: draws from the weights [..., n] (not negative, not all 0; they need not add
 * up to 1), with or without putting back. */
HEED_API heed_tensor *heed_multinomial(heed_tape *t, heed_tensor *weights, int64_t count,
                                       bool replacement);

/* ---- recurrent ----
 *
 * One step of n units but for its two matrix products: a is the input's, b the state's, biases
 * included. real: bool, one for each row (the axes before the last), false where a sequence has
 * ended and its row keeps its state; or NULL. Layers and whole sequences: recurrent.h. */

/* With z = a + b [..., 4 n], gates i, f, g, o side by side: c' = f c + i g, h' = o tanh(c')
 * with i, f, o = sigmoid(z), g = tanh(z_g) -> [2, ..., n], h' and then c'. Hochreiter,
 * Schmidhuber 1997; Gers et al. 2000. peephole [3, n] or NULL adds p_i c, p_f c and p_o c' to
 * z_i, z_f and z_o (Gers, Schmidhuber 2000). c, h [..., n]: the state before; h is given with
 * real, and only then. */
HEED_API heed_tensor *heed_lstm_gates(heed_tape *t, heed_tensor *a, heed_tensor *b,
                                      heed_tensor *c, heed_tensor *peephole, heed_tensor *real,
                                      heed_tensor *h);
/* With a, b [..., 3 n], gates r, z, n side by side: h' = (1 - z) n + z h with r, z =
 * sigmoid(a + b), n = tanh(a_n + r b_n) -> [..., n]. Cho et al. 2014, the reset gate after the
 * product. */
HEED_API heed_tensor *heed_gru_gates(heed_tape *t, heed_tensor *a, heed_tensor *b,
                                     heed_tensor *h, heed_tensor *real);

/* ---- attention ---- */

/* Which keys a query may see by position. Query i of T, key j of S:
 *   HEED_CAUSAL_TOP_LEFT      j <= i
 *   HEED_CAUSAL_BOTTOM_RIGHT  j <= i + S - T  (queries are the last T of S positions: cached
 *   decoding) */
typedef enum heed_causality {
    HEED_NOT_CAUSAL,
    HEED_CAUSAL_TOP_LEFT,
    HEED_CAUSAL_BOTTOM_RIGHT
} heed_causality;
/* How an attention's queries go on from those of the last call in the same scope. */
typedef enum heed_attention_queries {
    HEED_QUERIES_WHOLE, /* these are all */
    HEED_QUERIES_FIRST, /* of a decoder that goes step by step: more will come */
    HEED_QUERIES_MORE   /* the next of such a decoder */
} heed_attention_queries;
/* Makes scores [B, H, T, S] of scores, in ops, so that derivatives of every order follow. What
 * it gives for keys that a query may not see does not matter. */
typedef heed_tensor *heed_attention_score(heed_tape *t, heed_tensor *scores, void *user);
/* Zeros mean none of each. In order: s = scale q k^T; s = cap tanh(s / cap); s = score(s);
 * s + bias - slope |p - j|; then what is hidden is left out. p = i, or i + S - T with
 * HEED_CAUSAL_BOTTOM_RIGHT, is the place of query i among the keys. */
typedef struct heed_attention_options {
    double scale; /* of the scores, > 0; 0 means 1/sqrt(D) */
    heed_causality causality;
    double dropout; /* of the weights, while training: in [0, 1) */
    bool composed;  /* build it from matmul, softmax and where instead of the fused kernel */
    double cap;     /* Gemma 2 (Riviere et al. 2024) */
    /* Hides all keys but p - left .. p + right (Beltagy et al. 2020); HEED_END: no limit. */
    bool windowed;
    int64_t left, right;
    /* The first keys are visible whatever causality and the window say (a mask still hides):
     * UniLM's prefix (Dong et al. 2019), StreamingLLM's first tokens (Xiao et al. 2023). */
    int64_t prefix;
    /* Of the scores' dtype, broadcastable to [B, H, T, S]; -inf hides as the mask does. */
    heed_tensor *bias;
    heed_tensor *slopes; /* [H]: ALiBi (Press et al. 2022), without making a bias of them */
    /* [H]: one more score in the denominator of each softmax, with no value. Zeros make the
     * "softmax off by one" (Miller 2023); learned, as in gpt-oss (OpenAI 2025). */
    heed_tensor *sinks;
    heed_attention_score *score;    /* takes the composed form */
    void *user;                     /* of score */
    heed_attention_queries queries; /* for those who watch; changes nothing else */
} heed_attention_options;
/* softmax(scale q k^T) v, exactly, in memory linear in the length (Vaswani et al. 2017; blocks
 * as Dao et al. 2022). q [B, H, T, D], k [B, Hk, S, D], v [B, Hk, S, Dv] -> [B, H, T, Dv]; Hk
 * divides H. mask: bool, broadcastable to [B, H, T, S], true where a query MAY attend, or NULL.
 * A query that may see no key gives 0 and gradient 0; NaN or infinity in keys and values it may
 * not see never reaches it. */
HEED_API heed_tensor *heed_attention(heed_tape *t, heed_tensor *q, heed_tensor *k,
                                     heed_tensor *v, heed_tensor *mask,
                                     const heed_attention_options *options);
/* The weights P [B, H, T, S] of the same call, from the same kernel's log-sum-exp: for looking
 * inside, and for losses on them; with their memory, which heed_attention never needs. */
HEED_API heed_tensor *heed_attention_weights(heed_tape *t, heed_tensor *q, heed_tensor *k,
                                             heed_tensor *mask,
                                             const heed_attention_options *options);
/* Self-attention from one packed projection: qkv [B, T, 3C], rows of q, then k, then v, each of
 * `heads` heads; -> [B, T, C] with the heads joined. The same as splitting, heed_attention and
 * joining, without copies. */
HEED_API heed_tensor *heed_attention_packed(heed_tape *t, heed_tensor *qkv, int heads,
                                            heed_tensor *mask,
                                            const heed_attention_options *options);

/* One attention's weights, while somebody watches; but for a recorded watch all of it is gone
 * when `see` returns. */
typedef struct heed_attention_seen {
    heed_tensor *weights; /* before dropout: [1, H, T, S] of one example, or [B, H, T, S] */
    const char *scope;    /* "blocks.0.attention"; "" outside all scopes */
    /* How many were shown since the tape's reset; heed_rewind sets the count back. */
    int64_t number;
    heed_attention_queries queries;
} heed_attention_seen;
typedef struct heed_attention_watch {
    void (*see)(heed_tape *t, const heed_attention_seen *seen, void *user);
    void *user;
    int64_t example; /* which one of each batch; a recorded watch does not read it */
    /* Shows all of a batch, [B, H, T, S], as tensors that t records and keeps: a loss may be
     * made of them (heed_attention_penalty in nn/training.h is such). Nothing is seen while t
     * does not record. The watch ends with heed_tape_reset, and with heed_rewind to before what it
     * was shown. */
    bool recorded;
} heed_attention_watch;
/* From now on, until it is called with NULL, every attention on t shows its weights to
 * watch->see, whether it records or not, but for those that a sweep calls. Unless the watch is a
 * recorded one, what is computed for that alone is not recorded, changes no bit of any result
 * and no random draw, and its memory is given back; if it fails, or there is no such example, t
 * fails. With NULL nothing is computed. Returns the former watch, `see` NULL where there was
 * none. Watching linear attention costs what it avoids, T S weights a head. nn/inspect.h has a
 * watch that keeps maps. */
HEED_API heed_attention_watch heed_watch_attention(heed_tape *t,
                                                   const heed_attention_watch *watch);
HEED_API bool heed_attention_watched(const heed_tape *t);
/* For attention of other kinds: shows weights [B, H, T, S], [B, T, S] or [B, S] to the watch of
 * t, if there is one. */
HEED_API void heed_attention_show(heed_tape *t, heed_tensor *weights,
                                  heed_attention_queries queries);
/* The same for weights that nobody needs otherwise: make, which only applies ops, is called if
 * somebody watches, for [1, H, T, S] of one example of a batch, or for all of it: example -1. */
HEED_API void heed_attention_show_made(heed_tape *t, int64_t batch,
                                       heed_tensor *(*make)(heed_tape *t, int64_t example,
                                                            void *user),
                                       void *user, heed_attention_queries queries);

typedef enum heed_feature_map {
    HEED_FEATURE_ELU, /* elu(x) + 1, > 0 */
    HEED_FEATURE_RELU
} heed_feature_map;
typedef struct heed_linear_attention_options {
    heed_feature_map feature;
    bool causal; /* j <= i; as many queries as keys */
} heed_linear_attention_options;
/* o_i = sum_j (f(q_i) . f(k_j)) v_j / sum_j f(q_i) . f(k_j), in time and memory linear in the
 * length (Katharopoulos et al. 2020). Shapes as heed_attention; mask: bool, broadcastable to
 * [B, Hk, 1, S], true for keys that may be seen, or NULL. 0 where the denominator is 0.
 * options NULL: elu + 1, not causal. */
HEED_API heed_tensor *heed_linear_attention(heed_tape *t, heed_tensor *q, heed_tensor *k,
                                            heed_tensor *v, heed_tensor *mask,
                                            const heed_linear_attention_options *options);

typedef enum heed_rope_pairs {
    HEED_ROPE_ADJACENT, /* (x_0, x_1), (x_2, x_3), ...: the paper */
    HEED_ROPE_HALVES /* (x_0, x_D/2), (x_1, x_D/2+1), ...: GPT-NeoX, Llama as files have it */
} heed_rope_pairs;
typedef struct heed_rope_options {
    heed_rope_pairs pairs;
    double base;    /* 0: 10000 */
    int64_t width;  /* turns so many first elements of a row; 0: all */
    double linear;  /* divides positions (Chen et al. 2023); 0: 1 */
    double ntk;     /* multiplies the base by ntk^(D/(D-2)) (bloc97 2023); 0: 1 */
    int64_t offset; /* position of the first row */
} heed_rope_options;
/* x [..., T, D]: pair i of the row at position p is turned by p base^(-2i/D) (Su et al. 2021).
 */
HEED_API heed_tensor *heed_rope(heed_tape *t, heed_tensor *x, const heed_rope_options *options);
#ifdef __cplusplus
}
#endif

#endif
