/* heed: reverse-mode automatic differentiation over n-d tensors, made for attention models.
 *
 *     heed_tape *t = heed_tape_new(NULL);
 *     heed_tensor *x = heed_watch(t, heed_copy_in(t, HEED_F32, HEED_SHAPE(2, 3), data));
 *     heed_tensor *p = heed_softmax(t, x, -1);
 *     heed_backward(t, heed_sum(t, heed_mul(t, p, p)));
 *     heed_tensor *gx = heed_gradient(t, x);
 *     heed_tape_free(t);
 *
 * A tape is where results live; an op is one record (op.h); parameters live in a heed_params
 * (params.h). Conventions are numpy's: row-major, shape[0] outermost, negative axes count from
 * the end, operands broadcast by their trailing axes, matmul(a, b) is a times b.
 *
 * Two lifetimes. Parameters, gradients and state live until freed. Everything else lives until
 * heed_tape_reset (or heed_rewind): nothing is released by hand.
 *
 * Errors. The first one sticks: from then on every op on that tape does nothing and returns
 * NULL, and heed_error says in one sentence what was wrong. The library never exits, aborts or
 * prints on its own.
 *
 * Threads. A tape belongs to one thread; different tapes may run at the same time and read one
 * heed_params. Kernels use heed_threads() threads inside; results never depend on how many, bit
 * for bit. */
#ifndef HEED_HEED_H
#define HEED_HEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HEED_API                 __attribute__((visibility("default")))
#define HEED_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define HEED_API
#define HEED_PRINTF(text, first)
#endif

#define HEED_VERSION_MAJOR 0
#define HEED_VERSION_MINOR 1
#define HEED_VERSION_PATCH 0

HEED_API const char *heed_version(void); /* "0.1.0", of the library that runs */

/* ---- tensors ---- */

/* f32 for work, f64 for checks, i32 for ids, bool for masks, u8 for bytes. Floating dtypes of
 * one op's operands agree or it is an error: nothing is promoted silently. */
typedef enum heed_dtype { HEED_F32, HEED_F64, HEED_I32, HEED_BOOL, HEED_U8 } heed_dtype;

#define HEED_MAX_NDIM 8

typedef struct heed_shape {
    int ndim;
    int64_t size[HEED_MAX_NDIM];
} heed_shape;

/* HEED_DIMS(2, 3) initialises a heed_shape; HEED_SHAPE(2, 3) is one; HEED_SCALAR is the 0-d
 * shape. */
#define HEED_DIMS(...)                                               \
    {                                                                \
        (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), \
        {                                                            \
            __VA_ARGS__                                              \
        }                                                            \
    }
#define HEED_SHAPE(...) ((heed_shape)HEED_DIMS(__VA_ARGS__))
#define HEED_SCALAR     ((heed_shape){ 0, { 0 } })

typedef struct heed_tape heed_tape;
typedef struct heed_params heed_params;
typedef struct heed_parameter heed_parameter;
typedef struct heed_gradients heed_gradients;
typedef struct heed_op heed_op;

/* An immutable value on a tape. The fields above the line are public and frozen; strides count
 * elements and may be negative or (a broadcast axis) zero. */
typedef struct heed_tensor {
    heed_dtype dtype;
    int ndim;
    void *data;
    int64_t shape[HEED_MAX_NDIM];
    int64_t strides[HEED_MAX_NDIM];
    /* ---- internal ---- */
    heed_tape *tape;
    struct heed__record *record;   /* the op that made it, NULL for a leaf */
    struct heed__storage *storage; /* its memory on the tape; NULL: borrowed */
    heed_parameter *parameter;
    struct heed_tensor *slot;     /* its gradient so far, during a sweep */
    struct heed_tensor *gradient; /* its gradient after a sweep, when watched */
    unsigned flags;
} heed_tensor;

HEED_API size_t heed_dtype_size(heed_dtype dtype);
HEED_API const char *heed_dtype_name(heed_dtype dtype); /* "f32", ... */
HEED_API int64_t heed_size(const heed_tensor *x);       /* number of elements */
HEED_API bool heed_is_contiguous(const heed_tensor *x);
HEED_API heed_shape heed_shape_of(const heed_tensor *x);
/* "[2,3]" into text (always terminated); returns text. */
HEED_API char *heed_shape_text(const heed_shape *shape, char *text, size_t size);
/* The element at a flat row-major index, whatever the strides; any dtype, as double. */
HEED_API double heed_at(const heed_tensor *x, int64_t index);
/* numpy's layout, long axes shortened */
HEED_API void heed_print(const heed_tensor *x, FILE *file);

