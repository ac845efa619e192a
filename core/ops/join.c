/* Several tensors put together: along an axis, or along a new one. */
#include "ops.h"

/* concatenate.   Operands one after another along an axis;   gx_i = gy at operand i's slice */
typedef struct join_attributes {
    int axis;
} join_attributes;
static bool concatenate_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *first = c->x[0];
    int axis = heed_axis(t, c, ((const join_attributes *)c->attributes)->axis, first->ndim);
    if (axis < 0)
        return false;
    r->dtype = first->dtype;
    r->shape = heed_shape_of(first);
    for (int i = 1; i < c->n; i++) {
        const heed_tensor *x = c->x[i];
        if (x->dtype != first->dtype)
            return heed_refuse(t, c, "dtypes %s and %s differ", heed_dtype_name(first->dtype),
                               heed_dtype_name(x->dtype));
        bool fits = x->ndim == first->ndim;
        for (int k = 0; fits && k < x->ndim; k++)
            fits = k == axis || x->shape[k] == first->shape[k];
        if (!fits)
            return heed_refuse(t, c, "operands 0 and %d differ beside axis %d", i, axis);
        if (__builtin_add_overflow(r->shape.size[axis], x->shape[axis], &r->shape.size[axis]))
            return heed_refuse(t, c, "the extents overflow");
    }
    return true;
}
static void concatenate_run(const heed_call *c, heed_tensor *y)
{
    int axis = ((const join_attributes *)c->attributes)->axis;
    axis = axis < 0 ? axis + y->ndim : axis;
    heed_tensor place = *y;
    for (int i = 0; i < c->n; i++) {
        place.shape[axis] = c->x[i]->shape[axis];
        heed__copy_elements(c->x[i], &place);
        place.data = (char *)place.data +
                     place.shape[axis] * y->strides[axis] * (int64_t)heed_dtype_size(y->dtype);
    }
}
static void concatenate_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                            heed_tensor *gx[])
{
    int axis = ((const join_attributes *)c->attributes)->axis;
    int64_t at = 0;
    (void)y;
    for (int i = 0; i < c->n; i++) {
        int64_t extent = c->x[i]->shape[axis < 0 ? axis + gy->ndim : axis];
        if (heed_wants(c, i))
            gx[i] = heed_slice(t, gy, axis, at, at + extent, 1);
        at += extent;
    }
}
static const heed_case concatenate_cases[] = {
    { .label = "columns",
      .n = 3,
      .x = { { .shape = HEED_DIMS(2, 1) },
             { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const join_attributes){ -1 } },
    { .label = "rows",
      .n = 2,
      .x = { { .shape = HEED_DIMS(1, 2) }, { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const join_attributes){ 0 } },
    { .label = "ids",
      .n = 2,
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(2, 1),
               .values = (const double[]){ 1, 2 } },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(2, 1),
               .values = (const double[]){ 3, 4 } } },
      .attributes = &(const join_attributes){ 1 },
      .stated = true,
      .y = (const double[]){ 1, 3, 2, 4 } },
    { .label = "an empty one",
      .n = 2,
      .x = { { .shape = HEED_DIMS(0), .constant = true }, { .shape = HEED_DIMS(2) } },
      .attributes = &(const join_attributes){ 0 },
      .stated = true,
      .gx = { NULL, (const double[]){ 1, 1 } } },
};
static const heed_case concatenate_refusals[] = {
    { .label = "operands 0 and 1 differ beside axis 0",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const join_attributes){ 0 } },
    { .label = "dtypes f64 and i32 differ",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .attributes = &(const join_attributes){ 0 } },
    { .label = "axis 0 is out of range for 0 axes",
      .n = 2,
      .x = { { .shape = { 0 } }, { .shape = { 0 } } },
      .attributes = &(const join_attributes){ 0 } },
};
HEED_DEFINE_OP(concatenate) = { .name = "concatenate",
                                .arity = HEED_VARIADIC,
                                .attributes_size = sizeof(join_attributes),
                                .shape = concatenate_shape,
                                .run = concatenate_run,
                                .formula = "y = x_0, x_1, ... along an axis",
                                .adjoint = "gx_i = gy at x_i's slice",
                                .linear = true,
                                .vjp = concatenate_vjp,
                                HEED_REFUSES(concatenate_refusals),
                                HEED_CASES(concatenate_cases) };

