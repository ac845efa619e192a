/* What a text has that a vocabulary does not know: whole words of one of words, characters of
 * the others, each once, in the order they come.
 *
 *     string_set unknown = { 0 };
 *     if (unknown_find(v, text, size, &unknown, error, sizeof error) && unknown.count > 0)
 *         unknown_print(stderr, v, &unknown);
 *     string_set_free(&unknown); */
#ifndef TEXT_UNKNOWN_H
#define TEXT_UNKNOWN_H

#include "string_set.h"
#include "vocabulary.h"

#include <stdio.h>

/* Adds what is unknown. The text must be UTF-8. */
bool unknown_find(const vocabulary *v, const char *text, size_t size, string_set *unknown,
                  char *error, size_t error_size);

/* "the words 'cat' and 'dog'"; of many the first ten. */
void unknown_print(FILE *to, const vocabulary *v, const string_set *unknown);

#endif
