/* Recurrent sequence to sequence: one step at a time and all at once, what may depend on what,
 * withdrawing the teacher, learning, and searching. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <heed/optim.h>
#include <heed/seq2seq.h>

enum { B = 3, S = 5, T = 4, V = 7, HIDDEN = 6 };

static heed_tape *t;
static heed_params *ps;
static heed_random draws;
static heed_seq2seq m;

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

static const heed_seq2seq_options kinds[] = {
    { .kind = HEED_RNN_TANH, .context = HEED_CONTEXT_START },
    { .kind = HEED_GRU, .context = HEED_CONTEXT_FED, .layers = 2, .bidirectional = true },
    { .kind = HEED_LSTM, .context = HEED_CONTEXT_START, .reverse = true },
    { .kind = HEED_GRU, .align = { .score = HEED_ALIGN_DOT }, .bidirectional = true },
    { .kind = HEED_LSTM, .align = { .score = HEED_ALIGN_GENERAL }, .layers = 2 },
    { .kind = HEED_GRU, .align = { .score = HEED_ALIGN_CONCAT }, .input_feeding = true },
    { .kind = HEED_GRU,
      .align = { .score = HEED_ALIGN_ADDITIVE },
      .reading = HEED_READ_BEFORE,
      .bidirectional = true },
    { .kind = HEED_GRU,
      .align = { .score = HEED_ALIGN_ADDITIVE, .coverage = true },
      .reading = HEED_READ_BEFORE },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void make(heed_seq2seq_options o)
{
    o.source_vocabulary = o.target_vocabulary = V;
    o.embedding = 4;
    o.hidden = HIDDEN;
    o.random = &draws;
    heed_seq2seq_init(&m, ps, "model", o);
    ck_assert_msg(!heed_params_error(ps), "%s", heed_params_error(ps));
}

static const int32_t source_ids[B * S] = { 1, 2, 3, 4, 5, 6, 5, 4, 0, 0, 2, 3, 0, 0, 0 };
static const int32_t target_ids[B * T] = { 3, 4, 5, 6, 1, 2, 2, 1, 6, 6, 5, 4 };
static const int32_t lengths[B] = { 5, 3, 2 };

static heed_seq2seq_source encode(void)
{
    heed_seq2seq_source s =
        heed_seq2seq_encode(t, &m, heed_ids(t, HEED_SHAPE(B, S), source_ids), lengths);
    ck_assert_msg(!heed_error(t), "%s", heed_error(t));
    return s;
}

static heed_tensor *inputs(void)
{
    return heed_shift_right(t, heed_ids(t, HEED_SHAPE(B, T), target_ids), 0);
}

static void expect_equal(const heed_tensor *a, const heed_tensor *b, double tolerance)
{
    ck_assert_msg(a && b, "%s", heed_error(t));
    ck_assert_int_eq(heed_size(a), heed_size(b));
    for (int64_t i = 0; i < heed_size(a); i++)
        ck_assert_msg(fabs(heed_at(a, i) - heed_at(b, i)) <= tolerance, "%d: %.17g, %.17g",
                      (int)i, heed_at(a, i), heed_at(b, i));
}

START_TEST(steps_equal_the_whole)
{
    make(kinds[_i]);
    heed_seq2seq_source source = encode();
    heed_tensor *given = inputs();
    heed_seq2seq_result whole = heed_seq2seq_forward(t, &m, &source, given, 1);
    heed_seq2seq_state state = heed_seq2seq_begin(t, &m, &source);
    for (int i = 0; i < T; i++) {
        heed_tensor *logits =
            heed_seq2seq_step(t, &m, &source, &state, heed_select(t, given, 1, i));
        expect_equal(logits, heed_select(t, whole.logits, 1, i), 1e-12);
        ck_assert_int_eq(whole.weights != NULL, kinds[_i].context == HEED_CONTEXT_ATTENTION);
        if (whole.weights) {
            heed_tensor *weights = heed_select(t, whole.weights, 1, i);
            expect_equal(state.weights, weights, 1e-12);
            for (int b = 0; b < B; b++) {
                double sum = 0;
                for (int j = 0; j < S; j++) {
                    sum += heed_at(weights, b * S + j);
                    ck_assert(j < lengths[b] || heed_at(weights, b * S + j) == 0);
                }
                ck_assert(fabs(sum - 1) < 1e-12);
            }
        }
    }
}
END_TEST

/* Each sentence of the batch as if it were alone. */
START_TEST(a_batch_is_its_sentences)
{
    make(kinds[_i]);
    heed_seq2seq_source source = encode();
    heed_tensor *given = inputs();
    heed_seq2seq_result all = heed_seq2seq_forward(t, &m, &source, given, 0);
    for (int b = 0; b < B; b++) {
        heed_tensor *ids = heed_ids(t, HEED_SHAPE(1, lengths[b]), source_ids + b * S);
        heed_seq2seq_source one = heed_seq2seq_encode(t, &m, ids, NULL);
        heed_seq2seq_result alone =
            heed_seq2seq_forward(t, &m, &one, heed_slice(t, given, 0, b, b + 1, 1), 0);
        expect_equal(alone.logits, heed_slice(t, all.logits, 0, b, b + 1, 1), 1e-12);
    }
}
END_TEST

