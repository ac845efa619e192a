/* Words and places: an embedding is a row of a table however it is looked up, and sinusoids are
 * constants of one length in which a shift is a rotation. */
#include "tensors.h"

#include <heed/nn.h>

enum { WORDS = 5, C = 4 };

/* ---- embeddings ---- */

/* Looking a row up is multiplying the table by a one-hot row, forward and backward; a word that
 * occurs twice gets both gradients. */
START_TEST(lookup_is_a_product)
{
    const int32_t ids[4] = { 2, 0, 2, 4 };
    heed_tape *t = tape64();
    heed_tensor *y[2], *g[2];
    for (int product = 0; product < 2; product++) {
        heed_tensor *table = heed_watch(t, drawn(t, HEED_SHAPE(WORDS, C), 1));
        heed_tensor *at = heed_ids(t, HEED_SHAPE(4), ids);
        y[product] = product ? heed_matmul(t, heed_one_hot(t, at, WORDS), table)
                             : heed_embedding(t, table, at);
        heed_keep(t, y[product]);
        swept(t, heed_sum(t, heed_mul(t, y[product], drawn(t, HEED_SHAPE(4, C), 2))));
        g[product] = heed_gradient(t, table);
    }
    ck_assert(same_bits(y[0], y[1]));
    near("gradient", g[0], g[1], 1e-15);
    const heed_tensor *go = drawn(t, HEED_SHAPE(4, C), 2);
    for (int c = 0; c < C; c++) {
        ck_assert_double_eq(heed_at(g[0], 2 * C + c), heed_at(go, c) + heed_at(go, 2 * C + c));
        ck_assert_double_eq(heed_at(g[0], 1 * C + c), 0);
    }
    heed_tape_free(t);
}
END_TEST

/* One word in two sentences: one embedding, but two annotations, which know their neighbours.
 */
START_TEST(words_in_context)
{
    heed_random r = { .seed = 1 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = tape64();
    heed_embedding_module words;
    heed_multihead_attention attention;
    heed_embedding_init(&words, ps, "words", WORDS, C, 1, &r);
    heed_multihead_attention_init(
        &attention, ps, "a", C, (heed_multihead_attention_options){ .heads = 2, .random = &r });
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(2, 3), (int32_t[]){ 1, 2, 3, 4, 2, 0 });
    heed_tensor *x = heed_embedding_forward(t, &words, ids);
    heed_tensor *y = heed_multihead_attention_forward(t, &attention, x, NULL, NULL, NULL);
    heed_tensor *middle = heed_select(t, x, 1, 1), *read = heed_select(t, y, 1, 1);
    ck_assert(same_bits(heed_select(t, middle, 0, 0), heed_select(t, middle, 0, 1)));
    heed_tensor *apart = heed_sub(t, heed_select(t, read, 0, 0), heed_select(t, read, 0, 1));
    ck_assert_double_gt(length_of(apart), 1e-2);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- sinusoids ---- */

/* |PE(p)|^2 = C/2 anywhere, and PE(p + k) = R(k) PE(p), R one rotation for each pair, whatever
 * p. */
START_TEST(a_shift_is_a_rotation)
{
    enum { WIDTH = 16, FAR = 100000 };
    const int64_t starts[] = { 0, 7, 1000, FAR };
    heed_tape *t = tape64();
    for (int i = 0; i < LENGTH(starts); i++) {
        heed_tensor *pe = heed_sinusoidal_positions(t, starts[i], 30, WIDTH);
        const heed_tensor *squares =
            heed_sum_axes(t, heed_square(t, pe), 1, (const int[]){ 1 }, false);
        for (int p = 0; p < 30; p++)
            ck_assert_double_lt(fabs(heed_at(squares, p) - WIDTH / 2), 1e-12);
        for (int shift = 1; shift < 30; shift += 4) {
            for (int c = 0; c < WIDTH; c += 2) {
                double angle = shift * pow(10000, -(double)c / WIDTH);
                double sine = heed_at(pe, c), cosine = heed_at(pe, c + 1);
                ck_assert_double_lt(fabs(sine * cos(angle) + cosine * sin(angle) -
                                         heed_at(pe, shift * WIDTH + c)),
                                    1e-10);
                ck_assert_double_lt(fabs(cosine * cos(angle) - sine * sin(angle) -
                                         heed_at(pe, shift * WIDTH + c + 1)),
                                    1e-10);
            }
        }
        heed_tape_reset(t);
    }
    heed_tape_free(t);
}
END_TEST

/* A constant: no parameter, no gradient, and what x gets passes through the sum unchanged. */
START_TEST(positions_are_constant)
{
    for (int kind = HEED_POSITIONS_LEARNED; kind <= HEED_POSITIONS_NONE; kind++) {
        heed_params *ps = heed_params_new(HEED_F64, NULL);
        heed_position_module m;
        heed_position_init(&m, ps, "places", (heed_position_kind)kind, 3, C, 1, NULL);
        ck_assert_int_eq(heed_params_count(ps), kind == HEED_POSITIONS_LEARNED);
        heed_params_free(ps);
    }
    heed_tape *t = tape64();
    heed_tensor *x = heed_watch(t, drawn(t, HEED_SHAPE(3, C), 1));
    heed_tensor *pe = heed_sinusoidal_positions(t, 0, 3, C);
    heed_tensor *go = drawn(t, HEED_SHAPE(3, C), 2);
    ck_assert_int_eq(heed_tape_work(t).ops, 0);
    swept(t, heed_sum(t, heed_mul(t, heed_add(t, x, pe), go)));
    ck_assert(same_bits(heed_gradient(t, x), go));
    heed_tape_free(t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("positions");
    TCase *tests = tcase_create("positions");
    tcase_add_test(tests, lookup_is_a_product);
    tcase_add_test(tests, words_in_context);
    tcase_add_test(tests, a_shift_is_a_rotation);
    tcase_add_test(tests, positions_are_constant);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
