/* Batches of a data set: the order of examples in an epoch, and tensors of some of them. */
#include "training.h"

#include "../core/memory.h"
#include "../core/text.h"

#include <inttypes.h>
#include <string.h>

typedef struct key {
    int64_t length, place, example;
} key;

struct heed_batches {
    heed_batches_options options;
    const heed_allocator *allocator;
    heed_allocator own;
    int fields;
    int64_t count;   /* examples */
    int64_t usable;  /* those of an epoch */
    int64_t batches; /* of an epoch */
    int64_t epoch, index;
    int64_t ordered;         /* the epoch that the order is that of; -1: none yet */
    const int64_t *examples; /* the batch at hand, within the order; NULL: none yet */
    int64_t size;
    /* One block of memory. */
    heed_field *field;
    int64_t *order;    /* examples */
    int64_t *sequence; /* batches */
    key *keys;         /* one piece of the order, being sorted */
    int32_t *lengths;  /* [fields, B] of the batch at hand */
    char *staging;     /* one field of a batch */
    void *block;
    size_t bytes;
};

/* ---- soundness ---- */

static int64_t length_of(const heed_field *f, int64_t example)
{
    return f->starts ? f->starts[example + 1] - f->starts[example] : 0;
}

static bool sound_sequences(int index, const heed_field *f, int64_t count, char *error,
                            size_t error_size)
{
    for (int64_t i = 0; i <= count; i++) {
        int64_t before = i ? f->starts[i - 1] : 0;
        if (f->starts[i] < before)
            return heed__say(error, error_size,
                             "batches: field %d: start %" PRId64 " is %" PRId64
                             ", before %" PRId64,
                             index, i, f->starts[i], before);
        if (i && f->starts[i] - before > INT32_MAX)
            return heed__say(error, error_size,
                             "batches: field %d: example %" PRId64 " is longer than 2147483647",
                             index, i - 1);
    }
    if (!f->data && f->starts[count] > 0)
        return heed__say(error, error_size, "batches: field %d: the data is NULL", index);
    return true;
}

/* Elements of one row; -1: no sound shape. */
static int64_t row_size(const heed_field *f)
{
    int64_t size = 1;
    if (f->shape.ndim < 0 || f->shape.ndim >= HEED_MAX_NDIM)
        return -1;
    for (int i = 0; i < f->shape.ndim; i++) {
        if (f->shape.size[i] < 0 || __builtin_mul_overflow(size, f->shape.size[i], &size))
            return -1;
    }
    return size;
}

static bool sound_rows(int index, const heed_field *f, int64_t count, char *error,
                       size_t error_size)
{
    char shape[HEED_MAX_NDIM * 21 + 8];
    int64_t size = row_size(f);
    if (f->dtype < HEED_F32 || f->dtype > HEED_U8)
        return heed__say(error, error_size, "batches: field %d: there is no dtype %d", index,
                         (int)f->dtype);
    if (size < 0)
        return heed__say(
            error, error_size,
            "batches: field %d: shape %s is negative, has too many axes or overflows", index,
            heed_shape_text(&f->shape, shape, sizeof shape));
    if (!f->data && size > 0 && count > 0)
        return heed__say(error, error_size, "batches: field %d: the data is NULL", index);
    return true;
}

static bool sound(int fields, const heed_field *field, int64_t count,
                  const heed_batches_options *o, char *error, size_t error_size)
{
    if (fields < 0 || count < 0)
        return heed__say(error, error_size, "batches: %d fields of %" PRId64 " examples",
                         fields, count);
    if (o->size < 1 || o->bucket < 0)
        return heed__say(error, error_size,
                         "batches: size %" PRId64 " must be at least 1 and bucket %" PRId64
                         " at least 0",
                         o->size, o->bucket);
    for (int i = 0; i < fields; i++) {
        if (!(field[i].starts ? sound_sequences : sound_rows)(i, &field[i], count, error,
                                                              error_size))
            return false;
    }
    return true;
}

/* ---- life ---- */

/* Room for n things of a size in a block yet to be allocated: *at is where they begin. */
static bool plan(size_t *bytes, size_t *at, int64_t n, size_t size)
{
    size_t more;
    *at = *bytes;
    return heed__mul_size((size_t)n, size, &more) && heed__add_size(more, 63, &more) &&
           heed__add_size(*bytes, more / 64 * 64, bytes);
}

/* Bytes of the largest tensor that this field can make. */
static bool field_bytes(const heed_field *f, int64_t count, int64_t batch, size_t *bytes)
{
    int64_t longest = 0;
    size_t row;
    for (int64_t i = 0; f->starts && i < count; i++)
        longest = length_of(f, i) > longest ? length_of(f, i) : longest;
    if (f->starts)
        row = (size_t)longest * sizeof(int32_t);
    else if (!heed__mul_size((size_t)row_size(f), heed_dtype_size(f->dtype), &row))
        return false;
    return heed__mul_size(row, (size_t)batch, bytes);
}

