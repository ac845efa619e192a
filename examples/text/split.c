/* The pattern of GPT-2 by hand: four classes of characters and a few rules about runs of them.
 * Knows the library's text room and the Unicode tables. */
#include "split.h"

#include "text.h"
#include "unicode_tables.h"

#include <string.h>

typedef enum class { LETTER, NUMBER, BLANK, SYMBOL } class;

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

/* The class of the character at `at` < size, its length into *length. */
static class class_at(const char *text, size_t size, size_t at, size_t *length)
{
    int32_t c = heed__utf8_decode(text + at, size - at, length);
    if (c < 0)
        return SYMBOL;
    if (c < 0x80) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            return LETTER;
        if (c == ' ' || (c >= '\t' && c <= '\r'))
            return BLANK;
        return c >= '0' && c <= '9' ? NUMBER : SYMBOL;
    }
    if (in_ranges(unicode_letters, sizeof unicode_letters / sizeof *unicode_letters, c))
        return LETTER;
    if (in_ranges(unicode_numbers, sizeof unicode_numbers / sizeof *unicode_numbers, c))
        return NUMBER;
    if (in_ranges(unicode_blanks, sizeof unicode_blanks / sizeof *unicode_blanks, c))
        return BLANK;
    return SYMBOL;
}

/* The end of 's 't 're 've 'm 'll 'd at `start`, or start itself. */
static size_t contraction(const char *text, size_t size, size_t start)
{
    static const char *const endings[] = { "s", "t", "re", "ve", "m", "ll", "d" };
    if (text[start] != '\'')
        return start;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);
        if (size - start - 1 >= length && memcmp(text + start + 1, endings[i], length) == 0)
            return start + 1 + length;
    }
    return start;
}

size_t text_split(const char *text, size_t size, size_t start)
{
    size_t length, end = contraction(text, size, start);
    if (end > start)
        return end;

    /* One space may lead a run of letters, numbers or symbols. */
    size_t at = start;
    class kind = class_at(text, size, at, &length);
    if (text[at] == ' ' && at + 1 < size) {
        size_t next;
        class follower = class_at(text, size, at + 1, &next);
        if (follower != BLANK) {
            kind = follower;
            length = next;
            at++;
        }
    }

    size_t last; /* where the run's last character starts */
    class now = kind;
    do {
        last = at;
        at += length;
    } while (at < size && (now = class_at(text, size, at, &length)) == kind);

    /* Blanks before something else leave their last one to it, unless it is the only one. */
    if (kind == BLANK && at < size && last > start)
        return last;
    return at;
}
