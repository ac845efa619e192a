/* Whole trainings: when to stop, a long one that does not grow, one table tied to two uses, and
 * four kinds of task through the same batches and the same model; a penalty that drives heads
 * apart. */
#define _POSIX_C_SOURCE 200809L
#include <heed/nn.h>
#include <heed/optim.h>
#include <heed/training.h>

#include "scratch.h"

#include <math.h>

/* ---- early stopping ---- */

START_TEST(stopping)
{
    static const struct {
        heed_stopping start;
        double metric[8];
        int stops_at; /* -1: never */
        double best;
        int64_t best_step;
    } cases[] = {
        { { .patience = 2 }, { 5, 4, 3, 3, 3, 2, 1, 0 }, 4, 3, 2 },
        { { .patience = 3 }, { 5, 4, 3, 3, 3, 2, 1, 0 }, -1, 0, 7 },
        { { .patience = 2, .min_delta = 0.5 }, { 5, 4, 3.75, 3.5, 3, 2, 1, 0 }, 3, 4, 1 },
        { { .patience = 1, .maximize = true }, { -5, -4, -3, -4, 9, 9, 9, 9 }, 3, -3, 2 },
        { { .patience = 3 }, { NAN, NAN, 7, NAN, 8, NAN, 1, 1 }, 5, 7, 2 },
        { { .patience = 2 }, { NAN, NAN, 7, 6, 5, 4, 3, 2 }, 1, 0, 0 },
        { { 0 }, { 1, 2, 3, 4, 5, 6, 7, 8 }, -1, 1, 0 },
        { { .patience = 3 },
          { INFINITY, INFINITY, 3, 2, 1, 0, -1, -INFINITY },
          -1,
          -INFINITY,
          7 },
    };
    for (int i = 0; i < LENGTH(cases); i++) {
        heed_stopping s = cases[i].start;
        int stopped = -1;
        for (int step = 0; step < 8 && stopped < 0; step++) {
            heed_stopping copy = s; /* a copy goes on alike */
            bool stop = heed_stop(&s, step, cases[i].metric[step]);
            ck_assert_int_eq(heed_stop(&copy, step, cases[i].metric[step]), stop);
            ck_assert_int_eq(copy.waited, s.waited);
            stopped = stop ? step : -1;
        }
        ck_assert_int_eq(stopped, cases[i].stops_at);
        ck_assert(s.best == cases[i].best);
        ck_assert_int_eq(s.best_step, cases[i].best_step);
    }
}
END_TEST

/* ---- a long training ---- */

typedef struct counter {
    int64_t calls, held;
} counter;

static void *count_allocate(void *context, size_t bytes)
{
    counter *c = context;
    c->calls++;
    c->held += (int64_t)bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void count_release(void *context, void *memory, size_t bytes)
{
    ((counter *)context)->held -= (int64_t)bytes;
    free(memory);
}

/* What the process holds now, where the system says so. */
static long resident_pages(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident;
}

/* 100,000 steps of a small network: after the first hundred not one call to the allocator, not
 * a page more, and the loss where it should be. */
START_TEST(long_training)
{
    enum { EXAMPLES = 32 };
    counter c = { 0 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    heed_params *ps = heed_params_new(HEED_F32, &allocator);
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .allocator = &allocator });
    heed_random r = { .seed = 1 };
    heed_linear_module up, down;
    heed_linear_init(&up, ps, "up", 2, 4, (heed_linear_options){ .bias = true, .random = &r });
    heed_linear_init(&down, ps, "down", 4, 1,
                     (heed_linear_options){ .bias = true, .random = &r });
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ .lr = 0.003 });
    heed_average *average = heed_average_new(ps, (heed_average_options){ .decay = 0.99 });
    float rows[EXAMPLES][2], targets[EXAMPLES];
    for (int i = 0; i < EXAMPLES; i++) {
        rows[i][0] = (float)heed_random_normal(&r);
        rows[i][1] = (float)heed_random_normal(&r);
        targets[i] = tanhf(rows[i][0]) - rows[i][1] / 2;
    }
    const heed_field field[2] = {
        { .data = rows, .dtype = HEED_F32, .shape = HEED_DIMS(2) },
        { .data = targets, .dtype = HEED_F32, .shape = HEED_DIMS(1) },
    };
    heed_batches *b = heed_batches_new(
        2, field, EXAMPLES,
        (heed_batches_options){ .size = 4, .shuffle = true, .allocator = &allocator }, error,
        sizeof error);
    ck_assert_msg(b != NULL, "%s", error);
    heed_set_threads(1);
    int64_t calls = 0;
    long pages = 0;
    double loss = 0;
    bool good = true;
    for (int step = 0; step < 100000; step++) { /* no assertion inside: they take memory */
        good = good && heed_batches_next(b);
        heed_tensor *x = heed_batch_values(t, b, 0), *y = heed_batch_values(t, b, 1);
        heed_tensor *hidden = heed_tanh(t, heed_linear_forward(t, &up, x));
        heed_tensor *miss = heed_sub(t, heed_linear_forward(t, &down, hidden), y);
        heed_tensor *mean = heed_keep(t, heed_mean(t, heed_square(t, miss)));
        heed_backward(t, mean);
        loss = 0.99 * loss + 0.01 * heed_item(t, mean);
        good = good && heed_optimizer_step(o, heed_params_gradients(ps));
        good = good && heed_average_update(average);
        heed_tape_reset(t);
        if (step == 100)
            calls = c.calls;
        if (step == 1000 || step == 10000) /* the first look takes a little memory itself */
            pages = resident_pages();
    }
    ck_assert(good);
    ck_assert_int_eq(c.calls, calls);
    /* A leak of four bytes a step would be more; a sanitizer's own tables take some pages. */
    ck_assert_int_le(resident_pages(), pages + 80);
    ck_assert_double_lt(loss, 1e-3);
    heed_batches_free(b);
    heed_average_free(average);
    heed_optimizer_free(o);
    heed_tape_free(t);
    heed_params_free(ps);
    ck_assert_int_eq(c.held, 0);
}
END_TEST

