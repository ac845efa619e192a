/* The recurrent networks among the modules: every kind, layers in both directions over sequences
 * of different lengths, and a cell step by step. */
#include "modules.h"

#include <heed/recurrent.h>

#include <stddef.h>

enum { B = 2, T = 3, C = 4, HIDDEN = 2 };

static const heed_recurrent_options kinds[] = {
    [RECURRENT_TANH] = { .kind = HEED_RNN_TANH },
    [RECURRENT_RELU] = { .kind = HEED_RNN_RELU },
    [RECURRENT_LSTM] = { .kind = HEED_LSTM },
    [RECURRENT_PEEPHOLES] = { .kind = HEED_LSTM, .peepholes = true },
    [RECURRENT_GRU] = { .kind = HEED_GRU },
    [RECURRENT_GRU_BEFORE] = { .kind = HEED_GRU, .reset = HEED_RESET_BEFORE },
};

typedef struct subject {
    heed_recurrent network;
    heed_recurrent_cell cell;
    int variant;
    bool lstm;
} subject;

static heed_tensor *flat(heed_tape *t, heed_tensor *x)
{
    return heed_reshape(t, x, HEED_SHAPE(-1));
}

/* All that a network gives, as one row. */
static heed_tensor *network_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    static const int32_t lengths[B] = { T, T - 1 };
    const subject *s = user;
    bool both = (s->variant & RECURRENT_BOTH) != 0;
    heed_recurrent_state initial = { x[1], s->lstm ? x[2] : NULL };
    bool training = heed_set_training(t, both);
    heed_recurrent_result r =
        heed_recurrent_forward(t, &s->network, x[0], both ? lengths : NULL, &initial);
    heed_set_training(t, training);
    if (!r.output)
        return NULL;
    heed_tensor *part[4] = { flat(t, r.output) };
    part[1] = flat(t, r.last.h);
    if (s->lstm) {
        part[2] = flat(t, r.cells);
        part[3] = flat(t, r.last.c);
    }
    return number_of(t, heed_concatenate(t, s->lstm ? 4 : 2, part, 0));
}

static heed_tensor *steps_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    const subject *s = user;
    heed_recurrent_state state = { heed_select(t, x[1], 0, 0), NULL };
    if (s->lstm)
        state.c = heed_select(t, x[2], 0, 0);
    for (int k = 0; k < T; k++)
        state = heed_recurrent_cell_forward(t, &s->cell, heed_select(t, x[0], 1, k), &state);
    heed_tensor *both[2] = { state.h, state.c };
    return number_of(t, s->lstm ? heed_concatenate(t, 2, both, 0) : state.h);
}

/* Far from the kink of relu, on either side of it: products with weights this small stay below
 * 4. */
static void avoid_kink(const heed_parameter *weight, const heed_parameter *recurrent,
                       const heed_parameter *bias)
{
    for (int64_t k = 0; k < weight->size; k++)
        ((double *)weight->data)[k] *= 0.2;
    for (int64_t k = 0; k < recurrent->size; k++)
        ((double *)recurrent->data)[k] *= 0.2;
    for (int64_t k = 0; k < bias->size; k++)
        ((double *)bias->data)[k] = k % 2 ? 4 : -4;
}

heed_report check_recurrent(const module *m, const heed_check_options *o)
{
    static subject s;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 9 };
    int kind = m->variant & RECURRENT_KIND;
    bool both = (m->variant & RECURRENT_BOTH) != 0, cell = (m->variant & RECURRENT_CELL) != 0;
    heed_recurrent_options options = kinds[kind];
    options.hidden = HIDDEN;
    options.bias = true;
    options.random = &r;
    options.layers = both ? 2 : 1;
    options.bidirectional = both;
    options.dropout = both ? 0.3 : 0;
    s = (subject){ .variant = m->variant, .lstm = options.kind == HEED_LSTM };
    if (cell)
        heed_recurrent_cell_init(&s.cell, ps, "cell", C, options);
    else
        heed_recurrent_init(&s.network, ps, "network", C, options);
    if (kind == RECURRENT_RELU) {
        const heed_recurrent_cell *of = cell ? &s.cell : &s.network.cells[0][0];
        avoid_kink(of->weight_ih, of->weight_hh, of->bias_ih);
    }
    heed_input state = { .shape = HEED_DIMS(both ? 4 : 1, B, HIDDEN) };
    heed_input inputs[3] = { { .shape = HEED_DIMS(B, T, C) }, state, state };
    heed_report report =
        heed_check(cell ? steps_of : network_of, &s, ps, s.lstm ? 3 : 2, inputs, o);
    heed_params_free(ps);
    return report;
}