/* stack.   Operands of one shape one after another along a new axis;   gx_i = gy at index i */
static bool stack_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *first = c->x[0];
    int axis = heed_axis(t, c, ((const join_attributes *)c->attributes)->axis, first->ndim + 1);
    if (axis < 0)
        return false;
    if (first->ndim == HEED_MAX_NDIM)
        return heed_refuse(t, c, "the operands have %d axes and can have no more",
                           HEED_MAX_NDIM);
    for (int i = 1; i < c->n; i++) {
        const heed_tensor *x = c->x[i];
        bool same = x->ndim == first->ndim && x->dtype == first->dtype;
        for (int k = 0; same && k < x->ndim; k++)
            same = x->shape[k] == first->shape[k];
        if (!same)
            return heed_refuse(t, c, "operands 0 and %d differ in shape or dtype", i);
    }
    r->dtype = first->dtype;
    r->shape.ndim = first->ndim + 1;
    for (int k = 0; k < r->shape.ndim; k++)
        r->shape.size[k] = k == axis ? c->n : first->shape[k - (k > axis)];
    return true;
}
static void stack_run(const heed_call *c, heed_tensor *y)
{
    int axis = ((const join_attributes *)c->attributes)->axis;
    axis = axis < 0 ? axis + y->ndim : axis;
    heed_tensor place = *y;
    place.ndim = y->ndim - 1;
    for (int k = axis; k < place.ndim; k++) {
        place.shape[k] = y->shape[k + 1];
        place.strides[k] = y->strides[k + 1];
    }
    for (int i = 0; i < c->n; i++) {
        heed__copy_elements(c->x[i], &place);
        place.data = (char *)place.data + y->strides[axis] * (int64_t)heed_dtype_size(y->dtype);
    }
}
static void stack_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    int axis = ((const join_attributes *)c->attributes)->axis;
    (void)y;
    for (int i = 0; i < c->n; i++) {
        if (heed_wants(c, i))
            gx[i] = heed_select(t, gy, axis, i);
    }
}
static const heed_case stack_cases[] = {
    { .label = "in front",
      .n = 3,
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const join_attributes){ 0 } },
    { .label = "behind",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const join_attributes){ -1 } },
    { .label = "0-d ids",
      .n = 2,
      .x = { { .dtype = HEED_I32, .shape = { 0 }, .values = (const double[]){ 1 } },
             { .dtype = HEED_I32, .shape = { 0 }, .values = (const double[]){ 2 } } },
      .attributes = &(const join_attributes){ 0 },
      .stated = true,
      .y = (const double[]){ 1, 2 } },
    { .label = "empty",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2, 0) }, { .shape = HEED_DIMS(2, 0) } },
      .attributes = &(const join_attributes){ 1 },
      .stated = true },
};
static const heed_case stack_refusals[] = {
    { .label = "operands 0 and 1 differ in shape or dtype",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2) }, { .shape = HEED_DIMS(3) } },
      .attributes = &(const join_attributes){ 0 } },
    { .label = "operands 0 and 2 differ in shape or dtype",
      .n = 3,
      .x = { { .shape = HEED_DIMS(1) },
             { .shape = HEED_DIMS(1) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .attributes = &(const join_attributes){ 0 } },
    { .label = "axis 2 is out of range for 2 axes",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2) }, { .shape = HEED_DIMS(2) } },
      .attributes = &(const join_attributes){ 2 } },
    { .label = "8 axes and can have no more",
      .n = 1,
      .x = { { .shape = HEED_DIMS(1, 1, 1, 1, 1, 1, 1, 1) } },
      .attributes = &(const join_attributes){ 0 } },
};
HEED_DEFINE_OP(stack) = { .name = "stack",
                          .arity = HEED_VARIADIC,
                          .attributes_size = sizeof(join_attributes),
                          .shape = stack_shape,
                          .run = stack_run,
                          .formula = "y = x_0, x_1, ... along a new axis",
                          .adjoint = "gx_i = gy at index i",
                          .linear = true,
                          .vjp = stack_vjp,
                          HEED_REFUSES(stack_refusals),
                          HEED_CASES(stack_cases) };

/* ---- the calls ---- */

heed_tensor *heed_concatenate(heed_tape *t, int n, heed_tensor *const x[], int axis)
{
    return heed_apply(t, &heed_op_concatenate, n, x, &(join_attributes){ axis });
}

heed_tensor *heed_stack(heed_tape *t, int n, heed_tensor *const x[], int axis)
{
    return heed_apply(t, &heed_op_stack, n, x, &(join_attributes){ axis });
}
