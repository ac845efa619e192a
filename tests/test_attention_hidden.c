/* What attention hides stays hidden: numbers that are not finite reach those alone who see them,
 * in results and in gradients, in every form, and cost no memory. */
#include "tensors.h"

static const char *const names[3] = { "q", "k", "v" };

static heed_tensor *watched(heed_tape *t, heed_shape shape, uint64_t seed)
{
    return heed_watch(t, drawn(t, shape, seed));
}

/* What is not finite reaches the same numbers in both forms: those of the queries that see it. */
START_TEST(not_finite)
{
    enum { LENGTH = 9, WIDTH = 2 };
    double value[3] = { NAN, INFINITY, -INFINITY };
    /* A row of q, k or v; of q NaN only: the kernel takes scores of -inf for hidden. */
    for (int where = _i > 0; where < 3; where++) {
        heed_tensor *y[2], *leaf[2][3];
        heed_tape *t[2];
        for (int i = 0; i < 2; i++) {
            t[i] = tape64();
            for (int k = 0; k < 3; k++)
                leaf[i][k] = watched(t[i], HEED_SHAPE(2, 2, LENGTH, WIDTH), 1 + (uint64_t)k);
            ((double *)leaf[i][where]->data)[5 * WIDTH] = value[_i];
            heed_attention_options o = { .causality = HEED_CAUSAL_TOP_LEFT,
                                         .composed = i == 1 };
            y[i] = heed_keep(
                t[i], heed_attention(t[i], leaf[i][0], leaf[i][1], leaf[i][2], NULL, &o));
            ck_assert_msg(heed_backward(t[i], heed_sum(t[i], y[i])), "%s", heed_error(t[i]));
        }
        for (int k = -1; k < 3; k++) {
            const heed_tensor *a = k < 0 ? y[0] : heed_gradient(t[0], leaf[0][k]),
                              *b = k < 0 ? y[1] : heed_gradient(t[1], leaf[1][k]);
            for (int64_t i = 0; i < heed_size(a); i++) {
                double x = heed_at(a, i), z = heed_at(b, i);
                ck_assert_msg(isfinite(x) == isfinite(z) &&
                                  (!isfinite(x) || fabs(x - z) <= 1e-12),
                              "%g in %s: %s[%d] is %g fused and %g composed", value[_i],
                              names[where], k < 0 ? "y" : names[k], (int)i, x, z);
            }
        }
        for (int64_t i = 0; i < 5 * WIDTH; i++)
            ck_assert(isfinite(heed_at(y[1], i)));
        heed_tape_free(t[0]), heed_tape_free(t[1]);
    }
}
END_TEST

/* The same of the weights alone and what is made of them, with a cap on the scores and without:
 * key 5, with a number that is not finite, is seen from query 5 on. */
START_TEST(not_finite_in_weights)
{
    enum { LENGTH = 9, WIDTH = 2 };
    heed_tensor *leaf[2][2];
    heed_tape *t[2];
    for (int i = 0; i < 2; i++) {
        t[i] = tape64();
        for (int k = 0; k < 2; k++)
            leaf[i][k] = watched(t[i], HEED_SHAPE(2, 2, LENGTH, WIDTH), 1 + (uint64_t)k);
        ((double *)leaf[i][1]->data)[5 * WIDTH] = NAN;
        heed_attention_options o = { .causality = HEED_CAUSAL_TOP_LEFT,
                                     .cap = _i ? 2 : 0,
                                     .composed = i == 1 };
        heed_tensor *p = heed_attention_weights(t[i], leaf[i][0], leaf[i][1], NULL, &o);
        heed_tensor *r = watched(t[i], heed_shape_of(p), 4);
        ((double *)r->data)[LENGTH - 1] = INFINITY; /* the derivative by what is hidden */
        ck_assert_msg(heed_backward(t[i], heed_sum(t[i], heed_mul(t[i], p, r))), "%s",
                      heed_error(t[i]));
    }
    for (int k = 0; k < 2; k++) {
        const heed_tensor *a = heed_gradient(t[0], leaf[0][k]),
                          *b = heed_gradient(t[1], leaf[1][k]);
        for (int64_t i = 0; i < heed_size(a); i++) {
            double x = heed_at(a, i), z = heed_at(b, i);
            /* The other examples and heads, and the queries before. */
            if (i >= LENGTH * WIDTH || (k == 0 && i < 5 * WIDTH))
                ck_assert(isfinite(x));
            ck_assert_msg(isfinite(x) == isfinite(z) && (!isfinite(x) || fabs(x - z) <= 1e-12),
                          "%s[%d] is %g fused and %g composed", names[k], (int)i, x, z);
        }
    }
    heed_tape_free(t[0]), heed_tape_free(t[1]);
}
END_TEST

