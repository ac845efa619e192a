/* translate train: learns from pairs, by epochs. After each one the dev part is judged; the
 * numbers of the epoch with the least dev loss are what the folder keeps. */
#include "commands.h"
#include "figures.h"
#include "folder.h"
#include "judge.h"
#include "machine.h"

#include <heed/optim.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PROGRAM "translate train"

static const char summary[] =
    "Trains a model on pairs of texts: 90 % of the sources to learn from, 5 % to choose the "
    "best\n"
    "epoch by (dev), 5 % held out. The folder --out gets model.safetensors, config.json,\n"
    "source.json and target.json (vocabularies) and test.tsv (what was held out); translate "
    "eval\n"
    "and translate run need nothing else. Ctrl-C stops and keeps the best epoch.";

/* What random draws are for. */
enum { DRAW_WEIGHTS, DRAW_BATCHES };

typedef struct trainer {
    translator m;
    corpus corpus;
    pair_ids pairs;
    heed_batches *batches;
    heed_optimizer *optimizer;
    heed_tape *tape;
    heed_schedule schedule;
    heed_forcing forcing;
    heed_stopping stopping;
    int64_t step, epoch; /* taken; the one that is under way, from 1 */
    double metric;       /* token accuracy of the dev part, NaN before it is known */
    double began;
    char error[1000];
} trainer;

static bool fail(trainer *w, const char *format, ...) HEED__PRINTS(2, 3);
static bool fail(trainer *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->error, sizeof w->error, format, arguments);
    va_end(arguments);
    return false;
}

static bool not_finite(trainer *w, const char *what, double value)
{
    return fail(w,
                "epoch %lld, step %lld: the %s is not finite (%s), so the training stops here; "
                "%s; a smaller --lr often helps",
                (long long)w->epoch, (long long)w->step + 1, what,
                isnan(value) ? "NaN" : "infinity",
                w->stopping.looks ? "the best epoch so far has been kept"
                                  : "no epoch was complete and nothing was kept");
}

/* ---- preparing ---- */

static bool open_corpus(trainer *w)
{
    const settings *s = &w->m.settings;
    if (s->pairs)
        return corpus_read(&w->corpus, s->pairs, s->swap, w->error, sizeof w->error);
    return corpus_generate(&w->corpus, (corpus_task)s->task, s->count, (uint64_t)s->seed,
                           w->error, sizeof w->error);
}

/* From the part to learn from only. */
static bool learn_vocabulary(trainer *w, int side)
{
    settings *s = &w->m.settings;
    const corpus_pair *pairs = w->corpus.pairs + w->corpus.starts[CORPUS_TRAIN];
    size_t count = w->corpus.starts[CORPUS_TRAIN + 1] - w->corpus.starts[CORPUS_TRAIN];
    text_span *texts = calloc(count + 1, sizeof *texts);
    if (!texts)
        return fail(w, "not enough memory");
    for (size_t i = 0; i < count; i++)
        texts[i] = side == SIDE_SOURCE ? pairs[i].source : pairs[i].target;
    int chosen = side == SIDE_SOURCE ? s->source_vocabulary : s->target_vocabulary;
    vocabulary_options options = { .kind = (vocabulary_kind)(chosen - 1),
                                   .lower = side == SIDE_SOURCE && s->lower,
                                   .limit = s->vocabulary_size };
    vocabulary *v = vocabulary_learn(texts, count, options, w->error, sizeof w->error);
    free(texts);
    w->m.vocabularies[side] = v;
    if (v)
        *(side == SIDE_SOURCE ? &s->source_tokens : &s->target_tokens) = vocabulary_size(v);
    return v != NULL;
}

static bool open_pairs(trainer *w)
{
    settings *s = &w->m.settings;
    const vocabulary *const vocabularies[] = { w->m.vocabularies[0], w->m.vocabularies[1] };
    if (!pair_ids_make(&w->pairs, &w->corpus, CORPUS_TRAIN, vocabularies, w->error,
                       sizeof w->error))
        return false;
    s->longest = pair_ids_longest(&w->pairs, SIDE_TARGET);
    w->batches = pair_ids_batches(
        &w->pairs,
        (heed_batches_options){
            .size = s->batch, .shuffle = true, .seed = (uint64_t)s->seed, .bucket = 50 },
        w->error, sizeof w->error);
    return w->batches != NULL;
}

static bool open_model(trainer *w)
{
    const settings *s = &w->m.settings;
    heed_random random = { .seed = (uint64_t)s->seed, .stream = DRAW_WEIGHTS };
    if (!translator_make(&w->m, &random, w->error, sizeof w->error))
        return false;
    w->optimizer = heed_adam_new(w->m.parameters, (heed_adam_options){ .lr = s->lr });
    w->tape = heed_tape_new(NULL);
    if (!w->optimizer || !w->tape || !heed_params_gradients(w->m.parameters))
        return fail(w, "not enough memory");
    int64_t steps = s->epochs * heed_batches_count(w->batches);
    w->schedule = (heed_schedule){ .kind = (heed_schedule_kind)s->schedule,
                                   .lr = s->lr,
                                   .min_lr = s->min_lr,
                                   .warmup = s->warmup,
                                   .steps = steps };
    w->forcing = settings_forcing(s, steps);
    w->stopping = (heed_stopping){ .patience = s->patience };
    w->metric = NAN;
    heed_set_training(w->tape, true);
    return true;
}

