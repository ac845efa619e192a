/* Random draws: distributions within error bars (fixed seeds, five deviations), the same bits
 * at any number of threads, streams by seed, step, scope and draw, and refusals. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>

#include "kernels.h"

#define MANY 200000

static heed_tape *t;

static void begin(heed_dtype dtype)
{
    heed_set_threads(1);
    t = heed_tape_new(&(heed_tape_options){ .dtype = dtype });
    ck_assert_ptr_nonnull(t);
    heed_seed(t, 2024, 0);
}

static void end(void)
{
    ck_assert_msg(!heed_error(t), "%s", heed_error(t));
    heed_tape_free(t);
}

/* `found` is a draw of mean `mean` and standard deviation `deviation`. */
static void expect(const char *what, double found, double mean, double deviation)
{
    ck_assert_msg(fabs(found - mean) <= 5 * deviation, "%s: %g is not within 5 x %g of %g",
                  what, found, deviation, mean);
}

/* Pearson's statistic of counts against their expectations: about as large as the degrees of
 * freedom, deviation sqrt(2 freedom). */
static void expect_counts(const char *what, int n, const double *counts, const double *means)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (counts[i] - means[i]) * (counts[i] - means[i]) / means[i];
    expect(what, sum, n - 1, sqrt(2.0 * (n - 1)));
}

static heed_tensor *in(heed_shape shape, const double *values)
{
    return heed_constant(t, shape, values);
}

/* ---- distributions ---- */

static const heed_dtype dtypes[2] = { HEED_F32, HEED_F64 };

START_TEST(uniform_numbers)
{
    enum { BINS = 64 };
    double sum = 0, squares = 0, neighbours = 0, before = 0, counts[BINS] = { 0 }, means[BINS];
    begin(dtypes[_i]);
    heed_tensor *x = heed_uniform(t, HEED_SHAPE(MANY), -1, 3);
    for (int64_t i = 0; i < MANY; i++) {
        double u = heed_at(x, i);
        ck_assert(u >= -1 && u < 3);
        counts[(int)((u + 1) / 4 * BINS)]++;
        sum += u - 1;
        squares += (u - 1) * (u - 1);
        neighbours += (u - 1) * before;
        before = u - 1;
    }
    /* Variance 4^2/12; of the square, 4^4/80 - (4^2/12)^2. */
    const double variance = 16.0 / 12;
    expect("mean", sum / MANY, 0, sqrt(variance / MANY));
    expect("variance", squares / MANY, variance,
           sqrt((256.0 / 80 - variance * variance) / MANY));
    expect("covariance of neighbours", neighbours / MANY, 0, variance / sqrt(MANY));
    for (int i = 0; i < BINS; i++)
        means[i] = (double)MANY / BINS;
    expect_counts("bins", BINS, counts, means);
    end();
}
END_TEST

/* All 24 bits, and the upper end left out, also where the range is two numbers wide. */
START_TEST(uniform_ends)
{
    int seen[2] = { 0 };
    unsigned bits = 0, all = (1u << 24) - 1;
    begin(HEED_F32);
    heed_tensor *x = heed_uniform(t, HEED_SHAPE(1000), 0, 1);
    for (int64_t i = 0; i < 1000; i++) {
        double scaled = heed_at(x, i) * 0x1p24;
        ck_assert(scaled == floor(scaled) && scaled < 0x1p24);
        bits |= (unsigned)scaled;
    }
    ck_assert_uint_eq(bits, all);
    x = heed_uniform(t, HEED_SHAPE(1000), 1, 1 + 0x1p-22);
    for (int64_t i = 0; i < 1000; i++) {
        ck_assert(heed_at(x, i) == 1 || heed_at(x, i) == 1 + 0x1p-23);
        seen[heed_at(x, i) > 1]++;
    }
    ck_assert(seen[0] > 0 && seen[1] > 0);
    end();
}
END_TEST

