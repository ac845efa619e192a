/* Attention with all that scores may be and all that may hide: fused against composed, and
 * against PyTorch on stored numbers (tests/reference/make_attention_reference.py); its weights;
 * rotary positions and linear attention. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/params.h>

static double seeded(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 33) / 1073741824.0 - 1;
}

/* Watched numbers in (-1, 1). */
static heed_tensor *numbers(heed_tape *t, heed_shape shape, uint64_t seed)
{
    heed_tensor *x = heed_full(t, shape, 0);
    uint64_t state = seed;
    for (int64_t i = 0; i < heed_size(x); i++)
        ((double *)x->data)[i] = seeded(&state);
    return heed_watch(t, x);
}

static void same(const char *what, const heed_tensor *a, const heed_tensor *b, double tolerance)
{
    ck_assert_msg(a && b, "%s: there is none", what);
    ck_assert_int_eq(heed_size(a), heed_size(b));
    for (int64_t i = 0; i < heed_size(a); i++) {
        double x = heed_at(a, i), y = heed_at(b, i);
        ck_assert_msg(fabs(x - y) <= tolerance * fmax(1, fabs(y)), "%s[%d]: %.17g and %.17g",
                      what, (int)i, x, y);
    }
}

/* ---- fused against composed ---- */

enum { Q, K, V, BIAS, SLOPES, SINKS, LEAVES };
static const char *const names[LEAVES] = { "q", "k", "v", "bias", "slopes", "sinks" };

typedef struct variant {
    int64_t queries, keys;
    int key_heads;
    heed_attention_options options;
    heed_shape bias; /* 0 axes: none */
    bool masked, slopes, sinks;
} variant;

#define PLAIN      \
    {              \
        .scale = 0 \
    }
#define CAUSAL .causality = HEED_CAUSAL_TOP_LEFT
#define CACHED .causality = HEED_CAUSAL_BOTTOM_RIGHT
static const variant variants[] = {
    { 70, 90, 4, PLAIN, { 0 }, false, false, false },
    { 70, 70, 2, { CAUSAL }, { 0 }, true, false, false },
    { 30, 90, 1, { CACHED }, HEED_DIMS(4, 30, 90), true, false, false },
    { 30, 90, 4, { .cap = 0.4 }, HEED_DIMS(2, 1, 30, 1), false, false, true },
    { 70, 70, 2, { CAUSAL, .cap = 1 }, HEED_DIMS(70), false, true, false },
    { 60, 60, 2, { CAUSAL }, { 0 }, false, true, true },
    { 300, 300, 4, { .windowed = true, .left = 5, .right = 3 }, { 0 }, false, false, false },
    { 300,
      300,
      4,
      { CAUSAL, .windowed = true, .left = 40, .prefix = 4 },
      { 0 },
      false,
      false,
      true },
    { 40, 300, 2, { CACHED, .windowed = true, .left = 17 }, { 0 }, true, true, false },
    { 50, 50, 4, { CAUSAL, .prefix = 20 }, HEED_DIMS(1, 4, 1, 50), true, false, false },
    { 40,
      600,
      2,
      { CACHED, .windowed = true, .left = 200, .prefix = 9, .cap = 0.8, .scale = 0.7 },
      HEED_DIMS(2, 1, 40, 600),
      true,
      true,
      true },
    { 70, 90, 4, { .dropout = 0.3 }, { 0 }, false, false, false },
    { 300, 301, 2, { CACHED, .dropout = 0.1 }, { 0 }, true, false, true },
    { 130,
      131,
      1,
      { CACHED, .windowed = true, .left = 50, .prefix = 3, .cap = 0.9, .dropout = 0.5 },
      HEED_DIMS(2, 4, 130, 131),
      false,
      true,
      true },
};

