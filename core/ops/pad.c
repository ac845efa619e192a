/* Elements added at the ends of axes. A constant's adjoint is itself with what was added now
 * cut; mirrored and repeated edges are slices of x joined to it. */
#include "ops.h"

#include <string.h>

typedef struct pad_attributes {
    int64_t before[HEED_MAX_NDIM], after[HEED_MAX_NDIM];
    double value;
} pad_attributes;

static bool padded_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const pad_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    for (int k = 0; k < x->ndim; k++) {
        int64_t n = x->shape[k], *extent = &r->shape.size[k];
        bool cuts_all = a->before[k] < -n || a->after[k] < -n;
        if (!cuts_all && (__builtin_add_overflow(n, a->before[k], extent) ||
                          __builtin_add_overflow(*extent, a->after[k], extent)))
            return heed_refuse(t, c, "the extents overflow");
        if (cuts_all || *extent < 0)
            return heed_refuse(t, c, "%lld before and %lld after cut more than axis %d has",
                               (long long)a->before[k], (long long)a->after[k], k);
    }
    return true;
}

/* pad.   y = x between constants, or without its ends;   gx = gy without what was added, and 0
 * where x was cut */

/* One element of any dtype. */
typedef union element {
    float f32;
    double f64;
    int32_t i32;
    uint8_t u8;
} element;

/* The value as an element of a dtype; false if it is none. */
static bool make_element(heed_dtype dtype, double value, element *e)
{
    bool whole = value >= INT32_MIN && value <= INT32_MAX && value == (double)(int32_t)value;
    switch (dtype) {
    case HEED_F32:
        e->f32 = (float)value;
        return true;
    case HEED_F64:
        e->f64 = value;
        return true;
    case HEED_I32:
        e->i32 = whole ? (int32_t)value : 0;
        return whole;
    case HEED_BOOL:
    case HEED_U8:
        whole = whole && value >= 0 && value <= (dtype == HEED_BOOL ? 1 : 255);
        e->u8 = whole ? (uint8_t)value : 0;
        return whole;
    }
    return false;
}
static bool pad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    double value = ((const pad_attributes *)c->attributes)->value;
    element constant;
    if (!make_element(c->x[0]->dtype, value, &constant))
        return heed_refuse(t, c, "the value %g is not one of %s", value,
                           heed_dtype_name(c->x[0]->dtype));
    return padded_shape(t, c, r);
}
static void pad_run(const heed_call *c, heed_tensor *y)
{
    const pad_attributes *a = c->attributes;
    heed_tensor from = *c->x[0], to = *y;
    int64_t start = 0, first = 0, width = (int64_t)heed_dtype_size(y->dtype);
    for (int k = 0; k < y->ndim; k++) {
        int64_t cut = a->before[k] < 0 ? -a->before[k] : 0;
        first += cut * from.strides[k];
        start += (a->before[k] + cut) * to.strides[k];
        from.shape[k] -= cut + (a->after[k] < 0 ? -a->after[k] : 0);
        to.shape[k] = from.shape[k];
    }
    if (heed_size(&to) < heed_size(y)) {
        heed_tensor filling = *y;
        element constant;
        make_element(y->dtype, a->value, &constant);
        filling.data = &constant;
        memset(filling.strides, 0, sizeof filling.strides);
        heed__copy_elements(&filling, y);
    }
    if (heed_size(&to) == 0)
        return;
    from.data = (char *)from.data + first * width;
    to.data = (char *)to.data + start * width;
    heed__copy_elements(&from, &to);
}
static void pad_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    pad_attributes back = *(const pad_attributes *)c->attributes;
    (void)y;
    for (int k = 0; k < HEED_MAX_NDIM; k++) {
        back.before[k] = -back.before[k];
        back.after[k] = -back.after[k];
    }
    back.value = 0;
    gx[0] = heed__apply1(t, &heed_op_pad, gy, &back);
}
static const heed_case pad_cases[] = {
    { .label = "both axes",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const pad_attributes){ { 1, 0 }, { 2, 1 }, 0.5 } },
    { .label = "added and cut",
      .x = { { .shape = HEED_DIMS(3, 2) } },
      .attributes = &(const pad_attributes){ { -1, 2 }, { 1, -1 }, 0 } },
    { .label = "value",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } } },
      .attributes = &(const pad_attributes){ { 1 }, { 1 }, -INFINITY },
      .stated = true,
      .y = (const double[]){ -INFINITY, 1, 2, -INFINITY },
      .gx = { (const double[]){ 1, 1 } } },
    { .label = "ids",
      .x = { { .dtype = HEED_I32, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } } },
      .attributes = &(const pad_attributes){ { 2 }, { -1 }, -1 },
      .stated = true,
      .y = (const double[]){ -1, -1, 1 } },
    { .label = "all cut",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const pad_attributes){ { -2 }, { 1 }, 3 },
      .stated = true,
      .y = (const double[]){ 3 },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "of nothing",
      .x = { { .shape = HEED_DIMS(0, 1) } },
      .attributes = &(const pad_attributes){ { 1 }, { 0, 1 }, 3 },
      .stated = true,
      .y = (const double[]){ 3, 3 } },
};
static const heed_case pad_refusals[] = {
    { .label = "-1 before and -2 after cut more than axis 0 has",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const pad_attributes){ { -1 }, { -2 }, 0 } },
    { .label = "-3 before and 2 after cut more than axis 0 has",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const pad_attributes){ { -3 }, { 2 }, 0 } },
    { .label = "the extents overflow",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const pad_attributes){ { INT64_MAX }, { 0 }, 0 } },
    { .label = "the value 256 is not one of u8",
      .x = { { .dtype = HEED_U8, .shape = HEED_DIMS(1), .values = (const double[]){ 1 } } },
      .attributes = &(const pad_attributes){ { 0 }, { 1 }, 256 } },
};
HEED_DEFINE_OP(pad) = { .name = "pad",
                        .arity = 1,
                        .attributes_size = sizeof(pad_attributes),
                        .shape = pad_shape,
                        .run = pad_run,
                        .formula = "y = x between constants",
                        .adjoint = "gx = gy without what was added, 0 where x was cut",
                        .vjp = pad_vjp,
                        HEED_REFUSES(pad_refusals),
                        HEED_CASES(pad_cases) };

