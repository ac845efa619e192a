/* What the checks share: leaves made from described inputs, comparing with a tolerance and
 * naming the worst element, and the trial of one op record, which the tests of the library's
 * own records use too. */
#ifndef HEED_TRIAL_H
#define HEED_TRIAL_H

#include "engine.h"

/* How a leaf lies in memory. */
typedef enum {
    LAYOUT_ROWS,       /* row-major */
    LAYOUT_TRANSPOSED, /* column-major: the first axis is the dense one */
    LAYOUT_REVERSED,   /* row-major with every stride negative */
    LAYOUT_EXPANDED,   /* one axis of stride 0 */
    LAYOUT_LOOSE,      /* row-major, axes of extent 1 with strides that fit nothing */
    LAYOUT_COUNT
} check_layout;

/* Defaults filled in. */
heed_check_options heed__check_options(const heed_check_options *options);

/* Fills values with what `input` describes, all of it representable in f32. */
void heed__check_draw(const heed_input *input, int64_t size, heed_random *r, double *values);
/* A tensor of the values (row-major), lying as the layout says. An expanded one still lacks its
 * last step, heed_expand to `shape`: the repeated axis has extent 1 and only its values are
 * given. */
heed_tensor *heed__check_leaf(heed_tape *t, heed_dtype dtype, const heed_shape *shape,
                              check_layout layout, const double *values);
/* The axis that LAYOUT_EXPANDED repeats, -1 if there is none longer than 1. */
int heed__check_expanded_axis(const heed_shape *shape);
/* Does this layout differ from row-major for this shape? */
bool heed__check_layout_differs(const heed_shape *shape, check_layout layout);

/* "name[1,2]" for a flat row-major index. */
void heed__check_name(const char *name, const heed_shape *shape, int64_t index, char *text,
                      size_t size);

/* Notes one comparison; true when it is the worst so far, and the caller then names it in
 * r->where. NaN agrees with nothing. */
bool heed__check_compare(heed_report *r, double analytic, double numeric, double tolerance);
/* Notes an error against differences in the report's `absolute` and `relative`. */
void heed__check_error(heed_report *r, double analytic, double numeric);
/* Notes a failure that is no comparison; the first one stands. */
void heed__check_fail(heed_report *r, const char *format, ...) HEED_PRINTF(2, 3);

/* The difference quotient from four values at x + h, x - h, x + h/2, x - h/2: error O(h^4). */
static inline double heed__check_quotient(const double f[4], double h)
{
    double wide = (f[0] - f[1]) / (2 * h), narrow = (f[2] - f[3]) / h;
    return (4 * narrow - wide) / 3;
}

/* The k-th of the four steps, in units of h. */
static inline double heed__check_offset(int k)
{
    return (k & 1 ? -1.0 : 1.0) / (k < 2 ? 1 : 2);
}

/* One case of a record, ready to be applied in some variant: which memory layout each operand
 * has, which operands share one leaf, which leaves are watched. */
typedef struct check_trial {
    const heed_op *op;
    const heed_case *c;
    heed_check_options options;
    heed_report *report;
    const char *variant;
    arena *memory; /* of all the arrays below */
    int n;
    heed_shape shape[HEED_CASE_OPERANDS];      /* of operands; */
    heed_shape leaf_shape[HEED_CASE_OPERANDS]; /* of the leaves behind them */
    check_layout layout[HEED_CASE_OPERANDS];
    int owner[HEED_CASE_OPERANDS]; /* whose leaf operand i uses: i itself unless shared */
    bool watched[HEED_CASE_OPERANDS];
    double *drawn[HEED_CASE_OPERANDS];  /* of the operand's shape, */
    double *values[HEED_CASE_OPERANDS]; /* of the leaf's shape */
    int64_t size[HEED_CASE_OPERANDS];   /* of leaves */
    int64_t offset[HEED_CASE_OPERANDS]; /* of a watched leaf's scalars among all, */
    int64_t scalars;                    /* and the number of all */
    int64_t results;                    /* elements of the result */
} check_trial;

/* Draws the operands of case `index`; false when out of memory. */
bool heed__trial_begin(check_trial *trial, const heed_op *op, int index, arena *memory);
/* Chooses a variant; call after changing layout or owner. */
bool heed__trial_arrange(check_trial *trial);
bool heed__trial_differentiable(const check_trial *trial, int operand);
/* Builds the operands on t; leaves are watched where asked. NULL operands where absent. */
bool heed__trial_operands(const check_trial *trial, heed_tape *t, heed_tensor *x[],
                          heed_tensor *leaf[]);
heed_tensor *heed__trial_apply(const check_trial *trial, heed_tape *t, heed_tensor *leaf[]);
/* The composition on the same operands. */
heed_tensor *heed__trial_compose(const check_trial *trial, heed_tape *t, heed_tensor *x[]);
/* The result as doubles; false when the tape failed (then the report has the sentence). */
bool heed__trial_value(check_trial *trial, heed_tape *t, double *y);
/* The gradient of <u, y> (u NULL: of sum(y)) for all watched leaves, by a plain or a recorded
 * sweep, of the op or of its composition. */
typedef enum { SWEEP_PLAIN, SWEEP_RECORDED, SWEEP_COMPOSED } check_sweep;
bool heed__trial_gradient(check_trial *trial, heed_tape *t, const double *u, check_sweep how,
                          double *g);
/* Fails the report with "case, variant: ...". */
void heed__trial_fail(check_trial *trial, const char *format, ...) HEED_PRINTF(2, 3);
/* Compares one number, or two vectors, over the scalars of the leaves (of_leaves) or the
 * result. Vectors may hold NaN, which then agrees with NaN only. */
void heed__trial_number(check_trial *trial, const char *what, double a, double b,
                        double tolerance);
void heed__trial_compare(check_trial *trial, const char *what, bool of_leaves, const double *a,
                         const double *b, double absolute, double relative);
double *heed__trial_array(check_trial *trial, int64_t n);
/* Uniform in [-1, 1), representable in f32. */
void heed__trial_draw(heed_random *r, double *u, int64_t n);
/* The place of scalar j of all watched leaves. */
double *heed__trial_scalar(check_trial *trial, int64_t j);

/* Its fresh memory holds NaN in any floating dtype, so that what an op forgets to write shows.
 */
extern const heed_allocator heed__check_poisoned;

/* The parts of heed_check_op: see check_differences.c and check_rules.c. */
void heed__trial_differences(check_trial *trial, heed_tape *t, bool full_second);
void heed__trial_stated(check_trial *trial, heed_tape *t, heed_tape *single);
/* Holds for every variant: the declared shape, equal bits twice, f32 near f64, composed equal
 * to fused. */
void heed__trial_common(check_trial *trial, heed_tape *t, heed_tape *single);
/* Holds for the record as such, tried on contiguous operands: linearity, declared uses,
 * accumulation. */
void heed__trial_promises(check_trial *trial, heed_tape *t);
void heed__trial_misuse(check_trial *trial, heed_tape *t);

#endif