/* ---- one table, two uses ---- */

/* The gradient of a tied table is the sum of those of two tables that happen to be equal, in
 * one buffer. */
START_TEST(tying)
{
    enum { WORDS = 5, WIDTH = 3 };
    double sum[WORDS * WIDTH] = { 0 };
    const int32_t in[4] = { 0, 3, 3, 1 }, out[4] = { 3, 3, 1, 4 };
    for (int tied = 0; tied < 2; tied++) {
        heed_params *ps = heed_params_new(HEED_F64, NULL);
        heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
        heed_random r = { .seed = 6 }, again = r;
        heed_embedding_module first, second;
        heed_embedding_init(&first, ps, "first", WORDS, WIDTH, 1, &r);
        if (tied)
            second = first;
        else
            heed_embedding_init(&second, ps, "second", WORDS, WIDTH, 1, &again);
        heed_tensor *x =
            heed_tanh(t, heed_embedding_forward(t, &first, heed_ids(t, HEED_SHAPE(4), in)));
        heed_tensor *logits = heed_embedding_logits(t, &second, x);
        heed_tensor *labels = heed_ids(t, HEED_SHAPE(4), out);
        ck_assert_msg(heed_backward(t, heed_cross_entropy(t, logits, labels, NULL)), "%s",
                      heed_error(t));
        heed_gradients *g = heed_params_gradients(ps);
        const double *a = heed_gradients_of(g, first.weight);
        const double *b = heed_gradients_of(g, second.weight);
        ck_assert_int_eq(heed_params_count(ps), tied ? 1 : 2);
        ck_assert((a == b) == (tied == 1));
        for (int i = 0; i < WORDS * WIDTH; i++) {
            if (tied)
                ck_assert_double_eq_tol(a[i], sum[i], 1e-15);
            else
                sum[i] = a[i] + b[i];
        }
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

/* ---- four kinds of task ----
 *
 * Each is a source and a target sequence of ids; a decoder reads both with a separator between,
 * and only the target counts in the loss:
 *
 *     inputs  task source SEPARATOR target
 *     labels  the next input where that is target or END; IGNORED elsewhere */

enum { END, SEPARATOR, TASK, LETTER = TASK + 4, LETTERS = 8, VOCABULARY = LETTER + LETTERS };
enum { ANSWERING, SUMMARISING, TRANSLATING, GENERATING, TASKS };
enum { IGNORED = -1, EXAMPLES = 192, LONGEST = 16 };

typedef struct corpus {
    int32_t inputs[EXAMPLES * LONGEST], labels[EXAMPLES * LONGEST];
    int64_t starts[EXAMPLES + 1];
} corpus;

/* A source and a target; their lengths are what comes back. */
static void make_pair(int task, heed_random *r, int32_t *source, int *sources, int32_t *target,
                      int *targets)
{
    *sources = *targets = 0;
    int32_t letter[LETTERS];
    for (int i = 0; i < LETTERS; i++) /* all letters, mixed */
        letter[i] = LETTER + i;
    for (int i = LETTERS - 1; i > 0; i--) {
        int k = (int)heed_random_below(r, (uint64_t)i + 1);
        int32_t kept = letter[i];
        letter[i] = letter[k];
        letter[k] = kept;
    }
    int length = 2 + (int)heed_random_below(r, 3);
    switch (task) {
    case ANSWERING: /* "a b c d  c": what comes after c? */
        for (int i = 0; i <= length; i++)
            source[(*sources)++] = letter[i];
        int asked = (int)heed_random_below(r, (uint64_t)length);
        source[(*sources)++] = letter[asked];
        target[(*targets)++] = letter[asked + 1];
        break;
    case SUMMARISING: /* a letter, said several times: say it once */
        for (int i = 0; i < length; i++)
            source[(*sources)++] = letter[0];
        target[(*targets)++] = letter[0];
        break;
    case TRANSLATING: /* letter by letter into the next one of the alphabet */
        for (int i = 0; i < length; i++) {
            source[(*sources)++] = letter[i];
            target[(*targets)++] = LETTER + (letter[i] - LETTER + 1) % LETTERS;
        }
        break;
    default: /* three more letters of the alphabet */
        source[(*sources)++] = letter[0];
        for (; *targets < 3; ++*targets)
            target[*targets] = LETTER + (letter[0] - LETTER + 1 + *targets) % LETTERS;
    }
}

static void add_example(corpus *c, int at, int task, heed_random *r)
{
    int32_t source[LONGEST], target[LONGEST], whole[2 * LONGEST];
    int sources, targets, n = 0;
    make_pair(task, r, source, &sources, target, &targets);
    whole[n++] = TASK + task;
    for (int i = 0; i < sources; i++)
        whole[n++] = source[i];
    whole[n++] = SEPARATOR;
    for (int i = 0; i < targets; i++)
        whole[n++] = target[i];
    whole[n] = END;
    int64_t first = c->starts[at];
    for (int i = 0; i < n; i++) {
        c->inputs[first + i] = whole[i];
        c->labels[first + i] = i > sources ? whole[i + 1] : IGNORED;
    }
    c->starts[at + 1] = first + n;
}

static heed_gpt model;

static heed_tensor *loss_of(heed_tape *t, heed_batches *b)
{
    const heed_cross_entropy_options options = { .ignore = true, .ignore_index = IGNORED };
    heed_tensor *logits = heed_gpt_forward(t, &model, heed_batch_values(t, b, 0), NULL);
    return heed_cross_entropy(t, logits, heed_batch_values(t, b, 1), &options);
}

/* The share of target ids that are the likeliest by the model. */
static double accuracy_of(heed_tape *t, heed_batches *b)
{
    double right = 0, all = 0;
    heed_set_recording(t, false);
    for (int64_t k = 0; k < heed_batches_count(b); k++) {
        ck_assert(heed_batches_next(b));
        const heed_tensor *y = heed_gpt_forward(t, &model, heed_batch_values(t, b, 0), NULL);
        const heed_tensor *labels = heed_batch_values(t, b, 1);
        ck_assert_msg(y && labels, "%s", heed_error(t));
        for (int64_t i = 0; i < heed_size(labels); i++) {
            int best = 0;
            for (int v = 1; v < VOCABULARY; v++)
                best = heed_at(y, i * VOCABULARY + v) > heed_at(y, i * VOCABULARY + best)
                           ? v
                           : best;
            if (heed_at(labels, i) == IGNORED)
                continue;
            all++;
            right += best == (int)heed_at(labels, i);
        }
        heed_tape_reset(t);
    }
    heed_set_recording(t, true);
    return right / all;
}

START_TEST(tasks)
{
    static corpus c;
    heed_random r = { .seed = 11 };
    for (int i = 0; i < EXAMPLES; i++)
        add_example(&c, i, i % TASKS, &r);
    const heed_field field[2] = { { .data = c.inputs, .starts = c.starts, .pad = END },
                                  { .data = c.labels, .starts = c.starts, .pad = IGNORED } };
    heed_batches_options options = { .size = 16, .shuffle = true, .bucket = 4 };
    heed_batches *b = heed_batches_new(2, field, EXAMPLES, options, error, sizeof error);
    ck_assert_msg(b != NULL, "%s", error);
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_gpt_init(&model, ps,
                  (heed_gpt_options){ .vocabulary = VOCABULARY,
                                      .context = LONGEST,
                                      .width = 32,
                                      .layers = 2,
                                      .heads = 2,
                                      .bias = true,
                                      .random = &r });
    heed_tape *t = heed_tape_new(NULL);
    heed_optimizer *o = heed_adamw_new(ps, (heed_adam_options){ .lr = 3e-3 });
    for (int step = 0; step < 700; step++) {
        ck_assert(heed_batches_next(b));
        ck_assert_msg(heed_backward(t, loss_of(t, b)), "%s", heed_error(t));
        ck_assert(heed_optimizer_step(o, heed_params_gradients(ps)));
        heed_tape_reset(t);
    }
    double accuracy = accuracy_of(t, b);
    ck_assert_msg(accuracy > 0.95, "%g of the target is right", accuracy);
    heed_batches_free(b);
    heed_optimizer_free(o);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- heads that differ ---- */

static double agreement_of(heed_shape shape, const double *p)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    double value = heed_item(t, heed_head_agreement(t, heed_constant(t, shape, p)));
    ck_assert_msg(!heed_error(t), "%s", heed_error(t));
    heed_tape_free(t);
    return value;
}

static heed_tensor *agreement_of_scores(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)user;
    return heed_head_agreement(t, heed_softmax(t, x[0], -1));
}

static heed_tensor *agreement_of_queries(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)user;
    heed_attention_options o = { .causality = HEED_CAUSAL_TOP_LEFT };
    return heed_head_agreement(t, heed_attention_weights(t, x[0], x[1], NULL, &o));
}

