/* Hard alignment: what is drawn and how often, and the gradient estimators against the gradient
 * that enumerating every key gives. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include <heed/align.h>

/* ---- estimators ----
 *
 * Keys are the unit vectors and the score is the dot product, so the query is the scores
 * themselves. N rows with the same scores are N independent draws, and the row i of the query's
 * gradient is draw i's estimate. The cost of a context c is f(c) = (c - 0.5)^2. */
enum { N = 20000, KEYS = 4 };
static const double scores[KEYS] = { 0.2, -0.4, 0.9, 0.1 };
static const double values[KEYS] = { 0.3, -1.2, 2, 0.7 };
static const double target = 0.5;

typedef struct estimate {
    double mean[KEYS], error[KEYS]; /* error: one standard error of the mean */
    double frequency[KEYS];         /* mean weights */
} estimate;

typedef struct truth {
    double p[KEYS];
    double cost;           /* sum_j p_j f(v_j) */
    double gradient[KEYS]; /* its derivative by the scores, p_k (f_k - cost) */
    double straight[KEYS]; /* what straight-through estimates: <f'> p_k (v_k - <v>) */
} truth;

static truth enumerate(void)
{
    truth e = { .cost = 0 };
    double total = 0, value = 0, slope = 0;
    for (int k = 0; k < KEYS; k++)
        total += exp(scores[k]);
    for (int k = 0; k < KEYS; k++) {
        e.p[k] = exp(scores[k]) / total;
        e.cost += e.p[k] * pow(values[k] - target, 2);
        value += e.p[k] * values[k];
        slope += e.p[k] * 2 * (values[k] - target);
    }
    for (int k = 0; k < KEYS; k++) {
        e.gradient[k] = e.p[k] * (pow(values[k] - target, 2) - e.cost);
        e.straight[k] = slope * e.p[k] * (values[k] - value);
    }
    return e;
}

static heed_tensor *rows(heed_tape *t, heed_shape shape, const double *row)
{
    heed_shape one = shape;
    one.size[0] = 1;
    heed_tensor *x = heed_expand(t, heed_constant(t, one, row), shape);
    return heed_contiguous(t, x);
}

static estimate sample(heed_align_choice choice, double temperature, const double *baseline)
{
    static const double units[KEYS * KEYS] = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 };
    estimate e = { .mean = { 0 } };
    heed_align m;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_align_init(&m, ps, "a", KEYS, KEYS,
                    (heed_align_options){ .choice = choice, .temperature = temperature });
    heed_set_training(t, true);
    heed_seed(t, 11, 0);
    heed_tensor *query = heed_watch(t, rows(t, HEED_SHAPE(N, KEYS), scores));
    heed_tensor *keys = rows(t, HEED_SHAPE(N, KEYS, KEYS), units);
    heed_aligned a =
        heed_align_forward(t, &m, query, keys, rows(t, HEED_SHAPE(N, KEYS, 1), values), NULL);
    heed_keep(t, a.weights);
    heed_tensor *context = heed_squeeze(t, a.context, 1);
    heed_tensor *cost = heed_square(t, heed_shift(t, context, -target));
    heed_tensor *loss = heed_sum(t, cost);
    if (choice == HEED_ALIGN_REINFORCE) {
        heed_tensor *guess = baseline ? heed_full(t, HEED_SCALAR, *baseline) : NULL;
        heed_tensor *term = heed_align_reinforce(t, a.log_probability, cost, guess);
        loss = heed_add(t, loss, heed_sum(t, term));
    } else {
        ck_assert_ptr_null(a.log_probability);
    }
    heed_backward(t, loss);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    for (int k = 0; k < KEYS; k++) {
        double square = 0;
        for (int i = 0; i < N; i++) {
            double g = heed_at(heed_gradient(t, query), i * KEYS + k);
            e.mean[k] += g / N;
            square += g * g / N;
            e.frequency[k] += heed_at(a.weights, i * KEYS + k) / N;
        }
        e.error[k] = sqrt((square - e.mean[k] * e.mean[k]) / N);
    }
    heed_tape_free(t);
    heed_params_free(ps);
    return e;
}

/* The largest |mean - value| in standard errors. */
static double apart(const estimate *e, const double *value)
{
    double most = 0;
    for (int k = 0; k < KEYS; k++)
        most = fmax(most, fabs(e->mean[k] - value[k]) / e->error[k]);
    return most;
}

static double distance(const double *a, const double *b)
{
    double square = 0;
    for (int k = 0; k < KEYS; k++)
        square += (a[k] - b[k]) * (a[k] - b[k]);
    return sqrt(square);
}

static double total_error(const estimate *e)
{
    static const double nothing[KEYS] = { 0 };
    return distance(e->error, nothing);
}

