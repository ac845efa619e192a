/* Statistics: summaries against known numbers, what a model's observation changes (nothing),
 * and depth: where numbers vanish, explode, or stay, the table shows it. */
#define _POSIX_C_SOURCE 200809L
#include <heed/nn.h>
#include <heed/training.h>

#include "scratch.h"

#include <math.h>

/* ---- summaries ---- */

START_TEST(summaries)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    const double values[] = { 1, -3, 0, 2, INFINITY, NAN };
    heed_tensor *x = heed_constant(t, HEED_SHAPE(2, 3), values);
    heed_summary s = heed_summarize(x);
    ck_assert_int_eq(s.count, 4);
    ck_assert_int_eq(s.not_finite, 2);
    ck_assert_double_eq(s.mean, 0);
    ck_assert_double_eq(s.deviation, sqrt(3.5));
    ck_assert_double_eq(s.rms, sqrt(3.5));
    ck_assert_double_eq(s.largest, 3);
    ck_assert_double_eq(s.zeros, 0.25);
    heed_summary turned = heed_summarize(heed_swap(t, x, 0, 1));
    ck_assert_int_eq(turned.count, 4);
    ck_assert_double_eq(turned.rms, s.rms);
    s = heed_summarize(heed_ids(t, HEED_SHAPE(3), (int32_t[]){ 2, 4, 6 }));
    ck_assert_double_eq(s.mean, 4);
    s = heed_summarize(NULL);
    ck_assert_int_eq(s.count, 0);
    s = heed_summarize(heed_constant(t, HEED_SHAPE(0), NULL));
    ck_assert_double_eq(s.rms, 0);

    /* A small deviation beside a large mean is not lost. */
    double far[1000];
    for (int i = 0; i < 1000; i++)
        far[i] = 1e9 + (i % 2 ? 1e-3 : -1e-3);
    s = heed_summarize(heed_constant(t, HEED_SHAPE(1000), far));
    ck_assert_double_eq_tol(s.deviation, 1e-3, 1e-6);

    /* Two parts are as good as the whole. */
    double all[300];
    heed_random r = { .seed = 2 };
    for (int i = 0; i < 300; i++)
        all[i] = i % 5 ? heed_random_normal(&r) + i : 0;
    heed_tensor *whole = heed_constant(t, HEED_SHAPE(300), all);
    heed_summary a = heed_summarize(heed_slice(t, whole, 0, 0, 70, 1));
    heed_summary b = heed_summarize(heed_slice(t, whole, 0, 70, 300, 1));
    heed_summary merged = heed_summary_merge(a, b);
    s = heed_summarize(whole);
    ck_assert_int_eq(merged.count, 300);
    ck_assert_double_eq_tol(merged.mean, s.mean, 1e-11);
    ck_assert_double_eq_tol(merged.deviation, s.deviation, 1e-11);
    ck_assert_double_eq_tol(merged.rms, s.rms, 1e-11);
    ck_assert_double_eq_tol(merged.zeros, 0.2, 1e-12);
    ck_assert_double_eq(merged.largest, s.largest);
    heed_tape_free(t);
}
END_TEST

/* ---- observing ---- */

