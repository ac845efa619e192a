/* Filling in the hidden words of a sentence. Knows readers. */
#ifndef BERT_FILL_H
#define BERT_FILL_H

#include "reader.h"
#include "text.h"

/* Prints the text, the `best` likeliest words for each [MASK] in it, and the text with the
 * likeliest. */
bool fill(heed_tape *t, const reader *r, const char *text, int64_t best, char *error,
          size_t error_size);

#endif
