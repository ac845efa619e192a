/* What has been seen inside attention as files and in a terminal: whole or not at all, escaped,
 * read back; and memory that runs out anywhere. */
#define _POSIX_C_SOURCE 200809L
#include <heed/inspect.h>

#include "file.h"
#include "json.h"
#include "scratch.h"

#include <math.h>

static heed_maps *new_maps(void)
{
    heed_maps *m = heed_maps_new((heed_maps_options){ .title = "a title" });
    ck_assert_ptr_nonnull(m);
    return m;
}

static void add(heed_maps *m, const char *name, int64_t heads, int64_t queries, int64_t keys,
                const double *weights)
{
    ck_assert_msg(heed_maps_add(m, name, heads, queries, keys, weights, error, sizeof error),
                  "%s", error);
}

/* ---- files ---- */

static char *read_text(const char *path)
{
    unsigned char *data;
    size_t size;
    ck_assert_msg(heed__file_read(path, NULL, &data, &size, error, sizeof error), "%s", error);
    char *text = malloc(size + 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, data, size);
    text[size] = '\0';
    ck_assert_uint_eq(strlen(text), size);
    heed__release(NULL, data, size);
    return text;
}

static const char *const hostile[] = { "</script><script>alert(1)</script>", "\"&<>'\n\r\t\x01",
                                       "]]>\xc3\x28\xff", "\xea\xb0\x80\xeb\x82\x98 ", "  " };

static heed_maps *hostile_maps(void)
{
    heed_maps *m = heed_maps_new((heed_maps_options){ .title = "</title><b a=\"1\">&" });
    double weights[2 * 25] = { 0 };
    for (int i = 0; i < 50; i++)
        weights[i] = (i * 7 % 11) / 10.0;
    weights[3] = NAN;
    weights[4] = INFINITY;
    weights[5] = 1e-300;
    add(m, "a\"<b>&\n", 2, 5, 5, weights);
    add(m, "empty", 1, 0, 0, NULL);
    add(m, "no heads", 0, 2, 2, NULL);
    ck_assert(heed_maps_label(m, "a*", 5, hostile, 5, hostile, error, sizeof error));
    return m;
}

static void expect(heed__json *json, const char *key, heed__json_event event)
{
    ck_assert_int_eq(heed__json_next(json), HEED__JSON_KEY);
    ck_assert_msg(heed__json_is(json, key), "%s", json->text);
    ck_assert_int_eq(heed__json_next(json), event);
}

/* What was written is what was recorded, to the last bit. */
static void read_weights(heed__json *json, const heed_map *map, int64_t head)
{
    double weight;
    expect(json, "weights", HEED__JSON_ARRAY);
    for (int64_t i = 0; i < map->queries; i++) {
        ck_assert_int_eq(heed__json_next(json), HEED__JSON_ARRAY);
        for (int64_t j = 0; j < map->keys; j++) {
            double meant = heed_map_row(map, head, i)[j];
            if (heed__json_next(json) == HEED__JSON_NULL) {
                ck_assert(!isfinite(meant));
                continue;
            }
            ck_assert(heed__json_double(json, &weight));
            ck_assert_double_eq(weight, meant);
        }
        ck_assert_int_eq(heed__json_next(json), HEED__JSON_ARRAY_END);
    }
    ck_assert_int_eq(heed__json_next(json), HEED__JSON_ARRAY_END);
}

