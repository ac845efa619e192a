/* config.json (settings.h), and what a run that goes on keeps of it. The options table is the
 * only list of settings: the file is written and read by walking it, and read strictly. */
#include "settings.h"

#include "config_file.h"
#include "file.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT "heed translate"

/* Whether an option says how one start of the program goes about it and not what the run is. */
static bool is_of_the_start(const option *o)
{
    static const char *const names[] = { "out", "resume", "threads", "minutes" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(o->name, names[i]) == 0)
            return true;
    }
    return false;
}

/* The settings that config.json keeps, and what it keeps besides. */
static size_t stored_table(settings *s, option table[SETTINGS_OPTIONS])
{
    const option more[] = {
        { .name = "source-tokens",
          .kind = OPTION_INTEGER,
          .value = &s->source_tokens,
          .least = VOCABULARY_SPECIALS,
          .most = VOCABULARY_MOST },
        { .name = "target-tokens",
          .kind = OPTION_INTEGER,
          .value = &s->target_tokens,
          .least = VOCABULARY_SPECIALS,
          .most = VOCABULARY_MOST },
        { .name = "source-mark",
          .kind = OPTION_INTEGER,
          .value = &s->source_mark,
          .least = 0,
          .most = INT64_MAX },
        { .name = "target-mark",
          .kind = OPTION_INTEGER,
          .value = &s->target_mark,
          .least = 0,
          .most = INT64_MAX },
        { .name = "longest",
          .kind = OPTION_INTEGER,
          .value = &s->longest,
          .least = 1,
          .most = INT32_MAX / 2 },
    };
    size_t count = settings_table(s, table), kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (table[i].kind != OPTION_HEADING && !is_of_the_start(&table[i]))
            table[kept++] = table[i];
    }
    memcpy(table + kept, more, sizeof more);
    return kept + sizeof more / sizeof *more;
}

void settings_write(settings *s, heed__text *to)
{
    option table[SETTINGS_OPTIONS];
    size_t count = stored_table(s, table);
    config_put(to, FORMAT, table, count);
}

bool settings_parse(settings *s, const void *text, size_t size, char *error, size_t error_size)
{
    option table[SETTINGS_OPTIONS];
    settings_begin(s);
    size_t count = stored_table(s, table);
    bool good = config_parse(text, size, FORMAT, table, count, s->strings, error, error_size);
    if (good && !s->model)
        good = heed__say(error, error_size, "\"model\" must be a string");
    good = good && settings_model_is_sound(s, error, error_size);
    if (!good)
        settings_free(s);
    return good;
}

bool settings_read(settings *s, const char *path, char *error, size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    char why[600];
    settings_begin(s);
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return false;
    bool good = settings_parse(s, bytes, size, why, sizeof why);
    heed__release(NULL, bytes, size);
    return good || heed__say(error, error_size, "%s: %s", path, why);
}

/* ---- going on ---- */

/* Of what is stored. Whether --pairs are the same is for their texts to say, not for the path. */
static bool may_differ(const option *o)
{
    static const char *const names[] = { "pairs", "epochs", "patience", "save-every" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(o->name, names[i]) == 0)
            return true;
    }
    return false;
}

bool settings_resume(settings *s, settings *stored, const option *given, size_t given_size,
                     char *error, size_t error_size)
{
    option table[SETTINGS_OPTIONS];
    settings_table(stored, table);
    bool good = true;
    for (size_t i = 0; good && i < given_size; i++) {
        bool of_the_start = is_of_the_start(&given[i]);
        if (given[i].kind == OPTION_HEADING || (!given[i].given && !of_the_start))
            continue;
        if (of_the_start || may_differ(&given[i])) {
            option_copy(&table[i], &given[i]);
        } else if (!option_equal(&given[i], &table[i])) {
            heed__text was = { 0 };
            config_put_value(&was, &table[i]);
            good = heed__say(error, error_size,
                             "--%s differs from this training's, which is %s: with --resume "
                             "only --epochs, --patience, --minutes, --save-every, --out, "
                             "--threads and --pairs may differ",
                             given[i].name, was.bytes ? was.bytes : "another");
            heed__text_free(&was);
        }
    }
    settings_free(s);
    *s = *stored;
    *stored = (settings){ 0 };
    return good;
}
