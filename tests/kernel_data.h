/* Random arrays for the tests of kernels, in either dtype. */
#ifndef KERNEL_DATA_H
#define KERNEL_DATA_H

#include "expect.h"
#include "kernels.h"

#include <stdlib.h>

static uint64_t seed = 1;

static inline uint32_t random_bits(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

static inline int64_t random_below(int64_t n)
{
    return (int64_t)(random_bits() % (uint32_t)n);
}

static inline double random_unit(void)
{
    return (double)random_bits() / 1073741824.0 - 1.0;
}

static inline void *room(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    ck_assert_ptr_nonnull(p);
    return p;
}

static inline double get(const void *p, int64_t i, bool f64)
{
    return f64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static inline void set(void *p, int64_t i, bool f64, double x)
{
    if (f64)
        ((double *)p)[i] = x;
    else
        ((float *)p)[i] = (float)x;
}

static inline size_t size_of(bool f64)
{
    return f64 ? sizeof(double) : sizeof(float);
}

static inline const void *at(const void *p, int64_t i, bool f64)
{
    return (const char *)p + i * (int64_t)size_of(f64);
}

static inline void *random_room(int64_t count, bool f64)
{
    void *p = room((size_t)count * size_of(f64));
    for (int64_t i = 0; i < count; i++)
        set(p, i, f64, random_unit());
    return p;
}

static inline const kernel_table *table_of(const kernel_isa *isa, bool f64)
{
    return f64 ? isa->f64 : isa->f32;
}

#endif
