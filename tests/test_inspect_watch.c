/* The switch that records attention: its weights against plain loops for every variant, fused and
 * composed; names and passes; alignment; and what goes wrong. */
#include <heed/align.h>
#include <heed/inspect.h>
#include <heed/nn.h>
#include <heed/op.h>
#include <heed/params.h>

#include "expect.h"
#include "tensors.h"

enum { B = 3, H = 4, T = 5, S = 7, D = 3, EXAMPLE = 1 };

static heed_tape *new_tape(heed_dtype dtype)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = dtype });
    ck_assert_ptr_nonnull(t);
    return t;
}

static heed_maps *new_maps(heed_maps_options options)
{
    heed_maps *m = heed_maps_new(options);
    ck_assert_ptr_nonnull(m);
    return m;
}

static heed_tensor *numbers(heed_tape *t, uint64_t seed, heed_shape shape)
{
    double values[B * T * 3 * H * D * 4];
    int64_t n = 1;
    heed_random r = { .seed = seed };
    for (int i = 0; i < shape.ndim; i++)
        n *= shape.size[i];
    ck_assert(n <= LENGTH(values));
    for (int64_t i = 0; i < n; i++)
        values[i] = heed_random_normal(&r);
    return heed_constant(t, shape, values);
}

static heed_tensor *coins(heed_tape *t, uint64_t seed, heed_shape shape)
{
    heed_tensor *some = numbers(t, seed, shape);
    return heed_greater(t, some, heed_full(t, HEED_SCALAR, -0.5));
}

/* ---- the numbers ---- */

static heed_tensor *doubled(heed_tape *t, heed_tensor *scores, void *user)
{
    (void)user;
    return heed_scale(t, scores, 2);
}

typedef struct variant {
    const char *label;
    int key_heads;
    heed_shape mask, bias; /* no axes: none */
    bool slopes, sinks;
    heed_attention_options o;
} variant;

static const variant variants[] = {
    { .label = "plain", .key_heads = H },
    { .label = "causal", .key_heads = H, .o = { .causality = HEED_CAUSAL_TOP_LEFT } },
    { .label = "grouped, causal from the end",
      .key_heads = 2,
      .o = { .causality = HEED_CAUSAL_BOTTOM_RIGHT, .scale = 0.8 } },
    { .label = "mask [S]", .key_heads = H, .mask = HEED_DIMS(S) },
    { .label = "mask [T, S]", .key_heads = 1, .mask = HEED_DIMS(T, S) },
    { .label = "mask [B, 1, 1, S]", .key_heads = H, .mask = HEED_DIMS(B, 1, 1, S) },
    { .label = "mask [H, T, 1]", .key_heads = H, .mask = HEED_DIMS(H, T, 1) },
    { .label = "mask [B, H, T, S]", .key_heads = H, .mask = HEED_DIMS(B, H, T, S) },
    { .label = "bias [T, S]", .key_heads = H, .bias = HEED_DIMS(T, S) },
    { .label = "bias [B, 1, T, S]", .key_heads = 2, .bias = HEED_DIMS(B, 1, T, S) },
    { .label = "bias [1, H, T, S]", .key_heads = H, .bias = HEED_DIMS(1, H, T, S) },
    { .label = "slopes", .key_heads = H, .slopes = true },
    { .label = "sinks", .key_heads = H, .sinks = true },
    { .label = "cap", .key_heads = H, .o = { .cap = 0.7 } },
    { .label = "window",
      .key_heads = H,
      .o = { .windowed = true, .left = 1, .right = 2, .causality = HEED_CAUSAL_BOTTOM_RIGHT } },
    { .label = "prefix",
      .key_heads = H,
      .o = { .prefix = 2, .windowed = true, .causality = HEED_CAUSAL_TOP_LEFT } },
    { .label = "score function", .key_heads = H, .o = { .score = doubled } },
    { .label = "all",
      .key_heads = 2,
      .mask = HEED_DIMS(B, 1, T, S),
      .bias = HEED_DIMS(H, 1, S),
      .slopes = true,
      .sinks = true,
      .o = { .cap = 2,
             .prefix = 1,
             .windowed = true,
             .left = 3,
             .causality = HEED_CAUSAL_BOTTOM_RIGHT } },
};

