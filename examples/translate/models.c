/* The table of models (models.h): recurrent encoders and decoders, which differ in their cell and
 * in what the decoder knows of the source, and the Transformer. */
#include "models.h"

#include "nearest.h"

#include <heed/seq2seq.h>
#include <heed/transformer.h>
#include <stdlib.h>
#include <string.h>

typedef struct recipe {
    heed_recurrent_kind cell;
    heed_context context;
    heed_reading reading;
    heed_align_score score;
    bool bidirectional;
} recipe;

static void *make(heed_params *ps, const model_sizes *sizes, heed_random *random, recipe r)
{
    heed_seq2seq *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    heed_seq2seq_init(m, ps, "seq2seq",
                      (heed_seq2seq_options){ .source_vocabulary = sizes->source_vocabulary,
                                              .target_vocabulary = sizes->target_vocabulary,
                                              .embedding = sizes->embedding,
                                              .hidden = sizes->hidden,
                                              .kind = r.cell,
                                              .layers = sizes->layers,
                                              .bidirectional = r.bidirectional,
                                              .reverse = sizes->reverse,
                                              .context = r.context,
                                              .reading = r.reading,
                                              .align = { .score = r.score },
                                              .input_feeding = sizes->input_feeding,
                                              .dropout = sizes->dropout,
                                              .random = random });
    m->options.random = m->options.align.random = NULL;
    return m;
}

static model_output forward(heed_tape *t, const void *model, const model_source *source,
                            heed_tensor *inputs, double forcing)
{
    const heed_seq2seq *m = model;
    heed_seq2seq_source read = heed_seq2seq_encode(t, m, source->ids, source->lengths);
    heed_seq2seq_result r = heed_seq2seq_forward(t, m, &read, inputs, forcing);
    heed_tensor *weights = source->lengths ? NULL : r.weights;
    if (weights && m->options.reverse)
        weights = heed_flip(t, weights, 1, (const int[]){ 2 });
    return (model_output){ r.logits, weights };
}

static heed_decoded *decode(heed_tape *t, const void *model, const model_source *source,
                            int64_t batch, heed_decode_options options)
{
    const heed_seq2seq *m = model;
    heed_seq2seq_search search;
    heed_seq2seq_source read = heed_seq2seq_encode(t, m, source->ids, source->lengths);
    if (heed_error(t))
        return NULL;
    heed_decoder decoder = heed_seq2seq_decoder(t, m, &read, options.beam, &search);
    return heed_decode(t, &decoder, batch, options);
}

/* ---- the Transformer ---- */

static void *make_transformer(heed_params *ps, const model_sizes *sizes, heed_random *random)
{
    heed_transformer *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    heed_transformer_init(
        m, ps, "transformer",
        (heed_transformer_options){ .source_vocabulary = sizes->source_vocabulary,
                                    .target_vocabulary = sizes->target_vocabulary,
                                    .width = sizes->hidden,
                                    .layers = sizes->layers,
                                    .heads = sizes->heads,
                                    .positions = HEED_POSITIONS_SINUSOIDAL,
                                    .bias = true,
                                    .dropout = sizes->dropout,
                                    .random = random });
    m->options.random = NULL;
    return m;
}

static model_output forward_transformer(heed_tape *t, const void *model,
                                        const model_source *source, heed_tensor *inputs,
                                        double forcing)
{
    const heed_transformer *m = model;
    heed_transformer_source read = heed_transformer_encode(t, m, source->ids, source->lengths);
    return (model_output){ heed_transformer_forward(t, m, &read, inputs, forcing), NULL };
}

static heed_decoded *decode_transformer(heed_tape *t, const void *model,
                                        const model_source *source, int64_t batch,
                                        heed_decode_options options)
{
    const heed_transformer *m = model;
    heed_transformer_search search;
    heed_transformer_state state;
    bool recording = heed_set_recording(t, false);
    heed_transformer_source read = heed_transformer_encode(t, m, source->ids, source->lengths);
    heed_decoded *d = NULL;
    if (!heed_error(t) && !heed_transformer_state_init(&state, m, options.longest, NULL)) {
        heed_fail(t, "no memory for a translation of %lld tokens", (long long)options.longest);
    } else if (!heed_error(t)) {
        heed_decoder decoder =
            heed_transformer_decoder(t, m, &read, options.beam, &state, &search);
        d = heed_decode(t, &decoder, batch, options);
        heed_transformer_state_free(&state);
    }
    heed_set_recording(t, recording);
    return d;
}

/* ---- the kinds ---- */

