/* Applying ops: operands are checked and made ready, the shape rule decides, memory is taken,
 * the kernel runs, and the record grows by one. Knows no particular op but the copy that makes
 * an operand contiguous. */
#include "engine.h"

#include <string.h>

extern const heed_op heed_op_contiguous;

/* ---- tensors and their memory ---- */

heed_tensor *heed__tensor_new(heed_tape *t, heed_dtype dtype, const heed_shape *shape)
{
    heed_tensor *x = heed__arena_take(&t->arena, sizeof *x);
    if (!x)
        return heed__out_of_memory(t, "tensor");
    x->dtype = dtype;
    x->ndim = shape->ndim;
    x->data = NULL;
    for (int i = 0; i < shape->ndim; i++)
        x->shape[i] = shape->size[i];
    heed__row_major(shape, x->strides);
    x->tape = t;
    x->record = NULL;
    x->storage = NULL;
    x->parameter = NULL;
    x->slot = NULL;
    x->gradient = NULL;
    x->flags = 0;
    return x;
}

bool heed__tensor_allocate(heed_tape *t, heed_tensor *x)
{
    heed__storage *storage = heed__arena_take(&t->arena, sizeof *storage);
    if (!storage)
        return heed__out_of_memory(t, "tensor") != NULL;
    size_t bytes = (size_t)heed_size(x) * heed_dtype_size(x->dtype);
    storage->block = heed__arena_block(&t->arena, bytes, &storage->size_class);
    if (!storage->block) {
        heed_fail(t, "out of memory: a tensor of %zu bytes", bytes);
        return false;
    }
    storage->holders = 1;
    storage->next_temporary = NULL;
    if (t->deferring) {
        storage->next_temporary = t->temporaries;
        t->temporaries = storage;
    }
    x->storage = storage;
    x->data = storage->block;
    return true;
}

void heed__hold(heed_tensor *x)
{
    if (x->storage)
        x->storage->holders++;
}

void heed__storage_let_go(heed_tape *t, heed__storage *storage)
{
    if (storage && storage->holders > 0 && --storage->holders == 0)
        heed__arena_give_back(&t->arena, storage->block, storage->size_class);
}

void heed__let_go(heed_tape *t, heed_tensor *x)
{
    heed__storage_let_go(t, x->storage);
}

bool heed__readable(heed_tape *t, const heed_tensor *x, const char *who)
{
    if (x->tape != t) {
        heed_fail(t, "%s: an operand belongs to another tape", who);
        return false;
    }
    if (x->storage && x->storage->holders == 0) {
        heed_fail(
            t,
            "%s: reads a value (of %s) that the backward sweep has released; keep it with "
            "heed_keep or use heed_backward_retain",
            who, x->record ? x->record->call.op->name : "a leaf");
        return false;
    }
    return true;
}

/* ---- applying ---- */

/* A tensor with the result's geometry; memory comes later (or is operand 0's). */
static heed_tensor *make_result(heed_tape *t, const heed_call *c, const heed_result *r)
{
    heed_tensor *y = heed__tensor_new(t, r->dtype, &r->shape);
    if (!y)
        return NULL;
    if (r->view || r->ordered) {
        for (int i = 0; i < y->ndim; i++)
            y->strides[i] = r->strides[i];
    }
    if (r->view) {
        const heed_tensor *base = c->x[0];
        y->storage = base->storage;
        y->data = (char *)base->data + r->offset * (int64_t)heed_dtype_size(r->dtype);
    }
    return y;
}

static bool compute(heed_tape *t, heed_call *c, heed_tensor *y, size_t scratch, bool accumulate)
{
    int size_class = 0;
    if (scratch) {
        c->scratch = heed__arena_block(&t->arena, scratch, &size_class);
        if (!c->scratch)
            return heed_refuse(t, c, "out of memory for %zu bytes of scratch", scratch);
    }
    if (accumulate)
        c->op->accumulate(c, y);
    else
        c->op->run(c, y);
    if (scratch)
        heed__arena_give_back(&t->arena, c->scratch, size_class);
    c->scratch = NULL;
    return !t->sanitizing || heed__sanitize(t, c, y);
}

