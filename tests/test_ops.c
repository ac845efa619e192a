/* The table of ops, record by record: every case through heed_check_op at both orders, and what
 * needs the library's insides: instruction sets against the base one, threads bit for bit, and
 * memory that runs out at every single request. Check forks for every test, so no kernel runs
 * in the parent. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "trial.h"

static int count_ops(void)
{
    int n = 0;
    while (heed_op_at(n))
        n++;
    return n;
}

/* ---- every case, every variant ---- */

static void check_order(int i, int order)
{
    const heed_op *op = heed_op_at(i);
    heed__set_threads(1);
    heed_report r = heed_check_op(op, &(heed_check_options){ .order = order });
    ck_assert_msg(r.passed, "%s: %s (worst %s: %.12g against %.12g)", op->name, r.message,
                  r.where, r.analytic, r.numeric);
    ck_assert_int_gt(r.compared, 0);
}

START_TEST(first_order)
{
    check_order(_i, 1);
}
END_TEST

START_TEST(second_order)
{
    check_order(_i, 2);
}
END_TEST

/* A record says what it is, and has a smooth or stated case beside a degenerate one. */
START_TEST(records_are_complete)
{
    const heed_op *op = heed_op_at(_i);
    ck_assert_msg(op->formula && op->formula[0], "%s has no formula", op->name);
    ck_assert_msg(op->adjoint && op->adjoint[0], "%s has no adjoint", op->name);
    bool none = strncmp(op->adjoint, "none: ", 6) == 0;
    bool composed = !op->run && op->compose;
    ck_assert_msg(none == (!op->vjp && !composed),
                  "%s: the adjoint's text and the rule disagree", op->name);
    ck_assert_msg(op->case_count >= 2, "%s has fewer than two cases", op->name);
    ck_assert_ptr_eq(heed_op_named(op->name), op);
    int smooth = 0;
    for (int i = 0; i < op->case_count; i++) {
        ck_assert_msg(op->cases[i].label != NULL, "%s: case %d has no label", op->name, i);
        smooth += !op->cases[i].stated;
    }
    ck_assert_msg(none || smooth > 0, "%s has no smooth case", op->name);
}
END_TEST

/* ---- operands that may not fit ---- */

/* Refused in a sentence, or a result and its gradients; never memory that is nobody's, which the
 * sanitized build sees. */
static void try_shape(check_trial *trial, heed_tape *t, int operand, heed_shape shape)
{
    const heed_shape own = trial->shape[operand];
    double *const values = trial->drawn[operand];
    int64_t before, after;
    heed__shape_size(&own, &before);
    heed__shape_size(&shape, &after);
    double *repeated = heed__trial_array(trial, after);
    for (int64_t i = 0; i < after; i++)
        repeated[i] = before ? values[i % before] : 0;
    trial->shape[operand] = shape;
    trial->drawn[operand] = repeated;
    ck_assert(heed__trial_arrange(trial));
    heed_tensor *leaf[HEED_CASE_OPERANDS];
    heed_tensor *y = heed__trial_apply(trial, t, leaf);
    ck_assert_msg(!y == (heed_error(t) != NULL), "%s, case %s, operand %d of another shape",
                  trial->op->name, trial->c->label, operand);
    if (y && trial->scalars > 0 && (y->dtype == HEED_F32 || y->dtype == HEED_F64))
        heed_backward(t, heed_sum(t, y));
    trial->shape[operand] = own;
    trial->drawn[operand] = values;
    ck_assert(heed__trial_arrange(trial));
}

START_TEST(other_shapes)
{
    const heed_op *op = heed_op_at(_i);
    heed_report report = { .passed = true };
    arena memory;
    heed__arena_init(&memory, NULL, 0);
    heed_tape *t = heed_tape_new(NULL);
    for (int index = 0; index < op->case_count; index++) {
        check_trial trial = { .op = op,
                              .options = heed__check_options(NULL),
                              .report = &report };
        ck_assert(heed__trial_begin(&trial, op, index, &memory));
        for (int i = 0; i < trial.n; i++) {
            heed_shape shape = trial.shape[i];
            if (trial.c->absent >> i & 1)
                continue;
            for (int k = 0; k < shape.ndim; k++) {
                const int64_t others[] = { shape.size[k] + 1, shape.size[k] - 1,
                                           3 * shape.size[k] };
                for (int m = 0; m < 3; m++) {
                    heed_shape other = shape;
                    other.size[k] = others[m] < 0 ? 0 : others[m];
                    try_shape(&trial, t, i, other);
                }
            }
            heed_shape other = shape;
            other.ndim += 1;
            other.size[shape.ndim] = 2;
            try_shape(&trial, t, i, other);
            other.ndim = shape.ndim > 0 ? shape.ndim - 1 : 0;
            try_shape(&trial, t, i, other);
        }
    }
    heed_tape_free(t);
    heed__arena_free(&memory);
}
END_TEST

