/* The growing block. Knows memory.h and libc only. */
#include "memory.h"

#include <string.h>

void *heed__grow(const heed_allocator *a, void *block, size_t *capacity, size_t wanted,
                 size_t size)
{
    if (block && wanted <= *capacity)
        return block;
    size_t room = *capacity > SIZE_MAX / 2 ? SIZE_MAX : *capacity * 2;
    if (room < wanted)
        room = wanted;
    if (room < 16)
        room = 16;
    size_t bytes;
    if (!heed__mul_size(room, size, &bytes))
        return NULL;
    void *larger = heed__allocate(a, bytes);
    if (!larger)
        return NULL;
    if (block) {
        memcpy(larger, block, *capacity * size);
        heed__release(a, block, *capacity * size);
    }
    *capacity = room;
    return larger;
}
