/* Files of parameters: what is written comes back, what does not fit is refused by name and
 * changes nothing. Files that heed would not write itself are made by hand, byte for byte. */
#include "memory.h"
#include "params.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- helpers ---- */

static char path[64];

static void name_file(void)
{
    snprintf(path, sizeof path, "heed-archive-%ld.safetensors", (long)getpid());
}

static void remove_file(void)
{
    unlink(path);
}

/* A file from a header and its data. */
static void write_file(const char *header, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    size_t length = strlen(header);
    for (int i = 0; i < 8; i++)
        fputc((int)(length >> (8 * i) & 255), file);
    ck_assert_uint_eq(fwrite(header, 1, length, file), length);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static heed_archive *open_file(void)
{
    char error[512] = "";
    heed_archive *archive = heed_archive_open(path, NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
    return archive;
}

/* The sentence begins with the file's name, which differs from run to run. */
static void assert_error(const char *error, const char *expected)
{
    char whole[600];
    snprintf(whole, sizeof whole, "%s: %s", path, expected);
    ck_assert_ptr_nonnull(error);
    ck_assert_str_eq(error, whole);
}

static void fill(heed_params *ps, double factor)
{
    for (int k = 0; k < heed_params_count(ps); k++) {
        heed_parameter *p = heed_params_at(ps, k);
        for (int64_t i = 0; i < p->size; i++) {
            double x = factor * (k + 1 + (double)i / 3);
            if (p->dtype == HEED_F64)
                ((double *)p->data)[i] = x;
            else
                ((float *)p->data)[i] = (float)x;
        }
    }
}

static heed_params *small_model(heed_dtype dtype, const heed_allocator *allocator)
{
    heed_params *ps = heed_params_new(dtype, allocator);
    if (!ps)
        return NULL;
    heed_params_scope(ps, "block.0");
    heed_parameter_new(ps, "weight", HEED_SHAPE(2, 3), HEED_DECAY);
    heed_parameter_new(ps, "bias", HEED_SHAPE(3), 0);
    heed_params_scope_end(ps);
    heed_parameter_new(ps, "scale", HEED_SCALAR, HEED_FROZEN);
    heed_parameter_new(ps, "mean", HEED_SHAPE(2, 1, 2), HEED_BUFFER);
    heed_parameter_new(ps, "none", HEED_SHAPE(0, 4), 0);
    fill(ps, 1);
    return ps;
}

static void assert_same_values(const heed_params *a, const heed_params *b)
{
    ck_assert_int_eq(heed_params_count(a), heed_params_count(b));
    for (int k = 0; k < heed_params_count(a); k++) {
        const heed_parameter *p = heed_params_at(a, k), *q = heed_params_at(b, k);
        ck_assert_str_eq(p->name, q->name);
        if (p->size)
            ck_assert_mem_eq(p->data, q->data, (size_t)p->size * heed_dtype_size(p->dtype));
    }
}

/* ---- sets ---- */

START_TEST(round_trip)
{
    const heed_dtype dtype = _i ? HEED_F64 : HEED_F32;
    const char *notes[] = { "made by", "a test", "empty", "", NULL };
    heed_params *ps = small_model(dtype, NULL), *back = small_model(dtype, NULL);
    ck_assert(heed_params_save(ps, path, notes));
    fill(back, -7);
    ck_assert_msg(heed_params_load(back, path), "%s", heed_params_error(back));
    assert_same_values(ps, back);

    heed_archive *archive = open_file();
    ck_assert_str_eq(heed_archive_note_of(archive, "made by"), "a test");
    ck_assert_str_eq(heed_archive_note_of(archive, "empty"), "");
    ck_assert_ptr_null(heed_archive_note_of(archive, "made"));
    const heed_entry *entry = heed_archive_find(archive, "mean");
    ck_assert_str_eq(entry->name, "mean");
    ck_assert_int_eq(entry->dtype, dtype);
    ck_assert_int_eq(entry->shape.ndim, 3);
    ck_assert_int_eq(entry->shape.size[2], 2);
    ck_assert_int_eq(heed_archive_find(archive, "scale")->shape.ndim, 0);
    ck_assert_int_eq(heed_archive_find(archive, "none")->shape.size[1], 4);
    ck_assert_ptr_null(heed_archive_find(archive, "block.0"));
    ck_assert_ptr_null(heed_archive_error(archive));
    heed_archive_free(archive);

    /* Saving over a file replaces it. */
    fill(ps, 2);
    ck_assert(heed_params_save(ps, path, NULL));
    ck_assert(heed_params_load(back, path));
    assert_same_values(ps, back);
    heed_params_free(ps);
    heed_params_free(back);
}
END_TEST

START_TEST(empty_set)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    ck_assert(heed_params_save(ps, path, NULL));
    ck_assert(heed_params_load(ps, path));
    heed_params_free(ps);
}
END_TEST

/* What a file may hold instead of {"a": F32 [2,2], "b": F32 [3]}, and what is said to it. */
static const struct {
    const char *header;
    size_t size;
    const char *error;
} mismatched[] = {
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", 16,
      "parameter b: expected f32 [3], found none" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,32]}}",
      32, "parameter b: expected f32 [3], found f32 [4]" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[16,28]}}",
      28, "parameter a: expected f32 [2,2], found f32 [4]" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
      "\"b\":{\"dtype\":\"F64\",\"shape\":[3],\"data_offsets\":[16,40]}}",
      40, "parameter b: expected f32 [3], found f64 [3]" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
      "\"b\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[16,22]}}",
      22, "parameter b: expected f32 [3], found BF16 [3], which heed does not read" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
      "\"b\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[16,40]}}",
      40, "parameter b: expected f32 [3], found I64 [3]" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[16,28]},"
      "\"b.old\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[28,30]}}",
      30, "tensor b.old: the set has no such parameter" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[16,28]}}",
      27, "tensor 'b': at byte 118 (line 1): its data end at 28, but the buffer has 27 bytes" },
};

