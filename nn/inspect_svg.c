/* Attention maps as one SVG image: a row of heat maps for each map, a heat map for each head.
 *
 * Cells of one colour are one path, in units of cells, and a run of them in a row is one
 * rectangle of it: a large image stays small. */
#include "inspect_parts.h"

#include "../core/json.h"

#include <inttypes.h>
#include <math.h>

enum {
    MARGIN = 24,
    HEADER = 74,
    GAP = 26,        /* between heads */
    LEAST_SLOT = 96, /* room for what is written over a small heat map */
    MOST_CELLS = 240,
    MOST_LABELS = 60,
    LABEL_COLUMNS = 14,
    LEVELS = 40
};

typedef struct layout {
    heed__grid grid;
    int64_t cell, font;
    int64_t query_room, key_room; /* for labels, left and above */
    int64_t every;                /* which rows and columns have one */
    int64_t angle;                /* of the keys' labels: upright where they are dense */
    int64_t slot;                 /* from one head to the next */
    int64_t height;
} layout;

/* ---- how large ---- */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t cell_size(int64_t n)
{
    static const int64_t sizes[][2] = {
        { 8, 24 }, { 16, 18 }, { 32, 13 }, { MOST_LABELS, 10 }
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (n <= sizes[i][0])
            return sizes[i][1];
    }
    return larger(2, 480 / n);
}

static const char *label_of(const layout *l, int side, int64_t at)
{
    if (l->grid.step > 1)
        return NULL;
    return side == HEED__QUERIES ? heed_map_query(l->grid.map, at)
                                 : heed_map_key(l->grid.map, at);
}

static heed__shown shown_at(const layout *l, int side, int64_t at)
{
    return heed__show(label_of(l, side, at), at * l->grid.step, LABEL_COLUMNS);
}

/* Pixels that the widest label takes: characters are about 0.62 of their height. */
static int64_t label_room(const layout *l, int side)
{
    int64_t widest = 0, count = side == HEED__QUERIES ? l->grid.rows : l->grid.columns;
    for (int64_t i = 0; i < count; i += l->every)
        widest = larger(widest, shown_at(l, side, i).width);
    return widest * l->font * 62 / 100;
}

static bool is_empty(const heed_map *map)
{
    return map->heads == 0 || map->queries == 0 || map->keys == 0;
}

static layout lay_out(const heed_map *map)
{
    layout l = { .grid = heed__grid_of(map, 0, MOST_CELLS) };
    int64_t n = larger(l.grid.rows, l.grid.columns);
    bool labelled =
        n <= MOST_LABELS && (label_of(&l, HEED__QUERIES, 0) || label_of(&l, HEED__KEYS, 0));
    l.cell = cell_size(n);
    l.font = l.cell < 10 ? 9 : l.cell > 13 ? 12 : l.cell;
    l.every = labelled ? 1 : larger(1, (n + 11) / 12);
    l.query_room = label_room(&l, HEED__QUERIES) + 6;
    l.angle = l.every == 1 && l.cell < 18 ? 90 : 45;
    l.key_room = label_room(&l, HEED__KEYS) * (l.angle == 90 ? 100 : 71) / 100 + 14;
    l.slot = larger(l.grid.columns * l.cell, LEAST_SLOT) + GAP;
    l.height = is_empty(map) ? 60 : 44 + l.key_room + l.grid.rows * l.cell + GAP;
    return l;
}

/* ---- colours ---- */

/* From pale to dark; white is left for what is exactly 0. */
static void put_colour(heed__text *text, int level)
{
    static const int stops[][3] = { { 240, 245, 251 }, { 190, 215, 237 }, { 120, 178, 219 },
                                    { 52, 126, 189 },  { 20, 77, 146 },   { 7, 34, 75 } };
    int last = (int)(sizeof stops / sizeof *stops) - 1;
    double at = (double)level / (LEVELS - 1) * last;
    int before = (int)at < last ? (int)at : last - 1;
    heed__text_add_string(text, "#");
    for (int i = 0; i < 3; i++) {
        double a = stops[before][i], b = stops[before + 1][i];
        heed__text_print(text, "%02x", (unsigned)lround(a + (at - before) * (b - a)));
    }
}

