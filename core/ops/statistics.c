/* Variance, deviation, log-sum-exp and norms over sets of axes, composed of sums, maxima and
 * elementwise ops. Where a formula's derivative would be 0 times infinity, the operand is
 * replaced by a harmless one before and the result after. */
#include "reduce.h"

/* The reduced axes are kept in between; here the result gets the shape that was asked for. */
static heed_tensor *finish(heed_tape *t, const heed_call *c, heed_tensor *y)
{
    heed_result r = { 0 };
    heed__reduced_shape(c, &r);
    return heed_reshape(t, y, r.shape);
}

static bool statistics_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    heed__reduced_shape(c, r);
    return heed__floats(t, c);
}

/* The k-th root of what is not negative, with derivative 0 at 0. */
static heed_tensor *safe_root(heed_tape *t, heed_tensor *x, double k)
{
    heed_tensor *zero = heed__number(t, x, 0), *one = heed__number(t, x, 1);
    heed_tensor *nothing = heed_equal(t, x, zero);
    heed_tensor *positive = heed_where(t, nothing, one, x);
    heed_tensor *root = k == 2 ? heed_sqrt(t, positive) : heed_power(t, positive, 1 / k);
    return heed_where(t, nothing, zero, root);
}

/* max x over the reduced axes as a constant, `instead` where there is none or it is not finite
 * (or is 0, where `divides`). */
static heed_tensor *top(heed_tape *t, const heed_call *c, heed_tensor *x, double instead,
                        bool divides)
{
    heed_tensor *otherwise = heed__number(t, x, instead);
    if (heed__reduced_count(c) == 0)
        return otherwise;
    heed_tensor *largest = heed__over_same(t, c, &heed_op_max, heed_detach(t, x));
    heed_tensor *size = heed_abs(t, largest);
    heed_tensor *finite = heed_less(t, size, heed__number(t, x, INFINITY));
    heed_tensor *usable = heed_where(t, finite, largest, otherwise);
    if (!divides)
        return usable;
    heed_tensor *nothing = heed_equal(t, usable, heed__number(t, x, 0));
    return heed_where(t, nothing, otherwise, usable);
}

/* variance.   y = sum (x - m)^2/(n - correction), m the mean: two passes, so that a mean far
 * from 0 costs no digits.   gx = 2 gy (x - m)/(n - correction) */
static heed_tensor *variance_of(heed_tape *t, const heed_call *c)
{
    double degrees =
        (double)heed__reduced_count(c) - ((const heed__reduction *)c->attributes)->p;
    heed_tensor *mean = heed__over_same(t, c, &heed_op_mean, c->x[0]);
    heed_tensor *centred = heed_sub(t, c->x[0], mean);
    heed_tensor *total = heed__over_same(t, c, &heed_op_sum, heed_square(t, centred));
    return heed_scale(t, total, degrees > 0 ? 1 / degrees : NAN);
}
static heed_tensor *variance_compose(heed_tape *t, const heed_call *c)
{
    return finish(t, c, variance_of(t, c));
}
#define OVER(bits, keep, p)                \
    .attributes = &(const heed__reduction) \
    {                                      \
        bits, keep, p                      \
    }
