/* Sentences with two classes: as it should be, and broken in one place. Knows sentences and the
 * grammar. */
#ifndef BERT_LABEL_H
#define BERT_LABEL_H

#include "sentences.h"

typedef struct label_options {
    const vocabulary *words;
    int64_t longest;
    bool grammar; /* new sentences of it, broken by a verb of the wrong number */
    uint64_t seed;
} label_options;

/* Adds so many sentences, half of them broken: of the grammar, or the lines in turn, broken by
 * exchanging two neighbours. */
bool label_sentences(sentences *to, const label_options *o, const text_span *line,
                     int64_t line_count, int64_t count, char *error, size_t error_size);

#endif
