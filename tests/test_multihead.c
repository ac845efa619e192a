/* Multi-head attention as a module: against nn.MultiheadAttention on stored numbers
 * (tests/reference/make_attention_reference.py), cached against whole, what it must not depend
 * on, and what it refuses. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/params.h>

enum { B = 2, T = 7, C = 8, H = 2 };

static void same(const char *what, const heed_tensor *a, const double *b, double tolerance)
{
    ck_assert_msg(a && b, "%s: there is none", what);
    for (int64_t i = 0; i < heed_size(a); i++)
        ck_assert_msg(fabs(heed_at(a, i) - b[i]) <= tolerance * fmax(1, fabs(b[i])),
                      "%s[%d]: %.17g, expected %.17g", what, (int)i, heed_at(a, i), b[i]);
}

/* ---- against PyTorch ---- */

static const heed_entry *entry_of(const heed_archive *archive, const char *prefix,
                                  const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    const heed_entry *e = heed_archive_find(archive, full);
    ck_assert_msg(e != NULL, "the reference has no %s", full);
    return e;
}

static heed_archive *open_reference(void)
{
    char error[512];
    const char *path = getenv("HEED_ATTENTION_REFERENCE");
    ck_assert_msg(path != NULL, "HEED_ATTENTION_REFERENCE names the file of stored numbers");
    heed_archive *archive = heed_archive_open(path, NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
    return archive;
}

static heed_tensor *stored(heed_tape *t, const heed_archive *archive, const char *prefix,
                           const char *name)
{
    const heed_entry *e = entry_of(archive, prefix, name);
    return heed_watch(t, heed_copy_in(t, e->dtype, e->shape, e->data));
}

START_TEST(torch)
{
    const bool cross = _i == 1;
    const char *name = cross ? "mha_cross" : "mha";
    const int32_t lengths[B] = { cross ? 5 : 4, cross ? 3 : 2 };
    heed_archive *archive = open_reference();
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_multihead_attention m;
    heed_multihead_attention_init(
        &m, ps, "m", C,
        (heed_multihead_attention_options){ .heads = H,
                                            .bias = true,
                                            .packed = !cross,
                                            .cross = cross,
                                            .source_width = cross ? 5 : 0 });
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        char full[64];
        snprintf(full, sizeof full, "start.%s", p->name + strlen("m."));
        memcpy(p->data, entry_of(archive, name, full)->data, (size_t)p->size * sizeof(double));
    }
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *x = stored(t, archive, name, "x");
    heed_tensor *source = cross ? stored(t, archive, name, "source") : NULL;
    /* Padding as the additive mask it is there: 0 or -inf. */
    heed_tensor *real = heed_padding_mask(t, B, lengths[0], lengths);
    heed_tensor *none = heed_full(t, HEED_SCALAR, 0);
    heed_tensor *lost = heed_where(t, real, none, heed_full(t, HEED_SCALAR, -INFINITY));
    heed_tensor *mask = heed_add(t, stored(t, archive, name, "bias"), lost);
    heed_tensor *y = heed_multihead_attention_forward(t, &m, x, source, mask, NULL);
    heed_tensor *weighed = heed_mul(t, heed_keep(t, y), stored(t, archive, name, "gy"));
    ck_assert_msg(heed_backward(t, heed_sum(t, weighed)), "%s", heed_error(t));
    same("y", y, entry_of(archive, name, "y")->data, 1e-12);
    same("gx", heed_gradient(t, x), entry_of(archive, name, "gx")->data, 1e-12);
    if (cross)
        same("gsource", heed_gradient(t, source), entry_of(archive, name, "gsource")->data,
             1e-12);
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        char full[64];
        snprintf(full, sizeof full, "gradient.%s", p->name + strlen("m."));
        const double *expected = entry_of(archive, name, full)->data,
                     *ours = heed_gradients_of(heed_params_gradients(ps), p);
        for (int64_t k = 0; k < p->size; k++)
            ck_assert_msg(fabs(ours[k] - expected[k]) <= 1e-12 * fmax(1, fabs(expected[k])),
                          "%s[%d]: %.17g, expected %.17g", full, (int)k, ours[k], expected[k]);
    }
    heed_tape_free(t);
    heed_params_free(ps);
    heed_archive_free(archive);
}
END_TEST

/* ---- caches ---- */

