/* heed's GPT against an independent PyTorch model in f64: loss, every gradient, and the weights
 * after three AdamW steps with clipping, on stored numbers
 * (tests/reference/make_gpt_reference.py). Per tensor |a - b| <= 1e-9 |b| + 1e-12 in the
 * Euclidean norm; in f32 the same weights agree to 1e-5. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/optim.h>

static const heed_gpt_options options = {
    .vocabulary = 7, .context = 5, .width = 8, .layers = 2, .heads = 2, .bias = true
};

static heed_archive *open_reference(void)
{
    char error[512];
    const char *path = getenv("HEED_REFERENCE");
    ck_assert_msg(path != NULL, "HEED_REFERENCE names the file of stored numbers");
    heed_archive *archive = heed_archive_open(path, NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
    return archive;
}

static const heed_entry *entry_of(const heed_archive *archive, const char *prefix,
                                  const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const heed_entry *entry = heed_archive_find(archive, full);
    ck_assert_msg(entry != NULL, "the reference has no %s", full);
    return entry;
}

static double value_of(const void *data, heed_dtype dtype, int64_t i)
{
    return dtype == HEED_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static void compare(const char *what, const heed_parameter *p, const void *ours,
                    const heed_entry *entry, double relative, double absolute)
{
    double difference = 0, size = 0;
    for (int64_t i = 0; i < p->size; i++) {
        double b = ((const double *)entry->data)[i], d = value_of(ours, p->dtype, i) - b;
        difference += d * d;
        size += b * b;
    }
    ck_assert_msg(sqrt(difference) <= relative * sqrt(size) + absolute,
                  "%s of %s: |a - b| = %.3e, |b| = %.3e", what, p->name, sqrt(difference),
                  sqrt(size));
}

static void load_start(heed_params *ps, const heed_archive *archive)
{
    for (int i = 0; i < heed_params_count(ps); i++) {
        heed_parameter *p = heed_params_at(ps, i);
        const heed_entry *entry = entry_of(archive, "start.", p->name);
        for (int64_t k = 0; k < p->size; k++) {
            double value = ((const double *)entry->data)[k];
            if (p->dtype == HEED_F64)
                ((double *)p->data)[k] = value;
            else
                ((float *)p->data)[k] = (float)value;
        }
    }
}

static void run(heed_dtype dtype, bool composed, double relative, double absolute)
{
    static heed_gpt model;
    heed_archive *archive = open_reference();
    heed_params *ps = heed_params_new(dtype, NULL);
    heed_gpt_init(&model, ps, options);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    for (int i = 0; i < options.layers; i++)
        model.stack.blocks[i].attention.options.composed = composed;
    ck_assert_int_eq(heed_params_size(ps), heed_gpt_count(&options));
    load_start(ps, archive);

    heed_optimizer *optimizer = heed_adamw_new(
        ps, (heed_adam_options){ .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.99, .decay = 0.1 });
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = dtype });
    heed_gradients *g = heed_params_gradients(ps);
    const double *losses = entry_of(archive, "losses", "")->data,
                 *norms = entry_of(archive, "norms", "")->data;
    /* In f32 only the first step: the key bias has gradient 0 but for rounding, and Adam takes
     * its sign. */
    int steps = dtype == HEED_F64 ? 3 : 1;
    for (int step = 0; step < steps; step++) {
        heed_tensor *ids = heed_ids(t, HEED_SHAPE(3, 5), entry_of(archive, "ids", "")->data);
        heed_tensor *targets =
            heed_ids(t, HEED_SHAPE(3, 5), entry_of(archive, "targets", "")->data);
        heed_tensor *loss = heed_gpt_loss(t, &model, ids, targets);
        ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
        ck_assert_double_le(fabs(heed_item(t, loss) - losses[step]), relative * losses[step]);
        for (int i = 0; step == 0 && i < heed_params_count(ps); i++) {
            const heed_parameter *p = heed_params_at(ps, i);
            compare("gradient", p, heed_gradients_of(g, p),
                    entry_of(archive, "gradient.", p->name), relative, absolute);
        }
        ck_assert_double_le(fabs(heed_clip_norm(g, 0.5) - norms[step]), relative * norms[step]);
        ck_assert_msg(heed_optimizer_step(optimizer, g), "%s", heed_optimizer_error(optimizer));
        heed_tape_reset(t);
    }
    for (int i = 0; steps == 3 && i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        compare("weights after three steps", p, p->data, entry_of(archive, "end.", p->name),
                relative, absolute);
    }
    heed_tape_free(t);
    heed_optimizer_free(optimizer);
    heed_params_free(ps);
    heed_archive_free(archive);
}

START_TEST(fused_in_f64)
{
    run(HEED_F64, false, 1e-9, 1e-12);
}
END_TEST

START_TEST(composed_in_f64)
{
    run(HEED_F64, true, 1e-9, 1e-12);
}
END_TEST

START_TEST(fused_in_f32)
{
    run(HEED_F32, false, 1e-5, 1e-6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gpt against PyTorch");
    TCase *tests = tcase_create("reference");
    tcase_add_test(tests, fused_in_f64);
    tcase_add_test(tests, composed_in_f64);
    tcase_add_test(tests, fused_in_f32);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
