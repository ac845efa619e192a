/* Tests, whose result is bool: comparisons of operands of one dtype, is it NaN or infinite, and
 * logic of bools. */
#include "ops.h"

/* A comparison has one number in the tables of floating and of integer kernels. */
_Static_assert((int)KERNEL_TEST_greater_equal == (int)INTEGER_TEST_greater_equal,
               "the comparisons come first in both lists");

static void run_test(const heed_call *c, heed_tensor *y)
{
    kernel_map map = heed__map_arguments(c, y);
    heed_dtype dtype = c->x[0]->dtype;
    if (dtype == HEED_F32 || dtype == HEED_F64)
        heed__kernels(dtype)->test[c->op->kernel](&map);
    else
        heed__integers(dtype)->test[c->op->kernel](&map);
}

/* ---- comparisons ---- */

static bool compare_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (c->x[0]->dtype != c->x[1]->dtype)
        return heed_refuse(t, c, "dtypes %s and %s differ", heed_dtype_name(c->x[0]->dtype),
                           heed_dtype_name(c->x[1]->dtype));
    r->dtype = HEED_BOOL;
    return heed__broadcast(t, c, &r->shape);
}

static const double around[] = { 1, 2, 3 }, middle[] = { 2, 2, 2 };
static const double whole[] = { -2147483648.0, -1, 2147483647 }, negative[] = { -1, -1, -1 };
static const double byte[] = { 127, 128, 255 }, half[] = { 128, 128, 128 };
static const double bit[] = { 0, 1, 1 }, other_bit[] = { 1, 1, 0 };
static const double some_nan[] = { NAN, NAN, 1 }, more_nan[] = { NAN, 1, NAN };
static const double infinite[] = { -INFINITY, 1e30, INFINITY },
                    largest[] = { INFINITY, INFINITY, INFINITY };

static const heed_case compare_refusals[] = {
    { .label = "dtypes i32 and u8 differ",
      .x = { { .dtype = HEED_I32, .shape = HEED_DIMS(2) },
             { .dtype = HEED_U8, .shape = HEED_DIMS(2) } } },
    { .label = "dtypes bool and f64 differ",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(2) },
             { .dtype = HEED_F64, .shape = HEED_DIMS(2) } } },
    { .label = "do not broadcast",
      .x = { { .dtype = HEED_I32, .shape = HEED_DIMS(2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(3) } } },
};

/* One case: three pairs of a dtype and the three answers. */
#define PAIRS(label_, dtype_, a_, b_, ...)                                 \
    {                                                                      \
        .label = label_, .stated = true,                                   \
        .x = { { .dtype = dtype_, .shape = HEED_DIMS(3), .values = a_ },   \
               { .dtype = dtype_, .shape = HEED_DIMS(3), .values = b_ } }, \
        .y = (const double[])                                              \
        {                                                                  \
            __VA_ARGS__                                                    \
        }                                                                  \
    }
/* A comparison by its answers where a < b, a = b, a > b and where one of them is NaN. */
#define COMPARISON(name_, formula_, less_, same_, more_, nan_)                       \
    {                                                                                \
        .name = #name_, .arity = 2, .shape = compare_shape, .run = run_test,         \
        .kernel = KERNEL_TEST_##name_, .formula = formula_,                          \
        .adjoint = "none: the result is bool", .case_count = 8,                      \
        HEED_REFUSES(compare_refusals), .cases = (const heed_case[])                 \
        {                                                                            \
            PAIRS("floats", HEED_F64, around, middle, less_, same_, more_),          \
                PAIRS("NaN", HEED_F64, some_nan, more_nan, nan_, nan_, nan_),        \
                PAIRS("infinite", HEED_F64, infinite, largest, less_, less_, same_), \
                PAIRS("i32", HEED_I32, whole, negative, less_, same_, more_),        \
                PAIRS("u8", HEED_U8, byte, half, less_, same_, more_),               \
                PAIRS("bool", HEED_BOOL, bit, other_bit, less_, same_, more_),       \
                { .label = "ties and broadcast",                                     \
                  .x = { { .shape = HEED_DIMS(2, 2),                                 \
                           .values = (const double[]){ 1, 2, 3, 2 } },               \
                         { .shape = HEED_DIMS(2), .values = middle } } },            \
                { .label = "empty",                                                  \
                  .x = { { .shape = HEED_DIMS(0) }, { .shape = HEED_DIMS(1) } },     \
                  .stated = true },                                                  \
        }                                                                            \
    }
HEED_DEFINE_OP(equal) = COMPARISON(equal, "y = [a = b]", 0, 1, 0, 0);
HEED_DEFINE_OP(not_equal) = COMPARISON(not_equal, "y = [a != b]", 1, 0, 1, 1);
HEED_DEFINE_OP(less) = COMPARISON(less, "y = [a < b]", 1, 0, 0, 0);
HEED_DEFINE_OP(less_equal) = COMPARISON(less_equal, "y = [a <= b]", 1, 1, 0, 0);
HEED_DEFINE_OP(greater) = COMPARISON(greater, "y = [a > b]", 0, 0, 1, 0);
HEED_DEFINE_OP(greater_equal) = COMPARISON(greater_equal, "y = [a >= b]", 0, 1, 1, 0);

