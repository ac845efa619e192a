/* Shares as lines over some columns, as an SVG image. Knows the library's text and file rooms. */
#ifndef TRANSLATE_CHART_H
#define TRANSLATE_CHART_H

#include <stdbool.h>
#include <stddef.h>

enum { CHART_MOST_COLUMNS = 32, CHART_MOST_LINES = 26, CHART_LABEL = 40 };

typedef struct chart {
    const char *title, *x, *y; /* and names of the axes; plain ASCII without &, < and > */
    int columns, lines;
    char column_names[CHART_MOST_COLUMNS][CHART_LABEL];
    char line_names[CHART_MOST_LINES][CHART_LABEL];
    double values[CHART_MOST_LINES][CHART_MOST_COLUMNS]; /* in [0, 1]; NaN: there is none */
} chart;

/* Replaces the file in one go. */
bool chart_write(const chart *c, const char *path, char *error, size_t error_size);

#endif