static heed_tensor *attend(heed_tape *t, const variant *v, bool composed,
                           heed_tensor *leaf[LEAVES])
{
    heed_attention_options o = v->options;
    leaf[Q] = numbers(t, HEED_SHAPE(2, 4, v->queries, 12), 1);
    leaf[K] = numbers(t, HEED_SHAPE(2, v->key_heads, v->keys, 12), 2);
    leaf[V] = numbers(t, HEED_SHAPE(2, v->key_heads, v->keys, 5), 3);
    leaf[BIAS] = v->bias.ndim ? numbers(t, v->bias, 4) : NULL;
    leaf[SLOPES] = v->slopes ? numbers(t, HEED_SHAPE(4), 5) : NULL;
    leaf[SINKS] = v->sinks ? numbers(t, HEED_SHAPE(4), 6) : NULL;
    o.bias = leaf[BIAS];
    o.slopes = v->slopes ? heed_scale(t, leaf[SLOPES], 0.05) : NULL;
    o.sinks = leaf[SINKS];
    o.composed = composed;
    heed_tensor *mask = NULL;
    if (v->masked) {
        heed_tensor *coin = numbers(t, HEED_SHAPE(2, 1, v->queries, v->keys), 7);
        mask = heed_greater(t, coin, heed_full(t, HEED_SCALAR, -0.4));
    }
    return heed_attention(t, leaf[Q], leaf[K], leaf[V], mask, &o);
}

START_TEST(fused_is_composed)
{
    const variant *v = &variants[_i];
    heed_tape *t[2];
    heed_tensor *leaf[2][LEAVES], *y[2];
    for (int i = 0; i < 2; i++) {
        t[i] = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
        heed_set_training(t[i], true);
        y[i] = attend(t[i], v, i == 1, leaf[i]);
        ck_assert_msg(y[i] != NULL, "%s", heed_error(t[i]));
        heed_tensor *weights = numbers(t[i], heed_shape_of(y[i]), 8);
        heed_tensor *loss = heed_sum(t[i], heed_mul(t[i], heed_keep(t[i], y[i]), weights));
        ck_assert_msg(heed_backward(t[i], loss), "%s", heed_error(t[i]));
    }
    same("y", y[0], y[1], 1e-12);
    for (int k = 0; k < LEAVES; k++) {
        if (leaf[0][k])
            same(names[k], heed_gradient(t[0], leaf[0][k]), heed_gradient(t[1], leaf[1][k]),
                 1e-12);
    }
    heed_tape_free(t[0]), heed_tape_free(t[1]);
}
END_TEST

/* The weights are those that were used: P V is the result. */
START_TEST(weights_of_the_same_call)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *q = numbers(t, HEED_SHAPE(2, 4, 60, 8), 1),
                *k = numbers(t, HEED_SHAPE(2, 4, 90, 8), 2),
                *v = numbers(t, HEED_SHAPE(2, 4, 90, 3), 3);
    heed_attention_options o = { .causality = HEED_CAUSAL_BOTTOM_RIGHT,
                                 .cap = 2,
                                 .windowed = true,
                                 .left = 30,
                                 .prefix = 2,
                                 .slopes = heed_alibi_slopes(t, 4),
                                 .sinks = numbers(t, HEED_SHAPE(4), 4) };
    heed_tensor *p = heed_attention_weights(t, q, k, NULL, &o);
    ck_assert_msg(p != NULL, "%s", heed_error(t));
    same("P V", heed_matmul(t, p, v), heed_attention(t, q, k, v, NULL, &o), 1e-13);
    ck_assert_double_eq(heed_at(p, 60), 0); /* after the first query's place */
    ck_assert_double_gt(heed_at(p, 59 * 90 + 1), 0);
    ck_assert_double_eq(heed_at(p, 59 * 90 + 40), 0); /* before the last one's window */
    o.sinks = NULL;
    heed_tensor *whole = heed_attention_weights(t, q, k, NULL, &o);
    heed_tensor *rows = heed_sum_axes(t, whole, 1, (const int[]){ -1 }, false);
    for (int64_t i = 0; i < heed_size(rows); i++)
        ck_assert_double_eq_tol(heed_at(rows, i), 1, 1e-13);
    o.composed = true;
    same("composed", whole, heed_attention_weights(t, q, k, NULL, &o), 1e-13);
    heed_tape_free(t);
}
END_TEST

/* From one packed projection, with and without what that record does not take. */
START_TEST(packed_is_apart)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *qkv = numbers(t, HEED_SHAPE(2, 50, 24), 1), *part[3];
    ck_assert(heed_chunk(t, qkv, 3, -1, part));
    for (int i = 0; i < 3; i++)
        part[i] = heed_split_heads(t, part[i], 2);
    heed_attention_options o = {
        .causality = HEED_CAUSAL_TOP_LEFT, .cap = 1, .windowed = true, .left = 9, .prefix = 2
    };
    for (int i = 0; i < 2; i++) { /* nothing is dropped: it is no training */
        o.dropout = i ? 0.5 : 0;
        o.slopes = i ? heed_alibi_slopes(t, 2) : NULL;
        o.sinks = i ? numbers(t, HEED_SHAPE(2), 2) : NULL;
        heed_tensor *apart = heed_attention(t, part[0], part[1], part[2], NULL, &o);
        same("packed", heed_attention_packed(t, qkv, 2, NULL, &o), heed_join_heads(t, apart),
             0);
    }
    heed_tape_free(t);
}
END_TEST