START_TEST(reinforce_is_unbiased)
{
    const truth exact = enumerate();
    const estimate plain = sample(HEED_ALIGN_REINFORCE, 0, NULL);
    const estimate better = sample(HEED_ALIGN_REINFORCE, 0, &exact.cost);
    ck_assert_double_le(apart(&plain, exact.gradient), 4);
    ck_assert_double_le(apart(&better, exact.gradient), 4);
    ck_assert_double_lt(total_error(&better), total_error(&plain));
}
END_TEST

/* The cost is a constant to the term, however it came about. */
START_TEST(reinforce_holds_the_cost_fixed)
{
    heed_tape *t = heed_tape_new(NULL);
    heed_tensor *log_p = heed_watch(t, heed_constant(t, HEED_SHAPE(2), (double[]){ -1, -0.5 }));
    heed_tensor *cost = heed_watch(t, heed_constant(t, HEED_SHAPE(2), (double[]){ 3, 4 }));
    heed_tensor *guess = heed_watch(t, heed_constant(t, HEED_SCALAR, (double[]){ 2 }));
    heed_backward(t, heed_sum(t, heed_align_reinforce(t, log_p, cost, guess)));
    ck_assert_ptr_null(heed_gradient(t, cost));
    ck_assert_ptr_null(heed_gradient(t, guess));
    ck_assert_double_eq(heed_at(heed_gradient(t, log_p), 0), 1);
    ck_assert_double_eq(heed_at(heed_gradient(t, log_p), 1), 2);
    heed_tape_free(t);
}
END_TEST

/* Its mean is what its definition says, and not the gradient. */
START_TEST(straight_through_is_biased)
{
    const truth exact = enumerate();
    const estimate e = sample(HEED_ALIGN_STRAIGHT_THROUGH, 0, NULL);
    ck_assert_double_le(apart(&e, exact.straight), 4);
    ck_assert_double_gt(apart(&e, exact.gradient), 10);
}
END_TEST

/* The bias falls with the temperature, and the variance rises. */
START_TEST(gumbel_is_biased_less_when_cold)
{
    static const heed_align_choice choices[] = { HEED_ALIGN_GUMBEL, HEED_ALIGN_GUMBEL_HARD };
    const truth exact = enumerate();
    const estimate warm = sample(choices[_i], 1, NULL);
    const estimate cold = sample(choices[_i], 0.1, NULL);
    ck_assert_double_gt(apart(&warm, exact.gradient), 10);
    ck_assert_double_lt(distance(cold.mean, exact.gradient),
                        0.5 * distance(warm.mean, exact.gradient));
    ck_assert_double_gt(total_error(&cold), total_error(&warm));
}
END_TEST
START_TEST(drawn_as_often_as_probable)
{
    static const heed_align_choice choices[] = { HEED_ALIGN_STRAIGHT_THROUGH,
                                                 HEED_ALIGN_REINFORCE, HEED_ALIGN_GUMBEL_HARD };
    const truth exact = enumerate();
    const estimate e = sample(choices[_i], 0, NULL);
    for (int k = 0; k < KEYS; k++)
        ck_assert_double_le(fabs(e.frequency[k] - exact.p[k]),
                            4 * sqrt(exact.p[k] * (1 - exact.p[k]) / N));
}
END_TEST

/* ---- what is chosen ---- */

enum { B = 40, S = 5, D = 3 };

/* One key with weight exactly 1, which padding never is; in evaluation, and always for argmax,
 * the most probable one. */
