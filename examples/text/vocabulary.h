/* Vocabularies learned from the texts they will serve, of three kinds:
 *
 *   words       words, numbers and punctuation, as GPT-2's pattern cuts them (split.h)
 *   characters  code points
 *   bpe         words cut into parts by merges learned from the texts (Sennrich, Haddow, Birch
 *               2016), which start from single characters
 *
 * A text is first made plain: runs of blanks become one space, none is left at its ends and, if
 * asked for, letters become small. The word that follows a space, and the first one, carry that
 * space as their first character, so that tokens put one after another are the plain text
 * again.
 *
 * The first four ids stand for no text: <pad>, <sos>, <eos> and <unk>. The rest follow from the
 * most frequent on, equally frequent ones in the order of their bytes; merged ones come after
 * the characters in the order they were learned. A vocabulary is a function of the texts and
 * options alone.
 *
 * It knows the library's text, JSON and file rooms, and nothing of models. Functions that can
 * fail say why, in one sentence, in `error`. */
#ifndef TEXT_VOCABULARY_H
#define TEXT_VOCABULARY_H

#include "id_list.h"
#include "span.h"

enum { VOCABULARY_PAD, VOCABULARY_SOS, VOCABULARY_EOS, VOCABULARY_UNK, VOCABULARY_SPECIALS };

#define VOCABULARY_MOST 1000000 /* tokens */

typedef enum vocabulary_kind {
    VOCABULARY_WORDS,
    VOCABULARY_CHARACTERS,
    VOCABULARY_BPE,
} vocabulary_kind;

typedef struct vocabulary_options {
    vocabulary_kind kind;
    bool lower;
    int64_t
        least; /* what occurs fewer times is no token, a merged one neither; 0: 1, merges 2 */
    int64_t limit; /* tokens at most, the four included, above 4; 0: VOCABULARY_MOST */
} vocabulary_options;

typedef struct vocabulary vocabulary;

/* The texts must be UTF-8. */
vocabulary *vocabulary_learn(const text_span *texts, size_t count, vocabulary_options options,
                             char *error, size_t error_size);
void vocabulary_free(vocabulary *v); /* NULL is ignored */

/* Complete in one JSON file; saving replaces the file in one step. */
vocabulary *vocabulary_load(const char *path, char *error, size_t error_size);
bool vocabulary_save(const vocabulary *v, const char *path, char *error, size_t error_size);

/* What that file holds, to be kept elsewhere; free() it. NULL only for want of memory. And
 * back: `name` stands for the path in sentences. */
char *vocabulary_text(const vocabulary *v);
vocabulary *vocabulary_parse(const char *name, const void *text, size_t size, char *error,
                             size_t error_size);

vocabulary_kind vocabulary_kind_of(const vocabulary *v);
const char *vocabulary_kind_name(vocabulary_kind kind); /* "words", "characters" or "bpe" */
int64_t vocabulary_size(const vocabulary *v);           /* ids are 0 to that less one */

/* A token's text, which lives as long as the vocabulary; false if there is no such id. And the
 * id of a token, -1 if it is none. */
bool vocabulary_token(const vocabulary *v, int32_t id, text_span *token);
int32_t vocabulary_find(const vocabulary *v, const char *bytes, size_t size);

/* Appends the ids of a text, <unk> for what is no token; none of the other three is ever made
 * by a text. The text must be UTF-8. */
bool vocabulary_encode(const vocabulary *v, const char *text, size_t size, id_list *ids,
                       char *error, size_t error_size);

/* The text of ids up to the first <eos>: <pad> and <sos> are passed over, <unk>, and an id that
 * is none, becomes the word "<unk>". It ends in a NUL that *size does not count; free() it.
 * NULL only for want of memory. */
char *vocabulary_decode(const vocabulary *v, const int32_t *ids, size_t count, size_t *size);

#endif
