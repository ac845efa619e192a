/* Attention over time: from a window of past values, blocks of causal self-attention forecast
 * the next one, at every position of the window at once. What goes in and comes out are steps
 * from one value to the next, so that a trend leads nowhere unknown. The last part of the series
 * is held out, and the error there stands beside those of the two usual baselines. */
#include "series.h"

#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/optim.h>

#include "figures.h"
#include "options.h"
#include "text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 32 };

typedef struct settings {
    const char *data, *column;
    int64_t window, period, width, layers, heads, steps, seed;
    double rate;
} settings;

/* ---- the model ---- */

typedef struct model {
    heed_linear_module in, out;
    heed_position_module places;
    heed_block_stack blocks;
} model;

static void model_init(model *m, heed_params *ps, const settings *s, heed_random *r)
{
    heed_linear_options linear = { .bias = true, .random = r };
    heed_block_options block = { .norm = { .bias = true },
                                 .attention = { .heads = (int)s->heads,
                                                .packed = true,
                                                .bias = true,
                                                .causality = HEED_CAUSAL_TOP_LEFT,
                                                .random = r },
                                 .feedforward = { .bias = true, .random = r } };
    heed_linear_init(&m->in, ps, "in", 1, s->width, linear);
    heed_position_init(&m->places, ps, "places", HEED_POSITIONS_LEARNED, s->window, s->width,
                       0.02, r);
    heed_block_stack_init(&m->blocks, ps, s->width, (int)s->layers, block);
    heed_linear_init(&m->out, ps, "out", s->width, 1, linear);
}

/* Steps [B, W, 1] -> the step that follows each: [B, W, 1]. */
static heed_tensor *model_forward(heed_tape *t, const model *m, heed_tensor *x)
{
    x = heed_position_forward(t, &m->places, heed_linear_forward(t, &m->in, x), 0);
    x = heed_block_stack_forward(t, &m->blocks, x, NULL);
    return heed_linear_forward(t, &m->out, x);
}

/* ---- windows ---- */

/* Steps values[i + 1] - values[i], in deviations of those that are learned from. */
typedef struct steps {
    float *scaled;
    double mean, deviation;
} steps;

static bool steps_of(steps *d, const series *s, int64_t learned, char *error, size_t error_size)
{
    double sum = 0, root = 0, n = (double)(learned - 1);
    d->scaled = malloc((size_t)s->count * sizeof *d->scaled);
    if (!d->scaled)
        return heed__say(error, error_size, "not enough memory");
    for (int64_t i = 0; i + 1 < learned; i++)
        sum += s->values[i + 1] - s->values[i];
    d->mean = sum / n;
    for (int64_t i = 0; i + 1 < learned; i++)
        root = hypot(root, s->values[i + 1] - s->values[i] - d->mean);
    d->deviation = root / sqrt(n);
    if (!(d->deviation > 0))
        return heed__say(error, error_size, "the series never changes its pace");
    if (d->deviation < 1 / SERIES_MOST)
        return heed__say(error, error_size,
                         "the series' steps have a deviation of %g, and need %g or more",
                         d->deviation, 1 / SERIES_MOST);
    for (int64_t i = 0; i + 1 < s->count; i++) {
        double step = (s->values[i + 1] - s->values[i] - d->mean) / d->deviation;
        if (fabs(step) > FLT_MAX)
            return heed__say(error, error_size,
                             "the step to value %lld is %g deviations of those learned from, "
                             "and may be %g at most",
                             (long long)i + 2, fabs(step), (double)FLT_MAX);
        d->scaled[i] = (float)step;
    }
    return true;
}

/* Windows of steps from `starts`, so many places later: [B, W, 1]. */
static heed_tensor *windows(heed_tape *t, const steps *d, const int64_t starts[BATCH],
                            int64_t window, int64_t later)
{
    heed_tensor *x = heed_full(t, HEED_SHAPE(BATCH, window, 1), 0);
    for (int64_t i = 0; x && i < BATCH * window; i++)
        ((float *)x->data)[i] = d->scaled[starts[i / window] + i % window + later];
    return x;
}

static bool train(heed_tape *t, const model *m, heed_params *ps, const steps *d,
                  int64_t learned, const settings *s)
{
    heed_random r = { .seed = (uint64_t)s->seed, .stream = 1 };
    heed_schedule schedule = {
        .kind = HEED_COSINE, .lr = s->rate, .warmup = 20, .steps = s->steps
    };
    heed_optimizer *o = heed_adamw_new(ps, (heed_adam_options){ .lr = s->rate, .decay = 0.01 });
    bool good = o != NULL;
    for (int64_t step = 0; good && step < s->steps; step++) {
        int64_t starts[BATCH];
        for (int i = 0; i < BATCH; i++)
            starts[i] = (int64_t)heed_random_below(&r, (uint64_t)(learned - 1 - s->window));
        heed_tape_reset(t);
        heed_tensor *x = windows(t, d, starts, s->window, 0);
        heed_tensor *next = windows(t, d, starts, s->window, 1);
        heed_tensor *loss = heed_mse(t, model_forward(t, m, x), next, HEED_MEAN);
        if (step % 100 == 0 || step + 1 == s->steps)
            printf("step %4lld  loss %.4f\n", (long long)step, heed_item(t, loss));
        heed_optimizer_set_rate(o, heed_schedule_rate(&schedule, step));
        good = heed_backward(t, loss);
        if (good) {
            heed_clip_norm(heed_params_gradients(ps), 1);
            good = heed_optimizer_step(o, heed_params_gradients(ps));
        }
    }
    heed_optimizer_free(o);
    return good;
}

/* ---- errors, one step ahead: the root of the mean square ---- */

