/* The kernel room's door. A kernel knows no tensor, tape or op: it sees pointers, extents and
 * strides (in elements, signed), and it cannot fail. Every instruction set exports one table of
 * the functions below, for f32 and for f64; pick.c chooses one at run time.
 *
 * Promises every kernel keeps:
 *  - its bits do not depend on the number of threads: work is cut by shapes alone, and partial
 *  sums are
 *    combined in index order;
 *  - extents of 0 are legal and do nothing (a product over k = 0 is 0);
 *  - scratch is memory the caller lends, 64-byte aligned, of the size the matching *_scratch
 *  function
 *    names for the same arguments and thread count; a kernel never allocates;
 *  - NaN and infinities follow IEEE arithmetic; no floating-point setting of the host is
 *  touched. */
#ifndef HEED_KERNELS_H
#define HEED_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_MAX_NDIM     8
#define KERNEL_MAX_OPERANDS 3

/* C[b] (+)= A[b] B[b] (+ bias), over a batch of any number of axes. Every operand has free
 * strides, so a transpose is only another pair of strides and a broadcast batch axis has stride
 * 0. c_col is 1. */
typedef struct kernel_gemm {
    int64_t m, n, k;
    const void *a, *b;
    int64_t a_row, a_col, b_row, b_col;
    void *c;
    int64_t c_row;
    bool accumulate;  /* C += A B instead of C = A B */
    const void *bias; /* n elements added to each row of C, or NULL; not with accumulate */
    int batch_ndim;   /* 0: one product */
    int64_t batch_shape[KERNEL_MAX_NDIM];
    int64_t a_batch[KERNEL_MAX_NDIM], b_batch[KERNEL_MAX_NDIM], c_batch[KERNEL_MAX_NDIM];
    void *scratch;
} kernel_gemm;

/* Elementwise: y[i] = f(x0[i], x1[i], x2[i]; p, q) over an iteration space of any strides (0
 * broadcasts). Operand and result types are those of the table (T) unless the list below says
 * otherwise. */
typedef struct kernel_map {
    int ndim;
    int64_t shape[KERNEL_MAX_NDIM];
    const void *x[KERNEL_MAX_OPERANDS];
    int64_t x_strides[KERNEL_MAX_OPERANDS][KERNEL_MAX_NDIM];
    void *y;
    int64_t y_strides[KERNEL_MAX_NDIM];
    double p, q; /* scalar attributes */
} kernel_map;

/* The list of elementwise functions: name, number of operands, expression.
 * KERNEL_MAPS: T operands, T result.      a, b, c: operands; p, q: scalars.
 * KERNEL_TESTS: T operands, bool (uint8_t 0/1) result. The comparisons among them are offered
 *   for the integer dtypes too (integer.h).
 * where: x0 is a bool mask, x1 and x2 are T. */
