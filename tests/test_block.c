/* Residual blocks, feed-forward networks and the models of one stack, by their formulas: what each
 * option means, that counts are counts, and that caches change nothing. */
#include <check.h>
#include <heed/nn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof *(table)))

enum { B = 2, T = 5, S = 3, C = 8, H = 4, V = 7 };

static heed_tape *t;
static heed_params *ps;
static heed_random draws;

static void setup(void)
{
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ps = heed_params_new(HEED_F64, NULL);
    draws = (heed_random){ .seed = 12 };
    heed_set_recording(t, false);
}

static void teardown(void)
{
    heed_tape_free(t);
    heed_params_free(ps);
}

static void same(const char *what, const heed_tensor *a, const heed_tensor *b)
{
    ck_assert_msg(a && b, "%s: %s", what, heed_error(t));
    ck_assert_int_eq(heed_size(a), heed_size(b));
    for (int64_t i = 0; i < heed_size(a); i++)
        EXPECT_MSG(fabs(heed_at(a, i) - heed_at(b, i)) <= 1e-12, "%s, element %d: %.15g, %.15g",
                   what, (int)i, heed_at(a, i), heed_at(b, i));
}

static heed_tensor *drawn(heed_shape shape)
{
    return heed_normal(t, shape, 0, 1);
}

/* Parameters that start as ones and zeros would hide which is which. */
static void scatter(void)
{
    for (int i = 0; i < heed_params_count(ps); i++)
        heed_init_normal(heed_params_at(ps, i), 0.5, &draws);
}

/* ---- the feed-forward network ---- */

START_TEST(gated)
{
    static const heed_activation activations[] = { HEED_SILU, HEED_GELU, HEED_SIGMOID };
    heed_feedforward m;
    heed_feedforward_init(&m, ps, "m", C,
                          (heed_feedforward_options){ .hidden = 6,
                                                      .gated = true,
                                                      .activation = activations[_i],
                                                      .bias = true,
                                                      .random = &draws });
    scatter();
    const double *up = m.up.weight->data, *gate = m.gate.weight->data,
                 *down = m.down.weight->data, *up_bias = m.up.bias->data,
                 *gate_bias = m.gate.bias->data, *down_bias = m.down.bias->data;
    heed_tensor *x = drawn(HEED_SHAPE(1, C)), *y = heed_feedforward_forward(t, &m, x);
    ck_assert_msg(y != NULL, "%s", heed_error(t));
    for (int j = 0; j < C; j++) {
        double sum = down_bias[j];
        for (int h = 0; h < 6; h++) {
            double u = up_bias[h], g = gate_bias[h];
            for (int k = 0; k < C; k++) {
                u += up[h * C + k] * heed_at(x, k);
                g += gate[h * C + k] * heed_at(x, k);
            }
            double f = _i == 0   ? g / (1 + exp(-g))
                       : _i == 1 ? g * 0.5 * erfc(-g / sqrt(2))
                                 : 1 / (1 + exp(-g));
            sum += down[j * 6 + h] * f * u;
        }
        ck_assert_double_eq_tol(heed_at(y, j), sum, 1e-12);
    }
}
END_TEST

/* ---- the block ---- */

static void make_block(heed_block *m, heed_norm_place place, bool cross)
{
    heed_block_init(m, ps, "m", C,
                    (heed_block_options){ .place = place,
                                          .cross = cross,
                                          .norm = { .bias = true },
                                          .attention = { .heads = H, .random = &draws },
                                          .cross_attention = { .heads = 2, .random = &draws },
                                          .feedforward = { .hidden = 6, .random = &draws } });
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    scatter();
}

static heed_tensor *attention(const heed_block *m, heed_tensor *x)
{
    return heed_multihead_attention_forward(t, &m->attention, x, NULL, NULL, NULL);
}

static heed_tensor *reading(const heed_block *m, heed_tensor *x, heed_tensor *source)
{
    return heed_multihead_attention_forward(t, &m->cross_attention, x, source, NULL, NULL);
}

