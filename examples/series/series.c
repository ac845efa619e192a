/* Where series come from (series.h). */
#include "series.h"

#include "file.h"
#include "lines.h"
#include "text.h"

#include <heed/heed.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(series *s, int64_t count, char *error, size_t error_size)
{
    s->count = 0;
    s->values = malloc((size_t)count * sizeof *s->values);
    return s->values ||
           heed__say(error, error_size, "not enough memory for %lld values", (long long)count);
}

void series_free(series *s)
{
    free(s->values);
    *s = (series){ 0 };
}

bool series_make(series *s, int64_t count, uint64_t seed, char *error, size_t error_size)
{
    const double turn = 2 * 3.14159265358979323846;
    heed_random r = { .seed = seed };
    if (!make_room(s, count, error, error_size))
        return false;
    for (; s->count < count; s->count++) {
        double i = (double)s->count;
        s->values[s->count] = 0.001 * i + 2 * sin(turn * i / 24) + sin(turn * i / 168) +
                              0.3 * heed_random_normal(&r);
    }
    return true;
}

/* ---- a file ---- */

typedef struct field {
    const char *text; /* without quotation marks around it */
    size_t size;
} field;

/* The next field of the line; false after the last one. A comma between quotation marks is part
 * of it. */
static bool next_field(line_reader *r, field *f)
{
    bool quoted = false;
    if (!r->at)
        return false;
    const char *at = r->at;
    for (; at < r->end && (quoted || *at != ','); at++)
        quoted = quoted != (*at == '"');
    *f = (field){ r->at, (size_t)(at - r->at) };
    if (f->size >= 2 && f->text[0] == '"' && f->text[f->size - 1] == '"')
        *f = (field){ f->text + 1, f->size - 2 };
    r->at = at < r->end ? at + 1 : NULL;
    return true;
}

static bool is_named(const field *f, const char *name)
{
    return f->size == strlen(name) && memcmp(f->text, name, f->size) == 0;
}

/* Which column it is, from 0; -1 and a sentence. */
static int64_t find_column(line_reader *r, const char *name)
{
    int64_t columns = 0, found = -1;
    field f = { 0 }, first = { 0 };
    for (; next_field(r, &f); columns++) {
        first = columns == 0 ? f : first;
        if (name && is_named(&f, name)) {
            if (found >= 0) {
                heed__say(r->error, r->error_size,
                          "%s:%lld: %s is the name of the columns %lld and %lld", r->path,
                          (long long)r->number, heed__quote(name, strlen(name)).text,
                          (long long)found + 1, (long long)columns + 1);
                return -1;
            }
            found = columns;
        }
    }
    if (!name && columns == 1)
        return 0;
    if (!name)
        heed__say(r->error, r->error_size,
                  "%s has %lld columns, the first being %s; --column says which one is meant",
                  r->path, (long long)columns, heed__quote(first.text, first.size).text);
    else if (found < 0)
        heed__say(r->error, r->error_size, "%s has no column %s", r->path,
                  heed__quote(name, strlen(name)).text);
    return found;
}

static bool read_value(line_reader *r, int64_t column, double *value)
{
    char text[64], *end = text;
    field f = { 0 };
    for (int64_t i = 0; i <= column; i++)
        if (!next_field(r, &f))
            return heed__say(r->error, r->error_size, "%s:%lld: there is no column %lld",
                             r->path, (long long)r->number, (long long)column + 1);
    if (f.size > 0 && f.size < sizeof text) {
        memcpy(text, f.text, f.size);
        text[f.size] = '\0';
        *value = strtod(text, &end);
    }
    if (end == text || *end != '\0' || !(fabs(*value) <= SERIES_MOST))
        return heed__say(r->error, r->error_size, "%s:%lld: %s is not a number from %g to %g",
                         r->path, (long long)r->number, heed__quote(f.text, f.size).text,
                         -SERIES_MOST, SERIES_MOST);
    return true;
}

static bool read_lines(series *s, line_reader *r, const char *name)
{
    int64_t lines = 0;
    for (const char *at = r->next; at < r->stop; at++)
        lines += *at == '\n';
    if (!lines_next(r))
        return heed__say(r->error, r->error_size, "%s is empty", r->path);
    int64_t column = find_column(r, name);
    if (column < 0 || !make_room(s, lines + 1, r->error, r->error_size))
        return false;
    while (lines_next(r)) {
        if (r->at == r->end && r->next == r->stop)
            break;
        if (!read_value(r, column, &s->values[s->count]))
            return false;
        s->count++;
    }
    return true;
}

bool series_read(series *s, const char *path, const char *column, char *error,
                 size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    *s = (series){ 0 };
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return false;
    line_reader r = { .path = path, .error = error, .error_size = error_size };
    r.next = (const char *)bytes;
    r.stop = r.next + size;
    bool good = read_lines(s, &r, column);
    heed__release(NULL, bytes, size);
    if (!good)
        series_free(s);
    return good;
}
