/* How far back a model sees: a recurrent network's gradient fades along time and attention's
 * does not, a convolution sees what its window covers and nothing else, and one layer of
 * self-attention sees everything. */
#include "tensors.h"

#include <heed/align.h>
#include <heed/recurrent.h>

/* ---- along time ---- */

enum { STEPS = 60, WIDTH = 8 };

/* A simple network over STEPS steps, its states observed as "0", "1", ...; the loss is of the
 * last state alone, or of an attention over all of them by that state. */
static void run_network(heed_statistics *s, bool attention, double *size)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = tape64();
    heed_recurrent_cell cell;
    heed_align align;
    heed_random r = { .seed = 3 };
    heed_recurrent_cell_init(
        &cell, ps, "cell", WIDTH,
        (heed_recurrent_options){ .kind = HEED_RNN_TANH, .hidden = WIDTH, .random = &r });
    heed_align_init(&align, ps, "align", WIDTH, WIDTH, (heed_align_options){ .random = &r });
    heed_tensor *x = drawn(t, HEED_SHAPE(STEPS, 1, WIDTH), 1), *states[STEPS];
    heed_recurrent_state state = { 0 };
    for (int i = 0; i < STEPS; i++) {
        state = heed_recurrent_cell_forward(t, &cell, heed_select(t, x, 0, i), &state);
        state.h = states[i] = heed_observe(s, t, state.h, "%d", i);
    }
    heed_tensor *y = state.h;
    if (attention)
        y = heed_align_forward(t, &align, state.h, heed_stack(t, STEPS, states, 1), NULL, NULL)
                .context;
    heed_tensor *weights = drawn(t, HEED_SHAPE(1, WIDTH), 2);
    swept(t, heed_sum(t, heed_mul(t, y, weights)));
    ck_assert(heed_statistics_gradients(s, t));
    for (int i = 0; i < STEPS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        size[i] = heed_statistics_find(s, name)->gradient.rms;
    }
    heed_tape_free(t);
    heed_params_free(ps);
}

START_TEST(gradients_fade)
{
    double size[STEPS];
    heed_statistics *s = heed_statistics_new(NULL);
    run_network(s, false, size);
    /* Geometric: ten steps cost about the same factor anywhere, and always much. */
    double least = INFINITY, most = 0;
    for (int i = 0; i + 10 < STEPS; i += 10) {
        double factor = log(size[i + 10] / size[i]);
        least = fmin(least, factor);
        most = fmax(most, factor);
    }
    ck_assert_msg(least > 2 && most < 2.5 * least, "e^%g to e^%g in ten steps", least, most);
    ck_assert_double_lt(size[0], 1e-6 * size[STEPS - 1]);

    /* Attention reaches every step by itself: the first is within a factor of the others. */
    heed_statistics_clear(s);
    run_network(s, true, size);
    least = INFINITY, most = 0;
    for (int i = 0; i < STEPS - 5; i++) {
        least = fmin(least, size[i]);
        most = fmax(most, size[i]);
    }
    ck_assert_msg(most < 20 * least, "%g to %g", least, most);
    heed_statistics_free(s);
}
END_TEST

/* ---- convolution ---- */

enum { LAYERS = 3, SIZE = 3, LENGTH_OF_X = 13, CHANNELS = 2 };

static heed_tensor *convolutions(heed_tape *t, heed_tensor *const x[], void *user)
{
    const bool *causal = user;
    heed_tensor *y = x[0];
    for (int i = 0; i < LAYERS; i++) {
        heed_tensor *w = drawn(t, HEED_SHAPE(CHANNELS, CHANNELS, SIZE), 10 + (uint64_t)i);
        heed_convolution_options o = { .causal = *causal, .padding = { *causal ? 0 : 1 } };
        y = heed_tanh(t, heed_conv1d(t, y, heed_scale(t, w, 0.5), NULL, &o));
    }
    return y;
}

/* 1 + LAYERS (SIZE - 1) positions: the last ones, or as many to each side. */
static bool in_field(const int64_t *output, const int64_t *input, void *user)
{
    const bool *causal = user;
    int64_t back = output[2] - input[2], reach = LAYERS * (SIZE - 1);
    return output[0] == input[0] &&
           (*causal ? 0 <= back && back <= reach : -reach / 2 <= back && back <= reach / 2);
}

START_TEST(a_convolution_has_a_field)
{
    bool causal = _i == 1;
    heed_input x = { .shape = HEED_DIMS(1, CHANNELS, LENGTH_OF_X) };
    heed_report r = heed_leak_check(
        convolutions, &causal, NULL, 1, &x,
        (heed_leak_options){ .may_depend = in_field, .user = &causal, .finite_only = true });
    ck_assert_msg(r.passed, "%s", r.message);
    /* And up to its edges it does see. */
    heed_tape *t = tape64();
    heed_tensor *in = heed_watch(t, drawn(t, HEED_SHAPE(1, CHANNELS, LENGTH_OF_X), 1));
    heed_tensor *y = convolutions(t, (heed_tensor *[]){ in }, &causal);
    ck_assert_int_eq(y->shape[2], LENGTH_OF_X);
    int64_t at = causal ? LENGTH_OF_X - 1 : LENGTH_OF_X / 2;
    swept(t, heed_sum(t, heed_select(t, y, 2, at)));
    const heed_tensor *g = heed_gradient(t, in);
    for (int64_t i = 0; i < LENGTH_OF_X; i++) {
        bool seen = in_field((int64_t[]){ 0, 0, at }, (int64_t[]){ 0, 0, i }, &causal);
        ck_assert_int_eq(heed_at(g, i) != 0, seen);
    }
    heed_tape_free(t);
}
END_TEST

/* ---- self-attention ---- */

START_TEST(the_first_sees_the_last)
{
    enum { LONG = 200 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = tape64();
    heed_multihead_attention m;
    heed_random r = { .seed = 1 };
    heed_multihead_attention_init(
        &m, ps, "m", WIDTH, (heed_multihead_attention_options){ .heads = 2, .random = &r });
    heed_tensor *x = heed_watch(t, drawn(t, HEED_SHAPE(1, LONG, WIDTH), 2));
    heed_tensor *y = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
    swept(t, heed_sum(t, heed_select(t, y, 1, 0)));
    const heed_tensor *g = heed_gradient(t, x);
    for (int i = 0; i < LONG; i++)
        ck_assert_double_gt(length_of(heed_select(t, (heed_tensor *)g, 1, i)), 1e-5);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("long_range");
    TCase *tests = tcase_create("long_range");
    tcase_add_test(tests, gradients_fade);
    tcase_add_loop_test(tests, a_convolution_has_a_field, 0, 2);
    tcase_add_test(tests, the_first_sees_the_last);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
