/* The checks for whole models on trial: directions, the Taylor test, and proofs that nothing
 * leaks. Sound models must pass, and planted faults must be found and named. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/op.h>
#include <heed/params.h>

#define BATCH 2
#define TIME  5
#define WIDTH 8

/* ---- a sine whose derivative is wrong by a factor ---- */

static double slip = 1;

static bool sine_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    (void)t;
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[0]);
    return true;
}

static void sine_run(const heed_call *c, heed_tensor *y)
{
    for (int64_t i = 0; i < heed_size(y); i++)
        ((double *)y->data)[i] = sin(((const double *)c->x[0]->data)[i]);
}

static void sine_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    (void)y;
    heed_tensor *slope = heed_scale(t, heed_cos(t, c->x[0]), slip);
    gx[0] = heed_mul(t, gy, slope);
}

static const heed_op sine = { .name = "sine",
                              .arity = 1,
                              .dense = 1,
                              .uses = HEED_USES_X(0),
                              .shape = sine_shape,
                              .run = sine_run,
                              .vjp = sine_vjp };

/* ---- models of many parameters ---- */

typedef struct model {
    heed_linear_module in, out;
} model;

static heed_tensor *energy(heed_tape *t, heed_tensor *const x[], void *user)
{
    const model *m = user;
    heed_tensor *inner = heed_linear_forward(t, &m->in, x[0]);
    heed_tensor *hidden = heed_apply(t, &sine, 1, &inner, NULL);
    heed_tensor *y = heed_linear_forward(t, &m->out, hidden);
    return heed_sum(t, heed_square(t, y));
}

static heed_params *make(model *m)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_random r = { .seed = 11 };
    heed_linear_init(&m->in, ps, "in", WIDTH, 40,
                     (heed_linear_options){ .bias = true, .random = &r });
    heed_linear_init(&m->out, ps, "out", 40, 3,
                     (heed_linear_options){ .bias = true, .random = &r });
    ck_assert_ptr_null(heed_params_error(ps));
    return ps;
}

static const heed_input inputs[] = { { .shape = HEED_DIMS(BATCH, TIME, WIDTH) } };

static void count(void *user, const char *where, double analytic, double numeric, double excess)
{
    ck_assert(where[0] != '\0' && excess <= 1 && fabs(analytic - numeric) < 1e-3);
    ++*(int *)user;
}

START_TEST(directions)
{
    model m;
    heed_params *ps = make(&m);
    slip = 1;
    for (int order = 1; order <= 2; order++) {
        int called = 0;
        heed_report r = heed_check_directional(
            energy, &m, ps, 1, inputs,
            &(heed_check_options){ .order = order, .each = count, .user = &called });
        ck_assert_msg(r.passed, "%s", r.message);
        ck_assert_int_eq(r.compared, called);
        ck_assert_int_le(called, 6 * 4 + 1 + 6 * 4);
    }
    slip = 1.00001;
    heed_report r = heed_check_directional(energy, &m, ps, 1, inputs, NULL);
    ck_assert(!r.passed);
    slip = 1;
    heed_params_free(ps);
}
END_TEST

START_TEST(taylor)
{
    model m;
    heed_params *ps = make(&m);
    slip = 1;
    heed_report r = heed_check_taylor(energy, &m, ps, 1, inputs, NULL);
    ck_assert_msg(r.passed, "%s", r.message);
    ck_assert_int_eq(r.compared, 6); /* five tensors, and all together */
    ck_assert(r.analytic > 1.9);
    slip = 1.001;
    r = heed_check_taylor(energy, &m, ps, 1, inputs, NULL);
    ck_assert(!r.passed);
    ck_assert_ptr_nonnull(strstr(r.message, "instead of h^2"));
    slip = 1;
    heed_params_free(ps);
}
END_TEST

/* Nothing is left of a straight line but rounding. */
static heed_tensor *line(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)user;
    return heed_sum(t, heed_scale(t, x[0], 3));
}

START_TEST(taylor_of_a_line)
{
    heed_report r = heed_check_taylor(line, NULL, NULL, 1, inputs, NULL);
    ck_assert_msg(r.passed, "%s", r.message);
}
END_TEST

/* ---- leaks ---- */

/* x, then a matrix of zeros and ones that says which position sees which. How it is applied is
 * the user's. */
typedef enum { FUSED, COMPOSED, ADDED, AHEAD } way;

static heed_tensor *attend(heed_tape *t, heed_tensor *const x[], void *user)
{
    way how = *(const way *)user;
    heed_tensor *q = heed_split_heads(t, x[0], 2);
    heed_attention_options o = { .causality = HEED_CAUSAL_TOP_LEFT,
                                 .composed = how == COMPOSED };
    if (how == FUSED || how == COMPOSED)
        return heed_join_heads(t, heed_attention(t, q, q, q, NULL, &o));
    bool hidden[TIME * TIME];
    for (int i = 0; i < TIME; i++) {
        for (int j = 0; j < TIME; j++)
            hidden[i * TIME + j] = j > i + (how == AHEAD);
    }
    heed_tensor *mask = heed_mask(t, HEED_SHAPE(TIME, TIME), hidden);
    heed_tensor *scores = heed_matmul(t, q, heed_swap(t, q, -1, -2));
    heed_tensor *masked = heed_masked_fill(t, scores, mask, -INFINITY);
    heed_tensor *weights = heed_softmax(t, masked, -1);
    return heed_join_heads(t, heed_matmul(t, weights, q));
}