START_TEST(agreement)
{
    const double same[] = { 0, 1, 0, 0, 1, 0 }, apart[] = { 0, 1, 0, 1, 0, 0 };
    const double even[] = { .25, .25, .25, .25 };
    ck_assert_double_eq(agreement_of(HEED_SHAPE(2, 1, 3), same), 1);
    ck_assert_double_eq(agreement_of(HEED_SHAPE(2, 1, 3), apart), 0.5);
    ck_assert_double_eq(agreement_of(HEED_SHAPE(1, 1, 1, 4), even), 0.25);
    /* Every pair of heads, as the formula says. */
    enum { B = 2, H = 3, T = 2, S = 4 };
    double p[B * H * T * S], sum = 0;
    heed_random r = { .seed = 2 };
    for (int i = 0; i < B * H * T * S; i++)
        p[i] = heed_random_uniform(&r);
    for (int n = 0; n < B * H * H * T * S; n++) {
        int j = n % S, i = n / S % T, h = n / S / T % H, g = n / S / T / H % H,
            b = n / S / T / H / H;
        sum += p[((b * H + h) * T + i) * S + j] * p[((b * H + g) * T + i) * S + j];
    }
    ck_assert_double_eq_tol(agreement_of(HEED_SHAPE(B, H, T, S), p), sum / H / H / B / T,
                            1e-14);

    heed_input scores = { .shape = HEED_DIMS(B, H, T, S) };
    heed_input qk[2] = { { .shape = HEED_DIMS(1, 2, 3, 2) },
                         { .shape = HEED_DIMS(1, 2, 3, 2) } };
    for (int order = 1; order <= 2; order++) {
        heed_check_options how = { .order = order };
        heed_report report = heed_check(agreement_of_scores, NULL, NULL, 1, &scores, &how);
        ck_assert_msg(report.passed, "order %d: %s", order, report.message);
        report = heed_check(agreement_of_queries, NULL, NULL, 2, qk, &how);
        ck_assert_msg(report.passed, "order %d: %s", order, report.message);
    }
    heed_tape *t = heed_tape_new(NULL);
    ck_assert_ptr_null(heed_head_agreement(t, heed_full(t, HEED_SHAPE(2, 3), 1)));
    ck_assert_str_eq(heed_error(t),
                     "head_agreement: weights need shape [..., H, T, S], got [2,3]");
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_head_agreement(t, NULL));
    ck_assert_str_eq(heed_error(t),
                     "head_agreement: weights need shape [..., H, T, S], got NULL");
    heed_tape_free(t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("training");
    TCase *tests = tcase_create("training");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, stopping);
    tcase_add_test(tests, long_training);
    tcase_add_test(tests, tying);
    tcase_add_test(tests, tasks);
    tcase_add_test(tests, agreement);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