/* ---- tape ---- */

/* Where memory comes from. `allocate` returns 64-byte aligned memory or NULL. */
#ifndef HEED_ALLOCATOR_DEFINED
#define HEED_ALLOCATOR_DEFINED
typedef struct heed_allocator {
    void *(*allocate)(void *context, size_t bytes);
    void (*release)(void *context, void *memory, size_t bytes);
    void *context;
} heed_allocator;
#endif

typedef struct heed_tape_options {
    heed_dtype dtype; /* of constants that modules make: HEED_F32 (default) or HEED_F64 */
    const heed_allocator *allocator; /* NULL: the C library's */
    size_t chunk; /* least bytes asked of the allocator at a time; 0: 1 MiB */
} heed_tape_options;

HEED_API heed_tape *heed_tape_new(const heed_tape_options *options); /* NULL: out of memory */
HEED_API void heed_tape_free(heed_tape *t);
/* Forgets every tensor and record and clears the error; keeps the memory for the next step, and
 * moves the random streams to the next step. */
HEED_API void heed_tape_reset(heed_tape *t);
HEED_API heed_dtype heed_tape_dtype(const heed_tape *t);

/* Recording (on at first): ops on differentiable operands are remembered for heed_backward.
 * Training (off at first): dropout and its kin act. Both return the former setting. */
HEED_API bool heed_set_recording(heed_tape *t, bool on);
HEED_API bool heed_set_training(heed_tape *t, bool on);
HEED_API bool heed_recording(const heed_tape *t);
HEED_API bool heed_training(const heed_tape *t);

/* The numerical sanitizer (off at first; returns the former setting). On, the first op whose
 * result holds NaN, or an infinity that none of its operands holds, fails the tape with a
 * sentence that names the scope, the op, the operands' shapes and the index; so does a gradient
 * in a sweep. One more pass over every result; off, it costs nothing. */
HEED_API bool heed_set_sanitizing(heed_tape *t, bool on);

/* Names the module at work, for messages and random streams: heed_scope opens, heed_scope_end
 * closes. */
HEED_API void heed_scope(heed_tape *t, const char *name);
HEED_API void heed_scope_end(heed_tape *t);

/* The first error as one sentence, NULL if there was none. heed_fail records one (and returns
 * NULL). */
HEED_API const char *heed_error(const heed_tape *t);
HEED_API heed_tensor *heed_fail(heed_tape *t, const char *format, ...) HEED_PRINTF(2, 3);
/* Called once at the first error of a step: to log, abort, or hold a breakpoint. */
HEED_API void heed_on_error(heed_tape *t, void (*hook)(void *user, const char *sentence),
                            void *user);

/* A position on the tape. heed_rewind forgets all that came after it; heed_return does so too
 * but carries y over, and does nothing (returns y) when something was recorded since, because
 * that needs its values, or was shown to a recorded watch (heed_watch_attention), which may keep
 * it. */
typedef struct heed_position {
    void *at[6];
    size_t sizes[5];
} heed_position;
HEED_API heed_position heed_mark(heed_tape *t);
HEED_API void heed_rewind(heed_tape *t, heed_position position);
HEED_API heed_tensor *heed_return(heed_tape *t, heed_position position, heed_tensor *y);

/* Random streams: every draw on the tape is keyed by (seed, step, module path, draw count), so
 * it depends neither on threads nor on other modules' draws. heed_tape_reset adds 1 to the
 * step. */
HEED_API void heed_seed(heed_tape *t, uint64_t seed, uint64_t step);

/* Draws off the tape: sampling, shuffling, initialisation. The n-th draw of (seed, stream) is a
 * pure function of the three (Philox4x32-10: Salmon et al. 2011), so saving the struct saves
 * the state. */
typedef struct heed_random {
    uint64_t seed, stream, count;
} heed_random;
HEED_API double heed_random_uniform(heed_random *r); /* [0, 1), 53 bits */
HEED_API double heed_random_normal(heed_random *r);  /* mean 0, variance 1 */
/* 0 .. limit - 1, without bias */
HEED_API uint64_t heed_random_below(heed_random *r, uint64_t limit);

