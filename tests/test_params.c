/* Sets of parameters by name: patterns that freeze, and files that fit a set in part. */
#define _POSIX_C_SOURCE 200809L
#include <heed/params.h>

#include "scratch.h"
#include "text.h"

static heed_params *new_set(heed_dtype dtype, const heed_allocator *allocator)
{
    heed_params *ps = heed_params_new(dtype, allocator);
    if (!ps)
        return NULL;
    for (int i = 0; i < 12; i++) {
        char name[32];
        snprintf(name, sizeof name, "blocks.%d.%s", i / 2, i % 2 ? "bias" : "weight");
        heed_parameter_new(ps, name, i % 2 ? HEED_SHAPE(2) : HEED_SHAPE(3, 2), 0);
    }
    heed_parameter_new(ps, "head.weight", HEED_SHAPE(2, 2), 0);
    return ps;
}

static void fill(heed_params *ps, double value)
{
    for (int k = 0; k < heed_params_count(ps); k++) {
        const heed_parameter *p = heed_params_at(ps, k);
        for (int64_t i = 0; i < p->size; i++) {
            if (p->dtype == HEED_F64)
                ((double *)p->data)[i] = value + k;
            else
                ((float *)p->data)[i] = (float)(value + k);
        }
    }
}

static void assert_value(const heed_params *ps, int k, double value)
{
    const heed_parameter *p = heed_params_at(ps, k);
    for (int64_t i = 0; i < p->size; i++)
        ck_assert_double_eq(((const float *)p->data)[i], value + k);
}

/* ---- patterns ---- */

START_TEST(patterns)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        { "", "", true },
        { "", "a", false },
        { "*", "", true },
        { "*", "blocks.0.weight", true },
        { "?", "", false },
        { "?", "a", true },
        { "?", "ab", false },
        { "a", "a", true },
        { "a", "ab", false },
        { "ab", "a", false },
        { "blocks.*", "blocks.11.norm_1.weight", true },
        { "blocks.*", "blocks", false },
        { "blocks.1.*", "blocks.11.bias", false },
        { "*.bias", "blocks.11.bias", true },
        { "*.bias", "blocks.bias.weight", false },
        { "*.?.*", "blocks.11.weight", false },
        { "*.??.*", "blocks.11.weight", true },
        { "*a*b*c", "xaxbxbxc", true },
        { "*a*b*c", "xaxcxbx", false },
        { "**", "a", true },
        { "a**b", "ab", true },
        { "[ab]", "a", false },
        { "*aab", "aaaaaab", true },
        { "*aab*", "aaaabaaa", true },
        { "!", "", false },
        { "!", "a", true },
        { "!*.bias", "blocks.0.weight", true },
        { "!*.bias", "blocks.0.bias", false },
        { "*!", "a!", true },
        { "!!a", "!a", false },
        { "!!a", "a", true },
    };
    for (int i = 0; i < LENGTH(cases); i++)
        ck_assert_msg(heed__matches(cases[i].pattern, cases[i].text) == cases[i].matches,
                      "%s, %s", cases[i].pattern, cases[i].text);
}
END_TEST

START_TEST(freezing)
{
    heed_params *ps = new_set(HEED_F32, NULL);
    ck_assert_int_eq(heed_params_trainable(ps), 6 * 8 + 4);
    ck_assert_int_eq(heed_params_freeze(ps, "blocks.*", true), 12);
    ck_assert_int_eq(heed_params_trainable(ps), 4);
    ck_assert_int_eq(heed_params_freeze(ps, "*.bias", false), 6);
    ck_assert_int_eq(heed_params_trainable(ps), 6 * 2 + 4);
    ck_assert_int_eq(heed_params_freeze(ps, "blocks.", true), 0);
    ck_assert_int_eq(heed_params_freeze(ps, "head.weight", true), 1);
    ck_assert_int_eq(heed_params_freeze(ps, NULL, true), 0);
    ck_assert_int_eq(heed_params_freeze(NULL, "*", true), 0);
    ck_assert_int_eq(heed_params_trainable(ps), 6 * 2);
    ck_assert_int_eq(heed_params_freeze(ps, "!head.*", true), 12);
    ck_assert_int_eq(heed_params_trainable(ps), 0);
    heed_params_free(ps);
}
END_TEST