/* Element (b, h, i, j) of what broadcasts to [B, H, T, S]. */
static double broadcast(const heed_tensor *x, const int64_t at[4])
{
    int64_t flat = 0;
    for (int k = 0; k < x->ndim; k++)
        flat = flat * x->shape[k] + (x->shape[k] == 1 ? 0 : at[4 - x->ndim + k]);
    return heed_at(x, flat);
}

typedef struct operands {
    heed_tensor *q, *k, *v, *mask;
    heed_attention_options o;
} operands;

static operands operands_of(heed_tape *t, const variant *a)
{
    operands x = { .q = numbers(t, 1, HEED_SHAPE(B, H, T, D)),
                   .k = numbers(t, 2, HEED_SHAPE(B, a->key_heads, S, D)),
                   .v = numbers(t, 3, HEED_SHAPE(B, a->key_heads, S, 2)),
                   .o = a->o };
    x.mask = a->mask.ndim ? coins(t, 4, a->mask) : NULL;
    x.o.bias = a->bias.ndim ? numbers(t, 5, a->bias) : NULL;
    x.o.slopes = a->slopes ? numbers(t, 6, HEED_SHAPE(H)) : NULL;
    x.o.sinks = a->sinks ? numbers(t, 7, HEED_SHAPE(H)) : NULL;
    return x;
}

static bool hidden(const operands *x, const int64_t at[4])
{
    const heed_attention_options *o = &x->o;
    int64_t place = at[2] + (o->causality == HEED_CAUSAL_BOTTOM_RIGHT ? S - T : 0), j = at[3];
    if (x->mask && broadcast(x->mask, at) == 0)
        return true;
    if (j < o->prefix)
        return false;
    return (o->causality != HEED_NOT_CAUSAL && j > place) ||
           (o->windowed && (j < place - o->left || j > place + o->right));
}

static double score(const operands *x, const int64_t at[4])
{
    const heed_attention_options *o = &x->o;
    int64_t b = at[0], h = at[1], i = at[2], j = at[3], heads = x->k->shape[1];
    int64_t place = i + (o->causality == HEED_CAUSAL_BOTTOM_RIGHT ? S - T : 0);
    double sum = 0;
    for (int64_t d = 0; d < D; d++)
        sum += heed_at(x->q, ((b * H + h) * T + i) * D + d) *
               heed_at(x->k, ((b * heads + h / (H / heads)) * S + j) * D + d);
    sum *= o->scale != 0 ? o->scale : 1 / sqrt(D);
    sum = o->cap != 0 ? o->cap * tanh(sum / o->cap) : sum;
    sum = o->score ? 2 * sum : sum;
    sum += o->bias ? broadcast(o->bias, at) : 0;
    return sum - (o->slopes ? heed_at(o->slopes, h) * fabs((double)(place - j)) : 0);
}

/* Row i of head h of the example kept. */
static void expected_row(const operands *x, int64_t h, int64_t i, double row[S])
{
    double sum = x->o.sinks ? exp(heed_at(x->o.sinks, h)) : 0;
    for (int64_t j = 0; j < S; j++) {
        int64_t at[4] = { EXAMPLE, h, i, j };
        row[j] = hidden(x, at) ? 0 : exp(score(x, at));
        sum += row[j];
    }
    for (int64_t j = 0; j < S; j++)
        row[j] = sum > 0 ? row[j] / sum : 0;
}

