/* translate train: learns from pairs, by epochs. After each one the dev part is judged; the
 * numbers of the epoch with the least dev loss are what the folder keeps. A step is a pure
 * function of the checkpoint before it, so that a training that was interrupted goes on with the
 * same bits. */
#include "checkpoint.h"
#include "commands.h"
#include "figures.h"
#include "judge.h"
#include "machine.h"
#include "program.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "translate train"

static const char summary[] =
    "Trains a model on pairs of texts: 90 % of the sources to learn from, 5 % to choose the "
    "best\n"
    "epoch by (dev), 5 % held out. The folder --out gets model.safetensors, config.json,\n"
    "source.json and target.json (vocabularies) and test.tsv (what was held out), which are "
    "all\n"
    "that translate eval and translate run need, and checkpoint.safetensors. Ctrl-C keeps the\n"
    "best epoch and stops. With --resume a training that was stopped or killed goes on, "
    "wherever\n"
    "its folder has been moved to; only --epochs, --patience, --minutes, --save-every, --out "
    "and\n"
    "--threads may then differ, and --pairs only says where the same pairs are now. A line of\n"
    "--pairs with a tab is a pair; of the others, those that are empty or begin with # say\n"
    "nothing.";

/* One start of the program at work on a run. */
typedef struct trainer {
    training run;
    heed_tape *tape;
    double began;
    int64_t saved; /* the step of the last checkpoint */
    bool diverged; /* which no checkpoint is good for */
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
    w->diverged = true;
    return fail(
        w,
        "step %lld: the %s is not finite (%s), so the training stops here; %s; a smaller "
        "--lr often helps",
        (long long)w->run.progress.step + 1, what, isnan(value) ? "NaN" : "infinity",
        w->run.progress.stopping.looks ? "the best epoch so far has been kept"
                                       : "no epoch has been kept");
}

/* ---- what is said ---- */

static void report_start(const training *run)
{
    const settings *s = &run->m.settings;
    const size_t *starts = run->corpus.starts;
    int64_t step = run->progress.step;
    printf("model    %s, %s of %lld, embeddings of %lld: %s parameters\n", s->model,
           figure_of(s->layers, "layer").text, (long long)s->hidden, (long long)s->embedding,
           figure_count(heed_params_size(run->m.parameters)).text);
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
    printf("steps    %s an epoch, %s at most\n",
           figure_count(heed_batches_count(run->batches)).text,
           figure_of(s->epochs, "epoch").text);
    if (step > 0)
        printf("resumed  after step %s, epoch %lld\n", figure_count(step).text,
               (long long)training_epoch(run));
    if (run->stored_epochs > 0 && run->stored_epochs != s->epochs)
        printf("epochs   %lld instead of %lld: the learning rate now falls until their end\n",
               (long long)s->epochs, (long long)run->stored_epochs);
    printf("\n");
    fflush(stdout);
}

static void print_command(const training *run, const char *words)
{
    program_print(words);
    figure_quote(stdout, run->m.settings.out);
    printf("\n");
}

/* With a sentence that was held out. */
static void print_run(const training *run)
{
    const corpus *c = &run->corpus;
    char sentence[200] = "a sentence";
    text_span first = { "", 0 };
    if (c->starts[CORPUS_TEST] < c->starts[CORPUS_TEST + 1])
        first = c->pairs[c->starts[CORPUS_TEST]].source;
    if (first.size > 0 && first.size < sizeof sentence)
        snprintf(sentence, sizeof sentence, "%.*s", (int)first.size, first.bytes);
    program_print("run --model");
    figure_quote(stdout, run->m.settings.out);
    printf(" ");
    figure_quote(stdout, sentence);
    printf("\n");
}

static void report_end(const training *run)
{
    const heed_stopping *s = &run->progress.stopping;
    printf("\n");
    if (s->looks > 0)
        printf("Kept: epoch %lld, dev perplexity %s. ", (long long)s->best_step,
               figure_perplexity(s->best).text);
    else
        printf("Kept: the numbers as they were, before the first look at the dev part. ");
    printf("Next:\n");
    print_command(run, "eval --model");
    print_run(run);
    if (!training_is_complete(run))
        print_command(run, "train --resume --out");
    else if (run->progress.step >= training_steps(run))
        printf("More --epochs with --resume let the training go on.\n");
}

/* ---- a step ---- */

/* What the batch at hand is to make less: the mean over its tokens, of which there is more if
 * attention is told how wide to look. */