#define CAUSAL .heads = H, .causality = HEED_CAUSAL_TOP_LEFT
static const heed_multihead_attention_options causal_variants[] = {
    { CAUSAL },
    { CAUSAL, .packed = true, .key_heads = 1, .bias = true },
    { CAUSAL, .rotary = true, .normalize = true },
    { CAUSAL, .rotary = true, .rope = { .pairs = HEED_ROPE_HALVES, .offset = 5, .linear = 2 } },
    { CAUSAL, .alibi = true, .sinks = true, .gate = HEED_GATE_HEAD },
    { CAUSAL, .buckets = 4, .max_distance = 5, .gate = HEED_GATE_INPUT },
    { CAUSAL, .windowed = true, .left = 2, .cap = 1.5 },
    { CAUSAL, .windowed = true, .left = 1, .prefix = 2, .composed = true },
    { CAUSAL, .prefix = 3, .key_width = 2, .value_width = 5 },
};
enum { CAUSAL_VARIANTS = sizeof causal_variants / sizeof *causal_variants };

static heed_params *make(heed_multihead_attention *m, heed_multihead_attention_options options)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 5 };
    options.random = &r;
    heed_multihead_attention_init(m, ps, "attention", C, options);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        for (int64_t k = 0; k < p->size; k++)
            ((double *)p->data)[k] += heed_random_uniform(&r) - 0.5;
    }
    return ps;
}

static heed_tensor *drawn(heed_tape *t, heed_shape shape, uint64_t seed)
{
    heed_tensor *x = heed_full(t, shape, 0);
    heed_random r = { .seed = seed };
    for (int64_t i = 0; i < heed_size(x); i++)
        ((double *)x->data)[i] = 2 * heed_random_uniform(&r) - 1;
    return x;
}

/* Three positions at once (a prefix must come as one), then one by one. */
START_TEST(cached_is_whole)
{
    heed_multihead_attention m;
    heed_params *ps = make(&m, causal_variants[_i]);
    heed_cache cache;
    ck_assert(heed_cache_init(&cache, T, NULL));
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_set_recording(t, false);
    heed_tensor *x = drawn(t, HEED_SHAPE(B, T, C), 1);
    heed_tensor *whole = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
    ck_assert_msg(whole != NULL, "%s", heed_error(t));
    for (int64_t from = 0, to = 3; from < T; from = to, to++) {
        heed_tensor *part = heed_slice(t, x, 1, from, to, 1);
        heed_tensor *y = heed_multihead_attention_forward(t, &m, part, NULL, NULL, &cache);
        ck_assert_msg(y != NULL, "%s", heed_error(t));
        heed_tensor *expected = heed_contiguous(t, heed_slice(t, whole, 1, from, to, 1));
        same("cached", y, expected->data, 1e-12);
    }
    ck_assert_int_eq(heed_cache_length(&cache), T);
    heed_cache_free(&cache);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

START_TEST(a_source_is_read_once)
{
    heed_multihead_attention m;
    heed_params *ps =
        make(&m, (heed_multihead_attention_options){
                     .heads = H, .cross = true, .packed = true, .source_width = 3 });
    heed_cache cache;
    ck_assert(heed_cache_init(&cache, 4, NULL));
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_set_recording(t, false);
    heed_tensor *x = drawn(t, HEED_SHAPE(B, T, C), 1),
                *source = drawn(t, HEED_SHAPE(B, 4, 3), 2);
    heed_tensor *whole = heed_multihead_attention_forward(t, &m, x, source, NULL, NULL);
    for (int64_t i = 0; i < T; i++) {
        heed_tensor *row = heed_slice(t, x, 1, i, i + 1, 1);
        heed_tensor *y =
            heed_multihead_attention_forward(t, &m, row, i == 0 ? source : NULL, NULL, &cache);
        ck_assert_msg(y != NULL, "%s", heed_error(t));
        heed_tensor *expected = heed_contiguous(t, heed_slice(t, whole, 1, i, i + 1, 1));
        same("cross", y, expected->data, 1e-12);
    }
    ck_assert_int_eq(heed_cache_length(&cache), 4);
    heed_tensor *other = drawn(t, HEED_SHAPE(B, 5, 3), 2);
    ck_assert_ptr_null(heed_multihead_attention_forward(t, &m, x, other, NULL, &cache));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "a source of another length; clear it first"));
    heed_tape_reset(t);
    x = drawn(t, HEED_SHAPE(B, T, C), 1), source = drawn(t, HEED_SHAPE(B, 4, 3), 2);
    heed_set_recording(t, true);
    ck_assert_ptr_null(heed_multihead_attention_forward(t, &m, x, source, NULL, &cache));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "has no derivative; turn recording off"));
    heed_tape_reset(t);
    heed_cache_clear(&cache);
    ck_assert_ptr_null(heed_multihead_attention_forward(t, &m, drawn(t, HEED_SHAPE(B, T, C), 1),
                                                        NULL, NULL, &cache));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "cross-attention needs a source"));
    heed_cache_free(&cache);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- leaks ---- */