START_TEST(every_variant)
{
    const variant *a = &variants[_i];
    for (int form = 0; form < 4; form++) { /* fused, composed, and both with dropout */
        heed_maps *m = new_maps((heed_maps_options){ .example = EXAMPLE });
        heed_tape *t = new_tape(HEED_F64);
        operands x = operands_of(t, a);
        x.o.composed = form % 2 == 1;
        x.o.dropout = form >= 2 ? 0.5 : 0;
        heed_set_training(t, true);
        heed_maps_watch(m, t);
        heed_attention(t, x.q, x.k, x.v, x.mask, &x.o);
        ck_assert_msg(!heed_error(t), "%s: %s", a->label, heed_error(t));
        ck_assert_int_eq(heed_maps_count(m), 1);
        const heed_map *map = heed_maps_find(m, "attention");
        ck_assert(map && map->heads == H && map->queries == T && map->keys == S);
        for (int64_t h = 0; h < H; h++) {
            for (int64_t i = 0; i < T; i++) {
                double row[S];
                expected_row(&x, h, i, row);
                for (int64_t j = 0; j < S; j++)
                    EXPECT_MSG(fabs(heed_map_row(map, h, i)[j] - row[j]) <= 1e-12,
                               "%s, form %d: [%d,%d,%d] is %.17g and not %.17g", a->label, form,
                               (int)h, (int)i, (int)j, heed_map_row(map, h, i)[j], row[j]);
            }
        }
        heed_maps_free(m);
        heed_tape_free(t);
    }
}
END_TEST

/* Maps from the packed projection, and from q, k and v cut out of it. */
START_TEST(packed)
{
    heed_maps *m = new_maps((heed_maps_options){ .example = EXAMPLE });
    heed_tape *t = new_tape(HEED_F64);
    heed_tensor *qkv = numbers(t, 8, HEED_SHAPE(B, T, 3 * H * D));
    heed_tensor *mask = coins(t, 9, HEED_SHAPE(B, 1, T, T));
    heed_attention_options o = { .causality = HEED_CAUSAL_TOP_LEFT, .cap = 1.5 };
    heed_maps_watch(m, t);
    for (int form = 0; form < 3; form++) {
        o.composed = form == 1;
        o.sinks = form == 2 ? heed_full(t, HEED_SHAPE(H), -INFINITY) : NULL;
        heed_attention_packed(t, qkv, H, mask, &o);
    }
    heed_tensor *part[2];
    for (int i = 0; i < 2; i++) {
        heed_tensor *columns = heed_slice(t, qkv, 2, i * H * D, (i + 1) * H * D, 1);
        part[i] = heed_split_heads(t, columns, H);
    }
    o.composed = true;
    heed_tensor *p = heed_attention_weights(t, part[0], part[1], mask, &o);
    ck_assert_msg(p != NULL, "%s", heed_error(t));
    ck_assert_int_eq(heed_maps_count(m), 3);
    for (int k = 0; k < 3; k++) {
        for (int64_t n = 0; n < H * T * T; n++)
            EXPECT_MSG(fabs(heed_map_row(heed_maps_at(m, k), n / T / T, n / T % T)[n % T] -
                            heed_at(p, EXAMPLE * H * T * T + n)) <= 1e-12,
                       "form %d, element %d", k, (int)n);
    }
    ck_assert_str_eq(heed_maps_at(m, 2)->name, "attention#3");
    heed_maps_free(m);
    heed_tape_free(t);
}
END_TEST

/* ---- names and passes ---- */

static void attend(heed_tape *t, int64_t queries)
{
    heed_tensor *q = numbers(t, 1, HEED_SHAPE(1, 1, queries, D));
    heed_tensor *k = numbers(t, 2, HEED_SHAPE(1, 1, S, D));
    heed_attention(t, q, k, k, NULL, NULL);
}

/* Names and queries of all maps: "a.b:2 attention:1". */
static const char *listed(const heed_maps *m)
{
    static char text[200];
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < heed_maps_count(m); i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s:%d", i ? " " : "",
                               heed_maps_at(m, i)->name, (int)heed_maps_at(m, i)->queries);
    return text;
}

