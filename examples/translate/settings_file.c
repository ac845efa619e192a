/* config.json (settings.h), and what a run that goes on keeps of it. The options table is the
 * only list of settings: the file is written and read by walking it, and read strictly. */
#include "settings.h"

#include "file.h"
#include "json.h"

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

/* The index-th of "numbers|dates" as a span; bytes NULL after the last. */
static text_span choice_at(const char *choices, int index)
{
    for (; index > 0 && choices; index--) {
        choices = strchr(choices, '|');
        choices += choices != NULL;
    }
    return (text_span){ choices, choices ? strcspn(choices, "|") : 0 };
}

static void write_value(const option *o, heed__text *to)
{
    text_span span = { NULL, 0 };
    switch (o->kind) {
    case OPTION_INTEGER:
        heed__text_print(to, "%lld", (long long)*(int64_t *)o->value);
        return;
    case OPTION_REAL:
        heed__json_put_double(to, *(double *)o->value);
        return;
    case OPTION_FLAG:
        heed__text_add_string(to, *(bool *)o->value ? "true" : "false");
        return;
    case OPTION_CHOICE:
        span = choice_at(o->choices, *(int *)o->value);
        break;
    default:
        span.bytes = *(const char **)o->value;
        span.size = span.bytes ? strlen(span.bytes) : 0;
    }
    if (!span.bytes)
        heed__text_add_string(to, "null");
    else if (heed__utf8_valid(span.bytes, span.size, NULL))
        heed__json_put_string(to, span.bytes, span.size);
    else
        heed__json_put_string(to, "", 0);
}

void settings_write(settings *s, heed__text *to)
{
    option table[SETTINGS_OPTIONS];
    size_t count = stored_table(s, table);
    heed__text_print(to, "{\n  \"format\": \"" FORMAT "\",\n  \"version\": 1");
    for (size_t i = 0; i < count; i++) {
        heed__text_print(to, ",\n  \"%s\": ", table[i].name);
        write_value(&table[i], to);
    }
    heed__text_add_string(to, "\n}\n");
}

static bool read_choice(heed__json *json, const option *o)
{
    text_span name;
    for (int i = 0; (name = choice_at(o->choices, i)).bytes; i++) {
        if (json->event == HEED__JSON_STRING && json->size == name.size &&
            memcmp(json->text, name.bytes, name.size) == 0) {
            *(int *)o->value = i;
            return true;
        }
    }
    return heed__json_fail(json, "\"%s\" must be one of %s", o->name, o->choices);
}

static bool read_real(heed__json *json, const option *o)
{
    double *x = o->value;
    if (!heed__json_double(json, x))
        return false;
    if (*x < o->low || *x > o->high)
        return heed__json_fail(json, "\"%s\" must be from %g to %g", o->name, o->low, o->high);
    return true;
}

static bool read_string(heed__json *json, settings *s, const option *o)
{
    char **own = &s->strings[o->value == (void *)&s->model];
    if (json->event == HEED__JSON_NULL && o->value != (void *)&s->model)
        return true;
    if (json->event != HEED__JSON_STRING)
        return heed__json_fail(json, "\"%s\" must be a string", o->name);
    *own = strdup(json->text);
    *(const char **)o->value = *own;
    return *own || heed__json_fail(json, "not enough memory");
}

static bool read_value(heed__json *json, settings *s, const option *o)
{
    heed__json_event event = heed__json_next(json);
    switch (o->kind) {
    case OPTION_INTEGER:
        return heed__json_integer(json, o->least, o->most, o->value);
    case OPTION_REAL:
        return read_real(json, o);
    case OPTION_FLAG:
        *(bool *)o->value = event == HEED__JSON_TRUE;
        return event == HEED__JSON_TRUE || event == HEED__JSON_FALSE ||
               heed__json_fail(json, "\"%s\" must be true or false", o->name);
    case OPTION_CHOICE:
        return read_choice(json, o);
    default:
        return read_string(json, s, o);
    }
}

/* "format" and "version" come first and say whose file it is. */
static bool read_head(heed__json *json)
{
    int64_t version;
    if (heed__json_next(json) != HEED__JSON_OBJECT || heed__json_next(json) != HEED__JSON_KEY ||
        !heed__json_is(json, "format") || heed__json_next(json) != HEED__JSON_STRING ||
        !heed__json_is(json, FORMAT) || heed__json_next(json) != HEED__JSON_KEY ||
        !heed__json_is(json, "version"))
        return heed__json_fail(json, "this is not the configuration of a heed translate");
    heed__json_next(json);
    return heed__json_integer(json, 1, 1, &version);
}

static void read_settings(heed__json *json, settings *s)
{
    option table[SETTINGS_OPTIONS];
    size_t count = stored_table(s, table), i;
    bool good = read_head(json);
    while (good && heed__json_next(json) == HEED__JSON_KEY) {
        for (i = 0; i < count && !heed__json_is(json, table[i].name); i++) {
        }
        if (i == count)
            good = heed__json_fail(json, "the setting %s is not known here",
                                   heed__quote(json->text, json->size).text);
        else
            good = table[i].given = read_value(json, s, &table[i]);
    }
    for (i = 0; good && json->event == HEED__JSON_OBJECT_END && i < count; i++) {
        if (!table[i].given)
            good = heed__json_fail(json, "the setting \"%s\" is missing", table[i].name);
    }
}

bool settings_parse(settings *s, const void *text, size_t size, char *error, size_t error_size)
{
    heed__json json;
    settings_begin(s);
    heed__json_begin(&json, text, size, 4, NULL);
    read_settings(&json, s);
    bool good = heed__json_end(&json, error, error_size) &&
                settings_model_is_sound(s, error, error_size);
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
            write_value(&table[i], &was);
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
