/* Losses on the weights of attention inside whole models: their value against the maps of the
 * same pass, their derivative against differences, for every kind of attention; and what training
 * with them does. */
#include <heed/inspect.h>
#include <heed/nn.h>
#include <heed/optim.h>
#include <heed/seq2seq.h>
#include <heed/training.h>
#include <heed/transformer.h>

#include "tensors.h"

#include <math.h>

enum { B = 2, T = 4, VOCABULARY = 6 };
static const int32_t words[B * T] = { 1, 2, 3, 4, 5, 0, 2, 2 };

typedef enum kind { GPT, TRANSFORMER, SEQ2SEQ, COMPOSED, LINEAR, KINDS } kind;

typedef struct model {
    kind kind;
    heed_gpt gpt;
    heed_transformer transformer;
    heed_seq2seq seq2seq;
    heed_multihead_attention attention;
    heed_embedding_module table;
} model;

static heed_params *make(model *m, kind which)
{
    heed_random r = { .seed = 3 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    *m = (model){ .kind = which };
    heed_embedding_init(&m->table, ps, "table", VOCABULARY, 8, 1, &r);
    if (which == GPT)
        heed_gpt_init(&m->gpt, ps,
                      (heed_gpt_options){ .vocabulary = VOCABULARY,
                                          .context = T,
                                          .width = 8,
                                          .layers = 2,
                                          .heads = 2,
                                          .random = &r });
    else if (which == TRANSFORMER)
        heed_transformer_init(&m->transformer, ps, "transformer",
                              (heed_transformer_options){ .source_vocabulary = VOCABULARY,
                                                          .target_vocabulary = VOCABULARY,
                                                          .width = 8,
                                                          .layers = 1,
                                                          .heads = 2,
                                                          .positions = HEED_POSITIONS_RELATIVE,
                                                          .random = &r });
    else if (which == SEQ2SEQ)
        heed_seq2seq_init(&m->seq2seq, ps, "seq2seq",
                          (heed_seq2seq_options){ .source_vocabulary = VOCABULARY,
                                                  .target_vocabulary = VOCABULARY,
                                                  .embedding = 5,
                                                  .hidden = 4,
                                                  .context = HEED_CONTEXT_ATTENTION,
                                                  .random = &r });
    else
        heed_multihead_attention_init(
            &m->attention, ps, "attention", 8,
            (heed_multihead_attention_options){ .heads = 2,
                                                .key_heads = 1,
                                                .composed = which == COMPOSED,
                                                .linear = which == LINEAR,
                                                .random = &r });
    ck_assert_msg(!heed_params_error(ps), "%s", heed_params_error(ps));
    /* Scores large enough that rows differ. */
    for (int k = 0; k < heed_params_count(ps); k++) {
        heed_parameter *p = heed_params_at(ps, k);
        for (int64_t i = 0; p->shape.ndim > 1 && i < p->size; i++)
            ((double *)p->data)[i] *= which == GPT ? 8 : 2;
    }
    return ps;
}

static heed_tensor *forward(heed_tape *t, const model *m)
{
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(B, T), words);
    static const int32_t lengths[B] = { T, T - 1 };
    if (m->kind == GPT)
        return heed_gpt_forward(t, &m->gpt, ids, NULL);
    if (m->kind == TRANSFORMER) {
        heed_transformer_source source =
            heed_transformer_encode(t, &m->transformer, ids, lengths);
        return heed_transformer_forward(t, &m->transformer, &source, ids, 1);
    }
    if (m->kind == SEQ2SEQ) {
        heed_seq2seq_source source = heed_seq2seq_encode(t, &m->seq2seq, ids, lengths);
        return heed_seq2seq_forward(t, &m->seq2seq, &source, ids, 1).logits;
    }
    heed_tensor *x = heed_embedding_forward(t, &m->table, ids);
    return heed_multihead_attention_forward(t, &m->attention, x, NULL, NULL, NULL);
}

typedef struct question {
    const model *m;
    heed_attention_term *term;
} question;

static heed_tensor *penalty_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    const question *q = user;
    heed_attention_penalty penalty;
    (void)x;
    heed_attention_penalty_begin(t, &penalty, q->term);
    heed_tensor *y = forward(t, q->m);
    heed_tensor *term = heed_attention_penalty_end(t, &penalty);
    /* What is penalized is a part of a loss. */
    return heed_add(t, heed_scale(t, term, 3), heed_mean(t, heed_square(t, y)));
}

