/* Views, rearrangements and indexing beyond what the records' cases say: which results share
 * memory, every dtype, large operands against plain loops, several results at once, and what is
 * refused. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "kernels/kernels.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof *(table)))

static heed_tape *t;

static void begin(void)
{
    heed__set_threads(1);
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ck_assert_ptr_nonnull(t);
}

static void end(void)
{
    heed_tape_free(t);
}

/* 0, 1, 2, ... in f64. */
static heed_tensor *count_up(heed_shape shape)
{
    double values[2000];
    int64_t n = 1;
    for (int k = 0; k < shape.ndim; k++)
        n *= shape.size[k];
    ck_assert_int_le(n, 2000);
    for (int64_t i = 0; i < n; i++)
        values[i] = (double)i;
    return heed_copy_in(t, HEED_F64, shape, values);
}

static heed_tensor *ids(heed_shape shape, const int32_t *values)
{
    return heed_ids(t, shape, values);
}

static void expect(const heed_tensor *x, int64_t n, const double *values)
{
    ck_assert_msg(x != NULL, "%s", heed_error(t));
    ck_assert_int_eq(heed_size(x), n);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(heed_at(x, i) == values[i], "element %d is %g, not %g", (int)i,
                      heed_at(x, i), values[i]);
}
#define EXPECT(x, ...)                                                       \
    expect(x, (int64_t)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)), \
           (const double[]){ __VA_ARGS__ })

/* The call failed with this sentence; the tape is made ready for the next. */
static void refused(bool failed, const char *sentence)
{
    ck_assert_msg(heed_error(t) != NULL, "no error; expected '%s'", sentence);
    ck_assert_msg(strcmp(heed_error(t), sentence) == 0, "expected '%s', got: %s", sentence,
                  heed_error(t));
    ck_assert(failed);
    heed_tape_reset(t);
}

/* ---- views ---- */

static void expect_view(const heed_tensor *y, const heed_tensor *x, int64_t first)
{
    ck_assert_msg(y != NULL, "%s", heed_error(t));
    ck_assert_ptr_eq(y->data, (double *)x->data + first);
    ck_assert_ptr_eq(y->storage, x->storage);
}

START_TEST(views_share_memory)
{
    heed_tensor *x = count_up(HEED_SHAPE(2, 3, 4)), *part[2];
    heed_tensor *back = heed_permute(t, x, (const int[]){ 2, 1, 0 });
    expect_view(heed_unsqueeze(t, back, 1), x, 0);
    expect_view(heed_squeeze(t, heed_unsqueeze(t, back, -1), 3), x, 0);
    expect_view(heed_select(t, back, 1, 2), x, 8);
    expect_view(heed_select(t, back, 0, -1), x, 3);
    expect_view(heed_flip(t, back, 0, NULL), x, 23);
    expect_view(heed_flip(t, back, 2, (const int[]){ 0, -1 }), x, 15);
    expect_view(heed_expand(t, x, HEED_SHAPE(5, -1, 3, -1)), x, 0);
    ck_assert(heed_split(t, back, 2, (const int64_t[]){ 1, 2 }, 1, part));
    expect_view(part[0], x, 0);
    expect_view(part[1], x, 4);
    ck_assert(heed_chunk(t, back, 2, 0, part));
    expect_view(part[1], x, 2);
    heed_tensor *windows = heed_unfold(t, back, 0, 3, 1);
    expect_view(windows, x, 0);
    ck_assert_int_eq(windows->strides[0], 1);
    ck_assert_int_eq(windows->strides[3], 1);
    EXPECT(heed_select(t, heed_select(t, windows, 2, 1), 1, 0), 12, 13, 14, 13, 14, 15);
    EXPECT(heed_select(t, heed_flip(t, back, 1, (const int[]){ 1 }), 0, 0), 8, 20, 4, 16, 0,
           12);
    ck_assert_ptr_null(heed_error(t));
}
END_TEST

/* ---- several results ---- */