#define KERNEL_MAPS(MAP)                                                         \
    MAP(copy, 1)              /* a */                                            \
    MAP(neg, 1)               /* -a */                                           \
    MAP(add, 2)               /* a + b */                                        \
    MAP(sub, 2)               /* a - b */                                        \
    MAP(mul, 2)               /* a b */                                          \
    MAP(div, 2)               /* a / b */                                        \
    MAP(pow, 2)               /* a^b: libm pow */                                \
    MAP(multiply_add, 3)      /* a b + c (fused where the machine has it) */     \
    MAP(scale, 1)             /* p a */                                          \
    MAP(shift, 1)             /* a + p */                                        \
    MAP(axpy, 2)              /* a + p b */                                      \
    MAP(power, 1)             /* a^p: libm pow */                                \
    MAP(exp, 1)               /* e^a */                                          \
    MAP(expm1, 1)             /* e^a - 1 */                                      \
    MAP(log, 1)               /* ln a */                                         \
    MAP(log1p, 1)             /* ln(1 + a) */                                    \
    MAP(sqrt, 1)              /* a^(1/2) */                                      \
    MAP(rsqrt, 1)             /* a^(-1/2) */                                     \
    MAP(square, 1)            /* a a */                                          \
    MAP(reciprocal, 1)        /* 1/a */                                          \
    MAP(abs, 1)               /* |a| */                                          \
    MAP(sign, 1)              /* -1, 0, 1; NaN stays NaN */                      \
    MAP(floor, 1)             /* the whole number at or below a */               \
    MAP(ceil, 1)              /* at or above */                                  \
    MAP(round, 1)             /* nearest; halves to the even one */              \
    MAP(sin, 1)               /* sin a */                                        \
    MAP(cos, 1)               /* cos a */                                        \
    MAP(tan, 1)               /* tan a */                                        \
    MAP(tanh, 1)              /* tanh a */                                       \
    MAP(sigmoid, 1)           /* 1/(1 + e^-a) */                                 \
    MAP(softplus, 1)          /* ln(1 + e^a) */                                  \
    MAP(erf, 1)               /* erf a */                                        \
    MAP(relu, 1)              /* a > 0 ? a : 0; NaN stays NaN */                 \
    MAP(relu_grad, 2)         /* a > 0 ? b : 0        (a = x, b = gy) */         \
    MAP(leaky_relu, 1)        /* a > 0 ? a : p a */                              \
    MAP(leaky_relu_grad, 2)   /* a > 0 ? b : p b      (a = x, b = gy) */         \
    MAP(elu, 1)               /* a > 0 ? a : p (e^a - 1) */                      \
    MAP(elu_grad, 2)          /* a > 0 ? b : b p e^a */                          \
    MAP(gelu, 1)              /* a Phi(a) = a (1 + erf(a/sqrt 2))/2 */           \
    MAP(gelu_grad, 2)         /* b (Phi(a) + a phi(a)) */                        \
    MAP(gelu_tanh, 1)         /* a (1 + tanh(sqrt(2/pi)(a + 0.044715 a^3)))/2 */ \
    MAP(gelu_tanh_grad, 2)    /* b times its derivative at a */                  \
    MAP(silu, 1)              /* a sigmoid(a) */                                 \
    MAP(silu_grad, 2)         /* b s (1 + a (1 - s)), s = sigmoid(a) */          \
    MAP(mish, 1)              /* a tanh(ln(1 + e^a)) */                          \
    MAP(mish_grad, 2)         /* b times its derivative at a */                  \
    MAP(hard_sigmoid, 1)      /* clamp(a/6 + 1/2, 0, 1) */                       \
    MAP(hard_sigmoid_grad, 2) /* -3 < a < 3 ? b/6 : 0 */                         \
    MAP(hard_swish, 1)        /* a clamp(a/6 + 1/2, 0, 1); 0 up to -3 */         \
    MAP(hard_swish_grad, 2)   /* b times its derivative: 0 at -3, 1 at 3 */      \
    MAP(sigmoid_grad, 2)      /* b a (1 - a)          (a = y) */                 \
    MAP(tanh_grad, 2)         /* b (1 - a a)          (a = y) */                 \
    MAP(maximum, 2)           /* the larger; NaN if either is */                 \
    MAP(minimum, 2)           /* the smaller; NaN if either is */                \
    MAP(clamp, 1)             /* min(max(a, p), q); NaN stays NaN */

#define KERNEL_COMPARISONS(TEST)        \
    TEST(equal, 2)         /* a == b */ \
    TEST(not_equal, 2)     /* a != b */ \
    TEST(less, 2)          /* a < b */  \
    TEST(less_equal, 2)    /* a <= b */ \
    TEST(greater, 2)       /* a > b */  \
    TEST(greater_equal, 2) /* a >= b */
#define KERNEL_TESTS(TEST)        \
    KERNEL_COMPARISONS(TEST)      \
    TEST(isnan, 1) /* a is NaN */ \
    TEST(isinf, 1) /* a is infinite, of either sign */

#define KERNEL_MAP_ENUM(name, operands)  KERNEL_MAP_##name,
#define KERNEL_TEST_ENUM(name, operands) KERNEL_TEST_##name,
typedef enum { KERNEL_MAPS(KERNEL_MAP_ENUM) KERNEL_MAP_COUNT } kernel_map_name;
typedef enum { KERNEL_TESTS(KERNEL_TEST_ENUM) KERNEL_TEST_COUNT } kernel_test_name;

