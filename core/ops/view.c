/* Views that reorder, add or drop axes: new shapes and strides on the same memory. */
#include "ops.h"

/* reshape.   The same elements in row-major order;   gx = reshape(gy) */
static bool reshape_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    char text[160];
    heed_shape to = *(const heed_shape *)c->attributes;
    int64_t known = 1, size = heed_size(x);
    int unknown = -1;
    if (to.ndim < 0 || to.ndim > HEED_MAX_NDIM)
        return heed_refuse(t, c, "a shape of %d axes is not one: at most %d", to.ndim,
                           HEED_MAX_NDIM);
    for (int k = 0; k < to.ndim; k++) {
        if (to.size[k] == -1 && unknown < 0)
            unknown = k;
        else if (to.size[k] < 0 || (to.size[k] > 0 && known > INT64_MAX / to.size[k]))
            return heed_refuse(t, c, "shape %s is not one",
                               heed_shape_text(&to, text, sizeof text));
        else
            known *= to.size[k];
    }
    if (unknown >= 0 && known > 0 && size % known == 0)
        to.size[unknown] = size / known;
    else if (unknown >= 0 || known != size)
        return heed_refuse(t, c, "does not reshape to %s",
                           heed_shape_text(&to, text, sizeof text));
    r->dtype = x->dtype;
    r->shape = to;
    r->view = true;
    int64_t stride = 1;
    for (int k = to.ndim - 1; k >= 0; k--) {
        r->strides[k] = stride;
        stride *= to.size[k];
    }
    return true;
}
static void reshape_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_reshape(t, gy, heed_shape_of(c->x[0]));
}
static const heed_case reshape_cases[] = {
    { .label = "split an axis",
      .x = { { .shape = HEED_DIMS(2, 6) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, 3, 2) },
    { .label = "inferred",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(3, -1) },
    { .label = "to 0-d",
      .x = { { .shape = HEED_DIMS(1, 1) } },
      .attributes = &(const heed_shape){ 0 } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(3, 0),
      .stated = true },
};
static const heed_case reshape_refusals[] = {
    { .label = "does not reshape to [4,-1]",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(4, -1) },
    { .label = "does not reshape to [5]",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(5) },
    { .label = "shape [-1,-1] is not one",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(-1, -1) },
    { .label = "shape [-2,-3] is not one",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(-2, -3) },
};
HEED_DEFINE_OP(reshape) = { .name = "reshape",
                            .arity = 1,
                            .attributes_size = sizeof(heed_shape),
                            .dense = 1,
                            .shape = reshape_shape,
                            .formula = "y = x in another shape, row-major order",
                            .adjoint = "gx = gy in x's shape",
                            .linear = true,
                            .vjp = reshape_vjp,
                            HEED_REFUSES(reshape_refusals),
                            HEED_CASES(reshape_cases) };

/* permute.   y[i_p0, i_p1, ...] = x[i_0, i_1, ...];   gx = gy by the inverse permutation */
typedef struct permute_attributes {
    int axes[HEED_MAX_NDIM];
} permute_attributes;
static bool permute_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const permute_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    unsigned seen = 0;
    r->dtype = x->dtype;
    r->shape.ndim = x->ndim;
    r->view = true;
    for (int k = 0; k < x->ndim; k++) {
        int axis = heed_axis(t, c, a->axes[k], x->ndim);
        if (axis < 0)
            return false;
        if (seen >> axis & 1)
            return heed_refuse(t, c, "axis %d is given twice", a->axes[k]);
        seen |= 1u << axis;
        r->shape.size[k] = x->shape[axis];
        r->strides[k] = x->strides[axis];
    }
    return true;
}
static void permute_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    const permute_attributes *a = c->attributes;
    int inverse[HEED_MAX_NDIM];
    (void)y;
    for (int k = 0; k < gy->ndim; k++)
        inverse[a->axes[k] < 0 ? a->axes[k] + gy->ndim : a->axes[k]] = k;
    gx[0] = heed_permute(t, gy, inverse);
}
static const heed_case permute_cases[] = {
    { .label = "rotate",
      .x = { { .shape = HEED_DIMS(2, 3, 2) } },
      .attributes = &(const permute_attributes){ { 1, 2, 0 } } },
    { .label = "negative axes",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const permute_attributes){ { -1, -2 } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      .attributes = &(const permute_attributes){ { 1, 0 } },
      .stated = true },
};
static const heed_case permute_refusals[] = {
    { .label = "axis 0 is given twice",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const permute_attributes){ { 0, 0 } } },
    { .label = "axis 2 is out of range",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const permute_attributes){ { 0, 2 } } },
};
HEED_DEFINE_OP(permute) = { .name = "permute",
                            .arity = 1,
                            .attributes_size = sizeof(permute_attributes),
                            .shape = permute_shape,
                            .formula = "y = x with its axes reordered",
                            .adjoint = "gx = gy with its axes put back",
                            .linear = true,
                            .vjp = permute_vjp,
                            HEED_REFUSES(permute_refusals),
                            HEED_CASES(permute_cases) };