static heed_tensor *loss_of_batch(const training *run, heed_tape *t, double forcing)
{
    const settings *s = &run->m.settings;
    const heed_cross_entropy_options options = { .ignore = true,
                                                 .ignore_index = VOCABULARY_PAD,
                                                 .smoothing = s->smoothing };
    bool penalized = s->attention_entropy > 0 || s->attention_entropy < 0;
    heed_attention_penalty penalty;
    heed_tensor *ids = heed_batch_values(t, run->batches, SIDE_SOURCE);
    heed_tensor *targets = heed_batch_values(t, run->batches, SIDE_TARGET);
    heed_tensor *inputs = heed_shift_right(t, targets, VOCABULARY_SOS);
    model_source source = { ids, heed_batch_lengths(run->batches, SIDE_SOURCE) };
    if (penalized)
        heed_attention_penalty_begin(t, &penalty, heed_attention_entropy);
    model_output o = run->m.kind->forward(t, run->m.model, &source, inputs, forcing);
    heed_tensor *entropy = penalized ? heed_attention_penalty_end(t, &penalty) : NULL;
    heed_tensor *mean = heed_cross_entropy(t, o.logits, targets, &options);
    return penalized ? heed_add(t, mean, heed_scale(t, entropy, s->attention_entropy)) : mean;
}

static bool take_step(trainer *w)
{
    training *run = &w->run;
    training_progress *p = &run->progress;
    const settings *s = &run->m.settings;
    heed_gradients *g = heed_params_gradients(run->m.parameters);
    double forcing = heed_forcing_rate(&run->forcing, p->step, p->metric);
    heed_tape_reset(w->tape);
    heed_seed(w->tape, (uint64_t)s->seed, (uint64_t)p->step);
    heed_tensor *total = loss_of_batch(run, w->tape, forcing);
    double loss = heed_item(w->tape, total);
    if (!heed_error(w->tape) && !isfinite(loss))
        return not_finite(w, "loss", loss);
    if (!heed_backward(w->tape, total))
        return fail(w, "step %lld: %s", (long long)p->step + 1,
                    heed_error(w->tape) ? heed_error(w->tape) : "the step failed");
    double norm = heed_clip_norm(g, s->clip);
    if (!isfinite(norm))
        return not_finite(w, "norm of the gradient", norm);
    heed_optimizer_set_rate(run->optimizer, heed_schedule_rate(&run->schedule, p->step));
    if (!heed_optimizer_step(run->optimizer, g))
        return fail(w, "step %lld: %s", (long long)p->step + 1,
                    heed_optimizer_error(run->optimizer));
    p->loss += loss;
    p->step++;
    return true;
}

static bool next_step(trainer *w)
{
    training *run = &w->run;
    if (heed_batches_index(run->batches) == 0)
        run->progress.loss = 0;
    if (!heed_batches_next(run->batches))
        return fail(w, "there is no batch to learn from");
    return take_step(w);
}

/* ---- saving ---- */

/* An update may overflow although the loss before it did not: such numbers must not replace the
 * last good ones. */
static bool parameters_are_finite(trainer *w)
{
    double value;
    const heed_parameter *p = translator_damage(&w->run.m, &value);
    return !p || not_finite(w, p->name, value);
}

static bool keep(trainer *w, double dev_loss)
{
    return parameters_are_finite(w) &&
           training_keep(&w->run, dev_loss, w->error, sizeof w->error);
}

static bool save(trainer *w)
{
    bool good = parameters_are_finite(w) && checkpoint_save(&w->run, w->error, sizeof w->error);
    w->saved = good ? w->run.progress.step : w->saved;
    return good;
}

/* ---- an epoch ---- */

static void report_epoch(const trainer *w, const judgement *j, bool best)
{
    const training *run = &w->run;
    int64_t epoch = training_epoch(run);
    int64_t steps = run->progress.step - (epoch - 1) * heed_batches_count(run->batches);
    printf("epoch %lld/%lld  loss %.4f  dev perplexity %s, free %s  tokens %.4f  exact %.4f  "
           "%s%s\n",
           (long long)epoch, (long long)run->m.settings.epochs,
           run->progress.loss / (double)steps, figure_perplexity(j->loss_forced).text,
           figure_perplexity(j->loss_free).text, j->scores.tokens, j->scores.exact,
           figure_time(machine_seconds() - w->began).text, best ? "  best" : "");
    fflush(stdout);
}

/* Judges the dev part, unless there is an interrupt, and keeps the numbers if they are the best.
 * Within an epoch, where only the time that was given ends, a look that is none better leaves no
 * trace, so that a training in several starts stops where one in a single start does. */
