/* Decoding: draws from logits, and beam search against the enumeration of all sequences. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <heed/decode.h>

static heed_tape *t;

static void setup(void)
{
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ck_assert_ptr_nonnull(t);
}

static void teardown(void)
{
    heed_tape_free(t);
}

/* ---- sampling ---- */

/* Probabilities .5 .3 .15 .05, in another order. */
static heed_tensor *four(void)
{
    return heed_constant(t, HEED_SHAPE(2, 4),
                         (const double[]){ 0, 0, 0, 0, log(.15), log(.5), log(.05), log(.3) });
}

static void shares(heed_sampling_options o, double share[4])
{
    enum { DRAWS = 20000 };
    o.random.seed = 3;
    heed_sampler *s = heed_sampler_new(4, o, NULL);
    ck_assert_ptr_nonnull(s);
    for (int i = 0; i < 4; i++)
        share[i] = 0;
    for (int i = 0; i < DRAWS; i++)
        share[heed_sampler_choose(s, four(), 1)] += 1. / DRAWS;
    ck_assert_uint_eq(heed_sampler_random(s)->count, o.temperature > 0 ? DRAWS : 0);
    heed_sampler_free(s);
}

static void expect_shares(heed_sampling_options o, double a, double b, double c, double d)
{
    const double expected[4] = { a, b, c, d };
    double share[4];
    shares(o, share);
    for (int i = 0; i < 4; i++) /* four standard errors */
        ck_assert_msg(fabs(share[i] - expected[i]) <= 4 * sqrt(.25 / 20000), "%d: %g, not %g",
                      i, share[i], expected[i]);
}

START_TEST(draws)
{
    expect_shares((heed_sampling_options){ .temperature = 1 }, .15, .5, .05, .3);
    expect_shares((heed_sampling_options){ 0 }, 0, 1, 0, 0);
    expect_shares((heed_sampling_options){ .temperature = 1, .top_k = 2 }, 0, .625, 0, .375);
    expect_shares((heed_sampling_options){ .temperature = 1, .top_p = .6 }, 0, .625, 0, .375);
    expect_shares((heed_sampling_options){ .temperature = 1, .top_p = .5 }, 0, 1, 0, 0);
    expect_shares((heed_sampling_options){ .temperature = 1, .top_p = 1 }, .15, .5, .05, .3);
    expect_shares((heed_sampling_options){ .temperature = 1, .min_p = .25 }, .15 / .95,
                  .5 / .95, 0, .3 / .95);
    expect_shares((heed_sampling_options){ .temperature = 1, .min_p = 1 }, 0, 1, 0, 0);
    double sum =
        .15 * .15 + .25 + .0025 + .09; /* at temperature 1/2 probabilities are squared */
    expect_shares((heed_sampling_options){ .temperature = .5 }, .0225 / sum, .25 / sum,
                  .0025 / sum, .09 / sum);
    expect_shares((heed_sampling_options){ .temperature = 1, .top_k = 3, .top_p = .8 }, 0, .625,
                  0, .375);
}
END_TEST

START_TEST(unsound_sampling)
{
    static const heed_sampling_options unsound[] = {
        { .temperature = -1 }, { .temperature = NAN }, { .temperature = INFINITY },
        { .top_k = -1 },       { .top_p = 1.1 },       { .min_p = -.1 },
    };
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++)
        ck_assert_ptr_null(heed_sampler_new(4, unsound[i], NULL));
    ck_assert_ptr_null(heed_sampler_new(0, (heed_sampling_options){ 0 }, NULL));
    heed_sampler *s = heed_sampler_new(4, (heed_sampling_options){ .temperature = 1 }, NULL);
    heed_tensor *x = heed_constant(t, HEED_SHAPE(4), (const double[]){ 0, NAN, 1, 2 });
    ck_assert_int_eq(heed_sampler_choose(s, x, 0), -1);
    ck_assert_int_eq(heed_sampler_choose(s, four(), 2), -1);
    ck_assert_int_eq(heed_sampler_choose(s, four(), -1), -1);
    ck_assert_int_eq(heed_sampler_choose(s, heed_slice(t, four(), 1, 0, 3, 1), 0), -1);
    x = heed_constant(t, HEED_SHAPE(4), (const double[]){ 0, INFINITY, 1, 2 });
    ck_assert_int_eq(heed_sampler_choose(s, x, 0), 1);
    ck_assert_int_eq(heed_sampler_choose(s, heed_full(t, HEED_SHAPE(4), -INFINITY), 0), -1);
    heed_sampler_free(s);
}
END_TEST

/* ---- search ---- */

enum { V = 4, END = 1, START = 0, LONGEST = 5, MOST = 16 };

