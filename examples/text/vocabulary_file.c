/* The file of a vocabulary:
 *
 *     {"format":"heed vocabulary","version":1,"kind":"bpe","lower":false,
 *     "tokens":["<pad>","<sos>","<eos>","<unk>"," ","t","h"," t"],
 *     "merges":[[" ","t"]]}
 *
 * tokens in the order of their ids, merges (of bpe only) in the order of their ranks. The
 * reader takes the fields in this order and nothing else. */
#include "file.h"
#include "vocabulary_own.h"

#include <string.h>

static void put_token(heed__text *text, const vocabulary *v, int32_t id)
{
    text_span token;
    vocabulary_token(v, id, &token);
    heed__json_put_string(text, token.bytes, token.size);
}

char *vocabulary_text(const vocabulary *v)
{
    heed__text text = { 0 };
    heed__text_print(&text,
                     "{\"format\":\"heed vocabulary\",\"version\":1,\"kind\":\"%s\","
                     "\"lower\":%s,\n\"tokens\":[",
                     vocabulary_kind_name(v->kind), v->lower ? "true" : "false");
    for (int32_t id = 0; id < vocabulary_size(v); id++) {
        heed__text_add_string(&text, id ? "," : "");
        put_token(&text, v, id);
    }
    heed__text_add_string(&text, "]");
    if (v->kind == VOCABULARY_BPE) {
        heed__text_add_string(&text, ",\n\"merges\":[");
        for (size_t i = 0; i < v->merges.merge_count; i++) {
            heed__text_add_string(&text, i ? ",[" : "[");
            put_token(&text, v, v->merges.merges[i].left);
            heed__text_add_string(&text, ",");
            put_token(&text, v, v->merges.merges[i].right);
            heed__text_add_string(&text, "]");
        }
        heed__text_add_string(&text, "]");
    }
    heed__text_add_string(&text, "}\n");
    char *copy = text.failed ? NULL : malloc(text.size + 1);
    if (copy)
        memcpy(copy, text.bytes, text.size + 1);
    heed__text_free(&text);
    return copy;
}

bool vocabulary_save(const vocabulary *v, const char *path, char *error, size_t error_size)
{
    heed__writer writer;
    char *text = vocabulary_text(v);
    if (!text)
        return heed__say(error, error_size, "cannot write %s: not enough memory", path);
    heed__writer_begin(&writer, path, NULL);
    heed__writer_add(&writer, text, strlen(text));
    free(text);
    return heed__writer_commit(&writer, error, error_size);
}

/* ---- reading ---- */

/* Moves to the value of the next field, which must be `name`. */
static bool expect_field(heed__json *json, const char *name)
{
    if (heed__json_next(json) != HEED__JSON_KEY || !heed__json_is(json, name))
        return heed__json_fail(json, "expected the field '%s'", name);
    return heed__json_next(json) != HEED__JSON_ERROR;
}

static bool read_head(heed__json *json, vocabulary_kind *kind, bool *lower)
{
    int64_t version;
    if (!expect_field(json, "format"))
        return false;
    if (json->event != HEED__JSON_STRING || !heed__json_is(json, "heed vocabulary"))
        return heed__json_fail(json, "no vocabulary");
    if (!expect_field(json, "version") || !heed__json_integer(json, 1, 1, &version) ||
        !expect_field(json, "kind"))
        return false;
    *kind = VOCABULARY_WORDS;
    while (json->event != HEED__JSON_STRING ||
           !heed__json_is(json, vocabulary_kind_name(*kind))) {
        if (*kind == VOCABULARY_BPE)
            return heed__json_fail(json, "the kind is not words, characters or bpe");
        *kind = (vocabulary_kind)(*kind + 1);
    }
    if (!expect_field(json, "lower"))
        return false;
    if (json->event != HEED__JSON_TRUE && json->event != HEED__JSON_FALSE)
        return heed__json_fail(json, "expected true or false");
    *lower = json->event == HEED__JSON_TRUE;
    return true;
}

