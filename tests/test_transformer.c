/* The encoder-decoder Transformer: one step at a time and all at once, what may depend on what,
 * withdrawing the teacher, learning, searching, and what is refused. */
#include <check.h>
#include <heed/inspect.h>
#include <heed/optim.h>
#include <heed/training.h>
#include <heed/transformer.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof *(table)))

enum { B = 3, S = 5, T = 4, V = 7, C = 8, LONGEST = 12 };

static heed_tape *t;
static heed_params *ps;
static heed_random draws;
static heed_transformer m;

static const int32_t source_ids[B * S] = { 1, 2, 3, 4, 5, 6, 5, 4, 0, 0, 2, 2, 0, 0, 0 };
static const int32_t lengths[B] = { 5, 3, 2 };
static const int32_t input_ids[B * T] = { 0, 3, 1, 2, 0, 6, 6, 5, 0, 1, 4, 4 };

static void setup(void)
{
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ps = heed_params_new(HEED_F64, NULL);
    draws = (heed_random){ .seed = 4 };
}

static void teardown(void)
{
    heed_tape_free(t);
    heed_params_free(ps);
}

static const heed_transformer_options kinds[] = {
    { .positions = HEED_POSITIONS_LEARNED, .longest = LONGEST, .bias = true },
    { .positions = HEED_POSITIONS_SINUSOIDAL,
      .place = HEED_POST_NORM,
      .activation = HEED_RELU,
      .bias = true,
      .tied = true,
      .shared = true },
    { .positions = HEED_POSITIONS_ROTARY,
      .norm = HEED_RMSNORM,
      .activation = HEED_SILU,
      .gated = true,
      .key_heads = 1 },
    { .positions = HEED_POSITIONS_ALIBI, .gated = true, .decoder_layers = 1 },
    { .positions = HEED_POSITIONS_RELATIVE, .norm = HEED_RMSNORM, .tied = true },
    { .positions = HEED_POSITIONS_NONE, .place = HEED_POST_NORM },
};

static void make(heed_transformer_options o)
{
    o.source_vocabulary = o.target_vocabulary = V;
    o.width = C;
    o.layers = 2;
    o.heads = 4;
    o.random = &draws;
    heed_transformer_init(&m, ps, "m", o);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
}

static heed_transformer_source encode(void)
{
    return heed_transformer_encode(t, &m, heed_ids(t, HEED_SHAPE(B, S), source_ids), lengths);
}

static heed_tensor *inputs(void)
{
    return heed_ids(t, HEED_SHAPE(B, T), input_ids);
}

static void same(const char *what, const heed_tensor *a, const heed_tensor *b, double tolerance)
{
    ck_assert_msg(a && b, "%s: %s", what, heed_error(t));
    ck_assert_int_eq(heed_size(a), heed_size(b));
    for (int64_t i = 0; i < heed_size(a); i++)
        EXPECT_MSG(fabs(heed_at(a, i) - heed_at(b, i)) <= tolerance, "%s, element %d: %g, %g",
                   what, (int)i, heed_at(a, i), heed_at(b, i));
}

/* ---- with caches, and whole ---- */

START_TEST(steps_equal_the_whole)
{
    heed_transformer_state state;
    make(kinds[_i]);
    heed_set_recording(t, false);
    heed_transformer_source source = encode();
    heed_tensor *whole = heed_transformer_forward(t, &m, &source, inputs(), 1);
    ck_assert(heed_transformer_state_init(&state, &m, LONGEST, NULL));
    for (int round = 0; round < 2; round++) { /* also of a state used before */
        for (int i = 0; i < T; i++) {
            heed_tensor *ids = heed_select(t, inputs(), 1, i);
            heed_tensor *logits = heed_transformer_step(t, &m, &source, &state, ids);
            same("logits", logits, heed_select(t, whole, 1, i), 1e-12);
        }
        heed_transformer_state_clear(&state);
    }
    heed_transformer_state_free(&state);
}
END_TEST

