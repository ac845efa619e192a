/* Tests of vocabularies that are learned: words, characters, merges; and of their files. */
#define _POSIX_C_SOURCE 200809L

#include "classes.h"
#include "json.h"
#include "scratch.h"
#include "vocabulary.h"

static text_span span(const char *text)
{
    return (text_span){ text, strlen(text) };
}

static vocabulary *learn(const char *const *texts, size_t count, vocabulary_options options)
{
    text_span spans[64];
    for (size_t i = 0; i < count; i++)
        spans[i] = span(texts[i]);
    vocabulary *v = vocabulary_learn(spans, count, options, error, sizeof error);
    ck_assert_msg(v != NULL, "%s", error);
    return v;
}

/* All tokens after the first four, with '|' between. */
static const char *tokens_of(const vocabulary *v)
{
    static char text[4000];
    size_t at = 0;
    for (int32_t id = VOCABULARY_SPECIALS; id < vocabulary_size(v); id++) {
        text_span token;
        ck_assert(vocabulary_token(v, id, &token));
        ck_assert_int_eq(vocabulary_find(v, token.bytes, token.size), id);
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "%s%.*s",
                             id > VOCABULARY_SPECIALS ? "|" : "", (int)token.size, token.bytes);
    }
    return text;
}

/* The tokens of a text with '|' between. */
static const char *cut(const vocabulary *v, const char *text)
{
    static char result[4000];
    id_list ids = { 0 };
    size_t at = 0;
    result[0] = '\0';
    ck_assert_msg(vocabulary_encode(v, text, strlen(text), &ids, error, sizeof error), "%s",
                  error);
    for (size_t i = 0; i < ids.count; i++) {
        text_span token;
        ck_assert(vocabulary_token(v, ids.ids[i], &token));
        at += (size_t)snprintf(result + at, sizeof result - at, "%s%.*s", i ? "|" : "",
                               (int)token.size, token.bytes);
    }
    id_list_free(&ids);
    return result;
}

static void assert_decodes(const vocabulary *v, const int32_t *ids, size_t count,
                           const char *wanted)
{
    size_t size;
    char *text = vocabulary_decode(v, ids, count, &size);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(size, strlen(wanted));
    ck_assert_str_eq(text, wanted);
    free(text);
}

static void assert_round_trip(const vocabulary *v, const char *text, const char *wanted)
{
    id_list ids = { 0 };
    ck_assert_msg(vocabulary_encode(v, text, strlen(text), &ids, error, sizeof error), "%s",
                  error);
    assert_decodes(v, ids.ids, ids.count, wanted);
    id_list_free(&ids);
}

