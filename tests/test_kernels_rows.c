/* Elementwise, reduction, row, cross-entropy, scatter and optimizer kernels of every instruction
 * set against plain loops in long double. Kernels run only inside Check's forked tests: a
 * process that forks after an OpenMP region hangs in its child. */
#include "kernels.h"
#include "map_reference.h"
#include "philox.h"

#include "expect.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static size_t size_of(bool f64)
{
    return f64 ? sizeof(double) : sizeof(float);
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

static void *at(void *p, int64_t i, bool f64)
{
    return (char *)p + i * (int64_t)size_of(f64);
}

/* count elements within [-size, size] */
static void *random_room(int64_t count, bool f64, double size)
{
    void *p = room((size_t)count * size_of(f64));
    for (int64_t i = 0; i < count; i++)
        set(p, i, f64, size * random_unit());
    return p;
}

static void *copy_of(const void *p, int64_t count, bool f64)
{
    void *copy = room((size_t)count * size_of(f64));
    memcpy(copy, p, (size_t)count * size_of(f64));
    return copy;
}

static const kernel_table *table_of(const kernel_isa *isa, bool f64)
{
    return f64 ? isa->f64 : isa->f32;
}

static double epsilon_of(bool f64)
{
    return f64 ? DBL_EPSILON : (double)FLT_EPSILON;
}

/* |y - expected| <= tolerance epsilon scale, or both are the same infinity or both NaN */
static void check_near(const char *what, const kernel_isa *isa, bool f64, double y,
                       wide expected, wide scale, double tolerance)
{
    double rounded = f64 ? (double)expected : (double)(float)expected;
    if (isnan(rounded) && isnan(y))
        return;
    if (isinf(rounded) && y == rounded)
        return;
    wide error = fabsl((wide)y - expected);
    EXPECT_MSG(error <= (wide)(tolerance * epsilon_of(f64)) * scale,
               "%s, %s %s: %.17g against %.20Lg", what, isa->name, f64 ? "f64" : "f32", y,
               expected);
}

/* Instruction set and type of the i-th round of a loop test. */
static const kernel_isa *nth_isa(int i, bool *f64)
{
    *f64 = i % 2;
    return heed__isa_at(i / 2);
}

#define EACH_ISA 6 /* loop tests: three sets at most, two types */

/* --- Elementary functions
 * ------------------------------------------------------------------------- */

static void map_line(const kernel_table *table, kernel_map_name name, int64_t n, const void *a,
                     const void *b, void *y)
{
    table->map[name](&(kernel_map){ .ndim = 1,
                                    .shape = { n },
                                    .x = { a, b, b },
                                    .x_strides = { { 1 }, { 1 }, { 1 } },
                                    .y = y,
                                    .y_strides = { 1 },
                                    .p = 1.5,
                                    .q = 2.5 });
}

/* The error of f over floats of every exponent, in units of the last place of the result; below
 * the smallest normal number, and with `absolute` below 1, in units there. */
static const struct {
    kernel_map_name name;
    double ulps, ulps_f64;
    bool absolute;
} precise[] = {
    { KERNEL_MAP_exp, 1.0, 1.0, false },           { KERNEL_MAP_log, 1.0, 1.0, false },
    { KERNEL_MAP_tanh, 2.5, 2.5, false },          { KERNEL_MAP_erf, 1.5, 1.5, false },
    { KERNEL_MAP_expm1, 1.5, 1.5, false },         { KERNEL_MAP_log1p, 1.0, 1.5, false },
    { KERNEL_MAP_sigmoid, 2.5, 2.5, true },        { KERNEL_MAP_silu, 3.0, 3.0, true },
    { KERNEL_MAP_gelu, 3.0, 3.0, true },           { KERNEL_MAP_gelu_tanh, 9.0, 9.0, true },
    { KERNEL_MAP_gelu_grad, 5.0, 5.0, true },      { KERNEL_MAP_silu_grad, 4.0, 4.0, true },
    { KERNEL_MAP_gelu_tanh_grad, 4.0, 4.0, true }, { KERNEL_MAP_mish_grad, 4.0, 4.0, true },
    { KERNEL_MAP_softplus, 2.5, 2.5, false },      { KERNEL_MAP_mish, 3.0, 3.0, true },
};
enum { PRECISE = sizeof precise / sizeof *precise };

static double ulp_of(wide x, bool f64, bool absolute)
{
    int exponent, lowest = f64 ? DBL_MIN_EXP : FLT_MIN_EXP;
    frexpl(x, &exponent);
    if (exponent < lowest)
        exponent = lowest;
    if (absolute && exponent < 1)
        exponent = 1;
    return ldexp(1, exponent - (f64 ? DBL_MANT_DIG : FLT_MANT_DIG));
}

static void check_precise(int i, const kernel_isa *isa, bool f64, const void *x,
                          const void *one, void *y, int64_t n)
{
    kernel_map_name name = precise[i].name;
    double worst = 0, where = 0;
    map_line(table_of(isa, f64), name, n, x, one, y);
    for (int64_t k = 0; k < n; k++) {
        double a = get(x, k, f64), result = get(y, k, f64);
        wide expected = reference(name, (wide)a, 1, 0, 0, 0);
        double rounded = f64 ? (double)expected : (double)(float)expected;
        if (isnan(rounded) || isinf(rounded) || isnan(result) || isinf(result)) {
            EXPECT_MSG((isnan(rounded) && isnan(result)) || rounded == result,
                       "%s, %s %s: %g against %g at %.17g", map_names[name], isa->name,
                       f64 ? "f64" : "f32", result, rounded, a);
            continue;
        }
        double error = (double)(fabsl((wide)result - expected) /
                                ulp_of(expected, f64, precise[i].absolute));
        if (error > worst) {
            worst = error;
            where = a;
        }
    }
    EXPECT_MSG(worst <= (f64 ? precise[i].ulps_f64 : precise[i].ulps),
               "%s, %s %s: %g ulp at %.17g", map_names[name], isa->name, f64 ? "f64" : "f32",
               worst, where);
}

START_TEST(every_exponent)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    enum { COUNT = 30000 };
    void *x = room(COUNT * sizeof(double)), *y = room(COUNT * sizeof(double)),
         *one = room(COUNT * sizeof(double));
    for (int64_t k = 0; k < COUNT; k++) {
        uint32_t bits = (uint32_t)k * 143165u + 77u; /* about 2^32 / COUNT */
        float narrow;
        memcpy(&narrow, &bits, sizeof bits);
        double value = (double)narrow;
        if (k % 3 == 1) /* every third where the functions bend */
            value = 20 * random_unit();
        if (k % 3 == 2)
            value = (f64 ? 760 : 110) * random_unit();
        set(x, k, f64, value);
        set(one, k, f64, 1);
    }
    for (int i = 0; i < PRECISE; i++)
        check_precise(i, isa, f64, x, one, y, COUNT);
    free(x);
    free(y);
    free(one);
}
END_TEST

