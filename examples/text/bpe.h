/* Byte-level byte-pair encoding as GPT-2 uses it: a vocabulary of byte strings, and an ordered
 * list of pairs that merge. In the files each byte stands as one printable character; a token
 * written so is called its key here. Knows the library's memory, text, file and JSON rooms, and
 * split.h. */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include "json.h"

#define BPE_MAX_VOCABULARY 1000000
#define BPE_MAX_MERGES     1000000
#define BPE_MAX_TOKEN      1024 /* bytes */

typedef struct bpe_token {
    int32_t id;
    size_t key, key_size;     /* in keys */
    size_t bytes, bytes_size; /* in bytes */
} bpe_token;

typedef struct bpe_merge {
    int32_t left, right, result;
} bpe_merge;

typedef struct bpe {
    bpe_token *tokens; /* by id, once the vocabulary is complete */
    size_t token_count, token_capacity;
    bpe_merge *merges; /* by rank: the first merges first */
    size_t merge_count, merge_capacity;
    int32_t byte_ids[256];
    heed__text keys, bytes;
    int32_t *key_table;  /* open addressing, powers of 2: 1 + id by key, 0 is free */
    int32_t *pair_table; /* 1 + rank by (left, right) */
    size_t key_table_size, pair_table_size;
} bpe;

/* Building, in this order: begin, tokens, complete, merges. Every function that can fail
 * returns false and says why in `error`, to which the caller adds the file's name. */
void bpe_begin(bpe *b);
bool bpe_add_token(bpe *b, const char *key, size_t size, int64_t id, char *error,
                   size_t error_size);
bool bpe_complete_vocabulary(bpe *b, char *error, size_t error_size);
bool bpe_add_merge(bpe *b, const char *pair, size_t size, char *error, size_t error_size);
void bpe_free(bpe *b);

/* A merge by ids alone, for a vocabulary whose tokens are kept elsewhere: after bpe_begin at
 * once. The pair has no rank so far, and there are fewer than BPE_MAX_MERGES. Fails only for
 * want of memory. */
bool bpe_enter_merge(bpe *b, int32_t left, int32_t right, int32_t result);

/* The rank of a pair, or -1 if it does not merge; the id of a key, or -1. */
int32_t bpe_rank(const bpe *b, int32_t left, int32_t right);
int32_t bpe_find(const bpe *b, const char *key, size_t size);

/* Reads encoder.json and vocab.bpe, or vocab.json and merges.txt, from a folder. */
bool bpe_read_folder(bpe *b, const char *folder, char *error, size_t error_size);

/* Reads the object of keys and ids that `json` is about to begin, and completes the vocabulary.
 * A failure is left in json. */
bool bpe_read_vocabulary(bpe *b, heed__json *json);

/* What merging works in: start with { 0 }, keep it from piece to piece. */
typedef struct bpe_work {
    struct bpe_symbol *symbols;
    size_t symbol_capacity;
    struct bpe_candidate *heap;
    size_t heap_count, heap_capacity;
} bpe_work;
void bpe_work_free(bpe_work *w);

/* Merges the ids of one piece in place, and *count becomes how many are left. Fails only for
 * want of memory. */
bool bpe_merge_piece(const bpe *b, bpe_work *w, int32_t *ids, size_t *count);

/* Appends the ids of a text to *ids, which has room for *capacity of them and holds *count. Any
 * bytes will do. Fails only for want of memory. */
bool bpe_encode(const bpe *b, const char *text, size_t size, int32_t **ids, size_t *count,
                size_t *capacity);

#endif