/* ---- large operands: the extents of a case are stretched, equal ones equally ---- */

static const int64_t stretched[7][8] = {
    { 0, 1, 140, 171, 203, 77, 280, 90 }, /* more than one unit of work: up to two axes, */
    { 0, 1, 40, 51, 60, 33, 80, 90 },     /* three, */
    { 0, 1, 8, 19, 33, 17, 16, 90 },      /* four and more */
    { 0, 1, 34, 51, 67, 21, 68, 90 },     /* some vectors and a rest */
    { 0, 1, 8, 19, 33, 11, 16, 90 },      { 0, 1, 4, 7, 17, 6, 8, 90 },
    { 0, 1, 2, 3, 4, 5, 6, 7 }, /* as they are: operands bound to their attributes */
};

/* Whether a record's attributes are extents: of its result, or how often it repeats each. */
static bool is_told_a_shape(const heed_op *op)
{
    static const char *const names[] = { "expand", "reshape", "sum_to", "tile" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(op->name, names[i]) == 0)
            return true;
    }
    return false;
}

/* Stretches by row `how` of the table; values given for the small case repeat. */
static bool stretch(check_trial *trial, heed_case *own, heed_shape *attribute, int how)
{
    *own = *trial->c;
    if (how < 6 && is_told_a_shape(trial->op)) {
        *attribute = *(const heed_shape *)own->attributes;
        for (int k = 0; k < attribute->ndim; k++) {
            if (attribute->size[k] > 0 && attribute->size[k] < 8)
                attribute->size[k] = stretched[how][attribute->size[k]];
        }
        own->attributes = attribute;
    }
    for (int i = 0; i < trial->n; i++) {
        int64_t small, large;
        heed__shape_size(&trial->shape[i], &small);
        for (int k = 0; k < trial->shape[i].ndim; k++) {
            int64_t *extent = &trial->shape[i].size[k];
            *extent = *extent < 8 ? stretched[how][*extent] : *extent;
        }
        heed__shape_size(&trial->shape[i], &large);
        double *drawn = heed__trial_array(trial, large);
        heed_random r = { .seed = 5, .stream = (uint64_t)i };
        if (own->x[i].values) {
            for (int64_t k = 0; k < large; k++)
                drawn[k] = small ? trial->drawn[i][k % small] : 0;
        } else {
            heed__check_draw(&own->x[i], large, &r, drawn);
        }
        trial->drawn[i] = drawn;
        own->x[i].shape = trial->shape[i];
    }
    trial->c = own;
    return heed__trial_arrange(trial);
}

typedef struct large {
    heed_report report;
    arena memory;
    heed_case own;
    heed_shape attribute;
    check_trial trial;
    heed_tape *t[2]; /* f32, f64 */
} large;

/* Prepares the stretched case; false where the record's attributes allow none of the
 * stretchings. */
static bool begin_large(large *l, const heed_op *op, int index, bool units)
{
    int axes = 0;
    memset(l, 0, sizeof *l);
    l->report.passed = true;
    heed__arena_init(&l->memory, NULL, 0);
    for (int k = 0; k < 2; k++)
        l->t[k] = heed_tape_new(&(heed_tape_options){ .dtype = k ? HEED_F64 : HEED_F32 });
    for (int i = 0; i < HEED_CASE_OPERANDS; i++) {
        if (op->cases[index].x[i].shape.ndim > axes)
            axes = op->cases[index].x[i].shape.ndim;
    }
    const int tries[2] = { (units ? 0 : 3) + (axes <= 2 ? 0 : axes == 3 ? 1 : 2), 6 };
    for (int k = 0; k < 2; k++) {
        heed_tensor *leaf[HEED_CASE_OPERANDS];
        l->trial = (check_trial){ .op = op,
                                  .options = heed__check_options(NULL),
                                  .report = &l->report };
        ck_assert(heed__trial_begin(&l->trial, op, index, &l->memory));
        ck_assert(stretch(&l->trial, &l->own, &l->attribute, tries[k]));
        heed_tensor *y = heed__trial_apply(&l->trial, l->t[0], leaf);
        if (!y)
            continue;
        l->trial.results = heed_size(y);
        return true;
    }
    return false;
}

static void end_large(large *l)
{
    ck_assert_msg(l->report.passed, "%s: %s", l->trial.op->name, l->report.message);
    heed_tape_free(l->t[0]);
    heed_tape_free(l->t[1]);
    heed__arena_free(&l->memory);
}

/* Result and gradient of <u, y>, one after the other. */
static void evaluate(large *l, int tape, const double *u, double *out)
{
    ck_assert_msg(heed__trial_value(&l->trial, l->t[tape], out), "%s: %s", l->trial.op->name,
                  l->report.message);
    ck_assert_msg(
        heed__trial_gradient(&l->trial, l->t[tape], u, SWEEP_PLAIN, out + l->trial.results),
        "%s: %s", l->trial.op->name, l->report.message);
}

