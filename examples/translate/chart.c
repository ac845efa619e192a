/* Drawing lines (chart.h). Where lines lie on one another, those drawn later are thinner, so that
 * all are seen. */
#include "chart.h"

#include "folder.h"

#include <math.h>
#include <string.h>

enum { LEFT = 64, TOP = 56, WIDE = 480, HIGH = 280, COLOURS = 8 };
enum { LEGEND = 24, LEGEND_WIDE = 180, LINE = 20, LETTER = 7 }; /* a letter at most, about */

/* Okabe and Ito's, which the colour-blind can tell apart. */
static const char *const colours[COLOURS] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                              "#e69f00", "#56b4e9", "#000000", "#8a8a00" };

static double column_x(const chart *c, int column)
{
    return LEFT + WIDE * (column + 0.5) / c->columns;
}

static double value_y(double value)
{
    return TOP + HIGH * (1 - value);
}

static void put_axes(heed__text *text, const chart *c)
{
    heed__text_print(text, "<g font-size=\"12\" text-anchor=\"end\">\n");
    for (int percent = 0; percent <= 100; percent += 20) {
        double y = value_y(percent / 100.0);
        heed__text_print(text,
                         "<path d=\"M%d %.1fh%d\" stroke=\"#d7dbe2\"/>"
                         "<text x=\"%d\" y=\"%.1f\">%d %%</text>\n",
                         LEFT, y, WIDE, LEFT - 8, y + 4, percent);
    }
    heed__text_print(text, "</g>\n<g font-size=\"12\" text-anchor=\"middle\">\n");
    for (int i = 0; i < c->columns; i++)
        heed__text_print(text, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", column_x(c, i),
                         TOP + HIGH + 18, c->column_names[i]);
    heed__text_print(text,
                     "<text x=\"%d\" y=\"%d\">%s</text>\n"
                     "<text transform=\"translate(18 %d) rotate(-90)\">%s</text>\n</g>\n",
                     LEFT + WIDE / 2, TOP + HIGH + 42, c->x, TOP + HIGH / 2, c->y);
}

static void put_line(heed__text *text, const chart *c, int line)
{
    const char *colour = colours[line % COLOURS];
    double width = 2 + 6.0 * (c->lines - 1 - line) / c->lines;
    bool pen_is_up = true;
    heed__text_print(text,
                     "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" "
                     "stroke-linejoin=\"round\" stroke-linecap=\"round\" d=\"",
                     colour, width);
    for (int i = 0; i < c->columns; i++) {
        double value = c->values[line][i];
        if (!isnan(value))
            heed__text_print(text, "%s%.1f %.1f%s", pen_is_up ? "M" : "L", column_x(c, i),
                             value_y(value), pen_is_up ? "h0" : ""); /* alone it is a dot */
        pen_is_up = isnan(value);
    }
    int y = TOP + 10 + line * LINE;
    heed__text_print(text,
                     "\"/>\n<path d=\"M%d %dh22\" stroke=\"%s\" stroke-width=\"%.1f\"/>"
                     "<text x=\"%d\" y=\"%d\" font-size=\"12\">%s</text>\n",
                     LEFT + WIDE + LEGEND, y, colour, width, LEFT + WIDE + LEGEND + 30, y + 4,
                     c->line_names[line]);
}

static int legend_width(const chart *c)
{
    int most = LEGEND_WIDE;
    for (int line = 0; line < c->lines; line++) {
        int width = 30 + LETTER * (int)strlen(c->line_names[line]);
        most = width > most ? width : most;
    }
    return most;
}

bool chart_write(const chart *c, const char *path, char *error, size_t error_size)
{
    heed__text text = { 0 };
    int width = LEFT + WIDE + LEGEND + legend_width(c), height = TOP + HIGH + 60;
    int legend = TOP + (c->lines + 1) * LINE;
    height = legend > height ? legend : height;
    heed__text_print(&text,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                     "viewBox=\"0 0 %d %d\" font-family=\"system-ui, sans-serif\" "
                     "fill=\"#1f2733\">\n<rect width=\"100%%\" height=\"100%%\" "
                     "fill=\"#fff\"/>\n<text x=\"%d\" y=\"30\" font-size=\"16\" "
                     "font-weight=\"600\">%s</text>\n",
                     width, height, width, height, LEFT, c->title);
    put_axes(&text, c);
    for (int line = 0; line < c->lines; line++)
        put_line(&text, c, line);
    heed__text_add_string(&text, "</svg>\n");
    return file_put_text(&text, path, error, error_size);
}
