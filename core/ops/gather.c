/* Elements and slices read by id along an axis, and the adjoints that add them back. x is read
 * and the results of the adjoints are written by strides; only ids must be contiguous. */
#include "ops.h"

#include <string.h>

typedef struct gather_attributes {
    int axis;
    heed_shape shape; /* of the result: gather_grad only */
} gather_attributes;

typedef struct index_attributes {
    int axis;
    int64_t extent; /* of the result along it: index_select_grad only */
} index_attributes;

#define IDS(...)                                  \
    .dtype = HEED_I32, .values = (const double[]) \
    {                                             \
        __VA_ARGS__                               \
    }

/* gather.   y[i, j, k] = x[i, ids[i, j, k], k] for axis 1;   gx = gy added up at those places
 */
static bool gather_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    heed_shape table = heed_shape_of(c->x[0]);
    int axis = heed_axis(t, c, ((const gather_attributes *)c->attributes)->axis, table.ndim);
    if (axis < 0 || !heed__ids_fit(t, c, c->x[1], &table, axis))
        return false;
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[1]);
    return true;
}
static void gather_run(const heed_call *c, heed_tensor *y)
{
    int axis = ((const gather_attributes *)c->attributes)->axis;
    kernel_places p = heed__places(c->x[0], c->x[1], y, axis < 0 ? axis + y->ndim : axis);
    heed__elements(y->dtype)->gather(&p);
}
static void gather_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    gather_attributes a = *(const gather_attributes *)c->attributes;
    (void)y;
    a.shape = heed_shape_of(c->x[0]);
    gx[0] = heed__apply2(t, &heed_op_gather_grad, gy, c->x[1], &a);
}
static const heed_case gather_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 4), IDS(2, 0, 0, 1, 1, 1, 2, 0) } },
      .attributes = &(const gather_attributes){ .axis = -1 } },
    { .label = "middle axis, smaller beside it",
      .x = { { .shape = HEED_DIMS(2, 3, 3) },
             { .shape = HEED_DIMS(1, 2, 2), IDS(0, 2, 2, 2) } },
      .attributes = &(const gather_attributes){ .axis = 1 } },
    { .label = "bytes",
      .x = { { .dtype = HEED_U8,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, 2, 3, 4 } },
             { .shape = HEED_DIMS(1, 2), IDS(1, 0) } },
      .attributes = &(const gather_attributes){ .axis = 0 },
      .stated = true,
      .y = (const double[]){ 3, 2 } },
    { .label = "a place twice",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 5, NAN } },
             { .shape = HEED_DIMS(2), IDS(0, 0) } },
      .attributes = &(const gather_attributes){ .axis = 0 },
      .stated = true,
      .y = (const double[]){ 5, 5 },
      .gx = { (const double[]){ 2, 0 } } },
    { .label = "no ids",
      .x = { { .shape = HEED_DIMS(2, 2) }, { .dtype = HEED_I32, .shape = HEED_DIMS(2, 0) } },
      .attributes = &(const gather_attributes){ .axis = 1 },
      .stated = true,
      .gx = { (const double[]){ 0, 0, 0, 0 } } },
};
static const heed_case gather_refusals[] = {
    { .label = "id 3 at index 1 is outside 0 .. 2",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(1, 2),
               .values = (const double[]){ 2, 3 } } },
      .attributes = &(const gather_attributes){ .axis = 1 } },
    { .label = "id -1 at index 0 is outside 0 .. 2",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(1, 1),
               .values = (const double[]){ -1 } } },
      .attributes = &(const gather_attributes){ .axis = 1 } },
    { .label = "no larger extents beside axis 1",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(3, 1),
               .values = (const double[]){ 0, 0, 0 } } },
      .attributes = &(const gather_attributes){ .axis = 1 } },
    { .label = "as many axes",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .attributes = &(const gather_attributes){ .axis = 1 } },
    { .label = "axis 0 is out of range for 0 axes",
      .x = { { .shape = { 0 } },
             { .dtype = HEED_I32, .shape = { 0 }, .values = (const double[]){ 0 } } },
      .attributes = &(const gather_attributes){ .axis = 0 } },
};
HEED_DEFINE_OP(gather) = { .name = "gather",
                           .arity = 2,
                           .integer = 2,
                           .dense = 2,
                           .attributes_size = sizeof(gather_attributes),
                           .shape = gather_shape,
                           .run = gather_run,
                           .formula = "y[i, j, k] = x[i, ids[i, j, k], k]",
                           .adjoint = "gx = 0 with gy[i, j, k] added at [i, ids[i, j, k], k]",
                           .uses = HEED_USES_X(1),
                           .linear = true,
                           .vjp = gather_vjp,
                           HEED_REFUSES(gather_refusals),
                           HEED_CASES(gather_cases) };