typedef struct heed_memory {
    size_t capacity;      /* bytes held from the allocator */
    size_t used;          /* bytes in use now */
    size_t peak;          /* most bytes in use since the last reset */
    uint64_t allocations; /* calls to the allocator so far */
} heed_memory;
HEED_API heed_memory heed_tape_memory(const heed_tape *t);

/* Threads that kernels may use (OMP_NUM_THREADS at first; always 1 in a build without OpenMP;
 * n < 1: all processors), not to be changed while a tape computes; and the instruction set in
 * use: "base", "avx2", "avx512". HEED_ISA in the environment forces one. */
HEED_API int heed_threads(void);
HEED_API void heed_set_threads(int n);
HEED_API const char *heed_instruction_set(void);

/* The record as it stands, before a sweep consumes it: what heed_backward will walk through.
 * heed_tape_print: a line an op, oldest first, "%7 = matmul(%6 [2,3], q.weight [3,4]) -> f32
 * [2,4]  decoder.0.attention". heed_tape_write_dot: the same as a Graphviz graph, with a box
 * for each scope. False when the file could not be written. */
HEED_API bool heed_tape_print(const heed_tape *t, FILE *file);
HEED_API bool heed_tape_write_dot(const heed_tape *t, FILE *file);
/* What the record comes to, forward; views are free. Ops on operands without a gradient are not
 * recorded and not counted. */
typedef struct heed_work {
    int64_t ops;
    int64_t depth;     /* the longest chain of ops, each of which waits for the one before */
    double arithmetic; /* additions and multiplications; 1 for an element of an op that has no
                        * `arithmetic` of its own (op.h). What masks hide is counted. */
    double bytes;      /* of all results */
} heed_work;
HEED_API heed_work heed_tape_work(const heed_tape *t);

/* ---- data in and out ---- */

HEED_API heed_tensor *heed_copy_in(heed_tape *t, heed_dtype dtype, heed_shape shape,
                                   const void *data);
/* No copy: data (contiguous) must outlive its use on the tape and not change meanwhile. Bools
 * must be 0 or 1. */
HEED_API heed_tensor *heed_borrow(heed_tape *t, heed_dtype dtype, heed_shape shape,
                                  const void *data);
HEED_API heed_tensor *heed_ids(heed_tape *t, heed_shape shape, const int32_t *ids);
HEED_API heed_tensor *heed_mask(heed_tape *t, heed_shape shape, const bool *mask);
/* in the tape's dtype */
HEED_API heed_tensor *heed_full(heed_tape *t, heed_shape shape, double value);
/* likewise */
HEED_API heed_tensor *heed_constant(heed_tape *t, heed_shape shape, const double *values);
/* i32 [stop - start] */
HEED_API heed_tensor *heed_arange(heed_tape *t, int32_t start, int32_t stop);
/* All elements in row-major order, in x's dtype, whatever its strides; false if the tape has
 * failed. */
HEED_API bool heed_copy_out(heed_tape *t, const heed_tensor *x, void *out);
/* the only element; NaN on error */
HEED_API double heed_item(heed_tape *t, const heed_tensor *x);

/* ---- gradients ---- */

/* Asks for x's gradient, before the ops that use x, and returns x; heed_gradient gives it after
 * the sweep (NULL if none reached x). */
HEED_API heed_tensor *heed_watch(heed_tape *t, heed_tensor *x);
HEED_API heed_tensor *heed_gradient(heed_tape *t, const heed_tensor *x);
/* Keeps x's value readable after the sweep, which frees what it has passed. Returns x. */
HEED_API heed_tensor *heed_keep(heed_tape *t, heed_tensor *x);
/* The same value with no history. */
HEED_API heed_tensor *heed_detach(heed_tape *t, heed_tensor *x);

/* The reverse sweep from a loss of one element: adds d loss/d p to the gradients of every
 * trainable parameter used (of its set's default heed_gradients), and delivers to watched
 * tensors. Consumes the record; the loss stays readable, other values need heed_keep. False on
 * error; gradients then stay marked incomplete and optimizers refuse them. */
HEED_API bool heed_backward(heed_tape *t, heed_tensor *loss);
HEED_API bool heed_backward_into(heed_tape *t, heed_tensor *loss, heed_gradients *gradients);
HEED_API bool heed_backward_retain(heed_tape *t, heed_tensor *loss); /* keeps the record */

