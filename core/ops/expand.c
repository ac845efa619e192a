/* Broadcasting to a shape by strides of 0, and the copy that makes memory row-major. */
#include "ops.h"

/* expand.   x broadcast to a shape (strides of 0);   gx = gy, which the engine reduces to x's
 * shape */
static bool expand_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    heed_shape to = *(const heed_shape *)c->attributes;
    const heed_tensor *x = c->x[0];
    char text[160];
    int lead = to.ndim - x->ndim;
    bool fits = lead >= 0 && to.ndim <= HEED_MAX_NDIM;
    for (int k = 0; fits && k < x->ndim; k++) {
        int64_t *extent = &to.size[k + lead];
        *extent = *extent == -1 ? x->shape[k] : *extent;
        fits = x->shape[k] == *extent || x->shape[k] == 1;
    }
    if (!fits)
        return heed_refuse(t, c, "does not broadcast to %s",
                           heed_shape_text(c->attributes, text, sizeof text));
    r->dtype = x->dtype;
    r->shape = to;
    r->view = true;
    for (int k = 0; k < to.ndim; k++)
        r->strides[k] = k < lead || x->shape[k - lead] != to.size[k] ? 0 : x->strides[k - lead];
    return true;
}
static void expand_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    (void)t, (void)c, (void)y;
    gx[0] = gy;
}
static const heed_case expand_cases[] = {
    { .label = "new axis",
      .x = { { .shape = HEED_DIMS(3) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, 3) },
    { .label = "axis of 1",
      .x = { { .shape = HEED_DIMS(2, 1, 2) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, 3, 2) },
    { .label = "extents kept",
      .x = { { .shape = HEED_DIMS(2, 1, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, -1, 3, -1) },
    { .label = "to nothing",
      .x = { { .shape = HEED_DIMS(1) } },
      .attributes = &(const heed_shape)HEED_DIMS(0),
      .stated = true,
      .gx = { (const double[]){ 0 } } },
};
static const heed_case expand_refusals[] = {
    { .label = "does not broadcast to [2,4]",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, 4) },
    { .label = "does not broadcast to [3]",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(3) },
    { .label = "extents are negative",
      .x = { { .shape = HEED_DIMS(3) } },
      .attributes = &(const heed_shape)HEED_DIMS(-1, 3) },
};
HEED_DEFINE_OP(expand) = { .name = "expand",
                           .arity = 1,
                           .attributes_size = sizeof(heed_shape),
                           .shape = expand_shape,
                           .formula = "y = x broadcast to a shape",
                           .adjoint = "gx = gy summed over the added axes",
                           .linear = true,
                           .vjp = expand_vjp,
                           HEED_REFUSES(expand_refusals),
                           HEED_CASES(expand_cases) };

/* contiguous.   y = x, copied to row-major order;   gx = gy */
static bool contiguous_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    (void)t;
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[0]);
    return true;
}
static void contiguous_run(const heed_call *c, heed_tensor *y)
{
    heed__copy_elements(c->x[0], y);
}
static const heed_case contiguous_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3) } } },
    { .label = "ids",
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1, 2, 3, 4 } } },
      .stated = true,
      .y = (const double[]){ 1, 2, 3, 4 } },
    { .label = "empty", .x = { { .shape = HEED_DIMS(0) } }, .stated = true },
};
HEED_DEFINE_OP(contiguous) = { .name = "contiguous",
                               .arity = 1,
                               .shape = contiguous_shape,
                               .run = contiguous_run,
                               .formula = "y = x",
                               .adjoint = "gx = gy",
                               .linear = true,
                               .vjp = expand_vjp,
                               HEED_CASES(contiguous_cases) };

/* ---- the calls ---- */

heed_tensor *heed_expand(heed_tape *t, heed_tensor *x, heed_shape shape)
{
    return heed__apply1(t, &heed_op_expand, x, &shape);
}

heed_tensor *heed_contiguous(heed_tape *t, heed_tensor *x)
{
    if (x && t && !heed_error(t) && heed_is_contiguous(x))
        return x;
    return heed__apply1(t, &heed_op_contiguous, x, NULL);
}
