/* Encoding and decoding (vocabulary.h). */
#include "vocabulary.h"

#include "classes.h"
#include "split.h"
#include "vocabulary_own.h"

#include <string.h>

static const char *const special_names[VOCABULARY_SPECIALS] = { "<pad>", "<sos>", "<eos>",
                                                                "<unk>" };

vocabulary *vocabulary_begin(vocabulary_kind kind, bool lower)
{
    vocabulary *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->kind = kind;
    v->lower = lower;
    bpe_begin(&v->merges);
    for (size_t i = 0; i < VOCABULARY_SPECIALS; i++) {
        if (string_set_add(&v->tokens, special_names[i], strlen(special_names[i])) < 0) {
            vocabulary_free(v);
            return NULL;
        }
    }
    return v;
}

void vocabulary_free(vocabulary *v)
{
    if (!v)
        return;
    string_set_free(&v->tokens);
    bpe_free(&v->merges);
    free(v);
}

vocabulary_kind vocabulary_kind_of(const vocabulary *v)
{
    return v->kind;
}

const char *vocabulary_kind_name(vocabulary_kind kind)
{
    static const char *const names[] = { "words", "characters", "bpe" };
    return names[kind];
}

int64_t vocabulary_size(const vocabulary *v)
{
    return (int64_t)v->tokens.count;
}

bool vocabulary_token(const vocabulary *v, int32_t id, text_span *token)
{
    if (id < 0 || (size_t)id >= v->tokens.count)
        return false;
    token->bytes = string_set_get(&v->tokens, (size_t)id, &token->size);
    return true;
}

int32_t vocabulary_find(const vocabulary *v, const char *bytes, size_t size)
{
    return string_set_find(&v->tokens, bytes, size);
}

/* ---- text to pieces ---- */

bool vocabulary_plain(const vocabulary *v, const char *text, size_t size, heed__text *plain,
                      char *error, size_t error_size)
{
    heed__text_clear(plain);
    /* A character is no word, so the first one is led by no space. */
    bool space = v->kind != VOCABULARY_CHARACTERS;
    for (size_t at = 0, length; at < size; at += length) {
        int32_t c = heed__utf8_decode(text + at, size - at, &length);
        if (c < 0)
            return heed__say(error, error_size,
                             "the text is not UTF-8: byte 0x%02X at offset %zu",
                             (unsigned)(unsigned char)text[at], at);
        if (text_class_at(text, size, at, &length) == TEXT_BLANK) {
            space = space || plain->size > 0;
            continue;
        }
        char bytes[4];
        heed__text_add(plain, " ", space);
        heed__text_add(plain, bytes,
                       heed__utf8_encode((uint32_t)(v->lower ? text_lower(c) : c), bytes));
        space = false;
    }
    return !plain->failed || heed__say(error, error_size, "not enough memory");
}

size_t vocabulary_piece(const vocabulary *v, const heed__text *plain, size_t start)
{
    if (v->kind != VOCABULARY_CHARACTERS)
        return text_split(plain->bytes, plain->size, start);
    size_t length;
    heed__utf8_decode(plain->bytes + start, plain->size - start, &length);
    return start + length;
}

bool vocabulary_merge(vocabulary *v, int32_t left, int32_t right, int32_t *result)
{
    text_span parts[2];
    heed__text joined = { 0 };
    vocabulary_token(v, left, &parts[0]);
    vocabulary_token(v, right, &parts[1]);
    heed__text_add(&joined, parts[0].bytes, parts[0].size);
    heed__text_add(&joined, parts[1].bytes, parts[1].size);
    *result = joined.failed ? -1 : string_set_add(&v->tokens, joined.bytes, joined.size);
    heed__text_free(&joined);
    return *result >= 0 && bpe_enter_merge(&v->merges, left, right, *result);
}

/* ---- encoding and decoding ---- */

static bool add_token(const vocabulary *v, const char *bytes, size_t size, id_list *ids)
{
    int32_t id = string_set_find(&v->tokens, bytes, size);
    return id_list_add(ids, id < 0 ? VOCABULARY_UNK : id);
}

/* A word by its characters and what they merge to. <unk> is in no merge. */
static bool add_merged(const vocabulary *v, const char *piece, size_t size, bpe_work *work,
                       id_list *ids)
{
    size_t start = ids->count, length, left;
    for (size_t at = 0; at < size; at += length) {
        heed__utf8_decode(piece + at, size - at, &length);
        if (!add_token(v, piece + at, length, ids))
            return false;
    }
    left = ids->count - start;
    if (!bpe_merge_piece(&v->merges, work, ids->ids + start, &left))
        return false;
    ids->count = start + left;
    return true;
}

bool vocabulary_encode(const vocabulary *v, const char *text, size_t size, id_list *ids,
                       char *error, size_t error_size)
{
    heed__text plain = { 0 };
    bpe_work work = { 0 };
    bool good = vocabulary_plain(v, text, size, &plain, error, error_size), memory = true;
    for (size_t at = 0, end; good && memory && at < plain.size; at = end) {
        end = vocabulary_piece(v, &plain, at);
        if (v->kind == VOCABULARY_BPE)
            memory = add_merged(v, plain.bytes + at, end - at, &work, ids);
        else
            memory = add_token(v, plain.bytes + at, end - at, ids);
    }
    heed__text_free(&plain);
    bpe_work_free(&work);
    return memory ? good : heed__say(error, error_size, "not enough memory");
}

char *vocabulary_decode(const vocabulary *v, const int32_t *ids, size_t count, size_t *size)
{
    heed__text text = { 0 };
    for (size_t i = 0; i < count && ids[i] != VOCABULARY_EOS; i++) {
        text_span token;
        if (ids[i] == VOCABULARY_PAD || ids[i] == VOCABULARY_SOS)
            continue;
        if (ids[i] != VOCABULARY_UNK && vocabulary_token(v, ids[i], &token))
            heed__text_add(&text, token.bytes, token.size);
        else
            heed__text_add_string(&text, v->kind == VOCABULARY_WORDS ? " <unk>" : "<unk>");
    }
    size_t lead = text.size > 0 && text.bytes[0] == ' ';
    *size = text.size - lead;
    char *copy = text.failed ? NULL : malloc(*size + 1);
    if (copy && *size > 0)
        memcpy(copy, text.bytes + lead, *size);
    if (copy)
        copy[*size] = '\0';
    heed__text_free(&text);
    return copy;
}