/* ---- files of what matches ---- */

/* Weights of the first two blocks from one file, the rest from another; what a file holds
 * beside them is left aside. */
START_TEST(matching)
{
    const char *weights = in_folder("weights"), *all = in_folder("all");
    heed_params *ps = new_set(HEED_F32, NULL), *qs = new_set(HEED_F32, NULL);
    fill(ps, 100);
    ck_assert(heed_params_save_matching(ps, weights, "blocks.?.weight", NULL));
    heed_archive *archive = heed_archive_open(weights, NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
    for (int i = 0; i < 13; i++) {
        bool written = heed_archive_find(archive, heed_params_at(ps, i)->name) != NULL;
        ck_assert_int_eq(written, i < 12 && i % 2 == 0);
    }
    heed_archive_free(archive);
    ck_assert(heed_params_load_matching(qs, weights, "blocks.?.weight"));
    for (int i = 0; i < 13; i++)
        assert_value(qs, i, i < 12 && i % 2 == 0 ? 100 : -i);
    fill(ps, 200);
    ck_assert(heed_params_save(ps, all, NULL));
    ck_assert(heed_params_load_matching(qs, all, "!blocks.?.weight"));
    for (int i = 0; i < 13; i++)
        assert_value(qs, i, i < 12 && i % 2 == 0 ? 100 : 200);
    heed_params_free(ps);
    heed_params_free(qs);
}
END_TEST

/* Strict about names that match, on either side, and nothing is read in part. */
START_TEST(matching_refused)
{
    static const struct {
        const char *written, *pattern, *sentence;
    } cases[] = {
        { "blocks.0.*", "blocks.?.bias",
          "parameter blocks.1.bias: expected f32 [2], found none" },
        { "*", "none.*", "no parameter matches none.*" },
        { "*", NULL, "no parameter matches NULL" },
        { "*", "more*", "no parameter matches more*" },
        { "*", "*e*", "tensor more.weight: the set has no such parameter" },
    };
    const char *path = in_folder("file");
    for (int i = 0; i < LENGTH(cases); i++) {
        heed_params *ps = new_set(HEED_F32, NULL), *qs = new_set(HEED_F32, NULL);
        heed_parameter_new(ps, "more.weight", HEED_SHAPE(1), 0);
        fill(ps, 100);
        ck_assert(heed_params_save_matching(ps, path, cases[i].written, NULL));
        ck_assert(!heed_params_load_matching(qs, path, cases[i].pattern));
        ck_assert_msg(strstr(heed_params_error(qs), cases[i].sentence) != NULL, "%s",
                      heed_params_error(qs));
        for (int k = 0; k < 13; k++)
            assert_value(qs, k, -k); /* all zeros */
        ck_assert(!heed_params_load_matching(qs, path, "*"));
        heed_params_free(ps);
        heed_params_free(qs);
    }
    ck_assert(!heed_params_save_matching(NULL, path, "*", NULL));
}
END_TEST

/* ---- files that fit in part ---- */

/* Two blocks of the six as they are, one weight of another shape, one of another dtype, and two
 * tensors that the set has not. */
static heed_archive *other_model(heed_params *source, const char *prefix)
{
    static const float wide[9] = { 0 };
    static const double f64[2] = { 0 };
    heed_archive *archive = heed_archive_new(NULL);
    for (int i = 0; i < 4; i++) {
        char name[64];
        const heed_parameter *p = heed_params_at(source, i);
        snprintf(name, sizeof name, "%s%s", prefix, p->name);
        ck_assert(heed_archive_add(archive, name, p->dtype, p->shape, p->data));
    }
    const struct {
        const char *name;
        heed_dtype dtype;
        heed_shape shape;
        const void *data;
    } more[] = { { "head.weight", HEED_F32, HEED_DIMS(3, 3), wide },
                 { "blocks.2.bias", HEED_F64, HEED_DIMS(2), f64 },
                 { "tail", HEED_F32, HEED_DIMS(9), wide },
                 { "odd\nname", HEED_F32, { 0 }, wide } };
    for (int i = 0; i < LENGTH(more); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, more[i].name);
        ck_assert(heed_archive_add(archive, name, more[i].dtype, more[i].shape, more[i].data));
    }
    return archive;
}

