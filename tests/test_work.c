/* What a record costs: arithmetic and bytes against formulas, and how many ops wait for one
 * another. A recurrent network's steps do, attention's positions and heads do not. */
#include "tensors.h"

#include <heed/align.h>
#include <heed/recurrent.h>

enum { B = 2, H = 3, T = 7, S = 11, D = 4, DV = 5 };

START_TEST(products)
{
    heed_tape *t = tape64();
    heed_tensor *x = heed_watch(t, drawn(t, HEED_SHAPE(B, T, D), 1));
    heed_tensor *y = heed_linear(t, x, drawn(t, HEED_SHAPE(DV, D), 2), NULL);
    heed_work w = heed_tape_work(t);
    ck_assert_int_eq(w.ops, 1);
    ck_assert_int_eq(w.depth, 1);
    ck_assert_double_eq(w.arithmetic, 2.0 * B * T * D * DV);
    ck_assert_double_eq(w.bytes, 8.0 * B * T * DV);
    y = heed_tanh(t, heed_swap(t, y, 1, 2)); /* the view costs nothing */
    heed_matmul(t, y, x);                    /* [B, DV, T] x [B, T, D] */
    w = heed_tape_work(t);
    ck_assert_int_eq(w.ops, 3);
    ck_assert_int_eq(w.depth, 3);
    ck_assert_double_eq(w.arithmetic, 4.0 * B * T * D * DV + B * T * DV);
    /* Side by side is not deeper. */
    heed_exp(t, x);
    ck_assert_int_eq(heed_tape_work(t).depth, 3);
    ck_assert_int_eq(heed_tape_work(t).ops, 4);
    /* A convolution is its products: 2 B O L' C K. */
    heed_tape_reset(t);
    heed_tensor *signal = heed_watch(t, drawn(t, HEED_SHAPE(B, D, T), 3));
    heed_conv1d(t, signal, drawn(t, HEED_SHAPE(DV, D, 3), 4), NULL, NULL);
    ck_assert_double_ge(heed_tape_work(t).arithmetic, 2.0 * B * DV * (T - 2) * D * 3);
    ck_assert_double_le(heed_tape_work(t).arithmetic,
                        2.0 * B * DV * (T - 2) * D * 3 + 2.0 * B * (T - 2) * D * 3);
    /* Nothing is left after a sweep, and nothing is recorded of constants. */
    heed_tape_reset(t);
    heed_tensor *plain = drawn(t, HEED_SHAPE(3), 5);
    heed_exp(t, plain);
    ck_assert_int_eq(heed_tape_work(t).ops, 0);
    heed_tensor *loss = heed_sum(t, heed_exp(t, heed_watch(t, plain)));
    heed_position position = heed_mark(t);
    ck_assert_int_eq(heed_tape_work(t).ops, 2);
    swept(t, loss);
    ck_assert_int_eq(heed_tape_work(t).ops, 0);
    heed_rewind(t, position); /* brings back a record that has been swept */
    ck_assert_int_eq(heed_tape_work(t).ops, 0);
    ck_assert_int_eq(heed_tape_work(NULL).ops, 0);
    heed_tape_free(t);
}
END_TEST

static heed_work attend(int64_t queries, int64_t keys, bool composed)
{
    heed_tape *t = tape64();
    heed_tensor *q = heed_watch(t, drawn(t, HEED_SHAPE(B, H, queries, D), 1));
    heed_tensor *k = drawn(t, HEED_SHAPE(B, H, keys, D), 2);
    heed_tensor *v = drawn(t, HEED_SHAPE(B, H, keys, DV), 3);
    heed_attention(t, q, k, v, NULL, &(heed_attention_options){ .composed = composed });
    heed_work w = heed_tape_work(t);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    heed_tape_free(t);
    return w;
}

/* 2 B H T S (D + Dv) either way. The composed form makes maps of T S numbers: the scores, what
 * is done to them, the weights; the fused one only its result. */
START_TEST(attention)
{
    heed_work fused = attend(T, S, false), composed = attend(T, S, true);
    double product = 2.0 * B * H * T * S * (D + DV), map = (double)B * H * T * S;
    double result = (double)B * H * T * DV;
    ck_assert_double_eq(fused.arithmetic, product);
    ck_assert_double_eq(fused.bytes, 8 * result);
    ck_assert_double_gt(composed.arithmetic, product);
    double maps = (composed.bytes / 8 - result) / map;
    ck_assert_double_ge(maps, 2);
    ck_assert_double_le(maps, 5);
    /* Twice the length: four times the arithmetic, and maps, but twice the result. */
    fused = attend(2 * T, 2 * S, false);
    ck_assert_double_eq(fused.arithmetic, 4 * product);
    ck_assert_double_eq(fused.bytes, 8 * 2 * result);
    composed = attend(2 * T, 2 * S, true);
    ck_assert_double_eq_tol(composed.bytes, 8 * (2 * result + 4 * maps * map), 1e-6);
}
END_TEST

