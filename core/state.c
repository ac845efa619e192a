/* What a model carries from call to call: an array that grows by appending along one axis, or
 * is replaced as a whole. Reads are views of the state's own memory. */
#include "engine.h"
#include "memory.h"

#include <inttypes.h>
#include <string.h>

extern const heed_op heed_op_contiguous;

struct heed_state {
    const heed_allocator *allocator;
    heed_allocator own;
    heed_dtype dtype;
    heed_shape shape; /* of what is held */
    int axis;
    bool scalar;      /* a 0-d value, held as one position of one axis */
    int64_t capacity; /* along axis */
    void *data;
    size_t bytes;
};

heed_state *heed_state_new(const heed_allocator *allocator)
{
    heed_state *s = heed__allocate(allocator, sizeof *s);
    if (!s)
        return NULL;
    memset(s, 0, sizeof *s);
    if (allocator) {
        s->own = *allocator;
        s->allocator = &s->own;
    }
    return s;
}

void heed_state_free(heed_state *s)
{
    if (!s)
        return;
    heed_allocator own = s->own, *allocator = s->allocator ? &own : NULL;
    if (s->data)
        heed__release(allocator, s->data, s->bytes);
    heed__release(allocator, s, sizeof *s);
}

/* Forgets the values, keeps the memory. */
void heed_state_clear(heed_state *s)
{
    if (s && s->data)
        s->shape.size[s->axis] = 0;
}

int64_t heed_state_length(const heed_state *s)
{
    return s && s->data ? s->shape.size[s->axis] : 0;
}

static bool make_room(heed_tape *t, heed_state *s, const heed_tensor *x, int axis,
                      int64_t capacity)
{
    heed_shape whole = heed_shape_of(x);
    int64_t size;
    whole.size[axis] = capacity;
    if (!heed__shape_size(&whole, &size))
        return heed_fail(t, "state: a capacity of %" PRId64 " overflows", capacity) != NULL;
    size_t bytes = (size_t)size * heed_dtype_size(x->dtype);
    if (!s->data || s->bytes != bytes) {
        void *data = heed__allocate(s->allocator, bytes);
        if (!data)
            return heed_fail(t, "state: out of memory for %zu bytes", bytes) != NULL;
        heed__release(s->allocator, s->data, s->bytes);
        s->data = data;
        s->bytes = bytes;
    }
    s->dtype = x->dtype;
    s->shape = heed_shape_of(x);
    s->shape.size[axis] = 0;
    s->axis = axis;
    s->scalar = false;
    s->capacity = capacity;
    return true;
}

/* A borrowed view of positions start .. start + count - 1 along the axis. */
static heed_tensor *view(heed_tape *t, heed_state *s, int64_t start, int64_t count)
{
    heed_shape whole = s->shape, part = s->shape;
    int64_t strides[HEED_MAX_NDIM];
    whole.size[s->axis] = s->capacity;
    part.size[s->axis] = count;
    heed__row_major(&whole, strides);
    heed_tensor *x = heed__tensor_new(t, s->dtype, &part);
    if (!x)
        return NULL;
    for (int i = 0; i < part.ndim; i++)
        x->strides[i] = strides[i];
    int64_t skip = part.ndim ? start * strides[s->axis] : 0;
    x->data = (char *)s->data + (size_t)skip * heed_dtype_size(s->dtype);
    return x;
}

static void copy_values(const heed_tensor *x, heed_tensor *y)
{
    heed_tensor *operand = (heed_tensor *)(uintptr_t)x;
    heed_op_contiguous.run(&(heed_call){ .op = &heed_op_contiguous, .n = 1, .x = &operand }, y);
}

heed_tensor *heed_state_append(heed_tape *t, heed_state *s, heed_tensor *x, int axis,
                               int64_t capacity)
{
    if (!t || t->failed)
        return NULL;
    if (!s || !x)
        return heed_fail(t, "state: %s is NULL", s ? "the value" : "the state");
    if (x->flags & TENSOR_DIFFERENTIABLE)
        return heed_fail(t, "state: append is not differentiable; turn recording off");
    if (capacity < 0)
        return heed_fail(t, "state: the capacity %" PRId64 " is negative", capacity);
    if (axis < 0)
        axis += x->ndim;
    if (axis < 0 || axis >= x->ndim)
        return heed_fail(t, "state: the axis is out of range for %d axes", x->ndim);
    if (!heed__readable(t, x, "state"))
        return NULL;
    if (heed_state_length(s) == 0 &&
        !make_room(t, s, x, axis, capacity ? capacity : x->shape[axis]))
        return NULL;
    int64_t held = s->shape.size[axis], more = x->shape[axis];
    bool fits = axis == s->axis && x->dtype == s->dtype && x->ndim == s->shape.ndim;
    for (int i = 0; fits && i < x->ndim; i++)
        fits = i == axis || x->shape[i] == s->shape.size[i];
    if (!fits)
        return heed_fail(t, "state: the value's shape or dtype is not that of what is held");
    if (more > s->capacity - held)
        return heed_fail(t,
                         "state: %" PRId64 " more positions do not fit: %" PRId64 " of %" PRId64
                         " are taken",
                         more, held, s->capacity);
    heed_tensor *place = view(t, s, held, more);
    if (!place)
        return NULL;
    copy_values(x, place);
    s->shape.size[axis] = held + more;
    return view(t, s, 0, held + more);
}

bool heed_state_assign(heed_tape *t, heed_state *s, heed_tensor *x)
{
    if (!t || t->failed)
        return false;
    if (!s || !x)
        return heed_fail(t, "state: %s is NULL", s ? "the value" : "the state") != NULL;
    /* The value may be a view of the state itself: it is copied before its memory changes. */
    x = heed_apply(t, &heed_op_contiguous, 1, &x, NULL);
    if (!x)
        return false;
    heed_tensor row = *x;
    if (row.ndim == 0) {
        row.ndim = 1;
        row.shape[0] = 1;
        row.strides[0] = 1;
    }
    if (!make_room(t, s, &row, 0, row.shape[0]))
        return false;
    heed_tensor *place = view(t, s, 0, row.shape[0]);
    if (!place)
        return false;
    copy_values(&row, place);
    s->shape.size[0] = row.shape[0];
    s->scalar = x->ndim == 0;
    return true;
}

heed_tensor *heed_state_value(heed_tape *t, heed_state *s)
{
    if (!t || t->failed)
        return NULL;
    if (heed_state_length(s) == 0)
        return heed_fail(t, "state: it is empty");
    heed_tensor *x = view(t, s, 0, heed_state_length(s));
    if (x && s->scalar)
        x->ndim = 0;
    return x;
}
