/* Batches: every example once an epoch, orders that are functions of seed and epoch, padding,
 * masks, buckets, positions to resume at, and what is refused. */
#define _POSIX_C_SOURCE 200809L
#include <heed/nn.h>
#include <heed/training.h>

#include "scratch.h"

#define COUNT 37

/* Example i: a sequence of i % 7 ids from 100 i up, one of i % 3 from 1000 i up, a row of two
 * numbers and a label. */
typedef struct data {
    int32_t ids[2][COUNT * 7], labels[COUNT];
    int64_t starts[2][COUNT + 1];
    float rows[COUNT][2];
    heed_field field[4];
} data;

static data *new_data(void)
{
    data *d = calloc(1, sizeof *d);
    ck_assert_ptr_nonnull(d);
    for (int f = 0; f < 2; f++) {
        for (int i = 0; i < COUNT; i++) {
            int64_t length = i % (f ? 3 : 7), first = d->starts[f][i];
            for (int64_t k = 0; k < length; k++)
                d->ids[f][first + k] = (int32_t)((f ? 1000 : 100) * i + k);
            d->starts[f][i + 1] = first + length;
        }
        d->field[f] = (heed_field){ .data = d->ids[f], .starts = d->starts[f], .pad = -1 - f };
    }
    for (int i = 0; i < COUNT; i++) {
        d->rows[i][0] = (float)i;
        d->rows[i][1] = (float)-i;
        d->labels[i] = 5 * i;
    }
    d->field[2] = (heed_field){ .data = d->rows, .dtype = HEED_F32, .shape = HEED_DIMS(2) };
    d->field[3] = (heed_field){ .data = d->labels, .dtype = HEED_I32 };
    return d;
}

static heed_batches *new_batches(const data *d, heed_batches_options options)
{
    heed_batches *b = heed_batches_new(4, d->field, COUNT, options, error, sizeof error);
    ck_assert_msg(b != NULL, "%s", error);
    return b;
}

/* Every field of the batch at hand against what new_data made. */
static void check_batch(heed_tape *t, heed_batches *b)
{
    int64_t size = heed_batch_size(b);
    const int64_t *examples = heed_batch_examples(b);
    for (int f = 0; f < 2; f++) {
        const heed_tensor *x = heed_batch_values(t, b, f), *mask = heed_batch_mask(t, b, f);
        const int32_t *lengths = heed_batch_lengths(b, f);
        ck_assert_msg(x && mask, "%s", heed_error(t));
        ck_assert_int_eq(x->shape[0], size);
        int64_t longest = 0;
        for (int64_t i = 0; i < size; i++) {
            ck_assert_int_eq(lengths[i], examples[i] % (f ? 3 : 7));
            longest = lengths[i] > longest ? lengths[i] : longest;
        }
        ck_assert_int_eq(x->dtype, HEED_I32);
        ck_assert_int_eq(mask->dtype, HEED_BOOL);
        ck_assert_int_eq(x->shape[1], longest);
        ck_assert_int_eq(mask->shape[1], longest);
        for (int64_t i = 0; i < size; i++) {
            for (int64_t k = 0; k < longest; k++) {
                bool real = k < lengths[i];
                double id = (double)((f ? 1000 : 100) * examples[i] + k);
                ck_assert_double_eq(heed_at(x, i * longest + k), real ? id : -1 - f);
                ck_assert_double_eq(heed_at(mask, i * longest + k), real);
            }
        }
    }
    const heed_tensor *rows = heed_batch_values(t, b, 2), *labels = heed_batch_values(t, b, 3);
    ck_assert_int_eq(rows->ndim, 2);
    ck_assert_int_eq(labels->ndim, 1);
    for (int64_t i = 0; i < size; i++) {
        ck_assert_double_eq(heed_at(rows, 2 * i), (double)examples[i]);
        ck_assert_double_eq(heed_at(rows, 2 * i + 1), (double)-examples[i]);
        ck_assert_double_eq(heed_at(labels, i), (double)(5 * examples[i]));
    }
    ck_assert_ptr_null(heed_batch_lengths(b, 2));
    heed_tape_reset(t);
}

