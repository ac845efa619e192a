/* Speed of the matrix product and of attention, in GFLOP/s, for every instruction set this machine has,
 * beside the peak of its multiply-add units. One thread unless the first argument gives a number; the
 * second argument picks one instruction set. Each figure is the best of many runs. */
#define _POSIX_C_SOURCE 200809L

#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Peaks: ten independent chains hide the latency of a fused multiply-add on every current CPU. */
enum { PEAK_STEPS = 2000000 };

#if defined(__x86_64__)
#include <immintrin.h>

#define PEAK_STEP(FMA)                                                                        \
    a = FMA(a, x, y), b = FMA(b, x, y), c = FMA(c, x, y), d = FMA(d, x, y), e = FMA(e, x, y); \
    f = FMA(f, x, y), g = FMA(g, x, y), h = FMA(h, x, y), i = FMA(i, x, y), j = FMA(j, x, y)

__attribute__((target("avx512f"))) static float peak_avx512(void)
{
    const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.5f);
    __m512 a = y, b = y * 2, c = y * 3, d = y * 4, e = y * 5;
    __m512 f = y * 6, g = y * 7, h = y * 8, i = y * 9,
           j = y * 10; /* unequal, or they would merge */
    for (int step = 0; step < PEAK_STEPS; step++) {
        PEAK_STEP(_mm512_fmadd_ps);
    }
    a = ((a + b) + (c + d)) + ((e + f) + (g + h)) + (i + j);
    return a[0];
}

__attribute__((target("avx2,fma"))) static float peak_avx2(void)
{
    const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.5f);
    __m256 a = y, b = y * 2, c = y * 3, d = y * 4, e = y * 5;
    __m256 f = y * 6, g = y * 7, h = y * 8, i = y * 9,
           j = y * 10; /* unequal, or they would merge */
    for (int step = 0; step < PEAK_STEPS; step++) {
        PEAK_STEP(_mm256_fmadd_ps);
    }
    a = ((a + b) + (c + d)) + ((e + f) + (g + h)) + (i + j);
    return a[0];
}
#endif

/* GFLOP/s of a set's multiply-add units in f32, 0 when this file has no measure for it. */
static double peak(const char *name)
{
    float (*run)(void) = NULL;
    int lanes = 0;
#if defined(__x86_64__)
    if (strcmp(name, "avx512") == 0)
        run = peak_avx512, lanes = 16;
    else if (strcmp(name, "avx2") == 0)
        run = peak_avx2, lanes = 8;
#endif
    volatile float keep = 0;
    double best = 0;
    for (int i = 0; run && i < 60; i++) {
        const double start = seconds();
        keep = keep + run();
        const double speed = 20.0 * lanes * PEAK_STEPS / (seconds() - start) * 1e-9;
        best = speed > best ? speed : best;
    }
    return best;
}

static void *room(size_t bytes)
{
    float *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!p)
        exit(1);
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        p[i] = (float)((int)(i * 2654435761u % 1000u) - 500) * 1e-3f;
    return p;
}

/* Best time of a call. */
static double best_time(void (*run)(const void *), const void *arguments)
{
    double best = 1e9;
    const double end = seconds() + 0.25;
    for (int i = 0; i < 7 || seconds() < end; i++) {
        const double start = seconds();
        run(arguments);
        const double time = seconds() - start;
        best = time < best ? time : best;
    }
    return best;
}

static void run_gemm(const void *g)
{
    heed__isa()->f32->gemm(g);
}

static void run_gemm_f64(const void *g)
{
    heed__isa()->f64->gemm(g);
}

static void run_attention(const void *g)
{
    heed__isa()->f32->attention(g);
}

static void run_attention_grad(const void *g)
{
    heed__isa()->f32->attention_grad(g);
}

/* layout: NN, NT (B given by rows of its transpose) or TN (A by rows of its transpose). */
static void bench_gemm(const char *layout, int64_t batch, int64_t m, int64_t n, int64_t k,
                       double top)
{
    const bool at = layout[0] == 'T', bt = layout[1] == 'T';
    kernel_gemm g = {
        .m = m,
        .n = n,
        .k = k,
        .a_row = at ? 1 : k,
        .a_col = at ? m : 1,
        .b_row = bt ? 1 : n,
        .b_col = bt ? k : 1,
        .c_row = n,
        .batch_ndim = 1,
        .batch_shape = { batch },
        .a_batch = { m * k },
        .b_batch = { k * n },
        .c_batch = { m * n },
    };
    const size_t size = sizeof(double) * (size_t)batch;
    void *a = room(size * (size_t)(m * k)), *b = room(size * (size_t)(k * n));
    void *c = room(size * (size_t)(m * n));
    g.a = a, g.b = b, g.c = c;
    double speed[2];
    for (int type = 0; type < 2; type++) {
        const kernel_table *table = type ? heed__isa()->f64 : heed__isa()->f32;
        if (type) {
            memset(a, 0, size * (size_t)(m * k));
            memset(b, 0, size * (size_t)(k * n));
        }
        void *scratch = room(table->gemm_scratch(&g));
        g.scratch = scratch;
        const double time = best_time(type ? run_gemm_f64 : run_gemm, &g);
        speed[type] = 2.0 * (double)(batch * m * n) * (double)k / time * 1e-9;
        free(scratch);
    }
    printf("  %s %3d x %4d %5d %4d  f32 %7.1f %5.1f %%   f64 %7.1f\n", layout, (int)batch,
           (int)m, (int)n, (int)k, speed[0], top > 0 ? 100 * speed[0] / top : 0, speed[1]);
    fflush(stdout);
    free(a), free(b), free(c);
}

