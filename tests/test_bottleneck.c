/* A fixed context is a bottleneck: one vector for every step, so that long sentences suffer and
 * the order of reading matters. Attention has neither. Four small translators learn to copy
 * letters, and are judged by the length of the sentence. */
#include "tensors.h"

#include <heed/optim.h>
#include <heed/seq2seq.h>

enum { START, END, LETTERS = 6, LONGEST = 9, SHORTEST = 2, BATCH = 32, PAD = -1 };
enum { VOCABULARY = 2 + LETTERS, TARGET = LONGEST + 1, WIDTH = 20 };

static heed_seq2seq m;

static heed_params *make(heed_context context, bool reverse, heed_dtype dtype)
{
    heed_random r = { .seed = 5 };
    heed_params *ps = heed_params_new(dtype, NULL);
    heed_seq2seq_init(&m, ps, "m",
                      (heed_seq2seq_options){ .source_vocabulary = VOCABULARY,
                                              .target_vocabulary = VOCABULARY,
                                              .embedding = 12,
                                              .hidden = WIDTH,
                                              .kind = HEED_GRU,
                                              .context = context,
                                              .reverse = reverse,
                                              .random = &r });
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    return ps;
}

/* ---- one vector for all steps ---- */

static const int32_t words[6] = { 2, 3, 4, 5, 6, 7 };

static heed_seq2seq_source encoded(heed_tape *t)
{
    heed_seq2seq_source s =
        heed_seq2seq_encode(t, &m, heed_ids(t, HEED_SHAPE(1, 6), words), NULL);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    return s;
}

/* Without attention the loss knows the states of single positions only through the last one:
 * its gradient by what is read at each position is 0 but at the end, where it is that of the
 * context. With attention every position has one. */
