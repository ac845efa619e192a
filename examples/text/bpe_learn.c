/* Counts of pairs are kept up to date: a merge touches only the words that have its pair, which
 * are found by the list of its uses. */
#include "bpe_learn.h"

#include <string.h>

/* The pair of a word's symbols at and at + 1: its number, entered if it is new. -1: they do not
 * pair; -2: no memory. */
static int32_t pair_number(bpe_learner *l, const bpe_word *w, size_t at)
{
    const int32_t *ids = w->ids + at;
    if (ids[0] < 0 || ids[1] < 0)
        return -1;
    size_t known = l->numbers.count;
    int32_t number = string_set_add(&l->numbers, ids, 2 * sizeof *ids);
    if (number < 0)
        return -2;
    if ((size_t)number < known)
        return number;
    bpe_pair *pairs =
        heed__grow(NULL, l->pairs, &l->pair_capacity, l->numbers.count, sizeof *pairs);
    if (!pairs)
        return -2;
    l->pairs = pairs;
    pairs[number] = (bpe_pair){ .left = ids[0], .right = ids[1] };
    return number;
}

static bool add_use(bpe_learner *l, bpe_pair *pair, size_t word)
{
    if (pair->uses && l->uses[pair->uses - 1].word == word)
        return true;
    bpe_use *uses = heed__grow(NULL, l->uses, &l->use_capacity, l->use_count + 1, sizeof *uses);
    if (!uses)
        return false;
    l->uses = uses;
    uses[l->use_count++] = (bpe_use){ word, pair->uses };
    pair->uses = l->use_count;
    return true;
}

/* Adds (sign 1) or takes away (-1) what a word counts for. Where its pairs are new, or have the
 * symbol `fresh`, the word is entered as a use. */
static bool count_word(bpe_learner *l, size_t word, int sign, int32_t fresh)
{
    const bpe_word *w = &l->words[word];
    for (size_t at = 0; at + 1 < w->count; at++) {
        int32_t number = pair_number(l, w, at);
        if (number == -1)
            continue;
        if (number < 0)
            return false;
        bpe_pair *pair = &l->pairs[number];
        pair->count += sign * w->weight;
        bool entered = fresh < 0 || pair->left == fresh || pair->right == fresh;
        if (sign > 0 && entered && !add_use(l, pair, word))
            return false;
    }
    return true;
}

bool bpe_learner_begin(bpe_learner *l, bpe_word *words, size_t count)
{
    *l = (bpe_learner){ .words = words, .word_count = count };
    for (size_t i = 0; i < count; i++) {
        if (!count_word(l, i, 1, -1))
            return false;
    }
    return true;
}

bool bpe_learner_best(const bpe_learner *l, bpe_pair *best)
{
    best->count = 0;
    for (size_t i = 0; i < l->numbers.count; i++) {
        const bpe_pair *p = &l->pairs[i];
        bool smaller = p->left != best->left ? p->left < best->left : p->right < best->right;
        if (p->count > best->count || (p->count == best->count && p->count > 0 && smaller))
            *best = *p;
    }
    return best->count > 0;
}

static bool has_pair(const bpe_word *w, int32_t left, int32_t right)
{
    for (size_t at = 0; at + 1 < w->count; at++) {
        if (w->ids[at] == left && w->ids[at + 1] == right)
            return true;
    }
    return false;
}

bool bpe_learner_merge(bpe_learner *l, int32_t left, int32_t right, int32_t result)
{
    int32_t ids[] = { left, right }, number = string_set_find(&l->numbers, ids, sizeof ids);
    size_t use = number < 0 ? 0 : l->pairs[number].uses;
    for (; use; use = l->uses[use - 1].before) {
        size_t word = l->uses[use - 1].word;
        bpe_word *w = &l->words[word];
        if (!has_pair(w, left, right))
            continue;
        if (!count_word(l, word, -1, result))
            return false;
        size_t count = 0;
        for (size_t at = 0; at < w->count; at++) {
            bool both = at + 1 < w->count && w->ids[at] == left && w->ids[at + 1] == right;
            w->ids[count++] = both ? result : w->ids[at];
            at += both;
        }
        w->count = count;
        if (!count_word(l, word, 1, result))
            return false;
    }
    return true;
}

void bpe_learner_end(bpe_learner *l)
{
    string_set_free(&l->numbers);
    heed__release(NULL, l->pairs, 0);
    heed__release(NULL, l->uses, 0);
    *l = (bpe_learner){ 0 };
}