static void bench_attention(int64_t batch, int64_t heads, int64_t length, int64_t width,
                            bool causal, double top)
{
    const int64_t row = width, head = length * row, all = heads * head;
    const size_t bytes = sizeof(float) * (size_t)(batch * all);
    void *q = room(bytes), *k = room(bytes), *v = room(bytes), *o = room(bytes),
         *go = room(bytes);
    void *gq = room(bytes), *gk = room(bytes), *gv = room(bytes);
    void *lse = room(sizeof(float) * (size_t)(batch * heads * length));
    kernel_attention g = {
        .batch = batch,
        .heads = heads,
        .kv_heads = heads,
        .queries = length,
        .keys = length,
        .width = width,
        .value_width = width,
        .q = q,
        .k = k,
        .v = v,
        .o = o,
        .lse = lse,
        .go = go,
        .gq = gq,
        .gk = gk,
        .gv = gv,
        .scale = 0.125,
        .causal = causal,
        .q_strides = { all, head, row },
        .k_strides = { all, head, row },
        .v_strides = { all, head, row },
        .o_strides = { all, head, row },
        .go_strides = { all, head, row },
        .gq_strides = { all, head, row },
        .gk_strides = { all, head, row },
        .gv_strides = { all, head, row },
    };
    void *scratch = room(heed__isa()->f32->attention_scratch(&g));
    g.scratch = scratch;
    const double forward = best_time(run_attention, &g);
    free(scratch);
    scratch = room(heed__isa()->f32->attention_grad_scratch(&g));
    g.scratch = scratch;
    const double backward = best_time(run_attention_grad, &g);
    free(scratch);
    const double product =
        2.0 * (double)(batch * heads * length) * (double)(length * width) / (causal ? 2 : 1);
    printf("  attention B%d H%d T%d d%d%s  forward %.3f ms  backward %.3f ms  both %.1f GFLOP/s"
           " %.1f %%\n",
           (int)batch, (int)heads, (int)length, (int)width, causal ? " causal" : "",
           1e3 * forward, 1e3 * backward, 7 * product / (forward + backward) * 1e-9,
           top > 0 ? 7 * product / (forward + backward) * 1e-7 / top : 0);
    fflush(stdout);
    free(q), free(k), free(v), free(o), free(go), free(gq), free(gk), free(gv), free(lse);
}

int main(int count, char **words)
{
    heed__set_threads(count > 1 ? atoi(words[1]) : 1);
    const kernel_isa *set;
    for (int i = 0; (set = heed__isa_at(i)) != NULL; i++) {
        if (count > 2 && strcmp(words[2], set->name) != 0)
            continue;
        heed__isa_select(set->name);
        const double top = peak(set->name) * heed__threads();
        printf("%s, %d threads, peak %.1f GFLOP/s in f32\n", set->name, heed__threads(), top);
        const int64_t linear[][3] = { { 768, 384, 128 },
                                      { 768, 128, 128 },
                                      { 768, 512, 128 },
                                      { 768, 128, 512 },
                                      { 768, 65, 128 } };
        for (int shape = 0; shape < 5; shape++) {
            const int64_t m = linear[shape][0], n = linear[shape][1], k = linear[shape][2];
            bench_gemm("NT", 1, m, n, k, top); /* y = x W^T */
            bench_gemm("NN", 1, m, k, n, top); /* gx = gy W */
            bench_gemm("TN", 1, n, k, m, top); /* gW = gy^T x */
        }
        bench_gemm("NT", 48, 64, 64, 32, top);
        bench_gemm("NN", 48, 64, 32, 64, top);
        bench_gemm("TN", 48, 64, 32, 64, top);
        bench_gemm("NN", 50, 100, 100, 100, top);
        bench_gemm("NT", 1, 1024, 768, 768, top);
        bench_gemm("TN", 1, 3072, 768, 1024, top);
        bench_gemm("NN", 1, 2048, 2048, 2048, top);
        bench_gemm("NT", 1, 2048, 2048, 2048, top);
        bench_gemm("TN", 1, 2048, 2048, 2048, top);
        bench_gemm("NT", 1, 1, 768, 768, top);
        bench_gemm("NN", 1, 1, 768, 768, top);
        bench_gemm("NT", 1, 4, 768, 768, top);
        bench_gemm("NT", 1, 13, 768, 768, top);
        bench_attention(12, 4, 64, 32, true, top);
        bench_attention(8, 6, 256, 64, true, top);
        bench_attention(1, 8, 1024, 64, true, top);
        bench_attention(1, 8, 1024, 64, false, top);
    }
    return 0;
}
