/* Attention maps as CSV and JSON, and what the writers of files share. */
#include "inspect_parts.h"

#include "../core/file.h"
#include "../core/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

bool heed__maps_writable(const heed_maps *m, const char *path, char *error, size_t error_size)
{
    if (!m)
        return heed__maps_none(error, error_size);
    return path || heed__say(error, error_size, "maps: the path is NULL");
}

bool heed__write_text(heed__text *text, const char *path, char *error, size_t error_size)
{
    heed__writer w;
    if (text->failed) {
        heed__text_free(text);
        return heed__say(error, error_size, "cannot write %s: out of memory", path);
    }
    heed__writer_begin(&w, path, text->allocator);
    heed__writer_add(&w, text->bytes, text->size);
    bool written = heed__writer_commit(&w, error, error_size);
    heed__text_free(text);
    return written;
}

void heed__put_escaped(heed__text *text, const char *string)
{
    for (const char *c = string; *c; c++) {
        switch (*c) {
        case '&':
            heed__text_add_string(text, "&amp;");
            break;
        case '<':
            heed__text_add_string(text, "&lt;");
            break;
        case '>':
            heed__text_add_string(text, "&gt;");
            break;
        case '"':
            heed__text_add_string(text, "&quot;");
            break;
        default:
            heed__text_add(text, c, 1);
        }
    }
}

/* ---- CSV (RFC 4180, but for lines that end in a line feed alone) ---- */

static void put_field(heed__text *text, const char *string)
{
    heed__text_add_string(text, "\"");
    for (const char *c = string ? string : ""; *c; c++)
        heed__text_add(text, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
    heed__text_add_string(text, "\",");
}

static void put_csv_row(heed__text *text, const heed_map *map, int64_t head, int64_t query)
{
    const double *row = heed_map_row(map, head, query);
    for (int64_t j = 0; j < map->keys; j++) {
        put_field(text, map->name);
        heed__text_print(text, "%" PRId64 ",%" PRId64 ",", head, query);
        put_field(text, heed_map_query(map, query));
        heed__text_print(text, "%" PRId64 ",", j);
        put_field(text, heed_map_key(map, j));
        if (isfinite(row[j]))
            heed__json_put_double(text, row[j]);
        heed__text_add_string(text, "\n");
    }
}

bool heed_maps_write_csv(const heed_maps *m, const char *path, char *error, size_t error_size)
{
    if (!heed__maps_writable(m, path, error, error_size))
        return false;
    heed__text text = { .allocator = m->allocator };
    heed__text_add_string(&text, "map,head,query,query_label,key,key_label,weight\n");
    for (size_t i = 0; i < m->count; i++) {
        for (int64_t head = 0; head < m->maps[i].heads; head++) {
            for (int64_t query = 0; query < m->maps[i].queries; query++)
                put_csv_row(&text, &m->maps[i], head, query);
        }
    }
    return heed__write_text(&text, path, error, error_size);
}

/* ---- JSON ---- */

static void put_string(heed__text *text, const char *string)
{
    if (string)
        heed__json_put_string(text, string, strlen(string));
    else
        heed__text_add_string(text, "null");
}

static void put_key(heed__text *text, const char *before, const char *key)
{
    heed__text_add_string(text, before);
    put_string(text, key);
    heed__text_add_string(text, ": ");
}

static void put_labels(heed__text *text, const heed_map *map, int side)
{
    int64_t count = side == HEED__QUERIES ? map->queries : map->keys;
    const heed__labels *labels = &map->labels[side];
    if (!labels->text) {
        heed__text_add_string(text, "null");
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        heed__text_add_string(text, i ? ", " : "[");
        put_string(text, i < labels->count ? labels->text[i] : NULL);
    }
    heed__text_add_string(text, count > 0 ? "]" : "[]");
}

static void put_measures(heed__text *text, const heed_head *h)
{
    const struct {
        const char *name;
        double value;
    } measures[] = {
        { "rows", (double)h->rows },
        { "blind", (double)h->blind },
        { "not_finite", (double)h->not_finite },
        { "entropy", h->entropy },
        { "relative_entropy", h->relative_entropy },
        { "least_entropy", h->least_entropy },
        { "confidence", h->confidence },
        { "largest", h->largest },
        { "span", h->span },
        { "distance", h->distance },
        { "diagonality", h->diagonality },
        { "monotonicity", h->monotonicity },
        { "sink", h->sink },
        { "sink_key", h->sink_key < 0 ? NAN : (double)h->sink_key },
        { "cosine", h->cosine },
        { "divergence", h->divergence },
    };
    put_key(text, "", "causal");
    heed__text_add_string(text, h->causal ? "true" : "false");
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
        put_key(text, ", ", measures[i].name);
        heed__json_put_double(text, measures[i].value);
    }
}

