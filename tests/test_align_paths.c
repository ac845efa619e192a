/* How a decoder and its attention hang together: what reaches the encoder by which path, which
 * scores are the same one, when the query is asked for, and what one wrong word does. */
#include "tensors.h"

#include <heed/align.h>
#include <heed/seq2seq.h>

enum { B = 2, S = 5, D = 3 };

static void fill(heed_params *ps, uint64_t seed)
{
    heed_random r = { .seed = seed };
    for (int i = 0; i < heed_params_count(ps); i++)
        heed_init_normal(heed_params_at(ps, i), 0.7, &r);
}

/* ---- two paths to the encoder ---- */

/* Which states carry a gradient: as keys, and as values. */
static heed_tensor *gradient_by(heed_tape *t, const heed_align *m, bool as_keys, bool as_values)
{
    heed_tensor *states = heed_watch(t, drawn(t, HEED_SHAPE(B, S, D), 1));
    heed_tensor *fixed = heed_detach(t, states);
    heed_tensor *query = drawn(t, HEED_SHAPE(B, D), 2);
    heed_aligned a = heed_align_forward(t, m, query, as_keys ? states : fixed,
                                        as_values ? states : fixed, NULL);
    swept(t, heed_sum(t, heed_square(t, a.context)));
    return heed_gradient(t, states);
}

/* The choice of words (values) and the choice of where to look (weights) both train the
 * encoder, and together they are the gradient: cutting either changes it by what it was. */
