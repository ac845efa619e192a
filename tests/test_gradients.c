/* Gradients as the tape gives them: what a sweep releases, keeps and refuses, watched
 * intermediates, gradients of gradients, long chains, and where the memory goes. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "kernels/kernels.h"
#include <heed/nn.h>

static heed_tape *t;

static void begin(void)
{
    heed__set_threads(1);
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ck_assert_ptr_nonnull(t);
}

static void end(void)
{
    heed_tape_free(t);
}

/* 0, 1, 2, ... in f64. */
static heed_tensor *count_up(heed_shape shape)
{
    double values[2000];
    int64_t n = 1;
    for (int k = 0; k < shape.ndim; k++)
        n *= shape.size[k];
    ck_assert_int_le(n, 2000);
    for (int64_t i = 0; i < n; i++)
        values[i] = (double)i;
    return heed_copy_in(t, HEED_F64, shape, values);
}

static void expect(const heed_tensor *x, int64_t n, const double *values)
{
    ck_assert_msg(x != NULL, "%s", heed_error(t));
    ck_assert_int_eq(heed_size(x), n);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(heed_at(x, i) == values[i], "element %d is %g, not %g", (int)i,
                      heed_at(x, i), values[i]);
}
#define EXPECT(x, ...)                                                       \
    expect(x, (int64_t)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)), \
           (const double[]){ __VA_ARGS__ })

static void expect_error(const char *part)
{
    ck_assert_msg(heed_error(t) != NULL, "no error; expected '%s'", part);
    ck_assert_msg(strstr(heed_error(t), part) != NULL, "expected '%s' in: %s", part,
                  heed_error(t));
}

/* ---- sweeps ---- */

START_TEST(a_failed_sweep_leaves_gradients_incomplete)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_parameter *p = heed_parameter_new(ps, "p", HEED_SHAPE(3), 0);
    heed_tensor *x = heed_use(t, p);
    heed_tensor *y = heed_sum(t, heed_square(t, x));
    /* The value that square's rule reads is gone. */
    heed_tensor *h = heed_exp(t, x), *loss = heed_add(t, y, heed_sum(t, heed_square(t, h)));
    heed__let_go(t, h);
    ck_assert(!heed_backward(t, loss));
    expect_error("mul: reads a value (of exp) that the backward sweep has released");
    ck_assert(!heed_gradients_complete(heed_params_gradients(ps)));
    heed_gradients_zero(heed_params_gradients(ps));
    ck_assert(heed_gradients_complete(heed_params_gradients(ps)));
    heed_params_free(ps);
}
END_TEST

START_TEST(released_values_are_refused_by_name)
{
    heed_tensor *x = heed_watch(t, count_up(HEED_SHAPE(2)));
    heed_tensor *h = heed_exp(t, x), *k = heed_keep(t, heed_sin(t, x)),
                *product = heed_mul(t, h, k);
    heed_tensor *loss = heed_sum(t, product);
    ck_assert(heed_backward(t, loss));
    ck_assert(isfinite(heed_item(t, loss)));
    ck_assert_double_eq(heed_at(k, 1), heed_at(heed_sin(t, x), 1));
    double out[2];
    ck_assert(heed_copy_out(t, k, out));
    ck_assert(!heed_copy_out(t, h, out));
    expect_error("copy_out: reads a value (of exp) that the backward sweep has released; keep "
                 "it with heed_keep");
}
END_TEST

START_TEST(a_consumed_record_is_refused)
{
    heed_tensor *x = heed_watch(t, count_up(HEED_SHAPE(2)));
    heed_tensor *h = heed_keep(t, heed_exp(t, x)), *loss = heed_sum(t, h);
    ck_assert(heed_backward(t, loss));
    if (_i == 0) {
        ck_assert(!heed_backward(t, loss));
        expect_error("the record was consumed by an earlier heed_backward");
    } else {
        /* Through a kept value: the way to x is no longer recorded, so no gradient may be
         * claimed. */
        heed_tensor *second = heed_sum(t, heed_square(t, h));
        ck_assert(!heed_backward(t, second));
        expect_error("consumed");
    }
}
END_TEST