/* Dropout takes the same weights from every form of one call. */
START_TEST(packed_drops_the_same)
{
    heed_tensor *y[2], *gradient[2];
    heed_tape *t[2];
    for (int i = 0; i < 2; i++) {
        t[i] = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
        heed_set_training(t[i], true);
        heed_tensor *qkv = numbers(t[i], HEED_SHAPE(2, 50, 24), 1);
        heed_attention_options o = { .causality = HEED_CAUSAL_TOP_LEFT,
                                     .dropout = 0.4,
                                     .composed = i };
        y[i] = heed_keep(t[i], heed_attention_packed(t[i], qkv, 2, NULL, &o));
        ck_assert_msg(heed_backward(t[i], heed_sum(t[i], heed_square(t[i], y[i]))), "%s",
                      heed_error(t[i]));
        gradient[i] = heed_gradient(t[i], qkv);
    }
    same("y", y[0], y[1], 1e-12);
    same("gradient", gradient[0], gradient[1], 1e-12);
    heed_tape_free(t[0]), heed_tape_free(t[1]);
}
END_TEST

/* A window from everywhere to everywhere is none, bit for bit, up to the largest numbers. */
START_TEST(unlimited_window)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *x = numbers(t, HEED_SHAPE(1, 2, 100, 8), 1);
    heed_attention_options o = { .causality = HEED_CAUSAL_TOP_LEFT };
    heed_tensor *plain = heed_attention(t, x, x, x, NULL, &o);
    const int64_t reach[3] = { 100, 1 << 20, HEED_END };
    for (int i = 0; i < 3; i++) {
        o.windowed = true;
        o.left = o.right = reach[i];
        const heed_tensor *y = heed_attention(t, x, x, x, NULL, &o);
        ck_assert_msg(y != NULL, "%s", heed_error(t));
        ck_assert_int_eq(memcmp(plain->data, y->data, (size_t)heed_size(y) * sizeof(double)),
                         0);
    }
    heed_tape_free(t);
}
END_TEST

/* Neither the record nor the sweep needs memory that grows as the square of the length. */
static size_t peak_at(int64_t length)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *x = numbers(t, HEED_SHAPE(1, 2, length, 8), 1);
    heed_tensor *slopes = numbers(t, HEED_SHAPE(2), 2), *sinks = numbers(t, HEED_SHAPE(2), 3);
    heed_tensor *bias = numbers(t, HEED_SHAPE(2, 1, length), 4);
    heed_attention_options o = { .causality = HEED_CAUSAL_TOP_LEFT,
                                 .cap = 3,
                                 .windowed = true,
                                 .left = length / 2,
                                 .prefix = 3,
                                 .slopes = slopes,
                                 .sinks = sinks,
                                 .bias = bias,
                                 .dropout = 0.1 };
    heed_set_training(t, true);
    heed_tensor *y = heed_attention(t, x, x, x, NULL, &o);
    ck_assert_msg(heed_backward(t, heed_sum(t, y)), "%s", heed_error(t));
    size_t peak = heed_tape_memory(t).peak;
    heed_tape_free(t);
    return peak;
}

START_TEST(memory_is_linear)
{
    ck_assert_uint_lt(peak_at(2048), 21 * peak_at(1024) / 10);
}
END_TEST

/* ---- a score function ---- */

static heed_tensor *cap_by_hand(heed_tape *t, heed_tensor *scores, void *user)
{
    double cap = *(const double *)user;
    return heed_scale(t, heed_tanh(t, heed_scale(t, scores, 1 / cap)), cap);
}

static heed_tensor *first_row(heed_tape *t, heed_tensor *scores, void *user)
{
    (void)user;
    return heed_slice(t, scores, 2, 0, 1, 1);
}

