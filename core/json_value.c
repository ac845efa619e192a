/* JSON values: what a number or string event means, and how values are written. Knows text.h
 * only. */
#include "json.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool heed__json_skip(heed__json *json)
{
    if (json->event != HEED__JSON_OBJECT && json->event != HEED__JSON_ARRAY)
        return json->event != HEED__JSON_ERROR;
    int depth = json->depth;
    while (json->depth >= depth && heed__json_next(json) != HEED__JSON_ERROR)
        ;
    return json->event != HEED__JSON_ERROR;
}

bool heed__json_is(const heed__json *json, const char *s)
{
    return (json->event == HEED__JSON_KEY || json->event == HEED__JSON_STRING) &&
           json->size == strlen(s) && memcmp(json->text, s, json->size) == 0;
}

bool heed__json_integer(heed__json *json, int64_t least, int64_t most, int64_t *value)
{
    if (json->event == HEED__JSON_NUMBER) {
        bool plain = strspn(json->text + (least < 0 && json->text[0] == '-'), "0123456789") ==
                     json->size - (least < 0 && json->text[0] == '-');
        errno = 0;
        long long number = plain ? strtoll(json->text, NULL, 10) : 0;
        if (plain && errno == 0 && number >= least && number <= most) {
            *value = number;
            return true;
        }
        return heed__json_fail(json, "%s is not a whole number from %lld to %lld",
                               heed__quote(json->text, json->size).text, (long long)least,
                               (long long)most);
    }
    return heed__json_fail(json, "expected a whole number");
}

/* strtod and printf use the decimal point of the host program's locale; JSON's is always '.'.
 */
static void swap_point(char *text, char from, char to)
{
    char *point = strchr(text, from);
    if (point)
        *point = to;
}

static char host_point(void)
{
    return localeconv()->decimal_point[0];
}

bool heed__json_double(heed__json *json, double *value)
{
    char number[400];
    if (json->event != HEED__JSON_NUMBER)
        return heed__json_fail(json, "expected a number");
    if (json->size >= sizeof number)
        return heed__json_fail(json, "a number of %zu characters is too long", json->size);
    memcpy(number, json->text, json->size + 1);
    swap_point(number, '.', host_point());
    double parsed = strtod(number, NULL);
    if (!isfinite(parsed))
        return heed__json_fail(json, "%s is too large for a double",
                               heed__quote(json->text, json->size).text);
    *value = parsed;
    return true;
}

bool heed__json_end(heed__json *json, char *error, size_t error_size)
{
    while (json->event != HEED__JSON_DONE && json->event != HEED__JSON_ERROR)
        heed__json_next(json);
    bool good = json->event == HEED__JSON_DONE;
    if (!good)
        heed__say(error, error_size, "%s", json->sentence);
    heed__text_free(&json->string);
    heed__text_free(&json->names);
    heed__release(json->allocator, json->keys, json->key_capacity * sizeof *json->keys);
    heed__release(json->allocator, json->table, json->table_size * sizeof *json->table);
    json->keys = NULL;
    json->table = NULL;
    return good;
}

void heed__json_put_string(heed__text *text, const char *bytes, size_t size)
{
    static const char letters[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
    heed__text_add(text, "\"", 1);
    size_t start = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        heed__text_add(text, bytes + start, i - start);
        const char *meaning = c ? strchr(meanings, c) : NULL;
        if (meaning)
            heed__text_print(text, "\\%c", letters[meaning - meanings]);
        else
            heed__text_print(text, "\\u%04x", (unsigned)c);
        start = i + 1;
    }
    heed__text_add(text, bytes + start, size - start);
    heed__text_add(text, "\"", 1);
}

void heed__json_put_double(heed__text *text, double value)
{
    char number[40];
    if (!isfinite(value)) {
        heed__text_add_string(text, "null");
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(number, sizeof number, "%.*g", precision, value);
        if (strtod(number, NULL) == value)
            break;
    }
    swap_point(number, host_point(), '.');
    heed__text_add_string(text, number);
}
