/* Normalisation by groups of channels and by channels over the batch, x [B, C, ...], and to
 * unit length along an axis. What is normalised together is laid out as rows for layernorm;
 * gamma and beta, one for each channel, come after. */
#include "ops.h"

typedef struct channel_attributes {
    int64_t groups; /* groupnorm's */
    double epsilon;
} channel_attributes;

/* Positions of one channel of one example. */
static int64_t places_of(const heed_tensor *x)
{
    int64_t n = 1;
    for (int k = 2; k < x->ndim; k++)
        n *= x->shape[k];
    return n;
}

static bool channel_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    static const char *const names[5] = { "x", "gamma", "beta", "mean", "variance" };
    double epsilon = ((const channel_attributes *)c->attributes)->epsilon;
    const heed_tensor *x = c->x[0];
    if (x->ndim < 2)
        return heed_refuse(t, c, "needs x [batch, channels, ...]");
    if (!(epsilon >= 0))
        return heed_refuse(t, c, "epsilon %g is not 0 or more", epsilon);
    for (int i = 1; i < c->n; i++) {
        if (c->x[i] && (c->x[i]->ndim != 1 || c->x[i]->shape[0] != x->shape[1]))
            return heed_refuse(t, c, "%s must have shape [%lld], one for each channel",
                               names[i], (long long)x->shape[1]);
    }
    return heed__shape_like(t, c, r);
}

/* y gamma + beta of y [B, C, places]. */
static heed_tensor *by_channel(heed_tape *t, heed_tensor *y, heed_tensor *gamma,
                               heed_tensor *beta)
{
    if (gamma)
        y = heed_mul(t, y, heed_reshape(t, gamma, HEED_SHAPE(-1, 1)));
    return beta ? heed_add(t, y, heed_reshape(t, beta, HEED_SHAPE(-1, 1))) : y;
}

#define CHANNELS(...)                         \
    .attributes = &(const channel_attributes) \
    {                                         \
        __VA_ARGS__                           \
    }

/* groupnorm.   The rows of layernorm are the groups of each example. instancenorm: a group for
 * each channel. */
