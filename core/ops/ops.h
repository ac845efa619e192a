/* What the op files share: the way from tensors to kernel arguments, and the shape rules of
 * whole families. Ops see op.h and the kernels, never the tape's insides. */
#ifndef HEED_OPS_H
#define HEED_OPS_H

#include "../kernels/integer.h"
#include "../kernels/kernels.h"
#include "../kernels/portable.h"
#include "../op.h"

#include <math.h>
#include <stddef.h>

/* The attributes of dropout, alone and within attention. */
typedef struct heed__dropout {
    double probability;
    uint64_t key;
} heed__dropout;
heed__dropout heed__draw_dropout(heed_tape *t, double probability);

#define HEED_OP(name) extern const heed_op heed_op_##name;
#include "../ops.def"
#undef HEED_OP

/* The kernels of a floating dtype: of the instruction set in use, and the portable ones. */
const kernel_table *heed__kernels(heed_dtype dtype);
const portable_table *heed__portable(heed_dtype dtype);
/* Of the other dtypes: i32, or u8 and bool. */
const integer_table *heed__integers(heed_dtype dtype);
/* And those of any dtype that only move elements. */
const element_table *heed__elements(heed_dtype dtype);

/* The common shape of all operands, or a refusal. */
bool heed__broadcast(heed_tape *t, const heed_call *c, heed_shape *shape);

/* Shape rules. */
/* broadcast of all operands */
bool heed__shape_map(heed_tape *t, const heed_call *c, heed_result *r);
/* operand 0's shape and dtype */
bool heed__shape_like(heed_tape *t, const heed_call *c, heed_result *r);

/* Elementwise: y = kernels.map[c->op->kernel](x...; p, q), p and q from attributes of type
 * heed__scalars. */
typedef struct heed__scalars {
    double p, q;
} heed__scalars;
void heed__run_map(const heed_call *c, heed_tensor *y);
/* Operands broadcast over y's axes, as a kernel wants them. */
kernel_map heed__map_arguments(const heed_call *c, const heed_tensor *y);
/* n numbers to a dtype, by the rules of cast. */
void heed__from_double(const double *x, int64_t n, heed_dtype dtype, void *y);
/* y = x for any dtype and any strides; shapes are equal. */
void heed__copy_elements(const heed_tensor *x, heed_tensor *y);

/* A contiguous tensor's lines along an axis. */
kernel_lines heed__lines(const heed_tensor *x, int axis, heed_tensor *y);

/* True for f32 and f64; otherwise refuses the call by operand and dtype. */
bool heed__floats(heed_tape *t, const heed_call *c);
/* A reduction's arguments: axes of x in `reduced` (a bit each) after those that stay. */
kernel_reduce heed__reduce_arguments(const heed_tensor *x, unsigned reduced,
                                     const heed_tensor *y);

/* For ops that find elements by ids (places.c). */
/* True for i32 ids in 0 .. extent - 1, contiguous; otherwise refuses the call by the first
 * that is not. */
bool heed__ids_within(heed_tape *t, const heed_call *c, const heed_tensor *ids, int64_t extent);
/* The same, and that ids have as many axes as a table, none of them longer but axis. */
bool heed__ids_fit(heed_tape *t, const heed_call *c, const heed_tensor *ids,
                   const heed_shape *table, int axis);
/* A kernel's arguments: rows against the places of table that ids names along axis. ids have
 * rows' shape, or are a list along axis. */
kernel_places heed__places(const heed_tensor *table, const heed_tensor *ids,
                           const heed_tensor *rows, int axis);

/* A 0-d constant in the dtype of `like`; one that f32 holds exactly. */
heed_tensor *heed__number(heed_tape *t, const heed_tensor *like, double value);

/* Shorthands for the adjoints. */
static inline heed_tensor *heed__apply1(heed_tape *t, const heed_op *op, heed_tensor *a,
                                        const void *attributes)
{
    return heed_apply(t, op, 1, (heed_tensor *[]){ a }, attributes);
}

static inline heed_tensor *heed__apply2(heed_tape *t, const heed_op *op, heed_tensor *a,
                                        heed_tensor *b, const void *attributes)
{
    return heed_apply(t, op, 2, (heed_tensor *[]){ a, b }, attributes);
}

static inline heed_tensor *heed__apply3(heed_tape *t, const heed_op *op, heed_tensor *a,
                                        heed_tensor *b, heed_tensor *c, const void *attributes)
{
    return heed_apply(t, op, 3, (heed_tensor *[]){ a, b, c }, attributes);
}

#endif
