/* A recurrent cell: its parameters, and one step. */
#include "recurrent_cell.h"
#include "nn.h"

#include <math.h>
#include <stdio.h>

/* ---- settings and parameters ---- */

const char *heed__recurrent_name(heed_recurrent_kind kind)
{
    return kind == HEED_LSTM ? "lstm" : kind == HEED_GRU ? "gru" : "rnn";
}

static int gates_of(heed_recurrent_kind kind)
{
    return kind == HEED_LSTM ? 4 : kind == HEED_GRU ? 3 : 1;
}

bool heed__recurrent_sound(heed_params *ps, int64_t input, const heed_recurrent_options *o)
{
    const char *name = heed__recurrent_name(o->kind);
    if ((int)o->kind < HEED_LSTM || o->kind > HEED_RNN_RELU)
        heed_params_fail(ps, "recurrent: kind %d is none", (int)o->kind);
    else if (input < 1 || input > INT32_MAX)
        heed_params_fail(ps, "%s: input width %lld is not in 1 .. 2147483647", name,
                         (long long)input);
    else if (o->hidden < 1 || o->hidden > INT32_MAX)
        heed_params_fail(ps, "%s: hidden %lld is not in 1 .. 2147483647", name,
                         (long long)o->hidden);
    else if (o->layers < 1 || o->layers > HEED_RECURRENT_MAX_LAYERS)
        heed_params_fail(ps, "%s: layers %d is not in 1 .. %d", name, o->layers,
                         HEED_RECURRENT_MAX_LAYERS);
    else if (!(o->dropout >= 0 && o->dropout < 1))
        heed_params_fail(ps, "%s: dropout %g is not in [0, 1)", name, o->dropout);
    else if (o->peepholes && o->kind != HEED_LSTM)
        heed_params_fail(ps, "%s: peepholes are for an LSTM only", name);
    else if ((int)o->reset < HEED_RESET_AFTER || o->reset > HEED_RESET_BEFORE)
        heed_params_fail(ps, "%s: reset %d is none", name, (int)o->reset);
    else if (o->reset != HEED_RESET_AFTER && o->kind != HEED_GRU)
        heed_params_fail(ps, "%s: a reset gate is a GRU's only", name);
    else if (o->forget_bias != 0 && o->kind != HEED_LSTM)
        heed_params_fail(ps, "%s: a forget gate is an LSTM's only", name);
    else if (o->forget_bias != 0 && !o->bias)
        heed_params_fail(ps, "%s: forget_bias %g needs a bias", name, o->forget_bias);
    else if (!isfinite(o->forget_bias))
        heed_params_fail(ps, "%s: forget_bias %g is not finite", name, o->forget_bias);
    return heed_params_error(ps) == NULL;
}

/* Elements first .. last - 1. */
static void put(heed_parameter *p, int64_t first, int64_t last, double value)
{
    for (int64_t i = first; p && i < last; i++) {
        if (p->dtype == HEED_F64)
            ((double *)p->data)[i] = value;
        else
            ((float *)p->data)[i] = (float)value;
    }
}

void heed__recurrent_register(heed_recurrent_cell *m, heed_params *ps, const char *suffix,
                              int64_t input, const heed_recurrent_options *o)
{
    int64_t hidden = o->hidden, rows = gates_of(o->kind) * hidden;
    *m = (heed_recurrent_cell){
        .kind = o->kind, .reset = o->reset, .input = input, .hidden = hidden
    };
    struct {
        heed_parameter **to;
        const char *name;
        heed_shape shape;
        unsigned flags;
        bool wanted;
    } parameters[] = {
        { &m->weight_ih, "weight_ih", HEED_DIMS(rows, input), HEED_DECAY, true },
        { &m->weight_hh, "weight_hh", HEED_DIMS(rows, hidden), HEED_DECAY, true },
        { &m->bias_ih, "bias_ih", HEED_DIMS(rows), 0, o->bias },
        { &m->bias_hh, "bias_hh", HEED_DIMS(rows), 0, o->bias },
        { &m->weight_peephole, "weight_peephole", HEED_DIMS(3, hidden), 0, o->peepholes },
    };
    double bound = 1 / sqrt((double)hidden);
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        char name[64];
        if (!parameters[i].wanted)
            continue;
        snprintf(name, sizeof name, "%s%s", parameters[i].name, suffix);
        *parameters[i].to =
            heed_parameter_new(ps, name, parameters[i].shape, parameters[i].flags);
        heed_init_uniform(*parameters[i].to, -bound, bound, o->random);
    }
    if (o->forget_bias != 0) {
        put(m->bias_ih, hidden, 2 * hidden, o->forget_bias);
        put(m->bias_hh, hidden, 2 * hidden, 0);
    }
}

