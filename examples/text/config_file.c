/* Settings as JSON (config_file.h). */
#include "config_file.h"

#include "file.h"
#include "folder.h"

#include <string.h>

#define DEPTH 4 /* of JSON; a configuration has one */

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

void config_put_value(heed__text *to, const option *o)
{
    size_t size = 0;
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
    case OPTION_CHOICE:
        name = choice_at(o->choices, *(int *)o->value, &size);
        heed__json_put_string(to, name, size);
        break;
    default:
        name = *(const char **)o->value;
        if (!name)
            heed__text_add_string(to, "null");
        else
            heed__json_put_string(
                to, name, heed__utf8_valid(name, strlen(name), NULL) ? strlen(name) : 0);
    }
}

void config_put(heed__text *to, const char *format, const option *table, size_t count)
{
    heed__text_print(to, "{\n  \"format\": \"%s\",\n  \"version\": 1", format);
    for (size_t i = 0; i < count; i++) {
        if (table[i].kind == OPTION_HEADING)
            continue;
        heed__text_print(to, ",\n  \"%s\": ", table[i].name);
        config_put_value(to, &table[i]);
    }
    heed__text_add_string(to, "\n}\n");
}

bool config_write(const char *path, const char *format, const option *table, size_t count,
                  char *error, size_t error_size)
{
    heed__text text = { 0 };
    config_put(&text, format, table, count);
    return file_put_text(&text, path, error, error_size);
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

static bool read_string(heed__json *json, const option *o, char **own)
{
    if (json->event == HEED__JSON_NULL)
        return true;
    if (json->event != HEED__JSON_STRING)
        return heed__json_fail(json, "\"%s\" must be a string", o->name);
    *own = strdup(json->text);
    *(const char **)o->value = *own;
    return *own || heed__json_fail(json, "not enough memory");
}

bool config_read_value(heed__json *json, const option *o, char **own)
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
        return read_string(json, o, own);
    }
}

bool config_fail_format(heed__json *json, const char *format)
{
    static const char *const programs[] = { "heed gpt", "heed translate", "heed bert",
                                            "heed vit" };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (json->event == HEED__JSON_STRING && strcmp(programs[i], format) != 0 &&
            heed__json_is(json, programs[i]))
            return heed__json_fail(json, "this is not the configuration of a %s, but of a %s",
                                   format, programs[i]);
    }
    return heed__json_fail(json, "this is not the configuration of a %s", format);
}

/* "format" and "version" come first and say whose file it is. */
static bool read_head(heed__json *json, const char *format)
{
    int64_t version;
    if (heed__json_next(json) != HEED__JSON_OBJECT || heed__json_next(json) != HEED__JSON_KEY ||
        !heed__json_is(json, "format") || heed__json_next(json) != HEED__JSON_STRING ||
        !heed__json_is(json, format) || heed__json_next(json) != HEED__JSON_KEY ||
        !heed__json_is(json, "version"))
        return config_fail_format(json, format);
    heed__json_next(json);
    return heed__json_integer(json, 1, 1, &version);
}

/* Where the string of an option is kept: strings are counted in the table's order. */
static char **string_of(const option *table, const option *o, char **strings)
{
    if (o->kind != OPTION_STRING)
        return NULL;
    for (const option *before = table; before < o; before++)
        strings += before->kind == OPTION_STRING;
    return strings;
}

static void read_settings(heed__json *json, const char *format, option *table, size_t count,
                          char **strings)
{
    size_t i;
    for (i = 0; i < count; i++)
        table[i].given = table[i].kind == OPTION_HEADING;
    bool good = read_head(json, format);
    while (good && heed__json_next(json) == HEED__JSON_KEY) {
        for (i = 0; i < count &&
                    (table[i].kind == OPTION_HEADING || !heed__json_is(json, table[i].name));
             i++) {
        }
        if (i == count)
            good = heed__json_fail(json, "the setting %s is not known here",
                                   heed__quote(json->text, json->size).text);
        else
            good = table[i].given =
                config_read_value(json, &table[i], string_of(table, &table[i], strings));
    }
    for (i = 0; good && json->event == HEED__JSON_OBJECT_END && i < count; i++) {
        if (!table[i].given && !table[i].late)
            good = heed__json_fail(json, "the setting \"%s\" is missing", table[i].name);
    }
}

bool config_parse(const void *text, size_t size, const char *format, option *table,
                  size_t count, char **strings, char *error, size_t error_size)
{
    heed__json json;
    heed__json_begin(&json, text, size, DEPTH, NULL);
    read_settings(&json, format, table, count, strings);
    return heed__json_end(&json, error, error_size);
}

bool config_read(const char *path, const char *format, option *table, size_t count, char *error,
                 size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    char why[600];
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return false;
    bool good = config_parse(bytes, size, format, table, count, NULL, why, sizeof why);
    heed__release(NULL, bytes, size);
    return good || heed__say(error, error_size, "%s: %s", path, why);
}
