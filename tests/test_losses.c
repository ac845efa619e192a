/* The losses beyond their records' cases: weights that are not differentiated, options left out,
 * and f64 operands on a tape of f32. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>

#include "kernels.h"

static heed_tape *t;

static void begin(void)
{
    heed_set_threads(1);
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ck_assert_ptr_nonnull(t);
}

static void end(void)
{
    heed_tape_free(t);
}

static heed_tensor *numbers(heed_shape shape)
{
    double values[64];
    int64_t n = 1;
    for (int k = 0; k < shape.ndim; k++)
        n *= shape.size[k];
    ck_assert_int_le(n, 64);
    for (int64_t i = 0; i < n; i++)
        values[i] = 0.1 + 0.8 * sin((double)(3 * i + 1)) * sin((double)(3 * i + 1));
    return heed_copy_in(t, HEED_F64, shape, values);
}

#define IDS(...)                                                                             \
    heed_ids(t, HEED_SHAPE((int64_t)(sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t))), \
             (const int32_t[]){ __VA_ARGS__ })

START_TEST(weights_have_no_gradient)
{
    heed_tensor *x = heed_watch(t, numbers(HEED_SHAPE(2, 3)));
    heed_tensor *weights = heed_watch(t, numbers(HEED_SHAPE(3)));
    const heed_cross_entropy_options options = { .smoothing = 0.1, .weights = weights };
    heed_tensor *p = numbers(HEED_SHAPE(2, 3));
    heed_tensor *hard = heed_cross_entropy(t, x, IDS(2, 0), &options);
    heed_tensor *soft = heed_soft_cross_entropy(t, x, p, &options);
    heed_tensor *gx[2];
    ck_assert(
        heed_grad(t, heed_add(t, hard, soft), NULL, 2, (heed_tensor *[]){ x, weights }, gx));
    ck_assert_ptr_nonnull(gx[0]);
    ck_assert_ptr_null(gx[1]);
}
END_TEST

START_TEST(options_left_out)
{
    heed_tensor *x = heed_log_softmax(t, numbers(HEED_SHAPE(2, 3)), -1), *labels = IDS(2, 0);
    heed_tensor *hot = heed_cast(t, heed_one_hot(t, labels, 3), HEED_F64);
    double hard = heed_item(t, heed_cross_entropy(t, x, labels, NULL));
    double soft = heed_item(t, heed_soft_cross_entropy(t, x, hot, NULL));
    double nll = heed_item(t, heed_nll(t, x, labels, NULL));
    ck_assert_double_eq_tol(soft, hard, 1e-14);
    ck_assert_double_eq_tol(nll, hard, 1e-14);
    /* two classes of equal probability over two times: three of four paths give one label */
    heed_tensor *even = heed_copy_in(t, HEED_F64, HEED_SHAPE(2, 1, 2), (double[4]){ 0 });
    heed_tensor *target = heed_ids(t, HEED_SHAPE(1, 1), &(int32_t){ 1 });
    heed_tensor *log_p = heed_log_softmax(t, even, -1);
    heed_tensor *loss = heed_ctc(t, log_p, target, IDS(2), IDS(1), NULL);
    ck_assert_double_eq_tol(heed_item(t, loss), log(4.0 / 3), 1e-14);
}
END_TEST

/* Constants that compositions make are of the operands' dtype, not of the tape's. */
START_TEST(wide_operands_on_a_narrow_tape)
{
    double y[2][9], g[2][9];
    for (int tape = 0; tape < 2; tape++) {
        heed_tape_free(t);
        t = heed_tape_new(&(heed_tape_options){ .dtype = tape ? HEED_F32 : HEED_F64 });
        for (int i = 0; i < 9; i++) {
            heed_tape_reset(t);
            heed_tensor *x = heed_watch(t, numbers(HEED_SHAPE(2, 3))), *z = NULL, *gx;
            heed_tensor *p = numbers(HEED_SHAPE(3));
            const bool same[2] = { true, false };
            const heed_cross_entropy_options options = {
                .ignore = true, .ignore_index = 1, .smoothing = 0.25, .weights = p
            };
            if (i == 0)
                z = heed_mse(t, x, p, HEED_MEAN);
            else if (i == 1)
                z = heed_huber(t, x, p, 0.25, HEED_MEAN);
            else if (i == 2)
                z = heed_binary_cross_entropy(t, x, p, HEED_MEAN);
            else if (i == 3)
                z = heed_kl_divergence(t, x, p, HEED_MEAN);
            else if (i == 4)
                z = heed_cosine_embedding(t, x, p, heed_mask(t, HEED_SHAPE(2), same), 0,
                                          HEED_MEAN);
            else if (i == 5)
                z = heed_sum(t, heed_entropy(t, x, 0));
            else if (i == 6)
                z = heed_cross_entropy(t, x, IDS(2, 1), &options);
            else if (i == 7)
                z = heed_soft_cross_entropy(t, x, numbers(HEED_SHAPE(2, 3)), NULL);
            else
                z = heed_ctc(t, heed_reshape(t, x, HEED_SHAPE(2, 1, 3)),
                             heed_ids(t, HEED_SHAPE(1, 1), &(int32_t){ 1 }), IDS(2), IDS(1),
                             NULL);
            ck_assert_msg(heed_grad(t, z, NULL, 1, &x, &gx), "%s", heed_error(t));
            y[tape][i] = heed_item(t, z);
            g[tape][i] = heed_item(t, heed_sum(t, heed_square(t, gx)));
        }
    }
    ck_assert_int_eq(memcmp(y[0], y[1], sizeof y[0]), 0);
    ck_assert_int_eq(memcmp(g[0], g[1], sizeof g[0]), 0);
}
END_TEST

int main(void)
{
    heed__set_eager(true); /* also in the tests that Check forks */
    Suite *suite = suite_create("losses");
    TCase *losses = tcase_create("losses");
    tcase_add_checked_fixture(losses, begin, end);
    tcase_add_test(losses, weights_have_no_gradient);
    tcase_add_test(losses, options_left_out);
    tcase_add_test(losses, wide_operands_on_a_narrow_tape);
    suite_add_tcase(suite, losses);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