enum { NOT_FINITE = -1, NOTHING = -2 };

static int level_of(double weight, double largest)
{
    if (isnan(weight))
        return NOT_FINITE;
    if (weight == 0)
        return NOTHING;
    int level = (int)(weight / largest * LEVELS);
    return level < LEVELS ? level : LEVELS - 1;
}

/* ---- parts ---- */

static void put_cells(heed__text *text, const heed__grid *g, int level, double largest)
{
    bool begun = false;
    for (int64_t r = 0; r < g->rows; r++) {
        int64_t run = 0;
        for (int64_t c = 0; c <= g->columns; c++) {
            if (c < g->columns && level_of(heed__grid_at(g, r, c), largest) == level) {
                run++;
                continue;
            }
            if (run > 0) {
                heed__text_add_string(text, begun ? "" : "<path d=\"");
                heed__text_print(text, "M%" PRId64 " %" PRId64 "h%" PRId64 "v1h-%" PRId64 "z",
                                 c - run, r, run, run);
                begun = true;
            }
            run = 0;
        }
    }
    if (!begun)
        return;
    heed__text_add_string(text, "\" fill=\"");
    if (level == NOT_FINITE)
        heed__text_add_string(text, "#d62728");
    else
        put_colour(text, level);
    heed__text_add_string(text, "\"/>\n");
}

static void put_text(heed__text *text, int64_t x, int64_t y, const char *attributes,
                     const char *string)
{
    heed__text_print(text, "<text x=\"%" PRId64 "\" y=\"%" PRId64 "\" %s>", x, y, attributes);
    heed__put_escaped(text, string);
    heed__text_add_string(text, "</text>\n");
}

static void put_key_labels(heed__text *text, const layout *l, int64_t x, int64_t y)
{
    int64_t shift = l->angle == 90 ? l->font / 3 : l->font / 4;
    heed__text_print(text, "<g font-size=\"%" PRId64 "\">\n", l->font);
    for (int64_t c = 0; c < l->grid.columns; c += l->every) {
        heed__text_print(text,
                         "<text transform=\"translate(%" PRId64 " %" PRId64 ") "
                         "rotate(-%" PRId64 ")\">",
                         x + c * l->cell + l->cell / 2 + shift, y - 5, l->angle);
        heed__put_escaped(text, shown_at(l, HEED__KEYS, c).text);
        heed__text_add_string(text, "</text>\n");
    }
    heed__text_add_string(text, "</g>\n");
}

static void put_query_labels(heed__text *text, const layout *l, int64_t x, int64_t y)
{
    heed__text_print(text, "<g font-size=\"%" PRId64 "\" text-anchor=\"end\">\n", l->font);
    for (int64_t r = 0; r < l->grid.rows; r += l->every)
        put_text(text, x - 5, y + r * l->cell + l->cell / 2 + l->font / 3, "",
                 shown_at(l, HEED__QUERIES, r).text);
    heed__text_add_string(text, "</g>\n");
}

static void put_head(heed__text *text, const heed_maps *m, const layout *l, int64_t x,
                     int64_t y, double largest)
{
    char warnings[80];
    const heed_map *map = l->grid.map;
    heed_head h = heed_map_measure(map, l->grid.head);
    int64_t top = y + 16 + l->key_room;
    heed_warnings_text(heed_head_warnings(&h, &m->options.thresholds), warnings,
                       sizeof warnings);
    heed__text_print(text,
                     "<text x=\"%" PRId64 "\" y=\"%" PRId64 "\" font-size=\"12\">head %" PRId64
                     " <tspan fill=\"#b45309\">%s</tspan></text>\n",
                     x, y + 12, l->grid.head, warnings);
    put_key_labels(text, l, x, top);
    heed__text_print(text,
                     "<g transform=\"translate(%" PRId64 " %" PRId64 ") scale(%" PRId64
                     ")\" shape-rendering=\"crispEdges\">\n<title>",
                     x, top, l->cell);
    heed__put_escaped(text, heed__show(map->name, 0, 60).text);
    heed__text_print(text, ", head %" PRId64 "</title>\n", l->grid.head);
    for (int level = NOT_FINITE; level < LEVELS; level++)
        put_cells(text, &l->grid, level, largest);
    heed__text_add_string(text, "</g>\n");
    heed__text_print(text,
                     "<rect x=\"%" PRId64 ".5\" y=\"%" PRId64 ".5\" width=\"%" PRId64
                     "\" height=\"%" PRId64 "\" fill=\"none\" stroke=\"#b8bec8\"/>\n",
                     x - 1, top - 1, l->grid.columns * l->cell + 1, l->grid.rows * l->cell + 1);
}

