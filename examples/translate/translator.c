/* The folder of a model (translator.h). */
#include "translator.h"

#include "folder.h"
#include "machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const files[SIDES] = { "source.json", "target.json" };

/* The machine must have memory for the model's numbers, of which these are most. */
static bool has_room(const model_sizes *m, char *error, size_t error_size)
{
    double e = (double)m->embedding, h = (double)m->hidden, source, target;
    source = (double)m->source_vocabulary * e + (e + h * (2.0 * m->layers - 1)) * h;
    target = (double)m->target_vocabulary * (e + h) + (e + h * (2.0 * m->layers - 1)) * h;
    double bytes = 4 * (source + target);
    return machine_has_memory(bytes < 9e18 ? (int64_t)bytes : -1, error, error_size);
}

bool translator_make(translator *t, heed_random *random, char *error, size_t error_size)
{
    model_sizes sizes = settings_sizes(&t->settings);
    if (!has_room(&sizes, error, error_size))
        return false;
    t->kind = model_find(t->settings.model);
    t->parameters = heed_params_new(HEED_F32, NULL);
    if (t->parameters)
        t->model = t->kind->make(t->parameters, &sizes, random);
    const char *why = t->parameters ? heed_params_error(t->parameters) : NULL;
    if (why || !t->model)
        return heed__say(error, error_size, "%s",
                         why ? why : "not enough memory for the model");
    return true;
}

void translator_close(translator *t)
{
    free(t->model);
    heed_params_free(t->parameters);
    for (int side = 0; side < SIDES; side++)
        vocabulary_free(t->vocabularies[side]);
    settings_free(&t->settings);
    *t = (translator){ 0 };
}

/* ---- vocabularies ---- */

/* A hash of all that it is; -1: no memory. In 53 bits, which are exact for any reader of JSON. */
static int64_t mark_of(const vocabulary *v)
{
    uint64_t hash = 0xCBF29CE484222325u;
    char *text = vocabulary_text(v);
    if (!text)
        return -1;
    for (const char *at = text; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001B3u;
    free(text);
    return (int64_t)(hash >> 11);
}

bool translator_give(translator *t, int side, vocabulary *v, char *error, size_t error_size)
{
    settings *s = &t->settings;
    bool source = side == SIDE_SOURCE;
    int64_t mark = mark_of(v);
    t->vocabularies[side] = v;
    *(source ? &s->source_tokens : &s->target_tokens) = vocabulary_size(v);
    *(source ? &s->source_mark : &s->target_mark) = mark;
    return mark >= 0 || heed__say(error, error_size, "not enough memory");
}

/* ---- from the folder ---- */

static bool open_vocabulary(translator *t, int side, const char *folder, char *error,
                            size_t error_size)
{
    char path[4096];
    const settings *s = &t->settings;
    int64_t expected = side == SIDE_SOURCE ? s->source_tokens : s->target_tokens;
    if (!folder_path(path, sizeof path, folder, files[side], error, error_size))
        return false;
    t->vocabularies[side] = vocabulary_load(path, error, error_size);
    if (!t->vocabularies[side])
        return false;
    int64_t found = vocabulary_size(t->vocabularies[side]);
    int64_t mark = mark_of(t->vocabularies[side]);
    if (found != expected)
        return heed__say(error, error_size,
                         "%s has %lld tokens, but the model was made for %lld", path,
                         (long long)found, (long long)expected);
    if (mark < 0)
        return heed__say(error, error_size, "not enough memory");
    return mark == (side == SIDE_SOURCE ? s->source_mark : s->target_mark) ||
           heed__say(error, error_size,
                     "%s is not the vocabulary that the model was made with: its tokens are as "
                     "many, but others",
                     path);
}

bool translator_open(translator *t, const char *folder, char *error, size_t error_size)
{
    char path[4096];
    *t = (translator){ 0 };
    bool good =
        folder_path(path, sizeof path, folder, "config.json", error, error_size) &&
        settings_read(&t->settings, path, error, error_size) &&
        open_vocabulary(t, SIDE_SOURCE, folder, error, error_size) &&
        open_vocabulary(t, SIDE_TARGET, folder, error, error_size) &&
        folder_path(path, sizeof path, folder, "model.safetensors", error, error_size) &&
        translator_make(t, NULL, error, error_size);
    if (good && !heed_params_load(t->parameters, path))
        good = heed__say(error, error_size, "%s", heed_params_error(t->parameters));
    if (!good)
        translator_close(t);
    return good;
}

/* ---- to the folder ---- */

bool translator_save_settings(translator *t, const char *folder, char *error, size_t error_size)
{
    char path[4096];
    heed__text config = { 0 };
    for (int side = 0; side < SIDES; side++) {
        if (!folder_path(path, sizeof path, folder, files[side], error, error_size) ||
            !vocabulary_save(t->vocabularies[side], path, error, error_size))
            return false;
    }
    if (!folder_path(path, sizeof path, folder, "config.json", error, error_size))
        return false;
    settings_write(&t->settings, &config);
    return file_put_text(&config, path, error, error_size);
}

bool translator_save_numbers(const translator *t, const char *folder, int64_t epoch,
                             double dev_loss, char *error, size_t error_size)
{
    char path[4096], number[32], loss[32];
    snprintf(number, sizeof number, "%lld", (long long)epoch);
    snprintf(loss, sizeof loss, "%.9g", dev_loss);
    const char *const notes[] = { "format", "pt",       "model", t->kind->name, "epoch",
                                  number,   "dev_loss", loss,    NULL };
    if (!folder_path(path, sizeof path, folder, "model.safetensors", error, error_size))
        return false;
    return heed_params_save(t->parameters, path, notes) ||
           heed__say(error, error_size, "%s", heed_params_error(t->parameters));
}

/* ---- translating ---- */

const heed_parameter *translator_damage(const translator *t, double *value)
{
    for (int i = 0; i < heed_params_count(t->parameters); i++) {
        const heed_parameter *p = heed_params_at(t->parameters, i);
        const float *values = p->data;
        for (int64_t j = 0; j < p->size; j++) {
            *value = (double)values[j];
            if (!isfinite(*value))
                return p;
        }
    }
    return NULL;
}

int64_t translator_longest(const translator *t)
{
    return t->settings.longest + t->settings.longest / 2;
}

bool translator_test_pairs(const translator *t, const char *folder, const char *file, corpus *c,
                           char *error, size_t error_size)
{
    char path[4096];
    if (file)
        return corpus_read_whole(c, file, t->settings.swap, error, error_size);
    return folder_path(path, sizeof path, folder, "test.tsv", error, error_size) &&
           corpus_read_whole(c, path, false, error, error_size);
}
