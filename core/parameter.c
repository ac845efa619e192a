/* The set of parameters: chunks, names, flags, and fetching one as a tensor of a tape's step.
 */
#include "engine.h"
#include "memory.h"
#include "set.h"
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_LEAST ((size_t)1 << 16)

heed_params *heed_params_new(heed_dtype dtype, const heed_allocator *allocator)
{
    heed_params *ps = heed__allocate(allocator, sizeof *ps);
    if (!ps)
        return NULL;
    memset(ps, 0, sizeof *ps);
    if (allocator) {
        ps->own = *allocator;
        ps->allocator = &ps->own;
    }
    ps->dtype = dtype == HEED_F64 ? HEED_F64 : HEED_F32;
    return ps;
}

void heed_params_free(heed_params *ps)
{
    if (!ps)
        return;
    heed_gradients_free(ps->gradients);
    for (heed__chunk *c = ps->chunks; c;) {
        heed__chunk *next = c->next;
        heed__release(ps->allocator, c, c->size);
        c = next;
    }
    heed__release(ps->allocator, ps->list, (size_t)ps->capacity * sizeof *ps->list);
    heed_allocator own = ps->own, *allocator = ps->allocator ? &own : NULL;
    heed__release(allocator, ps, sizeof *ps);
}

const char *heed_params_error(const heed_params *ps)
{
    return ps ? ps->failed ? ps->error : NULL : "there is no set of parameters";
}

heed_parameter *heed_params_fail(heed_params *ps, const char *format, ...)
{
    va_list list;
    if (!ps || ps->failed)
        return NULL;
    ps->failed = true;
    va_start(list, format);
    vsnprintf(ps->error, sizeof ps->error, format, list);
    va_end(list);
    return NULL;
}

/* A failed set ignores scopes, so how many of those open at the error are still open is not
 * known. */
void heed_params_clear_error(heed_params *ps)
{
    if (!ps || !ps->failed)
        return;
    ps->failed = false;
    ps->error[0] = '\0';
    ps->depth = 0;
    ps->scope[0] = '\0';
}

heed_dtype heed_params_dtype(const heed_params *ps)
{
    return ps ? ps->dtype : HEED_F32;
}

void heed_params_scope(heed_params *ps, const char *name)
{
    if (!ps || ps->failed)
        return;
    if (!name) {
        heed_params_fail(ps, "scope %s: the name is NULL", ps->scope);
        return;
    }
    size_t at = strlen(ps->scope);
    if (ps->depth >= HEED__SCOPES || at + strlen(name) + 2 > sizeof ps->scope) {
        heed_params_fail(ps, "scope %s.%s is too deep or too long", ps->scope, name);
        return;
    }
    ps->scope_ends[ps->depth++] = (int)at;
    snprintf(ps->scope + at, sizeof ps->scope - at, "%s.", name);
}

bool heed_params_scoped(const heed_params *ps)
{
    return ps && ps->depth > 0;
}

void heed_params_scope_end(heed_params *ps)
{
    if (ps && !ps->failed && ps->depth > 0)
        ps->scope[ps->scope_ends[--ps->depth]] = '\0';
}

/* ---- memory ---- */

/* 64-byte aligned zeros in the newest chunk, or in a new one. Parameters follow one another
 * without gaps but padding to 64 bytes, which stays zero. */
static void *take(heed_params *ps, size_t bytes)
{
    bytes = (bytes + 63) / 64 * 64;
    heed__chunk *c = ps->newest;
    if (!c || c->size - c->used < bytes) {
        size_t size = ps->bytes / 2 > CHUNK_LEAST ? ps->bytes / 2 : CHUNK_LEAST;
        if (size < bytes)
            size = bytes;
        if (!heed__add_size(size, HEED__CHUNK_HEADER, &size))
            return NULL;
        c = heed__allocate(ps->allocator, size);
        if (!c)
            return NULL;
        *c = (heed__chunk){ .next = ps->chunks, .size = size, .used = HEED__CHUNK_HEADER };
        ps->chunks = ps->newest = c;
    }
    void *p = (char *)c + c->used;
    c->used += bytes;
    ps->bytes += bytes;
    memset(p, 0, bytes);
    return p;
}

/* Zeros in a chunk of their own, apart from those that values fill, so that values lie densely.
 */
static void *take_apart(heed_params *ps, size_t bytes)
{
    if (!heed__add_size(bytes, HEED__CHUNK_HEADER, &bytes))
        return NULL;
    heed__chunk *c = heed__allocate(ps->allocator, bytes);
    if (!c)
        return NULL;
    memset(c, 0, bytes);
    *c = (heed__chunk){ .next = ps->chunks, .size = bytes };
    ps->chunks = c;
    return (char *)c + HEED__CHUNK_HEADER;
}

