/* What scaled dot-product attention promises: the scale keeps scores at variance 1 and softmax
 * alive, results are weighted means, gradients follow weights, what is hidden is 0, a window
 * that grows becomes full attention, and dropout of weights has the same bits on any number of
 * threads. */
#include "tensors.h"

#include <heed/nn.h>

#include "kernels.h"

/* ---- the scale ---- */

/* Scores of independent normal q and k have variance D, scaled 1. The estimate from n products
 * of variance 1 has a standard error of sqrt((kappa - 1)/n), kappa = 3 + 6/D their kurtosis;
 * products that share a query are uncorrelated but not independent, so each pair is drawn
 * anew. */
START_TEST(variance_of_scores)
{
    enum { PAIRS = 20000 };
    const int64_t widths[] = { 4, 16, 64 };
    heed_tape *t = tape64();
    for (int i = 0; i < LENGTH(widths); i++) {
        double d = (double)widths[i];
        heed_tensor *q = drawn(t, HEED_SHAPE(PAIRS, widths[i]), 1);
        heed_tensor *k = drawn(t, HEED_SHAPE(PAIRS, widths[i]), 2);
        heed_tensor *dots = heed_sum_axes(t, heed_mul(t, q, k), 1, (const int[]){ 1 }, false);
        double deviation = heed_summarize(dots).deviation, error = sqrt((2 + 6 / d) / PAIRS);
        ck_assert_double_lt(fabs(deviation * deviation / d - 1), 3 * error);
        deviation = heed_summarize(heed_scale(t, dots, 1 / sqrt(d))).deviation;
        ck_assert_double_lt(fabs(deviation * deviation - 1), 3 * error);
        heed_tape_reset(t);
    }
    /* That this is the scale which attention takes: the weights of scores by hand. */
    heed_tensor *q = drawn(t, HEED_SHAPE(1, 1, 3, 5), 1);
    heed_tensor *k = drawn(t, HEED_SHAPE(1, 1, 4, 5), 2);
    heed_tensor *scores = heed_matmul(t, q, heed_swap(t, k, 2, 3));
    heed_tensor *p = heed_softmax(t, heed_scale(t, scores, 1 / sqrt(5)), -1);
    near("weights", heed_attention_weights(t, q, k, NULL, NULL), p, 1e-15);
    heed_tape_free(t);
}
END_TEST

static double mean_entropy(heed_tape *t, int64_t width, double scale)
{
    heed_tensor *q = drawn(t, HEED_SHAPE(1, 1, 64, width), 3);
    heed_tensor *k = drawn(t, HEED_SHAPE(1, 1, 32, width), 4);
    heed_tensor *p =
        heed_attention_weights(t, q, k, NULL, &(heed_attention_options){ .scale = scale });
    return heed_item(t, heed_mean(t, heed_entropy(t, p, -1)));
}

/* Without the scale rows harden as the width grows; with it their entropy stays, at about
 * ln 32 - 1/2 (ln S - var/2 for S scores of variance 1). */
START_TEST(saturation)
{
    heed_tape *t = tape64();
    double before = INFINITY;
    for (int64_t width = 4; width <= 1024; width *= 4) {
        double scaled = mean_entropy(t, width, 0), hard = mean_entropy(t, width, 1);
        ck_assert_double_lt(fabs(scaled - (log(32) - 0.5)), 0.2);
        ck_assert_double_lt(hard, 0.9 * before);
        before = hard;
    }
    ck_assert_double_lt(before, 0.2); /* of ln 32 = 3.5 */
    /* max |dp/ds| at scores (s, 0, 0) is p1 (1 - p1): 0.24, 9e-5, 2e-13. */
    for (int i = 0; i < 3; i++) {
        double score = (const double[]){ 1, 10, 30 }[i], rest = 2 * exp(-score);
        heed_tensor *s =
            heed_watch(t, heed_constant(t, HEED_SHAPE(3), (double[]){ score, 0, 0 }));
        heed_tensor *p = heed_softmax(t, s, 0);
        swept(t, heed_select(t, p, 0, 0));
        double slope = heed_at(heed_gradient(t, s), 0);
        ck_assert_double_lt(fabs(slope - rest / (1 + rest) / (1 + rest)), 3e-16);
    }
    heed_tape_free(t);
}
END_TEST

/* ---- weighted means ---- */

/* Along any direction a result lies between the least and the largest of the values, which is
 * to lie in their convex hull; and rows of weights add up to 1. */