START_TEST(edges)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    const double tiny = f64 ? 5e-324 : 1.4e-45, least = f64 ? DBL_MIN : (double)FLT_MIN;
    const double x[] = { 0.0,   -0.0,  tiny,   -tiny,    least,     -least,  1,
                         -1,    0.875, -0.875, INFINITY, -INFINITY, NAN,     88.7,
                         88.73, 88.8,  -87.3,  -87.4,    -103,      -103.9,  -104,
                         -150,  709.7, 709.8,  -708.4,   -745.1,    -745.2,  -746,
                         -1e4,  1e4,   1e30,   -1e30,    0.99999,   1.00001, -0.99999 };
    enum { COUNT = sizeof x / sizeof *x };
    double in[COUNT], one[COUNT], out[COUNT];
    for (int k = 0; k < COUNT; k++) {
        set(in, k, f64, x[k]);
        set(one, k, f64, 1);
    }
    for (int i = 0; i < PRECISE; i++)
        check_precise(i, isa, f64, in, one, out, COUNT);
    map_line(table_of(isa, f64), KERNEL_MAP_tanh, COUNT, in, one, out);
    ck_assert(signbit(get(out, 1, f64)));
    ck_assert(get(out, 2, f64) == get(in, 2, f64));
    map_line(table_of(isa, f64), KERNEL_MAP_erf, COUNT, in, one, out);
    ck_assert(signbit(get(out, 1, f64)));
    map_line(table_of(isa, f64), KERNEL_MAP_exp, COUNT, in, one, out);
    ck_assert(get(out, 11, f64) == 0 && isinf(get(out, 10, f64)) && isnan(get(out, 12, f64)));
    const kernel_map_name keep_nan[] = { KERNEL_MAP_relu,    KERNEL_MAP_maximum,
                                         KERNEL_MAP_minimum, KERNEL_MAP_clamp,
                                         KERNEL_MAP_sign,    KERNEL_MAP_abs,
                                         KERNEL_MAP_gelu,    KERNEL_MAP_silu };
    for (size_t i = 0; i < sizeof keep_nan / sizeof *keep_nan; i++) {
        map_line(table_of(isa, f64), keep_nan[i], COUNT, in, one, out);
        EXPECT_MSG(isnan(get(out, 12, f64)), "%s loses NaN", map_names[keep_nan[i]]);
    }
    map_line(table_of(isa, f64), KERNEL_MAP_maximum, COUNT, one, in, out);
    ck_assert(isnan(get(out, 12, f64)));
    map_line(table_of(isa, f64), KERNEL_MAP_minimum, COUNT, one, in, out);
    ck_assert(isnan(get(out, 12, f64)));
}
END_TEST

/* A value gives the same bits at every place of a line of every length. */
START_TEST(every_lane)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    enum { LENGTH = 67 };
    void *x = random_room(LENGTH, f64, 3), *y = room(LENGTH * sizeof(double)),
         *z = room(LENGTH * sizeof(double));
    for (int name = 0; name < KERNEL_MAP_COUNT; name++) {
        map_line(table_of(isa, f64), (kernel_map_name)name, LENGTH, x, x, y);
        for (int64_t first = 1; first < LENGTH; first += 5) {
            map_line(table_of(isa, f64), (kernel_map_name)name, LENGTH - first,
                     at(x, first, f64), at(x, first, f64), z);
            EXPECT_MSG(memcmp(at(y, first, f64), z, (size_t)(LENGTH - first) * size_of(f64)) ==
                           0,
                       "%s", map_names[name]);
        }
    }
    free(x);
    free(y);
    free(z);
}
END_TEST

/* --- Iteration over spaces
 * ------------------------------------------------------------------------ */

/* Memory of `size` bytes an element, seen through strides over a shape; start is its first
 * element. */
typedef struct view {
    char *memory, *start;
    int64_t strides[2 * KERNEL_MAX_NDIM], count;
    size_t size;
} view;

/* Axes in random order in memory, some backwards, some with gaps, and with `broadcast` some of
 * stride 0. */
static view random_view(int ndim, const int64_t *shape, size_t size, bool broadcast)
{
    view v = { .size = size };
    int order[2 * KERNEL_MAX_NDIM];
    for (int i = 0; i < ndim; i++)
        order[i] = i;
    bool plain = random_below(2);
    for (int i = ndim - 1; i > 0 && !plain; i--) {
        int j = (int)random_below(i + 1), axis = order[i];
        order[i] = order[j];
        order[j] = axis;
    }
    int64_t extent = 1, low = 0;
    for (int k = ndim - 1; k >= 0; k--) {
        int i = order[k];
        if (broadcast && random_below(3) == 0) {
            v.strides[i] = 0;
            continue;
        }
        int64_t step = plain ? 1 : 1 + random_below(5) / 4;
        v.strides[i] = extent * step;
        if (!plain && random_below(4) == 0) {
            v.strides[i] = -v.strides[i];
            low += shape[i] > 0 ? (shape[i] - 1) * extent * step : 0;
        }
        extent *= (shape[i] > 0 ? shape[i] : 1) * step;
    }
    v.count = extent;
    v.memory = room((size_t)extent * size);
    v.start = v.memory + low * (int64_t)size;
    for (int64_t i = 0; i < extent; i++) {
        if (size == 1)
            ((uint8_t *)v.memory)[i] = (uint8_t)random_below(2);
        else
            set(v.memory, i, size == sizeof(double), random_unit());
    }
    return v;
}

/* The address of the i-th element of a view in row-major order. */
static void *element(const view *v, int ndim, const int64_t *shape, int64_t i)
{
    int64_t offset = 0;
    for (int k = ndim - 1; k >= 0; k--) {
        offset += i % shape[k] * v->strides[k];
        i /= shape[k];
    }
    return v->start + offset * (int64_t)v->size;
}

static int64_t product(int ndim, const int64_t *shape)
{
    int64_t n = 1;
    for (int i = 0; i < ndim; i++)
        n *= shape[i];
    return n;
}

static int random_shape(int64_t *shape, int most)
{
    static const int64_t extents[] = { 1, 2, 3, 4, 5, 7, 16, 17, 33, 70, 130 };
    int ndim = (int)random_below(most + 1);
    for (;;) {
        for (int i = 0; i < ndim; i++)
            shape[i] = extents[random_below(11)];
        if (product(ndim, shape) < 40000)
            break;
    }
    if (ndim > 0 && random_below(12) == 0)
        shape[random_below(ndim)] = 0;
    return ndim;
}