START_TEST(formulas)
{
    heed_block m;
    make_block(&m, (heed_norm_place)_i, _i != HEED_PARALLEL);
    heed_tensor *x = drawn(HEED_SHAPE(B, T, C)), *z = x;
    heed_tensor *source = m.cross ? drawn(HEED_SHAPE(B, S, C)) : NULL;
    heed_tensor *y = heed_block_forward(t, &m, x, &(heed_block_inputs){ .source = source });
    if (_i == HEED_PARALLEL) {
        heed_tensor *n = heed_norm_forward(t, &m.norm_1, x);
        z = heed_add(t, z, attention(&m, n));
        z = heed_add(t, z, heed_feedforward_forward(t, &m.feedforward, n));
    } else if (_i == HEED_POST_NORM) {
        z = heed_norm_forward(t, &m.norm_1, heed_add(t, z, attention(&m, z)));
        z = heed_norm_forward(t, &m.norm_cross, heed_add(t, z, reading(&m, z, source)));
        heed_tensor *fed = heed_feedforward_forward(t, &m.feedforward, z);
        z = heed_norm_forward(t, &m.norm_2, heed_add(t, z, fed));
    } else {
        z = heed_add(t, z, attention(&m, heed_norm_forward(t, &m.norm_1, z)));
        z = heed_add(t, z, reading(&m, heed_norm_forward(t, &m.norm_cross, z), source));
        heed_tensor *n = heed_norm_forward(t, &m.norm_2, z);
        z = heed_add(t, z, heed_feedforward_forward(t, &m.feedforward, n));
    }
    same("block", y, z);
}
END_TEST

START_TEST(refused)
{
    heed_block m;
    heed_block_stack stack;
    const heed_multihead_attention_options heads = { .heads = 2 };
    heed_block_init(
        &m, ps, "m", C,
        (heed_block_options){ .place = HEED_PARALLEL, .cross = true, .attention = heads });
    ck_assert_str_eq(heed_params_error(ps), "block: a parallel block has no cross-attention");
    heed_params_clear_error(ps);
    heed_block_init(&m, ps, "m", C,
                    (heed_block_options){ .place = (heed_norm_place)7, .attention = heads });
    ck_assert_str_eq(heed_params_error(ps), "block: there is no norm place 7");
    heed_params_clear_error(ps);
    heed_block_stack_init(&stack, ps, C, 257, (heed_block_options){ .attention = heads });
    ck_assert_str_eq(heed_params_error(ps), "layers 257 is not in 1 .. 256");
    heed_params_clear_error(ps);
    ck_assert_ptr_null(heed_block_stack_forward(t, &stack, drawn(HEED_SHAPE(B, T, C)), NULL));
    ck_assert_str_eq(heed_error(t), "stack: it has no blocks, its init was refused");
    heed_tape_reset(t);
    make_block(&m, HEED_PRE_NORM, false);
    heed_tensor *x = drawn(HEED_SHAPE(B, T, C));
    ck_assert_ptr_null(heed_block_forward(t, &m, x, &(heed_block_inputs){ .source = x }));
    ck_assert_str_eq(heed_error(t), "block: without cross-attention it takes no source");
}
END_TEST

/* ---- GPT ---- */

static const heed_gpt_options gpts[] = {
    { .bias = true },
    { .positions = HEED_POSITIONS_SINUSOIDAL, .place = HEED_POST_NORM },
    { .positions = HEED_POSITIONS_ROTARY,
      .norm = HEED_RMSNORM,
      .activation = HEED_SILU,
      .gated = true,
      .key_heads = 2 },
    { .positions = HEED_POSITIONS_ALIBI, .place = HEED_PARALLEL, .bias = true, .gated = true },
    { .positions = HEED_POSITIONS_RELATIVE, .bias = true, .norm = HEED_RMSNORM },
    { .positions = HEED_POSITIONS_NONE, .key_heads = 1, .bias = true },
};

static void make_gpt(heed_gpt *m, heed_gpt_options o)
{
    o.vocabulary = V;
    o.context = T;
    o.width = C;
    o.layers = 2;
    o.heads = H;
    o.random = &draws;
    heed_gpt_init(m, ps, o);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
}

START_TEST(counts)
{
    heed_gpt m;
    make_gpt(&m, gpts[_i]);
    ck_assert_int_eq(heed_gpt_count(&m.options), heed_params_size(ps));
}
END_TEST

