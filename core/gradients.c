/* Gradients of a set: one block in the layout of its trainable parameters. Only backward.c
 * writes into it (and the arithmetic below); an optimizer reads it by runs.
 *
 * Zeroing only marks. The next sweep's first contribution to a parameter overwrites what is
 * there, so memory is cleared for those parameters alone that no sweep reaches. */
#include "engine.h"
#include "kernels/kernels.h"
#include "memory.h"
#include "set.h"

#include <math.h>
#include <string.h>

/* ---- layout ---- */

static bool trains(const heed_parameter *p)
{
    return !(p->flags & (HEED_FROZEN | HEED_BUFFER));
}

static int64_t padded(const heed_parameter *p)
{
    int64_t step = 64 / (int64_t)heed_dtype_size(p->dtype);
    return (p->size + step - 1) / step * step;
}

int64_t heed__layout(const heed_params *ps, int64_t *offset)
{
    int64_t elements = 0;
    for (int i = 0; i < ps->count; i++) {
        const heed_parameter *p = ps->list[i];
        offset[i] = trains(p) ? elements : -1;
        elements += trains(p) ? padded(p) : 0;
    }
    return elements;
}

bool heed__layout_holds(const heed_params *ps, int count, const int64_t *offset)
{
    if (count != ps->count || !offset)
        return false;
    for (int i = 0; i < count; i++) {
        if (trains(ps->list[i]) != (offset[i] >= 0))
            return false;
    }
    return true;
}

static void *place(const heed_gradients *g, int i)
{
    return (char *)g->block + (size_t)g->offset[i] * heed_dtype_size(g->set->dtype);
}

/* ---- life ---- */

heed_gradients *heed_gradients_new(heed_params *ps)
{
    if (!ps || ps->failed)
        return NULL;
    heed_gradients *g = heed__allocate(ps->allocator, sizeof *g);
    if (!g)
        return NULL;
    *g = (heed_gradients){ .set = ps, .own = ps->own };
    g->allocator = ps->allocator ? &g->own : NULL;
    if (!heed__gradients_update(g)) {
        heed_gradients_free(g);
        return NULL;
    }
    return g;
}

void heed_gradients_free(heed_gradients *g)
{
    if (!g)
        return;
    heed_allocator own = g->own, *allocator = g->allocator ? &own : NULL;
    heed__release(allocator, g->block, g->block_bytes);
    heed__release(allocator, g->offset, g->header_bytes);
    heed__release(allocator, g, sizeof *g);
}

heed_gradients *heed_params_gradients(heed_params *ps)
{
    if (!ps || ps->failed)
        return NULL;
    if (!ps->gradients)
        ps->gradients = heed_gradients_new(ps);
    else if (!heed__gradients_update(ps->gradients))
        return NULL;
    return ps->gradients;
}

/* Gradients there are move to their new places; new ones start as zeros. */
static void move_into(const heed_gradients *old, heed_gradients *fresh)
{
    memset(fresh->block, 0, fresh->block_bytes);
    for (int i = 0; i < fresh->count; i++) {
        bool kept =
            i < old->count && old->offset[i] >= 0 && fresh->offset[i] >= 0 && !old->empty[i];
        fresh->empty[i] = !kept;
        fresh->stale[i] = false;
        if (kept)
            memcpy(place(fresh, i), place(old, i),
                   (size_t)fresh->set->list[i]->size * heed_dtype_size(fresh->set->dtype));
    }
}

bool heed__gradients_update(heed_gradients *g)
{
    heed_params *ps = g->set;
    if (heed__layout_holds(ps, g->count, g->offset))
        return true;
    heed_gradients fresh = *g;
    fresh.count = ps->count;
    fresh.header_bytes =
        (size_t)ps->count * (sizeof *g->offset + sizeof *g->empty + sizeof *g->stale);
    fresh.offset = heed__allocate(g->allocator, fresh.header_bytes);
    if (!fresh.offset)
        return false;
    fresh.empty = (bool *)(fresh.offset + ps->count);
    fresh.stale = fresh.empty + ps->count;
    fresh.elements = heed__layout(ps, fresh.offset);
    fresh.block_bytes = (size_t)fresh.elements * heed_dtype_size(ps->dtype);
    fresh.block = heed__allocate(g->allocator, fresh.block_bytes);
    if (!fresh.block) {
        heed__release(g->allocator, fresh.offset, fresh.header_bytes);
        return false;
    }
    move_into(g, &fresh);
    heed__release(g->allocator, g->block, g->block_bytes);
    heed__release(g->allocator, g->offset, g->header_bytes);
    *g = fresh;
    return true;
}

/* ---- what a sweep does ---- */

