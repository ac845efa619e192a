/* Attention of every instruction set against plain loops. Kernels run only inside Check's forked
 * tests: a process that forks after an OpenMP region hangs in its child. */
#include "kernel_data.h"

#include <math.h>
#include <string.h>

/* An attention problem with every array in a room of its own, rows apart from each other. */
typedef struct problem {
    kernel_attention g;
    bool f64;
} problem;

/* What scores may be beside scaled products, and what may hide beside causality and a mask. */
enum { CAP = 1, BIAS = 2, SLOPES = 4, SINKS = 8, WINDOW = 16, PREFIX = 32, ALL = 63 };

static void strides_of(int64_t strides[3], int64_t heads, int64_t rows, int64_t width,
                       int64_t *count)
{
    const int64_t gap = random_below(3);
    if (random_below(2)) { /* [B, T, H, D] */
        strides[1] = width + gap;
        strides[2] = strides[1] * heads;
        strides[0] = strides[2] * rows;
        *count = strides[0];
    } else { /* [B, H, T, D] */
        strides[2] = width + gap;
        strides[1] = strides[2] * rows;
        strides[0] = strides[1] * heads;
        *count = strides[0];
    }
}

static int64_t place(const int64_t strides[3], int64_t b, int64_t h, int64_t row)
{
    return b * strides[0] + h * strides[1] + row * strides[2];
}

static bool visible(const kernel_attention *g, int64_t b, int64_t h, int64_t i, int64_t j)
{
    const int64_t *s = g->mask_strides, p = i + g->offset;
    const bool near = !g->windowed || (j >= p - g->left && j <= p + g->right);
    return (j < g->prefix || (near && (!g->causal || j <= p))) &&
           (!g->mask || g->mask[b * s[0] + h * s[1] + i * s[2] + j * s[3]]);
}

static double bias_at(const problem *x, int64_t b, int64_t h, int64_t i, int64_t j)
{
    const int64_t *s = x->g.bias_strides;
    return x->g.bias ? get(x->g.bias, b * s[0] + h * s[1] + i * s[2] + j * s[3], x->f64) : 0;
}

static int64_t distance(const kernel_attention *g, int64_t i, int64_t j)
{
    return llabs(i + g->offset - j);
}

/* The score of a visible key, and by what the cap bends it. */
static double score_of(const problem *x, int64_t b, int64_t h, int64_t i, int64_t j,
                       double *bend)
{
    const kernel_attention *g = &x->g;
    const int64_t kv = h / (g->heads / g->kv_heads);
    double s = 0;
    for (int64_t c = 0; c < g->width; c++)
        s += get(g->q, place(g->q_strides, b, h, i) + c, x->f64) *
             get(g->k, place(g->k_strides, b, kv, j) + c, x->f64);
    s *= g->scale;
    *bend = 1;
    if (g->cap > 0) {
        const double y = tanh(s / g->cap);
        s = g->cap * y;
        *bend = 1 - y * y;
    }
    if (g->slopes)
        s -= get(g->slopes, h, x->f64) * (double)distance(g, i, j);
    return s + bias_at(x, b, h, i, j);
}

static void enrich(problem *x, unsigned variant)
{
    kernel_attention *g = &x->g;
    if (variant & CAP)
        g->cap = 0.5 + 0.5 * (double)random_below(4);
    if (variant & BIAS) {
        /* Each axis its own or broadcast; now and then a column of -inf, which hides. */
        const int64_t extent[4] = { g->batch, g->heads, g->queries, g->keys };
        int64_t count = 1;
        for (int i = 3; i >= 0; i--) {
            const bool own = random_below(3) > 0;
            g->bias_strides[i] = own ? count : 0;
            count *= own ? extent[i] : 1;
        }
        void *bias = random_room(count, x->f64);
        for (int64_t i = 0; random_below(2) && i < count; i += 7)
            set(bias, i, x->f64, -INFINITY);
        g->bias = bias;
        g->gbias = room((size_t)count * size_of(x->f64));
        g->gbias_count = count;
        memcpy(g->gbias_strides, g->bias_strides, sizeof g->bias_strides);
    }
    if (variant & SLOPES) {
        void *slopes = random_room(g->heads, x->f64);
        for (int64_t h = 0; h < g->heads; h++) /* small: distances are long */
            set(slopes, h, x->f64, 0.05 * get(slopes, h, x->f64));
        g->slopes = slopes;
        g->gslopes = room((size_t)g->heads * size_of(x->f64));
    }
    if (variant & SINKS)
        g->sinks = random_room(g->heads, x->f64);
    if (variant & WINDOW) {
        g->windowed = true;
        g->left = random_below(random_below(2) ? 10 : 200);
        g->right = random_below(random_below(2) ? 4 : 90);
    }
    if (variant & PREFIX)
        g->prefix = random_below(20);
    g->weights = room((size_t)(g->batch * g->heads * g->queries * g->keys) * size_of(x->f64));
}

