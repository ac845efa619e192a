/* Triangles and diagonals of matrices, which are two axes of a tensor. */
#include "ops.h"

#include <string.h>

/* tril, triu.   y = x on one side of the diagonal j - i = offset and on it, 0 beyond;   gx is
 * the same of gy */
typedef struct triangle_attributes {
    int64_t offset;
} triangle_attributes;

static bool triangle_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (c->x[0]->ndim < 2)
        return heed_refuse(t, c, "needs two axes or more");
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[0]);
    return true;
}
static void triangle_run(const heed_call *c, heed_tensor *y)
{
    int64_t rows = y->shape[y->ndim - 2], columns = y->shape[y->ndim - 1];
    int64_t offset = ((const triangle_attributes *)c->attributes)->offset;
    bool lower = c->op == &heed_op_tril;
    size_t width = heed_dtype_size(y->dtype);
    const char *from = c->x[0]->data;
    char *to = y->data;
    int64_t lines = columns ? heed_size(y) / columns : 0;
    offset = offset < -rows ? -rows : offset > columns ? columns : offset;
    for (int64_t line = 0; line < lines; line++) {
        /* The columns before `edge` are those below the diagonal, or on it for tril. */
        int64_t edge = line % rows + offset + lower;
        edge = edge < 0 ? 0 : edge > columns ? columns : edge;
        size_t head = (size_t)edge * width, tail = (size_t)(columns - edge) * width;
        memcpy(lower ? to : to + head, lower ? from : from + head, lower ? head : tail);
        memset(lower ? to + head : to, 0, lower ? tail : head);
        from += (size_t)columns * width;
        to += (size_t)columns * width;
    }
}
static void triangle_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                         heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply1(t, c->op, gy, c->attributes);
}
#define OFFSET(value)                          \
    .attributes = &(const triangle_attributes) \
    {                                          \
        value                                  \
    }
static const heed_case tril_cases[] = {
    { .label = "square", .x = { { .shape = HEED_DIMS(3, 3) } }, OFFSET(0) },
    { .label = "batch, above", .x = { { .shape = HEED_DIMS(2, 2, 4) } }, OFFSET(1) },
    { .label = "tall, below", .x = { { .shape = HEED_DIMS(4, 2) } }, OFFSET(-2) },
    { .label = "a mask",
      .x = { { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, 1, 1, 1 } } },
      OFFSET(0),
      .stated = true,
      .y = (const double[]){ 1, 0, 1, 1 } },
    { .label = "NaN beyond it",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, NAN, 2, 3 } } },
      OFFSET(0),
      .stated = true,
      .y = (const double[]){ 1, 0, 2, 3 },
      .gx = { (const double[]){ 1, 0, 1, 1 } } },
    { .label = "far above",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, 2, 3, 4 } } },
      OFFSET(INT64_MAX),
      .stated = true,
      .y = (const double[]){ 1, 2, 3, 4 } },
    { .label = "empty", .x = { { .shape = HEED_DIMS(2, 0) } }, OFFSET(0), .stated = true },
};
HEED_DEFINE_OP(tril) = { .name = "tril",
                         .arity = 1,
                         .dense = 1,
                         .attributes_size = sizeof(triangle_attributes),
                         .shape = triangle_shape,
                         .run = triangle_run,
                         .formula = "y_ij = [j - i <= offset] x_ij",
                         .adjoint = "gx_ij = [j - i <= offset] gy_ij",
                         .linear = true,
                         .vjp = triangle_vjp,
                         HEED_CASES(tril_cases) };

static const heed_case triu_cases[] = {
    { .label = "square", .x = { { .shape = HEED_DIMS(3, 3) } }, OFFSET(0) },
    { .label = "batch, above", .x = { { .shape = HEED_DIMS(2, 2, 4) } }, OFFSET(1) },
    { .label = "tall, below", .x = { { .shape = HEED_DIMS(4, 2) } }, OFFSET(-2) },
    { .label = "ids",
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, 2, 3, 4 } } },
      OFFSET(0),
      .stated = true,
      .y = (const double[]){ 1, 2, 0, 4 } },
    { .label = "far below",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, 2, 3, 4 } } },
      OFFSET(INT64_MIN),
      .stated = true,
      .y = (const double[]){ 1, 2, 3, 4 } },
    { .label = "empty", .x = { { .shape = HEED_DIMS(0, 2) } }, OFFSET(0), .stated = true },
};
HEED_DEFINE_OP(triu) = { .name = "triu",
                         .arity = 1,
                         .dense = 1,
                         .attributes_size = sizeof(triangle_attributes),
                         .shape = triangle_shape,
                         .run = triangle_run,
                         .formula = "y_ij = [j - i >= offset] x_ij",
                         .adjoint = "gx_ij = [j - i >= offset] gy_ij",
                         .linear = true,
                         .vjp = triangle_vjp,
                         HEED_CASES(triu_cases) };

/* diagonal.   y[..., i] = x[..., i, i + offset] of two axes;   gx = zeros with gy there
 * (undiagonal) */
