/* Casts between all dtypes, by way of double, which holds every value of every one of them. */
#include "ops.h"

static void to_double(const heed_tensor *x, int64_t first, int64_t n, double *y)
{
    switch (x->dtype) {
    case HEED_F32:
        for (int64_t i = 0; i < n; i++)
            y[i] = (double)((const float *)x->data)[first + i];
        break;
    case HEED_F64:
        for (int64_t i = 0; i < n; i++)
            y[i] = ((const double *)x->data)[first + i];
        break;
    case HEED_I32:
        for (int64_t i = 0; i < n; i++)
            y[i] = ((const int32_t *)x->data)[first + i];
        break;
    case HEED_BOOL:
    case HEED_U8:
        for (int64_t i = 0; i < n; i++)
            y[i] = ((const uint8_t *)x->data)[first + i];
        break;
    }
}

/* x brought into [low, high], where an integer dtype can take it; NaN gives 0. */
static double within(double x, double low, double high)
{
    if (isnan(x))
        return 0;
    return x < low ? low : x > high ? high : x;
}

void heed__from_double(const double *x, int64_t n, heed_dtype dtype, void *y)
{
    switch (dtype) {
    case HEED_F32:
        for (int64_t i = 0; i < n; i++)
            ((float *)y)[i] = (float)x[i];
        break;
    case HEED_F64:
        for (int64_t i = 0; i < n; i++)
            ((double *)y)[i] = x[i];
        break;
    case HEED_I32:
        for (int64_t i = 0; i < n; i++)
            ((int32_t *)y)[i] = (int32_t)within(x[i], INT32_MIN, INT32_MAX);
        break;
    case HEED_BOOL:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)y)[i] = x[i] != 0;
        break;
    case HEED_U8:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)y)[i] = (uint8_t)within(x[i], 0, UINT8_MAX);
        break;
    }
}

/* cast.   y = x in another dtype;   gx = gy in x's dtype. Only a float has a gradient. */
typedef struct cast_attributes {
    heed_dtype dtype;
} cast_attributes;
static bool cast_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    int to = (int)((const cast_attributes *)c->attributes)->dtype;
    if (to < (int)HEED_F32 || to > (int)HEED_U8)
        return heed_refuse(t, c, "%d is no dtype", to);
    r->dtype = (heed_dtype)to;
    r->shape = heed_shape_of(c->x[0]);
    return true;
}
static void cast_run(const heed_call *c, heed_tensor *y)
{
    double block[512];
    const int64_t at_once = (int64_t)(sizeof block / sizeof *block), n = heed_size(y);
    int64_t width = (int64_t)heed_dtype_size(y->dtype);
    for (int64_t first = 0; first < n; first += at_once) {
        int64_t count = n - first < at_once ? n - first : at_once;
        to_double(c->x[0], first, count, block);
        heed__from_double(block, count, y->dtype, (char *)y->data + first * width);
    }
}
static void cast_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    gx[0] = heed_cast(t, gy, c->x[0]->dtype);
}
static const heed_case cast_cases[] = {
    { .label = "to f64",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const cast_attributes){ HEED_F64 } },
    { .label = "from bool",
      .x = { { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 1, 0 } } },
      .attributes = &(const cast_attributes){ HEED_F64 },
      .stated = true,
      .y = (const double[]){ 1, 0 } },
    { .label = "from ids",
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ -3, 7 } } },
      .attributes = &(const cast_attributes){ HEED_F64 },
      .stated = true,
      .y = (const double[]){ -3, 7 } },
    { .label = "float to i32",
      .x = { { .shape = HEED_DIMS(8),
               .values = (const double[]){ -INFINITY, -2147483904.0, -3.75, -0.5, 3.75, 3e9,
                                           INFINITY, NAN } } },
      .attributes = &(const cast_attributes){ HEED_I32 },
      .stated = true,
      .y = (const double[]){ -2147483648.0, -2147483648.0, -3, 0, 3, 2147483647, 2147483647,
                             0 } },
    { .label = "float to u8",
      .x = { { .shape = HEED_DIMS(8),
               .values =
                   (const double[]){ -INFINITY, -1, -0.5, 0.75, 254.75, 255.5, 300, NAN } } },
      .attributes = &(const cast_attributes){ HEED_U8 },
      .stated = true,
      .y = (const double[]){ 0, 0, 0, 0, 254, 255, 255, 0 } },
    { .label = "float to bool",
      .x = { { .shape = HEED_DIMS(6),
               .values = (const double[]){ 0, -0.0, 0.25, -3, INFINITY, NAN } } },
      .attributes = &(const cast_attributes){ HEED_BOOL },
      .stated = true,
      .y = (const double[]){ 0, 0, 1, 1, 1, 1 } },
    { .label = "i32 to u8",
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(4),
               .values = (const double[]){ -1, 7, 256, 2147483647 } } },
      .attributes = &(const cast_attributes){ HEED_U8 },
      .stated = true,
      .y = (const double[]){ 0, 7, 255, 255 } },
    { .label = "u8 to i32",
      .x = { { .dtype = HEED_U8,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 0, 128, 255 } } },
      .attributes = &(const cast_attributes){ HEED_I32 },
      .stated = true,
      .y = (const double[]){ 0, 128, 255 } },
    { .label = "u8 to bool",
      .x = { { .dtype = HEED_U8,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 0, 128, 255 } } },
      .attributes = &(const cast_attributes){ HEED_BOOL },
      .stated = true,
      .y = (const double[]){ 0, 1, 1 } },
    { .label = "bool to u8",
      .x = { { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 0, 1 } } },
      .attributes = &(const cast_attributes){ HEED_U8 },
      .stated = true,
      .y = (const double[]){ 0, 1 } },
    { .label = "to f32, beyond it infinite",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 0.25, INFINITY, -1e39 } } },
      .attributes = &(const cast_attributes){ HEED_F32 },
      .stated = true,
      .y = (const double[]){ 0.25, INFINITY, -INFINITY } },
};
static const heed_case cast_refusals[] = {
    { .label = "7 is no dtype",
      .x = { { .shape = HEED_DIMS(2) } },
      .attributes = &(const cast_attributes){ (heed_dtype)7 } },
};
HEED_DEFINE_OP(cast) = { .name = "cast",
                         .arity = 1,
                         .dense = 1,
                         .attributes_size = sizeof(cast_attributes),
                         .shape = cast_shape,
                         .run = cast_run,
                         .formula = "y = x in another dtype",
                         .adjoint = "gx = gy in x's dtype",
                         .linear = true,
                         .vjp = cast_vjp,
                         HEED_REFUSES(cast_refusals),
                         HEED_CASES(cast_cases) };

/* ---- the call ---- */

heed_tensor *heed_cast(heed_tape *t, heed_tensor *x, heed_dtype dtype)
{
    if (t && !heed_error(t) && x && x->dtype == dtype)
        return x;
    return heed__apply1(t, &heed_op_cast, x, &(cast_attributes){ dtype });
}
