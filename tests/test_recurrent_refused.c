/* Recurrent networks: settings that do not fit together, and calls that do not fit the network,
 * are refused in a sentence. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "recurrent_kinds.h"

static const struct {
    heed_recurrent_options options;
    int64_t input;
    const char *sentence;
} unsound[] = {
    { { .hidden = 3, .layers = -1 }, 4, "lstm: layers -1 is not in 1 .. 64" },
    { { .hidden = 3, .layers = 65 }, 4, "lstm: layers 65 is not in 1 .. 64" },
    { { .layers = 1, .kind = HEED_GRU }, 4, "gru: hidden 0 is not in 1 .. 2147483647" },
    { { .hidden = 3, .layers = 1 }, 0, "lstm: input width 0 is not in 1 .. 2147483647" },
    { { .hidden = 3, .layers = 2, .dropout = 1 }, 4, "lstm: dropout 1 is not in [0, 1)" },
    { { .hidden = 3, .layers = 1, .kind = HEED_GRU, .peepholes = true },
      4,
      "gru: peepholes are for an LSTM only" },
    { { .hidden = 3, .layers = 1, .reset = HEED_RESET_BEFORE },
      4,
      "lstm: a reset gate is a GRU's only" },
    { { .hidden = 3, .layers = 1, .kind = HEED_RNN_TANH, .bias = true, .forget_bias = 1 },
      4,
      "rnn: a forget gate is an LSTM's only" },
    { { .hidden = 3, .layers = 1, .forget_bias = 1 }, 4, "lstm: forget_bias 1 needs a bias" },
    { { .hidden = 3, .layers = 1, .kind = (heed_recurrent_kind)9 },
      4,
      "recurrent: kind 9 is none" },
};

START_TEST(unsound_settings)
{
    static heed_recurrent m;
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_recurrent_init(&m, ps, "m", unsound[_i].input, unsound[_i].options);
    ck_assert_ptr_nonnull(heed_params_error(ps));
    ck_assert_msg(strstr(heed_params_error(ps), unsound[_i].sentence) != NULL, "%s",
                  heed_params_error(ps));
    ck_assert_int_eq(heed_params_count(ps), 0);
    heed_params_free(ps);
}
END_TEST

START_TEST(a_cell_has_one_layer)
{
    heed_recurrent_cell cell;
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_recurrent_cell_init(&cell, ps, "cell", 4,
                             (heed_recurrent_options){ .hidden = 3, .bidirectional = true });
    ck_assert_msg(strstr(heed_params_error(ps), "one layer in one direction") != NULL, "%s",
                  heed_params_error(ps));
    heed_params_free(ps);
}
END_TEST

static void refused(heed_tape *t, heed_recurrent_result r, const char *sentence)
{
    ck_assert(!r.output && !r.cells && !r.last.h && !r.last.c);
    ck_assert_ptr_nonnull(heed_error(t));
    ck_assert_msg(strstr(heed_error(t), sentence) != NULL, "%s", heed_error(t));
    heed_tape_reset(t);
}

START_TEST(misuse)
{
    static heed_recurrent lstm, gru;
    heed_params *ps = random_model(&lstm, &variants[2]);
    heed_params *other = random_model(&gru, &variants[3]);
    heed_tape *t = new_tape(HEED_F64);
    const heed_shape shape = HEED_SHAPE(B, T, IN), states = HEED_SHAPE(4, B, H);
    heed_tensor *x = heed_full(t, shape, 1);
    refused(t, heed_recurrent_forward(t, &lstm, x, (int32_t[]){ 1, 6, 2 }, NULL),
            "lstm: length 6 of row 1 is outside 0 .. 5");
    x = heed_full(t, shape, 1);
    refused(t, heed_recurrent_forward(t, &gru, x, (int32_t[]){ 1, 5, -1 }, NULL),
            "gru: length -1 of row 2 is outside 0 .. 5");
    refused(t, heed_recurrent_forward(t, &lstm, NULL, NULL, NULL),
            "x needs shape [B,T,4] with T at least 1, got NULL");
    x = heed_full(t, HEED_SHAPE(B, 0, IN), 1);
    refused(t, heed_recurrent_forward(t, &lstm, x, NULL, NULL), "got [3,0,4]");
    x = heed_full(t, HEED_SHAPE(B, T, IN + 1), 1);
    refused(t, heed_recurrent_forward(t, &lstm, x, NULL, NULL), "got [3,5,5]");
    x = heed_full(t, shape, 1);
    heed_recurrent_state s = { heed_full(t, HEED_SHAPE(2, B, H), 0), NULL };
    refused(t, heed_recurrent_forward(t, &lstm, x, NULL, &s),
            "the initial h has shape [2,3,3] but must have [4,3,3]");
    x = heed_full(t, shape, 1);
    s = (heed_recurrent_state){ NULL, heed_full(t, states, 0) };
    refused(t, heed_recurrent_forward(t, &gru, x, NULL, &s), "gru: has no cell state c");
    x = heed_full(t, HEED_SHAPE(B, IN), 1);
    s = (heed_recurrent_state){ heed_full(t, HEED_SHAPE(B, H + 1), 0), NULL };
    heed_recurrent_state after = heed_recurrent_cell_forward(t, &lstm.cells[0][0], x, &s);
    ck_assert(!after.h && !after.c);
    ck_assert_msg(strstr(heed_error(t), "h has shape [3,4] but must have [3,3]") != NULL, "%s",
                  heed_error(t));
    heed_tape_free(t);
    heed_params_free(ps);
    heed_params_free(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recurrent, refused");
    TCase *tests = tcase_create("refused");
    tcase_add_loop_test(tests, unsound_settings, 0, LENGTH(unsound));
    tcase_add_test(tests, a_cell_has_one_layer);
    tcase_add_test(tests, misuse);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
