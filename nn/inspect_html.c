/* Attention maps as one HTML page: the page's text around the data.
 *
 * The data are JSON in a script element of another type, in which every '<' is written as
 * \u003c, so that no label can end the element; the script sets labels as text only. */
#include "inspect_parts.h"

#include <string.h>

static void put_data(heed__text *text, const heed_maps *m)
{
    heed__text json = { .allocator = m->allocator };
    heed__put_maps(&json, m, 4);
    size_t start = 0;
    for (size_t i = 0; !json.failed && i < json.size; i++) {
        if (json.bytes[i] != '<')
            continue;
        heed__text_add(text, json.bytes + start, i - start);
        heed__text_add_string(text, "\\u003c");
        start = i + 1;
    }
    if (json.failed)
        text->failed = true;
    else
        heed__text_add(text, json.bytes + start, json.size - start);
    heed__text_free(&json);
}

bool heed_maps_write_html(const heed_maps *m, const char *path, char *error, size_t error_size)
{
    if (!heed__maps_writable(m, path, error, error_size))
        return false;
    heed__text text = { .allocator = m->allocator };
    heed__text_add_string(&text, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                                 "<meta charset=\"utf-8\">\n<title>");
    heed__put_escaped(&text, heed__show(m->title, 0, 100).text);
    heed__text_add_string(&text, "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n");
    heed__text_add_string(&text, heed__page_style);
    heed__text_add_string(&text, "</style>\n</head>\n<body>\n");
    heed__text_add_string(&text, heed__page_body);
    heed__text_add_string(&text, "<script type=\"application/json\" id=\"data\">");
    put_data(&text, m);
    heed__text_add_string(&text, "</script>\n<script>\n");
    for (int i = 0; heed__page_script[i]; i++)
        heed__text_add_string(&text, heed__page_script[i]);
    heed__text_add_string(&text, "</script>\n</body>\n</html>\n");
    return heed__write_text(&text, path, error, error_size);
}
