/* The tape: applies ops, records them, marks and rewinds, and keeps the first error. It knows the type of
 * a record and no particular op but the copy that makes an operand contiguous. */
#include "engine.h"
#include "memory.h"
#include "random.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

extern const heed_op heed_op_contiguous;

/* ---- life ---- */

static void start_step(heed_tape *t)
{
    t->last = NULL;
    t->temporaries = NULL;
    t->deferring = false;
    t->watches = NULL;
    t->uses = NULL;
    t->use_table = NULL;
    t->use_count = t->use_capacity = 0;
    t->root = (heed__scope){ .name = "", .path = heed__hash(0, 0x6865656400000000u) };
    t->scope = &t->root;
    t->scope_count = 0;
    t->failed = false;
    t->error[0] = '\0';
}

heed_tape *heed_tape_new(const heed_tape_options *options)
{
    const heed_allocator *allocator = options ? options->allocator : NULL;
    heed_tape *t = heed__allocate(allocator, sizeof *t);
    if (!t)
        return NULL;
    memset(t, 0, sizeof *t);
    heed__arena_init(&t->arena, allocator, options ? options->chunk : 0);
    t->dtype = options && options->dtype == HEED_F64 ? HEED_F64 : HEED_F32;
    t->recording = true;
    start_step(t);
    return t;
}

void heed_tape_free(heed_tape *t)
{
    if (!t)
        return;
    heed_allocator own = t->arena.own, *allocator = t->arena.allocator ? &own : NULL;
    heed__arena_free(&t->arena);
    heed__release(allocator, t, sizeof *t);
}

void heed_tape_reset(heed_tape *t)
{
    if (!t)
        return;
    heed__arena_reset(&t->arena);
    start_step(t);
    t->step++;
}

heed_dtype heed_tape_dtype(const heed_tape *t)
{
    return t ? t->dtype : HEED_F32;
}

bool heed_set_recording(heed_tape *t, bool on)
{
    bool former = t->recording;
    t->recording = on;
    return former;
}

bool heed_set_training(heed_tape *t, bool on)
{
    bool former = t->training;
    t->training = on;
    return former;
}

bool heed_recording(const heed_tape *t)
{
    return t && t->recording;
}

bool heed_training(const heed_tape *t)
{
    return t && t->training;
}

heed_memory heed_tape_memory(const heed_tape *t)
{
    const arena *a = &t->arena;
    return (heed_memory){ a->capacity, a->bump - a->listed, a->peak, a->allocations };
}

/* ---- errors ---- */

static void fail_text(heed_tape *t, const char *prefix, const char *format, va_list list)
{
    if (!t || t->failed)
        return;
    t->failed = true;
    size_t at = 0;
    if (t->scope && t->scope->parent) {
        heed__path_text(t->scope, t->error, sizeof t->error - 3);
        at = strlen(t->error);
        memcpy(t->error + at, ": ", 3);
        at += 2;
    }
    int wrote = snprintf(t->error + at, sizeof t->error - at, "%s", prefix);
    at += wrote > 0 ? (size_t)wrote : 0;
    if (at < sizeof t->error)
        vsnprintf(t->error + at, sizeof t->error - at, format, list);
    if (t->hook)
        t->hook(t->hook_user, t->error);
}

heed_tensor *heed_fail(heed_tape *t, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fail_text(t, "", format, list);
    va_end(list);
    return NULL;
}

bool heed_refuse(heed_tape *t, const heed_call *c, const char *format, ...)
{
    char prefix[320];
    int at = snprintf(prefix, sizeof prefix, "%s: ", c->op->name);
    for (int i = 0; i < c->n && i < 6 && at > 0 && at < (int)sizeof prefix - 100; i++) {
        char text[96] = "none";
        if (c->x[i]) {
            heed_shape shape = heed_shape_of(c->x[i]);
            heed_shape_text(&shape, text, sizeof text);
        }
        at += snprintf(prefix + at, sizeof prefix - (size_t)at, "%s%s", i ? " x " : "", text);
    }
    if (c->n)
        snprintf(prefix + at, sizeof prefix - (size_t)at, ": ");
    va_list list;
    va_start(list, format);
    fail_text(t, prefix, format, list);
    va_end(list);
    return false;
}