/* squeeze.   An axis of extent 1 is dropped;   gx = gy with that axis again */
typedef struct axis_attributes {
    int axis;
} axis_attributes;
static bool squeeze_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, ((const axis_attributes *)c->attributes)->axis, x->ndim);
    if (axis < 0)
        return false;
    if (x->shape[axis] != 1)
        return heed_refuse(t, c, "axis %d has extent %lld but only one of 1 can be dropped",
                           axis, (long long)x->shape[axis]);
    r->dtype = x->dtype;
    r->view = true;
    for (int k = 0; k < x->ndim; k++) {
        if (k == axis)
            continue;
        r->strides[r->shape.ndim] = x->strides[k];
        r->shape.size[r->shape.ndim++] = x->shape[k];
    }
    return true;
}
static void squeeze_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    int axis = ((const axis_attributes *)c->attributes)->axis;
    (void)y;
    gx[0] = heed_unsqueeze(t, gy, axis);
}
static const heed_case squeeze_cases[] = {
    { .label = "middle",
      .x = { { .shape = HEED_DIMS(2, 1, 3) } },
      .attributes = &(const axis_attributes){ 1 } },
    { .label = "last",
      .x = { { .shape = HEED_DIMS(2, 3, 1) } },
      .attributes = &(const axis_attributes){ -1 } },
    { .label = "to 0-d",
      .x = { { .shape = HEED_DIMS(1), .values = (const double[]){ 5 } } },
      .attributes = &(const axis_attributes){ 0 },
      .stated = true,
      .y = (const double[]){ 5 },
      .gx = { (const double[]){ 1 } } },
};
static const heed_case squeeze_refusals[] = {
    { .label = "axis 0 has extent 2",
      .x = { { .shape = HEED_DIMS(2, 1) } },
      .attributes = &(const axis_attributes){ 0 } },
    { .label = "axis 0 has extent 0",
      .x = { { .shape = HEED_DIMS(0) } },
      .attributes = &(const axis_attributes){ 0 } },
    { .label = "axis 0 is out of range for 0 axes",
      .x = { { .shape = { 0 } } },
      .attributes = &(const axis_attributes){ 0 } },
};
HEED_DEFINE_OP(squeeze) = { .name = "squeeze",
                            .arity = 1,
                            .attributes_size = sizeof(axis_attributes),
                            .shape = squeeze_shape,
                            .formula = "y = x without an axis of extent 1",
                            .adjoint = "gx = gy with the axis",
                            .linear = true,
                            .vjp = squeeze_vjp,
                            HEED_REFUSES(squeeze_refusals),
                            HEED_CASES(squeeze_cases) };