START_TEST(parts_of_an_axis)
{
    heed_tensor *x = count_up(HEED_SHAPE(2, 5)), *y[4];
    ck_assert(heed_split(t, x, 3, (const int64_t[]){ 2, 0, 3 }, -1, y));
    EXPECT(y[0], 0, 1, 5, 6);
    ck_assert_int_eq(heed_size(y[1]), 0);
    EXPECT(y[2], 2, 3, 4, 7, 8, 9);
    ck_assert(heed_chunk(t, x, 3, 1, y));
    EXPECT(y[0], 0, 1, 5, 6);
    EXPECT(y[1], 2, 3, 7, 8);
    EXPECT(y[2], 4, 9);
    ck_assert(heed_chunk(t, x, 4, 0, y));
    ck_assert(y[1]->shape[0] == 1 && y[2]->shape[0] == 0 && y[3]->shape[0] == 0);
    ck_assert(heed_split(t, count_up(HEED_SHAPE(0)), 0, NULL, 0, y));

    y[0] = y[1] = x;
    refused(!heed_split(t, x, 2, (const int64_t[]){ 2, 2 }, 1, y) && !y[0] && !y[1],
            "split: [2,5]: the sizes add up to 4 but axis 1 has extent 5");
    x = count_up(HEED_SHAPE(2, 5));
    refused(!heed_split(t, x, 2, (const int64_t[]){ 6, -1 }, 1, y),
            "split: [2,5]: the size -1 of part 1 is not one");
    x = count_up(HEED_SHAPE(2, 5));
    refused(!heed_split(t, x, 2, (const int64_t[]){ INT64_MAX, INT64_MAX }, 1, y),
            "split: [2,5]: the size 9223372036854775807 of part 1 is not one");
    refused(!heed_split(t, NULL, 2, (const int64_t[]){ 1, 1 }, 1, y),
            "split: operand 0 is NULL");
    x = count_up(HEED_SHAPE(2, 5));
    refused(!heed_chunk(t, x, 0, 1, y), "chunk: [2,5]: needs at least one part, not 0");
    x = count_up(HEED_SHAPE(2, 5));
    refused(!heed_chunk(t, x, 2, 2, y), "chunk: [2,5]: axis 2 is out of range for 2 axes");
}
END_TEST

START_TEST(common_shape)
{
    heed_tensor *y[3];
    heed_tensor *x[3] = { count_up(HEED_SHAPE(2, 1)), count_up(HEED_SHAPE(3)),
                          heed_full(t, HEED_SCALAR, 7) };
    ck_assert(heed_broadcast(t, 3, x, y));
    EXPECT(y[0], 0, 0, 0, 1, 1, 1);
    EXPECT(y[1], 0, 1, 2, 0, 1, 2);
    EXPECT(y[2], 7, 7, 7, 7, 7, 7);
    ck_assert(heed_broadcast(t, 3, x, x)); /* in place */
    EXPECT(x[1], 0, 1, 2, 0, 1, 2);
    x[0] = count_up(HEED_SHAPE(2));
    x[1] = heed_arange(t, 0, 3);
    refused(!heed_broadcast(t, 2, x, y) && !y[0] && !y[1],
            "broadcast: [2] x [3]: extents 2 and 3 at axis -1 do not broadcast");
    x[0] = count_up(HEED_SHAPE(2));
    x[1] = NULL;
    refused(!heed_broadcast(t, 2, x, y), "broadcast: operand 1 is NULL");
}
END_TEST

/* ---- every dtype ---- */