void *heed_params_keep(heed_params *ps, int64_t count, size_t size)
{
    size_t bytes;
    void *kept = NULL;
    if (!ps || ps->failed)
        return NULL;
    if (count >= 0 && !__builtin_mul_overflow((size_t)count, size, &bytes))
        kept = take_apart(ps, bytes);
    if (!kept)
        heed_params_fail(ps, "%s: no memory for %" PRId64 " times %zu bytes",
                         ps->depth ? ps->scope : "params", count, size);
    return kept;
}

heed_parameter *heed_parameter_new(heed_params *ps, const char *name, heed_shape shape,
                                   unsigned flags)
{
    char full[512], text[160];
    int64_t size;
    if (!ps || ps->failed)
        return NULL;
    if (!name)
        return heed_params_fail(ps, "parameter: the name is NULL");
    snprintf(full, sizeof full, "%s%s", ps->scope, name);
    if (!*name || strlen(ps->scope) + strlen(name) >= sizeof full)
        return heed_params_fail(ps, "parameter '%s': the name is empty or too long", full);
    if (!heed__shape_size(&shape, &size))
        return heed_params_fail(ps, "parameter %s: shape %s is negative, too deep or overflows",
                                full, heed_shape_text(&shape, text, sizeof text));
    if (heed_params_find(ps, full))
        return heed_params_fail(ps, "parameter %s exists already", full);
    if (ps->count == ps->capacity) {
        int capacity = ps->capacity ? 2 * ps->capacity : 32;
        heed_parameter **list = heed__allocate(ps->allocator, (size_t)capacity * sizeof *list);
        if (!list)
            return heed_params_fail(ps, "parameter %s: out of memory", full);
        if (ps->count)
            memcpy(list, ps->list, (size_t)ps->count * sizeof *list);
        heed__release(ps->allocator, ps->list, (size_t)ps->capacity * sizeof *list);
        ps->list = list;
        ps->capacity = capacity;
    }
    size_t length = strlen(full) + 1;
    heed_parameter *p = take_apart(ps, sizeof *p + length);
    void *data = p ? take(ps, (size_t)size * heed_dtype_size(ps->dtype)) : NULL;
    if (!data)
        return heed_params_fail(ps, "parameter %s: out of memory for shape %s", full,
                                heed_shape_text(&shape, text, sizeof text));
    char *copy = memcpy(p + 1, full, length);
    *p = (heed_parameter){ .name = copy,
                           .dtype = ps->dtype,
                           .shape = shape,
                           .size = size,
                           .data = data,
                           .flags = flags,
                           .set = ps,
                           .index = ps->count };
    ps->list[ps->count++] = p;
    return p;
}

int heed_params_count(const heed_params *ps)
{
    return ps ? ps->count : 0;
}

heed_parameter *heed_params_at(const heed_params *ps, int index)
{
    return ps && index >= 0 && index < ps->count ? ps->list[index] : NULL;
}

heed_parameter *heed_params_find(const heed_params *ps, const char *name)
{
    for (int i = 0; ps && name && i < ps->count; i++) {
        if (strcmp(ps->list[i]->name, name) == 0)
            return ps->list[i];
    }
    return NULL;
}

static int64_t count_scalars(const heed_params *ps, unsigned without)
{
    int64_t total = 0;
    for (int i = 0; ps && i < ps->count; i++) {
        if (!(ps->list[i]->flags & without))
            total += ps->list[i]->size;
    }
    return total;
}

int64_t heed_params_size(const heed_params *ps)
{
    return count_scalars(ps, HEED_BUFFER);
}

int64_t heed_params_trainable(const heed_params *ps)
{
    return count_scalars(ps, HEED_BUFFER | HEED_FROZEN);
}

int heed_params_freeze(heed_params *ps, const char *pattern, bool frozen)
{
    int touched = 0;
    if (!pattern)
        heed_params_fail(ps, "freeze: the pattern is NULL");
    for (int i = 0; ps && pattern && i < ps->count; i++) {
        heed_parameter *p = ps->list[i];
        if (!heed__matches(pattern, p->name))
            continue;
        p->flags = frozen ? p->flags | HEED_FROZEN : p->flags & ~(unsigned)HEED_FROZEN;
        touched++;
    }
    return touched;
}

/* What values are to be copied from or to; NULL, with the set failed, if they cannot be. */
static heed_parameter *find_sized(heed_params *ps, const char *name, int64_t count,
                                  const void *values)
{
    if (!ps || ps->failed)
        return NULL;
    if (!name)
        return heed_params_fail(ps, "parameter: the name is NULL");
    heed_parameter *p = heed_params_find(ps, name);
    if (!p)
        return heed_params_fail(ps, "there is no parameter %s", name);
    if (p->size != count)
        return heed_params_fail(ps, "parameter %s has %" PRId64 " scalars, not %" PRId64, name,
                                p->size, count);
    if (!values)
        return heed_params_fail(ps, "parameter %s: the values are NULL", name);
    return p;
}

bool heed_params_get(heed_params *ps, const char *name, int64_t count, void *values)
{
    heed_parameter *p = find_sized(ps, name, count, values);
    if (p)
        memcpy(values, p->data, (size_t)count * heed_dtype_size(p->dtype));
    return p != NULL;
}