/* A folder that holds a model already is left alone. */
static bool open_folder(trainer *w)
{
    char path[4096];
    struct stat status;
    const char *folder = w->m.settings.out;
    if (!folder_path(path, sizeof path, folder, "config.json", w->error, sizeof w->error))
        return false;
    if (stat(path, &status) == 0)
        return fail(w, "%s already holds a model: choose another folder with --out", folder);
    return true;
}

static bool fill_folder(trainer *w)
{
    char path[4096];
    const char *folder = w->m.settings.out;
    return folder_make(folder, w->error, sizeof w->error) &&
           folder_path(path, sizeof path, folder, "test.tsv", w->error, sizeof w->error) &&
           corpus_write(&w->corpus, CORPUS_TEST, path, w->error, sizeof w->error) &&
           translator_save_settings(&w->m, folder, w->error, sizeof w->error);
}

static void report_start(const trainer *w)
{
    const settings *s = &w->m.settings;
    const size_t *starts = w->corpus.starts;
    printf("model    %s, %lld layer%s of %lld, embeddings of %lld: %s parameters\n", s->model,
           (long long)s->layers, s->layers == 1 ? "" : "s", (long long)s->hidden,
           (long long)s->embedding, figure_count(heed_params_size(w->m.parameters)).text);
    printf("pairs    %s: %s to learn from, %s dev, %s held out\n",
           s->pairs ? s->pairs : corpus_task_name((corpus_task)s->task),
           figure_count((int64_t)(starts[1] - starts[0])).text,
           figure_count((int64_t)(starts[2] - starts[1])).text,
           figure_count((int64_t)(starts[3] - starts[2])).text);
    printf("tokens   %s source (%s), %s target (%s), at most %lld in a target\n",
           figure_count(s->source_tokens).text,
           vocabulary_kind_name((vocabulary_kind)(s->source_vocabulary - 1)),
           figure_count(s->target_tokens).text,
           vocabulary_kind_name((vocabulary_kind)(s->target_vocabulary - 1)),
           (long long)s->longest);
    printf("steps    %s an epoch, %lld epochs at most\n\n",
           figure_count(heed_batches_count(w->batches)).text, (long long)s->epochs);
    fflush(stdout);
}

/* ---- a step ---- */

/* The mean loss of the batch at hand, by token, into *loss. */
static bool take_step(trainer *w, double *loss)
{
    const settings *s = &w->m.settings;
    const heed_cross_entropy_options options = { .ignore = true,
                                                 .ignore_index = VOCABULARY_PAD,
                                                 .smoothing = s->smoothing };
    heed_gradients *g = heed_params_gradients(w->m.parameters);
    double forcing = heed_forcing_rate(&w->forcing, w->step, w->metric);
    heed_tape_reset(w->tape);
    heed_seed(w->tape, (uint64_t)s->seed, (uint64_t)w->step);
    heed_tensor *ids = heed_batch_values(w->tape, w->batches, SIDE_SOURCE);
    heed_tensor *targets = heed_batch_values(w->tape, w->batches, SIDE_TARGET);
    heed_tensor *inputs = heed_shift_right(w->tape, targets, VOCABULARY_SOS);
    model_source source = { ids, heed_batch_lengths(w->batches, SIDE_SOURCE) };
    model_output o = w->m.kind->forward(w->tape, w->m.model, &source, inputs, forcing);
    heed_tensor *mean = heed_cross_entropy(w->tape, o.logits, targets, &options);
    *loss = heed_item(w->tape, mean);
    if (!heed_error(w->tape) && !isfinite(*loss))
        return not_finite(w, "loss", *loss);
    if (!heed_backward(w->tape, mean))
        return fail(w, "step %lld: %s", (long long)w->step + 1,
                    heed_error(w->tape) ? heed_error(w->tape) : "the step failed");
    double norm = heed_clip_norm(g, s->clip);
    if (!isfinite(norm))
        return not_finite(w, "norm of the gradient", norm);
    heed_optimizer_set_rate(w->optimizer, heed_schedule_rate(&w->schedule, w->step));
    if (!heed_optimizer_step(w->optimizer, g))
        return fail(w, "step %lld: %s", (long long)w->step + 1,
                    heed_optimizer_error(w->optimizer));
    w->step++;
    return true;
}

/* ---- an epoch ---- */

static bool time_is_over(const trainer *w)
{
    double minutes = w->m.settings.minutes;
    return minutes > 0 && machine_seconds() - w->began >= 60 * minutes;
}

/* To its end, or that of the time, or an interrupt. *loss is the mean of its steps. */
static bool learn(trainer *w, double *loss)
{
    int64_t steps = 0;
    double sum = 0, one;
    do {
        if (!heed_batches_next(w->batches))
            return fail(w, "there is no batch to learn from");
        if (!take_step(w, &one))
            return false;
        sum += one;
        steps++;
    } while (heed_batches_index(w->batches) != 0 && !machine_interrupted() && !time_is_over(w));
    *loss = sum / (double)steps;
    return true;
}