static bool groupnorm_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    int64_t groups = ((const channel_attributes *)c->attributes)->groups;
    if (!channel_shape(t, c, r))
        return false;
    if (groups < 1 || c->x[0]->shape[1] % groups)
        return heed_refuse(t, c, "%lld channels cannot be cut into %lld groups",
                           (long long)c->x[0]->shape[1], (long long)groups);
    return true;
}
static heed_tensor *in_groups(heed_tape *t, const heed_call *c, int64_t groups)
{
    heed_tensor *x = c->x[0];
    int64_t places = places_of(x), channels = x->shape[1];
    int64_t width = groups ? channels / groups * places : 0;
    double epsilon = ((const channel_attributes *)c->attributes)->epsilon;
    heed_tensor *rows = heed_reshape(t, x, HEED_SHAPE(x->shape[0] * groups, width));
    heed_tensor *y = heed_layernorm(t, rows, NULL, NULL, epsilon);
    y = heed_reshape(t, y, HEED_SHAPE(x->shape[0], channels, places));
    return heed_reshape(t, by_channel(t, y, c->x[1], c->x[2]), heed_shape_of(x));
}
static heed_tensor *groupnorm_compose(heed_tape *t, const heed_call *c)
{
    return in_groups(t, c, ((const channel_attributes *)c->attributes)->groups);
}
static heed_tensor *instancenorm_compose(heed_tape *t, const heed_call *c)
{
    return in_groups(t, c, c->x[0]->shape[1]);
}
static const heed_case groupnorm_cases[] = {
    { .label = "gamma and beta",
      .x = { { .shape = HEED_DIMS(2, 4, 3) },
             { .shape = HEED_DIMS(4) },
             { .shape = HEED_DIMS(4) } },
      CHANNELS(2, 0.1) },
    { .label = "beta only, two axes of places",
      .x = { { .shape = HEED_DIMS(1, 2, 2, 2) }, { 0 }, { .shape = HEED_DIMS(2) } },
      .absent = 2,
      CHANNELS(1, 0.1) },
    { .label = "no places",
      .x = { { .shape = HEED_DIMS(2, 4) }, { .shape = HEED_DIMS(4) } },
      .absent = 4,
      CHANNELS(1, 0.1) },
    { .label = "constant groups",
      .x = { { .shape = HEED_DIMS(1, 2, 2), .values = (const double[]){ 3, 3, 5, 5 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 2, 2 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 7, 8 } } },
      CHANNELS(2, 1e-5),
      .stated = true,
      .y = (const double[]){ 7, 7, 8, 8 },
      .gx = { (const double[]){ 0, 0, 0, 0 }, (const double[]){ 0, 0 },
              (const double[]){ 2, 2 } } },
    { .label = "no batch",
      .x = { { .shape = HEED_DIMS(0, 2, 2) },
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } },
      CHANNELS(2, 1e-5),
      .stated = true,
      .gx = { NULL, (const double[]){ 0, 0 }, (const double[]){ 0, 0 } } },
};
static const heed_case instancenorm_cases[] = {
    { .label = "gamma and beta",
      .x = { { .shape = HEED_DIMS(2, 3, 2, 2) },
             { .shape = HEED_DIMS(3) },
             { .shape = HEED_DIMS(3) } },
      CHANNELS(0, 0.1) },
    { .label = "neither",
      .x = { { .shape = HEED_DIMS(1, 2, 3) } },
      .absent = 6,
      CHANNELS(0, 0.1) },
    { .label = "one place",
      .x = { { .shape = HEED_DIMS(1, 2, 1), .values = (const double[]){ 3, -4 } } },
      .absent = 6,
      CHANNELS(0, 1e-5),
      .stated = true,
      .y = (const double[]){ 0, 0 },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "no channels",
      .x = { { .shape = HEED_DIMS(2, 0, 3) } },
      .absent = 6,
      CHANNELS(0, 1e-5),
      .stated = true },
};
static const heed_case groupnorm_refusals[] = {
    { .label = "needs x [batch, channels, ...]",
      .x = { { .shape = HEED_DIMS(4) } },
      .absent = 6,
      CHANNELS(1, 0) },
    { .label = "3 channels cannot be cut into 2 groups",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .absent = 6,
      CHANNELS(2, 0) },
    { .label = "cut into 0 groups",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .absent = 6,
      CHANNELS(0, 0) },
    { .label = "gamma must have shape [3]",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2) } },
      .absent = 4,
      CHANNELS(1, 0) },
    { .label = "epsilon -0.5 is not 0 or more",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .absent = 6,
      CHANNELS(1, -0.5) },
};
static const heed_case instancenorm_refusals[] = {
    { .label = "beta must have shape [3]",
      .x = { { .shape = HEED_DIMS(2, 3, 2) }, { 0 }, { .shape = HEED_DIMS(3, 1) } },
      .absent = 2,
      CHANNELS(0, 0) },
};
HEED_DEFINE_OP(groupnorm) = {
    .name = "groupnorm",
    .arity = 3,
    .optional = 6,
    .attributes_size = sizeof(channel_attributes),
    .shape = groupnorm_shape,
    .compose = groupnorm_compose,
    .formula = "y = gamma (x - mean)/sqrt(variance + eps) + beta over each group of channels",
    .adjoint = "as layernorm's, a row for each group",
    HEED_CASES(groupnorm_cases),
    HEED_REFUSES(groupnorm_refusals)
};
HEED_DEFINE_OP(instancenorm) = {
    .name = "instancenorm",
    .arity = 3,
    .optional = 6,
    .attributes_size = sizeof(channel_attributes),
    .shape = channel_shape,
    .compose = instancenorm_compose,
    .formula = "y = gamma (x - mean)/sqrt(variance + eps) + beta over each channel's places",
    .adjoint = "as layernorm's, a row for each channel",
    HEED_CASES(instancenorm_cases),
    HEED_REFUSES(instancenorm_refusals)
};

/* batchnorm.   With the batch's own statistics the rows of layernorm are the channels; with
 * given ones y = (x - mean) gamma/sqrt(variance + eps) + beta, in this order: x may be far from
 * 0 and mean take nearly all of it. */