START_TEST(mismatches_are_refused)
{
    const char zeros[64] = { 0 };
    write_file(mismatched[_i].header, zeros, mismatched[_i].size);
    heed_params *ps = heed_params_new(HEED_F32, NULL), *copy;
    heed_parameter_new(ps, "a", HEED_SHAPE(2, 2), 0);
    heed_parameter_new(ps, "b", HEED_SHAPE(3), 0);
    fill(ps, 1);
    copy = heed_params_copy(ps, HEED_F32);
    ck_assert(!heed_params_load(ps, path));
    assert_error(heed_params_error(ps), mismatched[_i].error);
    assert_same_values(ps, copy);

    /* The error sticks until it is cleared; then the set is as good as before. */
    ck_assert(!heed_params_save(ps, path, NULL));
    ck_assert(!heed_params_load(ps, path));
    ck_assert_ptr_null(heed_parameter_new(ps, "c", HEED_SHAPE(1), 0));
    heed_params_clear_error(ps);
    ck_assert_ptr_null(heed_params_error(ps));
    ck_assert(heed_params_save(copy, path, NULL));
    fill(ps, 5);
    ck_assert(heed_params_load(ps, path));
    assert_same_values(ps, copy);
    heed_params_free(ps);
    heed_params_free(copy);
}
END_TEST

START_TEST(no_such_file)
{
    char expected[200], error[200];
    heed_params *ps = small_model(HEED_F32, NULL);
    ck_assert(!heed_params_load(ps, path));
    snprintf(expected, sizeof expected, "cannot read %s: No such file or directory", path);
    ck_assert_str_eq(heed_params_error(ps), expected);
    ck_assert_ptr_null(heed_archive_open(path, NULL, error, sizeof error));
    ck_assert_str_eq(error, expected);
    heed_params_clear_error(ps);
    ck_assert(!heed_params_save(ps, "no/such/folder/x", NULL));
    ck_assert_ptr_nonnull(heed_params_error(ps));
    ck_assert(!heed_params_load(NULL, path));
    ck_assert(!heed_params_save(NULL, path, NULL));
    heed_params_free(ps);
}
END_TEST

/* After an error the scopes that were open are closed. */
START_TEST(clearing_closes_scopes)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_params_scope(ps, "outer");
    heed_params_fail(ps, "first");
    heed_params_fail(ps, "second");
    heed_params_scope_end(ps);
    ck_assert_str_eq(heed_params_error(ps), "first");
    heed_params_clear_error(ps);
    ck_assert_str_eq(heed_parameter_new(ps, "w", HEED_SHAPE(1), 0)->name, "w");
    heed_params_clear_error(ps);
    heed_params_clear_error(NULL);
    heed_params_free(ps);
}
END_TEST

/* ---- archives ---- */