static void assert_report(const heed_load_report *r)
{
    ck_assert_int_eq(r->count, 15);
    ck_assert_int_eq(r->loaded, 4);
    ck_assert_int_eq(r->unfit, 2);
    ck_assert_int_eq(r->missing, 7);
    ck_assert_int_eq(r->unknown, 2);
    const heed_load_line *line = &r->lines[0];
    ck_assert_int_eq(line->outcome, HEED_LOADED);
    ck_assert_str_eq(line->name, "blocks.0.weight");
    ck_assert_str_eq(line->expected, "f32 [3,2]");
    ck_assert_str_eq(line->found, "f32 [3,2]");
    line = &r->lines[4];
    ck_assert_int_eq(line->outcome, HEED_MISSING);
    ck_assert_str_eq(line->name, "blocks.2.weight");
    ck_assert_str_eq(line->found, "");
    line = &r->lines[5];
    ck_assert_int_eq(line->outcome, HEED_UNFIT);
    ck_assert_str_eq(line->expected, "f32 [2]");
    ck_assert_str_eq(line->found, "f64 [2]");
    line = &r->lines[12];
    ck_assert_int_eq(line->outcome, HEED_UNFIT);
    ck_assert_str_eq(line->name, "head.weight");
    ck_assert_str_eq(line->expected, "f32 [2,2]");
    ck_assert_str_eq(line->found, "f32 [3,3]");
    ck_assert_int_eq(r->lines[13].outcome, HEED_UNKNOWN);
    ck_assert_int_eq(r->lines[14].outcome, HEED_UNKNOWN);
    ck_assert_str_eq(r->lines[13].expected, "");
}

static void assert_loaded_in_part(const heed_params *ps)
{
    for (int k = 0; k < heed_params_count(ps); k++)
        assert_value(ps, k, k < 4 ? 100 : 0);
}

START_TEST(partial_file)
{
    heed_params *source = new_set(HEED_F32, NULL), *ps = new_set(HEED_F32, NULL);
    heed_load_report report;
    fill(source, 100);
    fill(ps, 0);
    heed_archive *archive = other_model(source, "");
    ck_assert(heed_archive_save(archive, in_folder("other")));
    heed_archive_free(archive);

    ck_assert_msg(heed_params_load_partial(ps, in_folder("other"), &report), "%s",
                  heed_params_error(ps));
    assert_report(&report);
    assert_loaded_in_part(ps);

    FILE *file = fopen(in_folder("report"), "w+");
    heed_load_report_print(&report, file);
    rewind(file);
    error[fread(error, 1, sizeof error - 1, file)] = '\0';
    fclose(file);
    ck_assert_ptr_nonnull(strstr(error, "missing  'blocks.2.weight' f32 [3,2]\n"));
    ck_assert_ptr_nonnull(
        strstr(error, "unfit    'head.weight' expected f32 [2,2], found f32 [3,3]\n"));
    ck_assert_ptr_nonnull(strstr(error, "unknown  'odd\\x0Aname' f32 []\n"));
    ck_assert_ptr_nonnull(strstr(error, "4 loaded, 7 missing, 2 unfit, 2 unknown\n"));
    ck_assert_ptr_null(strstr(error, "blocks.0"));
    heed_load_report_free(&report);
    ck_assert_int_eq(report.count, 0);
    heed_load_report_free(&report);

    fill(ps, 0);
    ck_assert(heed_params_load_partial(ps, in_folder("other"), NULL));
    assert_loaded_in_part(ps);
    heed_params_free(source);
    heed_params_free(ps);
}
END_TEST

