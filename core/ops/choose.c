/* Choosing by a mask, in every dtype. */
#include "ops.h"

#include <float.h>

/* where.   y = m ? a : b;   ga = m ? gy : 0,  gb = m ? 0 : gy */
static bool where_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (c->x[0]->dtype != HEED_BOOL)
        return heed_refuse(t, c, "the mask is %s but must be bool",
                           heed_dtype_name(c->x[0]->dtype));
    if (c->x[1]->dtype != c->x[2]->dtype)
        return heed_refuse(t, c, "dtypes %s and %s differ", heed_dtype_name(c->x[1]->dtype),
                           heed_dtype_name(c->x[2]->dtype));
    r->dtype = c->x[1]->dtype;
    return heed__broadcast(t, c, &r->shape);
}
static void where_run(const heed_call *c, heed_tensor *y)
{
    kernel_map map = heed__map_arguments(c, y);
    if (y->dtype == HEED_F32 || y->dtype == HEED_F64)
        heed__kernels(y->dtype)->where(&map);
    else
        heed__integers(y->dtype)->where(&map);
}
static void where_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    heed_tensor *zero = heed__number(t, gy, 0);
    (void)y;
    if (heed_wants(c, 1))
        gx[1] = heed_where(t, c->x[0], gy, zero);
    if (heed_wants(c, 2))
        gx[2] = heed_where(t, c->x[0], zero, gy);
}
static const heed_case where_cases[] = {
    { .label = "same shape",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3) },
             { .shape = HEED_DIMS(2, 3) } } },
    { .label = "broadcast",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(2, 1) },
             { .shape = HEED_DIMS(3) },
             { .shape = { 0 } } } },
    { .label = "NaN in the branch not taken",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 0 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 5, NAN } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ NAN, 6 } } },
      .stated = true,
      .y = (const double[]){ 5, 6 },
      .gx = { NULL, (const double[]){ 1, 0 }, (const double[]){ 0, 1 } } },
    { .label = "i32",
      .x = { { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 1, 0, 1 } },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 2147483647, 2, 3 } },
             { .dtype = HEED_I32,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 4, -2147483648.0, 6 } } },
      .stated = true,
      .y = (const double[]){ 2147483647, -2147483648.0, 3 } },
    { .label = "u8",
      .x = { { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 1, 0, 1 } },
             { .dtype = HEED_U8,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 255, 2, 0 } },
             { .dtype = HEED_U8,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 4, 128, 6 } } },
      .stated = true,
      .y = (const double[]){ 255, 128, 0 } },
    { .label = "bool",
      .x = { { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 1, 0, 1 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 1, 1, 0 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 0, 0, 1 } } },
      .stated = true,
      .y = (const double[]){ 1, 0, 0 } },
};
static const heed_case where_refusals[] = {
    { .label = "the mask is i32 but must be bool",
      .x = { { .dtype = HEED_I32, .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(2) } } },
    { .label = "dtypes i32 and bool differ",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(2) },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(2) } } },
    { .label = "do not broadcast",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(2) },
             { .shape = HEED_DIMS(3) },
             { .shape = { 0 } } } },
};
HEED_DEFINE_OP(where) = { .name = "where",
                          .arity = 3,
                          .integer = 1,
                          .shape = where_shape,
                          .run = where_run,
                          .formula = "y = m ? a : b",
                          .adjoint = "ga = m ? gy : 0, gb = m ? 0 : gy",
                          .uses = HEED_USES_X(0),
                          .vjp = where_vjp,
                          HEED_REFUSES(where_refusals),
                          HEED_CASES(where_cases) };

