/* The arena: memory of one tape. It grows by chunks from the allocator and keeps them; a steady
 * step allocates nothing. Blocks of tensors given back early go to free lists by size class.
 * The lists are persistent (an entry, once made, never changes), so a mark is a copy of the
 * list heads and a rewind restores them. */
#ifndef HEED_ARENA_H
#define HEED_ARENA_H

#include "heed.h"

#define ARENA_CLASSES \
    432 /* eight size classes an octave, from 64 bytes to a quarter of all addresses */

typedef struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* whole, with this header */
    size_t used;
} arena_chunk;

typedef struct arena_free {
    const struct arena_free *next;
    void *block;
} arena_free;

typedef struct arena {
    const heed_allocator *allocator;
    heed_allocator own; /* a copy of the caller's, which `allocator` points to */
    size_t chunk_least;
    arena_chunk *first, *current;
    const arena_free *lists[ARENA_CLASSES];
    size_t listed; /* bytes on the free lists */
    size_t bump;   /* bytes taken from chunks */
    size_t peak, capacity;
    uint64_t allocations;
} arena;

typedef struct arena_mark {
    arena_chunk *current;
    size_t used, listed, bump;
    const arena_free **lists; /* a copy in the arena, NULL when all lists were empty */
} arena_mark;

void heed__arena_init(arena *a, const heed_allocator *allocator, size_t chunk_least);
void heed__arena_free(arena *a);
void heed__arena_reset(arena *a);
/* 16-byte aligned, lives until reset or rewind; NULL: out of memory. */
void *heed__arena_take(arena *a, size_t bytes);
/* 64-byte aligned block that may be given back; *size_class tells where to. */
void *heed__arena_block(arena *a, size_t bytes, int *size_class);
void heed__arena_give_back(arena *a, void *block, int size_class);
bool heed__arena_mark(arena *a, arena_mark *mark);
/* The same with the copy in [ARENA_CLASSES] of the caller's, which takes nothing. */
void heed__arena_mark_with(arena *a, arena_mark *mark, const arena_free **lists);
void heed__arena_rewind(arena *a, const arena_mark *mark);
/* After a rewind: a block holding the `bytes` that lie at source, in memory just rewound. */
void *heed__arena_carry(arena *a, const void *source, size_t bytes, int *size_class);

#endif
