/* Learning byte-pair encoding's merges from words and how often they occur (Sennrich, Haddow,
 * Birch 2016): again and again the most frequent pair of neighbours becomes one symbol. What
 * symbols mean is the caller's business. Knows the library's memory room and sets of strings. */
#ifndef TEXT_BPE_LEARN_H
#define TEXT_BPE_LEARN_H

#include "string_set.h"

/* The symbols of a word, which merging makes fewer. A negative one pairs with nothing. */
typedef struct bpe_word {
    int32_t *ids;
    size_t count;
    int64_t weight; /* how often the word occurs, > 0 */
} bpe_word;

typedef struct bpe_pair {
    int32_t left, right;
    int64_t count; /* over all words, by weight; "aaa" has the pair (a, a) twice */
    size_t uses;   /* 1 + the last of its uses, 0: none */
} bpe_pair;

/* A word that a pair was met in; it may be gone from there since. */
typedef struct bpe_use {
    size_t word, before; /* 1 + the use before this one, 0: none */
} bpe_use;

typedef struct bpe_learner {
    bpe_word *words; /* the caller's */
    size_t word_count;
    string_set numbers; /* of pairs, by the bytes of their two ids */
    bpe_pair *pairs;
    size_t pair_capacity;
    bpe_use *uses;
    size_t use_count, use_capacity;
} bpe_learner;

/* The words, with their ids, stay while the learner is used. False: no memory; end it too. */
bool bpe_learner_begin(bpe_learner *l, bpe_word *words, size_t count);
/* The most frequent pair; of equals the one with the smaller left id, then the smaller right
 * one. False if there is none. */
bool bpe_learner_best(const bpe_learner *l, bpe_pair *best);
/* Makes every such pair of neighbours, from the left, the symbol `result`, which is neither of
 * the two. False: no memory. */
bool bpe_learner_merge(bpe_learner *l, int32_t left, int32_t right, int32_t result);
void bpe_learner_end(bpe_learner *l);

#endif