/* Reductions: y[kept] = R over reduced of x. The first `kept_ndim` axes of the space are kept
 * and the rest reduced; the caller has sorted the axes that way. y is addressed by y_strides
 * over the kept axes. */
typedef struct kernel_reduce {
    int kept_ndim, reduced_ndim;
    int64_t shape[2 * KERNEL_MAX_NDIM];
    int64_t x_strides[2 * KERNEL_MAX_NDIM];
    const void *x;
    void *y;
    int64_t y_strides[KERNEL_MAX_NDIM];
    double scale;    /* the sum is multiplied by this: 1, or 1/count for a mean */
    bool accumulate; /* y += instead of y = (sums only) */
    void *scratch;
} kernel_reduce;

/* Row kernels: `rows` contiguous rows of n elements. */
typedef struct kernel_rows {
    int64_t rows, n;
    const void *x;     /* [rows, n] */
    const void *gamma; /* [n] or NULL */
    const void *beta;  /* [n] or NULL */
    double epsilon;
    void *y;                   /* [rows, n] */
    void *mean, *rstd;         /* [rows]; mean is NULL for rmsnorm */
    const void *gy;            /* [rows, n], for the gradients */
    void *gx, *ggamma, *gbeta; /* [rows, n], [n] or NULL, [n] or NULL: written, not added to */
    void *scratch;
} kernel_rows;

/* Cross-entropy from logits. With p = softmax(x_r), c = classes, s = smoothing, w the weights
 * of the classes (1 where there are none), and M = (1 - s) w_label + (s/c) sum_j w_j:
 *   loss_r = M lse_r - (1 - s) w_label x[r, label] - (s/c) sum_j w_j x[r, j]
 *   gx[r, j] = gy_r (M p_j - (1 - s) w_label [j = label] - (s/c) w_j)
 * and both 0 where the label is the ignored one. gx is written over [rows, classes]. */
typedef struct kernel_cross_entropy {
    int64_t rows, classes;
    const void *x;         /* [rows, classes] contiguous */
    const int32_t *labels; /* [rows] contiguous; the caller has checked the range */
    int32_t ignore;        /* this label is skipped */
    double smoothing;
    const void *weights; /* [classes], or NULL: all 1; */
    double weight_sum;   /* and their sum, read where there are weights */
    void *loss;          /* [rows] */
    void *lse;           /* [rows]: log sum exp of each row (written forward, read backward) */
    const void *gy;      /* [rows], element stride gy_stride (0 for one common value) */
    int64_t gy_stride;
    double gy_scale; /* multiplies gy: 1/count for a mean */
    void *gx;        /* [rows, classes] */
} kernel_cross_entropy;

/* Exact attention in blocks, memory linear in the length (the log-sum-exp of each row is all it
 * keeps).
 *   S = cap tanh(scale Q K^T / cap) + bias - slope |p - j|, p = i + offset,
 *   P = softmax over the keys a query may see, O = P V.
 * Query i sees key j when it does by position, the mask is NULL or mask[b,h,i,j] is not 0, and
 * the bias is not -inf. By position: j < prefix, or (not causal, or j <= p) and (not windowed,
 * or p - left <= j <= p + right). A sink is one more score in the softmax's denominator, with
 * no value; lse counts it. Dropout takes away weights, each with its probability, and divides the
 * others by 1 - probability; which, is decided by the key and the weight's place in [B, H, T, S],
 * as kernel_dropout does it. A query that sees no key gives O = 0, lse = +inf, and gradients of
 * 0. Non-finite values in keys or values that a query may not see never reach its result. Width
 * strides are 1. Heads: `heads` of q, o; `kv_heads` of k, v divides heads; query head h reads kv
 * head h / (heads/kv_heads). */
