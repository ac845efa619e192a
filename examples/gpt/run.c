/* Putting a run together, new or from its checkpoint (run.h). */
#include "run.h"

#include "checkpoint.h"
#include "figures.h"
#include "folder.h"
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int64_t run_memory(const gpt_run *run)
{
    heed_gpt_options options =
        config_model(&run->config, tokenizer_vocabulary(run->model.tokenizer));
    int64_t need = heed_gpt_memory(&options, run->config.batch);
    int64_t data = (int64_t)run->text.size + 4 * (run->train.count + run->held_out.count);
    return need < 0 || need > INT64_MAX - data ? -1 : need + data;
}

heed_schedule run_schedule(const gpt_run *run)
{
    return (heed_schedule){ .kind = HEED_COSINE,
                            .lr = run->config.lr,
                            .min_lr = run->config.min_lr,
                            .warmup = run->config.warmup,
                            .steps = run->config.steps };
}

static bool check_length(const gpt_run *run, const gpt_part *part, const char *what,
                         char *error, size_t error_size)
{
    if (part->count > run->config.context)
        return true;
    return heed__say(error, error_size,
                     "%s is too short: the %s part has %s and context %lld needs at "
                     "least %lld",
                     run->text.name, what, figure_of(part->count, "token").text,
                     (long long)run->config.context, (long long)run->config.context + 1);
}

static bool open_parts(gpt_run *run, char *error, size_t error_size)
{
    const gpt_text *text = &run->text;
    size_t middle = text_split_at(text, run->model.tokenizer);
    return part_open(&run->train, text, run->model.tokenizer, 0, middle, error, error_size) &&
           part_open(&run->held_out, text, run->model.tokenizer, middle, text->size, error,
                     error_size) &&
           check_length(run, &run->train, "training", error, error_size) &&
           check_length(run, &run->held_out, "held-out", error, error_size);
}

/* The model with weights of the run's seed, or zeros, and its optimizer. */
static bool build(gpt_run *run, bool draw, char *error, size_t error_size)
{
    const gpt_config *c = &run->config;
    heed_random r = data_random((uint64_t)c->seed, DRAW_WEIGHTS, 0);
    heed_gpt_options options = config_model(c, tokenizer_vocabulary(run->model.tokenizer));
    options.random = draw ? &r : NULL;
    if (!machine_has_memory(run_memory(run), error, error_size) ||
        !model_make(&run->model, options, error, error_size))
        return false;
    run->model.gpt->options.random = NULL;
    run->optimizer = heed_adamw_new(
        run->model.parameters,
        (heed_adam_options){
            .lr = c->lr, .beta1 = c->beta1, .beta2 = c->beta2, .decay = c->weight_decay });
    if (!run->optimizer) {
        const char *why = heed_params_error(run->model.parameters);
        return heed__say(error, error_size, "%s",
                         why ? why : "not enough memory for the optimizer");
    }
    return true;
}

/* The path so that it holds in any working directory: the run may be resumed from another
 * one. */
static bool keep_path(gpt_run *run, char *error, size_t error_size)
{
    gpt_config *c = &run->config;
    if (!c->data)
        return true;
    char *whole = realpath(c->data, NULL);
    if (!whole)
        return heed__say(error, error_size, "cannot read %s: %s", c->data, strerror(errno));
    free(c->strings[0]);
    c->strings[0] = whole;
    c->data = run->text.name = whole;
    return true;
}

bool run_begin(gpt_run *run, char *error, size_t error_size)
{
    gpt_config *c = &run->config;
    if (checkpoint_in_the_way(c->out))
        return heed__say(error, error_size,
                         "%s already holds a run: continue it with --resume, or choose another "
                         "folder with --out",
                         c->out);
    if (!text_open(&run->text, c->data, text_is_exact(c->tokenizer), error, error_size))
        return false;
    run->model.tokenizer = text_tokenizer(&run->text, c->tokenizer, error, error_size);
    if (!run->model.tokenizer || !open_parts(run, error, error_size) ||
        !build(run, true, error, error_size))
        return false;
    bool made;
    if (!keep_path(run, error, error_size) ||
        !folder_make_own(c->out, &made, error, error_size))
        return false;
    /* So that the run can be resumed from its first moment on, and a full disk shows at
     * once. */
    bool good = checkpoint_save(run, error, error_size);
    if (!good)
        checkpoint_undo(c->out, made);
    return good;
}

static bool open_text(gpt_run *run, const heed_archive *archive, char *error, size_t error_size)
{
    const gpt_config *c = &run->config;
    /* A run of before line ends were looked at learns from the file as it is. */
    if (!text_open(&run->text, c->data, true, error, error_size))
        return false;
    if (checkpoint_is_of(archive, &run->text))
        return true;
    text_close(&run->text);
    if (!text_open(&run->text, c->data, text_is_exact(c->tokenizer), error, error_size))
        return false;
    if (!checkpoint_is_of(archive, &run->text))
        return heed__say(error, error_size, "%s is not the text that this run learns from%s",
                         run->text.name,
                         c->data ? ", or it has changed since: --data says where that text is"
                                 : ": this is another version of gpt");
    return true;
}

bool run_resume(gpt_run *run, const option *given, size_t given_size, bool *usage, char *error,
                size_t error_size)
{
    gpt_config stored;
    config_begin(&stored);
    *usage = false;
    heed_archive *archive = checkpoint_open(run, &stored, run->config.out, error, error_size);
    bool good = archive != NULL;
    if (good) {
        run->stored_steps = stored.steps;
        good = config_resume(&run->config, &stored, given, given_size, error, error_size);
        *usage = !good;
    }
    if (good) {
        good = open_text(run, archive, error, error_size) &&
               open_parts(run, error, error_size) && build(run, false, error, error_size) &&
               checkpoint_restore(run, archive, error, error_size) &&
               keep_path(run, error, error_size);
    }
    config_free(&stored);
    heed_archive_free(archive);
    return good;
}

void run_close(gpt_run *run)
{
    heed_optimizer_free(run->optimizer);
    model_close(&run->model);
    part_close(&run->train);
    part_close(&run->held_out);
    text_close(&run->text);
    config_free(&run->config);
}
