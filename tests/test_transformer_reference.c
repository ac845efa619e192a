/* Transformers against PyTorch in f64 on stored numbers
 * (tests/reference/make_transformer_reference.py): logits, loss and every gradient, fused and
 * composed attention, per tensor |a - b| <= 1e-10 |b| + 1e-12 in the Euclidean norm. */
#define _POSIX_C_SOURCE 200809L
#include <heed/transformer.h>
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
    for (int i = 0; i < heed_params_count(ps); i++) {
        heed_parameter *p = heed_params_at(ps, i);
        const heed_entry *from = entry_of("start.", p->name + strlen("m."));
        char expected[80], found[80];
        ck_assert_str_eq(heed_shape_text(&p->shape, expected, sizeof expected),
                         heed_shape_text(&from->shape, found, sizeof found));
        memcpy(p->data, from->data, (size_t)p->size * sizeof(double));
    }
}

static heed_tensor *ids_of(heed_tape *t, const char *of)
{
    const heed_entry *entry = entry_of(of, "");
    return heed_ids(t, entry->shape, entry->data);
}

static void compose(heed_block_stack *stack)
{
    for (int i = 0; i < stack->layers; i++) {
        stack->blocks[i].attention.options.composed = true;
        stack->blocks[i].cross_attention.options.composed = true;
    }
}

static const struct {
    const char *name;
    heed_transformer_options options;
} cases[] = {
    { "paper",
      { .source_vocabulary = 11,
        .place = HEED_POST_NORM,
        .activation = HEED_RELU,
        .tied = true,
        .shared = true } },
    { "today", { .source_vocabulary = 7 } },
};

/* Each case with the fused kernel, then composed. */
START_TEST(torch)
{
    heed_transformer m;
    heed_transformer_options o = cases[_i / 2].options;
    archive =
        heed_archive_open(getenv("HEED_TRANSFORMER_REFERENCE"), NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
    name = cases[_i / 2].name;
    o.target_vocabulary = 11;
    o.width = 8;
    o.hidden = 12;
    o.layers = 2;
    o.heads = 2;
    o.bias = true;
    o.positions = HEED_POSITIONS_SINUSOIDAL;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_transformer_init(&m, ps, "m", o);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    load(ps);
    if (_i % 2) {
        compose(&m.encoder);
        compose(&m.decoder);
    }

    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *ids = ids_of(t, "ids"), *inputs = ids_of(t, "inputs");
    heed_transformer_source source =
        heed_transformer_encode(t, &m, ids, entry_of("lengths", "")->data);
    heed_tensor *logits = heed_transformer_forward(t, &m, &source, inputs, 1);
    heed_tensor *loss = heed_cross_entropy(t, logits, ids_of(t, "targets"), NULL);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    agree("logits", "", heed_size(logits), logits->data);
    agree("loss", "", 1, loss->data);
    ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        agree("gradient.", p->name + strlen("m."), p->size,
              heed_gradients_of(heed_params_gradients(ps), p));
    }
    heed_tape_free(t);
    heed_params_free(ps);
    heed_archive_free(archive);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transformer against PyTorch");
    TCase *tests = tcase_create("reference");
    tcase_add_loop_test(tests, torch, 0, 2 * LENGTH(cases));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