/* The derivative by every parameter, for both terms. */
START_TEST(derivatives)
{
    model m;
    heed_params *ps = make(&m, (kind)_i);
    question q = { &m, heed_attention_entropy };
    heed_check_options how = { .step = 1e-3 }; /* sharp rows bend much */
    heed_report r = heed_check_directional(penalty_of, &q, ps, 0, NULL, &how);
    ck_assert_msg(r.passed, "entropy: %s", r.message);
    q.term = heed_head_agreement;
    r = heed_check_directional(penalty_of, &q, ps, 0, NULL, &how);
    ck_assert_msg(r.passed, "agreement: %s", r.message);
    heed_params_free(ps);
}
END_TEST

/* The mean entropy of every row of every map of the same pass, one example after the other. */
static double entropy_of_maps(const model *m)
{
    heed_tape *t = tape64();
    double sum = 0;
    int count = 0;
    for (int64_t example = 0; example < B; example++) {
        heed_maps *maps = heed_maps_new((heed_maps_options){ .example = example });
        heed_maps_watch(maps, t);
        ck_assert(forward(t, m) != NULL);
        heed_maps_watch(NULL, t);
        count = heed_maps_count(maps);
        for (int i = 0; i < count; i++) {
            const heed_map *map = heed_maps_at(maps, i);
            for (int64_t h = 0; h < map->heads; h++)
                sum += heed_map_measure(map, h).entropy / (double)(map->heads * B);
        }
        heed_maps_free(maps);
        heed_tape_reset(t);
    }
    heed_tape_free(t);
    ck_assert_int_gt(count, 0);
    return sum / count;
}

START_TEST(same_as_maps)
{
    model m;
    heed_params *ps = make(&m, (kind)_i);
    heed_tape *t = tape64();
    heed_attention_penalty penalty;
    heed_attention_penalty_begin(t, &penalty, heed_attention_entropy);
    forward(t, &m);
    heed_tensor *entropy = heed_attention_penalty_end(t, &penalty);
    ck_assert_msg(entropy != NULL, "%s", heed_error(t));
    ck_assert_double_eq_tol(heed_item(t, entropy), entropy_of_maps(&m), 1e-12);
    ck_assert(!heed_attention_watched(t));
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* What is frozen records nothing, and gives its memory back; its attention counts all the same. */
START_TEST(frozen)
{
    static const char *const parts[] = { "tokens*", "blocks.0.*", "*" };
    model m;
    heed_params *ps = make(&m, GPT);
    heed_tape *t = tape64();
    double entropy = entropy_of_maps(&m);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_gt(heed_params_freeze(ps, parts[i], true), 0);
        heed_attention_penalty penalty;
        heed_attention_penalty_begin(t, &penalty, heed_attention_entropy);
        heed_tensor *y = forward(t, &m);
        heed_tensor *term = heed_attention_penalty_end(t, &penalty);
        ck_assert_msg(term != NULL, "%s", heed_error(t));
        ck_assert_double_eq_tol(heed_item(t, term), entropy, 1e-12);
        heed_tensor *loss = heed_add(t, term, heed_mean(t, heed_square(t, y)));
        if (i < 2)
            ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
        heed_tape_reset(t);
    }
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* One within the other: each has what it has alone. */
START_TEST(nested)
{
    static heed_attention_term *const terms[] = { heed_attention_entropy, heed_head_agreement };
    model m;
    heed_params *ps = make(&m, GPT);
    heed_tape *t = tape64();
    heed_attention_penalty penalty[2];
    double alone[2];
    for (int i = 0; i < 2; i++) {
        heed_attention_penalty_begin(t, &penalty[i], terms[i]);
        forward(t, &m);
        alone[i] = heed_item(t, heed_attention_penalty_end(t, &penalty[i]));
        heed_tape_reset(t);
    }
    for (int i = 0; i < 2; i++)
        heed_attention_penalty_begin(t, &penalty[i], terms[i]);
    forward(t, &m);
    for (int i = 1; i >= 0; i--) {
        heed_tensor *both = heed_attention_penalty_end(t, &penalty[i]);
        ck_assert_msg(both != NULL, "%s", heed_error(t));
        ck_assert_double_eq(heed_item(t, both), alone[i]);
    }
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* A few steps on the penalty alone make rows sharp, or spread them. */
static double after_training(double sign)
{
    model m;
    heed_params *ps = make(&m, GPT);
    heed_tape *t = tape64();
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ .lr = 0.02 });
    double value = 0;
    for (int step = 0; step < 60; step++) {
        heed_attention_penalty penalty;
        heed_attention_penalty_begin(t, &penalty, heed_attention_entropy);
        forward(t, &m);
        heed_tensor *entropy = heed_attention_penalty_end(t, &penalty);
        value = heed_item(t, entropy);
        ck_assert(heed_backward(t, heed_scale(t, entropy, sign)));
        ck_assert(heed_optimizer_step(o, heed_params_gradients(ps)));
        heed_tape_reset(t);
    }
    heed_optimizer_free(o);
    heed_tape_free(t);
    heed_params_free(ps);
    return value;
}