START_TEST(normal_numbers)
{
    enum { BINS = 40 };
    double power[5] = { 0 }, neighbours = 0, before = 0, counts[BINS] = { 0 }, means[BINS];
    begin(dtypes[_i]);
    heed_tensor *x = heed_normal(t, HEED_SHAPE(MANY), 2, 3);
    for (int64_t i = 0; i < MANY; i++) {
        double z = (heed_at(x, i) - 2) / 3, product = 1;
        for (int k = 0; k < 5; k++, product *= z)
            power[k] += product / MANY;
        neighbours += z * before;
        before = z;
        /* The distribution function makes it uniform. */
        int bin = (int)(0.5 * (1 + erf(z / sqrt(2))) * BINS);
        counts[bin < BINS ? bin : BINS - 1]++;
    }
    /* Moments 0, 1, 0, 3; z^2k has mean 1, 3, 15, 105. */
    expect("mean", power[1], 0, sqrt(1.0 / MANY));
    expect("variance", power[2], 1, sqrt(2.0 / MANY));
    expect("third moment", power[3], 0, sqrt(15.0 / MANY));
    expect("fourth moment", power[4], 3, sqrt(96.0 / MANY));
    expect("covariance of neighbours", neighbours / MANY, 0, sqrt(1.0 / MANY));
    for (int i = 0; i < BINS; i++)
        means[i] = (double)MANY / BINS;
    expect_counts("bins", BINS, counts, means);
    end();
}
END_TEST

START_TEST(bernoulli_numbers)
{
    const double p[4] = { 0, 0.001, 0.3, 1 };
    double counts[4] = { 0 };
    begin(dtypes[_i]);
    heed_tensor *x = heed_expand(t, in(HEED_SHAPE(4), p), HEED_SHAPE(MANY, 4));
    heed_tensor *y = heed_bernoulli(t, x);
    ck_assert_int_eq(y->dtype, HEED_BOOL);
    for (int64_t i = 0; i < 4 * MANY; i++)
        counts[i % 4] += heed_at(y, i);
    for (int k = 0; k < 4; k++)
        expect("count", counts[k], MANY * p[k], sqrt(MANY * p[k] * (1 - p[k])));
    end();
}
END_TEST

/* The 24 orders of four are equally likely; a long one holds each number once. */
START_TEST(permutation_numbers)
{
    enum { DRAWS = 24000, LONG = 1000 };
    double counts[256] = { 0 }, orders[24], means[24];
    int used = 0;
    char seen[LONG] = { 0 };
    begin(HEED_F32);
    for (int i = 0; i < DRAWS; i++) {
        heed_position mark = heed_mark(t);
        heed_tensor *y = heed_permutation(t, 4);
        const int32_t *place = y->data;
        counts[place[0] + 4 * place[1] + 16 * place[2] + 64 * place[3]]++;
        heed_rewind(t, mark);
    }
    for (int i = 0; i < 256; i++) {
        if (counts[i] > 0) {
            ck_assert_int_lt(used, 24);
            orders[used] = counts[i];
            means[used++] = DRAWS / 24.0;
        }
    }
    ck_assert_int_eq(used, 24);
    expect_counts("orders", 24, orders, means);
    const int32_t *place = heed_permutation(t, LONG)->data;
    for (int i = 0; i < LONG; i++)
        ck_assert_int_eq(seen[place[i]]++, 0);
    ck_assert_int_eq((int)heed_size(heed_permutation(t, 0)), 0);
    end();
}
END_TEST

static const double weights[6] = { 3, 0, 1, 0.5, 0, 2 };

START_TEST(multinomial_with_replacement)
{
    double counts[6] = { 0 }, found[4], means[4];
    int used = 0;
    begin(dtypes[_i]);
    heed_tensor *y = heed_multinomial(t, in(HEED_SHAPE(6), weights), MANY, true);
    ck_assert_int_eq(y->ndim, 1);
    for (int64_t i = 0; i < MANY; i++)
        counts[(int)heed_at(y, i)]++;
    for (int k = 0; k < 6; k++) {
        if (weights[k] > 0) {
            found[used] = counts[k];
            means[used++] = MANY * weights[k] / 6.5;
        } else {
            ck_assert(counts[k] == 0);
        }
    }
    expect_counts("places", used, found, means);
    end();
}
END_TEST

/* Pairs in order: i first with w_i/S, then j with w_j/(S - w_i). */
START_TEST(multinomial_without_replacement)
{
    double counts[36] = { 0 }, found[12], means[12];
    int used = 0;
    begin(dtypes[_i]);
    heed_tensor *x = heed_expand(t, in(HEED_SHAPE(6), weights), HEED_SHAPE(MANY, 6));
    heed_tensor *y = heed_multinomial(t, x, 4, false);
    const int32_t *drawn = y->data;
    for (int64_t i = 0; i < MANY; i++, drawn += 4) {
        unsigned seen = 0;
        for (int k = 0; k < 4; k++)
            seen |= 1u << drawn[k];
        ck_assert_uint_eq(seen, 1 | 4 | 8 | 32);
        counts[6 * drawn[0] + drawn[1]]++;
    }
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++) {
            if (i == j || weights[i] == 0 || weights[j] == 0)
                continue;
            found[used] = counts[6 * i + j];
            means[used++] = MANY * weights[i] / 6.5 * weights[j] / (6.5 - weights[i]);
        }
    }
    ck_assert_int_eq(used, 12);
    expect_counts("pairs", used, found, means);
    end();
}
END_TEST

