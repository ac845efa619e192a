/* Optimizers, clipping, schedules, and the gradients they read. Gradients are delivered here
 * as a sweep does it, through their slots, so nothing in this file needs a tape. */
#include "engine.h"
#include "kernels/kernels.h"
#include "memory.h"
#include "set.h"

#include <heed/optim.h>

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- helpers ---- */

static double get(const void *data, int64_t i, heed_dtype dtype)
{
    return dtype == HEED_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static void put(void *data, int64_t i, heed_dtype dtype, double x)
{
    if (dtype == HEED_F64)
        ((double *)data)[i] = x;
    else
        ((float *)data)[i] = (float)x;
}

static heed_parameter *parameter(heed_params *ps, const char *name, int64_t size,
                                 unsigned flags)
{
    heed_parameter *p = heed_parameter_new(ps, name, HEED_SHAPE(size), flags);
    ck_assert_ptr_nonnull(p);
    return p;
}

/* One contribution of a sweep: written where nothing is yet, else added. */
static void deliver(heed_gradients *g, const heed_parameter *p, const double *x)
{
    bool *empty = NULL;
    void *slot = heed__gradients_slot(g, p, &empty);
    ck_assert_ptr_nonnull(slot);
    for (int64_t i = 0; i < p->size; i++)
        put(slot, i, p->dtype, x[i] + (*empty ? 0 : get(slot, i, p->dtype)));
    *empty = false;
}

static void sweep(heed_gradients *g, const heed_parameter *p, const double *x)
{
    heed__gradients_begin(g);
    deliver(g, p, x);
    heed__gradients_end(g);
}

static void assert_error(const char *error, const char *expected)
{
    ck_assert_ptr_nonnull(error);
    ck_assert_str_eq(error, expected);
}

/* Numbers that are exact in both dtypes: the start of parameter i, its gradient at a step. */
static double start_of(int64_t i)
{
    return (double)(3 * i % 7 - 3) / 2;
}

static double gradient_of(int step, int64_t i)
{
    return (double)((7 * step + 5 * i + 3) % 11 - 5) / 4;
}

/* The set of most tests below: w decays, b does not; scalars are counted through both. */
typedef struct model {
    heed_params *ps;
    heed_gradients *g;
    heed_parameter *p[2];
} model;

static model model_new(heed_dtype dtype)
{
    model m = { .ps = heed_params_new(dtype, NULL) };
    m.p[0] = heed_parameter_new(m.ps, "w", HEED_SHAPE(2, 3), HEED_DECAY);
    m.p[1] = heed_parameter_new(m.ps, "b", HEED_SHAPE(3), 0);
    for (int64_t i = 0; i < 9; i++)
        put(m.p[i / 6]->data, i % 6, dtype, start_of(i));
    m.g = heed_params_gradients(m.ps);
    ck_assert_ptr_nonnull(m.g);
    return m;
}

static void model_sweep(const model *m, int step)
{
    double x[9];
    for (int64_t i = 0; i < 9; i++)
        x[i] = gradient_of(step, i);
    heed__gradients_begin(m->g);
    deliver(m->g, m->p[0], x);
    deliver(m->g, m->p[1], x + 6);
    heed__gradients_end(m->g);
}

static void model_steps(const model *m, heed_optimizer *o, int from, int to)
{
    for (int step = from; step < to; step++) {
        model_sweep(m, step);
        ck_assert_msg(heed_optimizer_step(o, m->g), "%s", heed_optimizer_error(o));
    }
}

static double model_value(const model *m, int64_t i)
{
    return get(m->p[i / 6]->data, i % 6, m->ps->dtype);
}

static void assert_same_bits(const model *a, const model *b)
{
    size_t width = heed_dtype_size(a->ps->dtype);
    ck_assert_mem_eq(a->p[0]->data, b->p[0]->data, 6 * width);
    ck_assert_mem_eq(a->p[1]->data, b->p[1]->data, 3 * width);
}

/* ---- the rules ---- */

START_TEST(closed_forms)
{
    const double gradient[3] = { 1, -2, 0.5 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_parameter *p = parameter(ps, "w", 1, HEED_DECAY);
    heed_gradients *g = heed_params_gradients(ps);
    double *w = p->data;

    /* Adam by hand: the first step is lr to one part in 1e8, whatever the gradient. */
    const double adam[3] = { 0.9000000010, 0.9366103535, 0.9502794197 };
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ .lr = 0.1 });
    *w = 1;
    for (int step = 0; step < 3; step++) {
        sweep(g, p, &gradient[step]);
        ck_assert(heed_optimizer_step(o, g));
        ck_assert_double_eq_tol(*w, adam[step], 1e-10);
        ck_assert_int_eq(heed_optimizer_steps(o), step + 1);
    }
    heed_optimizer_free(o);

    /* AdamW without gradient only decays. */
    o = heed_adamw_new(ps, (heed_adam_options){ .lr = 0.5, .decay = 0.1 });
    *w = 2;
    ck_assert(heed_optimizer_step(o, g));
    ck_assert_double_eq_tol(*w, 1.9, 1e-15);
    heed_optimizer_free(o);

    /* Momentum 1/2: v = 1, -3/2, -1/4. */
    o = heed_sgd_new(ps, (heed_sgd_options){ .lr = 0.5, .momentum = 0.5 });
    *w = 1;
    const double momentum[3] = { 0.5, 1.25, 1.375 };
    for (int step = 0; step < 3; step++) {
        sweep(g, p, &gradient[step]);
        ck_assert(heed_optimizer_step(o, g));
        ck_assert_double_eq(*w, momentum[step]);
    }
    heed_optimizer_free(o);

    /* Plain descent at a rate that changes; decay joins the gradient. */
    o = heed_sgd_new(ps, (heed_sgd_options){ .lr = 1, .decay = 0.25 });
    ck_assert_double_eq(heed_optimizer_rate(o), 1);
    heed_optimizer_set_rate(o, 0.5);
    ck_assert_double_eq(heed_optimizer_rate(o), 0.5);
    *w = 4;
    sweep(g, p, &gradient[1]);
    ck_assert(heed_optimizer_step(o, g));
    ck_assert_double_eq(*w, 4 - 0.5 * (-2 + 1));
    heed_optimizer_free(o);
    heed_params_free(ps);
}
END_TEST

/* Weights after six steps by PyTorch 2 in f64:
 *
 *     def run(make, decay=0):
 *         w = torch.tensor([(3*i % 7 - 3)/2 for i in range(6)], dtype=torch.float64)
 *         b = torch.tensor([(3*i % 7 - 3)/2 for i in range(6, 9)], dtype=torch.float64)
 *         o = make([dict(params=[w], weight_decay=decay), dict(params=[b], weight_decay=0)])
 *         for s in range(6):
 *             g = [((7*s + 5*i + 3) % 11 - 5)/4 for i in range(9)]
 *             g = torch.tensor(g, dtype=torch.float64)
 *             w.grad, b.grad = g[:6], g[6:]
 *             o.step()
 *         print(torch.cat([w, b]))
 *     run(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True))      # and so on
 *
 * with torch.set_default_dtype(torch.float64), which NAdam's product of momenta follows. Lion
 * by the paper's formula in numpy: w and b together, d the decay of each number,
 *
 *     c = b1*m + (1 - b1)*g; w = w - lr*(np.sign(c) + d*w); m = b2*m + (1 - b2)*g */
