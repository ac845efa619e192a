/* Reductions over every set of axes against loops, their accuracy, and what they refuse. What
 * single ops promise at kinks is in their records. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>

static heed_tape *t;

static void setup(void)
{
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
}

static void teardown(void)
{
    heed_tape_free(t);
}

/* ---- against loops ---- */

enum {
    SUM,
    MEAN,
    PROD,
    MAX,
    MIN,
    VARIANCE,
    DEVIATION,
    LOGSUMEXP,
    NORM,
    NORM_3,
    ANY,
    ALL,
    KINDS
};
enum { A = 3, B = 4, C = 5, N = A * B * C };

/* Of the n numbers v, in long double. */
static long double by_loops(int kind, const double *v, int n)
{
    long double sum = 0, product = 1, low = INFINITY, high = -INFINITY, squares = 0, rest = 0,
                exponentials = 0, cubes = 0;
    for (int i = 0; i < n; i++) {
        sum += v[i];
        product *= v[i];
        low = v[i] < low ? v[i] : low;
        high = v[i] > high ? v[i] : high;
        squares += (long double)v[i] * v[i];
        exponentials += expl(v[i]);
        cubes += fabsl(v[i]) * v[i] * v[i];
    }
    for (int i = 0; i < n; i++)
        rest += (v[i] - sum / n) * (v[i] - sum / n);
    rest = n > 1 ? rest / (n - 1) : (long double)NAN;
    const long double all[] = { sum,
                                sum / n,
                                product,
                                high,
                                low,
                                rest,
                                sqrtl(rest),
                                logl(exponentials),
                                sqrtl(squares),
                                cbrtl(cubes),
                                squares > 0,
                                low > 0 };
    return all[kind];
}

static heed_tensor *apply(int kind, heed_tensor *x, int n, const int *axes, bool keep)
{
    switch (kind) {
    case SUM:
        return heed_sum_axes(t, x, n, axes, keep);
    case MEAN:
        return heed_mean_axes(t, x, n, axes, keep);
    case PROD:
        return heed_prod_axes(t, x, n, axes, keep);
    case MAX:
        return heed_max_axes(t, x, n, axes, keep);
    case MIN:
        return heed_min_axes(t, x, n, axes, keep);
    case VARIANCE:
        return heed_variance_axes(t, x, n, axes, keep, 1);
    case DEVIATION:
        return heed_deviation_axes(t, x, n, axes, keep, 1);
    case LOGSUMEXP:
        return heed_logsumexp_axes(t, x, n, axes, keep);
    case NORM:
        return heed_norm_axes(t, x, 2, n, axes, keep);
    case NORM_3:
        return heed_norm_axes(t, x, 3, n, axes, keep);
    case ANY:
        return heed_any_axes(t, x, n, axes, keep);
    default:
        return heed_all_axes(t, x, n, axes, keep);
    }
}

START_TEST(every_set_of_axes)
{
    const int extent[3] = { A, B, C };
    double values[N];
    bool bools[N];
    heed_random r = { .seed = (uint64_t)_i };
    for (int i = 0; i < N; i++) {
        bools[i] = heed_random_uniform(&r) < 0.5;
        values[i] = _i == ANY || _i == ALL ? bools[i] : 2 * heed_random_uniform(&r) - 1;
    }
    heed_tensor *x = heed_copy_in(t, HEED_F64, HEED_SHAPE(A, B, C), values);
    if (_i == ANY || _i == ALL)
        x = heed_mask(t, HEED_SHAPE(A, B, C), bools);
    for (int set = 1; set < 16; set++) {
        int axes[3], n = 0, kept = 0;
        bool keep = set & 1;
        int64_t stride[3] = { 0 }, size = 1;
        for (int k = 0; k < 3; k++) {
            if (set >> 1 >> k & 1)
                axes[n++] = k % 2 ? k - 3 : k;
        }
        if (n == 0)
            continue;
        for (int k = 2; k >= 0; k--) {
            if (set >> 1 >> k & 1)
                continue;
            stride[k] = size;
            size *= extent[k];
            kept++;
        }
        heed_tensor *y = apply(_i, x, n, axes, keep);
        ck_assert_msg(y != NULL, "%s", heed_error(t));
        ck_assert_int_eq(y->ndim, keep ? 3 : kept);
        ck_assert_int_eq(heed_size(y), size);
        for (int64_t at = 0; at < size; at++) {
            double part[N];
            int count = 0;
            for (int i = 0; i < N; i++) {
                if (i / (B * C) * stride[0] + i / C % B * stride[1] + i % C * stride[2] == at)
                    part[count++] = values[i];
            }
            double want = (double)by_loops(_i, part, count);
            ck_assert_msg(fabs(heed_at(y, at) - want) <= 1e-14 * (1 + fabs(want)),
                          "kind %d, set %d, element %d: %.17g, %.17g", _i, set, (int)at,
                          heed_at(y, at), want);
        }
    }
}
END_TEST

