/* Elements in another order or several times over: composed of views and the copies that end
 * them, so any dtype goes. */
#include "ops.h"

/* The extents before and from an axis on, multiplied: [outer, block]. */
static int64_t product(const heed_shape *shape, int from, int to)
{
    int64_t n = 1;
    for (int k = from; k < to; k++)
        n *= shape->size[k];
    return n;
}

/* roll.   y[(i + shift) mod n] = x[i] along an axis: the end of x, then what was before it */
typedef struct roll_attributes {
    int axis;
    int64_t shift;
} roll_attributes;
static bool roll_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[0]);
    return heed_axis(t, c, ((const roll_attributes *)c->attributes)->axis, c->x[0]->ndim) >= 0;
}
static heed_tensor *roll_compose(heed_tape *t, const heed_call *c)
{
    const roll_attributes *a = c->attributes;
    heed_tensor *x = c->x[0];
    int64_t n = x->shape[a->axis < 0 ? a->axis + x->ndim : a->axis];
    int64_t shift = n ? (a->shift % n + n) % n : 0;
    if (shift == 0)
        return x;
    heed_tensor *end = heed_slice(t, x, a->axis, n - shift, n, 1);
    heed_tensor *begin = heed_slice(t, x, a->axis, 0, n - shift, 1);
    return heed_concatenate(t, 2, (heed_tensor *[]){ end, begin }, a->axis);
}
static const heed_case roll_cases[] = {
    { .label = "forward",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const roll_attributes){ -1, 1 } },
    { .label = "backward, more than once around",
      .x = { { .shape = HEED_DIMS(3, 2) } },
      .attributes = &(const roll_attributes){ 0, -7 } },
    { .label = "ids",
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(4),
               .values = (const double[]){ 1, 2, 3, 4 } } },
      .attributes = &(const roll_attributes){ 0, 1 },
      .stated = true,
      .y = (const double[]){ 4, 1, 2, 3 } },
    { .label = "not at all",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 5, 6 } } },
      .attributes = &(const roll_attributes){ 0, 4 },
      .stated = true,
      .y = (const double[]){ 5, 6 },
      .gx = { (const double[]){ 1, 1 } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      .attributes = &(const roll_attributes){ 1, 1 },
      .stated = true },
};
static const heed_case roll_refusals[] = {
    { .label = "axis 1 is out of range",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const roll_attributes){ 1, 1 } },
};
HEED_DEFINE_OP(roll) = { .name = "roll",
                         .arity = 1,
                         .attributes_size = sizeof(roll_attributes),
                         .shape = roll_shape,
                         .compose = roll_compose,
                         .formula = "y[(i + shift) mod n] = x[i]",
                         .adjoint = "gx[i] = gy[(i + shift) mod n]",
                         .linear = true,
                         HEED_REFUSES(roll_refusals),
                         HEED_CASES(roll_cases) };