static bool allocate(heed_batches *b, const heed_field *field)
{
    int64_t batch = b->options.size < b->count ? b->options.size : b->count;
    int64_t piece = b->options.bucket > 1 ? b->count : 0;
    if (batch > 0 && piece > 0 && b->options.bucket < b->count / batch)
        piece = b->options.bucket * batch;
    size_t at[6], staging = 0;
    for (int i = 0; i < b->fields; i++) {
        size_t bytes;
        if (!field_bytes(&field[i], b->count, batch, &bytes))
            return false;
        staging = bytes > staging ? bytes : staging;
    }
    if (!plan(&b->bytes, &at[0], b->fields, sizeof *b->field) ||
        !plan(&b->bytes, &at[1], b->count, sizeof *b->order) ||
        !plan(&b->bytes, &at[2], b->batches, sizeof *b->sequence) ||
        !plan(&b->bytes, &at[3], piece, sizeof *b->keys) ||
        !plan(&b->bytes, &at[4], batch, (size_t)b->fields * sizeof *b->lengths) ||
        !plan(&b->bytes, &at[5], 1, staging))
        return false;
    b->block = heed__allocate(b->allocator, b->bytes);
    if (!b->block)
        return false;
    char *block = b->block;
    b->field = (heed_field *)(void *)(block + at[0]);
    b->order = (int64_t *)(void *)(block + at[1]);
    b->sequence = (int64_t *)(void *)(block + at[2]);
    b->keys = (key *)(void *)(block + at[3]);
    b->lengths = (int32_t *)(void *)(block + at[4]);
    b->staging = block + at[5];
    if (b->fields)
        memcpy(b->field, field, (size_t)b->fields * sizeof *field);
    return true;
}

heed_batches *heed_batches_new(int fields, const heed_field *field, int64_t count,
                               heed_batches_options options, char *error, size_t error_size)
{
    if (!sound(fields, field, count, &options, error, error_size))
        return NULL;
    heed_batches *b = heed__allocate(options.allocator, sizeof *b);
    if (!b) {
        heed__say(error, error_size, "batches: out of memory");
        return NULL;
    }
    *b = (heed_batches){ .options = options, .fields = fields, .count = count, .ordered = -1 };
    if (options.allocator) {
        b->own = *options.allocator;
        b->allocator = &b->own;
    }
    b->usable = options.drop_last ? count - count % options.size : count;
    b->batches = b->usable / options.size + (b->usable % options.size > 0);
    if (allocate(b, field))
        return b;
    heed__release(options.allocator, b, sizeof *b);
    heed__say(error, error_size, "batches: out of memory");
    return NULL;
}

void heed_batches_free(heed_batches *b)
{
    if (!b)
        return;
    heed_allocator own = b->own, *allocator = b->allocator ? &own : NULL;
    heed__release(allocator, b->block, b->bytes);
    heed__release(allocator, b, sizeof *b);
}

/* ---- order ---- */

/* Fisher and Yates: every order is as likely as any other. */
static void fill_and_shuffle(int64_t *list, int64_t n, bool shuffle, heed_random *r)
{
    for (int64_t i = 0; i < n; i++)
        list[i] = i;
    for (int64_t i = n - 1; shuffle && i > 0; i--) {
        int64_t k = (int64_t)heed_random_below(r, (uint64_t)i + 1), kept = list[i];
        list[i] = list[k];
        list[k] = kept;
    }
}

/* Equal lengths stay in their order, whatever the C library's sort does. */
static int by_length(const void *a, const void *b)
{
    const key *x = a, *y = b;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static void sort_piece(heed_batches *b, int64_t *order, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        b->keys[i] = (key){ .place = i, .example = order[i] };
        for (int f = 0; f < b->fields; f++)
            b->keys[i].length += length_of(&b->field[f], order[i]);
    }
    qsort(b->keys, (size_t)n, sizeof *b->keys, by_length);
    for (int64_t i = 0; i < n; i++)
        order[i] = b->keys[i].example;
}

/* What does not fill a batch is dropped before sorting: then, it would be the longest ones. */
static void order_epoch(heed_batches *b)
{
    heed_random r = { .seed = b->options.seed, .stream = (uint64_t)b->epoch };
    bool sorting = b->options.bucket > 1, whole = b->options.bucket >= b->batches;
    fill_and_shuffle(b->order, b->count, b->options.shuffle, &r);
    int64_t piece = whole ? b->usable : b->options.bucket * b->options.size;
    for (int64_t i = 0; sorting && i < b->usable; i += piece)
        sort_piece(b, b->order + i, b->usable - i < piece ? b->usable - i : piece);
    fill_and_shuffle(b->sequence, b->batches, b->options.shuffle && sorting, &r);
    b->ordered = b->epoch;
}

