/* The tables of byte-pair encoding: how vocabulary and merges are entered, checked and found.
 */
#include "bpe.h"

#include <string.h>

/* The character that stands for a byte: printable ones for themselves, the other 68 from U+0100
 * on. */
static uint32_t character_of_byte(unsigned byte)
{
    uint32_t others = 0;
    for (unsigned b = 0; b <= byte; b++) {
        bool printable =
            (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
        if (b == byte)
            return printable ? b : 256 + others;
        others += !printable;
    }
    return 0;
}

static uint64_t hash_bytes(const char *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static uint64_t hash_pair(int32_t left, int32_t right)
{
    uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

void bpe_begin(bpe *b)
{
    memset(b, 0, sizeof *b);
}

void bpe_free(bpe *b)
{
    heed__release(NULL, b->tokens, 0);
    heed__release(NULL, b->merges, 0);
    heed__release(NULL, b->key_table, 0);
    heed__release(NULL, b->pair_table, 0);
    heed__text_free(&b->keys);
    heed__text_free(&b->bytes);
    bpe_begin(b);
}

static bool no_memory(char *error, size_t error_size)
{
    return heed__say(error, error_size, "not enough memory");
}

/* An all-free table with at least twice `entries` places. */
static int32_t *new_table(size_t entries, size_t *size)
{
    *size = 64;
    while (*size < 2 * entries)
        *size *= 2;
    int32_t *table = heed__allocate(NULL, *size * sizeof *table);
    if (table)
        memset(table, 0, *size * sizeof *table);
    return table;
}

static const char *key_of(const bpe *b, int32_t id)
{
    return b->keys.bytes + b->tokens[id].key;
}

/* The place of a key in its table: that of its id, or the free one where it belongs. */
static size_t key_slot(const bpe *b, const char *key, size_t size)
{
    size_t mask = b->key_table_size - 1, slot = (size_t)hash_bytes(key, size) & mask;
    for (; b->key_table[slot] != 0; slot = (slot + 1) & mask) {
        int32_t id = b->key_table[slot] - 1;
        if (b->tokens[id].key_size == size && memcmp(key_of(b, id), key, size) == 0)
            break;
    }
    return slot;
}

static size_t pair_slot(const bpe *b, int32_t left, int32_t right)
{
    size_t mask = b->pair_table_size - 1, slot = (size_t)hash_pair(left, right) & mask;
    for (; b->pair_table[slot] != 0; slot = (slot + 1) & mask) {
        const bpe_merge *merge = &b->merges[b->pair_table[slot] - 1];
        if (merge->left == left && merge->right == right)
            break;
    }
    return slot;
}

int32_t bpe_find(const bpe *b, const char *key, size_t size)
{
    return b->key_table[key_slot(b, key, size)] - 1;
}

int32_t bpe_rank(const bpe *b, int32_t left, int32_t right)
{
    return b->merge_count ? b->pair_table[pair_slot(b, left, right)] - 1 : -1;
}

bool bpe_add_token(bpe *b, const char *key, size_t size, int64_t id, char *error,
                   size_t error_size)
{
    if (b->token_count >= BPE_MAX_VOCABULARY)
        return heed__say(error, error_size, "more than %d tokens", BPE_MAX_VOCABULARY);
    /* A byte's character is at most two bytes long. */
    if (size == 0 || size > (size_t)2 * BPE_MAX_TOKEN)
        return heed__say(error, error_size, "a token of %zu bytes; 1 to %d are allowed", size,
                         BPE_MAX_TOKEN);
    if (id < 0 || id >= BPE_MAX_VOCABULARY)
        return heed__say(error, error_size, "token %s has the id %lld",
                         heed__quote(key, size).text, (long long)id);
    bpe_token *tokens =
        heed__grow(NULL, b->tokens, &b->token_capacity, b->token_count + 1, sizeof *tokens);
    if (!tokens)
        return no_memory(error, error_size);
    b->tokens = tokens;
    tokens[b->token_count++] =
        (bpe_token){ .id = (int32_t)id, .key = b->keys.size, .key_size = size };
    heed__text_add(&b->keys, key, size);
    return !b->keys.failed || no_memory(error, error_size);
}

/* Brings tokens into the order of their ids, which must be 0 to count - 1. */
static bool sort_tokens(bpe *b, char *error, size_t error_size)
{
    bpe_token *sorted = heed__allocate(NULL, b->token_capacity * sizeof *sorted);
    if (!sorted)
        return no_memory(error, error_size);
    for (size_t i = 0; i < b->token_count; i++)
        sorted[i].id = -1;
    bool good = true;
    for (size_t i = 0; good && i < b->token_count; i++) {
        const bpe_token *token = &b->tokens[i];
        heed__quoted name = heed__quote(b->keys.bytes + token->key, token->key_size);
        if ((size_t)token->id >= b->token_count)
            good =
                heed__say(error, error_size, "token %s has the id %d, but there are %zu tokens",
                          name.text, (int)token->id, b->token_count);
        else if (sorted[token->id].id >= 0)
            good = heed__say(error, error_size, "token %s has the id %d, which another has too",
                             name.text, (int)token->id);
        else
            sorted[token->id] = *token;
    }
    heed__release(NULL, good ? b->tokens : sorted, 0);
    if (good)
        b->tokens = sorted;
    return good;
}

/* Turns each key into the bytes it means. A key with a character that stands for no byte is a
 * special token, which no merge makes; it means its own text. */
static void decode_keys(bpe *b)
{
    int16_t byte_of[0x180];
    memset(byte_of, -1, sizeof byte_of);
    for (unsigned byte = 0; byte < 256; byte++)
        byte_of[character_of_byte(byte)] = (int16_t)byte;

    for (size_t i = 0; i < b->token_count; i++) {
        bpe_token *token = &b->tokens[i];
        const char *key = b->keys.bytes + token->key;
        token->bytes = b->bytes.size;
        for (size_t at = 0, length; at < token->key_size; at += length) {
            int32_t c = heed__utf8_decode(key + at, token->key_size - at, &length);
            if (c < 0 || c >= 0x180 || byte_of[c] < 0) {
                b->bytes.size = token->bytes;
                heed__text_add(&b->bytes, key, token->key_size);
                break;
            }
            char byte = (char)byte_of[c];
            heed__text_add(&b->bytes, &byte, 1);
        }
        token->bytes_size = b->bytes.size - token->bytes;
    }
}

bool bpe_complete_vocabulary(bpe *b, char *error, size_t error_size)
{
    if (b->token_count == 0)
        return heed__say(error, error_size, "the vocabulary is empty");
    if (!sort_tokens(b, error, error_size))
        return false;
    decode_keys(b);
    b->key_table = new_table(b->token_count, &b->key_table_size);
    if (!b->key_table || b->bytes.failed)
        return no_memory(error, error_size);
    for (size_t i = 0; i < b->token_count; i++) {
        const bpe_token *token = &b->tokens[i];
        size_t slot = key_slot(b, b->keys.bytes + token->key, token->key_size);
        if (b->key_table[slot] != 0)
            return heed__say(error, error_size, "token %s is there twice",
                             heed__quote(b->keys.bytes + token->key, token->key_size).text);
        if (token->bytes_size > BPE_MAX_TOKEN)
            return heed__say(error, error_size,
                             "token %zu has %zu bytes; at most %d are allowed", i,
                             token->bytes_size, BPE_MAX_TOKEN);
        b->key_table[slot] = (int32_t)i + 1;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        char key[4];
        size_t size = heed__utf8_encode(character_of_byte(byte), key);
        b->byte_ids[byte] = bpe_find(b, key, size);
        if (b->byte_ids[byte] < 0)
            return heed__say(error, error_size, "the token of byte 0x%02X is missing", byte);
    }
    return true;
}

/* Doubles the table of pairs when it is half full. */
static bool grow_pairs(bpe *b)
{
    if (b->pair_table && 2 * (b->merge_count + 1) <= b->pair_table_size)
        return true;
    size_t size;
    int32_t *table = new_table(2 * (b->merge_count + 1), &size);
    if (!table)
        return false;
    heed__release(NULL, b->pair_table, 0);
    b->pair_table = table;
    b->pair_table_size = size;
    for (size_t rank = 0; rank < b->merge_count; rank++) {
        const bpe_merge *merge = &b->merges[rank];
        table[pair_slot(b, merge->left, merge->right)] = (int32_t)rank + 1;
    }
    return true;
}

bool bpe_enter_merge(bpe *b, int32_t left, int32_t right, int32_t result)
{
    bpe_merge *merges =
        heed__grow(NULL, b->merges, &b->merge_capacity, b->merge_count + 1, sizeof *merges);
    if (!merges)
        return false;
    b->merges = merges;
    if (!grow_pairs(b))
        return false;
    merges[b->merge_count++] = (bpe_merge){ left, right, result };
    b->pair_table[pair_slot(b, left, right)] = (int32_t)b->merge_count;
    return true;
}

bool bpe_add_merge(bpe *b, const char *pair, size_t size, char *error, size_t error_size)
{
    const char *blank = size > 0 ? memchr(pair, ' ', size) : NULL;
    size_t left = blank ? (size_t)(blank - pair) : 0, right = blank ? size - left - 1 : 0;
    if (left == 0 || right == 0 || memchr(blank + 1, ' ', right))
        return heed__say(error, error_size, "%s is not two tokens with one blank between",
                         heed__quote(pair, size).text);
    if (left > 2 * BPE_MAX_TOKEN || right > 2 * BPE_MAX_TOKEN)
        return heed__say(error, error_size, "a token of %zu bytes",
                         left > right ? left : right);
    if (b->merge_count >= BPE_MAX_MERGES)
        return heed__say(error, error_size, "more than %d merges", BPE_MAX_MERGES);

    char joined[4 * BPE_MAX_TOKEN];
    memcpy(joined, pair, left);
    memcpy(joined + left, blank + 1, right);
    const struct {
        const char *key;
        size_t size;
    } parts[] = { { pair, left }, { blank + 1, right }, { joined, left + right } };
    int32_t ids[3];
    for (int i = 0; i < 3; i++) {
        ids[i] = bpe_find(b, parts[i].key, parts[i].size);
        if (ids[i] < 0)
            return heed__say(error, error_size, "%s is not in the vocabulary",
                             heed__quote(parts[i].key, parts[i].size).text);
    }

    if (bpe_rank(b, ids[0], ids[1]) >= 0)
        return heed__say(error, error_size, "the merge %s is there twice",
                         heed__quote(pair, size).text);
    return bpe_enter_merge(b, ids[0], ids[1], ids[2]) || no_memory(error, error_size);
}