static void put_warnings(heed__text *text, unsigned warnings)
{
    char name[40];
    bool first = true;
    for (unsigned one = 1; one <= HEED_HEAD_NOT_FINITE; one *= 2) {
        if (!(warnings & one))
            continue;
        heed__text_add_string(text, first ? "" : ", ");
        put_string(text, heed_warnings_text(one, name, sizeof name));
        first = false;
    }
}

/* x to so many significant digits, 0: all. What is not 0 stays so. */
static double rounded(double x, int digits)
{
    if (digits == 0 || x == 0 || !isfinite(x))
        return x;
    double unit = pow(10, digits - 1 - floor(log10(fabs(x))));
    return isfinite(unit) ? round(x * unit) / unit : x;
}

static void put_weights(heed__text *text, const heed_map *map, int64_t head, int digits)
{
    for (int64_t i = 0; i < map->queries; i++) {
        const double *row = heed_map_row(map, head, i);
        heed__text_add_string(text, i ? ",\n  [" : "\n  [");
        for (int64_t j = 0; j < map->keys; j++) {
            heed__text_add_string(text, j ? "," : "");
            heed__json_put_double(text, rounded(row[j], digits));
        }
        heed__text_add_string(text, "]");
    }
}

static void put_map(heed__text *text, const heed_maps *m, const heed_map *map, int digits)
{
    put_key(text, "{", "name");
    put_string(text, map->name);
    put_key(text, ", ", "queries");
    heed__text_print(text, "%" PRId64, map->queries);
    put_key(text, ", ", "keys");
    heed__text_print(text, "%" PRId64, map->keys);
    put_key(text, ",\n ", "query_labels");
    put_labels(text, map, HEED__QUERIES);
    put_key(text, ",\n ", "key_labels");
    put_labels(text, map, HEED__KEYS);
    put_key(text, ",\n ", "heads");
    for (int64_t head = 0; head < map->heads; head++) {
        heed_head h = heed_map_measure(map, head);
        put_key(text, head ? ",\n {" : "[\n {", "measures");
        heed__text_add_string(text, "{");
        put_measures(text, &h);
        put_key(text, "},\n  ", "warnings");
        heed__text_add_string(text, "[");
        put_warnings(text, heed_head_warnings(&h, &m->options.thresholds));
        put_key(text, "],\n  ", "weights");
        heed__text_add_string(text, "[");
        put_weights(text, map, head, digits);
        heed__text_add_string(text, "]}");
    }
    heed__text_add_string(text, map->heads > 0 ? "]}" : "[]}");
}

void heed__put_maps(heed__text *text, const heed_maps *m, int digits)
{
    put_key(text, "{", "title");
    put_string(text, m->title);
    put_key(text, ",\n", "maps");
    heed__text_add_string(text, "[");
    for (size_t i = 0; i < m->count; i++) {
        heed__text_add_string(text, i ? ",\n" : "\n");
        put_map(text, m, &m->maps[i], digits);
    }
    heed__text_add_string(text, "]}\n");
}

bool heed_maps_write_json(const heed_maps *m, const char *path, char *error, size_t error_size)
{
    if (!heed__maps_writable(m, path, error, error_size))
        return false;
    heed__text text = { .allocator = m->allocator };
    heed__put_maps(&text, m, 0);
    return heed__write_text(&text, path, error, error_size);
}
