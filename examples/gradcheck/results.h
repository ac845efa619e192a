/* What gradcheck prints: a table to read, or JSON for other programs. */
#ifndef GRADCHECK_RESULTS_H
#define GRADCHECK_RESULTS_H

#include <heed/heed.h>

#include "text.h"

typedef struct result {
    const char *name, *kind; /* "op" or "module" */
    int cases;
    heed_report report;
    double seconds;
} result;

/* The table: a heading, a line for each result as it comes, and the sum of all. */
void results_heading(FILE *to);
void results_line(FILE *to, const result *r);
void results_total(FILE *to, int count, int failed, double seconds);

/* One JSON object; add the results between begin and end. */
void results_json_begin(heed__text *json, int order, uint64_t seed);
void results_json_add(heed__text *json, const result *r, bool first);
void results_json_end(heed__text *json, bool passed, double seconds);

#endif