/* The token at hand becomes the one of id `id`. */
static bool read_token(vocabulary *v, heed__json *json, int64_t id)
{
    heed__quoted name = heed__quote(json->text, json->size);
    size_t length;
    if (id >= VOCABULARY_MOST)
        return heed__json_fail(json, "more than %d tokens", VOCABULARY_MOST);
    if (id < VOCABULARY_SPECIALS) {
        text_span special;
        vocabulary_token(v, (int32_t)id, &special);
        return string_set_find(&v->tokens, json->text, json->size) == id ||
               heed__json_fail(json, "expected the token %s",
                               heed__quote(special.bytes, special.size).text);
    }
    if (json->size == 0)
        return heed__json_fail(json, "a token without text");
    if (v->kind == VOCABULARY_CHARACTERS &&
        (heed__utf8_decode(json->text, json->size, &length) < 0 || length != json->size))
        return heed__json_fail(json, "%s is not one character", name.text);
    if (string_set_find(&v->tokens, json->text, json->size) >= 0)
        return heed__json_fail(json, "the token %s is there twice", name.text);
    return string_set_add(&v->tokens, json->text, json->size) >= 0 ||
           heed__json_fail(json, "not enough memory");
}

static bool read_tokens(vocabulary *v, heed__json *json)
{
    if (!expect_field(json, "tokens"))
        return false;
    if (json->event != HEED__JSON_ARRAY)
        return heed__json_fail(json, "expected a list of tokens");
    int64_t id = 0;
    while (heed__json_next(json) == HEED__JSON_STRING) {
        if (!read_token(v, json, id++))
            return false;
    }
    if (json->event != HEED__JSON_ARRAY_END)
        return heed__json_fail(json, "expected a token");
    return id >= VOCABULARY_SPECIALS ||
           heed__json_fail(json, "a vocabulary without its first %d tokens",
                           VOCABULARY_SPECIALS);
}

/* The two tokens of the merge whose list has begun, and its end. */
static bool read_merge(vocabulary *v, heed__json *json)
{
    int32_t parts[2], result;
    for (int i = 0; i < 2; i++) {
        if (heed__json_next(json) != HEED__JSON_STRING)
            return heed__json_fail(json, "expected a token");
        parts[i] = string_set_find(&v->tokens, json->text, json->size);
        if (parts[i] < VOCABULARY_SPECIALS)
            return heed__json_fail(json, "%s is no token to merge",
                                   heed__quote(json->text, json->size).text);
    }
    if (heed__json_next(json) != HEED__JSON_ARRAY_END)
        return heed__json_fail(json, "expected the end of a merge of two tokens");
    if (bpe_rank(&v->merges, parts[0], parts[1]) >= 0)
        return heed__json_fail(json, "a merge that is there twice");
    if (v->merges.merge_count >= BPE_MAX_MERGES)
        return heed__json_fail(json, "more than %d merges", BPE_MAX_MERGES);
    size_t count = v->tokens.count;
    if (!vocabulary_merge(v, parts[0], parts[1], &result))
        return heed__json_fail(json, "not enough memory");
    return v->tokens.count == count ||
           heed__json_fail(json, "a merge whose result is no token");
}

static bool read_merges(vocabulary *v, heed__json *json)
{
    if (!expect_field(json, "merges"))
        return false;
    if (json->event != HEED__JSON_ARRAY)
        return heed__json_fail(json, "expected a list of merges");
    while (heed__json_next(json) == HEED__JSON_ARRAY) {
        if (!read_merge(v, json))
            return false;
    }
    return json->event == HEED__JSON_ARRAY_END || heed__json_fail(json, "expected a merge");
}

static vocabulary *read_vocabulary(heed__json *json)
{
    vocabulary_kind kind = VOCABULARY_WORDS;
    bool lower = false;
    if (heed__json_next(json) != HEED__JSON_OBJECT) {
        heed__json_fail(json, "expected an object");
        return NULL;
    }
    if (!read_head(json, &kind, &lower))
        return NULL;
    vocabulary *v = vocabulary_begin(kind, lower);
    if (!v)
        heed__json_fail(json, "not enough memory");
    if (v && read_tokens(v, json) && (kind != VOCABULARY_BPE || read_merges(v, json)) &&
        heed__json_next(json) != HEED__JSON_OBJECT_END)
        heed__json_fail(json, "expected the end of the vocabulary");
    return v;
}

vocabulary *vocabulary_parse(const char *name, const void *text, size_t size, char *error,
                             size_t error_size)
{
    heed__json json;
    char why[400];
    heed__json_begin(&json, text, size, 3, NULL);
    vocabulary *v = read_vocabulary(&json);
    if (!heed__json_end(&json, why, sizeof why)) {
        heed__say(error, error_size, "%s: %s", name, why);
        vocabulary_free(v);
        return NULL;
    }
    return v;
}

vocabulary *vocabulary_load(const char *path, char *error, size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return NULL;
    vocabulary *v = vocabulary_parse(path, bytes, size, error, error_size);
    heed__release(NULL, bytes, size);
    return v;
}