bool heed_params_set(heed_params *ps, const char *name, int64_t count, const void *values)
{
    heed_parameter *p = find_sized(ps, name, count, values);
    if (p)
        memcpy(p->data, values, (size_t)count * heed_dtype_size(p->dtype));
    return p != NULL;
}

heed_params *heed_params_copy(const heed_params *ps, heed_dtype dtype)
{
    heed_params *copy = ps ? heed_params_new(dtype, ps->allocator) : NULL;
    for (int i = 0; copy && i < ps->count; i++) {
        const heed_parameter *p = ps->list[i];
        heed_parameter *q = heed_parameter_new(copy, p->name, p->shape, p->flags);
        if (!q) {
            heed_params_free(copy);
            return NULL;
        }
        for (int64_t k = 0; k < p->size; k++) {
            double value =
                p->dtype == HEED_F64 ? ((double *)p->data)[k] : (double)((float *)p->data)[k];
            if (q->dtype == HEED_F64)
                ((double *)q->data)[k] = value;
            else
                ((float *)q->data)[k] = (float)value;
        }
    }
    return copy;
}

/* ---- fetching ---- */

static size_t slot_of(const heed_tape *t, const heed_parameter *p)
{
    uint64_t h = (uint64_t)(uintptr_t)p * 0x9E3779B97F4A7C15u;
    return (size_t)(h >> 32) & (size_t)(t->use_capacity - 1);
}

static void table_put(heed_tape *t, heed__use *u)
{
    size_t i = slot_of(t, u->asked);
    while (t->use_table[i])
        i = (i + 1) & (size_t)(t->use_capacity - 1);
    t->use_table[i] = u;
}

/* The table lies in the arena: after a rewind it may be gone, so the next fetch makes it anew.
 */
void heed__uses_changed(heed_tape *t)
{
    t->use_table = NULL;
    t->use_capacity = 0;
    t->use_count = 0;
    for (heed__use *u = t->uses; u; u = u->previous)
        t->use_count++;
}

static bool table_grow(heed_tape *t)
{
    int capacity = 64;
    while (capacity < 4 * (t->use_count + 1))
        capacity *= 2;
    heed__use **table = heed__arena_take(&t->arena, (size_t)capacity * sizeof(heed__use *));
    if (!table)
        return false;
    for (int i = 0; i < capacity; i++)
        table[i] = NULL;
    t->use_table = table;
    t->use_capacity = capacity;
    for (heed__use *u = t->uses; u; u = u->previous)
        table_put(t, u);
    return true;
}

bool heed_shadow(heed_tape *t, const heed_params *from, heed_params *to)
{
    if (!t)
        return false;
    if (from && to) {
        if (t->uses)
            return heed_fail(t, "shadow: parameters were fetched in this step already") != NULL;
        for (int i = 0; i < from->count; i++) {
            const heed_parameter *a = from->list[i], *b = heed_params_at(to, i);
            if (!b || strcmp(a->name, b->name) != 0 || a->size != b->size)
                return heed_fail(t, "shadow: parameter %s has no counterpart", a->name) != NULL;
        }
    }
    t->shadow_from = to ? from : NULL;
    t->shadow_to = from ? to : NULL;
    return true;
}

heed_tensor *heed_use(heed_tape *t, heed_parameter *p)
{
    if (!t || t->failed)
        return NULL;
    if (!p)
        return heed_fail(t, "use: the parameter is NULL");
    if (p->set->failed)
        return heed_fail(t, "use: %s", p->set->error);
    /* Before the search: after a rewind there is no table, but there may be uses. */
    if (4 * (t->use_count + 1) > 3 * t->use_capacity && !table_grow(t))
        return heed_fail(t, "use: out of memory");
    for (size_t i = slot_of(t, p); t->use_table[i];
         i = (i + 1) & (size_t)(t->use_capacity - 1)) {
        if (t->use_table[i]->asked == p)
            return t->use_table[i]->tensor;
    }
    heed_parameter *real =
        p->set == t->shadow_from ? heed_params_at(t->shadow_to, p->index) : p;
    if (!real)
        return heed_fail(t, "use: parameter %s is newer than the shadow of its set", p->name);
    if (real->dtype != t->dtype)
        return heed_fail(t, "use: parameter %s is %s on a tape of %s", p->name,
                         heed_dtype_name(real->dtype), heed_dtype_name(t->dtype));
    heed_tensor *x = heed__tensor_new(t, real->dtype, &real->shape);
    heed__use *u = x ? heed__arena_take(&t->arena, sizeof *u) : NULL;
    if (!u)
        return heed_fail(t, "use: out of memory");
    x->data = real->data;
    x->parameter = real;
    if (!(real->flags & (HEED_FROZEN | HEED_BUFFER)))
        x->flags |= TENSOR_DIFFERENTIABLE;
    *u = (heed__use){ .previous = t->uses, .asked = p, .tensor = x };
    t->uses = u;
    t->use_count++;
    table_put(t, u);
    return x;
}
