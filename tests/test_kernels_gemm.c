/* The matrix product of every instruction set against plain loops in long double.
 * Kernels run only inside Check's forked tests: a process that forks after an OpenMP region
 * hangs in its child. */
#include "kernel_data.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef long double wide;

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

int main(void)
{
    heed__set_eager(true); /* also in the tests that Check forks */
    Suite *suite = suite_create("kernels_gemm");
    TCase *product = tcase_create("gemm");
    tcase_set_timeout(product, 120);
    tcase_add_loop_test(product, gemm_random, 0, 3);
    tcase_add_loop_test(product, gemm_edges, 0, 3);
    tcase_add_loop_test(product, gemm_rows_alone, 0, 3);
    suite_add_tcase(suite, product);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