static void put_legend(heed__text *text, double largest)
{
    int y = 52, x = MARGIN + 14, width = 5;
    put_text(text, MARGIN, y + 10, "font-size=\"12\"", "0");
    heed__text_print(text,
                     "<g shape-rendering=\"crispEdges\">\n<rect x=\"%d\" y=\"%d\" "
                     "width=\"10\" height=\"12\" fill=\"#fff\" stroke=\"#b8bec8\"/>\n",
                     x, y);
    for (int level = 0; level < LEVELS; level++) {
        heed__text_print(text, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"12\" fill=\"",
                         x + 14 + level * width, y, width);
        put_colour(text, level);
        heed__text_add_string(text, "\"/>\n");
    }
    heed__text_add_string(text, "</g>\n");
    heed__text_print(text, "<text x=\"%d\" y=\"%d\" font-size=\"12\">", x + 20 + LEVELS * width,
                     y + 10);
    heed__json_put_double(text, round(largest * 1000) / 1000);
    heed__text_add_string(text, "</text>\n");
}

static void put_map(heed__text *text, const heed_maps *m, const heed_map *map, int64_t left,
                    int64_t y, double largest)
{
    layout l = lay_out(map);
    put_text(text, MARGIN, y + 14, "font-size=\"14\" font-weight=\"600\"",
             heed__show(map->name, 0, 60).text);
    if (is_empty(map)) {
        put_text(text, MARGIN, y + 34, "font-size=\"12\"", "empty");
        return;
    }
    put_query_labels(text, &l, left, y + 20 + 16 + l.key_room);
    for (int64_t head = 0; head < map->heads; head++) {
        l.grid.head = head;
        put_head(text, m, &l, left + head * l.slot, y + 20, largest);
    }
}

bool heed_maps_write_svg(const heed_maps *m, const char *path, char *error, size_t error_size)
{
    if (!heed__maps_writable(m, path, error, error_size))
        return false;
    heed__text text = { .allocator = m->allocator };
    int64_t left = 0, width = 360, height = HEADER;
    double largest = 0;
    for (size_t i = 0; i < m->count; i++) {
        layout l = lay_out(&m->maps[i]);
        left = larger(left, MARGIN + l.query_room);
        height += l.height;
        for (int64_t head = 0; head < m->maps[i].heads; head++)
            largest = fmax(largest, heed__map_largest(&m->maps[i], head));
    }
    for (size_t i = 0; i < m->count; i++) {
        layout l = lay_out(&m->maps[i]);
        width = larger(width, left + m->maps[i].heads * l.slot + l.key_room + MARGIN);
    }
    heed__text_print(&text,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%" PRId64
                     "\" height=\"%" PRId64 "\" viewBox=\"0 0 %" PRId64 " %" PRId64 "\" "
                     "font-family=\"system-ui, 'Noto Sans', 'Noto Sans CJK KR', 'Malgun "
                     "Gothic', 'Apple SD Gothic Neo', NanumGothic, sans-serif\" "
                     "fill=\"#1f2733\">\n<rect width=\"100%%\" height=\"100%%\" "
                     "fill=\"#fff\"/>\n",
                     width, height, width, height);
    put_text(&text, MARGIN, 34, "font-size=\"18\" font-weight=\"600\"",
             heed__show(m->title, 0, 100).text);
    put_legend(&text, largest);
    int64_t y = HEADER + 8;
    for (size_t i = 0; i < m->count; i++) {
        put_map(&text, m, &m->maps[i], left, y, largest);
        y += lay_out(&m->maps[i]).height;
    }
    heed__text_add_string(&text, "</svg>\n");
    return heed__write_text(&text, path, error, error_size);
}