START_TEST(retaining_allows_a_second_sweep)
{
    heed_tensor *x = heed_watch(t, count_up(HEED_SHAPE(3)));
    heed_tensor *h = heed_square(t, x), *a = heed_sum(t, h),
                *b = heed_sum(t, heed_mul(t, h, x));
    ck_assert(heed_backward_retain(t, a));
    EXPECT(heed_gradient(t, x), 0, 2, 4);
    ck_assert(heed_backward_retain(t, b));
    EXPECT(heed_gradient(t, x), 0, 3, 12);
    ck_assert(heed_backward(t, a));
    EXPECT(heed_gradient(t, x), 0, 2, 4);
    ck_assert(!heed_backward(t, b));
}
END_TEST

START_TEST(watching_intermediates)
{
    heed_tensor *x = heed_watch(t, count_up(HEED_SHAPE(3)));
    heed_tensor *h = heed_watch(t, heed_scale(t, x, 2)),
                *view = heed_watch(t, heed_slice(t, h, 0, 1, 3, 1));
    heed_tensor *unused = heed_watch(t, heed_full(t, HEED_SHAPE(2), 1));
    heed_tensor *loss = heed_watch(t, heed_sum(t, heed_square(t, view)));
    heed_tensor *y = heed_scale(t, loss, 3);
    ck_assert(heed_backward(t, y));
    EXPECT(heed_gradient(t, loss), 3);
    EXPECT(heed_gradient(t, view), 12, 24);
    EXPECT(heed_gradient(t, h), 0, 12, 24);
    EXPECT(heed_gradient(t, x), 0, 24, 48);
    ck_assert_ptr_null(heed_gradient(t, unused));
    ck_assert_ptr_null(heed_error(t));
}
END_TEST

START_TEST(recording_off_and_detach)
{
    heed_tensor *x = heed_watch(t, count_up(HEED_SHAPE(2)));
    ck_assert(heed_set_recording(t, false));
    heed_tensor *silent = heed_square(t, x);
    ck_assert(!heed_set_recording(t, true));
    heed_tensor *y =
        heed_sum(t, heed_mul(t, heed_add(t, silent, heed_detach(t, heed_exp(t, x))), x));
    ck_assert(heed_backward(t, y));
    EXPECT(heed_gradient(t, x), 1, 1 + heed_at(heed_exp(t, x), 1));
}
END_TEST

START_TEST(gradients_of_gradients)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_parameter *p = heed_parameter_new(ps, "p", HEED_SHAPE(2), 0);
    ((double *)p->data)[0] = 3;
    ((double *)p->data)[1] = 4;
    heed_tensor *x = heed_watch(t, count_up(HEED_SHAPE(2))), *w = heed_use(t, p), *g, *gg,
                *pair[2], *both[2];
    heed_tensor *y =
        heed_sum(t, heed_mul(t, heed_mul(t, heed_square(t, x), x), w)); /* sum w x^3 */
    ck_assert(heed_backward_retain(t, y));
    EXPECT(heed_gradient(t, x), 0, 12);
    ck_assert(heed_grad(t, y, NULL, 1, &x, &g));
    EXPECT(g, 0, 12); /* 3 w x^2 */
    ck_assert(heed_grad(t, g, NULL, 1, &x, &gg));
    EXPECT(gg, 0, 24); /* 6 w x */
    ck_assert(heed_grad(t, gg,
                        heed_copy_in(t, HEED_F64, HEED_SHAPE(2), (const double[]){ 1, 10 }), 2,
                        (pair[0] = x, pair[1] = w, pair), both));
    EXPECT(both[0], 18, 240);
    EXPECT(both[1], 0, 60);
    /* What was watched and what parameters hold is untouched. */
    EXPECT(heed_gradient(t, x), 0, 12);
    EXPECT(w, 3, 4);
    const double *gp = heed_gradients_of(heed_params_gradients(ps), p);
    ck_assert(gp[0] == 0 && gp[1] == 1);
    ck_assert_ptr_null(w->slot);
    /* A penalty on the gradient, swept plainly: d/dw sum (3 w x^2)^2 = 18 w x^4. */
    heed_gradients_zero(heed_params_gradients(ps));
    ck_assert(heed_backward(t, heed_sum(t, heed_square(t, g))));
    ck_assert(gp[0] == 0 && gp[1] == 72);
    EXPECT(heed_gradient(t, x), 0, 36 * 16); /* 36 w^2 x^3 */
    ck_assert_ptr_null(heed_error(t));
    heed_params_free(ps);
}
END_TEST