int64_t heed_batches_count(const heed_batches *b)
{
    return b ? b->batches : 0;
}

int64_t heed_batches_epoch(const heed_batches *b)
{
    return b ? b->epoch : 0;
}

int64_t heed_batches_index(const heed_batches *b)
{
    return b ? b->index : 0;
}

bool heed_batches_next(heed_batches *b)
{
    if (!b || b->batches == 0)
        return false;
    if (b->ordered != b->epoch)
        order_epoch(b);
    int64_t first = b->sequence[b->index] * b->options.size, left = b->usable - first;
    b->examples = b->order + first;
    b->size = left < b->options.size ? left : b->options.size;
    for (int f = 0; f < b->fields; f++) {
        for (int64_t i = 0; i < b->size; i++)
            b->lengths[f * b->size + i] = (int32_t)length_of(&b->field[f], b->examples[i]);
    }
    if (++b->index == b->batches) {
        b->index = 0;
        b->epoch++;
    }
    return true;
}

bool heed_batches_seek(heed_batches *b, int64_t epoch, int64_t index)
{
    if (!b || epoch < 0 || index < 0 || index >= b->batches)
        return false;
    b->epoch = epoch;
    b->index = index;
    return true;
}

/* ---- the batch at hand ---- */

int64_t heed_batch_size(const heed_batches *b)
{
    return b ? b->size : 0;
}

const int64_t *heed_batch_examples(const heed_batches *b)
{
    return b ? b->examples : NULL;
}

const int32_t *heed_batch_lengths(const heed_batches *b, int field)
{
    if (!b || !b->examples || field < 0 || field >= b->fields || !b->field[field].starts)
        return NULL;
    return b->lengths + field * b->size;
}

static bool ready(heed_tape *t, const heed_batches *b, int field)
{
    if (!t || heed_error(t))
        return false;
    if (!b || !b->examples)
        return heed_fail(t, "batches: there is no batch yet: heed_batches_next gives one") !=
               NULL;
    if (field < 0 || field >= b->fields)
        return heed_fail(t, "batches: there is no field %d of %d", field, b->fields) != NULL;
    return true;
}

static int64_t longest_of(const heed_batches *b, int field)
{
    const int32_t *lengths = heed_batch_lengths(b, field);
    int64_t longest = 0;
    for (int64_t i = 0; i < b->size; i++)
        longest = lengths[i] > longest ? lengths[i] : longest;
    return longest;
}

static heed_tensor *sequences(heed_tape *t, heed_batches *b, int field)
{
    const heed_field *f = &b->field[field];
    int64_t longest = longest_of(b, field);
    int32_t *ids = (int32_t *)(void *)b->staging;
    for (int64_t i = 0; i < b->size; i++) {
        int64_t first = f->starts[b->examples[i]], length = length_of(f, b->examples[i]);
        for (int64_t k = 0; k < longest; k++)
            *ids++ = k < length ? ((const int32_t *)f->data)[first + k] : f->pad;
    }
    return heed_ids(t, HEED_SHAPE(b->size, longest), (const int32_t *)(const void *)b->staging);
}

static heed_tensor *rows(heed_tape *t, const heed_batches *b, int field)
{
    const heed_field *f = &b->field[field];
    size_t bytes = (size_t)row_size(f) * heed_dtype_size(f->dtype);
    heed_shape shape = { .ndim = f->shape.ndim + 1, .size = { b->size } };
    memcpy(shape.size + 1, f->shape.size, (size_t)f->shape.ndim * sizeof *shape.size);
    for (int64_t i = 0; bytes && i < b->size; i++)
        memcpy(b->staging + (size_t)i * bytes,
               (const char *)f->data + (size_t)b->examples[i] * bytes, bytes);
    return heed_copy_in(t, f->dtype, shape, b->staging);
}

heed_tensor *heed_batch_values(heed_tape *t, heed_batches *b, int field)
{
    if (!ready(t, b, field))
        return NULL;
    return b->field[field].starts ? sequences(t, b, field) : rows(t, b, field);
}

heed_tensor *heed_batch_mask(heed_tape *t, heed_batches *b, int field)
{
    if (!ready(t, b, field))
        return NULL;
    const int32_t *lengths = heed_batch_lengths(b, field);
    if (!lengths)
        return heed_fail(t, "batches: field %d has rows, which need no mask", field);
    int64_t longest = longest_of(b, field);
    bool *mask = (bool *)b->staging;
    for (int64_t i = 0; i < b->size; i++) {
        for (int64_t k = 0; k < longest; k++)
            mask[i * longest + k] = k < lengths[i];
    }
    return heed_mask(t, HEED_SHAPE(b->size, longest), mask);
}
