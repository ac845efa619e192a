/* Optimizers, clipping, schedules and averages of weights. They know parameters and gradients,
 * no module and no tape.
 *
 *     heed_optimizer *o = heed_adamw_new(ps, (heed_adam_options){ .lr = 1e-3, .decay = 0.1 });
 *     ... heed_backward(t, loss) ...
 *     heed_clip_norm(g, 1.0);
 *     heed_optimizer_step(o, g);     // refuses incomplete gradients, then zeroes them
 *
 * A step walks long runs of parameters with equal flags; HEED_DECAY decides which ones decay.
 */
#ifndef HEED_OPTIM_H
#define HEED_OPTIM_H

#include <heed/params.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct heed_optimizer heed_optimizer;

typedef struct heed_sgd_options {
    double lr;
    double momentum;  /* 0: none */
    double dampening; /* of the gradient's entry into the momentum, from the second step on */
    bool nesterov;    /* needs momentum > 0 and dampening 0 */
    double decay;     /* added to the gradient of parameters that decay */
} heed_sgd_options;

typedef struct heed_adam_options {
    double lr;           /* 0: 1e-3 */
    double beta1, beta2; /* 0: 0.9, 0.999 (1 - 1e-12 .. are refused) */
    double epsilon;      /* 0: 1e-8 */
    double decay;
} heed_adam_options;

typedef struct heed_nadam_options {
    double lr;             /* 0: 2e-3 */
    double beta1, beta2;   /* 0: 0.9, 0.999 */
    double epsilon;        /* 0: 1e-8 */
    double momentum_decay; /* 0: 0.004 */
    double decay;
    bool decoupled; /* decay as AdamW's */
} heed_nadam_options;

typedef struct heed_rmsprop_options {
    double lr;       /* 0: 1e-2 */
    double alpha;    /* of the mean of squares; 0: 0.99 */
    double epsilon;  /* 0: 1e-8 */
    double momentum; /* 0: none */
    bool centered;   /* by the variance of the gradients instead of their square */
    double decay;
} heed_rmsprop_options;

typedef struct heed_adagrad_options {
    double lr;       /* 0: 1e-2 */
    double lr_decay; /* lr / (1 + (t - 1) lr_decay) at step t = 1, 2, ... */
    double initial;  /* sum of squares before the first step */
    double epsilon;  /* 0: 1e-10 */
    double decay;
} heed_adagrad_options;

typedef struct heed_lion_options {
    double lr;           /* 0: 1e-4 */
    double beta1, beta2; /* 0: 0.9, 0.99 */
    double decay;        /* taken off the weights themselves */
} heed_lion_options;

/* v = momentum v + (1 - dampening) g, in a parameter's first step v = g;  w -= lr v, with
 * nesterov w -= lr (g + momentum v). Without momentum there is no v and nothing to dampen:
 * w -= lr g. NULL: out of memory or unsound options, which heed_params_error(ps) names. */
HEED_API heed_optimizer *heed_sgd_new(heed_params *ps, heed_sgd_options options);
/* Kingma, Ba 2015, algorithm 1; decay is added to the gradient. */
HEED_API heed_optimizer *heed_adam_new(heed_params *ps, heed_adam_options options);
/* Loshchilov, Hutter 2019, algorithm 2: decay is taken off the weights themselves. */
HEED_API heed_optimizer *heed_adamw_new(heed_params *ps, heed_adam_options options);
/* Dozat 2016, as PyTorch computes it: Adam with Nesterov's look ahead. */
HEED_API heed_optimizer *heed_nadam_new(heed_params *ps, heed_nadam_options options);
/* v = alpha v + (1 - alpha) g^2;  w -= lr g / (sqrt(v) + epsilon): Tieleman, Hinton 2012;
 * centered (Graves 2013) with v - m^2, never below 0, under the root, m the mean of g. */
HEED_API heed_optimizer *heed_rmsprop_new(heed_params *ps, heed_rmsprop_options options);
/* v += g^2;  w -= lr g / (sqrt(v) + epsilon): Duchi, Hazan, Singer 2011. */
HEED_API heed_optimizer *heed_adagrad_new(heed_params *ps, heed_adagrad_options options);
/* w -= lr (sign(beta1 m + (1 - beta1) g) + decay w): Chen et al. 2023, algorithm 2. */
HEED_API heed_optimizer *heed_lion_new(heed_params *ps, heed_lion_options options);
HEED_API void heed_optimizer_free(heed_optimizer *o);

