/* Looking inside attention: measures against closed forms and numbers worked out by hand, rows
 * one at a time against all at once, labels. Files are test_inspect_files.c. */
#define _POSIX_C_SOURCE 200809L
#include <heed/inspect.h>

#include "scratch.h"

#include <math.h>

static heed_maps *new_maps(void)
{
    heed_maps *m = heed_maps_new((heed_maps_options){ .title = "a title" });
    ck_assert_ptr_nonnull(m);
    return m;
}

static const heed_map *add(heed_maps *m, const char *name, int64_t heads, int64_t queries,
                           int64_t keys, const double *weights)
{
    ck_assert_msg(heed_maps_add(m, name, heads, queries, keys, weights, error, sizeof error),
                  "%s", error);
    return heed_maps_find(m, name);
}

static unsigned warnings_of(const heed_map *map, int64_t head)
{
    heed_head h = heed_map_measure(map, head);
    return heed_head_warnings(&h, NULL);
}

/* ---- measures ---- */

START_TEST(uniform_rows)
{
    heed_maps *m = new_maps();
    double weights[5 * 8];
    for (int i = 0; i < 40; i++)
        weights[i] = 0.125;
    const heed_map *map = add(m, "u", 1, 5, 8, weights);
    heed_head h = heed_map_measure(map, 0);
    ck_assert(!h.causal);
    ck_assert_int_eq(h.rows, 5);
    ck_assert_int_eq(h.blind, 0);
    ck_assert_double_eq_tol(h.entropy, log(8), 1e-14);
    ck_assert_double_eq_tol(h.relative_entropy, 1, 1e-14);
    ck_assert_double_eq_tol(h.least_entropy, 1, 1e-14);
    ck_assert_double_eq_tol(h.confidence, 0.125, 1e-15);
    ck_assert_double_eq_tol(h.largest, 0.125, 1e-15);
    ck_assert_double_eq_tol(h.span, 8, 1e-13);
    /* sums of |i - j| over j < 8: 28, 22, 18, 16, 16 */
    ck_assert_double_eq_tol(h.distance, (28 + 22 + 18 + 16 + 16) / 40.0, 1e-14);
    /* places in units of 1/28: queries 0 7 14 21 28, keys 0 4 ... 28; sums of the distances
     * 112, 76, 64, 76, 112 */
    ck_assert_double_eq_tol(h.diagonality, 1 - 440 / 28.0 / 40, 1e-14);
    ck_assert_double_eq(h.monotonicity, 1);
    ck_assert_double_eq_tol(h.sink, 0.125, 1e-14);
    ck_assert(isnan(h.cosine) && isnan(h.divergence));
    ck_assert_uint_eq(heed_head_warnings(&h, NULL), HEED_HEAD_UNIFORM);
    ck_assert_uint_eq(heed_head_warnings(&h, &(heed_thresholds){ .uniform = -1 }), 0);
    ck_assert_uint_eq(heed_head_warnings(&h, &(heed_thresholds){ .uniform = -1, .sink = 0.1 }),
                      HEED_HEAD_SINK);
    heed_maps_free(m);
}
END_TEST

/* Each query sees itself and what came before: uniform over that is as uniform as can be. */
START_TEST(causal_rows)
{
    heed_maps *m = new_maps();
    double weights[2 * 4] = { 1.0 / 3, 1.0 / 3, 1.0 / 3, 0, 0.25, 0.25, 0.25, 0.25 };
    heed_head h = heed_map_measure(add(m, "last two of four", 1, 2, 4, weights), 0);
    ck_assert(h.causal);
    ck_assert_double_eq_tol(h.relative_entropy, 1, 1e-14);
    ck_assert_double_eq_tol(h.span, 3.5, 1e-14);
    ck_assert_double_eq_tol(h.distance, (1 + 1.5) / 2, 1e-14); /* from positions 2 and 3 */
    ck_assert_double_eq_tol(h.diagonality, 1 - (1 + 1.5) / 2 / 3, 1e-14);
    ck_assert_double_eq_tol(h.sink, (1.0 / 3 + 0.25) / 2, 1e-14);
    ck_assert_int_eq(h.sink_key, 0);

    /* One head that looks ahead and the map is not causal. */
    double two[2 * 2 * 2] = { 1, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5 };
    const heed_map *map = add(m, "one looks ahead", 2, 2, 2, two);
    ck_assert(!heed_map_measure(map, 0).causal);
    two[4] = 1;
    two[5] = 0;
    map = add(m, "one looks ahead", 2, 2, 2, two);
    h = heed_map_measure(map, 0);
    ck_assert(h.causal);
    ck_assert_double_eq_tol(h.relative_entropy, 1, 1e-14); /* the first row has no choice */
    ck_assert_double_eq_tol(h.sink, 0.5, 1e-14);
    ck_assert_double_eq_tol(h.entropy, log(2) / 2, 1e-14);
    ck_assert_double_eq_tol(h.cosine, 1, 1e-14);
    ck_assert_double_eq_tol(h.divergence, 0, 1e-14);
    heed_maps_free(m);
}
END_TEST