START_TEST(whole_tensors)
{
    double values[N];
    heed_random r = { .seed = 3 };
    for (int i = 0; i < N; i++)
        values[i] = 2 * heed_random_uniform(&r) - 1;
    heed_tensor *x = heed_copy_in(t, HEED_F64, HEED_SHAPE(A, B, C), values);
    heed_tensor *y[] = { heed_sum(t, x),       heed_mean(t, x),      heed_prod(t, x),
                         heed_max(t, x),       heed_min(t, x),       heed_variance(t, x),
                         heed_deviation(t, x), heed_logsumexp(t, x), heed_norm(t, x) };
    for (int kind = SUM; kind <= NORM; kind++) {
        double want = (double)by_loops(kind, values, N);
        ck_assert_int_eq(y[kind]->ndim, 0);
        ck_assert_double_le(fabs(heed_item(t, y[kind]) - want), 1e-14 * (1 + fabs(want)));
    }
    heed_tensor *high = heed_greater(t, x, heed_full(t, HEED_SCALAR, 2));
    ck_assert_double_eq(heed_item(t, heed_any(t, high)), 0);
    ck_assert_double_eq(heed_item(t, heed_all(t, high)), 0);
}
END_TEST

START_TEST(places)
{
    double values[N];
    heed_random r = { .seed = 4 };
    for (int i = 0; i < N; i++)
        values[i] = (double)heed_random_below(&r, 4); /* with ties */
    values[17] = NAN;
    heed_tensor *x = heed_copy_in(t, HEED_F64, HEED_SHAPE(A, B, C), values);
    heed_tensor *most = heed_argmax(t, x, -2, false), *least = heed_argmin(t, x, 1, true);
    ck_assert_int_eq(most->dtype, HEED_I32);
    ck_assert_int_eq(most->ndim, 2);
    ck_assert_int_eq(least->ndim, 3);
    for (int i = 0; i < A * C; i++) {
        const double *line = values + i / C * B * C + i % C;
        int high = 0, low = 0;
        for (int k = 1; k < B; k++) {
            double v = line[k * C];
            if (!isnan(line[high * C]) && (v > line[high * C] || isnan(v)))
                high = k;
            if (!isnan(line[low * C]) && (v < line[low * C] || isnan(v)))
                low = k;
        }
        ck_assert_double_eq(heed_at(most, i), high);
        ck_assert_double_eq(heed_at(least, i), low);
    }
}
END_TEST

/* ---- accuracy ---- */

/* |error| <= 8 eps sum |terms|, whatever the terms and the layout. */
static void check_sum(const float *values, int64_t rows, int64_t columns)
{
    const int axes[2] = { 0, 1 };
    heed_tape_reset(t);
    heed_tensor *x = heed_borrow(t, HEED_F32, HEED_SHAPE(rows, columns), values);
    for (int axis = 0; axis < 2; axis++) {
        heed_tensor *y = heed_sum_axes(t, x, 1, &axes[axis], false);
        int64_t n = axis ? columns : rows;
        ck_assert_ptr_nonnull(y);
        for (int64_t i = 0; i < heed_size(y); i++) {
            double sum = 0, size = 0;
            for (int64_t j = 0; j < n; j++) {
                double v = (double)values[axis ? i * columns + j : j * columns + i];
                sum += v;
                size += fabs(v);
            }
            if (!(fabs(heed_at(y, i) - sum) <= 8 * (double)FLT_EPSILON * size))
                ck_abort_msg("[%d,%d], axis %d: %.9g, %.17g", (int)rows, (int)columns, axis,
                             heed_at(y, i), sum);
        }
    }
}

START_TEST(sums_in_single_precision)
{
    static const int64_t shapes[][2] = {
        { 1, 1 }, { 3, 100003 }, { 100003, 3 }, { 500, 600 }, { 33, 9011 }, { 1, 1000000 },
    };
    float *values = malloc(1000000 * sizeof *values);
    ck_assert_ptr_nonnull(values);
    heed_random r = { .seed = 5 };
    for (int kind = 0; kind < 4; kind++) {
        for (int64_t i = 0; i < 1000000; i++) {
            double u = heed_random_uniform(&r);
            values[i] = (float)(kind == 0   ? 0.1
                                : kind == 1 ? u
                                : kind == 2 ? 2 * u - 1
                                            : exp(40 * u - 20));
        }
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
            check_sum(values, shapes[k][0], shapes[k][1]);
    }
    free(values);
}
END_TEST

START_TEST(variance_far_from_0)
{
    static double values[10000];
    long double sum = 0, squares = 0;
    heed_random r = { .seed = 6 };
    for (int i = 0; i < 10000; i++) {
        values[i] = 1e8 + heed_random_normal(&r);
        sum += values[i] - 1e8;
    }
    for (int i = 0; i < 10000; i++)
        squares += (values[i] - 1e8L - sum / 10000) * (values[i] - 1e8L - sum / 10000);
    double want = (double)(squares / 9999);
    heed_tensor *x = heed_copy_in(t, HEED_F64, HEED_SHAPE(10000), values);
    ck_assert_double_le(fabs(heed_item(t, heed_variance(t, x)) - want), 1e-12 * want);
    ck_assert_double_le(fabs(heed_item(t, heed_deviation(t, x)) - sqrt(want)),
                        1e-12 * sqrt(want));
}
END_TEST

