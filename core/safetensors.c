/* The safetensors reader. Every number of the header is checked before it is used, in the type
 * in which it is used. Knows file.h, json.h and text.h. */
#include "safetensors.h"

#include "file.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

/* What one reading holds while it goes on. The text of names moves as it grows, so entries keep
 * offsets into it until the end. */
typedef struct reading {
    heed__safetensors *file;
    heed__json json;
    const unsigned char *buffer;
    size_t buffer_size;
    heed__safetensors_entry *entries;
    heed__safetensors_pair *pairs;
    heed__text names;
    heed__quoted tensor; /* the tensor being read; empty between tensors */
} reading;

/* Keeps the last key or string as a C string; its offset in names stands in for the pointer. */
static bool keep_string(reading *r, size_t *offset)
{
    if (strlen(r->json.text) != r->json.size)
        return heed__json_fail(&r->json, "a NUL byte in %s",
                               heed__quote(r->json.text, r->json.size).text);
    *offset = r->names.size;
    heed__text_add(&r->names, r->json.text, r->json.size + 1);
    return !r->names.failed || heed__json_fail(&r->json, "not enough memory");
}

static bool expect(reading *r, heed__json_event event, const char *what)
{
    return heed__json_next(&r->json) == event || heed__json_fail(&r->json, "expected %s", what);
}

static bool read_metadata(reading *r)
{
    heed__safetensors *file = r->file;
    if (!expect(r, HEED__JSON_OBJECT, "an object of strings as __metadata__"))
        return false;
    while (heed__json_next(&r->json) == HEED__JSON_KEY) {
        size_t key = 0, value = 0;
        if (file->metadata_count >= HEED__SAFETENSORS_MAX_ENTRIES)
            return heed__json_fail(&r->json, "more than %d entries of metadata",
                                   HEED__SAFETENSORS_MAX_ENTRIES);
        if (!keep_string(r, &key) || !expect(r, HEED__JSON_STRING, "a string as metadata") ||
            !keep_string(r, &value))
            return false;
        heed__safetensors_pair *pairs =
            heed__grow(file->allocator, r->pairs, &file->pair_capacity,
                       file->metadata_count + 1, sizeof *pairs);
        if (!pairs)
            return heed__json_fail(&r->json, "not enough memory");
        r->pairs = pairs;
        pairs[file->metadata_count++] =
            (heed__safetensors_pair){ (char *)(uintptr_t)key, (char *)(uintptr_t)value };
    }
    return r->json.event == HEED__JSON_OBJECT_END;
}

static bool read_dtype(reading *r, heed__safetensors_dtype *dtype)
{
    if (!expect(r, HEED__JSON_STRING, "a string as dtype"))
        return false;
    for (int i = 0; i < HEED__SAFETENSORS_DTYPES; i++) {
        if (heed__json_is(&r->json, heed__safetensors_dtype_name((heed__safetensors_dtype)i))) {
            *dtype = (heed__safetensors_dtype)i;
            return true;
        }
    }
    return heed__json_fail(&r->json, "unknown dtype %s",
                           heed__quote(r->json.text, r->json.size).text);
}

/* An array of at most `most` whole numbers. */
static bool read_numbers(reading *r, const char *what, int most, int64_t *numbers, int *count)
{
    if (!expect(r, HEED__JSON_ARRAY, what))
        return false;
    *count = 0;
    while (heed__json_next(&r->json) != HEED__JSON_ARRAY_END) {
        int64_t number;
        if (!heed__json_integer(&r->json, 0, INT64_MAX, &number))
            return false;
        if (*count == most)
            return heed__json_fail(&r->json, "more than %d numbers as %s", most, what);
        numbers[(*count)++] = number;
    }
    return true;
}

/* Dtype, shape and place of one tensor are read; do they belong together and into the buffer?
 */
static bool check_entry(reading *r, heed__safetensors_entry *entry, const int64_t range[2])
{
    size_t bytes;
    const char *why;
    if (!heed__safetensors_extent(entry->dtype, entry->ndim, entry->shape, &bytes, &why))
        return heed__json_fail(&r->json, "%s", why);
    if (range[0] > range[1])
        return heed__json_fail(&r->json, "its data begin at %lld, after their end at %lld",
                               (long long)range[0], (long long)range[1]);
    if ((uint64_t)range[1] > r->buffer_size)
        return heed__json_fail(&r->json, "its data end at %lld, but the buffer has %zu bytes",
                               (long long)range[1], r->buffer_size);
    size_t begin = (size_t)range[0], end = (size_t)range[1];
    if (end - begin != bytes)
        return heed__json_fail(&r->json, "dtype and shape make %zu bytes, its place has %zu",
                               bytes, end - begin);
    entry->data = r->buffer + begin;
    entry->bytes = bytes;
    for (size_t i = 0; entry->dtype == HEED__SAFETENSORS_BOOL && i < bytes; i++) {
        if (r->buffer[begin + i] > 1)
            return heed__json_fail(&r->json, "byte %zu of its BOOL data is %u", i,
                                   (unsigned)r->buffer[begin + i]);
    }
    return true;
}

