/* Convolution: what lies under each window becomes a column, and the product of weight and
 * columns is the result. The columns are an op with an adjoint; the rest is matmul. They take as
 * much memory as the image times the window's size, and a recorded product keeps them. */
#include "windows.h"

/* conv1d, conv2d.   y = W columns + bias, the columns those of each group. One axis is a height
 * of 1. */
typedef struct convolution {
    int axes;
    kernel_windows windows;
    int64_t batch, groups, in, out; /* channels, of all groups */
} convolution;

static bool convolution_plan(heed_tape *t, const heed_call *c, convolution *p)
{
    const heed_convolution_options *o = c->attributes;
    const heed_tensor *x = c->x[0], *weight = c->x[1], *bias = c->x[2];
    kernel_windows *w = &p->windows;
    p->axes = c->op == &heed_op_conv1d ? 1 : 2;
    *w = (kernel_windows){ .extent = { 1 }, .size = { 1 }, .stride = { 1 }, .dilation = { 1 } };
    if (x->ndim != 2 + p->axes || weight->ndim != x->ndim)
        return heed_refuse(t, c,
                           p->axes == 1 ? "needs x [batch, channels, length] and weight "
                                          "[out, channels/groups, size]"
                                        : "needs x [batch, channels, height, width] and "
                                          "weight [out, channels/groups, height, width]");
    p->batch = x->shape[0];
    p->groups = o->groups ? o->groups : 1;
    p->in = x->shape[1];
    p->out = weight->shape[0];
    if (p->groups < 1 || p->in % p->groups || p->out % p->groups)
        return heed_refuse(t, c, "%lld channels in and %lld out cannot be cut into %lld groups",
                           (long long)p->in, (long long)p->out, (long long)p->groups);
    if (weight->shape[1] != p->in / p->groups)
        return heed_refuse(t, c, "the weight takes %lld channels but a group has %lld",
                           (long long)weight->shape[1], (long long)(p->in / p->groups));
    if (bias && (bias->ndim != 1 || bias->shape[0] != p->out))
        return heed_refuse(t, c, "the bias must have shape [%lld]", (long long)p->out);
    if (o->causal && (p->axes != 1 || o->padding[0] != 0))
        return heed_refuse(t, c, "a causal convolution has one axis and no padding of its own");
    for (int k = 0; k < p->axes; k++) {
        int at = 2 - p->axes + k;
        w->extent[at] = x->shape[2 + k];
        w->size[at] = weight->shape[2 + k];
        w->stride[at] = o->stride[k] ? o->stride[k] : 1;
        w->dilation[at] = o->dilation[k] ? o->dilation[k] : 1;
        w->before[at] = w->after[at] = o->padding[k];
        /* What is out of range is left to heed__windows to refuse. */
        if (o->causal && w->dilation[at] <= WINDOWS_LONGEST / (w->size[at] ? w->size[at] : 1))
            w->before[at] = w->dilation[at] * (w->size[at] - 1);
    }
    return heed__windows(t, c, w);
}
static bool convolution_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    convolution p;
    if (!heed__floats(t, c) || !convolution_plan(t, c, &p))
        return false;
    r->dtype = c->x[0]->dtype;
    r->shape = p.axes == 1 ? HEED_SHAPE(p.batch, p.out, p.windows.count[1])
                           : HEED_SHAPE(p.batch, p.out, p.windows.count[0], p.windows.count[1]);
    return true;
}
/* A window of one element that goes to every place: the image itself is the columns. */
static bool pointwise(const kernel_windows *w)
{
    bool is = true;
    for (int k = 0; k < 2; k++)
        is = is && w->size[k] == 1 && w->stride[k] == 1 && !w->before[k] && !w->after[k];
    return is;
}
static heed_tensor *convolution_compose(heed_tape *t, const heed_call *c)
{
    convolution p;
    heed_result r = { 0 };
    convolution_plan(t, c, &p);
    convolution_shape(t, c, &r);
    const kernel_windows *w = &p.windows;
    int64_t places = w->count[0] * w->count[1];
    int64_t width = p.in / p.groups * w->size[0] * w->size[1];
    heed_tensor *columns = c->x[0];
    if (!pointwise(w)) {
        heed_tensor *image =
            heed_reshape(t, columns, HEED_SHAPE(p.batch, p.in, w->extent[0], w->extent[1]));
        columns = heed__apply1(t, &heed_op_im2col, image, w);
    }
    columns = heed_reshape(t, columns, HEED_SHAPE(p.batch, p.groups, width, places));
    heed_tensor *weight =
        heed_reshape(t, c->x[1], HEED_SHAPE(p.groups, p.out / p.groups, width));
    heed_tensor *product = heed_matmul(t, weight, columns);
    if (c->x[2]) {
        heed_tensor *bias = heed_reshape(t, c->x[2], HEED_SHAPE(p.groups, p.out / p.groups, 1));
        product = heed_add(t, product, bias);
    }
    return heed_reshape(t, product, r.shape);
}
#define OPTIONS(...)                                \
    .attributes = &(const heed_convolution_options) \
    {                                               \
        __VA_ARGS__                                 \
    }
