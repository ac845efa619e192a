/* Recurrent networks against PyTorch in f64 on stored numbers
 * (tests/reference/make_recurrent_reference.py): outputs, final states and every gradient, per
 * tensor |a - b| <= 1e-10 |b| + 1e-12 in the Euclidean norm; of two layers in both directions
 * with biases over sequences of different lengths from a given state, and with any of that left
 * out. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recurrent_kinds.h"

typedef struct setting {
    const char *name; /* after the kind's in the reference */
    int layers;
    bool both, bias, lengths, initial;
    unsigned kinds; /* a bit for each of variants */
} setting;

enum { TANH = 1, RELU = 2, LSTM = 4, GRU = 8, ALL_OF_TORCH = 15, ALL = 63 };

static const setting settings[] = {
    { "", 2, true, true, true, true, ALL },
    { "_plain", 1, false, false, false, false, ALL_OF_TORCH },
    { "_both_biased", 2, true, true, false, false, LSTM | GRU },
    { "_layers_started", 2, false, false, true, true, LSTM },
    { "_both_lengths", 1, true, false, true, false, LSTM | RELU },
    { "_biased_started", 1, false, true, false, true, LSTM | TANH },
};

typedef struct reference {
    heed_archive *archive;
    char name[64];
    double relative, absolute;
} reference;

static const heed_entry *entry_of(const reference *r, const char *part, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s.%s%s", r->name, part, name);
    const heed_entry *entry = heed_archive_find(r->archive, full);
    ck_assert_msg(entry != NULL, "the reference has no %s", full);
    return entry;
}

static heed_tensor *constant(heed_tape *t, const reference *r, const char *part,
                             const char *name)
{
    const heed_entry *entry = entry_of(r, part, name);
    return heed_constant(t, entry->shape, entry->data);
}

/* ours [n] against the stored array. */
static void agree(const reference *r, const char *part, const char *name, const double *ours,
                  int64_t n)
{
    const double *theirs = entry_of(r, part, name)->data;
    double difference = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += (ours[i] - theirs[i]) * (ours[i] - theirs[i]);
        size += theirs[i] * theirs[i];
    }
    ck_assert_msg(sqrt(difference) <= r->relative * sqrt(size) + r->absolute,
                  "%s: %s%s: |a - b| = %.3e, |b| = %.3e", r->name, part, name, sqrt(difference),
                  sqrt(size));
}

static void agree_tensor(const reference *r, const char *part, const char *name,
                         const heed_tensor *x)
{
    static double values[512];
    ck_assert_ptr_nonnull(x);
    ck_assert_int_le(heed_size(x), LENGTH(values));
    for (int64_t i = 0; i < heed_size(x); i++)
        values[i] = heed_at(x, i);
    agree(r, part, name, values, heed_size(x));
}

static void agree_gradient(const reference *r, heed_gradients *g, const heed_parameter *p)
{
    static double values[512];
    const void *ours = heed_gradients_of(g, p);
    ck_assert_int_le(p->size, LENGTH(values));
    for (int64_t i = 0; i < p->size; i++)
        values[i] =
            p->dtype == HEED_F64 ? ((const double *)ours)[i] : (double)((const float *)ours)[i];
    agree(r, "gradient.", p->name + strlen("m."), values, p->size);
}

static void load(const reference *r, heed_params *ps)
{
    for (int i = 0; i < heed_params_count(ps); i++) {
        heed_parameter *p = heed_params_at(ps, i);
        const double *from = entry_of(r, "start.", p->name + strlen("m."))->data;
        for (int64_t k = 0; k < p->size; k++) {
            if (p->dtype == HEED_F64)
                ((double *)p->data)[k] = from[k];
            else
                ((float *)p->data)[k] = (float)from[k];
        }
    }
}

