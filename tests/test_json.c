/* Tests of the JSON reader and writer: what the events are, and everything that is refused. */
#define _POSIX_C_SOURCE 200809L

#include "json.h"
#include "scratch.h"

/* Reads all of it; what the events were, one letter each, into `events`. */
static bool read_json(const char *text, size_t size, int depth, char *events)
{
    heed__json json;
    heed__json_begin(&json, text, size, depth, NULL);
    while (heed__json_next(&json) < HEED__JSON_DONE) {
        if (events)
            *events++ = "0ft1s[]{k}"[json.event];
    }
    if (events)
        *events = '\0';
    return heed__json_end(&json, error, sizeof error);
}

START_TEST(json_events)
{
    char events[100];
    const char *text =
        " {\"a\":[1,-2.5e+3,{},[]], \"b\":{\"a\":null}\t,\"\":true,\"c\":\"\"}\r\n";
    ck_assert_msg(read_json(text, strlen(text), 4, events), "%s", error);
    ck_assert_str_eq(events, "{k[11{}[]]k{k0}ktks}");
    ck_assert(read_json("false", 5, 0, events));
    ck_assert_str_eq(events, "f");
}
END_TEST

START_TEST(json_strings)
{
    static const char text[] =
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00E9\\u20ac\\uD83D\\ude00\u00e9\x7f\"";
    static const char meant[] = "\"\\/\b\f\n\r\t\0\u00e9\u20ac\U0001f600\u00e9\x7f";
    heed__json json;
    heed__json_begin(&json, text, sizeof text - 1, 0, NULL);
    ck_assert_int_eq(heed__json_next(&json), HEED__JSON_STRING);
    ck_assert_uint_eq(json.size, sizeof meant - 1);
    ck_assert(memcmp(json.text, meant, sizeof meant) == 0);

    heed__text written = { 0 };
    heed__json_put_string(&written, json.text, json.size);
    ck_assert_str_eq(written.bytes,
                     "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\u00e9\u20ac\U0001f600\u00e9\x7f\"");
    heed__text_free(&written);
    ck_assert(heed__json_end(&json, error, sizeof error));
}
END_TEST

static const struct {
    const char *text, *reason;
} json_refusals[] = {
    { "", "at byte 0 (line 1): expected a value, but the text ends" },
    { " \n ", "at byte 3 (line 2)" },
    { "nul", "expected a value" },
    { "True", "expected a value, found 'T'" },
    { "\xef\xbb\xbf{}", "expected a value, found '\\xEF'" },
    { "1 2", "expected the end, found '2'" },
    { "{} {}", "expected the end" },
    { "[1]]", "expected the end" },
    { "[1,]", "expected a value" },
    { "[,1]", "expected a value" },
    { "[1 2]", "expected a comma or ']'" },
    { "[1}", "expected a comma or ']'" },
    { "[", "but the text ends" },
    { "[1", "but the text ends" },
    { "[1,", "but the text ends" },
    { "{", "expected a key in quotes, but the text ends" },
    { "{\"a\"", "expected a colon, but the text ends" },
    { "{\"a\":", "but the text ends" },
    { "{\"a\":1", "expected a comma or '}'" },
    { "{\"a\":1,}", "expected a key" },
    { "{,}", "expected a key" },
    { "{a:1}", "expected a key" },
    { "{'a':1}", "expected a key" },
    { "{1:1}", "expected a key" },
    { "{\"a\" 1}", "expected a colon" },
    { "{\"a\":1 \"b\":2}", "expected a comma or '}'" },
    { "{\"a\":1]", "expected a comma or '}'" },
    { "{\"a\":1,\"a\":2}", "at byte 7 (line 1): the key 'a' is there twice" },
    { "{\"a\":1,\"\\u0061\":2}", "the key 'a' is there twice" },
    { "[{\"\":{\"\":1},\"\":2}]", "the key '' is there twice" },
    { "01", "not a number" },
    { "-", "not a number" },
    { "+1", "expected a value" },
    { ".5", "expected a value" },
    { "1.", "not a number" },
    { "1.e3", "not a number" },
    { "1e", "not a number" },
    { "1e+", "not a number" },
    { "0x10", "expected the end" },
    { "NaN", "expected a value" },
    { "-Infinity", "not a number" },
    { "\"a", "the string does not end" },
    { "\"a\\", "unknown escape" },
    { "\"\\x41\"", "unknown escape" },
    { "\"\\u12\"", "four hexadecimal digits" },
    { "\"\\u12G4\"", "four hexadecimal digits" },
    { "\"\\ud800\"", "a surrogate stands alone" },
    { "\"\\ud800\\n\"", "a surrogate stands alone" },
    { "\"\\ud800\\ud800\"", "a surrogate stands alone" },
    { "\"\\udc00\"", "a surrogate stands alone" },
    { "\"\t\"", "a control character must be escaped" },
    { "\"\xff\"", "not well-formed UTF-8" },
    { "\"\xed\xa0\x80\"", "not well-formed UTF-8" },
    { "\"\xc3\"", "not well-formed UTF-8" },
    { "// c\n1", "expected a value" },
    { "[[[[[1]]]]]", "nested too deeply" },
    { "{\"a\":[{\"b\":[{}]}]}", "nested too deeply" },
};

