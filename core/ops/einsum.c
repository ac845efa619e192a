/* Einstein's summation, composed of views, sums and matrix products. Operands are contracted
 * from left to right; a letter is summed out as soon as nothing to come needs it. */
#include "einsum.h"

/* A tensor on the way, and the labels of its axes, each once. */
typedef struct labelled {
    heed_tensor *x;
    einsum_term axes;
} labelled;

static int find(const einsum_term *term, int label)
{
    for (int k = 0; k < term->ndim; k++) {
        if (term->label[k] == label)
            return k;
    }
    return -1;
}

static void drop(einsum_term *term, int axis)
{
    term->ndim--;
    for (int k = axis; k < term->ndim; k++)
        term->label[k] = term->label[k + 1];
}

static void append(einsum_term *to, const einsum_term *from)
{
    for (int k = 0; k < from->ndim; k++)
        to->label[to->ndim++] = from->label[k];
}

/* x with its axes in the order of `to`, the same labels. */
static heed_tensor *in_order(heed_tape *t, const labelled *a, const einsum_term *to)
{
    int order[HEED_MAX_NDIM];
    for (int k = 0; k < to->ndim; k++)
        order[k] = find(&a->axes, to->label[k]);
    return heed_permute(t, a->x, order);
}

/* Operand i with each label once (a repeated one is a diagonal), without the axes that only
 * broadcast, and with those summed out that neither the result, nor what is there so far, nor a
 * later operand has. */
static labelled take_operand(heed_tape *t, const heed_call *c, int i, const labelled *so_far,
                             einsum_plan *plan)
{
    labelled a = { c->x[i], heed__einsum_operand(c, i) };
    int alone[HEED_MAX_NDIM], count = 0;
    for (int k = 0; k < a.axes.ndim; k++) {
        int label = a.axes.label[k], first = find(&a.axes, label);
        if (first == k)
            continue;
        a.x = heed_diagonal(t, a.x, 0, first, k);
        drop(&a.axes, k);
        drop(&a.axes, first);
        a.axes.label[a.axes.ndim++] = label;
        k = -1; /* the axes have moved */
    }
    for (int k = a.axes.ndim - 1; k >= 0 && a.x; k--) {
        if (a.x->shape[k] != plan->extent[a.axes.label[k]]) {
            a.x = heed_select(t, a.x, k, 0);
            drop(&a.axes, k);
        }
    }
    for (int k = 0; k < a.axes.ndim; k++) {
        int label = a.axes.label[k];
        plan->uses[label]--;
        if (plan->uses[label] == 0 && !plan->kept[label] && find(&so_far->axes, label) < 0)
            alone[count++] = k;
    }
    if (count > 0)
        a.x = heed_sum_axes(t, a.x, count, alone, false);
    while (count > 0)
        drop(&a.axes, alone[--count]);
    return a;
}

/* Axes of a product by who has them: both and somebody to come (or the result), both and nobody
 * else, the first alone, the second alone. */
typedef struct product_axes {
    einsum_term batch, inner, rows, columns;
} product_axes;

static product_axes sort_axes(const labelled *a, const labelled *b, const einsum_plan *plan)
{
    product_axes axes = { 0 };
    for (int k = 0; k < a->axes.ndim; k++) {
        int label = a->axes.label[k];
        bool needed = plan->kept[label] || plan->uses[label] > 0;
        einsum_term *to = find(&b->axes, label) < 0 ? &axes.rows
                          : needed                  ? &axes.batch
                                                    : &axes.inner;
        to->label[to->ndim++] = label;
    }
    for (int k = 0; k < b->axes.ndim; k++) {
        if (find(&a->axes, b->axes.label[k]) < 0)
            axes.columns.label[axes.columns.ndim++] = b->axes.label[k];
    }
    return axes;
}

static int64_t extent_of(const einsum_plan *plan, const einsum_term *axes)
{
    int64_t extent = 1;
    for (int k = 0; k < axes->ndim; k++)
        extent *= plan->extent[axes->label[k]];
    return extent;
}

static void add_extents(const einsum_plan *plan, const einsum_term *axes, heed_shape *shape)
{
    for (int k = 0; k < axes->ndim; k++)
        shape->size[shape->ndim++] = plan->extent[axes->label[k]];
}

/* One operand of the matrix product: [batch..., first, second], each of the two groups as one
 * axis. Groups of one axis keep their strides. With `fold` the batch is one axis, too. */
static heed_tensor *as_matrices(heed_tape *t, const labelled *a, const einsum_plan *plan,
                                const einsum_term *batch, const einsum_term *first,
                                const einsum_term *second, bool fold)
{
    einsum_term order = *batch;
    append(&order, first);
    append(&order, second);
    heed_tensor *x = in_order(t, a, &order);
    if (!fold && first->ndim == 1 && second->ndim == 1)
        return x;
    heed_shape shape = { 0 };
    if (fold)
        shape.size[shape.ndim++] = extent_of(plan, batch);
    else
        add_extents(plan, batch, &shape);
    shape.size[shape.ndim++] = extent_of(plan, first);
    shape.size[shape.ndim++] = extent_of(plan, second);
    return heed_reshape(t, x, shape);
}

/* Nothing is summed and one operand has all the axes: an elementwise product. What the other
 * lacks comes first and is broadcast. */