static heed_tensor *logits_of(heed_tape *tape, heed_tensor *const x[], void *user)
{
    heed_seq2seq_source source = heed_seq2seq_encode(tape, &m, x[0], lengths);
    (void)user;
    return heed_seq2seq_forward(tape, &m, &source, x[1], 1).logits;
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

/* A fixed context is the last state and nothing else: no gradient reaches the states of single
 * positions by it. Attention reaches each that is no padding. */
START_TEST(the_bottleneck)
{
    make(kinds[_i]);
    heed_seq2seq_source source = encode();
    heed_watch(t, source.states);
    heed_seq2seq_source read = source;
    bool attends = kinds[_i].context == HEED_CONTEXT_ATTENTION;
    if (attends) { /* the memory once more, of the watched states */
        heed_tensor *mask = heed_padding_mask(t, B, S, lengths);
        read.memory = heed_align_prepare(t, &m.align, source.states, NULL, mask);
    }
    heed_tensor *logits = heed_seq2seq_forward(t, &m, &read, inputs(), 1).logits;
    ck_assert_msg(heed_backward(t, heed_sum(t, heed_square(t, logits))), "%s", heed_error(t));
    const heed_tensor *g = heed_gradient(t, source.states);
    ck_assert_int_eq(g != NULL, attends);
    for (int b = 0; b < B && attends; b++) {
        for (int j = 0; j < S; j++) {
            double size = 0;
            for (int k = 0; k < HIDDEN; k++)
                size += fabs(heed_at(g, (b * S + j) * HIDDEN + k));
            ck_assert_int_eq(size > 0, j < lengths[b]);
        }
    }
}
END_TEST

/* With the teacher the inputs count; without, only the first does. */
START_TEST(forcing)
{
    int32_t other[B * T];
    make(kinds[6]);
    heed_seq2seq_source source = encode();
    memcpy(other, target_ids, sizeof other);
    for (int b = 0; b < B; b++)
        other[b * T] = (other[b * T] + 1) % V;
    heed_tensor *changed = heed_shift_right(t, heed_ids(t, HEED_SHAPE(B, T), other), 0);
    for (int forced = 0; forced < 2; forced++) {
        heed_tensor *a = heed_seq2seq_forward(t, &m, &source, inputs(), forced).logits;
        heed_tensor *b = heed_seq2seq_forward(t, &m, &source, changed, forced).logits;
        double apart = 0;
        for (int64_t i = 0; i < heed_size(a); i++)
            apart += fabs(heed_at(a, i) - heed_at(b, i));
        ck_assert_int_eq(apart > 1e-6, forced);
    }
    /* Between: some steps differ from either. */
    heed_tensor *half = heed_seq2seq_forward(t, &m, &source, inputs(), 0.5).logits;
    heed_tensor *again = heed_seq2seq_forward(t, &m, &source, inputs(), 0.5).logits;
    ck_assert_ptr_nonnull(half);
    double apart = 0;
    for (int64_t i = 0; i < heed_size(half); i++)
        apart += fabs(heed_at(half, i) - heed_at(again, i));
    ck_assert(apart > 0); /* other draws */
}
END_TEST

START_TEST(schedules)
{
    heed_forcing f = { .kind = HEED_FORCING_CONSTANT, .first = 0.7 };
    ck_assert_double_eq(heed_forcing_rate(&f, 99, NAN), 0.7);
    f = (heed_forcing){ .kind = HEED_FORCING_NEVER };
    ck_assert_double_eq(heed_forcing_rate(&f, 0, NAN), 0);
    f.least = 0.25; /* no schedule gives less */
    ck_assert_double_eq(heed_forcing_rate(&f, 0, NAN), 0.25);
    f = (heed_forcing){ .kind = HEED_FORCING_LINEAR, .least = 0.2, .steps = 100 };
    ck_assert_double_eq(heed_forcing_rate(&f, 0, NAN), 1);
    ck_assert(fabs(heed_forcing_rate(&f, 50, NAN) - 0.6) < 1e-15);
    ck_assert_double_eq(heed_forcing_rate(&f, 1000, NAN), 0.2);
    f = (heed_forcing){ .kind = HEED_FORCING_EXPONENTIAL, .k = 0.25, .steps = 100 };
    ck_assert(fabs(heed_forcing_rate(&f, 50, NAN) - 0.5) < 1e-15);
    ck_assert(fabs(heed_forcing_rate(&f, 100, NAN) - 0.25) < 1e-15);
    f.least = 0.3;
    ck_assert_double_eq(heed_forcing_rate(&f, 100, NAN), 0.3);
    f = (heed_forcing){ .kind = HEED_FORCING_INVERSE_SIGMOID, .k = 20, .steps = 100 };
    ck_assert_double_eq(heed_forcing_rate(&f, 0, NAN), 1);
    ck_assert(fabs(heed_forcing_rate(&f, 30, NAN) - 21 / (20 + exp(3))) < 1e-15);
    f = (heed_forcing){ .kind = HEED_FORCING_METRIC, .least = 0.1, .threshold = 0.9 };
    ck_assert_double_eq(heed_forcing_rate(&f, 1, NAN), 1);
    ck_assert_double_eq(heed_forcing_rate(&f, 2, 0.8), 1);
    ck_assert_double_eq(heed_forcing_rate(&f, 3, 0.9), 0.1);
    ck_assert_double_eq(heed_forcing_rate(&f, 4, 0.5), 0.1); /* once is enough */
}
END_TEST

/* ---- learning ---- */

enum { START = 0, END = 1, DIGITS = 5, LONG = 5, BATCH = 32, PAD = -1 };

/* Digits (2 and up) in, the same backwards and END out. */
static void draw(int32_t *source, int32_t *target, int32_t *sizes)
{
    for (int b = 0; b < BATCH; b++) {
        int n = 2 + (int)heed_random_below(&draws, LONG - 1);
        sizes[b] = n;
        for (int i = 0; i <= LONG; i++)
            target[b * (LONG + 1) + i] = PAD;
        for (int i = 0; i < LONG; i++)
            source[b * LONG + i] = i < n ? 2 + (int32_t)heed_random_below(&draws, DIGITS) : 0;
        for (int i = 0; i < n; i++)
            target[b * (LONG + 1) + i] = source[b * LONG + n - 1 - i];
        target[b * (LONG + 1) + n] = END;
    }
}

static int right_of(const heed_decoded *d, const int32_t *target, const int32_t *sizes)
{
    int right = 0;
    for (int b = 0; b < BATCH; b++) {
        heed_hypothesis h = heed_decoded_at(d, b, 0);
        right += h.length == sizes[b] + 1 &&
                 memcmp(h.ids, target + b * (LONG + 1), (size_t)h.length * sizeof *h.ids) == 0;
    }
    return right;
}

/* The loss of a batch is the mean over the words of its sentences, END among them: what stands
 * after an END has no part in it, nor a gradient. */
START_TEST(padding_does_not_count)
{
    static const int32_t words[B * T] = { 3, 4, 5, END, 2, END, PAD, PAD, END, PAD, PAD, PAD };
    static const int32_t counts[B] = { 4, 2, 1 };
    const heed_cross_entropy_options ignoring = { .ignore = true, .ignore_index = PAD };
    make(kinds[3]);
    heed_seq2seq_source source = encode();
    heed_tensor *logits = heed_seq2seq_forward(t, &m, &source, inputs(), 1).logits, *g = NULL;
    heed_tensor *labels = heed_ids(t, HEED_SHAPE(B, T), words);
    heed_tensor *loss = heed_cross_entropy(t, logits, labels, &ignoring);
    ck_assert_msg(heed_grad(t, loss, NULL, 1, &logits, &g), "%s", heed_error(t));
    double sum = 0;
    for (int b = 0; b < B; b++) {
        heed_tensor *own = heed_slice(t, heed_select(t, logits, 0, b), 0, 0, counts[b], 1);
        heed_tensor *ids = heed_ids(t, HEED_SHAPE(counts[b]), words + b * T);
        sum += counts[b] * heed_item(t, heed_cross_entropy(t, own, ids, NULL));
        for (int i = 0; i < T * V; i++)
            ck_assert_int_eq(heed_at(g, b * T * V + i) != 0, i < counts[b] * V);
    }
    ck_assert_double_eq_tol(heed_item(t, loss), sum / (4 + 2 + 1), 1e-14);
}
END_TEST

/* Drawn keys: with their log-probabilities the scores learn, all steps at once and one by one. */
START_TEST(reinforced)
{
    make((heed_seq2seq_options){
        .kind = HEED_GRU,
        .align = { .score = HEED_ALIGN_GENERAL, .choice = HEED_ALIGN_REINFORCE },
        .input_feeding = _i });
    heed_seq2seq_source source = encode();
    ck_assert_ptr_null(heed_seq2seq_forward(t, &m, &source, inputs(), 1).log_probability);
    heed_set_training(t, true);
    heed_seq2seq_result r = heed_seq2seq_forward(t, &m, &source, inputs(), 1);
    ck_assert_msg(r.log_probability != NULL, "%s", heed_error(t));
    ck_assert_int_eq(r.log_probability->shape[0], B);
    ck_assert_int_eq(r.log_probability->shape[1], T);
    heed_cross_entropy_options apart = { .reduction = HEED_NONE };
    heed_tensor *labels = heed_ids(t, HEED_SHAPE(B, T), target_ids);
    heed_tensor *cost = heed_cross_entropy(t, r.logits, labels, &apart);
    heed_tensor *loss =
        heed_add(t, cost, heed_align_reinforce(t, r.log_probability, cost, NULL));
    ck_assert_msg(heed_backward(t, heed_mean(t, loss)), "%s", heed_error(t));
    const heed_parameter *w = heed_params_find(ps, "model.align.general.weight");
    const double *g = heed_gradients_of(heed_params_gradients(ps), w);
    double sum = 0;
    for (int64_t i = 0; g && i < w->size; i++)
        sum += fabs(g[i]);
    ck_assert_double_gt(sum, 0);
    heed_set_training(t, false);
}
END_TEST

START_TEST(learns)
{
    int32_t source[BATCH * LONG], target[BATCH * (LONG + 1)], fed[BATCH * (LONG + 1)],
        sizes[BATCH];
    heed_params *single = heed_params_new(HEED_F32, NULL);
    heed_tape *tape = heed_tape_new(NULL);
    heed_seq2seq_options o = kinds[_i ? 3 : 6];
    o.source_vocabulary = o.target_vocabulary = 2 + DIGITS;
    o.embedding = 16;
    o.hidden = 32;
    o.random = &draws;
    heed_seq2seq_init(&m, single, "model", o);
    heed_optimizer *adam = heed_adam_new(single, (heed_adam_options){ .lr = 0.01 });
    heed_cross_entropy_options ignoring = { .ignore = true, .ignore_index = PAD };
    for (int step = 0; step < 250; step++) {
        draw(source, target, sizes);
        for (int i = 0; i < BATCH * (LONG + 1); i++)
            fed[i] = target[i] == PAD ? END : target[i];
        heed_tape_reset(tape);
        heed_tensor *ids = heed_ids(tape, HEED_SHAPE(BATCH, LONG), source);
        heed_seq2seq_source read = heed_seq2seq_encode(tape, &m, ids, sizes);
        heed_tensor *given =
            heed_shift_right(tape, heed_ids(tape, HEED_SHAPE(BATCH, LONG + 1), fed), START);
        heed_tensor *logits = heed_seq2seq_forward(tape, &m, &read, given, 1).logits;
        heed_tensor *labels = heed_ids(tape, HEED_SHAPE(BATCH, LONG + 1), target);
        heed_tensor *loss = heed_cross_entropy(tape, logits, labels, &ignoring);
        ck_assert_msg(heed_backward(tape, loss), "%s", heed_error(tape));
        heed_clip_norm(heed_params_gradients(single), 1);
        ck_assert(heed_optimizer_step(adam, heed_params_gradients(single)));
    }
    draw(source, target, sizes);
    heed_tape_reset(tape);
    heed_set_recording(tape, false);
    heed_tensor *ids = heed_ids(tape, HEED_SHAPE(BATCH, LONG), source);
    heed_seq2seq_source read = heed_seq2seq_encode(tape, &m, ids, sizes);
    heed_seq2seq_search search;
    double greedy[BATCH];
    for (int beam = 1; beam <= 4; beam += 3) {
        heed_decoder decoder = heed_seq2seq_decoder(tape, &m, &read, beam, &search);
        heed_decoded *d =
            heed_decode(tape, &decoder, BATCH,
                        (heed_decode_options){
                            .start = START, .end = END, .longest = LONG + 3, .beam = beam });
        ck_assert_msg(d != NULL, "%s", heed_error(tape));
        int right = right_of(d, target, sizes);
        ck_assert_msg(right >= BATCH - 1, "beam %d: %d of %d", beam, right, BATCH);
        for (int b = 0; b < BATCH; b++) { /* a wider beam finds nothing less likely */
            double p = heed_decoded_at(d, b, 0).log_probability;
            ck_assert(beam == 1 || p >= greedy[b] - 1e-5);
            greedy[b] = p;
        }
        heed_decoded_free(d);
    }
    heed_optimizer_free(adam);
    heed_tape_free(tape);
    heed_params_free(single);
}
END_TEST

static void forced_refused(heed_tensor *given, heed_tensor *logits, double p,
                           const char *sentence)
{
    ck_assert_ptr_null(heed_forced_ids(t, given, logits, p));
    ck_assert_ptr_nonnull(heed_error(t));
    ck_assert_str_eq(heed_error(t), sentence);
    heed_tape_reset(t);
}

static heed_tensor *two_ids(void)
{
    return heed_ids(t, HEED_SHAPE(2), (const int32_t[]){ 4, 5 });
}

START_TEST(forced_ids)
{
    const double p[] = { 0, 0.5, 1 };
    const char *shapes = "forced_ids: needs ids [B] and logits [B, V]";
    for (int i = 0; i < 3; i++) {
        forced_refused(NULL, heed_full(t, HEED_SHAPE(2, V), 0), p[i],
                       "forced_ids: the given ids are NULL");
        forced_refused(two_ids(), NULL, p[i], "forced_ids: the logits are NULL");
        heed_tensor *logits = heed_full(t, HEED_SHAPE(3, V), 0);
        forced_refused(two_ids(), logits, p[i], shapes);
        logits = heed_full(t, HEED_SHAPE(2), 0);
        forced_refused(two_ids(), logits, p[i], shapes);
        logits = heed_full(t, HEED_SHAPE(2, V), 0);
        forced_refused(heed_full(t, HEED_SHAPE(2), 0), logits, p[i],
                       "forced_ids: the given ids are f64 but must be i32");
    }
    heed_tensor *logits = heed_full(t, HEED_SHAPE(2, V), 0);
    forced_refused(two_ids(), logits, -1, "forced_ids: the probability -1 is not in [0, 1]");
    logits = heed_full(t, HEED_SHAPE(2, V), 0);
    forced_refused(two_ids(), logits, 1.5, "forced_ids: the probability 1.5 is not in [0, 1]");
    logits = heed_full(t, HEED_SHAPE(2, V), 0);
    ck_assert_ptr_null(heed_forced_ids(t, two_ids(), logits, NAN));
    heed_tape_reset(t);
    logits = heed_full(t, HEED_SHAPE(2, V), 0);
    heed_tensor *given = two_ids();
    ck_assert_double_eq(heed_at(heed_forced_ids(t, given, logits, 1), 1), 5);
    ck_assert_double_eq(heed_at(heed_forced_ids(t, given, logits, 0), 1), 0);
    ck_assert_ptr_null(heed_forced_ids(NULL, NULL, NULL, 1));
}
END_TEST

START_TEST(unsound_schedules)
{
    const double first[][2] = { { NAN, 1 }, { -3, 1 }, { 0, 1 }, { 7, 1 }, { 0.5, 0.5 } };
    const double least[][2] = { { NAN, 0 }, { -3, 0 }, { 7, 1 }, { 0.25, 0.25 } };
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 4; k++) {
            double from = first[i][1], to = least[k][1];
            double high = from > to ? from : to;
            heed_forcing f = { .first = first[i][0], .least = least[k][0], .steps = 10 };
            ck_assert_double_eq(heed_forcing_rate(&f, 3, NAN), high);
            f.kind = HEED_FORCING_NEVER;
            ck_assert_double_eq(heed_forcing_rate(&f, 3, NAN), to);
            f.kind = (heed_forcing_kind)99;
            ck_assert_double_eq(heed_forcing_rate(&f, 3, NAN), high);
            f.kind = HEED_FORCING_LINEAR;
            ck_assert_double_eq(heed_forcing_rate(&f, 0, NAN), high);
            ck_assert_double_eq(heed_forcing_rate(&f, INT64_MAX, NAN), to);
            f.kind = HEED_FORCING_METRIC;
            f.threshold = 1;
            ck_assert_double_eq(heed_forcing_rate(&f, 0, 0), high);
            ck_assert_double_eq(heed_forcing_rate(&f, 0, 1), to);
        }
    }
    ck_assert_double_eq(heed_forcing_rate(NULL, 1, NAN), 0);
}
END_TEST