/* Without memory for a new layout the sweep fails by name where it misses its place. */
void heed__gradients_begin(heed_gradients *g)
{
    heed__gradients_update(g);
    g->unfinished++;
}

/* A parameter that no path reached has gradient 0. A sweep that failed before this one did
 * not come here, so its beginning still counts. */
void heed__gradients_end(heed_gradients *g)
{
    if (g->unfinished > 0)
        g->unfinished--;
    heed__gradients_settle(g);
}

void *heed__gradients_slot(heed_gradients *g, const heed_parameter *p, bool **empty)
{
    if (g->set != p->set || p->index >= g->count || g->offset[p->index] < 0)
        return NULL;
    *empty = &g->empty[p->index];
    return place(g, p->index);
}

void heed_gradients_zero(heed_gradients *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->count; i++) {
        g->stale[i] = g->stale[i] || !g->empty[i];
        g->empty[i] = true;
    }
    g->unfinished = 0;
}

static void settle(const heed_gradients *g, int i)
{
    if (g->offset[i] >= 0 && g->empty[i] && g->stale[i])
        memset(place(g, i), 0, (size_t)g->set->list[i]->size * heed_dtype_size(g->set->dtype));
    g->stale[i] = false;
}

void heed__gradients_settle(const heed_gradients *g)
{
    for (int i = 0; i < g->count; i++)
        settle(g, i);
}

/* Who gets the pointer may write through it, so the next sweep must add to what is there. */
void *heed_gradients_of(const heed_gradients *g, const heed_parameter *p)
{
    bool *empty;
    void *data = g && p ? heed__gradients_slot((heed_gradients *)g, p, &empty) : NULL;
    if (data) {
        settle(g, p->index);
        *empty = false;
    }
    return data;
}

bool heed_gradients_complete(const heed_gradients *g)
{
    return g && g->unfinished == 0;
}

/* ---- arithmetic ---- */

static const kernel_table *kernels_of(const heed_gradients *g)
{
    return g->set->dtype == HEED_F64 ? heed__isa()->f64 : heed__isa()->f32;
}

/* y = f(y, x) over n elements. */
static void map(const heed_gradients *g, kernel_map_name name, int64_t n, void *y,
                const void *x, double p)
{
    kernel_map call = { .ndim = 1,
                        .shape = { n },
                        .x = { y, x },
                        .x_strides = { { 1 }, { 1 } },
                        .y = y,
                        .y_strides = { 1 },
                        .p = p };
    kernels_of(g)->map[name](&call);
}

bool heed_gradients_add(heed_gradients *g, const heed_gradients *other)
{
    if (!g || !other || g->set != other->set || !heed_gradients_complete(g) ||
        !heed_gradients_complete(other) || !heed__gradients_update(g))
        return false;
    size_t width = heed_dtype_size(g->set->dtype);
    for (int i = 0; i < g->count && i < other->count; i++) {
        int64_t size = g->set->list[i]->size;
        if (g->offset[i] < 0 || other->offset[i] < 0 || other->empty[i])
            continue;
        if (g->empty[i])
            memcpy(place(g, i), place(other, i), (size_t)size * width);
        else
            map(g, KERNEL_MAP_add, size, place(g, i), place(other, i), 0);
        g->empty[i] = false;
    }
    return true;
}

double heed_gradients_norm(const heed_gradients *g)
{
    if (!g)
        return NAN;
    heed__gradients_settle(g);
    return sqrt(kernels_of(g)->sum_of_squares(g->block, g->elements));
}

/* One by one: a factor that is not finite must not reach the padding between them, which
 * stays 0. */
void heed_gradients_scale(heed_gradients *g, double factor)
{
    for (int i = 0; g && i < g->count; i++) {
        if (g->offset[i] >= 0 && !g->empty[i])
            map(g, KERNEL_MAP_scale, g->set->list[i]->size, place(g, i), NULL, factor);
    }
}

/* ---- runs ---- */

bool heed__next_run(const heed_gradients *g, heed_run *run)
{
    const heed_params *ps = g->set;
    size_t width = heed_dtype_size(ps->dtype);
    int i = run->first + run->count;
    while (i < g->count && g->offset[i] < 0)
        i++;
    if (i >= g->count)
        return false;
    const heed_parameter *p = ps->list[i];
    *run = (heed_run){ .first = i,
                       .count = 1,
                       .value = p->data,
                       .offset = g->offset[i],
                       .gradient = place(g, i),
                       .size = padded(p),
                       .flags = p->flags };
    for (i++; i < g->count; i++) {
        const heed_parameter *q = ps->list[i];
        if (g->offset[i] < 0 || q->flags != run->flags ||
            (char *)q->data != (char *)run->value + (size_t)run->size * width)
            break;
        run->size += padded(q);
        run->count++;
    }
    return true;
}