START_TEST(grad_of_itself_and_of_nothing)
{
    heed_tensor *x = heed_watch(t, count_up(HEED_SHAPE(2))),
                *z = heed_watch(t, count_up(HEED_SHAPE(2)));
    heed_tensor *in[3] = { x, z, x }, *g[3];
    ck_assert(heed_grad(t, x, NULL, 3, in, g));
    EXPECT(g[0], 1, 1);
    EXPECT(g[2], 1, 1);
    ck_assert_ptr_null(g[1]);
    heed_tensor *plain = count_up(HEED_SHAPE(2));
    ck_assert(heed_grad(t, heed_exp(t, plain), NULL, 1, in, g));
    ck_assert_ptr_null(g[0]);
    ck_assert_ptr_null(heed_error(t));
    heed_tensor *y = heed_square(t, x);
    ck_assert(!heed_grad(t, y, count_up(HEED_SHAPE(3)), 1, in, g));
    expect_error("gy must have the shape and dtype of y");
}
END_TEST

START_TEST(a_long_chain)
{
    heed_tensor *x = heed_watch(t, heed_full(t, HEED_SHAPE(1), 1)), *y = x;
    for (int i = 0; i < 100000; i++)
        y = heed_shift(t, y, 1e-5);
    ck_assert(heed_backward(t, heed_sum(t, y)));
    EXPECT(heed_gradient(t, x), 1);
    ck_assert(fabs(heed_at(x, 0) - 1) == 0);
    heed_tape_reset(t);
    heed_tensor *g;
    x = y = heed_watch(t, heed_full(t, HEED_SHAPE(1), 1));
    for (int i = 0; i < 20000; i++)
        y = heed_scale(t, y, 1);
    ck_assert(heed_grad(t, y, NULL, 1, &x, &g));
    EXPECT(g, 1);
}
END_TEST

START_TEST(parameters_in_own_gradients)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_parameter *p = heed_parameter_new(ps, "p", HEED_SHAPE(2), 0);
    heed_parameter *frozen = heed_parameter_new(ps, "q", HEED_SHAPE(2), HEED_FROZEN);
    heed_gradients *own = heed_gradients_new(ps);
    for (int step = 1; step <= 3; step++) {
        heed_tensor *w = heed_use(t, p);
        heed_tensor *y = heed_sum(t, heed_add(t, heed_scale(t, w, 5), heed_use(t, frozen)));
        ck_assert(heed_backward_into(t, y, own));
        ck_assert_double_eq(((double *)heed_gradients_of(own, p))[1],
                            5 * step); /* they add up */
        heed_tape_reset(t);
    }
    ck_assert_ptr_null(heed_gradients_of(own, frozen));
    ck_assert_double_eq(((double *)heed_gradients_of(heed_params_gradients(ps), p))[1], 0);
    heed_gradients_free(own);
    heed_params_free(ps);
}
END_TEST

/* ---- memory ---- */

static size_t allocator_calls;

