/* The moving average of a set's weights. */
#define _POSIX_C_SOURCE 200809L
#include <heed/optim.h>

#include "scratch.h"

#include <math.h>

typedef struct model {
    heed_params *ps;
    heed_parameter *w, *frozen, *buffer;
} model;

static model new_model(heed_dtype dtype, const heed_allocator *allocator)
{
    model m = { .ps = heed_params_new(dtype, allocator) };
    m.w = heed_parameter_new(m.ps, "w", HEED_SHAPE(5), 0);
    m.frozen = heed_parameter_new(m.ps, "frozen", HEED_SHAPE(2), HEED_FROZEN);
    m.buffer = heed_parameter_new(m.ps, "buffer", HEED_SHAPE(3), HEED_BUFFER);
    return m;
}

static double get(const heed_parameter *p, int64_t i)
{
    return p->dtype == HEED_F64 ? ((double *)p->data)[i] : (double)((float *)p->data)[i];
}

static void fill(const heed_parameter *p, double value)
{
    for (int64_t i = 0; i < p->size; i++) {
        if (p->dtype == HEED_F64)
            ((double *)p->data)[i] = value + (double)i;
        else
            ((float *)p->data)[i] = (float)(value + (double)i);
    }
}

static void walk(const model *m, heed_average *a, int from, int to)
{
    for (int n = from; n < to; n++) {
        fill(m->w, 2.0 * n);
        fill(m->buffer, 3.0 * n);
        ck_assert_msg(heed_average_update(a), "%s", heed_average_error(a));
    }
}

/* Against the formula, with warm-up (odd _i) and without. */
START_TEST(follows)
{
    model m = new_model(_i < 2 ? HEED_F64 : HEED_F32, NULL);
    fill(m.w, 7);
    fill(m.frozen, 4);
    heed_average *a =
        heed_average_new(m.ps, (heed_average_options){ .decay = 0.8, .warmup = _i % 2 });
    heed_params *averages = heed_average_params(a);
    double expected = 7;
    for (int n = 0; n < 60; n++) {
        double warm = (1.0 + n) / (10.0 + n), d = _i % 2 && warm < 0.8 ? warm : 0.8;
        walk(&m, a, n, n + 1);
        expected = d * expected + (1 - d) * 2.0 * n;
        for (int i = 0; i < 5; i++)
            ck_assert_double_eq_tol(get(heed_params_find(averages, "w"), i), expected + i,
                                    _i < 2 ? 1e-12 : 1e-4);
        ck_assert_double_eq(get(heed_params_find(averages, "frozen"), 1), 5);
        ck_assert_double_eq(get(heed_params_find(averages, "buffer"), 2), 3.0 * n + 2);
        ck_assert_double_eq(get(m.w, 0), 2.0 * n);
    }
    ck_assert_int_eq(heed_average_updates(a), 60);
    heed_average_free(a);
    heed_params_free(m.ps);
}
END_TEST

/* Evaluating with the averages, by a shadow and by swapping, and back again. */
START_TEST(put_to_use)
{
    model m = new_model(HEED_F32, NULL);
    fill(m.w, 0);
    heed_average *a = heed_average_new(m.ps, (heed_average_options){ .decay = 0.5 });
    walk(&m, a, 3, 4); /* w 6, the average 3 */
    heed_tape *t = heed_tape_new(NULL);
    ck_assert(heed_shadow(t, m.ps, heed_average_params(a)));
    ck_assert_double_eq(heed_at(heed_use(t, m.w), 1), 4);
    heed_tape_reset(t);
    ck_assert(heed_shadow(t, NULL, NULL));
    ck_assert_double_eq(heed_at(heed_use(t, m.w), 1), 7);
    heed_tape_free(t);

    ck_assert(heed_average_swap(a));
    ck_assert_double_eq(get(m.w, 1), 4);
    ck_assert_double_eq(get(heed_params_find(heed_average_params(a), "w"), 1), 7);
    ck_assert(!heed_average_update(a));
    ck_assert_str_eq(heed_average_error(a),
                     "average: the averages are in the set; swap them back first");
    ck_assert(heed_average_swap(a));
    ck_assert_ptr_null(heed_average_error(a));
    ck_assert_double_eq(get(m.w, 1), 7);
    walk(&m, a, 3, 4);
    ck_assert_double_eq(get(heed_params_find(heed_average_params(a), "w"), 0), 4.5);

    /* A parameter that joins begins as it is. */
    heed_parameter *late = heed_parameter_new(m.ps, "late", HEED_SHAPE(2), 0);
    fill(late, 10);
    walk(&m, a, 3, 4);
    ck_assert_double_eq(get(heed_params_find(heed_average_params(a), "late"), 1), 11);
    heed_params_free(m.ps);
    heed_average_free(a);
}
END_TEST

