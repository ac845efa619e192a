/* What a character is: letter, number, blank or other; and its lower case. */
#ifndef TEXT_CLASSES_H
#define TEXT_CLASSES_H

#include <stddef.h>
#include <stdint.h>

typedef enum text_class { TEXT_LETTER, TEXT_NUMBER, TEXT_BLANK, TEXT_SYMBOL } text_class;

/* The class of the character at `at` < size, its length into *length. A byte that is part of no
 * well-formed character is a symbol of length 1. */
text_class text_class_at(const char *text, size_t size, size_t at, size_t *length);

/* Unicode's simple lower case of a code point; itself if it has none. */
int32_t text_lower(int32_t code_point);

#endif