static bool look(trainer *w)
{
    training *run = &w->run;
    training_progress *p = &run->progress;
    heed_stopping stopping = p->stopping;
    judgement j;
    if (!parameters_are_finite(w) || !judge(&run->m, w->tape, &run->corpus, CORPUS_DEV,
                                            &training_judging, &j, w->error, sizeof w->error))
        return false;
    if (machine_interrupted())
        return true;
    if (!isfinite(exp(j.loss_forced)))
        return not_finite(w, "dev perplexity", exp(j.loss_forced));
    heed_stop(&stopping, training_epoch(run), j.loss_forced);
    bool best = stopping.waited == 0;
    if (training_epoch_ended(run))
        p->metric = j.scores.tokens;
    if (best || training_epoch_ended(run))
        p->stopping = stopping;
    p->judged = p->step;
    report_epoch(w, &j, best);
    return !best || keep(w, j.loss_forced);
}

static bool time_is_over(const trainer *w)
{
    double minutes = w->run.m.settings.minutes;
    return minutes > 0 && machine_seconds() - w->began >= 60 * minutes;
}

static bool loop(trainer *w)
{
    training *run = &w->run;
    const training_progress *p = &run->progress;
    int64_t save_every = run->m.settings.save_every;
    bool over = false;
    w->began = machine_seconds();
    heed_set_training(w->tape, true);
    while (!over && !machine_interrupted() && !training_is_complete(run)) {
        if (!training_epoch_ended(run) && !next_step(w))
            return false;
        over = time_is_over(w);
        if ((over || training_epoch_ended(run)) && !look(w))
            return false;
        bool due = p->judged == p->step || (save_every > 0 && p->step % save_every == 0);
        if (due && !save(w))
            return false;
    }
    if (!machine_interrupted() || training_is_complete(run))
        return true;
    /* Something is better than nothing. */
    return save(w) && (p->stopping.looks > 0 || keep(w, NAN));
}

/* ---- the command ---- */

/* No numbers that were learned are lost; what nobody can use is taken away. */
static void end_badly(trainer *w, bool resume)
{
    char why[sizeof w->error];
    training *run = &w->run;
    if (!resume && !run->kept && (w->diverged || w->saved == 0)) {
        training_undo(run);
    } else if (!w->diverged && w->tape) {
        snprintf(why, sizeof why, "%s", w->error);
        fail(w,
             "%s; the checkpoint of step %lld in %s was not harmed: mend this and go on with "
             "--resume",
             why, (long long)w->saved, run->m.settings.out);
    }
}

static int train(trainer *w, const option *table, size_t table_size)
{
    training *run = &w->run;
    settings *s = &run->m.settings;
    bool usage = false, resume = s->resume;
    if (!(resume ? settings_has_folder(s, w->error, sizeof w->error)
                 : settings_check(s, w->error, sizeof w->error)))
        return 2;
    if (s->threads > 0)
        heed_set_threads((int)s->threads);
    bool good = resume
                    ? training_resume(run, table, table_size, &usage, w->error, sizeof w->error)
                    : training_begin(run, w->error, sizeof w->error);
    if (good) {
        report_start(run);
        w->saved = run->progress.step;
        w->tape = heed_tape_new(NULL);
        good = w->tape ? loop(w) : fail(w, "not enough memory");
    }
    if (!good) {
        end_badly(w, resume);
        return usage ? 2 : 1;
    }
    report_end(run);
    return machine_interrupted() && !training_is_complete(run) ? 130 : 0;
}

static void list_models(void)
{
    const model_kind *kind;
    printf("\nModels\n");
    for (int i = 0; (kind = model_at(i)) != NULL; i++)
        printf("  %-16s %s\n", kind->name, kind->help);
}

int train_command(int count, char **arguments)
{
    trainer *w = calloc(1, sizeof *w);
    option table[SETTINGS_OPTIONS];
    if (!w) {
        fputs(PROGRAM ": not enough memory\n", stderr);
        return 1;
    }
    settings_begin(&w->run.m.settings);
    size_t size = settings_table(&w->run.m.settings, table);
    int code = options_begin(PROGRAM, summary, table, size, count, arguments);
    if (code == 0)
        list_models();
    if (code < 0) {
        machine_catch_interrupts("\nstopping; Ctrl-C again quits at once\n");
        code = train(w, table, size);
        fflush(stdout);
        if (code != 0 && w->error[0])
            fprintf(stderr, PROGRAM ": %s\n", w->error);
    }
    heed_tape_free(w->tape);
    training_close(&w->run);
    free(w);
    return code;
}