static problem make_problem(const int64_t shape[7], bool causal, int64_t offset, int mask,
                            bool f64)
{
    problem x = { .f64 = f64 };
    kernel_attention *g = &x.g;
    g->batch = shape[0], g->heads = shape[1], g->kv_heads = shape[2];
    g->queries = shape[3], g->keys = shape[4], g->width = shape[5], g->value_width = shape[6];
    g->scale = g->width ? 1.7 / sqrt((double)g->width) : 1;
    g->causal = causal, g->offset = offset;
    int64_t n;
    strides_of(g->q_strides, g->heads, g->queries, g->width, &n);
    g->q = random_room(n * g->batch, f64);
    strides_of(g->k_strides, g->kv_heads, g->keys, g->width, &n);
    g->k = random_room(n * g->batch, f64);
    strides_of(g->v_strides, g->kv_heads, g->keys, g->value_width, &n);
    g->v = random_room(n * g->batch, f64);
    strides_of(g->o_strides, g->heads, g->queries, g->value_width, &n);
    g->o = random_room(n * g->batch, f64);
    strides_of(g->go_strides, g->heads, g->queries, g->value_width, &n);
    g->go = random_room(n * g->batch, f64);
    strides_of(g->gq_strides, g->heads, g->queries, g->width, &n);
    g->gq = random_room(n * g->batch, f64);
    strides_of(g->gk_strides, g->kv_heads, g->keys, g->width, &n);
    g->gk = random_room(n * g->batch, f64);
    strides_of(g->gv_strides, g->kv_heads, g->keys, g->value_width, &n);
    g->gv = random_room(n * g->batch, f64);
    g->lse = random_room(g->batch * g->heads * g->queries, f64);
    if (mask) {
        /* 1: every element its own; 2: of keys, one for all heads and queries; 3: keys apart */
        uint8_t *bits = room((size_t)(g->batch * g->heads * g->queries * g->keys * 2));
        for (int64_t i = 0; i < g->batch * g->heads * g->queries * g->keys * 2; i++)
            bits[i] = random_below(3) != 0;
        const int64_t step = mask == 3 ? 2 : 1;
        g->mask_strides[3] = step;
        if (mask != 2) {
            g->mask_strides[2] = step * g->keys;
            g->mask_strides[1] = g->mask_strides[2] * g->queries;
            for (int64_t j = 0; j < g->keys; j++) /* one query sees nothing */
                bits[g->mask_strides[2] * (g->queries / 2) + j * step] = 0;
        }
        g->mask_strides[0] = mask == 2 ? g->keys : g->mask_strides[1] * g->heads;
        g->mask = bits;
    }
    return x;
}

static void free_problem(problem *x)
{
    const kernel_attention *g = &x->g;
    free((void *)(uintptr_t)g->q), free((void *)(uintptr_t)g->k), free((void *)(uintptr_t)g->v);
    free((void *)(uintptr_t)g->go), free((void *)(uintptr_t)g->mask);
    free((void *)(uintptr_t)g->bias), free((void *)(uintptr_t)g->slopes);
    free((void *)(uintptr_t)g->sinks), free(g->gbias), free(g->gslopes), free(g->weights);
    free(g->o), free(g->lse), free(g->gq), free(g->gk), free(g->gv);
}

static void run_problem(problem *x, const kernel_isa *isa)
{
    const kernel_table *table = table_of(isa, x->f64);
    x->g.scratch = room(table->attention_scratch(&x->g));
    table->attention(&x->g);
    free(x->g.scratch);
    x->g.scratch = room(table->attention_grad_scratch(&x->g));
    table->attention_grad(&x->g);
    kernel_attention by_bias = x->g, by_slopes = x->g;
    by_bias.gslopes = by_slopes.gbias = NULL;
    if (by_bias.gbias)
        table->attention_score_grad(&by_bias);
    if (by_slopes.gslopes)
        table->attention_score_grad(&by_slopes);
    if (x->g.weights)
        table->attention_weights(&x->g);
    free(x->g.scratch);
}