/* Logits are a hash of the example and of all tokens so far, which the state remembers: a wrong
 * reordering shows at once. */
typedef struct language {
    int64_t beam;
    uint64_t seen[3 * MOST]; /* by live hypothesis */
    int64_t steps;
} language;

static uint64_t mix(uint64_t a, uint64_t b)
{
    a ^= b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2);
    a *= 0xbf58476d1ce4e5b9u;
    return a ^ a >> 29;
}

static double logit(uint64_t seen, int id)
{
    return 3 * (double)(mix(seen, (uint64_t)id + 99) >> 40) / (1 << 24);
}

static heed_tensor *step(heed_tape *tape, void *user, heed_tensor *last, int64_t position)
{
    language *l = user;
    double logits[3 * MOST * V];
    int64_t n = last->shape[0];
    ck_assert_int_eq(position, l->steps++);
    for (int64_t i = 0; i < n; i++) {
        if (position == 0)
            l->seen[i] = (uint64_t)(i / l->beam) + 1;
        l->seen[i] = mix(l->seen[i], (uint64_t)heed_at(last, i));
        for (int id = 0; id < V; id++)
            logits[i * V + id] = logit(l->seen[i], id);
    }
    return heed_constant(tape, HEED_SHAPE(n, V), logits);
}

static bool reorder(heed_tape *tape, void *user, heed_tensor *from)
{
    language *l = user;
    uint64_t before[3 * MOST];
    (void)tape;
    memcpy(before, l->seen, sizeof before);
    for (int64_t i = 0; i < from->shape[0]; i++)
        l->seen[i] = before[(int64_t)heed_at(from, i)];
    return true;
}

/* The best score of all sequences that go on from here, by enumeration. */
static double enumerate(uint64_t seen, double log_p, int length, double alpha, int32_t *ids,
                        int32_t *best_ids, int *best_length, double best)
{
    double sum = 0;
    for (int id = 0; id < V; id++)
        sum += exp(logit(seen, id));
    for (int id = 0; id < V; id++) {
        double p = log_p + logit(seen, id) - log(sum);
        ids[length] = id;
        if (id == END || length + 1 == LONGEST) {
            double score = p / pow((5. + length + 1) / 6, alpha);
            if (score > best) {
                best = score;
                *best_length = length + 1;
                memcpy(best_ids, ids, (size_t)(length + 1) * sizeof *ids);
            }
        } else {
            best = enumerate(mix(seen, (uint64_t)id), p, length + 1, alpha, ids, best_ids,
                             best_length, best);
        }
    }
    return best;
}

START_TEST(a_wide_beam_finds_the_best)
{
    double alpha = _i ? 1.2 : 0;
    language l = { .beam = MOST };
    heed_decoder decoder = { step, reorder, &l };
    heed_decoded *d = heed_decode(t, &decoder, 3,
                                  (heed_decode_options){ .start = START,
                                                         .end = END,
                                                         .longest = LONGEST,
                                                         .beam = MOST,
                                                         .best = 5,
                                                         .length_penalty = alpha });
    ck_assert_msg(d != NULL, "%s", heed_error(t));
    for (int64_t example = 0; example < 3; example++) {
        int32_t ids[LONGEST], best[LONGEST];
        int length = 0;
        double score = enumerate(mix((uint64_t)example + 1, START), 0, 0, alpha, ids, best,
                                 &length, -INFINITY);
        heed_hypothesis h = heed_decoded_at(d, example, 0);
        ck_assert_int_eq(h.length, length);
        ck_assert_int_eq(memcmp(h.ids, best, (size_t)length * sizeof *best), 0);
        ck_assert(fabs(h.score - score) < 1e-12);
        ck_assert_int_eq(h.ended, best[length - 1] == END);
        for (int r = 1; r < 5; r++) {
            heed_hypothesis next = heed_decoded_at(d, example, r);
            ck_assert(next.length > 0 && next.score <= h.score);
            ck_assert(fabs(next.score -
                           next.log_probability / pow((5. + (double)next.length) / 6, alpha)) <
                      1e-12);
            h = next;
        }
        ck_assert_int_eq(heed_decoded_at(d, example, MOST).length, 0);
    }
    ck_assert_int_eq(heed_decoded_at(d, 3, 0).length, 0);
    heed_decoded_free(d);
}
END_TEST