/* A product of single precision may leave its range on the way. */
START_TEST(products_out_of_range)
{
    const float values[] = { 1e30F, 1e30F, 1e-30F, 1e-30F };
    heed_tensor *x = heed_copy_in(t, HEED_F32, HEED_SHAPE(4), values);
    ck_assert_double_le(fabs(heed_item(t, heed_prod(t, x)) - 1), 1e-6);
    const float wide[] = { 3e30F, 4e30F };
    x = heed_copy_in(t, HEED_F32, HEED_SHAPE(2), wide);
    ck_assert_double_le(fabs(heed_item(t, heed_norm(t, x)) / 5e30 - 1), 1e-6);
}
END_TEST

/* Third order, where quotients by x would be 0/0: the only term left of x0 x1 x2 x3. */
START_TEST(product_of_zeros)
{
    const double zeros[4] = { 0, 0, 0, 5 };
    heed_tensor *x = heed_watch(t, heed_copy_in(t, HEED_F64, HEED_SHAPE(4), zeros)), *g[3];
    heed_tensor *y = heed_prod(t, x);
    for (int order = 0; order < 3; order++) {
        ck_assert_msg(heed_grad(t, y, NULL, 1, &x, &g[order]), "%s", heed_error(t));
        y = heed_select(t, g[order], 0, order);
    }
    ck_assert_double_eq(heed_item(t, y), 5);
    ck_assert_double_eq(heed_at(g[0], 0), 0);
    ck_assert_double_eq(heed_at(g[1], 1), 0);
}
END_TEST

/* ---- refusals ---- */

static void refused(const heed_tensor *y, const char *sentence)
{
    ck_assert_ptr_null(y);
    ck_assert_ptr_nonnull(heed_error(t));
    ck_assert_str_eq(heed_error(t), sentence);
    heed_tape_reset(t);
}

static heed_tensor *matrix(void)
{
    return heed_full(t, HEED_SHAPE(2, 3), 1);
}

START_TEST(refusals)
{
    const int twice[2] = { 1, -1 }, out = 2;
    refused(heed_prod_axes(t, matrix(), 2, twice, false),
            "prod: [2,3]: axis -1 is given twice");
    refused(heed_variance_axes(t, matrix(), 1, &out, false, 1),
            "variance: [2,3]: axis 2 is out of range for 2 axes");
    refused(heed_logsumexp_axes(t, matrix(), -1, NULL, false), "logsumexp: a list of -1 axes");
    refused(heed_norm_axes(t, matrix(), 0, 0, NULL, false),
            "norm: [2,3]: the exponent is 0 but must be > 0 or infinite");
    refused(heed_norm_axes(t, matrix(), NAN, 0, NULL, false),
            "norm: [2,3]: the exponent is nan but must be > 0 or infinite");
    refused(heed_norm_axes(t, heed_full(t, HEED_SHAPE(0), 1), INFINITY, 0, NULL, false),
            "norm: [0]: the largest of nothing does not exist");
    refused(heed_min(t, heed_full(t, HEED_SHAPE(2, 0), 1)),
            "min: [2,0]: the minimum over axis 1 of extent 0 does not exist");
    refused(heed_argmax(t, heed_full(t, HEED_SHAPE(2, 0), 1), 1, false),
            "argmax: [2,0]: axis 1 has extent 0: there is no place to name");
    refused(heed_argmin(t, matrix(), 2, false),
            "argmin: [2,3]: axis 2 is out of range for 2 axes");
    refused(heed_any(t, matrix()), "any: [2,3]: operand 0 is f64 but must be ids or a mask");
    refused(heed_all(t, heed_arange(t, 0, 2)), "all: [2]: operand 0 is i32 but must be bool");
    refused(heed_cumprod(t, matrix(), -3),
            "cumprod: [2,3]: axis -3 is out of range for 2 axes");
    refused(heed_outer(t, matrix(), matrix()),
            "outer: [2,3] x [2,3]: both operands need one axis");
    refused(heed_tril(t, heed_full(t, HEED_SHAPE(2), 1), 0),
            "tril: [2]: needs two axes or more");
    refused(heed_diagonal(t, matrix(), 0, 1, -1), "diagonal: [2,3]: axes 1 and -1 are one");
    refused(heed_trace(t, heed_full(t, HEED_SHAPE(2), 1)),
            "trace: [2]: needs two axes or more");
    refused(heed_norm(t, NULL), "norm: operand 0 is NULL");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reductions");
    TCase *tests = tcase_create("reductions");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, every_set_of_axes, 0, KINDS);
    tcase_add_test(tests, whole_tensors);
    tcase_add_test(tests, places);
    tcase_add_test(tests, sums_in_single_precision);
    tcase_add_test(tests, variance_far_from_0);
    tcase_add_test(tests, products_out_of_range);
    tcase_add_test(tests, product_of_zeros);
    tcase_add_test(tests, refusals);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
