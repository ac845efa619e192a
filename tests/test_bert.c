/* BERT: padding, kinds of positions, which words the masked-token objective hides, a classifier
 * that is added later, and what is refused. */
#define _POSIX_C_SOURCE 200809L
#include <heed/bert.h>
#include <heed/optim.h>
#include <math.h>

#include "expect.h"
#include "scratch.h"

#include "kernels.h"

enum { B = 3, T = 5, V = 9, C = 8 };

static heed_tape *t;
static heed_params *ps;
static heed_random draws;
static heed_bert m;

static const int32_t ids[B * T] = { 1, 2, 3, 4, 5, 6, 5, 4, 0, 0, 2, 8, 0, 0, 0 };
static const int32_t lengths[B] = { 5, 3, 2 };

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

static heed_bert_options sized(heed_bert_options o)
{
    o.vocabulary = V;
    o.width = C;
    o.layers = 2;
    o.heads = 4;
    o.random = &draws;
    return o;
}

static void make(heed_bert_options o)
{
    heed_bert_init(&m, ps, "bert", sized(o));
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
}

static const heed_bert_options kinds[] = {
    { .positions = HEED_POSITIONS_LEARNED, .longest = T, .bias = true, .segments = 2 },
    { .positions = HEED_POSITIONS_SINUSOIDAL, .place = HEED_POST_NORM, .bias = true },
    { .positions = HEED_POSITIONS_ROTARY, .norm = HEED_RMSNORM, .gated = true, .key_heads = 2 },
    { .positions = HEED_POSITIONS_ALIBI },
    { .positions = HEED_POSITIONS_RELATIVE },
    { .positions = HEED_POSITIONS_NONE, .place = HEED_POST_NORM },
};

static heed_tensor *all_ids(void)
{
    return heed_ids(t, HEED_SHAPE(B, T), ids);
}

/* ---- reading ---- */

START_TEST(a_batch_is_its_sentences)
{
    make(kinds[_i]);
    heed_tensor *all = heed_bert_forward(t, &m, all_ids(), NULL, lengths);
    for (int b = 0; b < B; b++) {
        heed_tensor *one = heed_ids(t, HEED_SHAPE(1, lengths[b]), ids + b * T);
        heed_tensor *alone = heed_bert_forward(t, &m, one, NULL, NULL);
        ck_assert_msg(alone != NULL, "%s", heed_error(t));
        for (int64_t i = 0; i < heed_size(alone); i++)
            EXPECT_MSG(fabs(heed_at(alone, i) - heed_at(all, b * T * C + i)) <= 1e-12,
                       "sentence %d, element %d: %g alone, %g in the batch", b, (int)i,
                       heed_at(alone, i), heed_at(all, b * T * C + i));
    }
}
END_TEST

static heed_tensor *read_all(heed_tape *tape, heed_tensor *const x[], void *user)
{
    return heed_bert_forward(tape, user, x[0], NULL, lengths);
}

/* Each state sees its own sentence, both ways, and no padding. */
static bool may_depend(const int64_t *output, const int64_t *input, void *user)
{
    (void)user;
    return output[0] == input[0] &&
           (input[1] < lengths[input[0]] || output[1] >= lengths[output[0]]);
}

START_TEST(padding_is_not_read)
{
    const heed_input input = { .dtype = HEED_I32, .shape = HEED_DIMS(B, T), .high = V };
    make(kinds[_i]);
    heed_report report = heed_leak_check(read_all, &m, ps, 1, &input,
                                         (heed_leak_options){ .may_depend = may_depend });
    ck_assert_msg(report.passed, "%s", report.message);
}
END_TEST

/* What is turned round is read otherwise, unless positions are not told apart. */
START_TEST(order_matters)
{
    static const int32_t forward[T] = { 1, 2, 3, 4, 5 }, turned[T] = { 1, 5, 4, 3, 2 };
    make(kinds[_i]);
    heed_tensor *a =
        heed_bert_forward(t, &m, heed_ids(t, HEED_SHAPE(1, T), forward), NULL, NULL);
    heed_tensor *b =
        heed_bert_forward(t, &m, heed_ids(t, HEED_SHAPE(1, T), turned), NULL, NULL);
    heed_tensor *difference = heed_sub(t, heed_select(t, a, 1, 0), heed_select(t, b, 1, 0));
    double size = heed_item(t, heed_norm(t, difference));
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    bool same = m.options.positions == HEED_POSITIONS_NONE;
    ck_assert_msg(same ? size < 1e-12 : size > 1e-6, "the states differ by %g", size);
}
END_TEST