START_TEST(observations)
{
    heed_statistics *s = heed_statistics_new(NULL);
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_parameter *w = heed_parameter_new(ps, "w", HEED_SHAPE(2), 0);
    heed_parameter_new(ps, "frozen", HEED_SHAPE(2), HEED_FROZEN);
    for (int step = 0; step < 2; step++) {
        heed_init_constant(w, step + 1);
        heed_tensor *x = heed_observe(s, t, heed_use(t, w), "x%d", 1);
        heed_tensor *y = heed_observe(s, t, heed_scale(t, x, 3), "y");
        ck_assert_ptr_eq(heed_observe(NULL, t, y, "nobody looks"), y);
        heed_tensor *ids = heed_ids(t, HEED_SHAPE(1), (int32_t[]){ 4 });
        ck_assert_ptr_eq(heed_observe(s, t, ids, "ids"), ids);
        ck_assert(heed_backward(t, heed_sum(t, heed_square(t, y))));
        ck_assert(heed_statistics_gradients(s, t));
        ck_assert(heed_statistics_parameters(s, ps, NULL));
        heed_gradients_zero(heed_params_gradients(ps));
        heed_tape_reset(t);
    }
    ck_assert_int_eq(heed_statistics_count(s), 4);
    const heed_observation *y = heed_statistics_find(s, "y");
    ck_assert_ptr_eq(y, heed_statistics_at(s, 1));
    ck_assert_int_eq(y->value.count, 4); /* 3, 3, 6, 6; by each of them 2 y */
    ck_assert_double_eq(y->value.mean, 4.5);
    ck_assert_double_eq(y->gradient.mean, 9);
    ck_assert_double_eq(y->gradient.largest, 12);
    ck_assert_double_eq(heed_statistics_find(s, "x1")->gradient.mean, 27);
    ck_assert_int_eq(heed_statistics_find(s, "ids")->gradient.count, 0);
    ck_assert_double_eq(heed_statistics_find(s, "ids")->value.mean, 4);
    const heed_observation *seen = heed_statistics_find(s, "w");
    ck_assert(seen->parameter);
    ck_assert_double_eq(seen->value.mean, 1.5);
    ck_assert_double_eq(seen->gradient.mean, 27);
    ck_assert_ptr_null(heed_statistics_find(s, "frozen"));

    /* Without recording there are values only. */
    heed_statistics_clear(s);
    ck_assert_int_eq(heed_statistics_count(s), 0);
    heed_set_recording(t, false);
    heed_observe(s, t, heed_use(t, w), "x");
    ck_assert(heed_statistics_gradients(s, t));
    ck_assert_int_eq(heed_statistics_at(s, 0)->value.count, 2);
    ck_assert_int_eq(heed_statistics_at(s, 0)->gradient.count, 0);
    ck_assert_ptr_null(heed_statistics_at(s, 1));
    char name[400];
    memset(name, 'a', sizeof name);
    name[399] = '\0';
    ck_assert_ptr_null(heed_observe(s, t, heed_use(t, w), "%s", name));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "is too long"));
    ck_assert(!heed_statistics_gradients(s, t));
    heed_statistics_free(s);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

typedef struct counter {
    int refuse_at;
    int64_t held;
} counter;

