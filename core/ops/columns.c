/* What lies under sliding windows: their number, and the columns of a convolution with their
 * adjoint. */
#include "windows.h"

#define WINDOWS_MOST 1e18 /* elements: their number fits an int64_t */

bool heed__windows(heed_tape *t, const heed_call *c, kernel_windows *w)
{
    for (int k = 0; k < 2; k++) {
        const int64_t positive[3] = { w->size[k], w->stride[k], w->dilation[k] };
        static const char *const names[3] = { "window size", "stride", "dilation" };
        for (int i = 0; i < 3; i++) {
            if (positive[i] < 1 || positive[i] > WINDOWS_LONGEST)
                return heed_refuse(t, c, "the %s %lld at axis %d is not in 1 .. %d", names[i],
                                   (long long)positive[i], k - 2, WINDOWS_LONGEST);
        }
        int64_t padding = w->before[k] < 0 ? w->before[k] : w->after[k];
        if (padding < 0 || w->before[k] > WINDOWS_LONGEST || w->after[k] > WINDOWS_LONGEST)
            return heed_refuse(t, c, "the padding %lld at axis %d is not in 0 .. %d",
                               (long long)(padding < 0 ? padding : w->before[k]), k - 2,
                               WINDOWS_LONGEST);
        int64_t room = w->before[k] + w->extent[k] + w->after[k],
                reach = w->dilation[k] * (w->size[k] - 1) + 1;
        if (reach > room)
            return heed_refuse(t, c,
                               "the window reaches over %lld elements of axis %d, which has "
                               "%lld with its padding",
                               (long long)reach, k - 2, (long long)room);
        w->count[k] = (room - reach) / w->stride[k] + 1;
    }
    double under =
        (double)(w->size[0] * w->size[1]) * (double)w->count[0] * (double)w->count[1];
    if (under > WINDOWS_MOST)
        return heed_refuse(t, c, "%g elements under the windows of a plane are too many",
                           under);
    return true;
}

/* im2col.   y[b, (c, k0, k1), (o0, o1)] = x[b, c, o0 s0 + k0 d0 - p0, o1 s1 + k1 d1 - p1], 0 in
 * the padding;   gx = the same elements of gy, each added to the place it came from (col2im).
 * Each is the other's adjoint. */
static bool im2col_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    kernel_windows w = *(const kernel_windows *)c->attributes;
    const heed_tensor *x = c->x[0];
    if (!heed__floats(t, c))
        return false;
    if (x->ndim != 4)
        return heed_refuse(t, c, "needs x [batch, channels, height, width]");
    w.extent[0] = x->shape[2];
    w.extent[1] = x->shape[3];
    if (!heed__windows(t, c, &w))
        return false;
    if ((double)x->shape[1] * (double)(w.size[0] * w.size[1]) > WINDOWS_MOST)
        return heed_refuse(t, c, "the columns are too long");
    r->dtype = x->dtype;
    r->shape =
        HEED_SHAPE(x->shape[0], x->shape[1] * w.size[0] * w.size[1], w.count[0] * w.count[1]);
    return true;
}
static bool col2im_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    kernel_windows w = *(const kernel_windows *)c->attributes;
    const heed_tensor *x = c->x[0];
    if (!heed__floats(t, c) || !heed__windows(t, c, &w))
        return false;
    int64_t area = w.size[0] * w.size[1], places = w.count[0] * w.count[1];
    if (x->ndim != 3 || x->shape[1] % area != 0 || x->shape[2] != places)
        return heed_refuse(t, c,
                           "needs x [batch, channels %lld, %lld]: windows of %lld elements at "
                           "%lld places",
                           (long long)area, (long long)places, (long long)area,
                           (long long)places);
    r->dtype = x->dtype;
    r->shape = HEED_SHAPE(x->shape[0], x->shape[1] / area, w.extent[0], w.extent[1]);
    return true;
}
/* The windows over the image of a call, which the shape rule has accepted. */
static kernel_planes planes_of(const heed_call *c, const heed_tensor *image, heed_tensor *y)
{
    kernel_planes p = { .planes = image->shape[0] * image->shape[1],
                        .windows = *(const kernel_windows *)c->attributes,
                        .x = c->x[0]->data,
                        .y = y->data };
    p.windows.extent[0] = image->shape[2];
    p.windows.extent[1] = image->shape[3];
    heed__windows(NULL, c, &p.windows);
    return p;
}
static void im2col_run(const heed_call *c, heed_tensor *y)
{
    kernel_planes p = planes_of(c, c->x[0], y);
    heed__portable(y->dtype)->im2col(&p);
}
static void col2im_run(const heed_call *c, heed_tensor *y)
{
    kernel_planes p = planes_of(c, y, y);
    heed__portable(y->dtype)->col2im(&p);
}
static void im2col_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    kernel_windows w = *(const kernel_windows *)c->attributes;
    (void)y;
    w.extent[0] = c->x[0]->shape[2];
    w.extent[1] = c->x[0]->shape[3];
    gx[0] = heed__apply1(t, &heed_op_col2im, gy, &w);
}
static void col2im_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed__apply1(t, &heed_op_im2col, gy, c->attributes);
}
#define WINDOWS(...)                      \
    .attributes = &(const kernel_windows) \
    {                                     \
        __VA_ARGS__                       \
    }