START_TEST(json_refusal)
{
    const char *text = json_refusals[_i].text;
    ck_assert(!read_json(text, strlen(text), 4, NULL));
    ck_assert_msg(strstr(error, json_refusals[_i].reason), "%s: %s", text, error);
}
END_TEST

START_TEST(json_bombs)
{
    size_t size = 200000;
    char *text = malloc(size);
    memset(text, '[', size);
    ck_assert(!read_json(text, size, HEED__JSON_MAX_DEPTH, NULL));
    ck_assert_ptr_nonnull(strstr(error, "nested too deeply"));
    text[0] = '\0';
    ck_assert(!read_json(text, 1, 4, NULL));
    free(text);

    /* Many keys, and many objects with the same keys, take time in proportion. */
    heed__text many = { 0 };
    heed__text_add_string(&many, "{");
    for (int i = 0; i < 200000; i++)
        heed__text_print(&many, "%s\"k%d\":{\"a\":0,\"b\":{\"a\":1}}", i ? "," : "", i);
    heed__text_add_string(&many, "}");
    ck_assert_msg(read_json(many.bytes, many.size, 4, NULL), "%s", error);
    many.size--;
    heed__text_add_string(&many, ",\"k77777\":1}");
    ck_assert(!read_json(many.bytes, many.size, 4, NULL));
    ck_assert_ptr_nonnull(strstr(error, "the key 'k77777' is there twice"));
    heed__text_free(&many);
}
END_TEST

static bool json_integer(const char *text, int64_t least, int64_t most, int64_t *value)
{
    heed__json json;
    heed__json_begin(&json, text, strlen(text), 1, NULL);
    heed__json_next(&json);
    bool good = heed__json_integer(&json, least, most, value);
    return heed__json_end(&json, error, sizeof error) && good;
}

static bool json_double(const char *text, double *value)
{
    heed__json json;
    heed__json_begin(&json, text, strlen(text), 1, NULL);
    heed__json_next(&json);
    bool good = heed__json_double(&json, value);
    return heed__json_end(&json, error, sizeof error) && good;
}

START_TEST(json_numbers)
{
    int64_t n;
    double x;
    ck_assert(json_integer("9223372036854775807", 0, INT64_MAX, &n) && n == INT64_MAX);
    ck_assert(json_integer("-9223372036854775808", INT64_MIN, 0, &n) && n == INT64_MIN);
    ck_assert(!json_integer("9223372036854775808", 0, INT64_MAX, &n));
    ck_assert(!json_integer("-0", 0, 9, &n));
    ck_assert(!json_integer("1.0", 0, 9, &n));
    ck_assert(!json_integer("1e0", 0, 9, &n));
    ck_assert(!json_integer("10", 0, 9, &n));
    ck_assert_ptr_nonnull(strstr(error, "'10' is not a whole number from 0 to 9"));
    ck_assert(!json_integer("\"1\"", 0, 9, &n));

    const double values[] = {
        0, 1, -1, 0.1, 1e-5, 3e-4, 1.0 / 3, 1e300, 5e-324, 1e15, 123456789
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        heed__text text = { 0 };
        heed__json_put_double(&text, values[i]);
        ck_assert(json_double(text.bytes, &x) && x == values[i]);
        heed__text_free(&text);
    }
    ck_assert(!json_double("1e999", &x));
    ck_assert(!json_double("true", &x));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tests = tcase_create("json");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, json_events);
    tcase_add_test(tests, json_strings);
    tcase_add_loop_test(tests, json_refusal, 0, LENGTH(json_refusals));
    tcase_add_test(tests, json_bombs);
    tcase_add_test(tests, json_numbers);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