typedef struct diagonal_attributes {
    int64_t offset;
    int axis_a, axis_b;
    int64_t extent_a, extent_b; /* of the two axes: undiagonal only */
} diagonal_attributes;

/* Both axes as 0 .. ndim - 1; false after the refusal. */
static bool two_axes(heed_tape *t, const heed_call *c, int ndim, int *axis_a, int *axis_b)
{
    const diagonal_attributes *a = c->attributes;
    *axis_a = heed_axis(t, c, a->axis_a, ndim);
    *axis_b = *axis_a < 0 ? -1 : heed_axis(t, c, a->axis_b, ndim);
    if (*axis_b < 0)
        return false;
    if (*axis_a == *axis_b)
        return heed_refuse(t, c, "axes %d and %d are one", a->axis_a, a->axis_b);
    return true;
}

static int64_t diagonal_length(int64_t rows, int64_t columns, int64_t offset)
{
    rows += offset < 0 ? offset : 0;
    columns -= offset > 0 ? offset : 0;
    int64_t length = rows < columns ? rows : columns;
    return length < 0 ? 0 : length;
}

/* The other axes and then the diagonal, on x's memory: shape, strides, and the offset returned.
 * At least one place is on the diagonal, or no memory is meant. */
static int64_t diagonal_view(const heed_tensor *x, int axis_a, int axis_b, int64_t offset,
                             heed_shape *shape, int64_t *strides)
{
    int64_t length = diagonal_length(x->shape[axis_a], x->shape[axis_b], offset);
    shape->ndim = 0;
    for (int k = 0; k < x->ndim; k++) {
        if (k == axis_a || k == axis_b)
            continue;
        strides[shape->ndim] = x->strides[k];
        shape->size[shape->ndim++] = x->shape[k];
    }
    strides[shape->ndim] = x->strides[axis_a] + x->strides[axis_b];
    shape->size[shape->ndim++] = length;
    if (length == 0)
        return 0;
    return offset < 0 ? -offset * x->strides[axis_a] : offset * x->strides[axis_b];
}
static bool diagonal_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    int axis_a, axis_b;
    if (!two_axes(t, c, x->ndim, &axis_a, &axis_b))
        return false;
    int64_t offset = ((const diagonal_attributes *)c->attributes)->offset;
    r->dtype = x->dtype;
    r->view = true;
    r->offset = diagonal_view(x, axis_a, axis_b, offset, &r->shape, r->strides);
    return true;
}
static void diagonal_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                         heed_tensor *gx[])
{
    diagonal_attributes a = *(const diagonal_attributes *)c->attributes;
    const heed_tensor *x = c->x[0];
    (void)y;
    a.extent_a = x->shape[a.axis_a < 0 ? a.axis_a + x->ndim : a.axis_a];
    a.extent_b = x->shape[a.axis_b < 0 ? a.axis_b + x->ndim : a.axis_b];
    gx[0] = heed__apply1(t, &heed_op_undiagonal, gy, &a);
}
#define DIAGONAL(...)                          \
    .attributes = &(const diagonal_attributes) \
    {                                          \
        __VA_ARGS__                            \
    }
static const heed_case diagonal_cases[] = {
    { .label = "square", .x = { { .shape = HEED_DIMS(3, 3) } }, DIAGONAL(0, 0, 1, 0, 0) },
    { .label = "above, last and first",
      .x = { { .shape = HEED_DIMS(3, 2, 4) } },
      DIAGONAL(1, -1, 0, 0, 0) },
    { .label = "below", .x = { { .shape = HEED_DIMS(2, 4, 3) } }, DIAGONAL(-2, 1, 2, 0, 0) },
    { .label = "outside",
      .x = { { .shape = HEED_DIMS(2, 2) } },
      DIAGONAL(INT64_MIN, 0, 1, 0, 0),
      .stated = true,
      .gx = { (const double[]){ 0, 0, 0, 0 } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0, 2) } },
      DIAGONAL(0, 0, 1, 0, 0),
      .stated = true },
};
HEED_DEFINE_OP(diagonal) = { .name = "diagonal",
                             .arity = 1,
                             .attributes_size = sizeof(diagonal_attributes),
                             .shape = diagonal_shape,
                             .formula = "y[..., i] = x[..., i, i + offset]",
                             .adjoint = "gx = 0 with gy on the diagonal",
                             .linear = true,
                             .vjp = diagonal_vjp,
                             HEED_CASES(diagonal_cases) };

