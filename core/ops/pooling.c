/* Pooling over the last axis or the last two: the average and the maximum under each window.
 * One axis is a height of 1. */
#include "windows.h"

typedef struct pooling_attributes {
    int axes;
    kernel_windows windows; /* extents are the operand's, but for avg_pool_grad */
} pooling_attributes;

/* The windows over x, checked. */
static bool pooling_plan(heed_tape *t, const heed_call *c, kernel_windows *w)
{
    const pooling_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    *w = a->windows;
    if (x->ndim < a->axes)
        return heed_refuse(t, c, "needs %d axes to pool over", a->axes);
    w->extent[0] = a->axes == 2 ? x->shape[x->ndim - 2] : 1;
    w->extent[1] = x->shape[x->ndim - 1];
    if (w->extent[0] == 0 || w->extent[1] == 0)
        return heed_refuse(t, c, "there is nothing to pool along an axis of extent 0");
    if (!heed__windows(t, c, w))
        return false;
    for (int k = 0; k < 2; k++) {
        if (w->before[k] > w->size[k] / 2)
            return heed_refuse(t, c,
                               "the padding %lld at axis %d is more than half of the window, "
                               "%lld",
                               (long long)w->before[k], k - 2, (long long)w->size[k]);
    }
    return true;
}

/* x's shape with the pooled axes changed to these extents. */
static heed_shape pooled(const heed_tensor *x, int axes, const int64_t extents[2])
{
    heed_shape shape = heed_shape_of(x);
    for (int k = 2 - axes; k < 2; k++)
        shape.size[shape.ndim - 2 + k] = extents[k];
    return shape;
}

static bool pooling_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    kernel_windows w;
    if (!heed__floats(t, c) || !pooling_plan(t, c, &w))
        return false;
    r->dtype = c->x[0]->dtype;
    r->shape = pooled(c->x[0], ((const pooling_attributes *)c->attributes)->axes, w.count);
    return true;
}

/* The arguments of a call that the shape rule has accepted. */
static kernel_planes planes_of(const heed_call *c, const heed_tensor *image, heed_tensor *y)
{
    kernel_planes p = { .windows = ((const pooling_attributes *)c->attributes)->windows,
                        .x = c->x[0]->data,
                        .y = y->data };
    if (image == c->x[0])
        pooling_plan(NULL, c, &p.windows);
    else
        heed__windows(NULL, c, &p.windows);
    p.planes = heed_size(image) / (p.windows.extent[0] * p.windows.extent[1]);
    return p;
}

#define OVER(axes, ...)                       \
    .attributes = &(const pooling_attributes) \
    {                                         \
        axes,                                 \
        {                                     \
            .dilation = { 1, 1 }, __VA_ARGS__ \
        }                                     \
    }

/* avg_pool.   y_i = (1/K) sum over the window of x, the padding being 0;   gx_j = (1/K) sum of
 * gy_i over the windows i that hold j (avg_pool_grad). Each is the other's adjoint. */