START_TEST(resume_is_exact)
{
    model m = new_model(HEED_F32, NULL), twin = new_model(HEED_F32, NULL);
    const heed_average_options options = { .decay = 0.9, .warmup = true };
    heed_average *a = heed_average_new(m.ps, options), *b = heed_average_new(twin.ps, options);
    walk(&m, a, 0, 4);
    heed_archive *archive = heed_archive_new(NULL);
    ck_assert_msg(heed_average_store(a, archive, "average."), "%s", heed_average_error(a));
    ck_assert(heed_archive_save(archive, in_folder("state")));
    heed_archive_free(archive);
    archive = heed_archive_open(in_folder("state"), NULL, error, sizeof error);
    ck_assert_str_eq(heed_archive_note_of(archive, "average.updates"), "4");
    ck_assert_msg(heed_average_restore(b, archive, "average."), "%s", heed_average_error(b));
    ck_assert_int_eq(heed_average_updates(b), 4);
    walk(&m, a, 4, 30);
    walk(&twin, b, 4, 30);
    for (int k = 0; k < 3; k++) {
        const heed_parameter *p = heed_params_at(heed_average_params(a), k);
        const heed_parameter *q = heed_params_at(heed_average_params(b), k);
        ck_assert_mem_eq(p->data, q->data, (size_t)p->size * sizeof(float));
    }

    /* What is refused changes nothing, and the next try may succeed. */
    heed_parameter_new(twin.ps, "late", HEED_SHAPE(2), 0);
    ck_assert(!heed_average_restore(b, archive, "average."));
    ck_assert_ptr_nonnull(strstr(heed_average_error(b), "average.late: expected f32 [2]"));
    ck_assert(!heed_average_restore(a, archive, "other."));
    ck_assert_str_eq(heed_average_error(a), "average: restore: there is no note other.updates");
    ck_assert(!heed_average_restore(a, NULL, ""));
    ck_assert(!heed_average_store(a, NULL, ""));
    ck_assert_str_eq(heed_average_error(a), "average: there is no archive");
    ck_assert_int_eq(heed_average_updates(a), 30);
    ck_assert(heed_average_restore(a, archive, "average."));
    ck_assert_int_eq(heed_average_updates(a), 4);
    heed_archive_free(archive);
    heed_average_free(a);
    heed_average_free(b);
    heed_params_free(m.ps);
    heed_params_free(twin.ps);
}
END_TEST

typedef struct counter {
    int calls, refuse_at; /* the refuse_at-th call from here on gives NULL; 0: none */
    int64_t held;
} counter;

static void *count_allocate(void *context, size_t bytes)
{
    counter *c = context;
    c->calls++;
    if (c->refuse_at && --c->refuse_at == 0)
        return NULL;
    c->held += (int64_t)bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void count_release(void *context, void *memory, size_t bytes)
{
    ((counter *)context)->held -= (int64_t)bytes;
    free(memory);
}

START_TEST(memory_and_misuse)
{
    counter c = { 0 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    model m = new_model(HEED_F64, &allocator);
    const double refused[] = { 1, -0.1, INFINITY, NAN };
    for (int i = 0; i < LENGTH(refused); i++) {
        ck_assert_ptr_null(
            heed_average_new(m.ps, (heed_average_options){ .decay = refused[i] }));
        ck_assert_ptr_nonnull(strstr(heed_params_error(m.ps),
                                     "average: decay must be at least 0 and below 1, not"));
        heed_params_clear_error(m.ps);
    }
    heed_average *a = NULL;
    for (int n = 1; !a; n++) {
        ck_assert_int_lt(n, 50);
        int64_t held = c.held;
        c.refuse_at = n;
        a = heed_average_new(m.ps, (heed_average_options){ .decay = 0.5 });
        if (a)
            break;
        ck_assert_str_eq(heed_params_error(m.ps), "average: out of memory");
        heed_params_clear_error(m.ps);
        ck_assert_int_eq(c.held, held);
    }
    c.refuse_at = 0;
    int calls = c.calls;
    walk(&m, a, 0, 3);
    ck_assert_int_eq(c.calls, calls);
    heed_archive *archive = heed_archive_new(NULL);
    ck_assert(heed_average_store(a, archive, NULL)); /* no prefix */
    ck_assert_ptr_nonnull(heed_archive_find(archive, "w"));
    ck_assert_ptr_nonnull(heed_archive_note_of(archive, "updates"));
    ck_assert_msg(heed_average_restore(a, archive, NULL), "%s", heed_average_error(a));
    heed_archive_free(archive);
    ck_assert(!heed_average_update(NULL));
    ck_assert(!heed_average_swap(NULL));
    ck_assert(!heed_average_store(NULL, NULL, ""));
    ck_assert_ptr_null(heed_average_params(NULL));
    ck_assert_ptr_null(heed_average_new(NULL, (heed_average_options){ 0 }));
    heed_average_free(NULL);
    heed_params_fail(m.ps, "broken");
    ck_assert(!heed_average_update(a));
    ck_assert_str_eq(heed_average_error(a), "average: broken");
    heed_params_free(m.ps);
    heed_average_free(a);
    ck_assert_int_eq(c.held, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("average");
    TCase *tests = tcase_create("average");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_loop_test(tests, follows, 0, 4);
    tcase_add_test(tests, put_to_use);
    tcase_add_test(tests, resume_is_exact);
    tcase_add_test(tests, memory_and_misuse);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