START_TEST(partial_archive)
{
    heed_params *source = new_set(HEED_F32, NULL), *ps = new_set(HEED_F32, NULL);
    heed_load_report report;
    fill(source, 100);
    fill(ps, 0);
    heed_archive *archive = other_model(source, "model.");
    const float one = 1;
    ck_assert(heed_archive_add(archive, "optimizer.x", HEED_F32, HEED_SCALAR, &one));
    ck_assert(heed_archive_get_partial(archive, "model.", ps, &report));
    assert_report(&report);
    assert_loaded_in_part(ps);
    heed_load_report_free(&report);

    /* Nothing there at all is no error: the report says so. */
    ck_assert(heed_archive_get_partial(archive, "nothing.", ps, &report));
    ck_assert_int_eq(report.loaded, 0);
    ck_assert_int_eq(report.missing, 13);
    ck_assert_int_eq(report.unknown, 0);
    heed_load_report_free(&report);
    heed_params *empty = heed_params_new(HEED_F32, NULL);
    ck_assert(heed_archive_get_partial(archive, "nothing.", empty, &report));
    ck_assert_int_eq(report.count, 0);
    heed_load_report_free(&report);
    ck_assert(!heed_archive_get_partial(NULL, "", ps, &report));
    ck_assert(!heed_archive_get_partial(archive, "", NULL, NULL));
    heed_params_free(empty);
    heed_archive_free(archive);
    heed_params_free(source);
    heed_params_free(ps);
}
END_TEST

