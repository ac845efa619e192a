/* Is any, or is every, one of some bools true. */
#include "units.h"

/* Is one of them `sought`? Stops at the first. */
static bool found(const kernel_reduce *r, const reduced_part *p, bool sought)
{
    for (int64_t row = 0; row < p->rows; row++) {
        const uint8_t *x =
            (const uint8_t *)r->x + p->x + place(p->ndim, p->shape, p->strides, row);
        for (int64_t j = 0; j < p->n; j++) {
            if ((x[j * p->stride] != 0) == sought)
                return true;
        }
    }
    return false;
}

static void any_result(const void *call, int64_t i)
{
    const kernel_reduce *r = call;
    reduced_part p = reduced_at(r, i);
    ((uint8_t *)r->y)[p.y] = found(r, &p, true);
}

static void all_result(const void *call, int64_t i)
{
    const kernel_reduce *r = call;
    reduced_part p = reduced_at(r, i);
    ((uint8_t *)r->y)[p.y] = !found(r, &p, false);
}

void heed__any(const kernel_reduce *r)
{
    for_results(r, any_result);
}

void heed__all(const kernel_reduce *r)
{
    for_results(r, all_result);
}