static labelled multiply(heed_tape *t, const labelled *a, const labelled *b,
                         const product_axes *axes)
{
    labelled y = { .axes = axes->rows };
    append(&y.axes, &axes->columns);
    append(&y.axes, &axes->batch);
    heed_tensor *x[2];
    const labelled *both[2] = { a, b };
    for (int i = 0; i < 2; i++) {
        einsum_term order = i == 0 ? axes->rows : axes->columns;
        append(&order, &axes->batch);
        x[i] = in_order(t, both[i], &order);
    }
    y.x = heed_mul(t, x[0], x[1]);
    return y;
}

static labelled contract(heed_tape *t, const heed_call *c, const labelled *a, const labelled *b,
                         const einsum_plan *plan)
{
    product_axes axes = sort_axes(a, b, plan);
    if (axes.inner.ndim == 0 && (axes.rows.ndim == 0 || axes.columns.ndim == 0))
        return multiply(t, a, b, &axes);
    labelled y = { 0 };
    int ndim = axes.batch.ndim + axes.rows.ndim + axes.columns.ndim;
    if (ndim > HEED_MAX_NDIM) {
        heed_refuse(t, c,
                    "\"%.80s\": an intermediate product would have %d axes, more than %d; "
                    "another order of the operands may have fewer",
                    ((const einsum_attributes *)c->attributes)->equation, ndim, HEED_MAX_NDIM);
        return y;
    }
    y.axes = axes.batch;
    append(&y.axes, &axes.rows);
    append(&y.axes, &axes.columns);
    bool fold = axes.batch.ndim > HEED_MAX_NDIM - 2;
    heed_tensor *left = as_matrices(t, a, plan, &axes.batch, &axes.rows, &axes.inner, fold);
    heed_tensor *right = as_matrices(t, b, plan, &axes.batch, &axes.inner, &axes.columns, fold);
    y.x = heed_matmul(t, left, right);
    if (fold || axes.rows.ndim != 1 || axes.columns.ndim != 1) {
        heed_shape shape = { 0 };
        add_extents(plan, &y.axes, &shape);
        y.x = heed_reshape(t, y.x, shape);
    }
    return y;
}

static bool einsum_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    einsum_plan plan;
    if (!heed__floats(t, c) || !heed__einsum_read(t, c, &plan))
        return false;
    r->dtype = c->x[0]->dtype;
    add_extents(&plan, &plan.result, &r->shape);
    return true;
}

static heed_tensor *einsum_compose(heed_tape *t, const heed_call *c)
{
    einsum_plan plan;
    labelled y = { 0 };
    if (!heed__einsum_read(t, c, &plan))
        return NULL;
    for (int i = 0; i < c->n; i++) {
        labelled next = take_operand(t, c, i, &y, &plan);
        if (!next.x)
            return NULL;
        y = i == 0 ? next : contract(t, c, &y, &next, &plan);
        if (!y.x)
            return NULL;
    }
    return in_order(t, &y, &plan.result);
}

#define EQUATION(text)                       \
    .attributes = &(const einsum_attributes) \
    {                                        \
        text                                 \
    }
static const heed_case einsum_cases[] = {
    { .label = "product",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(3, 2) } },
      EQUATION("ij,jk->ki") },
    { .label = "scores",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2, 3, 2, 2) }, { .shape = HEED_DIMS(2, 4, 2, 2) } },
      EQUATION("bthd,bshd->bhts") },
    { .label = "diagonal",
      .n = 2,
      .x = { { .shape = HEED_DIMS(3, 2, 3) }, { .shape = HEED_DIMS(3) } },
      EQUATION("iji,i->ji") },
    { .label = "implicit, broadcast",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2, 1, 3, 2) }, { .shape = HEED_DIMS(3, 2, 4) } },
      EQUATION("...ij, ...jk") },
    { .label = "three operands",
      .n = 3,
      .x = { { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(3, 4, 2) },
             { .shape = HEED_DIMS(4, 2) } },
      EQUATION("ij,jkl,ki->l") },
    { .label = "everything summed",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .n = 1,
      EQUATION("ij->") },
    { .label = "an axis of 1",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2, 1), .values = (const double[]){ 2, 3 } },
             { .shape = HEED_DIMS(3), .values = (const double[]){ 1, 4, 6 } } },
      EQUATION("ij,j->i"),
      .stated = true,
      .y = (const double[]){ 22, 33 },
      .gx = { (const double[]){ 11, 11 }, (const double[]){ 5, 5, 5 } } },
    { .label = "a sum over nothing",
      .n = 2,
      .x = { { .shape = HEED_DIMS(2, 0) }, { .shape = HEED_DIMS(0) } },
      EQUATION("ij,j"),
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
HEED_DEFINE_OP(einsum) = { .name = "einsum",
                           .arity = HEED_VARIADIC,
                           .attributes_size = sizeof(einsum_attributes),
                           .shape = einsum_shape,
                           .compose = einsum_compose,
                           .formula = "y = sum of products of x_0, x_1, ... over letters",
                           .adjoint = "gx_i = gy times the other x, summed over the letters "
                                      "that x_i lacks",
                           .cost = "3 times its matrix products",
                           HEED_CASES(einsum_cases) };

/* ---- the call ---- */

heed_tensor *heed_einsum(heed_tape *t, const char *equation, int n, heed_tensor *const x[])
{
    return heed_apply(t, &heed_op_einsum, n, x, &(einsum_attributes){ equation });
}