HEED_API double heed_optimizer_rate(const heed_optimizer *o);
HEED_API void heed_optimizer_set_rate(heed_optimizer *o, double lr);
/* Parameters whose whole name matches the pattern (heed_params_freeze says how) go at lr times
 * rate and decay at decay times decay's factor, both at least 0; 1 changes nothing and 0 is
 * none. Of several patterns that match, the last one given wins; parameters added later are
 * matched too. Groups are settings, as lr is: a file does not hold them, so give them again
 * before or after a restore. How many match now; -1, and heed_optimizer_error, for an unsound
 * factor or no memory. */
HEED_API int heed_optimizer_set_group(heed_optimizer *o, const char *pattern, double rate,
                                      double decay);
HEED_API int64_t heed_optimizer_steps(const heed_optimizer *o); /* taken so far */
/* One update from g, which is then zeroed. False, with nothing changed, when g is incomplete
 * (the sweep failed), belongs to another set, or memory for moments is short;
 * heed_optimizer_error says which. */
HEED_API bool heed_optimizer_step(heed_optimizer *o, heed_gradients *g);
HEED_API const char *heed_optimizer_error(const heed_optimizer *o);

/* Moments and step count under "prefix..." names (prefix NULL: none), to and from a file's
 * entries: bit-exact resume. */
HEED_API bool heed_optimizer_store(heed_optimizer *o, heed_archive *archive,
                                   const char *prefix);
HEED_API bool heed_optimizer_restore(heed_optimizer *o, const heed_archive *archive,
                                     const char *prefix);

/* Scales g so that its global norm is at most limit (Pascanu et al. 2013); returns the norm
 * before. A norm that is not finite leaves g alone. limit <= 0: only the norm. As in PyTorch
 * the factor is limit/(norm + 1e-6), if below 1. */
HEED_API double heed_clip_norm(heed_gradients *g, double limit);

/* ---- schedules: the rate of step 0, 1, 2, ... ---- */

typedef enum heed_schedule_kind {
    HEED_CONSTANT,
    HEED_LINEAR, /* from lr down to min_lr at step `steps` */
    HEED_COSINE, /* the same along half a cosine (Loshchilov, Hutter 2017) */
    /* lr width^-1/2 min((s+1)^-1/2, (s+1) warmup^-3/2): Vaswani et al. 2017, equation 3. */
    HEED_NOAM
} heed_schedule_kind;
typedef struct heed_schedule {
    heed_schedule_kind kind;
    double lr, min_lr;
    int64_t warmup; /* linear: lr (s+1)/(warmup+1) for s < warmup; noam: its own */
    int64_t steps;  /* from here on linear and cosine are min_lr, be it in the warmup */
    int64_t width;  /* noam */
} heed_schedule;
/* A negative step or warmup counts as 0; the rate of no schedule (NULL) is 0. */
HEED_API double heed_schedule_rate(const heed_schedule *schedule, int64_t step);

/* ---- the moving average of a set's weights ---- */

typedef struct heed_average heed_average;
typedef struct heed_average_options {
    double decay; /* in [0, 1): 0.999, say */
    bool warmup;  /* decay min(decay, (1 + n)/(10 + n)) at update n = 0, 1, ... */
} heed_average_options;
/* Begins as the set is. NULL: out of memory or an unsound decay, which heed_params_error(ps)
 * names. */
HEED_API heed_average *heed_average_new(heed_params *ps, heed_average_options options);
HEED_API void heed_average_free(heed_average *a); /* before or after its set */
/* average += (1 - decay)(w - average), frozen parameters too; buffers are copied. To be called
 * after each step of the optimizer. */
HEED_API bool heed_average_update(heed_average *a);
/* The averages: a set of the same names, to be shadowed (heed_shadow), saved or copied. */
HEED_API heed_params *heed_average_params(heed_average *a);
/* Exchanges the values of the set and the averages; a second time brings them back. In between
 * an update is refused, and the optimizer must not step. */
HEED_API bool heed_average_swap(heed_average *a);
HEED_API int64_t heed_average_updates(const heed_average *a);
/* The averages and the count of updates under "prefix..." names (prefix NULL: none): bit-exact
 * resume. */
HEED_API bool heed_average_store(heed_average *a, heed_archive *archive, const char *prefix);
HEED_API bool heed_average_restore(heed_average *a, heed_archive *archive, const char *prefix);
HEED_API const char *heed_average_error(const heed_average *a);

#ifdef __cplusplus
}
#endif

#endif
