/* The modules for norms over channels: three steps of training and an evaluation against
 * PyTorch (tests/reference/make_modules_reference.py), when running statistics move and when
 * they must not, and refusals. */
#define _POSIX_C_SOURCE 200809L
#include <heed/nn.h>
#include <heed/optim.h>

#include "modules_reference.h"

enum { C = 4 };

typedef struct subject {
    heed_batchnorm_module batch;
    heed_groupnorm_module group;
    bool grouped;
} subject;

static heed_tensor *forward(heed_tape *t, const subject *s, heed_tensor *x)
{
    return s->grouped ? heed_groupnorm_forward(t, &s->group, x)
                      : heed_batchnorm_forward(t, &s->batch, x);
}

static heed_tape *new_tape(heed_dtype dtype)
{
    return heed_tape_new(&(heed_tape_options){ .dtype = dtype });
}

/* ---- against PyTorch ---- */

static const struct {
    const char *name;
    int64_t groups; /* 0: batchnorm */
    double epsilon, momentum;
} references[] = {
    { "batchnorm_rows", 0, 0, 0 }, { "batchnorm_1d", 0, 1e-3, 0.3 },
    { "batchnorm_2d", 0, 0, 0 },   { "groupnorm", 2, 0, 0 },
    { "instancenorm", C, 0, 0 },
};

static void pass(heed_tape *t, const subject *s, const heed_archive *archive, const char *name,
                 int step)
{
    char of_x[8], of_target[16], of_y[8], of_gx[8];
    snprintf(of_x, sizeof of_x, "x%d", step);
    snprintf(of_target, sizeof of_target, "target%d", step);
    snprintf(of_y, sizeof of_y, "y%d", step);
    snprintf(of_gx, sizeof of_gx, "gx%d", step);
    heed_tensor *x = stored(t, archive, name, of_x);
    heed_tensor *y = heed_keep(t, forward(t, s, x));
    heed_tensor *miss = heed_sub(t, y, stored(t, archive, name, of_target));
    heed_tensor *loss = heed_scale(t, heed_sum(t, heed_square(t, miss)), 0.5);
    ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
    same("value", y, entry_of(archive, name, of_y), 1e-10);
    same("gradient", heed_gradient(t, x), entry_of(archive, name, of_gx), 1e-10);
    heed_tape_reset(t);
}

START_TEST(torch)
{
    const char *name = references[_i].name;
    heed_archive *archive = open_reference();
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = new_tape(HEED_F64);
    subject s = { .grouped = references[_i].groups > 0 };
    if (s.grouped)
        heed_groupnorm_init(
            &s.group, ps, "start", C,
            (heed_groupnorm_options){ .groups = references[_i].groups, .bias = true });
    else
        heed_batchnorm_init(&s.batch, ps, "start", C,
                            (heed_batchnorm_options){ .bias = true,
                                                      .epsilon = references[_i].epsilon,
                                                      .momentum = references[_i].momentum });
    ck_assert_msg(!heed_params_error(ps), "%s", heed_params_error(ps));
    for (int i = 0; i < 2; i++) {
        heed_parameter *p = heed_params_at(ps, i);
        memcpy(p->data, entry_of(archive, name, p->name)->data, C * sizeof(double));
    }
    heed_optimizer *o = heed_sgd_new(ps, (heed_sgd_options){ .lr = 0.1 });
    heed_set_training(t, true);
    for (int step = 0; step < 3; step++) {
        pass(t, &s, archive, name, step);
        ck_assert(heed_optimizer_step(o, heed_params_gradients(ps)));
    }
    heed_set_training(t, false);
    pass(t, &s, archive, name, 3);
    for (int i = 0; i < heed_params_count(ps); i++) {
        char end[64];
        const heed_parameter *p = heed_params_at(ps, i);
        snprintf(end, sizeof end, "end%s", strchr(p->name, '.'));
        same_values("afterwards", p->data, entry_of(archive, name, end), C, 1e-10);
    }
    heed_optimizer_free(o);
    heed_tape_free(t);
    heed_params_free(ps);
    heed_archive_free(archive);
}
END_TEST

/* ---- when running statistics move ---- */