typedef struct kernel_attention {
    int64_t batch, heads, kv_heads, queries, keys, width, value_width;
    const void *q, *k, *v; /* [B, H, T, D], [B, Hkv, S, D], [B, Hkv, S, Dv] */
    int64_t q_strides[3], k_strides[3], v_strides[3]; /* batch, head, row */
    double scale;                                     /* > 0 */
    double cap;                                       /* 0: none */
    double dropout;                                   /* 0 <= probability < 1 */
    uint64_t dropout_key;
    bool causal, windowed;
    int64_t offset, left, right, prefix; /* the last three not negative */
    const uint8_t *mask;                 /* bool, or NULL */
    int64_t mask_strides[4];
    const void *bias;           /* or NULL */
    int64_t bias_strides[4];    /* 0 where it broadcasts */
    const void *slopes, *sinks; /* [H], or NULL */
    void *o;                    /* forward: written; backward: read */
    int64_t o_strides[3];
    void *lse; /* [B, H, T] contiguous: written forward, read backward */
    const void *go;
    int64_t go_strides[3];
    void *gq, *gk, *gv; /* written */
    int64_t gq_strides[3], gk_strides[3], gv_strides[3];
    void *gbias, *gslopes; /* of attention_score_grad: one of them, written */
    int64_t gbias_count;   /* of its elements, which are contiguous */
    int64_t gbias_strides[4];
    void *weights; /* [B, H, T, S] contiguous: of attention_weights */
    void *scratch;
} kernel_attention;

/* Rows of a table: table[ids[i]] += y[i], in order of i. */
typedef struct kernel_scatter {
    int64_t count, rows, width;
    const int32_t *ids; /* [count] contiguous; the caller has checked the range */
    void *table;
    int64_t table_row;
    void *y; /* [count, width] contiguous */
} kernel_scatter;

/* The gates of one recurrent step, on contiguous rows: a from the input, b from the state (their
 * formulas are in ops/lstm.c and ops/gru.c). A row whose `real` is 0 keeps its state; real may
 * be NULL. */
typedef struct kernel_lstm {
    int64_t rows, n;
    const void *a, *b;    /* [rows, 4 n]: gates i, f, g, o */
    const void *c, *h;    /* [rows, n]: the state before; h is read with real only */
    const void *peephole; /* [3, n]: of i, f, o; or NULL */
    const uint8_t *real;  /* [rows] */
    void *y;              /* [2, rows, n]: h, then c, after the step */
    void *gates;          /* [rows, 5 n]: i, f, g, o, tanh c: written forward, read backward */
    const void *gy;       /* [2, rows, n] */
    void *ga;             /* [rows, 4 n]: of a, and of b */
    void *gc, *gh;        /* [rows, n]; gh with real only */
} kernel_lstm;

typedef struct kernel_gru {
    int64_t rows, n;
    const void *a, *b;   /* [rows, 3 n]: gates r, z, n */
    const void *h;       /* [rows, n]: the state before */
    const uint8_t *real; /* [rows] */
    void *y;             /* [rows, n] */
    void *gates;         /* [rows, 3 n]: written forward, read backward */
    const void *gy;      /* [rows, n] */
    void *ga, *gb, *gh;  /* [rows, 3 n], [rows, 3 n], [rows, n] */
} kernel_gru;

/* y[i] = 0 with the probability, factor x[i] otherwise; which, is decided by (key, i).
 * Contiguous. */
typedef struct kernel_dropout {
    int64_t n;
    const void *x;
    void *y;
    uint64_t key;
    double probability, factor;
} kernel_dropout;

/* One run of parameters, contiguous. Which constants and moments count, each function below
 * says. */
typedef struct kernel_update {
    int64_t n;
    void *w;
    const void *g;
    void *m, *v, *b; /* means of gradients, means of their squares, momentum of the steps */
    double g_scale;  /* multiplies g first: the clipping factor */
    double lr, beta1, beta2, epsilon;
    double decay;                    /* weight decay */
    double correction1, correction2; /* of the means: m / correction1, v / correction2 */
    bool decoupled; /* AdamW's decay: w -= lr decay w; otherwise g += decay w */
    bool nesterov;
    double ahead; /* nadam: what the gradient itself adds to the mean of gradients */
    double momentum, dampening;
    double initial; /* adagrad: v before the first step */
    bool first;     /* what the moments hold does not count yet */
} kernel_update;

