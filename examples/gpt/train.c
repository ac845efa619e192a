/* gpt train (train.h). A step is a pure function of the checkpoint before it: batches and
 * dropout are keyed by seed and step, so a run that was interrupted goes on with the same
 * bits. */
#include "train.h"

#include "checkpoint.h"
#include "figures.h"
#include "log.h"
#include "machine.h"
#include "progress.h"
#include "report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "gpt train"

static const char summary[] =
    "Trains a GPT on a text file, holding out the last tenth of it. The folder --out gets\n"
    "checkpoint.safetensors (everything --resume needs), model.safetensors, config.json and\n"
    "tokenizer.json (for gpt sample, gpt eval and other programs) and log.jsonl (one line a\n"
    "step). With --resume the run in that folder goes on, wherever the folder has been moved\n"
    "to; only --steps, --minutes, --out, --threads, --progress, --eval-every and --save-every\n"
    "may then differ, and --data only says where the same text is now. Ctrl-C saves and\n"
    "stops. Of a text, U+FEFF at its beginning is passed over and CR LF is read as LF; only\n"
    "to --tokenizer bytes every byte is a token.";

/* One start of the program at work on a run. */
typedef struct trainer {
    gpt_run run;
    gpt_log log;
    gpt_progress progress;
    heed_tape *tape;
    int32_t *ids, *targets; /* [batch, context] */
    int64_t saved;          /* the step of the last checkpoint */
    char error[800];
} trainer;

/* The loss of a batch as a tensor, NULL on error. */
static heed_tensor *loss_of_batch(trainer *w)
{
    heed_shape shape = HEED_SHAPE(w->run.config.batch, w->run.config.context);
    heed_tensor *ids = heed_ids(w->tape, shape, w->ids);
    heed_tensor *targets = heed_ids(w->tape, shape, w->targets);
    return heed_gpt_loss(w->tape, w->run.model.gpt, ids, targets);
}

static bool fail(trainer *w, const char *format, ...) HEED__PRINTS(2, 3);
static bool fail(trainer *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->error, sizeof w->error, format, arguments);
    va_end(arguments);
    return false;
}

static const char *tape_error(const trainer *w)
{
    const char *error = heed_error(w->tape);
    return error ? error : "the step failed";
}

/* Adds the gradients of one batch, as its share of the step; *loss gets its part of the
 * mean. */
static bool sweep(trainer *w, int64_t index, double *loss)
{
    const gpt_config *c = &w->run.config;
    double share = 1 / (double)c->accumulate;
    heed_tape_reset(w->tape);
    heed_seed(w->tape, (uint64_t)c->seed, (uint64_t)index);
    part_draw(&w->run.train, data_random((uint64_t)c->seed, DRAW_TRAINING, index), c->batch,
              c->context, w->ids, w->targets);
    heed_tensor *mean = loss_of_batch(w);
    double value = heed_item(w->tape, mean);
    *loss += share * value;
    if (!heed_error(w->tape) && !isfinite(value))
        return true; /* take_step says so; its gradient is of no use to anyone */
    if (c->accumulate > 1)
        mean = heed_scale(w->tape, mean, share);
    if (!heed_backward(w->tape, mean))
        return fail(w, "step %lld: %s", (long long)w->run.step + 1, tape_error(w));
    return true;
}

/* Stops the run over a number that is NaN or infinite. */
static bool fail_at(trainer *w, int64_t step, const char *what, double value)
{
    return fail(
        w,
        "step %lld: the %s is not finite (%s), so the run stops here; the checkpoint of "
        "step %lld in %s is untouched; a smaller --lr often helps",
        (long long)step, what, isnan(value) ? "NaN" : "infinity", (long long)w->saved,
        w->run.config.out);
}

static bool take_step(trainer *w, log_line *line)
{
    gpt_run *run = &w->run;
    const gpt_config *c = &run->config;
    heed_schedule schedule = run_schedule(run);
    heed_gradients *g = heed_params_gradients(run->model.parameters);
    double began = machine_seconds();

    *line = (log_line){ .step = run->step + 1, .val_loss = NAN };
    line->lr = heed_schedule_rate(&schedule, run->step);
    for (int64_t i = 0; i < c->accumulate; i++) {
        if (!sweep(w, run->step * c->accumulate + i, &line->train_loss))
            return false;
    }
    if (!isfinite(line->train_loss))
        return fail_at(w, line->step, "loss", line->train_loss);
    line->grad_norm = heed_clip_norm(g, c->clip);
    if (!isfinite(line->grad_norm))
        return fail_at(w, line->step, "norm of the gradient", line->grad_norm);
    heed_optimizer_set_rate(run->optimizer, line->lr);
    if (!heed_optimizer_step(run->optimizer, g))
        return fail(w, "step %lld: %s", (long long)line->step,
                    heed_optimizer_error(run->optimizer));
    run->step++;

    double seconds = machine_seconds() - began;
    line->ms = 1e3 * seconds;
    line->tokens_per_s = (double)(c->accumulate * c->batch * c->context) / seconds;
    return true;
}

