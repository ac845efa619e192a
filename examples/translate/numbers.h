/* The numbers 0 .. 999,999,999 in English and in Korean words, and an order of them in which
 * short and long ones take turns. Knows the library's text room. */
#ifndef TRANSLATE_NUMBERS_H
#define TRANSLATE_NUMBERS_H

#include "text.h"

#define NUMBERS 1000000000 /* how many there are */

/* "three hundred forty-two thousand seven": words with one space between, a hyphen within tens,
 * no "and". 1 to NUMBERS_WORDS words; a hyphen makes no word. */
#define NUMBERS_WORDS 11
void number_english(int64_t number, heed__text *text);

/* The same number by ten thousands, with a space after each: 342,007 as "sam-sip-sa-man
 * i-cheon-chil" in Hangul. One is not spoken before cheon, baek and sip, and not where it would
 * be all that stands before man: 11,111 is "man cheon-baek-sip-il", 110,000 "sip-il-man",
 * 100,000,000 "il-eok". */
void number_korean(int64_t number, heed__text *text);

/* A permutation of all numbers, its own for each seed: number_at(seed, 0), number_at(seed, 1),
 * ... are different ones. Their lengths in English words go round from 1 to 11; a length leaves
 * the round when all its numbers have come. There are 100 of one word, 207 of two and over
 * 20,000 of any other, so among the first 20,000 each length from 3 to 11 comes 2188 times. */
int64_t number_at(uint64_t seed, int64_t index);

#endif