/* pad_reflect.   y[i] = x[|i - before|], and at the other end likewise */
static bool reflect_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const pad_attributes *a = c->attributes;
    for (int k = 0; k < c->x[0]->ndim; k++) {
        int64_t n = c->x[0]->shape[k];
        int64_t most = a->before[k] > a->after[k] ? a->before[k] : a->after[k];
        if (a->before[k] < 0 || a->after[k] < 0)
            return heed_refuse(t, c, "only a constant pad can cut, at axis %d", k);
        if (most > 0 && most >= n)
            return heed_refuse(
                t, c, "axis %d of extent %lld mirrors fewer than %lld elements, not %lld", k,
                (long long)n, (long long)n, (long long)most);
    }
    return padded_shape(t, c, r);
}
static heed_tensor *reflect_compose(heed_tape *t, const heed_call *c)
{
    const pad_attributes *a = c->attributes;
    heed_tensor *y = c->x[0];
    for (int k = 0; k < c->x[0]->ndim; k++) {
        heed_tensor *parts[3];
        int n = 0;
        int64_t last = c->x[0]->shape[k] - 1, stop = last - 1 - a->after[k];
        if (a->before[k])
            parts[n++] = heed_slice(t, y, k, a->before[k], 0, -1);
        parts[n++] = y;
        if (a->after[k])
            parts[n++] = heed_slice(t, y, k, last - 1, stop < 0 ? HEED_END : stop, -1);
        if (n > 1)
            y = heed_concatenate(t, n, parts, k);
    }
    return y;
}
static const heed_case reflect_cases[] = {
    { .label = "both axes",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const pad_attributes){ { 1, 2 }, { 0, 1 }, 0 } },
    { .label = "as far as it goes",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 1, 2, 3 } } },
      .attributes = &(const pad_attributes){ { 2 }, { 2 }, 0 },
      .stated = true,
      .y = (const double[]){ 3, 2, 1, 2, 3, 2, 1 },
      .gx = { (const double[]){ 2, 3, 2 } } },
    { .label = "bytes",
      .x = { { .dtype = HEED_U8, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } } },
      .attributes = &(const pad_attributes){ { 1 }, { 0 }, 0 },
      .stated = true,
      .y = (const double[]){ 2, 1, 2 } },
    { .label = "nothing to do",
      .x = { { .shape = HEED_DIMS(1), .values = (const double[]){ 1 } } },
      .attributes = &(const pad_attributes){ .value = 0 },
      .stated = true,
      .y = (const double[]){ 1 },
      .gx = { (const double[]){ 1 } } },
};
static const heed_case reflect_refusals[] = {
    { .label = "axis 0 of extent 2 mirrors fewer than 2 elements, not 3",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const pad_attributes){ { 1 }, { 3 }, 0 } },
    { .label = "axis 0 of extent 0 mirrors fewer than 0 elements, not 1",
      .x = { { .shape = HEED_DIMS(0) } },
      .attributes = &(const pad_attributes){ { 1 }, { 0 }, 0 } },
    { .label = "only a constant pad can cut",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const pad_attributes){ { -1 }, { 0 }, 0 } },
};
HEED_DEFINE_OP(pad_reflect) = { .name = "pad_reflect",
                                .arity = 1,
                                .attributes_size = sizeof(pad_attributes),
                                .shape = reflect_shape,
                                .compose = reflect_compose,
                                .formula = "y = x between its mirror images",
                                .adjoint = "gx[j] = sum of gy where y shows x[j]",
                                .linear = true,
                                HEED_REFUSES(reflect_refusals),
                                HEED_CASES(reflect_cases) };