/* An epoch's examples, in order, into list; how many. */
static int epoch_of(heed_batches *b, int64_t list[COUNT])
{
    int n = 0;
    for (int64_t k = 0; k < heed_batches_count(b); k++) {
        ck_assert(heed_batches_next(b));
        for (int64_t i = 0; i < heed_batch_size(b); i++)
            list[n++] = heed_batch_examples(b)[i];
    }
    return n;
}

START_TEST(every_example_once)
{
    data *d = new_data();
    heed_tape *t = heed_tape_new(NULL);
    const heed_batches_options options = { .size = 1 + _i % 5 * 2,
                                           .shuffle = _i / 5 % 2,
                                           .bucket = _i / 10 % 3 * 2,
                                           .drop_last = _i / 30 % 2,
                                           .seed = 3 };
    heed_batches *b = new_batches(d, options);
    int64_t usable = options.drop_last ? COUNT - COUNT % options.size : COUNT;
    ck_assert_int_eq(heed_batches_count(b), (usable + options.size - 1) / options.size);
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[COUNT] = { 0 }, total = 0, partial = 0;
        for (int64_t k = 0; k < heed_batches_count(b); k++) {
            ck_assert_int_eq(heed_batches_epoch(b), epoch);
            ck_assert_int_eq(heed_batches_index(b), k);
            ck_assert(heed_batches_next(b));
            partial += heed_batch_size(b) < options.size;
            for (int64_t i = 0; i < heed_batch_size(b); i++)
                seen[heed_batch_examples(b)[i]]++;
            check_batch(t, b);
        }
        ck_assert_int_eq(heed_batches_index(b), 0);
        for (int i = 0; i < COUNT; i++) {
            ck_assert_int_le(seen[i], 1);
            total += seen[i];
        }
        ck_assert_int_eq(total, usable);
        ck_assert_int_eq(partial, usable % options.size > 0);
    }
    heed_batches_free(b);
    heed_tape_free(t);
    free(d);
}
END_TEST

START_TEST(orders)
{
    data *d = new_data();
    heed_batches_options options = { .size = 4, .shuffle = true, .seed = 3 };
    int64_t a[2][COUNT], c[COUNT];
    heed_batches *b = new_batches(d, options), *twin = new_batches(d, options);
    epoch_of(b, a[0]);
    epoch_of(b, a[1]);
    ck_assert_mem_ne(a[0], a[1], sizeof c);
    /* Epoch 1 is the same without epoch 0 before it. */
    ck_assert(heed_batches_seek(twin, 1, 0));
    epoch_of(twin, c);
    ck_assert_mem_eq(c, a[1], sizeof c);
    options.seed = 4;
    heed_batches *other = new_batches(d, options);
    epoch_of(other, c);
    ck_assert_mem_ne(c, a[0], sizeof c);
    heed_batches_free(b);
    heed_batches_free(twin);
    heed_batches_free(other);

    options = (heed_batches_options){ .size = 5 };
    b = new_batches(d, options);
    epoch_of(b, c);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(c[i], i);
    heed_batches_free(b);
    free(d);
}
END_TEST

/* Two integers resume at every point, with the same tensors to come. */
START_TEST(resuming)
{
    data *d = new_data();
    const heed_batches_options options = {
        .size = 5, .shuffle = true, .bucket = 3, .drop_last = _i, .seed = 9
    };
    heed_batches *b = new_batches(d, options), *resumed = new_batches(d, options);
    for (int step = 0; step < 30; step++) {
        ck_assert(heed_batches_seek(resumed, heed_batches_epoch(b), heed_batches_index(b)));
        ck_assert(heed_batches_next(b));
        ck_assert(heed_batches_next(resumed));
        ck_assert_int_eq(heed_batch_size(b), heed_batch_size(resumed));
        ck_assert_mem_eq(heed_batch_examples(b), heed_batch_examples(resumed),
                         (size_t)heed_batch_size(b) * sizeof(int64_t));
    }
    ck_assert(!heed_batches_seek(b, 0, heed_batches_count(b)));
    ck_assert(!heed_batches_seek(b, 0, -1));
    ck_assert(!heed_batches_seek(b, -1, 0));
    ck_assert(!heed_batches_seek(NULL, 0, 0));
    heed_batches_free(b);
    heed_batches_free(resumed);
    free(d);
}
END_TEST

