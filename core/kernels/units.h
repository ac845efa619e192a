/* How the portable and the recurrent kernels cut their work: lines of an array, or results of a
 * reduction, so many of them to a parallel unit that it is worth one. Shapes alone decide. */
#ifndef HEED_UNITS_H
#define HEED_UNITS_H

#include "parallel.h"
#include "portable.h"

#define UNIT_ELEMENTS 16384

/* `count` pieces of `length` elements each, `group` of them a unit. */
typedef struct unit_plan {
    const void *call;
    void (*piece)(const void *call, int64_t i);
    int64_t count, group;
} unit_plan;

static inline void unit_run(void *context, int64_t unit, int thread)
{
    const unit_plan *plan = context;
    int64_t first = unit * plan->group, last = first + plan->group;
    (void)thread;
    for (int64_t i = first; i < last && i < plan->count; i++)
        plan->piece(plan->call, i);
}

/* Runs piece(call, i) for i = 0 .. count - 1. */
static inline void for_pieces(const void *call, int64_t count, int64_t length,
                              void (*piece)(const void *call, int64_t i))
{
    int64_t group = length < UNIT_ELEMENTS ? UNIT_ELEMENTS / (length < 1 ? 1 : length) : 1;
    unit_plan plan = { .call = call, .piece = piece, .count = count, .group = group };
    parallel_units((count + group - 1) / group, unit_run, &plan);
}

/* Where line i starts. */
static inline int64_t line_start(const kernel_lines *l, int64_t i)
{
    return i / l->inner * l->n * l->inner + i % l->inner;
}

/* The product of some extents, and the offset of the i-th place of those axes in row-major
 * order. */
static inline int64_t places(int ndim, const int64_t *shape)
{
    int64_t count = 1;
    for (int k = 0; k < ndim; k++)
        count *= shape[k];
    return count;
}

static inline int64_t place(int ndim, const int64_t *shape, const int64_t *strides, int64_t i)
{
    int64_t offset = 0;
    for (int k = ndim - 1; k >= 0; k--) {
        offset += i % shape[k] * strides[k];
        i /= shape[k];
    }
    return offset;
}

/* What result i of a reduction reads: `rows` runs of n elements a stride apart. */
typedef struct reduced_part {
    int ndim; /* of the axes that count the rows */
    const int64_t *shape, *strides;
    int64_t rows, n, stride;
    int64_t x, y; /* offsets of its first element and of the result */
} reduced_part;

static inline reduced_part reduced_at(const kernel_reduce *r, int64_t i)
{
    reduced_part p = { .n = 1 };
    p.shape = r->shape + r->kept_ndim;
    p.strides = r->x_strides + r->kept_ndim;
    if (r->reduced_ndim > 0) {
        p.ndim = r->reduced_ndim - 1;
        p.n = p.shape[p.ndim];
        p.stride = p.strides[p.ndim];
    }
    p.rows = places(p.ndim, p.shape);
    p.x = place(r->kept_ndim, r->shape, r->x_strides, i);
    p.y = place(r->kept_ndim, r->shape, r->y_strides, i);
    return p;
}

/* Runs piece(r, i) for every result. */
static inline void for_results(const kernel_reduce *r,
                               void (*piece)(const void *call, int64_t i))
{
    for_pieces(r, places(r->kept_ndim, r->shape),
               places(r->reduced_ndim, r->shape + r->kept_ndim), piece);
}

#endif