START_TEST(one_key_alone)
{
    heed_align m;
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_tape *t = heed_tape_new(NULL);
    int32_t lengths[B];
    for (int b = 0; b < B; b++)
        lengths[b] = 1 + b % S;
    heed_align_init(&m, ps, "a", D, D,
                    (heed_align_options){ .choice = (heed_align_choice)_i,
                                          .normaliser = HEED_ALIGN_ENTMAX15 });
    for (int training = 0; training < 2; training++) {
        heed_set_training(t, training);
        heed_tensor *query = heed_normal(t, HEED_SHAPE(B, D), 0, 1);
        heed_tensor *keys = heed_normal(t, HEED_SHAPE(B, S, D), 0, 1);
        heed_tensor *mask = heed_padding_mask(t, B, S, lengths);
        heed_aligned a = heed_align_forward(t, &m, query, keys, NULL, mask);
        ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
        ck_assert((a.log_probability != NULL) == (training && _i == HEED_ALIGN_REINFORCE));
        bool may_differ = training && _i != HEED_ALIGN_ARGMAX;
        for (int b = 0; b < B; b++) {
            int found = 0;
            double best = 0, chosen = 0;
            for (int j = 0; j < S; j++) {
                double w = heed_at(a.weights, b * S + j),
                       p = heed_at(a.probabilities, b * S + j);
                ck_assert(w == 0 || (w == 1 && j < lengths[b] && p > 0));
                found += w == 1;
                chosen = w == 1 ? p : chosen;
                best = fmax(best, p);
            }
            ck_assert_int_eq(found, 1);
            ck_assert(may_differ || chosen == best);
        }
    }
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

START_TEST(argmax_trains_values_only)
{
    heed_align m;
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_tape *t = heed_tape_new(NULL);
    heed_align_init(&m, ps, "a", 2, 2, (heed_align_options){ .choice = HEED_ALIGN_ARGMAX });
    heed_tensor *query = heed_watch(t, heed_constant(t, HEED_SHAPE(1, 2), (double[]){ 1, 0 }));
    heed_tensor *keys = heed_constant(t, HEED_SHAPE(1, 2, 2), (double[]){ 0, 1, 2, 0 });
    heed_tensor *v = heed_watch(t, heed_constant(t, HEED_SHAPE(1, 2, 1), (double[]){ 5, 7 }));
    heed_aligned a = heed_align_forward(t, &m, query, keys, v, NULL);
    ck_assert_double_eq(heed_at(a.context, 0), 7);
    heed_backward(t, heed_sum(t, a.context));
    ck_assert_ptr_null(heed_gradient(t, query));
    ck_assert_double_eq(heed_at(heed_gradient(t, v), 0), 0);
    ck_assert_double_eq(heed_at(heed_gradient(t, v), 1), 1);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

START_TEST(shapes_of_costs)
{
    heed_tape *t = heed_tape_new(NULL);
    const heed_shape shapes[3] = { HEED_SHAPE(3, 1), HEED_SHAPE(1), HEED_SHAPE(1, 3) };
    for (int i = 0; i < 6; i++) {
        heed_tensor *log_p = heed_full(t, HEED_SHAPE(3), -1),
                    *other = heed_full(t, shapes[i / 2], 1);
        ck_assert_ptr_null(i % 2 ? heed_align_reinforce(t, log_p, other, NULL)
                                 : heed_align_reinforce(t, log_p, log_p, other));
        ck_assert_ptr_nonnull(
            strstr(heed_error(t), "must have the shape of the log-probability"));
        heed_tape_reset(t);
    }
    heed_tensor *log_p = heed_full(t, HEED_SHAPE(3), -1), *one = heed_full(t, HEED_SCALAR, 1);
    ck_assert_ptr_nonnull(heed_align_reinforce(t, log_p, log_p, one));
    ck_assert_ptr_null(heed_align_reinforce(t, log_p, NULL, NULL));
    heed_tape_free(t);
}
END_TEST

/* A sentence of no keys gives 0, no queries give nothing, however keys are chosen. */
START_TEST(empty)
{
    static const int64_t extents[2][2] = { { 0, 1 }, { 3, 0 } }; /* keys, queries */
    for (int normaliser = 0; normaliser <= HEED_ALIGN_ENTMAX15; normaliser++) {
        heed_align m;
        heed_params *ps = heed_params_new(HEED_F64, NULL);
        heed_align_init(&m, ps, "m", 2, 2,
                        (heed_align_options){ .score = HEED_ALIGN_DOT,
                                              .normaliser = (heed_align_normaliser)normaliser,
                                              .choice = (heed_align_choice)_i });
        for (int i = 0; i < 2; i++) {
            int64_t keys = extents[i][0], queries = extents[i][1];
            heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
            heed_set_training(t, true);
            heed_tensor *k = heed_full(t, HEED_SHAPE(2, keys, 2), 1),
                        *q = heed_full(t, HEED_SHAPE(2, queries, 2), 1);
            heed_align_memory memory = heed_align_prepare(t, &m, k, NULL, NULL);
            heed_align_history history = { 0 };
            heed_aligned a = heed_align_step(t, &m, q, &memory, &history);
            ck_assert_msg(a.context != NULL, "%s", heed_error(t));
            ck_assert_int_eq(heed_size(a.context), 2 * queries * 2);
            for (int64_t j = 0; j < heed_size(a.context); j++)
                ck_assert_double_eq(heed_at(a.context, j), 0);
            ck_assert_int_eq(history.position, queries);
            heed_tape_free(t);
        }
        heed_params_free(ps);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("align_choice");
    TCase *estimators = tcase_create("estimators");
    tcase_set_timeout(estimators, 60);
    tcase_add_test(estimators, reinforce_is_unbiased);
    tcase_add_test(estimators, reinforce_holds_the_cost_fixed);
    tcase_add_test(estimators, straight_through_is_biased);
    tcase_add_loop_test(estimators, gumbel_is_biased_less_when_cold, 0, 2);
    tcase_add_loop_test(estimators, drawn_as_often_as_probable, 0, 3);
    suite_add_tcase(suite, estimators);
    TCase *choices = tcase_create("choices");
    tcase_add_test(choices, argmax_trains_values_only);
    tcase_add_test(choices, shapes_of_costs);
    tcase_add_loop_test(choices, empty, 0, HEED_ALIGN_REINFORCE + 1);
    tcase_add_loop_test(choices, one_key_alone, HEED_ALIGN_ARGMAX, HEED_ALIGN_GUMBEL);
    tcase_add_loop_test(choices, one_key_alone, HEED_ALIGN_GUMBEL_HARD,
                        HEED_ALIGN_REINFORCE + 1);
    suite_add_tcase(suite, choices);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