static bool read_entry(reading *r)
{
    heed__safetensors *file = r->file;
    heed__json *json = &r->json;
    heed__safetensors_entry entry = { 0 };
    int64_t range[2] = { 0, 0 };
    bool dtype = false, shape = false, place = false;
    size_t name = 0;
    r->tensor = heed__quote(json->text, json->size);
    if (file->count >= HEED__SAFETENSORS_MAX_ENTRIES)
        return heed__json_fail(json, "more than %d tensors", HEED__SAFETENSORS_MAX_ENTRIES);
    if (json->size == 0 || json->size > HEED__SAFETENSORS_MAX_NAME)
        return heed__json_fail(json, "a name of %zu bytes; 1 to %d are allowed", json->size,
                               HEED__SAFETENSORS_MAX_NAME);
    if (!keep_string(r, &name) || !expect(r, HEED__JSON_OBJECT, "an object for the tensor"))
        return false;
    while (heed__json_next(json) == HEED__JSON_KEY) {
        int count = 0;
        if (heed__json_is(json, "dtype")) {
            dtype = read_dtype(r, &entry.dtype);
        } else if (heed__json_is(json, "shape")) {
            shape = read_numbers(r, "a list of extents as shape", HEED__SAFETENSORS_MAX_NDIM,
                                 entry.shape, &entry.ndim);
        } else if (heed__json_is(json, "data_offsets")) {
            place = read_numbers(r, "a list of two offsets as data_offsets", 2, range, &count);
            if (place && count != 2)
                return heed__json_fail(json, "data_offsets needs two numbers");
        } else {
            return heed__json_fail(json, "unknown field %s",
                                   heed__quote(json->text, json->size).text);
        }
    }
    if (json->event != HEED__JSON_OBJECT_END)
        return false;
    if (!dtype || !shape || !place)
        return heed__json_fail(json, "%s is missing",
                               !dtype   ? "dtype"
                               : !shape ? "shape"
                                        : "data_offsets");
    if (!check_entry(r, &entry, range))
        return false;
    entry.name = (char *)(uintptr_t)name;
    heed__safetensors_entry *entries = heed__grow(
        file->allocator, r->entries, &file->entry_capacity, file->count + 1, sizeof *entries);
    if (!entries)
        return heed__json_fail(json, "not enough memory");
    r->entries = entries;
    entries[file->count++] = entry;
    r->tensor.text[0] = '\0';
    return true;
}

static bool read_header(reading *r)
{
    if (!expect(r, HEED__JSON_OBJECT, "an object as header"))
        return false;
    while (heed__json_next(&r->json) == HEED__JSON_KEY) {
        if (heed__json_is(&r->json, "__metadata__") ? !read_metadata(r) : !read_entry(r))
            return false;
    }
    return heed__json_next(&r->json) == HEED__JSON_DONE;
}

/* Where the data of both begin, then where they end: so an empty tensor comes before the one
 * that starts at the same place. */
