/* The set of strings: their bytes in one text, and a hash table of their numbers. */
#include "string_set.h"

#include <string.h>

static size_t hash_bytes(const unsigned char *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return (size_t)(hash ^ hash >> 32);
}

const char *string_set_get(const string_set *s, size_t number, size_t *size)
{
    *size = s->entries[number].size;
    return s->bytes.bytes + s->entries[number].start;
}

/* The place of a string in the table: that of its number, or the free one where it belongs. */
static size_t slot_of(const string_set *s, const void *bytes, size_t size)
{
    size_t mask = s->table_size - 1, slot = hash_bytes(bytes, size) & mask;
    for (; s->table[slot] != 0; slot = (slot + 1) & mask) {
        size_t other_size;
        const char *other = string_set_get(s, (size_t)s->table[slot] - 1, &other_size);
        if (other_size == size && memcmp(other, bytes, size) == 0)
            break;
    }
    return slot;
}

/* Keeps the table at most half full with one string more. */
static bool grow_table(string_set *s)
{
    if (2 * (s->count + 1) <= s->table_size)
        return true;
    size_t size = s->table_size ? 2 * s->table_size : 64;
    int32_t *table = heed__allocate(NULL, size * sizeof *table);
    if (!table)
        return false;
    memset(table, 0, size * sizeof *table);
    heed__release(NULL, s->table, 0);
    s->table = table;
    s->table_size = size;
    for (size_t i = 0; i < s->count; i++) {
        size_t length;
        const char *bytes = string_set_get(s, i, &length);
        table[slot_of(s, bytes, length)] = (int32_t)i + 1;
    }
    return true;
}

int32_t string_set_find(const string_set *s, const void *bytes, size_t size)
{
    return s->table_size ? s->table[slot_of(s, bytes, size)] - 1 : -1;
}

int32_t string_set_add(string_set *s, const void *bytes, size_t size)
{
    int32_t found = string_set_find(s, bytes, size);
    if (found >= 0)
        return found;
    if (s->count >= INT32_MAX || !grow_table(s))
        return -1;
    string_set_entry *entries =
        heed__grow(NULL, s->entries, &s->capacity, s->count + 1, sizeof *entries);
    if (!entries)
        return -1;
    s->entries = entries;
    size_t start = s->bytes.size, slot = slot_of(s, bytes, size);
    heed__text_add(&s->bytes, bytes, size);
    if (s->bytes.failed)
        return -1;
    entries[s->count++] = (string_set_entry){ start, size };
    s->table[slot] = (int32_t)s->count;
    return (int32_t)s->count - 1;
}

void string_set_clear(string_set *s)
{
    heed__text_clear(&s->bytes);
    s->count = 0;
    if (s->table)
        memset(s->table, 0, s->table_size * sizeof *s->table);
}

void string_set_free(string_set *s)
{
    heed__text_free(&s->bytes);
    heed__release(NULL, s->entries, 0);
    heed__release(NULL, s->table, 0);
    *s = (string_set){ 0 };
}
