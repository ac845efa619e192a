/* Products over what a mask shows, each the other's adjoint. What is hidden takes no part, not even
 * as 0 times NaN, so that it reaches neither a result nor a gradient. */
#include "ops.h"

/* x's dtype, shape and contiguous strides at data. */
static heed_tensor contiguous_at(const heed_tensor *x, void *data)
{
    heed_tensor y = *x;
    int64_t stride = 1;
    for (int i = y.ndim - 1; i >= 0; i--) {
        y.strides[i] = stride;
        stride *= y.shape[i];
    }
    y.data = data;
    return y;
}

static heed_tensor transposed(const heed_tensor *x)
{
    heed_tensor y = *x;
    int rows = y.ndim - 2, columns = y.ndim - 1;
    y.shape[rows] = x->shape[columns];
    y.shape[columns] = x->shape[rows];
    y.strides[rows] = x->strides[columns];
    y.strides[columns] = x->strides[rows];
    return y;
}

/* Operands are matrices, and the mask broadcasts to what has one element for each query and key.
 */
static bool check(heed_tape *t, const heed_call *c)
{
    const heed_tensor *visible = c->x[2];
    if (visible->dtype != HEED_BOOL)
        return heed_refuse(t, c, "the mask is %s but must be bool",
                           heed_dtype_name(visible->dtype));
    for (int i = 0; i < 3; i++) {
        if (c->x[i]->ndim < 2)
            return heed_refuse(t, c, "all operands need two axes or more");
    }
    heed_call floats = *c;
    floats.n = 2;
    return heed__floats(t, &floats);
}

static bool check_mask(heed_tape *t, const heed_call *c, const heed_shape *whole)
{
    const heed_tensor *visible = c->x[2];
    char text[HEED_MAX_NDIM * 21 + 8];
    for (int i = 1; i <= visible->ndim; i++) {
        int64_t extent = visible->shape[visible->ndim - i];
        if (i > whole->ndim || (extent != 1 && extent != whole->size[whole->ndim - i]))
            return heed_refuse(t, c, "the mask does not broadcast to %s",
                               heed_shape_text(whole, text, sizeof text));
    }
    return true;
}

/* to = visible ? x : 0 */
static void hide(const heed_tensor *visible, const heed_tensor *x, heed_tensor *to)
{
    static const double zeros[1] = { 0 };
    heed_tensor zero = { .dtype = x->dtype, .data = (void *)(uintptr_t)zeros };
    heed_tensor *operands[3] = { (heed_tensor *)(uintptr_t)visible, (heed_tensor *)(uintptr_t)x,
                                 &zero };
    heed_call call = { .op = &heed_op_where, .n = 3, .x = operands };
    heed_op_where.run(&call, to);
}

static double two_each(const heed_call *c, const heed_tensor *y)
{
    return 2 * (double)heed_size(y) * (double)c->x[0]->shape[c->x[0]->ndim - 1];
}

/* seen_products.   y_ij = q_i . k_j where i sees j, else 0.
 *   gq_i = sum gy_ij k_j over the j that i sees,  gk_j = sum gy_ij q_i over the i that see j. */
static bool products_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!check(t, c))
        return false;
    heed_tensor columns = transposed(c->x[1]);
    heed_call product = *c;
    product.n = 2;
    product.x = (heed_tensor *[]){ c->x[0], &columns };
    return heed_op_matmul.shape(t, &product, r) && check_mask(t, c, &r->shape);
}
static void products_run(const heed_call *c, heed_tensor *y)
{
    heed_tensor columns = transposed(c->x[1]);
    heed_call product = { .op = &heed_op_matmul,
                          .n = 2,
                          .x = (heed_tensor *[]){ c->x[0], &columns },
                          .scratch = c->scratch };
    heed_op_matmul.run(&product, y);
    hide(c->x[2], y, y);
}
static void products_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                         heed_tensor *gx[])
{
    heed_tensor *q = c->x[0], *k = c->x[1], *visible = c->x[2];
    (void)y;
    if (heed_wants(c, 0))
        gx[0] = heed__apply3(t, &heed_op_seen_sums, gy, k, visible, NULL);
    if (heed_wants(c, 1)) {
        heed_tensor *back = heed_swap(t, gy, -1, -2), *seen_by = heed_swap(t, visible, -1, -2);
        gx[1] = heed__apply3(t, &heed_op_seen_sums, back, q, seen_by, NULL);
    }
}
#define LOWER                                                                    \
    {                                                                            \
        .dtype = HEED_BOOL, .shape = HEED_DIMS(2, 3), .values = (const double[]) \
        {                                                                        \
            1, 0, 0, 1, 1, 0                                                     \
        }                                                                        \
    }