START_TEST(sharp_or_spread)
{
    /* A causal row of n keys has at most ln n: the mean over 1 .. 4 is ln(24)/4. */
    ck_assert_double_lt(after_training(1), 0.1);
    ck_assert_double_gt(after_training(-1), 0.97 * log(24) / 4);
}
END_TEST

/* ---- heads that are driven apart ---- */

/* Attention that is to say at each place what stands at the first: both heads learn to look
 * there, though one would do. With the penalty one does and the other looks elsewhere. */
typedef struct apart {
    double error;      /* of the task */
    double divergence; /* between the heads, 0 .. ln 2 */
} apart;

static apart trained(uint64_t seed, double strength)
{
    enum { BATCH = 8, PLACES = 5, WIDTH = 8, HEADS = 2, STEPS = 300 };
    apart result = { 0 };
    heed_multihead_attention m;
    heed_position_module places;
    heed_random r = { .seed = seed }, draws = { .seed = 3 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_multihead_attention_init(&m, ps, "m", WIDTH,
                                  (heed_multihead_attention_options){
                                      .heads = HEADS, .value_width = WIDTH, .random = &r });
    heed_position_init(&places, ps, "places", HEED_POSITIONS_LEARNED, PLACES, WIDTH, 1, &r);
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ .lr = 0.01 });
    heed_maps *maps = heed_maps_new((heed_maps_options){ 0 });
    heed_tape *t = tape64();
    for (int step = 0; step <= STEPS; step++) {
        heed_tensor *x = heed_full(t, HEED_SHAPE(BATCH, PLACES, WIDTH), 0);
        for (int64_t i = 0; i < heed_size(x); i++)
            ((double *)x->data)[i] = heed_random_normal(&draws);
        heed_tensor *first = heed_slice(t, x, 1, 0, 1, 1);
        heed_tensor *placed = heed_position_forward(t, &places, x, 0);
        heed_attention_penalty penalty;
        if (step == STEPS)
            heed_maps_watch(maps, t);
        else
            heed_attention_penalty_begin(t, &penalty, heed_head_agreement);
        heed_tensor *y = heed_multihead_attention_forward(t, &m, placed, NULL, NULL, NULL);
        heed_tensor *error = heed_mean(t, heed_square(t, heed_sub(t, y, first)));
        ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
        if (step == STEPS) {
            const heed_map *map = heed_maps_at(maps, 0);
            result.error = heed_item(t, error);
            result.divergence = heed_map_similarity(map, 0, map, 1).divergence;
            break;
        }
        heed_tensor *agreement = heed_attention_penalty_end(t, &penalty);
        heed_tensor *loss = heed_add(t, error, heed_scale(t, agreement, strength));
        ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
        ck_assert(heed_optimizer_step(o, heed_params_gradients(ps)));
        heed_tape_reset(t);
    }
    heed_tape_free(t);
    heed_maps_free(maps);
    heed_optimizer_free(o);
    heed_params_free(ps);
    return result;
}

START_TEST(heads_move_apart)
{
    for (uint64_t seed = 4; seed <= 6; seed++) {
        apart without = trained(seed, 0), with = trained(seed, 0.5);
        ck_assert_double_lt(without.divergence, 0.1 * log(2));
        ck_assert_double_gt(with.divergence, 0.5 * log(2));
        ck_assert_double_lt(without.error, 0.3);
        ck_assert_double_lt(with.error, 0.3); /* both heads elsewhere: 1 */
    }
}
END_TEST

