/* The JSON reader: a loop over an explicit stack of open arrays and objects. Knows text.h only.
 *
 * The keys of all open objects live in one stack with one hash table over it. An object that
 * closes takes its keys off again in the reverse order, which with linear probing restores the
 * table exactly as it was; so no tombstones are needed, and a million small objects cost no
 * more than their keys. */
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What may come next. From EXPECT_FIRST_VALUE on, the closing bracket may come as well. */
enum {
    EXPECT_END,
    EXPECT_VALUE,
    EXPECT_KEY,
    EXPECT_FIRST_VALUE,
    EXPECT_FIRST_KEY,
    EXPECT_COMMA
};

void heed__json_begin(heed__json *json, const void *bytes, size_t size, int depth_limit,
                      const heed_allocator *allocator)
{
    memset(json, 0, sizeof *json);
    json->input = bytes;
    json->input_size = size;
    json->depth_limit = depth_limit < HEED__JSON_MAX_DEPTH ? depth_limit : HEED__JSON_MAX_DEPTH;
    json->expected = EXPECT_VALUE;
    json->allocator = allocator;
    /* Addresses differ from run to run, so no file can be made whose keys all collide. */
    json->seed =
        0xcbf29ce484222325u ^ (uint64_t)(uintptr_t)bytes ^ (uint64_t)(uintptr_t)json << 16;
    json->string.allocator = json->names.allocator = allocator;
}

static void fail_at(heed__json *json, size_t offset, const char *sentence)
{
    if (json->event == HEED__JSON_ERROR)
        return;
    size_t line = 1;
    for (size_t i = 0; i < offset && i < json->input_size; i++)
        line += json->input[i] == '\n';
    heed__say(json->sentence, sizeof json->sentence, "at byte %zu (line %zu): %s",
              json->base + offset, line, sentence);
    json->event = HEED__JSON_ERROR;
}

static heed__json_event stop(heed__json *json, size_t offset, const char *sentence)
{
    fail_at(json, offset, sentence);
    return HEED__JSON_ERROR;
}

bool heed__json_fail(heed__json *json, const char *format, ...)
{
    char sentence[sizeof json->sentence];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    fail_at(json, json->offset, sentence);
    return false;
}

/* "expected ..., found ..." at the current place. */
static heed__json_event unexpected(heed__json *json, const char *expected)
{
    char sentence[200];
    if (json->at >= json->input_size) {
        snprintf(sentence, sizeof sentence, "expected %s, but the text ends", expected);
    } else {
        heed__quoted found = heed__quote(json->input + json->at, 1);
        snprintf(sentence, sizeof sentence, "expected %s, found %.20s", expected, found.text);
    }
    return stop(json, json->at, sentence);
}

static char peek(const heed__json *json, size_t at)
{
    return at < json->input_size ? json->input[at] : '\0';
}