static void compare(const problem *x, const void *result, const int64_t strides[3],
                    int64_t heads, int64_t rows, int64_t width, const double *expected,
                    const char *what)
{
    double size = 1;
    const int64_t count = x->g.batch * heads * rows * width;
    for (int64_t i = 0; i < count; i++)
        size = fabs(expected[i]) > size ? fabs(expected[i]) : size;
    const double bound = size * (x->f64 ? 2e-13 : 3e-5);
    int64_t n = 0;
    for (int64_t b = 0; b < x->g.batch; b++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < width; j++, n++) {
                    const double y = get(result, place(strides, b, h, i) + j, x->f64);
                    EXPECT_MSG(fabs(y - expected[n]) <= bound,
                               "f%d %s[%d,%d,%d,%d] is %.9g, not %.9g", x->f64 ? 64 : 32, what,
                               (int)b, (int)h, (int)i, (int)j, y, expected[n]);
                }
}

/* size: of the terms that are summed up */
static void compare_flat(const problem *x, const void *result, int64_t count,
                         const double *expected, double size, const char *what)
{
    for (int64_t i = 0; i < count; i++)
        size = fabs(expected[i]) > size ? fabs(expected[i]) : size;
    for (int64_t i = 0; i < count; i++)
        EXPECT_MSG(fabs(get(result, i, x->f64) - expected[i]) <= size * (x->f64 ? 2e-13 : 3e-5),
                   "f%d %s[%d] is %.9g, not %.9g", x->f64 ? 64 : 32, what, (int)i,
                   get(result, i, x->f64), expected[i]);
}

/* The plain loops, which never look at what is hidden. */
static void check_problem(const problem *x)
{
    const kernel_attention *g = &x->g;
    const int64_t D = g->width, E = g->value_width, queries = g->batch * g->heads * g->queries;
    const int64_t keys = g->batch * g->kv_heads * g->keys;
    double *o = calloc((size_t)(queries * E) + 1, sizeof *o),
           *p = calloc((size_t)g->keys + 1, sizeof *p),
           *bend = calloc((size_t)g->keys + 1, sizeof *bend);
    double *gbias = calloc((size_t)g->gbias_count + 1, sizeof *gbias);
    double *gslopes = calloc((size_t)g->heads + 1, sizeof *gslopes), moved = 1;
    double *gq = calloc((size_t)(queries * D) + 1, sizeof *gq);
    double *gk = calloc((size_t)(keys * D) + 1, sizeof *gk);
    double *gv = calloc((size_t)(keys * E) + 1, sizeof *gv);
    int64_t n = 0;
    for (int64_t b = 0; b < g->batch; b++)
        for (int64_t h = 0; h < g->heads; h++)
            for (int64_t i = 0; i < g->queries; i++, n++) {
                const int64_t kv = h / (g->heads / g->kv_heads);
                double total = 0, dot = 0, *y = o + n * E;
                double most = g->sinks ? get(g->sinks, h, x->f64) : -HUGE_VAL;
                const double sink = most;
                for (int64_t j = 0; j < g->keys; j++) {
                    p[j] = -HUGE_VAL;
                    if (!visible(g, b, h, i, j) || isinf(bias_at(x, b, h, i, j)))
                        continue;
                    p[j] = score_of(x, b, h, i, j, &bend[j]);
                    most = p[j] > most ? p[j] : most;
                }
                for (int64_t j = 0; j < g->keys; j++)
                    total += p[j] = p[j] == -HUGE_VAL ? 0 : exp(p[j] - most);
                total += g->sinks ? exp(sink - most) : 0;
                const double lse = get(g->lse, n, x->f64);
                if (total == 0)
                    ck_assert(isinf(lse) && lse > 0);
                else
                    ck_assert_double_le(fabs(lse - most - log(total)),
                                        (x->f64 ? 1e-13 : 1e-5) * fmax(1, fabs(most)));
                for (int64_t j = 0; j < g->keys; j++) {
                    p[j] = total > 0 ? p[j] / total : 0;
                    if (g->weights)
                        ck_assert_double_le(
                            fabs(get(g->weights, n * g->keys + j, x->f64) - p[j]),
                            x->f64 ? 1e-13 : 3e-5);
                    if (p[j] == 0)
                        continue;
                    for (int64_t c = 0; c < E; c++)
                        y[c] += p[j] * get(g->v, place(g->v_strides, b, kv, j) + c, x->f64);
                }
                for (int64_t c = 0; total > 0 && c < E; c++)
                    dot += y[c] * get(g->go, place(g->go_strides, b, h, i) + c, x->f64);
                for (int64_t j = 0; j < g->keys; j++) {
                    if (p[j] == 0)
                        continue;
                    const int64_t at_key = (b * g->kv_heads + kv) * g->keys + j;
                    double slope = -dot;
                    for (int64_t c = 0; c < E; c++) {
                        const double gy = get(g->go, place(g->go_strides, b, h, i) + c, x->f64);
                        slope += gy * get(g->v, place(g->v_strides, b, kv, j) + c, x->f64);
                        gv[at_key * E + c] += p[j] * gy;
                    }
                    const int64_t *s = g->gbias_strides;
                    gbias[b * s[0] + h * s[1] + i * s[2] + j * s[3]] += p[j] * slope;
                    gslopes[h] -= p[j] * slope * (double)distance(g, i, j);
                    moved += fabs(p[j] * slope) * (double)distance(g, i, j);
                    slope *= bend[j];
                    for (int64_t c = 0; c < D; c++) {
                        gq[n * D + c] += g->scale * p[j] * slope *
                                         get(g->k, place(g->k_strides, b, kv, j) + c, x->f64);
                        gk[at_key * D + c] +=
                            g->scale * p[j] * slope *
                            get(g->q, place(g->q_strides, b, h, i) + c, x->f64);
                    }
                }
            }
    compare(x, g->o, g->o_strides, g->heads, g->queries, E, o, "o");
    compare(x, g->gq, g->gq_strides, g->heads, g->queries, D, gq, "gq");
    compare(x, g->gk, g->gk_strides, g->kv_heads, g->keys, D, gk, "gk");
    compare(x, g->gv, g->gv_strides, g->kv_heads, g->keys, E, gv, "gv");
    if (g->gbias)
        compare_flat(x, g->gbias, g->gbias_count, gbias, 1, "gbias");
    if (g->gslopes)
        compare_flat(x, g->gslopes, g->heads, gslopes, moved, "gslopes");
    free(o), free(p), free(bend), free(gq), free(gk), free(gv), free(gbias), free(gslopes);
}