bool heed__run_into(heed_tape *t, heed_tensor *deferred, heed_tensor *destination,
                    bool accumulate)
{
    heed_result r = { 0 };
    heed_call *c = &deferred->record->call;
    if (!c->op->shape(t, c, &r))
        return false;
    return compute(t, c, destination, r.scratch, accumulate);
}

bool heed__evaluate(heed_tape *t, heed_tensor *x)
{
    if (!(x->flags & TENSOR_DEFERRED))
        return true;
    if (!heed__tensor_allocate(t, x) || !heed__run_into(t, x, x, false))
        return false;
    x->flags &= ~(unsigned)TENSOR_DEFERRED;
    x->record = NULL;
    return true;
}

/* Operands are checked, computed if deferred, and made contiguous where the op wants it. */
static bool prepare(heed_tape *t, const heed_op *op, int n, heed_tensor **x)
{
    heed_call c = { .op = op, .n = n, .x = x };
    if (n < (op->arity == HEED_VARIADIC ? 1 : op->arity) ||
        (op->arity != HEED_VARIADIC && n != op->arity)) {
        heed_fail(t, "%s: takes %d operands, got %d", op->name,
                  op->arity == HEED_VARIADIC ? 1 : op->arity, n);
        return false;
    }
    for (int i = 0; i < n; i++) {
        unsigned bit = i < 31 ? 1u << i : 0;
        if (!x[i]) {
            if (op->optional & bit)
                continue;
            heed_fail(t, "%s: operand %d is NULL", op->name, i);
            return false;
        }
        if (!heed__readable(t, x[i], op->name) || !heed__evaluate(t, x[i]))
            return false;
        bool floats = x[i]->dtype == HEED_F32 || x[i]->dtype == HEED_F64;
        if ((op->integer & bit) && floats)
            return heed_refuse(t, &c, "operand %d is %s but must be ids or a mask", i,
                               heed_dtype_name(x[i]->dtype));
        bool dense = op->arity == HEED_VARIADIC ? op->dense != 0 : (op->dense & bit) != 0;
        int last = x[i]->ndim - 1;
        bool rows = (op->dense_rows & bit) && last >= 0 && x[i]->shape[last] > 1;
        if ((dense && !heed_is_contiguous(x[i])) || (rows && x[i]->strides[last] != 1)) {
            x[i] = heed_apply(t, &heed_op_contiguous, 1, &x[i], NULL);
            if (!x[i] || !heed__evaluate(t, x[i]))
                return false;
        }
    }
    return true;
}

static bool floats_agree(heed_tape *t, const heed_call *c)
{
    const heed_tensor *first = NULL;
    for (int i = 0; i < c->n; i++) {
        const heed_tensor *x = c->x[i];
        if (!x || (x->dtype != HEED_F32 && x->dtype != HEED_F64))
            continue;
        if (first && first->dtype != x->dtype)
            return heed_refuse(t, c, "dtypes %s and %s differ", heed_dtype_name(first->dtype),
                               heed_dtype_name(x->dtype));
        if (!first)
            first = x;
    }
    return true;
}

/* True when the result's gradient can reach an operand. */
static bool flows(const heed_call *c)
{
    if (!c->op->vjp && !c->op->compose)
        return false;
    for (int i = 0; i < c->n; i++) {
        if (heed_wants(c, i))
            return true;
    }
    return false;
}

/* One more than the deepest operand; a view computes nothing and adds nothing. */
static int64_t depth_of(const heed_call *c, bool view)
{
    int64_t depth = 0;
    for (int i = 0; i < c->n; i++) {
        const heed__record *made = c->x[i] ? c->x[i]->record : NULL;
        if (made && made->depth > depth)
            depth = made->depth;
    }
    return view ? depth : depth + 1;
}