/* gather_grad.   y = 0 with x[i, j, k] added at [i, ids[i, j, k], k];   gx = gather(gy) */
static bool gather_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const gather_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0], *ids = c->x[1];
    int axis = heed_axis(t, c, a->axis, a->shape.ndim);
    if (axis < 0 || !heed__floats(t, c))
        return false;
    bool same = x->ndim == ids->ndim;
    for (int k = 0; same && k < x->ndim; k++)
        same = x->shape[k] == ids->shape[k];
    if (!same)
        return heed_refuse(t, c, "x and ids differ in shape");
    r->dtype = x->dtype;
    r->shape = a->shape;
    return heed__ids_fit(t, c, ids, &a->shape, axis);
}
static void gather_grad_accumulate(const heed_call *c, heed_tensor *y)
{
    int axis = ((const gather_attributes *)c->attributes)->axis;
    kernel_places p = heed__places(y, c->x[1], c->x[0], axis < 0 ? axis + y->ndim : axis);
    heed__portable(y->dtype)->scatter_add(&p);
}
static void gather_grad_run(const heed_call *c, heed_tensor *y)
{
    memset(y->data, 0, (size_t)heed_size(y) * heed_dtype_size(y->dtype));
    gather_grad_accumulate(c, y);
}
static void gather_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                            heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_gather(t, gy, c->x[1], ((const gather_attributes *)c->attributes)->axis);
}
static const heed_case gather_grad_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 4) },
             { .shape = HEED_DIMS(2, 4), IDS(2, 0, 0, 1, 1, 1, 2, 0) } },
      .attributes = &(const gather_attributes){ -1, HEED_DIMS(2, 3) } },
    { .label = "first axis, larger beside it",
      .x = { { .shape = HEED_DIMS(3, 2) },
             { .shape = HEED_DIMS(3, 2), IDS(1, 0, 1, 1, 0, 1) } },
      .attributes = &(const gather_attributes){ 0, HEED_DIMS(2, 3) } },
    { .label = "nothing",
      .x = { { .shape = HEED_DIMS(0) }, { .dtype = HEED_I32, .shape = HEED_DIMS(0) } },
      .attributes = &(const gather_attributes){ 0, HEED_DIMS(2) },
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
static const heed_case gather_grad_refusals[] = {
    { .label = "id 3 at index 1 is outside 0 .. 2",
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(2), .values = (const double[]){ 2, 3 } } },
      .attributes = &(const gather_attributes){ 0, HEED_DIMS(3) } },
    { .label = "x and ids differ in shape",
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .attributes = &(const gather_attributes){ 0, HEED_DIMS(3) } },
    { .label = "no larger extents beside axis 0",
      .x = { { .shape = HEED_DIMS(1, 2) },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(1, 2),
               .values = (const double[]){ 0, 0 } } },
      .attributes = &(const gather_attributes){ 0, HEED_DIMS(3, 1) } },
};
HEED_DEFINE_OP(gather_grad) = {
    .name = "gather_grad",
    .arity = 2,
    .integer = 2,
    .dense = 2,
    .attributes_size = sizeof(gather_attributes),
    .shape = gather_grad_shape,
    .run = gather_grad_run,
    .accumulate = gather_grad_accumulate,
    .formula = "y = 0 with x[i, j, k] added at [i, ids[i, j, k], k]",
    .adjoint = "gx[i, j, k] = gy[i, ids[i, j, k], k]",
    .uses = HEED_USES_X(1),
    .linear = true,
    .vjp = gather_grad_vjp,
    HEED_REFUSES(gather_grad_refusals),
    HEED_CASES(gather_grad_cases)
};

