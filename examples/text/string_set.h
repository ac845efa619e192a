/* A set of byte strings, numbered in the order they came. Knows the library's text room. */
#ifndef TEXT_STRING_SET_H
#define TEXT_STRING_SET_H

#include "text.h"

typedef struct string_set_entry {
    size_t start, size; /* in bytes */
} string_set_entry;

/* Start with { 0 }. */
typedef struct string_set {
    heed__text bytes;
    string_set_entry *entries;
    size_t count, capacity;
    int32_t *table; /* open addressing: 1 + number, 0 is free */
    size_t table_size;
} string_set;

/* The number of a string, which is entered if it is new. -1: no memory, or INT32_MAX strings. */
int32_t string_set_add(string_set *s, const void *bytes, size_t size);
/* The number of a string; -1: it is not there. */
int32_t string_set_find(const string_set *s, const void *bytes, size_t size);
/* The string of a number below count; until the next one is added. */
const char *string_set_get(const string_set *s, size_t number, size_t *size);

void string_set_clear(string_set *s); /* no strings, memory kept */
void string_set_free(string_set *s);

#endif
