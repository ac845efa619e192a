/* The room where memory comes from: one allocator type and checked arithmetic on sizes. It
 * knows libc and nothing of heed. Every block is 64-byte aligned, so that a vector load never
 * straddles a cache line, and every release names the size again, so that an allocator need not
 * remember it. */
#ifndef HEED_MEMORY_H
#define HEED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifndef HEED_ALLOCATOR_DEFINED
#define HEED_ALLOCATOR_DEFINED
/* allocate: memory aligned to 64 bytes, or NULL. release: memory of exactly that size, never
 * NULL. */
typedef struct heed_allocator {
    void *(*allocate)(void *context, size_t bytes);
    void (*release)(void *context, void *memory, size_t bytes);
    void *context;
} heed_allocator;
#endif

#define HEED__ALIGNMENT ((size_t)64)

/* *product = a b; false, leaving *product alone, if that does not fit. */
static inline bool heed__mul_size(size_t a, size_t b, size_t *product)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *product = a * b;
    return true;
}

/* *sum = a + b; false, leaving *sum alone, if that does not fit. */
static inline bool heed__add_size(size_t a, size_t b, size_t *sum)
{
    if (a > SIZE_MAX - b)
        return false;
    *sum = a + b;
    return true;
}

/* At least `bytes` bytes from a, or from libc if a is NULL. A request of 0 bytes is a request
 * of 1, so NULL always means that there was no memory; nothing larger than PTRDIFF_MAX is ever
 * asked for. */
static inline void *heed__allocate(const heed_allocator *a, size_t bytes)
{
    if (bytes == 0)
        bytes = 1;
    if (bytes > (size_t)PTRDIFF_MAX - HEED__ALIGNMENT)
        return NULL;
    if (a)
        return a->allocate(a->context, bytes);
    return aligned_alloc(HEED__ALIGNMENT,
                         (bytes + HEED__ALIGNMENT - 1) / HEED__ALIGNMENT * HEED__ALIGNMENT);
}

/* Gives back what heed__allocate(a, bytes) returned; NULL is ignored. */
static inline void heed__release(const heed_allocator *a, void *memory, size_t bytes)
{
    if (!memory)
        return;
    if (a)
        a->release(a->context, memory, bytes == 0 ? 1 : bytes);
    else
        free(memory);
}

/* Room for `wanted` elements of `size` bytes in a block that holds *capacity of them: the block
 * itself if it is large enough, else a new one at least twice as large with the old contents.
 * NULL, with the old block untouched, if there is no memory. */
void *heed__grow(const heed_allocator *a, void *block, size_t *capacity, size_t wanted,
                 size_t size);

#endif