#define ONE_OF_TWO                                                               \
    {                                                                            \
        .dtype = HEED_BOOL, .shape = HEED_DIMS(1, 2), .values = (const double[]) \
        {                                                                        \
            1, 0                                                                 \
        }                                                                        \
    }
static const heed_case products_cases[] = {
    { .label = "matrices",
      .x = { { .shape = HEED_DIMS(2, 4) }, { .shape = HEED_DIMS(3, 4) }, LOWER } },
    { .label = "broadcast batch",
      .x = { { .shape = HEED_DIMS(2, 1, 2, 2) }, { .shape = HEED_DIMS(3, 3, 2) }, LOWER } },
    { .label = "a mask of one row",
      .x = { { .shape = HEED_DIMS(3, 2) }, { .shape = HEED_DIMS(2, 2) }, ONE_OF_TWO } },
    { .label = "hidden keys and blind queries that are NaN",
      .x = { { .shape = HEED_DIMS(2, 1), .values = (const double[]){ 2, NAN } },
             { .shape = HEED_DIMS(3, 1), .values = (const double[]){ 3, NAN, INFINITY } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 3),
               .values = (const double[]){ 1, 0, 0, 0, 0, 0 } } },
      .stated = true,
      .y = (const double[]){ 6, 0, 0, 0, 0, 0 },
      .gx = { (const double[]){ 3, 0 }, (const double[]){ 2, 0, 0 } } },
    { .label = "infinity that is seen",
      .x = { { .shape = HEED_DIMS(1, 1), .values = (const double[]){ -2 } },
             { .shape = HEED_DIMS(2, 1), .values = (const double[]){ INFINITY, 5 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(1, 2),
               .values = (const double[]){ 1, 1 } } },
      .stated = true,
      .y = (const double[]){ -INFINITY, -10 },
      .gx = { (const double[]){ INFINITY }, (const double[]){ -2, -2 } } },
    { .label = "no width",
      .x = { { .shape = HEED_DIMS(2, 0) }, { .shape = HEED_DIMS(3, 0) }, LOWER },
      .stated = true,
      .y = (const double[]){ 0, 0, 0, 0, 0, 0 } },
};
static const heed_case products_refusals[] = {
    { .label = "inner extents 2 and 3 differ",
      .x = { { .shape = HEED_DIMS(2, 2) }, { .shape = HEED_DIMS(3, 3) }, LOWER } },
    { .label = "the mask does not broadcast to [3,3]",
      .x = { { .shape = HEED_DIMS(3, 2) }, { .shape = HEED_DIMS(3, 2) }, LOWER } },
    { .label = "two axes or more",
      .x = { { .shape = HEED_DIMS(2) }, { .shape = HEED_DIMS(3, 2) }, LOWER } },
};
HEED_DEFINE_OP(seen_products) = {
    .name = "seen_products",
    .arity = 3,
    .integer = 4,
    .formula = "y_ij = q_i . k_j where i sees j, else 0",
    .adjoint =
        "gq_i = sum of gy_ij k_j over j that i sees, gk_j = sum of gy_ij q_i over i that "
        "see j",
    .cost = "2 T S D + 4 T S D for each of the batch",
    .arithmetic = two_each,
    .uses = HEED_USES_X(0) | HEED_USES_X(1) | HEED_USES_X(2),
    .shape = products_shape,
    .run = products_run,
    .vjp = products_vjp,
    HEED_REFUSES(products_refusals),
    HEED_CASES(products_cases)
};

