/* Permutations that need no memory: where each place goes is computed, not looked up. */
#ifndef TRANSLATE_PERMUTATION_H
#define TRANSLATE_PERMUTATION_H

#include <stdint.h>

/* The number that a permutation of 0 .. count - 1 has at `index` < count; each (seed, stream)
 * has its own. count is at most 2^40. */
uint64_t permutation_at(uint64_t seed, uint64_t stream, uint64_t count, uint64_t index);

#endif