static void avg_pool_run(const heed_call *c, heed_tensor *y)
{
    kernel_planes p = planes_of(c, c->x[0], y);
    heed__portable(y->dtype)->avg_pool(&p);
}
static void avg_pool_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                         heed_tensor *gx[])
{
    pooling_attributes a = *(const pooling_attributes *)c->attributes;
    (void)y;
    pooling_plan(t, c, &a.windows);
    gx[0] = heed__apply1(t, &heed_op_avg_pool_grad, gy, &a);
}
static const heed_case avg_pool_cases[] = {
    { .label = "one axis",
      .x = { { .shape = HEED_DIMS(2, 5) } },
      OVER(1, .size = { 1, 3 }, .stride = { 1, 2 }) },
    { .label = "two axes, padded",
      .x = { { .shape = HEED_DIMS(2, 3, 4) } },
      OVER(2, .size = { 2, 3 }, .stride = { 1, 2 }, .before = { 1, 1 }, .after = { 1, 1 }) },
    { .label = "padding counts",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 4, 8 } } },
      OVER(1, .size = { 1, 2 }, .stride = { 1, 1 }, .before = { 0, 1 }, .after = { 0, 1 }),
      .stated = true,
      .y = (const double[]){ 2, 6, 4 },
      .gx = { (const double[]){ 1, 1 } } },
    { .label = "no batch",
      .x = { { .shape = HEED_DIMS(0, 2, 2) } },
      OVER(2, .size = { 2, 2 }, .stride = { 2, 2 }),
      .stated = true },
};
static const heed_case pooling_refusals[] = {
    { .label = "needs 2 axes to pool over",
      .x = { { .shape = HEED_DIMS(3) } },
      OVER(2, .size = { 1, 1 }, .stride = { 1, 1 }) },
    { .label = "nothing to pool along an axis of extent 0",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      OVER(1, .size = { 1, 2 }, .stride = { 1, 1 }, .before = { 0, 1 }, .after = { 0, 1 }) },
    { .label = "the padding 2 at axis -1 is more than half of the window, 3",
      .x = { { .shape = HEED_DIMS(4) } },
      OVER(1, .size = { 1, 3 }, .stride = { 1, 1 }, .before = { 0, 2 }, .after = { 0, 2 }) },
    { .label = "the window size 0 at axis -1",
      .x = { { .shape = HEED_DIMS(4) } },
      OVER(1, .size = { 1, 0 }, .stride = { 1, 1 }) },
};
HEED_DEFINE_OP(avg_pool) = { .name = "avg_pool",
                             .arity = 1,
                             .dense = 1,
                             .attributes_size = sizeof(pooling_attributes),
                             .shape = pooling_shape,
                             .run = avg_pool_run,
                             .formula = "y_i = the mean of x, 0 in the padding, under window i",
                             .adjoint = "gx_j = sum of gy_i/K over the windows i that hold j",
                             .cost = "2 K an element of the result",
                             .linear = true,
                             .vjp = avg_pool_vjp,
                             HEED_CASES(avg_pool_cases),
                             HEED_REFUSES(pooling_refusals) };

static bool avg_pool_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const pooling_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    kernel_windows w = a->windows;
    if (!heed__floats(t, c) || !heed__windows(t, c, &w))
        return false;
    bool fits = x->ndim >= a->axes;
    for (int k = 2 - a->axes; fits && k < 2; k++)
        fits = x->shape[x->ndim - 2 + k] == w.count[k];
    if (!fits)
        return heed_refuse(t, c, "needs an element for each window: [..., %lld, %lld]",
                           (long long)w.count[0], (long long)w.count[1]);
    r->dtype = x->dtype;
    r->shape = pooled(x, a->axes, w.extent);
    return true;
}
static void avg_pool_grad_run(const heed_call *c, heed_tensor *y)
{
    kernel_planes p = planes_of(c, y, y);
    heed__portable(y->dtype)->avg_pool_grad(&p);
}
static void avg_pool_grad_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                              heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply1(t, &heed_op_avg_pool, gy, c->attributes);
}
static const heed_case avg_pool_grad_cases[] = {
    { .label = "overlapping",
      .x = { { .shape = HEED_DIMS(2, 4) } },
      OVER(1, .extent = { 1, 5 }, .size = { 1, 2 }, .stride = { 1, 1 }) },
    { .label = "a place under no window",
      .x = { { .shape = HEED_DIMS(1, 2), .values = (const double[]){ 4, 8 } } },
      OVER(2, .extent = { 2, 5 }, .size = { 2, 2 }, .stride = { 1, 3 }),
      .stated = true,
      .y = (const double[]){ 1, 1, 0, 2, 2, 1, 1, 0, 2, 2 },
      .gx = { (const double[]){ 1, 1 } } },
};
static const heed_case avg_pool_grad_refusals[] = {
    { .label = "needs an element for each window: [..., 1, 4]",
      .x = { { .shape = HEED_DIMS(3) } },
      OVER(1, .extent = { 1, 5 }, .size = { 1, 2 }, .stride = { 1, 1 }) },
};
HEED_DEFINE_OP(avg_pool_grad) = {
    .name = "avg_pool_grad",
    .arity = 1,
    .dense = 1,
    .attributes_size = sizeof(pooling_attributes),
    .shape = avg_pool_grad_shape,
    .run = avg_pool_grad_run,
    .formula = "y_j = sum of x_i/K over the windows i that hold j",
    .adjoint = "gx = avg_pool(gy)",
    .cost = "2 K an element of x",
    .linear = true,
    .vjp = avg_pool_grad_vjp,
    HEED_CASES(avg_pool_grad_cases),
    HEED_REFUSES(avg_pool_grad_refusals)
};

