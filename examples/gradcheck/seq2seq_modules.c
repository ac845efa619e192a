/* Recurrent sequence to sequence among the modules: from ids to the cross-entropy of a target,
 * with what the decoder may know of the source. */
#include "modules.h"

#include <heed/seq2seq.h>

#include <stddef.h>

enum { B = 2, S = 4, T = 3, V = 5 };

static const heed_seq2seq_options kinds[] = {
    [SEQ2SEQ_START] = { .kind = HEED_LSTM, .context = HEED_CONTEXT_START, .reverse = true },
    [SEQ2SEQ_FED] = { .kind = HEED_GRU, .context = HEED_CONTEXT_FED, .layers = 2 },
    [SEQ2SEQ_BAHDANAU] = { .kind = HEED_GRU,
                           .align = { .score = HEED_ALIGN_ADDITIVE },
                           .reading = HEED_READ_BEFORE,
                           .bidirectional = true },
    [SEQ2SEQ_LUONG] = { .kind = HEED_LSTM, .align = { .score = HEED_ALIGN_GENERAL } },
    [SEQ2SEQ_FEEDING] = { .kind = HEED_GRU,
                          .align = { .score = HEED_ALIGN_CONCAT },
                          .input_feeding = true },
    [SEQ2SEQ_COVERAGE] = { .kind = HEED_LSTM,
                           .align = { .score = HEED_ALIGN_ADDITIVE, .coverage = true },
                           .reading = HEED_READ_BEFORE },
    [SEQ2SEQ_LOCATION] = { .kind = HEED_GRU,
                           .align = { .score = HEED_ALIGN_CONCAT,
                                      .filters = 2,
                                      .filter_width = 3,
                                      .coverage = true },
                           .input_feeding = true },
    [SEQ2SEQ_MONOTONIC] = { .kind = HEED_GRU,
                            .align = { .score = HEED_ALIGN_GENERAL,
                                       .window = HEED_ALIGN_MONOTONIC,
                                       .reach = 1 } },
    [SEQ2SEQ_PREDICTIVE] = { .kind = HEED_LSTM,
                             .align = { .score = HEED_ALIGN_GENERAL,
                                        .window = HEED_ALIGN_PREDICTIVE,
                                        .reach = 1 } },
    [SEQ2SEQ_SPARSEMAX] = { .kind = HEED_GRU,
                            .align = { .score = HEED_ALIGN_GENERAL,
                                       .normaliser = HEED_ALIGN_SPARSEMAX,
                                       .scale = 3 } },
    [SEQ2SEQ_ENTMAX15] = { .kind = HEED_LSTM,
                           .align = { .score = HEED_ALIGN_GENERAL,
                                      .normaliser = HEED_ALIGN_ENTMAX15,
                                      .scale = 12 },
                           .reading = HEED_READ_BEFORE },
};

/* Sparse weights and a window that moves have edges, where no derivative exists. With these
 * sentences no weight is near one. */
static const double source_ids[B * S] = { 3, 1, 4, 2, 0, 2, 3, 1 };
static const double target_ids[B * T] = { 1, 3, 2, 4, 0, 1 };

static heed_tensor *loss_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    static const int32_t lengths[B] = { S, S - 1 };
    heed_seq2seq_source source = heed_seq2seq_encode(t, user, x[0], lengths);
    heed_tensor *inputs = heed_shift_right(t, x[1], 0);
    heed_tensor *logits = heed_seq2seq_forward(t, user, &source, inputs, 1).logits;
    return heed_cross_entropy(t, logits, x[1], NULL);
}

heed_report check_seq2seq(const module *m, const heed_check_options *o)
{
    static heed_seq2seq model; /* too large for the stack of a thread */
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 10 };
    heed_seq2seq_options options = kinds[m->variant];
    options.source_vocabulary = options.target_vocabulary = V;
    options.embedding = 2;
    options.hidden = 4;
    options.random = &r;
    heed_seq2seq_init(&model, ps, "model", options);
    spread(ps);
    heed_input inputs[] = { { .dtype = HEED_I32, .shape = HEED_DIMS(B, S), .high = V },
                            { .dtype = HEED_I32, .shape = HEED_DIMS(B, T), .high = V } };
    if (m->variant >= SEQ2SEQ_PREDICTIVE) {
        inputs[0].values = source_ids;
        inputs[1].values = target_ids;
    }
    return ended(ps, heed_check(loss_of, &model, ps, 2, inputs, o));
}
