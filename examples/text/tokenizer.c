/* The three kinds of tokenizer and the file they are kept in. bpe's own work is done in bpe.h.
 */
#include "tokenizer.h"

#include "bpe.h"
#include "file.h"
#include "utf8.h"

#include <string.h>

typedef enum kind { KIND_CHAR, KIND_BYTES, KIND_BPE } kind;

static const char *const kind_names[] = { "char", "bytes", "bpe" };

/* A token of one character or one byte. */
typedef struct small_token {
    int32_t code_point;
    unsigned char size;
    char bytes[4];
} small_token;

struct tokenizer {
    kind kind;
    small_token *tokens; /* char, by code point; bytes */
    size_t count;
    int32_t ascii[128]; /* char: id or -1, the short way for most characters */
    bpe bpe;
};

static tokenizer *new_tokenizer(kind k, size_t count)
{
    tokenizer *tok = calloc(1, sizeof *tok);
    if (!tok)
        return NULL;
    tok->kind = k;
    tok->count = count;
    tok->tokens = calloc(count ? count : 1, sizeof *tok->tokens);
    if (!tok->tokens) {
        free(tok);
        return NULL;
    }
    return tok;
}

void tokenizer_free(tokenizer *tok)
{
    if (!tok)
        return;
    bpe_free(&tok->bpe);
    free(tok->tokens);
    free(tok);
}

tokenizer *tokenizer_bytes(void)
{
    tokenizer *tok = new_tokenizer(KIND_BYTES, 256);
    for (int i = 0; tok && i < 256; i++)
        tok->tokens[i] = (small_token){ i, 1, { (char)i } };
    return tok;
}

tokenizer *tokenizer_char(const char *text, size_t size, char *error, size_t error_size)
{
    size_t bad;
    if (size == 0) {
        heed__say(error, error_size, "an empty text has no characters to learn");
        return NULL;
    }
    if (!text_utf8_valid(text, size, &bad)) {
        heed__say(error, error_size, "the text is not UTF-8: byte 0x%02X at offset %zu",
                  (unsigned)(unsigned char)text[bad], bad);
        return NULL;
    }
    bool *seen = calloc(0x110000, sizeof *seen);
    size_t count = 0, length;
    for (size_t at = 0; seen && at < size; at += length) {
        int32_t c = heed__utf8_decode(text + at, size - at, &length);
        count += !seen[c];
        seen[c] = true;
    }
    tokenizer *tok = seen ? new_tokenizer(KIND_CHAR, count) : NULL;
    if (!tok) {
        heed__say(error, error_size, "not enough memory");
        free(seen);
        return NULL;
    }
    memset(tok->ascii, -1, sizeof tok->ascii);
    small_token *token = tok->tokens;
    for (int32_t c = 0; c < 0x110000; c++) {
        if (!seen[c])
            continue;
        if (c < 128)
            tok->ascii[c] = (int32_t)(token - tok->tokens);
        token->code_point = c;
        token->size = (unsigned char)heed__utf8_encode((uint32_t)c, token->bytes);
        token++;
    }
    free(seen);
    return tok;
}

tokenizer *tokenizer_bpe(const char *folder, char *error, size_t error_size)
{
    tokenizer *tok = new_tokenizer(KIND_BPE, 0);
    if (!tok)
        heed__say(error, error_size, "not enough memory");
    if (tok && !bpe_read_folder(&tok->bpe, folder, error, error_size)) {
        tokenizer_free(tok);
        return NULL;
    }
    return tok;
}

const char *tokenizer_kind(const tokenizer *tok)
{
    return kind_names[tok->kind];
}

int64_t tokenizer_vocabulary(const tokenizer *tok)
{
    return (int64_t)(tok->kind == KIND_BPE ? tok->bpe.token_count : tok->count);
}

int32_t tokenizer_end_of_text(const tokenizer *tok)
{
    static const char name[] = "<|endoftext|>";
    return tok->kind == KIND_BPE ? bpe_find(&tok->bpe, name, sizeof name - 1) : -1;
}

/* ---- encoding and decoding ---- */