static bool parameters_are_finite(trainer *w)
{
    const heed_params *ps = w->m.parameters;
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        const float *values = p->data;
        for (int64_t j = 0; j < p->size; j++) {
            if (!isfinite(values[j]))
                return not_finite(w, p->name, (double)values[j]);
        }
    }
    return true;
}

static bool save(trainer *w, double dev_loss)
{
    return parameters_are_finite(w) &&
           translator_save_numbers(&w->m, w->m.settings.out, w->epoch, dev_loss, w->error,
                                   sizeof w->error);
}

/* Judges the dev part and keeps the numbers if they are the best; *stop says that no better ones
 * are to be expected. */
static bool look(trainer *w, double train_loss, bool *stop)
{
    judgement j;
    const judge_options options = { .batch = 64 };
    if (!judge(&w->m, w->tape, &w->corpus, CORPUS_DEV, &options, &j, w->error, sizeof w->error))
        return false;
    if (machine_interrupted())
        return true;
    if (!isfinite(j.loss_forced))
        return not_finite(w, "dev loss", j.loss_forced);
    *stop = heed_stop(&w->stopping, w->epoch, j.loss_forced);
    bool best = w->stopping.best_step == w->epoch;
    w->metric = j.scores.tokens;
    printf(
        "epoch %lld/%lld  loss %.4f  dev perplexity %.4f, free %.4f  tokens %.4f  exact %.4f  "
        "%s%s\n",
        (long long)w->epoch, (long long)w->m.settings.epochs, train_loss, exp(j.loss_forced),
        exp(j.loss_free), j.scores.tokens, j.scores.exact,
        figure_time(machine_seconds() - w->began).text, best ? "  best" : "");
    fflush(stdout);
    return !best || save(w, j.loss_forced);
}

static bool loop(trainer *w)
{
    bool stop = false;
    double loss = 0;
    w->began = machine_seconds();
    for (w->epoch = 1; !stop && w->epoch <= w->m.settings.epochs; w->epoch++) {
        if (!learn(w, &loss))
            return false;
        if (!machine_interrupted() && !look(w, loss, &stop))
            return false;
        if (machine_interrupted()) /* something is better than nothing */
            return w->stopping.looks > 0 || save(w, NAN);
        stop = stop || time_is_over(w);
    }
    return true;
}

/* ---- the command ---- */

static void report_end(const trainer *w)
{
    printf("\n");
    if (w->stopping.looks > 0)
        printf("Kept: epoch %lld, dev perplexity %.4f. ", (long long)w->stopping.best_step,
               exp(w->stopping.best));
    else
        printf("Kept: the numbers as they were, before the first look at the dev part. ");
    printf("Next:\n  translate eval --model ");
    figure_quote(stdout, w->m.settings.out);
    printf("\n");
}

static int train(trainer *w)
{
    settings *s = &w->m.settings;
    if (!settings_check(s, w->error, sizeof w->error))
        return 2;
    if (s->threads > 0)
        heed_set_threads((int)s->threads);
    if (!open_folder(w) || !open_corpus(w) || !learn_vocabulary(w, SIDE_SOURCE) ||
        !learn_vocabulary(w, SIDE_TARGET) || !open_pairs(w) || !open_model(w) ||
        !fill_folder(w))
        return 1;
    report_start(w);
    if (!loop(w))
        return 1;
    report_end(w);
    return machine_interrupted() ? 130 : 0;
}

static void help(const option *table, size_t size)
{
    const model_kind *kind;
    options_help(stdout, PROGRAM, summary, table, size);
    printf("\nModels\n");
    for (int i = 0; (kind = model_at(i)) != NULL; i++)
        printf("  %-16s %s\n", kind->name, kind->help);
}

static void close_trainer(trainer *w)
{
    heed_optimizer_free(w->optimizer);
    heed_tape_free(w->tape);
    heed_batches_free(w->batches);
    pair_ids_free(&w->pairs);
    corpus_free(&w->corpus);
    translator_close(&w->m);
    free(w);
}

int train_command(int count, char **arguments)
{
    trainer *w = calloc(1, sizeof *w);
    option table[SETTINGS_OPTIONS];
    int code = 0;
    if (!w) {
        fputs(PROGRAM ": not enough memory\n", stderr);
        return 1;
    }
    settings_begin(&w->m.settings);
    size_t size = settings_table(&w->m.settings, table);
    switch (options_parse(PROGRAM, table, size, count, arguments, w->error, sizeof w->error)) {
    case OPTIONS_HELP:
        help(table, size);
        break;
    case OPTIONS_BAD:
        fprintf(stderr, "%s\n", w->error);
        code = 2;
        break;
    default:
        machine_catch_interrupts("\nstopping; Ctrl-C again quits at once\n");
        code = train(w);
        fflush(stdout);
        if (code != 0 && w->error[0])
            fprintf(stderr, PROGRAM ": %s\n", w->error);
    }
    close_trainer(w);
    return code;
}
