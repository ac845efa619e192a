/* Rows of a table by id: embedding, its adjoint, and one-hot. */
#include "ops.h"

#include <string.h>

#define IDS(...)                                                         \
    {                                                                    \
        .dtype = HEED_I32, .values = (const double[]){ __VA_ARGS__ },    \
        .shape = HEED_DIMS(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)) \
    }

/* embedding.   y[i] = W[ids[i]];   gW[r] = sum over i with ids[i] = r of gy[i] (scatter_rows)
 */
static bool embedding_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *table = c->x[0], *ids = c->x[1];
    if (table->ndim != 2)
        return heed_refuse(t, c, "the table must be [rows, width]");
    if (!heed__ids_within(t, c, ids, table->shape[0]))
        return false;
    r->dtype = table->dtype;
    r->shape = heed_shape_of(ids);
    if (r->shape.ndim == HEED_MAX_NDIM)
        return heed_refuse(t, c, "the ids have too many axes");
    r->shape.size[r->shape.ndim++] = table->shape[1];
    return true;
}
static void embedding_run(const heed_call *c, heed_tensor *y)
{
    int64_t count = heed_size(c->x[1]), width = c->x[0]->shape[1];
    kernel_places p = { .ndim = 2,
                        .axis = 0,
                        .shape = { count, width },
                        .ids = c->x[1]->data,
                        .ids_strides = { 1, 0 },
                        .table = c->x[0]->data,
                        .table_strides = { c->x[0]->strides[0], c->x[0]->strides[1] },
                        .rows = y->data,
                        .rows_strides = { width, 1 } };
    heed__elements(y->dtype)->gather(&p);
}
static void embedding_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                          heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_scatter_rows(t, gy, c->x[1], c->x[0]->shape[0]);
}
static const heed_case embedding_cases[] = {
    { .label = "a repeated row", .x = { { .shape = HEED_DIMS(4, 2) }, IDS(1, 3, 1) } },
    { .label = "matrix of ids",
      .x = { { .shape = HEED_DIMS(3, 2) },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 0, 2, 2, 1 } } } },
    { .label = "bytes",
      .x = { { .dtype = HEED_U8,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, 2, 3, 4 } },
             IDS(1) },
      .stated = true,
      .y = (const double[]){ 3, 4 } },
    { .label = "no ids",
      .x = { { .shape = HEED_DIMS(2, 1) }, { .dtype = HEED_I32, .shape = HEED_DIMS(0) } },
      .stated = true,
      .gx = { (const double[]){ 0, 0 } } },
};
static const heed_case embedding_refusals[] = {
    { .label = "id 2 at index 1 is outside 0 .. 1",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 1, 2 } } } },
    { .label = "id -1 at index 0 is outside 0 .. 1",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ -1 } } } },
    { .label = "the table must be [rows, width]",
      .x = { { .shape = HEED_DIMS(2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } } },
};
HEED_DEFINE_OP(embedding) = { .name = "embedding",
                              .arity = 2,
                              .integer = 2,
                              .dense = 2,
                              .shape = embedding_shape,
                              .run = embedding_run,
                              .formula = "y[i] = W[ids[i]]",
                              .adjoint = "gW[r] = sum over i with ids[i] = r of gy[i]",
                              .uses = HEED_USES_X(1),
                              .linear = true,
                              .vjp = embedding_vjp,
                              HEED_REFUSES(embedding_refusals),
                              HEED_CASES(embedding_cases) };

/* scatter_rows.   y[r] = sum over i with ids[i] = r of x[i];   gx[i] = gy[ids[i]] */
typedef struct scatter_attributes {
    int64_t rows;
} scatter_attributes;
static bool scatter_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0], *ids = c->x[1];
    int64_t rows = ((const scatter_attributes *)c->attributes)->rows;
    if (!heed__floats(t, c))
        return false;
    bool fits = x->ndim == ids->ndim + 1;
    for (int k = 0; fits && k < ids->ndim; k++)
        fits = x->shape[k] == ids->shape[k];
    if (!fits)
        return heed_refuse(t, c, "needs x [..., width] and ids [...]");
    if (!heed__ids_within(t, c, ids, rows))
        return false;
    r->dtype = x->dtype;
    r->shape = HEED_SHAPE(rows, x->shape[x->ndim - 1]);
    return true;
}
static void scatter_accumulate(const heed_call *c, heed_tensor *y)
{
    kernel_scatter g = { .count = heed_size(c->x[1]),
                         .rows = y->shape[0],
                         .width = y->shape[1],
                         .ids = c->x[1]->data,
                         .table = y->data,
                         .table_row = y->shape[1],
                         .y = c->x[0]->data };
    heed__kernels(y->dtype)->scatter_add(&g);
}
static void scatter_run(const heed_call *c, heed_tensor *y)
{
    memset(y->data, 0, (size_t)heed_size(y) * heed_dtype_size(y->dtype));
    scatter_accumulate(c, y);
}
static void scatter_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_embedding(t, gy, c->x[1]);
}
static const heed_case scatter_cases[] = {
    { .label = "a repeated row",
      .x = { { .shape = HEED_DIMS(3, 2) }, IDS(1, 3, 1) },
      .attributes = &(const scatter_attributes){ 4 } },
    { .label = "nothing",
      .x = { { .shape = HEED_DIMS(0, 2) }, { .dtype = HEED_I32, .shape = HEED_DIMS(0) } },
      .attributes = &(const scatter_attributes){ 1 },
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
static const heed_case scatter_refusals[] = {
    { .label = "id 2 at index 1 is outside 0 .. 1",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } } },
      .attributes = &(const scatter_attributes){ 2 } },
    { .label = "needs x [..., width] and ids [...]",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ 1 } } },
      .attributes = &(const scatter_attributes){ 2 } },
};
HEED_DEFINE_OP(scatter_rows) = { .name = "scatter_rows",
                                 .arity = 2,
                                 .integer = 2,
                                 .dense = 3,
                                 .attributes_size = sizeof(scatter_attributes),
                                 .shape = scatter_shape,
                                 .run = scatter_run,
                                 .accumulate = scatter_accumulate,
                                 .formula = "y[r] = sum over i with ids[i] = r of x[i]",
                                 .adjoint = "gx[i] = gy[ids[i]]",
                                 .uses = HEED_USES_X(1),
                                 .linear = true,
                                 .vjp = scatter_vjp,
                                 HEED_REFUSES(scatter_refusals),
                                 HEED_CASES(scatter_cases) };