/* Buckets leave less padding, batches still come in mixed order, and with everything in one
 * bucket each batch is the next longer lengths. What drop_last leaves out is not always the
 * longest. */
START_TEST(buckets)
{
    enum { MANY = 4000 };
    static int32_t ids[MANY * 64];
    static int64_t starts[MANY + 1];
    heed_random r = { .seed = 5 };
    for (int i = 0; i < MANY; i++)
        starts[i + 1] = starts[i] + (int64_t)heed_random_below(&r, 64);
    const heed_field field = { .data = ids, .starts = starts };
    int64_t cells[3] = { 0 };
    for (int k = 0; k < 3; k++) {
        const int64_t bucket[3] = { 0, 10, 1000 };
        heed_batches_options options = {
            .size = 30, .shuffle = true, .bucket = bucket[k], .drop_last = true
        };
        heed_batches *b = heed_batches_new(1, &field, MANY, options, error, sizeof error);
        ck_assert_msg(b != NULL, "%s", error);
        bool seen[MANY] = { false };
        int rising = 0;
        int32_t before = 0;
        for (int64_t i = 0; i < heed_batches_count(b); i++) {
            ck_assert(heed_batches_next(b));
            int32_t longest = 0;
            for (int64_t e = 0; e < heed_batch_size(b); e++) {
                int32_t length = heed_batch_lengths(b, 0)[e];
                longest = length > longest ? length : longest;
                seen[heed_batch_examples(b)[e]] = true;
            }
            cells[k] += longest * heed_batch_size(b);
            rising += longest >= before;
            before = longest;
        }
        ck_assert_int_gt(rising, 30);
        ck_assert_int_lt(rising, 103);
        int64_t dropped = 0, shortest = 63;
        for (int i = 0; i < MANY; i++) {
            dropped += !seen[i];
            if (!seen[i] && starts[i + 1] - starts[i] < shortest)
                shortest = starts[i + 1] - starts[i];
        }
        ck_assert_int_eq(dropped, MANY % 30);
        ck_assert_int_lt(shortest, 30);
        heed_batches_free(b);
    }
    ck_assert_int_lt(cells[1] * 10, cells[0] * 7);
    ck_assert_int_lt(cells[2] * 100, starts[MANY] * 102);
}
END_TEST

START_TEST(nothing_at_all)
{
    heed_batches *b = heed_batches_new(
        0, NULL, 0, (heed_batches_options){ .size = 3, .bucket = 4 }, error, sizeof error);
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(heed_batches_count(b), 0);
    ck_assert(!heed_batches_next(b));
    ck_assert(!heed_batches_seek(b, 0, 0));
    heed_batches_free(b);
    data *d = new_data();
    b = new_batches(d, (heed_batches_options){ .size = COUNT + 1, .drop_last = true });
    ck_assert(!heed_batches_next(b));
    heed_tape *t = heed_tape_new(NULL);
    ck_assert_ptr_null(heed_batch_values(t, b, 0));
    ck_assert_str_eq(heed_error(t),
                     "batches: there is no batch yet: heed_batches_next gives one");
    ck_assert_ptr_null(heed_batch_lengths(b, 0));
    heed_batches_free(b);
    /* A batch of empty sequences has no columns. */
    b = new_batches(d, (heed_batches_options){ .size = 1 });
    ck_assert(heed_batches_next(b));
    heed_tape_reset(t);
    ck_assert_int_eq(heed_batch_values(t, b, 0)->shape[1], 0);
    ck_assert_ptr_null(heed_batch_values(t, b, 4));
    ck_assert_str_eq(heed_error(t), "batches: there is no field 4 of 4");
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_batch_mask(t, b, 2));
    ck_assert_str_eq(heed_error(t), "batches: field 2 has rows, which need no mask");
    heed_batches_free(b);
    heed_batches_free(NULL);
    ck_assert(!heed_batches_next(NULL));
    heed_tape_free(t);
    free(d);
}
END_TEST

