/* Sentences of a small English whose verbs agree with their subjects, however far away and
 * whatever stands between: "the cats that see the dog are small". Knows the library's text
 * room. */
#ifndef BERT_GRAMMAR_H
#define BERT_GRAMMAR_H

#include "text.h"

#include <heed/heed.h>

/* Adds a sentence. Broken, its main verb has the wrong number; the same draws give the same
 * sentence but for that one word. */
void grammar_sentence(heed__text *to, bool broken, heed_random *r);

#endif