static int32_t id_of_character(const tokenizer *tok, int32_t c)
{
    if (c < 128)
        return c >= 0 ? tok->ascii[c] : -1;
    size_t low = 0, high = tok->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (tok->tokens[middle].code_point < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tok->count && tok->tokens[low].code_point == c ? (int32_t)low : -1;
}

static bool encode_characters(const tokenizer *tok, const char *text, size_t size, int32_t *ids,
                              size_t *count, char *error, size_t error_size)
{
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        int32_t c = heed__utf8_decode(text + at, size - at, &length);
        int32_t id = id_of_character(tok, c);
        if (c < 0)
            return heed__say(error, error_size,
                             "the text is not UTF-8: byte 0x%02X at offset %zu",
                             (unsigned)(unsigned char)text[at], at);
        if (id < 0)
            return heed__say(error, error_size,
                             "the character %s (U+%04X) at byte %zu is not in the vocabulary",
                             heed__quote(text + at, length).text, (unsigned)c, at);
        ids[(*count)++] = id;
    }
    return true;
}

bool tokenizer_encode(const tokenizer *tok, const char *text, size_t size, int32_t **ids,
                      size_t *count, char *error, size_t error_size)
{
    *ids = NULL;
    *count = 0;
    if (size == 0)
        return true;
    bool good = true, memory = true;
    if (tok->kind == KIND_BPE) {
        size_t capacity = 0;
        memory = bpe_encode(&tok->bpe, text, size, ids, count, &capacity);
    } else {
        *ids = size <= SIZE_MAX / sizeof **ids ? malloc(size * sizeof **ids) : NULL;
        memory = *ids != NULL;
        if (memory && tok->kind == KIND_CHAR)
            good = encode_characters(tok, text, size, *ids, count, error, error_size);
        for (size_t i = 0; memory && tok->kind == KIND_BYTES && i < size; i++)
            (*ids)[(*count)++] = (unsigned char)text[i];
    }
    if (!memory)
        good = heed__say(error, error_size, "not enough memory");
    if (!good) {
        free(*ids);
        *ids = NULL;
        *count = 0;
    }
    return good;
}

bool tokenizer_decode_one(const tokenizer *tok, int32_t id, const char **bytes, size_t *size)
{
    if (id < 0 || id >= tokenizer_vocabulary(tok))
        return false;
    if (tok->kind == KIND_BPE) {
        *bytes = tok->bpe.bytes.bytes + tok->bpe.tokens[id].bytes;
        *size = tok->bpe.tokens[id].bytes_size;
    } else {
        *bytes = tok->tokens[id].bytes;
        *size = tok->tokens[id].size;
    }
    return true;
}

/* ---- the file ----
 *
 * {"format":"heed tokenizer","version":1,"kind":...} and then, for char, "characters": all of
 * them in one string; for bpe, "vocabulary": keys and ids, and "merges": strings of two keys,
 * in order of rank. */

static void put_bpe(heed__text *text, const bpe *b)
{
    heed__text_add_string(text, ",\n\"vocabulary\":{");
    for (size_t i = 0; i < b->token_count; i++) {
        heed__text_add_string(text, i ? "," : "");
        heed__json_put_string(text, b->keys.bytes + b->tokens[i].key, b->tokens[i].key_size);
        heed__text_print(text, ":%zu", i);
    }
    heed__text_add_string(text, "},\n\"merges\":[");
    for (size_t i = 0; i < b->merge_count; i++) {
        const bpe_token *left = &b->tokens[b->merges[i].left];
        const bpe_token *right = &b->tokens[b->merges[i].right];
        char pair[4 * BPE_MAX_TOKEN + 1];
        memcpy(pair, b->keys.bytes + left->key, left->key_size);
        pair[left->key_size] = ' ';
        memcpy(pair + left->key_size + 1, b->keys.bytes + right->key, right->key_size);
        heed__text_add_string(text, i ? "," : "");
        heed__json_put_string(text, pair, left->key_size + 1 + right->key_size);
    }
    heed__text_add_string(text, "]");
}

char *tokenizer_text(const tokenizer *tok)
{
    heed__text text = { 0 }, characters = { 0 };
    heed__text_print(&text, "{\"format\":\"heed tokenizer\",\"version\":1,\"kind\":\"%s\"",
                     tokenizer_kind(tok));
    if (tok->kind == KIND_CHAR) {
        for (size_t i = 0; i < tok->count; i++)
            heed__text_add(&characters, tok->tokens[i].bytes, tok->tokens[i].size);
        heed__text_add_string(&text, ",\n\"characters\":");
        if (!characters.failed)
            heed__json_put_string(&text, characters.bytes, characters.size);
    } else if (tok->kind == KIND_BPE) {
        put_bpe(&text, &tok->bpe);
    }
    heed__text_add_string(&text, "}\n");

    char *copy = text.failed || characters.failed ? NULL : malloc(text.size + 1);
    if (copy)
        memcpy(copy, text.bytes, text.size + 1);
    heed__text_free(&text);
    heed__text_free(&characters);
    return copy;
}

