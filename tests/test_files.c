/* Tests of the rooms below every format: memory, text, file, JSON, safetensors. Hostile input is made
 * here, in memory; nothing is read but what a test has written. */
#define _POSIX_C_SOURCE 200809L

#include "file.h"
#include "json.h"
#include "safetensors.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], error[600];

static void make_folder(void)
{
    strcpy(folder, "/tmp/heed-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static const char *in_folder(const char *name)
{
    static char path[8][400];
    static int next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static int count_files(void)
{
    int count = 0;
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

static void remove_folder(void)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.')
            remove(in_folder(e->d_name));
    }
    if (d)
        closedir(d);
    rmdir(folder);
}

static bool write_file(const char *path, const void *bytes, size_t size)
{
    heed__writer w;
    heed__writer_begin(&w, path, NULL);
    heed__writer_add(&w, bytes, size);
    return heed__writer_commit(&w, error, sizeof error);
}

static void assert_file(const char *path, const void *bytes, size_t size)
{
    unsigned char *data;
    size_t got;
    ck_assert_msg(heed__file_read(path, NULL, &data, &got, error, sizeof error), "%s", error);
    ck_assert_uint_eq(got, size);
    ck_assert(memcmp(data, bytes, size) == 0);
    heed__release(NULL, data, got);
}

/* An allocator that counts what is alive and fails from the n-th request on. */
typedef struct tally {
    size_t live;
    long requests, fail_from; /* 0: never */
} tally;

static void *tally_allocate(void *context, size_t bytes)
{
    tally *t = context;
    if (++t->requests >= t->fail_from && t->fail_from > 0)
        return NULL;
    t->live += bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void tally_release(void *context, void *memory, size_t bytes)
{
    tally *t = context;
    t->live -= bytes;
    free(memory);
}

/* ---- memory and text ---- */

START_TEST(sizes_are_checked)
{
    size_t n = 7;
    ck_assert(heed__mul_size(SIZE_MAX / 2, 2, &n) && n == SIZE_MAX - 1);
    ck_assert(!heed__mul_size(SIZE_MAX / 2 + 1, 2, &n) && n == SIZE_MAX - 1);
    ck_assert(heed__mul_size(SIZE_MAX, 0, &n) && n == 0);
    ck_assert(heed__add_size(SIZE_MAX, 0, &n) && n == SIZE_MAX);
    ck_assert(!heed__add_size(SIZE_MAX, 1, &n));
    ck_assert_ptr_null(heed__allocate(NULL, SIZE_MAX));
    void *p = heed__allocate(NULL, 0);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    heed__release(NULL, p, 0);
}
END_TEST

START_TEST(sentences_are_cut_whole)
{
    char small[6];
    ck_assert(!heed__say(small, sizeof small, "abcd\u00e9"));
    ck_assert_str_eq(small, "abcd");
    ck_assert(!heed__say(small, sizeof small, "abc\u00e9x"));
    ck_assert_str_eq(small, "abc\u00e9");
    heed__say(NULL, 0, "nowhere");
    ck_assert_str_eq(heed__quote("a\x1b[31m\x80\u00e9", 9).text, "'a\\x1B[31m\\x80\u00e9'");
    char longest[300];
    memset(longest, 1, sizeof longest);
    ck_assert_uint_lt(strlen(heed__quote(longest, sizeof longest).text), 280);
}
END_TEST

static const struct {
    const char *bytes;
    int bad; /* -1: well-formed */
} utf8_cases[] = {
    { "plain", -1 },
    { "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", -1 },
    { "a\x80", 1 },
    { "\xc0\x80", 0 },
    { "\xc1\xbf", 0 },
    { "\xe0\x9f\xbf", 0 },
    { "\xf0\x8f\xbf\xbf", 0 },
    { "ab\xed\xa0\x80", 2 },
    { "\xed\xbf\xbf", 0 },
    { "\xf4\x90\x80\x80", 0 },
    { "\xf5\x80\x80\x80", 0 },
    { "\xff", 0 },
    { "x\xc3", 1 },
    { "x\xe2\x82", 1 },
    { "x\xf0\x9f\x98", 1 },
    { "\xc3x", 0 },
};

START_TEST(utf8)
{
    size_t bad = 99;
    const char *bytes = utf8_cases[_i].bytes;
    bool valid = heed__utf8_valid(bytes, strlen(bytes), &bad);
    ck_assert_int_eq(valid, utf8_cases[_i].bad < 0);
    if (!valid)
        ck_assert_int_eq((int)bad, utf8_cases[_i].bad);
}
END_TEST

START_TEST(utf8_every_code_point)
{
    for (int32_t c = 0; c < 0x110000; c++) {
        char bytes[4];
        size_t length, size = heed__utf8_encode((uint32_t)c, bytes);
        bool surrogate = c >= 0xd800 && c < 0xe000;
        ck_assert_int_eq(heed__utf8_decode(bytes, size, &length), surrogate ? -1 : c);
        ck_assert_uint_eq(length, surrogate ? 1 : size);
    }
}
END_TEST

/* ---- files ---- */

START_TEST(file_is_replaced)
{
    const char *path = in_folder("a");
    ck_assert(write_file(path, "old", 3));
    assert_file(path, "old", 3);
    ck_assert(write_file(path, "newer", 5));
    assert_file(path, "newer", 5);
    ck_assert(write_file(path, "", 0));
    assert_file(path, "", 0);
    ck_assert_int_eq(count_files(), 1);
}
END_TEST

START_TEST(file_refusals)
{
    unsigned char *data;
    size_t size;
    ck_assert(!heed__file_read(in_folder("none"), NULL, &data, &size, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "none: No such file or directory"));
    ck_assert(!heed__file_read(folder, NULL, &data, &size, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "it is a folder"));
    ck_assert_int_eq(mkfifo(in_folder("pipe"), 0600), 0);
    ck_assert(!heed__file_read(in_folder("pipe"), NULL, &data, &size, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "not a regular file"));
    ck_assert(!write_file(in_folder("none/b"), "x", 1));
    ck_assert_ptr_nonnull(strstr(error, "No such file or directory"));
    ck_assert(!write_file(folder, "x", 1));
    ck_assert_ptr_nonnull(strstr(error, "directory"));
    ck_assert_int_eq(count_files(), 1);
}
END_TEST

START_TEST(file_abandoned_and_stale)
{
    const char *path = in_folder("a");
    char stale[500];
    snprintf(stale, sizeof stale, "%s.tmp.%ld", path, (long)getpid());
    ck_assert(write_file(path, "old", 3));
    int left = open(stale, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(left, 0);
    ck_assert_int_eq((int)write(left, "rubbish", 7), 7);
    close(left);

    heed__writer w;
    ck_assert(heed__writer_begin(&w, path, NULL));
    ck_assert(heed__writer_add(&w, "half", 4));
    heed__writer_abandon(&w);
    assert_file(path, "old", 3);
    ck_assert_int_eq(count_files(), 1);
}
END_TEST

START_TEST(disk_full_keeps_the_old_file)
{
    static char much[100000];
    const char *path = in_folder("a");
    ck_assert(write_file(path, "old", 3));
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = { 50000, 50000 };
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert(!write_file(path, much, sizeof much));
    ck_assert_ptr_nonnull(strstr(error, "cannot write"));
    ck_assert_ptr_nonnull(strstr(error, strerror(EFBIG)));
    assert_file(path, "old", 3);
    ck_assert_int_eq(count_files(), 1);

    heed__safetensors_entry entry = { "x", HEED__SAFETENSORS_U8, 1, { sizeof much }, much, 0 };
    ck_assert(!heed__safetensors_write(path, &entry, 1, NULL, 0, NULL, error, sizeof error));
    assert_file(path, "old", 3);
    ck_assert_int_eq(count_files(), 1);
}
END_TEST

/* ---- JSON ---- */

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

/* ---- safetensors ---- */

/* What Python's safetensors 0.8.0 wrote for the six tensors below, with the metadata format = np. */
static const char python_file[] =
    "\x88\x01\x00\x00\x00\x00\x00\x00{\"__metadata__\":{\"format\":\"np\"},\"a\":{\""
    "dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},\"b.weight\":{\"dtype\""
    ":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40]},\"empty\":{\"dtype\":\"F32\""
    ",\"shape\":[0,4],\"data_offsets\":[40,40]},\"\xc3\xa9\\\"\\n\\\\\\u0001\":{\"d"
    "type\":\"F32\",\"shape\":[],\"data_offsets\":[40,44]},\"h\":{\"dtype\":\"F16\""
    ",\"shape\":[2],\"data_offsets\":[44,48]},\"flag\":{\"dtype\":\"BOOL\",\"shape\""
    ":[3],\"data_offsets\":[48,51]}}\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"
    "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00?\x00\x00\x80?\x00\x00\xc0?\x00\x00"
    "\x00@\x00\x00 @\x00\x00\xc0?\x00<\x00\xc0\x01\x00\x01";

static const struct {
    int64_t a[2];
    float b[6], scalar;
    uint16_t h[2]; /* the halves 1 and -2 */
    uint8_t flag[3];
} numbers = { { -1, (int64_t)1 << 40 },
              { 0, 0.5f, 1, 1.5f, 2, 2.5f },
              1.5f,
              { 0x3c00, 0xc000 },
              { 1, 0, 1 } };

static const heed__safetensors_entry six_tensors[] = {
    { "flag", HEED__SAFETENSORS_BOOL, 1, { 3 }, numbers.flag, 0 },
    { "b.weight", HEED__SAFETENSORS_F32, 2, { 2, 3 }, numbers.b, 0 },
    { "\u00e9\"\n\\\x01", HEED__SAFETENSORS_F32, 0, { 0 }, &numbers.scalar, 0 },
    { "a", HEED__SAFETENSORS_I64, 1, { 2 }, numbers.a, 0 },
    { "empty", HEED__SAFETENSORS_F32, 2, { 0, 4 }, NULL, 0 },
    { "h", HEED__SAFETENSORS_F16, 1, { 2 }, numbers.h, 0 },
};
static const heed__safetensors_pair np_metadata[] = { { "format", "np" } };

static bool parse(const void *bytes, size_t size, heed__safetensors *file)
{
    return heed__safetensors_parse("F", bytes, size, NULL, file, error, sizeof error);
}

START_TEST(safetensors_as_python_writes)
{
    const char *path = in_folder("six.safetensors");
    ck_assert_msg(heed__safetensors_write(path, six_tensors, 6, np_metadata, 1, NULL, error,
                                          sizeof error),
                  "%s", error);
    assert_file(path, python_file, sizeof python_file - 1);
    ck_assert_int_eq(count_files(), 1);
}
END_TEST

START_TEST(safetensors_round_trip)
{
    const char *path = in_folder("six.safetensors");
    tally t = { 0 };
    heed_allocator counting = { tally_allocate, tally_release, &t };
    ck_assert(heed__safetensors_write(path, six_tensors, 6, np_metadata, 1, &counting, error,
                                      sizeof error));
    ck_assert_uint_eq(t.live, 0);
    heed__safetensors file;
    ck_assert_msg(heed__safetensors_open(path, &counting, &file, error, sizeof error), "%s",
                  error);
    ck_assert_uint_eq(file.count, 6);
    ck_assert_str_eq(heed__safetensors_metadata(&file, "format"), "np");
    ck_assert_ptr_null(heed__safetensors_metadata(&file, "other"));
    ck_assert_ptr_null(heed__safetensors_find(&file, "other"));
    ck_assert_str_eq(file.entries[0].name, "a");
    ck_assert_str_eq(file.entries[5].name, "flag");
    for (int i = 0; i < 6; i++) {
        const heed__safetensors_entry *wanted = &six_tensors[i];
        const heed__safetensors_entry *got = heed__safetensors_find(&file, wanted->name);
        ck_assert_ptr_nonnull(got);
        ck_assert_int_eq(got->dtype, wanted->dtype);
        ck_assert_int_eq(got->ndim, wanted->ndim);
        ck_assert(memcmp(got->shape, wanted->shape, sizeof got->shape) == 0);
        ck_assert(got->bytes == 0 || memcmp(got->data, wanted->data, got->bytes) == 0);
    }
    heed__safetensors_close(&file);
    ck_assert_uint_eq(t.live, 0);

    ck_assert(heed__safetensors_write(path, NULL, 0, NULL, 0, NULL, error, sizeof error));
    assert_file(path, "\x08\0\0\0\0\0\0\0{}      ", 16);
    ck_assert(heed__safetensors_open(path, NULL, &file, error, sizeof error));
    ck_assert_uint_eq(file.count, 0);
    ck_assert_ptr_null(heed__safetensors_find(&file, "a"));
    heed__safetensors_close(&file);
}
END_TEST

START_TEST(safetensors_every_dtype)
{
    static const uint8_t zeros[64];
    heed__safetensors_entry entries[HEED__SAFETENSORS_DTYPES];
    for (int i = 0; i < HEED__SAFETENSORS_DTYPES; i++)
        entries[i] =
            (heed__safetensors_entry){ heed__safetensors_dtype_name((heed__safetensors_dtype)i),
                                       (heed__safetensors_dtype)i,
                                       1,
                                       { 4 },
                                       zeros,
                                       0 };
    ck_assert_msg(heed__safetensors_write(in_folder("all"), entries, HEED__SAFETENSORS_DTYPES,
                                          NULL, 0, NULL, error, sizeof error),
                  "%s", error);
    heed__safetensors file;
    ck_assert_msg(heed__safetensors_open(in_folder("all"), NULL, &file, error, sizeof error),
                  "%s", error);
    for (int i = 0; i < HEED__SAFETENSORS_DTYPES; i++) {
        const heed__safetensors_entry *entry = &file.entries[HEED__SAFETENSORS_DTYPES - 1 - i];
        ck_assert_int_eq(entry->dtype, i);
        ck_assert_uint_eq(entry->bytes, heed__safetensors_dtype_bits(entry->dtype) / 2);
    }
    heed__safetensors_close(&file);
}
END_TEST

START_TEST(safetensors_writer_refusals)
{
    static char letters[5000];
    memset(letters, (int)(unsigned char)97, sizeof letters - 1);
    static const uint8_t one[8];
    const heed__safetensors_entry bad[] = {
        { "", HEED__SAFETENSORS_U8, 0, { 0 }, one, 0 },
        { letters, HEED__SAFETENSORS_U8, 0, { 0 }, one, 0 },
        { "\xff", HEED__SAFETENSORS_U8, 0, { 0 }, one, 0 },
        { "__metadata__", HEED__SAFETENSORS_U8, 0, { 0 }, one, 0 },
        { "x", HEED__SAFETENSORS_DTYPES, 0, { 0 }, one, 0 },
        { "x", HEED__SAFETENSORS_U8, 9, { 0 }, one, 0 },
        { "x", HEED__SAFETENSORS_U8, 1, { -1 }, one, 0 },
        { "x", HEED__SAFETENSORS_F4, 1, { 3 }, one, 0 },
        { "x", HEED__SAFETENSORS_F32, 2, { INT64_MAX, 4 }, one, 0 },
        { "a", HEED__SAFETENSORS_F32, 0, { 0 }, one, 0 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const heed__safetensors_entry two[] = { { "a", HEED__SAFETENSORS_U8, 0, { 0 }, one, 0 },
                                                bad[i] };
        ck_assert(!heed__safetensors_write(in_folder("x"), two, 2, NULL, 0, NULL, error,
                                           sizeof error));
        ck_assert_ptr_nonnull(strstr(error, "cannot write"));
    }
    const heed__safetensors_pair twice[] = { { "k", "1" }, { "k", "2" } };
    ck_assert(
        !heed__safetensors_write(in_folder("x"), NULL, 0, twice, 2, NULL, error, sizeof error));
    const heed__safetensors_pair binary[] = { { "k", "\xff" } };
    ck_assert(!heed__safetensors_write(in_folder("x"), NULL, 0, binary, 1, NULL, error,
                                       sizeof error));
    ck_assert_int_eq(count_files(), 0);
}
END_TEST

/* A file with that header and a buffer of zeros. */
static unsigned char *make_file(const char *header, size_t header_size, size_t data,
                                size_t *size)
{
    *size = 8 + header_size + data;
    unsigned char *bytes = calloc(1, *size);
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(header_size >> (8 * i));
    memcpy(bytes + 8, header, header_size);
    return bytes;
}

#define F32_AT(name, shape, begin, end)                                                        \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]" \
                                                                                           "}"

static const struct {
    const char *header;
    size_t data;
} accepted[] = {
    { "{}", 0 },
    { "{} \t\r\n", 0 },
    { "{\"__metadata__\":{}}", 0 },
    { "{" F32_AT("s", "[]", "0", "4") "}", 4 },
    { "{" F32_AT("b", "[1]", "4", "8") "," F32_AT("a", "[1]", "0", "4") "}", 8 },
    { "{" F32_AT("z", "[0]", "4", "4") "," F32_AT("a", "[1]", "0", "4") "," F32_AT(
          "b", "[1]", "4", "8") "," F32_AT("y", "[5,0]", "4", "4") "}",
      8 },
    { "{ \"a\" : { \"data_offsets\" : [ 0 , 4 ] , \"shape\" : [ ] , \"dtype\" : \"F32\" } }",
      4 },
    { "{" F32_AT("m", "[1,1,1,1,1,1,1,1]", "0", "4") "}", 4 },
};

START_TEST(safetensors_accepted)
{
    size_t size;
    unsigned char *bytes =
        make_file(accepted[_i].header, strlen(accepted[_i].header), accepted[_i].data, &size);
    heed__safetensors file;
    ck_assert_msg(parse(bytes, size, &file), "%s", error);
    heed__safetensors_close(&file);
    free(bytes);
}
END_TEST

static const struct {
    const char *header;
    size_t data;
    const char *reason;
} refused[] = {
    { "{\"a\":\"\xff\"}", 0, "not well-formed UTF-8" },
    { "{\"\xed\xa0\x80\":1}", 0, "not well-formed UTF-8" },
    { "{abc", 0, "expected a key" },
    { "{", 0, "but the text ends" },
    { "[]", 0, "begins with '{'" },
    { "\"a\"", 0, "begins with '{'" },
    { " {}", 0, "begins with '{'" },
    { "\t\n{}\r ", 0, "begins with '{'" },
    { "{}x", 0, "expected the end" },
    { "{}{}", 0, "expected the end" },
    { "{}", 1, "1 bytes follow" },
    { "{" F32_AT("a", "[1]", "0", "4") "," F32_AT("a", "[1]", "4", "8") "}", 8,
      "'a' is there twice" },
    { "{" F32_AT("a", "[1]", "0", "4") "," F32_AT("\\u0061", "[1]", "4", "8") "}", 8,
      "there twice" },
    { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
      "tensor 'a': at byte 28 (line 1): the key 'dtype' is there twice" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "'__metadata__' is there twice" },
    { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "'a' is there twice" },
    { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype is missing" },
    { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape is missing" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets is missing" },
    { "{\"a\":{}}", 0, "tensor 'a': at byte 14 (line 1): dtype is missing" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
      "unknown field 'x'" },
    { "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
      "unknown dtype 'F33'" },
    { "{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
      "unknown dtype 'f32'" },
    { "{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
      "expected a string as dtype" },
    { "{\"a\":1}", 0, "expected an object for the tensor" },
    { "{\"a\":[]}", 0, "expected an object for the tensor" },
    { "{\"a\":null}", 0, "expected an object for the tensor" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4,
      "expected a list of extents" },
    { "{" F32_AT("a", "[\"1\"]", "0", "4") "}", 4, "expected a whole number" },
    { "{" F32_AT("a", "[[1]]", "0", "4") "}", 4, "expected a whole number" },
    { "{" F32_AT("a", "[-1]", "0", "4") "}", 4, "'-1' is not a whole number" },
    { "{" F32_AT("a", "[1.0]", "0", "4") "}", 4, "'1.0' is not a whole number" },
    { "{" F32_AT("a", "[1e0]", "0", "4") "}", 4, "'1e0' is not a whole number" },
    { "{" F32_AT("a", "[01]", "0", "4") "}", 4, "not a number as JSON writes them" },
    { "{" F32_AT("a", "[18446744073709551617]", "0", "4") "}", 4, "is not a whole number" },
    { "{" F32_AT("a", "[1]", "-4", "0") "}", 4, "'-4' is not a whole number" },
    { "{" F32_AT("a", "[1]", "0", "4.0") "}", 4, "is not a whole number" },
    { "{" F32_AT("a", "[1]", "0", "1e3") "}", 4, "is not a whole number" },
    { "{" F32_AT("a", "[1]", "00", "4") "}", 4, "not a number" },
    { "{" F32_AT("a", "[1]", "18446744073709551616", "18446744073709551620") "}", 4,
      "is not a whole number" },
    { "{" F32_AT("a", "[1]", "9223372036854775807", "4") "}", 4, "after their end" },
    { "{" F32_AT("a", "[1]", "4", "0") "}", 4, "begin at 4, after their end at 0" },
    { "{" F32_AT("a", "[1]", "0", "8") "}", 8, "make 4 bytes, its place has 8" },
    { "{" F32_AT("a", "[2]", "0", "4") "}", 4, "make 8 bytes, its place has 4" },
    { "{" F32_AT("a", "[1]", "0", "4") "," F32_AT("b", "[1]", "2", "6") "}", 6,
      "tensor 'b': its data begin at 2, inside another's" },
    { "{" F32_AT("a", "[1]", "0", "4") "," F32_AT("b", "[1]", "0", "4") "}", 4,
      "inside another's" },
    { "{" F32_AT("a", "[2]", "0", "8") "," F32_AT("b", "[0]", "4", "4") "}", 8,
      "inside another's" },
    { "{" F32_AT("a", "[1]", "0", "4") "," F32_AT("b", "[1]", "8", "12") "}", 12,
      "a hole from 4 to 8" },
    { "{" F32_AT("a", "[1]", "4", "8") "}", 8, "a hole from 0 to 4" },
    { "{" F32_AT("a", "[1]", "0", "4") "}", 3, "end at 4, but the buffer has 3" },
    { "{" F32_AT("a", "[1]", "0", "4") "}", 0, "but the buffer has 0" },
    { "{" F32_AT("a", "[1]", "0", "4") "}", 5, "1 bytes follow" },
    { "{" F32_AT("a", "[4294967296,4294967296]", "0", "4") "}", 4,
      "more than memory can hold" },
    { "{" F32_AT("a", "[4611686018427387904,4]", "0", "0") "}", 0,
      "more than memory can hold" },
    { "{" F32_AT("a", "[9223372036854775807]", "0", "4") "}", 4, "more than memory can hold" },
    { "{" F32_AT("a", "[1099511627776,1099511627776,0]", "0", "0") "}", 0, "more than memory" },
    { "{" F32_AT("a", "[0,1099511627776,1099511627776]", "0", "0") "}", 0, "more than memory" },
    { "{" F32_AT("a", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "more than 8 numbers" },
    { "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2,
      "whole number of bytes" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "two numbers" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,2,4]}}", 4,
      "more than 2 numbers" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{}}}", 4,
      "list of two offsets" },
    { "{\"__metadata__\":{\"a\":1}}", 0, "expected a string as metadata" },
    { "{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "expected a string as metadata" },
    { "{\"__metadata__\":\"a\"}", 0, "expected an object of strings" },
    { "{\"__metadata__\":null}", 0, "expected an object of strings" },
    { "{\"__metadata__\":{\"a\":\"x\\u0000y\"}}", 0, "a NUL byte" },
    { "{" F32_AT("a\\u0000b", "[1]", "0", "4") "}", 4, "a NUL byte" },
    { "{" F32_AT("", "[1]", "0", "4") "}", 4, "a name of 0 bytes" },
    { "{" F32_AT("\\ud800", "[1]", "0", "4") "}", 4, "a surrogate stands alone" },
    { "{" F32_AT("\\x", "[1]", "0", "4") "}", 4, "unknown escape" },
    { "{" F32_AT("\t", "[1]", "0", "4") "}", 4, "a control character" },
};

START_TEST(safetensors_refused)
{
    size_t size;
    unsigned char *bytes =
        make_file(refused[_i].header, strlen(refused[_i].header), refused[_i].data, &size);
    heed__safetensors file;
    ck_assert_msg(!parse(bytes, size, &file), "%s", refused[_i].header);
    ck_assert_msg(strstr(error, refused[_i].reason), "%s: %s", refused[_i].header, error);
    ck_assert_msg(strncmp(error, "F: ", 3) == 0, "%s", error);
    ck_assert_uint_eq(file.count, 0);
    free(bytes);
}
END_TEST

START_TEST(safetensors_header_lengths)
{
    static const uint64_t lengths[] = {
        0, 1, 7, 8, 9, 100000000, 100000001, (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7
    };
    heed__safetensors file;
    for (size_t size = 0; size < 8; size++)
        ck_assert(!parse("\2\0\0\0\0\0\0\0", size, &file));
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char bytes[16] = { 0 };
        for (int b = 0; b < 8; b++)
            bytes[b] = (unsigned char)(lengths[i] >> (8 * b));
        memcpy(bytes + 8, "{}      ", 8);
        bool good = parse(bytes, sizeof bytes, &file);
        ck_assert_int_eq(good, lengths[i] == 8);
        if (good)
            heed__safetensors_close(&file);
    }
    /* One blank more than is allowed, behind an object that is right. */
    size_t size, limit = HEED__SAFETENSORS_MAX_HEADER;
    char *header = malloc(limit + 1);
    memset(header, ' ', limit + 1);
    memcpy(header, "{}", 2);
    unsigned char *bytes = make_file(header, limit + 1, 0, &size);
    ck_assert(!parse(bytes, size, &file));
    ck_assert_ptr_nonnull(strstr(error, "at most 100000000"));
    free(bytes);
    bytes = make_file(header, limit, 0, &size);
    ck_assert(parse(bytes, size, &file));
    heed__safetensors_close(&file);
    free(bytes);
    free(header);
}
END_TEST

START_TEST(safetensors_bombs)
{
    heed__safetensors file;
    size_t size;
    unsigned char *bytes;
    heed__text text = { 0 };

    heed__text_add_string(&text, "{\"a\":");
    for (int i = 0; i < 100000; i++)
        heed__text_add_string(&text, "[");
    bytes = make_file(text.bytes, text.size, 0, &size);
    ck_assert(!parse(bytes, size, &file));
    free(bytes);

    /* A name one byte too long, a million tensors and one, BOOL bytes. */
    heed__text_clear(&text);
    heed__text_add_string(&text, "{\"");
    for (int i = 0; i < 4097; i++)
        heed__text_add_string(&text, "n");
    heed__text_add_string(&text, "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    bytes = make_file(text.bytes, text.size, 0, &size);
    ck_assert(!parse(bytes, size, &file));
    ck_assert_ptr_nonnull(strstr(error, "a name of 4097 bytes"));
    free(bytes);

    heed__text_clear(&text);
    for (int i = 0; i < 1000000; i++)
        heed__text_print(&text,
                         "%s\"%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                         i ? "," : "{", i);
    heed__text_add_string(&text, "}");
    bytes = make_file(text.bytes, text.size, 0, &size);
    ck_assert_msg(parse(bytes, size, &file), "%s", error);
    ck_assert_uint_eq(file.count, 1000000);
    ck_assert_ptr_nonnull(heed__safetensors_find(&file, "777777"));
    heed__safetensors_close(&file);
    free(bytes);
    text.size--;
    heed__text_add_string(&text,
                          ",\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    bytes = make_file(text.bytes, text.size, 0, &size);
    ck_assert(!parse(bytes, size, &file));
    ck_assert_ptr_nonnull(strstr(error, "more than 1000000 tensors"));
    free(bytes);
    heed__text_free(&text);

    static const char flags[] =
        "{\"f\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]}}";
    bytes = make_file(flags, sizeof flags - 1, 3, &size);
    ck_assert(parse(bytes, size, &file));
    heed__safetensors_close(&file);
    bytes[size - 2] = 2;
    ck_assert(!parse(bytes, size, &file));
    ck_assert_ptr_nonnull(strstr(error, "tensor 'f': "));
    ck_assert_ptr_nonnull(strstr(error, "byte 1 of its BOOL data is 2"));
    free(bytes);
}
END_TEST

/* Every value of every byte of the header and every length of the file: refused or read, never a crash.
 * The copy has exactly the file's size, so that a sanitizer sees a read past its end. */
START_TEST(safetensors_damaged)
{
    heed__safetensors file;
    size_t size = sizeof python_file - 1;
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *bytes = malloc(cut ? cut : 1);
        memcpy(bytes, python_file, cut);
        ck_assert(!parse(bytes, cut, &file));
        free(bytes);
    }
    unsigned char *bytes = malloc(size);
    memcpy(bytes, python_file, size);
    for (size_t at = 0; at < size; at++) {
        unsigned char kept = bytes[at];
        for (int flip = 1; flip < 256; flip++) {
            bytes[at] = (unsigned char)(kept ^ flip);
            if (parse(bytes, size, &file))
                heed__safetensors_close(&file);
            else
                ck_assert(at < size - 51 || at >= size - 3);
        }
        bytes[at] = kept;
    }
    free(bytes);
}
END_TEST

/* The n-th request for memory fails, for every n: an error, nothing leaked, nothing left behind. */
START_TEST(safetensors_without_memory)
{
    const char *path = in_folder("six");
    bool good = false;
    for (long n = 1; !good; n++) {
        tally t = { .fail_from = n };
        heed_allocator failing = { tally_allocate, tally_release, &t };
        good = heed__safetensors_write(path, six_tensors, 6, np_metadata, 1, &failing, error,
                                       sizeof error);
        ck_assert_uint_eq(t.live, 0);
        ck_assert_int_eq(count_files(), good);
        ck_assert(good || strstr(error, "not enough memory"));
        ck_assert_int_lt(n, 1000);
    }
    good = false;
    for (long n = 1; !good; n++) {
        tally t = { .fail_from = n };
        heed_allocator failing = { tally_allocate, tally_release, &t };
        heed__safetensors file;
        good = heed__safetensors_open(path, &failing, &file, error, sizeof error);
        ck_assert(good || strstr(error, "not enough memory"));
        if (good)
            heed__safetensors_close(&file);
        ck_assert_uint_eq(t.live, 0);
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

#define LENGTH(table) ((int)(sizeof(table) / sizeof *(table)))

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *plain = tcase_create("text and JSON");
    tcase_add_test(plain, sizes_are_checked);
    tcase_add_test(plain, sentences_are_cut_whole);
    tcase_add_loop_test(plain, utf8, 0, LENGTH(utf8_cases));
    tcase_add_test(plain, utf8_every_code_point);
    tcase_add_test(plain, json_events);
    tcase_add_test(plain, json_strings);
    tcase_add_loop_test(plain, json_refusal, 0, LENGTH(json_refusals));
    tcase_add_test(plain, json_bombs);
    tcase_add_test(plain, json_numbers);
    tcase_add_loop_test(plain, safetensors_accepted, 0, LENGTH(accepted));
    tcase_add_loop_test(plain, safetensors_refused, 0, LENGTH(refused));
    tcase_add_test(plain, safetensors_header_lengths);
    tcase_add_test(plain, safetensors_bombs);
    tcase_add_test(plain, safetensors_damaged);
    tcase_set_timeout(plain, 60);
    suite_add_tcase(suite, plain);

    TCase *disk = tcase_create("disk");
    tcase_add_checked_fixture(disk, make_folder, remove_folder);
    tcase_add_test(disk, file_is_replaced);
    tcase_add_test(disk, file_refusals);
    tcase_add_test(disk, file_abandoned_and_stale);
    tcase_add_test(disk, disk_full_keeps_the_old_file);
    tcase_add_test(disk, safetensors_as_python_writes);
    tcase_add_test(disk, safetensors_round_trip);
    tcase_add_test(disk, safetensors_every_dtype);
    tcase_add_test(disk, safetensors_writer_refusals);
    tcase_add_test(disk, safetensors_without_memory);
    suite_add_tcase(suite, disk);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
