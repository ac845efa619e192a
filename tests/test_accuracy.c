/* How far elementary functions and activations are from the true values: floats of every kind,
 * subnormal, infinite and NaN among them, through every instruction set, against long double.
 * Every 4099th of the 2^32 floats is tried; HEED_EXHAUSTIVE=1 in the environment tries them
 * all, and HEED_REPORT=1 prints the largest errors. Then what sums may lose. */
#include "kernels.h"
#include "map_reference.h"
#include "parallel.h"

#include <heed/heed.h>

#include <check.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `composite`: beside 4 ulp, 2 epsilon |x| will do. */
static const struct {
    kernel_map_name name;
    bool composite;
} functions[] = {
    { KERNEL_MAP_exp, false },         { KERNEL_MAP_expm1, false },
    { KERNEL_MAP_log, false },         { KERNEL_MAP_log1p, false },
    { KERNEL_MAP_tanh, false },        { KERNEL_MAP_erf, false },
    { KERNEL_MAP_sin, false },         { KERNEL_MAP_cos, false },
    { KERNEL_MAP_tan, false },         { KERNEL_MAP_sqrt, false },
    { KERNEL_MAP_rsqrt, false },       { KERNEL_MAP_reciprocal, false },
    { KERNEL_MAP_floor, false },       { KERNEL_MAP_ceil, false },
    { KERNEL_MAP_round, false },       { KERNEL_MAP_sigmoid, false },
    { KERNEL_MAP_softplus, true },     { KERNEL_MAP_elu, false },
    { KERNEL_MAP_gelu, true },         { KERNEL_MAP_gelu_tanh, true },
    { KERNEL_MAP_silu, true },         { KERNEL_MAP_mish, true },
    { KERNEL_MAP_hard_sigmoid, true }, { KERNEL_MAP_hard_swish, true },
    { KERNEL_MAP_pow, false },
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

enum { BLOCK = 4096, SETS = 3, THREADS = 256 };

/* The largest error of one instruction set, beside results that are correctly rounded: in ulp,
 * and where. */
typedef struct worst {
    double error, ulps, x, y;
    wide expected;
} worst;

typedef struct sweep {
    int function;
    bool f64;
    uint64_t stride, count; /* numbers tried */
    worst (*found)[SETS];   /* by thread */
} sweep;

static void run(const kernel_table *table, kernel_map_name name, int64_t n, const void *a,
                const void *b, void *y)
{
    table->map[name](&(kernel_map){ .ndim = 1,
                                    .shape = { n },
                                    .x = { a, b },
                                    .x_strides = { { 1 }, { 1 } },
                                    .y = y,
                                    .y_strides = { 1 },
                                    .p = 1.5 });
}

/* The i-th number tried: first those of both signs and every exponent with the least, the next
 * and the largest fraction, then every stride-th pattern. */
enum { EDGES = 2 * 256 * 3 };

static uint32_t pattern(uint64_t i, uint64_t stride)
{
    static const uint32_t fractions[] = { 0, 1, 0x7fffff };
    if (i >= EDGES)
        return (uint32_t)((i - EDGES) * stride);
    return (uint32_t)(i / 3) << 23 | fractions[i % 3];
}

/* In f64 the pattern is the upper half of the bits and something random the lower. */
static double number(uint32_t bits, bool f64)
{
    float narrow;
    double value;
    uint64_t both = (uint64_t)bits << 32 | (bits * 2654435769u);
    memcpy(&narrow, &bits, sizeof narrow);
    memcpy(&value, &both, sizeof value);
    value = f64 ? value : (double)narrow;
    return isnan(value) ? NAN
                        : value; /* a quiet one: with another kind libm may do as it likes */
}

/* An exponent that brings the powers of a anywhere in the range and a little beyond. */
static double exponent_for(double a, uint32_t bits, bool f64)
{
    double reach = (f64 ? 760 : 110) / fabs(log(fabs(a)));
    double b = (double)(bits * 747796405u >> 8) / (1 << 23) - 1;
    b *= isfinite(reach) && reach > 0 ? reach : 1;
    return bits % 7 == 0 ? rint(b) : b;
}

/* Infinity counts as the number that would follow the largest one, and so does all beyond. */
static wide as_number(double y, bool f64)
{
    return isinf(y) ? copysignl(ldexpl(1, f64 ? DBL_MAX_EXP : FLT_MAX_EXP), y) : y;
}

static void compare(const sweep *s, worst *found, double x, double y, wide expected)
{
    double rounded = s->f64 ? (double)expected : (double)(float)expected;
    if (y == rounded)
        return; /* nothing is nearer */
    wide limit = ldexpl(1, s->f64 ? DBL_MAX_EXP : FLT_MAX_EXP);
    double error = 0, ulps = 0;
    if (isnan(expected) || isnan(y)) {
        ulps = error = isnan(expected) && isnan(y) ? 0 : INFINITY;
    } else if (fabsl(expected) > 2 * limit || isinf(x)) {
        ulps = error =
            (wide)y == expected || (isinf(y) && y * (double)expected > 0) ? 0 : INFINITY;
    } else {
        int exponent, lowest = s->f64 ? DBL_MIN_EXP : FLT_MIN_EXP;
        int digits = s->f64 ? DBL_MANT_DIG : FLT_MANT_DIG;
        frexpl(expected, &exponent);
        exponent = exponent < lowest ? lowest : exponent;
        wide distance = fabsl(as_number(y, s->f64) - fmaxl(-limit, fminl(limit, expected)));
        ulps = error = (double)ldexpl(distance, digits - exponent);
        if (functions[s->function].composite && x != 0)
            error = fmin(error, (double)(2 * ldexpl(distance, digits - 1) / fabsl((wide)x)));
    }
    if (ulps > found->ulps)
        found->ulps = ulps;
    if (error > found->error) {
        found->error = error;
        found->x = x;
        found->y = y;
        found->expected = expected;
    }
}

static void sweep_block(void *context, int64_t unit, int thread)
{
    const sweep *s = context;
    kernel_map_name name = functions[s->function].name;
    union {
        float f32[BLOCK];
        double f64[BLOCK];
    } a, b, y;
    wide expected[BLOCK];
    double x[BLOCK];
    uint64_t first = (uint64_t)unit * BLOCK;
    int64_t n = (int64_t)(s->count - first < BLOCK ? s->count - first : BLOCK);
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = pattern(first + (uint64_t)i, s->stride);
        x[i] = number(bits, s->f64);
        double second = name == KERNEL_MAP_pow ? exponent_for(x[i], bits, s->f64) : 0;
        if (s->f64) {
            a.f64[i] = x[i];
            b.f64[i] = second;
        } else {
            a.f32[i] = (float)x[i];
            b.f32[i] = (float)second;
            second = (double)b.f32[i];
        }
        expected[i] = reference(name, (wide)x[i], (wide)second, 0, 1.5L, 0);
    }
    for (int set = 0; heed__isa_at(set); set++) {
        const kernel_isa *isa = heed__isa_at(set);
        run(s->f64 ? isa->f64 : isa->f32, name, n, &a, &b, &y);
        for (int64_t i = 0; i < n; i++)
            compare(s, &s->found[thread][set], x[i], s->f64 ? y.f64[i] : (double)y.f32[i],
                    expected[i]);
    }
}