START_TEST(prefixes)
{
    heed_params *a = small_model(HEED_F32, NULL), *b = small_model(HEED_F64, NULL);
    heed_params *back = small_model(HEED_F32, NULL), *copy;
    const int32_t ids[2] = { -1, 7 };
    const bool mask[3] = { true, false, true };
    const uint8_t bytes[4] = { 0, 1, 2, 255 };
    heed_archive *archive = heed_archive_new(NULL);
    ck_assert(heed_archive_add_params(archive, "a.", a));
    ck_assert(heed_archive_add_params(archive, "b.", b));
    ck_assert(heed_archive_add(archive, "ids", HEED_I32, HEED_SHAPE(2), ids));
    ck_assert(heed_archive_add(archive, "mask", HEED_BOOL, HEED_SHAPE(3), mask));
    ck_assert(heed_archive_add(archive, "bytes", HEED_U8, HEED_SHAPE(2, 2), bytes));
    ck_assert(heed_archive_note(archive, "step", "12"));
    ck_assert_ptr_eq(heed_archive_find(archive, "ids")->data, ids);
    ck_assert_msg(heed_archive_save(archive, path), "%s", heed_archive_error(archive));
    heed_archive_free(archive);

    fill(a, 3);
    fill(b, 3);
    archive = open_file();
    ck_assert(heed_archive_get_params(archive, "a.", a));
    assert_same_values(a, back);
    ck_assert(heed_archive_get_params(archive, "b.", b));
    ck_assert_mem_eq(heed_archive_find(archive, "ids")->data, ids, sizeof ids);
    ck_assert_mem_eq(heed_archive_find(archive, "mask")->data, mask, sizeof mask);
    ck_assert_int_eq(heed_archive_find(archive, "mask")->dtype, HEED_BOOL);
    ck_assert_mem_eq(heed_archive_find(archive, "bytes")->data, bytes, sizeof bytes);
    ck_assert_int_eq(heed_archive_find(archive, "bytes")->dtype, HEED_U8);

    /* The wrong one of the two: both the archive and the set say so. */
    fill(a, 4);
    copy = heed_params_copy(a, HEED_F32);
    ck_assert(!heed_archive_get_params(archive, "b.", a));
    assert_error(heed_params_error(a),
                 "parameter b.block.0.weight: expected f32 [2,3], found f64 [2,3]");
    ck_assert_str_eq(heed_archive_error(archive), heed_params_error(a));
    assert_same_values(a, copy);
    heed_params_clear_error(a);
    ck_assert(!heed_archive_get_params(archive, "", a));
    assert_error(heed_params_error(a),
                 "parameter block.0.weight: expected f32 [2,3], found none");
    heed_params_clear_error(a);
    ck_assert(heed_archive_get_params(archive, "a.", a));
    ck_assert_ptr_null(heed_archive_error(archive));
    assert_same_values(a, back);

    /* A set that knows less than the prefix holds. */
    heed_params *part = heed_params_new(HEED_F32, NULL);
    heed_parameter_new(part, "scale", HEED_SCALAR, 0);
    ck_assert(!heed_archive_get_params(archive, "a.", part));
    ck_assert_ptr_nonnull(strstr(heed_params_error(part), "the set has no such parameter"));
    heed_archive_free(archive);
    heed_params_free(part);
    heed_params_free(copy);
    heed_params_free(back);
    heed_params_free(a);
    heed_params_free(b);
}
END_TEST

/* Numbers at odd places, 64-bit ids, and dtypes that heed does not have. */
START_TEST(foreign_files)
{
    unsigned char data[1 + 8 + 16 + 16 + 4 + 1];
    const float floats[2] = { 1.5F, -2 };
    const int64_t ids[2] = { INT32_MAX, INT32_MIN }, large[2] = { 1, (int64_t)INT32_MAX + 1 };
    data[0] = 200;
    memcpy(data + 1, floats, 8);
    memcpy(data + 9, ids, 16);
    memcpy(data + 25, large, 16);
    memset(data + 41, 0, 5);
    write_file("{\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
               "\"f\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[1,9]},"
               "\"i\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[9,25]},"
               "\"l\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[25,41]},"
               "\"h\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[41,45]},"
               "\"s\":{\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[45,46]},"
               "\"__metadata__\":{\"format\":\"pt\"}}",
               data, sizeof data);
    heed_archive *archive = open_file();
    ck_assert_ptr_null(heed_archive_error(archive));
    ck_assert_str_eq(heed_archive_note_of(archive, "format"), "pt");
    const heed_entry *f = heed_archive_find(archive, "f"), *i = heed_archive_find(archive, "i");
    ck_assert_uint_eq((uintptr_t)f->data % sizeof(float), 0);
    ck_assert_float_eq(((const float *)f->data)[1], -2);
    ck_assert_int_eq(i->dtype, HEED_I32);
    ck_assert_uint_eq((uintptr_t)i->data % sizeof(int32_t), 0);
    ck_assert_int_eq(((const int32_t *)i->data)[0], INT32_MAX);
    ck_assert_int_eq(((const int32_t *)i->data)[1], INT32_MIN);
    ck_assert_int_eq(*(const uint8_t *)heed_archive_find(archive, "u")->data, 200);

    ck_assert_ptr_null(heed_archive_find(archive, "l"));
    assert_error(heed_archive_error(archive),
                 "tensor l is I64 [2], with a number that does not fit in i32");
    ck_assert_ptr_null(heed_archive_find(archive, "h"));
    assert_error(heed_archive_error(archive), "tensor h is F16 [2], which heed does not read");
    ck_assert_ptr_null(heed_archive_find(archive, "s"));
    assert_error(heed_archive_error(archive), "tensor s is I8 [], which heed does not read");

    /* What is opened can be saved again with more in it; what heed does not read stays as it
     * is. */
    const double pi = 3.25;
    ck_assert(heed_archive_add(archive, "pi", HEED_F64, HEED_SCALAR, &pi));
    ck_assert(heed_archive_note(archive, "more", "yes"));
    ck_assert_msg(heed_archive_save(archive, path), "%s", heed_archive_error(archive));
    heed_archive_free(archive);
    archive = open_file();
    ck_assert_double_eq(*(const double *)heed_archive_find(archive, "pi")->data, pi);
    ck_assert_int_eq(((const int32_t *)heed_archive_find(archive, "i")->data)[0], INT32_MAX);
    ck_assert_float_eq(((const float *)heed_archive_find(archive, "f")->data)[0], 1.5F);
    ck_assert_str_eq(heed_archive_note_of(archive, "format"), "pt");
    ck_assert_str_eq(heed_archive_note_of(archive, "more"), "yes");
    ck_assert_ptr_null(heed_archive_find(archive, "h"));
    heed_archive_free(archive);
}
END_TEST

