/* What model_memory expects of a batch against what its tape then takes: within a factor of 1.5
 * for every kind of model, in learning and in the three ways of judging, so that a training that
 * would be killed half-way is refused and one that fits is not. */
#include "tensors.h"

#include "models.h"

#include <heed/forcing.h>
#include <stdlib.h>

static const model_sizes usual = { .source_vocabulary = 60,
                                   .target_vocabulary = 60,
                                   .embedding = 64,
                                   .hidden = 128,
                                   .layers = 1,
                                   .heads = 4 };

typedef struct batch_ids {
    heed_tensor *targets, *inputs;
    model_source source;
    int32_t *lengths;
} batch_ids;

static batch_ids make_ids(heed_tape *t, const model_sizes *m, const model_batch *b)
{
    batch_ids ids = { .lengths = calloc((size_t)b->size, sizeof(int32_t)) };
    for (int64_t i = 0; i < b->size; i++)
        ids.lengths[i] = (int32_t)(i ? (b->source + 1) / 2 : b->source);
    heed_shape source = HEED_SHAPE(b->size, b->source), target = HEED_SHAPE(b->size, b->target);
    heed_tensor *numbers = heed_full(t, source, (double)m->source_vocabulary - 1);
    ids.source = (model_source){ heed_cast(t, numbers, HEED_I32), ids.lengths };
    ids.targets = heed_cast(t, heed_full(t, target, 5), HEED_I32);
    ids.inputs = heed_shift_right(t, ids.targets, 1);
    return ids;
}

/* Bytes of the tape at the most, of a step or of judging. */
static double taken(const char *name, const model_sizes *m, const model_batch *b)
{
    const model_kind *kind = model_find(name);
    heed_random random = { .seed = 1 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    void *model = kind->make(ps, m, &random);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    heed_tape *t = heed_tape_new(NULL);
    heed_set_training(t, b->learning);
    heed_set_recording(t, b->learning);
    batch_ids ids = make_ids(t, m, b);
    model_output o = kind->forward(t, model, &ids.source, ids.inputs, b->forced ? 1 : 0.5);
    heed_tensor *loss = heed_cross_entropy(t, o.logits, ids.targets, NULL);
    if (b->learning)
        swept(t, loss);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    double bytes = (double)heed_tape_memory(t).peak;
    heed_tape_free(t);
    heed_params_free(ps);
    free(model);
    free(ids.lengths);
    return bytes;
}

static void estimated(const char *name, const model_sizes *m, model_batch b)
{
    double need = taken(name, m, &b), estimate = model_memory(model_find(name), m, &b);
    ck_assert_msg(estimate >= need / 1.5 && estimate <= need * 1.5,
                  "%s, hidden %d, layers %d, %d x %d, %d, learning %d, forced %d: %.0f bytes "
                  "expected, %.0f taken (%.2f)",
                  name, (int)m->hidden, m->layers, (int)b.size, (int)b.source, (int)b.target,
                  b.learning, b.forced, estimate, need, estimate / need);
}

static const model_batch batches[] = { { 64, 12, 25, .learning = false },
                                       { 64, 25, 12, .learning = false },
                                       { 8, 100, 100, .learning = false },
                                       { 4, 30, 200, .learning = false },
                                       { 4, 200, 30, .learning = false } };

/* Every kind and batch, with and without the teacher in turns. */
static void all_of(const model_sizes *m, bool steps)
{
    const model_kind *kind;
    for (int i = 0; (kind = model_at(i)) != NULL; i++) {
        for (int k = 0; k < LENGTH(batches); k++) {
            model_batch b = batches[k];
            b.learning = steps;
            b.forced = (i + k) % 2;
            estimated(kind->name, m, b);
        }
    }
}

START_TEST(learning)
{
    all_of(&usual, true);
}
END_TEST

START_TEST(judging)
{
    all_of(&usual, false);
}
END_TEST

START_TEST(other_sizes)
{
    model_sizes small = usual, large = usual, fed = usual;
    small.hidden = 32;
    small.target_vocabulary = 400;
    large.layers = 3;
    large.dropout = 0.3;
    fed.input_feeding = true;
    all_of(&small, true);
    all_of(&large, false);
    for (int i = 0; i < LENGTH(batches); i++) {
        model_batch b = batches[i];
        b.learning = b.forced = true;
        estimated(i % 2 ? "luong-concat" : "luong-dot", &fed, b);
    }
}
END_TEST

/* Where pairs of positions outweigh all else: of one long example. */
START_TEST(long_pairs)
{
    model_sizes m = usual;
    m.hidden = 16;
    for (int steps = 0; steps < 2; steps++) {
        for (int forced = 0; forced < 2; forced++) {
            model_batch b = { 1, 500, 500, .learning = steps, .forced = forced };
            estimated("bahdanau", &m, b);
            estimated("luong-concat", &m, b);
            estimated("luong-dot", &m, b);
            estimated("transformer", &m, b);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory of translate");
    TCase *tests = tcase_create("memory");
    tcase_add_test(tests, learning);
    tcase_add_test(tests, judging);
    tcase_add_test(tests, other_sizes);
    tcase_add_test(tests, long_pairs);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
