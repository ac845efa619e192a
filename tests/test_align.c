/* Alignment attention: numbers worked out by hand, every form against PyTorch in f64
 * (tests/reference/make_align_reference.py), the sparse normalisers against a bisection,
 * windows, padding, and steps against whole sequences. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>

#include <heed/align.h>

#include "scratch.h"

static heed_tape *new_tape(void)
{
    return heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
}

static void expect(const char *what, const heed_tensor *x, const double *values,
                   double tolerance)
{
    ck_assert_msg(x != NULL, "%s is NULL", what);
    for (int64_t i = 0; i < heed_size(x); i++)
        ck_assert_msg(fabs(heed_at(x, i) - values[i]) <= tolerance,
                      "%s, element %d: %.12f, expected %.12f", what, (int)i, heed_at(x, i),
                      values[i]);
}

/* ---- numbers ---- */

START_TEST(three_keys)
{
    static const struct {
        heed_align_score score;
        const char *parameter[2];
        double parameters[2][8];
        double scores[3], weights[3];
    } forms[] = {
        { .score = HEED_ALIGN_DOT,
          .scores = { .05, -.25, .41 },
          .weights = { .3150452074, .2333912300, .4515635627 } },
        { .score = HEED_ALIGN_GENERAL,
          .parameter = { "a.general.weight" },
          .parameters = { { .2, -.5, .3, .1 } },
          .scores = { -.061, -.177, .271 },
          .weights = { .3044855528, .2711368406, .4243776066 } },
        { .score = HEED_ALIGN_CONCAT,
          .parameter = { "a.concat.weight", "a.energy.weight" },
          .parameters = { { .1, -.2, .3, .4, .5, .6, -.7, .8 }, { .9, -.4 } },
          .scores = { .0325548012, -.1272442961, .1971951867 },
          .weights = { .3298931991, .2811729234, .3889338775 } },
    };
    const double s[] = { .7, -.1 }, h[] = { .1, .2, -.3, .4, .5, -.6 };
    const double *w = forms[_i].weights;
    heed_align m;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = new_tape();
    heed_align_init(&m, ps, "a", 2, 2, (heed_align_options){ .score = forms[_i].score });
    for (int k = 0; k < heed_params_count(ps); k++)
        ck_assert(heed_params_set(ps, forms[_i].parameter[k], heed_params_at(ps, k)->size,
                                  forms[_i].parameters[k]));
    heed_tensor *query = heed_constant(t, HEED_SHAPE(1, 2), s);
    heed_tensor *keys = heed_constant(t, HEED_SHAPE(1, 3, 2), h);
    heed_aligned a = heed_align_forward(t, &m, query, keys, NULL, NULL);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    expect("weights", a.weights, w, 1e-10);
    /* Scores are the logarithms of weights but for a constant. */
    for (int j = 1; j < 3; j++)
        ck_assert_double_eq_tol(log(heed_at(a.weights, j) / heed_at(a.weights, 0)),
                                forms[_i].scores[j] - forms[_i].scores[0], 1e-9);
    expect("context", a.context,
           (double[]){ .1 * w[0] - .3 * w[1] + .5 * w[2], .2 * w[0] + .4 * w[1] - .6 * w[2] },
           1e-10);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- against PyTorch ---- */

enum { B = 2, T = 3, S = 5, D = 3, E = 4, A = 4 };

static const char *const score_names[] = { "dot",      "general",    "concat",
                                           "additive", "scaled_dot", "cosine" };
static const char *const normaliser_names[] = { "softmax", "sparsemax", "entmax15" };

static heed_archive *archive;

static void open_reference(void)
{
    const char *path = getenv("HEED_ALIGN_REFERENCE");
    ck_assert_msg(path != NULL, "HEED_ALIGN_REFERENCE names the file of stored numbers");
    archive = heed_archive_open(path, NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
}

static void close_reference(void)
{
    heed_archive_free(archive);
}

static const heed_entry *stored(const char *name, const char *more, const char *last)
{
    char full[200];
    snprintf(full, sizeof full, "%s%s%s", name, more, last);
    const heed_entry *entry = heed_archive_find(archive, full);
    ck_assert_msg(entry != NULL, "the reference has no %s", full);
    return entry;
}

static heed_tensor *input(heed_tape *t, const char *name)
{
    const heed_entry *entry = stored(name, "", "");
    return heed_watch(t, heed_constant(t, entry->shape, entry->data));
}

static heed_tensor *mask_of(heed_tape *t)
{
    return heed_padding_mask(t, B, S, stored("lengths", "", "")->data);
}

/* The module's parameters are named a.*; those of the file name.value.*. */
static void load(heed_params *ps, const char *name)
{
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        const heed_entry *entry = stored(name, ".value.", p->name + 2);
        ck_assert(heed_params_set(ps, p->name, p->size, entry->data));
    }
}

/* T steps, or all at once; contexts and weights as [B, T, ...]. */
static heed_aligned run(heed_tape *t, const heed_align *m, heed_tensor *query,
                        heed_tensor *keys, heed_tensor *values, heed_tensor *mask, bool stepped)
{
    heed_tensor *context[T], *weights[T];
    heed_align_history history = { 0 };
    heed_align_memory memory = heed_align_prepare(t, m, keys, values, mask);
    if (!stepped)
        return heed_align_step(t, m, query, &memory, &history);
    for (int i = 0; i < T; i++) {
        heed_tensor *one = heed_select(t, query, 1, i);
        heed_aligned a = heed_align_step(t, m, one, &memory, &history);
        context[i] = a.context;
        weights[i] = a.weights;
    }
    ck_assert_int_eq(history.position, T);
    return (heed_aligned){ .context = heed_stack(t, T, context, 1),
                           .weights = heed_stack(t, T, weights, 1) };
}

static void compare(const char *name, heed_align_options options, bool stepped)
{
    bool alike = options.score == HEED_ALIGN_DOT || options.score == HEED_ALIGN_SCALED_DOT ||
                 options.score == HEED_ALIGN_COSINE;
    heed_align m;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = new_tape();
    heed_align_init(&m, ps, "a", D, alike ? D : E, options);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s: %s", name, heed_params_error(ps));
    load(ps, name);
    heed_tensor *query = input(t, "query"), *keys = input(t, alike ? "keys_alike" : "keys");
    heed_tensor *values = input(t, "values");
    heed_aligned a = run(t, &m, query, keys, values, mask_of(t), stepped);
    expect(name, heed_keep(t, a.context), stored(name, ".context", "")->data, 1e-12);
    expect(name, heed_keep(t, a.weights), stored(name, ".weights", "")->data, 1e-12);
    heed_tensor *of_context = heed_sum(t, heed_mul(t, a.context, input(t, "context_weight")));
    heed_tensor *of_weights = heed_sum(t, heed_mul(t, a.weights, input(t, "weights_weight")));
    heed_backward(t, heed_add(t, of_context, of_weights));
    ck_assert_msg(heed_error(t) == NULL, "%s: %s", name, heed_error(t));
    expect(name, heed_gradient(t, query), stored(name, ".gradient.x.query", "")->data, 1e-11);
    expect(name, heed_gradient(t, keys), stored(name, ".gradient.x.keys", "")->data, 1e-11);
    expect(name, heed_gradient(t, values), stored(name, ".gradient.x.values", "")->data, 1e-11);
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        const double *g = heed_gradients_of(heed_params_gradients(ps), p);
        expect(p->name, heed_borrow(t, HEED_F64, p->shape, g),
               stored(name, ".gradient.", p->name + 2)->data, 1e-11);
    }
    heed_tape_free(t);
    heed_params_free(ps);
}