static heed_tensor *rearranged(int which, heed_tensor *x)
{
    const int64_t before[2] = { 2, -1 }, after[2] = { 0, 1 }, mirror[2] = { 1, 2 };
    heed_tensor *row = heed_select(t, x, 0, 1);
    heed_tensor *places = ids(HEED_SHAPE(1, 4), (const int32_t[]){ 1, 0, 0, 1 });
    heed_tensor *list = ids(HEED_SHAPE(3), (const int32_t[]){ 3, 0, 3 });
    heed_tensor *mask =
        heed_mask(t, HEED_SHAPE(2, 4), (const bool[]){ 1, 0, 0, 1, 0, 1, 1, 0 });
    switch (which) {
    case 0:
        return heed_pad(t, x, before, after, HEED_PAD_CONSTANT, 1);
    case 1:
        return heed_pad(t, x, mirror, mirror, HEED_PAD_REFLECT, 0);
    case 2:
        return heed_pad(t, x, mirror, mirror, HEED_PAD_EDGE, 0);
    case 3:
        return heed_roll(t, x, 3, 1);
    case 4:
        return heed_repeat(t, x, 2, 0);
    case 5:
        return heed_tile(t, x, HEED_SHAPE(2, 1, 3));
    case 6:
        return heed_stack(t, 2, (heed_tensor *[]){ x, heed_flip(t, x, 0, NULL) }, 1);
    case 7:
        return heed_concatenate(t, 2, (heed_tensor *[]){ row, row }, 0);
    case 8:
        return heed_contiguous(t, heed_unfold(t, x, 1, 3, 1));
    case 9:
        return heed_patches(t, heed_reshape(t, x, HEED_SHAPE(1, 1, 2, 4)), 2, 2);
    case 10:
        return heed_gather(t, x, places, 0);
    case 11:
        return heed_index_select(t, x, list, 1);
    case 12:
        return heed_scatter(t, x, places, heed_unsqueeze(t, row, 0), 0);
    case 13:
        return heed_masked_select(t, x, mask);
    case 14:
        return heed_nonzero(t, x);
    case 15:
        return heed_argsort(t, x, 1, true);
    case 16:
        return heed_sort(t, x, -1, false, NULL);
    case 17:
        return heed_top_k(t, x, 1, 0, false, NULL);
    case 18:
        return heed_embedding(t, x, places);
    }
    return NULL;
}

START_TEST(every_dtype)
{
    const double f64[8] = { 0, 1, 1, 0, 1, 0, 0, 1 };
    const float f32[8] = { 0, 1, 1, 0, 1, 0, 0, 1 };
    const int32_t i32[8] = { 0, 1, 1, 0, 1, 0, 0, 1 };
    const uint8_t u8[8] = { 0, 1, 1, 0, 1, 0, 0, 1 };
    const struct {
        heed_dtype dtype;
        const void *data;
    } kinds[] = { { HEED_F32, f32 }, { HEED_I32, i32 }, { HEED_U8, u8 }, { HEED_BOOL, u8 } };
    heed_tensor *model = heed_copy_in(t, HEED_F64, HEED_SHAPE(2, 4), f64);
    for (int which = 0; which < 19; which++) {
        heed_tensor *y = rearranged(which, model);
        for (int k = 0; k < LENGTH(kinds); k++) {
            heed_tensor *x = heed_copy_in(t, kinds[k].dtype, HEED_SHAPE(2, 4), kinds[k].data);
            heed_tensor *z = rearranged(which, x);
            ck_assert_msg(z != NULL, "%d, %s: %s", which, heed_dtype_name(kinds[k].dtype),
                          heed_error(t));
            ck_assert(heed__same_shape(y, z));
            for (int64_t i = 0; i < heed_size(y); i++)
                ck_assert_msg(heed_at(y, i) == heed_at(z, i), "%d, %s: element %d is %g", which,
                              heed_dtype_name(kinds[k].dtype), (int)i, heed_at(z, i));
        }
    }
}
END_TEST

/* ---- large operands against plain loops ---- */

typedef struct box {
    int64_t x[3], ids[3];
    int axis;
} box;

static const box boxes[] = {
    { { 40, 50, 60 }, { 40, 50, 70 }, 2 },   { { 40, 50, 60 }, { 30, 50, 9 }, 2 },
    { { 40, 50, 60 }, { 40, 90, 60 }, 1 },   { { 40, 50, 60 }, { 40, 90, 33 }, 1 },
    { { 3, 50, 900 }, { 90, 50, 900 }, 0 },  { { 3, 50, 900 }, { 9, 41, 800 }, 0 },
    { { 1, 1, 90000 }, { 1, 1, 70000 }, 2 }, { { 90000, 1, 1 }, { 70000, 1, 1 }, 0 },
};

/* What x[ids], x with source there, and x plus source there are; see operations.h. */
static void plainly(const box *b, const float *x, const int32_t *at, const float *source,
                    float *gathered, float *written, float *added)
{
    int64_t n = b->x[0] * b->x[1] * b->x[2], i[3], row = 0;
    memcpy(written, x, (size_t)n * sizeof *x);
    memcpy(added, x, (size_t)n * sizeof *x);
    for (i[0] = 0; i[0] < b->ids[0]; i[0]++) {
        for (i[1] = 0; i[1] < b->ids[1]; i[1]++) {
            for (i[2] = 0; i[2] < b->ids[2]; i[2]++, row++) {
                int64_t j[3] = { i[0], i[1], i[2] };
                j[b->axis] = at[row];
                int64_t place = (j[0] * b->x[1] + j[1]) * b->x[2] + j[2];
                gathered[row] = x[place];
                written[place] = source[row];
                added[place] += source[row];
            }
        }
    }
}

