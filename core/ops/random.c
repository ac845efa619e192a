/* Random draws. Each takes a key of its own from the tape's streams, and every number is a
 * function of the key and its place. A draw has no derivative. */
#include "../engine.h"
#include "ops.h"

typedef struct random_attributes {
    heed_shape shape;
    double p, q;
    uint64_t key;
} random_attributes;

#define DRAW(...)                            \
    .attributes = &(const random_attributes) \
    {                                        \
        __VA_ARGS__                          \
    }

/* uniform.   y_i = p + (q - p) u_i, u_i in [0, 1), p and q rounded to the dtype first */
static bool uniform_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const random_attributes *a = c->attributes;
    r->dtype = heed_tape_dtype(t);
    r->shape = a->shape;
    bool single = r->dtype == HEED_F32;
    double low = single ? (double)(float)a->p : a->p,
           high = single ? (double)(float)a->q : a->q;
    if (!(low < high) || !isfinite(high - low))
        return heed_refuse(t, c, "[%g, %g) is not a finite range of %s that holds a number",
                           a->p, a->q, heed_dtype_name(r->dtype));
    return true;
}
static kernel_draw draw_of(const heed_call *c, heed_tensor *y)
{
    const random_attributes *a = c->attributes;
    return (
        kernel_draw){ .n = heed_size(y), .y = y->data, .p = a->p, .q = a->q, .key = a->key };
}
static void uniform_run(const heed_call *c, heed_tensor *y)
{
    kernel_draw draw = draw_of(c, y);
    heed__portable(y->dtype)->uniform(&draw);
}
static const heed_case uniform_cases[] = {
    { .label = "matrix", DRAW(HEED_DIMS(5, 3), -2, 3, 42) },
    { .label = "0-d", DRAW({ 0 }, 0, 1, 7) },
    { .label = "nothing", DRAW(HEED_DIMS(2, 0), 0, 1, 1), .stated = true },
};
HEED_DEFINE_OP(uniform) = { .name = "uniform",
                            .arity = 0,
                            .attributes_size = sizeof(random_attributes),
                            .shape = uniform_shape,
                            .run = uniform_run,
                            .formula = "y = p + (q - p) u, u uniform in [0, 1)",
                            .adjoint = "none: a draw",
                            HEED_CASES(uniform_cases) };

/* normal.   y_i = p + q z_i, z_i of mean 0 and variance 1 */
static bool normal_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const random_attributes *a = c->attributes;
    r->dtype = heed_tape_dtype(t);
    r->shape = a->shape;
    if (!isfinite(a->p) || !isfinite(a->q) || a->q < 0)
        return heed_refuse(
            t, c, "mean %g and deviation %g must be finite, the latter 0 or more", a->p, a->q);
    return true;
}
static void normal_run(const heed_call *c, heed_tensor *y)
{
    kernel_draw draw = draw_of(c, y);
    heed__portable(y->dtype)->normal(&draw);
}
static const heed_case normal_cases[] = {
    { .label = "matrix", DRAW(HEED_DIMS(5, 3), 1, 2, 42) },
    { .label = "no deviation",
      DRAW(HEED_DIMS(3), -2, 0, 7),
      .stated = true,
      .y = (const double[]){ -2, -2, -2 } },
};
HEED_DEFINE_OP(normal) = { .name = "normal",
                           .arity = 0,
                           .attributes_size = sizeof(random_attributes),
                           .shape = normal_shape,
                           .run = normal_run,
                           .formula = "y = p + q z, z normal with mean 0 and variance 1",
                           .adjoint = "none: a draw",
                           HEED_CASES(normal_cases) };

static double element(const heed_tensor *x, int64_t i)
{
    return x->dtype == HEED_F64 ? ((const double *)x->data)[i]
                                : (double)((const float *)x->data)[i];
}

