/* Tests of the tokenizers. The vocabulary of most bpe tests is made here; the one of GPT-2 is
 * used where the environment variable HEED_DATA names a folder with gpt2/. */
#define _POSIX_C_SOURCE 200809L

#include "json.h"
#include "scratch.h"
#include "tokenizer.h"

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
    /* One assertion for all: each costs a message to the parent process. */
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        good = tokenizer_decode_one(tok, ids[i], &bytes, &part) && at + part <= size &&
               memcmp(text + at, bytes, part) == 0;
        at += part;
    }
    ck_assert(good);
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

/* Random text of `kind` 0: anything, 1: UTF-8 of every plane, 2: what the splitting rules look
 * at. */
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

/* The keys of all bytes in the order of GPT-2, then those of some merges and one special token.
 */
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

/* What the folder has, and what is missed. */
static const struct {
    const char *vocabulary, *merges, *reason;
} bpe_halves[] = {
    { NULL, NULL, "has neither encoder.json and vocab.bpe nor vocab.json and merges.txt" },
    { "vocab.json", NULL, "merges.txt: No such file or directory" },
    { "encoder.json", NULL, "vocab.bpe: No such file or directory" },
    { NULL, "merges.txt", "vocab.json: No such file or directory" },
    { NULL, "vocab.bpe", "encoder.json: No such file or directory" },
    { "encoder.json", "merges.txt", NULL },
};

START_TEST(bpe_files_missing)
{
    heed__text json = { 0 };
    tiny_vocabulary(&json);
    if (bpe_halves[_i].vocabulary)
        put_file(bpe_halves[_i].vocabulary, json.bytes, json.size);
    if (bpe_halves[_i].merges)
        put_file(bpe_halves[_i].merges, TINY_MERGES, sizeof TINY_MERGES - 1);
    heed__text_free(&json);
    tokenizer *tok = tokenizer_bpe(folder, error, sizeof error);
    ck_assert_int_eq(tok == NULL, bpe_halves[_i].reason != NULL);
    if (bpe_halves[_i].reason)
        ck_assert_msg(strstr(error, bpe_halves[_i].reason), "%s", error);
    tokenizer_free(tok);
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

int main(void)
{
    Suite *suite = suite_create("tokenizers");
    TCase *tests = tcase_create("tokenizers");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, characters);
    tcase_add_test(tests, bytes);
    tcase_add_loop_test(tests, tokenizer_file_refused, 0, LENGTH(bad_tokenizers));
    tcase_add_test(tests, bpe_tiny);
    tcase_add_test(tests, bpe_round_trips);
    tcase_add_test(tests, bpe_repetition);
    tcase_add_loop_test(tests, bpe_refused, 0, LENGTH(bad_vocabularies));
    tcase_add_loop_test(tests, bpe_files_missing, 0, LENGTH(bpe_halves));
    tcase_add_test(tests, bpe_gpt2);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