static const float rows[3 * 2] = { 1, 2, 3, 4, 5, 9 }; /* means 3, 5; variances 4, 13 */

static heed_params *small(heed_batchnorm_module *m)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_batchnorm_init(m, ps, "norm", 2, (heed_batchnorm_options){ .momentum = 0.5 });
    return ps;
}

static heed_tensor *run(heed_tape *t, const heed_batchnorm_module *m)
{
    heed_tensor *x = heed_copy_in(t, HEED_F32, HEED_SHAPE(3, 2), rows);
    heed_tensor *y = heed_batchnorm_forward(t, m, x);
    ck_assert_msg(y != NULL, "%s", heed_error(t));
    return y;
}

static void assert_running(const heed_batchnorm_module *m, double mean0, double mean1,
                           double variance0, double variance1)
{
    const float *mean = m->mean->data, *variance = m->variance->data;
    ck_assert_double_eq(mean[0], mean0);
    ck_assert_double_eq(mean[1], mean1);
    ck_assert_double_eq(variance[0], variance0);
    ck_assert_double_eq(variance[1], variance1);
}

START_TEST(each_pass_moves_once)
{
    heed_batchnorm_module m;
    heed_params *ps = small(&m);
    heed_tape *t = new_tape(HEED_F32);
    assert_running(&m, 0, 0, 1, 1);
    heed_set_training(t, true);
    run(t, &m);
    assert_running(&m, 1.5, 2.5, 2.5, 7);
    run(t, &m);
    assert_running(&m, 2.25, 3.75, 3.25, 10);
    ck_assert_int_eq(heed_params_trainable(ps), 2);
    ck_assert_int_eq(heed_params_size(ps), 2);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

START_TEST(nothing_else_moves_them)
{
    heed_batchnorm_module m;
    heed_params *ps = small(&m);
    heed_tape *t = new_tape(HEED_F32);
    run(t, &m); /* evaluation */
    heed_set_training(t, true);
    heed_set_recording(t, false);
    run(t, &m);
    heed_set_recording(t, true);
    heed_tape_reset(t);
    heed_params *other = heed_params_copy(ps, HEED_F32);
    ck_assert(heed_shadow(t, ps, other));
    run(t, &m);
    assert_running(&m, 0, 0, 1, 1);
    for (int i = 0; i < heed_params_count(ps); i++)
        ck_assert_mem_eq(heed_params_at(ps, i)->data, heed_params_at(other, i)->data,
                         2 * sizeof(float));
    heed_params_free(other);
    ck_assert(heed_shadow(t, NULL, NULL));
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_batchnorm_forward(t, &m, heed_full(t, HEED_SHAPE(1, 2), 0)));
    heed_tape_reset(t);
    heed_tensor *nobody = heed_full(t, HEED_SHAPE(0, 2), 0);
    ck_assert_ptr_nonnull(heed_batchnorm_forward(t, &m, nobody));
    assert_running(&m, 0, 0, 1, 1);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* An evaluation recorded before a training pass of the same step is swept with the statistics
 * that it was computed with. */
START_TEST(what_was_recorded_stays)
{
    heed_batchnorm_module m;
    heed_params *ps = small(&m);
    heed_tape *t = new_tape(HEED_F32);
    heed_tensor *y = run(t, &m);
    heed_set_training(t, true);
    run(t, &m);
    ck_assert(heed_backward(t, heed_sum(t, y)));
    const float *g = heed_gradients_of(heed_params_gradients(ps), m.weight);
    ck_assert_double_eq_tol(g[0], 9, 1e-3); /* sum of x: the mean was 0, the variance 1 */
    ck_assert_double_eq_tol(g[1], 15, 1e-3);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

static heed_tensor *energy(heed_tape *t, heed_tensor *const x[], void *user)
{
    heed_set_training(t, true);
    heed_tensor *y = heed_batchnorm_forward(t, user, x[0]);
    return heed_sum(t, heed_mul(t, y, heed_sin(t, y)));
}

START_TEST(checks_leave_them)
{
    heed_batchnorm_module m;
    heed_params *ps = small(&m);
    heed_input x = { .shape = HEED_DIMS(3, 2, 2) };
    heed_report r = heed_check(energy, &m, ps, 1, &x, &(heed_check_options){ .order = 2 });
    ck_assert_msg(r.passed, "%s %s", r.where, r.message);
    assert_running(&m, 0, 0, 1, 1);
    heed_params_free(ps);
}
END_TEST

/* ---- refusals ---- */

static void assert_fails(heed_params *ps, const char *sentence)
{
    ck_assert_msg(heed_params_error(ps) != NULL, "taken: %s", sentence);
    ck_assert_str_eq(heed_params_error(ps), sentence);
    heed_params_free(ps);
}

static void group_fails(int64_t channels, heed_groupnorm_options options, const char *sentence)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_groupnorm_module m;
    heed_groupnorm_init(&m, ps, "n", channels, options);
    assert_fails(ps, sentence);
}

static void batch_fails(int64_t channels, heed_batchnorm_options options, const char *sentence)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_batchnorm_module m;
    heed_batchnorm_init(&m, ps, "n", channels, options);
    assert_fails(ps, sentence);
}

