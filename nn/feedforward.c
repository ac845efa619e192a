/* The position-wise feed-forward network, and activations by name. */
#include "nn.h"

heed_tensor *heed_activate(heed_tape *t, heed_activation activation, heed_tensor *x)
{
    switch (activation) {
    case HEED_GELU:
        return heed_gelu(t, x);
    case HEED_GELU_TANH:
        return heed_gelu_tanh(t, x);
    case HEED_RELU:
        return heed_relu(t, x);
    case HEED_SILU:
        return heed_silu(t, x);
    case HEED_TANH:
        return heed_tanh(t, x);
    case HEED_SIGMOID:
        return heed_sigmoid(t, x);
    }
    return heed_fail(t, "activate: there is no activation %d", (int)activation);
}

static bool is_share(double p)
{
    return p >= 0 && p < 1;
}

void heed_feedforward_init(heed_feedforward *m, heed_params *ps, const char *name,
                           int64_t width, heed_feedforward_options options)
{
    heed_linear_options linear = { options.bias, options.init, options.layers, options.random };
    *m = (heed_feedforward){ .activation = options.activation,
                             .dropout = options.dropout,
                             .hidden_dropout = options.hidden_dropout,
                             .gated = options.gated };
    if (options.hidden < 0 || width > INT64_MAX / 4) {
        heed_params_fail(ps, "feedforward: hidden %lld of width %lld is no size",
                         (long long)options.hidden, (long long)width);
        return;
    }
    if (options.activation < HEED_GELU || options.activation > HEED_SIGMOID) {
        heed_params_fail(ps, "feedforward: there is no activation %d", (int)options.activation);
        return;
    }
    if (!is_share(options.dropout) || !is_share(options.hidden_dropout)) {
        heed_params_fail(ps, "feedforward: dropout %g is not in [0, 1)",
                         is_share(options.dropout) ? options.hidden_dropout : options.dropout);
        return;
    }
    int64_t hidden = options.hidden > 0 ? options.hidden : 4 * width;
    heed_params_scope(ps, name);
    heed_linear_init(&m->up, ps, "up", width, hidden, linear);
    if (options.gated)
        heed_linear_init(&m->gate, ps, "gate", width, hidden, linear);
    linear.init = options.output_init;
    heed_linear_init(&m->down, ps, "down", hidden, width, linear);
    heed_params_scope_end(ps);
}

heed_tensor *heed_feedforward_forward(heed_tape *t, const heed_feedforward *m, heed_tensor *x)
{
    heed_tensor *hidden = heed_linear_forward(t, &m->up, x); /* [..., 4 C] */
    if (m->gated) {
        heed_tensor *gate = heed_linear_forward(t, &m->gate, x);
        hidden = heed_mul(t, heed_activate(t, m->activation, gate), hidden);
    } else {
        hidden = heed_activate(t, m->activation, hidden);
    }
    if (m->hidden_dropout != 0)
        hidden = heed_dropout(t, hidden, m->hidden_dropout);
    heed_tensor *y = heed_linear_forward(t, &m->down, hidden); /* [..., C] */
    return m->dropout != 0 ? heed_dropout(t, y, m->dropout) : y;
}