START_TEST(results_lie_among_values)
{
    enum { N = 6, M = 9, D = 4, DIRECTIONS = 200 };
    heed_tape *t = tape64();
    for (int causal = 0; causal < 2; causal++) {
        heed_attention_options o = { .causality =
                                         causal ? HEED_CAUSAL_BOTTOM_RIGHT : HEED_NOT_CAUSAL };
        heed_tensor *q = heed_scale(t, drawn(t, HEED_SHAPE(1, 1, N, D), 1), 3);
        heed_tensor *k = drawn(t, HEED_SHAPE(1, 1, M, D), 2);
        heed_tensor *v = drawn(t, HEED_SHAPE(1, 1, M, 2), 3);
        heed_tensor *y = heed_attention(t, q, k, v, NULL, &o);
        heed_tensor *directions = drawn(t, HEED_SHAPE(2, DIRECTIONS), 4);
        heed_tensor *of_y = heed_matmul(t, y, directions),
                    *of_v = heed_matmul(t, v, directions);
        for (int i = 0; i < N; i++) {
            int seen = causal ? i + M - N + 1 : M;
            for (int d = 0; d < DIRECTIONS; d++) {
                double low = INFINITY, high = -INFINITY;
                for (int j = 0; j < seen; j++) {
                    low = fmin(low, heed_at(of_v, j * DIRECTIONS + d));
                    high = fmax(high, heed_at(of_v, j * DIRECTIONS + d));
                }
                double at = heed_at(of_y, i * DIRECTIONS + d);
                ck_assert(low - 1e-12 <= at && at <= high + 1e-12);
            }
        }
        const heed_tensor *rows = heed_sum_axes(t, heed_attention_weights(t, q, k, NULL, &o), 1,
                                                (const int[]){ -1 }, false);
        for (int i = 0; i < N; i++)
            ck_assert_double_le(fabs(heed_at(rows, i) - 1), M * 2.3e-16);
    }
    heed_tape_free(t);
}
END_TEST

/* With one query |dL/dv_j| = p_j |dL/do|: the order of the gradients is that of the weights. */
START_TEST(gradients_follow_weights)
{
    enum { M = 7, D = 3 };
    heed_tape *t = tape64();
    heed_tensor *q = drawn(t, HEED_SHAPE(1, 1, 1, D), 1);
    heed_tensor *k = drawn(t, HEED_SHAPE(1, 1, M, D), 2);
    heed_tensor *v = heed_watch(t, drawn(t, HEED_SHAPE(1, 1, M, D), 3));
    const heed_tensor *p = heed_attention_weights(t, q, k, NULL, NULL);
    heed_tensor *go = drawn(t, HEED_SHAPE(1, 1, 1, D), 4);
    swept(t, heed_sum(t, heed_mul(t, heed_attention(t, q, k, v, NULL, NULL), go)));
    heed_tensor *g = heed_gradient(t, v);
    double of_o = length_of(go);
    for (int j = 0; j < M; j++) {
        double size = length_of(heed_select(t, g, 2, j));
        ck_assert_double_lt(fabs(size - heed_at(p, j) * of_o), 1e-14);
    }
    heed_tape_free(t);
}
END_TEST

/* One tensor as keys and as values has the sum of both gradients. */
START_TEST(keys_that_are_values)
{
    heed_tape *t = tape64();
    for (int fused = 0; fused < 2; fused++) {
        heed_tensor *g[3];
        for (int which = 0; which < 3; which++) {
            heed_tensor *x = heed_watch(t, drawn(t, HEED_SHAPE(1, 2, 6, 4), 1));
            heed_tensor *fixed = heed_detach(t, x), *q = drawn(t, HEED_SHAPE(1, 2, 5, 4), 2);
            heed_tensor *y =
                heed_attention(t, q, which == 1 ? fixed : x, which == 2 ? fixed : x, NULL,
                               &(heed_attention_options){ .composed = !fused });
            swept(t, heed_sum(t, heed_square(t, y)));
            g[which] = heed_gradient(t, x);
        }
        near("sum", g[0], heed_add(t, g[1], g[2]), 1e-13);
    }
    heed_tape_free(t);
}
END_TEST

/* ---- what is hidden ---- */

/* The first query sees one key, the second none: exactly 0, and so is its gradient, in both
 * dtypes and forms, with scores that are huge; where adding -1e9 would let softmax go on. */