static double *draw_cotangent(large *l)
{
    double *u = heed__trial_array(&l->trial, l->trial.results);
    heed_random r = { .seed = 9 };
    for (int64_t i = 0; i < l->trial.results; i++)
        u[i] = (double)(float)(2 * heed_random_uniform(&r) - 1);
    return u;
}

/* |a - b| within `tolerance` of the largest |b|, part by part. */
static void expect_near(const large *l, const char *set, int tape, const double *a,
                        const double *b, int64_t n, double tolerance)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = isfinite(b[i]) ? fmax(largest, fabs(b[i])) : largest;
    for (int64_t i = 0; i < n; i++) {
        bool same = a[i] == b[i] || (isnan(a[i]) && isnan(b[i]));
        ck_assert_msg(same || fabs(a[i] - b[i]) <= tolerance * largest,
                      "%s, case %s, %s, f%d: %.17g against %.17g", l->trial.op->name,
                      l->trial.c->label, set, tape ? 64 : 32, a[i], b[i]);
    }
}

START_TEST(instruction_sets)
{
    const heed_op *op = heed_op_at(_i);
    heed__set_threads(1);
    for (int index = 0; index < op->case_count; index++) {
        large l;
        if (!begin_large(&l, op, index, false)) {
            end_large(&l);
            continue;
        }
        double *u = draw_cotangent(&l);
        int64_t m = l.trial.results, n = l.trial.scalars;
        for (int tape = 0; tape < 2; tape++) {
            double *base = heed__trial_array(&l.trial, m + n),
                   *other = heed__trial_array(&l.trial, m + n);
            double tolerance = tape ? 1e-12 : 1e-5;
            for (int set = 0; heed__isa_at(set); set++) {
                ck_assert(heed__isa_select(heed__isa_at(set)->name));
                evaluate(&l, tape, u, set ? other : base);
                if (set == 0)
                    continue;
                expect_near(&l, heed_instruction_set(), tape, other, base, m, tolerance);
                for (int i = 0; i < l.trial.n; i++) {
                    int64_t at = m + l.trial.offset[i];
                    if (l.trial.watched[i])
                        expect_near(&l, heed_instruction_set(), tape, other + at, base + at,
                                    l.trial.size[i], tolerance);
                }
            }
        }
        end_large(&l);
    }
}
END_TEST

START_TEST(threads)
{
    const heed_op *op = heed_op_at(_i);
    int tried = 0;
    for (int index = 0; index < op->case_count; index++) {
        large l;
        /* Two cases are enough; a stated one only where there is no other. */
        if (tried == 2 || (op->cases[index].stated && op->case_count > 2))
            continue;
        if (begin_large(&l, op, index, true)) {
            double *u = draw_cotangent(&l);
            int64_t both = l.trial.results + l.trial.scalars;
            double *one = heed__trial_array(&l.trial, both),
                   *more = heed__trial_array(&l.trial, both);
            for (int tape = 0; tape < 2; tape++) {
                heed__set_threads(1);
                evaluate(&l, tape, u, one);
                for (int n = 2; n <= (tape ? 2 : 3); n++) {
                    heed__set_threads(n);
                    evaluate(&l, tape, u, more);
                    ck_assert_msg(memcmp(one, more, (size_t)both * sizeof *one) == 0,
                                  "%s, case %s, f%d: %d threads give other bits than one",
                                  op->name, l.trial.c->label, tape ? 64 : 32, n);
                }
            }
            tried++;
        }
        end_large(&l);
    }
    ck_assert_msg(tried > 0, "%s: no case could be applied", op->name);
}
END_TEST

/* ---- memory that runs out ---- */

typedef struct ration {
    int64_t calls, fail_at; /* the call that fails, and all after it if `forever` */
    bool forever;
    size_t held;
} ration;

static void *rationed(void *context, size_t bytes)
{
    ration *r = context;
    r->calls++;
    if (r->calls == r->fail_at || (r->forever && r->calls > r->fail_at && r->fail_at > 0))
        return NULL;
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (memory)
        r->held += bytes;
    return memory;
}

static void give_back(void *context, void *memory, size_t bytes)
{
    ((ration *)context)->held -= bytes;
    free(memory);
}

