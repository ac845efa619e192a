/* Settings as JSON (config_file.h). */
#include "config_file.h"

#include "file.h"
#include "json.h"

#include <string.h>

#define DEPTH 4 /* of JSON; a configuration has one */

static bool is_kept(const option *o)
{
    return o->kind != OPTION_HEADING && o->kind != OPTION_STRING;
}

/* The index-th of "numbers|dates", its length into *size; NULL after the last. */
static const char *choice_at(const char *choices, int index, size_t *size)
{
    for (; index > 0 && choices; index--) {
        choices = strchr(choices, '|');
        choices += choices != NULL;
    }
    *size = choices ? strcspn(choices, "|") : 0;
    return choices;
}

/* ---- writing ---- */

static void put_value(const option *o, heed__text *to)
{
    size_t size;
    const char *name;
    switch (o->kind) {
    case OPTION_INTEGER:
        heed__text_print(to, "%lld", (long long)*(int64_t *)o->value);
        break;
    case OPTION_REAL:
        heed__json_put_double(to, *(double *)o->value);
        break;
    case OPTION_FLAG:
        heed__text_add_string(to, *(bool *)o->value ? "true" : "false");
        break;
    default:
        name = choice_at(o->choices, *(int *)o->value, &size);
        heed__json_put_string(to, name, size);
    }
}

bool config_write(const char *path, const char *format, const option *table, size_t count,
                  char *error, size_t error_size)
{
    heed__text text = { 0 };
    heed__writer writer;
    heed__text_print(&text, "{\n  \"format\": \"%s\",\n  \"version\": 1", format);
    for (size_t i = 0; i < count; i++) {
        if (!is_kept(&table[i]))
            continue;
        heed__text_print(&text, ",\n  \"%s\": ", table[i].name);
        put_value(&table[i], &text);
    }
    heed__text_add_string(&text, "\n}\n");
    if (text.failed) {
        heed__text_free(&text);
        return heed__say(error, error_size, "cannot write %s: not enough memory", path);
    }
    heed__writer_begin(&writer, path, NULL);
    heed__writer_add(&writer, text.bytes, text.size);
    heed__text_free(&text);
    return heed__writer_commit(&writer, error, error_size);
}

/* ---- reading ---- */

static bool read_real(heed__json *json, const option *o)
{
    double *x = o->value;
    if (!heed__json_double(json, x))
        return false;
    bool limited = o->low != 0 || o->high != 0;
    bool low = !limited || *x > o->low || (*x == o->low && !o->above);
    bool high = !limited || *x < o->high || (*x == o->high && !o->below);
    return (low && high) ||
           heed__json_fail(json, "\"%s\" is not between %g and %g", o->name, o->low, o->high);
}

static bool read_choice(heed__json *json, const option *o)
{
    const char *name;
    size_t size;
    for (int i = 0; (name = choice_at(o->choices, i, &size)) != NULL; i++) {
        if (json->event == HEED__JSON_STRING && json->size == size &&
            memcmp(json->text, name, size) == 0) {
            *(int *)o->value = i;
            return true;
        }
    }
    return heed__json_fail(json, "\"%s\" must be one of %s", o->name, o->choices);
}

static bool read_value(heed__json *json, const option *o)
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
    default:
        return read_choice(json, o);
    }
}

/* "format" and "version" come first and say whose file it is. */
static bool read_head(heed__json *json, const char *format)
{
    int64_t version;
    if (heed__json_next(json) != HEED__JSON_OBJECT || heed__json_next(json) != HEED__JSON_KEY ||
        !heed__json_is(json, "format") || heed__json_next(json) != HEED__JSON_STRING ||
        !heed__json_is(json, format) || heed__json_next(json) != HEED__JSON_KEY ||
        !heed__json_is(json, "version"))
        return heed__json_fail(json, "this is not the configuration of a %s", format);
    heed__json_next(json);
    return heed__json_integer(json, 1, 1, &version);
}

static void read_settings(heed__json *json, const char *format, option *table, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++)
        table[i].given = false;
    bool good = read_head(json, format);
    while (good && heed__json_next(json) == HEED__JSON_KEY) {
        for (i = 0; i < count && !(is_kept(&table[i]) && heed__json_is(json, table[i].name));
             i++) {
        }
        if (i == count)
            good = heed__json_fail(json, "the setting %s is not known here",
                                   heed__quote(json->text, json->size).text);
        else
            good = table[i].given = read_value(json, &table[i]);
    }
    for (i = 0; good && json->event == HEED__JSON_OBJECT_END && i < count; i++) {
        if (is_kept(&table[i]) && !table[i].given)
            good = heed__json_fail(json, "the setting \"%s\" is missing", table[i].name);
    }
}

bool config_read(const char *path, const char *format, option *table, size_t count, char *error,
                 size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    char why[600];
    heed__json json;
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return false;
    heed__json_begin(&json, bytes, size, DEPTH, NULL);
    read_settings(&json, format, table, count);
    bool good = heed__json_end(&json, why, sizeof why);
    heed__release(NULL, bytes, size);
    return good || heed__say(error, error_size, "%s: %s", path, why);
}
