/* The optimizer: walks the runs of a set's parameters and keeps their moments. It knows the
 * layout of gradients and no rule of update. */
#include "optimizer.h"

#include "../core/memory.h"
#include "../core/set.h"
#include "../core/text.h"

#include <math.h>
#include <string.h>

/* 1 - beta from this on would leave too few bits of a mean. */
#define FORGETTING_LIMIT (1 - 1e-12)

/* ---- options ---- */

bool heed__option_lies(heed_params *ps, const char *rule, const char *what, double x,
                       double low, double high)
{
    if (x >= low && x < high)
        return true;
    if (isfinite(high))
        heed_params_fail(ps, "%s: %s must be at least %g and below 1, not %g", rule, what, low,
                         x);
    else if (isfinite(low))
        heed_params_fail(ps, "%s: %s must be finite and at least %g, not %g", rule, what, low,
                         x);
    else
        heed_params_fail(ps, "%s: %s must be finite, not %g", rule, what, x);
    return false;
}

bool heed__option_forgets(heed_params *ps, const char *rule, const char *what, double x)
{
    return heed__option_lies(ps, rule, what, x, 0, FORGETTING_LIMIT);
}

double heed__option_or(double option, double otherwise)
{
    return option == 0 ? otherwise : option;
}

/* ---- life ---- */

heed_optimizer *heed__optimizer_new(heed_params *ps, const heed__rule *rule, unsigned moments,
                                    const heed__constants *constants)
{
    if (!ps || ps->failed)
        return NULL;
    heed_optimizer *o = heed__allocate(ps->allocator, sizeof *o);
    if (!o) {
        heed_params_fail(ps, "%s: out of memory", rule->name);
        return NULL;
    }
    *o = (heed_optimizer){
        .set = ps, .own = ps->own, .rule = rule, .moments = moments, .constants = *constants
    };
    o->allocator = ps->allocator ? &o->own : NULL;
    o->constants.update.g_scale = 1;
    return o;
}

void heed_optimizer_free(heed_optimizer *o)
{
    if (!o)
        return;
    heed__memory_free(o, &o->memory);
    heed__groups_free(o);
    heed_allocator own = o->own, *allocator = o->allocator ? &own : NULL;
    heed__release(allocator, o, sizeof *o);
}

double heed_optimizer_rate(const heed_optimizer *o)
{
    return o ? o->constants.update.lr : NAN;
}

void heed_optimizer_set_rate(heed_optimizer *o, double lr)
{
    if (o)
        o->constants.update.lr = lr;
}

int64_t heed_optimizer_steps(const heed_optimizer *o)
{
    return o ? o->steps : 0;
}

const char *heed_optimizer_error(const heed_optimizer *o)
{
    return !o ? "there is no optimizer" : o->error[0] ? o->error : NULL;
}

bool heed__optimizer_refuse(heed_optimizer *o, const char *why)
{
    return heed__say(o->error, sizeof o->error, "%s: %s", o->rule->name, why);
}

/* ---- moments ---- */

static size_t width_of(const heed_optimizer *o)
{
    return heed_dtype_size(o->set->dtype);
}

void *heed__moment_at(const heed_optimizer *o, const heed__memory *m, int moment,
                      int64_t offset)
{
    void *block = m->block[moment];
    return block ? (char *)block + (size_t)offset * width_of(o) : NULL;
}

void heed__memory_free(const heed_optimizer *o, heed__memory *m)
{
    heed__release(o->allocator, m->blocks, m->block_bytes);
    heed__release(o->allocator, m->offset, m->header_bytes);
    *m = (heed__memory){ 0 };
}

bool heed__memory_new(const heed_optimizer *o, heed__memory *m)
{
    size_t count = (size_t)o->set->count, kept = 0;
    *m =
        (heed__memory){ .count = o->set->count, .header_bytes = 3 * count * sizeof *m->offset };
    m->offset = heed__allocate(o->allocator, m->header_bytes);
    if (!m->offset)
        return false;
    m->age = m->offset + count;
    m->group = m->age + count;
    memset(m->age, 0, count * sizeof *m->age);
    for (int i = 0; i < m->count; i++)
        m->group[i] = heed__group_of(o, o->set->list[i]);
    size_t bytes = (size_t)heed__layout(o->set, m->offset) * width_of(o);
    for (int k = 0; k < HEED__MOMENTS; k++)
        kept += o->moments >> k & 1;
    m->block_bytes = bytes * kept;
    m->blocks = heed__allocate(o->allocator, m->block_bytes);
    if (!m->blocks) {
        heed__memory_free(o, m);
        return false;
    }
    memset(m->blocks, 0, m->block_bytes);
    char *next = m->blocks;
    for (int k = 0; k < HEED__MOMENTS; k++) {
        m->block[k] = o->moments >> k & 1 ? next : NULL;
        next += m->block[k] ? bytes : 0;
    }
    return true;
}