static void expect_floats(const heed_tensor *y, const float *values)
{
    ck_assert_msg(y != NULL, "%s", heed_error(t));
    ck_assert(memcmp(y->data, values, (size_t)heed_size(y) * sizeof *values) == 0);
}

START_TEST(large_places)
{
    const box *b = &boxes[_i];
    heed_random r = { .seed = 3 };
    heed_shape whole = { 3, { b->x[0], b->x[1], b->x[2] } };
    heed_shape some = { 3, { b->ids[0], b->ids[1], b->ids[2] } };
    int64_t n = b->x[0] * b->x[1] * b->x[2], m = b->ids[0] * b->ids[1] * b->ids[2];
    float *memory = malloc((size_t)(3 * n + 2 * m) * sizeof *memory);
    int32_t *at = malloc((size_t)m * sizeof *at);
    float *x = memory, *written = x + n, *added = written + n, *source = added + n,
          *gathered = source + m;
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)heed_random_normal(&r);
    for (int64_t i = 0; i < m; i++) {
        source[i] = (float)heed_random_normal(&r);
        at[i] = (int32_t)heed_random_below(&r, (uint64_t)b->x[b->axis]);
    }
    plainly(b, x, at, source, gathered, written, added);
    /* Units that got in each other's way would do so now and then. */
    for (int turn = 0; turn < 9; turn++) {
        heed__set_threads(1 + turn % 3);
        heed_tape_reset(t);
        heed_tensor *tx = heed_copy_in(t, HEED_F32, whole, x);
        heed_tensor *ts = heed_copy_in(t, HEED_F32, some, source);
        heed_tensor *ti = ids(some, at);
        expect_floats(heed_gather(t, tx, ti, b->axis), gathered);
        expect_floats(heed_scatter(t, tx, ti, ts, b->axis), written);
        expect_floats(heed_scatter_add(t, tx, ti, ts, b->axis), added);
        /* The same from other strides. */
        heed_tensor *turned = heed_contiguous(t, heed_swap(t, tx, 0, 2));
        expect_floats(heed_gather(t, heed_swap(t, turned, 0, 2), ti, b->axis), gathered);
        turned = heed_contiguous(t, heed_flip(t, ts, 0, NULL));
        expect_floats(heed_scatter_add(t, tx, ti, heed_flip(t, turned, 0, NULL), b->axis),
                      added);
    }
    free(memory);
    free(at);
}
END_TEST

START_TEST(large_slices)
{
    heed_random r = { .seed = 4 };
    float *values = malloc(60000 * sizeof *values);
    int32_t at[300];
    for (int i = 0; i < 60000; i++)
        values[i] = (float)heed_random_normal(&r);
    for (int axis = 0; axis < 3; axis++) {
        const heed_shape shape = HEED_SHAPE(30, 40, 50);
        int64_t extent = shape.size[axis];
        for (int i = 0; i < 300; i++)
            at[i] = (int32_t)heed_random_below(&r, (uint64_t)extent);
        heed_tape_reset(t);
        heed_tensor *x = heed_copy_in(t, HEED_F32, shape, values);
        heed_tensor *y = heed_index_select(t, x, ids(HEED_SHAPE(300), at), axis);
        for (int i = 0; i < 300; i++) {
            heed_tensor *a = heed_contiguous(t, heed_select(t, x, axis, at[i]));
            heed_tensor *b = heed_contiguous(t, heed_select(t, y, axis, i));
            expect_floats(a, b->data);
        }
    }
    free(values);
}
END_TEST

/* ---- order ---- */

typedef struct keyed {
    double value;
    int place;
} keyed;

static bool descending;

/* NaN is the largest; equal ones stay in order. */
static int in_order(const void *a, const void *b)
{
    const keyed *p = a, *q = b;
    double x = isnan(p->value) ? INFINITY : p->value, y = isnan(q->value) ? INFINITY : q->value;
    int sign = x < y ? -1 : x > y ? 1 : !!isnan(p->value) - !!isnan(q->value);
    sign = descending ? -sign : sign;
    return sign ? sign : p->place - q->place;
}