START_TEST(names)
{
    heed_maps *m = new_maps((heed_maps_options){ 0 });
    heed_tape *t = new_tape(HEED_F64);
    heed_maps_watch(m, t);
    for (int pass = 1; pass <= 2; pass++) {
        attend(t, pass);
        heed_scope(t, "a");
        heed_scope(t, "b");
        attend(t, pass);
        attend(t, pass);
        heed_scope_end(t);
        attend(t, 1);
        heed_scope_end(t);
        ck_assert_str_eq(listed(m), pass == 1 ? "attention:1 a.b:1 a.b#2:1 a:1"
                                              : "attention:2 a.b:2 a.b#2:2 a:1");
        heed_tape_reset(t);
    }
    /* A rewind takes back what came after the mark and no more. */
    heed_maps_clear(m);
    attend(t, 1);
    heed_position mark = heed_mark(t);
    for (int step = 2; step < 5; step++) {
        heed_scope(t, "c");
        attend(t, step);
        heed_scope_end(t);
        heed_rewind(t, mark);
    }
    attend(t, 2);
    ck_assert_str_eq(listed(m), "attention:1 c:4 attention#2:2");
    /* heed_return is no such thing: the second block of one scope is the second. */
    heed_maps_watch(m, t);
    heed_maps_clear(m);
    heed_set_recording(t, false);
    for (int block = 1; block < 4; block++) {
        heed_position start = heed_mark(t);
        static const double one = 1;
        attend(t, block);
        heed_return(t, start,
                    block == 1 ? heed_borrow(t, HEED_F64, HEED_SCALAR, &one)
                               : heed_full(t, HEED_SCALAR, 1));
    }
    ck_assert_str_eq(listed(m), "attention:1 attention#2:2 attention#3:3");
    ck_assert_msg(!heed_error(t), "%s", heed_error(t));
    heed_maps_free(m);
    heed_tape_free(t);
}
END_TEST

/* Passes of one tape say nothing about another's. */
START_TEST(two_tapes)
{
    heed_maps *m = new_maps((heed_maps_options){ 0 });
    heed_tape *t[2] = { new_tape(HEED_F64), new_tape(HEED_F64) };
    for (int i = 0; i < 2; i++)
        heed_maps_watch(m, t[i]);
    attend(t[0], 1);
    attend(t[1], 2);
    ck_assert_str_eq(listed(m), "attention:1 attention#2:2");
    for (int i = 0; i < 2; i++)
        heed_maps_watch(NULL, t[i]);
    heed_maps_free(m);
    for (int i = 0; i < 2; i++)
        heed_tape_free(t[i]);
}
END_TEST

/* Scopes that are not UTF-8 or longer than a name are names all the same. */
START_TEST(odd_names)
{
    char scope[400];
    memset(scope, 's', sizeof scope - 1);
    scope[sizeof scope - 1] = '\0';
    heed_maps *m = new_maps((heed_maps_options){ 0 });
    heed_tape *t = new_tape(HEED_F64);
    heed_maps_watch(m, t);
    for (int pass = 0; pass < 3; pass++) {
        heed_scope(t, "\xff\xff");
        attend(t, 1);
        heed_scope_end(t);
        heed_scope(t, scope);
        attend(t, 1);
        heed_scope_end(t);
        heed_tape_reset(t);
        ck_assert_int_eq(heed_maps_count(m), 2);
    }
    ck_assert_str_eq(heed_maps_at(m, 0)->name, "\xEF\xBF\xBD\xEF\xBF\xBD");
    heed_maps_free(m);
    heed_tape_free(t);
}
END_TEST

/* ---- alignment ---- */