heed_tensor *heed_apply(heed_tape *t, const heed_op *op, int n, heed_tensor *const x[],
                        const void *attributes)
{
    if (!t || t->failed)
        return NULL;
    if (op->attributes_size && !attributes)
        return heed_fail(t, "%s: the attributes are NULL", op->name);
    heed__record *record =
        heed__arena_take(&t->arena, sizeof *record + (size_t)n * sizeof *x +
                                        (op->attributes_size + 15) / 16 * 16 + 16);
    if (!record)
        return heed__out_of_memory(t, op->name);
    heed_tensor **operands = (heed_tensor **)(record + 1);
    char *attributes_at = (char *)(operands + n);
    attributes_at += (16 - (uintptr_t)attributes_at % 16) % 16;
    for (int i = 0; i < n; i++)
        operands[i] = x[i];
    if (op->attributes_size && attributes)
        memcpy(attributes_at, attributes, op->attributes_size);
    *record = (heed__record){
        .call = { .op = op, .n = n, .x = operands, .attributes = attributes_at },
        .scope = t->scope
    };
    if (!prepare(t, op, n, operands))
        return NULL;
    heed_call *c = &record->call;
    if (!floats_agree(t, c))
        return NULL;

    heed_result r = { 0 };
    if (!op->shape(t, c, &r)) {
        if (!t->failed)
            heed_refuse(t, c, "the shape rule refused without a reason");
        return NULL;
    }
    int64_t size;
    if (!heed__shape_size(&r.shape, &size)) {
        heed_refuse(t, c, "the result's extents are negative, too many or overflow");
        return NULL;
    }
    if (!op->run && op->compose)
        return op->compose(t, c);
    heed_tensor *y = make_result(t, c, &r);
    if (!y)
        return NULL;
    y->record = record;
    record->y = y;
    if (t->deferring && op->accumulate && !r.view && !r.saved && !t->recording) {
        y->flags |= TENSOR_DEFERRED;
        return y;
    }
    if (!r.view && !heed__tensor_allocate(t, y))
        return NULL;
    if (r.saved) {
        heed_tensor **saved = heed__arena_take(&t->arena, (size_t)r.saved * sizeof *saved);
        if (!saved)
            return heed__out_of_memory(t, op->name);
        for (int i = 0; i < r.saved; i++) {
            saved[i] = heed__tensor_new(t, r.saved_dtype[i], &r.saved_shape[i]);
            if (!saved[i] || !heed__tensor_allocate(t, saved[i]))
                return NULL;
        }
        c->saved = saved;
        record->saved = r.saved;
    }
    if (!r.view && !compute(t, c, y, r.scratch, false))
        return NULL;

    bool floats = y->dtype == HEED_F32 || y->dtype == HEED_F64;
    bool differentiable = t->recording && floats && flows(c);
    if (differentiable) {
        y->flags |= TENSOR_DIFFERENTIABLE;
        record->previous = t->last;
        record->number = t->last ? t->last->number + 1 : 0;
        record->depth = depth_of(c, r.view);
        t->last = record;
    } else {
        y->record = NULL;
        /* Nobody will read the by-products. */
        for (int i = 0; i < r.saved && !t->deferring; i++)
            heed__let_go(t, c->saved[i]);
    }
    return y;
}

bool heed_wants(const heed_call *c, int i)
{
    if (i < 31 && c->op->arity != HEED_VARIADIC && (c->op->integer & (1u << i)))
        return false;
    return c->x[i] && (c->x[i]->flags & TENSOR_DIFFERENTIABLE);
}

int heed_axis(heed_tape *t, const heed_call *c, int axis, int ndim)
{
    if (axis >= -ndim && axis < ndim)
        return axis < 0 ? axis + ndim : axis;
    heed_refuse(t, c, "axis %d is out of range for %d axes", axis, ndim);
    return -1;
}
