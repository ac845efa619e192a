/* The tape: its life, settings, first error, scopes and random streams, marks and rewinds. It
 * knows the type of a record and no particular op. */
#include "engine.h"
#include "memory.h"
#include "random.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- life ---- */

static void start_step(heed_tape *t)
{
    t->last = NULL;
    t->temporaries = NULL;
    t->deferring = false;
    t->rule = NULL;
    t->watches = NULL;
    t->uses = NULL;
    t->use_table = NULL;
    t->use_count = t->use_capacity = 0;
    t->root = (heed__scope){ .name = "", .path = heed__hash(0, 0x6865656400000000u) };
    t->scope = &t->root;
    t->scope_count = 0;
    t->shown = 0;
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
    if (t->watch.recorded)
        heed_watch_attention(t, NULL);
    start_step(t);
    t->step++;
}

heed_dtype heed_tape_dtype(const heed_tape *t)
{
    return t ? t->dtype : HEED_F32;
}

bool heed_set_recording(heed_tape *t, bool on)
{
    bool former = t && t->recording;
    if (t)
        t->recording = on;
    return former;
}

bool heed_set_training(heed_tape *t, bool on)
{
    bool former = t && t->training;
    if (t)
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
    if (!t)
        return (heed_memory){ 0 };
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
    if (at > (int)sizeof prefix - 1)
        at = (int)sizeof prefix - 1;
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
    if (!t)
        return;
    t->hook = hook;
    t->hook_user = user;
}

heed_tensor *heed__out_of_memory(heed_tape *t, const char *who)
{
    return heed_fail(t, "%s: out of memory", who);
}

/* ---- scopes and random streams ---- */

void heed_scope(heed_tape *t, const char *name)
{
    if (!t || t->failed)
        return;
    if (!name) {
        heed_fail(t, "scope: the name is NULL");
        return;
    }
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
            heed__out_of_memory(t, "scope");
            return;
        }
        char *copy = memcpy(child + 1, name, length);
        *child = (heed__scope){ .parent = t->scope,
                                .name = copy,
                                .path = path,
                                .sibling = t->scope->first_child,
                                .serial = ++t->scope_count };
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
    if (!t)
        return;
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

/* ---- marks ---- */

heed_position heed_mark(heed_tape *t)
{
    arena_mark mark;
    if (!t)
        return (heed_position){ 0 };
    if (!heed__arena_mark(&t->arena, &mark)) {
        heed__out_of_memory(t, "mark");
        return (heed_position){ 0 };
    }
    return (heed_position){
        .at = { mark.current, (void *)mark.lists, t->last, t->uses, t->watches, t->scope },
        .sizes = { mark.used, mark.listed, mark.bump, t->scope_count, (size_t)t->shown },
    };
}

/* Cuts the scopes made after the first `count` out of the tree: children are listed newest
 * first. */
static void forget_scopes(heed_tape *t, size_t count)
{
    t->scope_count = count;
    for (heed__scope *s = &t->root; s; s = next_scope(s)) {
        while (s->first_child && s->first_child->serial > count)
            s->first_child = s->first_child->sibling;
    }
}

/* Whoever watches may keep what a recorded watch shows. */
static bool recorded_since(const heed_tape *t, heed_position position)
{
    return t->watch.recorded && t->shown > (int64_t)position.sizes[4];
}

void heed_rewind(heed_tape *t, heed_position position)
{
    /* A failed mark rewinds nothing. */
    if (!t || !position.at[5])
        return;
    if (recorded_since(t, position))
        heed_watch_attention(t, NULL);
    arena_mark mark = { position.at[0], position.sizes[0], position.sizes[1], position.sizes[2],
                        (const arena_free **)position.at[1] };
    t->last = position.at[2];
    /* What was watched since is watched no more, and no gradient outlives the memory it lay in.
     * */
    for (heed__watch *w = t->watches; w; w = w->previous)
        w->tensor->gradient = w->tensor->slot = NULL;
    for (; t->watches != position.at[4]; t->watches = t->watches->previous)
        t->watches->tensor->flags = t->watches->flags;
    t->scope = t->failed ? &t->root : position.at[5];
    forget_scopes(t, position.sizes[3]);
    t->shown = (int64_t)position.sizes[4];
    t->uses = position.at[3];
    heed__arena_rewind(&t->arena, &mark);
    heed__uses_changed(t);
}

heed_tensor *heed_return(heed_tape *t, heed_position position, heed_tensor *y)
{
    if (!t || t->failed || !y || !position.at[5] || t->last != position.at[2] ||
        (y->flags & TENSOR_DIFFERENTIABLE) || recorded_since(t, position))
        return y;
    y = heed_contiguous(t, y);
    if (!y)
        return NULL;
    heed_tensor head = *y;
    int64_t shown = t->shown;
    if (!y->storage) { /* borrowed memory or a parameter's outlives the rewind */
        heed_rewind(t, position);
        t->shown = shown; /* a forward pass has not been undone */
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
    t->shown = shown;
    void *block = heed__arena_carry(&t->arena, head.data, bytes, &size_class);
    heed_shape shape = heed_shape_of(&head);
    heed__storage *storage = block ? heed__arena_take(&t->arena, sizeof *storage) : NULL;
    y = storage ? heed__tensor_new(t, head.dtype, &shape) : heed__out_of_memory(t, "return");
    if (!y)
        return NULL;
    *storage = (heed__storage){ .block = block, .size_class = size_class, .holders = 1 };
    y->storage = storage;
    y->data = block;
    return y;
}
