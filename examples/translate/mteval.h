/* Words as mteval-v13a cuts them, which is what BLEU is counted in at WMT. Knows the library's
 * text room and the classes of characters. */
#ifndef TRANSLATE_MTEVAL_H
#define TRANSLATE_MTEVAL_H

#include "span.h"
#include "text.h"

#include <stdint.h>

/* Puts the words into *words, in place of what was there, with one space between. Look at
 * words->failed. */
void mteval_cut(text_span text, heed__text *words);

/* The character at `at` < size as a number, a byte that is part of none as one above all code
 * points; its length into *length; and whether it is blank, by Python's str.isspace. */
int32_t mteval_character(text_span text, size_t at, size_t *length, bool *blank);

#endif