enum { SGD, ADAM, ADAMW, NADAM, RMSPROP, ADAGRAD, LION };
typedef struct rule_options {
    int rule;
    heed_sgd_options sgd;
    heed_adam_options adam;
    heed_nadam_options nadam;
    heed_rmsprop_options rmsprop;
    heed_adagrad_options adagrad;
    heed_lion_options lion;
} rule_options;

static heed_optimizer *new_optimizer(heed_params *ps, const rule_options *r)
{
    switch (r->rule) {
    case SGD:
        return heed_sgd_new(ps, r->sgd);
    case ADAM:
        return heed_adam_new(ps, r->adam);
    case ADAMW:
        return heed_adamw_new(ps, r->adam);
    case NADAM:
        return heed_nadam_new(ps, r->nadam);
    case RMSPROP:
        return heed_rmsprop_new(ps, r->rmsprop);
    case ADAGRAD:
        return heed_adagrad_new(ps, r->adagrad);
    case LION:
        return heed_lion_new(ps, r->lion);
    }
    return NULL;
}

static const struct {
    rule_options options;
    double weights[9];
} torch[] = {
    { { .rule = SGD, .sgd = { .lr = 0.1 } },
      .weights = { -1.625, -0.05000000000000001, 1.525, -0.675, 1.175, -1.025,
                   0.5499999999999999, -1.375, -0.07499999999999998 } },
    { { .rule = SGD, .sgd = { .lr = 0.1, .momentum = 0.9 } },
      .weights = { -1.850333, 0.01533324999999998, 1.59540925, -0.9846495, 1.5411515,
                   -1.03890725, 0.7416437499999999, -1.093165, -0.6011512500000001 } },
    { { .rule = SGD, .sgd = { .lr = 0.1, .momentum = 0.9, .dampening = 0.5 } },
      .weights = { -1.55802675, -0.1680430000000001, 1.72341425, -0.8594645, 1.50485525,
                   -1.0780235, 0.91367125, -1.2965825, -0.593425 } },
    { { .rule = SGD, .sgd = { .lr = 0.1, .momentum = 0.9, .nesterov = true } },
      .weights = { -1.9402997, -0.03620007500000005, 1.610868325, -1.11118455, 1.66203635,
                   -1.060016525, 0.767479375, -1.0088485, -0.6160361250000002 } },
    { { .rule = SGD, .sgd = { .lr = 0.1, .momentum = 0.9, .decay = 0.2 } },
      .weights = { -1.335198697856, 0.02890337024000006, 1.081467331456, -0.784447459072,
                   1.164801302144, -0.7011134883839999, 0.7416437499999999, -1.093165,
                   -0.6011512500000001 } },
    { { .rule = ADAM, .adam = { .lr = 0.1 } },
      .weights = { -1.554980729642519, -0.08152980477231447, 1.594801551192293,
                   -0.7548705523744255, 1.244407626630702, -1.086248209089938,
                   0.6655395011947101, -1.325131463733981, -0.2920876694138532 } },
    { { .rule = ADAM, .adam = { .lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3 } },
      .weights = { -1.512321158725377, -0.01382046091730572, 1.51736839978912,
                   -0.5495977239171069, 1.047317091827805, -1.016548331570545,
                   0.5277904437428137, -1.465157277329841, -0.05288032863383234 } },
    { { .rule = ADAM, .adam = { .lr = 0.1, .decay = 0.2 } },
      .weights = { -1.38260528593827, -0.07193231433094208, 1.416342777682873,
                   -0.6789051678301318, 1.11739471406173, -0.951411315762579,
                   0.6655395011947101, -1.325131463733981, -0.2920876694138532 } },
    { { .rule = ADAMW, .adam = { .lr = 0.1, .decay = 0.2 } },
      .weights = { -1.386420909571682, -0.07193452647686871, 1.415332925455188,
                   -0.6830311753028582, 1.116202088961492, -0.9642925558864445,
                   0.6655395011947101, -1.325131463733981, -0.2920876694138532 } },
    { { .rule = NADAM, .nadam = { .lr = 0.1 } },
      .weights = { -1.5391711662423953, -0.06283198423835004, 1.5662073951206315,
                   -0.6865449062842782, 1.1739165025211395, -1.075065145007054,
                   0.5704109956792867, -1.3664125941529757, -0.095406084419686 } },
    { { .rule = NADAM,
        .nadam = { .lr = 0.02,
                   .beta1 = 0.8,
                   .beta2 = 0.95,
                   .epsilon = 1e-3,
                   .momentum_decay = 0.1,
                   .decay = 0.2 } },
      .weights = { -1.481347268394561, -0.012178152732045946, 1.4852476165293977,
                   -0.5304178109963367, 1.018652731605439, -0.9959310505098797,
                   0.5142971142759966, -1.4700613571001255, -0.02072084663651723 } },
    { { .rule = NADAM, .nadam = { .lr = 0.1, .decay = 0.2, .decoupled = true } },
      .weights = { -1.3699503843578478, -0.05973944701573805, 1.3891991106349177,
                   -0.6189230847062721, 1.0498019909929632, -0.9547503307867712,
                   0.5704109956792867, -1.3664125941529757, -0.095406084419686 } },
    { { .rule = RMSPROP, .rmsprop = { .lr = 0.1 } },
      .weights = { -1.6727961220964342, -0.46147299828444127, 2.0413394893163876,
                   -1.9001667156849562, 2.2921272945895734, -1.6395399611804384,
                   1.054057359619525, -0.47209860556568045, -0.7555399663365857 } },
    { { .rule = RMSPROP,
        .rmsprop = { .lr = 0.02,
                     .alpha = 0.9,
                     .epsilon = 1e-3,
                     .momentum = 0.9,
                     .decay = 0.2 } },
      .weights = { -1.3271331710370082, -0.07366482823751382, 1.5043897267890103,
                   -0.7393241759903341, 1.1728668289629915, -1.0626553379850123,
                   0.6655406312023097, -1.2693730529033793, -0.2991251231058708 } },
    { { .rule = RMSPROP, .rmsprop = { .lr = 0.02, .alpha = 0.8, .centered = true } },
      .weights = { -1.5085216613538344, -0.024284387010733398, 1.5309415805400708,
                   -0.5752149672998161, 1.0721412818876255, -1.0326641921907196,
                   0.5311711163776807, -1.4444325641438716, -0.03772753513364365 } },
    { { .rule = RMSPROP,
        .rmsprop = { .lr = 0.02,
                     .alpha = 0.8,
                     .momentum = 0.5,
                     .centered = true,
                     .decay = 0.2 } },
      .weights = { -1.4314991651361308, -0.022955650180847147, 1.4817650556632462,
                   -0.5933508225872042, 1.0685008348638692, -1.0039067727959816,
                   0.5499506498720975, -1.3952922394459357, -0.09714989414943424 } },
    { { .rule = ADAGRAD, .adagrad = { .lr = 0.1 } },
      .weights = { -1.5170026305395024, -0.04602162087229325, 1.5540458987153094,
                   -0.6398040016488349, 1.1286954054022924, -1.0638651867535285,
                   0.5553846997779315, -1.3973423767925164, -0.07604578384184663 } },
    { { .rule = ADAGRAD,
        .adagrad = { .lr = 0.1,
                     .lr_decay = 0.05,
                     .initial = 0.5,
                     .epsilon = 1e-3,
                     .decay = 0.2 } },
      .weights = { -1.453710291382121, -0.027571955105147906, 1.4473856363391058,
                   -0.5633762978010798, 1.046289708617879, -0.9405401178055496,
                   0.5479119977864381, -1.4207726592736216, -0.07006127307895552 } },
    { { .rule = LION, .lion = { .lr = 0.1 } },
      .weights = { -1.7000000000000002, 0.0, 1.5, -0.7, 1.2000000000000002, -1.2000000000000002,
                   0.5, -1.4, -0.20000000000000004 } },
    { { .rule = LION, .lion = { .lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .decay = 0.2 } },
      .weights = { -1.5042774521303304, -8.063362045952066e-05, 1.4644387193712494,
                   -0.5277219129773897, 1.0158412748943195, -1.0158412748943195, 0.5, -1.48,
                   -0.039999999999999994 } },
};
#define TORCH_CASES ((int)(sizeof torch / sizeof torch[0]))