static void check_function(int function, bool f64, uint64_t stride)
{
    worst(*found)[SETS] = calloc(THREADS, sizeof *found);
    ck_assert_ptr_nonnull(found);
    sweep s = { .function = function,
                .f64 = f64,
                .stride = stride,
                .count = EDGES + (UINT64_C(0x100000000) + stride - 1) / stride,
                .found = found };
    parallel_for((int64_t)((s.count + BLOCK - 1) / BLOCK), sweep_block, &s);
    for (int set = 0; heed__isa_at(set); set++) {
        worst w = found[0][set];
        double ulps = 0;
        for (int thread = 0; thread < THREADS; thread++) {
            ulps = fmax(ulps, found[thread][set].ulps);
            if (found[thread][set].error > w.error)
                w = found[thread][set];
        }
        const char *name = map_names[functions[function].name], *type = f64 ? "f64" : "f32";
        if (getenv("HEED_REPORT"))
            fprintf(stderr, "%-14s %-6s %s %10.3f ulp%s, largest %.3g ulp, at %.9g\n", name,
                    heed__isa_at(set)->name, type, w.error,
                    functions[function].composite ? " or epsilon |x|/2" : "", ulps, w.x);
        ck_assert_msg(w.error <= 4, "%s, %s %s: %g ulp at %.17g: %.17g against %.20Lg", name,
                      heed__isa_at(set)->name, type, w.error, w.x, w.y, w.expected);
    }
    free(found);
}

START_TEST(single)
{
    check_function(_i, false, getenv("HEED_EXHAUSTIVE") ? 1 : 4099);
}
END_TEST

START_TEST(both)
{
    check_function(_i, true, 65521);
}
END_TEST

/* ---- edges: what neither sign of infinity, of 0 nor NaN may change ---- */