START_TEST(building_fails_once)
{
    const float one = 1;
    heed_archive *archive = heed_archive_new(NULL);
    ck_assert(!heed_archive_add(archive, "x", HEED_F32, HEED_SCALAR, NULL));
    ck_assert_str_eq(heed_archive_error(archive), "archive: x: there are no data");
    ck_assert(!heed_archive_add(archive, "y", HEED_F32, HEED_SCALAR, &one));
    ck_assert(!heed_archive_note(archive, "key", "value"));
    ck_assert(!heed_archive_save(archive, path));
    ck_assert_str_eq(heed_archive_error(archive), "archive: x: there are no data");
    ck_assert_int_ne(access(path, F_OK), 0);
    heed_archive_free(archive);

    archive = heed_archive_new(NULL);
    ck_assert(!heed_archive_add(archive, "x", HEED_F32, (heed_shape){ .ndim = 9 }, &one));
    ck_assert_str_eq(heed_archive_error(archive), "archive: x: no valid dtype and shape");
    heed_archive_free(archive);

    archive = heed_archive_new(NULL);
    ck_assert(heed_archive_add(archive, "x", HEED_F32, HEED_SCALAR, &one));
    ck_assert(heed_archive_add(archive, "x", HEED_F32, HEED_SCALAR, &one));
    ck_assert(!heed_archive_save(archive, path));
    ck_assert_ptr_nonnull(
        strstr(heed_archive_error(archive), "tensor 'x': the name is there twice"));
    ck_assert_int_ne(access(path, F_OK), 0);
    heed_archive_free(archive);

    heed_params *ps = small_model(HEED_F32, NULL);
    heed_params_fail(ps, "broken");
    archive = heed_archive_new(NULL);
    ck_assert(!heed_archive_add_params(archive, "", ps));
    ck_assert_str_eq(heed_archive_error(archive),
                     "archive: the set of parameters has failed: broken");
    heed_archive_free(archive);
    heed_params_free(ps);

    ck_assert(!heed_archive_add(NULL, "x", HEED_F32, HEED_SCALAR, &one));
    ck_assert(!heed_archive_save(NULL, path));
    ck_assert_ptr_null(heed_archive_find(NULL, "x"));
    ck_assert_ptr_null(heed_archive_note_of(NULL, "x"));
    ck_assert_str_eq(heed_archive_error(NULL), "there is no archive");
    heed_archive_free(NULL);
}
END_TEST

/* The archive, freed, has failed with this sentence and is not saved. */
static void failed_with(heed_archive *archive, const char *sentence)
{
    ck_assert_str_eq(heed_archive_error(archive), sentence);
    ck_assert(!heed_archive_save(archive, path));
    ck_assert_int_ne(access(path, F_OK), 0);
    heed_archive_free(archive);
}