static heed_optimizer *torch_case(heed_params *ps, int i)
{
    heed_optimizer *o = new_optimizer(ps, &torch[i].options);
    ck_assert_msg(o != NULL, "%s", heed_params_error(ps));
    return o;
}

START_TEST(as_pytorch)
{
    const kernel_isa *isa;
    for (int set = 0; (isa = heed__isa_at(set)) != NULL; set++) {
        ck_assert(heed__isa_select(isa->name));
        for (int wide = 0; wide < 2; wide++) {
            model m = model_new(wide ? HEED_F64 : HEED_F32);
            heed_optimizer *o = torch_case(m.ps, _i);
            model_steps(&m, o, 0, 6);
            for (int64_t i = 0; i < 9; i++)
                ck_assert_double_eq_tol(model_value(&m, i), torch[_i].weights[i],
                                        wide ? 4e-15 : 2e-6);
            heed_optimizer_free(o);
            heed_params_free(m.ps);
        }
    }
}
END_TEST

START_TEST(options_refused)
{
    static const struct {
        rule_options options;
        const char *error;
    } refused[] = {
        { { .rule = SGD, .sgd = { .lr = -1 } },
          "sgd: lr must be finite and at least 0, not -1" },
        { { .rule = SGD, .sgd = { .lr = INFINITY } },
          "sgd: lr must be finite and at least 0, not inf" },
        { { .rule = SGD, .sgd = { .momentum = -0.5 } },
          "sgd: momentum must be finite and at least 0, not -0.5" },
        { { .rule = SGD, .sgd = { .dampening = INFINITY } },
          "sgd: dampening must be finite, not inf" },
        { { .rule = SGD, .sgd = { .decay = -2 } },
          "sgd: decay must be finite and at least 0, not -2" },
        { { .rule = SGD, .sgd = { .nesterov = true } },
          "sgd: nesterov needs a momentum above 0 and no dampening" },
        { { .rule = SGD, .sgd = { .nesterov = true, .momentum = 0.9, .dampening = 0.1 } },
          "sgd: nesterov needs a momentum above 0 and no dampening" },
        { { .rule = ADAM, .adam = { .beta1 = 1 } },
          "adam: beta1 must be at least 0 and below 1, not 1" },
        { { .rule = ADAMW, .adam = { .beta2 = 1.5 } },
          "adamw: beta2 must be at least 0 and below 1, not 1.5" },
        { { .rule = ADAM, .adam = { .epsilon = -1 } },
          "adam: epsilon must be finite and at least 0, not -1" },
        { { .rule = ADAMW, .adam = { .decay = -1 } },
          "adamw: decay must be finite and at least 0, not -1" },
        { { .rule = ADAM, .adam = { .lr = -1 } },
          "adam: lr must be finite and at least 0, not -1" },
        { { .rule = NADAM, .nadam = { .momentum_decay = -1 } },
          "nadam: momentum_decay must be finite and at least 0, not -1" },
        { { .rule = NADAM, .nadam = { .beta2 = 1 } },
          "nadam: beta2 must be at least 0 and below 1, not 1" },
        { { .rule = RMSPROP, .rmsprop = { .alpha = 1 } },
          "rmsprop: alpha must be at least 0 and below 1, not 1" },
        { { .rule = RMSPROP, .rmsprop = { .momentum = NAN } },
          "rmsprop: momentum must be finite and at least 0, not nan" },
        { { .rule = ADAGRAD, .adagrad = { .lr_decay = -1 } },
          "adagrad: lr_decay must be finite and at least 0, not -1" },
        { { .rule = ADAGRAD, .adagrad = { .initial = -1 } },
          "adagrad: initial must be finite and at least 0, not -1" },
        { { .rule = LION, .lion = { .beta1 = 2 } },
          "lion: beta1 must be at least 0 and below 1, not 2" },
        { { .rule = LION, .lion = { .decay = -1 } },
          "lion: decay must be finite and at least 0, not -1" },
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        heed_params *ps = heed_params_new(HEED_F32, NULL);
        ck_assert_ptr_null(new_optimizer(ps, &refused[i].options));
        assert_error(heed_params_error(ps), refused[i].error);
        ck_assert_ptr_null(heed_sgd_new(ps, (heed_sgd_options){ .lr = 1 }));
        heed_params_free(ps);
    }
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ 0 });
    ck_assert_double_eq(heed_optimizer_rate(o), 1e-3);
    heed_optimizer_free(o);
    /* Everything left out: every rule but sgd, whose rate has no default, has one. */
    const double rates[] = { [ADAM] = 1e-3,    [ADAMW] = 1e-3,   [NADAM] = 2e-3,
                             [RMSPROP] = 1e-2, [ADAGRAD] = 1e-2, [LION] = 1e-4 };
    for (int rule = ADAM; rule <= LION; rule++) {
        o = new_optimizer(ps, &(rule_options){ .rule = rule });
        ck_assert_double_eq(heed_optimizer_rate(o), rates[rule]);
        heed_optimizer_free(o);
    }
    heed_params_free(ps);
    ck_assert_ptr_null(heed_sgd_new(NULL, (heed_sgd_options){ .lr = 1 }));
    heed_optimizer_free(NULL);
}
END_TEST

/* ---- who is touched ---- */

START_TEST(frozen_and_buffers_stay)
{
    const double ones[4] = { 1, 1, 1, 1 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_parameter *p[4] = { parameter(ps, "a", 4, HEED_DECAY),
                             parameter(ps, "b", 4, HEED_FROZEN),
                             parameter(ps, "c", 4, HEED_DECAY),
                             parameter(ps, "d", 4, HEED_BUFFER | HEED_DECAY) };
    heed_gradients *g = heed_params_gradients(ps);
    heed_optimizer *o = heed_adamw_new(ps, (heed_adam_options){ .lr = 0.1, .decay = 0.5 });
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 4; i++)
            put(p[k]->data, i, HEED_F32, 3);
    ck_assert_ptr_null(heed_gradients_of(g, p[1]));
    ck_assert_ptr_null(heed_gradients_of(g, p[3]));
    sweep(g, p[0], ones);
    sweep(g, p[2], ones);
    ck_assert(heed_optimizer_step(o, g));
    /* Freezing after the sweep still counts. */
    float after = ((float *)p[2]->data)[0];
    ck_assert_float_lt(after, 2.8F);
    sweep(g, p[0], ones);
    sweep(g, p[2], ones);
    ck_assert_int_eq(heed_params_freeze(ps, "c", true), 1);
    ck_assert(heed_optimizer_step(o, g));
    for (int i = 0; i < 4; i++) {
        ck_assert_float_lt(((float *)p[0]->data)[i], 2.7F);
        ck_assert_float_eq(((float *)p[1]->data)[i], 3);
        ck_assert_float_eq(((float *)p[2]->data)[i], after);
        ck_assert_float_eq(((float *)p[3]->data)[i], 3);
    }
    heed_optimizer_free(o);
    heed_params_free(ps);
}
END_TEST