/* repeat.   y[i] = x[i / count] along an axis;   gx[j] = sum of its count places of gy */
typedef struct repeat_attributes {
    int axis;
    int64_t count;
} repeat_attributes;
static bool repeat_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const repeat_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int axis = heed_axis(t, c, a->axis, x->ndim);
    if (axis < 0)
        return false;
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    int64_t *extent = &r->shape.size[axis];
    if (a->count < 0 || __builtin_mul_overflow(*extent, a->count, extent))
        return heed_refuse(t, c, "%lld times along axis %d is %s", (long long)a->count, axis,
                           a->count < 0 ? "less than none" : "too many elements");
    return true;
}
static heed_tensor *repeat_compose(heed_tape *t, const heed_call *c)
{
    const repeat_attributes *a = c->attributes;
    heed_shape shape = heed_shape_of(c->x[0]);
    int axis = a->axis < 0 ? a->axis + shape.ndim : a->axis;
    int64_t outer = product(&shape, 0, axis + 1);
    int64_t inner = product(&shape, axis + 1, shape.ndim);
    heed_tensor *single = heed_reshape(t, c->x[0], HEED_SHAPE(outer, 1, inner));
    heed_tensor *repeated = heed_expand(t, single, HEED_SHAPE(outer, a->count, inner));
    shape.size[axis] *= a->count;
    return heed_reshape(t, repeated, shape);
}
static const heed_case repeat_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const repeat_attributes){ -1, 2 } },
    { .label = "middle axis",
      .x = { { .shape = HEED_DIMS(2, 2, 2) } },
      .attributes = &(const repeat_attributes){ 1, 3 } },
    { .label = "ids",
      .x = { { .dtype = HEED_I32, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } } },
      .attributes = &(const repeat_attributes){ 0, 2 },
      .stated = true,
      .y = (const double[]){ 1, 1, 2, 2 } },
    { .label = "not once",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const repeat_attributes){ 0, 0 },
      .stated = true,
      .gx = { (const double[]){ 0, 0 } } },
};
static const heed_case repeat_refusals[] = {
    { .label = "-1 times along axis 0 is less than none",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const repeat_attributes){ 0, -1 } },
    { .label = "is too many elements",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const repeat_attributes){ 0, INT64_MAX } },
    { .label = "axis -2 is out of range",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const repeat_attributes){ -2, 1 } },
};
HEED_DEFINE_OP(repeat) = { .name = "repeat",
                           .arity = 1,
                           .dense = 1,
                           .attributes_size = sizeof(repeat_attributes),
                           .shape = repeat_shape,
                           .compose = repeat_compose,
                           .formula = "y[i] = x[i / count], cut to a whole number",
                           .adjoint = "gx[j] = sum over i with i / count = j of gy[i]",
                           .linear = true,
                           HEED_REFUSES(repeat_refusals),
                           HEED_CASES(repeat_cases) };

/* tile.   y[i] = x[i mod n], along each axis;   gx[j] = sum of gy over its places */
static bool tile_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_shape *counts = c->attributes;
    const heed_tensor *x = c->x[0];
    char text[160];
    bool fits = counts->ndim >= 0 && counts->ndim <= HEED_MAX_NDIM;
    r->dtype = x->dtype;
    r->shape.ndim = fits && counts->ndim > x->ndim ? counts->ndim : x->ndim;
    for (int k = 1; fits && k <= r->shape.ndim; k++) {
        int64_t count = k <= counts->ndim ? counts->size[counts->ndim - k] : 1;
        int64_t extent = k <= x->ndim ? x->shape[x->ndim - k] : 1;
        fits = count >= 0 &&
               !__builtin_mul_overflow(extent, count, &r->shape.size[r->shape.ndim - k]);
    }
    return fits || heed_refuse(t, c, "counts %s are negative, too many or too large",
                               heed_shape_text(counts, text, sizeof text));
}
static heed_tensor *tile_compose(heed_tape *t, const heed_call *c)
{
    const heed_shape *counts = c->attributes;
    const heed_tensor *x = c->x[0];
    heed_shape shape = { .ndim = counts->ndim > x->ndim ? counts->ndim : x->ndim };
    int lead = shape.ndim - counts->ndim;
    for (int k = 0; k < shape.ndim; k++)
        shape.size[k] = k < shape.ndim - x->ndim ? 1 : x->shape[k - (shape.ndim - x->ndim)];
    heed_tensor *y = heed_reshape(t, c->x[0], shape);
    /* What is to vanish goes first, so that nothing large is made on the way to nothing. */
    for (int k = lead; k < shape.ndim; k++) {
        if (counts->size[k - lead] == 0) {
            y = heed_slice(t, y, k, 0, 0, 1);
            shape.size[k] = 0;
        }
    }
    for (int k = shape.ndim - 1; k >= lead; k--) {
        int64_t count = counts->size[k - lead];
        int64_t outer = product(&shape, 0, k), block = product(&shape, k, shape.ndim);
        if (count < 2)
            continue;
        heed_tensor *single = heed_reshape(t, y, HEED_SHAPE(outer, 1, block));
        heed_tensor *tiled = heed_expand(t, single, HEED_SHAPE(outer, count, block));
        shape.size[k] *= count;
        y = heed_reshape(t, tiled, shape);
    }
    return y;
}
static const heed_case tile_cases[] = {
    { .label = "columns",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const heed_shape)HEED_DIMS(2) },
    { .label = "a new axis",
      .x = { { .shape = HEED_DIMS(3) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, 1) },
    { .label = "two axes",
      .x = { { .shape = HEED_DIMS(2, 1, 2) } },
      .attributes = &(const heed_shape)HEED_DIMS(2, 1, 3) },
    { .label = "ids",
      .x = { { .dtype = HEED_I32, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } } },
      .attributes = &(const heed_shape)HEED_DIMS(2),
      .stated = true,
      .y = (const double[]){ 1, 2, 1, 2 } },
    { .label = "to nothing",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const heed_shape)HEED_DIMS(3, 0),
      .stated = true,
      .gx = { (const double[]){ 0, 0 } } },
};
static const heed_case tile_refusals[] = {
    { .label = "counts [-1] are negative",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const heed_shape)HEED_DIMS(-1) },
    { .label = "too many or too large",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const heed_shape)HEED_DIMS(INT64_MAX) },
    { .label = "too many or overflow",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const heed_shape)HEED_DIMS(INT64_MAX, 1) },
};
HEED_DEFINE_OP(tile) = { .name = "tile",
                         .arity = 1,
                         .dense = 1,
                         .attributes_size = sizeof(heed_shape),
                         .shape = tile_shape,
                         .compose = tile_compose,
                         .formula = "y[i] = x[i mod n] along each axis",
                         .adjoint = "gx[j] = sum over i with i mod n = j of gy[i]",
                         .linear = true,
                         HEED_REFUSES(tile_refusals),
                         HEED_CASES(tile_cases) };