/* kind: a map, a test after them, or where as the last */
static void check_space(const kernel_isa *isa, bool f64, int kind)
{
    int64_t shape[KERNEL_MAX_NDIM];
    int ndim = random_shape(shape, 4), where = KERNEL_MAP_COUNT + KERNEL_TEST_COUNT;
    bool test = kind >= KERNEL_MAP_COUNT && kind < where;
    int operands = kind == where ? 3
                   : test        ? test_operands[kind - KERNEL_MAP_COUNT]
                                 : map_operands[kind];
    size_t size = size_of(f64);
    view y = random_view(ndim, shape, test ? 1 : size, false), x[3];
    kernel_map m = { .ndim = ndim, .y = y.start, .p = -0.5, .q = 0.5 };
    if (kind == KERNEL_MAP_power)
        m.p = 2;
    memcpy(m.shape, shape, sizeof m.shape);
    memcpy(m.y_strides, y.strides, sizeof m.y_strides);
    int64_t total = product(ndim, shape);
    bool in_place = !test && random_below(3) == 0;
    for (int k = 0; k < operands; k++) {
        bool mask = kind == where && k == 0;
        x[k] = random_view(ndim, shape, mask ? 1 : size, true);
        if (in_place && !mask) {
            free(x[k].memory);
            x[k] = y;
            x[k].memory = room((size_t)y.count * size);
            memcpy(x[k].memory, y.memory, (size_t)y.count * size);
            x[k].start = x[k].memory + (y.start - y.memory);
        }
        if (kind == KERNEL_MAP_log || kind == KERNEL_MAP_sqrt || kind == KERNEL_MAP_rsqrt ||
            (kind == KERNEL_MAP_pow && k == 0))
            for (int64_t i = 0; i < x[k].count; i++)
                set(x[k].memory, i, f64, fabs(get(x[k].memory, i, f64)) + 0.1);
        m.x[k] = in_place && !mask ? y.start : x[k].start;
        memcpy(m.x_strides[k], x[k].strides, sizeof m.x_strides[k]);
        if (in_place && !mask)
            memcpy(y.memory, x[k].memory, (size_t)y.count * size);
    }
    const kernel_table *table = table_of(isa, f64);
    if (kind == where)
        table->where(&m);
    else if (test)
        table->test[kind - KERNEL_MAP_COUNT](&m);
    else
        table->map[kind](&m);

    for (int64_t i = 0; i < total; i++) {
        wide value[3] = { 0 };
        for (int k = 0; k < operands; k++) {
            /* operands in place are all y, whose old elements the last copy holds */
            const view *from =
                in_place && !(kind == where && k == 0) ? &x[operands - 1] : &x[k];
            const void *place = element(from, ndim, shape, i);
            value[k] =
                from->size == 1 ? (wide) * (const uint8_t *)place : (wide)get(place, 0, f64);
        }
        void *result = element(&y, ndim, shape, i);
        if (test) {
            bool expected[] = { value[0] == value[1],
                                value[0] != value[1],
                                value[0]<value[1], value[0] <= value[1], value[0]>
                                    value[1],
                                value[0] >= value[1],
                                isnan(value[0]),
                                isinf(value[0]) };
            ck_assert_int_eq(*(uint8_t *)result, expected[kind - KERNEL_MAP_COUNT]);
        } else if (kind == where) {
            ck_assert(get(result, 0, f64) == (double)(value[0] != 0 ? value[1] : value[2]));
        } else {
            wide expected = reference((kernel_map_name)kind, value[0], value[1], value[2],
                                      (wide)m.p, (wide)m.q);
            wide scale = fabsl(expected) > 1 ? fabsl(expected) : 1;
            check_near(map_names[kind], isa, f64, get(result, 0, f64), expected, scale, 4);
        }
    }
    free(y.memory);
    for (int k = 0; k < operands; k++)
        free(x[k].memory);
}

START_TEST(spaces)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    for (int round = 0; round < 6; round++)
        for (int kind = 0; kind <= KERNEL_MAP_COUNT + KERNEL_TEST_COUNT; kind++)
            check_space(isa, f64, kind);
    for (int round = 0; round < 150; round++)
        check_space(isa, f64, KERNEL_MAP_copy);
}
END_TEST

START_TEST(transposes)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    const int64_t rows = 83, columns = 150, batch = 2;
    int64_t count = batch * rows * columns;
    void *x = random_room(count, f64, 1), *y = random_room(count, f64, 1);
    table_of(isa, f64)->map[KERNEL_MAP_copy](
        &(kernel_map){ .ndim = 3,
                       .shape = { batch, columns, rows },
                       .x = { x },
                       .x_strides = { { rows * columns, 1, columns } },
                       .y = y,
                       .y_strides = { rows * columns, rows, 1 } });
    for (int64_t b = 0; b < batch; b++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++)
                ck_assert(get(y, (b * columns + j) * rows + i, f64) ==
                          get(x, (b * rows + i) * columns + j, f64));
    free(x);
    free(y);
}
END_TEST

/* --- Reductions
 * ----------------------------------------------------------------------------------- */

/* sign: 1 the maximum, -1 the minimum, 0 the sum. */
static void check_reduction(const kernel_isa *isa, bool f64, int sign, int kept, int reduced,
                            const int64_t *shape, bool positive, bool with_nan)
{
    int ndim = kept + reduced;
    view x = random_view(ndim, shape, size_of(f64), true);
    view y = random_view(kept, shape, size_of(f64), false);
    int64_t total = product(ndim, shape), results = product(kept, shape);
    for (int64_t i = 0; i < x.count && positive; i++)
        set(x.memory, i, f64, fabs(get(x.memory, i, f64)));
    if (with_nan && total > 0)
        set(element(&x, ndim, shape, random_below(total)), 0, f64, NAN);
    wide *expected = room((size_t)(results + 1) * sizeof(wide)),
         *size = room((size_t)(results + 1) * sizeof(wide));
    bool accumulate = !sign && random_below(2);
    double scale = sign || random_below(2) ? 1 : 0.25;
    for (int64_t i = 0; i < results; i++) {
        expected[i] = sign ? -sign * (wide)INFINITY : 0;
        size[i] = 0;
        wide before = accumulate ? (wide)get(element(&y, kept, shape, i), 0, f64) : 0;
        for (int64_t j = 0; j < total / results; j++) {
            wide term = (wide)get(element(&x, ndim, shape, i * (total / results) + j), 0, f64);
            if (sign)
                expected[i] =
                    sign * term > sign * expected[i] || isnan(term) ? term : expected[i];
            else
                expected[i] += term;
            size[i] += fabsl(term);
        }
        expected[i] = sign ? expected[i] : before + (wide)scale * expected[i];
        size[i] = sign ? 0 : size[i] * (wide)scale + fabsl(before);
    }
    kernel_reduce r = { .kept_ndim = kept,
                        .reduced_ndim = reduced,
                        .x = x.start,
                        .y = y.start,
                        .scale = scale,
                        .accumulate = accumulate };
    memcpy(r.shape, shape, (size_t)ndim * sizeof *shape);
    memcpy(r.x_strides, x.strides, sizeof r.x_strides);
    memcpy(r.y_strides, y.strides, sizeof r.y_strides);
    const kernel_table *table = table_of(isa, f64);
    r.scratch = room(table->reduce_scratch(&r));
    void *before = room((size_t)y.count * y.size), *single = room((size_t)y.count * y.size);
    memcpy(before, y.memory, (size_t)y.count * y.size);
    for (int threads = 1; threads <= 3; threads++) {
        heed__set_threads(threads);
        memcpy(y.memory, before, (size_t)y.count * y.size);
        (sign > 0 ? table->max : sign < 0 ? table->min : table->sum)(&r);
        if (threads == 1)
            memcpy(single, y.memory, (size_t)y.count * y.size);
        ck_assert(memcmp(single, y.memory, (size_t)y.count * y.size) == 0);
    }
    for (int64_t i = 0; i < results; i++)
        check_near(sign > 0   ? "max"
                   : sign < 0 ? "min"
                              : "sum",
                   isa, f64, get(element(&y, kept, shape, i), 0, f64), expected[i], size[i], 8);
    free(before);
    free(single);
    free(r.scratch);
    free(expected);
    free(size);
    free(x.memory);
    free(y.memory);
}

