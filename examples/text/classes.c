/* What a character is, looked up in the Unicode tables. Knows the library's text room and those
 * tables. */
#include "classes.h"

#include "text.h"
#include "unicode_tables.h"

static bool in_ranges(const uint32_t (*ranges)[2], size_t count, int32_t code_point)
{
    uint32_t c = (uint32_t)code_point;
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c < ranges[middle][0])
            high = middle;
        else if (c > ranges[middle][1])
            low = middle + 1;
        else
            return true;
    }
    return false;
}

text_class text_class_at(const char *text, size_t size, size_t at, size_t *length)
{
    int32_t c = heed__utf8_decode(text + at, size - at, length);
    if (c < 0)
        return TEXT_SYMBOL;
    if (c < 0x80) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            return TEXT_LETTER;
        if (c == ' ' || (c >= '\t' && c <= '\r'))
            return TEXT_BLANK;
        return c >= '0' && c <= '9' ? TEXT_NUMBER : TEXT_SYMBOL;
    }
    if (in_ranges(unicode_letters, sizeof unicode_letters / sizeof *unicode_letters, c))
        return TEXT_LETTER;
    if (in_ranges(unicode_numbers, sizeof unicode_numbers / sizeof *unicode_numbers, c))
        return TEXT_NUMBER;
    if (in_ranges(unicode_blanks, sizeof unicode_blanks / sizeof *unicode_blanks, c))
        return TEXT_BLANK;
    return TEXT_SYMBOL;
}

int32_t text_lower(int32_t code_point)
{
    size_t low = 0, high = sizeof unicode_lower / sizeof *unicode_lower;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const int32_t *run = unicode_lower[middle];
        if (code_point < run[0])
            high = middle;
        else if (code_point > run[1])
            low = middle + 1;
        else
            return (code_point - run[0]) % run[2] == 0 ? code_point + run[3] : code_point;
    }
    return code_point;
}