/* index_select.   y[..., j, ...] = x[..., ids[j], ...];   gx = gy's slices added up there */
static bool list_of_ids(heed_tape *t, const heed_call *c, int64_t extent)
{
    if (c->x[1]->ndim != 1)
        return heed_refuse(t, c, "the ids must be a list, of one axis");
    return heed__ids_within(t, c, c->x[1], extent);
}
static bool index_select_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, ((const index_attributes *)c->attributes)->axis, x->ndim);
    if (axis < 0 || !list_of_ids(t, c, x->shape[axis]))
        return false;
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    r->shape.size[axis] = c->x[1]->shape[0];
    return true;
}
static void index_select_run(const heed_call *c, heed_tensor *y)
{
    int axis = ((const index_attributes *)c->attributes)->axis;
    kernel_places p = heed__places(c->x[0], c->x[1], y, axis < 0 ? axis + y->ndim : axis);
    heed__elements(y->dtype)->gather(&p);
}
static void index_select_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                             heed_tensor *gx[])
{
    index_attributes a = *(const index_attributes *)c->attributes;
    const heed_tensor *x = c->x[0];
    (void)y;
    a.extent = x->shape[a.axis < 0 ? a.axis + x->ndim : a.axis];
    gx[0] = heed__apply2(t, &heed_op_index_select_grad, gy, c->x[1], &a);
}
static const heed_case index_select_cases[] = {
    { .label = "first axis",
      .x = { { .shape = HEED_DIMS(3, 2) }, { .shape = HEED_DIMS(4), IDS(2, 0, 2, 1) } },
      .attributes = &(const index_attributes){ 0, 0 } },
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2), IDS(1, 1) } },
      .attributes = &(const index_attributes){ -1, 0 } },
    { .label = "middle axis",
      .x = { { .shape = HEED_DIMS(2, 3, 2) }, { .shape = HEED_DIMS(3), IDS(1, 0, 1) } },
      .attributes = &(const index_attributes){ 1, 0 } },
    { .label = "bytes",
      .x = { { .dtype = HEED_U8,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, 2, 3, 4 } },
             { .shape = HEED_DIMS(1), IDS(1) } },
      .attributes = &(const index_attributes){ 0, 0 },
      .stated = true,
      .y = (const double[]){ 3, 4 } },
    { .label = "no ids",
      .x = { { .shape = HEED_DIMS(2, 1) }, { .dtype = HEED_I32, .shape = HEED_DIMS(0) } },
      .attributes = &(const index_attributes){ 0, 0 },
      .stated = true,
      .gx = { (const double[]){ 0, 0 } } },
};
static const heed_case index_select_refusals[] = {
    { .label = "id 2 at index 1 is outside 0 .. 1",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } } },
      .attributes = &(const index_attributes){ 0, 0 } },
    { .label = "the ids must be a list",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1, 1), .values = (const double[]){ 0 } } },
      .attributes = &(const index_attributes){ 0, 0 } },
    { .label = "axis 2 is out of range",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .attributes = &(const index_attributes){ 2, 0 } },
};
HEED_DEFINE_OP(index_select) = { .name = "index_select",
                                 .arity = 2,
                                 .integer = 2,
                                 .dense = 2,
                                 .attributes_size = sizeof(index_attributes),
                                 .shape = index_select_shape,
                                 .run = index_select_run,
                                 .formula = "y[..., j, ...] = x[..., ids[j], ...]",
                                 .adjoint = "gx = 0 with gy[..., j, ...] added at ids[j]",
                                 .uses = HEED_USES_X(1),
                                 .linear = true,
                                 .vjp = index_select_vjp,
                                 HEED_REFUSES(index_select_refusals),
                                 HEED_CASES(index_select_cases) };

