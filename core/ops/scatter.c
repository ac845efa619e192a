/* Elements written to, or added at, the places that ids name along an axis. */
#include "ops.h"

#include <string.h>

typedef struct scatter_attributes {
    int axis;
} scatter_attributes;

#define IDS(...)                                  \
    .dtype = HEED_I32, .values = (const double[]) \
    {                                             \
        __VA_ARGS__                               \
    }

static int axis_of(const heed_call *c)
{
    int axis = ((const scatter_attributes *)c->attributes)->axis;
    return axis < 0 ? axis + c->x[0]->ndim : axis;
}

static bool onto_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0], *ids = c->x[1], *source = c->x[2];
    int axis = heed_axis(t, c, ((const scatter_attributes *)c->attributes)->axis, x->ndim);
    if (axis < 0)
        return false;
    if (x->dtype != source->dtype)
        return heed_refuse(t, c, "dtypes %s and %s differ", heed_dtype_name(x->dtype),
                           heed_dtype_name(source->dtype));
    bool same = ids->ndim == source->ndim;
    for (int k = 0; same && k < ids->ndim; k++)
        same = ids->shape[k] == source->shape[k];
    if (!same)
        return heed_refuse(t, c, "ids and source differ in shape");
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    return heed__ids_fit(t, c, ids, &r->shape, axis);
}

static const heed_case onto_refusals[] = {
    { .label = "id 2 at index 1 is outside 0 .. 1",
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(2), .values = (const double[]){ 0, 2 } },
             { .shape = HEED_DIMS(2) } },
      .attributes = &(const scatter_attributes){ 0 } },
    { .label = "ids and source differ in shape",
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(2), .values = (const double[]){ 0, 1 } },
             { .shape = HEED_DIMS(1) } },
      .attributes = &(const scatter_attributes){ 0 } },
    { .label = "no larger extents beside axis 0",
      .x = { { .shape = HEED_DIMS(2, 1) },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(1, 2),
               .values = (const double[]){ 0, 1 } },
             { .shape = HEED_DIMS(1, 2) } },
      .attributes = &(const scatter_attributes){ 0 } },
    { .label = "axis 1 is out of range",
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } },
             { .shape = HEED_DIMS(1) } },
      .attributes = &(const scatter_attributes){ 1 } },
};

/* scatter.   y = x but y[i, ids[i, j, k], k] = source[i, j, k] for axis 1. Of several that name
 * one place the last stays; saved is which ones stayed.   gx = gy and 0 at the places named;
 * gsource = gy there, and 0 where it did not stay */
static bool scatter_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!onto_shape(t, c, r))
        return false;
    r->saved = 1;
    r->saved_dtype[0] = HEED_BOOL;
    r->saved_shape[0] = heed_shape_of(c->x[1]);
    r->scratch = (size_t)heed_size(c->x[0]);
    return true;
}
static void scatter_run(const heed_call *c, heed_tensor *y)
{
    heed__copy_elements(c->x[0], y);
    kernel_places p = heed__places(y, c->x[1], c->x[2], axis_of(c));
    p.seen = c->scratch;
    p.last = c->saved[0]->data;
    if (p.seen)
        memset(p.seen, 0, (size_t)heed_size(y));
    heed__elements(y->dtype)->scatter(&p);
}
static void scatter_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    int axis = axis_of(c);
    heed_tensor *zero = heed_cast(t, heed_full(t, HEED_SCALAR, 0), gy->dtype);
    (void)y;
    if (heed_wants(c, 0)) {
        heed_tensor *zeros = heed_expand(t, zero, heed_shape_of(c->x[1]));
        gx[0] = heed_scatter(t, gy, c->x[1], zeros, axis);
    }
    if (heed_wants(c, 2)) {
        heed_tensor *there = heed_gather(t, gy, c->x[1], axis);
        gx[2] = heed_where(t, c->saved[0], there, zero);
    }
}
static const heed_case scatter_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 2), IDS(2, 0, 1, 0) },
             { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const scatter_attributes){ -1 } },
    { .label = "first axis, places named twice, smaller beside it",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(3, 2), IDS(1, 0, 0, 0, 1, 1) },
             { .shape = HEED_DIMS(3, 2) } },
      .attributes = &(const scatter_attributes){ 0 } },
    { .label = "the last wins",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 1, 2, 3 } },
             { .shape = HEED_DIMS(4), IDS(2, 0, 2, 2) },
             { .shape = HEED_DIMS(4), .values = (const double[]){ 4, 5, 6, 7 } } },
      .attributes = &(const scatter_attributes){ 0 },
      .stated = true,
      .y = (const double[]){ 5, 2, 7 },
      .gx = { (const double[]){ 0, 1, 0 }, NULL, (const double[]){ 0, 1, 0, 1 } } },
    { .label = "bytes",
      .x = { { .dtype = HEED_U8, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } },
             { .shape = HEED_DIMS(1), IDS(1) },
             { .dtype = HEED_U8, .shape = HEED_DIMS(1), .values = (const double[]){ 9 } } },
      .attributes = &(const scatter_attributes){ 0 },
      .stated = true,
      .y = (const double[]){ 1, 9 } },
    { .label = "no ids",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } },
             { .dtype = HEED_I32, .shape = HEED_DIMS(0) },
             { .shape = HEED_DIMS(0) } },
      .attributes = &(const scatter_attributes){ 0 },
      .stated = true,
      .y = (const double[]){ 1, 2 },
      .gx = { (const double[]){ 1, 1 } } },
};
HEED_DEFINE_OP(scatter) = {
    .name = "scatter",
    .arity = 3,
    .integer = 2,
    .dense = 2,
    .attributes_size = sizeof(scatter_attributes),
    .shape = scatter_shape,
    .run = scatter_run,
    .formula = "y = x but y[i, ids[i, j, k], k] = source[i, j, k]",
    .adjoint = "gx = gy but 0 there, gsource = gy there, 0 where a later "
               "one overwrote it",
    .uses = HEED_USES_X(1),
    .linear = true,
    .vjp = scatter_vjp,
    HEED_REFUSES(onto_refusals),
    HEED_CASES(scatter_cases)
};