/* max_pool_ids.   k(i), the first place in its plane of the largest under window i; NaN is the
 * largest. Rows are planes. */
static bool max_pool_ids_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    kernel_windows w;
    if (!heed__floats(t, c) || !pooling_plan(t, c, &w))
        return false;
    if (w.extent[0] > INT32_MAX / w.extent[1])
        return heed_refuse(t, c, "the places of a plane are too many to number");
    r->dtype = HEED_I32;
    r->shape =
        HEED_SHAPE(heed_size(c->x[0]) / (w.extent[0] * w.extent[1]), w.count[0] * w.count[1]);
    return true;
}
static void max_pool_ids_run(const heed_call *c, heed_tensor *y)
{
    kernel_planes p = planes_of(c, c->x[0], y);
    heed__portable(c->x[0]->dtype)->max_pool_ids(&p);
}
static const double spread[24] = { 3, 17, 9, 22, 14, 1,  20, 6, 11, 24, 8, 16,
                                   2, 19, 5, 13, 23, 10, 7,  4, 18, 12, 0, 21 };
static const heed_case max_pool_ids_cases[] = {
    { .label = "one axis",
      .x = { { .shape = HEED_DIMS(2, 5), .values = spread } },
      OVER(1, .size = { 1, 3 }, .stride = { 1, 1 }) },
    { .label = "equals, NaN and padding",
      .x = { { .shape = HEED_DIMS(3, 4),
               .values = (const double[]){ 2, 2, 1, 2, 1, NAN, 3, NAN, -3, -INFINITY, -INFINITY,
                                           -4 } } },
      OVER(1, .size = { 1, 2 }, .stride = { 1, 1 }, .before = { 0, 1 }, .after = { 0, 1 }),
      .stated = true,
      .y = (const double[]){ 0, 0, 1, 3, 3, 0, 1, 1, 3, 3, 0, 0, 1, 3, 3 } },
};
HEED_DEFINE_OP(max_pool_ids) = {
    .name = "max_pool_ids",
    .arity = 1,
    .dense = 1,
    .attributes_size = sizeof(pooling_attributes),
    .shape = max_pool_ids_shape,
    .run = max_pool_ids_run,
    .formula = "y_i = the first place of the largest under window i",
    .adjoint = "none: the result is integers",
    .cost = "K an element of the result",
    HEED_CASES(max_pool_ids_cases),
    HEED_REFUSES(pooling_refusals)
};

/* max_pool.   y_i = x_{k(i)}, gathered from those places;   gx_j = sum of gy_i over the windows
 * i with k(i) = j. */
