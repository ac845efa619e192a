/* What the files of the vocabulary share. */
#ifndef TEXT_VOCABULARY_OWN_H
#define TEXT_VOCABULARY_OWN_H

#include "bpe.h"
#include "string_set.h"
#include "vocabulary.h"

struct vocabulary {
    vocabulary_kind kind;
    bool lower;
    string_set tokens; /* by id */
    bpe merges;        /* bpe: only merges and their table are used */
};

/* With the four special tokens; NULL: no memory. */
vocabulary *vocabulary_begin(vocabulary_kind kind, bool lower);

/* Writes the plain text into *plain, as vocabulary.h says. Fails for bytes that are not UTF-8
 * and for want of memory. */
bool vocabulary_plain(const vocabulary *v, const char *text, size_t size, heed__text *plain,
                      char *error, size_t error_size);

/* The end of the piece of a plain text that starts at `start` < its size: a word, or one
 * character. */
size_t vocabulary_piece(const vocabulary *v, const heed__text *plain, size_t start);

/* Enters the merge of two tokens; the token they make is entered too if it is new. False: no
 * memory. */
bool vocabulary_merge(vocabulary *v, int32_t left, int32_t right, int32_t *result);

#endif
