/* The parser and the help of options.h. Knows libc only. */
#include "options.h"

#include "nearest.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Where sentences go; they all begin with the program's name. */
typedef struct complaint {
    const char *program;
    char *error;
    size_t size;
} complaint;

#if defined(__GNUC__)
__attribute__((__format__(__printf__, 2, 3)))
#endif
static bool
complain(const complaint *to, const char *format, ...)
{
    if (!to->error || to->size == 0)
        return false;
    int used = snprintf(to->error, to->size, "%s: ", to->program);
    if (used < 0 || (size_t)used >= to->size)
        return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(to->error + used, to->size - (size_t)used, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- values ---- */

static bool set_integer(option *o, const char *text, bool store, const complaint *to)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool starts = (text[0] >= '0' && text[0] <= '9') || text[0] == '-';
    if (!starts || end == text || *end != '\0')
        return complain(to, "--%s: '%s' is not a whole number", o->name, text);
    bool limited = o->least != 0 || o->most != 0;
    int64_t least = limited ? o->least : INT64_MIN, most = limited ? o->most : INT64_MAX;
    if (errno == ERANGE || number < least || number > most)
        return complain(to, "--%s must be from %lld to %lld, not %s", o->name, (long long)least,
                        (long long)most, text);
    if (store)
        *(int64_t *)o->value = number;
    return true;
}

static bool set_real(option *o, const char *text, bool store, const complaint *to)
{
    char *end;
    double number = strtod(text, &end);
    bool starts = (text[0] >= '0' && text[0] <= '9') || strchr("-.", text[0]);
    if (!starts || end == text || *end != '\0' || !isfinite(number))
        return complain(to, "--%s: '%s' is not a number", o->name, text);
    bool limited = o->low != 0 || o->high != 0;
    bool low = !limited || number > o->low || (number == o->low && !o->above);
    bool high = !limited || number < o->high || (number == o->high && !o->below);
    if (!low)
        return complain(to, "--%s must be %s %g, not %s", o->name,
                        o->above ? "above" : "at least", o->low, text);
    if (!high)
        return complain(to, "--%s must be %s %g, not %s", o->name,
                        o->below ? "below" : "at most", o->high, text);
    if (store)
        *(double *)o->value = number;
    return true;
}

/* The index-th of "auto|plain|none", its length into *length; NULL if there are not that many.
 */
static const char *choice(const char *choices, int index, int *length)
{
    for (; index > 0 && choices; index--) {
        choices = strchr(choices, '|');
        if (choices)
            choices++;
    }
    if (choices)
        *length = (int)strcspn(choices, "|");
    return choices;
}

static bool complain_choice(const option *o, const char *text, const complaint *to)
{
    char names[400];
    nearest_name near;
    snprintf(names, sizeof names, "%s", o->choices);
    nearest_begin(&near, text);
    for (char *at = names, *next; at; at = next) {
        next = strchr(at, '|');
        if (next)
            *next++ = '\0';
        nearest_offer(&near, at);
    }
    return complain(to, "--%s must be one of %s, not '%s'%s%s%s", o->name, o->choices, text,
                    near.best ? "; did you mean " : "", near.best ? near.best : "",
                    near.best ? "?" : "");
}

static bool set_choice(option *o, const char *text, bool store, const complaint *to)
{
    int length;
    const char *name;
    for (int i = 0; (name = choice(o->choices, i, &length)) != NULL; i++) {
        if (strlen(text) == (size_t)length && strncmp(name, text, (size_t)length) == 0) {
            if (store)
                *(int *)o->value = i;
            return true;
        }
    }
    return complain_choice(o, text, to);
}

static bool set_value(option *o, const char *text, bool store, const complaint *to)
{
    switch (o->kind) {
    case OPTION_INTEGER:
        return set_integer(o, text, store, to);
    case OPTION_REAL:
        return set_real(o, text, store, to);
    case OPTION_CHOICE:
        return set_choice(o, text, store, to);
    default:
        if (store)
            *(const char **)o->value = text;
        return true;
    }
}

/* ---- the line ---- */

static option *find(option *table, size_t table_size, const char *name, size_t length)
{
    for (size_t i = 0; i < table_size; i++) {
        if (table[i].kind != OPTION_HEADING && strlen(table[i].name) == length &&
            strncmp(table[i].name, name, length) == 0)
            return &table[i];
    }
    return NULL;
}

/* Goes through the line once. The first time nothing is stored, so that a line with a mistake
 * changes nothing and --help shows defaults. */
static options_result pass(option *table, size_t table_size, int count, char *const *arguments,
                           bool store, const complaint *to)
{
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
            return OPTIONS_HELP;
        if (strcmp(argument, "--") == 0 && i + 1 == count)
            break;
        if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
            complain(to, "unexpected argument '%s'", argument);
            return OPTIONS_BAD;
        }
        const char *name = argument + 2, *value = strchr(name, '=');
        size_t length = value ? (size_t)(value - name) : strlen(name);
        option *o = find(table, table_size, name, length);
        bool off = !o && length > 3 && strncmp(name, "no-", 3) == 0;
        if (off)
            o = find(table, table_size, name + 3, length - 3);
        if (!o || (off && o->kind != OPTION_FLAG)) {
            char given[NEAREST_LONGEST + 2];
            snprintf(given, sizeof given, "%.*s", length < INT_MAX ? (int)length : INT_MAX,
                     name);
            nearest_name near;
            nearest_begin(&near, given);
            nearest_offer(&near, "help");
            for (size_t k = 0; k < table_size; k++) {
                if (table[k].kind != OPTION_HEADING)
                    nearest_offer(&near, table[k].name);
            }
            complain(to, "unknown option --%s%s%s%s", given,
                     near.best ? "; did you mean --" : "", near.best ? near.best : "",
                     near.best ? "?" : "");
            return OPTIONS_BAD;
        }
        if (o->kind == OPTION_FLAG && value) {
            complain(to, "--%s takes no value", o->name);
            return OPTIONS_BAD;
        }
        if (o->kind != OPTION_FLAG && !value &&
            (i + 1 == count || strncmp(arguments[i + 1], "--", 2) == 0)) {
            complain(to, "--%s needs a value", o->name);
            return OPTIONS_BAD;
        }
        if (o->kind == OPTION_FLAG && store)
            *(bool *)o->value = !off;
        if (o->kind != OPTION_FLAG &&
            !set_value(o, value ? value + 1 : arguments[++i], store, to))
            return OPTIONS_BAD;
        if (store)
            o->given = true;
    }
    return OPTIONS_GOOD;
}