/* Results in one row of bytes, to compare two runs. */
static size_t keep(const problem *x, unsigned char *to)
{
    const kernel_attention *g = &x->g;
    const size_t one = size_of(x->f64);
    struct {
        const void *p;
        const int64_t *strides;
        int64_t heads, rows, width;
    } all[4] = { { g->o, g->o_strides, g->heads, g->queries, g->value_width },
                 { g->gq, g->gq_strides, g->heads, g->queries, g->width },
                 { g->gk, g->gk_strides, g->kv_heads, g->keys, g->width },
                 { g->gv, g->gv_strides, g->kv_heads, g->keys, g->value_width } };
    size_t used = 0;
    for (int i = 0; i < 4; i++)
        for (int64_t b = 0; b < g->batch; b++)
            for (int64_t h = 0; h < all[i].heads; h++)
                for (int64_t row = 0; row < all[i].rows; row++) {
                    const size_t bytes = (size_t)all[i].width * one;
                    if (to)
                        memcpy(to + used,
                               at(all[i].p, place(all[i].strides, b, h, row), x->f64), bytes);
                    used += bytes;
                }
    const struct {
        const void *p;
        int64_t count;
    } flat[4] = { { g->lse, g->batch * g->heads * g->queries },
                  { g->gbias, g->gbias ? g->gbias_count : 0 },
                  { g->gslopes, g->gslopes ? g->heads : 0 },
                  { g->weights, g->weights ? g->batch * g->heads * g->queries * g->keys : 0 } };
    for (int i = 0; i < 4; i++) {
        const size_t bytes = (size_t)flat[i].count * one;
        if (to && bytes)
            memcpy(to + used, flat[i].p, bytes);
        used += bytes;
    }
    return used;
}