/* bernoulli.   y_i = [u_i < x_i], u_i in [0, 1) */
static bool bernoulli_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    if (!heed__floats(t, c))
        return false;
    int64_t n = heed_size(x);
    for (int64_t i = 0; i < n; i++) {
        double p = element(x, i);
        if (!(p >= 0 && p <= 1))
            return heed_refuse(t, c, "probability %g at index %lld is not in [0, 1]", p,
                               (long long)i);
    }
    r->dtype = HEED_BOOL;
    r->shape = heed_shape_of(x);
    return true;
}
static void bernoulli_run(const heed_call *c, heed_tensor *y)
{
    kernel_draw draw = draw_of(c, y);
    draw.x = c->x[0]->data;
    heed__portable(c->x[0]->dtype)->bernoulli(&draw);
}
static const heed_case bernoulli_cases[] = {
    { .label = "matrix",
      .x = { { .shape = HEED_DIMS(5, 3), .low = 0.2, .high = 0.8 } },
      DRAW(.key = 42) },
    { .label = "never and always",
      .x = { { .shape = HEED_DIMS(4), .values = (const double[]){ 0, 1, 0, 1 } } },
      DRAW(.key = 7),
      .stated = true,
      .y = (const double[]){ 0, 1, 0, 1 } },
};
HEED_DEFINE_OP(bernoulli) = { .name = "bernoulli",
                              .arity = 1,
                              .dense = 1,
                              .attributes_size = sizeof(random_attributes),
                              .shape = bernoulli_shape,
                              .run = bernoulli_run,
                              .formula = "y = true with probability x",
                              .adjoint = "none: a draw",
                              HEED_CASES(bernoulli_cases) };

/* permutation.   Each place from the last one down changes with one drawn among those up to it:
 * Fisher, Yates 1938, in Durstenfeld's form. */
static bool permutation_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    int64_t n = ((const random_attributes *)c->attributes)->shape.size[0];
    if (n < 0 || n > INT32_MAX)
        return heed_refuse(t, c, "%lld is not in 0 .. %d", (long long)n, INT32_MAX);
    r->dtype = HEED_I32;
    r->shape = HEED_SHAPE(n);
    return true;
}
static void permutation_run(const heed_call *c, heed_tensor *y)
{
    int32_t *place = y->data;
    heed_random r = { .seed = ((const random_attributes *)c->attributes)->key };
    for (int64_t i = 0; i < y->shape[0]; i++)
        place[i] = (int32_t)i;
    for (int64_t i = y->shape[0] - 1; i > 0; i--) {
        uint64_t other = heed_random_below(&r, (uint64_t)i + 1);
        int32_t moved = place[i];
        place[i] = place[other];
        place[other] = moved;
    }
}
static const heed_case permutation_cases[] = {
    { .label = "seven", DRAW(HEED_DIMS(7), .key = 42) },
    { .label = "one",
      DRAW(HEED_DIMS(1), .key = 7),
      .stated = true,
      .y = (const double[]){ 0 } },
    { .label = "none", DRAW(HEED_DIMS(0), .key = 7), .stated = true },
};
HEED_DEFINE_OP(permutation) = { .name = "permutation",
                                .arity = 0,
                                .attributes_size = sizeof(random_attributes),
                                .shape = permutation_shape,
                                .run = permutation_run,
                                .formula = "y = 0 .. n - 1, every order equally likely",
                                .adjoint = "none: a draw",
                                HEED_CASES(permutation_cases) };

/* multinomial.   y_i = j with probability x_j / sum x, or of those not drawn yet */
typedef struct multinomial_attributes {
    int64_t count;
    bool replacement;
    uint64_t key;
} multinomial_attributes;