static const int32_t lengths[B] = { T, T - 3 };

typedef struct question {
    heed_multihead_attention m;
    bool padded;
} question;

static heed_tensor *attend(heed_tape *t, heed_tensor *const x[], void *user)
{
    const question *q = user;
    heed_tensor *mask = q->padded ? heed_padding_mask(t, B, T, lengths) : NULL;
    return heed_multihead_attention_forward(t, &q->m, x[0], NULL, mask, NULL);
}

static bool may_see(const int64_t *output, const int64_t *input, void *user)
{
    const question *q = user;
    const heed_multihead_attention_options *o = &q->m.options;
    int64_t i = output[1], j = input[1];
    bool near = (!o->windowed || (i - o->left <= j && j <= i + o->right)) &&
                (o->causality == HEED_NOT_CAUSAL || j <= i);
    bool real = !q->padded || j < lengths[output[0]];
    /* Queries see themselves through gates and the like, padded or not. */
    return output[0] == input[0] && (i == j || (real && (near || j < o->prefix)));
}

START_TEST(nothing_leaks)
{
    static const heed_multihead_attention_options both_ways[] = {
        { .heads = H, .windowed = true, .left = 1, .right = 2 },
        { .heads = H, .windowed = true, .left = 0, .right = 0, .prefix = 1, .sinks = true },
        { .heads = H, .buckets = 8, .max_distance = 5, .alibi = true, .key_heads = 1 },
        { .heads = H, .linear = true, .key_heads = 1 },
        { .heads = H, .linear = true, .causality = HEED_CAUSAL_TOP_LEFT, .packed = true },
    };
    question q = { .padded = _i % 2 == 1 };
    int which = _i / 2;
    heed_params *ps = make(&q.m, which < CAUSAL_VARIANTS ? causal_variants[which]
                                                         : both_ways[which - CAUSAL_VARIANTS]);
    heed_input x = { .shape = HEED_DIMS(B, T, C) };
    heed_report r = heed_leak_check(attend, &q, ps, 1, &x,
                                    (heed_leak_options){ .may_depend = may_see, .user = &q });
    ck_assert_msg(r.passed, "%d: %s", which, r.message);
    heed_params_free(ps);
}
END_TEST

/* ---- positions ---- */

/* ---- scores changed by the caller ---- */

static heed_tensor *cap_by_hand(heed_tape *t, heed_tensor *scores, void *user)
{
    const double cap = *(const double *)user;
    return heed_scale(t, heed_tanh(t, heed_scale(t, scores, 1 / cap)), cap);
}

/* A module hands the function on, also where the kernel would read the projection in place. */
START_TEST(score_function)
{
    double cap = 0.3;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 5 };
    heed_multihead_attention m;
    heed_multihead_attention_init(
        &m, ps, "m", C,
        (heed_multihead_attention_options){
            .heads = H, .packed = _i == 1, .score = cap_by_hand, .user = &cap, .random = &r });
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *x = heed_normal(t, HEED_SHAPE(B, T, C), 0, 3);
    heed_tensor *by_hand = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
    m.options.score = NULL;
    heed_tensor *plain = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
    m.options.cap = cap;
    heed_tensor *capped = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
    ck_assert_msg(capped != NULL, "%s", heed_error(t));
    same("by hand", by_hand, capped->data, 1e-12);
    double moved = 0;
    for (int64_t i = 0; i < heed_size(plain); i++)
        moved = fmax(moved, fabs(heed_at(plain, i) - heed_at(capped, i)));
    ck_assert_double_gt(moved, 1e-3);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

START_TEST(alibi_slopes)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    same("8", heed_alibi_slopes(t, 8),
         (double[]){ 1. / 2, 1. / 4, 1. / 8, 1. / 16, 1. / 32, 1. / 64, 1. / 128, 1. / 256 },
         0);
    same("3", heed_alibi_slopes(t, 3), (double[]){ 1. / 16, 1. / 256, 1. / 4 }, 1e-15);
    same("1", heed_alibi_slopes(t, 1), (double[]){ 1. / 256 }, 0);
    ck_assert_ptr_null(heed_alibi_slopes(t, 0));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "heads 0 are not positive"));
    heed_tape_free(t);
}
END_TEST

