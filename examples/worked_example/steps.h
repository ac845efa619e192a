/* What the sections compute with: constants in short, and attention in plain ops, each step of
 * which can be looked at. */
#ifndef WORKED_STEPS_H
#define WORKED_STEPS_H

#include <heed/heed.h>

heed_tensor *row(heed_tape *t, int n, const double *values);            /* [n] */
heed_tensor *matrix(heed_tape *t, int m, int n, const double *values);  /* [m, n] */
heed_tensor *watched(heed_tape *t, int m, int n, const double *values); /* the same */
heed_tensor *one(heed_tape *t, double value);                           /* [1] */
heed_tensor *transpose(heed_tape *t, heed_tensor *x);
/* cat, sat, mat of S1 §5: the first three rows of the 4 x 4 identity. */
heed_tensor *cat_sat_mat(heed_tape *t);

/* Every one watched, and kept through a sweep. */
typedef struct steps {
    heed_tensor *s, *p, *o;
} steps;
/* S = scale Q K^T, P = softmax(S), O = P V of matrices. keep: bool [N, M], or NULL for all. */
steps attend(heed_tape *t, heed_tensor *q, heed_tensor *k, heed_tensor *v, double scale,
             heed_tensor *keep);

#endif