START_TEST(nothing_to_see)
{
    const bool keep[] = { true, false, false, false, false, false };
    for (int kind = 0; kind < 4; kind++) {
        bool composed = kind & 1;
        heed_tape *t =
            heed_tape_new(&(heed_tape_options){ .dtype = kind & 2 ? HEED_F32 : HEED_F64 });
        heed_set_sanitizing(t, true);
        heed_tensor *x[3];
        for (int i = 0; i < 3; i++)
            x[i] = heed_watch(
                t,
                heed_scale(t, drawn(t, HEED_SHAPE(1, 1, i ? 3 : 2, 4), 1 + (uint64_t)i), 1e4));
        heed_tensor *y = heed_keep(
            t, heed_attention(t, x[0], x[1], x[2], heed_mask(t, HEED_SHAPE(2, 3), keep),
                              &(heed_attention_options){ .composed = composed }));
        swept(t, heed_sum(t, heed_mul(t, y, drawn(t, HEED_SHAPE(1, 1, 2, 4), 9))));
        for (int c = 0; c < 4; c++) {
            ck_assert_double_eq(heed_at(y, c), heed_at(x[2], c));
            ck_assert_double_eq(heed_at(y, 4 + c), 0);
            ck_assert_double_eq(heed_at(heed_gradient(t, x[0]), 4 + c), 0);
        }
        for (int i = 4; i < 12; i++) { /* keys and values that nobody sees */
            ck_assert_double_eq(heed_at(heed_gradient(t, x[1]), i), 0);
            ck_assert_double_eq(heed_at(heed_gradient(t, x[2]), i), 0);
        }
        ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
        heed_tape_free(t);
    }
}
END_TEST

/* Scores of 1e4 and more are finite through softmax, forward and backward. */
START_TEST(large_scores)
{
    heed_tape *t = tape64();
    heed_set_sanitizing(t, true);
    heed_tensor *s =
        heed_watch(t, heed_constant(t, HEED_SHAPE(4), (double[]){ 1e4, 1e4, -1e4, 1e4 }));
    heed_tensor *p = heed_keep(t, heed_softmax(t, s, 0));
    near_values("p", p, (const double[]){ 1.0 / 3, 1.0 / 3, 0, 1.0 / 3 }, 1e-15);
    swept(t, heed_sum(t, heed_square(t, p)));
    for (int i = 0; i < 4; i++)
        ck_assert(isfinite(heed_at(heed_gradient(t, s), i)));
    heed_tape_free(t);
}
END_TEST

/* Two queries, four keys: which the diagonal starts at is said, and each is what it says. */
START_TEST(two_diagonals)
{
    static const struct {
        heed_causality causality;
        bool sees[2][4];
    } kinds[] = {
        { HEED_NOT_CAUSAL, { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } } },
        { HEED_CAUSAL_TOP_LEFT, { { 1, 0, 0, 0 }, { 1, 1, 0, 0 } } },
        { HEED_CAUSAL_BOTTOM_RIGHT, { { 1, 1, 1, 0 }, { 1, 1, 1, 1 } } },
    };
    heed_tape *t = tape64();
    heed_tensor *q = drawn(t, HEED_SHAPE(1, 1, 2, 3), 1),
                *k = drawn(t, HEED_SHAPE(1, 1, 4, 3), 2);
    for (int i = 0; i < LENGTH(kinds); i++) {
        for (int composed = 0; composed < 2; composed++) {
            const heed_tensor *p = heed_attention_weights(
                t, q, k, NULL,
                &(heed_attention_options){ .causality = kinds[i].causality,
                                           .composed = composed });
            for (int j = 0; j < 8; j++)
                ck_assert_int_eq(heed_at(p, j) != 0, kinds[i].sees[j / 4][j % 4]);
        }
    }
    heed_tape_free(t);
}
END_TEST

/* ---- windows ---- */

/* Further and further: nearer to full attention each time, and from N - 1 on the same bits. */
START_TEST(a_window_that_grows)
{
    enum { N = 24 };
    heed_tape *t = tape64();
    heed_tensor *x[3];
    for (int i = 0; i < 3; i++)
        x[i] = drawn(t, HEED_SHAPE(1, 2, N, 4), 1 + (uint64_t)i);
    heed_tensor *full = heed_attention(t, x[0], x[1], x[2], NULL, NULL);
    double before = INFINITY;
    for (int64_t reach = 0; reach < N + 3; reach++) {
        heed_attention_options o = { .windowed = true, .left = reach, .right = reach };
        heed_tensor *y = heed_attention(t, x[0], x[1], x[2], NULL, &o);
        double apart = length_of(heed_sub(t, y, full));
        ck_assert_int_eq(same_bits(y, full), reach >= N - 1);
        if (reach % 6 == 0) {
            ck_assert(apart < 0.9 * before || apart == 0);
            before = apart;
        }
    }
    heed_tape_free(t);
}
END_TEST

/* ---- normalised queries and keys ---- */

static heed_tensor *cosine_scores(heed_tape *t, heed_tensor *q, heed_tensor *k, double scale)
{
    heed_tensor *unit_q = heed_l2norm(t, q, -1, 1e-12), *unit_k = heed_l2norm(t, k, -1, 1e-12);
    return heed_scale(t, heed_matmul(t, unit_q, heed_swap(t, unit_k, -1, -2)), scale);
}

/* A dot product is not a cosine; of unit vectors it is one, between -s and s, and blind to the
 * length of queries and keys. */
