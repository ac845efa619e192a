/* Gradients of a set: one block in the layout of its trainable parameters. Only backward.c writes into it
 * (and the arithmetic below); an optimizer reads it by runs. */
#include "engine.h"
#include "kernels/kernels.h"
#include "memory.h"
#include "set.h"

#include <math.h>
#include <string.h>

static bool trains(unsigned flags)
{
    return !(flags & (HEED_FROZEN | HEED_BUFFER));
}

static int64_t padded(const heed_parameter *p)
{
    int64_t step = 64 / (int64_t)heed_dtype_size(p->dtype);
    return (p->size + step - 1) / step * step;
}

static size_t header_bytes(int count)
{
    return (size_t)count * (sizeof(int64_t) + sizeof(bool) + sizeof(unsigned)) + 64;
}

static size_t block_bytes(const heed_gradients *g)
{
    return (size_t)g->elements * heed_dtype_size(g->set->dtype);
}

heed_gradients *heed_gradients_new(heed_params *ps)
{
    if (!ps || ps->failed)
        return NULL;
    heed_gradients *g = heed__allocate(ps->allocator, sizeof *g);
    if (!g)
        return NULL;
    memset(g, 0, sizeof *g);
    g->set = ps;
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
    const heed_allocator *allocator = g->set->allocator;
    if (g->block)
        heed__release(allocator, g->block, block_bytes(g));
    if (g->offset)
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

static bool up_to_date(const heed_gradients *g)
{
    if (g->count != g->set->count || !g->offset)
        return false;
    for (int i = 0; i < g->count; i++) {
        if (g->flags[i] != g->set->list[i]->flags)
            return false;
    }
    return true;
}

bool heed__gradients_update(heed_gradients *g)
{
    heed_params *ps = g->set;
    if (up_to_date(g))
        return true;
    heed_gradients fresh = { .set = ps, .count = ps->count, .incomplete = g->incomplete,
                             .header_bytes = header_bytes(ps->count) };
    fresh.offset = heed__allocate(ps->allocator, fresh.header_bytes);
    if (!fresh.offset)
        return false;
    fresh.flags = (unsigned *)(fresh.offset + ps->count);
    fresh.empty = (bool *)(fresh.flags + ps->count);
    for (int i = 0; i < ps->count; i++) {
        const heed_parameter *p = ps->list[i];
        fresh.flags[i] = p->flags;
        fresh.empty[i] = true;
        fresh.offset[i] = trains(p->flags) ? fresh.elements : -1;
        fresh.elements += trains(p->flags) ? padded(p) : 0;
    }
    fresh.block = heed__allocate(ps->allocator, block_bytes(&fresh));
    if (!fresh.block) {
        heed__release(ps->allocator, fresh.offset, fresh.header_bytes);
        return false;
    }
    memset(fresh.block, 0, block_bytes(&fresh));
    size_t width = heed_dtype_size(ps->dtype);
    for (int i = 0; i < g->count && g->block; i++) {
        if (g->offset[i] >= 0 && fresh.offset[i] >= 0) {
            fresh.empty[i] = g->empty[i];
            memcpy((char *)fresh.block + (size_t)fresh.offset[i] * width,
                   (char *)g->block + (size_t)g->offset[i] * width, (size_t)ps->list[i]->size * width);
        }
    }
    if (g->block)
        heed__release(ps->allocator, g->block, block_bytes(g));
    if (g->offset)
        heed__release(ps->allocator, g->offset, g->header_bytes);
    *g = fresh;
    return true;
}

int64_t heed__gradients_elements(const heed_gradients *g)
{
    return g->elements;
}

void heed__gradients_begin(heed_gradients *g)
{
    g->incomplete = true;
}

/* A parameter that no path reached has gradient 0. */
void heed__gradients_end(heed_gradients *g)
{
    g->incomplete = false;
}

void *heed__gradients_slot(heed_gradients *g, const heed_parameter *p, bool **empty)
{
    if (g->set != p->set || p->index >= g->count || g->offset[p->index] < 0)
        return NULL;
    *empty = &g->empty[p->index];
    return (char *)g->block + (size_t)g->offset[p->index] * heed_dtype_size(p->dtype);
}

/* Marking a gradient empty is enough for the next sweep, which then writes instead of adding; but what no
 * sweep reaches must read as 0. */
void heed_gradients_zero(heed_gradients *g)
{
    if (!g)
        return;
    size_t width = heed_dtype_size(g->set->dtype);
    for (int i = 0; i < g->count; i++) {
        if (g->offset[i] >= 0 && !g->empty[i]) {
            memset((char *)g->block + (size_t)g->offset[i] * width, 0,
                   (size_t)g->set->list[i]->size * width);
            g->empty[i] = true;
        }
    }
    g->incomplete = false;
}

static const kernel_table *kernels_of(const heed_gradients *g)
{
    return g->set->dtype == HEED_F64 ? heed__isa()->f64 : heed__isa()->f32;
}

static void map_block(const heed_gradients *g, kernel_map_name name, const void *other, double p)
{
    kernel_map map = { .ndim = 1, .shape = { g->elements }, .x = { g->block, other },
                       .x_strides = { { 1 }, { 1 } }, .y = g->block, .y_strides = { 1 }, .p = p };
    kernels_of(g)->map[name](&map);
}

bool heed_gradients_add(heed_gradients *g, const heed_gradients *other)
{
    if (!g || !other || g->set != other->set || g->elements != other->elements || other->incomplete)
        return false;
    map_block(g, KERNEL_MAP_add, other->block, 0);
    for (int i = 0; i < g->count; i++)
        g->empty[i] = g->empty[i] && other->empty[i];
    return true;
}

void *heed_gradients_of(const heed_gradients *g, const heed_parameter *p)
{
    bool *ignored;
    return g && p ? heed__gradients_slot((heed_gradients *)g, p, &ignored) : NULL;
}

double heed_gradients_norm(const heed_gradients *g)
{
    return g ? sqrt(kernels_of(g)->sum_of_squares(g->block, g->elements)) : NAN;
}

void heed_gradients_scale(heed_gradients *g, double factor)
{
    if (g)
        map_block(g, KERNEL_MAP_scale, NULL, factor);
}

bool heed_gradients_complete(const heed_gradients *g)
{
    return g && !g->incomplete;
}

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
    *run = (heed_run){ .first = i, .count = 1, .value = p->data, .offset = g->offset[i],
                       .gradient = (char *)g->block + (size_t)g->offset[i] * width,
                       .size = padded(p), .flags = p->flags };
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
