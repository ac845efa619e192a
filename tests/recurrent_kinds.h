/* What the tests of recurrent networks share: sizes, and every kind in two layers and both
 * directions. Everything is static, so that a test is one file and this. */
#ifndef TESTS_RECURRENT_KINDS_H
#define TESTS_RECURRENT_KINDS_H

#include <check.h>

#include <heed/heed.h>
#include <heed/recurrent.h>

#define LENGTH(table) ((int)(sizeof(table) / sizeof *(table)))

enum { B = 3, T = 5, IN = 4, H = 3 };

typedef struct variant {
    const char *name;
    heed_recurrent_kind kind;
    bool peepholes;
    heed_gru_reset reset;
} variant;
static const variant variants[] = {
    { .name = "rnn_tanh", .kind = HEED_RNN_TANH },
    { .name = "rnn_relu", .kind = HEED_RNN_RELU },
    { .name = "lstm", .kind = HEED_LSTM },
    { .name = "gru", .kind = HEED_GRU },
    { .name = "lstm_peepholes", .kind = HEED_LSTM, .peepholes = true },
    { .name = "gru_before", .kind = HEED_GRU, .reset = HEED_RESET_BEFORE },
};

static inline heed_recurrent_options options_of(const variant *v, heed_random *r)
{
    return (heed_recurrent_options){ .kind = v->kind,
                                     .hidden = H,
                                     .layers = 2,
                                     .bidirectional = true,
                                     .bias = true,
                                     .peepholes = v->peepholes,
                                     .reset = v->reset,
                                     .random = r };
}

static inline heed_tape *new_tape(heed_dtype dtype)
{
    return heed_tape_new(&(heed_tape_options){ .dtype = dtype });
}

static inline heed_params *random_model(heed_recurrent *m, const variant *v)
{
    heed_random r = { .seed = 3 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_recurrent_init(m, ps, "m", IN, options_of(v, &r));
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    return ps;
}

#endif