const char *heed_error(const heed_tape *t)
{
    return t ? t->failed ? t->error : NULL : "there is no tape";
}

void heed_on_error(heed_tape *t, void (*hook)(void *user, const char *sentence), void *user)
{
    t->hook = hook;
    t->hook_user = user;
}

static heed_tensor *out_of_memory(heed_tape *t, const char *who)
{
    return heed_fail(t, "%s: out of memory", who);
}

/* ---- scopes and random streams ---- */

void heed_scope(heed_tape *t, const char *name)
{
    if (!t || t->failed)
        return;
    uint64_t path = t->scope->path;
    for (const char *c = name; *c; c++)
        path = heed__hash(path, (uint64_t)(unsigned char)*c + 1);
    path = heed__hash(path, 0);
    /* The same path in one step is one scope, so that its draws are counted together. */
    heed__scope *child = t->scope->first_child;
    while (child && child->path != path)
        child = child->sibling;
    if (!child) {
        size_t length = strlen(name) + 1;
        child = heed__arena_take(&t->arena, sizeof *child + length);
        if (!child) {
            out_of_memory(t, "scope");
            return;
        }
        char *copy = memcpy(child + 1, name, length);
        *child = (heed__scope){ .parent = t->scope, .name = copy, .path = path,
                                .sibling = t->scope->first_child, .serial = ++t->scope_count };
        t->scope->first_child = child;
    }
    t->scope = child;
}

void heed_scope_end(heed_tape *t)
{
    /* A failed tape keeps the scope of its first error. */
    if (t && !t->failed && t->scope->parent)
        t->scope = t->scope->parent;
}

/* The scope after s in a walk of the whole tree, parents first. */
static heed__scope *next_scope(heed__scope *s)
{
    if (s->first_child)
        return s->first_child;
    while (s && !s->sibling)
        s = s->parent;
    return s ? s->sibling : NULL;
}

void heed_seed(heed_tape *t, uint64_t seed, uint64_t step)
{
    t->seed = seed;
    t->step = step;
    for (heed__scope *s = &t->root; s; s = next_scope(s))
        s->draws = 0;
}

uint64_t heed__draw_key(heed_tape *t)
{
    uint64_t key = heed__hash(heed__hash(t->seed, t->step), t->scope->path);
    return heed__hash(key, t->scope->draws++);
}

/* ---- tensors and their memory ---- */