/* scatter_add.   y = x with source[i, j, k] added at [i, ids[i, j, k], k];   gx = gy,
 * gsource = gather(gy) */
static bool scatter_add_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    return heed__floats(t, c) && onto_shape(t, c, r);
}
static void scatter_add_run(const heed_call *c, heed_tensor *y)
{
    heed__copy_elements(c->x[0], y);
    kernel_places p = heed__places(y, c->x[1], c->x[2], axis_of(c));
    heed__portable(y->dtype)->scatter_add(&p);
}
static void scatter_add_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                            heed_tensor *gx[])
{
    (void)y;
    gx[0] = gy;
    if (heed_wants(c, 2))
        gx[2] = heed_gather(t, gy, c->x[1], axis_of(c));
}
static const heed_case scatter_add_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 2), IDS(2, 0, 1, 1) },
             { .shape = HEED_DIMS(2, 2) } },
      .attributes = &(const scatter_attributes){ -1 } },
    { .label = "middle axis, smaller beside it",
      .x = { { .shape = HEED_DIMS(2, 2, 3) },
             { .shape = HEED_DIMS(1, 3, 2), IDS(1, 0, 0, 0, 1, 1) },
             { .shape = HEED_DIMS(1, 3, 2) } },
      .attributes = &(const scatter_attributes){ 1 } },
    { .label = "a place thrice",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } },
             { .shape = HEED_DIMS(3), IDS(1, 1, 1) },
             { .shape = HEED_DIMS(3), .values = (const double[]){ 3, 4, 5 } } },
      .attributes = &(const scatter_attributes){ 0 },
      .stated = true,
      .y = (const double[]){ 1, 14 },
      .gx = { (const double[]){ 1, 1 }, NULL, (const double[]){ 1, 1, 1 } } },
    { .label = "nothing",
      .x = { { .shape = HEED_DIMS(0) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(0) },
             { .shape = HEED_DIMS(0) } },
      .attributes = &(const scatter_attributes){ 0 },
      .stated = true },
};
HEED_DEFINE_OP(scatter_add) = {
    .name = "scatter_add",
    .arity = 3,
    .integer = 2,
    .dense = 2,
    .attributes_size = sizeof(scatter_attributes),
    .shape = scatter_add_shape,
    .run = scatter_add_run,
    .formula = "y = x with source[i, j, k] added at [i, ids[i, j, k], k]",
    .adjoint = "gx = gy, gsource[i, j, k] = gy[i, ids[i, j, k], k]",
    .uses = HEED_USES_X(1),
    .linear = true,
    .vjp = scatter_add_vjp,
    HEED_REFUSES(onto_refusals),
    HEED_CASES(scatter_add_cases)
};

heed_tensor *heed_scatter(heed_tape *t, heed_tensor *x, heed_tensor *ids, heed_tensor *source,
                          int axis)
{
    return heed__apply3(t, &heed_op_scatter, x, ids, source, &(scatter_attributes){ axis });
}

heed_tensor *heed_scatter_add(heed_tape *t, heed_tensor *x, heed_tensor *ids,
                              heed_tensor *source, int axis)
{
    return heed__apply3(t, &heed_op_scatter_add, x, ids, source, &(scatter_attributes){ axis });
}
