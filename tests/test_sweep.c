/* The reverse sweep at its edges: what it refuses by name, losses that are leaves, several
 * sets, gradients given by hand, accumulation over steps; and carried state. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>
#include <heed/params.h>

static heed_tape *t;
static heed_params *ps;

static void setup(void)
{
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ps = heed_params_new(HEED_F64, NULL);
}

static void teardown(void)
{
    heed_tape_free(t);
    heed_params_free(ps);
}

static heed_parameter *parameter(const char *name, int64_t n, double value)
{
    heed_parameter *p = heed_parameter_new(ps, name, HEED_SHAPE(n), 0);
    for (int64_t i = 0; i < n; i++)
        ((double *)p->data)[i] = value + (double)i;
    return p;
}

static double gradient_of(const heed_parameter *p, int i)
{
    const double *g = heed_gradients_of(heed_params_gradients(ps), p);
    ck_assert_ptr_nonnull(g);
    return g[i];
}

START_TEST(consumed_records)
{
    heed_tensor *w = heed_use(t, parameter("w", 2, 1)), *gx[1];
    heed_tensor *loss = heed_sum(t, heed_square(t, w));
    ck_assert(heed_backward(t, loss));
    ck_assert(!heed_grad(t, loss, NULL, 1, &w, gx));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "consumed by an earlier heed_backward"));
    ck_assert_ptr_null(gx[0]);
}
END_TEST

START_TEST(loss_is_a_parameter)
{
    heed_parameter *p = parameter("w", 1, 3);
    ck_assert_msg(heed_backward(t, heed_use(t, p)), "%s", heed_error(t));
    ck_assert_double_eq(gradient_of(p, 0), 1);
    ck_assert(heed_backward(t, heed_use(t, p)));
    ck_assert_double_eq(gradient_of(p, 0), 2);
}
END_TEST

/* Two micro-batches add up, whichever form a contribution takes: product, column sum, slice,
 * elementwise. */
START_TEST(accumulation)
{
    heed_parameter *w = heed_parameter_new(ps, "w", HEED_SHAPE(2, 2), 0),
                   *b = parameter("b", 2, 0.5);
    memcpy(w->data, (double[]){ 1, 2, 3, 4 }, 4 * sizeof(double));
    double once[6];
    for (int round = 1; round <= 2; round++) {
        heed_tensor *x = heed_constant(t, HEED_SHAPE(3, 2), (double[]){ 1, -1, 2, 0.5, 0, 3 });
        heed_tensor *y = heed_linear(t, x, heed_use(t, w), heed_use(t, b));
        heed_tensor *part =
            heed_sum(t, heed_square(t, heed_slice(t, heed_use(t, b), 0, 1, 2, 1)));
        heed_tensor *whole = heed_sum(t, heed_mul(t, heed_use(t, b), heed_use(t, b)));
        heed_tensor *loss =
            heed_add(t, heed_add(t, heed_sum(t, heed_square(t, y)), part), whole);
        ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
        for (int i = 0; i < 6; i++) {
            double g = i < 4 ? gradient_of(w, i) : gradient_of(b, i - 4);
            if (round == 1)
                once[i] = g;
            else
                ck_assert_double_eq_tol(g, 2 * once[i], 1e-13 * fabs(once[i]));
        }
        heed_tape_reset(t);
    }
    ck_assert_double_ne(once[0], 0);
}
END_TEST

/* add's rule gives both operands the same tensor as gradient. What a gets from elsewhere, later in
 * the sweep, must not be added into it: b has not read its own yet. */
START_TEST(gradients_that_share_memory)
{
    heed_tensor *x = heed_watch(t, heed_constant(t, HEED_SHAPE(2), (const double[]){ 1, 2 }));
    heed_tensor *w = heed_constant(t, HEED_SHAPE(2), (const double[]){ 3, 5 });
    heed_tensor *b = heed_scale(t, x, 10), *a = heed_scale(t, x, 7);
    heed_tensor *product = heed_mul(t, a, w);
    heed_tensor *both = heed_mul(t, heed_add(t, a, b), w);
    heed_tensor *loss = heed_sum(t, heed_add(t, product, both));
    ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
    for (int i = 0; i < 2; i++)
        ck_assert_double_eq(heed_at(heed_gradient(t, x), i), (7 + 7 + 10) * (i ? 5.0 : 3.0));
}
END_TEST