/* Of the value so many steps before. */
static double error_of_lag(const series *s, int64_t from, int64_t to, int64_t lag)
{
    double sum = 0;
    for (int64_t i = from; i < to; i++)
        sum += pow(s->values[i] - s->values[i - lag], 2);
    return sqrt(sum / (double)(to - from));
}

/* The season whose repetition errs least where the model learns. */
static int64_t find_period(const series *s, int64_t learned)
{
    int64_t best = 2, most = learned / 3;
    for (int64_t lag = 3; lag <= most; lag++)
        if (error_of_lag(s, most, learned, lag) < error_of_lag(s, most, learned, best))
            best = lag;
    return best;
}

static double error_of_model(heed_tape *t, const model *m, const series *s, const steps *d,
                             int64_t from, int64_t window)
{
    double sum = 0;
    heed_set_training(t, false);
    heed_set_recording(t, false);
    for (int64_t i = from; i < s->count; i += BATCH) {
        int64_t starts[BATCH];
        for (int64_t k = 0; k < BATCH; k++) /* the last batch repeats the last value */
            starts[k] = (i + k < s->count ? i + k : s->count - 1) - 1 - window;
        heed_tape_reset(t);
        heed_tensor *y = model_forward(t, m, windows(t, d, starts, window, 0));
        for (int64_t k = 0; y && k < BATCH && i + k < s->count; k++) {
            double step = heed_at(y, k * window + window - 1) * d->deviation + d->mean;
            sum += pow(s->values[i + k - 1] + step - s->values[i + k], 2);
        }
    }
    return sqrt(sum / (double)(s->count - from));
}

/* ---- the program ---- */

static bool run(heed_tape *t, heed_params *ps, const settings *s, const series *values,
                steps *d, char *error, size_t error_size)
{
    model m;
    heed_random r = { .seed = (uint64_t)s->seed };
    int64_t learned = values->count - values->count / 5, least = 2 * s->window + 8;
    least = least > 3 * s->period ? least : 3 * s->period;
    if (learned < least)
        return heed__say(error, error_size,
                         "a series of %s is too short: its first four fifths are learned from, "
                         "and must be %lld or more",
                         figure_of(values->count, "value").text, (long long)least);
    if (!steps_of(d, values, learned, error, error_size))
        return false;
    model_init(&m, ps, s, &r);
    if (heed_params_error(ps))
        return heed__say(error, error_size, "%s", heed_params_error(ps));
    bool trained = train(t, &m, ps, d, learned, s);
    double own = trained ? error_of_model(t, &m, values, d, learned, s->window) : 0;
    if (heed_error(t))
        return heed__say(error, error_size, "%s", heed_error(t));
    if (!trained)
        return heed__say(error, error_size, "not enough memory");
    if (!isfinite(own))
        return heed__say(error, error_size, "the model's forecasts are not finite numbers");
    int64_t period = s->period ? s->period : find_period(values, learned);
    printf("\n%lld values learned from, %lld forecast one step ahead; root of the mean square "
           "error\n\n  the value before         %#.4g\n  %4lld before, a season    %#.4g\n"
           "  attention, window %4lld   %#.4g\n",
           (long long)learned, (long long)(values->count - learned),
           error_of_lag(values, learned, values->count, 1), (long long)period,
           error_of_lag(values, learned, values->count, period), (long long)s->window, own);
    return true;
}

static const char summary[] =
    "Forecasts the next value of a series by attention over those before it, and says how\n"
    "far off it is beside two usual guesses. Without --data the series is made: a trend,\n"
    "seasons of 24 and 168 steps, and noise of deviation 0.3.";

int main(int count, char **arguments)
{
    settings s = { .window = 64, .width = 32, .layers = 2, .heads = 4, .steps = 400 };
    s.rate = 3e-3, s.seed = 1;
    option table[] = {
        { "data", OPTION_STRING, &s.data, "CSV whose first line names columns",
          .argument = "FILE" },
        { "column", OPTION_STRING, &s.column, "which one", .argument = "NAME" },
        { "period", OPTION_INTEGER, &s.period, "of the season, 0: found", .most = 1000000 },
        { "window", OPTION_INTEGER, &s.window, "steps to look at", .least = 2, .most = 4096 },
        { "width", OPTION_INTEGER, &s.width, "of the model", .least = 1, .most = 4096 },
        { "layers", OPTION_INTEGER, &s.layers, "blocks", .least = 1, .most = 64 },
        { "heads", OPTION_INTEGER, &s.heads, "of each", .least = 1, .most = 64 },
        { "steps", OPTION_INTEGER, &s.steps, "of training", .least = 1, .most = 1000000 },
        { "rate", OPTION_REAL, &s.rate, "of learning", .high = 1, .above = true },
        { "seed", OPTION_INTEGER, &s.seed, "of the series and the model", .most = 1000000 },
    };
    int code = options_begin("series", summary, table, sizeof table / sizeof *table, count - 1,
                             arguments + 1);
    if (code >= 0)
        return code;
    char error[512] = "";
    series values;
    bool good = s.column && !s.data ? heed__say(error, sizeof error, "--column needs --data")
                : s.data ? series_read(&values, s.data, s.column, error, sizeof error)
                         : series_make(&values, 2000, (uint64_t)s.seed, error, sizeof error);
    if (good) {
        steps d = { 0 };
        heed_params *ps = heed_params_new(HEED_F32, NULL);
        heed_tape *t = heed_tape_new(NULL);
        heed_set_training(t, true);
        good = t && ps ? run(t, ps, &s, &values, &d, error, sizeof error)
                       : heed__say(error, sizeof error, "not enough memory");
        free(d.scaled);
        heed_tape_free(t);
        heed_params_free(ps);
        series_free(&values);
    }
    if (!good)
        fprintf(stderr, "series: %s\n", error);
    return options_end("series", good ? 0 : 1);
}