/* patches.   [B, C, H, W] -> [B, N, C h w]: with H = P h and W = Q w,
 * y[b, p Q + q, (c h + i) w + j] = x[b, c, p h + i, q w + j];   gx = gy put back */
typedef struct patches_attributes {
    int64_t height, width;
} patches_attributes;
static bool patches_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const patches_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int64_t area, length;
    if (x->ndim != 4)
        return heed_refuse(t, c, "needs [B,C,H,W]");
    if (a->height < 1 || a->width < 1 || x->shape[2] % a->height || x->shape[3] % a->width)
        return heed_refuse(t, c, "patches of %lld x %lld do not cut the image",
                           (long long)a->height, (long long)a->width);
    if (__builtin_mul_overflow(a->height, a->width, &area) ||
        __builtin_mul_overflow(area, x->shape[1], &length))
        return heed_refuse(t, c, "the extents overflow");
    r->dtype = x->dtype;
    r->shape =
        HEED_SHAPE(x->shape[0], x->shape[2] / a->height * (x->shape[3] / a->width), length);
    return true;
}
static heed_tensor *patches_compose(heed_tape *t, const heed_call *c)
{
    const patches_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int64_t b = x->shape[0], channels = x->shape[1];
    int64_t rows = x->shape[2] / a->height, columns = x->shape[3] / a->width;
    heed_tensor *cut =
        heed_reshape(t, c->x[0], HEED_SHAPE(b, channels, rows, a->height, columns, a->width));
    heed_tensor *sorted = heed_permute(t, cut, (const int[]){ 0, 2, 4, 1, 3, 5 });
    return heed_reshape(t, sorted,
                        HEED_SHAPE(b, rows * columns, channels * a->height * a->width));
}
static const heed_case patches_cases[] = {
    { .label = "two channels",
      .x = { { .shape = HEED_DIMS(1, 2, 4, 2) } },
      .attributes = &(const patches_attributes){ 2, 1 } },
    { .label = "order",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 4),
               .values = (const double[]){ 1, 2, 3, 4, 5, 6, 7, 8 } } },
      .attributes = &(const patches_attributes){ 2, 2 },
      .stated = true,
      .y = (const double[]){ 1, 2, 5, 6, 3, 4, 7, 8 },
      .gx = { (const double[]){ 1, 1, 1, 1, 1, 1, 1, 1 } } },
    { .label = "bytes",
      .x = { { .dtype = HEED_U8,
               .shape = HEED_DIMS(1, 1, 2, 2),
               .values = (const double[]){ 1, 2, 3, 255 } } },
      .attributes = &(const patches_attributes){ 2, 1 },
      .stated = true,
      .y = (const double[]){ 1, 3, 2, 255 } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0, 1, 2, 2) } },
      .attributes = &(const patches_attributes){ 2, 2 },
      .stated = true },
};
static const heed_case patches_refusals[] = {
    { .label = "needs [B,C,H,W]",
      .x = { { .shape = HEED_DIMS(2, 2, 2) } },
      .attributes = &(const patches_attributes){ 2, 2 } },
    { .label = "patches of 2 x 3 do not cut the image",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 4) } },
      .attributes = &(const patches_attributes){ 2, 3 } },
    { .label = "patches of 0 x 1 do not cut the image",
      .x = { { .shape = HEED_DIMS(1, 1, 2, 4) } },
      .attributes = &(const patches_attributes){ 0, 1 } },
};
HEED_DEFINE_OP(patches) = { .name = "patches",
                            .arity = 1,
                            .attributes_size = sizeof(patches_attributes),
                            .shape = patches_shape,
                            .compose = patches_compose,
                            .formula = "y = the patches of an image as rows",
                            .adjoint = "gx = gy's rows put back as patches",
                            .linear = true,
                            HEED_REFUSES(patches_refusals),
                            HEED_CASES(patches_cases) };