static const heed_case variance_cases[] = {
    { .label = "sample", .x = { { .shape = HEED_DIMS(2, 3) } }, OVER(3, false, 1) },
    { .label = "population, last, kept",
      .x = { { .shape = HEED_DIMS(2, 3) } },
      OVER(2, true, 0) },
    { .label = "first and last", .x = { { .shape = HEED_DIMS(2, 3, 2) } }, OVER(5, false, 1) },
    { .label = "far from 0",
      .x = { { .shape = HEED_DIMS(4),
               .values = (const double[]){ 10004, 10007, 10013, 10016 } } },
      OVER(1, false, 1),
      .stated = true,
      .y = (const double[]){ 30 },
      .gx = { (const double[]){ -4, -2, 2, 4 } } },
    { .label = "all equal",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 3, 3 } } },
      OVER(1, false, 1),
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "one of a sample",
      .x = { { .shape = HEED_DIMS(2, 1) } },
      OVER(2, false, 1),
      .stated = true,
      .y = (const double[]){ NAN, NAN },
      .gx = { (const double[]){ NAN, NAN } } },
    { .label = "fewer than the correction",
      .x = { { .shape = HEED_DIMS(2) } },
      OVER(1, false, 3),
      .stated = true,
      .y = (const double[]){ NAN },
      .gx = { (const double[]){ NAN, NAN } } },
    { .label = "of nothing",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      OVER(2, false, 0),
      .stated = true,
      .y = (const double[]){ NAN, NAN } },
};
HEED_DEFINE_OP(variance) = { .name = "variance",
                             .arity = 1,
                             .attributes_size = sizeof(heed__reduction),
                             .shape = statistics_shape,
                             .compose = variance_compose,
                             .formula = "y = sum (x - m)^2/(n - p), m = mean x",
                             .adjoint = "gx = 2 gy (x - m)/(n - p)",
                             HEED_CASES(variance_cases) };

/* deviation.   y = sqrt(variance);   gx = gy (x - m)/((n - correction) y), and 0 where y = 0,
 * as in PyTorch */
static heed_tensor *deviation_compose(heed_tape *t, const heed_call *c)
{
    return finish(t, c, safe_root(t, variance_of(t, c), 2));
}
static const heed_case deviation_cases[] = {
    { .label = "sample",
      .x = { { .shape = HEED_DIMS(2, 3),
               .values = (const double[]){ 0.3, -0.7, 0.9, -0.4, 0.8, 0.1 } } },
      OVER(3, false, 1) },
    { .label = "population, last, kept",
      .x = { { .shape = HEED_DIMS(2, 3),
               .values = (const double[]){ 0.3, -0.7, 0.9, -0.4, 0.8, 0.1 } } },
      OVER(2, true, 0) },
    { .label = "a line",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 1, 2, 3 } } },
      OVER(1, false, 1),
      .stated = true,
      .y = (const double[]){ 1 },
      .gx = { (const double[]){ -0.5, 0, 0.5 } } },
    { .label = "all equal",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 3, 3 } } },
      OVER(1, false, 0),
      .stated = true,
      .y = (const double[]){ 0 },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "one of a sample",
      .x = { { .shape = HEED_DIMS(1) } },
      OVER(1, false, 1),
      .stated = true,
      .y = (const double[]){ NAN },
      .gx = { (const double[]){ NAN } } },
};
HEED_DEFINE_OP(deviation) = { .name = "deviation",
                              .arity = 1,
                              .attributes_size = sizeof(heed__reduction),
                              .shape = statistics_shape,
                              .compose = deviation_compose,
                              .formula = "y = sqrt(variance)",
                              .adjoint = "gx = gy (x - m)/((n - p) y); 0 where y = 0",
                              HEED_CASES(deviation_cases) };

/* logsumexp.   y = m + ln sum e^(x - m), m = max x held constant;   gx = gy e^(x - y). A row of
 * -inf alone gives -inf and gradient 0 (PyTorch: NaN). */