START_TEST(identity_and_its_mirror)
{
    heed_maps *m = new_maps();
    double weights[2 * 36] = { 0 };
    for (int i = 0; i < 6; i++)
        weights[i * 6 + i] = weights[36 + i * 6 + 5 - i] = 1;
    const heed_map *map = add(m, "i", 2, 6, 6, weights);
    heed_head h = heed_map_measure(map, 0), mirror = heed_map_measure(map, 1);
    ck_assert_double_eq(h.entropy, 0);
    ck_assert_double_eq(h.relative_entropy, 0);
    ck_assert_double_eq(h.confidence, 1);
    ck_assert_double_eq(h.span, 1);
    ck_assert_double_eq(h.distance, 0);
    ck_assert_double_eq(h.diagonality, 1);
    ck_assert_double_eq(h.monotonicity, 1);
    ck_assert_double_eq_tol(h.sink, 1 / 6.0, 1e-15);
    ck_assert_uint_eq(warnings_of(map, 0), HEED_HEAD_CONCENTRATED);
    ck_assert_double_eq(mirror.distance, 3);
    ck_assert_double_eq_tol(mirror.diagonality, 0.4, 1e-15);
    ck_assert_double_eq(mirror.monotonicity, 0);
    ck_assert_double_eq(h.cosine, 0); /* no key in common */
    ck_assert_double_eq_tol(h.divergence, log(2), 1e-15);
    heed_maps_free(m);
}
END_TEST

START_TEST(sink_in_the_first_column)
{
    heed_maps *m = new_maps();
    double weights[4 * 5] = { 0 };
    for (int i = 0; i < 4; i++) {
        weights[i * 5] = 0.9;
        weights[i * 5 + 1 + i] = 0.1;
    }
    const heed_map *map = add(m, "s", 1, 4, 5, weights);
    heed_head h = heed_map_measure(map, 0);
    ck_assert_double_eq_tol(h.sink, 0.9, 1e-15);
    ck_assert_int_eq(h.sink_key, 0);
    ck_assert_double_eq_tol(h.entropy, -0.9 * log(0.9) - 0.1 * log(0.1), 1e-15);
    ck_assert_double_eq(h.monotonicity, 1);
    ck_assert_uint_eq(warnings_of(map, 0), HEED_HEAD_SINK);
    heed_maps_free(m);
}
END_TEST

/* Rows that do not add up to 1, or to nothing, or are no numbers. */
START_TEST(odd_rows)
{
    heed_maps *m = new_maps();
    const double weights[4 * 2] = { 2, 6, 0, 0, NAN, 3, -1, 0.5 };
    const heed_map *map = add(m, "odd", 1, 4, 2, weights);
    heed_head h = heed_map_measure(map, 0);
    ck_assert_int_eq(h.rows, 3);
    ck_assert_int_eq(h.blind, 1);
    ck_assert_int_eq(h.not_finite, 1);
    ck_assert_double_eq_tol(h.confidence, (0.75 + 1 + 1) / 3, 1e-15);
    ck_assert_double_eq(h.monotonicity, 1); /* of rows 2 and 3 only */
    char text[80];
    ck_assert_str_eq(heed_warnings_text(warnings_of(map, 0), text, sizeof text),
                     "sink, blind, not finite");
    ck_assert_str_eq(heed_warnings_text(31, text, 10), "uniform, ");
    ck_assert_str_eq(heed_warnings_text(0, text, sizeof text), "");

    map = add(m, "blind", 1, 2, 2, (double[4]){ 0 });
    h = heed_map_measure(map, 0);
    ck_assert(isnan(h.entropy) && isnan(h.sink) && isnan(h.diagonality) && isnan(h.largest));
    ck_assert_int_eq(h.sink_key, -1);
    ck_assert_uint_eq(heed_head_warnings(&h, NULL), HEED_HEAD_BLIND);
    h = heed_map_measure(add(m, "empty", 1, 0, 3, NULL), 0);
    ck_assert(h.rows == 0 && isnan(h.span));
    ck_assert_uint_eq(heed_head_warnings(&h, NULL), 0);
    h = heed_map_measure(add(m, "one", 1, 1, 1, (double[1]){ 1 }), 0);
    ck_assert(h.confidence == 1 && h.diagonality == 1 && isnan(h.relative_entropy));
    ck_assert_uint_eq(heed_head_warnings(&h, NULL), 0);
    heed_maps_free(m);
}
END_TEST

