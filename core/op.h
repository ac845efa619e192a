/* The op record: what an operation is, in one place. heed's own ops and a user's are the same
 * thing, made by the same heed_apply and tested by the same heed_check_op. docs/adding-an-op.md
 * shows one being made.
 *
 * An op is: a shape rule (what comes out, or why not), a run (one kernel call), and a vjp,
 * which *returns* for each operand a contribution to its gradient, written in ops. The engine
 * alone adds contributions up and reduces them to the operand's shape where it was broadcast.
 */
#ifndef HEED_OP_H
#define HEED_OP_H

#include "heed.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HEED_MAX_SAVED 2

/* One application of an op. */
typedef struct heed_call {
    const heed_op *op;
    int n;
    heed_tensor *const *x;     /* operands; an optional one may be NULL */
    const void *attributes;    /* the op's attribute struct, copied to the tape */
    heed_tensor *const *saved; /* by-products the shape rule asked for: run writes, vjp reads */
    void *scratch;             /* the bytes the shape rule asked for, during run only */
} heed_call;

/* What a shape rule decides. */
typedef struct heed_result {
    heed_dtype dtype;
    heed_shape shape;
    bool view;    /* shares operand 0's memory: give strides and offset */
    bool ordered; /* fresh memory laid out by strides (a permutation), not row-major */
    int64_t strides[HEED_MAX_NDIM];
    int64_t offset; /* elements from operand 0's data */
    int saved;      /* number of by-products */
    heed_dtype saved_dtype[HEED_MAX_SAVED];
    heed_shape saved_shape[HEED_MAX_SAVED];
    size_t scratch;
} heed_result;

/* A test case: operands and attributes. Smooth ones are compared with differences at orders 1
 * and 2; a degenerate or extreme one (kinks, empty axes, huge values) states the result and the
 * gradients of sum(y) in closed form instead. */
#define HEED_CASE_OPERANDS 10
typedef struct heed_case {
    const char *label;
    int n; /* operands; 0: the op's arity */
    heed_input x[HEED_CASE_OPERANDS];
    const void *attributes;
    unsigned absent; /* bit i: optional operand i is NULL */
    double step;     /* of the differences; 0: the default */
    bool stated;     /* not differenced: compare with y and gx below, exactly to 1e-12 */
    const double *y; /* row-major, or NULL */
    const double *gx[HEED_CASE_OPERANDS];
} heed_case;

/* Which values a vjp reads. */
#define HEED_USES_X(i) (1u << (i))
#define HEED_USES_Y    (1u << 31)
#define HEED_VARIADIC  (-1)

struct heed_op {
    const char *name;
    const char *formula; /* y = ... */
    const char *adjoint; /* gx = ..., or "none: why" */
    /* Arithmetic of value + adjoint, "2 m n k + 4 m n k". NULL: a few operations for each
     * element of operands and result, for a view none. */
    const char *cost;
    /* The value's as a number, for heed_tape_work. NULL: one for each element of the result. */
    double (*arithmetic)(const heed_call *c, const heed_tensor *y);
    int arity;           /* or HEED_VARIADIC */
    unsigned optional;   /* bit i: operand i may be NULL */
    unsigned integer;    /* bit i: operand i is ids or a mask: never differentiated */
    unsigned dense;      /* bit i: operand i must be contiguous; the engine makes it so */
    unsigned dense_rows; /* bit i: only its last axis must have stride 1 */
    unsigned uses;
    bool linear; /* in its differentiable operands jointly: the exact dot test applies */
    size_t attributes_size;
    /* Fills result and returns true, or returns heed_refuse(...). */
    bool (*shape)(heed_tape *t, const heed_call *c, heed_result *result);
    /* Writes y. NULL for a view and for a composed op. */
    void (*run)(const heed_call *c, heed_tensor *y);
    /* Optional: y += f(x), into an existing y of the result's shape. */
    void (*accumulate)(const heed_call *c, heed_tensor *y);
    /* gx[i] is NULL at entry; leave it so where nothing flows. heed_wants tells which are asked
     * for. */
    void (*vjp)(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                heed_tensor *gx[]);
    /* The same function in plain ops. A fused op has one: tests compare the two, and a sweep
     * that is itself recorded differentiates through it, so second order works. An op with a
     * composition and no run is a composed op: the shape rule checks the operands, and what
     * the composition returns is the result; its parts are what is recorded, so it needs no
     * vjp. Operands are contiguous here where .dense says so. */
    heed_tensor *(*compose)(heed_tape *t, const heed_call *c);
    const heed_case *cases;
    int case_count;
    /* What the shape rule must refuse, with the label in its sentence: shapes that do not fit,
     * ids out of range, unsound attributes. */
    const heed_case *refusals;
    int refusal_count;
    int kernel; /* which elementwise kernel; for the library's own */
};

#define HEED_DEFINE_OP(name) const heed_op heed_op_##name
#define HEED_CASES(list)     .cases = list, .case_count = (int)(sizeof(list) / sizeof((list)[0]))
#define HEED_REFUSES(list) \
    .refusals = list, .refusal_count = (int)(sizeof(list) / sizeof((list)[0]))

/* Applies op to x: checks operands, runs the shape rule, allocates, runs, records. NULL on a
 * failed tape. */
HEED_API heed_tensor *heed_apply(heed_tape *t, const heed_op *op, int n, heed_tensor *const x[],
                                 const void *attributes);
/* For shape rules: records "scope: op: [2,3] x [4,5]: <message>" as the tape's error; returns
 * false. */
HEED_API bool heed_refuse(heed_tape *t, const heed_call *c, const char *format, ...)
    HEED_PRINTF(3, 4);
/* True when operand i's gradient is asked for. */
HEED_API bool heed_wants(const heed_call *c, int i);
/* 0 .. ndim - 1 from a possibly negative axis, or -1 after recording the error. */
HEED_API int heed_axis(heed_tape *t, const heed_call *c, int axis, int ndim);
/* The i-th op of the library, NULL past the end; and one by name. */
HEED_API const heed_op *heed_op_at(int i);
HEED_API const heed_op *heed_op_named(const char *name);

#ifdef __cplusplus
}
#endif

#endif