/* masked_fill.   y = m ? p : x;   gx = m ? 0 : gy */
typedef struct fill_attributes {
    double value;
} fill_attributes;
static bool holds(heed_dtype dtype, double value)
{
    switch (dtype) {
    case HEED_F64:
        return true;
    case HEED_F32:
        return !isfinite(value) || fabs(value) <= (double)FLT_MAX;
    case HEED_I32:
        return value == floor(value) && value >= INT32_MIN && value <= INT32_MAX;
    case HEED_BOOL:
        return value == 0 || value == 1;
    case HEED_U8:
        return value == floor(value) && value >= 0 && value <= UINT8_MAX;
    }
    return false;
}
static bool fill_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    double value = ((const fill_attributes *)c->attributes)->value;
    if (c->x[1]->dtype != HEED_BOOL)
        return heed_refuse(t, c, "the mask is %s but must be bool",
                           heed_dtype_name(c->x[1]->dtype));
    if (!holds(c->x[0]->dtype, value))
        return heed_refuse(t, c, "%.17g is not a value that %s can hold", value,
                           heed_dtype_name(c->x[0]->dtype));
    r->dtype = c->x[0]->dtype;
    return heed__broadcast(t, c, &r->shape);
}
static heed_tensor *fill_compose(heed_tape *t, const heed_call *c)
{
    double element; /* room for one of any dtype */
    heed_dtype dtype = c->x[0]->dtype;
    heed__from_double(&((const fill_attributes *)c->attributes)->value, 1, dtype, &element);
    heed_tensor *filling = heed_copy_in(t, dtype, HEED_SCALAR, &element);
    return heed_where(t, c->x[1], filling, c->x[0]);
}
static const heed_case fill_cases[] = {
    { .label = "same shape",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .dtype = HEED_BOOL, .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const fill_attributes){ 0.5 } },
    { .label = "either is broadcast",
      .x = { { .shape = HEED_DIMS(2, 1) }, { .dtype = HEED_BOOL, .shape = HEED_DIMS(3) } },
      .attributes = &(const fill_attributes){ -2 } },
    { .label = "NaN covered by -infinity",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ NAN, 5 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2),
               .values = (const double[]){ 1, 0 } } },
      .attributes = &(const fill_attributes){ -INFINITY },
      .stated = true,
      .y = (const double[]){ -INFINITY, 5 },
      .gx = { (const double[]){ 0, 1 } } },
    { .label = "i32",
      .x = { { .dtype = HEED_I32,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 7, 8, 9 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 1, 0, 0 } } },
      .attributes = &(const fill_attributes){ -2147483648.0 },
      .stated = true,
      .y = (const double[]){ -2147483648.0, 8, 9 } },
    { .label = "u8",
      .x = { { .dtype = HEED_U8, .shape = HEED_DIMS(3), .values = (const double[]){ 7, 8, 9 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 1, 0, 0 } } },
      .attributes = &(const fill_attributes){ 255 },
      .stated = true,
      .y = (const double[]){ 255, 8, 9 } },
    { .label = "bool",
      .x = { { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 0, 0, 1 } },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 1, 0, 0 } } },
      .attributes = &(const fill_attributes){ 1 },
      .stated = true,
      .y = (const double[]){ 1, 0, 1 } },
};
#define FILL(dtype_, value_)                                \
    .x = { { .dtype = dtype_, .shape = HEED_DIMS(2) },      \
           { .dtype = HEED_BOOL, .shape = HEED_DIMS(2) } }, \
    .attributes = &(const fill_attributes)                  \
    {                                                       \
        value_                                              \
    }
static const heed_case fill_refusals[] = {
    { .label = "0.5 is not a value that i32 can hold", FILL(HEED_I32, 0.5) },
    { .label = "2147483648 is not a value that i32 can hold", FILL(HEED_I32, 2147483648.0) },
    { .label = "inf is not a value that i32 can hold", FILL(HEED_I32, INFINITY) },
    { .label = "256 is not a value that u8 can hold", FILL(HEED_U8, 256) },
    { .label = "nan is not a value that u8 can hold", FILL(HEED_U8, NAN) },
    { .label = "2 is not a value that bool can hold", FILL(HEED_BOOL, 2) },
    { .label = "the mask is u8 but must be bool",
      .x = { { .shape = HEED_DIMS(2) }, { .dtype = HEED_U8, .shape = HEED_DIMS(2) } },
      .attributes = &(const fill_attributes){ 0 } },
};
HEED_DEFINE_OP(masked_fill) = { .name = "masked_fill",
                                .arity = 2,
                                .integer = 2,
                                .attributes_size = sizeof(fill_attributes),
                                .shape = fill_shape,
                                .compose = fill_compose,
                                .formula = "y = m ? p : x",
                                .adjoint = "gx = m ? 0 : gy",
                                HEED_REFUSES(fill_refusals),
                                HEED_CASES(fill_cases) };

/* ---- the calls ---- */

heed_tensor *heed_where(heed_tape *t, heed_tensor *mask, heed_tensor *a, heed_tensor *b)
{
    return heed__apply3(t, &heed_op_where, mask, a, b, NULL);
}

heed_tensor *heed_masked_fill(heed_tape *t, heed_tensor *x, heed_tensor *mask, double value)
{
    return heed__apply2(t, &heed_op_masked_fill, x, mask, &(fill_attributes){ value });
}