/* Of two sets on one tape each gets its own gradients; one given to heed_backward_into takes
 * its set's only. */
START_TEST(two_sets)
{
    heed_params *other = heed_params_new(HEED_F64, NULL);
    heed_parameter *p = parameter("p", 1, 2),
                   *q = heed_parameter_new(other, "q", HEED_SHAPE(1), 0);
    *(double *)q->data = 5;
    for (int round = 0; round < 2; round++) {
        heed_tensor *a = heed_use(t, p), *b = heed_use(t, q);
        ck_assert(heed_backward(t, heed_sum(t, heed_mul(t, a, b))));
        heed_tape_reset(t);
    }
    ck_assert_double_eq(gradient_of(p, 0), 10);
    ck_assert_double_eq(*(double *)heed_gradients_of(heed_params_gradients(other), q), 4);
    heed_gradients *mine = heed_gradients_new(ps);
    heed_tensor *loss = heed_sum(t, heed_mul(t, heed_use(t, p), heed_use(t, q)));
    ck_assert(!heed_backward_into(t, loss, mine));
    ck_assert_ptr_nonnull(
        strstr(heed_error(t), "no gradient memory for parameter q in the given"));
    ck_assert(!heed_gradients_complete(mine));
    heed_gradients_free(mine);
    heed_params_free(other);
}
END_TEST

START_TEST(shadow_comes_first)
{
    parameter("w", 1, 1);
    heed_params *copy = heed_params_copy(ps, HEED_F64);
    heed_use(t, heed_params_at(ps, 0));
    ck_assert(!heed_shadow(t, ps, copy));
    ck_assert_str_eq(heed_error(t), "shadow: parameters were fetched in this step already");
    heed_tape_reset(t);
    *(double *)heed_params_at(copy, 0)->data = 7;
    ck_assert(heed_shadow(t, ps, copy));
    ck_assert_double_eq(heed_item(t, heed_use(t, heed_params_at(ps, 0))), 7);
    heed_tape_reset(t);
    ck_assert(heed_shadow(t, NULL, NULL));
    ck_assert_double_eq(heed_item(t, heed_use(t, heed_params_at(ps, 0))), 1);
    heed_params_free(copy);
}
END_TEST

/* A request that no machine can meet is refused, not looked up past the end of the lists. */
START_TEST(impossible_memory)
{
    heed_tensor *x =
        heed_expand(t, heed_full(t, HEED_SHAPE(1), 1), HEED_SHAPE((int64_t)1 << 58));
    ck_assert_ptr_nonnull(x);
    ck_assert_ptr_null(heed_contiguous(t, x));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "out of memory"));
}
END_TEST

/* A rewind forgets what was watched since, and every gradient of the rewound sweep. */
START_TEST(watches_end_with_a_rewind)
{
    heed_tensor *x = heed_constant(t, HEED_SHAPE(2), (double[]){ 1, 2 });
    heed_tensor *early = heed_watch(t, heed_constant(t, HEED_SHAPE(1), (double[]){ 3 }));
    for (int round = 0; round < 3; round++) {
        heed_position m = heed_mark(t);
        heed_watch(t, x);
        heed_tensor *loss =
            heed_add(t, heed_sum(t, heed_square(t, x)), heed_sum(t, heed_square(t, early)));
        ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
        ck_assert_double_eq(heed_at(heed_gradient(t, x), 0), 2);
        ck_assert_double_eq(heed_at(heed_gradient(t, x), 1), 4);
        ck_assert_double_eq(heed_at(heed_gradient(t, early), 0), 6);
        heed_rewind(t, m);
        ck_assert_ptr_null(heed_gradient(t, early));
    }
}
END_TEST