START_TEST(reductions)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    for (int round = 0; round < 150; round++) {
        int64_t shape[KERNEL_MAX_NDIM];
        int ndim = random_shape(shape, 4), kept = ndim > 0 ? (int)random_below(ndim + 1) : 0;
        check_reduction(isa, f64, round % 3 - 1, kept, ndim - kept, shape, false,
                        round % 7 == 2);
    }
    static const int64_t large[][3] = { { 1, 300007, 1 },  { 100, 9001, 1 }, { 513, 769, 1 },
                                        { 70, 9000, 1 },   { 3, 5000, 7 },   { 40000, 3, 5 },
                                        { 16, 1, 100003 }, { 100, 0, 3 },    { 0, 4, 5 } };
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        for (int round = 0; round < 4; round++)
            check_reduction(isa, f64, round < 2 ? 0 : 5 - 2 * round, 1, 2, large[i], true,
                            false);
}
END_TEST

/* --- Rows
 * ----------------------------------------------------------------------------------------- */

static const int64_t row_shapes[][2] = { { 0, 5 },    { 3, 0 },     { 1, 1 },   { 5, 1 },
                                         { 7, 3 },    { 4, 16 },    { 9, 65 },  { 130, 31 },
                                         { 67, 128 }, { 2, 10001 }, { 300, 77 } };
enum { ROW_SHAPES = sizeof row_shapes / sizeof *row_shapes };

/* Runs a row kernel at 1, 2 and 3 threads; every written array must have the same bits. */
static void run_rows(void (*kernel)(const kernel_rows *), const kernel_rows *r, bool f64)
{
    int64_t counts[] = { r->rows * r->n, r->rows, r->rows, r->rows * r->n, r->n, r->n };
    void *arrays[] = { r->y, r->mean, r->rstd, r->gx, r->ggamma, r->gbeta };
    void *first[6] = { NULL };
    for (int threads = 1; threads <= 3; threads++) {
        heed__set_threads(threads);
        kernel(r);
        for (int k = 0; k < 6; k++) {
            if (!arrays[k])
                continue;
            if (threads == 1)
                first[k] = copy_of(arrays[k], counts[k], f64);
            ck_assert(memcmp(first[k], arrays[k], (size_t)counts[k] * size_of(f64)) == 0);
        }
    }
    for (int k = 0; k < 6; k++)
        free(first[k]);
}

static void check_softmax(const kernel_isa *isa, bool f64, int64_t rows, int64_t n, double size)
{
    const kernel_table *table = table_of(isa, f64);
    void *x = random_room(rows * n, f64, size), *y = random_room(rows * n, f64, 1);
    void *log_y = random_room(rows * n, f64, 1), *gy = random_room(rows * n, f64, 1);
    void *gx = random_room(rows * n, f64, 1), *log_gx = random_room(rows * n, f64, 1);
    run_rows(table->softmax, &(kernel_rows){ .rows = rows, .n = n, .x = x, .y = y }, f64);
    run_rows(table->log_softmax, &(kernel_rows){ .rows = rows, .n = n, .x = x, .y = log_y },
             f64);
    run_rows(table->softmax_grad,
             &(kernel_rows){ .rows = rows, .n = n, .x = y, .gy = gy, .gx = gx }, f64);
    run_rows(table->log_softmax_grad,
             &(kernel_rows){ .rows = rows, .n = n, .x = log_y, .gy = gy, .gx = log_gx }, f64);
    for (int64_t row = 0; row < rows; row++) {
        wide top = -INFINITY, sum = 0, inner = 0, magnitude = 0, total = 0;
        for (int64_t i = row * n; i < (row + 1) * n; i++)
            top = fmaxl(top, (wide)get(x, i, f64));
        for (int64_t i = row * n; i < (row + 1) * n; i++) {
            sum += expl((wide)get(x, i, f64) - top);
            inner += (wide)get(y, i, f64) * (wide)get(gy, i, f64);
            magnitude += (wide)get(y, i, f64) * fabsl((wide)get(gy, i, f64));
            total += (wide)get(gy, i, f64);
        }
        for (int64_t i = row * n; i < (row + 1) * n; i++) {
            wide p = expl((wide)get(x, i, f64) - top) / sum,
                 log_p = (wide)get(x, i, f64) - top - logl(sum);
            check_near("softmax", isa, f64, get(y, i, f64), p, p * (4 + (wide)size) + 1e-30L,
                       2);
            check_near("log_softmax", isa, f64, get(log_y, i, f64), log_p, 1 + fabsl(log_p), 4);
            wide g = (wide)get(gy, i, f64), value = (wide)get(y, i, f64);
            check_near("softmax_grad", isa, f64, get(gx, i, f64), value * (g - inner),
                       value * (magnitude + fabsl(g)) + 1e-30L, 8);
            wide e = expl((wide)get(log_y, i, f64));
            check_near("log_softmax_grad", isa, f64, get(log_gx, i, f64), g - e * total,
                       fabsl(g) + e * (fabsl(total) + (wide)n / 8), 8);
        }
    }
    free(x);
    free(y);
    free(log_y);
    free(gy);
    free(gx);
    free(log_gx);
}

START_TEST(softmax)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    for (int i = 0; i < ROW_SHAPES; i++) {
        check_softmax(isa, f64, row_shapes[i][0], row_shapes[i][1], 1);
        check_softmax(isa, f64, row_shapes[i][0], row_shapes[i][1], 60);
    }
    /* rows of -inf only, with one finite element, with a NaN */
    enum { N = 37 };
    void *x = random_room(3 * N, f64, 1), *y = random_room(3 * N, f64, 1);
    for (int64_t i = 0; i < 2 * N; i++)
        set(x, i, f64, -INFINITY);
    set(x, N + 36, f64, 3);
    set(x, 2 * N + 20, f64, NAN);
    table_of(isa, f64)->softmax(&(kernel_rows){ .rows = 3, .n = N, .x = x, .y = y });
    for (int64_t i = 0; i < N; i++) {
        ck_assert(isnan(get(y, i, f64)) && isnan(get(y, 2 * N + i, f64)));
        ck_assert(get(y, N + i, f64) == (i == 36 ? 1 : 0));
    }
    free(x);
    free(y);
}
END_TEST

