/* Counter-based random numbers inside the library: pure functions of their keys. */
#ifndef HEED_RANDOM_H
#define HEED_RANDOM_H

#include <stdint.h>

/* Mixes two words into one (the finaliser of SplitMix64: Steele, Lea, Flood 2014). */
static inline uint64_t heed__hash(uint64_t a, uint64_t b)
{
    uint64_t z = a * 0x9E3779B97F4A7C15u + b + 0x632BE59BD9B4E019u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

#endif