START_TEST(limits)
{
    const struct {
        kernel_map_name name;
        double at[5]; /* -infinity, -0, 0, infinity; 1 where -0 must stay -0 */
    } expected[] = {
        { KERNEL_MAP_exp, { 0, 1, 1, INFINITY, 0 } },
        { KERNEL_MAP_expm1, { -1, 0, 0, INFINITY, 1 } },
        { KERNEL_MAP_log1p, { NAN, 0, 0, INFINITY, 1 } },
        { KERNEL_MAP_sin, { NAN, 0, 0, NAN, 1 } },
        { KERNEL_MAP_tan, { NAN, 0, 0, NAN, 1 } },
        { KERNEL_MAP_tanh, { -1, 0, 0, 1, 1 } },
        { KERNEL_MAP_erf, { -1, 0, 0, 1, 1 } },
        { KERNEL_MAP_floor, { -INFINITY, 0, 0, INFINITY, 1 } },
        { KERNEL_MAP_ceil, { -INFINITY, 0, 0, INFINITY, 1 } },
        { KERNEL_MAP_round, { -INFINITY, 0, 0, INFINITY, 1 } },
        { KERNEL_MAP_sigmoid, { 0, 0.5, 0.5, 1, 0 } },
        { KERNEL_MAP_gelu, { 0, 0, 0, INFINITY, 0 } },
        { KERNEL_MAP_gelu_tanh, { 0, 0, 0, INFINITY, 0 } },
        { KERNEL_MAP_silu, { 0, 0, 0, INFINITY, 0 } },
        { KERNEL_MAP_mish, { 0, 0, 0, INFINITY, 0 } },
        { KERNEL_MAP_hard_swish, { 0, 0, 0, INFINITY, 0 } },
        { KERNEL_MAP_gelu_grad, { 0, 0.5, 0.5, 1, 0 } },
        { KERNEL_MAP_gelu_tanh_grad, { 0, 0.5, 0.5, 1, 0 } },
        { KERNEL_MAP_silu_grad, { 0, 0.5, 0.5, 1, 0 } },
        { KERNEL_MAP_mish_grad, { 0, 0.6, 0.6, 1, 0 } },
    };
    const kernel_isa *isa = heed__isa_at(_i / 2);
    bool f64 = _i % 2;
    for (size_t k = 0; isa && k < sizeof expected / sizeof *expected; k++) {
        const char *name = map_names[expected[k].name];
        const double x[4] = { -INFINITY, -0.0, 0, INFINITY }, one[4] = { 1, 1, 1, 1 };
        const float narrow[4] = { -INFINITY, -0.0F, 0, INFINITY }, ones[4] = { 1, 1, 1, 1 };
        double y[4];
        float z[4];
        if (f64)
            run(isa->f64, expected[k].name, 4, x, one, y);
        else
            run(isa->f32, expected[k].name, 4, narrow, ones, z);
        for (int i = 0; i < 4; i++) {
            double found = f64 ? y[i] : (double)z[i], right = expected[k].at[i];
            bool good =
                isnan(right) ? isnan(found) : found == right || fabs(found - right) < 1e-7;
            ck_assert_msg(good, "%s, %s: %g at %g", name, isa->name, found, x[i]);
            if (i == 1 && expected[k].at[4] != 0)
                ck_assert_msg(signbit(found), "%s, %s: the sign of -0", name, isa->name);
        }
    }
}
END_TEST

/* ---- sums ---- */

/* Random numbers of all magnitudes; `cancelling`, each of the first half comes again with the
 * other sign, and what is left over is small. */
static void fill(double *x, int64_t n, bool cancelling, bool f64)
{
    heed_random r = { .seed = 3 };
    for (int64_t i = 0; i < n; i++) {
        double v = (2 * heed_random_uniform(&r) - 1) * (double)(1 << heed_random_below(&r, 20));
        if (cancelling && i >= (n + 1) / 2)
            v = -x[i - (n + 1) / 2] + 1e-3 * heed_random_uniform(&r);
        x[i] = f64 ? v : (double)(float)v;
    }
}

START_TEST(sums)
{
    static double x[1000000];
    static const int64_t sizes[] = { 1, 2, 3, 7, 100, 1000, 4097, 65536, 1000000 };
    bool f64 = _i % 2, cancelling = _i / 2 % 2;
    if (!heed__isa_at(_i / 4))
        return;
    ck_assert(heed__isa_select(heed__isa_at(_i / 4)->name));
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = f64 ? HEED_F64 : HEED_F32 });
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int64_t n = sizes[k];
        wide total = 0, magnitude = 0;
        fill(x, n, cancelling, f64);
        for (int64_t i = 0; i < n; i++) {
            total += x[i];
            magnitude += fabsl(x[i]);
        }
        heed_tape_reset(t);
        heed_tensor *terms = heed_constant(t, HEED_SHAPE(n), x);
        heed_tensor *sum = heed_sum(t, terms), *mean = heed_mean(t, terms);
        wide allowed = 8 * (wide)(f64 ? DBL_EPSILON : (double)FLT_EPSILON) * magnitude;
        wide error = fabsl((wide)heed_item(t, sum) - total);
        wide of_mean = fabsl((wide)heed_item(t, mean) * n - total);
        ck_assert_msg(error <= allowed && of_mean <= allowed,
                      "%s, %s: the sum of %d is off by %Lg, the mean by %Lg; %Lg is allowed",
                      heed_instruction_set(), f64 ? "f64" : "f32", (int)n, error, of_mean / n,
                      allowed);
    }
    heed_tape_free(t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("accuracy");
    TCase *functions_of_one = tcase_create("functions");
    tcase_set_timeout(functions_of_one, getenv("HEED_EXHAUSTIVE") ? 36000 : 60);
    tcase_add_loop_test(functions_of_one, single, 0, FUNCTIONS);
    tcase_add_loop_test(functions_of_one, both, 0, FUNCTIONS);
    tcase_add_loop_test(functions_of_one, limits, 0, 2 * SETS);
    suite_add_tcase(suite, functions_of_one);
    TCase *sums_of_many = tcase_create("sums");
    tcase_add_loop_test(sums_of_many, sums, 0, 4 * SETS);
    suite_add_tcase(suite, sums_of_many);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
