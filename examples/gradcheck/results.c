/* The two ways to print (results.h). */
#include "results.h"

#include "json.h"

#include <string.h>

void results_heading(FILE *to)
{
    fprintf(to, "%-24s %5s %8s %9s %9s %7s  %s\n", "name", "cases", "compared", "absolute",
            "relative", "ms", "nearest to its tolerance");
}

void results_line(FILE *to, const result *r)
{
    const heed_report *report = &r->report;
    fprintf(to, "%-24s %5d %8lld %9.1e %9.1e %7.0f  ", r->name, r->cases,
            (long long)report->compared, report->absolute, report->relative, 1000 * r->seconds);
    if (report->passed)
        fprintf(to, "%.1f %% at %s\n", 100 * report->excess,
                report->where[0] ? report->where : "no number");
    else
        fprintf(to, "FAILED: %s\n", report->message[0] ? report->message : report->where);
}

void results_total(FILE *to, int count, int failed, double seconds)
{
    fprintf(to,
            "\n%d checked, %d failed, in %.1f s\n"
            "absolute, relative: the largest error of a gradient against differences "
            "(relative: of numbers from 0.001 up)\n",
            count, failed, seconds);
}

static void put_string(heed__text *json, const char *key, const char *value)
{
    heed__text_print(json, "\"%s\": ", key);
    heed__json_put_string(json, value, strlen(value));
}

static void put_double(heed__text *json, const char *key, double value)
{
    heed__text_print(json, "\"%s\": ", key);
    heed__json_put_double(json, value);
}

void results_json_begin(heed__text *json, int order, uint64_t seed)
{
    heed__text_print(json, "{\"order\": %d, \"seed\": %llu, \"checks\": [", order,
                     (unsigned long long)seed);
}

void results_json_add(heed__text *json, const result *r, bool first)
{
    const heed_report *report = &r->report;
    heed__text_add_string(json, first ? "\n  {" : ",\n  {");
    put_string(json, "name", r->name);
    heed__text_add_string(json, ", ");
    put_string(json, "kind", r->kind);
    heed__text_print(json, ", \"cases\": %d, \"compared\": %lld, \"passed\": %s, ", r->cases,
                     (long long)report->compared, report->passed ? "true" : "false");
    put_double(json, "absolute", report->absolute);
    heed__text_add_string(json, ", ");
    put_double(json, "relative", report->relative);
    heed__text_add_string(json, ", ");
    put_double(json, "excess", report->excess);
    heed__text_add_string(json, ", ");
    put_string(json, "where", report->where);
    heed__text_add_string(json, ", ");
    put_string(json, "message", report->message);
    heed__text_add_string(json, ", ");
    put_double(json, "seconds", r->seconds);
    heed__text_add_string(json, "}");
}

void results_json_end(heed__text *json, bool passed, double seconds)
{
    heed__text_print(json, "\n], \"passed\": %s, ", passed ? "true" : "false");
    put_double(json, "seconds", seconds);
    heed__text_add_string(json, "}\n");
}
