/* Texts and tokens (sentences.h). */
#include "sentences.h"

#include "figures.h"
#include "file.h"
#include "grammar.h"

#include <stdlib.h>
#include <string.h>

static bool no_memory(char *error, size_t error_size)
{
    return heed__say(error, error_size, "not enough memory");
}

/* ---- tokens ---- */

static bool grow(sentences *s, char *error, size_t error_size)
{
    if (s->count < s->capacity)
        return true;
    size_t more = s->capacity ? 2 * (size_t)s->capacity : 64;
    int64_t *starts = realloc(s->starts, (more + 1) * sizeof *starts);
    if (starts)
        s->starts = starts;
    int32_t *labels = starts ? realloc(s->labels, more * sizeof *labels) : NULL;
    if (!labels)
        return no_memory(error, error_size);
    s->labels = labels;
    s->starts[0] = 0;
    s->capacity = (int64_t)more;
    return true;
}

bool sentences_add(sentences *s, const vocabulary *v, const char *text, size_t size,
                   int64_t longest, int32_t label, char *error, size_t error_size)
{
    if (!grow(s, error, error_size))
        return false;
    if (!id_list_add(&s->ids, VOCABULARY_SOS))
        return no_memory(error, error_size);
    if (!vocabulary_encode(v, text, size, &s->ids, error, error_size))
        return false;
    size_t most = (size_t)(s->starts[s->count] + longest);
    if (s->ids.count > most)
        s->ids.count = most;
    s->labels[s->count++] = label;
    s->starts[s->count] = (int64_t)s->ids.count;
    return true;
}

void sentences_free(sentences *s)
{
    id_list_free(&s->ids);
    free(s->starts);
    free(s->labels);
    *s = (sentences){ 0 };
}

heed_batches *sentences_batches(const sentences *s, heed_batches_options options, char *error,
                                size_t error_size)
{
    const heed_field fields[] = {
        { .data = s->ids.ids, .starts = s->starts, .pad = VOCABULARY_PAD },
        { .data = s->labels, .dtype = HEED_I32, .shape = HEED_SCALAR },
    };
    return heed_batches_new(2, fields, s->count, options, error, error_size);
}

/* ---- texts ---- */

/* The text is complete; finds its lines. */
static bool find_lines(lines *l, char *error, size_t error_size)
{
    size_t most = 1;
    for (size_t i = 0; i < l->text.size; i++)
        most += l->text.bytes[i] == '\n';
    l->line = calloc(most, sizeof *l->line);
    if (!l->line || l->text.failed)
        return no_memory(error, error_size);
    const char *at = l->text.bytes, *end = at + l->text.size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((newline ? newline : end) - at);
        if (strspn(at, " \t\r") < size)
            l->line[l->count++] = (text_span){ at, size };
        at += size + 1;
    }
    return true;
}

bool lines_read(lines *l, const char *path, char *error, size_t error_size)
{
    unsigned char *bytes;
    size_t size, bad;
    *l = (lines){ 0 };
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return false;
    bool good = heed__utf8_valid(bytes, size, &bad);
    /* Some editors begin a file with U+FEFF. */
    size_t mark = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (good)
        heed__text_add(&l->text, bytes + mark, size - mark);
    else
        heed__say(error, error_size, "%s: the byte at offset %zu is not UTF-8", path, bad);
    heed__release(NULL, bytes, size);
    if (good && l->text.size > 0)
        good = find_lines(l, error, error_size);
    if (good && l->count < 10)
        good = heed__say(error, error_size, "%s has %s, and 10 are needed", path,
                         figure_of((int64_t)l->count, "sentence").text);
    return good;
}

bool lines_make(lines *l, int64_t count, heed_random *r, char *error, size_t error_size)
{
    *l = (lines){ 0 };
    for (int64_t i = 0; i < count && !l->text.failed; i++) {
        grammar_sentence(&l->text, false, r);
        heed__text_add(&l->text, "\n", 1);
    }
    return find_lines(l, error, error_size);
}

void lines_free(lines *l)
{
    heed__text_free(&l->text);
    free(l->line);
    *l = (lines){ 0 };
}
