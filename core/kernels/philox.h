/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): four random words from a key and a counter.
 */
#ifndef HEED_PHILOX_H
#define HEED_PHILOX_H

#include <stdint.h>

typedef struct philox_words {
    uint32_t word[4];
} philox_words;

static inline philox_words philox(uint64_t key, uint64_t counter_high, uint64_t counter_low)
{
    philox_words x = { { (uint32_t)counter_low, (uint32_t)(counter_low >> 32),
                         (uint32_t)counter_high, (uint32_t)(counter_high >> 32) } };
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * x.word[0];
        uint64_t b = (uint64_t)0xCD9E8D57u * x.word[2];
        x = (philox_words){ { (uint32_t)(b >> 32) ^ x.word[1] ^ k0, (uint32_t)b,
                              (uint32_t)(a >> 32) ^ x.word[3] ^ k1, (uint32_t)a } };
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return x;
}

#endif