START_TEST(no_segments_are_those_of_kind_0)
{
    static const int32_t zeros[B * T] = { 0 }, ones[B * T] = { 1, 1, 1, 1, 1 };
    make(kinds[0]);
    heed_tensor *x = all_ids();
    heed_tensor *none = heed_bert_forward(t, &m, x, NULL, lengths);
    heed_tensor *zero =
        heed_bert_forward(t, &m, x, heed_ids(t, HEED_SHAPE(B, T), zeros), lengths);
    heed_tensor *other =
        heed_bert_forward(t, &m, x, heed_ids(t, HEED_SHAPE(B, T), ones), lengths);
    double same = heed_item(t, heed_norm(t, heed_sub(t, none, zero)));
    double changed = heed_item(t, heed_norm(t, heed_sub(t, none, other)));
    ck_assert_double_eq(same, 0);
    ck_assert_double_gt(changed, 1e-3);
}
END_TEST

/* ---- hiding words ---- */

enum { MANY = 64, LONG = 512, WORDS = 50, MASK = 2, FIRST = 5 };

static const heed_masking paper = {
    .share = 0.15, .kept = 0.1, .random = 0.1, .mask = MASK, .first = FIRST, .vocabulary = WORDS
};

static heed_masked hide(const heed_masking *o, int32_t *to, int32_t *until)
{
    heed_random r = { .seed = 1 };
    for (int i = 0; i < MANY * LONG; i++)
        to[i] = (int32_t)heed_random_below(&r, WORDS);
    for (int b = 0; b < MANY; b++)
        until[b] = 1 + (int32_t)heed_random_below(&r, LONG);
    return heed_mask_tokens(t, heed_ids(t, HEED_SHAPE(MANY, LONG), to), until, o);
}

/* Within five standard deviations of a binomial's mean. */
static void share_is(const char *what, int64_t count, int64_t of, double share)
{
    double mean = share * (double)of, deviation = sqrt(mean * (1 - share));
    ck_assert_msg(fabs((double)count - mean) <= 5 * deviation, "%s: %lld of %lld, not %g", what,
                  (long long)count, (long long)of, share);
}

START_TEST(shares)
{
    static int32_t from[MANY * LONG], until[MANY];
    int64_t words = 0, chosen = 0, hidden = 0, kept = 0, other[WORDS] = { 0 }, others = 0;
    heed_masked masked = hide(&paper, from, until);
    ck_assert_msg(masked.inputs && masked.targets, "%s", heed_error(t));
    const int32_t *inputs = masked.inputs->data, *targets = masked.targets->data;
    for (int i = 0; i < MANY * LONG; i++) {
        bool word = from[i] >= FIRST && i % LONG < until[i / LONG];
        words += word;
        if (targets[i] == HEED_NOT_MASKED) {
            EXPECT_MSG(inputs[i] == from[i], "place %d changed and is no target", i);
            continue;
        }
        EXPECT_MSG(word, "place %d is no word, but a target", i);
        EXPECT_MSG(targets[i] == from[i], "place %d has another target", i);
        EXPECT_MSG(inputs[i] == MASK || (inputs[i] >= FIRST && inputs[i] < WORDS),
                   "place %d became %d", i, (int)inputs[i]);
        chosen++;
        hidden += inputs[i] == MASK;
        kept += inputs[i] == from[i];
        other[inputs[i]] += inputs[i] != MASK && inputs[i] != from[i];
        others += inputs[i] != MASK && inputs[i] != from[i];
    }
    const double again = 1.0 / (WORDS - FIRST); /* that any word is the same one */
    share_is("chosen", chosen, words, 0.15);
    share_is("hidden", hidden, chosen, 0.8);
    share_is("kept", kept, chosen, 0.1 + 0.1 * again);
    share_is("another", others, chosen, 0.1 * (1 - again));
    for (int i = FIRST; i < WORDS; i++)
        share_is("one of the others", other[i], others, again);
}
END_TEST

