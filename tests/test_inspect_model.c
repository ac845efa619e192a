/* Models whose attention is watched: nothing else changes, neither bits nor memory, and the maps
 * of decoders, step by step and in searches. */
#include <heed/inspect.h>
#include <heed/nn.h>
#include <heed/params.h>
#include <heed/seq2seq.h>
#include <heed/transformer.h>

#include "tensors.h"

static char error[600];

static heed_maps *new_maps(heed_maps_options options)
{
    heed_maps *m = heed_maps_new(options);
    ck_assert_ptr_nonnull(m);
    return m;
}

enum { VOCABULARY = 11, CONTEXT = 8, LAYERS = 2 };

typedef struct toy {
    heed_params *ps;
    heed_gpt gpt;
} toy;

static void make_toy(toy *m, heed_dtype dtype, double dropout)
{
    heed_random r = { .seed = 5 };
    m->ps = heed_params_new(dtype, NULL);
    heed_gpt_init(&m->gpt, m->ps,
                  (heed_gpt_options){ .vocabulary = VOCABULARY,
                                      .context = CONTEXT,
                                      .layers = LAYERS,
                                      .heads = 2,
                                      .width = 12,
                                      .dropout = dropout,
                                      .random = &r });
    ck_assert_msg(!heed_params_error(m->ps), "%s", heed_params_error(m->ps));
}

static const int32_t text_ids[2 * CONTEXT] = {
    1, 5, 3, 9, 0, 2, 7, 4, 8, 8, 6, 1, 10, 3, 3, 5
};

static heed_tensor *forward(heed_tape *t, const toy *m, int64_t batch)
{
    return heed_gpt_forward(t, &m->gpt, heed_ids(t, HEED_SHAPE(batch, CONTEXT), text_ids),
                            NULL);
}

/* Two training steps: losses and gradients to `out`. */
static size_t train(heed_maps *maps, double dropout, double *out)
{
    size_t n = 0;
    toy m;
    make_toy(&m, HEED_F64, dropout);
    heed_tape *t = tape64();
    heed_set_training(t, true);
    heed_seed(t, 3, 0);
    if (maps)
        heed_maps_watch(maps, t);
    for (int step = 0; step < 2; step++) {
        heed_tensor *ids = heed_ids(t, HEED_SHAPE(2, CONTEXT), text_ids);
        heed_tensor *loss = heed_gpt_loss(t, &m.gpt, ids, ids);
        out[n++] = heed_item(t, loss);
        heed_gradients_zero(heed_params_gradients(m.ps));
        ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
        for (int i = 0; i < heed_params_count(m.ps); i++) {
            const heed_parameter *p = heed_params_at(m.ps, i);
            memcpy(out + n, heed_gradients_of(heed_params_gradients(m.ps), p),
                   (size_t)p->size * sizeof *out);
            n += (size_t)p->size;
        }
        heed_tape_reset(t);
    }
    heed_tape_free(t);
    heed_params_free(m.ps);
    return n;
}

START_TEST(bits_stay)
{
    static double with[40000], without[40000];
    double dropout = _i ? 0.3 : 0;
    heed_maps *m = new_maps((heed_maps_options){ .example = 1 });
    size_t n = train(NULL, dropout, without), again = train(m, dropout, with);
    ck_assert_uint_eq(n, again);
    ck_assert(n > 1000 && n < LENGTH(with));
    ck_assert_int_eq(memcmp(with, without, n * sizeof *with), 0);
    ck_assert_int_eq(heed_maps_count(m), LAYERS);
    heed_maps_free(m);
}
END_TEST

/* The tape holds as much after a forward pass as without a watch, and never asks for more. */
START_TEST(memory_stays)
{
    toy m;
    make_toy(&m, HEED_F32, 0);
    heed_maps *maps = new_maps((heed_maps_options){ 0 });
    heed_tape *t = heed_tape_new(NULL);
    heed_set_recording(t, _i);
    forward(t, &m, 2);
    size_t used = heed_tape_memory(t).used;
    heed_maps_watch(maps, t);
    uint64_t allocations = 0;
    for (int pass = 0; pass < 4; pass++) {
        heed_tape_reset(t);
        forward(t, &m, 2);
        ck_assert_uint_eq(heed_tape_memory(t).used, used);
        if (pass == 0)
            allocations = heed_tape_memory(t).allocations;
    }
    ck_assert_uint_eq(heed_tape_memory(t).allocations, allocations);
    heed_maps_free(maps);
    heed_tape_free(t);
    heed_params_free(m.ps);
}
END_TEST