/* A parameter that joins later steps exactly as one that is alone from its own first step. */
START_TEST(later_parameters_count_their_own_steps)
{
    model both = model_new(HEED_F64), alone = model_new(HEED_F64);
    heed_params_freeze(both.ps, "b", true);
    heed_optimizer *o = torch_case(both.ps, _i), *fresh = torch_case(alone.ps, _i);
    for (int step = 0; step < 3; step++) {
        double x[6];
        for (int64_t i = 0; i < 6; i++)
            x[i] = gradient_of(step + 20, i);
        sweep(both.g, both.p[0], x);
        ck_assert(heed_optimizer_step(o, both.g));
    }
    heed_params_freeze(both.ps, "b", false);
    model_steps(&both, o, 0, 6);
    model_steps(&alone, fresh, 0, 6);
    ck_assert_mem_eq(both.p[1]->data, alone.p[1]->data, 3 * sizeof(double));
    ck_assert_int_eq(heed_optimizer_steps(o), 9);

    /* And a third one, in memory far from the others. */
    heed_parameter *c = parameter(both.ps, "c", 100000, HEED_DECAY);
    const heed_parameter *copied = parameter(alone.ps, "c", 100000, HEED_DECAY);
    double *x = malloc(100000 * sizeof *x);
    for (int64_t i = 0; i < 100000; i++)
        x[i] = gradient_of(0, i);
    heed_optimizer_free(fresh);
    fresh = torch_case(alone.ps, _i);
    heed_params_freeze(alone.ps, "w", true);
    heed_params_freeze(alone.ps, "b", true);
    for (int step = 0; step < 3; step++) {
        sweep(both.g, c, x);
        sweep(alone.g, copied, x);
        ck_assert(heed_optimizer_step(o, both.g));
        ck_assert(heed_optimizer_step(fresh, alone.g));
    }
    ck_assert_mem_eq(c->data, copied->data, 100000 * sizeof *x);
    free(x);
    heed_optimizer_free(o);
    heed_optimizer_free(fresh);
    heed_params_free(both.ps);
    heed_params_free(alone.ps);
}
END_TEST

/* A group of factors f steps as a set whose own rate and decay are f times as large, at any age
 * and in any run; the last match wins. */
START_TEST(groups)
{
    rule_options options = torch[_i].options, scaled = options;
    scaled.sgd.lr *= 0.5, scaled.sgd.decay *= 0.25;
    scaled.adam.lr *= 0.5, scaled.adam.decay *= 0.25;
    scaled.nadam.lr *= 0.5, scaled.nadam.decay *= 0.25;
    scaled.rmsprop.lr *= 0.5, scaled.rmsprop.decay *= 0.25;
    scaled.adagrad.lr *= 0.5, scaled.adagrad.decay *= 0.25;
    scaled.lion.lr *= 0.5, scaled.lion.decay *= 0.25;
    model whole = model_new(HEED_F64), half = model_new(HEED_F64), mixed = model_new(HEED_F64);
    heed_optimizer *o[3] = { new_optimizer(whole.ps, &options), new_optimizer(half.ps, &scaled),
                             new_optimizer(mixed.ps, &options) };
    /* One that loses, and one given between two steps. */
    ck_assert_int_eq(heed_optimizer_set_group(o[2], "*", 7, 1), 2);
    ck_assert_int_eq(heed_optimizer_set_group(o[2], "?", 0.5, 0.25), 2);
    model_steps(&half, o[1], 0, 3);
    model_steps(&mixed, o[2], 0, 3);
    assert_same_bits(&half, &mixed);
    ck_assert_int_eq(heed_optimizer_set_group(o[2], "b", 1, 1), 1);
    memcpy(mixed.p[1]->data, whole.p[1]->data, 3 * sizeof(double));
    model_steps(&half, o[1], 3, 6);
    model_steps(&mixed, o[2], 3, 6);
    ck_assert_mem_eq(half.p[0]->data, mixed.p[0]->data, 6 * sizeof(double));
    if (options.rule == SGD && !(options.sgd.momentum > 0)) { /* without memory of before */
        model_steps(&whole, o[0], 3, 6);
        ck_assert_mem_eq(whole.p[1]->data, mixed.p[1]->data, 3 * sizeof(double));
    }
    ck_assert_double_ne(get(mixed.p[1]->data, 0, HEED_F64), get(half.p[1]->data, 0, HEED_F64));
    for (int i = 0; i < 3; i++)
        heed_optimizer_free(o[i]);
    heed_params_free(whole.ps);
    heed_params_free(half.ps);
    heed_params_free(mixed.ps);
}
END_TEST