START_TEST(alignment)
{
    heed_align a;
    heed_random r = { .seed = 1 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_align_init(&a, ps, "a", D, D,
                    (heed_align_options){ .score = HEED_ALIGN_ADDITIVE, .random = &r });
    for (int append = 0; append < 2; append++) {
        heed_maps *m =
            new_maps((heed_maps_options){ .example = EXAMPLE, .append = append == 1 });
        heed_tape *t = new_tape(HEED_F64);
        heed_maps_watch(m, t);
        for (int pass = 0; pass < 2; pass++) {
            heed_tensor *keys = numbers(t, 1, HEED_SHAPE(B, S, D));
            heed_tensor *queries = numbers(t, 2, HEED_SHAPE(B, T, D));
            heed_align_memory memory = heed_align_prepare(t, &a, keys, NULL, NULL);
            heed_scope(t, "whole");
            heed_aligned whole = heed_align_step(t, &a, queries, &memory, NULL);
            heed_scope_end(t);
            heed_scope(t, "again");
            for (int i = 0; i < 2; i++)
                heed_align_step(t, &a, queries, &memory, NULL);
            heed_scope_end(t);
            heed_scope(t, "steps");
            for (int i = 0; i < T; i++)
                heed_align_step(t, &a, heed_select(t, queries, 1, i), &memory, NULL);
            heed_scope_end(t);
            ck_assert_msg(!heed_error(t), "%s", heed_error(t));
            ck_assert_str_eq(listed(m), append && pass ? "whole:10 again:10 again#2:10 steps:10"
                                                       : "whole:5 again:5 again#2:5 steps:5");
            for (int n = 0; n < T * S; n++) {
                double w = heed_at(whole.weights, EXAMPLE * T * S + n);
                for (int k = 0; k < 4; k++)
                    ck_assert_double_eq_tol(heed_map_row(heed_maps_at(m, k), 0, n / S)[n % S],
                                            w, 1e-14);
            }
            heed_tape_reset(t);
        }
        heed_maps_free(m);
        heed_tape_free(t);
    }
    heed_params_free(ps);
}
END_TEST

/* ---- beside sweeps and the sanitizer ---- */

/* y = x, with an adjoint that attends for no reason. */
static bool odd_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    (void)t;
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[0]);
    return true;
}

static void odd_run(const heed_call *c, heed_tensor *y)
{
    memcpy(y->data, c->x[0]->data, (size_t)heed_size(y) * sizeof(double));
}

static void odd_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)c;
    (void)y;
    gx[0] = heed_attention(t, gy, gy, gy, NULL, NULL);
}

static const heed_op odd = {
    .name = "odd", .arity = 1, .dense = 1, .shape = odd_shape, .run = odd_run, .vjp = odd_vjp
};

START_TEST(sweeps)
{
    heed_maps *m = new_maps((heed_maps_options){ 0 });
    heed_tape *t = new_tape(HEED_F64);
    heed_maps_watch(m, t);
    heed_tensor *x = heed_watch(t, numbers(t, 1, HEED_SHAPE(1, 1, T, D)));
    heed_tensor *y = heed_attention(t, x, x, x, NULL, NULL), *gx = NULL;
    ck_assert(heed_grad(t, y, NULL, 1, &x, &gx));
    ck_assert(heed_backward(t, heed_sum(t, gx)));
    ck_assert_str_eq(listed(m), "attention:5");
    /* A gradient that was delivered outlives a later pass that is watched. */
    ck_assert_ptr_nonnull(heed_gradient(t, x));
    attend(t, 1);
    ck_assert_ptr_nonnull(heed_gradient(t, x));
    ck_assert_str_eq(listed(m), "attention:5 attention#2:1");
    /* What a rule computes is not the model's attention. */
    heed_tape_reset(t);
    x = heed_watch(t, numbers(t, 1, HEED_SHAPE(1, 1, T, D)));
    ck_assert(heed_backward(t, heed_sum(t, heed_apply(t, &odd, 1, &x, NULL))));
    ck_assert_double_eq_tol(heed_at(heed_gradient(t, x), 0), 1, 1e-15);
    attend(t, 2);
    ck_assert_str_eq(listed(m), "attention:2 attention#2:1");
    heed_maps_free(m);
    heed_tape_free(t);
}
END_TEST

