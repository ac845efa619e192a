/* Rotary positions: rows turned in planes by angles that grow with their position, so that the
 * product of two rows depends on the difference of their positions alone. */
#include "ops.h"

#include <string.h>

typedef struct rope_attributes {
    double base, divisor, sign;
    int64_t turned, offset; /* turned 0: the whole width */
    heed_rope_pairs pairs;
} rope_attributes;

static int64_t turned(const heed_call *c)
{
    const rope_attributes *a = c->attributes;
    return a->turned ? a->turned : c->x[0]->shape[c->x[0]->ndim - 1];
}

/* rope.   (y_a, y_b) = R(t) (x_a, x_b) for the pairs (a, b) of each row at position p, with
 * R(t) = [cos t, -sin t; sin t, cos t] and t_i = (offset + p)/divisor base^(-2i/D).
 *   (gx_a, gx_b) = R(t)^T (gy_a, gy_b) = R(-t) (gy_a, gy_b). */
static bool rope_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const rope_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    if (!heed__floats(t, c))
        return false;
    if (x->ndim < 2)
        return heed_refuse(t, c, "needs [..., positions, width]");
    int64_t width = x->shape[x->ndim - 1], part = turned(c);
    if (part < 0 || part > width || part % 2 != 0)
        return heed_refuse(t, c, "cannot turn %lld of %lld elements in pairs", (long long)part,
                           (long long)width);
    if (!(a->base > 0) || isinf(a->base))
        return heed_refuse(t, c, "base %g is not positive", a->base);
    if (!(a->divisor > 0) || isinf(a->divisor))
        return heed_refuse(t, c, "scaling %g is not positive", a->divisor);
    if (a->offset < 0)
        return heed_refuse(t, c, "offset %lld is negative", (long long)a->offset);
    if (a->offset > INT64_MAX - x->shape[x->ndim - 2])
        return heed_refuse(t, c, "offset %lld is too large", (long long)a->offset);
    if (a->pairs != HEED_ROPE_ADJACENT && a->pairs != HEED_ROPE_HALVES)
        return heed_refuse(t, c, "there is no layout of pairs %d", (int)a->pairs);
    if (!heed__shape_like(t, c, r))
        return false;
    r->scratch = (size_t)(x->shape[x->ndim - 2] * part) * heed_dtype_size(x->dtype);
    return true;
}
static void rope_run(const heed_call *c, heed_tensor *y)
{
    const rope_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    kernel_rope r = { .ndim = x->ndim - 1,
                      .width = x->shape[x->ndim - 1],
                      .turned = turned(c),
                      .offset = a->offset,
                      .halves = a->pairs == HEED_ROPE_HALVES,
                      .base = a->base,
                      .divisor = a->divisor,
                      .sign = a->sign,
                      .x = x->data,
                      .y = y->data,
                      .scratch = c->scratch };
    for (int i = 0; i < r.ndim; i++) {
        r.shape[i] = x->shape[i];
        r.x_strides[i] = x->strides[i];
    }
    heed__portable(y->dtype)->rope(&r);
}
static void rope_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    rope_attributes back;
    (void)y;
    memcpy(&back, c->attributes, sizeof back);
    back.sign = -back.sign;
    gx[0] = heed__apply1(t, &heed_op_rope, gy, &back);
}
#define TURNED(...)                          \
    .attributes = &(const rope_attributes)   \
    {                                        \
        .divisor = 1, .sign = 1, __VA_ARGS__ \
    }
#define FOUR                                                 \
    {                                                        \
        .shape = HEED_DIMS(1, 4), .values = (const double[]) \
        {                                                    \
            0.12, -0.87, 0.33, 0.55                          \
        }                                                    \
    }