START_TEST(off_is_off)
{
    toy m;
    make_toy(&m, HEED_F32, 0);
    heed_maps *maps = new_maps((heed_maps_options){ 0 });
    heed_tape *t = heed_tape_new(NULL);
    ck_assert(!heed_attention_watched(t));
    heed_maps_watch(maps, t);
    ck_assert(heed_attention_watched(t));
    heed_maps_watch(NULL, t);
    ck_assert(!heed_attention_watched(t));
    ck_assert_ptr_nonnull(forward(t, &m, 2));
    ck_assert_int_eq(heed_maps_count(maps), 0);
    heed_maps_watch(maps, NULL);
    heed_maps_free(maps);
    heed_tape_free(t);
    heed_params_free(m.ps);
}
END_TEST

/* Step by step with a cache, under each way of ending a step: the rows of the whole pass. */
START_TEST(decoding)
{
    toy m;
    heed_cache caches[LAYERS];
    make_toy(&m, HEED_F64, 0);
    heed_maps *whole = new_maps((heed_maps_options){ 0 });
    heed_maps *steps = new_maps((heed_maps_options){ .append = _i < 3 });
    heed_tape *t = tape64();
    heed_set_recording(t, false);
    heed_maps_watch(whole, t);
    forward(t, &m, 1);
    heed_tape_reset(t);
    heed_maps_watch(steps, t);
    for (int i = 0; i < LAYERS; i++)
        ck_assert(heed_cache_init(&caches[i], CONTEXT, NULL));
    for (int at = 0; at < CONTEXT;) {
        int count = at ? 1 : 3;
        heed_position mark = heed_mark(t);
        heed_tensor *ids = heed_ids(t, HEED_SHAPE(1, count), text_ids + at);
        ck_assert_msg(heed_gpt_forward(t, &m.gpt, ids, caches), "%s", heed_error(t));
        at += count;
        if (_i == 0)
            heed_tape_reset(t);
        else if (_i == 1)
            heed_rewind(t, mark);
        else if (_i == 2)
            heed_maps_watch(steps, t);
    } /* or all of them in one pass, as caches tell */
    ck_assert_msg(heed_maps_label(steps, "blocks.*.attention", CONTEXT, NULL, CONTEXT, NULL,
                                  error, sizeof error),
                  "%s", error);
    ck_assert_int_eq(heed_maps_count(whole), LAYERS);
    ck_assert_int_eq(heed_maps_count(steps), LAYERS);
    for (int layer = 0; layer < LAYERS; layer++) {
        const heed_map *a = heed_maps_at(whole, layer), *b = heed_maps_at(steps, layer);
        ck_assert_str_eq(a->name, layer ? "blocks.1.attention" : "blocks.0.attention");
        ck_assert_str_eq(b->name, a->name);
        ck_assert_int_eq(b->queries, CONTEXT);
        ck_assert_int_eq(b->keys, CONTEXT);
        for (int n = 0; n < 2 * CONTEXT * CONTEXT; n++) {
            int h = n / CONTEXT / CONTEXT, i = n / CONTEXT % CONTEXT, j = n % CONTEXT;
            ck_assert_double_eq_tol(heed_map_row(a, h, i)[j], heed_map_row(b, h, i)[j], 1e-12);
        }
        heed_cache_free(&caches[layer]);
    }
    heed_maps_free(whole);
    heed_maps_free(steps);
    heed_tape_free(t);
    heed_params_free(m.ps);
}
END_TEST