static heed_align_options options_of(int score, int normaliser)
{
    return (heed_align_options){ .score = (heed_align_score)score,
                                 .normaliser = (heed_align_normaliser)normaliser,
                                 .hidden = A,
                                 .bias =
                                     score == HEED_ALIGN_CONCAT || score == HEED_ALIGN_ADDITIVE,
                                 .scale = score == HEED_ALIGN_COSINE ? 3 : 0 };
}

START_TEST(every_score_and_normaliser)
{
    char name[60];
    open_reference();
    for (int normaliser = 0; normaliser < 3; normaliser++) {
        snprintf(name, sizeof name, "%s.%s", score_names[_i], normaliser_names[normaliser]);
        compare(name, options_of(_i, normaliser), false);
        compare(name, options_of(_i, normaliser), true);
    }
    close_reference();
}
END_TEST

START_TEST(location_and_coverage)
{
    char name[60];
    open_reference();
    for (int normaliser = 0; normaliser < 3; normaliser++) {
        heed_align_options options = options_of(HEED_ALIGN_ADDITIVE, normaliser);
        options.filters = 2;
        options.filter_width = 3;
        options.coverage = true;
        snprintf(name, sizeof name, "looking_back.%s", normaliser_names[normaliser]);
        compare(name, options, true);
    }
    close_reference();
}
END_TEST