options_result options_parse(const char *program, option *table, size_t table_size, int count,
                             char *const *arguments, char *error, size_t error_size)
{
    complaint to = { program, error, error_size };
    for (size_t i = 0; i < table_size; i++)
        table[i].given = false;
    options_result result = pass(table, table_size, count, arguments, false, &to);
    if (result == OPTIONS_GOOD)
        pass(table, table_size, count, arguments, true, &to);
    return result;
}

int options_before_words(const option *table, size_t table_size, int count, char **arguments)
{
    int options = 0;
    bool value = false; /* the next argument is the value of the option before it */
    bool ended = false;
    for (int i = 0; i < count && !ended; i++) {
        char *argument = arguments[i];
        bool dashes = strncmp(argument, "--", 2) == 0;
        if (!dashes && !value && strcmp(argument, "-h") != 0)
            continue;
        ended = strcmp(argument, "--") == 0;
        memmove(arguments + options + 1, arguments + options,
                (size_t)(i - options) * sizeof *arguments);
        arguments[options++] = argument;
        value = false;
        for (size_t k = 0; dashes && k < table_size; k++) {
            if (table[k].kind != OPTION_HEADING && strcmp(table[k].name, argument + 2) == 0)
                value = table[k].kind != OPTION_FLAG;
        }
    }
    return options;
}

bool options_given(const option *table, size_t table_size, const char *name)
{
    for (size_t i = 0; i < table_size; i++) {
        if (table[i].kind != OPTION_HEADING && strcmp(table[i].name, name) == 0)
            return table[i].given;
    }
    return false;
}

