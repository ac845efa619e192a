/* The matrix product and attention of every instruction set against plain loops in long double.
 * Kernels run only inside Check's forked tests: a process that forks after an OpenMP region
 * hangs in its child. */
#include "kernels.h"

#include "expect.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef long double wide;

static uint64_t seed = 1;

static uint32_t random_bits(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

static int64_t random_below(int64_t n)
{
    return (int64_t)(random_bits() % (uint32_t)n);
}

static double random_unit(void)
{
    return (double)random_bits() / 1073741824.0 - 1.0;
}

static void *room(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    ck_assert_ptr_nonnull(p);
    return p;
}

static double get(const void *p, int64_t i, bool f64)
{
    return f64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void set(void *p, int64_t i, bool f64, double x)
{
    if (f64)
        ((double *)p)[i] = x;
    else
        ((float *)p)[i] = (float)x;
}

static size_t size_of(bool f64)
{
    return f64 ? sizeof(double) : sizeof(float);
}

static const void *at(const void *p, int64_t i, bool f64)
{
    return (const char *)p + i * (int64_t)size_of(f64);
}

static void *random_room(int64_t count, bool f64)
{
    void *p = room((size_t)count * size_of(f64));
    for (int64_t i = 0; i < count; i++)
        set(p, i, f64, random_unit());
    return p;
}

static const kernel_table *table_of(const kernel_isa *isa, bool f64)
{
    return f64 ? isa->f64 : isa->f32;
}

/* An operand at random strides in a room of its own: rows, columns and two batch axes. */
typedef struct operand {
    void *memory;
    int64_t count, start, row, column, batch[2];
} operand;

static operand make_operand(int64_t rows, int64_t columns, const int64_t batch[2], bool result,
                            bool f64)
{
    operand x = { .count = 1 };
    int64_t *const stride[4] = { &x.column, &x.row, &x.batch[1], &x.batch[0] };
    const int64_t extent[4] = { columns, rows, batch[1], batch[0] };
    int order[4] = { 0, 1, 2, 3 };
    if (!result && random_below(2)) {
        order[0] = 1;
        order[1] = 0;
    }
    for (int i = 0; i < 4; i++) {
        const int axis = order[i];
        const bool step_apart = i == 0 && !result && random_below(8) == 0;
        int64_t step = step_apart ? 3 : x.count + (i ? random_below(3) : 0);
        const int kind = (int)random_below(10);
        if (!result && kind == 0)
            step = 0;
        const bool backwards = kind == 1 && !(result && axis == 0);
        if (step)
            x.count = step * (extent[axis] > 1 ? extent[axis] : 1) + (step_apart ? 1 : 0);
        if (backwards && extent[axis] > 0)
            x.start += step * (extent[axis] - 1);
        *stride[axis] = backwards ? -step : step;
    }
    x.memory = random_room(x.count + 1, f64);
    return x;
}

static void check_gemm(int64_t m, int64_t n, int64_t k, const int64_t batch[2], bool f64,
                       const kernel_isa *isa)
{
    const kernel_table *table = table_of(isa, f64);
    operand a = make_operand(m, k, batch, false, f64);
    operand b = make_operand(k, n, batch, false, f64);
    operand c = make_operand(m, n, batch, true, f64);
    void *bias = random_below(2) ? random_room(n, f64) : NULL;
    const bool accumulate = !bias && random_below(2);
    const size_t bytes = (size_t)(c.count + 1) * size_of(f64);
    void *before = room(bytes), *first = room(bytes);
    memcpy(before, c.memory, bytes);
    kernel_gemm g = {
        .m = m,
        .n = n,
        .k = k,
        .a = at(a.memory, a.start, f64),
        .b = at(b.memory, b.start, f64),
        .c = (char *)c.memory + c.start * (int64_t)size_of(f64),
        .a_row = a.row,
        .a_col = a.column,
        .b_row = b.row,
        .b_col = b.column,
        .c_row = c.row,
        .accumulate = accumulate,
        .bias = bias,
        .batch_ndim = 2,
        .batch_shape = { batch[0], batch[1] },
        .a_batch = { a.batch[0], a.batch[1] },
        .b_batch = { b.batch[0], b.batch[1] },
        .c_batch = { c.batch[0], c.batch[1] },
    };
    for (int threads = 1; threads <= 3; threads++) {
        heed__set_threads(threads);
        memcpy(c.memory, before, bytes);
        g.scratch = room(table->gemm_scratch(&g));
        table->gemm(&g);
        free(g.scratch);
        if (threads == 1)
            memcpy(first, c.memory, bytes);
        EXPECT_MSG(memcmp(first, c.memory, bytes) == 0, "%s: bits differ with %d threads",
                   isa->name, threads);
    }
    /* Each result is put back to what it was once checked; the rest of the room must be
     * untouched. */
    for (int64_t u = 0; u < batch[0]; u++)
        for (int64_t v = 0; v < batch[1]; v++)
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < n; j++) {
                    const int64_t place =
                        c.start + u * c.batch[0] + v * c.batch[1] + i * c.row + j * c.column;
                    wide sum = 0, size = 1;
                    for (int64_t p = 0; p < k; p++) {
                        const wide x = get(a.memory,
                                           a.start + u * a.batch[0] + v * a.batch[1] +
                                               i * a.row + p * a.column,
                                           f64);
                        const wide y = get(b.memory,
                                           b.start + u * b.batch[0] + v * b.batch[1] +
                                               p * b.row + j * b.column,
                                           f64);
                        sum += x * y;
                        size += fabsl(x * y);
                    }
                    if (bias)
                        sum += get(bias, j, f64);
                    if (accumulate)
                        sum += get(before, place, f64);
                    const wide bound =
                        size * (wide)(f64 ? DBL_EPSILON : FLT_EPSILON) * (4 + sqrtl((wide)k));
                    const wide error = fabsl(get(c.memory, place, f64) - sum);
                    EXPECT_MSG(error <= bound,
                               "%s f%d: m %d n %d k %d: c[%d,%d] is %.9g, not %.9g", isa->name,
                               f64 ? 64 : 32, (int)m, (int)n, (int)k, (int)i, (int)j,
                               get(c.memory, place, f64), (double)sum);
                    set(c.memory, place, f64, get(before, place, f64));
                }
    EXPECT_MSG(memcmp(before, c.memory, bytes) == 0, "%s: wrote outside C", isa->name);
    free(a.memory), free(b.memory), free(c.memory), free(bias), free(before), free(first);
}

/* One test per instruction set: i is its index. */
START_TEST(gemm_random)
{
    const kernel_isa *isa = heed__isa_at(_i);
    for (int round = 0; isa && round < 200; round++) {
        const int64_t most = round % 4 == 0 ? 140 : round % 4 == 1 ? 3 : 40;
        const int64_t batch[2] = { random_below(12) ? 1 + random_below(3) : 0,
                                   1 + random_below(3) };
        const int64_t m = random_below(most), n = random_below(most);
        const int64_t k = random_below(round % 16 ? most : 900);
        check_gemm(m, n, k, batch, round % 2 == 0, isa);
    }
}
END_TEST

START_TEST(gemm_edges)
{
    const kernel_isa *isa = heed__isa_at(_i);
    static const int64_t shapes[][3] = { { 768, 65, 128 }, { 65, 128, 768 }, { 211, 65, 1030 },
                                         { 1, 77, 500 },   { 77, 1, 500 },   { 1, 1, 0 },
                                         { 5, 7, 0 },      { 64, 64, 32 },   { 64, 32, 64 },
                                         { 401, 33, 7 },   { 3, 1700, 20 },  { 205, 1601, 2 } };
    const int64_t one[2] = { 1, 1 };
    for (size_t i = 0; isa && i < sizeof shapes / sizeof *shapes; i++)
        for (int round = 0; round < 4; round++)
            check_gemm(shapes[i][0], shapes[i][1], shapes[i][2], one, round % 2 == 0, isa);
}
END_TEST

/* A row's result depends on no other row: the same bits alone in a batch as among others. */
START_TEST(gemm_rows_alone)
{
    const kernel_isa *isa = heed__isa_at(_i);
    enum { M = 37, N = 70, K = 300 };
    for (int f64 = 0; isa && f64 < 2; f64++) {
        void *a = random_room(M * K, f64), *b = random_room(K * N, f64);
        void *c = room(M * N * sizeof(double)), *d = room(M * N * sizeof(double));
        kernel_gemm g = { .m = M,
                          .n = N,
                          .k = K,
                          .a = a,
                          .a_row = K,
                          .a_col = 1,
                          .b = b,
                          .b_row = N,
                          .b_col = 1,
                          .c = c,
                          .c_row = N };
        const kernel_table *table = table_of(isa, f64);
        g.scratch = room(table->gemm_scratch(&g));
        table->gemm(&g);
        for (int64_t rows = 1; rows < M; rows++) {
            g.m = rows, g.c = d;
            table->gemm(&g);
            ck_assert_int_eq(memcmp(c, d, (size_t)(rows * N) * size_of(f64)), 0);
        }
        free(a), free(b), free(c), free(d), free(g.scratch);
    }
}
END_TEST

/* An attention problem with every array in a room of its own, rows apart from each other. */
typedef struct problem {
    kernel_attention g;
    bool f64;
} problem;

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
    const int64_t *s = g->mask_strides;
    return (!g->causal || j <= i + g->offset) &&
           (!g->mask || g->mask[b * s[0] + h * s[1] + i * s[2] + j * s[3]]);
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

/* The plain loops, which never look at what is hidden. */
static void check_problem(const problem *x)
{
    const kernel_attention *g = &x->g;
    const int64_t D = g->width, E = g->value_width, queries = g->batch * g->heads * g->queries;
    const int64_t keys = g->batch * g->kv_heads * g->keys;
    double *o = calloc((size_t)(queries * E) + 1, sizeof *o),
           *p = calloc((size_t)g->keys + 1, sizeof *p);
    double *gq = calloc((size_t)(queries * D) + 1, sizeof *gq);
    double *gk = calloc((size_t)(keys * D) + 1, sizeof *gk);
    double *gv = calloc((size_t)(keys * E) + 1, sizeof *gv);
    int64_t n = 0;
    for (int64_t b = 0; b < g->batch; b++)
        for (int64_t h = 0; h < g->heads; h++)
            for (int64_t i = 0; i < g->queries; i++, n++) {
                const int64_t kv = h / (g->heads / g->kv_heads);
                double total = 0, dot = 0, *y = o + n * E;
                double most = -HUGE_VAL;
                for (int64_t j = 0; j < g->keys; j++) {
                    p[j] = -HUGE_VAL;
                    if (!visible(g, b, h, i, j))
                        continue;
                    double s = 0;
                    for (int64_t c = 0; c < D; c++)
                        s += get(g->q, place(g->q_strides, b, h, i) + c, x->f64) *
                             get(g->k, place(g->k_strides, b, kv, j) + c, x->f64);
                    p[j] = s * g->scale;
                    most = p[j] > most ? p[j] : most;
                }
                for (int64_t j = 0; j < g->keys; j++)
                    total += p[j] = visible(g, b, h, i, j) ? exp(p[j] - most) : 0;
                const double lse = get(g->lse, n, x->f64);
                if (total == 0)
                    ck_assert(isinf(lse) && lse > 0);
                else
                    ck_assert_double_le(fabs(lse - most - log(total)), x->f64 ? 1e-13 : 1e-5);
                for (int64_t j = 0; j < g->keys; j++) {
                    if (!visible(g, b, h, i, j))
                        continue;
                    p[j] /= total;
                    for (int64_t c = 0; c < E; c++)
                        y[c] += p[j] * get(g->v, place(g->v_strides, b, kv, j) + c, x->f64);
                }
                for (int64_t c = 0; total > 0 && c < E; c++)
                    dot += y[c] * get(g->go, place(g->go_strides, b, h, i) + c, x->f64);
                for (int64_t j = 0; j < g->keys; j++) {
                    if (!visible(g, b, h, i, j))
                        continue;
                    const int64_t at_key = (b * g->kv_heads + kv) * g->keys + j;
                    double slope = -dot;
                    for (int64_t c = 0; c < E; c++) {
                        const double gy = get(g->go, place(g->go_strides, b, h, i) + c, x->f64);
                        slope += gy * get(g->v, place(g->v_strides, b, kv, j) + c, x->f64);
                        gv[at_key * E + c] += p[j] * gy;
                    }
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
    free(o), free(p), free(gq), free(gk), free(gv);
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
    const size_t bytes = (size_t)(g->batch * g->heads * g->queries) * one;
    if (to)
        memcpy(to + used, g->lse, bytes);
    return used + bytes;
}

static void check_attention(const int64_t shape[7], bool causal, int64_t offset, int mask,
                            bool f64, const kernel_isa *isa)
{
    problem x = make_problem(shape, causal, offset, mask, f64);
    heed__set_threads(1);
    run_problem(&x, isa);
    check_problem(&x);
    const size_t bytes = keep(&x, NULL);
    unsigned char *first = room(bytes), *other = room(bytes);
    keep(&x, first);
    for (int threads = 2; threads <= 3; threads++) {
        heed__set_threads(threads);
        run_problem(&x, isa);
        keep(&x, other);
        EXPECT_MSG(memcmp(first, other, bytes) == 0, "%s: bits differ with %d threads",
                   isa->name, threads);
    }
    free(first), free(other);
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
    Suite *suite = suite_create("kernels_gemm");
    TCase *product = tcase_create("gemm");
    tcase_set_timeout(product, 120);
    tcase_add_loop_test(product, gemm_random, 0, 3);
    tcase_add_loop_test(product, gemm_edges, 0, 3);
    tcase_add_loop_test(product, gemm_rows_alone, 0, 3);
    suite_add_tcase(suite, product);
    TCase *attention = tcase_create("attention");
    tcase_set_timeout(attention, 120);
    tcase_add_loop_test(attention, attention_shapes, 0, 3);
    tcase_add_loop_test(attention, attention_random, 0, 3);
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
