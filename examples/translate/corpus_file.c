/* Corpora from files of lines (corpus.h). Nothing in them is believed before it is checked. */
#include "corpus.h"

#include "file.h"

#include <string.h>

/* Without the spaces at its ends. */
static text_span trimmed(const char *bytes, size_t size)
{
    while (size > 0 && bytes[size - 1] == ' ')
        size--;
    while (size > 0 && *bytes == ' ') {
        bytes++;
        size--;
    }
    return (text_span){ bytes, size };
}

/* Adds the pair of a line, if it has one. */
static bool read_line(corpus *c, text_span line, bool reversed, char *error, size_t error_size)
{
    size_t bad;
    const char *end = line.bytes + line.size, *tab = memchr(line.bytes, '\t', line.size);
    if (trimmed(line.bytes, line.size).size == 0 || (line.bytes[0] == '#' && !tab))
        return true;
    if (!heed__utf8_valid(line.bytes, line.size, &bad))
        return heed__say(error, error_size, "byte 0x%02X in column %zu is not UTF-8",
                         (unsigned)(unsigned char)line.bytes[bad], bad + 1);
    if (memchr(line.bytes, '\0', line.size))
        return heed__say(error, error_size, "a byte 0, which is no text");
    if (!tab)
        return heed__say(error, error_size, "expected source, tab, target, found no tab in %s",
                         heed__quote(line.bytes, line.size).text);
    const char *next = memchr(tab + 1, '\t', (size_t)(end - tab - 1));
    text_span first = trimmed(line.bytes, (size_t)(tab - line.bytes));
    text_span second = trimmed(tab + 1, (size_t)((next ? next : end) - tab - 1));
    if (first.size == 0 || second.size == 0)
        return heed__say(error, error_size, "the %s column is empty",
                         first.size == 0 ? "first" : "second");
    return corpus_add(c, reversed ? second : first, reversed ? first : second) ||
           heed__say(error, error_size, "not enough memory");
}

/* All pairs of a file, not yet located. */
static bool read_lines(corpus *c, const char *path, bool reversed, char *error,
                       size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    char why[400];
    *c = (corpus){ 0 };
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return false;
    const char *at = (const char *)bytes, *end = at + size;
    /* Some editors begin a file with U+FEFF. */
    if (size >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    bool good = true;
    for (size_t number = 1; good && at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        text_span line = { at, (size_t)((newline ? newline : end) - at) };
        at += line.size + (newline != NULL);
        if (line.size > 0 && line.bytes[line.size - 1] == '\r')
            line.size--;
        if (!read_line(c, line, reversed, why, sizeof why))
            good = heed__say(error, error_size, "%s:%zu: %s", path, number, why);
    }
    if (good && c->count == 0)
        good = heed__say(error, error_size, "%s holds no pair", path);
    heed__release(NULL, bytes, size);
    if (!good)
        corpus_free(c);
    return good;
}

bool corpus_read(corpus *c, const char *path, bool reversed, char *error, size_t error_size)
{
    char why[400];
    if (!read_lines(c, path, reversed, error, error_size))
        return false;
    return corpus_split(c, why, sizeof why) ||
           heed__say(error, error_size, "%s: %s", path, why);
}

bool corpus_read_whole(corpus *c, const char *path, bool reversed, char *error,
                       size_t error_size)
{
    if (!read_lines(c, path, reversed, error, error_size))
        return false;
    corpus_keep(c);
    return true;
}

bool corpus_write(const corpus *c, corpus_part part, const char *path, char *error,
                  size_t error_size)
{
    heed__writer w;
    heed__writer_begin(&w, path, NULL);
    for (size_t i = c->starts[part]; i < c->starts[part + 1]; i++) {
        const corpus_pair *pair = &c->pairs[i];
        heed__writer_add(&w, pair->source.bytes, pair->source.size);
        heed__writer_add(&w, "\t", 1);
        heed__writer_add(&w, pair->target.bytes, pair->target.size);
        heed__writer_add(&w, "\n", 1);
    }
    return heed__writer_commit(&w, error, error_size);
}
