/* Hostile and unusual safetensors headers, made in memory: each is refused with the right
 * sentence, or accepted because the format says so. */
#define _POSIX_C_SOURCE 200809L

#include "safetensors.h"
#include "scratch.h"
#include "text.h"

static bool parse(const void *bytes, size_t size, heed__safetensors *file)
{
    return heed__safetensors_parse("F", bytes, size, NULL, file, error, sizeof error);
}

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

int main(void)
{
    Suite *suite = suite_create("safetensors refused");
    TCase *tests = tcase_create("headers");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, safetensors_accepted, 0, LENGTH(accepted));
    tcase_add_loop_test(tests, safetensors_refused, 0, LENGTH(refused));
    tcase_add_test(tests, safetensors_header_lengths);
    tcase_add_test(tests, safetensors_bombs);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