START_TEST(alike_heads)
{
    heed_maps *m = new_maps();
    const double weights[3 * 2] = { 1, 0, 0.5, 0.5, 0, 1 };
    const heed_map *map = add(m, "three", 3, 1, 2, weights);
    heed_similarity s = heed_map_similarity(map, 0, map, 1);
    ck_assert_double_eq_tol(s.cosine, sqrt(0.5), 1e-15);
    /* m = (3/4, 1/4): half of ln 4/3, and of (ln 2/3 + ln 2)/2 */
    ck_assert_double_eq_tol(s.divergence, log(4.0 / 3) / 2 + log(4.0 / 3) / 4, 1e-15);
    heed_head h = heed_map_measure(map, 0);
    ck_assert_double_eq_tol(h.cosine, sqrt(0.5) / 2, 1e-15);
    ck_assert_double_eq_tol(h.divergence, (s.divergence + log(2)) / 2, 1e-15);
    ck_assert(isnan(heed_map_similarity(map, 0, map, 3).cosine));
    const heed_map *other = add(m, "other", 1, 1, 3, (double[3]){ 1, 0, 0 });
    ck_assert(isnan(heed_map_similarity(heed_maps_find(m, "three"), 0, other, 0).divergence));
    heed_maps_free(m);
}
END_TEST

/* ---- recording ---- */

static const double steps[3][2][3] = { { { 1, 0, 0 }, { 1, 0, 0 } },
                                       { { 0.25, 0.75, 0 }, { 1, 0, 0 } },
                                       { { 0.5, 0.25, 0.25 }, { 0, 0, 1 } } };

START_TEST(rows_one_at_a_time)
{
    heed_maps *m = new_maps();
    double whole[2][3][3], row[6];
    for (int i = 0; i < 3; i++) {
        for (int h = 0; h < 2; h++) {
            memcpy(whole[h][i], steps[i][h], sizeof steps[i][h]);
            memcpy(row + h * (i + 1), steps[i][h], (size_t)(i + 1) * sizeof *row);
        }
        ck_assert(heed_maps_append_row(m, "rows", 2, i + 1, row, error, sizeof error));
    }
    add(m, "whole", 2, 3, 3, whole[0][0]);
    const heed_map *a = heed_maps_find(m, "rows"), *b = heed_maps_find(m, "whole");
    ck_assert_int_eq(a->queries, 3);
    ck_assert_int_eq(a->keys, 3);
    for (int h = 0; h < 2; h++) {
        for (int i = 0; i < 3; i++)
            ck_assert(memcmp(heed_map_row(a, h, i), heed_map_row(b, h, i), 24) == 0);
        heed_head x = heed_map_measure(a, h), y = heed_map_measure(b, h);
        ck_assert(x.causal && y.causal);
        ck_assert_double_eq(x.relative_entropy, y.relative_entropy);
        ck_assert_double_eq(x.divergence, y.divergence);
    }
    ck_assert_ptr_null(heed_map_row(a, 2, 0));
    ck_assert_ptr_null(heed_map_row(a, 0, 3));
    ck_assert_ptr_null(heed_map_row(NULL, 0, 0));

    ck_assert(!heed_maps_append_row(m, "rows", 1, 3, row, error, sizeof error));
    ck_assert_str_eq(error, "maps: 'rows' has 2 heads, and rows of 1 heads cannot be added");
    ck_assert(!heed_maps_append_row(m, "rows", 2, 2, row, error, sizeof error));
    ck_assert_str_eq(error, "maps: 'rows' has 3 keys, and rows of only 2 cannot be added");
    ck_assert(!heed_maps_add(m, "x", -1, 2, 2, row, error, sizeof error));
    ck_assert_str_eq(error, "maps: 'x' cannot have -1 heads, 2 queries and 2 keys");
    ck_assert(!heed_maps_add(m, "x", INT64_MAX, 2, 2, row, error, sizeof error));
    ck_assert_str_eq(error, "maps: 'x': out of memory");
    heed_maps_free(m);
}
END_TEST