static int by_place(const void *left, const void *right)
{
    const heed__safetensors_entry *a = left, *b = right;
    uintptr_t x = (uintptr_t)a->data, y = (uintptr_t)b->data;
    if (x != y)
        return x < y ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_name(const void *left, const void *right)
{
    const heed__safetensors_entry *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

/* The tensors must cover the buffer without a hole, an overlap or a rest. */
static bool check_places(reading *r, const char *name, char *error, size_t error_size)
{
    size_t end = 0;
    for (size_t i = 0; i < r->file->count; i++) {
        const heed__safetensors_entry *entry = &r->entries[i];
        size_t begin = (size_t)((const unsigned char *)entry->data - r->buffer);
        heed__quoted tensor = heed__quote(entry->name, strlen(entry->name));
        if (begin < end)
            return heed__say(error, error_size,
                             "%s: tensor %s: its data begin at %zu, inside another's", name,
                             tensor.text, begin);
        if (begin > end)
            return heed__say(error, error_size,
                             "%s: tensor %s: a hole from %zu to %zu lies before its data", name,
                             tensor.text, end, begin);
        end = begin + entry->bytes;
    }
    return end == r->buffer_size ||
           heed__say(error, error_size, "%s: %zu bytes follow the last tensor's data", name,
                     r->buffer_size - end);
}

/* Turns what was read into what callers see: pointers, order, an index by name. */
static bool finish(reading *r, const char *name, char *error, size_t error_size)
{
    heed__safetensors *file = r->file;
    for (size_t i = 0; i < file->count; i++)
        r->entries[i].name = file->names + (uintptr_t)r->entries[i].name;
    for (size_t i = 0; i < file->metadata_count; i++) {
        r->pairs[i].key = file->names + (uintptr_t)r->pairs[i].key;
        r->pairs[i].value = file->names + (uintptr_t)r->pairs[i].value;
    }
    if (file->count > 0)
        qsort(r->entries, file->count, sizeof *r->entries, by_place);
    if (!check_places(r, name, error, error_size))
        return false;
    if (file->count == 0)
        return true;
    file->by_name = heed__allocate(file->allocator, file->count * sizeof *file->by_name);
    if (!file->by_name)
        return heed__say(error, error_size, "%s: not enough memory", name);
    for (size_t i = 0; i < file->count; i++)
        file->by_name[i] = &r->entries[i];
    qsort(file->by_name, file->count, sizeof *file->by_name, by_name);
    return true;
}

bool heed__safetensors_parse(const char *name, const void *bytes, size_t size,
                             const heed_allocator *allocator, heed__safetensors *file,
                             char *error, size_t error_size)
{
    const unsigned char *b = bytes;
    *file = (heed__safetensors){ .allocator = allocator };
    if (size < 8)
        return heed__say(error, error_size, "%s: %zu bytes are too few for a safetensors file",
                         name, size);
    uint64_t header = 0;
    for (int i = 7; i >= 0; i--)
        header = header << 8 | b[i];
    if (header > HEED__SAFETENSORS_MAX_HEADER)
        return heed__say(error, error_size,
                         "%s: a header of %llu bytes; at most %d are allowed", name,
                         (unsigned long long)header, HEED__SAFETENSORS_MAX_HEADER);
    if (header > size - 8)
        return heed__say(error, error_size,
                         "%s: a header of %llu bytes, but only %zu bytes follow", name,
                         (unsigned long long)header, size - 8);
    if (header == 0 || b[8] != '{')
        return heed__say(error, error_size, "%s: at byte 8: a header begins with '{'", name);

    reading r = { .file = file, .names.allocator = allocator };
    r.buffer = b + 8 + header;
    r.buffer_size = size - 8 - (size_t)header;
    heed__json_begin(&r.json, b + 8, (size_t)header, 4, allocator);
    r.json.base = 8;
    bool good = read_header(&r);
    char why[400] = "";
    good = heed__json_end(&r.json, why, sizeof why) && good;

    file->entries = r.entries;
    file->metadata = r.pairs;
    file->names = r.names.bytes;
    file->name_capacity = r.names.capacity;
    if (!good)
        heed__say(error, error_size, "%s: %s%s%s%s", name, r.tensor.text[0] ? "tensor " : "",
                  r.tensor.text, r.tensor.text[0] ? ": " : "", why);
    else
        good = finish(&r, name, error, error_size);
    if (!good)
        heed__safetensors_close(file);
    return good;
}

bool heed__safetensors_open(const char *path, const heed_allocator *allocator,
                            heed__safetensors *file, char *error, size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    *file = (heed__safetensors){ .allocator = allocator };
    if (!heed__file_read(path, allocator, &bytes, &size, error, error_size))
        return false;
    if (!heed__safetensors_parse(path, bytes, size, allocator, file, error, error_size)) {
        heed__release(allocator, bytes, size);
        return false;
    }
    file->file = bytes;
    file->file_size = size;
    return true;
}

const heed__safetensors_entry *heed__safetensors_find(const heed__safetensors *file,
                                                      const char *name)
{
    heed__safetensors_entry wanted = { .name = name };
    const heed__safetensors_entry *key = &wanted;
    if (file->count == 0)
        return NULL;
    const heed__safetensors_entry *const *found =
        bsearch(&key, file->by_name, file->count, sizeof *file->by_name, by_name);
    return found ? *found : NULL;
}

const char *heed__safetensors_metadata(const heed__safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->metadata_count; i++) {
        if (strcmp(file->metadata[i].key, key) == 0)
            return file->metadata[i].value;
    }
    return NULL;
}

void heed__safetensors_close(heed__safetensors *file)
{
    const heed_allocator *a = file->allocator;
    heed__release(a, (void *)(uintptr_t)file->entries,
                  file->entry_capacity * sizeof *file->entries);
    heed__release(a, (void *)(uintptr_t)file->metadata,
                  file->pair_capacity * sizeof *file->metadata);
    heed__release(a, file->by_name, file->count * sizeof *file->by_name);
    heed__release(a, file->names, file->name_capacity);
    heed__release(a, file->file, file->file_size);
    *file = (heed__safetensors){ .allocator = a };
}
