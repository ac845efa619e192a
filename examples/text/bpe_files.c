/* Reading the vocabulary files of byte-pair encoding. Nothing in them is believed before it is
 * checked. */
#define _POSIX_C_SOURCE 200809L

#include "bpe.h"
#include "file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool bpe_read_vocabulary(bpe *b, heed__json *json)
{
    char why[256];
    if (heed__json_next(json) != HEED__JSON_OBJECT)
        return heed__json_fail(json, "expected an object of tokens and ids");
    while (heed__json_next(json) == HEED__JSON_KEY) {
        char key[2 * BPE_MAX_TOKEN];
        size_t size = json->size;
        if (size > sizeof key)
            return heed__json_fail(json, "a token of %zu bytes", size);
        memcpy(key, json->text, size);
        int64_t id;
        heed__json_next(json);
        if (!heed__json_integer(json, 0, BPE_MAX_VOCABULARY - 1, &id))
            return false;
        if (!bpe_add_token(b, key, size, id, why, sizeof why))
            return heed__json_fail(json, "%s", why);
    }
    if (json->event != HEED__JSON_OBJECT_END)
        return false;
    return bpe_complete_vocabulary(b, why, sizeof why) || heed__json_fail(json, "%s", why);
}

/* Whichever of two names the folder has, with the folder before it; else the first. */
static bool choose(char *path, size_t size, const char *folder, const char *first,
                   const char *second, char *error, size_t error_size)
{
    const char *names[] = { second, first };
    for (int i = 0; i < 2; i++) {
        int length = snprintf(path, size, "%s/%s", folder, names[i]);
        if (length < 0 || (size_t)length >= size)
            return heed__say(error, error_size, "cannot read %s: its name is too long", folder);
        if (access(path, F_OK) == 0)
            break;
    }
    return true;
}

static bool read_vocabulary_file(bpe *b, const char *path, char *error, size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return false;
    heed__json json;
    char why[400];
    heed__json_begin(&json, bytes, size, 1, NULL);
    bool good = bpe_read_vocabulary(b, &json);
    good = heed__json_end(&json, why, sizeof why) && good;
    heed__release(NULL, bytes, size);
    return good || heed__say(error, error_size, "%s: %s", path, why);
}

/* One merge a line; a first line "#version: ..." is no merge. */
static bool read_merge_file(bpe *b, const char *path, char *error, size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return false;
    bool good = true;
    const char *at = (const char *)bytes, *end = at + size;
    for (size_t line = 1; good && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        const char *start = at;
        at += length + (newline != NULL);
        if (length > 0 && start[length - 1] == '\r')
            length--;
        bool version = line == 1 && length >= 8 && memcmp(start, "#version", 8) == 0;
        if (version || (length == 0 && at == end))
            continue;
        char why[256];
        if (!bpe_add_merge(b, start, length, why, sizeof why))
            good = heed__say(error, error_size, "%s: line %zu: %s", path, line, why);
    }
    heed__release(NULL, bytes, size);
    return good;
}

bool bpe_read_folder(bpe *b, const char *folder, char *error, size_t error_size)
{
    char path[4096];
    return choose(path, sizeof path, folder, "encoder.json", "vocab.json", error, error_size) &&
           read_vocabulary_file(b, path, error, error_size) &&
           choose(path, sizeof path, folder, "vocab.bpe", "merges.txt", error, error_size) &&
           read_merge_file(b, path, error, error_size);
}