/* Counts whose products and sums go beyond what can be counted, each as heads, queries, keys. */
static const int64_t huge[][3] = {
    { 1, 1, (int64_t)1 << 61 },
    { 1, 1, INT64_MAX },
    { 1, (int64_t)1 << 61, 1 },
    { 1, INT64_MAX, 1 },
    { (int64_t)1 << 61, 1, 1 },
    { INT64_MAX, 1, 1 },
    { (int64_t)1 << 30, (int64_t)1 << 30, (int64_t)1 << 30 },
    { INT64_MAX, INT64_MAX, INT64_MAX },
    { INT64_MAX, 0, 1 },
    { 0, INT64_MAX, 1 },
    { 0, 0, INT64_MAX },
    { 1, 1, ((int64_t)1 << 61) - 1 },
};

START_TEST(sizes_that_do_not_fit)
{
    heed_maps *m = new_maps();
    const int64_t heads = huge[_i][0], queries = huge[_i][1], keys = huge[_i][2];
    const double weights[2] = { 0.25, 0.75 };
    add(m, "old", 1, 1, 2, weights);
    ck_assert(!heed_maps_add(m, "new", heads, queries, keys, weights, error, sizeof error));
    ck_assert_str_eq(error, "maps: 'new': out of memory");
    ck_assert(!heed_maps_add(m, "old", heads, queries, keys, weights, error, sizeof error));
    ck_assert_str_eq(error, "maps: 'old': out of memory");
    if (queries == 1) {
        ck_assert(!heed_maps_append_row(m, "new", heads, keys, weights, error, sizeof error));
        ck_assert_str_eq(error, "maps: 'new': out of memory");
    }
    if (queries == 1 && heads == 1) {
        ck_assert(!heed_maps_append_row(m, "old", 1, keys, weights, error, sizeof error));
        ck_assert_str_eq(error, "maps: 'old': out of memory");
    }
    ck_assert_int_eq(heed_maps_count(m), 1);
    ck_assert_double_eq(heed_map_row(heed_maps_at(m, 0), 0, 0)[1], 0.75);
    heed_maps_free(m);
}
END_TEST

START_TEST(empty_maps)
{
    const int64_t shapes[][3] = { { 0, 3, 2 }, { 2, 0, 2 }, { 2, 3, 0 }, { 0, 0, 0 } };
    heed_maps *m = new_maps();
    for (int i = 0; i < LENGTH(shapes); i++) {
        const heed_map *map = add(m, "a", shapes[i][0], shapes[i][1], shapes[i][2], NULL);
        ck_assert_int_eq(map->heads, shapes[i][0]);
        ck_assert_int_eq(map->queries, shapes[i][1]);
        ck_assert_int_eq(map->keys, shapes[i][2]);
    }
    heed_maps_free(m);
}
END_TEST

