/* Saving a training run and reading it back (checkpoint.h). */
#include "checkpoint.h"

#include "folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FORMAT    "heed translate checkpoint 1"
#define FILE_NAME "checkpoint.safetensors"

/* ---- which pairs ---- */

static uint64_t hash_span(uint64_t hash, text_span text)
{
    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (unsigned char)text.bytes[i]) * 0x100000001B3u;
    return (hash ^ 0x100u) * 0x100000001B3u; /* no byte: where a text ends */
}

static void corpus_mark(const corpus *c, char *mark, size_t size)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < c->count; i++) {
        hash = hash_span(hash, c->pairs[i].source);
        hash = hash_span(hash, c->pairs[i].target);
    }
    snprintf(mark, size, "%zu pairs, %016" PRIx64, c->count, hash);
}

bool checkpoint_is_of(const heed_archive *archive, const corpus *c)
{
    char mark[80];
    const char *note = heed_archive_note_of(archive, "pairs");
    corpus_mark(c, mark, sizeof mark);
    return note && strcmp(note, mark) == 0;
}

/* ---- how far ---- */

/* The progress as an array. Whole numbers below 2^53 are exact. */
enum { STEP, JUDGED, LOSS, METRIC, LOOKS, WAITED, BEST, BEST_EPOCH, REACHED, NUMBERS_IN_ALL };

static void write_progress(const training *w, double numbers[NUMBERS_IN_ALL])
{
    const training_progress *p = &w->progress;
    numbers[STEP] = (double)p->step;
    numbers[JUDGED] = (double)p->judged;
    numbers[LOSS] = p->loss;
    numbers[METRIC] = p->metric;
    numbers[LOOKS] = (double)p->stopping.looks;
    numbers[WAITED] = (double)p->stopping.waited;
    numbers[BEST] = p->stopping.best;
    numbers[BEST_EPOCH] = (double)p->stopping.best_step;
    numbers[REACHED] = w->forcing.reached ? 1 : 0;
}

static bool is_count(double x, double most)
{
    return x >= 0 && x <= most && x <= 9007199254740992.0 && x - (double)(int64_t)x <= 0;
}

/* What is read fits together: nothing was judged, or waited for, more often than can be. */
static bool read_progress(training *w, const double numbers[NUMBERS_IN_ALL])
{
    double step = numbers[STEP];
    if (!is_count(step, (double)heed_optimizer_steps(w->optimizer)) ||
        !is_count(numbers[JUDGED], step) || !is_count(numbers[LOOKS], step) ||
        !is_count(numbers[WAITED], numbers[LOOKS]) || !is_count(numbers[BEST_EPOCH], step) ||
        !is_count(numbers[REACHED], 1))
        return false;
    w->progress = (training_progress){
        .step = (int64_t)step,
        .judged = (int64_t)numbers[JUDGED],
        .loss = numbers[LOSS],
        .metric = numbers[METRIC],
        .stopping = { .patience = w->m.settings.patience,
                      .looks = (int64_t)numbers[LOOKS],
                      .waited = (int64_t)numbers[WAITED],
                      .best = numbers[BEST],
                      .best_step = (int64_t)numbers[BEST_EPOCH] },
    };
    w->forcing.reached = numbers[REACHED] > 0;
    return w->progress.step == heed_optimizer_steps(w->optimizer);
}

/* ---- the file ---- */

bool checkpoint_save(training *w, char *error, size_t error_size)
{
    char path[4096], mark[80];
    double numbers[NUMBERS_IN_ALL];
    if (!folder_path(path, sizeof path, w->m.settings.out, FILE_NAME, error, error_size))
        return false;
    heed_archive *archive = heed_archive_new(NULL);
    heed__text text = { 0 };
    settings_write(&w->m.settings, &text);
    corpus_mark(&w->corpus, mark, sizeof mark);
    write_progress(w, numbers);
    bool good = archive && !text.failed;
    if (!good)
        heed__say(error, error_size, "cannot write %s: not enough memory", path);
    if (good) {
        good = heed_archive_note(archive, "format", FORMAT) &&
               heed_archive_note(archive, "settings", text.bytes) &&
               heed_archive_note(archive, "pairs", mark) &&
               heed_archive_add(archive, "progress", HEED_F64, HEED_SHAPE(NUMBERS_IN_ALL),
                                numbers) &&
               heed_archive_add_params(archive, "model.", w->m.parameters) &&
               heed_optimizer_store(w->optimizer, archive, "optimizer.") &&
               heed_archive_save(archive, path);
        if (!good) {
            const char *why = heed_archive_error(archive);
            if (!why)
                why = heed_optimizer_error(w->optimizer);
            heed__say(error, error_size, "%s", why ? why : "cannot write the checkpoint");
        }
    }
    heed_archive_free(archive);
    heed__text_free(&text);
    return good;
}