static const heed_case conv1d_cases[] = {
    { .label = "padded",
      .x = { { .shape = HEED_DIMS(2, 2, 4) },
             { .shape = HEED_DIMS(3, 2, 3) },
             { .shape = HEED_DIMS(3) } },
      OPTIONS(.padding = { 1 }) },
    { .label = "strided and dilated, in groups",
      .x = { { .shape = HEED_DIMS(1, 4, 6) }, { .shape = HEED_DIMS(2, 2, 2) } },
      .absent = 4,
      OPTIONS(.stride = { 2 }, .dilation = { 2 }, .groups = 2) },
    { .label = "causal",
      .x = { { .shape = HEED_DIMS(1, 1, 3), .values = (const double[]){ 1, 2, 3 } },
             { .shape = HEED_DIMS(1, 1, 2), .values = (const double[]){ 10, 1 } } },
      .absent = 4,
      OPTIONS(.causal = true, .dilation = { 2 }),
      .stated = true,
      .y = (const double[]){ 1, 2, 13 },
      .gx = { (const double[]){ 11, 1, 1 }, (const double[]){ 1, 6 } } },
    { .label = "no batch",
      .x = { { .shape = HEED_DIMS(0, 1, 2) },
             { .shape = HEED_DIMS(1, 1, 2) },
             { .shape = HEED_DIMS(1) } },
      OPTIONS(.groups = 1),
      .stated = true,
      .gx = { NULL, (const double[]){ 0, 0 }, (const double[]){ 0 } } },
};
static const heed_case conv2d_cases[] = {
    { .label = "padded",
      .x = { { .shape = HEED_DIMS(2, 2, 3, 4) },
             { .shape = HEED_DIMS(2, 2, 2, 3) },
             { .shape = HEED_DIMS(2) } },
      OPTIONS(.padding = { 1, 0 }) },
    { .label = "strided and dilated",
      .x = { { .shape = HEED_DIMS(1, 1, 5, 4) }, { .shape = HEED_DIMS(2, 1, 2, 2) } },
      .absent = 4,
      OPTIONS(.stride = { 2, 1 }, .dilation = { 2, 3 }) },
    { .label = "one group a channel",
      .x = { { .shape = HEED_DIMS(1, 2, 3, 3) },
             { .shape = HEED_DIMS(4, 1, 2, 2) },
             { .shape = HEED_DIMS(4) } },
      OPTIONS(.groups = 2) },
    { .label = "one element",
      .x = { { .shape = HEED_DIMS(2, 3, 2, 2) },
             { .shape = HEED_DIMS(2, 3, 1, 1) },
             { .shape = HEED_DIMS(2) } },
      OPTIONS(.groups = 1) },
    { .label = "window of padding",
      .x = { { .shape = HEED_DIMS(1, 1, 1, 1), .values = (const double[]){ 7 } },
             { .shape = HEED_DIMS(1, 1, 2, 2), .values = (const double[]){ 1, 2, 3, 4 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 100 } } },
      OPTIONS(.padding = { 1, 1 }),
      .stated = true,
      .y = (const double[]){ 128, 121, 114, 107 },
      .gx = { (const double[]){ 10 }, (const double[]){ 7, 7, 7, 7 }, (const double[]){ 4 } } },
};
static const heed_case conv1d_refusals[] = {
    { .label = "needs x [batch, channels, length]",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3, 1) } },
      .absent = 4,
      OPTIONS(.groups = 1) },
    { .label = "causal convolution has one axis and no padding",
      .x = { { .shape = HEED_DIMS(1, 1, 3) }, { .shape = HEED_DIMS(1, 1, 2) } },
      .absent = 4,
      OPTIONS(.causal = true, .padding = { 1 }) },
    { .label = "the dilation -3 at axis -1",
      .x = { { .shape = HEED_DIMS(1, 1, 3) }, { .shape = HEED_DIMS(1, 1, 2) } },
      .absent = 4,
      OPTIONS(.causal = true, .dilation = { -3 }) },
    { .label = "the window reaches over 4 elements",
      .x = { { .shape = HEED_DIMS(1, 1, 3) }, { .shape = HEED_DIMS(1, 1, 4) } },
      .absent = 4,
      OPTIONS(.groups = 1) },
};
static const heed_case conv2d_refusals[] = {
    { .label = "needs x [batch, channels, height, width]",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 2) }, { .shape = HEED_DIMS(2, 2, 1) } },
      .absent = 4,
      OPTIONS(.groups = 1) },
    { .label = "3 channels in and 4 out cannot be cut into 2 groups",
      .x = { { .shape = HEED_DIMS(1, 3, 2, 2) }, { .shape = HEED_DIMS(4, 1, 1, 1) } },
      .absent = 4,
      OPTIONS(.groups = 2) },
    { .label = "the weight takes 2 channels but a group has 1",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 2) }, { .shape = HEED_DIMS(2, 2, 1, 1) } },
      .absent = 4,
      OPTIONS(.groups = 2) },
    { .label = "the bias must have shape [2]",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 2) },
             { .shape = HEED_DIMS(2, 2, 1, 1) },
             { .shape = HEED_DIMS(3) } },
      OPTIONS(.groups = 1) },
    { .label = "the window size 0 at axis -2",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 2) }, { .shape = HEED_DIMS(2, 2, 0, 1) } },
      .absent = 4,
      OPTIONS(.groups = 1) },
};
HEED_DEFINE_OP(conv1d) = {
    .name = "conv1d",
    .arity = 3,
    .optional = 4,
    .attributes_size = sizeof(heed_convolution_options),
    .shape = convolution_shape,
    .compose = convolution_compose,
    .formula = "y_{b,o,i} = bias_o + sum over c, k of W_{o,c,k} x_{b,c,i s + k d - p}",
    .adjoint = "gx = col2im(W^T gy), gW = gy im2col(x)^T, gbias = sum of gy",
    .cost = "2 batch out L' (in/groups) K + 4 batch out L' (in/groups) K",
    HEED_CASES(conv1d_cases),
    HEED_REFUSES(conv1d_refusals)
};
HEED_DEFINE_OP(conv2d) = {
    .name = "conv2d",
    .arity = 3,
    .optional = 4,
    .attributes_size = sizeof(heed_convolution_options),
    .shape = convolution_shape,
    .compose = convolution_compose,
    .formula = "as conv1d, i and k over two axes",
    .adjoint = "as conv1d",
    .cost = "2 batch out H' W' (in/groups) Kh Kw + 4 batch out H' W' (in/groups) Kh Kw",
    HEED_CASES(conv2d_cases),
    HEED_REFUSES(conv2d_refusals)
};

/* ---- the calls ---- */

static heed_tensor *convolve(heed_tape *t, const heed_op *op, heed_tensor *x,
                             heed_tensor *weight, heed_tensor *bias,
                             const heed_convolution_options *options)
{
    static const heed_convolution_options plain;
    return heed__apply3(t, op, x, weight, bias, options ? options : &plain);
}

heed_tensor *heed_conv1d(heed_tape *t, heed_tensor *x, heed_tensor *weight, heed_tensor *bias,
                         const heed_convolution_options *options)
{
    return convolve(t, &heed_op_conv1d, x, weight, bias, options);
}

heed_tensor *heed_conv2d(heed_tape *t, heed_tensor *x, heed_tensor *weight, heed_tensor *bias,
                         const heed_convolution_options *options)
{
    return convolve(t, &heed_op_conv2d, x, weight, bias, options);
}
