/* Tests of safetensors: what is written is what Python writes, what is written is read back,
 * and damage of any kind is an error and never a crash. test_safetensors_refused.c has the
 * hostile headers. */
#define _POSIX_C_SOURCE 200809L

#include "file.h"
#include "safetensors.h"
#include "scratch.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

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

static void assert_file(const char *path, const void *bytes, size_t size)
{
    unsigned char *data;
    size_t got;
    ck_assert_msg(heed__file_read(path, NULL, &data, &got, error, sizeof error), "%s", error);
    ck_assert_uint_eq(got, size);
    ck_assert(memcmp(data, bytes, size) == 0);
    heed__release(NULL, data, got);
}

/* What Python's safetensors 0.8.0 wrote for the six tensors below, with the metadata format =
 * np. */
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

/* RLIMIT_FSIZE makes writing fail as a full disk does. */
START_TEST(safetensors_disk_full)
{
    static char much[100000];
    const char *path = in_folder("a");
    const heed__safetensors_entry few = { "x", HEED__SAFETENSORS_U8, 1, { 3 }, "old", 0 };
    const heed__safetensors_entry many = { "x", HEED__SAFETENSORS_U8, 1, { sizeof much }, much,
                                           0 };
    ck_assert(heed__safetensors_write(path, &few, 1, NULL, 0, NULL, error, sizeof error));
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = { 50000, 50000 };
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert(!heed__safetensors_write(path, &many, 1, NULL, 0, NULL, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, strerror(EFBIG)));
    ck_assert_int_eq(count_files(), 1);
    heed__safetensors file;
    ck_assert(heed__safetensors_open(path, NULL, &file, error, sizeof error));
    ck_assert(memcmp(file.entries[0].data, "old", 3) == 0);
    heed__safetensors_close(&file);
}
END_TEST

/* Every value of every byte of the header and every length of the file: refused or read, never
 * a crash. The copy has exactly the file's size, so that a sanitizer sees a read past its end.
 */
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

/* The n-th request for memory fails, for every n: an error, nothing leaked, nothing left
 * behind. */
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

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tests = tcase_create("safetensors");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, safetensors_as_python_writes);
    tcase_add_test(tests, safetensors_round_trip);
    tcase_add_test(tests, safetensors_every_dtype);
    tcase_add_test(tests, safetensors_writer_refusals);
    tcase_add_test(tests, safetensors_disk_full);
    tcase_add_test(tests, safetensors_damaged);
    tcase_add_test(tests, safetensors_without_memory);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