static void *counted(void *context, size_t bytes)
{
    (void)context;
    allocator_calls++;
    if (bytes > (size_t)1 << 32) /* sanitizers end the program instead of returning NULL */
        return NULL;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void counted_release(void *context, void *memory, size_t bytes)
{
    (void)context, (void)bytes;
    allocator_calls++;
    free(memory);
}

START_TEST(a_steady_step_allocates_nothing)
{
    const heed_allocator allocator = { counted, counted_release, NULL };
    heed_tape *own = heed_tape_new(&(heed_tape_options){ .allocator = &allocator });
    heed_params *ps = heed_params_new(HEED_F32, &allocator);
    heed_random r = { .seed = 1 };
    heed_gpt m;
    heed_gpt_init(&m, ps,
                  (heed_gpt_options){ .vocabulary = 11,
                                      .context = 16,
                                      .width = 32,
                                      .layers = 2,
                                      .heads = 4,
                                      .bias = true,
                                      .dropout = 0.1,
                                      .random = &r });
    ck_assert_ptr_null(heed_params_error(ps));
    int32_t ids[2 * 16], labels[2 * 16];
    for (int i = 0; i < 32; i++) {
        ids[i] = i % 11;
        labels[i] = (i + 1) % 11;
    }
    heed_set_training(own, true);
    size_t after_two = 0;
    heed_memory memory = { 0 };
    for (int step = 0; step < 102; step++) {
        if (step == 2)
            after_two = allocator_calls;
        heed_gradients_zero(heed_params_gradients(ps));
        heed_tensor *loss = heed_gpt_loss(own, &m, heed_ids(own, HEED_SHAPE(2, 16), ids),
                                          heed_ids(own, HEED_SHAPE(2, 16), labels));
        ck_assert_msg(heed_backward(own, loss), "%s", heed_error(own));
        ck_assert(isfinite(heed_item(own, loss)));
        memory = heed_tape_memory(own);
        heed_tape_reset(own);
    }
    fprintf(stderr, "allocator calls in 100 steady steps: %zu; peak %zu of %zu bytes\n",
            allocator_calls - after_two, memory.peak, memory.capacity);
    ck_assert_uint_eq(allocator_calls, after_two);
    heed_tape_free(own);
    heed_params_free(ps);
}
END_TEST

START_TEST(a_sweep_frees_what_it_has_passed)
{
    enum { N = 1 << 14, LAYERS = 30 };
    static double values[N];
    size_t peak[2];
    for (int retain = 0; retain < 2; retain++) {
        heed_tape_reset(t);
        heed_tensor *x = heed_watch(t, heed_copy_in(t, HEED_F64, HEED_SHAPE(N), values)),
                    *h = x;
        for (int i = 0; i < LAYERS; i++)
            h = heed_tanh(t, h);
        heed_tensor *loss = heed_sum(t, h);
        size_t forward = heed_tape_memory(t).used;
        ck_assert_uint_ge(forward, (size_t)LAYERS * N * 8);
        ck_assert(retain ? heed_backward_retain(t, loss) : heed_backward(t, loss));
        peak[retain] = heed_tape_memory(t).peak;
        /* Forward values, and no more than three gradients at a time. */
        if (!retain)
            ck_assert_uint_lt(peak[0], forward + 4 * N * 8);
        if (!retain)
            ck_assert_uint_lt(heed_tape_memory(t).used, forward / 2);
        EXPECT(heed_slice(t, heed_gradient(t, x), 0, 0, 2, 1), 1, 1);
    }
    ck_assert_uint_le(peak[0], peak[1]);
}
END_TEST

START_TEST(a_tiny_chunk_and_a_large_tensor)
{
    const heed_allocator allocator = { counted, counted_release, NULL };
    heed_tape *own = heed_tape_new(
        &(heed_tape_options){ .dtype = HEED_F64, .allocator = &allocator, .chunk = 1 });
    heed_tensor *x = heed_watch(own, heed_full(own, HEED_SHAPE(300, 300), 2));
    ck_assert(heed_backward(own, heed_sum(own, heed_square(own, x))));
    ck_assert_double_eq(heed_at(heed_gradient(own, x), 89999), 4);
    ck_assert_int_gt((int64_t)heed_tape_memory(own).allocations, 3);
    ck_assert_ptr_null(heed_full(own, HEED_SHAPE((int64_t)1 << 58), 0));
    ck_assert_ptr_nonnull(strstr(heed_error(own), "out of memory"));
    heed_tape_free(own);
}
END_TEST

int main(void)
{
    const struct {
        const char *name;
        const TTest *tests[12];
        int loops[12];
    } cases[] = {
        { "sweeps",
          { released_values_are_refused_by_name, a_consumed_record_is_refused,
            retaining_allows_a_second_sweep, watching_intermediates, recording_off_and_detach,
            gradients_of_gradients, grad_of_itself_and_of_nothing, a_long_chain,
            parameters_in_own_gradients, a_failed_sweep_leaves_gradients_incomplete },
          { 0, 2 } },
        { "memory",
          { a_steady_step_allocates_nothing, a_sweep_frees_what_it_has_passed,
            a_tiny_chunk_and_a_large_tensor },
          { 1 } },
    };
    Suite *suite = suite_create("gradients");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TCase *group = tcase_create(cases[i].name);
        tcase_set_timeout(group, 60);
        tcase_add_checked_fixture(group, begin, end);
        for (int k = 0; k < 12 && cases[i].tests[k]; k++)
            tcase_add_loop_test(group, cases[i].tests[k], 0,
                                cases[i].loops[k] ? cases[i].loops[k] : 1);
        suite_add_tcase(suite, group);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
