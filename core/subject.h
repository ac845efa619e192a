/* What is checked by finite differences: a function of inputs and a set of parameters, in f64
 * whatever their dtype. The parameters are copied, and the tape is told to use the copies. */
#ifndef HEED_SUBJECT_H
#define HEED_SUBJECT_H

#include "trial.h"

/* One tensor to be differentiated: an input or a parameter. */
typedef struct check_block {
    char name[112];
    heed_shape shape;
    int64_t size, offset;
    double *values;
    int input;             /* which, or -1 */
    heed_parameter *asked; /* in the caller's set, */
    heed_parameter *copy;  /* and the one perturbed */
} check_block;

typedef struct check_subject {
    heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[], void *user);
    void *user;
    const heed_params *ps;
    heed_params *copy;
    int n;
    const heed_input *inputs;
    bool leaves_only; /* nothing need be differentiable: ids alone will do */
    heed_check_options o;
    heed_report *report;
    heed_tape *t;
    arena memory;
    heed_tensor **x; /* [n] */
    double **values; /* [n] of inputs */
    int blocks;
    check_block *block;    /* [blocks] */
    heed_tensor **tensors; /* [blocks], of the present step */
    heed_tensor **g;       /* [blocks] */
    int64_t total;         /* scalars in all blocks */
} check_subject;

/* Memory of the subject's arena, zeroed; NULL when there is none. */
void *heed__subject_room(check_subject *s, int64_t count, size_t size);
/* Make the report failed and return false: memory is short; the tape failed. */
bool heed__subject_out_of_memory(check_subject *s);
bool heed__subject_failed(check_subject *s);

/* Makes tape and copies, draws the inputs and lists what is to be differentiated; false with a
 * failed report. To be ended in either case. */
bool heed__subject_begin(check_subject *s);
void heed__subject_end(check_subject *s);
/* One evaluation in a new step, its random streams at their beginning; NULL when the tape
 * failed. */
heed_tensor *heed__subject_evaluate(check_subject *s, bool recording);
/* The value of a function of one element, */
bool heed__subject_value(check_subject *s, double *v);
/* its gradient by a plain sweep, all blocks one after another, */
bool heed__subject_gradient(check_subject *s, double *v, double *g);
/* and hw = gradient of <w, gradient of f>, by differentiating the sweep. */
bool heed__subject_second(check_subject *s, const double *w, double *hw);
/* Moves blocks first .. last - 1 to their values in `keep` plus `distance` along d. */
void heed__subject_move(check_subject *s, int first, int last, const double *keep,
                        const double *d, double distance);
/* Copies the values of these blocks to keep. */
void heed__subject_keep(const check_subject *s, int first, int last, double *keep);

static inline double heed__check_dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

#endif