static heed_tensor *logsumexp_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *x = c->x[0], *m = top(t, c, x, 0, false);
    heed_tensor *terms = heed_exp(t, heed_sub(t, x, m));
    heed_tensor *total = heed__over_same(t, c, &heed_op_sum, terms);
    heed_tensor *nothing = heed_equal(t, total, heed__number(t, x, 0));
    heed_tensor *one = heed__number(t, x, 1);
    heed_tensor *logarithm = heed_log(t, heed_where(t, nothing, one, total));
    heed_tensor *sum = heed_add(t, m, logarithm);
    heed_tensor *lowest = heed__number(t, x, -INFINITY);
    return finish(t, c, heed_where(t, nothing, lowest, sum));
}
static const heed_case logsumexp_cases[] = {
    { .label = "all", .x = { { .shape = HEED_DIMS(2, 3) } }, OVER(3, false, 0) },
    { .label = "last, kept",
      .x = { { .shape = HEED_DIMS(2, 3), .low = -3, .high = 3 } },
      OVER(2, true, 0) },
    { .label = "first and last", .x = { { .shape = HEED_DIMS(2, 3, 2) } }, OVER(5, false, 0) },
    { .label = "huge, and -inf",
      .x = { { .shape = HEED_DIMS(2, 2),
               .values = (const double[]){ 1e4, 1e4, -INFINITY, -1e4 } } },
      OVER(2, false, 0),
      .stated = true,
      .y = (const double[]){ 10000.693147180559945309, -1e4 },
      .gx = { (const double[]){ 0.5, 0.5, 0, 1 } } },
    { .label = "-inf alone",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ -INFINITY, -INFINITY } } },
      OVER(1, false, 0),
      .stated = true,
      .y = (const double[]){ -INFINITY },
      .gx = { (const double[]){ 0, 0 } } },
    { .label = "inf",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ INFINITY, 1 } } },
      OVER(1, false, 0),
      .stated = true,
      .y = (const double[]){ INFINITY },
      .gx = { (const double[]){ NAN, 0 } } },
    { .label = "of nothing",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      OVER(2, false, 0),
      .stated = true,
      .y = (const double[]){ -INFINITY, -INFINITY } },
};
HEED_DEFINE_OP(logsumexp) = { .name = "logsumexp",
                              .arity = 1,
                              .attributes_size = sizeof(heed__reduction),
                              .shape = statistics_shape,
                              .compose = logsumexp_compose,
                              .formula = "y = ln sum over axes of e^x",
                              .adjoint = "gx = gy e^(x - y); 0 where y = -inf",
                              HEED_CASES(logsumexp_cases) };

/* norm.   y = (sum |x|^p)^(1/p), or max |x|;   gx = gy sign(x) (|x|/y)^(p-1): 0 where x = 0.
 * With m = max |x| held constant it is m (sum |x/m|^p)^(1/p), whose powers neither overflow nor
 * vanish. */
