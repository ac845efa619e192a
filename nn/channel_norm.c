/* Norms over channels, x [B, C, ...]: by groups of channels of one example, and by batches with
 * running statistics. */
#include "nn.h"

static double epsilon_of(heed_params *ps, const char *who, const char *name, double epsilon)
{
    if (!(epsilon >= 0))
        heed_params_fail(ps, "%s %s: epsilon is not 0 or more: %g", who, name, epsilon);
    return epsilon > 0 ? epsilon : 1e-5;
}

/* gamma of ones and, if asked for, beta of zeros, under the current scope. */
static void new_gain(heed_params *ps, int64_t channels, bool bias, heed_parameter **weight,
                     heed_parameter **beta)
{
    *weight = heed_parameter_new(ps, "weight", HEED_SHAPE(channels), 0);
    heed_init_constant(*weight, 1);
    *beta = bias ? heed_parameter_new(ps, "bias", HEED_SHAPE(channels), 0) : NULL;
}

/* ---- groups ---- */

void heed_groupnorm_init(heed_groupnorm_module *m, heed_params *ps, const char *name,
                         int64_t channels, heed_groupnorm_options options)
{
    int64_t groups = options.groups;
    *m = (heed_groupnorm_module){ .groups = groups };
    m->epsilon = epsilon_of(ps, "groupnorm", name, options.epsilon);
    if (groups < 1 || channels < 1 || channels % groups) {
        heed_params_fail(ps, "groupnorm %s: %lld channels cannot be cut into %lld groups", name,
                         (long long)channels, (long long)groups);
        return;
    }
    heed_params_scope(ps, name);
    new_gain(ps, channels, options.bias, &m->weight, &m->bias);
    heed_params_scope_end(ps);
}

heed_tensor *heed_groupnorm_forward(heed_tape *t, const heed_groupnorm_module *m,
                                    heed_tensor *x)
{
    heed_tensor *gamma = heed_use(t, m->weight);
    heed_tensor *beta = m->bias ? heed_use(t, m->bias) : NULL;
    return heed_groupnorm(t, x, m->groups, gamma, beta, m->epsilon);
}

/* ---- batches ---- */

void heed_batchnorm_init(heed_batchnorm_module *m, heed_params *ps, const char *name,
                         int64_t channels, heed_batchnorm_options options)
{
    *m = (heed_batchnorm_module){ .momentum = options.momentum > 0 ? options.momentum : 0.1 };
    m->epsilon = epsilon_of(ps, "batchnorm", name, options.epsilon);
    if (!(options.momentum >= 0 && options.momentum <= 1))
        heed_params_fail(ps, "batchnorm %s: momentum is not in [0, 1]: %g", name,
                         options.momentum);
    if (channels < 1)
        heed_params_fail(ps, "batchnorm %s: channels %lld are not positive", name,
                         (long long)channels);
    heed_params_scope(ps, name);
    new_gain(ps, channels, options.bias, &m->weight, &m->bias);
    m->mean = heed_parameter_new(ps, "running_mean", HEED_SHAPE(channels), HEED_BUFFER);
    m->variance = heed_parameter_new(ps, "running_var", HEED_SHAPE(channels), HEED_BUFFER);
    heed_init_constant(m->variance, 1);
    heed_params_scope_end(ps);
}

/* running = (1 - momentum) running + momentum of */
static void move_towards(heed_parameter *running, const heed_tensor *of, double momentum)
{
    for (int64_t i = 0; i < running->size; i++) {
        double now = momentum * heed_at(of, i);
        if (running->dtype == HEED_F64)
            ((double *)running->data)[i] = (1 - momentum) * ((double *)running->data)[i] + now;
        else
            ((float *)running->data)[i] =
                (float)((1 - momentum) * (double)((float *)running->data)[i] + now);
    }
}

/* The batch's mean and its variance as a sample's (Ioffe, Szegedy 2015, algorithm 2, step 10)
 * are read off without being recorded, and forgotten. */
static void update(heed_tape *t, const heed_batchnorm_module *m, heed_tensor *x)
{
    int axes[HEED_MAX_NDIM] = { 0 };
    for (int k = 2; k < x->ndim; k++)
        axes[k - 1] = k;
    bool recording = heed_set_recording(t, false);
    heed_position mark = heed_mark(t);
    const heed_tensor *mean = heed_mean_axes(t, x, x->ndim - 1, axes, false);
    const heed_tensor *variance = heed_variance_axes(t, x, x->ndim - 1, axes, false, 1);
    if (mean && variance) {
        move_towards(m->mean, mean, m->momentum);
        move_towards(m->variance, variance, m->momentum);
    }
    heed_rewind(t, mark);
    heed_set_recording(t, recording);
}

/* The running statistics as they are now: a later pass that moves them must not reach into
 * what is recorded of this one. */
static heed_tensor *snapshot(heed_tape *t, heed_parameter *p)
{
    const heed_tensor *x = heed_use(t, p);
    return x ? heed_copy_in(t, x->dtype, heed_shape_of(x), x->data) : NULL;
}

heed_tensor *heed_batchnorm_forward(heed_tape *t, const heed_batchnorm_module *m,
                                    heed_tensor *x)
{
    heed_tensor *gamma = heed_use(t, m->weight);
    heed_tensor *beta = m->bias ? heed_use(t, m->bias) : NULL;
    if (!heed_training(t)) {
        heed_tensor *mean = snapshot(t, m->mean), *variance = snapshot(t, m->variance);
        return heed_batchnorm(t, x, gamma, beta, mean, variance, m->epsilon);
    }
    heed_tensor *y = heed_batchnorm(t, x, gamma, beta, NULL, NULL, m->epsilon);
    const heed_tensor *mean = heed_use(t, m->mean);
    bool own = mean && mean->data == m->mean->data; /* else another set stands in for ours */
    if (y && own && heed_recording(t) && heed_size(x) > 0)
        update(t, m, x);
    return y;
}