heed_tensor *heed__tensor_new(heed_tape *t, heed_dtype dtype, const heed_shape *shape)
{
    heed_tensor *x = heed__arena_take(&t->arena, sizeof *x);
    if (!x)
        return out_of_memory(t, "tensor");
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
        return out_of_memory(t, "tensor") != NULL;
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
        heed_fail(t,
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
    return true;
}

bool heed__run_into(heed_tape *t, heed_tensor *deferred, heed_tensor *destination, bool accumulate)
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
        heed_fail(t, "%s: takes %d operands, got %d", op->name, op->arity == HEED_VARIADIC ? 1 : op->arity,
                  n);
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

heed_tensor *heed_apply(heed_tape *t, const heed_op *op, int n, heed_tensor *const x[],
                        const void *attributes)
{
    if (!t || t->failed)
        return NULL;
    heed__record *record = heed__arena_take(
        &t->arena, sizeof *record + (size_t)n * sizeof *x + (op->attributes_size + 15) / 16 * 16 + 16);
    if (!record)
        return out_of_memory(t, op->name);
    heed_tensor **operands = (heed_tensor **)(record + 1);
    char *attributes_at = (char *)(operands + n);
    attributes_at += (16 - (uintptr_t)attributes_at % 16) % 16;
    for (int i = 0; i < n; i++)
        operands[i] = x[i];
    if (op->attributes_size && attributes)
        memcpy(attributes_at, attributes, op->attributes_size);
    *record = (heed__record){ .call = { .op = op, .n = n, .x = operands, .attributes = attributes_at },
                              .scope = t->scope };
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
    heed_tensor *y = make_result(t, c, &r);
    if (!y)
        return NULL;
    y->record = record;
    record->y = y;
    if (t->deferring && op->accumulate && !r.view && !t->recording) {
        y->flags |= TENSOR_DEFERRED;
        return y;
    }
    if (!r.view && !heed__tensor_allocate(t, y))
        return NULL;
    if (r.saved) {
        heed_tensor **saved = heed__arena_take(&t->arena, (size_t)r.saved * sizeof *saved);
        if (!saved)
            return out_of_memory(t, op->name);
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

    bool differentiable = t->recording && flows(c);
    if (differentiable) {
        y->flags |= TENSOR_DIFFERENTIABLE;
        record->previous = t->last;
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

/* ---- marks ---- */

heed_position heed_mark(heed_tape *t)
{
    arena_mark mark;
    if (!heed__arena_mark(&t->arena, &mark)) {
        out_of_memory(t, "mark");
        return (heed_position){ 0 };
    }
    return (heed_position){
        .at = { mark.current, (void *)mark.lists, t->last, t->uses, t->watches, t->scope },
        .sizes = { mark.used, mark.listed, mark.bump, t->scope_count },
    };
}

/* Cuts the scopes made after the first `count` out of the tree: children are listed newest first. */
static void forget_scopes(heed_tape *t, size_t count)
{
    t->scope_count = count;
    for (heed__scope *s = &t->root; s; s = next_scope(s)) {
        while (s->first_child && s->first_child->serial > count)
            s->first_child = s->first_child->sibling;
    }
}

void heed_rewind(heed_tape *t, heed_position position)
{
    /* A failed mark rewinds nothing. */
    if (!t || !position.at[5])
        return;
    arena_mark mark = { position.at[0], position.sizes[0], position.sizes[1], position.sizes[2],
                        (const arena_free **)position.at[1] };
    t->last = position.at[2];
    t->watches = position.at[4];
    t->scope = t->failed ? &t->root : position.at[5];
    forget_scopes(t, position.sizes[3]);
    bool forget = t->uses != position.at[3];
    t->uses = position.at[3];
    heed__arena_rewind(&t->arena, &mark);
    if (forget)
        heed__uses_changed(t);
}

heed_tensor *heed_return(heed_tape *t, heed_position position, heed_tensor *y)
{
    if (!t || t->failed || !y || !position.at[5] || t->last != position.at[2] ||
        (y->flags & TENSOR_DIFFERENTIABLE))
        return y;
    y = heed_contiguous(t, y);
    if (!y)
        return NULL;
    heed_tensor head = *y;
    if (!y->storage) { /* borrowed memory or a parameter's outlives the rewind */
        heed_rewind(t, position);
        heed_shape shape = heed_shape_of(&head);
        y = heed__tensor_new(t, head.dtype, &shape);
        if (y)
            y->data = head.data;
        return y;
    }
    /* The value moves down first, before its new node is made in what was its old place. */
    size_t bytes = (size_t)heed_size(y) * heed_dtype_size(y->dtype);
    int size_class = 0;
    heed_rewind(t, position);
    void *block = heed__arena_carry(&t->arena, head.data, bytes, &size_class);
    heed_shape shape = heed_shape_of(&head);
    heed__storage *storage = block ? heed__arena_take(&t->arena, sizeof *storage) : NULL;
    y = storage ? heed__tensor_new(t, head.dtype, &shape) : out_of_memory(t, "return");
    if (!y)
        return NULL;
    *storage = (heed__storage){ .block = block, .size_class = size_class, .holders = 1 };
    y->storage = storage;
    y->data = block;
    return y;
}
