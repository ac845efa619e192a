/* Any and all, of bools. */
#include "reduce.h"

static bool bool_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (c->x[0]->dtype != HEED_BOOL)
        return heed_refuse(t, c, "operand 0 is %s but must be bool",
                           heed_dtype_name(c->x[0]->dtype));
    heed__reduced_shape(c, r);
    return true;
}

#define BOOLS(shape_, ...) \
    .x = { { .dtype = HEED_BOOL, .shape = shape_, .values = (const double[]){ __VA_ARGS__ } } }

/* any.   y = is one of them true; over nothing, false */
static void any_run(const heed_call *c, heed_tensor *y)
{
    kernel_reduce reduce = heed__reduce_of(c, y);
    heed__any(&reduce);
}
static const heed_case any_cases[] = {
    { .label = "drawn",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(2, 3, 2) } },
      HEED__AXES(5, false) },
    { .label = "last",
      BOOLS(HEED_DIMS(3, 2), 0, 0, 0, 1, 1, 1),
      HEED__AXES(2, false),
      .stated = true,
      .y = (const double[]){ 0, 1, 1 } },
    { .label = "first, kept",
      BOOLS(HEED_DIMS(2, 3), 0, 0, 1, 0, 1, 1),
      HEED__AXES(1, true),
      .stated = true,
      .y = (const double[]){ 0, 1, 1 } },
    { .label = "of nothing",
      BOOLS(HEED_DIMS(2, 0), 0),
      HEED__AXES(2, false),
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
HEED_DEFINE_OP(any) = { .name = "any",
                        .arity = 1,
                        .integer = 1,
                        .attributes_size = sizeof(heed__reduction),
                        .shape = bool_shape,
                        .run = any_run,
                        .formula = "y = is one of x over axes true",
                        .adjoint = "none: the result is bool",
                        HEED_CASES(any_cases) };

/* all.   y = are all of them true; over nothing, true */
static void all_run(const heed_call *c, heed_tensor *y)
{
    kernel_reduce reduce = heed__reduce_of(c, y);
    heed__all(&reduce);
}
static const heed_case all_cases[] = {
    { .label = "drawn",
      .x = { { .dtype = HEED_BOOL, .shape = HEED_DIMS(2, 3, 2) } },
      HEED__AXES(5, false) },
    { .label = "last",
      BOOLS(HEED_DIMS(3, 2), 0, 0, 0, 1, 1, 1),
      HEED__AXES(2, false),
      .stated = true,
      .y = (const double[]){ 0, 0, 1 } },
    { .label = "everything",
      BOOLS(HEED_DIMS(2, 2), 1, 1, 1, 1),
      HEED__AXES(3, false),
      .stated = true,
      .y = (const double[]){ 1 } },
    { .label = "of nothing",
      BOOLS(HEED_DIMS(2, 0), 0),
      HEED__AXES(2, true),
      .stated = true,
      .y = (const double[]){ 1, 1 } },
};
HEED_DEFINE_OP(all) = { .name = "all",
                        .arity = 1,
                        .integer = 1,
                        .attributes_size = sizeof(heed__reduction),
                        .shape = bool_shape,
                        .run = all_run,
                        .formula = "y = are all of x over axes true",
                        .adjoint = "none: the result is bool",
                        HEED_CASES(all_cases) };

/* ---- the calls ---- */

heed_tensor *heed_any_axes(heed_tape *t, heed_tensor *x, int n, const int *axes, bool keep)
{
    return heed__over_axes(t, &heed_op_any, x, n, axes, keep, 0);
}

heed_tensor *heed_all_axes(heed_tape *t, heed_tensor *x, int n, const int *axes, bool keep)
{
    return heed__over_axes(t, &heed_op_all, x, n, axes, keep, 0);
}

heed_tensor *heed_any(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_any, x, 0, NULL, false, 0);
}

heed_tensor *heed_all(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_all, x, 0, NULL, false, 0);
}
