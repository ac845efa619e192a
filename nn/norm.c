/* The norm module: layernorm or rmsnorm with its gain (and bias). */
#include "nn.h"

void heed_norm_init(heed_norm_module *m, heed_params *ps, const char *name, int64_t width,
                    heed_norm_options options)
{
    *m = (heed_norm_module){ .kind = options.kind,
                             .epsilon = options.epsilon > 0 ? options.epsilon : 1e-5 };
    if (options.kind != HEED_LAYERNORM && options.kind != HEED_RMSNORM)
        heed_params_fail(ps, "norm %s: there is no kind %d", name, (int)options.kind);
    if (!(options.epsilon >= 0))
        heed_params_fail(ps, "norm %s: epsilon is not 0 or more: %g", name, options.epsilon);
    heed_params_scope(ps, name);
    m->weight = heed_parameter_new(ps, "weight", HEED_SHAPE(width), 0);
    if (options.bias && options.kind == HEED_LAYERNORM)
        m->bias = heed_parameter_new(ps, "bias", HEED_SHAPE(width), 0);
    heed_params_scope_end(ps);
    heed_init_constant(m->weight, 1);
}

heed_tensor *heed_norm_forward(heed_tape *t, const heed_norm_module *m, heed_tensor *x)
{
    heed_tensor *weight = heed_use(t, m->weight);
    if (m->kind == HEED_RMSNORM)
        return heed_rmsnorm(t, x, weight, m->epsilon);
    return heed_layernorm(t, x, weight, m->bias ? heed_use(t, m->bias) : NULL, m->epsilon);
}