static void check_norm(const kernel_isa *isa, bool f64, int64_t rows, int64_t n, bool centred,
                       int given)
{
    const kernel_table *table = table_of(isa, f64);
    void *x = random_room(rows * n, f64, 1), *gamma = random_room(n, f64, 1),
         *beta = random_room(n, f64, 1);
    void *y = random_room(rows * n, f64, 1), *gy = random_room(rows * n, f64, 1),
         *gx = random_room(rows * n, f64, 1);
    void *ggamma = random_room(n, f64, 1), *gbeta = random_room(n, f64, 1);
    void *mean = random_room(rows, f64, 1), *rstd = random_room(rows, f64, 1);
    for (int64_t i = 0; i < rows * n; i++)
        set(x, i, f64, get(x, i, f64) + 0.5);
    kernel_rows r = { .rows = rows,
                      .n = n,
                      .x = x,
                      .gamma = given & 1 ? gamma : NULL,
                      .beta = centred && given & 2 ? beta : NULL,
                      .epsilon = 1e-5,
                      .y = y,
                      .mean = centred ? mean : NULL,
                      .rstd = rstd };
    run_rows(centred ? table->layernorm : table->rmsnorm, &r, f64);
    r.y = NULL;
    r.gy = gy;
    r.gx = gx;
    r.ggamma = given & 1 ? ggamma : NULL;
    r.gbeta = r.beta ? gbeta : NULL;
    r.scratch = room(table->norm_grad_scratch(&r));
    run_rows(centred ? table->layernorm_grad : table->rmsnorm_grad, &r, f64);

    wide *sums = room((size_t)(4 * n + 1) * sizeof(wide));
    for (int64_t i = 0; i < 4 * n; i++)
        sums[i] = 0;
    for (int64_t row = 0; row < rows && n > 0; row++) {
        wide m = 0, variance = 0, mean_g = 0, mean_gh = 0, most = 0;
        for (int64_t i = 0; i < n && centred; i++)
            m += (wide)get(x, row * n + i, f64) / n;
        for (int64_t i = 0; i < n; i++)
            variance += powl((wide)get(x, row * n + i, f64) - m, 2) / n;
        wide s = 1 / sqrtl(variance + 1e-5L);
        if (centred)
            check_near("mean", isa, f64, get(mean, row, f64), m, 1, 4);
        check_near("rstd", isa, f64, get(rstd, row, f64), s, s * (n == 1 && centred ? 1 : 8),
                   4);
        for (int64_t i = 0; i < n; i++) {
            wide h = ((wide)get(x, row * n + i, f64) - m) * s,
                 in = (wide)get(gy, row * n + i, f64);
            wide scale = given & 1 ? (wide)get(gamma, i, f64) : 1,
                 offset = r.beta ? (wide)get(beta, i, f64) : 0;
            check_near("norm", isa, f64, get(y, row * n + i, f64), scale * h + offset,
                       1 + fabsl(h) + s, 8);
            mean_g += centred ? scale * in / n : 0;
            mean_gh += scale * in * h / n;
            most = fmaxl(most, fabsl(h));
            sums[i] += in * h;
            sums[n + i] += in;
            sums[2 * n + i] += fabsl(in) * (fabsl(h) + s);
            sums[3 * n + i] += fabsl(in);
        }
        for (int64_t i = 0; i < n; i++) {
            wide h = ((wide)get(x, row * n + i, f64) - m) * s;
            wide g =
                (wide)get(gy, row * n + i, f64) * (given & 1 ? (wide)get(gamma, i, f64) : 1);
            check_near("norm_grad", isa, f64, get(gx, row * n + i, f64),
                       s * (g - mean_g - h * mean_gh), s * (2 + most + s), 16);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        if (r.ggamma)
            check_near("ggamma", isa, f64, get(ggamma, i, f64), sums[i], sums[2 * n + i], 8);
        if (r.gbeta)
            check_near("gbeta", isa, f64, get(gbeta, i, f64), sums[n + i], sums[3 * n + i], 8);
    }
    free(r.scratch);
    void *all[] = { x, gamma, beta, y, gy, gx, ggamma, gbeta, mean, rstd, sums };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

START_TEST(norms)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    for (int i = 0; i < ROW_SHAPES; i++)
        for (int given = 0; given < 4; given++)
            for (int centred = 0; centred < 2; centred++)
                check_norm(isa, f64, row_shapes[i][0], row_shapes[i][1], centred, given);
}
END_TEST

static void check_entropy(const kernel_isa *isa, bool f64, int64_t rows, int64_t classes,
                          double smoothing, bool weighted)
{
    const kernel_table *table = table_of(isa, f64);
    void *x = random_room(rows * classes, f64, 6), *loss = random_room(rows, f64, 1),
         *lse = random_room(rows, f64, 1);
    void *gy = random_room(rows, f64, 1), *gx = random_room(rows * classes, f64, 1);
    void *weights = random_room(classes, f64, 1);
    wide weight_sum = 0;
    for (int64_t j = 0; j < classes; j++) {
        set(weights, j, f64, weighted ? fabs(get(weights, j, f64)) : 1);
        weight_sum += (wide)get(weights, j, f64);
    }
    int32_t *labels = room((size_t)rows * sizeof *labels);
    for (int64_t i = 0; i < rows; i++)
        labels[i] = i % 5 == 3 ? -100 : (int32_t)random_below(classes);
    kernel_cross_entropy c = { .rows = rows,
                               .classes = classes,
                               .x = x,
                               .labels = labels,
                               .ignore = -100,
                               .smoothing = smoothing,
                               .weights = weighted ? weights : NULL,
                               .weight_sum = (double)weight_sum,
                               .loss = loss,
                               .lse = lse,
                               .gy = gy,
                               .gy_stride = rows % 2,
                               .gy_scale = 0.125,
                               .gx = gx };
    void *single[2] = { NULL };
    for (int threads = 1; threads <= 3; threads++) {
        heed__set_threads(threads);
        table->cross_entropy(&c);
        table->cross_entropy_grad(&c);
        if (threads == 1) {
            single[0] = copy_of(loss, rows, f64);
            single[1] = copy_of(gx, rows * classes, f64);
        }
        ck_assert(memcmp(single[0], loss, (size_t)rows * size_of(f64)) == 0);
        ck_assert(memcmp(single[1], gx, (size_t)(rows * classes) * size_of(f64)) == 0);
    }
    for (int64_t row = 0; row < rows; row++) {
        wide top = -INFINITY, sum = 0, all = 0;
        for (int64_t i = row * classes; i < (row + 1) * classes; i++)
            top = fmaxl(top, (wide)get(x, i, f64));
        for (int64_t i = row * classes; i < (row + 1) * classes; i++) {
            sum += expl((wide)get(x, i, f64) - top);
            all += (wide)get(weights, i - row * classes, f64) * (wide)get(x, i, f64);
        }
        wide log_sum = top + logl(sum), s = (wide)smoothing;
        bool ignored = labels[row] == -100;
        wide own = ignored ? 0 : (1 - s) * (wide)get(weights, labels[row], f64);
        wide mass = own + s / classes * weight_sum;
        wide expected = ignored ? 0
                                : mass * log_sum -
                                      own * (wide)get(x, row * classes + labels[row], f64) -
                                      s / classes * all;
        check_near("lse", isa, f64, get(lse, row, f64), log_sum, 1 + fabsl(log_sum), 2);
        check_near("loss", isa, f64, get(loss, row, f64), expected, 12, 4);
        wide g = (wide)get(gy, row * c.gy_stride, f64) / 8;
        for (int64_t j = 0; j < classes; j++) {
            wide p = expl((wide)get(x, row * classes + j, f64) - log_sum);
            expected = ignored ? 0
                               : g * (mass * p - (j == labels[row] ? own : 0) -
                                      s / classes * (wide)get(weights, j, f64));
            check_near("cross_entropy_grad", isa, f64, get(gx, row * classes + j, f64),
                       expected, fabsl(g), 16);
        }
    }
    void *arrays[] = { x, loss, lse, gy, gx, weights, labels, single[0], single[1] };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
}

START_TEST(cross_entropy)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    static const int64_t shapes[][2] = { { 0, 3 },   { 1, 1 },    { 5, 2 },
                                         { 33, 65 }, { 6, 9001 }, { 300, 80 } };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int weighted = 0; weighted < 2; weighted++) {
            check_entropy(isa, f64, shapes[i][0], shapes[i][1], 0, weighted);
            check_entropy(isa, f64, shapes[i][0], shapes[i][1], 0.1, weighted);
        }
    }
    /* without smoothing, a class of probability 0 costs nothing */
    double x[4], loss[1], lse[1], gx[4], gy[1];
    int32_t label = 2;
    for (int64_t i = 0; i < 4; i++)
        set(x, i, f64, i == 1 ? -INFINITY : 0);
    set(gy, 0, f64, 1);
    kernel_cross_entropy c = { .rows = 1,
                               .classes = 4,
                               .x = x,
                               .labels = &label,
                               .ignore = -1,
                               .loss = loss,
                               .lse = lse,
                               .gy = gy,
                               .gy_scale = 1,
                               .gx = gx };
    table_of(isa, f64)->cross_entropy(&c);
    table_of(isa, f64)->cross_entropy_grad(&c);
    check_near("loss", isa, f64, get(loss, 0, f64), logl(3), 1, 2);
    ck_assert(get(gx, 1, f64) == 0);
}
END_TEST