/* <x, the stored weights of that result> */
static heed_tensor *weighted(heed_tape *t, const reference *r, const char *name, heed_tensor *x)
{
    return heed_sum(t, heed_mul(t, x, constant(t, r, "weight.", name)));
}

static reference open_reference(const variant *v, const setting *s, double relative,
                                double absolute)
{
    char error[512];
    const char *path = getenv("HEED_RECURRENT_REFERENCE");
    ck_assert_msg(path != NULL, "HEED_RECURRENT_REFERENCE names the file of stored numbers");
    reference r = { .relative = relative, .absolute = absolute };
    snprintf(r.name, sizeof r.name, "%s%s", v->name, s->name);
    r.archive = heed_archive_open(path, NULL, error, sizeof error);
    ck_assert_msg(r.archive != NULL, "%s", error);
    return r;
}

static void compare_torch(const variant *v, const setting *s, heed_dtype dtype, double relative,
                          double absolute)
{
    static heed_recurrent m;
    reference r = open_reference(v, s, relative, absolute);
    heed_params *ps = heed_params_new(dtype, NULL);
    heed_recurrent_options options = options_of(v, NULL);
    options.layers = s->layers;
    options.bidirectional = s->both;
    options.bias = s->bias;
    heed_recurrent_init(&m, ps, "m", IN, options);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    load(&r, ps);

    heed_tape *t = new_tape(dtype);
    bool lstm = v->kind == HEED_LSTM;
    const int32_t *lengths = heed_archive_find(r.archive, "lengths")->data;
    heed_tensor *x = heed_watch(t, constant(t, &r, "x", ""));
    heed_recurrent_state initial = { 0 };
    if (s->initial)
        initial.h = heed_watch(t, constant(t, &r, "h0", ""));
    if (s->initial && lstm)
        initial.c = heed_watch(t, constant(t, &r, "c0", ""));
    heed_recurrent_result y = heed_recurrent_forward(t, &m, x, s->lengths ? lengths : NULL,
                                                     s->initial ? &initial : NULL);
    heed_tensor *of_output = weighted(t, &r, "output", y.output);
    heed_tensor *of_h = weighted(t, &r, "h", y.last.h);
    heed_tensor *loss = heed_add(t, of_output, of_h);
    if (lstm)
        loss = heed_add(t, loss, weighted(t, &r, "c", y.last.c));
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    agree_tensor(&r, "output", "", y.output);
    agree_tensor(&r, "h", "", y.last.h);
    if (lstm)
        agree_tensor(&r, "c", "", y.last.c);
    else
        ck_assert(y.cells == NULL && y.last.c == NULL);
    ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
    agree_tensor(&r, "gradient.", "x", heed_gradient(t, x));
    if (initial.h)
        agree_tensor(&r, "gradient.", "h0", heed_gradient(t, initial.h));
    if (initial.c)
        agree_tensor(&r, "gradient.", "c0", heed_gradient(t, initial.c));
    for (int i = 0; i < heed_params_count(ps); i++)
        agree_gradient(&r, heed_params_gradients(ps), heed_params_at(ps, i));
    heed_tape_free(t);
    heed_params_free(ps);
    heed_archive_free(r.archive);
}

static void compare_kinds(const setting *s, heed_dtype dtype, double relative, double absolute)
{
    for (int i = 0; i < LENGTH(variants); i++)
        if (s->kinds >> i & 1)
            compare_torch(&variants[i], s, dtype, relative, absolute);
}

START_TEST(torch_f64)
{
    compare_kinds(&settings[_i], HEED_F64, 1e-10, 1e-12);
}
END_TEST

START_TEST(torch_f32)
{
    compare_kinds(&settings[_i], HEED_F32, 1e-5, 1e-6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recurrent against PyTorch");
    TCase *tests = tcase_create("reference");
    tcase_add_loop_test(tests, torch_f64, 0, LENGTH(settings));
    tcase_add_loop_test(tests, torch_f32, 0, LENGTH(settings));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