/* Weights so far apart that their sum is infinite, or their ratio. */
START_TEST(multinomial_extremes)
{
    const double huge[3] = { 1e308, 1e308, 1e-308 };
    begin(HEED_F64);
    heed_tensor *y = heed_multinomial(t, in(HEED_SHAPE(3), huge), 1000, true);
    double ones = 0;
    for (int64_t i = 0; i < 1000; i++) {
        ck_assert(heed_at(y, i) < 2);
        ones += heed_at(y, i);
    }
    expect("ones", ones, 500, sqrt(250));
    y = heed_multinomial(t, in(HEED_SHAPE(3), huge), 3, false);
    ck_assert(heed_at(y, 2) == 2);
    end();
}
END_TEST

/* ---- streams ---- */

enum { DRAW_KINDS = 6 };

/* One draw of each kind, as doubles. */
static heed_tensor *draw(int kind, int64_t n)
{
    heed_tensor *half = heed_full(t, HEED_SHAPE(n), 0.5);
    switch (kind) {
    case 0:
        return heed_uniform(t, HEED_SHAPE(n), 0, 1);
    case 1:
        return heed_normal(t, HEED_SHAPE(n), 0, 1);
    case 2:
        return heed_bernoulli(t, half);
    case 3:
        return heed_permutation(t, n);
    case 4:
        return heed_multinomial(t, heed_reshape(t, half, HEED_SHAPE(n / 50, 50)), 60, true);
    default:
        return heed_multinomial(t, heed_reshape(t, half, HEED_SHAPE(n / 50, 50)), 40, false);
    }
}

static bool equal(const heed_tensor *a, const heed_tensor *b)
{
    size_t bytes = (size_t)heed_size(a) * heed_dtype_size(a->dtype);
    return heed_size(a) == heed_size(b) && memcmp(a->data, b->data, bytes) == 0;
}

START_TEST(same_bits_at_any_number_of_threads)
{
    for (int k = 0; k < 2; k++) {
        begin(dtypes[k]);
        heed_tensor *one = draw(_i, 50000);
        for (int n = 2; n <= 3; n++) {
            heed_set_threads(n);
            heed_seed(t, 2024, 0);
            ck_assert(equal(one, draw(_i, 50000)));
        }
        end();
    }
}
END_TEST

START_TEST(streams)
{
    heed_tensor *y[6];
    begin(HEED_F32);
    y[0] = draw(_i, 500);
    y[1] = draw(_i, 500); /* the next draw */
    heed_scope(t, "a");
    y[2] = draw(_i, 500); /* another scope, */
    heed_scope_end(t);
    heed_scope(t, "b");
    y[3] = draw(_i, 500); /* and another */
    heed_scope_end(t);
    heed_seed(t, 2024, 1);
    y[4] = draw(_i, 500); /* the next step */
    heed_seed(t, 2025, 0);
    y[5] = draw(_i, 500); /* another seed */
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < i; k++)
            ck_assert_msg(!equal(y[i], y[k]), "draws %d and %d are the same", k, i);
    }
    heed_seed(t, 2024, 0);
    heed_scope(t, "b"); /* what others draw does not matter */
    ck_assert(equal(draw(_i, 500), y[3]));
    heed_scope_end(t);
    ck_assert(equal(draw(_i, 500), y[0]));
    ck_assert(equal(draw(_i, 500), y[1]));
    end();
}
END_TEST

/* A draw is a constant: nothing is recorded, and a gradient passes by. */
START_TEST(draws_have_no_gradient)
{
    begin(HEED_F64);
    heed_tensor *x = heed_watch(t, heed_full(t, HEED_SHAPE(3), 0.5));
    heed_tensor *noise = heed_normal(t, HEED_SHAPE(3), 0, 1);
    heed_tensor *mask = heed_bernoulli(t, x);
    heed_tensor *sum = heed_add(t, x, noise), *twice = heed_scale(t, x, 2);
    heed_tensor *y = heed_where(t, mask, sum, twice);
    heed_keep(t, mask);
    ck_assert(heed_backward(t, heed_sum(t, y)));
    for (int64_t i = 0; i < 3; i++)
        ck_assert(heed_at(heed_gradient(t, x), i) == (heed_at(mask, i) != 0 ? 1 : 2));
    end();
}
END_TEST

/* ---- refusals ---- */