/* The table of fetched parameters may have been made past the mark. */
START_TEST(parameters_after_a_rewind)
{
    heed_parameter *p[48];
    char name[8];
    for (int i = 0; i < 48; i++) {
        snprintf(name, sizeof name, "p%d", i);
        p[i] = parameter(name, 1, i);
        heed_use(t, p[i]);
    }
    for (int round = 0; round < 3; round++) {
        heed_position m = heed_mark(t);
        heed_tensor *first = heed_use(t, p[0]);
        heed_rewind(t, m);
        for (int i = 0; i < 200; i++)
            heed_full(t, HEED_SHAPE(16), 7);
        ck_assert_ptr_eq(heed_use(t, p[0]), first);
        ck_assert_double_eq(heed_item(t, heed_use(t, p[47])), 47);
    }
}
END_TEST

START_TEST(released_values_stay_released)
{
    heed_tensor *x = heed_watch(t, heed_full(t, HEED_SHAPE(3), 1));
    heed_tensor *y = heed_square(t, x);
    ck_assert(heed_backward(t, heed_sum(t, heed_exp(t, y))));
    ck_assert(isnan(heed_at(y, 0)));
    ck_assert_ptr_null(heed_keep(t, y));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "released"));
}
END_TEST

/* A loss that is a view, a detached value and a kept one outlive the sweep; a later sweep
 * changes nothing. */
START_TEST(values_that_outlive_the_sweep)
{
    heed_tensor *x = heed_watch(t, heed_constant(t, HEED_SHAPE(2), (double[]){ 1, 2 }));
    heed_tensor *loss = heed_matmul(t, x, x);
    heed_tensor *detached = heed_detach(t, heed_neg(t, x));
    heed_tensor *kept = heed_keep(t, heed_square(t, x));
    heed_position m = heed_mark(t);
    ck_assert(heed_backward(t, heed_add(t, loss, heed_sum(t, kept))));
    heed_rewind(t, m);
    heed_tensor *z = heed_watch(t, heed_full(t, HEED_SHAPE(1), 3));
    ck_assert_msg(heed_backward(t, heed_sum(t, heed_square(t, z))), "%s", heed_error(t));
    ck_assert_double_eq(heed_at(kept, 1), 4);
    ck_assert_double_eq(heed_at(detached, 0), -1);
    heed_tape_reset(t);
    x = heed_watch(t, heed_constant(t, HEED_SHAPE(2), (double[]){ 1, 2 }));
    loss = heed_matmul(t, x, x);
    ck_assert(heed_backward(t, loss));
    ck_assert_double_eq(heed_item(t, loss), 5);
}
END_TEST

/* A watched parameter has its gradient in both places; a frozen one is not trained but may be
 * watched. */
START_TEST(watched_parameters)
{
    heed_parameter *p = parameter("p", 2, 3), *q = parameter("q", 2, 5);
    heed_params_freeze(ps, "q", true);
    heed_tensor *x = heed_watch(t, heed_use(t, p)), *y = heed_watch(t, heed_use(t, q));
    ck_assert_msg(heed_backward(t, heed_sum(t, heed_mul(t, x, y))), "%s", heed_error(t));
    ck_assert_double_eq(heed_at(heed_gradient(t, x), 0), 5);
    ck_assert_double_eq(heed_at(heed_gradient(t, y), 0), 3);
    ck_assert_double_eq(gradient_of(p, 1), 6);
    ck_assert_ptr_null(heed_gradients_of(heed_params_gradients(ps), q));
}
END_TEST

/* 0 is 0, not 0 times an infinite gradient. */
START_TEST(no_gradient_is_zero)
{
    heed_tensor *zero = heed_full(t, HEED_SHAPE(1), 0);
    for (int k = 0; k < 3; k++) {
        heed_tensor *x = heed_watch(t, heed_full(t, HEED_SHAPE(1), -1));
        heed_tensor *y =
            k == 0   ? heed_clamp(t, x, 0, 1)
            : k == 1 ? heed_maximum(t, x, zero)
                     : heed_max(t, heed_concatenate(t, 2, (heed_tensor *[]){ x, zero }, 0));
        ck_assert_msg(heed_backward(t, heed_sum(t, heed_sqrt(t, y))), "%s", heed_error(t));
        ck_assert_double_eq(heed_at(heed_gradient(t, x), 0), 0);
    }
}
END_TEST