START_TEST(json_is_read_back)
{
    heed_maps *m = hostile_maps();
    ck_assert_msg(heed_maps_write_json(m, in_folder("a.json"), error, sizeof error), "%s",
                  error);
    char *text = read_text(in_folder("a.json"));
    const heed_map *map = heed_maps_at(m, 0);
    heed__json json;
    double value;
    heed__json_begin(&json, text, strlen(text), 8, NULL);
    ck_assert_int_eq(heed__json_next(&json), HEED__JSON_OBJECT);
    expect(&json, "title", HEED__JSON_STRING);
    ck_assert(heed__json_is(&json, "</title><b a=\"1\">&"));
    expect(&json, "maps", HEED__JSON_ARRAY);
    ck_assert_int_eq(heed__json_next(&json), HEED__JSON_OBJECT);
    expect(&json, "name", HEED__JSON_STRING);
    ck_assert(heed__json_is(&json, "a\"<b>&\n"));
    expect(&json, "queries", HEED__JSON_NUMBER);
    expect(&json, "keys", HEED__JSON_NUMBER);
    expect(&json, "query_labels", HEED__JSON_ARRAY);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(heed__json_next(&json), HEED__JSON_STRING);
        ck_assert(heed__json_is(&json, heed_map_query(map, i)));
    }
    ck_assert_int_eq(heed__json_next(&json), HEED__JSON_ARRAY_END);
    expect(&json, "key_labels", HEED__JSON_ARRAY);
    ck_assert(heed__json_skip(&json));
    expect(&json, "heads", HEED__JSON_ARRAY);
    for (int h = 0; h < 2; h++) {
        heed_head measured = heed_map_measure(map, h);
        ck_assert_int_eq(heed__json_next(&json), HEED__JSON_OBJECT);
        expect(&json, "measures", HEED__JSON_OBJECT);
        expect(&json, "causal", HEED__JSON_FALSE);
        expect(&json, "rows", HEED__JSON_NUMBER);
        expect(&json, "blind", HEED__JSON_NUMBER);
        expect(&json, "not_finite", HEED__JSON_NUMBER);
        expect(&json, "entropy", HEED__JSON_NUMBER);
        ck_assert(heed__json_double(&json, &value));
        ck_assert_double_eq(value, measured.entropy);
        while (heed__json_next(&json) == HEED__JSON_KEY)
            heed__json_next(&json);
        expect(&json, "warnings", HEED__JSON_ARRAY);
        ck_assert(heed__json_skip(&json));
        read_weights(&json, map, h);
        ck_assert_int_eq(heed__json_next(&json), HEED__JSON_OBJECT_END);
    }
    ck_assert_msg(heed__json_end(&json, error, sizeof error), "%s", error);
    free(text);
    heed_maps_free(m);
}
END_TEST

START_TEST(csv)
{
    heed_maps *m = new_maps();
    const double weights[4] = { 0.1, 0.9, NAN, 1 };
    add(m, "a,b", 1, 2, 2, weights);
    const char *queries[] = { "he said \"no\"", "line\nbreak" };
    ck_assert(heed_maps_label(m, "*", 2, queries, 0, NULL, error, sizeof error));
    ck_assert(heed_maps_write_csv(m, in_folder("a.csv"), error, sizeof error));
    char *text = read_text(in_folder("a.csv"));
    ck_assert_str_eq(text, "map,head,query,query_label,key,key_label,weight\n"
                           "\"a,b\",0,0,\"he said \"\"no\"\"\",0,\"\",0.1\n"
                           "\"a,b\",0,0,\"he said \"\"no\"\"\",1,\"\",0.9\n"
                           "\"a,b\",0,1,\"line\nbreak\",0,\"\",\n"
                           "\"a,b\",0,1,\"line\nbreak\",1,\"\",1\n");
    free(text);
    heed_maps_free(m);
}
END_TEST

/* Tags open and close in turn, attributes have their quotes, and & begins what XML knows. */
static void check_xml(const char *text)
{
    const char *open[32];
    int depth = 0;
    for (const char *c = text; (c = strchr(c, '<')) != NULL;) {
        const char *end = strchr(c, '>');
        size_t length = strcspn(c + (c[1] == '/' ? 2 : 1), " >/");
        ck_assert_ptr_nonnull(end);
        int quotes = 0;
        for (const char *q = c; q < end; q++) {
            quotes += *q == '"';
            ck_assert(q == c || *q != '<');
        }
        ck_assert_int_eq(quotes % 2, 0);
        if (c[1] == '/')
            ck_assert(depth > 0 && memcmp(open[--depth], c + 2, length) == 0);
        else if (end[-1] != '/')
            open[depth++] = c + 1;
        c = end;
    }
    ck_assert_int_eq(depth, 0);
    for (const char *c = text; (c = strchr(c, '&')) != NULL; c++)
        ck_assert(strncmp(c, "&amp;", 5) == 0 || strncmp(c, "&lt;", 4) == 0 ||
                  strncmp(c, "&gt;", 4) == 0 || strncmp(c, "&quot;", 6) == 0);
    for (const char *c = text; *c; c++)
        ck_assert((unsigned char)*c >= 0x20 || *c == '\n');
    ck_assert(heed__utf8_valid(text, strlen(text), NULL));
}

START_TEST(svg)
{
    heed_maps *m = hostile_maps();
    ck_assert(heed_maps_write_svg(m, in_folder("a.svg"), error, sizeof error));
    char *text = read_text(in_folder("a.svg"));
    check_xml(text);
    ck_assert_ptr_nonnull(strstr(text, "&lt;/title&gt;&lt;b a=&quot;1&quot;&gt;&amp;</text>"));
    ck_assert_ptr_nonnull(strstr(text, "&quot;&amp;&lt;&gt;'\u21b5\xe2\x90\x8d"));
    ck_assert_ptr_nonnull(strstr(text, "\xea\xb0\x80\xeb\x82\x98"));
    ck_assert_ptr_nonnull(strstr(text, "not finite"));
    free(text);
    heed_maps_clear(m);
    ck_assert(heed_maps_write_svg(m, in_folder("a.svg"), error, sizeof error));
    text = read_text(in_folder("a.svg"));
    check_xml(text);
    free(text);

    /* A thousand tokens: cells stand for several, and the file stays small. */
    double *large = calloc(1000 * 1000, sizeof *large);
    for (int i = 0; i < 1000; i++)
        large[i * 1001] = 1;
    add(m, "large", 1, 1000, 1000, large);
    ck_assert(heed_maps_write_svg(m, in_folder("a.svg"), error, sizeof error));
    text = read_text(in_folder("a.svg"));
    check_xml(text);
    ck_assert_uint_lt(strlen(text), 30000);
    free(text);
    free(large);
    heed_maps_free(m);
}
END_TEST