void heed_recurrent_cell_init(heed_recurrent_cell *m, heed_params *ps, const char *name,
                              int64_t input, heed_recurrent_options options)
{
    *m = (heed_recurrent_cell){ 0 };
    if (options.layers == 0)
        options.layers = 1;
    if (!heed__recurrent_sound(ps, input, &options))
        return;
    if (options.layers > 1 || options.bidirectional || options.dropout != 0) {
        heed_params_fail(ps,
                         "%s: a cell is one layer in one direction: layers, bidirectional and "
                         "dropout are for sequences",
                         heed__recurrent_name(options.kind));
        return;
    }
    heed_params_scope(ps, name);
    heed__recurrent_register(m, ps, "", input, &options);
    heed_params_scope_end(ps);
}

/* ---- a pass and its steps ---- */

/* Where the state's bias is only added, it joins the input's: once for all steps. */
heed__recurrent_pass heed__recurrent_begin(heed_tape *t, const heed_recurrent_cell *m)
{
    heed__recurrent_pass pass = { .m = m };
    bool inside = m->kind == HEED_GRU && m->reset == HEED_RESET_AFTER;
    pass.weight_ih = heed_use(t, m->weight_ih);
    pass.weight_hh = heed_use(t, m->weight_hh);
    if (m->bias_ih) {
        pass.bias = heed_use(t, m->bias_ih);
        pass.bias_hh = heed_use(t, m->bias_hh);
        if (!inside) {
            pass.bias = heed_add(t, pass.bias, pass.bias_hh);
            pass.bias_hh = NULL;
        }
    }
    if (m->weight_peephole)
        pass.peephole = heed_use(t, m->weight_peephole);
    if (m->kind == HEED_GRU && m->reset == HEED_RESET_BEFORE) {
        heed_tensor *whole = pass.weight_hh;
        pass.weight_hh = heed_slice(t, whole, 0, 0, 2 * m->hidden, 1);
        pass.weight_hn = heed_slice(t, whole, 0, 2 * m->hidden, 3 * m->hidden, 1);
    }
    return pass;
}

heed_tensor *heed__recurrent_project(heed_tape *t, const heed__recurrent_pass *pass,
                                     heed_tensor *x)
{
    return heed_linear(t, x, pass->weight_ih, pass->bias);
}

/* after, but before where the sequence has ended. */
static heed_tensor *keep(heed_tape *t, heed_tensor *real, heed_tensor *after,
                         heed_tensor *before)
{
    return real ? heed_where(t, heed_unsqueeze(t, real, -1), after, before) : after;
}

static heed_recurrent_state lstm_step(heed_tape *t, const heed__recurrent_pass *pass,
                                      heed_tensor *projected, heed_recurrent_state state,
                                      heed_tensor *real)
{
    heed_tensor *product = heed_linear(t, state.h, pass->weight_hh, NULL);
    heed_tensor *both = heed_lstm_gates(t, projected, product, state.c, pass->peephole, real,
                                        real ? state.h : NULL);
    heed_tensor *h = heed_select(t, both, 0, 0);
    return (heed_recurrent_state){ h, heed_select(t, both, 0, 1) };
}