/* pad_edge.   y[i] = x[min(max(i - before, 0), n - 1)] */
static bool edge_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const pad_attributes *a = c->attributes;
    for (int k = 0; k < c->x[0]->ndim; k++) {
        if (a->before[k] < 0 || a->after[k] < 0)
            return heed_refuse(t, c, "only a constant pad can cut, at axis %d", k);
        if (c->x[0]->shape[k] == 0 && (a->before[k] || a->after[k]))
            return heed_refuse(t, c, "axis %d of extent 0 has no edge to repeat", k);
    }
    return padded_shape(t, c, r);
}
static heed_tensor *edge_compose(heed_tape *t, const heed_call *c)
{
    const pad_attributes *a = c->attributes;
    heed_tensor *y = c->x[0];
    for (int k = 0; k < c->x[0]->ndim; k++) {
        heed_tensor *parts[3];
        heed_shape shape = heed_shape_of(y);
        int n = 0;
        if (a->before[k]) {
            heed_tensor *edge = heed_slice(t, y, k, 0, 1, 1);
            shape.size[k] = a->before[k];
            parts[n++] = heed_expand(t, edge, shape);
        }
        parts[n++] = y;
        if (a->after[k]) {
            heed_tensor *edge = heed_slice(t, y, k, -1, HEED_END, 1);
            shape.size[k] = a->after[k];
            parts[n++] = heed_expand(t, edge, shape);
        }
        if (n > 1)
            y = heed_concatenate(t, n, parts, k);
    }
    return y;
}
static const heed_case edge_cases[] = {
    { .label = "both axes",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const pad_attributes){ { 1, 2 }, { 0, 3 }, 0 } },
    { .label = "of one element",
      .x = { { .shape = HEED_DIMS(1), .values = (const double[]){ 5 } } },
      .attributes = &(const pad_attributes){ { 2 }, { 1 }, 0 },
      .stated = true,
      .y = (const double[]){ 5, 5, 5, 5 },
      .gx = { (const double[]){ 4 } } },
    { .label = "bytes",
      .x = { { .dtype = HEED_U8, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } } },
      .attributes = &(const pad_attributes){ { 1 }, { 0 }, 0 },
      .stated = true,
      .y = (const double[]){ 1, 1, 2 } },
};
static const heed_case edge_refusals[] = {
    { .label = "axis 0 of extent 0 has no edge to repeat",
      .x = { { .shape = HEED_DIMS(0) } },
      .attributes = &(const pad_attributes){ { 0 }, { 1 }, 0 } },
    { .label = "only a constant pad can cut",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const pad_attributes){ { 0 }, { -1 }, 0 } },
    { .label = "the extents overflow",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const pad_attributes){ { INT64_MAX }, { INT64_MAX }, 0 } },
};
HEED_DEFINE_OP(pad_edge) = { .name = "pad_edge",
                             .arity = 1,
                             .attributes_size = sizeof(pad_attributes),
                             .shape = edge_shape,
                             .compose = edge_compose,
                             .formula = "y = x between repetitions of its edges",
                             .adjoint = "gx[j] = sum of gy where y shows x[j]",
                             .linear = true,
                             HEED_REFUSES(edge_refusals),
                             HEED_CASES(edge_cases) };

heed_tensor *heed_pad(heed_tape *t, heed_tensor *x, const int64_t *before, const int64_t *after,
                      heed_padding mode, double value)
{
    static const heed_op *const modes[] = { [HEED_PAD_CONSTANT] = &heed_op_pad,
                                            [HEED_PAD_REFLECT] = &heed_op_pad_reflect,
                                            [HEED_PAD_EDGE] = &heed_op_pad_edge };
    pad_attributes a = { .value = value };
    if (mode < HEED_PAD_CONSTANT || mode > HEED_PAD_EDGE)
        return heed_fail(t, "pad: there is no mode %d", (int)mode);
    for (int k = 0; x && k < x->ndim; k++) {
        a.before[k] = before[k];
        a.after[k] = after[k];
    }
    return heed__apply1(t, modes[mode], x, &a);
}