START_TEST(groups_of_later_parameters)
{
    const double one[2] = { 1, 1 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_parameter *a = parameter(ps, "blocks.0.w", 2, 0);
    heed_optimizer *o = heed_sgd_new(ps, (heed_sgd_options){ .lr = 1 });
    ck_assert_int_eq(heed_optimizer_set_group(o, "blocks.*", 0.5, 1), 1);
    ck_assert_int_eq(heed_optimizer_set_group(o, "blocks.1.*", 0, 1), 0);
    heed_parameter *b = parameter(ps, "blocks.1.w", 2, 0), *c = parameter(ps, "head", 2, 0);
    heed_gradients *g = heed_params_gradients(ps);
    sweep(g, a, one);
    sweep(g, b, one);
    sweep(g, c, one);
    ck_assert(heed_optimizer_step(o, g));
    ck_assert_double_eq(get(a->data, 1, HEED_F32), -0.5);
    ck_assert_double_eq(get(b->data, 1, HEED_F32), 0);
    ck_assert_double_eq(get(c->data, 1, HEED_F32), -1);
    ck_assert_int_eq(heed_optimizer_set_group(o, "*", -1, 1), -1);
    assert_error(heed_optimizer_error(o),
                 "sgd: group *: the factor of the rate must be finite and at least 0, not -1");
    ck_assert_int_eq(heed_optimizer_set_group(o, "*", 1, INFINITY), -1);
    assert_error(
        heed_optimizer_error(o),
        "sgd: group *: the factor of the decay must be finite and at least 0, not inf");
    ck_assert_int_eq(heed_optimizer_set_group(o, NULL, 1, 1), -1);
    assert_error(heed_optimizer_error(o), "sgd: group: the pattern is NULL");
    ck_assert_int_eq(heed_optimizer_set_group(NULL, "*", 1, 1), -1);
    ck_assert_int_eq(heed_optimizer_set_group(o, "*", 1, 1), 3);
    ck_assert_ptr_null(heed_optimizer_error(o));
    heed_optimizer_free(o);
    heed_params_free(ps);
}
END_TEST

/* Rounding may take v - m^2 below 0 once the gradient stays the same; its root is still a
 * number. */
START_TEST(centered_variance_stays_a_root)
{
    const double x[5] = { 0.1, -0.3, 1e-3, 7.7, 1.1 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_parameter *p = parameter(ps, "w", 5, 0);
    heed_gradients *g = heed_params_gradients(ps);
    heed_optimizer *o = heed_rmsprop_new(
        ps, (heed_rmsprop_options){ .lr = 1e-9, .alpha = 0.5, .centered = true });
    for (int step = 0; step < 100; step++) {
        sweep(g, p, x);
        ck_assert(heed_optimizer_step(o, g));
        for (int i = 0; i < 5; i++)
            ck_assert(isfinite(get(p->data, i, HEED_F32)));
    }
    heed_optimizer_free(o);
    heed_params_free(ps);
}
END_TEST

START_TEST(steps_refused)
{
    model m = model_new(HEED_F32), other = model_new(HEED_F32), before = model_new(HEED_F32);
    heed_optimizer *o = heed_adamw_new(m.ps, (heed_adam_options){ .decay = 0.1 });
    ck_assert_ptr_null(heed_optimizer_error(o));

    /* A sweep that does not come to its end, and a clean one after it. */
    heed__gradients_begin(m.g);
    ck_assert(!heed_gradients_complete(m.g));
    model_sweep(&m, 0);
    ck_assert(!heed_gradients_complete(m.g));
    ck_assert(!heed_optimizer_step(o, m.g));
    assert_error(heed_optimizer_error(o),
                 "adamw: the gradients are incomplete: the sweep failed");
    ck_assert(!heed_optimizer_step(o, other.g));
    assert_error(heed_optimizer_error(o),
                 "adamw: the gradients belong to another set of parameters");
    ck_assert(!heed_optimizer_step(o, NULL));
    assert_error(heed_optimizer_error(o), "adamw: there are no gradients");
    heed_gradients_zero(m.g);
    ck_assert(heed_gradients_complete(m.g));
    heed_optimizer_set_rate(o, NAN);
    ck_assert(!heed_optimizer_step(o, m.g));
    assert_error(heed_optimizer_error(o), "adamw: the rate is negative or not finite");
    heed_optimizer_set_rate(o, 0.1);
    heed_params_fail(m.ps, "something broke");
    ck_assert(!heed_optimizer_step(o, m.g));
    assert_error(heed_optimizer_error(o), "adamw: something broke");
    assert_same_bits(&m, &before);
    ck_assert_int_eq(heed_optimizer_steps(o), 0);

    heed_params_clear_error(m.ps);
    model_sweep(&m, 0);
    ck_assert(heed_optimizer_step(o, m.g));
    ck_assert_ptr_null(heed_optimizer_error(o));
    ck_assert(!heed_optimizer_step(NULL, m.g));
    heed_optimizer_free(o);
    heed_params_free(m.ps);
    heed_params_free(other.ps);
    heed_params_free(before.ps);
}
END_TEST

/* ---- memory ---- */

typedef struct counter {
    int calls, refuse_at; /* the refuse_at-th call from here on gives NULL; 0: none */
    int64_t held;
} counter;

static void *count_allocate(void *context, size_t bytes)
{
    counter *c = context;
    c->calls++;
    if (c->refuse_at && --c->refuse_at == 0)
        return NULL;
    c->held += (int64_t)bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void count_release(void *context, void *memory, size_t bytes)
{
    ((counter *)context)->held -= (int64_t)bytes;
    free(memory);
}

START_TEST(a_steady_step_allocates_nothing)
{
    counter c = { 0 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    heed_params *ps = heed_params_new(HEED_F32, &allocator);
    const heed_parameter *p = parameter(ps, "w", 3, 0);
    heed_gradients *g = heed_params_gradients(ps), *second = heed_gradients_new(ps);
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ 0 });
    const double x[3] = { 1, 2, 3 };
    int calls = 0;
    for (int step = 0; step < 5; step++) {
        sweep(heed_params_gradients(ps), p, x);
        sweep(second, p, x);
        ck_assert(heed_gradients_add(g, second));
        heed_clip_norm(g, 1);
        ck_assert(heed_optimizer_step(o, g));
        heed_gradients_zero(second);
        ck_assert(step == 0 || c.calls == calls);
        calls = c.calls;
    }
    /* Any order of freeing. */
    heed_params_free(ps);
    heed_gradients_free(second);
    heed_optimizer_free(o);
    ck_assert_int_eq(c.held, 0);
}
END_TEST

/* Every allocation fails once: what fails changes nothing, and the next try succeeds. */
START_TEST(out_of_memory)
{
    counter c = { 0 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    heed_params *ps = heed_params_new(HEED_F64, &allocator);
    heed_parameter *p = parameter(ps, "w", 1, 0);
    heed_gradients *g = heed_params_gradients(ps);
    const double one = 1;
    c.refuse_at = 1;
    ck_assert_ptr_null(heed_sgd_new(ps, (heed_sgd_options){ .lr = 1 }));
    assert_error(heed_params_error(ps), "sgd: out of memory");
    heed_params_clear_error(ps);
    heed_optimizer *o = heed_sgd_new(ps, (heed_sgd_options){ .lr = 1, .momentum = 0.5 });
    sweep(g, p, &one);
    for (int n = 1; n <= 2; n++) {
        c.refuse_at = n;
        ck_assert(!heed_optimizer_step(o, g));
        assert_error(heed_optimizer_error(o), "sgd: out of memory");
    }
    ck_assert(heed_optimizer_step(o, g));
    ck_assert_double_eq(*(double *)p->data, -1);

    /* New parameters need new room; the old gradient survives the failure. */
    sweep(g, p, &one);
    parameter(ps, "x", 5, 0);
    const int refused[4] = { 1, 2, 3, 2 }; /* the third time the gradients have had theirs */
    for (int i = 0; i < 4; i++) {
        c.refuse_at = refused[i];
        ck_assert(!heed_optimizer_step(o, g));
    }
    ck_assert(heed_optimizer_step(o, g));
    ck_assert_double_eq(*(double *)p->data, -2.5);
    for (int n = 1; n <= 2; n++) { /* the list of groups, then the pattern's copy */
        c.refuse_at = n;
        ck_assert_int_eq(heed_optimizer_set_group(o, "w", 0, 0), -1);
        assert_error(heed_optimizer_error(o), "sgd: out of memory");
        c.refuse_at = 0;
    }
    ck_assert(heed_optimizer_step(o, g)); /* at the rate of old: v is 1.5 / 2 */
    ck_assert_double_eq(*(double *)p->data, -3.25);
    ck_assert_int_eq(heed_optimizer_set_group(o, "w", 0, 0), 1);
    ck_assert(heed_optimizer_step(o, g));
    ck_assert_double_eq(*(double *)p->data, -3.25);
    heed_optimizer_free(o);
    heed_params_free(ps);
    ck_assert_int_eq(c.held, 0);
}
END_TEST

/* ---- gradients ---- */

START_TEST(zeroed_reads_as_zero)
{
    model m = model_new(HEED_F64);
    const double six[6] = { 6, 6, 6, 6, 6, 6 }, three[3] = { 3, 3, 3 };
    sweep(m.g, m.p[0], six);
    sweep(m.g, m.p[0], six);
    sweep(m.g, m.p[1], three);
    ck_assert_double_eq(((double *)heed_gradients_of(m.g, m.p[0]))[5], 12);
    ck_assert_double_eq(heed_gradients_norm(m.g), sqrt(6 * 144 + 3 * 9));
    heed_gradients_zero(m.g);
    ck_assert_double_eq(heed_gradients_norm(m.g), 0);

    /* The next sweep reaches only one of the two. */
    sweep(m.g, m.p[1], three);
    heed_gradients_zero(m.g);
    sweep(m.g, m.p[0], six);
    ck_assert_double_eq(((double *)heed_gradients_of(m.g, m.p[1]))[2], 0);
    ck_assert_double_eq(((double *)heed_gradients_of(m.g, m.p[0]))[0], 6);
    heed_gradients_scale(m.g, -0.5);
    ck_assert_double_eq(((double *)heed_gradients_of(m.g, m.p[0]))[3], -3);

    /* What is written by hand counts, and is zeroed like the rest. */
    heed_gradients_zero(m.g);
    ((double *)heed_gradients_of(m.g, m.p[1]))[1] = 4;
    sweep(m.g, m.p[1], three);
    ck_assert_double_eq(((double *)heed_gradients_of(m.g, m.p[1]))[1], 7);
    ck_assert_double_eq(((double *)heed_gradients_of(m.g, m.p[1]))[0], 3);
    heed_gradients_zero(m.g);
    ck_assert_double_eq(((double *)heed_gradients_of(m.g, m.p[1]))[1], 0);

    /* A factor that is not finite spoils numbers, but not for good. */
    sweep(m.g, m.p[1], three);
    heed_gradients_scale(m.g, NAN);
    ck_assert(isnan(heed_gradients_norm(m.g)));
    heed_gradients_zero(m.g);
    sweep(m.g, m.p[1], three);
    ck_assert_double_eq(heed_gradients_norm(m.g), sqrt(27));
    heed_params_free(m.ps);
}
END_TEST

START_TEST(gradients_added)
{
    model m = model_new(_i ? HEED_F64 : HEED_F32);
    heed_gradients *h = heed_gradients_new(m.ps);
    const double x[6] = { 1, 2, 3, 4, 5, 6 }, y[3] = { -1, 0.5, 8 };
    sweep(m.g, m.p[0], x);
    sweep(h, m.p[0], x);
    sweep(h, m.p[1], y);
    ck_assert(heed_gradients_add(m.g, h));
    for (int i = 0; i < 6; i++)
        ck_assert_double_eq(get(heed_gradients_of(m.g, m.p[0]), i, m.ps->dtype), 2 * x[i]);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq(get(heed_gradients_of(m.g, m.p[1]), i, m.ps->dtype), y[i]);

    /* What other zeroed adds nothing; what g zeroed is replaced. */
    heed_gradients_zero(h);
    sweep(h, m.p[1], y);
    heed_gradients_zero(m.g);
    sweep(m.g, m.p[0], x);
    ck_assert(heed_gradients_add(m.g, h));
    ck_assert_double_eq(get(heed_gradients_of(m.g, m.p[0]), 5, m.ps->dtype), 6);
    ck_assert_double_eq(get(heed_gradients_of(m.g, m.p[1]), 2, m.ps->dtype), 8);

    /* h knows nothing yet of a parameter that g has, and g has frozen one that h still holds.
     */
    heed_parameter *late = parameter(m.ps, "late", 1, 0);
    heed_params_freeze(m.ps, "w", true);
    ck_assert_ptr_eq(heed_params_gradients(m.ps), m.g);
    const double nine = 9;
    sweep(m.g, late, &nine);
    ck_assert(heed_gradients_add(m.g, h));
    ck_assert_ptr_null(heed_gradients_of(m.g, m.p[0]));
    ck_assert_double_eq(get(heed_gradients_of(m.g, m.p[1]), 2, m.ps->dtype), 16);
    ck_assert_double_eq(get(heed_gradients_of(m.g, late), 0, m.ps->dtype), 9);

    model other = model_new(m.ps->dtype);
    ck_assert(!heed_gradients_add(m.g, other.g));
    heed__gradients_begin(h);
    ck_assert(!heed_gradients_add(m.g, h));
    ck_assert(!heed_gradients_add(h, m.g));
    ck_assert(!heed_gradients_add(NULL, h));
    ck_assert_double_eq(get(heed_gradients_of(m.g, m.p[1]), 2, m.ps->dtype), 16);
    heed_gradients_free(h);
    heed_params_free(m.ps);
    heed_params_free(other.ps);
}
END_TEST

START_TEST(clipping)
{
    model m = model_new(_i ? HEED_F64 : HEED_F32);
    const double x[6] = { 3, 0, 0, 0, 0, 0 }, y[3] = { 0, -4, 0 };
    sweep(m.g, m.p[0], x);
    sweep(m.g, m.p[1], y);
    ck_assert_double_eq(heed_clip_norm(m.g, 0), 5);
    ck_assert_double_eq(heed_clip_norm(m.g, 5.5), 5);
    ck_assert_double_eq(get(heed_gradients_of(m.g, m.p[0]), 0, m.ps->dtype), 3);
    ck_assert_double_eq(heed_clip_norm(m.g, 2), 5);
    const double tolerance = _i ? 1e-15 : 1e-6, factor = 2 / (5 + 1e-6);
    ck_assert_double_eq_tol(get(heed_gradients_of(m.g, m.p[0]), 0, m.ps->dtype), 3 * factor,
                            tolerance);
    ck_assert_double_eq_tol(get(heed_gradients_of(m.g, m.p[1]), 1, m.ps->dtype), -4 * factor,
                            tolerance);
    ck_assert_double_eq_tol(heed_clip_norm(m.g, -1), 5 * factor, tolerance);

    /* An infinite norm cannot be mended by a factor. */
    put(heed_gradients_of(m.g, m.p[1]), 2, m.ps->dtype, INFINITY);
    ck_assert(isinf(heed_clip_norm(m.g, 1)));
    ck_assert_double_eq_tol(get(heed_gradients_of(m.g, m.p[0]), 0, m.ps->dtype), 3 * factor,
                            tolerance);
    put(heed_gradients_of(m.g, m.p[1]), 2, m.ps->dtype, NAN);
    ck_assert(isnan(heed_clip_norm(m.g, 1)));
    ck_assert(isnan(heed_clip_norm(NULL, 1)));
    heed_params_free(m.ps);
}
END_TEST

/* ---- schedules ----
 *
 *     def cosine(lr, low, warmup, steps, s):
 *         if s < warmup: return lr*(s + 1)/(warmup + 1)
 *         r = min(1.0, (s - warmup)/max(1, steps - warmup))
 *         return low + 0.5*(1 + math.cos(math.pi*r))*(lr - low)    # or low + (1 - r)*(lr -
 *         low)
 *     def noam(lr, width, warmup, s):
 *         return lr*width**-.5*min((s + 1)**-.5, (s + 1)*warmup**-1.5) */
typedef struct rate_at {
    int64_t step;
    double rate;
} rate_at;

static void assert_rates(heed_schedule schedule, const rate_at *rates, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_double_eq_tol(heed_schedule_rate(&schedule, rates[i].step), rates[i].rate,
                                4 * DBL_EPSILON * rates[i].rate);
}

START_TEST(schedules)
{
    const rate_at cosine[] = {
        { 0, 9.9009900990099013e-06 },
        { 1, 1.9801980198019803e-05 },
        { 50, 0.00050495049504950497 },
        { 99, 0.00099009900990099011 },
        { 100, 0.001 },
        { 101, 0.00099999938485859151 },
        { 550, 0.00088107575980290933 },
        { 1050, 0.00055000000000000003 },
        { 1999, 0.00010000061514140841 },
        { 2000, 0.0001 },
        { 5000, 0.0001 },
    };
    const rate_at linear[] = {
        { 0, 9.9009900990099013e-06 },
        { 99, 0.00099009900990099011 },
        { 100, 0.001 },
        { 101, 0.00099952631578947371 },
        { 550, 0.00078684210526315794 },
        { 1050, 0.00055000000000000003 },
        { 1999, 0.00010047368421052634 },
        { 2000, 0.0001 },
        { 5000, 0.0001 },
    };
    const rate_at noam[] = {
        { 0, 3.493856214843422e-07 },       { 1, 6.9877124296868441e-07 },
        { 100, 3.5287947769918559e-05 },    { 3998, 0.0013971931003158842 },
        { 3999, 0.0013975424859373686 },    { 4000, 0.0013973678258747059 },
        { 100000, 0.00027950709965546928 },
    };
    const rate_at constant[] = { { 0, 0.25 }, { 1, 0.5 }, { 2, 0.75 }, { 3, 1 }, { 9999, 1 } };
    heed_schedule s = {
        .kind = HEED_COSINE, .lr = 1e-3, .min_lr = 1e-4, .warmup = 100, .steps = 2000
    };
    assert_rates(s, cosine, sizeof cosine / sizeof cosine[0]);
    ck_assert_double_eq(heed_schedule_rate(&s, -5), heed_schedule_rate(&s, 0));
    s.kind = HEED_LINEAR;
    assert_rates(s, linear, sizeof linear / sizeof linear[0]);
    assert_rates((heed_schedule){ .kind = HEED_NOAM, .lr = 2, .width = 512, .warmup = 4000 },
                 noam, sizeof noam / sizeof noam[0]);
    assert_rates((heed_schedule){ .kind = HEED_CONSTANT, .lr = 1, .warmup = 3 }, constant,
                 sizeof constant / sizeof constant[0]);
    s = (heed_schedule){ .kind = HEED_NOAM, .lr = 1 };
    ck_assert_double_eq(heed_schedule_rate(&s, 3), 0.5);
}
END_TEST

START_TEST(schedules_end)
{
    const heed_schedule_kind kinds[] = { HEED_LINEAR, HEED_COSINE };
    for (int i = 0; i < 2; i++) {
        heed_schedule s = { .kind = kinds[i], .lr = 1, .min_lr = 0.125, .steps = 5 };
        for (s.warmup = 3; s.warmup < 8; s.warmup++) {
            int64_t last = s.warmup < 5 ? s.warmup : 5;
            for (int64_t step = 0; step < last; step++)
                ck_assert_double_eq(heed_schedule_rate(&s, step),
                                    (double)(step + 1) / (double)(s.warmup + 1));
            for (int64_t step = 5; step < 12; step++)
                ck_assert_double_eq(heed_schedule_rate(&s, step), 0.125);
            ck_assert_double_eq(heed_schedule_rate(&s, INT64_MAX), 0.125);
        }
        ck_assert_double_eq(heed_schedule_rate(&s, INT64_MIN), 1.0 / 9);
        s.steps = 0;
        ck_assert_double_eq(heed_schedule_rate(&s, 0), 0.125);

        s = (heed_schedule){ .kind = kinds[i], .lr = 1, .steps = INT64_MAX, .warmup = -5 };
        ck_assert_double_eq(heed_schedule_rate(&s, 0), 1);
        ck_assert_double_eq_tol(heed_schedule_rate(&s, INT64_MAX / 2), 0.5, 1e-15);
        ck_assert_double_eq(heed_schedule_rate(&s, INT64_MAX), 0);
        s.warmup = INT64_MIN;
        ck_assert_double_eq(heed_schedule_rate(&s, 0), 1);
        s.warmup = INT64_MAX;
        ck_assert_double_eq_tol(heed_schedule_rate(&s, INT64_MAX / 2), 0.5, 1e-15);
        s.steps = INT64_MIN;
        ck_assert_double_eq(heed_schedule_rate(&s, 0), 0);
    }
    heed_schedule s = { .kind = HEED_CONSTANT, .lr = 1, .warmup = INT64_MAX };
    ck_assert_double_eq_tol(heed_schedule_rate(&s, INT64_MAX - 1), 1, 1e-15);
    ck_assert_double_eq(heed_schedule_rate(&s, INT64_MAX), 1);
    s.kind = HEED_NOAM;
    ck_assert(isfinite(heed_schedule_rate(&s, INT64_MAX)));
    ck_assert_double_eq(heed_schedule_rate(NULL, 3), 0);
}
END_TEST

/* ---- store and restore ---- */

static char *temporary(char path[64], const char *name)
{
    snprintf(path, 64, "heed-%s-%ld.safetensors", name, (long)getpid());
    return path;
}

static void write_state(const char *path, const model *m, heed_optimizer *o)
{
    heed_archive *archive = heed_archive_new(NULL);
    ck_assert(heed_archive_add_params(archive, "model.", m->ps));
    ck_assert_msg(heed_optimizer_store(o, archive, "optimizer."), "%s",
                  heed_optimizer_error(o));
    ck_assert_msg(heed_archive_save(archive, path), "%s", heed_archive_error(archive));
    heed_archive_free(archive);
}

static heed_archive *open_archive(const char *path)
{
    char error[512] = "";
    heed_archive *archive = heed_archive_open(path, NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
    return archive;
}

/* Ten steps in one go, and ten with a file in the middle: the same bits. */
START_TEST(resume_is_exact)
{
    char path[64];
    for (int wide = 0; wide < 2; wide++) {
        model whole = model_new(wide ? HEED_F64 : HEED_F32), first = model_new(whole.ps->dtype);
        heed_optimizer *o = torch_case(whole.ps, _i), *half = torch_case(first.ps, _i);
        model_steps(&whole, o, 0, 10);
        model_steps(&first, half, 0, 4);
        write_state(temporary(path, "resume"), &first, half);

        model second = model_new(whole.ps->dtype);
        heed_optimizer *resumed = torch_case(second.ps, _i);
        model_steps(&second, resumed, 50, 53);
        heed_archive *archive = open_archive(path);
        ck_assert(heed_archive_get_params(archive, "model.", second.ps));
        ck_assert_msg(heed_optimizer_restore(resumed, archive, "optimizer."), "%s",
                      heed_optimizer_error(resumed));
        heed_archive_free(archive);
        ck_assert_int_eq(heed_optimizer_steps(resumed), 4);
        model_steps(&second, resumed, 4, 10);
        assert_same_bits(&whole, &second);

        unlink(path);
        heed_optimizer_free(o);
        heed_optimizer_free(half);
        heed_optimizer_free(resumed);
        heed_params_free(whole.ps);
        heed_params_free(first.ps);
        heed_params_free(second.ps);
    }
}
END_TEST

/* Parameters of different age, one frozen, and an archive that never was a file. */
START_TEST(resume_keeps_ages)
{
    model m[2];
    heed_optimizer *o[2];
    for (int k = 0; k < 2; k++) {
        m[k] = model_new(HEED_F32);
        o[k] = heed_adam_new(m[k].ps, (heed_adam_options){ .lr = 0.1 });
        heed_params_freeze(m[k].ps, "w", true);
    }
    const double x[3] = { 1, 2, 3 };
    for (int step = 0; step < 3; step++) {
        sweep(m[0].g, m[0].p[1], x);
        ck_assert(heed_optimizer_step(o[0], m[0].g));
    }
    heed_params_freeze(m[0].ps, "w", false);
    heed_params_freeze(m[1].ps, "w", false);
    for (int round = 0; round < 2; round++) {
        /* In round 0 w has taken no step yet, in round 1 two. */
        heed_archive *archive = heed_archive_new(NULL);
        ck_assert(heed_archive_add_params(archive, "", m[0].ps));
        ck_assert(heed_optimizer_store(o[0], archive, "o."));
        ck_assert_str_eq(heed_archive_note_of(archive, "o.rule"), "adam");
        ck_assert_str_eq(heed_archive_note_of(archive, "o.steps"), round ? "5" : "3");
        ck_assert_str_eq(heed_archive_note_of(archive, "o.steps.w"), round ? "2" : "0");
        ck_assert_ptr_null(heed_archive_note_of(archive, "o.steps.b"));
        ck_assert((heed_archive_find(archive, "o.m.w") != NULL) == (round == 1));
        ck_assert_int_eq(heed_archive_find(archive, "o.v.b")->shape.size[0], 3);
        memcpy(m[1].p[0]->data, m[0].p[0]->data, 6 * sizeof(float));
        memcpy(m[1].p[1]->data, m[0].p[1]->data, 3 * sizeof(float));
        ck_assert(heed_optimizer_restore(o[1], archive, "o."));
        heed_archive_free(archive);
        model_steps(&m[0], o[0], 0, 2);
        model_steps(&m[1], o[1], 0, 2);
        assert_same_bits(&m[0], &m[1]);
    }
    for (int k = 0; k < 2; k++) {
        heed_optimizer_free(o[k]);
        heed_params_free(m[k].ps);
    }
}
END_TEST

START_TEST(restore_refused)
{
    model m = model_new(HEED_F32), twin = model_new(HEED_F32);
    heed_optimizer *o = heed_adam_new(m.ps, (heed_adam_options){ .lr = 0.1 });
    heed_optimizer *like = heed_adam_new(twin.ps, (heed_adam_options){ .lr = 0.1 });
    model_steps(&m, o, 0, 2);
    model_steps(&twin, like, 0, 2);
    const float zeros[6] = { 0 };
    static const struct {
        const char *rule, *steps;
        bool m, v, whole;
        const char *error;
    } refused[] = {
        { NULL, "3", true, true, true, "adam: restore: there is no note o.rule" },
        { "sgd", "3", true, true, true, "adam: restore: the state is that of sgd" },
        { "adam", NULL, true, true, true, "adam: restore: there is no note o.steps" },
        { "adam", "3x", true, true, true, "adam: restore: no count of steps in note o.steps" },
        { "adam", "", true, true, true, "adam: restore: no count of steps in note o.steps" },
        { "adam", "-1", true, true, true, "adam: restore: no count of steps in note o.steps" },
        { "adam", "99999999999999999999", true, true, true,
          "adam: restore: no count of steps in note o.steps" },
        { "adam", "3", false, true, true, "adam: restore: there is no tensor o.m.b" },
        { "adam", "3", true, false, true, "adam: restore: there is no tensor o.v.b" },
        { "adam", "3", true, true, false,
          "adam: restore: shape or dtype is not the parameter's in tensor o.v.b" },
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        heed_archive *archive = heed_archive_new(NULL);
        if (refused[i].rule)
            heed_archive_note(archive, "o.rule", refused[i].rule);
        if (refused[i].steps)
            heed_archive_note(archive, "o.steps", refused[i].steps);
        heed_archive_add(archive, "o.m.w", HEED_F32, HEED_SHAPE(2, 3), zeros);
        heed_archive_add(archive, "o.v.w", HEED_F32, HEED_SHAPE(2, 3), zeros);
        if (refused[i].m)
            heed_archive_add(archive, "o.m.b", HEED_F32, HEED_SHAPE(3), zeros);
        if (refused[i].v)
            heed_archive_add(archive, "o.v.b", HEED_F32,
                             refused[i].whole ? HEED_SHAPE(3) : HEED_SHAPE(1, 3), zeros);
        ck_assert(!heed_optimizer_restore(o, archive, "o."));
        assert_error(heed_optimizer_error(o), refused[i].error);
        heed_archive_free(archive);
    }
    ck_assert(!heed_optimizer_restore(o, NULL, "o."));
    assert_error(heed_optimizer_error(o), "adam: restore: there is no archive");
    ck_assert(!heed_optimizer_restore(NULL, NULL, "o."));
    ck_assert(!heed_optimizer_store(o, NULL, "o."));
    assert_error(heed_optimizer_error(o), "adam: there is no archive");
    heed_archive *plain = heed_archive_new(NULL);
    ck_assert(heed_optimizer_store(o, plain, NULL)); /* no prefix */
    ck_assert_ptr_nonnull(heed_archive_note_of(plain, "rule"));
    ck_assert_msg(heed_optimizer_restore(o, plain, NULL), "%s", heed_optimizer_error(o));
    heed_archive_free(plain);

    /* None of it has touched the moments. */
    ck_assert_int_eq(heed_optimizer_steps(o), 2);
    model_steps(&m, o, 2, 5);
    model_steps(&twin, like, 2, 5);
    assert_same_bits(&m, &twin);
    heed_optimizer_free(o);
    heed_optimizer_free(like);
    heed_params_free(m.ps);
    heed_params_free(twin.ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optim");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, closed_forms);
    tcase_add_loop_test(rules, as_pytorch, 0, TORCH_CASES);
    tcase_add_test(rules, options_refused);
    tcase_add_test(rules, frozen_and_buffers_stay);
    tcase_add_loop_test(rules, later_parameters_count_their_own_steps, 0, TORCH_CASES);
    tcase_add_loop_test(rules, groups, 0, TORCH_CASES);
    tcase_add_test(rules, groups_of_later_parameters);
    tcase_add_test(rules, centered_variance_stays_a_root);
    tcase_add_test(rules, steps_refused);
    tcase_add_test(rules, a_steady_step_allocates_nothing);
    tcase_add_test(rules, out_of_memory);
    suite_add_tcase(suite, rules);
    TCase *gradients = tcase_create("gradients");
    tcase_add_test(gradients, zeroed_reads_as_zero);
    tcase_add_loop_test(gradients, gradients_added, 0, 2);
    tcase_add_loop_test(gradients, clipping, 0, 2);
    suite_add_tcase(suite, gradients);
    TCase *rest = tcase_create("schedules and files");
    tcase_add_test(rest, schedules);
    tcase_add_test(rest, schedules_end);
    tcase_add_loop_test(rest, resume_is_exact, 0, TORCH_CASES);
    tcase_add_test(rest, resume_keeps_ages);
    tcase_add_test(rest, restore_refused);
    suite_add_tcase(suite, rest);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