/* The reference has the buckets of j - p = -200 .. 200. */
START_TEST(relative_buckets)
{
    heed_archive *archive = open_reference();
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    for (int both = 0; both < 2; both++) {
        const int32_t *expected = entry_of(archive, "buckets", both ? "both" : "past")->data;
        const heed_tensor *ids = heed_relative_buckets(t, 1, 401, 200, 32, 128, both == 1);
        ck_assert_msg(ids != NULL, "%s", heed_error(t));
        for (int i = 0; i < 401; i++)
            ck_assert_msg(heed_at(ids, i) == expected[i], "distance %d: bucket %g, expected %d",
                          i - 200, heed_at(ids, i), expected[i]);
    }
    ck_assert_ptr_null(heed_relative_buckets(t, 1, 1, 0, 1, 128, false));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "cannot share out 1 buckets"));
    heed_tape_free(t);
    heed_archive_free(archive);
}
END_TEST

/* ---- refusals ---- */

static const struct {
    heed_multihead_attention_options options;
    const char *sentence;
} unsound[] = {
    { { .heads = 3 }, "width 8 is not divisible by heads 3" },
    { { .heads = 0 }, "heads 0 is not positive" },
    { { .heads = 4, .key_heads = 3 }, "heads 4 are not divisible by key heads 3" },
    { { .heads = 2, .key_width = -1 }, "a width is negative: -1" },
    { { .heads = 2, .source_width = 5 }, "only cross-attention has a source" },
    { { .heads = 2, .cross = true, .rotary = true }, "which cross-attention's are not" },
    { { .heads = 2, .causality = (heed_causality)9 }, "there is no causality 9" },
    { { .heads = 2, .gate = (heed_gate)9 }, "there is no gate 9" },
    { { .heads = 2, .linear = true, .cap = 2 }, "linear attention has no scores, and no cap" },
    { { .heads = 2, .linear = true, .alibi = true }, "has no scores, and no ALiBi" },
    { { .heads = 2, .linear = true, .composed = true }, "has no scores, and no composed form" },
    { { .heads = 2, .linear = true, .attention_dropout = 0.1 }, "and no dropout of weights" },
    { { .heads = 2, .linear = true, .causality = HEED_CAUSAL_BOTTOM_RIGHT },
      "and no alignment to the last key" },
    { { .heads = 2, .linear = true, .feature = (heed_feature_map)7 }, "no feature map 7" },
    { { .heads = 2, .left = 3 }, "windowed is off, but the window reaches 3" },
    { { .heads = 2, .init = (heed_init)9 }, "there is no initialisation 9" },
    { { .heads = 2, .scale = -1 }, "the scale is negative or not finite: -1" },
    { { .heads = 2, .scale = INFINITY }, "the scale is negative or not finite: inf" },
    { { .heads = 2, .cap = -2 }, "the cap is negative or not finite: -2" },
    { { .heads = 2, .windowed = true, .left = -3 }, "the window is negative: -3" },
    { { .heads = 2, .prefix = -1 }, "the prefix is negative: -1" },
    { { .heads = 2, .positions = -1 }, "the number of positions is negative" },
    { { .heads = 2, .attention_dropout = 1 }, "attention_dropout is not in [0, 1): 1" },
    { { .heads = 2, .dropout = -1 }, "dropout is not in [0, 1): -1" },
    { { .heads = 2, .buckets = 6 }, "cannot share out the buckets: 6" },
    { { .heads = 2, .buckets = 32, .max_distance = 8 }, "within the exact buckets: 8" },
    { { .heads = 2, .key_width = INT64_MAX / 2 }, "a width is too large: 4.6" },
    { { CAUSAL, .buckets = 256 }, "within the exact buckets: 128" },
    { { .heads = 2, .rotary = true, .rope = { .linear = NAN } }, "a rotary setting" },
    { { .heads = 2, .key_width = 3, .value_width = 4, .rotary = true }, "need pairs" },
    { { .heads = 2, .rotary = true, .rope = { .base = -1 } }, "a rotary setting is negative" },
};

START_TEST(unsound_settings)
{
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++) {
        heed_params *ps = heed_params_new(HEED_F64, NULL);
        heed_multihead_attention m;
        heed_multihead_attention_init(&m, ps, "attention", C, unsound[i].options);
        ck_assert_msg(heed_params_error(ps) != NULL, "taken: %s", unsound[i].sentence);
        ck_assert_msg(strstr(heed_params_error(ps), unsound[i].sentence) != NULL, "%s",
                      heed_params_error(ps));
        heed_params_free(ps);
    }
}
END_TEST

