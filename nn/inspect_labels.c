/* What queries and keys are called: kept as UTF-8, and shown in one line. */
#include "inspect_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

char *heed__copy_text(const heed_allocator *allocator, const char *string)
{
    size_t size = strlen(string), length, room = 1;
    for (size_t at = 0; at < size; at += length)
        room += heed__utf8_decode(string + at, size - at, &length) < 0 ? 3 : length;
    char *copy = heed__allocate(allocator, room), *to = copy;
    if (!copy)
        return NULL;
    for (size_t at = 0; at < size; at += length) {
        int32_t c = heed__utf8_decode(string + at, size - at, &length);
        to += heed__utf8_encode(c < 0 ? 0xfffd : (uint32_t)c, to);
    }
    *to = '\0';
    return copy;
}

void heed__free_text(const heed_allocator *allocator, const char *text)
{
    if (text)
        heed__release(allocator, (void *)(uintptr_t)text, strlen(text) + 1);
}

void heed__free_labels(const heed_allocator *allocator, heed__labels *labels)
{
    for (int64_t i = 0; labels->text && i < labels->count; i++)
        heed__free_text(allocator, labels->text[i]);
    heed__release(allocator, labels->text, (size_t)labels->count * sizeof *labels->text);
    *labels = (heed__labels){ 0 };
}

static bool new_labels(heed_maps *m, heed__labels *labels, int64_t count,
                       const char *const *text)
{
    *labels = (heed__labels){ 0 };
    labels->text = heed__allocate(m->allocator, (size_t)count * sizeof *labels->text);
    if (!labels->text)
        return false;
    labels->count = count;
    memset(labels->text, 0, (size_t)count * sizeof *labels->text);
    for (int64_t i = 0; i < count; i++) {
        labels->text[i] = text[i] ? heed__copy_text(m->allocator, text[i]) : NULL;
        if (text[i] && !labels->text[i]) {
            heed__free_labels(m->allocator, labels);
            return false;
        }
    }
    return true;
}

static bool fits(const heed_map *map, int64_t there, int64_t given, const char *what,
                 char *error, size_t error_size)
{
    return there == given ||
           heed__say(error, error_size,
                     "maps: %s has %" PRId64 " %s and not %" PRId64 " as there are labels",
                     heed__quote(map->name, strlen(map->name)).text, there, what, given);
}

bool heed_maps_label(heed_maps *m, const char *pattern, int64_t queries,
                     const char *const *query_labels, int64_t keys,
                     const char *const *key_labels, char *error, size_t error_size)
{
    const char *const *text[2] = { query_labels, key_labels };
    int64_t count[2] = { queries, keys };
    int matches = 0;
    if (!m)
        return heed__maps_none(error, error_size);
    if (!pattern)
        return heed__say(error, error_size, "maps: the pattern is NULL");
    for (size_t i = 0; i < m->count; i++) {
        heed_map *map = &m->maps[i];
        if (!heed__matches(pattern, map->name))
            continue;
        matches++;
        if ((query_labels && !fits(map, map->queries, queries, "queries", error, error_size)) ||
            (key_labels && !fits(map, map->keys, keys, "keys", error, error_size)))
            return false;
    }
    if (matches == 0)
        return heed__say(error, error_size, "maps: no map's name matches %s",
                         heed__quote(pattern, strlen(pattern)).text);
    for (size_t i = 0; i < m->count; i++) {
        for (int side = HEED__QUERIES; side <= HEED__KEYS; side++) {
            heed__labels labels;
            if (!text[side] || !heed__matches(pattern, m->maps[i].name))
                continue;
            if (!new_labels(m, &labels, count[side], text[side]))
                return heed__maps_no_memory(m->maps[i].name, error, error_size);
            heed__free_labels(m->allocator, &m->maps[i].labels[side]);
            m->maps[i].labels[side] = labels;
        }
    }
    return true;
}

static const char *label_at(const heed_map *map, int side, int64_t i)
{
    return map && i >= 0 && i < map->labels[side].count ? map->labels[side].text[i] : NULL;
}

const char *heed_map_query(const heed_map *map, int64_t query)
{
    return label_at(map, HEED__QUERIES, query);
}

const char *heed_map_key(const heed_map *map, int64_t key)
{
    return label_at(map, HEED__KEYS, key);
}

/* ---- shown ---- */

/* Columns that a terminal gives a character, which is close to what other fonts do: two for
 * Hangul, kana, Chinese characters and pictures, none for marks that sit on another. */
static int columns_of(int32_t c)
{
    static const int32_t wide[][2] = { { 0x1100, 0x115f },  { 0x2e80, 0xa4cf },
                                       { 0xac00, 0xd7a3 },  { 0xf900, 0xfaff },
                                       { 0xfe30, 0xfe6f },  { 0xff00, 0xff60 },
                                       { 0xffe0, 0xffe6 },  { 0x1f300, 0x1faff },
                                       { 0x20000, 0x3fffd } };
    if ((c >= 0x300 && c <= 0x36f) || (c >= 0x200b && c <= 0x200f) || c == 0xfe0f)
        return 0;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        if (c >= wide[i][0] && c <= wide[i][1])
            return 2;
    }
    return 1;
}

/* What stands for a character that would not show, break a line or turn the writing around, or
 * is not allowed in XML. */
static int32_t picture_of(int32_t c, bool blank)
{
    if (c < 0)
        return 0xfffd;
    if (c == '\n')
        return 0x21b5;
    if (c == '\t')
        return 0x21e5;
    if (c < 0x20)
        return 0x2400 + c;
    if (c == 0x7f)
        return 0x2421;
    if ((c >= 0x80 && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
        (c >= 0x2066 && c <= 0x2069) || c == 0xfffe || c == 0xffff)
        return 0xfffd;
    return blank && c == ' ' ? 0x2423 : c;
}

heed__shown heed__show(const char *label, int64_t number, int width)
{
    heed__shown shown = { .width = 0 };
    if (!label) {
        shown.width = snprintf(shown.text, sizeof shown.text, "%" PRId64, number);
        return shown;
    }
    size_t size = strlen(label), length, used = 0, whole = 0;
    int whole_width = 0;
    bool blank = strspn(label, " ") == size;
    for (size_t at = 0; at < size; at += length) {
        int32_t c = picture_of(heed__utf8_decode(label + at, size - at, &length), blank);
        if (shown.width + columns_of(c) > width || used + 8 > sizeof shown.text) {
            used = whole + heed__utf8_encode(0x2026, shown.text + whole);
            shown.width = whole_width + 1;
            break;
        }
        used += heed__utf8_encode((uint32_t)c, shown.text + used);
        shown.width += columns_of(c);
        if (shown.width < width) { /* an ellipsis would still have its place here */
            whole = used;
            whole_width = shown.width;
        }
    }
    shown.text[used] = '\0';
    return shown;
}
