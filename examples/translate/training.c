/* Putting a training run together (training.h). */
#include "training.h"

#include "checkpoint.h"
#include "folder.h"
#include "room.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What random draws are for. */
enum { DRAW_WEIGHTS };

const judge_options training_judging = { .batch = 64 };

/* ---- how far it is ---- */

static int64_t steps_of_epoch(const training *w)
{
    return heed_batches_count(w->batches);
}

int64_t training_steps(const training *w)
{
    return w->m.settings.epochs * steps_of_epoch(w);
}

int64_t training_epoch(const training *w)
{
    return (w->progress.step + steps_of_epoch(w) - 1) / steps_of_epoch(w);
}

bool training_epoch_ended(const training *w)
{
    const training_progress *p = &w->progress;
    return p->step % steps_of_epoch(w) == 0 && p->judged < p->step;
}

bool training_is_complete(const training *w)
{
    const training_progress *p = &w->progress;
    int64_t patience = w->m.settings.patience;
    return (patience > 0 && p->stopping.waited >= patience) ||
           (p->step >= training_steps(w) && p->judged == p->step);
}

/* ---- parts ---- */

static bool open_corpus(training *w, char *error, size_t error_size)
{
    const settings *s = &w->m.settings;
    if (s->pairs)
        return corpus_read(&w->corpus, s->pairs, s->swap, error, error_size);
    return corpus_generate(&w->corpus, (corpus_task)s->task, s->count, (uint64_t)s->seed, error,
                           error_size);
}

/* From the part to learn from only. */
static bool learn_vocabulary(training *w, int side, char *error, size_t error_size)
{
    const settings *s = &w->m.settings;
    const corpus_pair *pairs = w->corpus.pairs + w->corpus.starts[CORPUS_TRAIN];
    size_t count = w->corpus.starts[CORPUS_TRAIN + 1] - w->corpus.starts[CORPUS_TRAIN];
    text_span *texts = calloc(count + 1, sizeof *texts);
    if (!texts)
        return heed__say(error, error_size, "not enough memory");
    for (size_t i = 0; i < count; i++)
        texts[i] = side == SIDE_SOURCE ? pairs[i].source : pairs[i].target;
    int chosen = side == SIDE_SOURCE ? s->source_vocabulary : s->target_vocabulary;
    vocabulary_options options = { .kind = (vocabulary_kind)(chosen - 1),
                                   .lower = side == SIDE_SOURCE && s->lower,
                                   .limit = s->vocabulary_size };
    vocabulary *v = vocabulary_learn(texts, count, options, error, error_size);
    free(texts);
    return v && translator_give(&w->m, side, v, error, error_size);
}

static bool open_batches(training *w, char *error, size_t error_size)
{
    settings *s = &w->m.settings;
    const vocabulary *const vocabularies[] = { w->m.vocabularies[0], w->m.vocabularies[1] };
    if (!pair_ids_make(&w->pairs, &w->corpus, CORPUS_TRAIN, vocabularies, error, error_size))
        return false;
    s->longest = pair_ids_longest(&w->pairs, SIDE_TARGET);
    w->batches = pair_ids_batches(
        &w->pairs,
        (heed_batches_options){
            .size = s->batch, .shuffle = true, .seed = (uint64_t)s->seed, .bucket = 50 },
        error, error_size);
    return w->batches != NULL;
}

static bool open_data(training *w, char *error, size_t error_size)
{
    return learn_vocabulary(w, SIDE_SOURCE, error, error_size) &&
           learn_vocabulary(w, SIDE_TARGET, error, error_size) &&
           open_batches(w, error, error_size);
}

/* The model with weights of the run's seed, or zeros, and what changes it. */
static bool open_model(training *w, bool draw, char *error, size_t error_size)
{
    const settings *s = &w->m.settings;
    heed_random random = { .seed = (uint64_t)s->seed, .stream = DRAW_WEIGHTS };
    if (!translator_make(&w->m, draw ? &random : NULL, error, error_size) ||
        !room_to_learn(&w->m, w->batches, error, error_size) ||
        !room_to_judge(&w->m, &w->corpus, CORPUS_DEV, &training_judging, error, error_size))
        return false;
    w->optimizer = heed_adam_new(w->m.parameters, (heed_adam_options){ .lr = s->lr });
    if (!w->optimizer || !heed_params_gradients(w->m.parameters))
        return heed__say(error, error_size, "not enough memory");
    w->schedule = (heed_schedule){ .kind = (heed_schedule_kind)s->schedule,
                                   .lr = s->lr,
                                   .min_lr = s->min_lr,
                                   .warmup = s->warmup,
                                   .steps = training_steps(w) };
    w->forcing = settings_forcing(s, training_steps(w));
    return true;
}

