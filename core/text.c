/* Growable text, error sentences and UTF-8. Knows memory.h and libc only. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Makes room for `more` bytes and the closing NUL. */
static bool text_reserve(heed__text *text, size_t more)
{
    size_t wanted;
    if (text->failed)
        return false;
    char *bytes = NULL;
    if (heed__add_size(text->size, more, &wanted) && heed__add_size(wanted, 1, &wanted))
        bytes = heed__grow(text->allocator, text->bytes, &text->capacity, wanted, 1);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    return true;
}

void heed__text_add(heed__text *text, const void *bytes, size_t size)
{
    if (!text_reserve(text, size))
        return;
    if (size > 0)
        memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
}

void heed__text_add_string(heed__text *text, const char *string)
{
    heed__text_add(text, string, strlen(string));
}

void heed__text_print(heed__text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0)
        text->failed = true;
    if (size < 0 || !text_reserve(text, (size_t)size))
        return;
    va_start(arguments, format);
    vsnprintf(text->bytes + text->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    text->size += (size_t)size;
}

void heed__text_clear(heed__text *text)
{
    text->size = 0;
    text->failed = false;
    if (text->bytes)
        text->bytes[0] = '\0';
}

void heed__text_free(heed__text *text)
{
    heed__release(text->allocator, text->bytes, text->capacity);
    *text = (heed__text){ .allocator = text->allocator };
}

bool heed__say(char *error, size_t error_size, const char *format, ...)
{
    if (!error || error_size == 0)
        return false;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    if (size < 0) {
        error[0] = '\0';
    } else if ((size_t)size >= error_size) {
        /* A cut inside a character would leave bytes that are no text. */
        size_t whole;
        if (!heed__utf8_valid(error, error_size - 1, &whole) && error_size - 1 - whole < 4)
            error[whole] = '\0';
    }
    return false;
}

heed__quoted heed__quote(const char *bytes, size_t size)
{
    heed__quoted quoted;
    char *at = quoted.text;
    size_t shown = 0;
    *at++ = '\'';
    while (shown < size && shown < 64) {
        size_t length;
        int32_t c = heed__utf8_decode(bytes + shown, size - shown, &length);
        bool control =
            c < 0x20 || (c >= 0x7f && c < 0xa0); /* the C1 controls drive terminals too */
        for (size_t i = 0; i < length; i++) {
            unsigned char byte = (unsigned char)bytes[shown + i];
            if (control)
                at += snprintf(at, 5, "\\x%02X", (unsigned)byte);
            else
                *at++ = (char)byte;
        }
        shown += length;
    }
    snprintf(at, 5, "%s", shown < size ? "...'" : "'");
    return quoted;
}

/* Only the last * met needs to be tried again: what an earlier one took can be taken by it. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

bool heed__matches(const char *pattern, const char *text)
{
    if (*pattern == '!')
        return !matches(pattern + 1, text);
    return matches(pattern, text);
}

int64_t heed__read_count(const char *text)
{
    int64_t count = 0;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || count > (INT64_MAX - 9) / 10)
            return -1;
        count = 10 * count + (*c - '0');
    }
    return *text ? count : -1;
}

int32_t heed__utf8_decode(const void *bytes, size_t size, size_t *length)
{
    const unsigned char *b = bytes;
    *length = 1;
    if (size == 0)
        return -1;
    if (b[0] < 0x80)
        return b[0];

    size_t more = b[0] >= 0xf0 ? 3 : b[0] >= 0xe0 ? 2 : 1;
    static const int32_t smallest[] = { 0, 0x80, 0x800, 0x10000 };
    if (b[0] < 0xc2 || b[0] > 0xf4 || size <= more)
        return -1;
    int32_t c = b[0] & (0x3f >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return -1;
        c = c * 64 + (b[i] & 0x3f);
    }
    if (c < smallest[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return -1;
    *length = more + 1;
    return c;
}

size_t heed__utf8_encode(uint32_t c, char bytes[4])
{
    if (c < 0x80) {
        bytes[0] = (char)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    bytes[0] = (char)(lead[more] | c >> (6 * more));
    for (size_t i = 1; i <= more; i++)
        bytes[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

bool heed__utf8_valid(const void *bytes, size_t size, size_t *bad)
{
    const char *b = bytes;
    for (size_t at = 0, length; at < size; at += length) {
        if (heed__utf8_decode(b + at, size - at, &length) < 0) {
            if (bad)
                *bad = at;
            return false;
        }
    }
    return true;
}