START_TEST(local_windows)
{
    heed_align_options options = options_of(HEED_ALIGN_GENERAL, HEED_ALIGN_SOFTMAX);
    open_reference();
    options.window = HEED_ALIGN_MONOTONIC;
    options.reach = 1;
    compare("monotonic.softmax", options, false);
    compare("monotonic.softmax", options, true);
    options.window = HEED_ALIGN_PREDICTIVE;
    options.reach = 2;
    options.window_hidden = 2;
    compare("predictive.softmax", options, false);
    compare("predictive.softmax", options, true);
    close_reference();
}
END_TEST

/* ---- the sparse normalisers ---- */

/* tau with sum max(z - tau, 0)^power = 1, by halving; then y. */
static void bisect(const double *x, int n, bool squared, double *y)
{
    double top = -INFINITY, factor = squared ? 0.5 : 1;
    for (int i = 0; i < n; i++)
        top = fmax(top, factor * x[i]);
    double low = top - 1, high = top;
    for (int round = 0; round < 200; round++) {
        double tau = (low + high) / 2, total = 0;
        for (int i = 0; i < n; i++) {
            y[i] = fmax(factor * x[i] - tau, 0);
            y[i] *= squared ? y[i] : 1;
            total += y[i];
        }
        *(total > 1 ? &low : &high) = tau;
    }
}

START_TEST(sparse_by_bisection)
{
    enum { LONGEST = 700 };
    static double x[LONGEST], y[LONGEST];
    const int lengths[] = { 1, 2, 3, 8, 33, LONGEST };
    heed_random r = { .seed = 9 };
    for (int k = 0; k < 6 * 40; k++) {
        int n = lengths[k % 6];
        double spread = pow(10, (k / 6) % 5 - 2);
        for (int i = 0; i < n; i++)
            x[i] =
                spread * (k % 3 ? heed_random_normal(&r) : floor(3 * heed_random_uniform(&r)));
        for (int squared = 0; squared < 2; squared++) {
            heed_tape *t = new_tape();
            heed_tensor *row = heed_constant(t, HEED_SHAPE(n), x);
            heed_tensor *p = squared ? heed_entmax15(t, row, 0) : heed_sparsemax(t, row, 0);
            bisect(x, n, squared, y);
            expect("a row", p, y, 1e-12 * fmax(1, spread));
            ck_assert_double_eq_tol(heed_item(t, heed_sum(t, p)), 1, 1e-13 * n + 1e-12);
            heed_tape_free(t);
        }
    }
}
END_TEST

START_TEST(sparse_of_what_is_not_finite)
{
    const double rows[] = { 1, NAN, 2, 1, INFINITY, 2 };
    for (int squared = 0; squared < 2; squared++) {
        heed_tape *t = new_tape();
        heed_tensor *x = heed_constant(t, HEED_SHAPE(2, 3), rows);
        heed_tensor *p = squared ? heed_entmax15(t, x, 1) : heed_sparsemax(t, x, 1);
        for (int i = 0; i < 6; i++)
            ck_assert(isnan(heed_at(p, i)));
        heed_tape_free(t);
    }
}
END_TEST

/* ---- padding ---- */

static heed_params *made(heed_align *m, heed_align_options options)
{
    static heed_random r;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    r = (heed_random){ .seed = 4 };
    options.random = &r;
    heed_align_init(m, ps, "a", D, D, options);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    return ps;
}

static const int32_t lengths[B] = { 3, 4 };

/* The context and the weights of three steps behind one another. */
static heed_tensor *padded(heed_tape *t, heed_tensor *const x[], void *m)
{
    heed_tensor *mask = heed_padding_mask(t, B, S, lengths);
    heed_tensor *parts[2 * T];
    heed_align_history history = { 0 };
    heed_align_memory memory = heed_align_prepare(t, m, x[1], x[2], mask);
    for (int i = 0; i < T; i++) {
        heed_aligned a = heed_align_step(t, m, heed_select(t, x[0], 1, i), &memory, &history);
        parts[2 * i] = a.context;
        parts[2 * i + 1] = a.weights;
    }
    return heed_concatenate(t, 2 * T, parts, 1);
}