static kernel_multinomial multinomial_of(const heed_call *c)
{
    const multinomial_attributes *a = c->attributes;
    const heed_tensor *x = c->x[0];
    int64_t n = x->shape[x->ndim - 1];
    return (kernel_multinomial){ .rows = n ? heed_size(x) / n : 0,
                                 .n = n,
                                 .count = a->count,
                                 .weights = x->data,
                                 .replacement = a->replacement,
                                 .key = a->key,
                                 .scratch = c->scratch };
}
static bool check_weights(heed_tape *t, const heed_call *c, const kernel_multinomial *m)
{
    for (int64_t row = 0; row < m->rows; row++) {
        int64_t positive = 0;
        for (int64_t j = 0; j < m->n; j++) {
            double w = element(c->x[0], row * m->n + j);
            if (!(w >= 0 && isfinite(w)))
                return heed_refuse(t, c, "weight %g at [%lld,%lld] is not a finite number >= 0",
                                   w, (long long)row, (long long)j);
            positive += w > 0;
        }
        if (positive == 0)
            return heed_refuse(t, c, "the weights of row %lld are all 0", (long long)row);
        if (!m->replacement && m->count > positive)
            return heed_refuse(t, c,
                               "row %lld has %lld weights above 0, too few for %lld draws "
                               "without replacement",
                               (long long)row, (long long)positive, (long long)m->count);
    }
    return true;
}
static bool multinomial_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0];
    if (!heed__floats(t, c))
        return false;
    if (x->ndim < 1 || x->shape[x->ndim - 1] < 1 || x->shape[x->ndim - 1] > INT32_MAX)
        return heed_refuse(t, c, "needs weights [..., n], n in 1 .. %d", INT32_MAX);
    kernel_multinomial m = multinomial_of(c);
    if (m.count < 0)
        return heed_refuse(t, c, "the number of draws, %lld, is negative", (long long)m.count);
    r->dtype = HEED_I32;
    r->shape = heed_shape_of(x);
    r->shape.size[x->ndim - 1] = m.count;
    r->scratch = heed__portable(x->dtype)->multinomial_scratch(&m);
    return check_weights(t, c, &m);
}
static void multinomial_run(const heed_call *c, heed_tensor *y)
{
    kernel_multinomial m = multinomial_of(c);
    m.y = y->data;
    heed__portable(c->x[0]->dtype)->multinomial(&m);
}
#define COUNT(...)                                \
    .attributes = &(const multinomial_attributes) \
    {                                             \
        __VA_ARGS__                               \
    }
static const heed_case multinomial_cases[] = {
    { .label = "with replacement",
      .x = { { .shape = HEED_DIMS(2, 3), .low = 0.5, .high = 2 } },
      COUNT(5, true, 42) },
    { .label = "without",
      .x = { { .shape = HEED_DIMS(2, 2, 4), .low = 0.5, .high = 2 } },
      COUNT(2, false, 42) },
    { .label = "no choice, with replacement",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 0, 1e-30, 0 } } },
      COUNT(2, true, 7),
      .stated = true,
      .y = (const double[]){ 1, 1 } },
    { .label = "no choice, without",
      .x = { { .shape = HEED_DIMS(2, 3), .values = (const double[]){ 0, 0, 3, 1e38, 0, 0 } } },
      COUNT(1, false, 7),
      .stated = true,
      .y = (const double[]){ 2, 0 } },
    { .label = "no rows",
      .x = { { .shape = HEED_DIMS(0, 3) } },
      COUNT(2, true, 7),
      .stated = true },
};
HEED_DEFINE_OP(multinomial) = {
    .name = "multinomial",
    .arity = 1,
    .dense = 1,
    .attributes_size = sizeof(multinomial_attributes),
    .shape = multinomial_shape,
    .run = multinomial_run,
    .formula = "y_i = j with probability x_j / sum x, or of those not drawn yet",
    .adjoint = "none: a draw",
    .cost = "n + count ln n a row",
    HEED_CASES(multinomial_cases)
};

/* ---- the calls ---- */

heed_tensor *heed_uniform(heed_tape *t, heed_shape shape, double low, double high)
{
    if (!t || heed_error(t))
        return NULL;
    random_attributes a = { shape, low, high, heed__draw_key(t) };
    return heed_apply(t, &heed_op_uniform, 0, NULL, &a);
}

heed_tensor *heed_normal(heed_tape *t, heed_shape shape, double mean, double deviation)
{
    if (!t || heed_error(t))
        return NULL;
    random_attributes a = { shape, mean, deviation, heed__draw_key(t) };
    return heed_apply(t, &heed_op_normal, 0, NULL, &a);
}

heed_tensor *heed_bernoulli(heed_tape *t, heed_tensor *p)
{
    if (!t || heed_error(t))
        return NULL;
    random_attributes a = { .key = heed__draw_key(t) };
    return heed__apply1(t, &heed_op_bernoulli, p, &a);
}

heed_tensor *heed_permutation(heed_tape *t, int64_t n)
{
    if (!t || heed_error(t))
        return NULL;
    random_attributes a = { .shape = HEED_DIMS(n), .key = heed__draw_key(t) };
    return heed_apply(t, &heed_op_permutation, 0, NULL, &a);
}

heed_tensor *heed_multinomial(heed_tape *t, heed_tensor *weights, int64_t count,
                              bool replacement)
{
    if (!t || heed_error(t))
        return NULL;
    multinomial_attributes a = { count, replacement, heed__draw_key(t) };
    return heed__apply1(t, &heed_op_multinomial, weights, &a);
}