/* index_select_grad.   y = 0 with x[..., j, ...] added at ids[j];   gx = index_select(gy) */
static bool index_select_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const index_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, a->axis, x->ndim);
    if (axis < 0 || !heed__floats(t, c) || !list_of_ids(t, c, a->extent))
        return false;
    if (c->x[1]->shape[0] != x->shape[axis])
        return heed_refuse(t, c, "axis %d needs an id for each slice", axis);
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    r->shape.size[axis] = a->extent;
    return true;
}
static void index_select_grad_accumulate(const heed_call *c, heed_tensor *y)
{
    int axis = ((const index_attributes *)c->attributes)->axis;
    kernel_places p = heed__places(y, c->x[1], c->x[0], axis < 0 ? axis + y->ndim : axis);
    heed__portable(y->dtype)->scatter_add(&p);
}
static void index_select_grad_run(const heed_call *c, heed_tensor *y)
{
    memset(y->data, 0, (size_t)heed_size(y) * heed_dtype_size(y->dtype));
    index_select_grad_accumulate(c, y);
}
static void index_select_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *y,
                                  heed_tensor *gy, heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_index_select(t, gy, c->x[1], ((const index_attributes *)c->attributes)->axis);
}
static const heed_case index_select_grad_cases[] = {
    { .label = "first axis",
      .x = { { .shape = HEED_DIMS(4, 2) }, { .shape = HEED_DIMS(4), IDS(2, 0, 2, 1) } },
      .attributes = &(const index_attributes){ 0, 3 } },
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(3, 2) }, { .shape = HEED_DIMS(2), IDS(1, 1) } },
      .attributes = &(const index_attributes){ -1, 3 } },
    { .label = "nothing",
      .x = { { .shape = HEED_DIMS(0, 2) }, { .dtype = HEED_I32, .shape = HEED_DIMS(0) } },
      .attributes = &(const index_attributes){ 0, 1 },
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
static const heed_case index_select_grad_refusals[] = {
    { .label = "id 2 at index 1 is outside 0 .. 1",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } } },
      .attributes = &(const index_attributes){ 0, 2 } },
    { .label = "axis 0 needs an id for each slice",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .attributes = &(const index_attributes){ 0, 2 } },
};
HEED_DEFINE_OP(index_select_grad) = { .name = "index_select_grad",
                                      .arity = 2,
                                      .integer = 2,
                                      .dense = 2,
                                      .attributes_size = sizeof(index_attributes),
                                      .shape = index_select_grad_shape,
                                      .run = index_select_grad_run,
                                      .accumulate = index_select_grad_accumulate,
                                      .formula = "y = 0 with x[..., j, ...] added at ids[j]",
                                      .adjoint = "gx[..., j, ...] = gy[..., ids[j], ...]",
                                      .uses = HEED_USES_X(1),
                                      .linear = true,
                                      .vjp = index_select_grad_vjp,
                                      HEED_REFUSES(index_select_grad_refusals),
                                      HEED_CASES(index_select_grad_cases) };

heed_tensor *heed_gather(heed_tape *t, heed_tensor *x, heed_tensor *ids, int axis)
{
    return heed__apply2(t, &heed_op_gather, x, ids, &(gather_attributes){ .axis = axis });
}

heed_tensor *heed_index_select(heed_tape *t, heed_tensor *x, heed_tensor *ids, int axis)
{
    return heed__apply2(t, &heed_op_index_select, x, ids, &(index_attributes){ axis, 0 });
}