/* ---- refusals ---- */

START_TEST(refused)
{
    struct {
        const char *sentence;
        heed_seq2seq_options options;
    } unsound[] = {
        { "both vocabularies", { .embedding = 2, .hidden = 2 } },
        { "widths must be positive", { .source_vocabulary = 1, .target_vocabulary = 1 } },
        { "is odd",
          { .source_vocabulary = 1,
            .target_vocabulary = 1,
            .embedding = 2,
            .hidden = 3,
            .bidirectional = true } },
        { "input feeding",
          { .source_vocabulary = 1,
            .target_vocabulary = 1,
            .embedding = 2,
            .hidden = 2,
            .context = HEED_CONTEXT_FED,
            .input_feeding = true } },
        { "dropout",
          { .source_vocabulary = 1,
            .target_vocabulary = 1,
            .embedding = 2,
            .hidden = 2,
            .dropout = 1 } },
        { "no such context",
          { .source_vocabulary = 1,
            .target_vocabulary = 1,
            .embedding = 2,
            .hidden = 2,
            .context = (heed_context)9 } },
    };
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++) {
        heed_params_clear_error(ps);
        heed_seq2seq_init(&m, ps, "bad", unsound[i].options);
        ck_assert_ptr_nonnull(heed_params_error(ps));
        ck_assert_msg(strstr(heed_params_error(ps), unsound[i].sentence) != NULL, "%s",
                      heed_params_error(ps));
    }
    heed_params_clear_error(ps);
    make(kinds[3]);
    const int32_t beyond[B] = { 5, 6, 1 };
    heed_seq2seq_encode(t, &m, heed_ids(t, HEED_SHAPE(B, S), source_ids), beyond);
    ck_assert_ptr_nonnull(strstr(heed_error(t), "length 6 of sentence 1 is outside 1 .. 5"));
    heed_tape_reset(t);
    heed_seq2seq_source source = encode();
    heed_seq2seq_forward(t, &m, &source, inputs(), 1.5);
    ck_assert_ptr_nonnull(strstr(heed_error(t), "forcing 1.5 is not in [0, 1]"));
    heed_tape_reset(t);
    source = encode();
    heed_seq2seq_forward(t, &m, &source, heed_slice(t, inputs(), 0, 0, 2, 1), 1);
    ck_assert_ptr_nonnull(strstr(heed_error(t), "2 sentences"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("seq2seq");
    TCase *tests = tcase_create("seq2seq");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, steps_equal_the_whole, 0, KINDS);
    tcase_add_loop_test(tests, a_batch_is_its_sentences, 0, KINDS);
    tcase_add_loop_test(tests, nothing_leaks, 0, KINDS);
    tcase_add_loop_test(tests, the_bottleneck, 0, KINDS);
    tcase_add_test(tests, forcing);
    tcase_add_test(tests, schedules);
    tcase_add_test(tests, forced_ids);
    tcase_add_test(tests, unsound_schedules);
    tcase_add_test(tests, padding_does_not_count);
    tcase_add_loop_test(tests, reinforced, 0, 2);
    tcase_add_loop_test(tests, learns, 0, 2);
    tcase_add_test(tests, refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