/* Layers below each other, and heads side by side: where each head's caption stands. */
START_TEST(layers_and_heads)
{
    enum { LAYERS = 3, HEADS = 4 };
    heed_maps *m = new_maps();
    const double even[HEADS * 4] = { 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5,
                                     0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5 };
    for (int layer = 0; layer < LAYERS; layer++) {
        char name[32];
        snprintf(name, sizeof name, "blocks.%d.attention", layer);
        add(m, name, HEADS, 2, 2, even);
    }
    ck_assert(heed_maps_write_svg(m, in_folder("grid.svg"), error, sizeof error));
    char *text = read_text(in_folder("grid.svg"));
    check_xml(text);
    long x[LAYERS][HEADS], y[LAYERS][HEADS];
    const char *at = text;
    for (int i = 0; i < LAYERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "blocks.%d.attention", i);
        at = strstr(at, name);
        ck_assert_msg(at != NULL, "%s is not there, or before the one above", name);
        for (int h = 0; h < HEADS; h++) {
            char caption[32];
            snprintf(caption, sizeof caption, "\">head %d ", h);
            const char *found = strstr(at, caption);
            ck_assert_msg(found != NULL, "layer %d has no head %d", i, h);
            for (at = found; strncmp(at, "<text ", 6) != 0; at--)
                ck_assert(at > text);
            ck_assert_int_eq(sscanf(at, "<text x=\"%ld\" y=\"%ld\"", &x[i][h], &y[i][h]), 2);
            at = found;
            ck_assert_int_eq(y[i][h], y[i][0]);
            ck_assert_int_eq(x[i][h], x[0][h]);
            ck_assert(h == 0 || x[i][h] > x[i][h - 1]);
        }
        ck_assert(i == 0 || y[i][0] > y[i - 1][0]);
    }
    ck_assert_ptr_null(strstr(at + 1, "\">head "));
    free(text);
    heed_maps_free(m);
}
END_TEST

START_TEST(html)
{
    heed_maps *m = hostile_maps();
    ck_assert(heed_maps_write_html(m, in_folder("a.html"), error, sizeof error));
    char *text = read_text(in_folder("a.html"));
    ck_assert_ptr_nonnull(strstr(text, "<title>&lt;/title&gt;&lt;b a=&quot;1&quot;&gt;&amp;"));
    /* The data hold no '<', so only the page's own tag ends them; and nothing is fetched. */
    char *data = strstr(text, "id=\"data\">");
    ck_assert_ptr_nonnull(data);
    data += strlen("id=\"data\">");
    char *end = strchr(data, '<');
    ck_assert(strncmp(end, "</script>\n<script>\n", 19) == 0);
    ck_assert_ptr_null(strstr(text, "alert(1)</script>"));
    ck_assert_ptr_null(strstr(text, "src="));
    ck_assert_ptr_null(strstr(text, "https:"));
    ck_assert_ptr_null(strstr(text, "innerHTML"));
    heed__json json;
    heed__json_begin(&json, data, (size_t)(end - data), 8, NULL);
    ck_assert_msg(heed__json_end(&json, error, sizeof error), "%s", error);
    ck_assert_ptr_nonnull(strstr(data, "1e-300"));
    free(text);
    heed_maps_free(m);
}
END_TEST

typedef bool writer(const heed_maps *m, const char *path, char *error, size_t size);
static writer *const writers[] = { heed_maps_write_csv, heed_maps_write_json,
                                   heed_maps_write_svg, heed_maps_write_html };

START_TEST(a_path_that_is_refused)
{
    heed_maps *m = hostile_maps();
    ck_assert(!writers[_i](m, in_folder("none/a"), error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "No such file or directory"));
    ck_assert(!writers[_i](m, folder, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "directory"));
    ck_assert(!writers[_i](m, NULL, error, sizeof error));
    ck_assert_str_eq(error, "maps: the path is NULL");
    ck_assert(!writers[_i](NULL, in_folder("a"), error, sizeof error));
    ck_assert_str_eq(error, "maps: there is no collection");
    ck_assert_int_eq(count_files(), 0);
    heed_maps_free(m);
}
END_TEST

