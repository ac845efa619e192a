/* Looking for what is no token (unknown.h). */
#include "unknown.h"

#include "figures.h"
#include "vocabulary_own.h"

enum { SHOWN = 10 };

/* Without the space that words begin with. */
static bool add(string_set *unknown, const char *bytes, size_t size)
{
    size_t lead = size > 1 && bytes[0] == ' ';
    return string_set_add(unknown, bytes + lead, size - lead) >= 0;
}

/* A piece of a vocabulary that knows characters: those that are no tokens. */
static bool add_characters(const vocabulary *v, const char *piece, size_t size,
                           string_set *unknown)
{
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        heed__utf8_decode(piece + at, size - at, &length);
        if (vocabulary_find(v, piece + at, length) < 0 && !add(unknown, piece + at, length))
            return false;
    }
    return true;
}

bool unknown_find(const vocabulary *v, const char *text, size_t size, string_set *unknown,
                  char *error, size_t error_size)
{
    heed__text plain = { 0 };
    bool good = vocabulary_plain(v, text, size, &plain, error, error_size), memory = true;
    for (size_t at = 0, end; good && memory && at < plain.size; at = end) {
        const char *piece = plain.bytes + at;
        end = vocabulary_piece(v, &plain, at);
        if (v->kind != VOCABULARY_WORDS)
            memory = add_characters(v, piece, end - at, unknown);
        else if (vocabulary_find(v, piece, end - at) < 0)
            memory = add(unknown, piece, end - at);
    }
    heed__text_free(&plain);
    return memory ? good : heed__say(error, error_size, "not enough memory");
}

void unknown_print(FILE *to, const vocabulary *v, const string_set *unknown)
{
    size_t count = unknown->count, shown = count <= SHOWN ? count : SHOWN, size;
    fprintf(to, "the %s%s", v->kind == VOCABULARY_WORDS ? "word" : "character",
            count == 1 ? "" : "s");
    for (size_t i = 0; i < shown; i++) {
        const char *bytes = string_set_get(unknown, i, &size);
        fprintf(to, "%s %s",
                i == 0          ? ""
                : i + 1 < count ? ","
                                : " and",
                heed__quote(bytes, size).text);
    }
    if (shown < count)
        fprintf(to, " and %s", figure_of((int64_t)(count - shown), "other").text);
}