/* seen_sums.   y_i = sum p_ij v_j over the j that i sees.
 *   gp_ij = gy_i . v_j where i sees j, else 0,  gv_j = sum p_ij gy_i over the i that see j.
 * p with zeros where it hides, and the finite parts of both, are multiplied as matrices; what is
 * not finite is added afterwards, so it changes no bit of what does not see it. */
typedef struct sums_room {
    size_t v, product, end; /* p is first */
} sums_room;

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static sums_room room_of(const heed_call *c, size_t product)
{
    size_t size = heed_dtype_size(c->x[0]->dtype);
    size_t p = rounded((size_t)heed_size(c->x[0]) * size);
    size_t v = rounded((size_t)heed_size(c->x[1]) * size);
    return (sums_room){ p, p + v, p + v + product };
}

static bool sums_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!check(t, c))
        return false;
    heed_tensor p = contiguous_at(c->x[0], NULL), v = contiguous_at(c->x[1], NULL);
    heed_shape whole = heed_shape_of(&p);
    heed_call product = *c;
    product.n = 2;
    product.x = (heed_tensor *[]){ &p, &v };
    if (!heed_op_matmul.shape(t, &product, r) || !check_mask(t, c, &whole))
        return false;
    for (int i = 0; i < r->shape.ndim - 2; i++) {
        if (r->shape.ndim != p.ndim || r->shape.size[i] != p.shape[i])
            return heed_refuse(t, c, "the first operand must have every extent of the batch");
    }
    r->scratch = room_of(c, r->scratch).end;
    return true;
}
static kernel_seen sums_arguments(const heed_call *c, heed_tensor *y)
{
    const heed_tensor *p = c->x[0], *v = c->x[1], *visible = c->x[2];
    int columns = p->ndim - 1;
    kernel_seen s = { .ndim = columns,
                      .keys = p->shape[columns],
                      .width = y->shape[columns],
                      .p = p->data,
                      .p_step = p->strides[columns],
                      .visible = visible->data,
                      .v = v->data,
                      .y = y->data };
    kernel_map mask =
        heed__map_arguments(&(heed_call){ .n = 1, .x = (heed_tensor *[]){ c->x[2] } }, p);
    s.visible_step = mask.x_strides[0][columns];
    for (int i = 0; i < columns; i++) {
        int at = i - (p->ndim - v->ndim);
        s.shape[i] = p->shape[i];
        s.p_strides[i] = p->strides[i];
        s.visible_strides[i] = mask.x_strides[0][i];
        s.v_strides[i] = i == columns - 1 || at < 0 || v->shape[at] == 1 ? 0 : v->strides[at];
    }
    return s;
}
static void sums_run(const heed_call *c, heed_tensor *y)
{
    const portable_table *portable = heed__portable(y->dtype);
    sums_room room = room_of(c, 0);
    char *scratch = c->scratch;
    heed_tensor p = contiguous_at(c->x[0], scratch), v = contiguous_at(c->x[1], c->x[1]->data);
    int64_t factors = heed_size(&p), values = heed_size(&v);
    hide(c->x[2], c->x[0], &p);
    bool finite = portable->all_finite(p.data, factors) && portable->all_finite(v.data, values);
    if (!finite) {
        portable->finite_part(p.data, factors, p.data);
        portable->finite_part(v.data, values, scratch + room.v);
        v.data = scratch + room.v;
    }
    heed_call product = { .op = &heed_op_matmul,
                          .n = 2,
                          .x = (heed_tensor *[]){ &p, &v },
                          .scratch = scratch + room.product };
    heed_op_matmul.run(&product, y);
    if (!finite) {
        kernel_seen s = sums_arguments(c, y);
        portable->add_not_finite(&s);
    }
}
static void sums_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    heed_tensor *p = c->x[0], *v = c->x[1], *visible = c->x[2];
    (void)y;
    if (heed_wants(c, 0))
        gx[0] = heed__apply3(t, &heed_op_seen_products, gy, v, visible, NULL);
    if (heed_wants(c, 1)) {
        heed_tensor *back = heed_swap(t, p, -1, -2), *seen_by = heed_swap(t, visible, -1, -2);
        gx[1] = heed__apply3(t, &heed_op_seen_sums, back, gy, seen_by, NULL);
    }
}
static const heed_case sums_cases[] = {
    { .label = "matrices",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(3, 4) }, LOWER } },
    { .label = "broadcast batch",
      .x = { { .shape = HEED_DIMS(2, 2, 2, 3) }, { .shape = HEED_DIMS(2, 3, 2) }, LOWER } },
    { .label = "one right matrix, a mask of one row",
      .x = { { .shape = HEED_DIMS(2, 3, 2) }, { .shape = HEED_DIMS(2, 2) }, ONE_OF_TWO } },
    { .label = "hidden values and factors that are NaN",
      .x = { { .shape = HEED_DIMS(2, 3), .values = (const double[]){ 2, NAN, 7, 0, 0, NAN } },
             { .shape = HEED_DIMS(3, 1), .values = (const double[]){ 3, INFINITY, NAN } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 3),
               .values = (const double[]){ 1, 0, 0, 0, 0, 0 } } },
      .stated = true,
      .y = (const double[]){ 6, 0 },
      .gx = { (const double[]){ 3, 0, 0, 0, 0, 0 }, (const double[]){ 2, 0, 0 } } },
    { .label = "NaN and infinities that are seen",
      .x = { { .shape = HEED_DIMS(4, 2),
               .values = (const double[]){ 1, 2, 1, 2, 0, 1, -1, 1 } },
             { .shape = HEED_DIMS(2, 1), .values = (const double[]){ INFINITY, 5 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(4, 2),
               .values = (const double[]){ 1, 1, 0, 1, 1, 1, 1, 1 } } },
      .stated = true,
      .y = (const double[]){ INFINITY, 10, NAN, -INFINITY },
      .gx = { (const double[]){ INFINITY, 5, 0, 5, INFINITY, 5, INFINITY, 5 },
              (const double[]){ 0, 6 } } },
    { .label = "one query and one key",
      .x = { { .shape = HEED_DIMS(2, 1, 1) },
             { .shape = HEED_DIMS(2, 1, 1) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 1, 1),
               .values = (const double[]){ 1, 0 } } } },
    { .label = "no keys",
      .x = { { .shape = HEED_DIMS(2, 0) },
             { .shape = HEED_DIMS(0, 3) },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(2, 0) } },
      .stated = true,
      .y = (const double[]){ 0, 0, 0, 0, 0, 0 } },
};
static const heed_case sums_refusals[] = {
    { .label = "inner extents 3 and 2 differ",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) }, LOWER } },
    { .label = "the mask does not broadcast to [3,3]",
      .x = { { .shape = HEED_DIMS(3, 3) }, { .shape = HEED_DIMS(3, 2) }, LOWER } },
    { .label = "every extent of the batch",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(4, 3, 2) }, LOWER } },
    { .label = "every extent of the batch",
      .x = { { .shape = HEED_DIMS(1, 2, 3) }, { .shape = HEED_DIMS(4, 3, 2) }, LOWER } },
    { .label = "the mask is",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(3, 2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(2, 3) } } },
};
HEED_DEFINE_OP(seen_sums) = {
    .name = "seen_sums",
    .arity = 3,
    .integer = 4,
    .dense = 2,
    .formula = "y_i = sum of p_ij v_j over j that i sees",
    .adjoint = "gp_ij = gy_i . v_j where i sees j, else 0, gv_j = sum of p_ij gy_i over i that "
               "see j",
    .cost = "2 T S D + 4 T S D for each of the batch",
    .arithmetic = two_each,
    .uses = HEED_USES_X(0) | HEED_USES_X(1) | HEED_USES_X(2),
    .shape = sums_shape,
    .run = sums_run,
    .vjp = sums_vjp,
    HEED_REFUSES(sums_refusals),
    HEED_CASES(sums_cases)
};