/* ---- in a terminal ---- */

static char *printed(const heed_maps *m, int index, int64_t head, bool ascii)
{
    static char text[8000];
    FILE *file = fmemopen(text, sizeof text, "w");
    ck_assert_ptr_nonnull(file);
    if (index < 0)
        heed_maps_print(m, file);
    else
        heed_map_draw(heed_maps_at(m, index), head, ascii, file);
    fclose(file);
    return text;
}

START_TEST(drawn)
{
    heed_maps *m = new_maps();
    const double weights[6] = { 1, 0, 0, 0.02, 0.38, 0.6 };
    add(m, "layer", 1, 2, 3, weights);
    const char *queries[] = { "\xea\xb0\x80", "twelve letters" }, *keys[] = { "a", "b", "c" };
    ck_assert(heed_maps_label(m, "*", 2, queries, 3, keys, error, sizeof error));
    ck_assert_str_eq(printed(m, 0, 0, true), "layer, head 0: 0   . ::==##@@ 1\n"
                                             "                0        \n"
                                             "   0         \xea\xb0\x80 @@    \n"
                                             "   1 twelve le\xe2\x80\xa6 . ::##\n"
                                             "keys: 0 a  1 b  2 c \n");
    ck_assert_ptr_nonnull(strstr(printed(m, 0, 0, false), "\u2588\u2588    \n"));
    ck_assert_str_eq(printed(m, 0, 1, false), "layer, head 1: empty\n");
    char *table = printed(m, -1, 0, false);
    ck_assert_ptr_nonnull(strstr(table, "map   head  entropy  of max"));
    ck_assert_ptr_nonnull(strstr(table, "layer    0    0.376   34.2%   80.0%  100.0%"));
    heed_maps_free(m);

    m = hostile_maps();
    table = printed(m, -1, 0, false);
    for (const char *c = table; *c; c++)
        ck_assert((unsigned char)*c >= 0x20 || *c == '\n');
    ck_assert_ptr_nonnull(strstr(printed(m, 0, 0, true), "??"));
    heed_maps_free(m);
}
END_TEST

/* ---- memory ---- */

typedef struct counter {
    int refuse_at;
    int64_t held;
} counter;

static void *count_allocate(void *context, size_t bytes)
{
    counter *c = context;
    if (c->refuse_at && --c->refuse_at == 0)
        return NULL;
    c->held += (int64_t)bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void count_release(void *context, void *memory, size_t bytes)
{
    ((counter *)context)->held -= (int64_t)bytes;
    free(memory);
}

/* Everything once; false as soon as something fails. */
static bool use_all(heed_maps *m)
{
    const char *names[] = { "one", "two" };
    double row[4] = { 0.5, 0.5, 0.25, 0.25 };
    return heed_maps_add(m, "a", 1, 2, 2, row, error, sizeof error) &&
           heed_maps_append_row(m, "a", 1, 4, row, error, sizeof error) &&
           heed_maps_append_row(m, "a", 1, 4, row, error, sizeof error) &&
           heed_maps_add(m, "a", 1, 2, 2, row, error, sizeof error) &&
           heed_maps_label(m, "a", 2, names, 2, names, error, sizeof error) &&
           heed_maps_write_json(m, in_folder("a"), error, sizeof error) &&
           heed_maps_write_html(m, in_folder("a"), error, sizeof error);
}

START_TEST(out_of_memory)
{
    counter c = { 0 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    bool done = false;
    int refusals = 0;
    for (int n = 1; !done; n++) {
        c.refuse_at = n;
        heed_maps *m = heed_maps_new((heed_maps_options){ .allocator = &allocator });
        done = m && use_all(m);
        refusals += !done;
        if (m && !done)
            ck_assert_msg(strstr(error, "memory") != NULL, "%s", error);
        c.refuse_at = 0;
        if (m)
            ck_assert(use_all(m));
        heed_maps_free(m);
        ck_assert_int_eq(c.held, 0);
    }
    ck_assert_int_ge(refusals, 20);
    ck_assert_int_eq(count_files(), 1);
    heed_maps_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect files");
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_add_test(files, json_is_read_back);
    tcase_add_test(files, csv);
    tcase_add_test(files, svg);
    tcase_add_test(files, layers_and_heads);
    tcase_add_test(files, html);
    tcase_add_loop_test(files, a_path_that_is_refused, 0, LENGTH(writers));
    tcase_add_test(files, drawn);
    tcase_add_test(files, out_of_memory);
    tcase_set_timeout(files, 60);
    suite_add_tcase(suite, files);
    return run_suite(suite);
}