/* --- Scatter and optimizers
 * ------------------------------------------------------------------------ */

START_TEST(scatter_add)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    const kernel_table *table = table_of(isa, f64);
    static const int64_t shapes[][3] = {
        { 0, 3, 4 }, { 5, 3, 0 }, { 7, 3, 1 }, { 50, 9, 65 }, { 700, 40, 130 }
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int64_t count = shapes[s][0], rows = shapes[s][1], width = shapes[s][2],
                pitch = width + 3;
        void *memory = random_room(rows * pitch, f64, 1),
             *y = random_room(count * width, f64, 1);
        int32_t *ids = room((size_t)count * sizeof *ids);
        for (int64_t i = 0; i < count; i++)
            ids[i] = (int32_t)random_below(rows);
        kernel_scatter g = { count, rows, width, ids, memory, pitch, y };
        void *expected = copy_of(memory, rows * pitch, f64);
        for (int64_t i = 0; i < count; i++)
            for (int64_t j = 0; j < width; j++) {
                void *place = at(expected, ids[i] * pitch + j, f64);
                if (f64)
                    *(double *)place += get(y, i * width + j, f64);
                else
                    *(float *)place += ((float *)y)[i * width + j];
            }
        for (int threads = 1; threads <= 3; threads++) {
            heed__set_threads(threads);
            void *result = copy_of(memory, rows * pitch, f64);
            g.table = result;
            table->scatter_add(&g);
            ck_assert(memcmp(result, expected, (size_t)(rows * pitch) * size_of(f64)) == 0);
            free(result);
        }
        free(memory);
        free(y);
        free(ids);
        free(expected);
    }
}
END_TEST

START_TEST(sum_of_squares)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    static const int64_t counts[] = { 0, 1, 5, 4095, 4097, 100003, 5000011 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        void *x = random_room(counts[i], f64, 1);
        wide expected = 0;
        for (int64_t k = 0; k < counts[i]; k++)
            expected += (wide)get(x, k, f64) * (wide)get(x, k, f64);
        double single = 0;
        for (int threads = 1; threads <= 3; threads++) {
            heed__set_threads(threads);
            double y = table_of(isa, f64)->sum_of_squares(x, counts[i]);
            if (threads == 1)
                single = y;
            ck_assert(y == single);
        }
        check_near("sum_of_squares", isa, f64, single, expected, expected, 16);
        free(x);
    }
}
END_TEST