START_TEST(a_batch_is_its_sentences)
{
    make(kinds[_i]);
    heed_transformer_source source = encode();
    heed_tensor *together = heed_transformer_forward(t, &m, &source, inputs(), 1);
    for (int b = 0; b < B; b++) {
        heed_tensor *ids = heed_ids(t, HEED_SHAPE(1, lengths[b]), source_ids + b * S);
        heed_transformer_source alone = heed_transformer_encode(t, &m, ids, NULL);
        heed_tensor *its = heed_ids(t, HEED_SHAPE(1, T), input_ids + b * T);
        same("logits", heed_transformer_forward(t, &m, &alone, its, 1),
             heed_slice(t, together, 0, b, b + 1, 1), 1e-12);
    }
}
END_TEST

/* ---- what may depend on what ---- */

static heed_tensor *logits_of(heed_tape *tape, heed_tensor *const x[], void *user)
{
    (void)user;
    heed_transformer_source source = heed_transformer_encode(tape, &m, x[0], lengths);
    return heed_transformer_forward(tape, &m, &source, x[1], 1);
}

/* Padding of the source, and other sentences, are not seen. */
static bool own_words(const int64_t *output, const int64_t *input, void *user)
{
    (void)user;
    return output[0] == input[0] && input[1] < lengths[input[0]];
}

/* Nor are tokens to come. */
static bool own_past(const int64_t *output, const int64_t *input, void *user)
{
    (void)user;
    return output[0] == input[0] && input[1] <= output[1];
}

START_TEST(nothing_leaks)
{
    make(kinds[_i]);
    const heed_input ids[] = { { .dtype = HEED_I32, .shape = HEED_DIMS(B, S), .high = V },
                               { .dtype = HEED_I32, .shape = HEED_DIMS(B, T), .high = V } };
    heed_report r = heed_leak_check(logits_of, NULL, ps, 2, ids,
                                    (heed_leak_options){ .input = 0, .may_depend = own_words });
    ck_assert_msg(r.passed, "%s", r.message);
    r = heed_leak_check(logits_of, NULL, ps, 2, ids,
                        (heed_leak_options){ .input = 1, .may_depend = own_past });
    ck_assert_msg(r.passed, "%s", r.message);
}
END_TEST

/* ---- withdrawing the teacher ---- */

START_TEST(forcing)
{
    make(kinds[_i]);
    heed_transformer_source source = encode();
    heed_tensor *free_run = heed_transformer_forward(t, &m, &source, inputs(), 0);
    /* What it was given is its own likeliest token: forced with those, it says the same. */
    heed_tensor *own = heed_argmax(t, free_run, -1, false);
    heed_tensor *first = heed_slice(t, inputs(), 1, 0, 1, 1);
    heed_tensor *rest = heed_slice(t, own, 1, 0, T - 1, 1);
    heed_tensor *given = heed_concatenate(t, 2, (heed_tensor *[]){ first, rest }, 1);
    same("free", free_run, heed_transformer_forward(t, &m, &source, given, 1), 1e-12);
    /* Half of the draws take the one, half the other: some run differs from both. */
    heed_tensor *forced = heed_transformer_forward(t, &m, &source, inputs(), 1);
    bool mixed = false;
    for (int i = 0; i < 20 && !mixed; i++) {
        heed_tensor *half = heed_transformer_forward(t, &m, &source, inputs(), 0.5);
        double to_forced = 0, to_free = 0;
        for (int64_t k = 0; k < heed_size(half); k++) {
            to_forced = fmax(to_forced, fabs(heed_at(half, k) - heed_at(forced, k)));
            to_free = fmax(to_free, fabs(heed_at(half, k) - heed_at(free_run, k)));
        }
        mixed = to_forced > 1e-6 && to_free > 1e-6;
    }
    ck_assert(mixed);
    /* It can be learned from. */
    ck_assert(heed_backward(t, heed_sum(t, heed_square(t, free_run))));
}
END_TEST