START_TEST(score_function)
{
    heed_tape *t[2];
    heed_tensor *x[2], *y[2];
    double cap = 0.6;
    for (int i = 0; i < 2; i++) {
        t[i] = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
        x[i] = numbers(t[i], HEED_SHAPE(1, 2, 9, 4), 1);
        heed_attention_options o = { .causality = HEED_CAUSAL_TOP_LEFT };
        if (i == 0) {
            o.cap = cap;
        } else {
            o.score = cap_by_hand;
            o.user = &cap;
        }
        y[i] = heed_attention(t[i], x[i], x[i], x[i], NULL, &o);
        ck_assert(
            heed_backward(t[i], heed_sum(t[i], heed_square(t[i], heed_keep(t[i], y[i])))));
    }
    same("y", y[0], y[1], 1e-13);
    same("gradient", heed_gradient(t[0], x[0]), heed_gradient(t[1], x[1]), 1e-12);
    heed_tape_reset(t[0]);
    heed_tensor *z = numbers(t[0], HEED_SHAPE(1, 2, 9, 4), 1);
    heed_attention_options o = { .score = first_row };
    ck_assert_ptr_null(heed_attention(t[0], z, z, z, NULL, &o));
    ck_assert_ptr_nonnull(strstr(heed_error(t[0]), "must return the scores' shape"));
    heed_tape_free(t[0]), heed_tape_free(t[1]);
}
END_TEST

/* ---- against PyTorch ---- */

static heed_archive *open_reference(void)
{
    char error[512];
    const char *path = getenv("HEED_ATTENTION_REFERENCE");
    ck_assert_msg(path != NULL, "HEED_ATTENTION_REFERENCE names the file of stored numbers");
    heed_archive *archive = heed_archive_open(path, NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
    return archive;
}

/* The stored tensor, or NULL. */
static heed_tensor *stored(heed_tape *t, const heed_archive *archive, const char *prefix,
                           const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    const heed_entry *e = heed_archive_find(archive, full);
    if (!e)
        return NULL;
    heed_tensor *x = heed_copy_in(t, e->dtype, e->shape, e->data);
    return e->dtype == HEED_F64 ? heed_watch(t, x) : x;
}

static const struct {
    const char *name;
    heed_attention_options options;
    bool alibi;
} references[] = {
    { "plain", PLAIN, false },
    { "causal", { CAUSAL }, false },
    { "grouped", PLAIN, false },
    { "masked", PLAIN, false },
    { "bias", PLAIN, false },
    { "bias_heads", PLAIN, false },
    { "bias_all", PLAIN, false },
    { "bias_infinite", PLAIN, false },
    { "alibi", { CAUSAL }, true },
    { "window", { .windowed = true, .left = 2, .right = 1 }, false },
    { "prefix", { CAUSAL, .windowed = true, .left = 1, .prefix = 2 }, false },
    { "cap", { .cap = 0.7 }, false },
    { "sinks", PLAIN, false },
    { "all", { CAUSAL, .cap = 0.9, .windowed = true, .left = 3 }, false },
};

START_TEST(torch)
{
    heed_archive *archive = open_reference();
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        static const char *const gradients[LEAVES] = {
            "gq", "gk", "gv", "gbias", "", "gsinks"
        };
        const char *name = references[i].name;
        heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
        heed_attention_options o = references[i].options;
        heed_tensor *leaf[LEAVES] = { NULL };
        for (int k = 0; k < LEAVES; k++)
            leaf[k] = stored(t, archive, name, names[k]);
        ck_assert_msg(leaf[Q] != NULL, "the reference has no %s", name);
        o.bias = leaf[BIAS];
        o.sinks = leaf[SINKS];
        o.slopes = references[i].alibi ? heed_alibi_slopes(t, 2) : NULL;
        o.composed = _i == 1;
        heed_tensor *y =
            heed_attention(t, leaf[Q], leaf[K], leaf[V], stored(t, archive, name, "mask"), &o);
        heed_tensor *weighed = heed_mul(t, heed_keep(t, y), stored(t, archive, name, "gy"));
        ck_assert_msg(heed_backward(t, heed_sum(t, weighed)), "%s: %s", name, heed_error(t));
        same(name, y, stored(t, archive, name, "y"), 1e-12);
        for (int k = 0; k < LEAVES; k++) {
            const heed_tensor *g = stored(t, archive, name, gradients[k]);
            if (g)
                same(name, heed_gradient(t, leaf[k]), g, 1e-12);
        }
        heed_tape_free(t);
    }
    heed_archive_free(archive);
}
END_TEST

/* ---- rotary positions ---- */