/* Greedy takes the likeliest token each time; a batch gives what its examples give alone. */
START_TEST(greedy)
{
    language l = { .beam = 1 };
    heed_decoder decoder = { step, NULL, &l };
    heed_decode_options o = { .start = START, .end = END, .longest = LONGEST };
    heed_decoded *d = heed_decode(t, &decoder, 3, o);
    ck_assert_msg(d != NULL, "%s", heed_error(t));
    for (int64_t example = 0; example < 3; example++) {
        uint64_t seen = mix((uint64_t)example + 1, START);
        heed_hypothesis h = heed_decoded_at(d, example, 0);
        for (int64_t k = 0; k < h.length; k++) {
            int best = 0;
            for (int id = 1; id < V; id++)
                best = logit(seen, id) > logit(seen, best) ? id : best;
            ck_assert_int_eq(h.ids[k], best);
            seen = mix(seen, (uint64_t)best);
        }
        ck_assert(h.ended ? h.ids[h.length - 1] == END : h.length == LONGEST);
    }
    heed_decoded_free(d);
}
END_TEST

START_TEST(sampled)
{
    heed_sampler *s = heed_sampler_new(
        V, (heed_sampling_options){ .temperature = 1, .random = { .seed = 5 } }, NULL);
    heed_decode_options o = { .start = START, .end = END, .longest = LONGEST, .sampler = s };
    int different = 0;
    int64_t first = 0;
    for (int round = 0; round < 20; round++) {
        language l = { .beam = 1 };
        heed_decoder decoder = { step, NULL, &l };
        heed_decoded *d = heed_decode(t, &decoder, 1, o);
        ck_assert_msg(d != NULL, "%s", heed_error(t));
        heed_hypothesis h = heed_decoded_at(d, 0, 0);
        ck_assert_int_gt(h.length, 0);
        int64_t code = h.length;
        for (int64_t k = 0; k < h.length; k++)
            code = code * V + h.ids[k];
        first = round ? first : code;
        different += code != first;
        heed_decoded_free(d);
    }
    ck_assert_int_gt(different, 5);
    heed_sampler_free(s);
}
END_TEST

static heed_tensor *odd_step(heed_tape *tape, void *user, heed_tensor *last, int64_t position)
{
    (void)last, (void)position;
    switch (*(int *)user) {
    case 0:
        return heed_full(tape, HEED_SHAPE(2, 3), NAN);
    case 1:
        return heed_full(tape, HEED_SHAPE(3), 0);
    default:
        return NULL;
    }
}

static heed_tensor *constant_step(heed_tape *tape, void *user, heed_tensor *last,
                                  int64_t position)
{
    (void)position;
    return heed_full(tape, HEED_SHAPE(last->shape[0], 4), *(const double *)user);
}

/* Infinite logits are limits: token 1, then 2 or 3 alike; nothing follows 3. */
static heed_tensor *infinite_step(heed_tape *tape, void *user, heed_tensor *last,
                                  int64_t position)
{
    static const double first[4] = { 0, INFINITY, 5, -INFINITY },
                        second[4] = { 9, 1, INFINITY, INFINITY }, third[4] = { 0, -50, 0, 0 };
    double logits[8];
    (void)user;
    for (int i = 0; i < last->shape[0]; i++) {
        bool over = position > 1 && heed_at(last, i) == 3;
        for (int id = 0; id < 4; id++)
            logits[4 * i + id] = over            ? -INFINITY
                                 : position == 0 ? first[id]
                                 : position == 1 ? second[id]
                                                 : third[id];
    }
    return heed_constant(tape, HEED_SHAPE(last->shape[0], 4), logits);
}

static bool keep_order(heed_tape *tape, void *user, heed_tensor *from)
{
    (void)tape, (void)user, (void)from;
    return true;
}

START_TEST(infinite)
{
    heed_decoder d = { infinite_step, keep_order, NULL };
    heed_decode_options o = { .end = -1, .longest = 2, .beam = 2, .best = 2 };
    heed_decoded *found = heed_decode(t, &d, 1, o);
    ck_assert_msg(found != NULL, "%s", heed_error(t));
    for (int rank = 0; rank < 2; rank++) {
        heed_hypothesis h = heed_decoded_at(found, 0, rank);
        ck_assert_int_eq(h.length, 2);
        ck_assert_int_eq(h.ids[0], 1);
        ck_assert_int_eq(h.ids[1], 2 + rank);
        ck_assert_double_eq_tol(h.log_probability, -log(2), 1e-15);
    }
    heed_decoded_free(found);
    o.longest = 3; /* 1 3 has come to its end */
    found = heed_decode(t, &d, 1, o);
    for (int rank = 0; rank < 2; rank++) {
        heed_hypothesis h = heed_decoded_at(found, 0, rank);
        ck_assert_int_eq(h.length, 3);
        ck_assert_int_eq(h.ids[1], 2);
        ck_assert_double_eq_tol(h.log_probability, -log(2) - log(3), 1e-14);
    }
    heed_decoded_free(found);
    /* A sampler of 3 tokens; one that draws; and nothing at all that could follow. */
    o = (heed_decode_options){ .end = -1, .longest = 2 };
    o.sampler = heed_sampler_new(4, (heed_sampling_options){ .temperature = 1 }, NULL);
    found = heed_decode(t, &d, 1, o);
    ck_assert_int_eq(heed_decoded_at(found, 0, 0).ids[0], 1);
    heed_decoded_free(found);
    double nothing = -INFINITY;
    heed_decoder blocked = { constant_step, NULL, &nothing };
    for (int drawn = 0; drawn < 2; drawn++) {
        heed_decode_options how = o;
        how.sampler = drawn ? o.sampler : NULL;
        found = heed_decode(t, &blocked, 2, how);
        ck_assert_msg(found != NULL, "%s", heed_error(t));
        ck_assert_ptr_null(heed_decoded_at(found, 1, 0).ids);
        heed_decoded_free(found);
    }
    heed_sampler_free(o.sampler);
    o.sampler = heed_sampler_new(3, (heed_sampling_options){ .temperature = 1 }, NULL);
    ck_assert_ptr_null(heed_decode(t, &d, 1, o));
    ck_assert_str_eq(heed_error(t), "decode: the sampler is not one of 4 tokens");
    heed_sampler_free(o.sampler);
}
END_TEST