/* Gradients as tensors that can be differentiated again (the record is kept, new ops are
 * recorded): gx[i] = d <y, gy>/d x[i]; gy NULL means ones. gx[i] is NULL where y does not
 * depend on x[i]. */
HEED_API bool heed_grad(heed_tape *t, heed_tensor *y, heed_tensor *gy, int n,
                        heed_tensor *const x[], heed_tensor *gx[]);

#include "operations.h"

/* ---- checks ---- */

/* An input a check makes up: uniform in [low, high] (both 0: [-1, 1]), no nearer to 0 than gap;
 * or the given values. Floats take the dtype of the tape; ids are integers low .. high - 1;
 * bools are coin flips. */
typedef struct heed_input {
    heed_dtype dtype;
    heed_shape shape;
    double low, high, gap;
    const double *values;
    bool constant; /* no gradient asked */
} heed_input;

typedef struct heed_check_options {
    int order; /* 1 (default), or 2: the gradient's gradient too */
    /* |a - n| <= absolute + relative |n|; default 1e-9 and 1e-7, at order 2 ten times those. */
    double absolute, relative;
    double step; /* of the 4-point differences, times max(1, |x|); default 3e-3 */
    uint64_t seed;
    int64_t full_limit; /* more scalars than this: random directions instead (default 256) */
    /* heed_check and heed_check_directional: called with every number compared, its name
     * ("q.weight[3,1]"), and how much of the tolerance its error takes. */
    void (*each)(void *user, const char *where, double analytic, double numeric, double excess);
    void *user;
} heed_check_options;

typedef struct heed_report {
    bool passed;
    int64_t compared; /* numbers compared */
    double analytic;  /* the worst one: by the tape, */
    double numeric;   /* by differences, */
    double excess;    /* |a - n| / tolerance there, <= 1 when passed */
    /* The largest |a - n| of a gradient against differences, and the largest |a - n| / |n|
     * where |n| is at least 0.001. */
    double absolute, relative;
    char where[160];   /* and which: "x[1][2,0]", "q.weight[3,1]" */
    char message[320]; /* why it failed, or empty */
} heed_report;

/* f builds a scalar from inputs and a module. Every input and every trainable parameter of ps
 * (may be NULL) is checked against 4-point differences, in f64 whatever the dtype of ps. */
HEED_API heed_report heed_check(heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[],
                                                  void *user),
                                void *user, heed_params *ps, int n, const heed_input inputs[],
                                const heed_check_options *options);
/* The same along random directions of signs in each tensor, four of them, whatever its size:
 * for models with many parameters. */
HEED_API heed_report heed_check_directional(
    heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[], void *user), void *user,
    heed_params *ps, int n, const heed_input inputs[], const heed_check_options *options);
/* The Taylor test: |f(x + h u) - f(x) - h <g, u>| must fall as h^2, which a wrong gradient does
 * not let it, whatever its size: no tolerance is involved. In each tensor and in all together;
 * the report's `analytic` is the least order found, which passes from 1.9 up. */
HEED_API heed_report heed_check_taylor(
    heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[], void *user), void *user,
    heed_params *ps, int n, const heed_input inputs[], const heed_check_options *options);

/* May this output element depend on that input element? (their indices, an axis each) */
typedef bool heed_may_depend(const int64_t *output, const int64_t *input, void *user);
typedef struct heed_leak_options {
    int input; /* which of the inputs the question is about */
    heed_may_depend *may_depend;
    void *user;
    bool finite_only; /* leave out the proof by NaN */
    uint64_t seed;
} heed_leak_options;
/* Proves that f's result (f64, any shape) does not depend on what it may not: the gradient
 * there is exactly 0, and the result keeps its bits when those inputs change, and when they are
 * NaN. For causality, padding, masks. Inputs of ids and masks change to other ids and the
 * opposite. */
HEED_API heed_report heed_leak_check(heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[],
                                                       void *user),
                                     void *user, heed_params *ps, int n,
                                     const heed_input inputs[], heed_leak_options options);
/* Runs every case of an op record through every variant: see op.h. */
HEED_API heed_report heed_check_op(const heed_op *op, const heed_check_options *options);
HEED_API void heed_report_print(const heed_report *report, FILE *file);

#ifdef __cplusplus
}
#endif

#endif