/* ---- help ---- */

static void print_default(FILE *to, const option *o)
{
    const char *name;
    int length;
    switch (o->kind) {
    case OPTION_STRING:
        if (*(const char **)o->value)
            fprintf(to, " (default %s)", *(const char **)o->value);
        break;
    case OPTION_INTEGER:
        fprintf(to, " (default %lld)", (long long)*(int64_t *)o->value);
        break;
    case OPTION_REAL:
        fprintf(to, " (default %g)", *(double *)o->value);
        break;
    case OPTION_FLAG:
        fputs(" (default off)", to); /* a flag that is on is listed as --no-NAME */
        break;
    default:
        name = choice(o->choices, *(int *)o->value, &length);
        if (name)
            fprintf(to, " (default %.*s)", length, name);
    }
}

void options_help(FILE *to, const char *program, const char *summary, const option *table,
                  size_t table_size)
{
    static const char *const arguments[] = {
        [OPTION_STRING] = "TEXT", [OPTION_INTEGER] = "N", [OPTION_REAL] = "X"
    };
    fprintf(to, "Usage: %s [options]\n%s\n", program, summary);
    for (size_t i = 0; i < table_size; i++) {
        const option *o = &table[i];
        if (o->kind == OPTION_HEADING) {
            fprintf(to, "\n%s\n", o->name);
            continue;
        }
        const char *argument = o->argument                ? o->argument
                               : o->kind == OPTION_FLAG   ? ""
                               : o->kind == OPTION_CHOICE ? o->choices
                                                          : arguments[o->kind];
        bool on = o->kind == OPTION_FLAG && *(bool *)o->value;
        int width = fprintf(to, "  --%s%s%s%s", on ? "no-" : "", o->name, *argument ? " " : "",
                            argument);
        /* An option too wide for its column gets its help on the next line. */
        if (width >= 27)
            fputc('\n', to);
        fprintf(to, "%*s%s", width < 27 ? 28 - width : 28, "", o->help);
        print_default(to, o);
        fputc('\n', to);
    }
    fputs("\nOther\n  --help                    this text\n", to);
}

int options_begin(const char *program, const char *summary, option *table, size_t table_size,
                  int count, char *const *arguments)
{
    char error[1000];
    switch (options_parse(program, table, table_size, count, arguments, error, sizeof error)) {
    case OPTIONS_HELP:
        options_help(stdout, program, summary, table, table_size);
        return options_end(program, 0);
    case OPTIONS_BAD:
        fprintf(stderr, "%s\n", error);
        return 2;
    case OPTIONS_GOOD:
        break;
    }
    return -1;
}

int options_end(const char *program, int code)
{
    if (code != 0 || (fflush(stdout) == 0 && !ferror(stdout)))
        return code;
    fprintf(stderr, "%s: cannot write to the standard output\n", program);
    return 1;
}

/* ---- two options of one kind ---- */

bool option_equal(const option *a, const option *b)
{
    const char *x, *y;
    switch (a->kind) {
    case OPTION_INTEGER:
        return *(int64_t *)a->value == *(int64_t *)b->value;
    case OPTION_REAL:
        return !(*(double *)a->value < *(double *)b->value) &&
               !(*(double *)a->value > *(double *)b->value);
    case OPTION_FLAG:
        return *(bool *)a->value == *(bool *)b->value;
    case OPTION_CHOICE:
        return *(int *)a->value == *(int *)b->value;
    default:
        x = *(const char **)a->value;
        y = *(const char **)b->value;
        return x == y || (x && y && strcmp(x, y) == 0);
    }
}

void option_copy(const option *to, const option *from)
{
    switch (from->kind) {
    case OPTION_INTEGER:
        *(int64_t *)to->value = *(int64_t *)from->value;
        break;
    case OPTION_REAL:
        *(double *)to->value = *(double *)from->value;
        break;
    case OPTION_FLAG:
        *(bool *)to->value = *(bool *)from->value;
        break;
    case OPTION_CHOICE:
        *(int *)to->value = *(int *)from->value;
        break;
    default:
        *(const char **)to->value = *(const char **)from->value;
    }
}