START_TEST(refusals)
{
    int which = 0;
    heed_decoder odd = { odd_step, NULL, &which };
    heed_decode_options good = { .longest = 3 }, o;
    static const char *const sentences[] = { "hold NaN at step 0",
                                             "gave logits [3] but must give [2,V]",
                                             "step 0 gave no logits" };
    for (which = 0; which < 3; which++) {
        heed_tape_reset(t);
        ck_assert_ptr_null(heed_decode(t, &odd, 2, good));
        ck_assert_msg(strstr(heed_error(t), sentences[which]) != NULL, "%s", heed_error(t));
        ck_assert(heed_recording(t));
    }
    struct {
        const char *sentence;
        heed_decode_options options;
    } unsound[] = {
        { "longest length", { .longest = 0 } },
        { "number of results", { .longest = 3, .best = 2 } },
        { "length penalty", { .longest = 3, .length_penalty = -1 } },
        { "can reorder", { .longest = 3, .beam = 2 } },
        { "the beam must be 1 .. 4096", { .longest = 3, .beam = -2 } },
        { "the end must be a token", { .longest = 3, .end = -2 } },
    };
    which = 0;
    heed_tape_reset(t);
    o = (heed_decode_options){ .longest = 3, .end = 3 };
    ck_assert_ptr_null(heed_decode(t, &odd, 2, o));
    ck_assert_str_eq(heed_error(t), "decode: the end 3 is none of 3 tokens");
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++) {
        heed_tape_reset(t);
        o = unsound[i].options;
        ck_assert_ptr_null(heed_decode(t, &odd, 2, o));
        ck_assert_msg(strstr(heed_error(t), unsound[i].sentence) != NULL, "%s", heed_error(t));
    }
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_decode(t, NULL, 2, good));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "there is no decoder"));
}
END_TEST

/* Memory that runs out at each request leaves nothing behind. */
typedef struct ration {
    int calls, fail_at;
    size_t held;
} ration;

static void *rationed(void *context, size_t bytes)
{
    ration *r = context;
    if (++r->calls == r->fail_at)
        return NULL;
    r->held += bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give_back(void *context, void *memory, size_t bytes)
{
    ((ration *)context)->held -= bytes;
    free(memory);
}

START_TEST(memory_runs_out)
{
    int failures = 0;
    for (int n = 1;; n++) {
        ration r = { .fail_at = n };
        heed_allocator allocator = { rationed, give_back, &r };
        language l = { .beam = 2 };
        heed_decoder decoder = { step, reorder, &l };
        heed_tape_reset(t);
        heed_decoded *d = heed_decode(
            t, &decoder, 3,
            (heed_decode_options){
                .end = END, .longest = LONGEST, .beam = 2, .allocator = &allocator });
        bool whole = d != NULL;
        ck_assert(whole || strstr(heed_error(t), "out of memory"));
        heed_decoded_free(d);
        ck_assert_uint_eq(r.held, 0);
        failures += !whole;
        if (whole && r.calls < n)
            break;
    }
    ck_assert_int_eq(failures, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decode");
    TCase *tests = tcase_create("decode");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, draws);
    tcase_add_test(tests, unsound_sampling);
    tcase_add_loop_test(tests, a_wide_beam_finds_the_best, 0, 2);
    tcase_add_test(tests, greedy);
    tcase_add_test(tests, sampled);
    tcase_add_test(tests, infinite);
    tcase_add_test(tests, refusals);
    tcase_add_test(tests, memory_runs_out);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