START_TEST(order_is_stable)
{
    static const int lengths[] = { 1, 2, 15, 16, 17, 33, 100, 1000 };
    static double values[3000];
    static keyed sorted[1000];
    heed_random r = { .seed = 6 };
    for (int l = 0; l < LENGTH(lengths); l++) {
        int n = lengths[l];
        for (int i = 0; i < 3 * n; i++) {
            int draw = (int)heed_random_below(&r, 12);
            values[i] = draw > 9 ? (double)(draw == 10 ? -INFINITY : NAN) : (double)draw;
        }
        for (int turn = 0; turn < 2; turn++) {
            int counts[] = { 0, 1, 2, n / 10, n / 8, n / 2, n };
            heed_tape_reset(t);
            heed__set_threads(turn ? 2 : 1);
            descending = turn;
            heed_tensor *x = heed_copy_in(t, HEED_F64, HEED_SHAPE(n, 3), values);
            heed_tensor *all;
            heed_tensor *y = heed_sort(t, x, 0, descending, &all);
            for (int k = 0; k < LENGTH(counts); k++) {
                int count = counts[k] < n ? counts[k] : n;
                heed_tensor *places;
                heed_tensor *top = heed_top_k(t, x, count, 0, descending, &places);
                ck_assert_msg(top != NULL, "%s", heed_error(t));
                for (int i = 0; i < 3 * count; i++) {
                    ck_assert(heed_at(places, i) == heed_at(all, i));
                    ck_assert(heed_at(top, i) == heed_at(y, i) || isnan(heed_at(y, i)));
                }
            }
            for (int column = 0; column < 3; column++) {
                for (int i = 0; i < n; i++)
                    sorted[i] = (keyed){ values[3 * i + column], i };
                qsort(sorted, (size_t)n, sizeof *sorted, in_order);
                for (int i = 0; i < n; i++)
                    ck_assert(heed_at(all, 3 * i + column) == sorted[i].place);
            }
        }
    }
}
END_TEST

START_TEST(order_of_bits)
{
    heed_tensor *places;
    heed_tensor *x = heed_mask(t, HEED_SHAPE(4), (const bool[]){ 1, 0, 1, 0 });
    EXPECT(heed_sort(t, x, 0, true, &places), 1, 1, 0, 0);
    EXPECT(places, 0, 2, 1, 3);
    x = ids(HEED_SHAPE(3), (const int32_t[]){ INT32_MAX, INT32_MIN, 0 });
    EXPECT(heed_top_k(t, x, 2, 0, true, &places), INT32_MAX, 0);
    EXPECT(places, 0, 2);
    refused(!heed_top_k(t, x, 4, 0, true, &places) && !places,
            "top_k: [3]: axis 0 of extent 3 has no first 4");
    refused(!heed_top_k(t, NULL, 1, 0, true, &places), "top_k: operand 0 is NULL");
    places = x;
    refused(!heed_sort(t, NULL, 0, true, &places) && !places, "argsort: operand 0 is NULL");
}
END_TEST

/* ---- gradients of what has no record of its own ---- */

static heed_tensor *several(heed_tape *tape, heed_tensor *const x[], void *user)
{
    heed_tensor *part[2], *same[2], *loss = NULL;
    (void)user;
    heed_tensor *sorted = heed_sort(tape, x[0], 1, false, NULL);
    heed_tensor *top = heed_top_k(tape, x[0], 2, 0, true, NULL);
    heed_split(tape, sorted, 2, (const int64_t[]){ 1, 3 }, 1, part);
    same[0] = part[0];
    same[1] = part[1];
    heed_broadcast(tape, 2, same, same);
    heed_tensor *windows = heed_unfold(tape, part[1], 1, 2, 1);
    heed_tensor *terms[] = { heed_mul(tape, same[0], same[1]), heed_square(tape, windows),
                             heed_mul(tape, top, x[1]), heed_exp(tape, part[1]) };
    for (int i = 0; i < LENGTH(terms); i++) {
        heed_tensor *term = heed_sum(tape, terms[i]);
        loss = loss ? heed_add(tape, loss, term) : term;
    }
    return loss;
}