bool tokenizer_save(const tokenizer *tok, const char *path, char *error, size_t error_size)
{
    heed__writer writer;
    char *text = tokenizer_text(tok);
    if (!text)
        return heed__say(error, error_size, "cannot write %s: not enough memory", path);
    heed__writer_begin(&writer, path, NULL);
    heed__writer_add(&writer, text, strlen(text));
    free(text);
    return heed__writer_commit(&writer, error, error_size);
}

/* Makes the tokenizer of a file once its kind is known. */
static tokenizer *tokenizer_of_kind(heed__json *json)
{
    if (heed__json_is(json, "bytes"))
        return tokenizer_bytes();
    if (heed__json_is(json, "bpe"))
        return new_tokenizer(KIND_BPE, 0);
    if (!heed__json_is(json, "char"))
        heed__json_fail(json, "the kind is not char, bytes or bpe");
    return NULL; /* char: its characters make it */
}

static tokenizer *read_characters(heed__json *json)
{
    char why[200];
    if (heed__json_next(json) != HEED__JSON_STRING) {
        heed__json_fail(json, "expected a string of characters");
        return NULL;
    }
    int32_t last = -1;
    size_t length;
    for (size_t at = 0; at < json->size; at += length) {
        int32_t c = heed__utf8_decode(json->text + at, json->size - at, &length);
        if (c <= last)
            heed__json_fail(json, "the characters are not in order");
        last = c;
    }
    tokenizer *tok = tokenizer_char(json->text, json->size, why, sizeof why);
    if (!tok)
        heed__json_fail(json, "%s", why);
    return tok;
}

static void read_merges(bpe *b, heed__json *json)
{
    char why[256];
    if (heed__json_next(json) != HEED__JSON_ARRAY)
        heed__json_fail(json, "expected a list of merges");
    while (heed__json_next(json) == HEED__JSON_STRING) {
        if (!bpe_add_merge(b, json->text, json->size, why, sizeof why))
            heed__json_fail(json, "%s", why);
    }
    if (json->event != HEED__JSON_ARRAY_END)
        heed__json_fail(json, "expected a string of two tokens");
}

static tokenizer *read_tokenizer(heed__json *json)
{
    tokenizer *tok = NULL;
    bool format = false, version = false, kind_known = false, whole = false;
    int64_t number;
    if (heed__json_next(json) != HEED__JSON_OBJECT)
        heed__json_fail(json, "expected an object");
    while (heed__json_next(json) == HEED__JSON_KEY) {
        bool is_bpe = tok && tok->kind == KIND_BPE;
        if (heed__json_is(json, "format")) {
            heed__json_next(json);
            format = heed__json_is(json, "heed tokenizer");
        } else if (heed__json_is(json, "version")) {
            heed__json_next(json);
            version = heed__json_integer(json, 1, 1, &number);
        } else if (heed__json_is(json, "kind") && !tok) {
            heed__json_next(json);
            tok = tokenizer_of_kind(json);
            kind_known = true;
            whole = tok && tok->kind == KIND_BYTES;
        } else if (heed__json_is(json, "characters") && kind_known && !tok) {
            tok = read_characters(json);
            whole = true;
        } else if (heed__json_is(json, "vocabulary") && is_bpe && !tok->bpe.key_table) {
            bpe_read_vocabulary(&tok->bpe, json);
        } else if (heed__json_is(json, "merges") && is_bpe && tok->bpe.key_table) {
            read_merges(&tok->bpe, json);
            whole = true;
        } else {
            heed__json_fail(json, "unexpected field %s",
                            heed__quote(json->text, json->size).text);
        }
    }
    if (json->event == HEED__JSON_OBJECT_END && !(format && version && whole))
        heed__json_fail(json, format ? "a tokenizer that is not complete" : "no tokenizer");
    return tok;
}

tokenizer *tokenizer_parse(const char *name, const void *text, size_t size, char *error,
                           size_t error_size)
{
    heed__json json;
    char why[400];
    heed__json_begin(&json, text, size, 2, NULL);
    tokenizer *tok = read_tokenizer(&json);
    bool good = heed__json_end(&json, why, sizeof why);
    if (!good || !tok) {
        heed__say(error, error_size, "%s: %s", name, good ? "not enough memory" : why);
        tokenizer_free(tok);
        return NULL;
    }
    return tok;
}

tokenizer *tokenizer_load(const char *path, char *error, size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return NULL;
    tokenizer *tok = tokenizer_parse(path, bytes, size, error, error_size);
    heed__release(NULL, bytes, size);
    return tok;
}