/* undiagonal.   y = zeros with x on a diagonal;   gx = gy on the diagonal */
static bool undiagonal_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const diagonal_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis_a, axis_b, from = 0;
    if (!heed__floats(t, c))
        return false;
    if (x->ndim < 1 || x->ndim == HEED_MAX_NDIM)
        return heed_refuse(t, c, "needs 1 .. %d axes", HEED_MAX_NDIM - 1);
    if (!two_axes(t, c, x->ndim + 1, &axis_a, &axis_b))
        return false;
    int64_t length = diagonal_length(a->extent_a, a->extent_b, a->offset);
    if (length != x->shape[x->ndim - 1])
        return heed_refuse(t, c, "the diagonal has extent %lld", (long long)length);
    r->dtype = x->dtype;
    r->shape.ndim = x->ndim + 1;
    for (int k = 0; k < r->shape.ndim; k++)
        r->shape.size[k] = k == axis_a   ? a->extent_a
                           : k == axis_b ? a->extent_b
                                         : x->shape[from++];
    return true;
}
/* y on the diagonal = x, or that plus what is there. */
static void put_diagonal(const heed_call *c, heed_tensor *y, kernel_map_name name)
{
    const diagonal_attributes *a = c->attributes;
    heed_tensor place = { .dtype = y->dtype };
    heed_shape shape;
    int64_t offset = diagonal_view(y, a->axis_a < 0 ? a->axis_a + y->ndim : a->axis_a,
                                   a->axis_b < 0 ? a->axis_b + y->ndim : a->axis_b, a->offset,
                                   &shape, place.strides);
    if (heed_size(c->x[0]) == 0)
        return;
    place.ndim = shape.ndim;
    memcpy(place.shape, shape.size, sizeof shape.size);
    place.data = (char *)y->data + offset * (int64_t)heed_dtype_size(y->dtype);
    heed_call at_place = { .n = 2, .x = (heed_tensor *[]){ c->x[0], &place } };
    kernel_map map = heed__map_arguments(&at_place, &place);
    heed__kernels(y->dtype)->map[name](&map);
}
static void undiagonal_accumulate(const heed_call *c, heed_tensor *y)
{
    put_diagonal(c, y, KERNEL_MAP_add);
}
static void undiagonal_run(const heed_call *c, heed_tensor *y)
{
    memset(y->data, 0, (size_t)heed_size(y) * heed_dtype_size(y->dtype));
    put_diagonal(c, y, KERNEL_MAP_copy);
}
static void undiagonal_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                           heed_tensor *gx[])
{
    const diagonal_attributes *a = c->attributes;
    (void)y;
    gx[0] = heed_diagonal(t, gy, a->offset, a->axis_a, a->axis_b);
}
static const heed_case undiagonal_cases[] = {
    { .label = "square", .x = { { .shape = HEED_DIMS(3) } }, DIAGONAL(0, 0, 1, 3, 3) },
    { .label = "above, last and first",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      DIAGONAL(1, -1, 0, 3, 4) },
    { .label = "outside",
      .x = { { .shape = HEED_DIMS(0) } },
      DIAGONAL(5, 0, 1, 2, 2),
      .stated = true,
      .y = (const double[]){ 0, 0, 0, 0 } },
};
HEED_DEFINE_OP(undiagonal) = { .name = "undiagonal",
                               .arity = 1,
                               .attributes_size = sizeof(diagonal_attributes),
                               .shape = undiagonal_shape,
                               .run = undiagonal_run,
                               .accumulate = undiagonal_accumulate,
                               .formula = "y = 0 with x on a diagonal",
                               .adjoint = "gx = gy on the diagonal",
                               .linear = true,
                               .vjp = undiagonal_vjp,
                               HEED_CASES(undiagonal_cases) };

/* trace.   y = sum_i x[..., i, i] */
static bool trace_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!heed__floats(t, c))
        return false;
    if (c->x[0]->ndim < 2)
        return heed_refuse(t, c, "needs two axes or more");
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[0]);
    r->shape.ndim -= 2;
    return true;
}
static heed_tensor *trace_compose(heed_tape *t, const heed_call *c)
{
    const int last = -1;
    return heed_sum_axes(t, heed_diagonal(t, c->x[0], 0, -2, -1), 1, &last, false);
}
static const heed_case trace_cases[] = {
    { .label = "square", .x = { { .shape = HEED_DIMS(3, 3) } } },
    { .label = "batch", .x = { { .shape = HEED_DIMS(2, 2, 3) } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(2, 0, 3) } },
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
HEED_DEFINE_OP(trace) = { .name = "trace",
                          .arity = 1,
                          .shape = trace_shape,
                          .compose = trace_compose,
                          .formula = "y = sum_i x_ii",
                          .adjoint = "gx_ij = gy [i = j]",
                          .linear = true,
                          HEED_CASES(trace_cases) };

/* ---- the calls ---- */

heed_tensor *heed_tril(heed_tape *t, heed_tensor *x, int64_t offset)
{
    return heed__apply1(t, &heed_op_tril, x, &(triangle_attributes){ offset });
}

heed_tensor *heed_triu(heed_tape *t, heed_tensor *x, int64_t offset)
{
    return heed__apply1(t, &heed_op_triu, x, &(triangle_attributes){ offset });
}

heed_tensor *heed_diagonal(heed_tape *t, heed_tensor *x, int64_t offset, int axis_a, int axis_b)
{
    return heed__apply1(t, &heed_op_diagonal, x,
                        &(diagonal_attributes){ offset, axis_a, axis_b, 0, 0 });
}

heed_tensor *heed_trace(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_trace, x, NULL);
}