START_TEST(all_or_nothing)
{
    heed_masking o = paper;
    heed_tensor *x = all_ids();
    o.first = 1;
    o.vocabulary = V;
    o.mask = V;
    o.share = 1;
    o.kept = o.random = 0;
    heed_masked every = heed_mask_tokens(t, x, lengths, &o);
    o.kept = 1;
    heed_masked same = heed_mask_tokens(t, x, NULL, &o);
    o.share = 0;
    heed_masked none = heed_mask_tokens(t, x, NULL, &o);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    for (int i = 0; i < B * T; i++) {
        bool word = i % T < lengths[i / T];
        ck_assert_int_eq((int)heed_at(every.inputs, i), word ? V : ids[i]);
        ck_assert_int_eq((int)heed_at(every.targets, i), word ? ids[i] : HEED_NOT_MASKED);
        ck_assert_int_eq((int)heed_at(same.inputs, i), ids[i]);
        ck_assert_int_eq((int)heed_at(none.targets, i), HEED_NOT_MASKED);
    }
    /* A mask among the words is never chosen. */
    o = (heed_masking){ .share = 1, .mask = 5, .first = 1, .vocabulary = V };
    heed_masked given = heed_mask_tokens(t, x, lengths, &o);
    ck_assert_int_eq((int)heed_at(given.targets, 4), HEED_NOT_MASKED);
    ck_assert_int_eq((int)heed_at(given.targets, 3), ids[3]);
    /* With no target the loss and its gradients are 0. */
    heed_bert_words words;
    make(kinds[0]);
    heed_bert_words_init(&words, ps, "words", &m, &draws);
    heed_tensor *states = heed_bert_forward(t, &m, none.inputs, NULL, lengths);
    const heed_cross_entropy_options ignoring = { .ignore = true,
                                                  .ignore_index = HEED_NOT_MASKED };
    heed_tensor *loss = heed_cross_entropy(t, heed_bert_words_forward(t, &words, states),
                                           none.targets, &ignoring);
    ck_assert_double_eq(heed_item(t, loss), 0);
    ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
    ck_assert_double_eq(heed_gradients_norm(heed_params_gradients(ps)), 0);
}
END_TEST

START_TEST(draws_are_keyed)
{
    static int32_t from[MANY * LONG], until[MANY], first[3][MANY * LONG];
    const uint64_t steps[] = { 7, 7, 8 };
    for (int i = 0; i < 3; i++) {
        heed_tape_reset(t);
        heed_seed(t, 3, steps[i]);
        heed_set_threads(i == 1 ? 3 : 1);
        heed_copy_out(t, hide(&paper, from, until).inputs, first[i]);
    }
    heed_set_threads(1);
    ck_assert_mem_eq(first[0], first[1], sizeof first[0]);
    ck_assert_int_ne(memcmp(first[0], first[2], sizeof first[0]), 0);
}
END_TEST

/* ---- a classifier that comes later ---- */

static void step(heed_optimizer *o, heed_tensor *loss)
{
    ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
    ck_assert_msg(heed_optimizer_step(o, heed_params_gradients(ps)), "%s",
                  heed_optimizer_error(o));
    heed_tape_reset(t);
}

START_TEST(a_classifier_is_added)
{
    heed_bert_classes classes;
    const int32_t labels[B] = { 0, 1, 1 };
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ .lr = 1e-2 });
    make(kinds[0]);
    step(o, heed_norm(t, heed_bert_forward(t, &m, all_ids(), NULL, lengths)));
    heed_bert_classes_init(&classes, ps, "classes", &m, 2, &draws);
    double loss = 1;
    for (int i = 0; i < 100; i++) {
        heed_tensor *states = heed_bert_forward(t, &m, all_ids(), NULL, lengths);
        heed_tensor *logits = heed_bert_classes_forward(t, &classes, states);
        heed_tensor *mean =
            heed_cross_entropy(t, logits, heed_ids(t, HEED_SHAPE(B), labels), NULL);
        loss = heed_item(t, mean);
        step(o, mean);
    }
    ck_assert_double_lt(loss, 0.01);
    heed_optimizer_free(o);
}
END_TEST

