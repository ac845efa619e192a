/* Tests of the programs' text rooms: tokenizers and options. The vocabulary of most bpe tests is made
 * here; the one of GPT-2 is used where the environment variable HEED_DATA names a folder with gpt2/. */
#define _POSIX_C_SOURCE 200809L

#include "bpe.h"
#include "options.h"
#include "split.h"
#include "tokenizer.h"
#include "utf8.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char folder[64], error[600];

static void make_folder(void)
{
    strcpy(folder, "/tmp/heed-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static const char *in_folder(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void remove_folder(void)
{
    static const char *const names[] = { "encoder.json", "vocab.bpe", "vocab.json",
                                         "merges.txt", "tokenizer.json" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        remove(in_folder(names[i]));
    rmdir(folder);
}

static void put_file(const char *name, const char *bytes, size_t size)
{
    FILE *f = fopen(in_folder(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static void assert_ids(const tokenizer *tok, const char *text, size_t size,
                       const int32_t *wanted, size_t wanted_count)
{
    int32_t *ids;
    size_t count;
    ck_assert_msg(tokenizer_encode(tok, text, size, &ids, &count, error, sizeof error), "%s",
                  error);
    ck_assert_uint_eq(count, wanted_count);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(ids[i], wanted[i]);
    free(ids);
}

static void assert_round_trip(const tokenizer *tok, const char *text, size_t size)
{
    int32_t *ids;
    size_t count, at = 0, part;
    const char *bytes;
    ck_assert_msg(tokenizer_encode(tok, text, size, &ids, &count, error, sizeof error), "%s",
                  error);
    for (size_t i = 0; i < count; i++) {
        ck_assert(tokenizer_decode_one(tok, ids[i], &bytes, &part));
        ck_assert(at + part <= size && memcmp(text + at, bytes, part) == 0);
        at += part;
    }
    ck_assert_uint_eq(at, size);
    free(ids);
}

/* A small generator of its own: the tests must not depend on the host's rand. */
static uint32_t draw(uint32_t below)
{
    static uint64_t state = 0x853c49e6748fea9b;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

/* Random text of `kind` 0: anything, 1: UTF-8 of every plane, 2: what the splitting rules look at. */
static size_t random_text(char *text, size_t most, int kind)
{
    static const char *const telling[] = {
        " ",      "  ",     "\n",         "\t",   "'s",   "'ll",     "'S",     "'",
        "a",      "the",    "1",          "42",   ".",    "\u00e9",  "\u00a0", "\u3000",
        "\u00b2", "\u6f22", "\U0001f600", "\x1c", "\xff", "\xe2\x82"
    };
    size_t size = 0, wanted = draw((uint32_t)most - 8);
    while (size < wanted) {
        if (kind == 0) {
            text[size++] = (char)draw(256);
        } else if (kind == 1) {
            uint32_t c = draw(2) ? draw(0x800) : draw(0x110000);
            if (c < 0xd800 || c > 0xdfff)
                size += heed__utf8_encode(c, text + size);
        } else {
            const char *piece = telling[draw(sizeof telling / sizeof *telling)];
            memcpy(text + size, piece, strlen(piece));
            size += strlen(piece);
        }
    }
    return size;
}

/* ---- UTF-8 for showing ---- */

static const struct {
    const char *bytes;
    size_t complete;
} endings[] = {
    { "", 0 },          { "abc", 3 },        { "a\u00e9", 3 },  { "a\xc3", 1 },
    { "\xe2", 0 },      { "\xe2\x82", 0 },   { "\u20ac", 3 },   { "a\xf0\x9f\x98", 1 },
    { "a\xf0\x9f", 1 }, { "\U0001f600", 4 }, { "a\xff", 2 },    /* no character begins so */
    { "a\xc0", 2 },     { "\x80\x80", 2 },   { "\xe0\x80", 2 }, /* overlong whatever follows */
    { "\xe0\xa0", 0 },  { "\xed\xa0", 2 }, /* a surrogate whatever follows */
    { "\xed\x9f", 0 },  { "\xf4\x90", 2 }, /* above 10FFFF */
    { "\xf4\x8f", 0 },  { "\xf0\x8f", 2 },   { "\xf0\x90", 0 }, { "\xe2\x82\xe2", 2 },
    { "\xc3\xc3", 1 },
};

START_TEST(utf8_complete)
{
    const char *bytes = endings[_i].bytes;
    ck_assert_uint_eq(text_utf8_complete(bytes, strlen(bytes)), endings[_i].complete);
}
END_TEST

/* ---- splitting ---- */

static const struct {
    const char *text, *pieces; /* with '|' at the cuts */
} splits[] = {
    { "Hello world", "Hello| world" },
    { "it's we'll they're I'd I'm I've don't",
      "it|'s| we|'ll| they|'re| I|'d| I|'m| I|'ve| don|'t" },
    { "IT'S", "IT|'|S" },
    { "'sure", "'s|ure" },
    { " 's", " '|s" },
    { "a1b22.?", "a|1|b|22|.?" },
    { " 12 !? x", " 12| !?| x" },
    { "a  b", "a| | b" },
    { "a   b", "a|  | b" },
    { "a\nb", "a|\n|b" },
    { "a\n\nb", "a|\n|\n|b" },
    { "a\n b", "a|\n| b" },
    { "a \n", "a| \n" },
    { "   ", "   " },
    { " ", " " },
    { "\t\tx", "\t|\t|x" },
    { "\u00e9t\u00e9 \u00d1and\u00fa", "\u00e9t\u00e9| \u00d1and\u00fa" },
    { "x\u00b2\u2167", "x|\u00b2\u2167" },
    { "e\u0301", "e|\u0301" }, /* a combining mark is no letter */
    { "\u6f22\u5b57\u3002", "\u6f22\u5b57|\u3002" },
    { "\u3000\u3000a", "\u3000|\u3000|a" },
    { "\u00a0a", "\u00a0|a" },
    { "a\x1cz", "a|\x1c|z" }, /* no White_Space, though some engines say so */
    { "a\xff\xc3z", "a|\xff\xc3|z" },
    { "\xe2\x82 a", "\xe2\x82| a" },
};

START_TEST(split)
{
    const char *text = splits[_i].text;
    char pieces[200];
    size_t size = strlen(text), written = 0;
    for (size_t at = 0, end; at < size; at = end) {
        end = text_split(text, size, at);
        ck_assert(end > at && end <= size);
        if (at > 0)
            pieces[written++] = '|';
        memcpy(pieces + written, text + at, end - at);
        written += end - at;
    }
    pieces[written] = '\0';
    ck_assert_str_eq(pieces, splits[_i].pieces);
}
END_TEST

/* ---- char and bytes ---- */

START_TEST(characters)
{
    static const char text[] = "b\u00e9a\U0001f600a\n\0";
    tokenizer *tok = tokenizer_char(text, sizeof text - 1, error, sizeof error);
    ck_assert_msg(tok != NULL, "%s", error);
    ck_assert_str_eq(tokenizer_kind(tok), "char");
    ck_assert_int_eq(tokenizer_vocabulary(tok), 6);
    ck_assert_int_eq(tokenizer_end_of_text(tok), -1);
    assert_ids(tok, text, sizeof text - 1, (int32_t[]){ 3, 4, 2, 5, 2, 1, 0 }, 7);
    assert_ids(tok, "", 0, NULL, 0);
    assert_round_trip(tok, text, sizeof text - 1);

    int32_t *ids;
    size_t count;
    ck_assert(!tokenizer_encode(tok, "ab\u00fc", 4, &ids, &count, error, sizeof error));
    ck_assert_str_eq(error,
                     "the character '\u00fc' (U+00FC) at byte 2 is not in the vocabulary");
    ck_assert_ptr_null(ids);
    ck_assert(!tokenizer_encode(tok, "abc", 3, &ids, &count, error, sizeof error));
    ck_assert_str_eq(error, "the character 'c' (U+0063) at byte 2 is not in the vocabulary");
    ck_assert(!tokenizer_encode(tok, "ab\xff", 3, &ids, &count, error, sizeof error));
    ck_assert_str_eq(error, "the text is not UTF-8: byte 0xFF at offset 2");
    const char *bytes;
    size_t size;
    ck_assert(!tokenizer_decode_one(tok, -1, &bytes, &size));
    ck_assert(!tokenizer_decode_one(tok, 6, &bytes, &size));

    ck_assert(tokenizer_save(tok, in_folder("tokenizer.json"), error, sizeof error));
    tokenizer *again = tokenizer_load(in_folder("tokenizer.json"), error, sizeof error);
    ck_assert_msg(again != NULL, "%s", error);
    ck_assert_int_eq(tokenizer_vocabulary(again), 6);
    assert_ids(again, text, sizeof text - 1, (int32_t[]){ 3, 4, 2, 5, 2, 1, 0 }, 7);
    tokenizer_free(again);
    tokenizer_free(tok);

    ck_assert_ptr_null(tokenizer_char("", 0, error, sizeof error));
    ck_assert_ptr_null(tokenizer_char("a\xc3", 2, error, sizeof error));
    ck_assert_str_eq(error, "the text is not UTF-8: byte 0xC3 at offset 1");
}
END_TEST

START_TEST(bytes)
{
    char text[300];
    tokenizer *tok = tokenizer_bytes();
    ck_assert_int_eq(tokenizer_vocabulary(tok), 256);
    assert_ids(tok, "a\xff\0", 3, (int32_t[]){ 97, 255, 0 }, 3);
    for (int i = 0; i < 100; i++)
        assert_round_trip(tok, text, random_text(text, sizeof text, 0));
    ck_assert(tokenizer_save(tok, in_folder("tokenizer.json"), error, sizeof error));
    tokenizer_free(tok);
    tok = tokenizer_load(in_folder("tokenizer.json"), error, sizeof error);
    ck_assert_msg(tok != NULL, "%s", error);
    ck_assert_str_eq(tokenizer_kind(tok), "bytes");
    tokenizer_free(tok);
}
END_TEST

static const struct {
    const char *file, *reason;
} bad_tokenizers[] = {
    { "", "expected a value" },
    { "[]", "expected an object" },
    { "{}", "no tokenizer" },
    { "{\"format\":\"other\",\"version\":1,\"kind\":\"bytes\"}", "no tokenizer" },
    { "{\"format\":\"heed tokenizer\",\"version\":2,\"kind\":\"bytes\"}",
      "'2' is not a whole number" },
    { "{\"format\":\"heed tokenizer\",\"version\":1}", "not complete" },
    { "{\"format\":\"heed tokenizer\",\"version\":1,\"kind\":\"words\"}",
      "not char, bytes or bpe" },
    { "{\"format\":\"heed tokenizer\",\"version\":1,\"kind\":7}", "not char, bytes or bpe" },
    { "{\"format\":\"heed tokenizer\",\"version\":1,\"kind\":\"char\"}", "not complete" },
    { "{\"format\":\"heed tokenizer\",\"version\":1,\"kind\":\"char\",\"characters\":\"\"}",
      "empty" },
    { "{\"format\":\"heed tokenizer\",\"version\":1,\"kind\":\"char\",\"characters\":\"ba\"}",
      "order" },
    { "{\"format\":\"heed tokenizer\",\"version\":1,\"kind\":\"char\",\"characters\":\"aa\"}",
      "order" },
    { "{\"format\":\"heed tokenizer\",\"version\":1,\"kind\":\"char\",\"characters\":1}",
      "a string" },
    { "{\"characters\":\"ab\"}", "unexpected field 'characters'" },
    { "{\"format\":\"heed tokenizer\",\"version\":1,\"kind\":\"bytes\",\"characters\":\"a\"}",
      "unexpected field" },
    { "{\"kind\":\"bpe\",\"merges\":[]}", "unexpected field 'merges'" },
    { "{\"kind\":\"bpe\",\"vocabulary\":{}}", "the vocabulary is empty" },
    { "{\"kind\":\"bpe\",\"vocabulary\":{\"a\":0}}", "the token of byte 0x00 is missing" },
    { "{\"kind\":\"bpe\",\"vocabulary\":[]}", "expected an object of tokens" },
};

START_TEST(tokenizer_file_refused)
{
    put_file("tokenizer.json", bad_tokenizers[_i].file, strlen(bad_tokenizers[_i].file));
    ck_assert_ptr_null(tokenizer_load(in_folder("tokenizer.json"), error, sizeof error));
    ck_assert_msg(strstr(error, bad_tokenizers[_i].reason), "%s", error);
    ck_assert_ptr_nonnull(strstr(error, "tokenizer.json: "));
}
END_TEST

/* ---- bpe ---- */

/* The keys of all bytes in the order of GPT-2, then those of some merges and one special token. */
static void tiny_vocabulary(heed__text *json)
{
    static const char *const more[] = { "ab", "abc", "aa", "aaaa", "\u0120a", "<|endoftext|>" };
    int id = 0, other = 256;
    heed__text_add_string(json, "{");
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
        char key[4];
        size_t size = heed__utf8_encode(printable ? byte : (uint32_t)other++, key);
        heed__text_add_string(json, id ? ", " : "");
        heed__json_put_string(json, key, size);
        heed__text_print(json, ": %d", id++);
    }
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        heed__text_print(json, ", \"%s\": %d", more[i], id++);
    heed__text_add_string(json, "}");
}

#define TINY_MERGES "#version: 0.2\na b\nab c\na a\naa aa\n\u0120 a\n"

static tokenizer *tiny(void)
{
    heed__text json = { 0 };
    tiny_vocabulary(&json);
    put_file("vocab.json", json.bytes, json.size);
    put_file("merges.txt", TINY_MERGES, sizeof TINY_MERGES - 1);
    heed__text_free(&json);
    tokenizer *tok = tokenizer_bpe(folder, error, sizeof error);
    ck_assert_msg(tok != NULL, "%s", error);
    return tok;
}

START_TEST(bpe_tiny)
{
    tokenizer *tok = tiny();
    ck_assert_int_eq(tokenizer_vocabulary(tok), 262);
    ck_assert_int_eq(tokenizer_end_of_text(tok), 261);
    for (int i = 0; i < 2; i++) {
        assert_ids(tok, "abc", 3, (int32_t[]){ 257 }, 1);
        assert_ids(tok, "aab", 3, (int32_t[]){ 'a', 256 }, 2);
        assert_ids(tok, "aaa", 3, (int32_t[]){ 258, 'a' }, 2);
        assert_ids(tok, "aaaaaaa", 7, (int32_t[]){ 259, 258, 'a' }, 3);
        assert_ids(tok, "c ab a", 6, (int32_t[]){ 'c', ' ', 256, 260 }, 4);
        assert_ids(tok, "\xff", 1, (int32_t[]){ 255 }, 1);
        assert_ids(tok, "", 0, NULL, 0);
        int32_t special[] = { '<', '|', 'e', 'n', 'd', 'o', 'f', 't', 'e', 'x', 't', '|', '>' };
        assert_ids(tok, "<|endoftext|>", 13, special, 13);

        /* The same from its own file. */
        ck_assert(tokenizer_save(tok, in_folder("tokenizer.json"), error, sizeof error));
        tokenizer_free(tok);
        tok = tokenizer_load(in_folder("tokenizer.json"), error, sizeof error);
        ck_assert_msg(tok != NULL, "%s", error);
    }
    const char *token;
    size_t size;
    ck_assert(tokenizer_decode_one(tok, 261, &token, &size));
    ck_assert(size == 13 && memcmp(token, "<|endoftext|>", 13) == 0);
    ck_assert(!tokenizer_decode_one(tok, 262, &token, &size));
    tokenizer_free(tok);
}
END_TEST

START_TEST(bpe_round_trips)
{
    char text[400];
    tokenizer *tok = tiny();
    for (int i = 0; i < 3000; i++)
        assert_round_trip(tok, text, random_text(text, sizeof text, i % 3));
    tokenizer_free(tok);
}
END_TEST

START_TEST(bpe_repetition)
{
    size_t size = 1000000;
    char *text = malloc(size);
    tokenizer *tok = tiny();
    for (const char *c = "a .1"; *c; c++) {
        memset(text, *c, size);
        assert_round_trip(tok, text, size);
    }
    tokenizer_free(tok);
    free(text);
}
END_TEST

static const struct {
    const char *from, *to; /* in the vocabulary; NULL: as it is */
    const char *merges, *reason;
} bad_vocabularies[] = {
    { "\"a\": ", "\"ax\": ", TINY_MERGES, "the token of byte 0x61 is missing" },
    { "\"ab\": 256", "\"ab\": 255", TINY_MERGES, "which another has too" },
    { "\"ab\": 256", "\"ab\": 262", TINY_MERGES, "has the id 262, but there are 262" },
    { "\"ab\": 256", "\"ab\": -1", TINY_MERGES, "'-1' is not a whole number" },
    { "\"ab\": 256", "\"ab\": 1e3", TINY_MERGES, "is not a whole number" },
    { "\"ab\": 256", "\"ab\": \"256\"", TINY_MERGES, "expected a whole number" },
    { "\"ab\": 256", "\"ab\": 256, \"ab\": 262", TINY_MERGES, "is there twice" },
    { "\"ab\": 256", "\"\": 256", TINY_MERGES, "a token of 0 bytes" },
    { "\"ab\": 256", "\"ab\": {}", TINY_MERGES, "nested too deeply" },
    { "\"ab\": 256", "\"xy\": 256", TINY_MERGES,
      "merges.txt: line 2: 'ab' is not in the vocabulary" },
    { NULL, NULL, "a b\na b\n", "line 2: the merge 'a b' is there twice" },
    { NULL, NULL, "a b\n\u00ff\u0fff b\n", "line 2: " },
    { NULL, NULL, "a\n", "line 1: 'a' is not two tokens" },
    { NULL, NULL, "a b c\n", "line 1: 'a b c' is not two tokens" },
    { NULL, NULL, " ab\n", "is not two tokens" },
    { NULL, NULL, "ab \n", "is not two tokens" },
    { NULL, NULL, "a b\n\na a\n", "line 2: '' is not two tokens" },
    { NULL, NULL, "b a\n", "'ba' is not in the vocabulary" },
};

START_TEST(bpe_refused)
{
    heed__text json = { 0 }, changed = { 0 };
    tiny_vocabulary(&json);
    const char *from = bad_vocabularies[_i].from;
    const char *at = from ? strstr(json.bytes, from) : json.bytes + json.size;
    ck_assert_ptr_nonnull(at);
    heed__text_add(&changed, json.bytes, (size_t)(at - json.bytes));
    if (from) {
        heed__text_add_string(&changed, bad_vocabularies[_i].to);
        heed__text_add_string(&changed, at + strlen(from));
    }
    put_file("vocab.json", changed.bytes, changed.size);
    put_file("merges.txt", bad_vocabularies[_i].merges, strlen(bad_vocabularies[_i].merges));
    ck_assert_ptr_null(tokenizer_bpe(folder, error, sizeof error));
    ck_assert_msg(strstr(error, bad_vocabularies[_i].reason), "%s", error);
    heed__text_free(&json);
    heed__text_free(&changed);
}
END_TEST

START_TEST(bpe_files_missing)
{
    ck_assert_ptr_null(tokenizer_bpe(folder, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "encoder.json: No such file or directory"));
}
END_TEST

static size_t count_ids(const tokenizer *tok, const char *text, size_t size)
{
    int32_t *ids;
    size_t count;
    ck_assert(tokenizer_encode(tok, text, size, &ids, &count, error, sizeof error));
    free(ids);
    return count;
}

START_TEST(bpe_gpt2)
{
    const char *data = getenv("HEED_DATA");
    char path[1000];
    snprintf(path, sizeof path, "%s/gpt2", data ? data : "");
    if (!data || access(path, F_OK) != 0) {
        fprintf(stderr, "bpe_gpt2: skipped, HEED_DATA names no folder with gpt2/\n");
        return;
    }
    tokenizer *tok = tokenizer_bpe(path, error, sizeof error);
    ck_assert_msg(tok != NULL, "%s", error);
    ck_assert_int_eq(tokenizer_vocabulary(tok), 50257);
    ck_assert_int_eq(tokenizer_end_of_text(tok), 50256);
    assert_ids(tok, "hello world", 11, (int32_t[]){ 31373, 995 }, 2);
    assert_ids(tok, "0000000000000000", 16, (int32_t[]){ 25645 }, 1);
    assert_ids(tok, "00000000000000000", 17, (int32_t[]){ 8269, 10535, 830 }, 3);
    char text[400];
    for (int i = 0; i < 3000; i++)
        assert_round_trip(tok, text, random_text(text, sizeof text, i % 3));

    snprintf(path, sizeof path, "%s/tinyshakespeare.txt", data);
    FILE *f = fopen(path, "rb");
    if (f) {
        char *play = malloc(2000000);
        size_t size = fread(play, 1, 2000000, f), cut = (size_t)(0.9 * (double)size);
        fclose(f);
        ck_assert_uint_eq(count_ids(tok, play, cut), 301966);
        ck_assert_uint_eq(count_ids(tok, play + cut, size - cut), 36059);
        free(play);
    }
    tokenizer_free(tok);
}
END_TEST

/* ---- options ---- */

typedef struct settings {
    int64_t layers, seed;
    double rate, dropout;
    bool quiet, warm;
    int device;
    const char *data;
} settings;

/* A table over s, which gets its defaults. */
static size_t make_table(settings *s, option table[12])
{
    *s = (settings){ .layers = 4, .seed = -1, .rate = 3e-4, .warm = true };
    const option options[] = {
        { "Model", OPTION_HEADING },
        { "layers", OPTION_INTEGER, &s->layers, "transformer blocks", .least = 1, .most = 200 },
        { "dropout", OPTION_REAL, &s->dropout, "share left out", .high = 1, .below = true },
        { "Run", OPTION_HEADING },
        { "seed", OPTION_INTEGER, &s->seed, "of all random draws" },
        { "learning-rate", OPTION_REAL, &s->rate, "step", .high = INFINITY, .above = true },
        { "quiet", OPTION_FLAG, &s->quiet, "say less" },
        { "warm", OPTION_FLAG, &s->warm, "start slowly" },
        { "device", OPTION_CHOICE, &s->device, "where", .choices = "auto|plain|none" },
        { "data", OPTION_STRING, &s->data, "text to learn", .argument = "PATH" },
    };
    memcpy(table, options, sizeof options);
    return sizeof options / sizeof *options;
}

/* Splits a line at blanks and parses it. */
static options_result parse(settings *s, option table[12], const char *line)
{
    static char copy[400];
    char *arguments[20];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        arguments[count++] = word;
    size_t size = make_table(s, table);
    return options_parse("gpt train", table, size, count, arguments, error, sizeof error);
}

START_TEST(options_right)
{
    settings s;
    option table[12];
    ck_assert_int_eq(parse(&s, table, ""), OPTIONS_GOOD);
    ck_assert(s.layers == 4 && s.warm && !s.quiet && !s.data);
    ck_assert_int_eq(
        parse(&s, table,
              "--layers 7 --seed=-9223372036854775808 --dropout .5 --learning-rate=1e-3 "
              "--quiet --no-warm --device none --data=a=b --layers 8"),
        OPTIONS_GOOD);
    ck_assert(s.layers == 8 && s.seed == INT64_MIN && s.dropout == 0.5 && s.rate == 1e-3);
    ck_assert(s.quiet && !s.warm && s.device == 2);
    ck_assert_str_eq(s.data, "a=b");
    ck_assert(options_given(table, 10, "layers") && options_given(table, 10, "warm"));
    ck_assert_int_eq(parse(&s, table, "--data x"), OPTIONS_GOOD);
    ck_assert(options_given(table, 10, "data") && !options_given(table, 10, "layers"));
    ck_assert_int_eq(parse(&s, table, "--layers 9 --help --nonsense"), OPTIONS_HELP);
    ck_assert_int_eq(s.layers, 4);
    ck_assert_int_eq(parse(&s, table, "-h"), OPTIONS_HELP);
}
END_TEST

static const struct {
    const char *line, *sentence;
} wrong_lines[] = {
    { "--layrs 3", "gpt train: unknown option --layrs; did you mean --layers?" },
    { "--layesr=3", "gpt train: unknown option --layesr; did you mean --layers?" },
    { "--lay 3", "gpt train: unknown option --lay; did you mean --layers?" },
    { "--learning_rate 3",
      "gpt train: unknown option --learning_rate; did you mean --learning-rate?" },
    { "--elephant", "gpt train: unknown option --elephant" },
    { "--Model", "gpt train: unknown option --Model" },
    { "--", "gpt train: unexpected argument '--'" },
    { "x", "gpt train: unexpected argument 'x'" },
    { "-l 3", "gpt train: unexpected argument '-l'" },
    { "--layers", "gpt train: --layers needs a value" },
    { "--layers --quiet", "gpt train: --layers needs a value" },
    { "--layers=", "gpt train: --layers: '' is not a whole number" },
    { "--layers 3x", "gpt train: --layers: '3x' is not a whole number" },
    { "--layers 3.0", "gpt train: --layers: '3.0' is not a whole number" },
    { "--layers 0", "gpt train: --layers must be from 1 to 200, not 0" },
    { "--layers 201", "gpt train: --layers must be from 1 to 200, not 201" },
    { "--layers 99999999999999999999",
      "gpt train: --layers must be from 1 to 200, not 99999999999999999999" },
    { "--seed 9223372036854775808", "gpt train: --seed must be from -9223372036854775808 to "
                                    "9223372036854775807, not 9223372036854775808" },
    { "--dropout 1", "gpt train: --dropout must be below 1, not 1" },
    { "--dropout -0.1", "gpt train: --dropout must be at least 0, not -0.1" },
    { "--dropout nan", "gpt train: --dropout: 'nan' is not a number" },
    { "--dropout 1e999", "gpt train: --dropout: '1e999' is not a number" },
    { "--dropout 0.1x", "gpt train: --dropout: '0.1x' is not a number" },
    { "--dropout=", "gpt train: --dropout: '' is not a number" },
    { "--learning-rate 0", "gpt train: --learning-rate must be above 0, not 0" },
    { "--quiet=1", "gpt train: --quiet takes no value" },
    { "--device auto|plain",
      "gpt train: --device must be one of auto|plain|none, not 'auto|plain'" },
    { "--device plai", "gpt train: --device must be one of auto|plain|none, not 'plai'" },
    { "--device=", "gpt train: --device must be one of auto|plain|none, not ''" },
};

START_TEST(options_wrong)
{
    settings s;
    option table[12];
    char line[400];
    snprintf(line, sizeof line, "--seed 5 %s", wrong_lines[_i].line);
    ck_assert_int_eq(parse(&s, table, line), OPTIONS_BAD);
    ck_assert_str_eq(error, wrong_lines[_i].sentence);
    ck_assert_int_eq(s.seed, -1);
}
END_TEST

START_TEST(options_help_text)
{
    settings s;
    option table[12];
    char text[3000];
    size_t size = make_table(&s, table);
    FILE *f = tmpfile();
    ck_assert_ptr_nonnull(f);
    options_help(f, "gpt train", "Trains a model.", table, size);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    ck_assert_str_eq(text, "Usage: gpt train [options]\n"
                           "Trains a model.\n"
                           "\nModel\n"
                           "  --layers N                transformer blocks (default 4)\n"
                           "  --dropout X               share left out (default 0)\n"
                           "\nRun\n"
                           "  --seed N                  of all random draws (default -1)\n"
                           "  --learning-rate X         step (default 0.0003)\n"
                           "  --quiet                   say less (default off)\n"
                           "  --no-warm                 start slowly (default on)\n"
                           "  --device auto|plain|none  where (default auto)\n"
                           "  --data PATH               text to learn\n"
                           "\nOther\n"
                           "  --help                    this text\n");
}
END_TEST

#define LENGTH(table) ((int)(sizeof(table) / sizeof *(table)))

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *plain = tcase_create("splitting and options");
    tcase_add_loop_test(plain, utf8_complete, 0, LENGTH(endings));
    tcase_add_loop_test(plain, split, 0, LENGTH(splits));
    tcase_add_test(plain, options_right);
    tcase_add_loop_test(plain, options_wrong, 0, LENGTH(wrong_lines));
    tcase_add_test(plain, options_help_text);
    suite_add_tcase(suite, plain);

    TCase *disk = tcase_create("tokenizers");
    tcase_add_checked_fixture(disk, make_folder, remove_folder);
    tcase_set_timeout(disk, 60);
    tcase_add_test(disk, characters);
    tcase_add_test(disk, bytes);
    tcase_add_loop_test(disk, tokenizer_file_refused, 0, LENGTH(bad_tokenizers));
    tcase_add_test(disk, bpe_tiny);
    tcase_add_test(disk, bpe_round_trips);
    tcase_add_test(disk, bpe_repetition);
    tcase_add_loop_test(disk, bpe_refused, 0, LENGTH(bad_vocabularies));
    tcase_add_test(disk, bpe_files_missing);
    tcase_add_test(disk, bpe_gpt2);
    suite_add_tcase(suite, disk);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