/* ---- the calls ---- */

heed_tensor *heed_roll(heed_tape *t, heed_tensor *x, int64_t shift, int axis)
{
    return heed__apply1(t, &heed_op_roll, x, &(roll_attributes){ axis, shift });
}

heed_tensor *heed_repeat(heed_tape *t, heed_tensor *x, int64_t count, int axis)
{
    return heed__apply1(t, &heed_op_repeat, x, &(repeat_attributes){ axis, count });
}

heed_tensor *heed_tile(heed_tape *t, heed_tensor *x, heed_shape counts)
{
    return heed__apply1(t, &heed_op_tile, x, &counts);
}

heed_tensor *heed_patches(heed_tape *t, heed_tensor *x, int64_t height, int64_t width)
{
    return heed__apply1(t, &heed_op_patches, x, &(patches_attributes){ height, width });
}

heed_tensor *heed_split_heads(heed_tape *t, heed_tensor *x, int heads)
{
    if (!x || !t || heed_error(t))
        return x ? NULL : heed_fail(t, "split_heads: operand 0 is NULL");
    if (x->ndim != 3 || heads < 1 || x->shape[2] % heads != 0)
        return heed_fail(t, "split_heads: needs [B,T,C] with C divisible by %d heads", heads);
    heed_tensor *split =
        heed_reshape(t, x, HEED_SHAPE(x->shape[0], x->shape[1], heads, x->shape[2] / heads));
    return heed_swap(t, split, 1, 2);
}

heed_tensor *heed_join_heads(heed_tape *t, heed_tensor *x)
{
    if (!x || !t || heed_error(t))
        return x ? NULL : heed_fail(t, "join_heads: operand 0 is NULL");
    if (x->ndim != 4)
        return heed_fail(t, "join_heads: needs [B,H,T,D], got %d axes", x->ndim);
    heed_tensor *rows = heed_swap(t, x, 1, 2);
    return heed_reshape(t, rows,
                        HEED_SHAPE(x->shape[0], x->shape[2], x->shape[1] * x->shape[3]));
}
