/* The safetensors writer. Knows file.h, json.h and text.h. */
#include "file.h"
#include "json.h"
#include "safetensors.h"

#include <string.h>

/* What one writing needs: the tensors and metadata in the order in which they are written. */
typedef struct writing {
    const char *path;
    heed__safetensors_entry *entries;
    size_t count;
    heed__safetensors_pair *metadata;
    size_t metadata_count;
    heed__text header;
    char *error;
    size_t error_size;
} writing;

static int by_dtype_and_name(const void *left, const void *right)
{
    const heed__safetensors_entry *a = left, *b = right;
    if (a->dtype != b->dtype)
        return a->dtype > b->dtype ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_key(const void *left, const void *right)
{
    const heed__safetensors_pair *a = left, *b = right;
    return strcmp(a->key, b->key);
}

static bool refuse(const writing *w, const char *what, const char *name, const char *why)
{
    return heed__say(w->error, w->error_size, "cannot write %s: %s %s: %s", w->path, what,
                     heed__quote(name, strlen(name)).text, why);
}

static bool check_entry(const writing *w, heed__safetensors_entry *entry)
{
    const char *why;
    size_t length = strlen(entry->name);
    if (length == 0 || length > HEED__SAFETENSORS_MAX_NAME)
        return refuse(w, "tensor", entry->name, "a name has 1 to 4096 bytes");
    if (!heed__utf8_valid(entry->name, length, NULL))
        return refuse(w, "tensor", entry->name, "a name is well-formed UTF-8");
    if (strcmp(entry->name, "__metadata__") == 0)
        return refuse(w, "tensor", entry->name, "the format keeps this name for itself");
    if ((unsigned)entry->dtype >= HEED__SAFETENSORS_DTYPES)
        return refuse(w, "tensor", entry->name, "unknown dtype");
    if (entry->ndim < 0 || entry->ndim > HEED__SAFETENSORS_MAX_NDIM)
        return refuse(w, "tensor", entry->name, "more than 8 axes");
    if (!heed__safetensors_extent(entry->dtype, entry->ndim, entry->shape, &entry->bytes, &why))
        return refuse(w, "tensor", entry->name, why);
    return true;
}

/* Refuses what the reader would refuse, so that no file is written that cannot be read back.
 * Names are unique over all dtypes, which the order of writing does not show: they are compared
 * by themselves. */
static bool check(writing *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (!check_entry(w, &w->entries[i]))
            return false;
    }
    heed__safetensors_pair *names = NULL;
    size_t capacity = 0;
    if (w->count > 1)
        names = heed__grow(w->header.allocator, NULL, &capacity, w->count, sizeof *names);
    if (w->count > 1 && !names)
        return heed__say(w->error, w->error_size, "cannot write %s: not enough memory",
                         w->path);
    for (size_t i = 0; names && i < w->count; i++)
        names[i] = (heed__safetensors_pair){ w->entries[i].name, NULL };
    if (names)
        qsort(names, w->count, sizeof *names, by_key);
    bool good = true;
    for (size_t i = 1; good && i < w->count; i++) {
        if (strcmp(names[i - 1].key, names[i].key) == 0)
            good = refuse(w, "tensor", names[i].key, "the name is there twice");
    }
    heed__release(w->header.allocator, names, capacity * sizeof *names);
    for (size_t i = 0; good && i < w->metadata_count; i++) {
        const heed__safetensors_pair *pair = &w->metadata[i];
        if (!heed__utf8_valid(pair->key, strlen(pair->key), NULL) ||
            !heed__utf8_valid(pair->value, strlen(pair->value), NULL))
            good = refuse(w, "metadata", pair->key, "not well-formed UTF-8");
        else if (i > 0 && strcmp(w->metadata[i - 1].key, pair->key) == 0)
            good = refuse(w, "metadata", pair->key, "the key is there twice");
    }
    return good;
}

