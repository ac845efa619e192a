/* Functions over the records with several results: operands brought to their common shape, and
 * an axis cut into parts. They give all of their results or none. */
#include "ops.h"

static bool all_or_none(const heed_tape *t, int n, heed_tensor *y[])
{
    bool failed = heed_error(t) != NULL;
    for (int i = 0; i < n && failed; i++)
        y[i] = NULL;
    return !failed;
}

bool heed_broadcast(heed_tape *t, int n, heed_tensor *const x[], heed_tensor *y[])
{
    static const heed_op broadcast = { .name = "broadcast" };
    heed_call call = { .op = &broadcast, .n = n, .x = x };
    heed_shape shape;
    bool ready = t && !heed_error(t);
    for (int i = 0; i < n && ready; i++) {
        if (!x[i]) {
            heed_fail(t, "broadcast: operand %d is NULL", i);
            ready = false;
        }
    }
    if (!ready || !heed__broadcast(t, &call, &shape)) {
        for (int i = 0; i < n; i++)
            y[i] = NULL;
        return false;
    }
    for (int i = 0; i < n; i++)
        y[i] = heed_expand(t, x[i], shape);
    return all_or_none(t, n, y);
}

/* The axis of x to be cut into n parts, or -1 after an error; y is filled with NULL. */
static int axis_to_cut(heed_tape *t, const heed_call *c, int axis, int n, heed_tensor *y[])
{
    for (int i = 0; i < n; i++)
        y[i] = NULL;
    if (!t || heed_error(t))
        return -1;
    if (!c->x[0]) {
        heed_fail(t, "%s: operand 0 is NULL", c->op->name);
        return -1;
    }
    return heed_axis(t, c, axis, c->x[0]->ndim);
}

bool heed_split(heed_tape *t, heed_tensor *x, int n, const int64_t sizes[], int axis,
                heed_tensor *y[])
{
    static const heed_op split = { .name = "split" };
    heed_call call = { .op = &split, .n = 1, .x = &x };
    int64_t total = 0, at = 0;
    axis = axis_to_cut(t, &call, axis, n, y);
    if (axis < 0)
        return false;
    for (int i = 0; i < n; i++) {
        if (sizes[i] < 0 || __builtin_add_overflow(total, sizes[i], &total))
            return heed_refuse(t, &call, "the size %lld of part %d is not one",
                               (long long)sizes[i], i);
    }
    if (total != x->shape[axis])
        return heed_refuse(t, &call, "the sizes add up to %lld but axis %d has extent %lld",
                           (long long)total, axis, (long long)x->shape[axis]);
    for (int i = 0; i < n; i++) {
        y[i] = heed_slice(t, x, axis, at, at + sizes[i], 1);
        at += sizes[i];
    }
    return all_or_none(t, n, y);
}

bool heed_chunk(heed_tape *t, heed_tensor *x, int n, int axis, heed_tensor *y[])
{
    static const heed_op chunk = { .name = "chunk" };
    heed_call call = { .op = &chunk, .n = 1, .x = &x };
    int64_t at = 0;
    axis = axis_to_cut(t, &call, axis, n, y);
    if (axis < 0)
        return false;
    if (n < 1)
        return heed_refuse(t, &call, "needs at least one part, not %d", n);
    for (int i = 0; i < n; i++) {
        int64_t size = x->shape[axis] / n + (i < x->shape[axis] % n);
        y[i] = heed_slice(t, x, axis, at, at + size, 1);
        at += size;
    }
    return all_or_none(t, n, y);
}