START_TEST(unsound_shapes)
{
    heed_shape deep = { .ndim = 200 };
    heed_tensor *x = heed_full(t, HEED_SHAPE(2), 1);
    ck_assert_ptr_null(heed_reshape(t, x, deep));
    ck_assert_str_eq(heed_error(t), "reshape: [2]: a shape of 200 axes is not one: at most 8");
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_full(t, deep, 0));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "[200 axes]"));
    heed_tape_reset(t);
    heed_tensor *q = heed_full(t, HEED_SHAPE(1, 0, 3, 4), 1),
                *k = heed_full(t, HEED_SHAPE(1, 2, 5, 4), 1);
    ck_assert_ptr_null(heed_attention(t, q, k, k, NULL, NULL));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "heads"));
    ck_assert(!heed_set_training(NULL, true));
    ck_assert(!heed_shadow(NULL, ps, ps));
}
END_TEST

/* ---- state ---- */

START_TEST(state_of_its_own_view)
{
    heed_state *s = heed_state_new(NULL);
    heed_set_recording(t, false);
    ck_assert(
        heed_state_assign(t, s, heed_constant(t, HEED_SHAPE(4), (double[]){ 1, 2, 3, 4 })));
    heed_tensor *tail = heed_slice(t, heed_state_value(t, s), 0, 1, HEED_END, 1);
    ck_assert(heed_state_assign(t, s, tail));
    heed_tensor *x = heed_state_value(t, s);
    ck_assert_int_eq(heed_size(x), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq(heed_at(x, i), i + 2);
    ck_assert(heed_state_assign(t, s, heed_full(t, HEED_SCALAR, 9)));
    ck_assert_int_eq(heed_state_value(t, s)->ndim, 0);
    ck_assert_double_eq(heed_item(t, heed_state_value(t, s)), 9);
    heed_state_free(s);
}
END_TEST

START_TEST(state_refuses)
{
    heed_state *s = heed_state_new(NULL);
    ck_assert_ptr_null(heed_state_value(t, s));
    ck_assert_str_eq(heed_error(t), "state: it is empty");
    heed_tape_reset(t);
    heed_tensor *x = heed_full(t, HEED_SHAPE(2, 3), 1);
    ck_assert_ptr_null(heed_state_append(t, s, x, 1, -1));
    ck_assert_str_eq(heed_error(t), "state: the capacity -1 is negative");
    heed_tape_reset(t);
    x = heed_full(t, HEED_SHAPE(2, 3), 1);
    ck_assert_ptr_nonnull(heed_state_append(t, s, x, 1, 4));
    ck_assert_ptr_null(heed_state_append(t, s, x, 1, 4));
    ck_assert_str_eq(heed_error(t), "state: 3 more positions do not fit: 3 of 4 are taken");
    heed_tape_reset(t);
    heed_tensor *one = heed_full(t, HEED_SHAPE(2, 1), 1);
    ck_assert_ptr_null(heed_state_append(t, s, one, 1, INT64_MIN)); /* a later call too */
    ck_assert_str_eq(heed_error(t), "state: the capacity -9223372036854775808 is negative");
    heed_tape_reset(t);
    ck_assert_int_eq(heed_state_length(s), 3); /* nothing was lost */
    ck_assert_ptr_null(
        heed_state_append(t, s, heed_watch(t, heed_full(t, HEED_SHAPE(2, 1), 1)), 1, 4));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "append is not differentiable"));
    heed_state_free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sweep");
    TCase *tests = tcase_create("sweep and state");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, consumed_records);
    tcase_add_test(tests, loss_is_a_parameter);
    tcase_add_test(tests, accumulation);
    tcase_add_test(tests, gradients_that_share_memory);
    tcase_add_test(tests, two_sets);
    tcase_add_test(tests, shadow_comes_first);
    tcase_add_test(tests, impossible_memory);
    tcase_add_test(tests, watches_end_with_a_rewind);
    tcase_add_test(tests, parameters_after_a_rewind);
    tcase_add_test(tests, released_values_stay_released);
    tcase_add_test(tests, values_that_outlive_the_sweep);
    tcase_add_test(tests, watched_parameters);
    tcase_add_test(tests, no_gradient_is_zero);
    tcase_add_test(tests, unsound_shapes);
    tcase_add_test(tests, state_of_its_own_view);
    tcase_add_test(tests, state_refuses);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
