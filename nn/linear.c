/* The linear module: y = x W^T + b, and what an adapter beside W adds (lora.h). */
#include "lora_parts.h"
#include "nn.h"

#include <math.h>

void heed_linear_init(heed_linear_module *m, heed_params *ps, const char *name, int64_t in,
                      int64_t out, heed_linear_options options)
{
    *m = (heed_linear_module){ 0 };
    if (options.init < HEED_INIT_XAVIER || options.init > HEED_INIT_GPT2_RESIDUAL) {
        heed_params_fail(ps, "linear: there is no initialisation %d", (int)options.init);
        return;
    }
    heed_params_scope(ps, name);
    m->weight =
        heed_parameter_new(ps, "weight", HEED_SHAPE(out, in), HEED_DECAY | HEED_ADAPTABLE);
    if (options.bias)
        m->bias = heed_parameter_new(ps, "bias", HEED_SHAPE(out), 0);
    heed_params_scope_end(ps);
    switch (options.init) {
    case HEED_INIT_XAVIER:
        heed_init_xavier(m->weight, in, out, options.random);
        break;
    case HEED_INIT_HE:
        heed_init_he(m->weight, in, options.random);
        break;
    case HEED_INIT_GPT2:
        heed_init_normal(m->weight, 0.02, options.random);
        break;
    case HEED_INIT_GPT2_RESIDUAL:
        heed_init_normal(m->weight,
                         0.02 / sqrt(2.0 * (options.layers > 0 ? options.layers : 1)),
                         options.random);
        break;
    }
}

heed_tensor *heed_linear_forward(heed_tape *t, const heed_linear_module *m, heed_tensor *x)
{
    heed_tensor *weight = heed_use(t, m->weight);
    heed_tensor *bias = m->bias ? heed_use(t, m->bias) : NULL;
    heed_tensor *y = heed_linear(t, x, weight, bias);
    return heed__lora_add(t, m->weight, x, y);
}