/* Right, and the same bits at any number of threads. */
static void check_whole(problem *x, const kernel_isa *isa)
{
    heed__set_threads(1);
    run_problem(x, isa);
    check_problem(x);
    const size_t bytes = keep(x, NULL);
    unsigned char *first = room(bytes), *other = room(bytes);
    keep(x, first);
    for (int threads = 2; threads <= 3; threads++) {
        heed__set_threads(threads);
        run_problem(x, isa);
        keep(x, other);
        EXPECT_MSG(memcmp(first, other, bytes) == 0, "%s: bits differ with %d threads",
                   isa->name, threads);
    }
    free(first), free(other);
}

static void check_attention(const int64_t shape[7], bool causal, int64_t offset, int mask,
                            bool f64, const kernel_isa *isa)
{
    problem x = make_problem(shape, causal, offset, mask, f64);
    check_whole(&x, isa);
    free_problem(&x);
}

START_TEST(attention_shapes)
{
    const kernel_isa *isa = heed__isa_at(_i);
    static const struct {
        int64_t shape[7];
        bool causal;
        int64_t offset;
        int mask;
    } cases[] = {
        { { 2, 2, 2, 64, 64, 32, 32 }, true, 0, 0 },
        { { 1, 2, 1, 150, 150, 64, 64 }, true, 0, 0 },
        { { 1, 1, 1, 70, 70, 8, 8 }, false, 0, 0 },
        { { 2, 4, 2, 33, 47, 24, 40 }, false, 0, 1 },
        { { 1, 4, 2, 19, 300, 20, 12 }, true, 281, 2 },
        { { 1, 3, 1, 300, 19, 5, 7 }, true, -281, 0 },   /* most queries see nothing */
        { { 1, 1, 1, 40, 30, 16, 16 }, true, -60, 0 },   /* none sees anything */
        { { 1, 2, 2, 140, 600, 16, 48 }, true, 460, 3 }, /* several key blocks */
        { { 1, 1, 1, 600, 600, 16, 16 }, true, 0, 1 },
        { { 1, 1, 1, 90, 700, 33, 65 }, false, 0, 0 },
        { { 3, 2, 1, 1, 77, 64, 64 }, true, 76, 0 },
        { { 1, 1, 1, 1, 1, 1, 1 }, true, 0, 0 },
        { { 1, 2, 1, 5, 0, 4, 4 }, false, 0, 0 },
        { { 1, 2, 1, 0, 5, 4, 4 }, false, 0, 0 },
        { { 0, 2, 1, 3, 5, 4, 4 }, false, 0, 0 },
        { { 1, 1, 1, 3, 5, 4, 0 }, false, 0, 0 },
    };
    for (size_t i = 0; isa && i < sizeof cases / sizeof *cases; i++)
        for (int f64 = 0; f64 < 2; f64++)
            check_attention(cases[i].shape, cases[i].causal, cases[i].offset, cases[i].mask,
                            f64, isa);
}
END_TEST

START_TEST(attention_random)
{
    const kernel_isa *isa = heed__isa_at(_i);
    for (int round = 0; isa && round < 60; round++) {
        const int64_t kv_heads = 1 + random_below(2);
        const int64_t shape[7] = { 1 + random_below(2),
                                   kv_heads * (1 + random_below(3)),
                                   kv_heads,
                                   1 + random_below(round % 4 ? 40 : 200),
                                   1 + random_below(round % 4 ? 40 : 300),
                                   1 + random_below(70),
                                   1 + random_below(70) };
        check_attention(shape, random_below(2), random_below(60) - 20, (int)random_below(4),
                        round % 2 == 0, isa);
    }
}
END_TEST

/* Every combination of what scores may be and what may hide, over one and several blocks. */
START_TEST(attention_variants)
{
    const kernel_isa *isa = heed__isa_at(_i);
    for (unsigned round = 0; isa && round <= 2 * ALL; round++) {
        const bool large = round % 8 == 7;
        const int64_t kv_heads = 1 + random_below(2);
        const int64_t shape[7] = { 1 + random_below(2),
                                   kv_heads * (1 + random_below(2)),
                                   kv_heads,
                                   1 + random_below(large ? 200 : 40),
                                   1 + random_below(large ? 700 : 60),
                                   1 + random_below(20),
                                   1 + random_below(40) };
        problem x = make_problem(shape, random_below(2), random_below(60) - 20,
                                 (int)random_below(4), round % 3 == 0);
        enrich(&x,
               round > ALL ? ALL & ~(1u << random_below(6)) & ~(1u << random_below(6)) : round);
        check_whole(&x, isa);
        free_problem(&x);
    }
}
END_TEST