/* The only key that is seen has all the weight, however low its score. */
START_TEST(lowest_score)
{
    static const bool sees[2] = { false, true }, none[2] = { false, false };
    for (int f64 = 0; f64 < 2; f64++) {
        heed_tape *t = heed_tape_new(NULL);
        heed_dtype dtype = f64 ? HEED_F64 : HEED_F32;
        heed_tensor *one = heed_cast(t, heed_full(t, HEED_SHAPE(1, 1, 2, 1), 1), dtype);
        heed_tensor *q = heed_watch(t, heed_contiguous(t, heed_slice(t, one, 2, 0, 1, 1)));
        heed_tensor *k = heed_scale(t, one, f64 ? -1e300 : -1e38);
        heed_attention_options o = { .composed = _i };
        heed_tensor *mask = heed_mask(t, HEED_SHAPE(2), sees);
        heed_tensor *p = heed_attention_weights(t, q, k, mask, &o);
        ck_assert_double_eq(heed_at(p, 0), 0);
        ck_assert_double_eq(heed_at(p, 1), 1);
        mask = heed_mask(t, HEED_SHAPE(2), none); /* and where nothing is seen, 0 */
        p = heed_attention_weights(t, q, k, mask, &o);
        ck_assert_double_eq(heed_at(p, 1), 0);
        ck_assert(heed_backward(t, heed_sum(t, p)));
        ck_assert_double_eq(heed_at(heed_gradient(t, q), 0), 0);
        heed_tape_free(t);
    }
}
END_TEST

/* A query that is NaN and sees nothing: 0, and nobody notices. */
START_TEST(blind_query)
{
    enum { LENGTH = 4, WIDTH = 2 };
    static const bool sees[LENGTH * LENGTH] = {
        1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1
    };
    for (int weights = 0; weights < 2; weights++) {
        heed_tape *t = tape64();
        heed_tensor *leaf[3];
        for (int k = 0; k < 3; k++)
            leaf[k] = watched(t, HEED_SHAPE(1, 1, LENGTH, WIDTH), 1 + (uint64_t)k);
        ((double *)leaf[0]->data)[WIDTH] = NAN;
        heed_set_sanitizing(t, true); /* nor does an op on the way */
        heed_attention_options o = { .cap = _i & 1 ? 2 : 0, .composed = _i > 1 };
        heed_tensor *mask = heed_mask(t, HEED_SHAPE(LENGTH, LENGTH), sees);
        heed_tensor *y = weights ? heed_attention_weights(t, leaf[0], leaf[1], mask, &o)
                                 : heed_attention(t, leaf[0], leaf[1], leaf[2], mask, &o);
        heed_keep(t, y);
        heed_tensor *r = watched(t, heed_shape_of(y), 4);
        ck_assert_msg(heed_backward(t, heed_sum(t, heed_mul(t, y, r))), "%s", heed_error(t));
        for (int k = -1; k < 3 - weights; k++) {
            const heed_tensor *x = k < 0 ? y : heed_gradient(t, leaf[k]);
            int64_t width = x->shape[3];
            for (int64_t i = 0; i < heed_size(x); i++) {
                ck_assert(isfinite(heed_at(x, i)));
                if (k < 1 && i / width == 1)
                    ck_assert_double_eq(heed_at(x, i), 0);
            }
        }
        heed_tape_free(t);
    }
}
END_TEST

/* Also when nothing is finite, the composed form has the memory of its weights and no more. */
START_TEST(memory_of_what_is_not_finite)
{
    size_t peak[2];
    for (int i = 0; i < 2; i++) {
        heed_tape *t = heed_tape_new(NULL);
        heed_tensor *x[3];
        for (int k = 0; k < 3; k++) {
            x[k] = heed_full(t, HEED_SHAPE(1, 2, 64, 32), i ? NAN : 1);
            heed_watch(t, x[k]);
        }
        heed_tensor *y = NULL;
        if (_i == 2) {
            heed_linear_attention_options o = { .causal = true };
            y = heed_linear_attention(t, x[0], x[1], x[2], NULL, &o);
        } else {
            heed_attention_options o = { .composed = true,
                                         .causality =
                                             _i ? HEED_CAUSAL_TOP_LEFT : HEED_NOT_CAUSAL };
            y = heed_attention(t, x[0], x[1], x[2], NULL, &o);
        }
        ck_assert_msg(heed_backward(t, heed_sum(t, y)), "%s", heed_error(t));
        peak[i] = heed_tape_memory(t).peak;
        heed_tape_free(t);
    }
    ck_assert_uint_eq(peak[1], peak[0]);
}
END_TEST

static heed_tensor *linear_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    return heed_linear_attention(t, x[0], x[0], x[0], NULL, user);
}

static bool past(const int64_t *output, const int64_t *input, void *user)
{
    (void)user;
    return output[0] == input[0] && output[1] == input[1] && input[2] <= output[2];
}

START_TEST(linear_does_not_leak)
{
    heed_linear_attention_options o = { .causal = true };
    heed_input x = { .shape = HEED_DIMS(1, 1, _i ? 67 : 7, 2) };
    heed_report r =
        heed_leak_check(linear_of, &o, NULL, 1, &x, (heed_leak_options){ .may_depend = past });
    ck_assert_msg(r.passed, "%s", r.message);
}
END_TEST
int main(void)
{
    Suite *suite = suite_create("attention_hidden");
    TCase *tests = tcase_create("hidden");
    tcase_add_loop_test(tests, not_finite, 0, 3);
    tcase_add_loop_test(tests, not_finite_in_weights, 0, 2);
    tcase_add_loop_test(tests, lowest_score, 0, 2);
    tcase_add_loop_test(tests, blind_query, 0, 4);
    tcase_add_loop_test(tests, memory_of_what_is_not_finite, 0, 3);
    tcase_add_loop_test(tests, linear_does_not_leak, 0, 2); /* in one piece, in two */
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