static uint32_t draw(uint32_t below)
{
    static uint64_t state = 0x853c49e6748fea9b;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

/* ---- learning ---- */

static const char *const little[] = {
    "The cat sat. The cat ran!",
    "\uc624\ub298\uc740  it's\t2021\ub144 3",
    " the dog ran. ",
};

START_TEST(words)
{
    vocabulary *v = learn(little, 3, (vocabulary_options){ .kind = VOCABULARY_WORDS });
    ck_assert_str_eq(tokens_of(v), " The| cat| ran|.| 2021| 3| dog| it| sat| the| "
                                   "\uc624\ub298\uc740|!|'s|\ub144");
    ck_assert_str_eq(cut(v, "the cat's  dog flew."), " the| cat|'s| dog|<unk>|.");
    assert_round_trip(v, " the cat's \n dog flew.\t", "the cat's dog <unk>.");
    ck_assert_str_eq(cut(v, "<pad> <eos>"), "<unk>|<unk>|<unk>|<unk>|<unk>|<unk>");
    ck_assert_str_eq(cut(v, ""), "");
    ck_assert_str_eq(cut(v, " \t\xc2\xa0\xe3\x80\x80"), ""); /* blanks of Unicode too */
    vocabulary_free(v);

    vocabulary_options few = { .kind = VOCABULARY_WORDS, .lower = true, .least = 2 };
    v = learn(little, 3, few);
    ck_assert_str_eq(tokens_of(v), " the| cat| ran|."); /* 3, then 2 each */
    assert_round_trip(v, "THE Cat RAN.", "the cat ran.");
    vocabulary_free(v);

    few.limit = 6;
    v = learn(little, 3, few);
    ck_assert_str_eq(tokens_of(v), " the| cat");
    ck_assert_int_eq(vocabulary_size(v), 6);
    vocabulary_free(v);
}
END_TEST

START_TEST(characters)
{
    vocabulary *v = learn((const char *const[]){ "abca b", "\uc624 a" }, 2,
                          (vocabulary_options){ .kind = VOCABULARY_CHARACTERS });
    ck_assert_str_eq(tokens_of(v), "a| |b|c|\uc624");
    ck_assert_str_eq(cut(v, " a  \uc624z"), "a| |\uc624|<unk>");
    assert_round_trip(v, "a  \uc624z", "a \uc624<unk>");
    vocabulary_free(v);
}
END_TEST

START_TEST(decoding)
{
    vocabulary *v = learn(little, 3, (vocabulary_options){ .kind = VOCABULARY_WORDS });
    assert_decodes(v, NULL, 0, "");
    assert_decodes(v, (int32_t[]){ 1, 4, 0, 5, 2, 6 }, 6, "The cat");
    assert_decodes(v, (int32_t[]){ 3, 7, -5, 9999 }, 4, "<unk>. <unk> <unk>");
    assert_decodes(v, (int32_t[]){ 2, 4 }, 2, "");
    text_span token;
    ck_assert(!vocabulary_token(v, -1, &token));
    ck_assert(!vocabulary_token(v, (int32_t)vocabulary_size(v), &token));
    ck_assert_int_eq(vocabulary_find(v, "<eos>", 5), VOCABULARY_EOS);
    ck_assert_int_eq(vocabulary_find(v, "the", 3), -1); /* it comes with its space */
    vocabulary_free(v);
}
END_TEST

/* The example of Sennrich et al.: low, lower, newest, widest; spaces lead words here where
 * there an end follows them. */
START_TEST(merges)
{
    char text[400] = "";
    const struct {
        const char *word;
        int times;
    } counted[] = { { "low ", 5 }, { "lower ", 2 }, { "newest ", 6 }, { "widest ", 3 } };
    for (int i = 0; i < LENGTH(counted); i++) {
        for (int k = 0; k < counted[i].times; k++)
            strcat(text, counted[i].word);
    }
    vocabulary_options options = { .kind = VOCABULARY_BPE, .limit = 4 + 11 + 6 };
    vocabulary *v = learn((const char *const[]){ text }, 1, options);
    /* e 17, ' ' 16, w 16, s t 9, l o 7, n 6, d i 3, r 2; then es 9, est 9,
     * (' ',l) 7, (o,w) 7, (' l',ow) 7 and (e,w) 6: of equal ones the smaller ids. */
    ck_assert_str_eq(tokens_of(v), "e| |w|s|t|l|o|n|d|i|r|es|est| l|ow| low|ew");
    ck_assert_str_eq(cut(v, "lowest low, slow"), " low|est| low|<unk>| |s|l|ow");
    assert_round_trip(v, "lowest  slow", "lowest slow");
    vocabulary_free(v);

    options.limit = 0; /* until no pair comes twice */
    v = learn((const char *const[]){ text }, 1, options);
    ck_assert_str_eq(cut(v, "low lower newest widest"), " low| lower| newest| widest");
    vocabulary_free(v);

    options.limit = 8; /* not even all characters */
    v = learn((const char *const[]){ text }, 1, options);
    ck_assert_str_eq(tokens_of(v), "e| |w|s");
    vocabulary_free(v);
}
END_TEST

/* ---- merges learned the slow way ---- */

#define NAIVE_WORDS 60
#define NAIVE_SIZE  40

typedef struct naive {
    char symbols[NAIVE_WORDS][NAIVE_SIZE][NAIVE_SIZE];
    int32_t ids[NAIVE_WORDS][NAIVE_SIZE];
    int size[NAIVE_WORDS], words;
} naive;

/* The most frequent pair, counted from nothing; of equals the one with smaller ids. */
static int naive_best(const naive *n, int32_t *left, int32_t *right)
{
    int most = 0;
    for (int w = 0; w < n->words; w++) {
        for (int at = 0; at + 1 < n->size[w]; at++) {
            int32_t a = n->ids[w][at], b = n->ids[w][at + 1];
            int count = 0;
            for (int u = 0; u < n->words; u++) {
                for (int i = 0; i + 1 < n->size[u]; i++)
                    count += n->ids[u][i] == a && n->ids[u][i + 1] == b;
            }
            bool smaller = a != *left ? a < *left : b < *right;
            if (count > most || (count == most && smaller)) {
                most = count;
                *left = a;
                *right = b;
            }
        }
    }
    return most;
}

START_TEST(merges_as_counted_anew)
{
    static naive n;
    static char text[NAIVE_WORDS * NAIVE_SIZE + 1];
    memset(&n, 0, sizeof n);
    for (int i = 0; i < 1000 * _i; i++)
        draw(2); /* other words each time */
    text[0] = '\0';
    n.words = NAIVE_WORDS;
    for (int w = 0; w < n.words; w++) {
        int letters = 1 + (int)draw(9);
        strcpy(n.symbols[w][0], " ");
        n.size[w] = 1 + letters;
        for (int i = 1; i <= letters; i++)
            n.symbols[w][i][0] = (char)('a' + draw(3));
        for (int i = 0; i <= letters; i++)
            strcat(text, n.symbols[w][i]);
    }
    vocabulary_options options = { .kind = VOCABULARY_BPE, .limit = 4 + 4 + 60 };
    vocabulary *v = learn((const char *const[]){ text }, 1, options);

    int32_t next = 8, left = 0, right = 0;
    for (int w = 0; w < n.words; w++) {
        for (int i = 0; i < n.size[w]; i++)
            n.ids[w][i] = vocabulary_find(v, n.symbols[w][i], 1);
    }
    while (next < 4 + 4 + 60 && naive_best(&n, &left, &right) >= 2) {
        text_span a, b;
        char joined[2 * NAIVE_SIZE];
        ck_assert(vocabulary_token(v, left, &a) && vocabulary_token(v, right, &b));
        int size = snprintf(joined, sizeof joined, "%.*s%.*s", (int)a.size, a.bytes,
                            (int)b.size, b.bytes);
        int32_t id = vocabulary_find(v, joined, (size_t)size);
        ck_assert_msg(id >= 4 && id <= next, "'%s' is not token %d", joined, (int)next);
        next += id == next;
        for (int w = 0; w < n.words; w++) {
            int count = 0;
            for (int at = 0; at < n.size[w]; at++) {
                bool both =
                    at + 1 < n.size[w] && n.ids[w][at] == left && n.ids[w][at + 1] == right;
                n.ids[w][count++] = both ? id : n.ids[w][at];
                at += both;
            }
            n.size[w] = count;
        }
    }
    ck_assert_int_eq(vocabulary_size(v), next);
    assert_round_trip(v, text, text + 1);
    vocabulary_free(v);
}
END_TEST

/* ---- any text ---- */

START_TEST(round_trips)
{
    static const char *const pieces[] = { " ",      "a",      "B",          "it's", "12",
                                          "\u00e9", ".",      "?!",         "\t",   "\u00a0",
                                          "\ud55c", "\u6f22", "\U0001f600", "\x1c" };
    static char text[64][400];
    text_span spans[64];
    for (int i = 0; i < 64; i++) {
        size_t size = 0;
        for (uint32_t k = draw(60); k > 0; k--) {
            const char *piece = pieces[draw(LENGTH(pieces))];
            memcpy(text[i] + size, piece, strlen(piece));
            size += strlen(piece);
        }
        text[i][size] = '\0';
        spans[i] = span(text[i]);
    }
    vocabulary_options options = { .kind = (vocabulary_kind)_i, .limit = _i == 2 ? 80 : 0 };
    vocabulary *v = vocabulary_learn(spans, 64, options, error, sizeof error);
    vocabulary *again = vocabulary_learn(spans, 64, options, error, sizeof error);
    char *file = vocabulary_text(v), *same = vocabulary_text(again);
    ck_assert_str_eq(file, same);
    vocabulary_free(again);
    again = vocabulary_parse("file", file, strlen(file), error, sizeof error);
    ck_assert_msg(again != NULL, "%s", error);

    for (int i = 0; i < 64; i++) {
        /* Blanks made plain: one space between what is none. */
        char plain[400];
        size_t size = 0, length;
        bool space = false;
        for (size_t at = 0; at < spans[i].size; at += length) {
            if (text_class_at(text[i], spans[i].size, at, &length) == TEXT_BLANK) {
                space = size > 0;
                continue;
            }
            if (space)
                plain[size++] = ' ';
            space = false;
            memcpy(plain + size, text[i] + at, length);
            size += length;
        }
        plain[size] = '\0';
        assert_round_trip(v, text[i], plain);
        assert_round_trip(again, text[i], plain);
        id_list a = { 0 }, b = { 0 };
        ck_assert(vocabulary_encode(v, text[i], spans[i].size, &a, error, sizeof error));
        ck_assert(vocabulary_encode(again, text[i], spans[i].size, &b, error, sizeof error));
        ck_assert_uint_eq(a.count, b.count);
        ck_assert(a.count == 0 || memcmp(a.ids, b.ids, a.count * sizeof *a.ids) == 0);
        id_list_free(&a);
        id_list_free(&b);
    }
    free(file);
    free(same);
    vocabulary_free(again);
    vocabulary_free(v);
}
END_TEST

START_TEST(long_words)
{
    static char text[200001];
    memset(text, 'a', sizeof text - 1);
    vocabulary *v = learn((const char *const[]){ text, "aaaa aaaa" }, 2,
                          (vocabulary_options){ .kind = VOCABULARY_BPE });
    ck_assert_str_eq(tokens_of(v), "a| |aa| aa| aaaa");
    assert_round_trip(v, text, text);
    vocabulary_free(v);
}
END_TEST

START_TEST(lower_case)
{
    static const int32_t cases[][2] = {
        { 'A', 'a' },           { 'Z', 'z' },       { '[', '[' },       { 'a', 'a' },
        { 0xc9, 0xe9 },         { 0xd7, 0xd7 },     { 0x100, 0x101 },   { 0x101, 0x101 },
        { 0x130, 'i' },         { 0x3a3, 0x3c3 },   { 0x414, 0x434 },   { 0x1e9e, 0xdf },
        { 0x2126, 0x3c9 },      { 0xd55c, 0xd55c }, { 0xff21, 0xff41 }, { 0x10400, 0x10428 },
        { 0x10ffff, 0x10ffff },
    };
    for (int i = 0; i < LENGTH(cases); i++)
        ck_assert_int_eq(text_lower(cases[i][0]), cases[i][1]);
    int capitals = 0;
    for (int32_t c = 0; c < 0x110000; c++)
        capitals += text_lower(c) != c;
    ck_assert_int_eq(capitals, 1433); /* those of Unicode 14 */
}
END_TEST

START_TEST(texts_refused)
{
    text_span bad[] = { span("fine"), { "a\xff", 2 } };
    ck_assert_ptr_null(vocabulary_learn(bad, 2, (vocabulary_options){ .kind = VOCABULARY_BPE },
                                        error, sizeof error));
    ck_assert_str_eq(error, "text 2 of 2: the text is not UTF-8: byte 0xFF at offset 1");
    ck_assert_ptr_null(
        vocabulary_learn(bad, 1, (vocabulary_options){ .limit = 4 }, error, sizeof error));
    ck_assert_str_eq(error, "a vocabulary of 4 tokens that occur 0 times: 5 to 1000000 tokens "
                            "are allowed, and 0 times or more");
    vocabulary *v = learn(NULL, 0, (vocabulary_options){ .kind = VOCABULARY_WORDS });
    ck_assert_int_eq(vocabulary_size(v), VOCABULARY_SPECIALS);
    id_list ids = { 0 };
    ck_assert(!vocabulary_encode(v, "\xed\xa0\x80", 3, &ids, error, sizeof error));
    ck_assert_str_eq(error, "the text is not UTF-8: byte 0xED at offset 0");
    id_list_free(&ids);
    vocabulary_free(v);
}
END_TEST

/* ---- files ---- */

#define HEAD    "{\"format\":\"heed vocabulary\",\"version\":1,\"kind\":"
#define SPECIAL "\"<pad>\",\"<sos>\",\"<eos>\",\"<unk>\""
#define BPE     HEAD "\"bpe\",\"lower\":false,\"tokens\":[" SPECIAL ",\"a\",\"b\",\"ab\"]"

static const struct {
    const char *file, *reason;
} bad_files[] = {
    { "", "expected a value" },
    { "[]", "expected an object" },
    { "{}", "expected the field 'format'" },
    { "{\"format\":\"heed tokenizer\"}", "no vocabulary" },
    { "{\"format\":7}", "no vocabulary" },
    { "{\"version\":1}", "expected the field 'format'" },
    { "{\"format\":\"heed vocabulary\",\"version\":2}",
      "'2' is not a whole number from 1 to 1" },
    { HEAD "\"syllables\"}", "the kind is not words, characters or bpe" },
    { HEAD "\"bpe\",\"lower\":1}", "expected true or false" },
    { HEAD "\"bpe\",\"lower\":true}", "expected the field 'tokens'" },
    { HEAD "\"bpe\",\"lower\":true,\"tokens\":{}}", "expected a list of tokens" },
    { HEAD "\"words\",\"lower\":true,\"tokens\":[]}", "without its first 4 tokens" },
    { HEAD "\"words\",\"lower\":true,\"tokens\":[\"<sos>\"]}", "expected the token '<pad>'" },
    { HEAD "\"words\",\"lower\":true,\"tokens\":[" SPECIAL ",1]}", "expected a token" },
    { HEAD "\"words\",\"lower\":true,\"tokens\":[" SPECIAL ",\"\"]}", "without text" },
    { HEAD "\"words\",\"lower\":true,\"tokens\":[" SPECIAL ",\"<pad>\"]}",
      "the token '<pad>' is there twice" },
    { HEAD "\"words\",\"lower\":true,\"tokens\":[" SPECIAL ",\"a\",\"a\"]}",
      "the token 'a' is there twice" },
    { HEAD "\"words\",\"lower\":true,\"tokens\":[" SPECIAL "],\"merges\":[]}",
      "expected the end of the vocabulary" },
    { HEAD "\"characters\",\"lower\":true,\"tokens\":[" SPECIAL ",\"ab\"]}",
      "'ab' is not one character" },
    { HEAD "\"characters\",\"lower\":true,\"tokens\":[" SPECIAL "]} x", "" },
    { HEAD "\"characters\",\"lower\":true,\"tokens\":[" SPECIAL, "" },
    { HEAD "\"words\",\"lower\":true,\"tokens\":[" SPECIAL ",\"\xff\"]}", "" },
    { BPE "}", "expected the field 'merges'" },
    { BPE ",\"merges\":{}}", "expected a list of merges" },
    { BPE ",\"merges\":[\"a b\"]}", "expected a merge" },
    { BPE ",\"merges\":[[\"a\"]]}", "expected a token" },
    { BPE ",\"merges\":[[\"a\",\"b\",\"a\"]]}", "expected the end of a merge of two tokens" },
    { BPE ",\"merges\":[[\"a\",\"c\"]]}", "'c' is no token to merge" },
    { BPE ",\"merges\":[[\"a\",\"<unk>\"]]}", "'<unk>' is no token to merge" },
    { BPE ",\"merges\":[[\"b\",\"a\"]]}", "a merge whose result is no token" },
    { BPE ",\"merges\":[[\"a\",\"b\"],[\"a\",\"b\"]]}", "a merge that is there twice" },
    { BPE ",\"merges\":[],\"more\":1}", "expected the end of the vocabulary" },
    { BPE ",\"merges\":[[[[[[", "" },
};

START_TEST(file_refused)
{
    const char *file = bad_files[_i].file;
    ck_assert_ptr_null(vocabulary_parse("bad.json", file, strlen(file), error, sizeof error));
    ck_assert_msg(strstr(error, bad_files[_i].reason) && strstr(error, "bad.json: ") == error,
                  "%s", error);
}
END_TEST

START_TEST(files)
{
    vocabulary *v =
        vocabulary_parse("", BPE ",\"merges\":[[\"a\",\"b\"]]}",
                         strlen(BPE ",\"merges\":[[\"a\",\"b\"]]}"), error, sizeof error);
    ck_assert_msg(v != NULL, "%s", error);
    ck_assert_str_eq(cut(v, "abbab"), "<unk>|ab|b|ab"); /* its space is no token */
    ck_assert(vocabulary_save(v, in_folder("v.json"), error, sizeof error));
    vocabulary *again = vocabulary_load(in_folder("v.json"), error, sizeof error);
    ck_assert_msg(again != NULL, "%s", error);
    ck_assert_int_eq(vocabulary_kind_of(again), VOCABULARY_BPE);
    ck_assert_str_eq(tokens_of(again), "a|b|ab");
    char *file = vocabulary_text(v), *same = vocabulary_text(again);
    ck_assert_str_eq(file, same);

    /* Any byte of a file changed, or the rest missing: refused, or a vocabulary all the same.
     */
    size_t size = strlen(file);
    for (int i = 0; i < 3000; i++) {
        char *copy = strdup(file);
        copy[draw((uint32_t)size)] = (char)draw(256);
        vocabulary_free(
            vocabulary_parse("x", copy, draw(2) ? size : draw((uint32_t)size), NULL, 0));
        free(copy);
    }
    free(file);
    free(same);
    vocabulary_free(again);
    vocabulary_free(v);
    ck_assert_ptr_null(vocabulary_load(in_folder("none.json"), error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "none.json: No such file"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vocabulary");
    TCase *tests = tcase_create("vocabulary");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, words);
    tcase_add_test(tests, characters);
    tcase_add_test(tests, decoding);
    tcase_add_test(tests, merges);
    tcase_add_loop_test(tests, merges_as_counted_anew, 0, 5);
    tcase_add_loop_test(tests, round_trips, 0, 3);
    tcase_add_test(tests, long_words);
    tcase_add_test(tests, lower_case);
    tcase_add_test(tests, texts_refused);
    tcase_add_loop_test(tests, file_refused, 0, LENGTH(bad_files));
    tcase_add_test(tests, files);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