static bool make_header(writing *w)
{
    heed__text *text = &w->header;
    size_t place = 0;
    heed__text_add_string(text, "{");
    for (size_t i = 0; i < w->metadata_count; i++) {
        heed__text_add_string(text, i == 0 ? "\"__metadata__\":{" : ",");
        heed__json_put_string(text, w->metadata[i].key, strlen(w->metadata[i].key));
        heed__text_add_string(text, ":");
        heed__json_put_string(text, w->metadata[i].value, strlen(w->metadata[i].value));
    }
    if (w->metadata_count > 0)
        heed__text_add_string(text, "}");
    for (size_t i = 0; i < w->count; i++) {
        const heed__safetensors_entry *entry = &w->entries[i];
        size_t end;
        if (!heed__add_size(place, entry->bytes, &end) || end > INT64_MAX)
            return refuse(w, "tensor", entry->name, "the file would be too large");
        heed__text_add_string(text, i > 0 || w->metadata_count > 0 ? "," : "");
        heed__json_put_string(text, entry->name, strlen(entry->name));
        heed__text_print(text, ":{\"dtype\":\"%s\",\"shape\":[",
                         heed__safetensors_dtype_name(entry->dtype));
        for (int axis = 0; axis < entry->ndim; axis++)
            heed__text_print(text, "%s%lld", axis ? "," : "", (long long)entry->shape[axis]);
        heed__text_print(text, "],\"data_offsets\":[%zu,%zu]}", place, end);
        place = end;
    }
    heed__text_add_string(text, "}");
    while (text->size % 8 != 0 && !text->failed)
        heed__text_add(text, " ", 1);
    if (text->failed)
        return heed__say(w->error, w->error_size, "cannot write %s: not enough memory",
                         w->path);
    if (text->size > HEED__SAFETENSORS_MAX_HEADER)
        return heed__say(w->error, w->error_size, "cannot write %s: a header of %zu bytes",
                         w->path, text->size);
    return true;
}

static bool write_all(writing *w)
{
    heed__writer writer;
    unsigned char length[8];
    for (size_t i = 0; i < 8; i++)
        length[i] = (unsigned char)(w->header.size >> (8 * i));
    heed__writer_begin(&writer, w->path, w->header.allocator);
    heed__writer_add(&writer, length, sizeof length);
    heed__writer_add(&writer, w->header.bytes, w->header.size);
    for (size_t i = 0; i < w->count; i++)
        heed__writer_add(&writer, w->entries[i].data, w->entries[i].bytes);
    return heed__writer_commit(&writer, w->error, w->error_size);
}

bool heed__safetensors_write(const char *path, const heed__safetensors_entry *entries,
                             size_t count, const heed__safetensors_pair *metadata,
                             size_t metadata_count, const heed_allocator *allocator,
                             char *error, size_t error_size)
{
    if (count > HEED__SAFETENSORS_MAX_ENTRIES || metadata_count > HEED__SAFETENSORS_MAX_ENTRIES)
        return heed__say(error, error_size, "cannot write %s: more than %d tensors", path,
                         HEED__SAFETENSORS_MAX_ENTRIES);
    size_t entry_bytes = count * sizeof *entries,
           pair_bytes = metadata_count * sizeof *metadata;
    writing w = { .path = path,
                  .count = count,
                  .metadata_count = metadata_count,
                  .header.allocator = allocator,
                  .error = error,
                  .error_size = error_size };
    w.entries = heed__allocate(allocator, entry_bytes);
    w.metadata = heed__allocate(allocator, pair_bytes);
    bool good = w.entries && w.metadata;
    if (!good)
        heed__say(error, error_size, "cannot write %s: not enough memory", path);
    if (good && count > 0) {
        memcpy(w.entries, entries, entry_bytes);
        qsort(w.entries, count, sizeof *entries, by_dtype_and_name);
    }
    if (good && metadata_count > 0) {
        memcpy(w.metadata, metadata, pair_bytes);
        qsort(w.metadata, metadata_count, sizeof *metadata, by_key);
    }
    good = good && check(&w) && make_header(&w) && write_all(&w);
    heed__text_free(&w.header);
    heed__release(allocator, w.entries, entry_bytes);
    heed__release(allocator, w.metadata, pair_bytes);
    return good;
}