START_TEST(nothing_given)
{
    const float one = 1;
    char error[200];
    heed_archive *archive = heed_archive_new(NULL);
    ck_assert(!heed_archive_add(archive, NULL, HEED_F32, HEED_SCALAR, &one));
    failed_with(archive, "archive: add: the name is NULL");
    archive = heed_archive_new(NULL);
    ck_assert(!heed_archive_note(archive, NULL, "value"));
    failed_with(archive, "archive: note: the key is NULL");
    archive = heed_archive_new(NULL);
    ck_assert(!heed_archive_note(archive, "key", NULL));
    failed_with(archive, "archive: key: the note is NULL");
    archive = heed_archive_new(NULL);
    ck_assert(heed_archive_add(archive, "x", HEED_F32, HEED_SCALAR, &one));
    ck_assert(heed_archive_note(archive, "key", "value"));
    ck_assert_ptr_null(heed_archive_find(archive, NULL));
    ck_assert_ptr_null(heed_archive_note_of(archive, NULL));
    ck_assert(!heed_archive_save(archive, NULL));
    failed_with(archive, "archive: save: the path is NULL");
    ck_assert_ptr_null(heed_archive_open(NULL, NULL, error, sizeof error));
    ck_assert_str_eq(error, "archive: open: the path is NULL");

    /* No prefix is the empty one. */
    heed_params *ps = small_model(HEED_F32, NULL);
    heed_load_report report;
    archive = heed_archive_new(NULL);
    ck_assert(heed_archive_add_params(archive, NULL, ps));
    ck_assert(heed_archive_get_params(archive, NULL, ps));
    ck_assert(heed_archive_get_partial(archive, NULL, ps, &report));
    ck_assert_int_eq(report.loaded, heed_params_count(ps));
    heed_load_report_free(&report);
    heed_archive_free(archive);
    heed_params_free(ps);
}
END_TEST

/* ---- no memory ---- */

typedef struct counter {
    int refuse_at; /* the call that gives NULL */
    int64_t held;
} counter;

static void *count_allocate(void *context, size_t bytes)
{
    counter *c = context;
    if (--c->refuse_at == 0)
        return NULL;
    c->held += (int64_t)bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void count_release(void *context, void *memory, size_t bytes)
{
    ((counter *)context)->held -= (int64_t)bytes;
    free(memory);
}

/* The n-th allocation fails, for every n until none does: false with a sentence, nothing
 * changed and nothing lost. */
START_TEST(out_of_memory)
{
    heed_params *whole = small_model(HEED_F64, NULL);
    counter c = { 0 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    heed_params *ps = small_model(HEED_F64, &allocator), *copy;
    const int64_t held = c.held;
    const char *notes[] = { "key", "value", NULL };
    int n = 0;
    do {
        c.refuse_at = ++n;
        heed_params_save(ps, path, notes);
        ck_assert_int_eq(c.held, held);
        ck_assert((heed_params_error(ps) == NULL) == (c.refuse_at > 0));
        heed_params_clear_error(ps);
    } while (c.refuse_at <= 0);
    ck_assert_int_gt(n, 10);

    c.refuse_at = 0;
    fill(ps, 9);
    copy = heed_params_copy(ps, HEED_F64);
    const int64_t both = c.held;
    n = 0;
    do {
        c.refuse_at = ++n;
        bool loaded = heed_params_load(ps, path);
        ck_assert_int_eq(c.held, both);
        ck_assert(loaded == (c.refuse_at > 0));
        ck_assert(loaded == (heed_params_error(ps) == NULL));
        assert_same_values(ps, loaded ? whole : copy);
        heed_params_clear_error(ps);
    } while (c.refuse_at <= 0);
    ck_assert_int_gt(n, 5);
    heed_params_free(copy);
    heed_params_free(ps);
    ck_assert_int_eq(c.held, 0);
    heed_params_free(whole);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("archive");
    TCase *sets = tcase_create("sets");
    tcase_add_checked_fixture(sets, name_file, remove_file);
    tcase_add_loop_test(sets, round_trip, 0, 2);
    tcase_add_test(sets, empty_set);
    tcase_add_loop_test(sets, mismatches_are_refused, 0,
                        (int)(sizeof mismatched / sizeof mismatched[0]));
    tcase_add_test(sets, no_such_file);
    tcase_add_test(sets, clearing_closes_scopes);
    suite_add_tcase(suite, sets);
    TCase *archives = tcase_create("archives");
    tcase_add_checked_fixture(archives, name_file, remove_file);
    tcase_add_test(archives, prefixes);
    tcase_add_test(archives, foreign_files);
    tcase_add_test(archives, building_fails_once);
    tcase_add_test(archives, nothing_given);
    tcase_add_test(archives, out_of_memory);
    suite_add_tcase(suite, archives);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