/* Whoever looks sees the pass that gives the logits, and not the one that chooses tokens. */
START_TEST(forcing_is_not_seen)
{
    make(kinds[0]);
    heed_maps *maps = heed_maps_new((heed_maps_options){ 0 });
    heed_statistics *seen = heed_statistics_new(NULL);
    m.decoder.statistics = seen;
    heed_maps_watch(maps, t);
    heed_transformer_source source = encode();
    ck_assert_ptr_nonnull(heed_transformer_forward(t, &m, &source, inputs(), 0.5));
    ck_assert(heed_attention_watched(t));
    ck_assert_int_eq(heed_maps_count(maps), m.encoder.layers + 2 * m.decoder.layers);
    for (int i = 0; i < heed_maps_count(maps); i++) {
        const heed_map *map = heed_maps_at(maps, i);
        bool encoder = strstr(map->name, "encoder.blocks") != NULL;
        ck_assert_int_eq(map->queries, encoder ? S : T);
    }
    const heed_observation *norm = heed_statistics_find(seen, "norm");
    ck_assert(norm && norm->value.count == B * T * C);
    m.decoder.statistics = NULL;
    heed_statistics_free(seen);
    heed_maps_watch(NULL, t);
    heed_maps_free(maps);
}
END_TEST

/* ---- learning and searching ---- */

enum { LENGTH_OF_TASK = 4, END = 1, START = 0, BATCH = 16 };

/* Reversing sentences of the symbols 2 .. V - 1. */
static void draw_task(heed_random *r, int32_t *from, int32_t *to)
{
    for (int b = 0; b < BATCH; b++) {
        for (int i = 0; i < LENGTH_OF_TASK; i++) {
            int32_t symbol = 2 + (int32_t)heed_random_below(r, V - 2);
            from[b * LENGTH_OF_TASK + i] = symbol;
            to[b * (LENGTH_OF_TASK + 1) + LENGTH_OF_TASK - 1 - i] = symbol;
        }
        to[b * (LENGTH_OF_TASK + 1) + LENGTH_OF_TASK] = END;
    }
}

START_TEST(learns)
{
    int32_t from[BATCH * LENGTH_OF_TASK], to[BATCH * (LENGTH_OF_TASK + 1)];
    heed_random r = { .seed = 8 };
    heed_params *single = heed_params_new(HEED_F32, NULL);
    heed_tape *tape = heed_tape_new(NULL);
    heed_transformer_init(&m, single, "m",
                          (heed_transformer_options){ .source_vocabulary = V,
                                                      .target_vocabulary = V,
                                                      .width = 32,
                                                      .layers = 1,
                                                      .heads = 4,
                                                      .positions = HEED_POSITIONS_SINUSOIDAL,
                                                      .bias = true,
                                                      .random = &draws });
    heed_optimizer *optimizer = heed_adam_new(single, (heed_adam_options){ .lr = 3e-3 });
    heed_tensor *ids = NULL;
    double first = 0, last = 0;
    for (int step = 0; step < 300; step++) {
        heed_tape_reset(tape);
        draw_task(&r, from, to);
        ids = heed_ids(tape, HEED_SHAPE(BATCH, LENGTH_OF_TASK), from);
        heed_tensor *targets = heed_ids(tape, HEED_SHAPE(BATCH, LENGTH_OF_TASK + 1), to);
        heed_transformer_source source = heed_transformer_encode(tape, &m, ids, NULL);
        heed_tensor *given = heed_shift_right(tape, targets, START);
        heed_tensor *logits = heed_transformer_forward(tape, &m, &source, given, 1);
        heed_tensor *loss = heed_cross_entropy(tape, logits, targets, NULL);
        last = heed_item(tape, loss);
        first = step == 0 ? last : first;
        ck_assert(heed_backward(tape, loss));
        ck_assert(heed_optimizer_step(optimizer, heed_params_gradients(single)));
    }
    ck_assert_double_lt(last, first / 20);

    /* Greedy, and by a beam: the right answers, and log-probabilities that scoring the answer
     * as a whole gives too (which a beam whose caches do not follow it would miss). */
    heed_tape_reset(tape);
    draw_task(&r, from, to);
    heed_set_recording(tape, false);
    ids = heed_ids(tape, HEED_SHAPE(BATCH, LENGTH_OF_TASK), from);
    heed_transformer_source source = heed_transformer_encode(tape, &m, ids, NULL);
    for (int beam = 1; beam <= 4; beam += 3) {
        heed_transformer_state state;
        heed_transformer_search search;
        ck_assert(heed_transformer_state_init(&state, &m, LENGTH_OF_TASK + 2, NULL));
        heed_decoder decoder =
            heed_transformer_decoder(tape, &m, &source, beam, &state, &search);
        heed_decoded *d = heed_decode(tape, &decoder, BATCH,
                                      (heed_decode_options){ .start = START,
                                                             .end = END,
                                                             .longest = LENGTH_OF_TASK + 2,
                                                             .beam = beam,
                                                             .best = beam });
        ck_assert_msg(d != NULL, "%s", heed_error(tape));
        int right = 0;
        for (int b = 0; b < BATCH; b++) {
            heed_hypothesis best = heed_decoded_at(d, b, 0);
            right += best.length == LENGTH_OF_TASK + 1 &&
                     memcmp(best.ids, to + b * (LENGTH_OF_TASK + 1),
                            sizeof(int32_t) * (LENGTH_OF_TASK + 1)) == 0;
            for (int rank = 0; rank < beam; rank++) {
                heed_hypothesis h = heed_decoded_at(d, b, rank);
                if (h.length < 1)
                    continue;
                heed_transformer_source its = { heed_slice(tape, source.states, 0, b, b + 1, 1),
                                                NULL };
                heed_tensor *said = heed_ids(tape, HEED_SHAPE(1, h.length), h.ids);
                heed_tensor *given = heed_shift_right(tape, said, START);
                heed_tensor *logits = heed_transformer_forward(tape, &m, &its, given, 1);
                heed_tensor *loss = heed_cross_entropy(tape, logits, said, NULL);
                double whole = -heed_item(tape, loss) * (double)h.length;
                ck_assert_double_eq_tol(h.log_probability, whole, 1e-4 + 1e-4 * fabs(whole));
            }
        }
        ck_assert_int_ge(right, BATCH - 1);
        heed_decoded_free(d);
        heed_transformer_state_free(&state);
    }
    heed_optimizer_free(optimizer);
    heed_tape_free(tape);
    heed_params_free(single);
}
END_TEST