static void pass_blanks(heed__json *json)
{
    char c;
    while ((c = peek(json, json->at)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        json->at++;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits behind "\u" at `at`; -1 if there is no such escape. */
static int32_t unicode_escape(const heed__json *json, size_t at)
{
    const char *s = json->input + at;
    if (json->input_size - at < 6 || s[0] != '\\' || s[1] != 'u')
        return -1;
    int32_t unit = 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(s[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Decodes the escape at json->at into json->string. */
static bool read_escape(heed__json *json)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    size_t at = json->at;
    char letter = json->input_size - at > 1 ? json->input[at + 1] : '\0';
    const char *simple = letter ? strchr(letters, letter) : NULL;
    if (simple) {
        heed__text_add(&json->string, meanings + (simple - letters), 1);
        json->at += 2;
        return true;
    }
    int32_t c = unicode_escape(json, at);
    if (c < 0) {
        stop(json, at, letter == 'u' ? "\\u needs four hexadecimal digits" : "unknown escape");
        return false;
    }
    json->at += 6;
    if (c >= 0xd800 && c <= 0xdfff) {
        int32_t low = c < 0xdc00 ? unicode_escape(json, json->at) : -1;
        if (low < 0xdc00 || low > 0xdfff) {
            stop(json, at, "a surrogate stands alone");
            return false;
        }
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        json->at += 6;
    }
    char bytes[4];
    heed__text_add(&json->string, bytes, heed__utf8_encode((uint32_t)c, bytes));
    return true;
}

/* Decodes the string whose opening quote is at json->at into json->string, and passes over it.
 */
static bool read_string(heed__json *json)
{
    const char *input = json->input;
    heed__text_clear(&json->string);
    json->at++;
    for (;;) {
        size_t start = json->at, at = start, length;
        while (at < json->input_size && input[at] != '"' && input[at] != '\\') {
            int32_t c = heed__utf8_decode(input + at, json->input_size - at, &length);
            if (c < 0x20) {
                stop(json, at,
                     c < 0 ? "not well-formed UTF-8" : "a control character must be escaped");
                return false;
            }
            at += length;
        }
        heed__text_add(&json->string, input + start, at - start);
        json->at = at;
        if (at >= json->input_size) {
            stop(json, json->offset, "the string does not end");
            return false;
        }
        if (input[at] == '"')
            break;
        if (!read_escape(json))
            return false;
    }
    json->at++;
    json->text = json->string.bytes;
    json->size = json->string.size;
    if (json->string.failed)
        stop(json, json->offset, "not enough memory");
    return !json->string.failed;
}

/* ---- keys ---- */

/* FNV-1a over depth and bytes, from a basis that differs from run to run. */
static uint64_t key_hash(const heed__json *json)
{
    uint64_t hash = json->seed ^ (uint64_t)json->depth << 32;
    for (size_t i = 0; i < json->size; i++)
        hash = (hash ^ (unsigned char)json->text[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static size_t free_slot(const heed__json *json, uint64_t hash)
{
    size_t slot = (size_t)hash & (json->table_size - 1);
    while (json->table[slot] != 0)
        slot = (slot + 1) & (json->table_size - 1);
    return slot;
}

/* Doubles the table and enters all keys again, in their order. */
static bool grow_table(heed__json *json)
{
    size_t size = json->table_size ? 2 * json->table_size : 64;
    if (size > SIZE_MAX / sizeof *json->table)
        return false;
    size_t *table = heed__allocate(json->allocator, size * sizeof *table);
    if (!table)
        return false;
    memset(table, 0, size * sizeof *table);
    heed__release(json->allocator, json->table, json->table_size * sizeof *table);
    json->table = table;
    json->table_size = size;
    for (size_t i = 0; i < json->key_count; i++) {
        json->keys[i].slot = free_slot(json, json->keys[i].hash);
        table[json->keys[i].slot] = i + 1;
    }
    return true;
}

/* Enters json->text as a key of the open object; false if it is there already. */
static bool enter_key(heed__json *json)
{
    if (json->key_count >= json->table_size / 2 && !grow_table(json)) {
        stop(json, json->offset, "not enough memory");
        return false;
    }
    uint64_t hash = key_hash(json);
    size_t slot = (size_t)hash & (json->table_size - 1);
    for (; json->table[slot] != 0; slot = (slot + 1) & (json->table_size - 1)) {
        const heed__json_key *key = &json->keys[json->table[slot] - 1];
        if (key->hash == hash && key->depth == json->depth && key->size == json->size &&
            memcmp(json->names.bytes + key->start, json->text, json->size) == 0) {
            heed__json_fail(json, "the key %s is there twice",
                            heed__quote(json->text, json->size).text);
            return false;
        }
    }
    size_t start = json->names.size;
    heed__text_add(&json->names, json->text, json->size);
    heed__json_key *keys = heed__grow(json->allocator, json->keys, &json->key_capacity,
                                      json->key_count + 1, sizeof *keys);
    if (keys)
        json->keys = keys;
    if (!keys || json->names.failed) {
        stop(json, json->offset, "not enough memory");
        return false;
    }
    keys[json->key_count++] = (heed__json_key){ hash, start, json->size, slot, json->depth };
    json->table[slot] = json->key_count;
    return true;
}

/* ---- structure ---- */

static heed__json_event open_level(heed__json *json, bool object)
{
    if (json->depth >= json->depth_limit)
        return stop(json, json->at, "nested too deeply");
    json->level[json->depth].object = object;
    json->level[json->depth].keys = json->key_count;
    json->level[json->depth].names = json->names.size;
    json->depth++;
    json->at++;
    json->expected = object ? EXPECT_FIRST_KEY : EXPECT_FIRST_VALUE;
    return object ? HEED__JSON_OBJECT : HEED__JSON_ARRAY;
}

static heed__json_event close_level(heed__json *json)
{
    json->depth--;
    while (json->key_count > json->level[json->depth].keys)
        json->table[json->keys[--json->key_count].slot] = 0;
    json->names.size = json->level[json->depth].names;
    json->at++;
    json->expected = json->depth > 0 ? EXPECT_COMMA : EXPECT_END;
    return json->level[json->depth].object ? HEED__JSON_OBJECT_END : HEED__JSON_ARRAY_END;
}

static heed__json_event read_key(heed__json *json)
{
    if (peek(json, json->at) != '"')
        return unexpected(json, "a key in quotes");
    if (!read_string(json) || !enter_key(json))
        return HEED__JSON_ERROR;
    pass_blanks(json);
    if (peek(json, json->at) != ':')
        return unexpected(json, "a colon");
    json->at++;
    json->expected = EXPECT_VALUE;
    return HEED__JSON_KEY;
}

static size_t digits(const heed__json *json, size_t at)
{
    size_t start = at;
    while (at < json->input_size && json->input[at] >= '0' && json->input[at] <= '9')
        at++;
    return at - start;
}

static heed__json_event read_number(heed__json *json)
{
    size_t at = json->at;
    if (peek(json, at) == '-')
        at++;
    size_t whole = digits(json, at);
    bool good = whole == 1 || (whole > 1 && json->input[at] != '0');
    at += whole;
    if (good && peek(json, at) == '.') {
        size_t fraction = digits(json, at + 1);
        good = fraction > 0;
        at += 1 + fraction;
    }
    if (good && (peek(json, at) == 'e' || peek(json, at) == 'E')) {
        at++;
        if (peek(json, at) == '+' || peek(json, at) == '-')
            at++;
        size_t exponent = digits(json, at);
        good = exponent > 0;
        at += exponent;
    }
    if (!good)
        return stop(json, json->at, "not a number as JSON writes them");
    heed__text_clear(&json->string);
    heed__text_add(&json->string, json->input + json->at, at - json->at);
    if (json->string.failed)
        return stop(json, json->at, "not enough memory");
    json->text = json->string.bytes;
    json->size = json->string.size;
    json->at = at;
    return HEED__JSON_NUMBER;
}

static heed__json_event read_word(heed__json *json, const char *word, heed__json_event event)
{
    size_t length = strlen(word);
    if (json->input_size - json->at < length ||
        memcmp(json->input + json->at, word, length) != 0)
        return unexpected(json, "a value");
    json->at += length;
    return event;
}

static heed__json_event read_value(heed__json *json)
{
    char c = peek(json, json->at);
    json->expected = json->depth > 0 ? EXPECT_COMMA : EXPECT_END;
    switch (c) {
    case '{':
        return open_level(json, true);
    case '[':
        return open_level(json, false);
    case '"':
        return read_string(json) ? HEED__JSON_STRING : HEED__JSON_ERROR;
    case 't':
        return read_word(json, "true", HEED__JSON_TRUE);
    case 'f':
        return read_word(json, "false", HEED__JSON_FALSE);
    case 'n':
        return read_word(json, "null", HEED__JSON_NULL);
    default:
        if (c == '-' || (c >= '0' && c <= '9'))
            return read_number(json);
        return unexpected(json, "a value");
    }
}

static heed__json_event next_event(heed__json *json)
{
    pass_blanks(json);
    bool object = json->depth > 0 && json->level[json->depth - 1].object;
    if (json->expected == EXPECT_COMMA && peek(json, json->at) == ',') {
        json->at++;
        pass_blanks(json);
        json->expected = object ? EXPECT_KEY : EXPECT_VALUE;
    }
    json->offset = json->at;
    if (json->expected == EXPECT_END)
        return json->at == json->input_size ? HEED__JSON_DONE : unexpected(json, "the end");
    if (json->expected >= EXPECT_FIRST_VALUE && peek(json, json->at) == (object ? '}' : ']'))
        return close_level(json);
    if (json->expected == EXPECT_COMMA)
        return unexpected(json, object ? "a comma or '}'" : "a comma or ']'");
    return object && json->expected != EXPECT_VALUE ? read_key(json) : read_value(json);
}

heed__json_event heed__json_next(heed__json *json)
{
    if (json->event == HEED__JSON_ERROR)
        return HEED__JSON_ERROR;
    json->text = NULL;
    json->size = 0;
    return json->event = next_event(json);
}