static const heed_case rope_cases[] = {
    { .label = "adjacent pairs",
      .x = { { .shape = HEED_DIMS(2, 3, 4) } },
      TURNED(.base = 100, .offset = 2) },
    { .label = "halves, a part of the width",
      .x = { { .shape = HEED_DIMS(2, 3, 7) } },
      TURNED(.base = 1e4, .turned = 4, .pairs = HEED_ROPE_HALVES) },
    { .label = "stretched, backwards",
      .x = { { .shape = HEED_DIMS(3, 2) } },
      .attributes =
          &(const rope_attributes){ .base = 50, .divisor = 2.5, .sign = -1, .offset = 1 } },
    { .label = "position 1, adjacent",
      .x = { FOUR },
      TURNED(.base = 1e4, .offset = 1),
      .stated = true,
      .y = (const double[]){ 0.7969160334870468, -0.369086487928334, 0.3244835918037079,
                             0.5532724452294409 } },
    { .label = "position 1, halves",
      .x = { FOUR },
      TURNED(.base = 1e4, .offset = 1, .pairs = HEED_ROPE_HALVES),
      .stated = true,
      .y = (const double[]){ -0.2128491482824291, -0.8754564086962905, 0.2792762791134337,
                             0.5412726452284409 } },
    { .label = "nothing to turn",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      TURNED(.base = 1e4),
      .stated = true },
};
static const heed_case rope_refusals[] = {
    { .label = "cannot turn 3 of 3 elements",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      TURNED(.base = 1e4) },
    { .label = "cannot turn 6 of 4 elements",
      .x = { { .shape = HEED_DIMS(2, 4) } },
      TURNED(.base = 1e4, .turned = 6) },
    { .label = "needs [..., positions, width]",
      .x = { { .shape = HEED_DIMS(4) } },
      TURNED(.base = 1e4) },
    { .label = "base -2 is not positive",
      .x = { { .shape = HEED_DIMS(1, 4) } },
      TURNED(.base = -2) },
    { .label = "scaling -1 is not positive",
      .x = { { .shape = HEED_DIMS(1, 4) } },
      .attributes = &(const rope_attributes){ .base = 1, .divisor = -1, .sign = 1 } },
    { .label = "offset -1 is negative",
      .x = { { .shape = HEED_DIMS(1, 4) } },
      TURNED(.base = 1e4, .offset = -1) },
    { .label = "offset 9223372036854775807 is too large",
      .x = { { .shape = HEED_DIMS(1, 4) } },
      TURNED(.base = 1e4, .offset = INT64_MAX) },
    { .label = "there is no layout of pairs 5",
      .x = { { .shape = HEED_DIMS(1, 4) } },
      TURNED(.base = 1e4, .pairs = (heed_rope_pairs)5) },
};
HEED_DEFINE_OP(rope) = { .name = "rope",
                         .arity = 1,
                         .dense_rows = 1,
                         .attributes_size = sizeof(rope_attributes),
                         .shape = rope_shape,
                         .run = rope_run,
                         .formula = "(y_a, y_b) = R(t) (x_a, x_b), "
                                    "t_i = (offset + p)/divisor base^(-2i/D)",
                         .adjoint = "(gx_a, gx_b) = R(-t) (gy_a, gy_b)",
                         .linear = true,
                         .vjp = rope_vjp,
                         HEED_REFUSES(rope_refusals),
                         HEED_CASES(rope_cases) };

heed_tensor *heed_rope(heed_tape *t, heed_tensor *x, const heed_rope_options *options)
{
    heed_rope_options o = options ? *options : (heed_rope_options){ 0 };
    if (!t || heed_error(t))
        return NULL;
    double base = o.base == 0 ? 10000 : o.base;
    int64_t width = o.width ? o.width : x && x->ndim > 0 ? x->shape[x->ndim - 1] : 0;
    if (o.ntk < 0)
        return heed_fail(t, "rope: ntk %g is negative", o.ntk);
    if (o.ntk > 0 && width > 2)
        base *= pow(o.ntk, (double)width / (double)(width - 2));
    rope_attributes a;
    memset(&a, 0, sizeof a);
    a.base = base;
    a.divisor = o.linear == 0 ? 1 : o.linear;
    a.sign = 1;
    a.turned = o.width;
    a.offset = o.offset;
    a.pairs = o.pairs;
    return heed__apply1(t, &heed_op_rope, x, &a);
}
