/* Around an alignment: the attentional vector, input feeding and the coverage loss by hand;
 * and the options, sentences and queries that are refused. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <heed/align.h>

START_TEST(attentional_vector)
{
    heed_attentional m;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_attentional_init(&m, ps, "output", 2, 1, 2, (heed_linear_options){ 0 });
    ck_assert(heed_params_set(ps, "output.combine.weight", 6,
                              (double[]){ .1, .2, .3, -.4, .5, -.6 }));
    heed_tensor *context = heed_constant(t, HEED_SHAPE(1, 2), (double[]){ 1, -2 });
    heed_tensor *s = heed_constant(t, HEED_SHAPE(1, 1), (double[]){ 3 });
    heed_tensor *y = heed_attentional_forward(t, &m, context, s);
    ck_assert_double_eq_tol(heed_at(y, 0), tanh(.1 - .4 + .9), 1e-14);
    ck_assert_double_eq_tol(heed_at(y, 1), tanh(-.4 - 1 - 1.8), 1e-14);
    heed_tensor *first = heed_attentional_feed(t, s, NULL, 2);
    heed_tensor *next = heed_attentional_feed(t, s, y, 2);
    ck_assert_int_eq(heed_size(first), 3);
    for (int k = 0; k < 2; k++) {
        ck_assert_double_eq(heed_at(first, 1 + k), 0);
        ck_assert_double_eq(heed_at(next, 1 + k), heed_at(y, k));
    }
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

START_TEST(coverage_loss)
{
    heed_tape *t = heed_tape_new(NULL);
    heed_tensor *w = heed_constant(t, HEED_SHAPE(2, 2), (double[]){ .25, .75, .5, .5 });
    heed_tensor *before = heed_constant(t, HEED_SHAPE(2, 2), (double[]){ 1, .5, 0, 2 });
    heed_tensor *loss = heed_align_coverage_loss(t, w, before);
    ck_assert_double_eq(heed_at(loss, 0), .75);
    ck_assert_double_eq(heed_at(loss, 1), .5);
    heed_tensor *first = heed_align_coverage_loss(t, w, NULL);
    ck_assert_double_eq(heed_at(first, 0) + heed_at(first, 1), 0);
    ck_assert_ptr_null(heed_align_coverage_loss(t, w, heed_unsqueeze(t, before, 1)));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "the coverage needs shape [2, 2]"));
    heed_tape_free(t);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(options_refused)
{
    const struct {
        int64_t query_width, key_width;
        heed_align_options options;
        const char *sentence;
    } cases[] = {
        { 3, 4, { .score = HEED_ALIGN_DOT }, "one width, not 3 and 4" },
        { 3, 4, { .score = HEED_ALIGN_SCALED_DOT }, "one width, not 3 and 4" },
        { 3, 4, { .score = HEED_ALIGN_COSINE }, "one width, not 3 and 4" },
        { 0, 4, { .score = HEED_ALIGN_GENERAL }, "widths 0 and 4" },
        { 3, 3, { .score = (heed_align_score)6 }, "there is no score 6" },
        { 3, 3, { .normaliser = (heed_align_normaliser)3 }, "there is no normaliser 3" },
        { 3, 3, { .window = (heed_align_window)7 }, "there is no window 7" },
        { 3, 3, { .choice = (heed_align_choice)9 }, "there is no choice 9" },
        { 3, 3, { .score = HEED_ALIGN_CONCAT, .hidden = -1 }, "hidden width of -1" },
        { 3, 3, { .scale = -1 }, "scale -1" },
        { 3, 3, { .scale = NAN }, "is not a positive number" },
        { 3, 3, { .temperature = -0.5 }, "temperature -0.5" },
        { 3, 3, { .temperature = INFINITY }, "temperature inf" },
        { 3, 3, { .temperature = 1e-39 }, "temperature 1e-39 is less than 1e-30" },
        { 3, 3, { .score = HEED_ALIGN_ADDITIVE, .filters = -2 }, "-2 filters" },
        { 3, 3, { .score = HEED_ALIGN_ADDITIVE, .filters = 2 }, "filter width 0" },
        { 3,
          3,
          { .score = HEED_ALIGN_ADDITIVE, .filters = 2, .filter_width = 4 },
          "filter width 4" },
        { 3, 3, { .filters = 2, .filter_width = 3 }, "a location term needs" },
        { 3, 3, { .coverage = true }, "a coverage term needs" },
        { 3, 3, { .bias = true }, "a bias needs" },
        { 3, 3, { .window = HEED_ALIGN_MONOTONIC, .reach = -1 }, "reach of -1 is negative" },
        { 3, 3, { .window = HEED_ALIGN_PREDICTIVE }, "needs a reach of 1 or more, not 0" },
        { 3,
          3,
          { .window = HEED_ALIGN_PREDICTIVE, .reach = 1, .choice = HEED_ALIGN_GUMBEL },
          "keys cannot be drawn" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heed_align m;
        heed_params *ps = heed_params_new(HEED_F32, NULL);
        heed_align_init(&m, ps, "a", cases[i].query_width, cases[i].key_width,
                        cases[i].options);
        const char *sentence = heed_params_error(ps);
        ck_assert_msg(sentence && strstr(sentence, cases[i].sentence), "%s: %s",
                      cases[i].sentence, sentence ? sentence : "accepted");
        ck_assert_int_eq(heed_params_count(ps), 0);
        heed_params_free(ps);
    }
}
END_TEST

static const heed_align_options dot = { .score = HEED_ALIGN_DOT };
static const heed_align_options covered = { .score = HEED_ALIGN_ADDITIVE, .coverage = true };

START_TEST(calls_refused)
{
    const struct {
        const heed_align_options *options; /* NULL: a module never made */
        heed_shape query, keys, values, mask;
        bool history;
        const char *sentence;
    } cases[] = {
        { NULL, HEED_DIMS(2, 3), HEED_DIMS(2, 5, 3), { 0 }, { 0 }, true, "was not made" },
        { &dot, HEED_DIMS(2, 3), HEED_DIMS(2, 5, 4), { 0 }, { 0 }, true, "[B, S, 3]" },
        { &dot, HEED_DIMS(2, 3), HEED_DIMS(2, 5), { 0 }, { 0 }, true, "[B, S, 3]" },
        { &dot, HEED_DIMS(2, 4), HEED_DIMS(2, 5, 3), { 0 }, { 0 }, true, "[2, 3]" },
        { &dot, HEED_DIMS(3, 3), HEED_DIMS(2, 5, 3), { 0 }, { 0 }, true, "[2, T, 3]" },
        { &dot,
          HEED_DIMS(2, 3),
          HEED_DIMS(2, 5, 3),
          HEED_DIMS(2, 4, 1),
          { 0 },
          true,
          "values need shape [2, 5, V]" },
        { &dot,
          HEED_DIMS(2, 3),
          HEED_DIMS(2, 5, 3),
          { 0 },
          HEED_DIMS(5, 2),
          true,
          "bool [2, 5]" },
        { &covered,
          HEED_DIMS(2, 1, 3),
          HEED_DIMS(2, 5, 3),
          { 0 },
          { 0 },
          true,
          "one query at a time" },
        { &covered,
          HEED_DIMS(2, 3),
          HEED_DIMS(2, 5, 3),
          { 0 },
          { 0 },
          false,
          "need a history" },
    };
    static const bool seen[10] = { true };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heed_align m = { .query_width = 0 };
        heed_params *ps = heed_params_new(HEED_F32, NULL);
        heed_tape *t = heed_tape_new(NULL);
        if (cases[i].options)
            heed_align_init(&m, ps, "a", 3, 3, *cases[i].options);
        heed_tensor *query = heed_full(t, cases[i].query, 1);
        heed_tensor *keys = heed_full(t, cases[i].keys, 1);
        heed_tensor *v = cases[i].values.ndim ? heed_full(t, cases[i].values, 1) : NULL;
        heed_tensor *mask = cases[i].mask.ndim ? heed_mask(t, cases[i].mask, seen) : NULL;
        heed_align_history history = { 0 };
        heed_align_memory memory = heed_align_prepare(t, &m, keys, v, mask);
        heed_aligned a =
            heed_align_step(t, &m, query, &memory, cases[i].history ? &history : NULL);
        ck_assert_ptr_null(a.context);
        ck_assert_msg(heed_error(t) && strstr(heed_error(t), cases[i].sentence), "%s: %s",
                      cases[i].sentence, heed_error(t) ? heed_error(t) : "accepted");
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("align_refused");
    TCase *around = tcase_create("around");
    tcase_add_test(around, attentional_vector);
    tcase_add_test(around, coverage_loss);
    suite_add_tcase(suite, around);
    TCase *refused = tcase_create("refused");
    tcase_add_test(refused, options_refused);
    tcase_add_test(refused, calls_refused);
    suite_add_tcase(suite, refused);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