/* ---- refusals ---- */

START_TEST(refused)
{
    static const struct {
        const char *sentence;
        heed_transformer_options options;
    } unsound[] = {
        { "vocabularies of 0 and 0", { .width = 8, .heads = 2, .layers = 1 } },
        { "width 9 is not divisible by heads 2",
          { .source_vocabulary = 3, .target_vocabulary = 3, .width = 9, .heads = 2 } },
        { "vocabularies of 3 and 4 tokens cannot share",
          { .source_vocabulary = 3, .target_vocabulary = 4, .shared = true } },
        { "layers 0 is not in 1 .. 256",
          { .source_vocabulary = 3,
            .target_vocabulary = 3,
            .width = 8,
            .heads = 2,
            .positions = HEED_POSITIONS_NONE } },
        { "learned positions need a number of them",
          { .source_vocabulary = 3,
            .target_vocabulary = 3,
            .width = 8,
            .heads = 2,
            .layers = 1 } },
        { "heads 4 are not divisible by key heads 3",
          { .source_vocabulary = 3,
            .target_vocabulary = 3,
            .width = 8,
            .heads = 4,
            .key_heads = 3,
            .layers = 1,
            .longest = 4 } },
        { "layers 1000 is not in 1 .. 256",
          { .source_vocabulary = 3,
            .target_vocabulary = 3,
            .width = 8,
            .heads = 2,
            .layers = 1,
            .decoder_layers = 1000,
            .longest = 4 } },
        { "no parallel blocks",
          { .source_vocabulary = 3,
            .target_vocabulary = 3,
            .width = 8,
            .heads = 2,
            .layers = 1,
            .place = HEED_PARALLEL } },
        { "dropout 1 is not",
          { .source_vocabulary = 3,
            .target_vocabulary = 3,
            .width = 8,
            .heads = 2,
            .layers = 1,
            .dropout = 1 } },
    };
    for (int i = 0; i < LENGTH(unsound); i++) {
        heed_params *set = heed_params_new(HEED_F32, NULL);
        heed_transformer_init(&m, set, "m", unsound[i].options);
        ck_assert_ptr_nonnull(heed_params_error(set));
        ck_assert_msg(strstr(heed_params_error(set), unsound[i].sentence) != NULL, "%s",
                      heed_params_error(set));
        ck_assert_int_le(m.options.decoder_layers, HEED_STACK_MAX_LAYERS);
        heed_transformer_state state;
        ck_assert(heed_transformer_state_init(&state, &m, 4, NULL));
        heed_transformer_state_free(&state);
        heed_params_free(set);
    }
}
END_TEST