START_TEST(gradients)
{
    const heed_input x[2] = { { .shape = HEED_DIMS(3, 4) }, { .shape = HEED_DIMS(2, 4) } };
    for (int order = 1; order <= 2; order++) {
        heed_report report =
            heed_check(several, NULL, NULL, 2, x, &(heed_check_options){ .order = order });
        ck_assert_msg(report.passed, "%s %s", report.where, report.message);
    }
}
END_TEST

/* ---- refusals ---- */

START_TEST(places_are_named)
{
    const int64_t none[2] = { 0, 0 };
    heed_tensor *x = count_up(HEED_SHAPE(2, 3));
    heed_tensor *i = ids(HEED_SHAPE(2, 2), (const int32_t[]){ 0, 1, 2, -1 });
    refused(!heed_gather(t, x, i, 0),
            "gather: [2,3] x [2,2]: id 2 at index 2 is outside 0 .. 1");
    x = count_up(HEED_SHAPE(2, 3));
    i = ids(HEED_SHAPE(2, 2), (const int32_t[]){ 0, 1, 2, -1 });
    refused(!heed_gather(t, x, i, 1),
            "gather: [2,3] x [2,2]: id -1 at index 3 is outside 0 .. 2");
    x = count_up(HEED_SHAPE(2, 3));
    refused(
        !heed_gather(t, x, ids(HEED_SHAPE(3, 1), (const int32_t[]){ 0, 0, 0 }), 1),
        "gather: [2,3] x [3,1]: the ids need as many axes and no larger extents beside axis "
        "1");
    x = count_up(HEED_SHAPE(2, 3));
    refused(!heed_gather(t, x, x, 1),
            "gather: [2,3] x [2,3]: operand 1 is f64 but must be ids or a mask");
    x = count_up(HEED_SHAPE(2, 3));
    i = ids(HEED_SHAPE(1), (const int32_t[]){ 3 });
    refused(!heed_index_select(t, x, i, 1),
            "index_select: [2,3] x [1]: id 3 at index 0 is outside 0 .. 2");
    x = count_up(HEED_SHAPE(2, 3));
    i = ids(HEED_SHAPE(1, 1), (const int32_t[]){ 0 });
    refused(!heed_index_select(t, x, i, 1),
            "index_select: [2,3] x [1,1]: the ids must be a list, of one axis");
    x = count_up(HEED_SHAPE(2, 3));
    i = ids(HEED_SHAPE(1, 1), (const int32_t[]){ 0 });
    refused(!heed_scatter(t, x, i, x, 1),
            "scatter: [2,3] x [1,1] x [2,3]: ids and source differ in shape");
    x = count_up(HEED_SHAPE(2, 3));
    i = ids(HEED_SHAPE(1, 1), (const int32_t[]){ 0 });
    refused(!heed_scatter(t, x, i, i, 1),
            "scatter: [2,3] x [1,1] x [1,1]: dtypes f64 and i32 differ");
    x = count_up(HEED_SHAPE(2, 3));
    refused(!heed_masked_select(t, x, heed_mask(t, HEED_SHAPE(3), (const bool[]){ 0, 0, 0 })),
            "masked_select: [2,3] x [3]: x and mask differ in shape");
    x = count_up(HEED_SHAPE(2, 3));
    refused(!heed_pad(t, x, none, none, (heed_padding)7, 0), "pad: there is no mode 7");
}
END_TEST

