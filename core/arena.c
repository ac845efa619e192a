/* Chunks, bump allocation and size-class free lists. Knows no tensor. */
#include "arena.h"
#include "memory.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define GAP            ((size_t)64) /* poisoned, after each piece: who goes beyond one is seen */
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define GAP            ((size_t)0)
#endif

#define HEADER ((sizeof(arena_chunk) + 63) / 64 * 64)

static int class_of(size_t bytes)
{
    size_t units = (bytes + 63) / 64; /* of 64 bytes */
    if (units <= 8)
        return units ? (int)units - 1 : 0;
    int octave =
        63 -
        __builtin_clzll((unsigned long long)(units - 1)); /* 2^octave < units <= 2^(octave+1) */
    size_t step = (size_t)1 << (octave - 3);
    return (octave - 3) * 8 + 8 + (int)((units - ((size_t)1 << octave) + step - 1) / step) - 1;
}

static size_t class_bytes(int size_class)
{
    if (size_class < 8)
        return ((size_t)size_class + 1) * 64;
    int octave = (size_class - 8) / 8 + 3;
    size_t step = (size_t)1 << (octave - 3);
    return (((size_t)1 << octave) + step * (size_t)((size_class - 8) % 8 + 1)) * 64;
}

void heed__arena_init(arena *a, const heed_allocator *allocator, size_t chunk_least)
{
    memset(a, 0, sizeof *a);
    if (allocator) {
        a->own = *allocator;
        a->allocator = &a->own;
    }
    a->chunk_least = chunk_least ? chunk_least : (size_t)1 << 20;
}

void heed__arena_free(arena *a)
{
    for (arena_chunk *c = a->first; c;) {
        arena_chunk *next = c->next;
        UNPOISON(c, c->size);
        heed__release(a->allocator, c, c->size);
        c = next;
    }
    a->first = a->current = NULL;
    a->capacity = 0;
}

void heed__arena_reset(arena *a)
{
    for (arena_chunk *c = a->first; c; c = c->next) {
        c->used = HEADER;
        POISON((char *)c + HEADER, c->size - HEADER);
    }
    a->current = a->first;
    memset(a->lists, 0, sizeof a->lists);
    a->listed = a->bump = a->peak = 0;
}

/* Moves to the next chunk that can hold `bytes`, or gets a new one right after the current. */
static bool next_chunk(arena *a, size_t bytes)
{
    for (arena_chunk *c = a->current ? a->current->next : a->first; c; c = c->next) {
        if (c->size - HEADER >= bytes) {
            c->used = HEADER;
            a->current = c;
            return true;
        }
    }
    if (bytes > SIZE_MAX / 4)
        return false;
    size_t size = a->chunk_least > a->capacity / 4 ? a->chunk_least : a->capacity / 4;
    if (a->chunk_least < 4096) /* a test wants one allocation a request */
        size = 0;
    if (size < bytes + HEADER)
        size = bytes + HEADER;
    size = (size + 63) / 64 * 64;
    arena_chunk *c = heed__allocate(a->allocator, size);
    if (!c)
        return false;
    a->allocations++;
    a->capacity += size;
    c->size = size;
    c->used = HEADER;
    POISON((char *)c + HEADER, size - HEADER);
    if (a->current) {
        c->next = a->current->next;
        a->current->next = c;
    } else {
        c->next = a->first;
        a->first = c;
    }
    a->current = c;
    return true;
}

static void *bump(arena *a, size_t bytes, size_t align)
{
    arena_chunk *c = a->current;
    size_t at = c ? (c->used + align - 1) / align * align : 0;
    if (!c || at > c->size || bytes > c->size - at) {
        if (!next_chunk(a, bytes))
            return NULL;
        c = a->current;
        at = c->used;
    }
    size_t left = c->size - at - bytes, gap = GAP;
    c->used = at + bytes + (left < gap ? left : gap);
    a->bump += bytes;
    UNPOISON((char *)c + at, bytes);
    return (char *)c + at;
}

static void note_peak(arena *a)
{
    if (a->bump - a->listed > a->peak)
        a->peak = a->bump - a->listed;
}

void *heed__arena_take(arena *a, size_t bytes)
{
    void *p = bump(a, (bytes + 15) / 16 * 16, 16);
    note_peak(a);
    return p;
}

void *heed__arena_block(arena *a, size_t bytes, int *size_class)
{
    if (bytes > SIZE_MAX / 4)
        return NULL;
    int c = class_of(bytes);
    if (c >= ARENA_CLASSES) /* more than any machine has */
        return NULL;
    *size_class = c;
    void *p;
    if (a->lists[c]) {
        p = a->lists[c]->block;
        a->lists[c] = a->lists[c]->next;
        a->listed -= class_bytes(c);
        UNPOISON(p, bytes);
    } else {
        p = bump(a, class_bytes(c), 64);
        if (p)
            POISON((char *)p + bytes, class_bytes(c) - bytes);
    }
    note_peak(a);
    return p;
}

void heed__arena_give_back(arena *a, void *block, int size_class)
{
    /* Without memory for the entry the block simply stays out of use until the reset. */
    arena_free *entry = heed__arena_take(a, sizeof *entry);
    if (!entry)
        return;
    entry->next = a->lists[size_class];
    entry->block = block;
    a->lists[size_class] = entry;
    a->listed += class_bytes(size_class);
    POISON(block, class_bytes(size_class));
}

bool heed__arena_mark(arena *a, arena_mark *mark)
{
    const arena_free **lists = NULL;
    if (a->listed) {
        lists = heed__arena_take(a, sizeof a->lists);
        if (!lists)
            return false;
    }
    heed__arena_mark_with(a, mark, lists);
    return true;
}

void heed__arena_mark_with(arena *a, arena_mark *mark, const arena_free **lists)
{
    if (lists)
        memcpy(lists, a->lists, sizeof a->lists);
    mark->lists = lists;
    mark->current = a->current;
    mark->used = a->current ? a->current->used : 0;
    mark->listed = a->listed;
    mark->bump = a->bump;
}

void heed__arena_rewind(arena *a, const arena_mark *mark)
{
    arena_chunk *c = mark->current ? mark->current : a->first;
    size_t used = mark->current ? mark->used : HEADER;
    a->current = c;
    for (; c; c = c->next) {
        c->used = used;
        POISON((char *)c + used, c->size - used);
        used = HEADER;
    }
    if (mark->lists)
        memcpy(a->lists, mark->lists, sizeof a->lists);
    else
        memset(a->lists, 0, sizeof a->lists);
    a->listed = mark->listed;
    a->bump = mark->bump;
}

void *heed__arena_carry(arena *a, const void *source, size_t bytes, int *size_class)
{
    void *block = heed__arena_block(a, bytes, size_class);
    if (block && bytes) {
        UNPOISON(source, bytes);
        memmove(block, source, bytes);
    }
    return block;
}