/* ---- the folder ---- */

/* The path so that it holds in any working directory: the run may go on from another one. */
static bool keep_path(settings *s, char *error, size_t error_size)
{
    if (!s->pairs)
        return true;
    char *whole = realpath(s->pairs, NULL);
    if (!whole)
        return heed__say(error, error_size, "cannot read %s: %s", s->pairs, strerror(errno));
    free(s->strings[0]);
    s->strings[0] = whole;
    s->pairs = whole;
    return true;
}

static bool write_held_out(const training *w, char *error, size_t error_size)
{
    char path[4096];
    return folder_path(path, sizeof path, w->m.settings.out, "test.tsv", error, error_size) &&
           corpus_write(&w->corpus, CORPUS_TEST, path, error, error_size);
}

bool training_keep(training *w, double dev_loss, char *error, size_t error_size)
{
    const char *folder = w->m.settings.out;
    bool good = translator_save_numbers(&w->m, folder, training_epoch(w), dev_loss, error,
                                        error_size) &&
                translator_save_settings(&w->m, folder, error, error_size);
    w->kept = w->kept || good;
    return good;
}

void training_undo(const training *w)
{
    const char *folder = w->m.settings.out;
    if (w->opened)
        checkpoint_undo(folder, w->made_folder);
}

/* ---- from the start and from the checkpoint ---- */

bool training_begin(training *w, char *error, size_t error_size)
{
    settings *s = &w->m.settings;
    if (!checkpoint_folder_is_free(s->out, error, error_size))
        return false;
    w->progress.metric = NAN;
    w->progress.stopping.patience = s->patience;
    if (!open_corpus(w, error, error_size) || !open_data(w, error, error_size) ||
        !open_model(w, true, error, error_size) || !keep_path(s, error, error_size))
        return false;
    w->opened = folder_make_own(s->out, &w->made_folder, error, error_size);
    /* The checkpoint last: with it, all is there that goes on. */
    return w->opened && write_held_out(w, error, error_size) &&
           checkpoint_save(w, error, error_size);
}

static bool open_same_corpus(training *w, const heed_archive *archive, char *error,
                             size_t error_size)
{
    const settings *s = &w->m.settings;
    if (!open_corpus(w, error, error_size))
        return false;
    if (checkpoint_is_of(archive, &w->corpus))
        return true;
    if (s->pairs)
        return heed__say(error, error_size,
                         "%s does not hold the pairs that this run learns from, or has changed "
                         "since: --pairs says where they are",
                         s->pairs);
    return heed__say(error, error_size,
                     "the pairs of %s are not those that this run learns from: this is another "
                     "version of translate",
                     corpus_task_name((corpus_task)s->task));
}

bool training_resume(training *w, const option *given, size_t given_size, bool *usage,
                     char *error, size_t error_size)
{
    settings stored;
    *usage = false;
    heed_archive *archive = checkpoint_open(w->m.settings.out, &stored, error, error_size);
    if (!archive)
        return false;
    w->stored_epochs = stored.epochs;
    bool good = settings_resume(&w->m.settings, &stored, given, given_size, error, error_size);
    *usage = !good;
    good = good && open_same_corpus(w, archive, error, error_size) &&
           open_data(w, error, error_size) && open_model(w, false, error, error_size) &&
           checkpoint_restore(w, archive, error, error_size) &&
           keep_path(&w->m.settings, error, error_size) && write_held_out(w, error, error_size);
    heed_archive_free(archive);
    if (good)
        checkpoint_sweep(w->m.settings.out);
    return good;
}

void training_close(training *w)
{
    heed_optimizer_free(w->optimizer);
    heed_batches_free(w->batches);
    pair_ids_free(&w->pairs);
    corpus_free(&w->corpus);
    translator_close(&w->m);
}
