/* The form of a page's text: lines broken by columns, and numbers in columns. */
#include "page.h"

#include <math.h>
#include <string.h>

enum { PAGE_WIDTH = 80 };

/* Hangul, and what else of the documents is two columns wide on a terminal. */
static int columns_of(int32_t c)
{
    bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0x303e) ||
                (c >= 0x3041 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
                (c >= 0xff00 && c <= 0xff60);
    return wide ? 2 : 1;
}

static int columns(const char *text, size_t size)
{
    int total = 0;
    size_t length;
    for (size_t at = 0; at < size; at += length)
        total += columns_of(heed__utf8_decode(text + at, size - at, &length));
    return total;
}

int page_columns(const char *text)
{
    return columns(text, strlen(text));
}

void page_wrap(heed__text *out, int indent, const char *text)
{
    int at = 0;
    while (*text) {
        size_t size = strcspn(text, " \n");
        int width = columns(text, size);
        if (at > 0 && at + 1 + width > PAGE_WIDTH) {
            heed__text_add_string(out, "\n");
            at = 0;
        }
        if (at > 0)
            heed__text_add_string(out, " ");
        else
            heed__text_print(out, "%*s", indent, "");
        at += at > 0 ? 1 + width : indent + width;
        heed__text_add(out, text, size);
        text += size;
        if (*text == '\n') {
            heed__text_add_string(out, "\n");
            at = 0;
        }
        if (*text)
            text++;
    }
    heed__text_add_string(out, "\n");
}

static void number(heed__text *out, double x, bool whole)
{
    if (whole)
        heed__text_print(out, "%16.0f", x);
    else if (x != 0 && fabs(x) < 1e-6)
        heed__text_print(out, "%16.6e", x);
    else
        heed__text_print(out, "%16.10f", x + 0.0);
}

void page_numbers(heed__text *out, const heed_tensor *value, bool whole)
{
    int64_t count = heed_size(value);
    int64_t row = value->ndim ? value->shape[value->ndim - 1] : 1;
    for (int64_t i = 0; i < count; i++) {
        if (i % row == 0)
            heed__text_add_string(out, " ");
        number(out, heed_at(value, i), whole);
        if ((i + 1) % row == 0)
            heed__text_add_string(out, "\n");
    }
}