/* one_hot.   y[..., j] = [ids[...] = j]; an id outside the classes gives a row of zeros */
typedef struct one_hot_attributes {
    int64_t classes;
    heed_dtype dtype;
} one_hot_attributes;
static bool one_hot_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const one_hot_attributes *a = c->attributes;
    if (c->x[0]->dtype != HEED_I32)
        return heed_refuse(t, c, "the ids are %s but must be i32",
                           heed_dtype_name(c->x[0]->dtype));
    r->dtype = a->dtype;
    r->shape = heed_shape_of(c->x[0]);
    if (r->shape.ndim == HEED_MAX_NDIM)
        return heed_refuse(t, c, "the ids have too many axes");
    r->shape.size[r->shape.ndim++] = a->classes;
    return true;
}
static void one_hot_run(const heed_call *c, heed_tensor *y)
{
    int64_t n = heed_size(c->x[0]),
            classes = ((const one_hot_attributes *)c->attributes)->classes;
    memset(y->data, 0, (size_t)heed_size(y) * heed_dtype_size(y->dtype));
    for (int64_t i = 0; i < n; i++) {
        int32_t id = ((const int32_t *)c->x[0]->data)[i];
        if (id < 0 || id >= classes)
            continue;
        if (y->dtype == HEED_F64)
            ((double *)y->data)[i * classes + id] = 1;
        else
            ((float *)y->data)[i * classes + id] = 1;
    }
}
static const heed_case one_hot_cases[] = {
    { .label = "inside and outside",
      .x = { IDS(1, -1, 2) },
      .attributes = &(const one_hot_attributes){ 3, HEED_F64 },
      .stated = true,
      .y = (const double[]){ 0, 1, 0, 0, 0, 0, 0, 0, 1 } },
    { .label = "no ids",
      .x = { { .dtype = HEED_I32, .shape = HEED_DIMS(0) } },
      .attributes = &(const one_hot_attributes){ 2, HEED_F64 },
      .stated = true },
};
static const heed_case one_hot_refusals[] = {
    { .label = "extents are negative",
      .x = { { .dtype = HEED_I32, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .attributes = &(const one_hot_attributes){ -1, HEED_F64 } },
    { .label = "the ids are bool but must be i32",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .attributes = &(const one_hot_attributes){ 2, HEED_F64 } },
};
HEED_DEFINE_OP(one_hot) = { .name = "one_hot",
                            .arity = 1,
                            .integer = 1,
                            .dense = 1,
                            .attributes_size = sizeof(one_hot_attributes),
                            .shape = one_hot_shape,
                            .run = one_hot_run,
                            .formula = "y[..., j] = [ids[...] = j]",
                            .adjoint = "none: ids are integers",
                            HEED_REFUSES(one_hot_refusals),
                            HEED_CASES(one_hot_cases) };

heed_tensor *heed_embedding(heed_tape *t, heed_tensor *table, heed_tensor *ids)
{
    return heed__apply2(t, &heed_op_embedding, table, ids, NULL);
}

heed_tensor *heed_scatter_rows(heed_tape *t, heed_tensor *x, heed_tensor *ids, int64_t rows)
{
    return heed__apply2(t, &heed_op_scatter_rows, x, ids, &(scatter_attributes){ rows });
}

heed_tensor *heed_one_hot(heed_tape *t, heed_tensor *ids, int64_t classes)
{
    return heed__apply1(t, &heed_op_one_hot, ids,
                        &(one_hot_attributes){ classes, heed_tape_dtype(t) });
}