START_TEST(rotary_products_depend_on_the_difference)
{
    static const int64_t places[3][2] = { { 3, 1 }, { 7, 5 }, { 102, 100 } };
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *q = heed_constant(t, HEED_SHAPE(1, 4), (double[]){ 0.3, -0.2, 0.5, 0.1 });
    heed_tensor *k = heed_constant(t, HEED_SHAPE(1, 4), (double[]){ 0.4, 0.6, -0.1, 0.2 });
    for (int i = 0; i < 3; i++) {
        heed_tensor *a = heed_rope(t, q, &(heed_rope_options){ .offset = places[i][0] });
        heed_tensor *b = heed_rope(t, k, &(heed_rope_options){ .offset = places[i][1] });
        ck_assert_double_eq_tol(heed_item(t, heed_sum(t, heed_mul(t, a, b))), 0.208623184111,
                                1e-12);
    }
    /* Twice as far in positions half as long; and a raised base turns the last pair, whose
     * angle linear scaling by the same factor would give. */
    heed_tensor *x = numbers(t, HEED_SHAPE(2, 6), 1);
    heed_tensor *plain = heed_rope(t, x, &(heed_rope_options){ .offset = 10 });
    heed_tensor *stretched = heed_rope(t, x, &(heed_rope_options){ .linear = 2, .offset = 20 });
    same("stretched", heed_slice(t, stretched, 0, 0, 1, 1), heed_slice(t, plain, 0, 0, 1, 1),
         1e-14);
    heed_tensor *raised = heed_rope(t, x, &(heed_rope_options){ .ntk = 2, .offset = 20 });
    same("raised", heed_slice(t, heed_slice(t, raised, 1, 4, 6, 1), 0, 0, 1, 1),
         heed_slice(t, heed_slice(t, plain, 1, 4, 6, 1), 0, 0, 1, 1), 1e-13);
    heed_tape_free(t);
}
END_TEST

/* ---- linear attention ---- */

/* The same with all scores written down. */
static heed_tensor *quadratic(heed_tape *t, heed_tensor *q, heed_tensor *k, heed_tensor *v,
                              bool causal)
{
    heed_tensor *fq = heed_shift(t, heed_elu(t, q, 1), 1);
    heed_tensor *fk = heed_shift(t, heed_elu(t, k, 1), 1);
    heed_tensor *scores = heed_matmul(t, fq, heed_swap(t, fk, -1, -2));
    if (causal)
        scores = heed_tril(t, scores, 0);
    heed_tensor *total = heed_sum_axes(t, scores, 1, (const int[]){ -1 }, true);
    return heed_matmul(t, heed_div(t, scores, total), v);
}

static void see(heed_tape *t, const heed_attention_seen *seen, void *user)
{
    (void)t;
    *(heed_tensor **)user = seen->weights;
}

START_TEST(linear_is_quadratic)
{
    static const int64_t lengths[] = { 1, 63, 64, 65, 130 };
    for (int i = 0; i < 5; i++) {
        heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
        heed_tensor *q = numbers(t, HEED_SHAPE(2, 2, lengths[i], 5), 1);
        heed_tensor *k = numbers(t, HEED_SHAPE(2, 2, lengths[i], 5), 2);
        heed_tensor *v = numbers(t, HEED_SHAPE(2, 2, lengths[i], 3), 3);
        heed_linear_attention_options o = { .causal = _i == 1 };
        heed_tensor *p = NULL;
        heed_attention_watch watch = { .see = see, .user = &p, .recorded = true };
        heed_watch_attention(t, &watch);
        heed_tensor *y = heed_linear_attention(t, q, k, v, NULL, &o);
        heed_watch_attention(t, NULL);
        same("linear", y, quadratic(t, q, k, v, o.causal), 1e-12);
        same("P V", heed_matmul(t, p, v), y, 1e-12); /* the weights are shown */
        heed_tape_free(t);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention");
    TCase *tests = tcase_create("attention");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, fused_is_composed, 0, sizeof variants / sizeof *variants);
    tcase_add_test(tests, weights_of_the_same_call);
    tcase_add_test(tests, packed_is_apart);
    tcase_add_test(tests, packed_drops_the_same);
    tcase_add_test(tests, unlimited_window);
    tcase_add_test(tests, memory_is_linear);
    tcase_add_test(tests, score_function);
    tcase_add_loop_test(tests, torch, 0, 2);
    tcase_add_test(tests, rotary_products_depend_on_the_difference);
    tcase_add_loop_test(tests, linear_is_quadratic, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