static void *count_allocate(void *context, size_t bytes)
{
    counter *c = context;
    if (c->refuse_at && --c->refuse_at == 0)
        return NULL;
    c->held += (int64_t)bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void count_release(void *context, void *memory, size_t bytes)
{
    ((counter *)context)->held -= (int64_t)bytes;
    free(memory);
}

START_TEST(out_of_memory)
{
    counter c = { .refuse_at = 1 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    ck_assert_ptr_null(heed_statistics_new(&allocator));
    heed_tape *t = heed_tape_new(NULL);
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_parameter *w = heed_parameter_new(ps, "w", HEED_SHAPE(2), 0);
    for (int n = 1; n <= 3; n++) {
        heed_statistics *s = heed_statistics_new(&allocator);
        c.refuse_at = n;
        ck_assert_ptr_null(heed_observe(s, t, heed_use(t, w), "x"));
        ck_assert_str_eq(heed_error(t), "observe: x: out of memory");
        heed_tape_reset(t);
        c.refuse_at = 0;
        heed_statistics_free(s);
        ck_assert_int_eq(c.held, 0);
    }
    for (int n = 1; n <= 2; n++) {
        heed_statistics *s = heed_statistics_new(&allocator);
        c.refuse_at = n;
        ck_assert(!heed_statistics_parameters(s, ps, NULL));
        ck_assert_str_eq(heed_params_error(ps), "statistics: w: out of memory");
        heed_params_clear_error(ps);
        ck_assert(heed_statistics_parameters(s, ps, NULL));
        heed_statistics_free(s);
        ck_assert_int_eq(c.held, 0);
    }
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- a model under observation ---- */

static heed_gpt gpt;

static heed_params *new_gpt(int layers)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_random r = { .seed = 3 };
    heed_gpt_init(&gpt, ps,
                  (heed_gpt_options){ .vocabulary = 11,
                                      .context = 8,
                                      .width = 32,
                                      .layers = layers,
                                      .heads = 2,
                                      .random = &r });
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    return ps;
}

static void sweep_gpt(heed_tape *t)
{
    const int32_t ids[8] = { 1, 4, 2, 8, 5, 7, 10, 0 };
    heed_tensor *x = heed_ids(t, HEED_SHAPE(1, 8), ids);
    ck_assert_msg(heed_backward(t, heed_gpt_loss(t, &gpt, x, x)), "%s", heed_error(t));
}

static void printed(const heed_summary *s, const double *figures)
{
    const double own[] = { s->mean, s->deviation, s->rms, s->largest };
    for (int i = 0; i < 4; i++)
        ck_assert_double_le(fabs(figures[i] - own[i]), 5.1e-3 * fabs(own[i]));
    ck_assert_double_le(fabs(figures[4] - 100 * s->zeros), 0.051);
}

/* Loss and gradients have the same bits whether or not somebody looks, and all that was seen
 * stands in the table. */
START_TEST(looking_changes_nothing)
{
    heed_params *ps = new_gpt(3);
    heed_tape *t = heed_tape_new(NULL);
    heed_gradients *g = heed_params_gradients(ps);
    sweep_gpt(t);
    double norm = heed_gradients_norm(g);
    heed_gradients_zero(g);
    heed_tape_reset(t);
    gpt.stack.statistics = heed_statistics_new(NULL);
    sweep_gpt(t);
    ck_assert_double_eq(heed_gradients_norm(g), norm);
    ck_assert(heed_statistics_gradients(gpt.stack.statistics, t));
    ck_assert(heed_statistics_parameters(gpt.stack.statistics, ps, g));
    ck_assert_int_eq(heed_statistics_count(gpt.stack.statistics), 6 + heed_params_count(ps));
    const char *const names[] = { "embedded", "blocks.0", "blocks.1",
                                  "blocks.2", "norm",     "logits" };
    for (int i = 0; i < LENGTH(names); i++) {
        const heed_observation *o = heed_statistics_at(gpt.stack.statistics, i);
        ck_assert_str_eq(o->name, names[i]);
        ck_assert_int_eq(o->value.count, i == 5 ? 8 * 11 : 8 * 32);
        ck_assert_int_eq(o->gradient.count, o->value.count);
        ck_assert_double_gt(o->gradient.rms, 0);
    }
    ck_assert_double_eq_tol(heed_statistics_find(gpt.stack.statistics, "norm")->value.rms, 1,
                            0.05);

    FILE *file = fopen(in_folder("table"), "w+");
    heed_statistics_print(gpt.stack.statistics, file);
    rewind(file);
    ck_assert_ptr_nonnull(fgets(error, sizeof error, file));
    ck_assert_int_eq(strncmp(error, "value ", 6), 0);
    /* Each value's own figures, to three digits, and its gradient's beside them. */
    for (int i = 0; i < LENGTH(names); i++) {
        const heed_observation *o = heed_statistics_at(gpt.stack.statistics, i);
        char name[16];
        double value[5], gradient[5];
        ck_assert_ptr_nonnull(fgets(error, sizeof error, file));
        int fields = sscanf(error, "%15s %lf %lf %lf %lf %lf%% | %lf %lf %lf %lf %lf%%", name,
                            &value[0], &value[1], &value[2], &value[3], &value[4], &gradient[0],
                            &gradient[1], &gradient[2], &gradient[3], &gradient[4]);
        ck_assert_int_eq(fields, 11);
        ck_assert_str_eq(name, names[i]);
        printed(&o->value, value);
        printed(&o->gradient, gradient);
    }
    int lines = 1 + LENGTH(names);
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    ck_assert_int_eq(lines, 2 + 6 + heed_params_count(ps));
    heed_statistics_free(gpt.stack.statistics);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- depth ---- */

enum { DEPTH = 64, WIDTH = 32, ROWS = 16 };

/* A stack of DEPTH layers, observed after each: residual blocks, or relu layers without a way
 * around them whose weights have `factor` times He's deviation. */
static heed_statistics *run_stack(bool residual, double factor)
{
    static heed_block blocks[DEPTH];
    static heed_linear_module layers[DEPTH];
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_statistics *s = heed_statistics_new(NULL);
    heed_random r = { .seed = 7 };
    double values[ROWS * WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++)
        values[i] = heed_random_normal(&r);
    heed_tensor *x = heed_constant(t, HEED_SHAPE(1, ROWS, WIDTH), values);
    x = heed_observe(s, t, x, "input");
    for (int i = 0; i < DEPTH; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        if (residual) {
            heed_block_init(
                &blocks[i], ps, name, WIDTH,
                (heed_block_options){ .attention = { .packed = true, .heads = 4, .random = &r },
                                      .feedforward = { .random = &r } });
            x = heed_block_forward(t, &blocks[i], x, NULL);
        } else {
            heed_linear_init(&layers[i], ps, name, WIDTH, WIDTH, (heed_linear_options){ 0 });
            heed_init_normal(layers[i].weight, factor * sqrt(2.0 / WIDTH), &r);
            x = heed_relu(t, heed_linear_forward(t, &layers[i], x));
        }
        x = heed_observe(s, t, x, "%d", i);
    }
    /* The gradient at the end is of size 1, whatever the values there. */
    for (int i = 0; i < ROWS * WIDTH; i++)
        values[i] = heed_random_normal(&r);
    heed_tensor *end = heed_constant(t, HEED_SHAPE(1, ROWS, WIDTH), values);
    ck_assert_msg(heed_backward(t, heed_sum(t, heed_mul(t, x, end))), "%s", heed_error(t));
    ck_assert(heed_statistics_gradients(s, t));
    ck_assert(heed_statistics_parameters(s, ps, NULL));
    heed_tape_free(t);
    heed_params_free(ps);
    return s;
}

static heed_summary value_after(const heed_statistics *s, int layer)
{
    char name[16];
    snprintf(name, sizeof name, "%d", layer);
    return heed_statistics_find(s, name)->value;
}

static heed_summary gradient_after(const heed_statistics *s, int layer)
{
    char name[16];
    snprintf(name, sizeof name, "%d", layer);
    return heed_statistics_find(s, name)->gradient;
}

/* Around norms and branches the stream adds up variances, so it grows no faster than the square
 * root of the depth, and the gradient comes through whole. */
START_TEST(residual_depth)
{
    heed_statistics *s = run_stack(true, 1);
    double first = value_after(s, 0).rms;
    for (int i = 1; i < DEPTH; i++) {
        ck_assert_double_gt(value_after(s, i).rms, 0.9 * first);
        ck_assert_double_lt(value_after(s, i).rms, 2 * first * sqrt(i + 1.0));
        ck_assert_double_gt(gradient_after(s, i).rms, 0.5);
        ck_assert_double_lt(gradient_after(s, i).rms, 20);
        ck_assert_int_eq(value_after(s, i).not_finite, 0);
    }
    ck_assert_double_lt(heed_statistics_find(s, "input")->gradient.rms, 20);
    /* The same of the weights' gradients: all within two orders of one another. */
    double least = INFINITY, most = 0;
    for (int i = 0; i < heed_statistics_count(s); i++) {
        const heed_observation *o = heed_statistics_at(s, i);
        if (o->parameter && strstr(o->name, "feedforward.down.weight")) {
            least = fmin(least, o->gradient.rms);
            most = fmax(most, o->gradient.rms);
        }
    }
    ck_assert_double_gt(least, 0);
    ck_assert_double_lt(most, 100 * least);
    heed_statistics_free(s);
}
END_TEST

/* Layer upon layer of relu: weights half as large as He's lose a factor of 2 each time, weights
 * twice as large gain one, forward and backward, and He's own do neither. */
START_TEST(plain_depth)
{
    heed_statistics *s = run_stack(false, 0.5);
    ck_assert_double_lt(value_after(s, DEPTH - 1).rms, 1e-12 * value_after(s, 0).rms);
    ck_assert_double_lt(gradient_after(s, 0).rms, 1e-12 * gradient_after(s, DEPTH - 1).rms);
    heed_statistics_free(s);
    s = run_stack(false, 2);
    ck_assert_double_gt(value_after(s, DEPTH - 1).rms, 1e12 * value_after(s, 0).rms);
    ck_assert_double_gt(gradient_after(s, 0).rms, 1e12 * gradient_after(s, DEPTH - 1).rms);
    heed_statistics_free(s);
    s = run_stack(false, 1);
    ck_assert_double_gt(value_after(s, DEPTH - 1).rms, 0.01 * value_after(s, 0).rms);
    ck_assert_double_lt(value_after(s, DEPTH - 1).rms, 100 * value_after(s, 0).rms);
    ck_assert_double_gt(value_after(s, 5).zeros, 0.2);
    heed_statistics_free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("statistics");
    TCase *tests = tcase_create("statistics");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, summaries);
    tcase_add_test(tests, observations);
    tcase_add_test(tests, out_of_memory);
    tcase_add_test(tests, looking_changes_nothing);
    tcase_add_test(tests, residual_depth);
    tcase_add_test(tests, plain_depth);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