/* A window that reaches everywhere hides nothing and changes no bit. */
START_TEST(attention_wide_window)
{
    const kernel_isa *isa = heed__isa_at(_i);
    for (int round = 0; isa && round < 8; round++) {
        const int64_t shape[7] = { 1,  2, 1, 20 + random_below(150), 20 + random_below(600),
                                   16, 24 };
        problem x = make_problem(shape, round % 2, 0, round % 4 / 2, round < 4);
        const size_t bytes = keep(&x, NULL);
        unsigned char *plain = room(bytes), *windowed = room(bytes);
        heed__set_threads(1 + round % 2);
        run_problem(&x, isa);
        keep(&x, plain);
        x.g.windowed = true;
        x.g.left = x.g.right = shape[3] > shape[4] ? shape[3] : shape[4];
        run_problem(&x, isa);
        keep(&x, windowed);
        ck_assert_int_eq(memcmp(plain, windowed, bytes), 0);
        free(plain), free(windowed);
        free_problem(&x);
    }
}
END_TEST

/* Whole blocks that a window, a prefix and a mask hide may hold anything. */
START_TEST(attention_sparse_rubbish)
{
    const kernel_isa *isa = heed__isa_at(_i);
    for (int round = 0; isa && round < 12; round++) {
        const bool f64 = round % 2;
        const int64_t shape[7] = { 1, 2, 1, 300, 900, 12, 20 };
        problem x = make_problem(shape, round % 3 == 0, 500, 2, f64);
        kernel_attention *g = &x.g;
        enrich(&x, round % 4 ? WINDOW | PREFIX | BIAS | CAP : WINDOW);
        g->left %= 90;
        for (int64_t j = 300; j < 560; j++)
            ((uint8_t *)(uintptr_t)g->mask)[j] = 0;
        const size_t bytes = keep(&x, NULL);
        unsigned char *clean = room(bytes), *dirty = room(bytes);
        heed__set_threads(1 + round % 3);
        run_problem(&x, isa);
        keep(&x, clean);
        for (int64_t j = 0; j < g->keys; j++) {
            bool seen = false;
            for (int64_t i = 0; i < g->queries * g->heads; i++)
                seen = seen || visible(g, 0, i / g->queries, i % g->queries, j);
            for (int64_t c = 0; !seen && c < g->width; c++)
                set((void *)(uintptr_t)g->k, place(g->k_strides, 0, 0, j) + c, f64, NAN);
            for (int64_t c = 0; !seen && c < g->value_width; c++)
                set((void *)(uintptr_t)g->v, place(g->v_strides, 0, 0, j) + c, f64, INFINITY);
        }
        run_problem(&x, isa);
        keep(&x, dirty);
        EXPECT_MSG(memcmp(clean, dirty, bytes) == 0, "%s f%d, round %d: hidden rubbish leaks",
                   isa->name, f64 ? 64 : 32, round);
        free(clean), free(dirty);
        free_problem(&x);
    }
}
END_TEST

/* NaN and infinities in what nobody may see change no bit of what is left. */
START_TEST(attention_hidden_rubbish)
{
    const kernel_isa *isa = heed__isa_at(_i);
    static const double rubbish[3] = { NAN, INFINITY, -INFINITY };
    for (int round = 0; isa && round < 24; round++) {
        const bool f64 = round % 2, causal = round % 4 < 2;
        const int64_t shape[7] = { 2,  2, 1, 30 + random_below(100), 40 + random_below(250),
                                   20, 32 };
        problem x = make_problem(shape, causal, -5 + random_below(20), 2, f64);
        kernel_attention *g = &x.g;
        const size_t bytes = keep(&x, NULL);
        unsigned char *clean = room(bytes), *dirty = room(bytes);
        heed__set_threads(1 + round % 3);
        run_problem(&x, isa);
        keep(&x, clean);
        for (int64_t b = 0; b < g->batch; b++)
            for (int64_t j = 0; j < g->keys; j++) {
                bool seen = false;
                for (int64_t i = 0; i < g->queries; i++)
                    seen = seen || visible(g, b, 0, i, j);
                for (int64_t c = 0; !seen && c < g->width; c++)
                    set((void *)(uintptr_t)g->k, place(g->k_strides, b, 0, j) + c, f64,
                        rubbish[random_below(3)]);
                for (int64_t c = 0; !seen && c < g->value_width; c++)
                    set((void *)(uintptr_t)g->v, place(g->v_strides, b, 0, j) + c, f64,
                        rubbish[random_below(3)]);
            }
        run_problem(&x, isa);
        keep(&x, dirty);
        EXPECT_MSG(memcmp(clean, dirty, bytes) == 0, "%s f%d: hidden rubbish leaks", isa->name,
                   f64 ? 64 : 32);
        free(clean), free(dirty);
        free_problem(&x);
    }
}
END_TEST