/* [B, T, C] of [B, T, C]: examples apart, and only the past. */
static bool causal(const int64_t *output, const int64_t *input, void *user)
{
    (void)user;
    return output[0] == input[0] && input[1] <= output[1];
}

static heed_report leaks(way how, bool finite_only)
{
    return heed_leak_check(
        attend, &how, NULL, 1, inputs,
        (heed_leak_options){ .may_depend = causal, .finite_only = finite_only });
}

/* The composed form multiplies by weights of 0, and 0 times NaN is NaN. */
START_TEST(causal_attention_does_not_leak)
{
    for (way how = FUSED; how <= COMPOSED; how++) {
        heed_report r = leaks(how, how == COMPOSED);
        ck_assert_msg(r.passed, "%d: %s", (int)how, r.message);
        ck_assert_int_gt(r.compared, 1000);
    }
}
END_TEST

/* Weights of 0 keep finite values out, but 0 times NaN is NaN. */
START_TEST(an_added_mask_leaks_nan_only)
{
    heed_report r = leaks(ADDED, true);
    ck_assert_msg(r.passed, "%s", r.message);
    r = leaks(ADDED, false);
    ck_assert(!r.passed);
    ck_assert_ptr_nonnull(strstr(r.message, "a NaN there"));
}
END_TEST

START_TEST(one_position_too_many_is_found)
{
    heed_report r = leaks(AHEAD, true);
    ck_assert(!r.passed);
    ck_assert_ptr_nonnull(strstr(r.message, "depends on input 0's x["));
}
END_TEST

/* Ids: an embedding summed over the first `*user` positions. */
static heed_tensor *prefix(heed_tape *t, heed_tensor *const x[], void *user)
{
    heed_tensor *rows = heed_embedding(t, x[0], x[1]); /* [T, C] */
    heed_tensor *some = heed_slice(t, rows, 0, 0, *(const int *)user, 1);
    const int axis = 0;
    return heed_sum_axes(t, some, 1, &axis, false);
}

static bool first_three(const int64_t *output, const int64_t *input, void *user)
{
    (void)output, (void)user;
    return input[0] < 3;
}

START_TEST(ids_may_leak_too)
{
    const heed_input both[] = { { .shape = HEED_DIMS(7, 2) },
                                { .dtype = HEED_I32, .shape = HEED_DIMS(TIME), .high = 7 } };
    heed_leak_options o = { .input = 1, .may_depend = first_three };
    int length = 3;
    heed_report r = heed_leak_check(prefix, &length, NULL, 2, both, o);
    ck_assert_msg(r.passed, "%s", r.message);
    length = 4;
    r = heed_leak_check(prefix, &length, NULL, 2, both, o);
    ck_assert(!r.passed);
    ck_assert_ptr_nonnull(strstr(r.message, "input 1's x[3]"));
}
END_TEST

/* A gradient may flow where no value does: that is a leak as well. */
static heed_tensor *straight_through(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)user;
    return heed_sub(t, x[0], heed_detach(t, x[0]));
}

static bool nothing(const int64_t *output, const int64_t *input, void *user)
{
    (void)output, (void)input, (void)user;
    return false;
}

static bool everything(const int64_t *output, const int64_t *input, void *user)
{
    (void)output, (void)input, (void)user;
    return true;
}

START_TEST(gradients_alone_are_a_leak)
{
    heed_leak_options o = { .may_depend = nothing, .finite_only = true };
    heed_report r = heed_leak_check(straight_through, NULL, NULL, 1, inputs, o);
    ck_assert(!r.passed);
    ck_assert_ptr_nonnull(strstr(r.message, "gradient"));
}
END_TEST

START_TEST(unsound_questions)
{
    way how = FUSED;
    heed_leak_options o = { .may_depend = everything };
    heed_report r = heed_leak_check(attend, &how, NULL, 1, inputs, o);
    ck_assert(!r.passed);
    ck_assert_ptr_nonnull(strstr(r.message, "nothing to prove"));
    o.input = 1;
    r = heed_leak_check(attend, &how, NULL, 1, inputs, o);
    ck_assert(!r.passed);
    ck_assert_ptr_nonnull(strstr(r.message, "input 1 is none of the 1"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check models");
    TCase *large = tcase_create("large");
    tcase_add_test(large, directions);
    tcase_add_test(large, taylor);
    tcase_add_test(large, taylor_of_a_line);
    suite_add_tcase(suite, large);
    TCase *leak = tcase_create("leak");
    tcase_add_test(leak, causal_attention_does_not_leak);
    tcase_add_test(leak, an_added_mask_leaks_nan_only);
    tcase_add_test(leak, one_position_too_many_is_found);
    tcase_add_test(leak, ids_may_leak_too);
    tcase_add_test(leak, gradients_alone_are_a_leak);
    tcase_add_test(leak, unsound_questions);
    suite_add_tcase(suite, leak);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
