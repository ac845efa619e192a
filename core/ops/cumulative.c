/* Running sums and products along an axis. */
#include "ops.h"

typedef struct axis_attributes {
    int axis;
} axis_attributes;

static int axis_of(const heed_call *c)
{
    int axis = ((const axis_attributes *)c->attributes)->axis;
    return axis < 0 ? axis + c->x[0]->ndim : axis;
}

static bool cumulative_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    int axis = ((const axis_attributes *)c->attributes)->axis;
    return heed_axis(t, c, axis, c->x[0]->ndim) >= 0 && heed__shape_like(t, c, r);
}

/* cumsum.   y_i = sum_{j <= i} x_j;   gx_j = sum_{i >= j} gy_i, the running sum of gy from the
 * other end */
static void cumsum_run(const heed_call *c, heed_tensor *y)
{
    kernel_lines lines = heed__lines(c->x[0], axis_of(c), y);
    heed__portable(y->dtype)->cumsum(&lines);
}
static void cumsum_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    int axis = axis_of(c);
    (void)y;
    heed_tensor *reversed = heed_slice(t, gy, axis, -1, HEED_END, -1);
    heed_tensor *sums = heed_cumsum(t, reversed, axis);
    gx[0] = heed_slice(t, sums, axis, -1, HEED_END, -1);
}
static const heed_case cumsum_cases[] = {
    { .label = "last axis",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      .attributes = &(const axis_attributes){ -1 } },
    { .label = "first axis",
      .x = { { .shape = HEED_DIMS(3, 2) } },
      .attributes = &(const axis_attributes){ 0 } },
    { .label = "nothing",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      .attributes = &(const axis_attributes){ 1 },
      .stated = true },
};
HEED_DEFINE_OP(cumsum) = { .name = "cumsum",
                           .arity = 1,
                           .dense = 1,
                           .attributes_size = sizeof(axis_attributes),
                           .shape = cumulative_shape,
                           .run = cumsum_run,
                           .formula = "y_i = sum over j <= i of x_j",
                           .adjoint = "gx_j = sum over i >= j of gy_i",
                           .linear = true,
                           .vjp = cumsum_vjp,
                           HEED_CASES(cumsum_cases) };

/* ---- the calls ---- */

heed_tensor *heed_cumsum(heed_tape *t, heed_tensor *x, int axis)
{
    return heed__apply1(t, &heed_op_cumsum, x, &(axis_attributes){ axis });
}
