/* Sentences as tokens, some with classes: <sos>, whose state stands for the whole sentence, and
 * the words. Knows vocabularies and the grammar. Functions that can fail say why, in one
 * sentence, in `error`. */
#ifndef BERT_SENTENCES_H
#define BERT_SENTENCES_H

#include "id_list.h"
#include "text.h"
#include "vocabulary.h"

#include <heed/training.h>

/* Start with { 0 }. */
typedef struct sentences {
    int64_t count, capacity;
    id_list ids;
    int64_t *starts; /* sentence i is ids[starts[i]] .. ids[starts[i + 1] - 1] */
    int32_t *labels; /* its class */
} sentences;

/* Words beyond `longest` tokens are cut off. */
bool sentences_add(sentences *s, const vocabulary *v, const char *text, size_t size,
                   int64_t longest, int32_t label, char *error, size_t error_size);
void sentences_free(sentences *s);
/* Batches of ids, padded (field 0), and classes (field 1). */
heed_batches *sentences_batches(const sentences *s, heed_batches_options options, char *error,
                                size_t error_size);

/* ---- texts ---- */

/* Lines, each a sentence. */
typedef struct lines {
    heed__text text;
    text_span *line;
    int64_t count;
} lines;
/* Of a file, without those that are blank; it must be UTF-8 and have at least ten. */
bool lines_read(lines *l, const char *path, char *error, size_t error_size);
/* Of the grammar. */
bool lines_make(lines *l, int64_t count, heed_random *r, char *error, size_t error_size);
void lines_free(lines *l);

#endif