static heed_tensor *refused(int i)
{
    const double bad[4][3] = { { 1, -1, 0 }, { 0, 0, 0 }, { 1, NAN, 1 }, { 1, INFINITY, 0 } };
    const double few[3] = { 1, 0, 2 };
    switch (i) {
    case 0:
        return heed_uniform(t, HEED_SHAPE(2), 1, 1);
    case 1:
        return heed_uniform(t, HEED_SHAPE(2), 0, INFINITY);
    case 2:
        return heed_uniform(t, HEED_SHAPE(2), NAN, 1);
    case 3:
        return heed_uniform(t, HEED_SHAPE(-2), 0, 1);
    case 4:
        return heed_normal(t, HEED_SHAPE(2), 0, -1);
    case 5:
        return heed_normal(t, HEED_SHAPE(2), NAN, 1);
    case 6:
        return heed_bernoulli(t, heed_full(t, HEED_SHAPE(2), 1.5));
    case 7:
        return heed_bernoulli(t, heed_full(t, HEED_SHAPE(2), NAN));
    case 8:
        return heed_permutation(t, -1);
    case 9:
        return heed_permutation(t, (int64_t)INT32_MAX + 1);
    case 10:
    case 11:
    case 12:
    case 13:
        return heed_multinomial(t, in(HEED_SHAPE(3), bad[i - 10]), 1, i % 2 == 0);
    case 14:
        return heed_multinomial(t, in(HEED_SHAPE(3), few), 3, false);
    case 15:
        return heed_multinomial(t, in(HEED_SHAPE(3), few), -1, true);
    case 16:
        return heed_multinomial(t, in(HEED_SCALAR, few), 1, true);
    default:
        return heed_multinomial(t, NULL, 1, true);
    }
}

static const char *const sentences[] = {
    "uniform: [1, 1) is not a finite range of f64 that holds a number",
    "uniform: [0, inf) is not a finite range",
    "uniform: [nan, 1) is not a finite range",
    "uniform: the result's extents are negative",
    "normal: mean 0 and deviation -1 must be finite, the latter 0 or more",
    "normal: mean nan and deviation 1",
    "bernoulli: [2]: probability 1.5 at index 0 is not in [0, 1]",
    "bernoulli: [2]: probability nan at index 0",
    "permutation: -1 is not in 0 .. 2147483647",
    "permutation: 2147483648 is not in 0",
    "multinomial: [3]: weight -1 at [0,1] is not a finite number >= 0",
    "multinomial: [3]: the weights of row 0 are all 0",
    "multinomial: [3]: weight nan at [0,1]",
    "multinomial: [3]: weight inf at [0,1]",
    "multinomial: [3]: row 0 has 2 weights above 0, too few for 3 draws without replacement",
    "multinomial: [3]: the number of draws, -1, is negative",
    "multinomial: []: needs weights [..., n]",
    "multinomial: operand 0 is NULL",
};
#define LENGTH(list) ((int)(sizeof(list) / sizeof((list)[0])))

START_TEST(refusals)
{
    begin(HEED_F64);
    ck_assert_ptr_null(refused(_i));
    ck_assert_ptr_nonnull(heed_error(t));
    ck_assert_msg(strncmp(heed_error(t), sentences[_i], strlen(sentences[_i])) == 0, "%s",
                  heed_error(t));
    ck_assert_ptr_null(heed_uniform(t, HEED_SHAPE(1), 0, 1));
    ck_assert_ptr_null(heed_permutation(NULL, 3));
    heed_tape_free(t);
}
END_TEST

int main(void)
{
    heed__set_eager(true); /* also in the tests that Check forks */
    Suite *suite = suite_create("random");
    TCase *tests = tcase_create("random");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, uniform_numbers, 0, 2);
    tcase_add_test(tests, uniform_ends);
    tcase_add_loop_test(tests, normal_numbers, 0, 2);
    tcase_add_loop_test(tests, bernoulli_numbers, 0, 2);
    tcase_add_test(tests, permutation_numbers);
    tcase_add_loop_test(tests, multinomial_with_replacement, 0, 2);
    tcase_add_loop_test(tests, multinomial_without_replacement, 0, 2);
    tcase_add_test(tests, multinomial_extremes);
    tcase_add_loop_test(tests, same_bits_at_any_number_of_threads, 0, DRAW_KINDS);
    tcase_add_loop_test(tests, streams, 0, DRAW_KINDS);
    tcase_add_test(tests, draws_have_no_gradient);
    tcase_add_loop_test(tests, refusals, 0, LENGTH(sentences));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