START_TEST(unsound_settings)
{
    group_fails(6, (heed_groupnorm_options){ .groups = 4 },
                "groupnorm n: 6 channels cannot be cut into 4 groups");
    group_fails(6, (heed_groupnorm_options){ 0 },
                "groupnorm n: 6 channels cannot be cut into 0 groups");
    group_fails(0, (heed_groupnorm_options){ .groups = 1 },
                "groupnorm n: 0 channels cannot be cut into 1 groups");
    group_fails(2, (heed_groupnorm_options){ .groups = 1, .epsilon = -1 },
                "groupnorm n: epsilon is not 0 or more: -1");
    batch_fails(2, (heed_batchnorm_options){ .epsilon = -1 },
                "batchnorm n: epsilon is not 0 or more: -1");
    batch_fails(2, (heed_batchnorm_options){ .momentum = 2 },
                "batchnorm n: momentum is not in [0, 1]: 2");
    batch_fails(2, (heed_batchnorm_options){ .momentum = -0.5 },
                "batchnorm n: momentum is not in [0, 1]: -0.5");
    batch_fails(0, (heed_batchnorm_options){ 0 }, "batchnorm n: channels 0 are not positive");
}
END_TEST

static void refuses(const subject *s, heed_shape shape, const char *sentence)
{
    heed_tape *t = new_tape(HEED_F32);
    heed_set_training(t, true);
    ck_assert_ptr_null(forward(t, s, heed_full(t, shape, 1)));
    ck_assert_msg(strstr(heed_error(t), sentence) != NULL, "%s", heed_error(t));
    heed_tape_free(t);
}

START_TEST(unsound_calls)
{
    subject s = { 0 };
    heed_params *ps = small(&s.batch);
    heed_groupnorm_init(&s.group, ps, "group", 4, (heed_groupnorm_options){ .groups = 2 });
    refuses(&s, HEED_SHAPE(2), "batchnorm: [2] x [2]");
    refuses(&s, HEED_SHAPE(2), "needs x [batch, channels, ...]");
    refuses(&s, HEED_SHAPE(3, 3), "gamma must have shape [3], one for each channel");
    refuses(&s, HEED_SHAPE(1, 2), "a batch of one value a channel has no variance");
    refuses(&s, HEED_SHAPE(1, 2, 1, 1), "a batch of one value a channel has no variance");
    s.grouped = true;
    refuses(&s, HEED_SHAPE(4), "needs x [batch, channels, ...]");
    refuses(&s, HEED_SHAPE(2, 6), "gamma must have shape [6], one for each channel");
    refuses(&s, HEED_SHAPE(2, 3), "gamma must have shape [3], one for each channel");
    heed_params_free(ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel_norm");
    TCase *tests = tcase_create("channel_norm");
    tcase_add_loop_test(tests, torch, 0, LENGTH(references));
    tcase_add_test(tests, each_pass_moves_once);
    tcase_add_test(tests, nothing_else_moves_them);
    tcase_add_test(tests, what_was_recorded_stays);
    tcase_add_test(tests, checks_leave_them);
    tcase_add_test(tests, unsound_settings);
    tcase_add_test(tests, unsound_calls);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