/* No row of the batch sees another one, and none what its length leaves out. */
static bool of_own_row(const int64_t *output, const int64_t *at, void *user)
{
    (void)user;
    return output[0] == at[0] && at[1] < lengths[at[0]];
}

START_TEST(padding_does_not_leak)
{
    heed_align_options forms[] = {
        options_of(_i, HEED_ALIGN_SOFTMAX),  options_of(_i, HEED_ALIGN_SPARSEMAX),
        options_of(_i, HEED_ALIGN_ENTMAX15), options_of(_i, HEED_ALIGN_SOFTMAX),
        options_of(_i, HEED_ALIGN_SOFTMAX),  options_of(_i, HEED_ALIGN_SOFTMAX)
    };
    forms[3].window = HEED_ALIGN_MONOTONIC;
    forms[3].reach = 1;
    forms[4].window = HEED_ALIGN_PREDICTIVE;
    forms[4].reach = 2;
    if (_i == HEED_ALIGN_CONCAT || _i == HEED_ALIGN_ADDITIVE) {
        forms[5].filters = 2;
        forms[5].filter_width = 3;
        forms[5].coverage = true;
    }
    const heed_input inputs[] = { { .shape = HEED_DIMS(B, T, D) },
                                  { .shape = HEED_DIMS(B, S, D) },
                                  { .shape = HEED_DIMS(B, S, 2) } };
    for (int k = 0; k < LENGTH(forms); k++) {
        heed_align m;
        heed_params *ps = made(&m, forms[k]);
        for (int of = 1; of < 3; of++) {
            heed_report report =
                heed_leak_check(padded, &m, ps, 3, inputs,
                                (heed_leak_options){ .input = of, .may_depend = of_own_row });
            ck_assert_msg(report.passed, "form %d: %s", k, report.message);
        }
        heed_params_free(ps);
    }
}
END_TEST

/* A row without a key: 0 and gradient 0, whatever the normaliser, and nothing that the
 * sanitizer could find. */
START_TEST(nothing_to_see)
{
    heed_align m;
    for (int k = 0; k < 6; k++) {
        heed_align_options options = { .normaliser = (heed_align_normaliser)(k % 3),
                                       .choice = k < 3 ? HEED_ALIGN_SOFT : HEED_ALIGN_GUMBEL };
        heed_params *ps = made(&m, options);
        heed_tape *t = new_tape();
        heed_set_sanitizing(t, true);
        heed_set_training(t, true);
        heed_tensor *query = heed_watch(t, heed_full(t, HEED_SHAPE(2, D), 0.5));
        heed_tensor *keys = heed_watch(t, heed_full(t, HEED_SHAPE(2, S, D), 0.7));
        heed_tensor *mask = heed_padding_mask(t, 2, S, (int32_t[]){ 0, 2 });
        heed_aligned a = heed_align_forward(t, &m, query, keys, NULL, mask);
        ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
        for (int j = 0; j < S; j++)
            ck_assert_double_eq(heed_at(a.weights, j), 0);
        for (int j = 0; j < D; j++)
            ck_assert_double_eq(heed_at(a.context, j), 0);
        for (int j = 2; j < S; j++)
            ck_assert_double_eq(heed_at(a.weights, S + j), 0);
        heed_backward(t, heed_sum(t, heed_square(t, a.context)));
        ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
        for (int j = 0; j < D; j++)
            ck_assert_double_eq(heed_at(heed_gradient(t, query), j), 0);
        for (int j = 0; j < S * D; j++)
            ck_assert_double_eq(heed_at(heed_gradient(t, keys), j), 0);
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("align");
    TCase *values = tcase_create("values");
    tcase_set_timeout(values, 60);
    tcase_add_loop_test(values, three_keys, 0, 3);
    tcase_add_loop_test(values, every_score_and_normaliser, 0, 6);
    tcase_add_test(values, location_and_coverage);
    tcase_add_test(values, local_windows);
    tcase_add_test(values, sparse_by_bisection);
    tcase_add_test(values, sparse_of_what_is_not_finite);
    suite_add_tcase(suite, values);
    TCase *padding = tcase_create("padding");
    tcase_set_timeout(padding, 60);
    tcase_add_loop_test(padding, padding_does_not_leak, 0, 6);
    tcase_add_test(padding, nothing_to_see);
    suite_add_tcase(suite, padding);
    return run_suite(suite);
}
