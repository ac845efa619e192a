/* Words and places: an embedding is a row of a table however it is looked up; sinusoids are
 * constants of one length in which a shift is a rotation; and each way of telling positions apart
 * is its formula. */
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

/* ---- a choice of positions ---- */

enum { T = 5, HEADS = 2, WIDTH = 8, EACH = WIDTH / HEADS };

typedef double row[WIDTH];

/* x[T] W^T, W [WIDTH, WIDTH] */
static void times(const heed_linear_module *m, row *x, row *y)
{
    const double *w = m->weight->data;
    for (int p = 0; p < T; p++)
        for (int i = 0; i < WIDTH; i++) {
            y[p][i] = 0;
            for (int j = 0; j < WIDTH; j++)
                y[p][i] += w[i * WIDTH + j] * x[p][j];
        }
}

/* Pair i of each head turned by p 10000^(-2i/EACH). */
static void turn(row *x)
{
    for (int p = 0; p < T; p++)
        for (int i = 0; i < WIDTH; i += 2) {
            double angle = p * pow(10000, -(double)(i % EACH) / EACH);
            double a = x[p][i], b = x[p][i + 1];
            x[p][i] = a * cos(angle) - b * sin(angle);
            x[p][i + 1] = a * sin(angle) + b * cos(angle);
        }
}

/* What position j adds to the score that a query at i gives it. */
static double added(heed_position_kind kind, const heed_multihead_attention *m, int head, int i,
                    int j)
{
    if (kind == HEED_POSITIONS_ALIBI)
        return -pow(2, -8.0 * (head + 1) / HEADS) * (i - j);
    if (kind == HEED_POSITIONS_RELATIVE) /* near distances have a bucket each */
        return ((const double *)m->relative->data)[(i - j) * HEADS + head];
    return 0;
}

/* Causal self-attention of x [T, WIDTH], in loops. */
static void attend(heed_position_kind kind, const heed_multihead_attention *m, row *x, row *y)
{
    row q[T], k[T], v[T], read[T] = { { 0 } };
    times(&m->q, x, q), times(&m->k, x, k), times(&m->v, x, v);
    if (kind == HEED_POSITIONS_ROTARY)
        turn(q), turn(k);
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < T; i++) {
            double weight[T], sum = 0;
            for (int j = 0; j <= i; j++) {
                double score = 0;
                for (int c = h * EACH; c < (h + 1) * EACH; c++)
                    score += q[i][c] * k[j][c];
                weight[j] = exp(score / sqrt(EACH) + added(kind, m, h, i, j));
                sum += weight[j];
            }
            for (int j = 0; j <= i; j++)
                for (int c = h * EACH; c < (h + 1) * EACH; c++)
                    read[i][c] += weight[j] / sum * v[j][c];
        }
    times(&m->output, read, y);
}

/* Embeddings with what the kind adds to them. */
static void place(heed_position_kind kind, const heed_position_module *m, row *x)
{
    for (int p = 0; p < T; p++)
        for (int i = 0; i < WIDTH; i++) {
            double angle = p * pow(10000, -(double)(i - i % 2) / WIDTH);
            if (kind == HEED_POSITIONS_LEARNED)
                x[p][i] += ((const double *)m->table.weight->data)[p * WIDTH + i];
            if (kind == HEED_POSITIONS_SINUSOIDAL)
                x[p][i] += i % 2 ? cos(angle) : sin(angle);
        }
}

START_TEST(each_kind_is_its_formula)
{
    heed_position_kind kind = (heed_position_kind)_i;
    heed_multihead_attention m;
    heed_position_module places;
    heed_random r = { .seed = 6 };
    heed_multihead_attention_options o = { .heads = HEADS,
                                           .causality = HEED_CAUSAL_TOP_LEFT,
                                           .random = &r };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_position_attend(kind, &o);
    heed_multihead_attention_init(&m, ps, "m", WIDTH, o);
    heed_position_init(&places, ps, "places", kind, T, WIDTH, 1, &r);
    if (m.relative)
        heed_init_normal(m.relative, 1, &r);
    heed_tape *t = tape64();
    heed_tensor *x = drawn(t, HEED_SHAPE(1, T, WIDTH), 1);
    row plain[T], expected[T];
    memcpy(plain, x->data, sizeof plain);
    place(kind, &places, plain);
    attend(kind, &m, plain, expected);
    x = heed_position_forward(t, &places, x, 0);
    heed_tensor *y = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    near_values("attention", y, expected[0], 1e-13);
    heed_tape_free(t);
    heed_params_free(ps);
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
    tcase_add_loop_test(tests, each_kind_is_its_formula, HEED_POSITIONS_LEARNED,
                        HEED_POSITIONS_NONE + 1);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
