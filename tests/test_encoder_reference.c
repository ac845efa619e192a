/* BERT with both heads and Vision Transformers against PyTorch in f64 on stored numbers
 * (tests/reference/make_encoder_reference.py): outputs, loss and every gradient, fused and
 * composed attention, per tensor |a - b| <= 1e-10 |b| + 1e-12 in the Euclidean norm. */
#define _POSIX_C_SOURCE 200809L
#include <heed/bert.h>
#include <heed/vit.h>
#include <math.h>

#include "scratch.h"

static heed_archive *archive;
static const char *name;

static const heed_entry *entry_of(const char *part, const char *of)
{
    char full[160];
    snprintf(full, sizeof full, "%s.%s%s", name, part, of);
    const heed_entry *entry = heed_archive_find(archive, full);
    ck_assert_msg(entry != NULL, "the reference has no %s", full);
    return entry;
}

static void agree(const char *part, const char *of, int64_t n, const double *ours)
{
    const double *theirs = entry_of(part, of)->data;
    double difference = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += (ours[i] - theirs[i]) * (ours[i] - theirs[i]);
        size += theirs[i] * theirs[i];
    }
    ck_assert_msg(sqrt(difference) <= 1e-10 * sqrt(size) + 1e-12,
                  "%s: %s%s: |a - b| = %.3e, |b| = %.3e", name, part, of, sqrt(difference),
                  sqrt(size));
}

static void load(heed_params *ps)
{
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    for (int i = 0; i < heed_params_count(ps); i++) {
        heed_parameter *p = heed_params_at(ps, i);
        const heed_entry *from = entry_of("start.", p->name);
        char expected[80], found[80];
        ck_assert_str_eq(heed_shape_text(&p->shape, expected, sizeof expected),
                         heed_shape_text(&from->shape, found, sizeof found));
        memcpy(p->data, from->data, (size_t)p->size * sizeof(double));
    }
}

static heed_tensor *given(heed_tape *t, const char *of)
{
    const heed_entry *entry = entry_of(of, "");
    return heed_copy_in(t, entry->dtype, entry->shape, entry->data);
}

static void compose(heed_block_stack *stack, int composed)
{
    for (int i = 0; i < stack->layers; i++)
        stack->blocks[i].attention.options.composed = composed != 0;
}

/* What comes out, and every gradient. */
static void compare(heed_params *ps, heed_tape *t, heed_tensor *output, heed_tensor *loss)
{
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    agree("output", "", heed_size(output), output->data);
    agree("loss", "", 1, loss->data);
    ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        agree("gradient.", p->name, p->size, heed_gradients_of(heed_params_gradients(ps), p));
    }
    heed_tape_free(t);
    heed_params_free(ps);
    heed_archive_free(archive);
}

static void open_reference(const char *of)
{
    name = of;
    archive = heed_archive_open(getenv("HEED_ENCODER_REFERENCE"), NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
}

static const struct {
    const char *name;
    heed_norm_place place;
} berts[] = { { "bert", HEED_POST_NORM }, { "bert_pre_norm", HEED_PRE_NORM } };

/* Each case with the fused kernel, then composed. */
START_TEST(bert)
{
    heed_bert m;
    heed_bert_words words;
    heed_bert_classes classes;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    open_reference(berts[_i / 2].name);
    heed_bert_init(&m, ps, "m",
                   (heed_bert_options){ .vocabulary = 11,
                                        .width = 8,
                                        .hidden = 12,
                                        .layers = 2,
                                        .heads = 2,
                                        .longest = 6,
                                        .segments = 2,
                                        .place = berts[_i / 2].place,
                                        .bias = true });
    heed_bert_words_init(&words, ps, "words", &m, NULL);
    heed_bert_classes_init(&classes, ps, "classes", &m, 3, NULL);
    load(ps);
    compose(&m.encoder, _i % 2);

    heed_tensor *ids = given(t, "ids"), *segments = given(t, "segments");
    heed_tensor *states =
        heed_bert_forward(t, &m, ids, segments, entry_of("lengths", "")->data);
    heed_tensor *logits = heed_bert_words_forward(t, &words, states);
    heed_tensor *output = heed_bert_classes_forward(t, &classes, states);
    const heed_cross_entropy_options ignoring = { .ignore = true,
                                                  .ignore_index = HEED_NOT_MASKED };
    heed_tensor *hidden = heed_cross_entropy(t, logits, given(t, "targets"), &ignoring);
    heed_tensor *classed = heed_cross_entropy(t, output, given(t, "labels"), NULL);
    compare(ps, t, output, heed_add(t, hidden, classed));
}
END_TEST

static const struct {
    const char *name;
    heed_norm_place place;
    bool mean;
} vits[] = { { "vit", HEED_PRE_NORM, false }, { "vit_mean", HEED_POST_NORM, true } };

START_TEST(vit)
{
    heed_vit m;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    open_reference(vits[_i / 2].name);
    heed_vit_init(&m, ps, "m",
                  (heed_vit_options){ .image_height = 4,
                                      .image_width = 6,
                                      .patch_height = 2,
                                      .patch_width = 3,
                                      .channels = 2,
                                      .classes = 3,
                                      .width = 8,
                                      .hidden = 12,
                                      .layers = 2,
                                      .heads = 2,
                                      .mean = vits[_i / 2].mean,
                                      .place = vits[_i / 2].place,
                                      .bias = true });
    load(ps);
    compose(&m.encoder, _i % 2);
    heed_tensor *output = heed_vit_forward(t, &m, given(t, "images"));
    compare(ps, t, output, heed_cross_entropy(t, output, given(t, "labels"), NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("encoders against PyTorch");
    TCase *tests = tcase_create("reference");
    tcase_add_loop_test(tests, bert, 0, 2 * LENGTH(berts));
    tcase_add_loop_test(tests, vit, 0, 2 * LENGTH(vits));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
