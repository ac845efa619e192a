/* An einsum equation as labels of axes: what einsum.c contracts and einsum_read.c reads. */
#ifndef HEED_EINSUM_H
#define HEED_EINSUM_H

#include "ops.h"

/* A label is 0 .. 25 for A-Z, 26 .. 51 for a-z, and beyond that an axis of "...", counted from
 * its last one. */
#define EINSUM_LETTERS 52
#define EINSUM_LABELS  (EINSUM_LETTERS + HEED_MAX_NDIM)

typedef struct einsum_attributes {
    const char *equation; /* of a composed op nothing outlives the call */
} einsum_attributes;

/* The labels of some axes, in their order. */
typedef struct einsum_term {
    int ndim;
    int label[HEED_MAX_NDIM];
} einsum_term;

typedef struct einsum_plan {
    einsum_term result;
    bool kept[EINSUM_LABELS];      /* the result has it */
    int64_t extent[EINSUM_LABELS]; /* after broadcasting */
    int uses[EINSUM_LABELS];       /* operands that have it in that extent */
} einsum_plan;

/* Reads and checks the equation of a call; false after a refusal. */
bool heed__einsum_read(heed_tape *t, const heed_call *c, einsum_plan *plan);
/* The labels of operand i, in a call whose equation was found good. */
einsum_term heed__einsum_operand(const heed_call *c, int i);

#endif
