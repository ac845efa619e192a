/* A set of named arrays and notes, kept as a safetensors file. It knows safetensors.h and no
 * tape; a file's bytes go no further than here unchecked. */
#include "archive.h"

#include "text.h"

#include <string.h>

/* ---- life ---- */

static char *copy_string(const heed_allocator *allocator, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = heed__allocate(allocator, size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static void free_string(const heed_allocator *allocator, const char *text)
{
    heed__release(allocator, (void *)(uintptr_t)text, text ? strlen(text) + 1 : 0);
}

heed_archive *heed_archive_new(const heed_allocator *allocator)
{
    heed_archive *archive = heed__allocate(allocator, sizeof *archive);
    if (!archive)
        return NULL;
    *archive = (heed_archive){ 0 };
    if (allocator) {
        archive->own = *allocator;
        archive->allocator = &archive->own;
    }
    archive->error = heed__allocate(archive->allocator, HEED__SENTENCE);
    if (!archive->error) {
        heed__release(allocator, archive, sizeof *archive);
        return NULL;
    }
    archive->error[0] = '\0';
    return archive;
}

void heed_archive_free(heed_archive *archive)
{
    if (!archive)
        return;
    heed_allocator own = archive->own, *allocator = archive->allocator ? &own : NULL;
    for (size_t i = 0; i < archive->count; i++) {
        heed__release(allocator, archive->items[i].copy, archive->items[i].copy_bytes);
        free_string(allocator, archive->items[i].name);
    }
    for (size_t i = 0; i < archive->note_count; i++) {
        free_string(allocator, archive->notes[i].key);
        free_string(allocator, archive->notes[i].value);
    }
    heed__safetensors_close(&archive->file);
    heed__release(allocator, archive->items, archive->capacity * sizeof *archive->items);
    heed__release(allocator, archive->notes, archive->note_capacity * sizeof *archive->notes);
    free_string(allocator, archive->path);
    heed__release(allocator, archive->error, HEED__SENTENCE);
    heed__release(allocator, archive, sizeof *archive);
}

const char *heed_archive_error(const heed_archive *archive)
{
    return !archive ? "there is no archive" : archive->error[0] ? archive->error : NULL;
}

bool heed__archive_fail(heed_archive *archive, const char *what, const char *why)
{
    archive->failed = true;
    return heed__say(archive->error, HEED__SENTENCE, "archive: %s: %s", what, why);
}

/* ---- dtypes ---- */

static bool to_stored(heed_dtype dtype, heed__safetensors_dtype *stored)
{
    switch (dtype) {
    case HEED_F32:
        *stored = HEED__SAFETENSORS_F32;
        return true;
    case HEED_F64:
        *stored = HEED__SAFETENSORS_F64;
        return true;
    case HEED_I32:
        *stored = HEED__SAFETENSORS_I32;
        return true;
    case HEED_BOOL:
        *stored = HEED__SAFETENSORS_BOOL;
        return true;
    case HEED_U8:
        *stored = HEED__SAFETENSORS_U8;
        return true;
    }
    return false;
}

/* I64 is read too, but becomes i32. */
static bool from_stored(heed__safetensors_dtype stored, heed_dtype *dtype)
{
    switch (stored) {
    case HEED__SAFETENSORS_F32:
        *dtype = HEED_F32;
        return true;
    case HEED__SAFETENSORS_F64:
        *dtype = HEED_F64;
        return true;
    case HEED__SAFETENSORS_I32:
    case HEED__SAFETENSORS_I64:
        *dtype = HEED_I32;
        return true;
    case HEED__SAFETENSORS_BOOL:
        *dtype = HEED_BOOL;
        return true;
    case HEED__SAFETENSORS_U8:
        *dtype = HEED_U8;
        return true;
    default:
        return false;
    }
}

/* ---- reading ---- */

/* The file's bytes may start anywhere, so each number is copied before it is looked at. */
static bool narrow(const unsigned char *bytes, size_t count, int32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        int64_t number;
        memcpy(&number, bytes + i * sizeof number, sizeof number);
        if (number < INT32_MIN || number > INT32_MAX)
            return false;
        out[i] = (int32_t)number;
    }
    return true;
}

/* What heed makes of one entry of a file. False: out of memory. */
static bool adopt(const heed_allocator *allocator, const heed__safetensors_entry *found,
                  heed__item *it)
{
    *it =
        (heed__item){ .entry.name = found->name, .stored = found->dtype, .bytes = found->data };
    it->entry.shape.ndim = found->ndim;
    memcpy(it->entry.shape.size, found->shape, sizeof found->shape);
    if (!from_stored(found->dtype, &it->entry.dtype)) {
        it->trouble = "which heed does not read";
        return true;
    }
    bool wide = found->dtype == HEED__SAFETENSORS_I64;
    if (!wide && (uintptr_t)found->data % heed_dtype_size(it->entry.dtype) == 0) {
        it->entry.data = found->data;
        return true;
    }
    it->copy_bytes = wide ? found->bytes / 2 : found->bytes;
    it->copy = heed__allocate(allocator, it->copy_bytes);
    if (!it->copy)
        return false;
    if (!wide)
        memcpy(it->copy, found->data, found->bytes);
    else if (!narrow(found->data, found->bytes / sizeof(int64_t), it->copy))
        it->trouble = "with a number that does not fit in i32";
    it->entry.data = it->trouble ? NULL : it->copy;
    return true;
}

heed_archive *heed_archive_open(const char *path, const heed_allocator *allocator, char *error,
                                size_t error_size)
{
    if (!path) {
        heed__say(error, error_size, "archive: open: the path is NULL");
        return NULL;
    }
    heed_archive *archive = heed_archive_new(allocator);
    if (!archive) {
        heed__say(error, error_size, "%s: not enough memory", path);
        return NULL;
    }
    heed__safetensors *file = &archive->file;
    if (!heed__safetensors_open(path, archive->allocator, file, error, error_size)) {
        heed_archive_free(archive);
        return NULL;
    }
    archive->path = copy_string(archive->allocator, path);
    archive->items = heed__grow(archive->allocator, NULL, &archive->capacity, file->count,
                                sizeof(heed__item));
    bool good = archive->path && archive->items;
    while (good && archive->count < file->count) {
        size_t i = archive->count;
        good = adopt(archive->allocator, &file->entries[i], &archive->items[i]);
        archive->count += good;
    }
    if (good)
        return archive;
    heed__say(error, error_size, "%s: not enough memory", path);
    heed_archive_free(archive);
    return NULL;
}

const heed__item *heed__archive_item(const heed_archive *archive, const char *name)
{
    const heed__safetensors_entry *found = heed__safetensors_find(&archive->file, name);
    if (found)
        return &archive->items[found - archive->file.entries];
    for (size_t i = archive->file.count; i < archive->count; i++) {
        if (strcmp(archive->items[i].entry.name, name) == 0)
            return &archive->items[i];
    }
    return NULL;
}

const char *heed__archive_name(const heed_archive *archive)
{
    return archive->path ? archive->path : "archive";
}

/* "f32 [2,3]", as heed names it where it can. */
char *heed__item_text(const heed__item *it, char text[HEED__DESCRIPTION])
{
    bool known = it->entry.data != NULL && it->stored != HEED__SAFETENSORS_I64;
    int at = sprintf(text, "%s ",
                     known ? heed_dtype_name(it->entry.dtype)
                           : heed__safetensors_dtype_name(it->stored));
    heed_shape_text(&it->entry.shape, text + at, HEED_MAX_NDIM * 21 + 8);
    return text;
}

const heed_entry *heed_archive_find(const heed_archive *archive, const char *name)
{
    char text[HEED__DESCRIPTION];
    if (!archive || !name)
        return NULL;
    const heed__item *it = heed__archive_item(archive, name);
    if (it && !it->trouble)
        return &it->entry;
    if (it && !archive->failed)
        heed__say(archive->error, HEED__SENTENCE, "%s: tensor %s is %s, %s",
                  heed__archive_name(archive), name, heed__item_text(it, text), it->trouble);
    return NULL;
}

const char *heed_archive_note_of(const heed_archive *archive, const char *key)
{
    if (!archive || !key)
        return NULL;
    for (size_t i = 0; i < archive->note_count; i++) {
        if (strcmp(archive->notes[i].key, key) == 0)
            return archive->notes[i].value;
    }
    return heed__safetensors_metadata(&archive->file, key);
}

/* ---- building ---- */

bool heed_archive_add(heed_archive *archive, const char *name, heed_dtype dtype,
                      heed_shape shape, const void *data)
{
    if (!archive || archive->failed)
        return false;
    heed__item it = { .entry = { NULL, dtype, shape, data }, .bytes = data };
    if (!name)
        return heed__archive_fail(archive, "add", "the name is NULL");
    if (!data)
        return heed__archive_fail(archive, name, "there are no data");
    if (shape.ndim < 0 || shape.ndim > HEED_MAX_NDIM || !to_stored(dtype, &it.stored))
        return heed__archive_fail(archive, name, "no valid dtype and shape");
    heed__item *items = heed__grow(archive->allocator, archive->items, &archive->capacity,
                                   archive->count + 1, sizeof it);
    if (!items)
        return heed__archive_fail(archive, name, "not enough memory");
    archive->items = items;
    it.name = copy_string(archive->allocator, name);
    if (!it.name)
        return heed__archive_fail(archive, name, "not enough memory");
    it.entry.name = it.name;
    items[archive->count++] = it;
    return true;
}

bool heed_archive_note(heed_archive *archive, const char *key, const char *value)
{
    if (!archive || archive->failed)
        return false;
    if (!key)
        return heed__archive_fail(archive, "note", "the key is NULL");
    if (!value)
        return heed__archive_fail(archive, key, "the note is NULL");
    heed__safetensors_pair *notes =
        heed__grow(archive->allocator, archive->notes, &archive->note_capacity,
                   archive->note_count + 1, sizeof *notes);
    if (!notes)
        return heed__archive_fail(archive, key, "not enough memory");
    archive->notes = notes;
    heed__safetensors_pair note = { copy_string(archive->allocator, key),
                                    copy_string(archive->allocator, value) };
    if (!note.key || !note.value) {
        free_string(archive->allocator, note.key);
        free_string(archive->allocator, note.value);
        return heed__archive_fail(archive, key, "not enough memory");
    }
    notes[archive->note_count++] = note;
    return true;
}

bool heed_archive_save(heed_archive *archive, const char *path)
{
    if (!archive || archive->failed)
        return false;
    if (!path)
        return heed__archive_fail(archive, "save", "the path is NULL");
    const heed_allocator *allocator = archive->allocator;
    const heed__safetensors *file = &archive->file;
    size_t note_count = file->metadata_count + archive->note_count;
    size_t entry_bytes = archive->count * sizeof(heed__safetensors_entry);
    size_t note_bytes = note_count * sizeof(heed__safetensors_pair);
    heed__safetensors_entry *entries = heed__allocate(allocator, entry_bytes);
    heed__safetensors_pair *notes = heed__allocate(allocator, note_bytes);
    bool good = entries && notes;
    if (!good)
        heed__say(archive->error, HEED__SENTENCE, "cannot write %s: not enough memory", path);
    for (size_t i = 0; good && i < archive->count; i++) {
        const heed__item *it = &archive->items[i];
        entries[i] = (heed__safetensors_entry){ .name = it->entry.name,
                                                .dtype = it->stored,
                                                .ndim = it->entry.shape.ndim,
                                                .data = it->bytes };
        memcpy(entries[i].shape, it->entry.shape.size, sizeof entries[i].shape);
    }
    for (size_t i = 0; good && i < note_count; i++)
        notes[i] = i < file->metadata_count ? file->metadata[i]
                                            : archive->notes[i - file->metadata_count];
    good = good && heed__safetensors_write(path, entries, archive->count, notes, note_count,
                                           allocator, archive->error, HEED__SENTENCE);
    heed__release(allocator, entries, entry_bytes);
    heed__release(allocator, notes, note_bytes);
    archive->failed = !good;
    return good;
}