START_TEST(refused)
{
    static const int64_t back[] = { 0, 3, 2 },
                         far[] = { 0, (int64_t)1 << 33, (int64_t)1 << 33 },
                         negative[] = { -1, 0, 1 }, good[] = { 0, 1, 2 };
    static const int32_t ids[4];
    const heed_batches_options one = { .size = 1 };
    const struct {
        int64_t count;
        heed_field field;
        heed_batches_options options;
        const char *sentence;
    } cases[] = {
        { 2, { ids, back, 0, 0, { 0 } }, one, "batches: field 0: start 2 is 2, before 3" },
        { 2, { ids, negative, 0, 0, { 0 } }, one, "batches: field 0: start 0 is -1, before 0" },
        { 2,
          { ids, far, 0, 0, { 0 } },
          one,
          "batches: field 0: example 0 is longer than 2147483647" },
        { 2, { NULL, good, 0, 0, { 0 } }, one, "batches: field 0: the data is NULL" },
        { 2, { NULL, NULL, 0, HEED_F32, { 0 } }, one, "batches: field 0: the data is NULL" },
        { 2,
          { ids, NULL, 0, HEED_F32, HEED_DIMS(2, -1) },
          one,
          "batches: field 0: shape [2,-1] is negative, has too many axes or overflows" },
        { 2,
          { ids, NULL, 0, (heed_dtype)9, { 0 } },
          one,
          "batches: field 0: there is no dtype 9" },
        { 2,
          { ids, good, 0, 0, { 0 } },
          { 0 },
          "batches: size 0 must be at least 1 and bucket 0 at least 0" },
        { -1, { ids, good, 0, 0, { 0 } }, one, "batches: 1 fields of -1 examples" },
        { (int64_t)1 << 62,
          { ids, NULL, 0, HEED_F32, HEED_DIMS((int64_t)1 << 30) },
          { .size = (int64_t)1 << 40 },
          "batches: out of memory" },
    };
    for (int i = 0; i < LENGTH(cases); i++) {
        ck_assert_ptr_null(heed_batches_new(1, &cases[i].field, cases[i].count,
                                            cases[i].options, error, sizeof error));
        ck_assert_str_eq(error, cases[i].sentence);
    }
}
END_TEST

typedef struct counter {
    int calls, refuse_at;
    int64_t held;
} counter;

static void *count_allocate(void *context, size_t bytes)
{
    counter *c = context;
    c->calls++;
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

/* All memory is taken at the beginning. */
START_TEST(memory)
{
    counter c = { 0 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    data *d = new_data();
    heed_tape *t = heed_tape_new(NULL);
    const heed_batches_options options = {
        .size = 4, .shuffle = true, .bucket = 2, .allocator = &allocator
    };
    for (int n = 1; n <= 2; n++) {
        c.refuse_at = n;
        ck_assert_ptr_null(heed_batches_new(4, d->field, COUNT, options, error, sizeof error));
        ck_assert_str_eq(error, "batches: out of memory");
        ck_assert_int_eq(c.held, 0);
    }
    heed_batches *b = new_batches(d, options);
    int calls = c.calls;
    for (int step = 0; step < 40; step++) {
        ck_assert(heed_batches_next(b));
        check_batch(t, b);
    }
    ck_assert_int_eq(c.calls, calls);
    heed_batches_free(b);
    ck_assert_int_eq(c.held, 0);
    heed_tape_free(t);
    free(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batches");
    TCase *tests = tcase_create("batches");
    tcase_add_loop_test(tests, every_example_once, 0, 60);
    tcase_add_test(tests, orders);
    tcase_add_loop_test(tests, resuming, 0, 2);
    tcase_add_test(tests, buckets);
    tcase_add_test(tests, nothing_at_all);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, memory);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