/* ---- mistakes ---- */

static heed_tensor *no_number(heed_tape *t, heed_tensor *weights)
{
    (void)t;
    return weights;
}

START_TEST(refused)
{
    model m;
    heed_params *ps = make(&m, GPT);
    heed_tape *t = tape64();
    heed_attention_penalty penalty;
    heed_attention_penalty_begin(t, &penalty, heed_attention_entropy);
    ck_assert_ptr_null(heed_attention_penalty_end(t, &penalty));
    ck_assert_str_eq(heed_error(t), "attention_penalty: no attention was recorded");
    heed_tape_reset(t);
    heed_attention_penalty_begin(t, &penalty, no_number);
    forward(t, &m);
    ck_assert_ptr_null(heed_attention_penalty_end(t, &penalty));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "a term must be a single number"));
    heed_tape_reset(t);
    /* Without recording there is nothing to see; a watch comes back at the end. */
    heed_maps *maps = heed_maps_new((heed_maps_options){ 0 });
    heed_maps_watch(maps, t);
    heed_set_recording(t, false);
    heed_attention_penalty_begin(t, &penalty, heed_attention_entropy);
    ck_assert_ptr_nonnull(forward(t, &m));
    ck_assert_int_eq(penalty.count, 0);
    heed_attention_penalty_end(t, &penalty);
    ck_assert_str_eq(heed_error(t),
                     "attention_penalty: no attention was recorded, for recording "
                     "is off");
    heed_tape_reset(t);
    forward(t, &m);
    ck_assert_int_eq(heed_maps_count(maps), 2);
    heed_maps_watch(NULL, t);
    ck_assert_ptr_null(heed_attention_entropy(t, NULL));
    heed_tape_reset(t);
    heed_attention_penalty_begin(t, &penalty, NULL);
    ck_assert_str_eq(heed_error(t), "attention_penalty: the term is NULL");
    heed_attention_penalty_end(t, &penalty);
    ck_assert(!heed_attention_watched(t));
    heed_maps_free(maps);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* What a penalty holds is gone with its step: neither a number of the last step nor a pointer. */
START_TEST(steps_end)
{
    model m;
    heed_params *ps = make(&m, GPT);
    heed_tape *t = tape64();
    heed_attention_penalty penalty, second;
    for (int i = 0; i < 2; i++) {
        heed_attention_penalty_begin(t, &penalty, heed_attention_entropy);
        forward(t, &m);
        heed_tape_reset(t);
        ck_assert(!heed_attention_watched(t));
        if (i > 0)
            heed_attention_penalty_begin(t, &second, heed_attention_entropy);
        forward(t, &m);
        ck_assert_ptr_null(heed_attention_penalty_end(t, &penalty));
        ck_assert_ptr_nonnull(strstr(heed_error(t), "the watch that was begun is on no more"));
        heed_tape_reset(t);
    }
    for (int i = 0; i < 3; i++) {
        heed_position start = heed_mark(t);
        heed_attention_penalty_begin(t, &penalty, heed_attention_entropy);
        if (i == 1) /* to before a part of it */
            forward(t, &m), start = heed_mark(t);
        forward(t, &m);
        heed_rewind(t, start);
        if (i == 2)
            forward(t, &m);
        ck_assert_ptr_null(heed_attention_penalty_end(t, &penalty));
        ck_assert_ptr_nonnull(strstr(heed_error(t), "the tape was reset or rewound"));
        heed_tape_reset(t);
    }
    /* A rewind of something else takes nothing away. */
    heed_attention_penalty_begin(t, &penalty, heed_attention_entropy);
    forward(t, &m);
    heed_position start = heed_mark(t);
    heed_full(t, HEED_SHAPE(100), 1);
    heed_rewind(t, start);
    ck_assert_ptr_nonnull(heed_attention_penalty_end(t, &penalty));
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("penalty");
    TCase *tests = tcase_create("penalty");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, derivatives, 0, KINDS);
    tcase_add_loop_test(tests, same_as_maps, 0, KINDS);
    tcase_add_test(tests, frozen);
    tcase_add_test(tests, nested);
    tcase_add_test(tests, sharp_or_spread);
    tcase_add_test(tests, heads_move_apart);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, steps_end);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