START_TEST(both_paths_add_up)
{
    for (int score = HEED_ALIGN_DOT; score <= HEED_ALIGN_COSINE; score++) {
        heed_params *ps = heed_params_new(HEED_F64, NULL);
        heed_tape *t = tape64();
        heed_align m;
        heed_align_init(&m, ps, "m", D, D,
                        (heed_align_options){ .score = (heed_align_score)score });
        fill(ps, 3);
        heed_tensor *keys = gradient_by(t, &m, true, false);
        heed_tensor *values = gradient_by(t, &m, false, true);
        heed_tensor *both = gradient_by(t, &m, true, true);
        near("sum", both, heed_add(t, keys, values), 1e-13);
        ck_assert_double_gt(length_of(keys), 1e-2);
        ck_assert_double_gt(length_of(values), 1e-2);
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

/* ---- one score in two forms ---- */

/* tanh(W [s; h]) is tanh(W_s s + W_h h) with W = [W_s W_h]. */
START_TEST(concat_is_additive)
{
    enum { A = 4 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = tape64();
    heed_align additive, concat;
    heed_align_init(&additive, ps, "additive", D, D,
                    (heed_align_options){ .score = HEED_ALIGN_ADDITIVE, .hidden = A });
    heed_align_init(&concat, ps, "concat", D, D,
                    (heed_align_options){ .score = HEED_ALIGN_CONCAT, .hidden = A });
    fill(ps, 4);
    double *w = concat.concat.weight->data, *v = concat.energy.weight->data;
    const double *ws = additive.query.weight->data, *wh = additive.key.weight->data;
    for (int i = 0; i < A; i++) {
        for (int j = 0; j < D; j++) {
            w[i * 2 * D + j] = ws[i * D + j];
            w[i * 2 * D + D + j] = wh[i * D + j];
        }
        v[i] = ((const double *)additive.energy.weight->data)[i];
    }
    heed_tensor *query = drawn(t, HEED_SHAPE(B, D), 1),
                *keys = drawn(t, HEED_SHAPE(B, S, D), 2);
    heed_aligned a = heed_align_forward(t, &additive, query, keys, NULL, NULL);
    heed_aligned b = heed_align_forward(t, &concat, query, keys, NULL, NULL);
    near("weights", a.weights, b.weights, 1e-15);
    near("context", a.context, b.context, 1e-14);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- before the step or after it ---- */

static heed_seq2seq m;
static const int32_t source_ids[5] = { 1, 2, 3, 4, 5 };

static heed_params *make(heed_reading reading)
{
    heed_random r = { .seed = 5 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_seq2seq_init(&m, ps, "m",
                      (heed_seq2seq_options){ .source_vocabulary = 7,
                                              .target_vocabulary = 7,
                                              .embedding = 4,
                                              .hidden = 6,
                                              .kind = HEED_GRU,
                                              .align = { .score = HEED_ALIGN_ADDITIVE },
                                              .reading = reading,
                                              .random = &r });
    fill(ps, 6);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    return ps;
}

/* With s_(t-1) as the query, the word given at step t has no say in where step t looks; with
 * s_t it has. */
START_TEST(the_query_is_before_or_after)
{
    for (int after = 0; after < 2; after++) {
        heed_params *ps = make(after ? HEED_READ_AFTER : HEED_READ_BEFORE);
        heed_tape *t = tape64();
        heed_seq2seq_source source =
            heed_seq2seq_encode(t, &m, heed_ids(t, HEED_SHAPE(1, 5), source_ids), NULL);
        heed_seq2seq_state one = heed_seq2seq_begin(t, &m, &source), other;
        heed_seq2seq_step(t, &m, &source, &one, heed_ids(t, HEED_SHAPE(1), source_ids));
        other = one;
        heed_seq2seq_step(t, &m, &source, &one, heed_ids(t, HEED_SHAPE(1), source_ids + 1));
        heed_seq2seq_step(t, &m, &source, &other, heed_ids(t, HEED_SHAPE(1), source_ids + 2));
        ck_assert(same_bits(one.weights, other.weights) == !after);
        ck_assert(!same_bits(one.layer[0].h, other.layer[0].h));
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

/* ---- running freely ---- */

/* Greedy decoding by hand, step `wrong` (if any) being given another word than its own. */
static void decode(heed_tape *t, int steps, int wrong, heed_tensor *logits[])
{
    heed_seq2seq_source source =
        heed_seq2seq_encode(t, &m, heed_ids(t, HEED_SHAPE(1, 5), source_ids), NULL);
    heed_seq2seq_state state = heed_seq2seq_begin(t, &m, &source);
    int32_t word = 0;
    for (int i = 0; i < steps; i++) {
        if (i == wrong)
            word = (word + 1) % 7;
        logits[i] =
            heed_seq2seq_step(t, &m, &source, &state, heed_ids(t, HEED_SHAPE(1), &word));
        word = (int32_t)heed_at(heed_argmax(t, logits[i], -1, false), 0);
    }
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
}

/* Its own words come back to it: from a wrong one on everything is another, before it nothing.
 * With the teacher the next word is the right one again whatever was said. */
START_TEST(errors_spread)
{
    enum { STEPS = 6, WRONG = 2 };
    heed_params *ps = make(HEED_READ_AFTER);
    heed_tape *t = tape64();
    heed_tensor *right[STEPS], *spoilt[STEPS];
    decode(t, STEPS, -1, right);
    decode(t, STEPS, WRONG, spoilt);
    for (int i = 0; i < STEPS; i++)
        ck_assert(same_bits(right[i], spoilt[i]) == (i < WRONG));

    /* The same by heed_seq2seq_forward: its free run is that decoding, and it does not look at
     * the words it is given, beyond the first. */
    heed_seq2seq_source source =
        heed_seq2seq_encode(t, &m, heed_ids(t, HEED_SHAPE(1, 5), source_ids), NULL);
    const int32_t given[STEPS] = { 0, 5, 5, 5, 5, 5 };
    heed_tensor *inputs = heed_ids(t, HEED_SHAPE(1, STEPS), given);
    heed_tensor *whole = heed_seq2seq_forward(t, &m, &source, inputs, 0).logits;
    for (int i = 0; i < STEPS; i++)
        near("free", heed_select(t, whole, 1, i), right[i], 1e-12);
    /* Forced, what it says does not matter: a step sees the given words only. */
    heed_seq2seq_state state = heed_seq2seq_begin(t, &m, &source);
    whole = heed_seq2seq_forward(t, &m, &source, inputs, 1).logits;
    for (int i = 0; i < STEPS; i++) {
        heed_tensor *word = heed_ids(t, HEED_SHAPE(1), given + i);
        heed_tensor *step = heed_seq2seq_step(t, &m, &source, &state, word);
        near("forced", heed_select(t, whole, 1, i), step, 1e-12);
    }
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- halves ---- */

/* A bidirectional encoder whose two directions have the same weights: reading the sentence from
 * its end swaps the halves of every annotation, bit for bit. */
START_TEST(reversal_swaps_the_halves)
{
    enum { HIDDEN = 4, STEPS = 5 };
    static heed_recurrent encoder;
    const heed_recurrent_kind kinds[] = { HEED_RNN_TANH, HEED_GRU, HEED_LSTM };
    for (int k = 0; k < LENGTH(kinds); k++) {
        heed_params *ps = heed_params_new(HEED_F64, NULL);
        heed_tape *t = tape64();
        heed_random r = { .seed = 2 };
        heed_recurrent_init(&encoder, ps, "m", D,
                            (heed_recurrent_options){ .kind = kinds[k],
                                                      .hidden = HIDDEN,
                                                      .layers = 1,
                                                      .bidirectional = true,
                                                      .bias = true,
                                                      .random = &r });
        const heed_recurrent_cell *to = &encoder.cells[0][1], *from = &encoder.cells[0][0];
        heed_parameter *const pairs[4][2] = { { to->weight_ih, from->weight_ih },
                                              { to->weight_hh, from->weight_hh },
                                              { to->bias_ih, from->bias_ih },
                                              { to->bias_hh, from->bias_hh } };
        for (int i = 0; i < 4; i++)
            memcpy(pairs[i][0]->data, pairs[i][1]->data,
                   (size_t)pairs[i][0]->size * sizeof(double));
        heed_tensor *x = drawn(t, HEED_SHAPE(1, STEPS, D), 3);
        heed_tensor *y = heed_recurrent_forward(t, &encoder, x, NULL, NULL).output;
        ck_assert_int_eq(y->shape[2], 2 * HIDDEN);
        heed_tensor *mirrored = heed_flip(t, x, 1, (const int[]){ 1 });
        heed_tensor *z = heed_recurrent_forward(t, &encoder, mirrored, NULL, NULL).output;
        heed_tensor *back = heed_flip(t, z, 1, (const int[]){ 1 });
        heed_tensor *left = heed_slice(t, back, 2, 0, HIDDEN, 1);
        heed_tensor *right = heed_slice(t, back, 2, HIDDEN, 2 * HIDDEN, 1);
        ck_assert(same_bits(heed_slice(t, y, 2, 0, HIDDEN, 1), right));
        ck_assert(same_bits(heed_slice(t, y, 2, HIDDEN, 2 * HIDDEN, 1), left));
        ck_assert(!same_bits(left, right));
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("align_paths");
    TCase *tests = tcase_create("align_paths");
    tcase_add_test(tests, both_paths_add_up);
    tcase_add_test(tests, concat_is_additive);
    tcase_add_test(tests, the_query_is_before_or_after);
    tcase_add_test(tests, errors_spread);
    tcase_add_test(tests, reversal_swaps_the_halves);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