START_TEST(packed_attention)
{
    heed_tape *t = tape64();
    heed_tensor *qkv = heed_watch(t, drawn(t, HEED_SHAPE(B, T, 3 * H * D), 1));
    heed_attention_packed(t, qkv, H, NULL, NULL);
    ck_assert_double_eq(heed_tape_work(t).arithmetic, 2.0 * B * H * T * T * (D + D));
    heed_tape_reset(t);
    heed_tensor *q = heed_watch(t, drawn(t, HEED_SHAPE(B, H, T, D), 1));
    heed_attention_weights(t, q, drawn(t, HEED_SHAPE(B, H, S, D), 2), NULL, NULL);
    ck_assert_double_eq(heed_tape_work(t).arithmetic, 4.0 * B * H * T * S * D);
    heed_tape_free(t);
}
END_TEST

static heed_work recurrent(heed_recurrent_kind kind, int64_t steps)
{
    static heed_recurrent m;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = tape64();
    heed_random r = { .seed = 1 };
    heed_recurrent_init(
        &m, ps, "m", D,
        (heed_recurrent_options){ .kind = kind, .hidden = D, .layers = 1, .random = &r });
    heed_recurrent_forward(t, &m, drawn(t, HEED_SHAPE(B, steps, D), 2), NULL, NULL);
    heed_work w = heed_tape_work(t);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    heed_tape_free(t);
    heed_params_free(ps);
    return w;
}

/* Each step of a recurrent network waits for the one before it: so many more ops in a chain for
 * each step. */
START_TEST(steps_wait)
{
    const heed_recurrent_kind kinds[] = { HEED_RNN_TANH, HEED_GRU, HEED_LSTM };
    for (int i = 0; i < LENGTH(kinds); i++) {
        int64_t depth[4];
        for (int k = 0; k < 4; k++)
            depth[k] = recurrent(kinds[i], 10 * (k + 1)).depth;
        ck_assert_int_ge(depth[1] - depth[0], 10);
        ck_assert_int_eq(depth[1] - depth[0], depth[2] - depth[1]);
        ck_assert_int_eq(depth[2] - depth[1], depth[3] - depth[2]);
    }
}
END_TEST

/* Attention's positions do not, at any length, fused or composed; nor do heads. */
START_TEST(positions_do_not_wait)
{
    for (int composed = 0; composed < 2; composed++) {
        int64_t depth = attend(10, 10, composed).depth;
        ck_assert_int_le(depth, 8);
        ck_assert_int_eq(attend(40, 40, composed).depth, depth);
    }
    int64_t single = 0;
    for (int heads = 1; heads <= 8; heads *= 2) {
        heed_params *ps = heed_params_new(HEED_F64, NULL);
        heed_tape *t = tape64();
        heed_multihead_attention m;
        heed_random r = { .seed = 1 };
        heed_multihead_attention_init(
            &m, ps, "m", 8, (heed_multihead_attention_options){ .heads = heads, .random = &r });
        heed_tensor *x = drawn(t, HEED_SHAPE(B, T, 8), 2);
        heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
        heed_work w = heed_tape_work(t);
        single = heads == 1 ? w.depth : single;
        ck_assert_int_eq(w.depth, single);
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

/* ---- scores of alignment ---- */

static double scored(heed_align_score score)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = tape64();
    heed_align m;
    heed_random r = { .seed = 1 };
    heed_align_init(&m, ps, "m", D, D, (heed_align_options){ .score = score, .random = &r });
    heed_tensor *query = heed_watch(t, drawn(t, HEED_SHAPE(B, D), 2));
    heed_tensor *keys = heed_watch(t, drawn(t, HEED_SHAPE(B, S, D), 3));
    heed_align_forward(t, &m, query, keys, NULL, NULL);
    double arithmetic = heed_tape_work(t).arithmetic;
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    heed_tape_free(t);
    heed_params_free(ps);
    return arithmetic;
}

/* A dot product of a query and a key is 2 D operations, v . tanh(W s + U h) takes a product
 * with U for every key: 2 D A more, and 4 A for the sum, the tanh and v. */
START_TEST(additive_costs_more)
{
    double dot = scored(HEED_ALIGN_DOT), general = scored(HEED_ALIGN_GENERAL);
    double additive = scored(HEED_ALIGN_ADDITIVE), concat = scored(HEED_ALIGN_CONCAT);
    double keys = 2.0 * B * S * D * D, query = 2.0 * B * D * D;
    ck_assert_double_ge(general, dot + query);
    ck_assert_double_ge(additive, dot - 2.0 * B * S * D + keys + query + 4.0 * B * S * D);
    ck_assert_double_lt(additive, dot + keys + query + 6.0 * B * S * D);
    ck_assert_double_gt(additive, general);
    ck_assert_double_gt(concat, general);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("work");
    TCase *tests = tcase_create("work");
    tcase_add_test(tests, products);
    tcase_add_test(tests, attention);
    tcase_add_test(tests, packed_attention);
    tcase_add_test(tests, steps_wait);
    tcase_add_test(tests, positions_do_not_wait);
    tcase_add_test(tests, additive_costs_more);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