START_TEST(sanitizing)
{
    char sentence[2][512];
    heed_maps *m = new_maps((heed_maps_options){ 0 });
    for (int watched = 0; watched < 2; watched++) {
        heed_tape *t = new_tape(HEED_F64);
        heed_maps_watch(watched ? m : NULL, t);
        heed_tensor *q = heed_full(t, HEED_SHAPE(1, 1, 2, D), 1e200);
        heed_set_sanitizing(t, true);
        attend(t, 1);
        ck_assert_msg(!heed_error(t), "%s", heed_error(t));
        /* NaN that does not reach the model is not the sanitizer's business. */
        heed_tensor *nothing = heed_full(t, HEED_SHAPE(1, 1, 2, 0), 0);
        ck_assert_ptr_nonnull(heed_attention(t, q, q, nothing, NULL, NULL));
        ck_assert_ptr_null(heed_attention(t, q, q, q, NULL, NULL));
        ck_assert_ptr_nonnull(heed_error(t));
        ck_assert(heed_set_sanitizing(t, true));
        snprintf(sentence[watched], sizeof sentence[0], "%s", heed_error(t));
        heed_tape_free(t);
    }
    ck_assert_str_eq(sentence[0], sentence[1]);
    heed_maps_free(m);
}
END_TEST

/* ---- what goes wrong ---- */

START_TEST(refused)
{
    heed_maps *m = new_maps((heed_maps_options){ .example = 2 });
    heed_tape *t = new_tape(HEED_F64);
    heed_maps_watch(m, t);
    heed_scope(t, "encoder");
    attend(t, 1);
    ck_assert_str_eq(heed_error(t),
                     "encoder: attention watch: there is no example 2 in a batch of 1");
    heed_tape_reset(t);
    heed_attention_show(t, numbers(t, 1, HEED_SHAPE(3, 2)), true);
    ck_assert_str_eq(listed(m), "attention:1");
    heed_attention_show(t, numbers(t, 1, HEED_SHAPE(3)), false);
    ck_assert_str_eq(heed_error(t),
                     "attention watch: weights need shape [B, H, T, S], [B, T, S] "
                     "or [B, S] in f32 or f64, got [3] in f64");
    heed_maps_free(m);
    heed_tape_free(t);
}
END_TEST

typedef struct ration {
    int left;
    int64_t held;
} ration;

static void *rationed(void *context, size_t bytes)
{
    ration *r = context;
    if (r->left-- <= 0)
        return NULL;
    r->held++;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give_back(void *context, void *memory, size_t bytes)
{
    (void)bytes;
    ((ration *)context)->held--;
    free(memory);
}

/* Every allocation of the maps fails once, then every one of the tape: a sentence, nothing leaks,
 * and after a reset it goes on. */
START_TEST(no_memory)
{
    bool failed = true;
    for (int n = 0; failed; n++) {
        ration r = { n, 0 };
        heed_allocator allocator = { rationed, give_back, &r };
        heed_maps *m = heed_maps_new(
            (heed_maps_options){ .append = true, .allocator = _i == 0 ? &allocator : NULL });
        heed_tape *t = heed_tape_new(
            &(heed_tape_options){ .allocator = _i == 1 ? &allocator : NULL, .chunk = 512 });
        failed = !m || !t;
        if (!failed) {
            heed_maps_watch(m, t);
            for (int step = 0; step < 3; step++)
                attend(t, 2);
            const char *why = heed_error(t);
            failed = why != NULL;
            ck_assert_msg(!why || strstr(why, "out of memory"), "%s", why);
            r.left = 1000;
            heed_tape_reset(t);
            attend(t, 2);
            ck_assert_msg(!heed_error(t), "%s", heed_error(t));
            ck_assert_ptr_nonnull(heed_maps_find(m, "attention"));
        }
        ck_assert_int_lt(n, 200);
        heed_maps_free(m);
        heed_tape_free(t);
        ck_assert_int_eq(r.held, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect_watch");
    TCase *c = tcase_create("watch");
    tcase_add_loop_test(c, every_variant, 0, LENGTH(variants));
    tcase_add_test(c, packed);
    tcase_add_test(c, names);
    tcase_add_test(c, two_tapes);
    tcase_add_test(c, odd_names);
    tcase_add_test(c, alignment);
    tcase_add_test(c, sweeps);
    tcase_add_test(c, sanitizing);
    tcase_add_test(c, refused);
    tcase_add_loop_test(c, no_memory, 0, 2);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