/* unsqueeze.   A new axis of extent 1;   gx = gy without it */
static bool unsqueeze_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, ((const axis_attributes *)c->attributes)->axis, x->ndim + 1);
    if (axis < 0)
        return false;
    if (x->ndim == HEED_MAX_NDIM)
        return heed_refuse(t, c, "has %d axes and can have no more", HEED_MAX_NDIM);
    r->dtype = x->dtype;
    r->shape.ndim = x->ndim + 1;
    r->view = true;
    for (int k = 0; k < r->shape.ndim; k++) {
        r->shape.size[k] = k == axis ? 1 : x->shape[k - (k > axis)];
        r->strides[k] = k == axis ? 1 : x->strides[k - (k > axis)];
    }
    return true;
}
static void unsqueeze_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                          heed_tensor *gx[])
{
    int axis = ((const axis_attributes *)c->attributes)->axis;
    (void)y;
    gx[0] = heed_squeeze(t, gy, axis);
}
static const heed_case unsqueeze_cases[] = {
    { .label = "middle",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const axis_attributes){ 1 } },
    { .label = "last",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const axis_attributes){ -1 } },
    { .label = "of 0-d",
      .x = { { .shape = { 0 }, .values = (const double[]){ 5 } } },
      .attributes = &(const axis_attributes){ 0 },
      .stated = true,
      .y = (const double[]){ 5 },
      .gx = { (const double[]){ 1 } } },
};
static const heed_case unsqueeze_refusals[] = {
    { .label = "axis 3 is out of range for 3 axes",
      .x = { { .shape = HEED_DIMS(2, 1) } },
      .attributes = &(const axis_attributes){ 3 } },
    { .label = "has 8 axes and can have no more",
      .x = { { .shape = HEED_DIMS(1, 1, 1, 1, 1, 1, 1, 1) } },
      .attributes = &(const axis_attributes){ 0 } },
};
HEED_DEFINE_OP(unsqueeze) = { .name = "unsqueeze",
                              .arity = 1,
                              .attributes_size = sizeof(axis_attributes),
                              .shape = unsqueeze_shape,
                              .formula = "y = x with a new axis of extent 1",
                              .adjoint = "gx = gy without the axis",
                              .linear = true,
                              .vjp = unsqueeze_vjp,
                              HEED_REFUSES(unsqueeze_refusals),
                              HEED_CASES(unsqueeze_cases) };

/* ---- the calls ---- */

heed_tensor *heed_reshape(heed_tape *t, heed_tensor *x, heed_shape shape)
{
    return heed__apply1(t, &heed_op_reshape, x, &shape);
}

heed_tensor *heed_permute(heed_tape *t, heed_tensor *x, const int *axes)
{
    permute_attributes a = { { 0 } };
    for (int k = 0; x && k < x->ndim; k++)
        a.axes[k] = axes[k];
    return heed__apply1(t, &heed_op_permute, x, &a);
}

heed_tensor *heed_swap(heed_tape *t, heed_tensor *x, int axis_a, int axis_b)
{
    permute_attributes a = { { 0 } };
    heed_call call = { .op = &heed_op_permute, .n = x ? 1 : 0, .x = &x };
    if (!t || heed_error(t))
        return NULL;
    if (x) {
        axis_a = heed_axis(t, &call, axis_a, x->ndim);
        axis_b = axis_a < 0 ? -1 : heed_axis(t, &call, axis_b, x->ndim);
        if (axis_b < 0)
            return NULL;
        for (int k = 0; k < x->ndim; k++)
            a.axes[k] = k == axis_a ? axis_b : k == axis_b ? axis_a : k;
    }
    return heed__apply1(t, &heed_op_permute, x, &a);
}

heed_tensor *heed_squeeze(heed_tape *t, heed_tensor *x, int axis)
{
    return heed__apply1(t, &heed_op_squeeze, x, &(axis_attributes){ axis });
}

heed_tensor *heed_unsqueeze(heed_tape *t, heed_tensor *x, int axis)
{
    return heed__apply1(t, &heed_op_unsqueeze, x, &(axis_attributes){ axis });
}