enum { EMPTY = -1 }; /* a cache of capacity 0: as long as the first call */
static void refused(const heed_multihead_attention *m, heed_shape source, heed_shape mask,
                    int64_t capacity, const char *sentence)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_cache cache = { 0 };
    heed_set_recording(t, false);
    ck_assert(!capacity || heed_cache_init(&cache, capacity == EMPTY ? 0 : capacity, NULL));
    heed_tensor *hidden = NULL;
    if (mask.ndim)
        hidden = heed_greater(t, drawn(t, mask, 3), heed_full(t, HEED_SCALAR, 0));
    ck_assert_ptr_null(heed_multihead_attention_forward(
        t, m, drawn(t, HEED_SHAPE(B, T, C), 1), source.ndim ? drawn(t, source, 2) : NULL,
        hidden, capacity ? &cache : NULL));
    ck_assert_msg(heed_error(t) && strstr(heed_error(t), sentence), "%s", heed_error(t));
    if (capacity)
        heed_cache_free(&cache);
    heed_tape_free(t);
}

START_TEST(unsound_calls)
{
    heed_shape none = { 0 };
    heed_multihead_attention m;
    heed_params *ps = make(&m, (heed_multihead_attention_options){ CAUSAL, .positions = 20 });
    refused(&m, HEED_SHAPE(B, 4, C), none, 0, "self-attention takes no source");
    refused(&m, none, none, 21, "the cache is longer than the positions there are");
    refused(&m, none, none, 3, "do not fit");
    m.options.positions = T - 1; /* also of a cache that has no size yet */
    refused(&m, none, none, EMPTY, "the cache is longer than the positions there are");
    m.options.positions = 20;
    refused(&m, none, HEED_SHAPE(T, T + 1), 0, "the mask does not broadcast to [2,2,7,7]");
    refused(&m, none, HEED_SHAPE(3, 1, T, T), 0, "the mask does not broadcast");
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *x = drawn(t, HEED_SHAPE(B, T, C), 1), *ids = heed_arange(t, 0, T);
    ck_assert_ptr_null(heed_multihead_attention_forward(t, &m, x, NULL, ids, NULL));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "the mask is i32 but must be bool"));
    heed_tape_free(t);
    heed_params_free(ps);
    ps = make(&m, (heed_multihead_attention_options){ .heads = H, .buckets = 8 });
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ck_assert_ptr_null(heed_multihead_attention_forward(t, &m, drawn(t, HEED_SHAPE(B, T, C), 1),
                                                        NULL, drawn(t, HEED_SHAPE(T, T + 1), 2),
                                                        NULL));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "the mask has extent 8 at axis -1, not 7"));
    heed_tape_free(t);
    heed_params_free(ps);
    ps = make(&m, (heed_multihead_attention_options){ .heads = H });
    refused(&m, none, none, 20, "a cache needs causal self-attention");
    heed_params_free(ps);
    for (int i = 0; i < 2; i++) {
        ps = make(&m, (heed_multihead_attention_options){ .heads = H,
                                                          .cross = true,
                                                          .windowed = i == 0,
                                                          .causality = i ? HEED_CAUSAL_TOP_LEFT
                                                                         : HEED_NOT_CAUSAL });
        refused(&m, HEED_SHAPE(B, 4, C), none, 20, "does not know the places of queries");
        heed_params_free(ps);
    }
    ps = make(&m, (heed_multihead_attention_options){ CAUSAL, .linear = true });
    refused(&m, none, none, 20, "linear attention has no cache");
    refused(&m, none, HEED_SHAPE(T, T), 0, "the mask does not broadcast to [2,2,1,7]");
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    x = drawn(t, HEED_SHAPE(B, T, C), 1);
    ck_assert_ptr_null(heed_multihead_attention_forward(
        t, &m, x, NULL, drawn(t, HEED_SHAPE(B, 1, 1, T), 2), NULL));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "is f64 but must be ids or a mask"));
    heed_tape_free(t);
    heed_params_free(ps);
    ps = make(&m, (heed_multihead_attention_options){ .heads = H, .cross = true });
    refused(&m, none, none, 0, "cross-attention needs a source");
    refused(&m, HEED_SHAPE(4, C), none, 0, "the source needs shape [B, S, C]");
    heed_params_free(ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("multihead");
    TCase *tests = tcase_create("multihead");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, torch, 0, 2);
    tcase_add_loop_test(tests, cached_is_whole, 0, CAUSAL_VARIANTS);
    tcase_add_test(tests, a_source_is_read_once);
    tcase_add_loop_test(tests, nothing_leaks, 0, 2 * (CAUSAL_VARIANTS + 5));
    tcase_add_test(tests, alibi_slopes);
    tcase_add_loop_test(tests, score_function, 0, 2);
    tcase_add_test(tests, relative_buckets);
    tcase_add_test(tests, unsound_settings);
    tcase_add_test(tests, unsound_calls);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