/* Follows the set: new parameters start without history, frozen ones lose theirs. */
static bool memory_update(heed_optimizer *o)
{
    heed__memory fresh, *m = &o->memory;
    if (heed__layout_holds(o->set, m->count, m->offset))
        return true;
    if (!heed__memory_new(o, &fresh))
        return false;
    for (int i = 0; i < m->count; i++) {
        if (m->offset[i] < 0 || fresh.offset[i] < 0)
            continue;
        fresh.age[i] = m->age[i];
        for (int k = 0; k < HEED__MOMENTS; k++) {
            if (m->block[k])
                memcpy(heed__moment_at(o, &fresh, k, fresh.offset[i]),
                       heed__moment_at(o, m, k, m->offset[i]),
                       (size_t)o->set->list[i]->size * width_of(o));
        }
    }
    heed__memory_free(o, m);
    *m = fresh;
    return true;
}

/* ---- a step ---- */

static bool ready(heed_optimizer *o, heed_gradients *g)
{
    double lr = o->constants.update.lr;
    if (!g)
        return heed__optimizer_refuse(o, "there are no gradients");
    if (g->set != o->set)
        return heed__optimizer_refuse(o, "the gradients belong to another set of parameters");
    if (o->set->failed)
        return heed__optimizer_refuse(o, o->set->error);
    if (!heed_gradients_complete(g))
        return heed__optimizer_refuse(o, "the gradients are incomplete: the sweep failed");
    if (!(lr >= 0 && isfinite(lr)))
        return heed__optimizer_refuse(o, "the rate is negative or not finite");
    if (!heed__gradients_update(g) || !memory_update(o))
        return heed__optimizer_refuse(o, "out of memory");
    return true;
}

/* Updates the parameters first .. end - 1 of a run, which are of one age and one group. */
static void update_part(heed_optimizer *o, const heed_gradients *g, const heed_run *run,
                        int first, int end)
{
    const heed__memory *m = &o->memory;
    int64_t begin = m->offset[first];
    int64_t stop = end < run->first + run->count ? m->offset[end] : run->offset + run->size;
    size_t skip = (size_t)(begin - run->offset) * width_of(o);
    kernel_update u = o->constants.update;
    u.n = stop - begin;
    u.w = (char *)run->value + skip;
    u.g = (const char *)run->gradient + skip;
    u.m = heed__moment_at(o, m, 0, begin);
    u.v = heed__moment_at(o, m, 1, begin);
    u.b = heed__moment_at(o, m, 2, begin);
    u.decay = run->flags & HEED_DECAY ? u.decay : 0;
    u.first = m->age[first] == 0;
    if (m->group[first] >= 0) {
        u.lr *= o->groups[m->group[first]].rate;
        u.decay *= o->groups[m->group[first]].decay;
    }
    const kernel_isa *isa = heed__isa();
    o->rule->update(g->set->dtype == HEED_F64 ? isa->f64 : isa->f32, &u, o->constants.decline,
                    m->age[first] + 1);
}

bool heed_optimizer_step(heed_optimizer *o, heed_gradients *g)
{
    if (!o || !ready(o, g))
        return false;
    const heed__memory *m = &o->memory;
    heed__gradients_settle(g);
    for (heed_run run = { 0 }; heed__next_run(g, &run);) {
        int last = run.first + run.count;
        for (int first = run.first, end; first < last; first = end) {
            for (end = first + 1; end < last && m->age[end] == m->age[first] &&
                                  m->group[end] == m->group[first];)
                end++;
            update_part(o, g, &run, first, end);
        }
        for (int i = run.first; i < last; i++)
            m->age[i]++;
    }
    o->steps++;
    o->error[0] = '\0';
    heed_gradients_zero(g);
    return true;
}