/* The mean loss of batches of the held-out part, always the same ones, whatever the seed. */
static bool evaluate(trainer *w, double *loss)
{
    const gpt_config *c = &w->run.config;
    heed_set_training(w->tape, false);
    heed_set_recording(w->tape, false);
    double sum = 0;
    for (int64_t i = 0; i < c->eval_batches && !heed_error(w->tape); i++) {
        heed_tape_reset(w->tape);
        part_draw(&w->run.held_out, data_random(0, DRAW_EVALUATION, i), c->batch, c->context,
                  w->ids, w->targets);
        sum += heed_item(w->tape, loss_of_batch(w));
    }
    heed_set_training(w->tape, true);
    heed_set_recording(w->tape, true);
    *loss = sum / (double)c->eval_batches;
    if (heed_error(w->tape))
        return fail(w, "evaluation after step %lld: %s", (long long)w->run.step, tape_error(w));
    if (!isfinite(*loss))
        return fail_at(w, w->run.step, "validation loss", *loss);
    return true;
}

/* An update may overflow although the loss before it did not: such a model must not replace the
 * last good one. */
static bool parameters_are_finite(trainer *w)
{
    const heed_params *ps = w->run.model.parameters;
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        const float *values = p->data;
        for (int64_t j = 0; j < p->size; j++) {
            if (!isfinite(values[j]))
                return fail_at(w, w->run.step, p->name, (double)values[j]);
        }
    }
    return true;
}

/* A checkpoint never runs ahead of the log. */
static bool save(trainer *w)
{
    char why[600];
    if (!parameters_are_finite(w))
        return false;
    if (log_sync(&w->log, why, sizeof why) && checkpoint_save(&w->run, why, sizeof why)) {
        w->saved = w->run.step;
        return true;
    }
    return fail(w, "%s; the checkpoint in %s was not harmed: mend this and go on with --resume",
                why, w->run.config.out);
}

static bool loop(trainer *w)
{
    gpt_run *run = &w->run;
    const gpt_config *c = &run->config;
    int64_t save_every = c->save_every ? c->save_every : c->eval_every;
    log_line line;
    heed_set_training(w->tape, true);
    while (run->step < c->steps) {
        if (!take_step(w, &line))
            return false;
        bool last = run->step == c->steps;
        if ((last || run->step % c->eval_every == 0) && !evaluate(w, &line.val_loss))
            return false;
        char why[600];
        if (!log_add(&w->log, &line, why, sizeof why))
            return fail(w, "%s; the checkpoint of step %lld in %s was not harmed", why,
                        (long long)w->saved, c->out);
        progress_step(&w->progress, &line);
        bool stop =
            machine_interrupted() ||
            (c->minutes > 0 && machine_seconds() - w->progress.began >= 60 * c->minutes);
        if ((last || stop || run->step % save_every == 0) && !save(w))
            return false;
        if (stop)
            break;
    }
    return true;
}

/* ---- the command ---- */

static bool allocate(trainer *w)
{
    size_t bytes = (size_t)w->run.config.batch * (size_t)w->run.config.context * sizeof *w->ids;
    w->tape = heed_tape_new(NULL);
    w->ids = malloc(bytes);
    w->targets = malloc(bytes);
    if (w->tape && w->ids && w->targets && heed_params_gradients(w->run.model.parameters))
        return true;
    return fail(w, "not enough memory");
}

/* All between the options and the end of the run; the exit code. */
static int train(trainer *w, const option *table, size_t table_size)
{
    gpt_run *run = &w->run;
    gpt_config *c = &run->config;
    bool usage = false;
    if (!c->resume && !config_check(c, w->error, sizeof w->error))
        return 2;
    if (c->threads > 0)
        heed_set_threads((int)c->threads);
    if (c->resume) {
        if (!run_resume(run, table, table_size, &usage, w->error, sizeof w->error))
            return usage ? 2 : 1;
        w->saved = run->step;
    } else if (!run_begin(run, w->error, sizeof w->error)) {
        return 1;
    }
    if (!log_open(&w->log, c->out, run->step, w->error, sizeof w->error) || !allocate(w))
        return 1;
    checkpoint_sweep(c->out);
    text_report(&run->text, PROGRAM);
    if (c->progress != PROGRESS_NONE)
        report_start(run);
    if (run->step >= c->steps) {
        printf("The run is complete at step %s: more --steps let it go on.\n",
               figure_count(run->step).text);
        /* A kill between the last checkpoint and its exports has left these behind. */
        return model_export(&run->model, c->out, run->step, w->error, sizeof w->error) ? 0 : 1;
    }
    report_schedule(run);
    fflush(stdout);
    progress_begin(&w->progress, c->progress, run->step, c->steps, c->minutes);
    bool good = loop(w);
    progress_clear(&w->progress);
    if (!good)
        return 1;
    if (run->step < c->steps && machine_interrupted()) {
        report_interrupt(run);
        return 130;
    }
    if (c->progress != PROGRESS_NONE)
        report_end(run, &w->log, run->step - w->progress.first,
                   machine_seconds() - w->progress.began);
    return 0;
}

int train_command(int count, char **arguments)
{
    trainer *w = calloc(1, sizeof *w);
    option table[CONFIG_OPTIONS];
    if (!w) {
        fputs(PROGRAM ": not enough memory\n", stderr);
        return 1;
    }
    w->log.file = -1;
    config_begin(&w->run.config);
    size_t size = config_table(&w->run.config, table);
    int code = options_begin(PROGRAM, summary, table, size, count, arguments);
    if (code < 0) {
        machine_catch_interrupts(
            "\nfinishing the step and saving; Ctrl-C again quits at once\n");
        code = train(w, table, size);
        fflush(stdout);
        if (code != 0 && w->error[0])
            fprintf(stderr, PROGRAM ": %s\n", w->error);
    }
    log_close(&w->log);
    heed_tape_free(w->tape);
    free(w->ids);
    free(w->targets);
    run_close(&w->run);
    free(w);
    return code;
}
