/* Tests of the rooms below every format: memory, text, files. */
#define _POSIX_C_SOURCE 200809L

#include "file.h"
#include "scratch.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

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
    int32_t wrong = -1;
    for (int32_t c = 0; c < 0x110000; c++) {
        char bytes[4];
        size_t length, size = heed__utf8_encode((uint32_t)c, bytes);
        bool surrogate = c >= 0xd800 && c < 0xe000;
        if (heed__utf8_decode(bytes, size, &length) != (surrogate ? -1 : c) ||
            length != (surrogate ? 1 : size))
            wrong = c;
    }
    ck_assert_int_eq(wrong, -1);
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

/* Links stay and lead to the new contents; what is no file is not made one. */
START_TEST(file_replaces_files_only)
{
    struct stat status;
    const char *file = in_folder("file"), *link = in_folder("link"), *pipe = in_folder("pipe"),
               *lost = in_folder("lost");
    ck_assert(write_file(file, "old", 3));
    ck_assert_int_eq(chmod(file, 0600), 0);
    ck_assert_int_eq(symlink("file", link), 0);
    ck_assert_msg(write_file(link, "newer", 5), "%s", error);
    ck_assert(lstat(link, &status) == 0 && S_ISLNK(status.st_mode));
    ck_assert(lstat(file, &status) == 0 && S_ISREG(status.st_mode));
    ck_assert_int_eq((int)(status.st_mode & 0777), 0600);
    ck_assert_int_eq((int)status.st_size, 5);
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    ck_assert(!write_file(pipe, "x", 1));
    ck_assert_ptr_nonnull(strstr(error, "pipe: it is not a regular file"));
    ck_assert(lstat(pipe, &status) == 0 && S_ISFIFO(status.st_mode));
    ck_assert_int_eq(symlink("nowhere", lost), 0);
    ck_assert(!write_file(lost, "x", 1));
    ck_assert_ptr_nonnull(strstr(error, "lost: No such file"));
    ck_assert_int_eq(count_files(), 4);
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
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *plain = tcase_create("memory and text");
    tcase_add_test(plain, sizes_are_checked);
    tcase_add_test(plain, sentences_are_cut_whole);
    tcase_add_loop_test(plain, utf8, 0, LENGTH(utf8_cases));
    tcase_add_test(plain, utf8_every_code_point);
    tcase_set_timeout(plain, 60);
    suite_add_tcase(suite, plain);

    TCase *disk = tcase_create("files");
    tcase_add_checked_fixture(disk, make_folder, remove_folder);
    tcase_add_test(disk, file_is_replaced);
    tcase_add_test(disk, file_refusals);
    tcase_add_test(disk, file_replaces_files_only);
    tcase_add_test(disk, file_abandoned_and_stale);
    tcase_add_test(disk, disk_full_keeps_the_old_file);
    suite_add_tcase(suite, disk);
    return run_suite(suite);
}
