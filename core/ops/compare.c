/* Comparisons, choosing by a mask, and casts. */
#include "ops.h"

static void run_test(const heed_call *c, heed_tensor *y)
{
    kernel_map map = heed__map_arguments(c, y);
    heed__kernels(c->x[0]->dtype)->test[c->op->kernel](&map);
}

static const heed_case test_cases[] = {
    { .label = "ties and broadcast",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, 2, 3, 2 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 2, 2 } } } },
    { .label = "empty",
      .x = { { .shape = HEED_DIMS(0) }, { .shape = HEED_DIMS(1) } },
      .stated = true },
};

#define TEST(name_, formula_)                                                   \
    {                                                                           \
        .name = #name_, .arity = 2, .shape = heed__shape_test, .run = run_test, \
        .kernel = KERNEL_TEST_##name_, .formula = formula_,                     \
        .adjoint = "none: the result is bool", HEED_CASES(test_cases)           \
    }
HEED_DEFINE_OP(equal) = TEST(equal, "y = [a = b]");
HEED_DEFINE_OP(not_equal) = TEST(not_equal, "y = [a != b]");
HEED_DEFINE_OP(less) = TEST(less, "y = [a < b]");
HEED_DEFINE_OP(less_equal) = TEST(less_equal, "y = [a <= b]");
HEED_DEFINE_OP(greater) = TEST(greater, "y = [a > b]");
HEED_DEFINE_OP(greater_equal) = TEST(greater_equal, "y = [a >= b]");

/* where.   y = m ? a : b;   ga = m ? gy : 0,  gb = m ? 0 : gy */
static bool where_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (c->x[0]->dtype != HEED_BOOL)
        return heed_refuse(t, c, "the mask is %s but must be bool",
                           heed_dtype_name(c->x[0]->dtype));
    return heed__shape_map(t, c, r);
}
static void where_run(const heed_call *c, heed_tensor *y)
{
    kernel_map map = heed__map_arguments(c, y);
    heed__kernels(y->dtype)->where(&map);
}
static void where_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    heed_tensor *zero = heed_cast(t, heed_full(t, HEED_SCALAR, 0), gy->dtype);
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
                          HEED_CASES(where_cases) };

/* cast.   y = x in another dtype;   gx = gy in x's dtype (floats only) */
typedef struct cast_attributes {
    heed_dtype dtype;
} cast_attributes;
static bool cast_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    heed_dtype to = ((const cast_attributes *)c->attributes)->dtype;
    if (to != HEED_F32 && to != HEED_F64)
        return heed_refuse(t, c, "casts to %s are not offered, only to f32 and f64",
                           heed_dtype_name(to));
    r->dtype = to;
    r->shape = heed_shape_of(c->x[0]);
    return true;
}
static void cast_run(const heed_call *c, heed_tensor *y)
{
    int64_t n = heed_size(y);
    for (int64_t i = 0; i < n; i++) {
        if (y->dtype == HEED_F64)
            ((double *)y->data)[i] = heed_at(c->x[0], i);
        else
            ((float *)y->data)[i] = (float)heed_at(c->x[0], i);
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
};
HEED_DEFINE_OP(cast) = { .name = "cast",
                         .arity = 1,
                         .attributes_size = sizeof(cast_attributes),
                         .shape = cast_shape,
                         .run = cast_run,
                         .formula = "y = x in another dtype",
                         .adjoint = "gx = gy in x's dtype",
                         .linear = true,
                         .vjp = cast_vjp,
                         HEED_CASES(cast_cases) };

/* ---- the calls ---- */

heed_tensor *heed_equal(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_equal, a, b, NULL);
}

heed_tensor *heed_not_equal(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_not_equal, a, b, NULL);
}

heed_tensor *heed_less(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_less, a, b, NULL);
}

heed_tensor *heed_less_equal(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_less_equal, a, b, NULL);
}

heed_tensor *heed_greater(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_greater, a, b, NULL);
}

heed_tensor *heed_greater_equal(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_greater_equal, a, b, NULL);
}

heed_tensor *heed_where(heed_tape *t, heed_tensor *mask, heed_tensor *a, heed_tensor *b)
{
    return heed__apply3(t, &heed_op_where, mask, a, b, NULL);
}

heed_tensor *heed_masked_fill(heed_tape *t, heed_tensor *x, heed_tensor *mask, double value)
{
    if (!x)
        return heed_fail(t, "masked_fill: operand 0 is NULL");
    heed_tensor *filling = heed_cast(t, heed_full(t, HEED_SCALAR, value), x->dtype);
    return heed_where(t, mask, filling, x);
}

heed_tensor *heed_cast(heed_tape *t, heed_tensor *x, heed_dtype dtype)
{
    if (t && !heed_error(t) && x && x->dtype == dtype)
        return x;
    return heed__apply1(t, &heed_op_cast, x, &(cast_attributes){ dtype });
}
