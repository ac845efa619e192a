/* Saving and reading back a run (checkpoint.h). */
#include "checkpoint.h"

#include "folder.h"
#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FORMAT    "heed gpt checkpoint 1"
#define FILE_NAME "checkpoint.safetensors"

static void text_mark(const gpt_text *text, char *mark, size_t size)
{
    snprintf(mark, size, "%zu bytes, %016" PRIx64, text->size, text_hash(text));
}

bool checkpoint_save(gpt_run *run, char *error, size_t error_size)
{
    char path[4096], step[32], mark[80];
    if (!folder_path(path, sizeof path, run->config.out, FILE_NAME, error, error_size))
        return false;
    heed_archive *archive = heed_archive_new(NULL);
    heed__text settings = { 0 };
    char *tokens = tokenizer_text(run->model.tokenizer);
    config_to_json(&run->config, &settings);
    snprintf(step, sizeof step, "%lld", (long long)run->step);
    text_mark(&run->text, mark, sizeof mark);

    bool good = archive && tokens && !settings.failed;
    if (!good)
        heed__say(error, error_size, "cannot write %s: not enough memory", path);
    if (good) {
        good = heed_archive_note(archive, "format", FORMAT) &&
               heed_archive_note(archive, "step", step) &&
               heed_archive_note(archive, "settings", settings.bytes) &&
               heed_archive_note(archive, "tokenizer", tokens) &&
               heed_archive_note(archive, "text", mark) &&
               heed_archive_add_params(archive, "model.", run->model.parameters) &&
               heed_optimizer_store(run->optimizer, archive, "optimizer.") &&
               heed_archive_save(archive, path);
        if (!good) {
            const char *why = heed_archive_error(archive);
            if (!why)
                why = heed_optimizer_error(run->optimizer);
            heed__say(error, error_size, "%s", why ? why : "cannot write the checkpoint");
        }
    }
    heed_archive_free(archive);
    heed__text_free(&settings);
    free(tokens);
    return good && model_export(&run->model, run->config.out, run->step, error, error_size);
}

/* A note as a whole number from 0; -1 if it is none. */
static int64_t note_number(const heed_archive *archive, const char *key)
{
    const char *note = heed_archive_note_of(archive, key);
    char *end;
    if (!note || note[0] < '0' || note[0] > '9')
        return -1;
    errno = 0;
    long long number = strtoll(note, &end, 10);
    return *end == '\0' && errno == 0 ? number : -1;
}

heed_archive *checkpoint_open(gpt_run *run, gpt_config *stored, const char *folder, char *error,
                              size_t error_size)
{
    char path[4096], why[400] = "";
    struct stat status;
    if (!folder_path(path, sizeof path, folder, FILE_NAME, error, error_size))
        return NULL;
    if (stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        heed__say(error, error_size,
                  "there is no run to resume in %s: without --resume a new one begins", folder);
        return NULL;
    }
    heed_archive *archive = heed_archive_open(path, NULL, error, error_size);
    if (!archive)
        return NULL;
    const char *format = heed_archive_note_of(archive, "format");
    const char *settings = heed_archive_note_of(archive, "settings");
    const char *tokens = heed_archive_note_of(archive, "tokenizer");
    run->step = note_number(archive, "step");
    bool good = format && strcmp(format, FORMAT) == 0;
    if (!good)
        heed__say(why, sizeof why, "this is no checkpoint of gpt train");
    else if (!settings || !tokens || run->step < 0)
        good = heed__say(why, sizeof why, "settings, tokenizer or step is missing");
    else if (!config_from_json(stored, settings, why, sizeof why) ||
             !config_check(stored, why, sizeof why))
        good = false;
    if (good) {
        run->model.tokenizer =
            tokenizer_parse("tokenizer", tokens, strlen(tokens), why, sizeof why);
        good = run->model.tokenizer != NULL;
    }
    if (!good) {
        heed__say(error, error_size, "%s: %s", path, why);
        heed_archive_free(archive);
        return NULL;
    }
    return archive;
}

bool checkpoint_is_of(const heed_archive *archive, const gpt_text *text)
{
    char mark[80];
    const char *note = heed_archive_note_of(archive, "text");
    text_mark(text, mark, sizeof mark);
    return note && strcmp(note, mark) == 0;
}

bool checkpoint_restore(gpt_run *run, heed_archive *archive, char *error, size_t error_size)
{
    if (!heed_archive_get_params(archive, "model.", run->model.parameters)) {
        const char *why = heed_params_error(run->model.parameters); /* names the file */
        return heed__say(error, error_size, "%s", why ? why : heed_archive_error(archive));
    }
    if (!heed_optimizer_restore(run->optimizer, archive, "optimizer.")) {
        const char *why = heed_optimizer_error(run->optimizer);
        return heed__say(error, error_size, "%s/" FILE_NAME ": %s", run->config.out,
                         why ? why : "its moments do not fit its parameters");
    }
    if (heed_optimizer_steps(run->optimizer) != run->step)
        return heed__say(error, error_size,
                         "%s/" FILE_NAME ": the moments are of step %lld and the rest of step "
                         "%lld",
                         run->config.out, (long long)heed_optimizer_steps(run->optimizer),
                         (long long)run->step);
    return true;
}

/* ---- the folder ---- */

static const char *const files_of_a_run[] = { FILE_NAME, "model.safetensors", "log.jsonl",
                                              "config.json", "tokenizer.json" };

enum { FILES_OF_A_RUN = sizeof files_of_a_run / sizeof *files_of_a_run };

bool checkpoint_in_the_way(const char *folder)
{
    return folder_holds(folder, files_of_a_run, FILES_OF_A_RUN);
}

void checkpoint_undo(const char *folder, bool made)
{
    folder_undo(folder, made, files_of_a_run, FILES_OF_A_RUN);
}

void checkpoint_sweep(const char *folder)
{
    folder_sweep(folder, files_of_a_run, FILES_OF_A_RUN);
}