START_TEST(cached)
{
    static const int32_t ids[B * T] = { 1, 2, 3, 4, 5, 6, 5, 4, 3, 2 };
    heed_gpt m;
    heed_cache caches[2];
    make_gpt(&m, gpts[_i]);
    scatter();
    heed_tensor *all = heed_ids(t, HEED_SHAPE(B, T), ids);
    heed_tensor *whole = heed_gpt_forward(t, &m, all, NULL);
    for (int i = 0; i < 2; i++)
        ck_assert(heed_cache_init(&caches[i], T, NULL));
    heed_tensor *first = heed_gpt_forward(t, &m, heed_slice(t, all, 1, 0, 2, 1), caches);
    same("the first two", first, heed_slice(t, whole, 1, 0, 2, 1));
    for (int i = 2; i < T; i++) {
        heed_tensor *one = heed_gpt_forward(t, &m, heed_slice(t, all, 1, i, i + 1, 1), caches);
        same("one more", one, heed_slice(t, whole, 1, i, i + 1, 1));
    }
    ck_assert_ptr_null(heed_gpt_forward(t, &m, heed_slice(t, all, 1, 0, 1, 1), caches));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "do not fit the context of 5"));
    for (int i = 0; i < 2; i++)
        heed_cache_free(&caches[i]);
}
END_TEST

/* Keys never move without their values: ids that do not fit the values leave both in place. */
START_TEST(reordered_together)
{
    static const int32_t swapped[] = { 1, 0 };
    heed_cache cache;
    ck_assert(heed_cache_init(&cache, T, NULL));
    heed_tensor *k = drawn(HEED_SHAPE(2, H, T, 1)), *v = drawn(HEED_SHAPE(1, H, T, 1));
    ck_assert_ptr_nonnull(heed_state_append(t, cache.k, k, 2, T));
    ck_assert_ptr_nonnull(heed_state_append(t, cache.v, v, 2, T));
    ck_assert(!heed_cache_reorder(t, &cache, heed_ids(t, HEED_SHAPE(2), swapped)));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "id 1 at index 0 is outside 0 .. 0"));
    double before[2 * H * T];
    for (int i = 0; i < 2 * H * T; i++)
        before[i] = heed_at(k, i);
    heed_tape_reset(t);
    heed_tensor *held = heed_state_value(t, cache.k);
    for (int i = 0; i < 2 * H * T; i++)
        ck_assert(heed_at(held, i) == before[i]);
    heed_cache_free(&cache);
}
END_TEST

/* Rows of a cache move as they are told. */
START_TEST(reordered)
{
    static const int32_t ids[B * T] = { 1, 2, 3, 4, 5, 6, 5, 4, 3, 2 };
    static const int32_t swapped[] = { 1, 0 };
    heed_gpt m;
    heed_cache caches[2];
    make_gpt(&m, gpts[0]);
    heed_tensor *all = heed_ids(t, HEED_SHAPE(B, T), ids);
    heed_tensor *from = heed_ids(t, HEED_SHAPE(B), swapped);
    heed_tensor *whole = heed_gpt_forward(t, &m, all, NULL);
    for (int i = 0; i < 2; i++) {
        ck_assert(heed_cache_init(&caches[i], T, NULL));
        ck_assert(heed_cache_reorder(t, &caches[i], from)); /* of nothing */
    }
    heed_gpt_forward(t, &m, heed_slice(t, all, 1, 0, T - 1, 1), caches);
    for (int i = 0; i < 2; i++)
        ck_assert(heed_cache_reorder(t, &caches[i], from));
    heed_tensor *last = heed_slice(t, all, 1, T - 1, T, 1);
    heed_tensor *said = heed_gpt_forward(t, &m, heed_index_select(t, last, from, 0), caches);
    heed_tensor *expected = heed_slice(t, whole, 1, T - 1, T, 1);
    same("the rows changed places", said, heed_index_select(t, expected, from, 0));
    for (int i = 0; i < 2; i++)
        heed_cache_free(&caches[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block");
    TCase *tests = tcase_create("block");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, gated, 0, 3);
    tcase_add_loop_test(tests, formulas, HEED_PRE_NORM, HEED_PARALLEL + 1);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, reordered_together);
    tcase_add_loop_test(tests, counts, 0, LENGTH(gpts));
    tcase_add_loop_test(tests, cached, 0, LENGTH(gpts));
    tcase_add_test(tests, reordered);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
