/* Reading the vocabulary files of byte-pair encoding. Nothing in them is believed before it is
 * checked. */
#define _POSIX_C_SOURCE 200809L

#include "bpe.h"
#include "file.h"

#include <errno.h>
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

/* The two files go by two pairs of names, and one of each pair will do. */
static const char *const names[2][2] = { { "vocab.json", "merges.txt" },
                                         { "encoder.json", "vocab.bpe" } };

static bool path_of(char *path, size_t size, const char *folder, const char *name, char *error,
                    size_t error_size)
{
    int length = snprintf(path, size, "%s/%s", folder, name);
    return (length >= 0 && (size_t)length < size) ||
           heed__say(error, error_size, "cannot read %s: its name is too long", folder);
}

bool bpe_read_folder(bpe *b, const char *folder, char *error, size_t error_size)
{
    char path[4096];
    int found[2] = { -1,
                     -1 }; /* which pair the vocabulary and the merges have their names of */
    for (int file = 0; file < 2; file++) {
        for (int pair = 0; pair < 2 && found[file] < 0; pair++) {
            if (!path_of(path, sizeof path, folder, names[pair][file], error, error_size))
                return false;
            if (access(path, F_OK) == 0)
                found[file] = pair;
        }
    }
    if (found[0] < 0 && found[1] < 0) {
        if (access(folder, F_OK) == 0)
            return heed__say(error, error_size,
                             "%s has neither encoder.json and vocab.bpe nor vocab.json and "
                             "merges.txt",
                             folder);
        return heed__say(error, error_size, "cannot read %s: %s", folder, strerror(errno));
    }
    /* What is missing is called as its partner is. */
    int vocabulary = found[0] >= 0 ? found[0] : found[1];
    int merges = found[1] >= 0 ? found[1] : found[0];
    return path_of(path, sizeof path, folder, names[vocabulary][0], error, error_size) &&
           read_vocabulary_file(b, path, error, error_size) &&
           path_of(path, sizeof path, folder, names[merges][1], error, error_size) &&
           read_merge_file(b, path, error, error_size);
}
