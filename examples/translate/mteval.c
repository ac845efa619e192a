/* mteval-v13a's rules in sacreBLEU's reading: a few replacements, then spaces around what is
 * punctuation, rule after rule over the whole text. All that the rules look at is ASCII, so
 * they go by bytes. */
#include "mteval.h"

#include "classes.h"

#include <string.h>

int32_t mteval_character(text_span text, size_t at, size_t *length, bool *blank)
{
    int32_t c = heed__utf8_decode(text.bytes + at, text.size - at, length);
    *blank = (c >= 0x1c && c <= 0x1f) ||
             text_class_at(text.bytes, text.size, at, length) == TEXT_BLANK;
    return c >= 0 ? c : 0x110000 + (unsigned char)text.bytes[at];
}

/* Every `old`, from the left, becomes `new`. */
static void replace(const heed__text *text, heed__text *to, const char *old, const char *new)
{
    size_t size = strlen(old);
    heed__text_clear(to);
    for (size_t at = 0; at < text->size;) {
        if (text->size - at >= size && memcmp(text->bytes + at, old, size) == 0) {
            heed__text_add_string(to, new);
            at += size;
        } else {
            heed__text_add(to, text->bytes + at++, 1);
        }
    }
}

static bool is_symbol(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
           (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

static void space_symbols(const heed__text *text, heed__text *to)
{
    heed__text_clear(to);
    for (size_t at = 0; at < text->size; at++) {
        bool symbol = is_symbol(text->bytes[at]);
        heed__text_add(to, " ", symbol);
        heed__text_add(to, text->bytes + at, 1);
        heed__text_add(to, " ", symbol);
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_no_digit(char c)
{
    return !is_digit(c);
}

static bool is_point(char c)
{
    return c == '.' || c == ',';
}

static bool is_dash(char c)
{
    return c == '-';
}

/* Two neighbours, and where spaces go. */
typedef struct rule {
    bool (*first)(char c), (*second)(char c);
    bool before, between, after;
} rule;

static void space_pairs(const heed__text *text, heed__text *to, const rule *r)
{
    heed__text_clear(to);
    for (size_t at = 0; at < text->size; at++) {
        const char *c = text->bytes + at;
        bool pair = at + 1 < text->size && r->first(c[0]) && r->second(c[1]);
        heed__text_add(to, " ", pair && r->before);
        heed__text_add(to, c, 1);
        if (!pair)
            continue;
        heed__text_add(to, " ", r->between);
        heed__text_add(to, c + 1, 1);
        heed__text_add(to, " ", r->after);
        at++;
    }
}

/* What is between blanks, with one space between. */
static void join_words(text_span text, heed__text *to)
{
    heed__text_clear(to);
    bool space = false, blank;
    for (size_t at = 0, length; at < text.size; at += length) {
        mteval_character(text, at, &length, &blank);
        if (blank) {
            space = to->size > 0;
            continue;
        }
        heed__text_add(to, " ", space);
        heed__text_add(to, text.bytes + at, length);
        space = false;
    }
}

/* The text without blanks at its end, between two spaces. */
static void begin(text_span text, heed__text *to)
{
    size_t end = 0;
    bool blank;
    for (size_t at = 0, length; at < text.size; at += length) {
        mteval_character(text, at, &length, &blank);
        if (!blank)
            end = at + length;
    }
    heed__text_clear(to);
    heed__text_add(to, text.bytes, end);
}

/* The result of a pass becomes what the next one reads; a failure sticks. */
static void advance(heed__text *now, heed__text *next)
{
    heed__text read = *now;
    *now = *next;
    *next = read;
    now->failed = now->failed || read.failed;
}

void mteval_cut(text_span text, heed__text *words)
{
    static const char *const replaced[][2] = {
        { "<skipped>", "" }, { "-\n", "" },   { "\n", " " },   { "&quot;", "\"" },
        { "&amp;", "&" },    { "&lt;", "<" }, { "&gt;", ">" },
    };
    static const rule rules[] = {
        { is_no_digit, is_point, false, true, true }, /* "a.": but not 1.5 */
        { is_point, is_no_digit, true, true, false },
        { is_digit, is_dash, false, true, true },
    };
    heed__text now = { 0 }, next = { 0 };
    begin(text, &now);
    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++) {
        replace(&now, &next, replaced[i][0], replaced[i][1]);
        advance(&now, &next);
    }
    heed__text_clear(&next);
    heed__text_add(&next, " ", 1);
    heed__text_add(&next, now.bytes, now.size);
    heed__text_add(&next, " ", 1);
    advance(&now, &next);
    space_symbols(&now, &next);
    advance(&now, &next);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        space_pairs(&now, &next, &rules[i]);
        advance(&now, &next);
    }
    join_words((text_span){ now.bytes, now.size }, words);
    words->failed = words->failed || now.failed;
    heed__text_free(&now);
    heed__text_free(&next);
}