static const heed_case im2col_cases[] = {
    { .label = "padded",
      .x = { { .shape = HEED_DIMS(2, 1, 3, 4) } },
      WINDOWS(.size = { 2, 3 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .before = { 1, 1 },
              .after = { 0, 2 }) },
    { .label = "strided and dilated",
      .x = { { .shape = HEED_DIMS(1, 2, 5, 6) } },
      WINDOWS(.size = { 2, 2 }, .stride = { 2, 3 }, .dilation = { 3, 2 }, .before = { 1, 0 },
              .after = { 1, 0 }) },
    { .label = "mostly padding",
      .x = { { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 5 } } },
      WINDOWS(.size = { 1, 2 }, .stride = { 1, 1 }, .dilation = { 1, 2 }, .before = { 0, 3 },
              .after = { 0, 1 }),
      .stated = true,
      .y = (const double[]){ 0, 0, 0, 0, 5, 0 },
      .gx = { (const double[]){ 1 } } },
    { .label = "no batch",
      .x = { { .shape = HEED_DIMS(0, 1, 2, 2) } },
      WINDOWS(.size = { 2, 2 }, .stride = { 1, 1 }, .dilation = { 1, 1 }),
      .stated = true },
};
static const heed_case col2im_cases[] = {
    { .label = "overlapping",
      .x = { { .shape = HEED_DIMS(2, 4, 6) } },
      WINDOWS(.extent = { 2, 5 }, .size = { 1, 2 }, .stride = { 1, 2 }, .dilation = { 1, 1 },
              .before = { 0, 1 }, .after = { 0, 1 }) },
    { .label = "every place three times",
      .x = { { .shape = HEED_DIMS(1, 3, 3),
               .values = (const double[]){ 1, 2, 3, 10, 20, 30, 100, 200, 300 } } },
      WINDOWS(.extent = { 1, 3 }, .size = { 1, 3 }, .stride = { 1, 1 }, .dilation = { 1, 1 },
              .before = { 0, 1 }, .after = { 0, 1 }),
      .stated = true,
      .y = (const double[]){ 12, 123, 230 },
      .gx = { (const double[]){ 0, 1, 1, 1, 1, 1, 1, 1, 0 } } },
};
static const heed_case im2col_refusals[] = {
    { .label = "needs x [batch, channels, height, width]",
      .x = { { .shape = HEED_DIMS(1, 2, 2) } },
      WINDOWS(.size = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 }) },
    { .label = "the window reaches over 3 elements of axis -2, which has 2",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 2) } },
      WINDOWS(.size = { 2, 1 }, .stride = { 1, 1 }, .dilation = { 2, 1 }) },
    { .label = "the stride 0 at axis -1",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 2) } },
      WINDOWS(.size = { 1, 1 }, .stride = { 1, 0 }, .dilation = { 1, 1 }) },
    { .label = "under the windows of a plane are too many",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 2) } },
      WINDOWS(.size = { INT32_MAX, 2 }, .stride = { 1, 1 }, .dilation = { 1, 1 },
              .before = { INT32_MAX, INT32_MAX }, .after = { INT32_MAX, 0 }) },
    { .label = "the padding -1 at axis -1",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 2) } },
      WINDOWS(.size = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .after = { 0, -1 }) },
};
static const heed_case col2im_refusals[] = {
    { .label = "windows of 2 elements at 4 places",
      .x = { { .shape = HEED_DIMS(1, 2, 3) } },
      WINDOWS(.extent = { 1, 5 }, .size = { 1, 2 }, .stride = { 1, 1 }, .dilation = { 1, 1 }) },
};
HEED_DEFINE_OP(im2col) = { .name = "im2col",
                           .arity = 1,
                           .dense = 1,
                           .attributes_size = sizeof(kernel_windows),
                           .shape = im2col_shape,
                           .run = im2col_run,
                           .formula = "y_{b,ck,i} = x_{b,c,i s + k d - p}, 0 in the padding",
                           .adjoint = "gx = col2im(gy)",
                           .linear = true,
                           .vjp = im2col_vjp,
                           HEED_CASES(im2col_cases),
                           HEED_REFUSES(im2col_refusals) };
HEED_DEFINE_OP(col2im) = { .name = "col2im",
                           .arity = 1,
                           .dense = 1,
                           .attributes_size = sizeof(kernel_windows),
                           .shape = col2im_shape,
                           .run = col2im_run,
                           .formula = "y_{b,c,j} = sum over i s + k d - p = j of x_{b,ck,i}",
                           .adjoint = "gx = im2col(gy)",
                           .linear = true,
                           .vjp = col2im_vjp,
                           HEED_CASES(col2im_cases),
                           HEED_REFUSES(col2im_refusals) };