static bool batchnorm_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!channel_shape(t, c, r))
        return false;
    if (!c->x[3] != !c->x[4])
        return heed_refuse(t, c, "needs both mean and variance or neither");
    if (!c->x[3] && c->x[0]->shape[0] * places_of(c->x[0]) == 1)
        return heed_refuse(t, c, "a batch of one value a channel has no variance");
    return true;
}
static heed_tensor *batchnorm_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *x = c->x[0], *gamma = c->x[1], *beta = c->x[2], *variance = c->x[4];
    int64_t batch = x->shape[0], channels = x->shape[1], places = places_of(x);
    double epsilon = ((const channel_attributes *)c->attributes)->epsilon;
    heed_tensor *y = heed_reshape(t, x, HEED_SHAPE(batch, channels, places));
    if (variance) {
        heed_tensor *mean = heed_reshape(t, c->x[3], HEED_SHAPE(channels, 1));
        heed_tensor *scale = heed_rsqrt(t, heed_shift(t, variance, epsilon));
        gamma = gamma ? heed_mul(t, gamma, scale) : scale;
        y = heed_sub(t, y, mean);
    } else {
        y = heed_swap(t, y, 0, 1);
        y = heed_reshape(t, y, HEED_SHAPE(channels, batch * places));
        y = heed_layernorm(t, y, NULL, NULL, epsilon);
        y = heed_reshape(t, y, HEED_SHAPE(channels, batch, places));
        y = heed_swap(t, y, 0, 1);
    }
    return heed_reshape(t, by_channel(t, y, gamma, beta), heed_shape_of(x));
}
static const heed_case batchnorm_cases[] = {
    { .label = "the batch's statistics",
      .x = { { .shape = HEED_DIMS(3, 2, 2) },
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } },
      .absent = 24,
      CHANNELS(0, 0.1) },
    { .label = "no places, neither gamma nor beta",
      .x = { { .shape = HEED_DIMS(4, 2) } },
      .absent = 30,
      CHANNELS(0, 0.1) },
    { .label = "given statistics",
      .x = { { .shape = HEED_DIMS(2, 3, 2) },
             { .shape = HEED_DIMS(3) },
             { .shape = HEED_DIMS(3) },
             { .shape = HEED_DIMS(3) },
             { .shape = HEED_DIMS(3), .low = 0.5, .high = 2 } },
      CHANNELS(0, 1e-5) },
    { .label = "one value and given statistics",
      .x = { { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 5 } },
             { 0 },
             { 0 },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 1 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 3 } } },
      .absent = 6,
      CHANNELS(0, 1),
      .stated = true,
      .y = (const double[]){ 2 },
      .gx = { (const double[]){ 0.5 }, NULL, NULL, (const double[]){ -0.5 },
              (const double[]){ -0.25 } } },
    { .label = "no batch",
      .x = { { .shape = HEED_DIMS(0, 2, 2) },
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } },
      .absent = 24,
      CHANNELS(0, 1e-5),
      .stated = true,
      .gx = { NULL, (const double[]){ 0, 0 }, (const double[]){ 0, 0 } } },
};
static const heed_case batchnorm_refusals[] = {
    { .label = "a batch of one value a channel has no variance",
      .x = { { .shape = HEED_DIMS(1, 3, 1) } },
      .absent = 30,
      CHANNELS(0, 0) },
    { .label = "needs both mean and variance or neither",
      .x = { { .shape = HEED_DIMS(2, 3) }, { 0 }, { 0 }, { .shape = HEED_DIMS(3) } },
      .absent = 22,
      CHANNELS(0, 0) },
    { .label = "variance must have shape [3]",
      .x = { { .shape = HEED_DIMS(2, 3) },
             { 0 },
             { 0 },
             { .shape = HEED_DIMS(3) },
             { .shape = HEED_DIMS(1) } },
      .absent = 6,
      CHANNELS(0, 0) },
};
HEED_DEFINE_OP(batchnorm) = {
    .name = "batchnorm",
    .arity = 5,
    .optional = 30,
    .attributes_size = sizeof(channel_attributes),
    .shape = batchnorm_shape,
    .compose = batchnorm_compose,
    .formula = "y = gamma (x - mean)/sqrt(variance + eps) + beta, the statistics given or each "
               "channel's over the batch",
    .adjoint = "given: gx = gamma gy/sqrt(variance + eps); else as layernorm's, a row for each "
               "channel",
    HEED_CASES(batchnorm_cases),
    HEED_REFUSES(batchnorm_refusals)
};

