/* Tests of translate's table of models: each is what its name says, and what it is made from
 * reaches it. */
#include "models.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))

enum { SOURCES = 11, TARGETS = 7, E = 6, H = 8, WORDS = 5, STEPS = 4 };

static const model_sizes plain = { .source_vocabulary = SOURCES,
                                   .target_vocabulary = TARGETS,
                                   .embedding = E,
                                   .hidden = H,
                                   .layers = 1,
                                   .heads = 2 };

/* ---- how many numbers each has, counted from its papers ---- */

/* Gates of `width`, each from the input, the state before and two biases. */
static int64_t recurrent(int64_t gates, int64_t input, int64_t width)
{
    return gates * width * (input + width + 2);
}

static int64_t linear(int64_t from, int64_t to)
{
    return (from + 1) * to;
}

enum {
    EMBEDDINGS = (SOURCES + TARGETS) * E,
    OUTPUT = (H + 1) * TARGETS,
    COMBINED = (2 * H + 1) * H, /* tanh(W [context, state]) before the output */
};

static int64_t expected(const char *name)
{
    int64_t gates = strcmp(name, "rnn") == 0 ? 1 : strcmp(name, "gru") == 0 ? 3 : 4;
    int64_t start = EMBEDDINGS + 2 * recurrent(gates, E, H) + OUTPUT;
    if (strcmp(name, "luong-dot") == 0)
        return start + COMBINED;
    if (strcmp(name, "luong-general") == 0)
        return start + COMBINED + H * H;
    if (strcmp(name, "luong-concat") == 0)
        return start + COMBINED + 2 * H * H + H;
    if (strcmp(name, "bahdanau") == 0)
        return EMBEDDINGS + 2 * recurrent(3, E, H / 2) + recurrent(3, E + H, H) + 2 * H * H +
               H + COMBINED + OUTPUT;
    if (strcmp(name, "transformer") == 0) {
        int64_t attention = 4 * linear(H, H), norm = 2 * H;
        int64_t forward = linear(H, 4 * H) + linear(4 * H, H);
        int64_t encoder = attention + forward + 2 * norm, decoder = encoder + attention + norm;
        /* Norms come before what they are for, so that one is left for the end of each side. */
        return (SOURCES + TARGETS) * H + encoder + decoder + 2 * norm + linear(H, TARGETS);
    }
    return start;
}

typedef struct made {
    const model_kind *kind;
    heed_params *parameters;
    void *model;
} made;

/* With the same random numbers for all. */
static made make(const char *name, const model_sizes *sizes)
{
    heed_random random = { .seed = 5 };
    made m = { .kind = model_find(name), .parameters = heed_params_new(HEED_F32, NULL) };
    ck_assert_ptr_nonnull(m.kind);
    m.model = m.kind->make(m.parameters, sizes, &random);
    ck_assert_ptr_nonnull(m.model);
    ck_assert_ptr_null(heed_params_error(m.parameters));
    return m;
}

static void discard(made *m)
{
    free(m->model);
    heed_params_free(m->parameters);
}

START_TEST(how_large)
{
    const char *name = model_at(_i)->name;
    made m = make(name, &plain);
    ck_assert_msg(heed_params_size(m.parameters) == expected(name),
                  "%s has %lld numbers, expected %lld", name,
                  (long long)heed_params_size(m.parameters), (long long)expected(name));
    discard(&m);
}
END_TEST

/* What was attended to becomes part of the next input. */
START_TEST(feeding_widens_the_decoder)
{
    model_sizes sizes = plain;
    made without = make("luong-dot", &sizes);
    sizes.input_feeding = true;
    made with = make("luong-dot", &sizes);
    ck_assert_int_eq(heed_params_size(with.parameters),
                     heed_params_size(without.parameters) + 4 * H * H);
    discard(&with);
    discard(&without);
}
END_TEST

/* ---- what reaches a model ---- */

/* The logits for one sentence, from the same weights whatever the sizes are. */
static void run(const char *name, const model_sizes *sizes, double forcing,
                float logits[STEPS * TARGETS])
{
    static const int32_t source[WORDS] = { 4, 9, 6, 6, 10 }, given[STEPS] = { 1, 5, 3, 6 };
    made m = make(name, sizes);
    heed_tape *t = heed_tape_new(NULL);
    heed_set_recording(t, false);
    heed_set_training(t, true);
    heed_seed(t, 3, 4);
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(1, WORDS), source);
    heed_tensor *inputs = heed_ids(t, HEED_SHAPE(1, STEPS), given);
    model_source read = { ids, NULL };
    model_output o = m.kind->forward(t, m.model, &read, inputs, forcing);
    ck_assert_msg(heed_error(t) == NULL, "%s: %s", name, heed_error(t));
    ck_assert_int_eq(heed_size(o.logits), STEPS * TARGETS);
    ck_assert(heed_copy_out(t, o.logits, logits));
    heed_tape_free(t);
    discard(&m);
}

static bool same_logits(const char *name, const model_sizes *a, double a_forcing,
                        const model_sizes *b, double b_forcing)
{
    float x[STEPS * TARGETS], y[STEPS * TARGETS];
    run(name, a, a_forcing, x);
    run(name, b, b_forcing, y);
    return memcmp(x, y, sizeof x) == 0;
}

START_TEST(reaches)
{
    const model_kind *kind = model_at(_i);
    model_sizes sizes = plain;
    ck_assert_msg(same_logits(kind->name, &plain, 1, &sizes, 1), "%s: not the same",
                  kind->name);
    ck_assert_msg(!same_logits(kind->name, &plain, 1, &plain, 0), "%s: forcing", kind->name);
    sizes.dropout = 0.5;
    ck_assert_msg(!same_logits(kind->name, &plain, 1, &sizes, 1), "%s: dropout", kind->name);
    sizes = plain;
    sizes.reverse = true;
    ck_assert_msg(kind->heads || !same_logits(kind->name, &plain, 1, &sizes, 1), "%s: reverse",
                  kind->name);
    sizes = plain;
    sizes.heads = 4;
    ck_assert_msg(same_logits(kind->name, &plain, 1, &sizes, 1) == !kind->heads, "%s: heads",
                  kind->name);
    sizes = plain;
    sizes.layers = 2;
    made one = make(kind->name, &plain), two = make(kind->name, &sizes);
    ck_assert_msg(heed_params_size(two.parameters) > heed_params_size(one.parameters),
                  "%s: layers", kind->name);
    discard(&one);
    discard(&two);
}
END_TEST

int main(void)
{
    int kinds = 0;
    while (model_at(kinds))
        kinds++;
    Suite *suite = suite_create("translate models");
    TCase *tests = tcase_create("models");
    tcase_add_loop_test(tests, how_large, 0, kinds);
    tcase_add_test(tests, feeding_widens_the_decoder);
    tcase_add_loop_test(tests, reaches, 0, kinds);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