START_TEST(a_file_without_it_is_loaded)
{
    heed_bert other;
    heed_bert_words words;
    heed_bert_classes classes;
    heed_load_report report;
    make(kinds[0]);
    heed_bert_words_init(&words, ps, "words", &m, &draws);
    make_folder();
    const char *path = in_folder("model.safetensors");
    ck_assert(heed_params_save(ps, path, NULL));
    heed_archive *file = heed_archive_open(path, NULL, error, sizeof error);
    ck_assert_msg(file != NULL, "%s", error);
    ck_assert_ptr_nonnull(heed_archive_find(file, "words.bias"));
    heed_archive_free(file);
    heed_params *fresh = heed_params_new(HEED_F64, NULL);
    heed_bert_init(&other, fresh, "bert", sized(kinds[0]));
    heed_bert_classes_init(&classes, fresh, "classes", &other, 2, &draws);
    ck_assert(heed_params_load_partial(fresh, path, &report));
    ck_assert_int_eq(report.missing, 4); /* pooler and output */
    ck_assert_int_eq(report.unknown, 5); /* dense, norm, bias */
    ck_assert_int_eq(report.unfit, 0);
    heed_load_report_free(&report);
    ck_assert_mem_eq(other.tokens.weight->data, m.tokens.weight->data, V * C * sizeof(double));
    heed_params_free(fresh);
    remove_folder();
}
END_TEST

/* ---- refusals ---- */

static const struct {
    heed_bert_options options;
    const char *sentence;
} unsound[] = {
    { { .vocabulary = 0, .width = 8, .heads = 2 }, "bert: vocabulary 0 is not in 1 .." },
    { { .vocabulary = V, .width = 9, .heads = 2 },
      "bert: width 9 is not divisible by heads 2" },
    { { .vocabulary = V, .width = 8, .heads = 0 },
      "bert: width 8 is not divisible by heads 0" },
    { { .vocabulary = V, .width = 8, .heads = 2, .segments = -1 }, "bert: segments -1" },
    { { .vocabulary = V, .width = 8, .heads = 2, .place = HEED_PARALLEL }, "not parallel" },
    { { .vocabulary = V, .width = 8, .heads = 2, .epsilon = -1 }, "bert: epsilon -1 is" },
    { { .vocabulary = V, .width = 8, .heads = 2, .dropout = 1 }, "bert: dropout 1 is not in" },
    { { .vocabulary = V, .width = 8, .heads = 2, .layers = 1 }, "positions need a number" },
    { { .vocabulary = V, .width = 8, .heads = 2, .longest = 3 }, "layers 0 is not in" },
};

START_TEST(unsound_options)
{
    heed_bert_words words;
    heed_bert_classes classes;
    heed_bert_init(&m, ps, "bert", unsound[_i].options);
    const char *sentence = heed_params_error(ps);
    ck_assert_msg(sentence && strstr(sentence, unsound[_i].sentence), "'%s', not '%s'",
                  sentence, unsound[_i].sentence);
    heed_bert_words_init(&words, ps, "words", &m, NULL);
    heed_bert_classes_init(&classes, ps, "classes", &m, 2, NULL);
    ck_assert_str_eq(heed_params_error(ps), sentence);
}
END_TEST

static void refused(const heed_tensor *result, const char *sentence)
{
    ck_assert_ptr_null(result);
    ck_assert_msg(heed_error(t) && strstr(heed_error(t), sentence), "'%s', not '%s'",
                  heed_error(t), sentence);
    heed_tape_reset(t);
}