/* kind 0: Adam, 1: AdamW; from 2 on SGD: without momentum, with, and Nesterov's */
static void check_update(const kernel_isa *isa, bool f64, int kind, int64_t n)
{
    const kernel_table *table = table_of(isa, f64);
    void *w = random_room(n, f64, 1), *g = random_room(n, f64, 1), *m = random_room(n, f64, 1);
    void *v = random_room(n, f64, 1);
    for (int64_t i = 0; i < n; i++)
        set(v, i, f64, fabs(get(v, i, f64)));
    for (int step = 1; step <= 3; step++) {
        kernel_update u = { .n = n,
                            .w = w,
                            .g = g,
                            .m = kind == 2 ? NULL : m,
                            .v = v,
                            .g_scale = 0.75,
                            .lr = 0.01,
                            .beta1 = 0.9,
                            .beta2 = 0.99,
                            .epsilon = 1e-8,
                            .decay = 0.1,
                            .correction1 = 1 - pow(0.9, step),
                            .correction2 = 1 - pow(0.99, step),
                            .decoupled = kind == 1,
                            .nesterov = kind == 4,
                            .momentum = 0.8,
                            .dampening = kind == 3 ? 0.25 : 0,
                            .first = kind >= 2 && step == 1 };
        void *old[] = { copy_of(w, n, f64), copy_of(m, n, f64), copy_of(v, n, f64) };
        void *single = NULL;
        for (int threads = 1; threads <= 3; threads++) {
            heed__set_threads(threads);
            memcpy(w, old[0], (size_t)n * size_of(f64));
            memcpy(m, old[1], (size_t)n * size_of(f64));
            memcpy(v, old[2], (size_t)n * size_of(f64));
            (kind < 2 ? table->adam : table->sgd)(&u);
            if (threads == 1)
                single = copy_of(w, n, f64);
            ck_assert(memcmp(single, w, (size_t)n * size_of(f64)) == 0);
        }
        for (int64_t i = 0; i < n; i++) {
            wide weight = (wide)get(old[0], i, f64), moment = (wide)get(old[1], i, f64);
            wide square = (wide)get(old[2], i, f64), slope = 0.75L * (wide)get(g, i, f64);
            wide lr = (wide)u.lr;
            if (kind == 1)
                weight *= 1 - lr * (wide)u.decay;
            else
                slope += (wide)u.decay * weight;
            if (kind < 2) {
                moment += (1 - (wide)u.beta1) * (slope - moment);
                square = (wide)u.beta2 * square + (1 - (wide)u.beta2) * slope * slope;
                weight -= lr * (moment / (wide)u.correction1) /
                          (sqrtl(square / (wide)u.correction2) + (wide)u.epsilon);
                check_near("v", isa, f64, get(v, i, f64), square, 1, 2);
            } else {
                moment = u.first ? slope
                                 : (wide)u.momentum * moment + (1 - (wide)u.dampening) * slope;
                if (kind == 4)
                    slope += (wide)u.momentum * moment;
                else if (kind == 3)
                    slope = moment;
                weight -= lr * slope;
            }
            if (kind != 2)
                check_near("m", isa, f64, get(m, i, f64), moment, 1, 2);
            check_near("w", isa, f64, get(w, i, f64), weight, 1, 2);
        }
        free(single);
        for (int k = 0; k < 3; k++)
            free(old[k]);
    }
    free(w);
    free(g);
    free(m);
    free(v);
}

enum { NADAM, RMSPROP, CENTRED, ADAGRAD, LION, AVERAGE, RULES };

/* One number through one step of the other rules; what[0 .. 3]: w, m, v, b. */
static void update_one(int rule, const kernel_update *u, wide g, wide what[4])
{
    wide lr = (wide)u->lr, beta1 = (wide)u->beta1, beta2 = (wide)u->beta2;
    wide epsilon = (wide)u->epsilon, *w = &what[0], *m = &what[1], *v = &what[2], *b = &what[3];
    if (u->first)
        *m = *v = *b = 0;
    g *= (wide)u->g_scale;
    if (u->decoupled)
        *w *= 1 - lr * (wide)u->decay;
    else
        g += (wide)u->decay * *w;
    wide mixed = beta1 * *m + (1 - beta1) * g, square;
    switch (rule) {
    case NADAM:
        *m = mixed;
        *v = beta2 * *v + (1 - beta2) * g * g;
        *w -= lr * (*m / (wide)u->correction1 + (wide)u->ahead * g) /
              (sqrtl(*v / (wide)u->correction2) + epsilon);
        break;
    case RMSPROP:
    case CENTRED:
        *v = beta2 * *v + (1 - beta2) * g * g;
        *m = beta2 * *m + (1 - beta2) * g;
        square = rule == CENTRED ? *v - *m * *m : *v;
        *b = (wide)u->momentum * *b + g / (sqrtl(square) + epsilon);
        *w -= lr * *b;
        break;
    case ADAGRAD:
        *v = (u->first ? (wide)u->initial : *v) + g * g;
        *w -= lr * g / (sqrtl(*v) + epsilon);
        break;
    case LION:
        *w -= lr * (wide)((mixed > 0) - (mixed < 0));
        *m = beta2 * *m + (1 - beta2) * g;
        break;
    default:
        *w += lr * (g - *w);
    }
}

static void check_rule(const kernel_isa *isa, bool f64, int rule, int64_t n)
{
    const kernel_table *table = table_of(isa, f64);
    void (*const kernels[RULES])(const kernel_update *) = { table->adam,    table->rmsprop,
                                                            table->rmsprop, table->adagrad,
                                                            table->lion,    table->average };
    const unsigned kept[RULES] = { 6, 12, 14, 4, 2, 0 }; /* bits: 2 m, 4 v, 8 b */
    size_t bytes = (size_t)n * size_of(f64);
    void *room[4], *g = random_room(n, f64, 1);
    for (int k = 0; k < 4; k++)
        room[k] = random_room(n, f64, 1);
    for (int64_t i = 0; i < n; i++) /* so that v - m^2 is well above 0 */
        set(room[2], i, f64, 1.5 + fabs(get(room[2], i, f64)));
    for (int step = 1; step <= 3; step++) {
        kernel_update u = { .n = n,
                            .w = room[0],
                            .g = g,
                            .m = kept[rule] & 2 ? room[1] : NULL,
                            .v = kept[rule] & 4 ? room[2] : NULL,
                            .b = kept[rule] & 8 ? room[3] : NULL,
                            .g_scale = 0.75,
                            .lr = 0.01,
                            .beta1 = 0.9,
                            .beta2 = 0.99,
                            .epsilon = 1e-3,
                            .decay = rule == AVERAGE ? 0 : 0.1,
                            .correction1 = 0.5,
                            .correction2 = 0.25,
                            .decoupled = rule == LION,
                            .nesterov = rule == NADAM,
                            .ahead = 0.625,
                            .momentum = 0.8,
                            .initial = 0.5,
                            .first = rule == ADAGRAD && step == 1 };
        void *old[4], *single[4] = { NULL };
        for (int k = 0; k < 4; k++)
            old[k] = copy_of(room[k], n, f64);
        for (int threads = 1; threads <= 3; threads++) {
            heed__set_threads(threads);
            for (int k = 0; k < 4; k++)
                memcpy(room[k], old[k], bytes);
            kernels[rule](&u);
            for (int k = 0; k < 4; k++) {
                if (threads == 1)
                    single[k] = copy_of(room[k], n, f64);
                ck_assert(memcmp(single[k], room[k], bytes) == 0);
            }
        }
        for (int64_t i = 0; i < n; i++) {
            wide what[4];
            for (int k = 0; k < 4; k++)
                what[k] = (wide)get(old[k], i, f64);
            wide mixed = 0.9L * what[1] + 0.1L * (0.75L * (wide)get(g, i, f64));
            update_one(rule, &u, (wide)get(g, i, f64), what);
            if (rule == LION && fabsl(mixed) < 1e-6L)
                continue; /* rounding decides the sign */
            for (int k = 0; k < 4; k++) {
                if (k == 0 || kept[rule] >> k & 1)
                    check_near("update", isa, f64, get(room[k], i, f64), what[k], 1, 4);
            }
        }
        for (int k = 0; k < 4; k++) {
            free(old[k]);
            free(single[k]);
        }
    }
    for (int k = 0; k < 4; k++)
        free(room[k]);
    free(g);
}

