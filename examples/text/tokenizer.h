/* Text to token ids and back, in three kinds:
 *
 *   char   the distinct characters of a training text, ids in the order of their code points
 *   bytes  256 ids, for any input
 *   bpe    GPT-2's byte-level byte-pair encoding, from its two vocabulary files
 *
 * It knows the library's text, JSON and file rooms, and nothing of models. Functions that can
 * fail say why, in one sentence, in `error`. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tokenizer tokenizer;

/* char: from a text, which must be UTF-8 and not empty. */
tokenizer *tokenizer_char(const char *text, size_t size, char *error, size_t error_size);

/* bytes: NULL only for want of memory. */
tokenizer *tokenizer_bytes(void);

/* bpe: from a folder with encoder.json and vocab.bpe, or with vocab.json and merges.txt. */
tokenizer *tokenizer_bpe(const char *folder, char *error, size_t error_size);

/* Any kind, complete in one JSON file; saving replaces the file in one step. */
tokenizer *tokenizer_load(const char *path, char *error, size_t error_size);
bool tokenizer_save(const tokenizer *tok, const char *path, char *error, size_t error_size);

/* What that file holds, to be kept elsewhere; free() it. NULL only for want of memory. And
 * back: `name` stands for the path in sentences. */
char *tokenizer_text(const tokenizer *tok);
tokenizer *tokenizer_parse(const char *name, const void *text, size_t size, char *error,
                           size_t error_size);

/* "char", "bytes" or "bpe"; the number of ids, which are 0 to that less one. */
const char *tokenizer_kind(const tokenizer *tok);
int64_t tokenizer_vocabulary(const tokenizer *tok);

/* The id of "<|endoftext|>" in a bpe vocabulary that has it, else -1. Encoding never gives it:
 * the same letters in a text are ordinary text. */
int32_t tokenizer_end_of_text(const tokenizer *tok);

/* The ids of a text, which the caller frees with free(); NULL and 0 for an empty text. Any
 * bytes will do for bytes and bpe. A character that a char tokenizer does not know is an error
 * that names it and its offset. */
bool tokenizer_encode(const tokenizer *tok, const char *text, size_t size, int32_t **ids,
                      size_t *count, char *error, size_t error_size);

/* The bytes of one id, which live as long as the tokenizer; false if there is no such id. A
 * token may be a part of a character: see utf8.h for showing text as it comes. */
bool tokenizer_decode_one(const tokenizer *tok, int32_t id, const char **bytes, size_t *size);

void tokenizer_free(tokenizer *tok); /* NULL is ignored */

#endif