static void expect_error(const char *sentence)
{
    ck_assert_ptr_nonnull(heed_error(t));
    ck_assert_msg(strstr(heed_error(t), sentence) != NULL, "%s", heed_error(t));
    heed_tape_reset(t);
}

START_TEST(refused_on_the_tape)
{
    static const int32_t beyond[B] = { 5, 6, 1 };
    static const int32_t many[LONGEST + 1];
    heed_transformer_state state;
    make(kinds[0]);
    heed_transformer_encode(t, &m, heed_ids(t, HEED_SHAPE(B, S), source_ids), beyond);
    expect_error("length 6 of row 1 is outside 0 .. 5");
    heed_transformer_encode(t, &m, heed_ids(t, HEED_SHAPE(1, LONGEST + 1), many), NULL);
    expect_error("13 after 0 do not fit the 12 there are");
    heed_transformer_encode(t, &m, heed_ids(t, HEED_SHAPE(S), source_ids), NULL);
    expect_error("the ids of the source need shape [B, S]");
    heed_transformer_source source = encode();
    heed_transformer_forward(t, &m, &source, inputs(), 1.5);
    expect_error("forcing 1.5 is not in [0, 1]");
    source = encode();
    heed_transformer_forward(t, &m, &source, heed_slice(t, inputs(), 0, 0, 2, 1), 1);
    expect_error("2 sentences");
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(B), input_ids);
    ck_assert_ptr_null(heed_transformer_step(t, &m, NULL, &state, ids));
    expect_error("the source is NULL");
    heed_padding_mask(t, B, S, NULL);
    expect_error("the lengths are NULL");
    heed_position_forward(t, &m.source_positions, heed_full(t, HEED_SHAPE(1, 2, C), 0), -3);
    expect_error("-3 before are negative");
    heed_relative_buckets(t, 2, 2, INT64_MAX - 1, 32, 128, true);
    expect_error("offset 9223372036854775806 is not in");
    /* One id and many rows would broadcast. */
    heed_tensor *logits = heed_full(t, HEED_SHAPE(B, V), 0);
    heed_forced_ids(t, heed_ids(t, HEED_SHAPE(1), input_ids), logits, 0.5);
    expect_error("needs ids [B] and logits [B, V]");
    heed_tensor *none = heed_shift_right(t, heed_ids(t, HEED_SHAPE(B, 0), input_ids), 1);
    ck_assert(none && none->shape[0] == B && none->shape[1] == 0);
    /* A state must fit the positions there are; and it is for use without recording. */
    ck_assert(heed_transformer_state_init(&state, &m, LONGEST + 1, NULL));
    heed_set_recording(t, false);
    source = encode();
    heed_transformer_step(t, &m, &source, &state, heed_ids(t, HEED_SHAPE(B), input_ids));
    expect_error("the cache is longer than the positions there are");
    heed_transformer_state_free(&state);
    heed_set_recording(t, true);
    ck_assert(heed_transformer_state_init(&state, &m, LONGEST, NULL));
    source = encode();
    heed_transformer_step(t, &m, &source, &state, heed_ids(t, HEED_SHAPE(B), input_ids));
    expect_error("not differentiable");
    heed_transformer_state_free(&state);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transformer");
    TCase *tests = tcase_create("transformer");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, steps_equal_the_whole, 0, LENGTH(kinds));
    tcase_add_loop_test(tests, a_batch_is_its_sentences, 0, LENGTH(kinds));
    tcase_add_loop_test(tests, nothing_leaks, 0, LENGTH(kinds));
    tcase_add_loop_test(tests, forcing, 0, LENGTH(kinds));
    tcase_add_test(tests, forcing_is_not_seen);
    tcase_add_test(tests, learns);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, refused_on_the_tape);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
