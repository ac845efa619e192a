/* Texts, parts and windows (data.h). A batch is a pure function of seed and step, so a run
 * that resumes needs no position in the data but its step. */
#include "data.h"

#include "builtin.h"
#include "figures.h"
#include "file.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

/* Drops a byte order mark and the CR of line ends. */
static void make_plain(gpt_text *text)
{
    unsigned char *to = text->file;
    size_t at = text->size >= 3 && memcmp(text->bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (; at < text->size; at++) {
        bool end =
            text->bytes[at] == '\r' && at + 1 < text->size && text->bytes[at + 1] == '\n';
        text->line_ends += end;
        if (!end)
            *to++ = (unsigned char)text->bytes[at];
    }
    text->size = (size_t)(to - text->file);
}

bool text_is_exact(const char *which)
{
    return strcmp(which, "bytes") == 0;
}

void text_report(const gpt_text *text, const char *program)
{
    if (text->line_ends > 0)
        fprintf(stderr, "%s: %s: %s of CR and LF read as LF alone\n", program, text->name,
                figure_of(text->line_ends, "line end").text);
}

bool text_open(gpt_text *text, const char *path, bool exact, char *error, size_t error_size)
{
    *text = (gpt_text){ .name = path };
    if (!path) {
        text->name = "heed's own source text";
        text->bytes = (const char *)builtin_text;
        text->size = builtin_size;
        return true;
    }
    if (!heed__file_read(path, NULL, &text->file, &text->file_size, error, error_size))
        return false;
    text->bytes = (const char *)text->file;
    text->size = text->file_size;
    if (!exact)
        make_plain(text);
    if (text->size == 0) {
        text_close(text);
        return heed__say(error, error_size, "%s is empty", path);
    }
    return true;
}

void text_close(gpt_text *text)
{
    heed__release(NULL, text->file, text->file_size);
    *text = (gpt_text){ 0 };
}

/* FNV-1a: it guards against the wrong file, not against an adversary. */
uint64_t text_hash(const gpt_text *text)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < text->size; i++)
        hash = (hash ^ (unsigned char)text->bytes[i]) * 0x100000001B3u;
    return hash;
}

tokenizer *text_tokenizer(const gpt_text *text, const char *which, char *error,
                          size_t error_size)
{
    size_t bad;
    tokenizer *tok;
    if (strncmp(which, "bpe:", 4) == 0)
        return tokenizer_bpe(which + 4, error, error_size);
    if (strcmp(which, "bytes") == 0) {
        tok = tokenizer_bytes();
        if (!tok)
            heed__say(error, error_size, "not enough memory for a tokenizer");
        return tok;
    }
    if (!heed__utf8_valid(text->bytes, text->size, &bad)) {
        /* A place that holds in the file too, whose line ends may be longer. */
        size_t line = 1, start = 0;
        for (size_t i = 0; i < bad; i++) {
            line += text->bytes[i] == '\n';
            start = text->bytes[i] == '\n' ? i + 1 : start;
        }
        heed__say(error, error_size,
                  "%s is not UTF-8 text, at byte %zu of line %zu: save it as UTF-8, or take "
                  "--tokenizer bytes, which takes any data",
                  text->name, bad - start, line);
        return NULL;
    }
    return tokenizer_char(text->bytes, text->size, error, error_size);
}

/* Whether a byte begins a character, in UTF-8 or in what is not. */
static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xC0u) != 0x80u;
}

size_t text_split_at(const gpt_text *text, const tokenizer *tok)
{
    size_t characters = 0, at = 0;
    if (text_is_exact(tokenizer_kind(tok)))
        return text->size / 10 * 9 + text->size % 10 * 9 / 10;
    for (size_t i = 0; i < text->size; i++)
        characters += begins_character(text->bytes[i]);
    size_t wanted = characters / 10 * 9 + characters % 10 * 9 / 10;
    for (; at < text->size; at++) {
        if (!begins_character(text->bytes[at]))
            continue;
        if (wanted == 0)
            break;
        wanted--;
    }
    return at;
}

bool part_open(gpt_part *part, const gpt_text *text, const tokenizer *tok, size_t start,
               size_t end, char *error, size_t error_size)
{
    size_t count;
    char why[400];
    *part = (gpt_part){ .bytes = end - start };
    if (!tokenizer_encode(tok, text->bytes + start, end - start, &part->ids, &count, why,
                          sizeof why)) {
        if (start > 0)
            return heed__say(error, error_size, "%s, from byte %zu on: %s", text->name, start,
                             why);
        return heed__say(error, error_size, "%s: %s", text->name, why);
    }
    part->count = (int64_t)count;
    return true;
}

void part_close(gpt_part *part)
{
    free(part->ids);
    *part = (gpt_part){ 0 };
}

heed_random data_random(uint64_t seed, gpt_draw what, int64_t index)
{
    return (heed_random){ .seed = seed, .stream = (uint64_t)index * 4 + (uint64_t)what };
}

void part_draw(const gpt_part *part, heed_random r, int64_t batch, int64_t context,
               int32_t *ids, int32_t *targets)
{
    for (int64_t b = 0; b < batch; b++) {
        int64_t at = (int64_t)heed_random_below(&r, (uint64_t)(part->count - context));
        size_t bytes = (size_t)context * sizeof *ids;
        memcpy(ids + b * context, part->ids + at, bytes);
        memcpy(targets + b * context, part->ids + at + 1, bytes);
    }
}