START_TEST(unit_queries_and_keys)
{
    heed_tape *t = tape64();
    heed_tensor *q = heed_scale(t, drawn(t, HEED_SHAPE(5, 4), 1), 100);
    heed_tensor *k = drawn(t, HEED_SHAPE(7, 4), 2);
    const heed_tensor *s = cosine_scores(t, q, k, 3);
    for (int64_t i = 0; i < heed_size(s); i++)
        ck_assert_double_le(fabs(heed_at(s, i)), 3 + 1e-14);
    near("longer", cosine_scores(t, heed_scale(t, q, 7), heed_scale(t, k, 0.01), 3), s, 1e-13);
    /* rmsnorm leaves vectors of length sqrt(D): the product over sqrt(D) is sqrt(D) cos. */
    heed_tensor *rq = heed_rmsnorm(t, q, NULL, 1e-12), *rk = heed_rmsnorm(t, k, NULL, 1e-12);
    near("rmsnorm", heed_scale(t, heed_matmul(t, rq, heed_swap(t, rk, 0, 1)), 0.5),
         cosine_scores(t, q, k, 2), 1e-10);
    heed_tape_free(t);
}
END_TEST

/* So is a module that normalises, but for the epsilon beside the mean square; one that does not
 * goes another way. */
START_TEST(a_module_that_normalises)
{
    heed_tape *t = tape64();
    for (int normalize = 0; normalize < 2; normalize++) {
        heed_params *ps = heed_params_new(HEED_F64, NULL);
        heed_random r = { .seed = 1 };
        heed_multihead_attention m;
        heed_multihead_attention_init(
            &m, ps, "m", 8,
            (heed_multihead_attention_options){
                .heads = 2, .normalize = normalize != 0, .random = &r });
        heed_tensor *x = drawn(t, HEED_SHAPE(2, 5, 8), 1);
        heed_tensor *y = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
        for (int64_t i = 0; i < m.q.weight->size; i++) {
            ((double *)m.q.weight->data)[i] *= 7;
            ((double *)m.k.weight->data)[i] *= 7;
        }
        heed_tensor *longer = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
        double apart = length_of(heed_sub(t, longer, y)) / length_of(y);
        ck_assert_msg(normalize ? apart < 1e-3 : apart > 0.1, "%g", apart);
        heed_tape_reset(t);
        heed_params_free(ps);
    }
    heed_tape_free(t);
}
END_TEST

/* ---- dropout of weights ---- */

/* Drawn by counter, so alike on any number of threads; what is kept is divided by 1 - p. */
START_TEST(dropout_of_weights)
{
    heed_tensor *y[2];
    heed_tape *t[2];
    heed_set_threads(1);
    for (int i = 0; i < 2; i++) {
        heed_set_threads(i ? 4 : 1);
        t[i] = tape64();
        heed_seed(t[i], 5, 0);
        heed_set_training(t[i], true);
        heed_tensor *q = drawn(t[i], HEED_SHAPE(2, 4, 60, 8), 1);
        heed_tensor *v = heed_full(t[i], HEED_SHAPE(2, 4, 60, 1), 1);
        heed_attention_options o = { .dropout = 0.3 };
        y[i] = heed_attention(t[i], q, q, v, NULL, &o); /* the sum of the weights that stay */
        heed_tensor *again = heed_attention(t[i], q, q, v, NULL, &o);
        ck_assert(!same_bits(y[i], again));
        ck_assert_double_lt(fabs(heed_summarize(y[i]).mean - 1), 0.1);
        ck_assert_double_gt(heed_summarize(y[i]).deviation, 0.1);
        heed_set_training(t[i], false);
        heed_tensor *whole = heed_attention(t[i], q, q, v, NULL, &o);
        ck_assert_double_lt(heed_summarize(whole).deviation, 1e-15);
    }
    ck_assert(same_bits(y[0], y[1]));
    heed_tape_free(t[0]), heed_tape_free(t[1]);
}
END_TEST

int main(void)
{
    heed__set_eager(true); /* also in the tests that Check forks */
    Suite *suite = suite_create("scaled_attention");
    TCase *tests = tcase_create("scaled_attention");
    tcase_add_test(tests, variance_of_scores);
    tcase_add_test(tests, saturation);
    tcase_add_test(tests, results_lie_among_values);
    tcase_add_test(tests, gradients_follow_weights);
    tcase_add_test(tests, keys_that_are_values);
    tcase_add_test(tests, nothing_to_see);
    tcase_add_test(tests, large_scores);
    tcase_add_test(tests, two_diagonals);
    tcase_add_test(tests, a_window_that_grows);
    tcase_add_test(tests, unit_queries_and_keys);
    tcase_add_test(tests, a_module_that_normalises);
    tcase_add_test(tests, dropout_of_weights);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
