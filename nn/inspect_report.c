/* Attention maps for a terminal: the table of measures, and a head in shades. */
#include "inspect_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the table ---- */

static void print_number(double x, int width, int precision, const char *unit, FILE *file)
{
    if (isnan(x))
        fprintf(file, " %*s", width, "-");
    else
        fprintf(file, " %*.*f%s", width - (int)strlen(unit), precision, x, unit);
}

static void print_head(const heed_maps *m, const heed_map *map, int64_t head, int width,
                       FILE *file)
{
    char warnings[80];
    heed__shown name = heed__show(map->name, 0, 40);
    heed_head h = heed_map_measure(map, head);
    fprintf(file, "%s%*s %4" PRId64, name.text, width - name.width, "", head);
    print_number(h.entropy, 8, 3, "", file);
    print_number(100 * h.relative_entropy, 7, 1, "%", file);
    print_number(100 * h.confidence, 7, 1, "%", file);
    print_number(100 * h.largest, 7, 1, "%", file);
    print_number(h.span, 6, 1, "", file);
    print_number(h.distance, 6, 1, "", file);
    print_number(h.diagonality, 6, 2, "", file);
    print_number(100 * h.monotonicity, 7, 0, "%", file);
    print_number(100 * h.sink, 7, 1, "%", file);
    if (h.sink_key >= 0)
        fprintf(file, " %5" PRId64, h.sink_key);
    else
        fprintf(file, " %5s", "-");
    print_number(h.cosine, 6, 3, "", file);
    print_number(h.divergence, 6, 3, "", file);
    unsigned found = heed_head_warnings(&h, &m->options.thresholds);
    fprintf(file, "%s%s\n", found ? "  " : "",
            heed_warnings_text(found, warnings, sizeof warnings));
}

void heed_maps_print(const heed_maps *m, FILE *file)
{
    int width = 5;
    for (int i = 0; i < heed_maps_count(m); i++) {
        heed__shown name = heed__show(m->maps[i].name, 0, 40);
        width = name.width > width ? name.width : width;
    }
    fprintf(file,
            "%-*s head  entropy  of max   conf. largest   span   dist.  diag. "
            "monot.    sink   key cosine     JS  warnings\n",
            width, "map");
    for (int i = 0; i < heed_maps_count(m); i++) {
        for (int64_t head = 0; head < m->maps[i].heads; head++)
            print_head(m, &m->maps[i], head, width, file);
    }
}

/* ---- shades ---- */

heed__grid heed__grid_of(const heed_map *map, int64_t head, int64_t most)
{
    int64_t longest = map->queries > map->keys ? map->queries : map->keys;
    heed__grid g = { .map = map, .head = head, .step = 1 };
    if (longest > most)
        g.step = (longest + most - 1) / most;
    g.rows = (map->queries + g.step - 1) / g.step;
    g.columns = (map->keys + g.step - 1) / g.step;
    return g;
}

double heed__grid_at(const heed__grid *g, int64_t row, int64_t column)
{
    double largest = 0;
    for (int64_t i = row * g->step; i < (row + 1) * g->step && i < g->map->queries; i++) {
        const double *weights = heed_map_row(g->map, g->head, i);
        for (int64_t j = column * g->step; j < (column + 1) * g->step && j < g->map->keys;
             j++) {
            if (!isfinite(weights[j]))
                return NAN;
            largest = fmax(largest, heed__seen(weights[j]));
        }
    }
    return largest;
}

double heed__map_largest(const heed_map *map, int64_t head)
{
    double largest = 0;
    for (int64_t i = 0; i < map->queries; i++) {
        const double *weights = heed_map_row(map, head, i);
        for (int64_t j = 0; j < map->keys; j++)
            largest = fmax(largest, heed__seen(weights[j]));
    }
    return largest;
}

/* Darkness 0 is for exactly 0; whatever is more shows. */
static int shade_of(double weight, double largest, int shades)
{
    if (weight == 0)
        return 0;
    int shade = 1 + (int)(weight / largest * (shades - 1));
    return shade < shades ? shade : shades - 1;
}

static void print_label(const char *label, int64_t number, int width, FILE *file)
{
    heed__shown shown = heed__show(label, number, width);
    fprintf(file, "%*s%s", width - shown.width, "", shown.text);
}

/* The keys' names, as they cannot stand over columns of two characters. */
static void print_keys(const heed__grid *g, FILE *file)
{
    int column = 0;
    for (int64_t j = 0; j < g->map->keys; j += g->step) {
        const char *label = heed_map_key(g->map, j);
        if (!label)
            continue;
        heed__shown shown = heed__show(label, j, 16);
        if (column == 0 || column + shown.width > 70) {
            fprintf(file, "%s", column == 0 ? "keys:" : "\n     ");
            column = 5;
        }
        column += 2 + fprintf(file, " %" PRId64 " ", j) + shown.width;
        fprintf(file, "%s ", shown.text);
    }
    if (column > 0)
        fputc('\n', file);
}

void heed_map_draw(const heed_map *map, int64_t head, bool ascii, FILE *file)
{
    static const char *const blocks[] = { "  ",           "\u00b7 ",      "\u2591\u2591",
                                          "\u2592\u2592", "\u2593\u2593", "\u2588\u2588" };
    static const char *const letters[] = { "  ", ". ", "::", "==", "##", "@@" };
    const char *const *shades = ascii ? letters : blocks;
    int count = (int)(sizeof blocks / sizeof *blocks);
    if (!map)
        return;
    heed__grid g = heed__grid_of(map, head, 60);
    double largest = heed_map_row(map, head, 0) ? heed__map_largest(map, head) : 0;
    if (!heed_map_row(map, head, 0) || g.columns == 0) {
        fprintf(file, "%s, head %" PRId64 ": empty\n", heed__show(map->name, 0, 60).text, head);
        return;
    }
    fprintf(file, "%s, head %" PRId64 ":", heed__show(map->name, 0, 60).text, head);
    for (int shade = 0; shade < count; shade++)
        fprintf(file, "%s%s", shade ? "" : " 0 ", shades[shade]);
    fprintf(file, " %.3g\n%15s", largest, "");
    for (int64_t c = 0; c < g.columns; c += 5)
        fprintf(file, " %-9" PRId64, c * g.step);
    fputc('\n', file);
    for (int64_t r = 0; r < g.rows; r++) {
        int64_t query = r * g.step;
        fprintf(file, "%4" PRId64 " ", query);
        if (heed_map_query(map, query))
            print_label(heed_map_query(map, query), query, 10, file);
        else
            fprintf(file, "%10s", "");
        fputc(' ', file);
        for (int64_t c = 0; c < g.columns; c++) {
            double weight = heed__grid_at(&g, r, c);
            fprintf(file, "%s",
                    isnan(weight) ? "??" : shades[shade_of(weight, largest, count)]);
        }
        fputc('\n', file);
    }
    print_keys(&g, file);
}