START_TEST(gradients_come_in_by_the_end)
{
    const heed_context contexts[] = { HEED_CONTEXT_FED, HEED_CONTEXT_START,
                                      HEED_CONTEXT_ATTENTION };
    for (int i = 0; i < LENGTH(contexts); i++) {
        heed_params *ps = make(contexts[i], false, HEED_F64);
        heed_tape *t = tape64();
        heed_seq2seq_source read = encoded(t);
        /* The states again, each a leaf, and what the decoder takes of them. */
        heed_tensor *states = heed_watch(t, heed_detach(t, read.states));
        heed_tensor *last = heed_select(t, states, 1, 5);
        ck_assert(same_bits(last, read.context));
        read.states = states;
        read.context = last;
        read.initial.h = heed_unsqueeze(t, last, 0);
        if (contexts[i] == HEED_CONTEXT_ATTENTION)
            read.memory = heed_align_prepare(t, &m.align, states, NULL, NULL);
        heed_tensor *inputs = heed_ids(t, HEED_SHAPE(1, 4), words);
        heed_tensor *logits = heed_seq2seq_forward(t, &m, &read, inputs, 1).logits;
        swept(t, heed_sum(t, heed_square(t, logits)));
        heed_tensor *g = heed_gradient(t, states);
        ck_assert_ptr_nonnull(g);
        for (int k = 0; k < 6; k++) {
            double size = length_of(heed_select(t, g, 1, k));
            ck_assert_int_eq(size != 0, k == 5 || contexts[i] == HEED_CONTEXT_ATTENTION);
        }
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

/* The context of a step, by the readout's equation: with a fixed one it is the same vector at
 * each, whatever the state; attention makes another one. */
START_TEST(contexts_stay_or_move)
{
    for (int attends = 0; attends < 2; attends++) {
        heed_params *ps =
            make(attends ? HEED_CONTEXT_ATTENTION : HEED_CONTEXT_FED, false, HEED_F64);
        heed_tape *t = tape64();
        heed_seq2seq_source source = encoded(t);
        heed_seq2seq_state state = heed_seq2seq_begin(t, &m, &source);
        heed_tensor *before = NULL;
        for (int i = 0; i < 4; i++) {
            heed_seq2seq_step(t, &m, &source, &state, heed_ids(t, HEED_SHAPE(1), words + i));
            heed_tensor *context = source.context;
            if (attends) {
                heed_tensor *row = heed_unsqueeze(t, state.weights, 1);
                context = heed_squeeze(t, heed_matmul(t, row, source.states), 1);
            }
            heed_tensor *readout =
                heed_attentional_forward(t, &m.readout, context, state.layer[0].h);
            near("readout", state.readout, readout, 1e-14);
            if (before) {
                double moved = length_of(heed_sub(t, context, before));
                ck_assert(attends ? moved > 1e-6 : moved == 0);
            }
            before = context;
        }
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

/* ---- learning ---- */

/* Letters (2 and up) of one length, or of any (0), and the same with END behind. */
static void draw(heed_random *r, int length, int32_t *source, int32_t *target, int32_t *sizes)
{
    for (int b = 0; b < BATCH; b++) {
        int32_t *to = target + b * TARGET, *from = source + b * LONGEST;
        int n = length ? length : SHORTEST + (int)heed_random_below(r, LONGEST - SHORTEST + 1);
        sizes[b] = n;
        for (int i = 0; i < TARGET; i++)
            to[i] = i == n ? END : PAD;
        for (int i = 0; i < LONGEST; i++)
            from[i] = i < n ? 2 + (int32_t)heed_random_below(r, LETTERS) : 0;
        for (int i = 0; i < n; i++)
            to[i] = from[i];
    }
}

typedef struct judged {
    double loss, right; /* of the tokens, given those before */
    heed_tensor *weights;
} judged;

static judged run(heed_tape *t, heed_random *r, int length)
{
    int32_t source[BATCH * LONGEST], target[BATCH * TARGET], fed[BATCH * TARGET], sizes[BATCH];
    draw(r, length, source, target, sizes);
    for (int i = 0; i < BATCH * TARGET; i++)
        fed[i] = target[i] == PAD ? END : target[i];
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(BATCH, LONGEST), source);
    heed_seq2seq_source read = heed_seq2seq_encode(t, &m, ids, sizes);
    heed_tensor *inputs =
        heed_shift_right(t, heed_ids(t, HEED_SHAPE(BATCH, TARGET), fed), START);
    heed_seq2seq_result y = heed_seq2seq_forward(t, &m, &read, inputs, 1);
    heed_tensor *labels = heed_ids(t, HEED_SHAPE(BATCH, TARGET), target);
    heed_cross_entropy_options ignoring = { .ignore = true, .ignore_index = PAD };
    heed_tensor *loss = heed_cross_entropy(t, y.logits, labels, &ignoring);
    judged j = { .loss = heed_item(t, loss), .weights = y.weights };
    if (heed_recording(t))
        swept(t, loss);
    else {
        const heed_tensor *best = heed_argmax(t, y.logits, -1, false);
        double all = 0;
        for (int64_t i = 0; i < BATCH * TARGET; i++) {
            all += target[i] != PAD;
            j.right += target[i] == (int32_t)heed_at(best, i);
        }
        j.right /= all;
    }
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    return j;
}

enum { STEPS = 900, LENGTHS = LONGEST - SHORTEST + 1 };

typedef struct learned {
    double loss;           /* of the last steps */
    double right[LENGTHS]; /* by length */
    double diagonal;       /* mean weight of the letter to be copied, of the longest */
} learned;

static learned learn(heed_context context, bool reverse)
{
    learned l = { 0 };
    heed_random r = { .seed = 13 };
    heed_params *ps = make(context, reverse, HEED_F32);
    heed_tape *t = heed_tape_new(NULL);
    heed_optimizer *adam = heed_adam_new(ps, (heed_adam_options){ .lr = 0.01 });
    for (int step = 0; step < STEPS; step++) {
        double loss = run(t, &r, 0).loss;
        l.loss += step < STEPS - 20 ? 0 : loss / 20;
        heed_clip_norm(heed_params_gradients(ps), 1);
        ck_assert(heed_optimizer_step(adam, heed_params_gradients(ps)));
        heed_tape_reset(t);
    }
    heed_set_recording(t, false);
    for (int k = 0; k < LENGTHS; k++) {
        heed_tape_reset(t);
        judged j = run(t, &r, SHORTEST + k);
        l.right[k] = j.right;
        for (int b = 0; b < BATCH && j.weights && k == LENGTHS - 1; b++) {
            for (int i = 0; i < LONGEST; i++) {
                int at = reverse ? LONGEST - 1 - i : i;
                l.diagonal +=
                    heed_at(j.weights, (b * TARGET + i) * LONGEST + at) / BATCH / LONGEST;
            }
        }
    }
    heed_optimizer_free(adam);
    heed_tape_free(t);
    heed_params_free(ps);
    return l;
}

static double mean_right(const learned *l)
{
    double sum = 0;
    for (int k = 0; k < LENGTHS; k++)
        sum += l->right[k] / LENGTHS;
    return sum;
}

/* By the length of the sentence: one vector holds two letters and not nine, attention holds any
 * number. Reading from the end brings the first letters nearer to where they are needed, which
 * helps the fixed vector (Sutskever, Vinyals, Le 2014), and is all the same to attention, whose
 * weights lie on the diagonal, or on the other one. */
START_TEST(long_sentences)
{
    learned fixed = learn(HEED_CONTEXT_START, false), turned = learn(HEED_CONTEXT_START, true);
    learned attention = learn(HEED_CONTEXT_ATTENTION, false),
            attention_turned = learn(HEED_CONTEXT_ATTENTION, true);
    ck_assert_double_gt(fixed.right[0], 0.97);
    ck_assert_double_lt(fixed.right[LENGTHS - 1], 0.86);
    for (int k = 2; k < LENGTHS; k += 2)
        ck_assert_double_lt(fixed.right[k], fixed.right[k - 2] + 0.02);
    for (int k = 0; k < LENGTHS; k++) {
        ck_assert_double_gt(attention.right[k], 0.9);
        ck_assert_double_gt(attention_turned.right[k], 0.9);
    }
    ck_assert_double_lt(turned.loss, 0.87 * fixed.loss);
    ck_assert_double_gt(mean_right(&turned), mean_right(&fixed) + 0.015);
    ck_assert_double_lt(fabs(mean_right(&attention) - mean_right(&attention_turned)), 0.04);
    double chance = 1.0 / LONGEST;
    ck_assert_double_gt(attention.diagonal, 3 * chance);
    ck_assert_double_gt(attention_turned.diagonal, 3 * chance);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bottleneck");
    TCase *tests = tcase_create("bottleneck");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, gradients_come_in_by_the_end);
    tcase_add_test(tests, contexts_stay_or_move);
    tcase_add_test(tests, long_sentences);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