START_TEST(updates)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    for (int kind = 0; kind < 5; kind++) {
        check_update(isa, f64, kind, 0);
        check_update(isa, f64, kind, 37);
        check_update(isa, f64, kind, 20001);
    }
    for (int rule = 0; rule < RULES; rule++) {
        check_rule(isa, f64, rule, 0);
        check_rule(isa, f64, rule, 37);
        check_rule(isa, f64, rule, 20001);
    }
}
END_TEST

/* --- Threads and instruction sets
 * ----------------------------------------------------------------- */

/* Every element by the word of its own counter, whatever is done side by side. */
START_TEST(dropout_words)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    static const int64_t counts[] = { 1, 3, 4, 31, 32, 33, 4095, 4096, 4101, 20000 };
    if (!isa)
        return;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        const int64_t n = counts[c];
        const uint64_t key = 0x9e3779b97f4a7c15u * (c + 1);
        void *x = random_room(n, f64, 4), *y = room((size_t)n * size_of(f64));
        table_of(isa, f64)->dropout(&(kernel_dropout){
            .n = n, .x = x, .y = y, .key = key, .probability = 0.25, .factor = 2 });
        for (int64_t i = 0; i < n; i++) {
            philox_words words = philox(key, 0, (uint64_t)i / 4);
            double kept = words.word[i % 4] < 1073741824u ? 0 : 2 * get(x, i, f64);
            EXPECT_MSG(get(y, i, f64) == kept, "%s, %s, element %d of %d: %g, not %g",
                       isa->name, f64 ? "f64" : "f32", (int)i, (int)n, get(y, i, f64), kept);
        }
        free(x);
        free(y);
    }
}
END_TEST

START_TEST(map_threads)
{
    bool f64;
    const kernel_isa *isa = nth_isa(_i, &f64);
    if (!isa)
        return;
    const int64_t n = 100003;
    void *x = random_room(n, f64, 4), *y = room((size_t)n * size_of(f64)),
         *z = room((size_t)n * size_of(f64));
    for (int name = 0; name < KERNEL_MAP_COUNT; name++) {
        heed__set_threads(1);
        map_line(table_of(isa, f64), (kernel_map_name)name, n, x, x, y);
        heed__set_threads(3);
        map_line(table_of(isa, f64), (kernel_map_name)name, n, x, x, z);
        EXPECT_MSG(memcmp(y, z, (size_t)n * size_of(f64)) == 0, "%s", map_names[name]);
    }
    free(x);
    free(y);
    free(z);
}
END_TEST

/* The sets with a fused multiply-add agree in every bit. */
START_TEST(same_bits)
{
    const kernel_isa *narrow = heed__isa_at(1), *broad = heed__isa_at(2);
    if (!narrow || !broad)
        return;
    enum { ROWS = 50, N = 201, COUNT = ROWS * N };
    for (int f64 = 0; f64 < 2; f64++) {
        void *x = random_room(COUNT, f64, 5), *gy = random_room(COUNT, f64, 1);
        void *y[2], *gx[2], *mean[2], *rstd[2], *ggamma[2], *gbeta[2];
        for (int i = 0; i < 2; i++) {
            const kernel_table *table = table_of(i ? broad : narrow, f64);
            y[i] = room(COUNT * sizeof(double));
            gx[i] = room(COUNT * sizeof(double));
            mean[i] = room(ROWS * sizeof(double));
            rstd[i] = room(ROWS * sizeof(double));
            ggamma[i] = room(N * sizeof(double));
            gbeta[i] = room(N * sizeof(double));
            kernel_rows r = { .rows = ROWS,
                              .n = N,
                              .x = x,
                              .gamma = gy,
                              .beta = gy,
                              .epsilon = 1e-5,
                              .y = y[i],
                              .mean = mean[i],
                              .rstd = rstd[i],
                              .gy = gy,
                              .gx = gx[i],
                              .ggamma = ggamma[i],
                              .gbeta = gbeta[i] };
            r.scratch = room(table->norm_grad_scratch(&r));
            table->layernorm(&r);
            table->layernorm_grad(&r);
            free(r.scratch);
        }
        size_t size = size_of(f64);
        ck_assert(memcmp(y[0], y[1], COUNT * size) == 0 &&
                  memcmp(gx[0], gx[1], COUNT * size) == 0);
        ck_assert(memcmp(ggamma[0], ggamma[1], N * size) == 0 &&
                  memcmp(gbeta[0], gbeta[1], N * size) == 0);
        for (int name = 0; name < KERNEL_MAP_COUNT; name++) {
            map_line(table_of(narrow, f64), (kernel_map_name)name, COUNT, x, gy, y[0]);
            map_line(table_of(broad, f64), (kernel_map_name)name, COUNT, x, gy, y[1]);
            EXPECT_MSG(memcmp(y[0], y[1], COUNT * size) == 0, "%s", map_names[name]);
        }
        for (int i = 0; i < 2; i++)
            table_of(i ? broad : narrow, f64)
                ->softmax(&(kernel_rows){ .rows = ROWS, .n = N, .x = x, .y = y[i] });
        ck_assert(memcmp(y[0], y[1], COUNT * size) == 0);
        for (int i = 0; i < 2; i++) {
            free(y[i]);
            free(gx[i]);
            free(mean[i]);
            free(rstd[i]);
            free(ggamma[i]);
            free(gbeta[i]);
        }
        free(x);
        free(gy);
    }
}
END_TEST

int main(void)
{
    heed__set_eager(true); /* also in the tests that Check forks */
    Suite *suite = suite_create("kernels: rows");
    TCase *functions = tcase_create("functions");
    tcase_set_timeout(functions, 60);
    tcase_add_loop_test(functions, every_exponent, 0, EACH_ISA);
    tcase_add_loop_test(functions, edges, 0, EACH_ISA);
    tcase_add_loop_test(functions, every_lane, 0, EACH_ISA);
    suite_add_tcase(suite, functions);
    TCase *kernels = tcase_create("kernels");
    tcase_set_timeout(kernels, 60);
    tcase_add_loop_test(kernels, spaces, 0, EACH_ISA);
    tcase_add_loop_test(kernels, transposes, 0, EACH_ISA);
    tcase_add_loop_test(kernels, reductions, 0, EACH_ISA);
    tcase_add_loop_test(kernels, softmax, 0, EACH_ISA);
    tcase_add_loop_test(kernels, norms, 0, EACH_ISA);
    tcase_add_loop_test(kernels, cross_entropy, 0, EACH_ISA);
    tcase_add_loop_test(kernels, scatter_add, 0, EACH_ISA);
    tcase_add_loop_test(kernels, sum_of_squares, 0, EACH_ISA);
    tcase_add_loop_test(kernels, updates, 0, EACH_ISA);
    tcase_add_loop_test(kernels, dropout_words, 0, EACH_ISA);
    tcase_add_loop_test(kernels, map_threads, 0, EACH_ISA);
    tcase_add_test(kernels, same_bits);
    suite_add_tcase(suite, kernels);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