typedef struct kernel_table {
    size_t (*gemm_scratch)(const kernel_gemm *);
    void (*gemm)(const kernel_gemm *);
    void (*map[KERNEL_MAP_COUNT])(const kernel_map *);
    void (*test[KERNEL_TEST_COUNT])(const kernel_map *);
    void (*where)(const kernel_map *);
    size_t (*reduce_scratch)(const kernel_reduce *);
    void (*sum)(const kernel_reduce *);
    void (*max)(const kernel_reduce *); /* NaN wins; over nothing -inf */
    void (*min)(const kernel_reduce *); /* NaN wins; over nothing inf */
    void (*softmax)(
        const kernel_rows *); /* y = softmax(x) per row; a row of -inf only gives NaN */
    void (*softmax_grad)(const kernel_rows *);     /* x holds y:  gx = y (gy - <gy, y>) */
    void (*log_softmax)(const kernel_rows *);      /* y = x - logsumexp(x) */
    void (*log_softmax_grad)(const kernel_rows *); /* x holds y:  gx = gy - e^y sum(gy) */
    void (*layernorm)(
        const kernel_rows *); /* y = gamma (x - mean) rstd + beta; mean, rstd written */
    void (*rmsnorm)(
        const kernel_rows *); /* y = gamma x rstd, rstd = 1/sqrt(mean(x^2) + epsilon) */
    size_t (*norm_grad_scratch)(const kernel_rows *);
    void (*layernorm_grad)(
        const kernel_rows *); /* reads x, gamma, mean, rstd, gy; writes gx, ggamma, gbeta */
    void (*rmsnorm_grad)(const kernel_rows *); /* reads x, gamma, rstd, gy; writes gx, ggamma */
    void (*cross_entropy)(const kernel_cross_entropy *);
    void (*cross_entropy_grad)(const kernel_cross_entropy *);
    size_t (*attention_scratch)(const kernel_attention *);
    void (*attention)(const kernel_attention *);
    size_t (*attention_grad_scratch)(const kernel_attention *);
    void (*attention_grad)(const kernel_attention *);
    /* the gradient by the bias or by the slopes, summed over what they broadcast over */
    void (*attention_score_grad)(const kernel_attention *);
    /* P from q, k and lse; scratch of attention_grad for both */
    void (*attention_weights)(const kernel_attention *);
    void (*scatter_add)(const kernel_scatter *);
    void (*dropout)(const kernel_dropout *);
    void (*lstm)(const kernel_lstm *);
    void (*lstm_grad)(const kernel_lstm *);
    void (*gru)(const kernel_gru *);
    void (*gru_grad)(const kernel_gru *);
    double (*sum_of_squares)(const void *x, int64_t n); /* fixed chunks, f64 total, in order */
    void (*adam)(const kernel_update *);                /* m, v; with `nesterov` NAdam */
    void (*sgd)(const kernel_update *);                 /* m, or NULL without momentum */
    void (*rmsprop)(const kernel_update *); /* v; m where centred, b with momentum, or NULL */
    void (*adagrad)(const kernel_update *); /* v */
    void (*lion)(const kernel_update *);    /* m */
    void (*average)(const kernel_update *); /* w += lr (g - w) */
} kernel_table;

typedef struct kernel_isa {
    const char *name; /* "base", "avx2", "avx512", "neon" */
    const kernel_table *f32, *f64;
} kernel_isa;

/* The table in use: chosen at first call from the CPU, or by HEED_ISA=name in the environment
 * (a name the CPU lacks falls back to the best it has). */
const kernel_isa *heed__isa(void);
/* Chooses by name, for tests; false when this build or CPU has no such set. */
bool heed__isa_select(const char *name);
/* The i-th set this build has and this CPU can run, NULL past the end; index 0 is "base". */
const kernel_isa *heed__isa_at(int i);

/* Threads the kernels may use: OMP_NUM_THREADS or the number of processors at first; 1 without
 * OpenMP. */
int heed__threads(void);
void heed__set_threads(int n);
/* Threads are also woken for work that is not worth it: so that tests can be small. */
bool heed__eager(void);
void heed__set_eager(bool on);

#endif