static heed_tensor *max_pool_compose(heed_tape *t, const heed_call *c)
{
    heed_result r = { 0 };
    kernel_windows w;
    heed_tensor *x = c->x[0];
    pooling_shape(t, c, &r);
    pooling_plan(t, c, &w);
    int64_t area = w.extent[0] * w.extent[1];
    heed_tensor *ids = heed__apply1(t, &heed_op_max_pool_ids, x, c->attributes);
    heed_tensor *planes = heed_reshape(t, x, HEED_SHAPE(heed_size(x) / area, area));
    return heed_reshape(t, heed_gather(t, planes, ids, 1), r.shape);
}
static const heed_case max_pool_cases[] = {
    { .label = "one axis",
      .x = { { .shape = HEED_DIMS(2, 5), .values = spread } },
      OVER(1, .size = { 1, 3 }, .stride = { 1, 1 }) },
    { .label = "two axes, padded",
      .x = { { .shape = HEED_DIMS(2, 3, 4), .values = spread } },
      OVER(2, .size = { 2, 3 }, .stride = { 1, 2 }, .before = { 1, 1 }, .after = { 1, 1 }) },
    { .label = "the first of equals",
      .x = { { .shape = HEED_DIMS(4), .values = (const double[]){ 2, 2, 1, 2 } } },
      OVER(1, .size = { 1, 2 }, .stride = { 1, 1 }),
      .stated = true,
      .y = (const double[]){ 2, 2, 2 },
      .gx = { (const double[]){ 1, 1, 0, 1 } } },
    { .label = "NaN wins",
      .x = { { .shape = HEED_DIMS(4), .values = (const double[]){ 1, NAN, 3, NAN } } },
      OVER(1, .size = { 1, 4 }, .stride = { 1, 1 }),
      .stated = true,
      .y = (const double[]){ NAN },
      .gx = { (const double[]){ 0, 1, 0, 0 } } },
    { .label = "padding is never taken",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ -3, -INFINITY } } },
      OVER(1, .size = { 1, 2 }, .stride = { 1, 1 }, .before = { 0, 1 }, .after = { 0, 1 }),
      .stated = true,
      .y = (const double[]){ -3, -3, -INFINITY },
      .gx = { (const double[]){ 2, 1 } } },
    { .label = "no batch",
      .x = { { .shape = HEED_DIMS(0, 2, 2) } },
      OVER(2, .size = { 2, 2 }, .stride = { 2, 2 }),
      .stated = true },
};
HEED_DEFINE_OP(max_pool) = { .name = "max_pool",
                             .arity = 1,
                             .dense = 1,
                             .attributes_size = sizeof(pooling_attributes),
                             .shape = pooling_shape,
                             .compose = max_pool_compose,
                             .formula = "y_i = x_k(i), k(i) the first largest under window i",
                             .adjoint = "gx_j = sum of gy_i over i with k(i) = j",
                             .cost = "K an element of the result",
                             HEED_CASES(max_pool_cases),
                             HEED_REFUSES(pooling_refusals) };

/* ---- the calls ---- */

static heed_tensor *pool(heed_tape *t, const heed_op *op, heed_tensor *x, int axes,
                         const heed_pooling_options *o)
{
    pooling_attributes a = {
        .axes = axes, .windows = { .size = { 1 }, .stride = { 1 }, .dilation = { 1, 1 } }
    };
    if (!o)
        return heed_fail(t, "%s: the options are NULL and so name no window size", op->name);
    for (int k = 0; k < axes; k++) {
        int at = 2 - axes + k;
        a.windows.size[at] = o->size[k];
        a.windows.stride[at] = o->stride[k] ? o->stride[k] : o->size[k];
        a.windows.before[at] = a.windows.after[at] = o->padding[k];
    }
    return heed__apply1(t, op, x, &a);
}

heed_tensor *heed_avg_pool1d(heed_tape *t, heed_tensor *x, const heed_pooling_options *options)
{
    return pool(t, &heed_op_avg_pool, x, 1, options);
}

heed_tensor *heed_avg_pool2d(heed_tape *t, heed_tensor *x, const heed_pooling_options *options)
{
    return pool(t, &heed_op_avg_pool, x, 2, options);
}

heed_tensor *heed_max_pool1d(heed_tape *t, heed_tensor *x, const heed_pooling_options *options)
{
    return pool(t, &heed_op_max_pool, x, 1, options);
}

heed_tensor *heed_max_pool2d(heed_tape *t, heed_tensor *x, const heed_pooling_options *options)
{
    return pool(t, &heed_op_max_pool, x, 2, options);
}