static bool norm_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    double p = ((const heed__reduction *)c->attributes)->p;
    if (!(p > 0))
        return heed_refuse(t, c, "the exponent is %g but must be > 0 or infinite", p);
    if (isinf(p) && heed__reduced_count(c) == 0)
        return heed_refuse(t, c, "the largest of nothing does not exist");
    return statistics_shape(t, c, r);
}
static heed_tensor *norm_compose(heed_tape *t, const heed_call *c)
{
    double p = ((const heed__reduction *)c->attributes)->p;
    heed_tensor *x = c->x[0], *size = heed_abs(t, x);
    if (p == 1 || isinf(p))
        return heed__apply1(t, p == 1 ? &heed_op_sum : &heed_op_max, size, c->attributes);
    heed_tensor *m = top(t, c, size, 1, true), *terms;
    if (p == 2) {
        terms = heed_square(t, heed_div(t, x, m));
    } else {
        heed_tensor *zero = heed__number(t, x, 0), *one = heed__number(t, x, 1);
        heed_tensor *nothing = heed_equal(t, x, zero);
        heed_tensor *positive = heed_where(t, nothing, one, heed_div(t, size, m));
        terms = heed_where(t, nothing, zero, heed_power(t, positive, p));
    }
    heed_tensor *total = heed__over_same(t, c, &heed_op_sum, terms);
    heed_tensor *root = safe_root(t, total, p);
    return finish(t, c, heed_mul(t, m, root));
}
static const heed_case norm_cases[] = {
    { .label = "p = 2", .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.2 } }, OVER(3, false, 2) },
    { .label = "p = 2, last, kept",
      .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.2 } },
      OVER(2, true, 2) },
    { .label = "p = 1", .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.1 } }, OVER(1, false, 1) },
    { .label = "p = 3", .x = { { .shape = HEED_DIMS(2, 3), .gap = 0.1 } }, OVER(2, false, 3) },
    { .label = "p = 0.5",
      .x = { { .shape = HEED_DIMS(2, 2), .low = 0.5, .high = 2 } },
      OVER(2, false, 0.5) },
    { .label = "p = inf",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 1, -3, 2, 0.5 } } },
      OVER(2, false, INFINITY) },
    { .label = "p = 2, huge, tiny and 0",
      .x = { { .shape = HEED_DIMS(3, 2),
               .values = (const double[]){ 3e30, -4e30, 3e-30, 4e-30, 0, 0 } } },
      OVER(2, false, 2),
      .stated = true,
      .y = (const double[]){ 5e30, 5e-30, 0 },
      .gx = { (const double[]){ 0.6, -0.8, 0.6, 0.8, 0, 0 } } },
    { .label = "p = 1 with zeros",
      .x = { { .shape = HEED_DIMS(3), .values = (const double[]){ 0, -2, 0 } } },
      OVER(1, false, 1),
      .stated = true,
      .y = (const double[]){ 2 },
      .gx = { (const double[]){ 0, -1, 0 } } },
    { .label = "p = 3 with zeros",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 0, 0, 0, -2 } } },
      OVER(2, false, 3),
      .stated = true,
      .y = (const double[]){ 0, 2 },
      .gx = { (const double[]){ 0, 0, 0, -1 } } },
    { .label = "p = 0.5 with zeros",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 0, 0, 0, -2 } } },
      OVER(2, false, 0.5),
      .stated = true,
      .y = (const double[]){ 0, 2 },
      .gx = { (const double[]){ 0, 0, 0, -1 } } },
    { .label = "p = inf: ties share, 0 at the origin",
      .x = { { .shape = HEED_DIMS(2, 2), .values = (const double[]){ 2, -2, 0, 0 } } },
      OVER(2, false, INFINITY),
      .stated = true,
      .y = (const double[]){ 2, 0 },
      .gx = { (const double[]){ 0.5, -0.5, 0, 0 } } },
    { .label = "of nothing",
      .x = { { .shape = HEED_DIMS(2, 0) } },
      OVER(2, false, 2),
      .stated = true,
      .y = (const double[]){ 0, 0 } },
};
HEED_DEFINE_OP(norm) = { .name = "norm",
                         .arity = 1,
                         .attributes_size = sizeof(heed__reduction),
                         .shape = norm_shape,
                         .compose = norm_compose,
                         .formula = "y = (sum over axes of |x|^p)^(1/p)",
                         .adjoint = "gx = gy sign(x) (|x|/y)^(p-1); 0 where x = 0",
                         HEED_CASES(norm_cases) };

/* ---- the calls ---- */

heed_tensor *heed_variance_axes(heed_tape *t, heed_tensor *x, int n, const int *axes, bool keep,
                                double correction)
{
    return heed__over_axes(t, &heed_op_variance, x, n, axes, keep, correction);
}

heed_tensor *heed_deviation_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                 bool keep, double correction)
{
    return heed__over_axes(t, &heed_op_deviation, x, n, axes, keep, correction);
}

heed_tensor *heed_logsumexp_axes(heed_tape *t, heed_tensor *x, int n, const int *axes,
                                 bool keep)
{
    return heed__over_axes(t, &heed_op_logsumexp, x, n, axes, keep, 0);
}

heed_tensor *heed_norm_axes(heed_tape *t, heed_tensor *x, double p, int n, const int *axes,
                            bool keep)
{
    return heed__over_axes(t, &heed_op_norm, x, n, axes, keep, p);
}

heed_tensor *heed_variance(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_variance, x, 0, NULL, false, 1);
}

heed_tensor *heed_deviation(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_deviation, x, 0, NULL, false, 1);
}

heed_tensor *heed_logsumexp(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_logsumexp, x, 0, NULL, false, 0);
}

heed_tensor *heed_norm(heed_tape *t, heed_tensor *x)
{
    return heed__over_axes(t, &heed_op_norm, x, 0, NULL, false, 2);
}