heed_archive *checkpoint_open(const char *folder, settings *stored, char *error,
                              size_t error_size)
{
    char path[4096], why[800];
    struct stat status;
    if (!folder_path(path, sizeof path, folder, FILE_NAME, error, error_size))
        return NULL;
    if (stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        heed__say(error, error_size,
                  "there is no training to go on with in %s: without --resume a new one begins",
                  folder);
        return NULL;
    }
    heed_archive *archive = heed_archive_open(path, NULL, error, error_size);
    if (!archive)
        return NULL;
    const char *format = heed_archive_note_of(archive, "format");
    const char *text = heed_archive_note_of(archive, "settings");
    bool good = format && strcmp(format, FORMAT) == 0 && text;
    if (!good)
        heed__say(why, sizeof why, "this is no checkpoint of translate train");
    else
        good = settings_parse(stored, text, strlen(text), why, sizeof why);
    if (!good) {
        heed__say(error, error_size, "%s: %s", path, why);
        heed_archive_free(archive);
        return NULL;
    }
    return archive;
}

bool checkpoint_restore(training *w, heed_archive *archive, char *error, size_t error_size)
{
    const char *folder = w->m.settings.out, *why;
    if (!heed_archive_get_params(archive, "model.", w->m.parameters)) {
        why = heed_params_error(w->m.parameters); /* names the file */
        return heed__say(error, error_size, "%s", why ? why : heed_archive_error(archive));
    }
    if (!heed_optimizer_restore(w->optimizer, archive, "optimizer.")) {
        why = heed_optimizer_error(w->optimizer);
        return heed__say(error, error_size, "%s/" FILE_NAME ": %s", folder,
                         why ? why : "its moments do not fit its parameters");
    }
    const heed_entry *e = heed_archive_find(archive, "progress");
    if (!e || e->dtype != HEED_F64 || e->shape.ndim != 1 ||
        e->shape.size[0] != NUMBERS_IN_ALL || !read_progress(w, e->data))
        return heed__say(error, error_size,
                         "%s/" FILE_NAME ": it does not say how far the training is", folder);
    int64_t count = heed_batches_count(w->batches), step = w->progress.step;
    return heed_batches_seek(w->batches, step / count, step % count) ||
           heed__say(error, error_size, "%s/" FILE_NAME ": there is no step %lld", folder,
                     (long long)step);
}

/* ---- the folder ---- */

/* The model's last file comes first, and then what --resume needs. */
static const char *const files_of_a_run[] = { "config.json", FILE_NAME,     "model.safetensors",
                                              "source.json", "target.json", "test.tsv" };

enum { FILES_OF_A_RUN = sizeof files_of_a_run / sizeof *files_of_a_run };

bool checkpoint_folder_is_free(const char *folder, char *error, size_t error_size)
{
    if (!folder_holds(folder, files_of_a_run, FILES_OF_A_RUN))
        return true;
    bool model = folder_holds(folder, files_of_a_run, 1);
    if (!folder_holds(folder, files_of_a_run + 1, 1))
        return heed__say(error, error_size,
                         "%s already holds %s: choose another folder with --out", folder,
                         model ? "a model" : "files of a model");
    return heed__say(error, error_size,
                     model ? "%s already holds a model: go on with its training with --resume, "
                             "or choose another folder with --out"
                           : "%s already holds an unfinished training: --resume goes on with "
                             "it, or choose another folder with --out",
                     folder);
}

void checkpoint_undo(const char *folder, bool made)
{
    folder_undo(folder, made, files_of_a_run, FILES_OF_A_RUN);
}

void checkpoint_sweep(const char *folder)
{
    folder_sweep(folder, files_of_a_run, FILES_OF_A_RUN);
}