static heed_tensor *gru_before_step(heed_tape *t, const heed__recurrent_pass *pass,
                                    heed_tensor *projected, heed_tensor *h, heed_tensor *real)
{
    int64_t hidden = pass->m->hidden;
    heed_tensor *product = heed_linear(t, h, pass->weight_hh, NULL);
    heed_tensor *open =
        heed_sigmoid(t, heed_add(t, heed_slice(t, projected, -1, 0, 2 * hidden, 1), product));
    heed_tensor *r = heed_slice(t, open, -1, 0, hidden, 1);
    heed_tensor *z = heed_slice(t, open, -1, hidden, 2 * hidden, 1);
    product = heed_linear(t, heed_mul(t, r, h), pass->weight_hn, NULL);
    heed_tensor *sum =
        heed_add(t, heed_slice(t, projected, -1, 2 * hidden, 3 * hidden, 1), product);
    heed_tensor *n = heed_tanh(t, sum);
    return keep(t, real, heed_lerp(t, n, h, z), h);
}

heed_recurrent_state heed__recurrent_step(heed_tape *t, const heed__recurrent_pass *pass,
                                          heed_tensor *projected, heed_recurrent_state state,
                                          heed_tensor *real)
{
    const heed_recurrent_cell *m = pass->m;
    if (m->kind == HEED_LSTM)
        return lstm_step(t, pass, projected, state, real);
    if (m->kind == HEED_GRU && m->reset == HEED_RESET_BEFORE)
        return (heed_recurrent_state){ gru_before_step(t, pass, projected, state.h, real),
                                       NULL };
    heed_tensor *product = heed_linear(t, state.h, pass->weight_hh, pass->bias_hh);
    if (m->kind == HEED_GRU)
        return (heed_recurrent_state){ heed_gru_gates(t, projected, product, state.h, real),
                                       NULL };
    heed_tensor *sum = heed_add(t, projected, product);
    heed_tensor *h = m->kind == HEED_RNN_RELU ? heed_relu(t, sum) : heed_tanh(t, sum);
    return (heed_recurrent_state){ keep(t, real, h, state.h), NULL };
}

static bool state_fits(heed_tape *t, const heed_recurrent_cell *m, const char *which,
                       const heed_tensor *x, int64_t batch)
{
    char text[96];
    heed_shape shape = heed_shape_of(x);
    if (!x || (x->ndim == 2 && x->shape[0] == batch && x->shape[1] == m->hidden))
        return true;
    heed_fail(t, "%s: %s has shape %s but must have [%lld,%lld]", heed__recurrent_name(m->kind),
              which, heed_shape_text(&shape, text, sizeof text), (long long)batch,
              (long long)m->hidden);
    return false;
}

heed_recurrent_state heed_recurrent_cell_forward(heed_tape *t, const heed_recurrent_cell *m,
                                                 heed_tensor *x,
                                                 const heed_recurrent_state *state)
{
    const heed_recurrent_state none = { 0 };
    const char *name = heed__recurrent_name(m->kind);
    heed_recurrent_state s = state ? *state : none;
    if (!t || heed_error(t))
        return none;
    if (!x || x->ndim != 2 || x->shape[1] != m->input) {
        heed_fail(t, "%s: x needs shape [B,%lld]", name, (long long)m->input);
        return none;
    }
    if (!state_fits(t, m, "h", s.h, x->shape[0]) || !state_fits(t, m, "c", s.c, x->shape[0]))
        return none;
    if (s.c && m->kind != HEED_LSTM) {
        heed_fail(t, "%s: has no cell state c", name);
        return none;
    }
    heed_shape shape = HEED_SHAPE(x->shape[0], m->hidden);
    if (!s.h)
        s.h = heed_full(t, shape, 0);
    if (!s.c && m->kind == HEED_LSTM)
        s.c = heed_full(t, shape, 0);
    heed__recurrent_pass pass = heed__recurrent_begin(t, m);
    s = heed__recurrent_step(t, &pass, heed__recurrent_project(t, &pass, x), s, NULL);
    return heed_error(t) ? none : s;
}