/* A beam search in one pass: of each attention of the decoder one map for a search. */
START_TEST(searching)
{
    enum { WORDS = 9, SOURCE = 5, LONGEST = 4 };
    static const int32_t ids[2 * SOURCE] = { 1, 2, 3, 4, 5, 6, 7, 8, 1, 2 };
    heed_random r = { .seed = 1 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_transformer m;
    heed_transformer_init(&m, ps, "m",
                          (heed_transformer_options){ .source_vocabulary = WORDS,
                                                      .target_vocabulary = WORDS,
                                                      .width = 8,
                                                      .layers = 1,
                                                      .heads = 2,
                                                      .positions = HEED_POSITIONS_SINUSOIDAL,
                                                      .random = &r });
    heed_tape *t = heed_tape_new(NULL);
    heed_set_recording(t, false);
    heed_maps *maps = new_maps((heed_maps_options){ 0 });
    heed_maps_watch(maps, t);
    heed_transformer_source source =
        heed_transformer_encode(t, &m, heed_ids(t, HEED_SHAPE(2, SOURCE), ids), NULL);
    heed_transformer_state state;
    heed_transformer_search search;
    ck_assert(heed_transformer_state_init(&state, &m, LONGEST, NULL));
    for (int i = 0; i < 2; i++) {
        heed_decoder d = heed_transformer_decoder(t, &m, &source, 2, &state, &search);
        heed_decode_options how = { .start = 0, .end = -1, .longest = LONGEST, .beam = 2 };
        heed_decoded *found = heed_decode(t, &d, 2, how);
        ck_assert_msg(found != NULL, "%s", heed_error(t));
        heed_decoded_free(found);
    }
    ck_assert_int_eq(heed_maps_count(maps), 5);
    for (int i = 0; i < 5; i++) {
        const heed_map *map = heed_maps_at(maps, i);
        bool encoder = strstr(map->name, "encoder") != NULL,
             cross = strstr(map->name, "cross") != NULL;
        ck_assert_int_eq(map->queries, encoder ? SOURCE : LONGEST);
        ck_assert_int_eq(map->keys, encoder || cross ? SOURCE : LONGEST);
        ck_assert_int_eq(strstr(map->name, "#2") != NULL, i > 2);
    }
    heed_maps_free(maps);
    heed_transformer_state_free(&state);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* Two sentences searched in one pass, by an aligned decoder: a map for each. */
START_TEST(searching_aligned)
{
    enum { WORDS = 9, SOURCE = 5, STEPS = 3 };
    static const int32_t ids[2][SOURCE] = { { 1, 2, 3, 4, 5 }, { 6, 7, 8, 1, 2 } };
    heed_random r = { .seed = 1 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_seq2seq m;
    heed_seq2seq_init(&m, ps, "m",
                      (heed_seq2seq_options){ .source_vocabulary = WORDS,
                                              .target_vocabulary = WORDS,
                                              .embedding = 5,
                                              .hidden = 4,
                                              .context = HEED_CONTEXT_ATTENTION,
                                              .random = &r });
    heed_tape *t = heed_tape_new(NULL);
    heed_set_recording(t, _i);
    heed_maps *maps = new_maps((heed_maps_options){ 0 });
    heed_maps_watch(maps, t);
    for (int i = 0; i < 2; i++) {
        heed_seq2seq_source source =
            heed_seq2seq_encode(t, &m, heed_ids(t, HEED_SHAPE(1, SOURCE - i), ids[i]), NULL);
        heed_seq2seq_state state = heed_seq2seq_begin(t, &m, &source);
        for (int step = 0; step < STEPS; step++)
            heed_seq2seq_step(t, &m, &source, &state, heed_ids(t, HEED_SHAPE(1), ids[i]));
        ck_assert_msg(!heed_error(t), "%s", heed_error(t));
    }
    ck_assert_int_eq(heed_maps_count(maps), 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(heed_maps_at(maps, i)->queries, STEPS);
        ck_assert_int_eq(heed_maps_at(maps, i)->keys, SOURCE - i);
    }
    heed_maps_free(maps);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* Who watches may compute with what is shown, whatever form of attention shows it: none of it is
 * recorded, and its memory is given back. */
static void compute(heed_tape *t, const heed_attention_seen *seen, void *user)
{
    ck_assert(!heed_recording(t));
    heed_tensor *squares = heed_mean(t, heed_square(t, seen->weights));
    *(double *)user = heed_item(t, squares);
}

START_TEST(computing)
{
    double squares = 0;
    size_t used = 0;
    for (int watched = 0; watched < 2; watched++) {
        heed_tape *t = tape64();
        heed_attention_watch watch = { .see = compute, .user = &squares };
        if (watched)
            heed_watch_attention(t, &watch);
        heed_tensor *q = heed_watch(t, drawn(t, HEED_SHAPE(2, 2, 3, 4), 1));
        heed_tensor *y =
            heed_attention(t, q, q, q, NULL, &(heed_attention_options){ .composed = _i });
        ck_assert(heed_recording(t));
        if (watched)
            ck_assert_uint_eq(heed_tape_memory(t).used, used);
        used = heed_tape_memory(t).used;
        ck_assert(heed_backward(t, heed_sum(t, y)));
        heed_tape_free(t);
    }
    ck_assert_double_gt(squares, 1.0 / 9); /* of even rows */
}
END_TEST
int main(void)
{
    Suite *suite = suite_create("inspect_model");
    TCase *c = tcase_create("model");
    tcase_add_loop_test(c, bits_stay, 0, 2);
    tcase_add_loop_test(c, memory_stays, 0, 2);
    tcase_add_test(c, off_is_off);
    tcase_add_loop_test(c, decoding, 0, 4);
    tcase_add_test(c, searching);
    tcase_add_loop_test(c, searching_aligned, 0, 2);
    tcase_add_loop_test(c, computing, 0, 2);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