START_TEST(unsound_operands)
{
    heed_bert_classes classes;
    heed_masking o = paper;
    make(kinds[1]);
    refused(heed_bert_forward(t, &m, NULL, NULL, NULL), "bert: ids need shape [B, T]");
    heed_tensor *flat = heed_ids(t, HEED_SHAPE(T), ids);
    refused(heed_bert_forward(t, &m, flat, NULL, NULL), "bert: ids need shape [B, T]");
    heed_tensor *x = all_ids();
    refused(heed_bert_forward(t, &m, x, x, NULL), "no segments apart");
    heed_bert_options two = { .vocabulary = 9,
                              .positions = HEED_POSITIONS_SINUSOIDAL,
                              .longest = T,
                              .width = 4,
                              .layers = 1,
                              .heads = 1,
                              .segments = 2 };
    heed_bert segmented;
    heed_params *other = heed_params_new(HEED_F32, NULL);
    heed_bert_init(&segmented, other, "bert", two);
    ck_assert_msg(!heed_params_error(other), "%s", heed_params_error(other));
    static const int32_t zeros[3 * T] = { 0 };
    heed_shape shapes[3] = { HEED_SHAPE(T), HEED_SHAPE(1, T), HEED_SHAPE(2, T - 1) };
    for (int i = 0; i < 3; i++) {
        heed_tensor *few = heed_ids(t, HEED_SHAPE(2, T), zeros);
        refused(heed_bert_forward(t, &segmented, few, heed_ids(t, shapes[i], zeros), NULL),
                "the segments need shape [2, ");
    }
    heed_params_free(other);
    x = all_ids();
    heed_bert_classes_init(&classes, ps, "classes", &m, 2, NULL);
    flat = heed_full(t, HEED_SHAPE(B, C), 0);
    refused(heed_bert_classes_forward(t, &classes, flat), "need shape [B, T, C]");
    heed_bert_classes_init(&classes, ps, "others", &m, 0, NULL);
    ck_assert(strstr(heed_params_error(ps), "classes 0 are not in"));

    o.share = 1.5;
    refused(heed_mask_tokens(t, all_ids(), NULL, &o).inputs, "share 1.5 is not in [0, 1]");
    o.share = 0.5;
    o.kept = 0.95;
    refused(heed_mask_tokens(t, all_ids(), NULL, &o).inputs, "not shares of a whole");
    o.kept = 0;
    o.vocabulary = FIRST;
    refused(heed_mask_tokens(t, all_ids(), NULL, &o).inputs, "no words from id 5 below 5");
    refused(heed_mask_tokens(t, NULL, NULL, &o).inputs, "ids need dtype i32");
    refused(heed_mask_tokens(t, all_ids(), NULL, NULL).inputs, "the options are NULL");
    heed_masking negative = { .share = .15, .mask = -1, .first = 2, .vocabulary = 5 };
    refused(heed_mask_tokens(t, all_ids(), NULL, &negative).inputs, "the mask's id -1");

    heed_masking many = { .share = 1, .random = 1, .vocabulary = (1 << 24) + 1 };
    ck_assert_ptr_nonnull(heed_mask_tokens(t, all_ids(), NULL, &many).inputs);
    heed_tape *single = heed_tape_new(NULL);
    heed_tensor *y = heed_ids(single, HEED_SHAPE(B, T), ids);
    ck_assert_ptr_null(heed_mask_tokens(single, y, NULL, &many).inputs);
    ck_assert_str_eq(heed_error(single),
                     "mask_tokens: a draw in f32 tells 16777216 words apart and not 16777217");
    heed_tape_reset(single);
    many.vocabulary--;
    y = heed_ids(single, HEED_SHAPE(B, T), ids);
    ck_assert_ptr_nonnull(heed_mask_tokens(single, y, NULL, &many).inputs);
    heed_tape_free(single);
}
END_TEST

int main(void)
{
    heed__set_eager(true); /* also in the tests that Check forks */
    Suite *suite = suite_create("bert");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_batch_is_its_sentences, 0, LENGTH(kinds));
    tcase_add_loop_test(tests, padding_is_not_read, 0, LENGTH(kinds));
    tcase_add_loop_test(tests, order_matters, 0, LENGTH(kinds));
    tcase_add_test(tests, no_segments_are_those_of_kind_0);
    tcase_add_test(tests, shares);
    tcase_add_test(tests, all_or_nothing);
    tcase_add_test(tests, draws_are_keyed);
    tcase_add_test(tests, a_classifier_is_added);
    tcase_add_test(tests, a_file_without_it_is_loaded);
    tcase_add_loop_test(tests, unsound_options, 0, LENGTH(unsound));
    tcase_add_test(tests, unsound_operands);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