static void *make_rnn(heed_params *ps, const model_sizes *sizes, heed_random *random)
{
    return make(ps, sizes, random, (recipe){ HEED_RNN_TANH, .context = HEED_CONTEXT_START });
}

static void *make_gru(heed_params *ps, const model_sizes *sizes, heed_random *random)
{
    return make(ps, sizes, random, (recipe){ HEED_GRU, .context = HEED_CONTEXT_START });
}

static void *make_lstm(heed_params *ps, const model_sizes *sizes, heed_random *random)
{
    return make(ps, sizes, random, (recipe){ HEED_LSTM, .context = HEED_CONTEXT_START });
}

static void *make_bahdanau(heed_params *ps, const model_sizes *sizes, heed_random *random)
{
    return make(ps, sizes, random,
                (recipe){ HEED_GRU, .reading = HEED_READ_BEFORE, .score = HEED_ALIGN_ADDITIVE,
                          .bidirectional = true });
}

static void *make_luong_dot(heed_params *ps, const model_sizes *sizes, heed_random *random)
{
    return make(ps, sizes, random, (recipe){ HEED_LSTM, .score = HEED_ALIGN_DOT });
}

static void *make_luong_general(heed_params *ps, const model_sizes *sizes, heed_random *random)
{
    return make(ps, sizes, random, (recipe){ HEED_LSTM, .score = HEED_ALIGN_GENERAL });
}

static void *make_luong_concat(heed_params *ps, const model_sizes *sizes, heed_random *random)
{
    return make(ps, sizes, random, (recipe){ HEED_LSTM, .score = HEED_ALIGN_CONCAT });
}

static const model_kind kinds[] = {
    { "rnn", "Elman networks, the encoder's last state as the decoder's first",
      .make = make_rnn, .forward = forward, .decode = decode,
      .learning = { .source = 5, .target = 6 }, .judging = { .source = 5, .target = 5 } },
    { "gru", "the same of GRUs", .make = make_gru, .forward = forward, .decode = decode,
      .learning = { .source = 10, .target = 12 }, .judging = { .source = 8, .target = 8 } },
    { "lstm", "the same of LSTMs (Sutskever, Vinyals, Le 2014)", .make = make_lstm,
      .forward = forward, .decode = decode, .learning = { .source = 16, .target = 17 },
      .judging = { .source = 13, .target = 13 } },
    { "bahdanau",
      "GRUs, an encoder of both directions, additive attention before each step (Bahdanau, "
      "Cho, Bengio 2015)",
      .attends = true, .two_directions = true, .make = make_bahdanau, .forward = forward,
      .decode = decode, .learning = { 0, 15, 10, 11, 2, 2 },
      .judging = { 0, 13, 8, 10, 2, 2 } },
    { "luong-dot",
      "LSTMs, attention after each step by dot product (Luong, Pham, Manning 2015)",
      .attends = true, .feeds = true, .make = make_luong_dot, .forward = forward,
      .decode = decode, .learning = { .source = 17, .target = 14, .output = 14 },
      .judging = { .source = 13, .target = 11, .output = 11 } },
    { "luong-general", "the same with a matrix between", .attends = true, .feeds = true,
      .make = make_luong_general, .forward = forward, .decode = decode,
      .learning = { .source = 17, .target = 14, .output = 14 },
      .judging = { .source = 13, .target = 11, .output = 11 } },
    { "luong-concat", "the same by a hidden layer over both", .attends = true, .feeds = true,
      .make = make_luong_concat, .forward = forward, .decode = decode,
      .learning = { 0, 17, 14, 14, 2, 4 }, .judging = { 0, 14, 11, 11, 2, 2 } },
    { "transformer", "attention alone, of --heads heads, --hidden wide (Vaswani et al. 2017)",
      .attends = true, .watched = true, .heads = true, .make = make_transformer,
      .forward = forward_transformer, .decode = decode_transformer,
      .learning = { .source = 25, .target = 25, .output = 8 },
      .judging = { .input = 11, .source = 2, .target = 2, .output = 18 } },
};

const model_kind *model_at(int index)
{
    return index < (int)(sizeof kinds / sizeof *kinds) ? &kinds[index] : NULL;
}

const model_kind *model_find(const char *name)
{
    const model_kind *kind;
    for (int i = 0; (kind = model_at(i)) != NULL; i++) {
        if (strcmp(kind->name, name) == 0)
            return kind;
    }
    return NULL;
}

const char *model_nearest(const char *wrong)
{
    nearest_name near;
    const model_kind *kind;
    nearest_begin(&near, wrong);
    for (int i = 0; (kind = model_at(i)) != NULL; i++)
        nearest_offer(&near, kind->name);
    return near.best;
}