/* Forward, sweep, and a recorded sweep; false when the tape failed. */
static bool use(check_trial *trial, heed_tape *t, double *y, double *g)
{
    heed_tensor *leaf[HEED_CASE_OPERANDS], *own[HEED_CASE_OPERANDS], *gx[HEED_CASE_OPERANDS];
    int count = 0;
    heed_tensor *result = heed__trial_apply(trial, t, leaf);
    if (!result)
        return false;
    for (int64_t i = 0; i < trial->results; i++)
        y[i] = heed_at(result, i);
    for (int i = 0; i < trial->n; i++) {
        if (leaf[i] && trial->watched[i])
            own[count++] = leaf[i];
    }
    if (!(result->flags & TENSOR_DIFFERENTIABLE) || !count)
        return true;
    if (!heed_grad(t, result, NULL, count, own, gx))
        return false;
    heed_tensor *loss = heed_sum(t, result);
    if (!loss || !heed_backward(t, loss))
        return false;
    for (int i = 0; i < count; i++) {
        const heed_tensor *one = heed_gradient(t, own[i]);
        for (int64_t k = 0; one && k < heed_size(one); k++)
            *g++ = heed_at(one, k);
    }
    return true;
}

static void exhaust(check_trial *trial, heed_dtype dtype, bool forever, double *y, double *g,
                    double *y2, double *g2)
{
    int64_t failures = 0;
    for (int64_t n = 1;; n++) {
        ration r = { .fail_at = n, .forever = forever };
        heed_allocator allocator = { rationed, give_back, &r };
        heed_tape *t = heed_tape_new(
            &(heed_tape_options){ .dtype = dtype, .allocator = &allocator, .chunk = 1 });
        bool done = false, lost = r.calls >= n;
        if (t) {
            done = use(trial, t, y2, g2);
            lost = r.calls >= n;
            /* A free-list entry that finds no memory costs nothing but the block. */
            if (!done) {
                ck_assert_ptr_nonnull(heed_error(t));
                ck_assert_msg(strstr(heed_error(t), "out of memory") != NULL,
                              "%s: allocation %d failed: %s", trial->op->name, (int)n,
                              heed_error(t));
            }
            r.fail_at = 0;
            ck_assert_msg(use(trial, t, y2, g2), "%s: after failure %d: %s", trial->op->name,
                          (int)n, heed_error(t));
            ck_assert_int_eq(memcmp(y, y2, (size_t)trial->results * sizeof *y), 0);
            ck_assert_int_eq(memcmp(g, g2, (size_t)trial->scalars * sizeof *g), 0);
            heed_tape_free(t);
        }
        ck_assert_msg(r.held == 0, "%s: %zu bytes stay after failure %d", trial->op->name,
                      r.held, (int)n);
        failures += lost;
        if (!lost)
            break;
    }
    ck_assert_int_gt(failures, 2);
}

START_TEST(memory_runs_out)
{
    const heed_op *op = heed_op_at(_i);
    arena memory;
    heed_report report = { .passed = true };
    heed__set_threads(1);
    heed__arena_init(&memory, NULL, 0);
    heed_tape *plain = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    for (int index = 0; index < op->case_count; index++) {
        heed_tensor *leaf[HEED_CASE_OPERANDS];
        check_trial trial = { .op = op,
                              .options = heed__check_options(NULL),
                              .report = &report };
        ck_assert(heed__trial_begin(&trial, op, index, &memory));
        /* Views that must be made dense first allocate more. */
        for (int i = 0; i < trial.n; i++)
            trial.layout[i] = LAYOUT_TRANSPOSED;
        ck_assert(heed__trial_arrange(&trial));
        trial.results = heed_size(heed__trial_apply(&trial, plain, leaf));
        int64_t m = trial.results, n = trial.scalars;
        double *y = heed__trial_array(&trial, m), *g = heed__trial_array(&trial, n);
        double *y2 = heed__trial_array(&trial, m), *g2 = heed__trial_array(&trial, n);
        ck_assert_msg(use(&trial, plain, y, g), "%s: %s", op->name, heed_error(plain));
        exhaust(&trial, HEED_F64, false, y, g, y2, g2);
        exhaust(&trial, HEED_F64, true, y, g, y2, g2);
    }
    heed_tape_free(plain);
    heed__arena_free(&memory);
}
END_TEST

int main(void)
{
    heed__set_eager(true); /* also in the tests that Check forks */
    const int n = count_ops();
    Suite *suite = suite_create("ops");
    TCase *rules = tcase_create("rules");
    tcase_set_timeout(rules, 60);
    tcase_add_loop_test(rules, records_are_complete, 0, n);
    tcase_add_loop_test(rules, first_order, 0, n);
    tcase_add_loop_test(rules, second_order, 0, n);
    tcase_add_loop_test(rules, other_shapes, 0, n);
    suite_add_tcase(suite, rules);
    TCase *machine = tcase_create("machine");
    tcase_set_timeout(machine, 60);
    tcase_add_loop_test(machine, instruction_sets, 0, n);
    tcase_add_loop_test(machine, threads, 0, n);
    tcase_add_loop_test(machine, memory_runs_out, 0, n);
    suite_add_tcase(suite, machine);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
