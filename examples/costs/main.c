/* What attention costs and what it saves, measured: how many steps wait for one another, what a
 * score costs, what the scale is for, what a map of weights takes, and how far back a gradient
 * reaches. Everything but the times is the same on every run. */
#include <heed/align.h>
#include <heed/recurrent.h>
#include <heed/training.h>

#include "options.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

enum { WIDTH = 32 };

static heed_tape *t;

static heed_tensor *drawn(heed_shape shape)
{
    return heed_watch(t, heed_normal(t, shape, 0, 1));
}

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- what waits for what ---- */

static int64_t depth_of_network(int64_t steps)
{
    static heed_recurrent m;
    heed_random r = { .seed = 1 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_recurrent_init(
        &m, ps, "m", WIDTH,
        (heed_recurrent_options){
            .kind = HEED_RNN_TANH, .hidden = WIDTH, .layers = 1, .random = &r });
    heed_recurrent_forward(t, &m, drawn(HEED_SHAPE(1, steps, WIDTH)), NULL, NULL);
    int64_t depth = heed_tape_work(t).depth;
    heed_tape_reset(t);
    heed_params_free(ps);
    return depth;
}

static int64_t depth_of_attention(int64_t positions)
{
    heed_random r = { .seed = 1 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_multihead_attention m;
    heed_multihead_attention_init(
        &m, ps, "m", WIDTH, (heed_multihead_attention_options){ .heads = 4, .random = &r });
    heed_tensor *x = drawn(HEED_SHAPE(1, positions, WIDTH));
    heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
    int64_t depth = heed_tape_work(t).depth;
    heed_tape_reset(t);
    heed_params_free(ps);
    return depth;
}

static void show_depth(void)
{
    printf("Ops one after the other, from the record\n\n"
           "  positions   recurrent   attention\n");
    for (int64_t n = 8; n <= 512; n *= 4)
        printf("  %9d   %9d   %9d\n", (int)n, (int)depth_of_network(n),
               (int)depth_of_attention(n));
}

/* ---- what a score costs ---- */

static void show_score(const char *name, heed_align_score score)
{
    enum { BATCH = 8, KEYS = 50, TIMES = 50 };
    heed_random r = { .seed = 1 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_align m;
    heed_work w = { 0 };
    double best = INFINITY;
    heed_align_init(&m, ps, "m", WIDTH, WIDTH,
                    (heed_align_options){ .score = score, .random = &r });
    for (int i = 0; i < TIMES; i++) {
        heed_tensor *query = drawn(HEED_SHAPE(BATCH, WIDTH));
        heed_tensor *keys = drawn(HEED_SHAPE(BATCH, KEYS, WIDTH));
        double start = seconds();
        heed_align_forward(t, &m, query, keys, NULL, NULL);
        best = fmin(best, seconds() - start);
        w = heed_tape_work(t);
        heed_tape_reset(t);
    }
    printf("  %-9s   %10.0f   %12.0f   %12.1f\n", name, (double)heed_params_size(ps),
           w.arithmetic, 1e6 * best);
    heed_params_free(ps);
}

static void show_scores(void)
{
    printf("\nOne step of alignment: 8 sentences of 50 words, width %d\n\n"
           "  score       parameters   operations     microseconds\n",
           WIDTH);
    show_score("dot", HEED_ALIGN_DOT);
    show_score("general", HEED_ALIGN_GENERAL);
    show_score("concat", HEED_ALIGN_CONCAT);
    show_score("additive", HEED_ALIGN_ADDITIVE);
}

/* ---- what the scale is for ---- */

static double entropy(int64_t width, double scale)
{
    heed_seed(t, 1, 0);
    heed_tensor *q = drawn(HEED_SHAPE(1, 1, 64, width));
    heed_tensor *k = drawn(HEED_SHAPE(1, 1, 32, width));
    heed_tensor *p =
        heed_attention_weights(t, q, k, NULL, &(heed_attention_options){ .scale = scale });
    double mean = heed_item(t, heed_mean(t, heed_entropy(t, p, -1)));
    heed_tape_reset(t);
    return mean;
}

static void show_entropy(void)
{
    printf("\nEntropy of weights over 32 keys, in nats (uniform: %.3f)\n\n"
           "      width   q k/sqrt(width)   q k\n",
           log(32));
    for (int64_t width = 4; width <= 1024; width *= 4)
        printf("  %9d   %15.3f   %.3f\n", (int)width, entropy(width, 0), entropy(width, 1));
}

/* ---- what a map takes ---- */

static void show_attention(int64_t n, bool composed)
{
    double start = seconds();
    heed_tensor *q = drawn(HEED_SHAPE(1, 4, n, WIDTH)), *k = drawn(HEED_SHAPE(1, 4, n, WIDTH));
    heed_tensor *v = drawn(HEED_SHAPE(1, 4, n, WIDTH));
    heed_tensor *y =
        heed_attention(t, q, k, v, NULL, &(heed_attention_options){ .composed = composed });
    heed_work w = heed_tape_work(t);
    heed_backward(t, heed_sum(t, y));
    double peak = (double)heed_tape_memory(t).peak;
    printf("  %9d   %8s   %12.3e   %12.0f   %12.0f   %12.2f\n", (int)n,
           composed ? "composed" : "fused", w.arithmetic, w.bytes / 1024, peak / 1024,
           1e3 * (seconds() - start));
    heed_tape_reset(t);
}

static void show_maps(void)
{
    printf(
        "\nAttention of 4 heads of width %d, forward and backward, one thread\n\n"
        "  positions       form     operations     results, K       peak, K   milliseconds\n",
        WIDTH);
    for (int64_t n = 128; n <= 512; n *= 2) {
        show_attention(n, false);
        show_attention(n, true);
    }
}

/* ---- how far back a gradient reaches ---- */

enum { STEPS = 61 };

/* |dL/dh_t| of each state of a recurrent network: L of the last state, or of an attention over
 * all states that the last one asks for. */
static void reach(bool attention, double size[STEPS])
{
    heed_random r = { .seed = 3 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_statistics *s = heed_statistics_new(NULL);
    heed_recurrent_cell cell;
    heed_align align;
    heed_seed(t, 2, 0);
    heed_recurrent_cell_init(
        &cell, ps, "cell", WIDTH,
        (heed_recurrent_options){ .kind = HEED_RNN_TANH, .hidden = WIDTH, .random = &r });
    heed_align_init(&align, ps, "align", WIDTH, WIDTH,
                    (heed_align_options){ .score = HEED_ALIGN_SCALED_DOT });
    heed_tensor *states[STEPS];
    heed_recurrent_state state = { 0 };
    for (int i = 0; i < STEPS; i++) {
        heed_tensor *x = heed_normal(t, HEED_SHAPE(1, WIDTH), 0, 1);
        state = heed_recurrent_cell_forward(t, &cell, x, &state);
        state.h = states[i] = heed_observe(s, t, state.h, "%d", i);
    }
    heed_tensor *y = state.h;
    if (attention) {
        heed_tensor *keys = heed_stack(t, STEPS, states, 1);
        y = heed_align_forward(t, &align, state.h, keys, NULL, NULL).context;
    }
    heed_backward(t, heed_sum(t, y));
    heed_statistics_gradients(s, t);
    for (int i = 0; i < STEPS; i++) {
        const heed_observation *o = heed_statistics_at(s, i);
        size[i] = o ? o->gradient.rms * sqrt(WIDTH) : NAN;
    }
    heed_tape_reset(t);
    heed_statistics_free(s);
    heed_params_free(ps);
}

static void show_reach(void)
{
    double without[STEPS], with[STEPS];
    reach(false, without);
    reach(true, with);
    printf("\nThe loss's gradient by the state so many steps before the end\n\n"
           "     before   last state   attention\n");
    for (int i = STEPS - 1; i >= 0; i -= 10)
        printf("  %9d   %10.1e   %9.1e\n", STEPS - 1 - i, without[i], with[i]);
}

static const char summary[] =
    "Measures what attention costs and what it saves: steps that wait for one another, "
    "scores,\n"
    "the scale, maps of weights, and how far back a gradient reaches.";

int main(int count, char **arguments)
{
    int code = options_begin("costs", summary, NULL, 0, count - 1, arguments + 1);
    if (code >= 0)
        return code;
    heed_set_threads(1); /* times of one thread hang less on what else the machine does */
    t = heed_tape_new(NULL);
    if (!t) {
        fputs("costs: not enough memory\n", stderr);
        return 1;
    }
    show_depth();
    show_scores();
    show_entropy();
    show_maps();
    show_reach();
    const char *wrong = heed_error(t);
    if (wrong)
        fprintf(stderr, "costs: %s\n", wrong);
    code = wrong ? 1 : 0;
    heed_tape_free(t);
    return options_end("costs", code);
}