/* ---- NaN and infinity ---- */

static bool float_test_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    r->dtype = HEED_BOOL;
    r->shape = heed_shape_of(c->x[0]);
    return heed__floats(t, c);
}

#define FLOAT_TEST(name_, formula_)                                             \
    {                                                                           \
        .name = #name_, .arity = 1, .shape = float_test_shape, .run = run_test, \
        .kernel = KERNEL_TEST_##name_, .formula = formula_,                     \
        .adjoint = "none: the result is bool", HEED_CASES(name_##_cases)        \
    }
static const double edges[] = { -INFINITY, NAN, 0, 3, INFINITY };
static const heed_case isnan_cases[] = {
    { .label = "edges",
      .x = { { .shape = HEED_DIMS(5), .values = edges } },
      .stated = true,
      .y = (const double[]){ 0, 1, 0, 0, 0 } },
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3) } } },
};
HEED_DEFINE_OP(isnan) = FLOAT_TEST(isnan, "y = [x is NaN]");

static const heed_case isinf_cases[] = {
    { .label = "edges",
      .x = { { .shape = HEED_DIMS(5), .values = edges } },
      .stated = true,
      .y = (const double[]){ 1, 0, 0, 0, 1 } },
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3) } } },
};
HEED_DEFINE_OP(isinf) = FLOAT_TEST(isinf, "y = [x is -infinity or infinity]");

/* ---- logic ---- */

static bool logic_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    for (int i = 0; i < c->n; i++) {
        if (c->x[i]->dtype != HEED_BOOL)
            return heed_refuse(t, c, "operand %d is %s but must be bool", i,
                               heed_dtype_name(c->x[i]->dtype));
    }
    r->dtype = HEED_BOOL;
    return heed__broadcast(t, c, &r->shape);
}

static const double left[] = { 0, 0, 1, 1 }, right[] = { 0, 1, 0, 1 };

static const heed_case logic_refusals[] = {
    { .label = "operand 1 is u8 but must be bool",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(2) },
             { .dtype = HEED_U8, .shape = HEED_DIMS(2) } } },
};

/* Logic by its answers for left and right. */
#define LOGIC(name_, formula_, ...)                                                           \
    {                                                                                         \
        .name = #name_, .arity = 2, .integer = 3, .shape = logic_shape, .run = run_test,      \
        .kernel = INTEGER_TEST_##name_, .formula = formula_,                                  \
        .adjoint = "none: the result is bool", .case_count = 3, HEED_REFUSES(logic_refusals), \
        .cases = (const heed_case[])                                                          \
        {                                                                                     \
            { .label = "all",                                                                 \
              .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(4), .values = left },           \
                     { .dtype = HEED_BOOL, .shape = HEED_DIMS(4), .values = right } },        \
              .stated = true,                                                                 \
              .y = (const double[]){ __VA_ARGS__ } },                                         \
                { .label = "outer",                                                           \
                  .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(3, 1) },                    \
                         { .dtype = HEED_BOOL, .shape = HEED_DIMS(2) } } },                   \
                { .label = "empty",                                                           \
                  .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(0) },                       \
                         { .dtype = HEED_BOOL, .shape = HEED_DIMS(1) } },                     \
                  .stated = true },                                                           \
        }                                                                                     \
    }
HEED_DEFINE_OP(logical_and) = LOGIC(logical_and, "y = a and b", 0, 0, 0, 1);
HEED_DEFINE_OP(logical_or) = LOGIC(logical_or, "y = a or b, or both", 0, 1, 1, 1);
HEED_DEFINE_OP(logical_xor) = LOGIC(logical_xor, "y = a or b, not both", 0, 1, 1, 0);

static const heed_case not_cases[] = {
    { .label = "both",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(4), .values = left } },
      .stated = true,
      .y = (const double[]){ 1, 1, 0, 0 } },
    { .label = "matrix", .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(2, 3) } } },
};
HEED_DEFINE_OP(logical_not) = { .name = "logical_not",
                                .arity = 1,
                                .integer = 1,
                                .shape = logic_shape,
                                .run = run_test,
                                .kernel = INTEGER_TEST_logical_not,
                                .formula = "y = not x",
                                .adjoint = "none: the result is bool",
                                HEED_CASES(not_cases) };

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

heed_tensor *heed_isnan(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_isnan, x, NULL);
}

heed_tensor *heed_isinf(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_isinf, x, NULL);
}

heed_tensor *heed_logical_and(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_logical_and, a, b, NULL);
}

heed_tensor *heed_logical_or(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_logical_or, a, b, NULL);
}

heed_tensor *heed_logical_xor(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed__apply2(t, &heed_op_logical_xor, a, b, NULL);
}

heed_tensor *heed_logical_not(heed_tape *t, heed_tensor *x)
{
    return heed__apply1(t, &heed_op_logical_not, x, NULL);
}