START_TEST(nothing_given)
{
    heed_maps *m = new_maps();
    const double one[1] = { 1 };
    const char *label[1] = { "x" };
    add(m, "a", 1, 1, 1, one);
    ck_assert(!heed_maps_add(NULL, "a", 1, 1, 1, one, error, sizeof error));
    ck_assert_str_eq(error, "maps: there is no collection");
    ck_assert(!heed_maps_add(m, NULL, 1, 1, 1, one, error, sizeof error));
    ck_assert_str_eq(error, "maps: the name is NULL");
    ck_assert(!heed_maps_add(m, "a", 1, 1, 1, NULL, error, sizeof error));
    ck_assert_str_eq(error, "maps: 'a': the weights are NULL");
    ck_assert(!heed_maps_append_row(NULL, "a", 1, 1, one, error, sizeof error));
    ck_assert_str_eq(error, "maps: there is no collection");
    ck_assert(!heed_maps_append_row(m, NULL, 1, 1, one, error, sizeof error));
    ck_assert_str_eq(error, "maps: the name is NULL");
    ck_assert(!heed_maps_append_row(m, "a", 1, 1, NULL, error, sizeof error));
    ck_assert_str_eq(error, "maps: 'a': the weights are NULL");
    ck_assert(!heed_maps_label(NULL, "a", 1, label, 1, label, error, sizeof error));
    ck_assert_str_eq(error, "maps: there is no collection");
    ck_assert(!heed_maps_label(m, NULL, 1, label, 1, label, error, sizeof error));
    ck_assert_str_eq(error, "maps: the pattern is NULL");
    ck_assert_ptr_null(heed_maps_find(m, NULL));
    ck_assert_int_eq(heed_maps_at(m, 0)->queries, 1);

    heed_head h = heed_map_measure(NULL, 0);
    ck_assert(h.rows == 0 && h.sink_key == -1 && isnan(h.entropy));
    ck_assert(isnan(heed_map_similarity(NULL, 0, heed_maps_at(m, 0), 0).cosine));
    ck_assert(isnan(heed_map_similarity(heed_maps_at(m, 0), 0, NULL, 0).divergence));
    ck_assert_uint_eq(heed_head_warnings(NULL, NULL), 0);
    heed_map_draw(NULL, 0, true, stdout);
    heed_maps_free(m);
}
END_TEST

START_TEST(tensors)
{
    heed_maps *m = heed_maps_new((heed_maps_options){ .example = 1 });
    heed_tape *t = heed_tape_new(NULL);
    heed_tensor *x = heed_cast(t, heed_arange(t, 0, 2 * 3 * 2 * 4), HEED_F32);
    x = heed_reshape(t, x, HEED_SHAPE(2, 3, 2, 4));
    ck_assert_ptr_eq(heed_maps_record(NULL, t, x, "nobody looks"), x);
    ck_assert_ptr_eq(heed_maps_record(m, t, x, "blocks.%d", 3), x);
    const heed_map *map = heed_maps_find(m, "blocks.3");
    ck_assert_ptr_eq(map, heed_maps_at(m, 0));
    ck_assert(map->heads == 3 && map->queries == 2 && map->keys == 4);
    ck_assert_double_eq(heed_map_row(map, 2, 1)[3], 47);
    ck_assert_double_eq(heed_map_row(map, 0, 0)[0], 24);
    /* The next pass takes its place; a view is as good as a tensor. */
    heed_maps_record(m, t, heed_swap(t, x, 2, 3), "blocks.3");
    ck_assert_int_eq(heed_maps_count(m), 1);
    map = heed_maps_find(m, "blocks.3");
    ck_assert(map->queries == 4 && map->keys == 2);
    ck_assert_double_eq(heed_map_row(map, 2, 1)[1], 45);
    heed_maps_record(m, t, heed_select(t, x, 0, 0), "three axes");
    ck_assert_double_eq(heed_map_row(heed_maps_at(m, 1), 1, 0)[0], 8);
    heed_tensor *two = heed_reshape(t, x, HEED_SHAPE(6, 8));
    heed_maps_record(m, t, two, "two axes");
    ck_assert_int_eq(heed_maps_at(m, 2)->heads, 1);
    heed_maps_clear(m);
    ck_assert_int_eq(heed_maps_count(m), 0);
    ck_assert_ptr_null(heed_maps_at(m, 0));
    heed_maps_free(m);

    m = heed_maps_new((heed_maps_options){ .append = true });
    for (int i = 0; i < 3; i++) {
        heed_tensor *row = heed_slice(t, two, 0, i, i + 1, 1);
        heed_maps_record(m, t, heed_slice(t, row, 1, 0, 6 + i, 1), "steps");
    }
    map = heed_maps_at(m, 0);
    ck_assert(map->queries == 3 && map->keys == 8);
    ck_assert_double_eq(heed_map_row(map, 0, 1)[6], 14);
    ck_assert_double_eq(heed_map_row(map, 0, 1)[7], 0);
    ck_assert_ptr_null(heed_error(t));
    heed_maps_free(m);
    heed_tape_free(t);
}
END_TEST