START_TEST(extents_are_possible)
{
    const int64_t huge = INT64_MAX, half = INT64_MAX / 2, zero[1] = { 0 }, less = -2;
    heed_tensor *x = count_up(HEED_SHAPE(3));
    refused(!heed_pad(t, x, &huge, zero, HEED_PAD_CONSTANT, 0),
            "pad: [3]: the extents overflow");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_pad(t, x, &half, zero, HEED_PAD_EDGE, 0),
            "pad_edge: [3]: the result's extents are negative, too many or overflow");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_pad(t, x, &less, &less, HEED_PAD_CONSTANT, 0),
            "pad: [3]: -2 before and -2 after cut more than axis 0 has");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_pad(t, x, &less, zero, HEED_PAD_EDGE, 0),
            "pad_edge: [3]: only a constant pad can cut, at axis 0");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_pad(t, x, zero, (const int64_t[]){ 3 }, HEED_PAD_REFLECT, 0),
            "pad_reflect: [3]: axis 0 of extent 3 mirrors fewer than 3 elements, not 3");
    x = count_up(HEED_SHAPE(0));
    refused(!heed_pad(t, x, (const int64_t[]){ 1 }, zero, HEED_PAD_EDGE, 0),
            "pad_edge: [0]: axis 0 of extent 0 has no edge to repeat");
    x = heed_arange(t, 0, 3);
    refused(!heed_pad(t, x, zero, zero, HEED_PAD_CONSTANT, 0.5),
            "pad: [3]: the value 0.5 is not one of i32");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_repeat(t, x, huge, 0),
            "repeat: [3]: 9223372036854775807 times along axis 0 is too many elements");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_repeat(t, x, -1, 0), "repeat: [3]: -1 times along axis 0 is less than none");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_tile(t, x, HEED_SHAPE(INT64_MAX)),
            "tile: [3]: counts [9223372036854775807] are negative, too many or too large");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_tile(t, x, HEED_SHAPE(INT64_MAX, 2)),
            "tile: [3]: the result's extents are negative, too many or overflow");
    x = count_up(HEED_SHAPE(3));
    EXPECT(heed_tile(t, x, HEED_SHAPE(1)), 0, 1, 2);
    ck_assert_int_eq(heed_size(heed_tile(t, x, HEED_SHAPE(1 << 30, 0))), 0);
    refused(!heed_squeeze(t, x, 0),
            "squeeze: [3]: axis 0 has extent 3 but only one of 1 can be dropped");
    x = count_up(HEED_SHAPE(1, 1, 1, 1, 1, 1, 1, 3));
    EXPECT(heed_repeat(t, x, 2, -1), 0, 0, 1, 1, 2, 2);
    EXPECT(heed_tile(t, x, HEED_SHAPE(2)), 0, 1, 2, 0, 1, 2);
    refused(!heed_unsqueeze(t, x, 0),
            "unsqueeze: [1,1,1,1,1,1,1,3]: has 8 axes and can have no more");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_unfold(t, x, 0, 4, 1),
            "unfold: [3]: a window of 4 is longer than axis 0 of extent 3");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_unfold(t, x, 0, 1, 0), "unfold: [3]: size 1 and step 0 must be at least 1");
    x = count_up(HEED_SHAPE(2, 2));
    refused(!heed_fold(t, x, 0, 1, 4),
            "fold: [2,2]: 2 windows of 2, 1 apart, do not make an extent of 4");
    x = count_up(HEED_SHAPE(1, 1, 4, 4));
    refused(!heed_patches(t, x, 3, 2),
            "patches: [1,1,4,4]: patches of 3 x 2 do not cut the image");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_stack(t, 2, (heed_tensor *[]){ x, heed_reshape(t, x, HEED_SHAPE(3, 1)) }, 0),
            "stack: [3] x [3,1]: operands 0 and 1 differ in shape or dtype");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_flip(t, x, 1, (const int[]){ 1 }),
            "flip: [3]: axis 1 is out of range for 1 axes");
    x = count_up(HEED_SHAPE(3, 3));
    refused(!heed_flip(t, x, 2, (const int[]){ 1, -1 }), "flip: [3,3]: axis -1 is given twice");
    x = count_up(HEED_SHAPE(3));
    refused(!heed_expand(t, x, HEED_SHAPE(-1, 3)),
            "expand: [3]: the result's extents are negative, too many or overflow");
}
END_TEST

int main(void)
{
    heed__set_eager(true); /* also in the tests that Check forks */
    Suite *suite = suite_create("shapes");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, begin, end);
    tcase_add_test(all, views_share_memory);
    tcase_add_test(all, parts_of_an_axis);
    tcase_add_test(all, common_shape);
    tcase_add_test(all, every_dtype);
    tcase_add_loop_test(all, large_places, 0, LENGTH(boxes));
    tcase_add_test(all, large_slices);
    tcase_add_test(all, order_is_stable);
    tcase_add_test(all, order_of_bits);
    tcase_add_test(all, gradients);
    tcase_add_test(all, places_are_named);
    tcase_add_test(all, extents_are_possible);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