/* A NaN in a key that only later queries see leaves the earlier queries alone. */
START_TEST(attention_later_rubbish)
{
    const kernel_isa *isa = heed__isa_at(_i);
    for (int round = 0; isa && round < 8; round++) {
        const bool f64 = round % 2;
        const int64_t shape[7] = { 1, 1, 1, 200, 200, 16, 16 }, bad = 3 + random_below(190);
        problem x = make_problem(shape, true, 0, 0, f64);
        kernel_attention *g = &x.g;
        const size_t bytes = keep(&x, NULL), row = 16 * size_of(f64);
        unsigned char *clean = room(bytes), *dirty = room(bytes);
        heed__set_threads(1 + round % 3);
        run_problem(&x, isa);
        keep(&x, clean);
        void *where = (void *)(uintptr_t)(round / 2 % 2 ? g->k : g->v);
        const int64_t *strides = round / 2 % 2 ? g->k_strides : g->v_strides;
        set(where, place(strides, 0, 0, bad) + 3, f64, NAN);
        run_problem(&x, isa);
        keep(&x, dirty);
        /* o and gq of the queries before it */
        ck_assert_int_eq(memcmp(clean, dirty, (size_t)bad * row), 0);
        ck_assert_int_eq(memcmp(clean + 200 * row, dirty + 200 * row, (size_t)bad * row), 0);
        for (int64_t i = bad; i < 200; i++)
            ck_assert(isnan(get(g->o, place(g->o_strides, 0, 0, i) + 3, f64)));
        free(clean), free(dirty);
        free_problem(&x);
    }
}
END_TEST

/* A value that is NaN spoils every query that sees it; a key nobody sees still has gradients of
 * 0, even in another block. */
START_TEST(attention_hidden_gradients)
{
    const kernel_isa *isa = heed__isa_at(_i);
    for (int f64 = 0; isa && f64 < 2; f64++) {
        const int64_t shape[7] = { 1, 1, 1, 20, 300, 16, 16 };
        problem x = make_problem(shape, false, 0, 2, f64);
        kernel_attention *g = &x.g;
        set((void *)(uintptr_t)g->v, 5, f64, NAN);
        ((uint8_t *)(uintptr_t)g->mask)[0] = 1;
        heed__set_threads(1 + f64);
        run_problem(&x, isa);
        ck_assert(isnan(get(g->o, 5, f64)));
        for (int64_t j = 0; j < g->keys; j++)
            for (int64_t c = 0; !g->mask[j] && c < 16; c++) {
                ck_assert(get(g->gk, place(g->gk_strides, 0, 0, j) + c, f64) == 0);
                ck_assert(get(g->gv, place(g->gv_strides, 0, 0, j) + c, f64) == 0);
            }
        free_problem(&x);
    }
}
END_TEST

int main(void)
{
    heed__set_eager(true); /* also in the tests that Check forks */
    Suite *suite = suite_create("kernels_attention");
    TCase *attention = tcase_create("attention");
    tcase_set_timeout(attention, 120);
    tcase_add_loop_test(attention, attention_shapes, 0, 3);
    tcase_add_loop_test(attention, attention_random, 0, 3);
    tcase_add_loop_test(attention, attention_variants, 0, 3);
    tcase_add_loop_test(attention, attention_wide_window, 0, 3);
    tcase_add_loop_test(attention, attention_sparse_rubbish, 0, 3);
    tcase_add_loop_test(attention, attention_hidden_rubbish, 0, 3);
    tcase_add_loop_test(attention, attention_later_rubbish, 0, 3);
    tcase_add_loop_test(attention, attention_hidden_gradients, 0, 3);
    suite_add_tcase(suite, attention);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