/* l2norm.   y = x/r, r = max(|x|, eps);   gx = (gy - y <y, gy> [|x| >= eps])/r */
typedef struct length_attributes {
    int axis;
    double epsilon;
} length_attributes;

static bool l2norm_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const length_attributes *a = c->attributes;
    if (!(a->epsilon >= 0))
        return heed_refuse(t, c, "epsilon %g is not 0 or more", a->epsilon);
    return heed_axis(t, c, a->axis, c->x[0]->ndim) >= 0 && heed__shape_like(t, c, r);
}
static heed_tensor *l2norm_compose(heed_tape *t, const heed_call *c)
{
    const length_attributes *a = c->attributes;
    heed_tensor *length = heed_norm_axes(t, c->x[0], 2, 1, &a->axis, true);
    return heed_div(t, c->x[0], heed_clamp(t, length, a->epsilon, INFINITY));
}
#define ALONG(...)                           \
    .attributes = &(const length_attributes) \
    {                                        \
        __VA_ARGS__                          \
    }
static const heed_case l2norm_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.3 } },
      ALONG(-1, 1e-12) },
    { .label = "first axis",
      .x = { { .shape = HEED_DIMS(3, 2), .gap = 0.3 } },
      ALONG(0, 1e-12) },
    { .label = "shorter than epsilon", .x = { { .shape = HEED_DIMS(3) } }, ALONG(0, 4) },
    { .label = "zeros",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 0, 0 } } },
      ALONG(0, 0.25),
      .stated = true,
      .y = (const double[]){ 0, 0 },
      .gx = { (const double[]){ 4, 4 } } },
    { .label = "huge and tiny",
      .x = { { .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 3e30, -4e30, 3e-30, 4e-30 } } },
      ALONG(1, 1e-35),
      .stated = true,
      .y = (const double[]){ 0.6, -0.8, 0.6, 0.8 } },
    { .label = "as long as epsilon",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 3, 4 } } },
      ALONG(0, 5),
      .stated = true,
      .y = (const double[]){ 0.6, 0.8 },
      .gx = { (const double[]){ 0.032, -0.024 } } },
};
static const heed_case l2norm_refusals[] = {
    { .label = "epsilon -1 is not 0 or more",
      .x = { { .shape = HEED_DIMS(2) } },
      ALONG(0, -1) },
    { .label = "axis 1 is out of range", .x = { { .shape = HEED_DIMS(2) } }, ALONG(1, 0) },
};
HEED_DEFINE_OP(l2norm) = { .name = "l2norm",
                           .arity = 1,
                           .attributes_size = sizeof(length_attributes),
                           .shape = l2norm_shape,
                           .compose = l2norm_compose,
                           .formula = "y = x/r, r = max(|x|, eps) along an axis",
                           .adjoint = "gx = (gy - y <y, gy> [|x| >= eps])/r",
                           HEED_CASES(l2norm_cases),
                           HEED_REFUSES(l2norm_refusals) };

/* ---- the calls ---- */

heed_tensor *heed_groupnorm(heed_tape *t, heed_tensor *x, int64_t groups, heed_tensor *gamma,
                            heed_tensor *beta, double epsilon)
{
    return heed__apply3(t, &heed_op_groupnorm, x, gamma, beta,
                        &(channel_attributes){ groups, epsilon });
}

heed_tensor *heed_instancenorm(heed_tape *t, heed_tensor *x, heed_tensor *gamma,
                               heed_tensor *beta, double epsilon)
{
    return heed__apply3(t, &heed_op_instancenorm, x, gamma, beta,
                        &(channel_attributes){ 0, epsilon });
}

heed_tensor *heed_batchnorm(heed_tape *t, heed_tensor *x, heed_tensor *gamma, heed_tensor *beta,
                            heed_tensor *mean, heed_tensor *variance, double epsilon)
{
    heed_tensor *operands[5] = { x, gamma, beta, mean, variance };
    return heed_apply(t, &heed_op_batchnorm, 5, operands, &(channel_attributes){ 0, epsilon });
}

heed_tensor *heed_l2norm(heed_tape *t, heed_tensor *x, int axis, double epsilon)
{
    return heed__apply1(t, &heed_op_l2norm, x, &(length_attributes){ axis, epsilon });
}
