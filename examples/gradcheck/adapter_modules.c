/* Modules that stand beside or between others: low-rank adapters, norms over channels. */
#include "modules.h"

#include <heed/lora.h>
#include <heed/nn.h>

enum { B = 3, C = 4, T = 2, OUT = 5, R = 2 };

/* ---- low-rank adapters ---- */

static heed_tensor *adapted_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    bool training = heed_set_training(t, true);
    heed_tensor *y = heed_linear_forward(t, m, x[0]);
    heed_set_training(t, training);
    return number_of(t, y);
}

/* Variant 1: with dropout, the weight thawed again. */
heed_report check_lora(const module *m, const heed_check_options *o)
{
    static const heed_input x = { .shape = HEED_DIMS(B, T, C) };
    heed_linear_module linear;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 11 };
    heed_linear_init(&linear, ps, "linear", C, OUT,
                     (heed_linear_options){ .bias = true, .random = &r });
    heed_lora_options options = { .rank = R, .alpha = 3, .random = &r };
    options.dropout = m->variant ? 0.4 : 0;
    heed_lora_attach(ps, "linear.weight", options);
    heed_init_normal(heed_params_find(ps, "linear.lora_b"), 0.5, &r);
    heed_params_freeze(ps, "linear.weight", m->variant == 0);
    return ended(ps, heed_check(adapted_of, &linear, ps, 1, &x, o));
}

/* ---- norms over channels ---- */

static heed_tensor *groupnorm_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    return number_of(t, heed_groupnorm_forward(t, m, x[0]));
}

heed_report check_groupnorm(const module *m, const heed_check_options *o)
{
    static const heed_input x = { .shape = HEED_DIMS(2, C, 2, 3) };
    heed_groupnorm_module norm;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_groupnorm_init(&norm, ps, "norm", C,
                        (heed_groupnorm_options){ .groups = m->variant, .bias = true });
    spread(ps);
    heed_check_options fine = finer(o);
    return ended(ps, heed_check(groupnorm_of, &norm, ps, 1, &x, &fine));
}

typedef struct batch_subject {
    heed_batchnorm_module norm;
    bool training;
} batch_subject;

static heed_tensor *batchnorm_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    const batch_subject *s = user;
    bool training = heed_set_training(t, s->training);
    heed_tensor *y = heed_batchnorm_forward(t, &s->norm, x[0]);
    heed_set_training(t, training);
    return number_of(t, y);
}

heed_report check_batchnorm(const module *m, const heed_check_options *o)
{
    static const heed_input x = { .shape = HEED_DIMS(B, C, T) };
    batch_subject s = { .training = m->variant == 1 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_batchnorm_init(&s.norm, ps, "norm", C, (heed_batchnorm_options){ .bias = true });
    heed_random r = { .seed = 12 };
    heed_init_uniform(s.norm.weight, -1, 2, &r);
    heed_init_uniform(s.norm.mean, -1, 1, &r);
    heed_init_uniform(s.norm.variance, 0.5, 2, &r);
    heed_check_options fine = finer(o);
    return ended(ps, heed_check(batchnorm_of, &s, ps, 1, &x, &fine));
}