START_TEST(partial_of_a_broken_file)
{
    heed_params *ps = new_set(HEED_F32, NULL);
    heed_load_report report = { .count = 7 };
    fill(ps, 100);
    ck_assert(heed_params_save(ps, in_folder("whole"), NULL));
    char bytes[4000];
    FILE *file = fopen(in_folder("whole"), "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    ck_assert_uint_lt(size, sizeof bytes);
    file = fopen(in_folder("cut"), "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, size - 1, file), size - 1);
    fclose(file);
    fill(ps, 0);
    ck_assert(!heed_params_load_partial(ps, in_folder("cut"), &report));
    ck_assert_ptr_nonnull(strstr(heed_params_error(ps), "cut"));
    ck_assert_int_eq(report.count, 0);
    for (int k = 0; k < 13; k++)
        assert_value(ps, k, 0);
    heed_params_clear_error(ps);
    ck_assert(!heed_params_load_partial(ps, in_folder("absent"), &report));
    ck_assert(!heed_params_load_partial(ps, in_folder("whole"), &report)); /* has failed */
    heed_params_clear_error(ps);
    ck_assert(heed_params_load_partial(ps, in_folder("whole"), &report));
    ck_assert_int_eq(report.loaded, 13);
    heed_load_report_free(&report);
    heed_params_free(ps);
}
END_TEST

typedef struct counter {
    int refuse_at; /* the refuse_at-th call from here on gives NULL; 0: none */
    int64_t held;
} counter;

static void *count_allocate(void *context, size_t bytes)
{
    counter *c = context;
    if (c->refuse_at && --c->refuse_at == 0)
        return NULL;
    c->held += (int64_t)bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void count_release(void *context, void *memory, size_t bytes)
{
    ((counter *)context)->held -= (int64_t)bytes;
    free(memory);
}

/* Every allocation fails once; the set's values stay, and in the end nothing is left. */
START_TEST(partial_out_of_memory)
{
    counter c = { 0 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    heed_params *ps = new_set(HEED_F32, &allocator);
    fill(ps, 100);
    ck_assert(heed_params_save(ps, in_folder("whole"), NULL));
    fill(ps, 0);
    heed_load_report report;
    bool good = false;
    int n = 1;
    for (; !good; n++) {
        c.refuse_at = n;
        good = heed_params_load_partial(ps, in_folder("whole"), &report);
        if (good)
            break;
        ck_assert_ptr_nonnull(strstr(heed_params_error(ps), "memory"));
        heed_params_clear_error(ps);
        assert_value(ps, 0, 0);
        assert_value(ps, 12, 0);
        ck_assert_int_lt(n, 100);
    }
    ck_assert_int_gt(n, 5);
    assert_value(ps, 12, 100);
    /* The report outlives its set. */
    heed_params_free(ps);
    ck_assert_str_eq(report.lines[12].name, "head.weight");
    heed_load_report_free(&report);
    ck_assert_int_eq(c.held, 0);
}
END_TEST

/* ---- memory that a set keeps ---- */

/* The set has failed with this sentence, which is then forgotten. */
static void failed_with(heed_params *ps, const char *sentence)
{
    ck_assert_ptr_nonnull(heed_params_error(ps));
    ck_assert_str_eq(heed_params_error(ps), sentence);
    heed_params_clear_error(ps);
}

START_TEST(nothing_given)
{
    heed_params *ps = new_set(HEED_F64, NULL);
    double values[6] = { 0 };
    ck_assert_ptr_null(heed_params_find(ps, NULL));
    ck_assert(!heed_params_get(ps, NULL, 6, values));
    failed_with(ps, "parameter: the name is NULL");
    ck_assert(!heed_params_set(ps, NULL, 6, values));
    failed_with(ps, "parameter: the name is NULL");
    ck_assert(!heed_params_get(ps, "blocks.0.weight", 6, NULL));
    failed_with(ps, "parameter blocks.0.weight: the values are NULL");
    ck_assert(!heed_params_set(ps, "blocks.0.weight", 6, NULL));
    failed_with(ps, "parameter blocks.0.weight: the values are NULL");
    ck_assert_int_eq(heed_params_freeze(ps, NULL, true), 0);
    failed_with(ps, "freeze: the pattern is NULL");
    ck_assert(!heed_params_save(ps, NULL, NULL));
    failed_with(ps, "params: save: the path is NULL");
    ck_assert(!heed_params_save_matching(ps, NULL, "*", NULL));
    failed_with(ps, "params: save: the path is NULL");
    ck_assert(!heed_params_load(ps, NULL));
    failed_with(ps, "params: load: the path is NULL");
    ck_assert(!heed_params_load_matching(ps, NULL, "*"));
    failed_with(ps, "params: load: the path is NULL");
    ck_assert(!heed_params_load_partial(ps, NULL, NULL));
    failed_with(ps, "archive: open: the path is NULL");
    heed_params_free(ps);
}
END_TEST

START_TEST(kept)
{
    counter c = { 0 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    heed_params *ps = new_set(HEED_F32, &allocator);
    fill(ps, 0);
    unsigned char *bytes = heed_params_keep(ps, 1000, 3);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq((uintptr_t)bytes % 64, 0);
    for (int i = 0; i < 3000; i++)
        ck_assert_int_eq(bytes[i], 0);
    memset(bytes, 1, 3000);
    assert_value(ps, 0, 0);
    assert_value(ps, 12, 0);
    ck_assert_ptr_null(heed_params_keep(ps, INT64_MAX, 8));
    ck_assert_str_eq(heed_params_error(ps),
                     "params: no memory for 9223372036854775807 times 8 bytes");
    ck_assert_ptr_null(heed_params_keep(ps, 1, 1));
    heed_params_clear_error(ps);
    c.refuse_at = 1;
    ck_assert_ptr_null(heed_params_keep(ps, 1, 1));
    heed_params_clear_error(ps);
    ck_assert_ptr_null(heed_params_keep(ps, -1, 1));
    heed_params_free(ps);
    ck_assert_int_eq(c.held, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("params");
    TCase *memory = tcase_create("memory");
    tcase_add_test(memory, kept);
    suite_add_tcase(suite, memory);
    TCase *names = tcase_create("names");
    tcase_add_test(names, patterns);
    tcase_add_test(names, freezing);
    tcase_add_test(names, nothing_given);
    suite_add_tcase(suite, names);
    TCase *files = tcase_create("matching");
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_add_test(files, matching);
    tcase_add_test(files, matching_refused);
    suite_add_tcase(suite, files);
    TCase *partial = tcase_create("partial");
    tcase_add_checked_fixture(partial, make_folder, remove_folder);
    tcase_add_test(partial, partial_file);
    tcase_add_test(partial, partial_archive);
    tcase_add_test(partial, partial_of_a_broken_file);
    tcase_add_test(partial, partial_out_of_memory);
    suite_add_tcase(suite, partial);
    return run_suite(suite);
}
