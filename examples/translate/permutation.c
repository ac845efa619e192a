/* A Feistel network over the next power of 4, walked until it comes back into range (Black,
 * Rogaway 2002). */
#include "permutation.h"

#include <heed/heed.h>

#define ROUNDS 6

/* One pass of the network over pairs of `bits` bits each: (l, r) -> (r, l ^ f(r)). */
static uint64_t shuffle(uint64_t seed, uint64_t stream, int bits, uint64_t number)
{
    uint64_t limit = (uint64_t)1 << bits, left = number >> bits, right = number & (limit - 1);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        heed_random r = { .seed = seed, .stream = ROUNDS * stream + round, .count = right };
        uint64_t mixed = left ^ heed_random_below(&r, limit);
        left = right;
        right = mixed;
    }
    return left << bits | right;
}

uint64_t permutation_at(uint64_t seed, uint64_t stream, uint64_t count, uint64_t index)
{
    int bits = 1;
    while ((uint64_t)1 << 2 * bits < count)
        bits++;
    do {
        index = shuffle(seed, stream, bits, index);
    } while (index >= count);
    return index;
}
