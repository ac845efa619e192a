/* Images as lines of numbers (images.h): the pixels of a square, row by row, and a label. */
#include "images.h"

#include "figures.h"
#include "lines.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int64_t fields_of(const line_reader *r)
{
    int64_t count = 1;
    for (const char *at = r->at; at < r->end; at++)
        count += *at == ',';
    return count;
}

/* The number up to the next comma, within 0 .. most; what is wrong is said once. `what` tells
 * what the column holds, if that needs saying. */
static bool read_number(line_reader *r, int64_t column, const char *what, double most,
                        double *value)
{
    char text[40], *end;
    const char *comma = memchr(r->at, ',', (size_t)(r->end - r->at));
    size_t size = (size_t)((comma ? comma : r->end) - r->at);
    bool fits = size > 0 && size < sizeof text;
    if (fits) {
        memcpy(text, r->at, size);
        text[size] = '\0';
        *value = strtod(text, &end);
        fits = end == text + size && isfinite(*value);
    }
    if (!fits)
        return heed__say(r->error, r->error_size, "%s:%lld: column %lld%s, %s, is not a number",
                         r->path, (long long)r->number, (long long)column, what,
                         heed__quote(r->at, size).text);
    if (*value < 0 || *value > most)
        return heed__say(r->error, r->error_size,
                         "%s:%lld: column %lld%s must be from 0 to %g, not %s", r->path,
                         (long long)r->number, (long long)column, what, most, text);
    r->at += size + (comma != NULL);
    return true;
}

static bool read_line(line_reader *r, image_set *set, int64_t classes)
{
    int64_t size = set->height * set->width, fields = fields_of(r);
    double value = 0;
    if (fields != size + 1)
        return heed__say(r->error, r->error_size, "%s:%lld: expected %s and a label, found %s",
                         r->path, (long long)r->number, figure_of(size, "pixel").text,
                         figure_of(fields, "column").text);
    for (int64_t i = 0; i < size; i++) {
        if (!read_number(r, i + 1, "", 65535, &value))
            return false;
        set->pixels[set->count * size + i] = (float)value;
    }
    if (!read_number(r, size + 1, " (the label)", (double)(classes - 1), &value))
        return false;
    if (value != floor(value))
        return heed__say(r->error, r->error_size, "%s:%lld: the label %g is no whole number",
                         r->path, (long long)r->number, value);
    set->labels[set->count++] = (int32_t)value;
    return true;
}

/* Names of columns: no field of them begins as a number does. */
static bool is_header(const line_reader *r)
{
    return r->at < r->end && !strchr("0123456789-+. ", *r->at);
}

/* Whether the name of a column, perhaps quoted, is one that labels go by. */
static bool names_label(const char *name, size_t size)
{
    static const char *const names[] = { "label", "labels", "class", "target", "digit", "y" };
    if (size >= 2 && name[0] == '"' && name[size - 1] == '"') {
        name++;
        size -= 2;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (size == strlen(names[i]) && strncasecmp(name, names[i], size) == 0)
            return true;
    }
    return false;
}

/* Lines that begin with the label would pass for images whose labels are pixels. */
static bool label_is_last(const line_reader *r)
{
    const char *comma = memchr(r->at, ',', (size_t)(r->end - r->at)), *last = r->end;
    while (last > r->at && last[-1] != ',')
        last--;
    if (!comma || !names_label(r->at, (size_t)(comma - r->at)) ||
        names_label(last, (size_t)(r->end - last)))
        return true;
    return heed__say(r->error, r->error_size,
                     "%s:%lld: the first column is called %s, but the label must be the last "
                     "one",
                     r->path, (long long)r->number,
                     heed__quote(r->at, (size_t)(comma - r->at)).text);
}

static bool side_of(const line_reader *r, image_limits limits, int64_t *side)
{
    int64_t pixels = fields_of(r) - 1;
    *side = (int64_t)(sqrt((double)pixels) + 0.5);
    if (pixels < 1 || *side * *side != pixels || *side > IMAGES_LONGEST_SIDE)
        return heed__say(r->error, r->error_size,
                         "%s:%lld: %s: expected the pixels of a square image and a label, and "
                         "commas between them",
                         r->path, (long long)r->number, figure_of(pixels + 1, "column").text);
    if ((limits.height && *side != limits.height) || (limits.width && *side != limits.width))
        return heed__say(r->error, r->error_size,
                         "%s: its images are %lld x %lld, but %lld x %lld are needed", r->path,
                         (long long)*side, (long long)*side, (long long)limits.height,
                         (long long)limits.width);
    return true;
}

bool images_parse_csv(image_set *set, const char *path, const char *bytes, size_t size,
                      image_limits limits, char *error, size_t error_size)
{
    line_reader r = { .path = path,
                      .next = bytes,
                      .stop = bytes + size,
                      .error = error,
                      .error_size = error_size };
    int64_t lines = 1, side;
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    bool more = lines_next(&r);
    if (more && is_header(&r)) {
        if (!label_is_last(&r))
            return false;
        more = lines_next(&r);
    }
    while (more && r.at == r.end)
        more = lines_next(&r);
    if (!more)
        return heed__say(error, error_size, "%s holds no image", path);
    if (!side_of(&r, limits, &side) ||
        !images_reserve(set, lines, side, side, error, error_size))
        return false;
    set->count = 0;
    int64_t classes = limits.classes ? limits.classes : IMAGES_MOST_CLASSES;
    do {
        if (r.at < r.end && !read_line(&r, set, classes))
            return false;
    } while (lines_next(&r));
    return true;
}