START_TEST(refused_tensors)
{
    heed_maps *m = heed_maps_new((heed_maps_options){ .example = 2 });
    heed_tape *t = heed_tape_new(NULL);
    ck_assert_ptr_null(heed_maps_record(m, t, heed_full(t, HEED_SHAPE(2, 1, 3, 3), 1), "x"));
    ck_assert_str_eq(heed_error(t), "maps: x: there is no example 2 in weights [2,1,3,3]");
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_maps_record(m, t, heed_full(t, HEED_SHAPE(2), 1), "x"));
    ck_assert_str_eq(heed_error(t),
                     "maps: x: weights need shape [B, H, T, S], [H, T, S] or [T, S], got [2]");
    heed_tape_reset(t);
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(1, 1), (int32_t[]){ 4 });
    ck_assert_ptr_null(heed_maps_record(m, t, ids, "x"));
    ck_assert_str_eq(heed_error(t), "maps: x: weights are i32 but must be f32 or f64");
    heed_maps_record(m, t, ids, "of a failed tape");
    ck_assert_str_eq(heed_error(t), "maps: x: weights are i32 but must be f32 or f64");
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_maps_record(m, t, heed_full(t, HEED_SHAPE(1, 1), 1), "%300d", 1));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "is too long"));
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_maps_record(m, t, heed_full(t, HEED_SHAPE(1, 1), 1), NULL));
    ck_assert_str_eq(heed_error(t), "maps: the name is NULL");
    ck_assert_int_eq(heed_maps_count(m), 0);
    heed_maps_free(m);
    heed_tape_free(t);
}
END_TEST

/* ---- labels ---- */

START_TEST(labels)
{
    heed_maps *m = new_maps();
    const double weights[6] = { 1, 0, 0, 0, 1, 0 };
    add(m, "blocks.0", 1, 2, 3, weights);
    add(m, "blocks.1", 1, 2, 3, weights);
    add(m, "other", 1, 3, 2, weights);
    const char *queries[] = { "\xec\x95\x88", "bad\xff\xc3" }, *keys[] = { "x", NULL, "" };
    ck_assert(heed_maps_label(m, "blocks.*", 2, queries, 3, keys, error, sizeof error));
    const heed_map *map = heed_maps_find(m, "blocks.1");
    ck_assert_str_eq(heed_map_query(map, 0), "\xec\x95\x88");
    ck_assert_str_eq(heed_map_query(map, 1), "bad\xef\xbf\xbd\xef\xbf\xbd");
    ck_assert_str_eq(heed_map_key(map, 0), "x");
    ck_assert_ptr_null(heed_map_key(map, 1));
    ck_assert_str_eq(heed_map_key(map, 2), "");
    ck_assert_ptr_null(heed_map_key(map, 3));
    ck_assert_ptr_null(heed_map_query(map, -1));
    ck_assert_ptr_null(heed_map_query(heed_maps_find(m, "other"), 0));
    ck_assert(heed_maps_label(m, "*", 0, NULL, 0, NULL, error, sizeof error));
    ck_assert(!heed_maps_label(m, "*", 0, NULL, 3, keys, error, sizeof error));
    ck_assert_str_eq(error, "maps: 'other' has 2 keys and not 3 as there are labels");
    ck_assert(!heed_maps_label(m, "b", 0, NULL, 0, NULL, error, sizeof error));
    ck_assert_str_eq(error, "maps: no map's name matches 'b'");
    heed_maps_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect");
    TCase *measures = tcase_create("measures");
    tcase_add_test(measures, uniform_rows);
    tcase_add_test(measures, causal_rows);
    tcase_add_test(measures, identity_and_its_mirror);
    tcase_add_test(measures, sink_in_the_first_column);
    tcase_add_test(measures, odd_rows);
    tcase_add_test(measures, alike_heads);
    suite_add_tcase(suite, measures);

    TCase *recording = tcase_create("recording");
    tcase_add_test(recording, rows_one_at_a_time);
    tcase_add_loop_test(recording, sizes_that_do_not_fit, 0, LENGTH(huge));
    tcase_add_test(recording, empty_maps);
    tcase_add_test(recording, nothing_given);
    tcase_add_test(recording, tensors);
    tcase_add_test(recording, refused_tensors);
    tcase_add_test(recording, labels);
    suite_add_tcase(suite, recording);
    return run_suite(suite);
}
