/* Merging. Each piece of text starts as one token a byte; then, as long as any neighbours
 * merge, the pair of lowest rank does, the leftmost one first. A heap of the pairs over a
 * linked list of the tokens makes that n log n, so that a million equal letters cost no more
 * than a page of prose of that length. Words repeat: pieces already merged are remembered in a
 * small cache. */
#include "bpe.h"
#include "split.h"

#include <string.h>

#define CACHE_SLOTS 16384 /* a power of 2 */
#define CACHE_BYTES 22
#define CACHE_IDS   10

typedef struct cached {
    unsigned char size, count; /* size 0: free */
    char bytes[CACHE_BYTES];
    int32_t ids[CACHE_IDS];
} cached;

typedef struct bpe_symbol {
    int32_t id; /* -1: merged into its left neighbour */
    size_t previous, next;
} symbol;

typedef struct bpe_candidate {
    int32_t rank;
    size_t at; /* of the left symbol */
} candidate;

#define NOWHERE SIZE_MAX

typedef struct encoding {
    const bpe *b;
    cached *cache;
    bpe_work work;
    int32_t *ids;
    size_t count, capacity;
} encoding;

static bool before(candidate a, candidate b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

/* Enters the pair that starts at `at`, if it merges. */
static bool push(const bpe *b, bpe_work *w, size_t at)
{
    if (at == NOWHERE || w->symbols[at].next == NOWHERE)
        return true;
    int32_t rank = bpe_rank(b, w->symbols[at].id, w->symbols[w->symbols[at].next].id);
    if (rank < 0)
        return true;
    candidate *heap =
        heed__grow(NULL, w->heap, &w->heap_capacity, w->heap_count + 1, sizeof *heap);
    if (!heap)
        return false;
    w->heap = heap;
    candidate entered = { rank, at };
    size_t hole = w->heap_count++;
    for (; hole > 0 && before(entered, heap[(hole - 1) / 2]); hole = (hole - 1) / 2)
        heap[hole] = heap[(hole - 1) / 2];
    heap[hole] = entered;
    return true;
}

static candidate pop(bpe_work *w)
{
    candidate *heap = w->heap, first = heap[0], last = heap[--w->heap_count];
    size_t hole = 0, child;
    while ((child = 2 * hole + 1) < w->heap_count) {
        if (child + 1 < w->heap_count && before(heap[child + 1], heap[child]))
            child++;
        if (!before(heap[child], last))
            break;
        heap[hole] = heap[child];
        hole = child;
    }
    heap[hole] = last;
    return first;
}

/* Makes one token of the pair, unless one of the two has merged with another neighbour since.
 */
static bool merge(const bpe *b, bpe_work *w, candidate chosen)
{
    const bpe_merge *rule = &b->merges[chosen.rank];
    symbol *left = &w->symbols[chosen.at];
    if (left->id != rule->left || left->next == NOWHERE ||
        w->symbols[left->next].id != rule->right)
        return true;
    symbol *right = &w->symbols[left->next];
    left->id = rule->result;
    left->next = right->next;
    right->id = -1;
    if (left->next != NOWHERE)
        w->symbols[left->next].previous = chosen.at;
    return push(b, w, left->previous) && push(b, w, chosen.at);
}

bool bpe_merge_piece(const bpe *b, bpe_work *w, int32_t *ids, size_t *count)
{
    size_t size = *count;
    symbol *symbols = heed__grow(NULL, w->symbols, &w->symbol_capacity, size, sizeof *symbols);
    if (!symbols)
        return false;
    w->symbols = symbols;
    for (size_t i = 0; i < size; i++) {
        symbols[i].id = ids[i];
        symbols[i].previous = i > 0 ? i - 1 : NOWHERE;
        symbols[i].next = i + 1 < size ? i + 1 : NOWHERE;
    }
    w->heap_count = 0;
    for (size_t i = 0; i + 1 < size; i++) {
        if (!push(b, w, i))
            return false;
    }
    while (w->heap_count > 0) {
        if (!merge(b, w, pop(w)))
            return false;
    }
    *count = 0;
    for (size_t i = size > 0 ? 0 : NOWHERE; i != NOWHERE; i = symbols[i].next)
        ids[(*count)++] = symbols[i].id;
    return true;
}

void bpe_work_free(bpe_work *w)
{
    heed__release(NULL, w->symbols, 0);
    heed__release(NULL, w->heap, 0);
    *w = (bpe_work){ 0 };
}

/* Room for so many more ids. */
static bool reserve(encoding *e, size_t more)
{
    int32_t *grown = heed__grow(NULL, e->ids, &e->capacity, e->count + more, sizeof *grown);
    if (grown)
        e->ids = grown;
    return grown != NULL;
}

static bool encode_piece(encoding *e, const char *piece, size_t size)
{
    if (!reserve(e, size))
        return false;
    for (size_t i = 0; i < size; i++)
        e->ids[e->count + i] = e->b->byte_ids[(unsigned char)piece[i]];
    if (!bpe_merge_piece(e->b, &e->work, e->ids + e->count, &size))
        return false;
    e->count += size;
    return true;
}

static bool encode_remembering(encoding *e, const char *piece, size_t size)
{
    if (size > CACHE_BYTES)
        return encode_piece(e, piece, size);
    uint32_t hash = 0x811c9dc5u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)piece[i]) * 0x01000193u;
    cached *slot = &e->cache[(hash ^ hash >> 16) & (CACHE_SLOTS - 1)];
    if (slot->size == size && memcmp(slot->bytes, piece, size) == 0) {
        if (!reserve(e, slot->count))
            return false;
        memcpy(e->ids + e->count, slot->ids, slot->count * sizeof *slot->ids);
        e->count += slot->count;
        return true;
    }
    size_t start = e->count;
    if (!encode_piece(e, piece, size))
        return false;
    size_t made = e->count - start;
    if (made <= CACHE_IDS) {
        slot->size = (unsigned char)size;
        slot->count = (unsigned char)made;
        memcpy(slot->bytes, piece, size);
        memcpy(slot->ids, e->ids + start, made * sizeof *slot->ids);
    }
    return true;
}

bool bpe_encode(const bpe *b, const char *text, size_t size, int32_t **ids, size_t *count,
                size_t *capacity)
{
    encoding e = { .b = b, .ids = *ids, .count = *count, .capacity = *capacity };
    e.cache = calloc(CACHE_SLOTS, sizeof *e.cache);
    bool good = e.cache != NULL;
    for (size_t at = 0, end; good && at < size; at = end) {
        end = text_split(text, size, at);
        good = encode_remembering(&e, text + at, end - at);
    }
    free(e.cache);
    bpe_work_free(&e.work);
    *ids = e.ids;
    *count = e.count;
    *capacity = e.capacity;
    return good;
}
