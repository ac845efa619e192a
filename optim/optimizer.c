/* The optimizer: walks the runs of a set's parameters, keeps their moments, and moves its
 * state to and from files. It knows the layout of gradients and no rule of update. */
#include "optimizer.h"

#include "../core/memory.h"
#include "../core/set.h"
#include "../core/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOMENTS 2

static const char *const moment_names[MOMENTS] = { "m.", "v." };

/* The moments of the trainable parameters, each in a block laid out like the gradients, and
 * how many steps each parameter has taken: one that was added or thawed later is corrected
 * by its own count. */
typedef struct memory {
    int count;
    int64_t *offset, *age; /* by parameter; one allocation */
    void *block[MOMENTS];  /* likewise one */
    size_t header_bytes, block_bytes;
} memory;

struct heed_optimizer {
    heed_params *set;
    const heed_allocator *allocator;
    heed_allocator own;
    const heed__rule *rule;
    int moments;
    kernel_update constants;
    memory memory;
    int64_t steps;
    char error[512];
};

/* ---- life ---- */

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

heed_optimizer *heed__optimizer_new(heed_params *ps, const heed__rule *rule, int moments,
                                    const kernel_update *constants)
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
    o->constants.g_scale = 1;
    return o;
}

static void memory_free(const heed_optimizer *o, memory *m)
{
    heed__release(o->allocator, m->block[0], m->block_bytes);
    heed__release(o->allocator, m->offset, m->header_bytes);
    *m = (memory){ 0 };
}

void heed_optimizer_free(heed_optimizer *o)
{
    if (!o)
        return;
    memory_free(o, &o->memory);
    heed_allocator own = o->own, *allocator = o->allocator ? &own : NULL;
    heed__release(allocator, o, sizeof *o);
}

double heed_optimizer_rate(const heed_optimizer *o)
{
    return o ? o->constants.lr : NAN;
}

void heed_optimizer_set_rate(heed_optimizer *o, double lr)
{
    if (o)
        o->constants.lr = lr;
}

int64_t heed_optimizer_steps(const heed_optimizer *o)
{
    return o ? o->steps : 0;
}

const char *heed_optimizer_error(const heed_optimizer *o)
{
    return !o ? "there is no optimizer" : o->error[0] ? o->error : NULL;
}

/* ---- moments ---- */

static size_t width_of(const heed_optimizer *o)
{
    return heed_dtype_size(o->set->dtype);
}

static void *moment_at(const heed_optimizer *o, const memory *m, int moment, int64_t offset)
{
    return (char *)m->block[moment] + (size_t)offset * width_of(o);
}

/* Memory for the parameters that are trainable now, all zeros. False: there is none. */
static bool memory_new(const heed_optimizer *o, memory *m)
{
    size_t count = (size_t)o->set->count;
    *m = (memory){ .count = o->set->count, .header_bytes = 2 * count * sizeof *m->offset };
    m->offset = heed__allocate(o->allocator, m->header_bytes);
    if (!m->offset)
        return false;
    m->age = m->offset + count;
    memset(m->age, 0, count * sizeof *m->age);
    size_t bytes = (size_t)heed__layout(o->set, m->offset) * width_of(o);
    m->block_bytes = bytes * (size_t)o->moments;
    m->block[0] = heed__allocate(o->allocator, m->block_bytes);
    if (!m->block[0]) {
        memory_free(o, m);
        return false;
    }
    m->block[1] = (char *)m->block[0] + (o->moments > 1 ? bytes : 0);
    memset(m->block[0], 0, m->block_bytes);
    return true;
}

/* Follows the set: new parameters start without history, frozen ones lose theirs. */
static bool memory_update(heed_optimizer *o)
{
    memory fresh, *m = &o->memory;
    if (heed__layout_holds(o->set, m->count, m->offset))
        return true;
    if (!memory_new(o, &fresh))
        return false;
    for (int i = 0; i < m->count; i++) {
        if (m->offset[i] < 0 || fresh.offset[i] < 0)
            continue;
        fresh.age[i] = m->age[i];
        for (int k = 0; k < o->moments; k++)
            memcpy(moment_at(o, &fresh, k, fresh.offset[i]), moment_at(o, m, k, m->offset[i]),
                   (size_t)o->set->list[i]->size * width_of(o));
    }
    memory_free(o, m);
    *m = fresh;
    return true;
}

/* ---- a step ---- */

static bool refuse(heed_optimizer *o, const char *why)
{
    return heed__say(o->error, sizeof o->error, "%s: %s", o->rule->name, why);
}

static bool ready(heed_optimizer *o, heed_gradients *g)
{
    if (!g)
        return refuse(o, "there are no gradients");
    if (g->set != o->set)
        return refuse(o, "the gradients belong to another set of parameters");
    if (o->set->failed)
        return refuse(o, o->set->error);
    if (!heed_gradients_complete(g))
        return refuse(o, "the gradients are incomplete: the sweep failed");
    if (!(o->constants.lr >= 0 && isfinite(o->constants.lr)))
        return refuse(o, "the rate is negative or not finite");
    if (!heed__gradients_update(g) || !memory_update(o))
        return refuse(o, "out of memory");
    return true;
}

/* Updates the parameters first .. end - 1 of a run, which are of one age. */
static void update_part(heed_optimizer *o, const heed_gradients *g, const heed_run *run,
                        int first, int end)
{
    const memory *m = &o->memory;
    int64_t begin = m->offset[first];
    int64_t stop = end < run->first + run->count ? m->offset[end] : run->offset + run->size;
    size_t skip = (size_t)(begin - run->offset) * width_of(o);
    kernel_update u = o->constants;
    u.n = stop - begin;
    u.w = (char *)run->value + skip;
    u.g = (const char *)run->gradient + skip;
    u.m = o->moments > 0 ? moment_at(o, m, 0, begin) : NULL;
    u.v = o->moments > 1 ? moment_at(o, m, 1, begin) : NULL;
    u.decay = run->flags & HEED_DECAY ? o->constants.decay : 0;
    const kernel_isa *isa = heed__isa();
    o->rule->update(g->set->dtype == HEED_F64 ? isa->f64 : isa->f32, &u, m->age[first] + 1);
}

bool heed_optimizer_step(heed_optimizer *o, heed_gradients *g)
{
    if (!o || !ready(o, g))
        return false;
    int64_t *age = o->memory.age;
    heed__gradients_settle(g);
    for (heed_run run = { 0 }; heed__next_run(g, &run);) {
        int last = run.first + run.count;
        for (int first = run.first, end; first < last; first = end) {
            for (end = first + 1; end < last && age[end] == age[first];)
                end++;
            update_part(o, g, &run, first, end);
        }
        for (int i = run.first; i < last; i++)
            age[i]++;
    }
    o->steps++;
    o->error[0] = '\0';
    heed_gradients_zero(g);
    return true;
}

/* ---- files ----
 *
 *     note    prefix "rule"             "adam"
 *     note    prefix "steps"            steps taken
 *     note    prefix "steps." + name    those of a parameter that took another number
 *     tensor  prefix "m." + name        moments of each parameter that took any; "v." likewise
 *     */

static const char *join(heed__text *text, const char *prefix, const char *kind,
                        const char *name)
{
    heed__text_clear(text);
    heed__text_print(text, "%s%s%s", prefix, kind, name);
    return text->failed ? NULL : text->bytes;
}

static bool note_steps(heed_archive *archive, const char *key, int64_t steps)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRId64, steps);
    return key && heed_archive_note(archive, key, number);
}

static bool store_parameter(const heed_optimizer *o, heed_archive *archive, const char *prefix,
                            int i, heed__text *text)
{
    const memory *m = &o->memory;
    const heed_parameter *p = o->set->list[i];
    int64_t age = i < m->count && m->offset[i] >= 0 ? m->age[i] : 0;
    if (p->flags & HEED_BUFFER)
        return true;
    if (age != o->steps && !note_steps(archive, join(text, prefix, "steps.", p->name), age))
        return false;
    for (int k = 0; age > 0 && k < o->moments; k++) {
        const char *name = join(text, prefix, moment_names[k], p->name);
        if (!name || !heed_archive_add(archive, name, p->dtype, p->shape,
                                       moment_at(o, m, k, m->offset[i])))
            return false;
    }
    return true;
}

bool heed_optimizer_store(heed_optimizer *o, heed_archive *archive, const char *prefix)
{
    if (!o)
        return false;
    heed__text text = { .allocator = o->allocator };
    const char *key = join(&text, prefix, "rule", "");
    bool good = key && heed_archive_note(archive, key, o->rule->name) &&
                note_steps(archive, join(&text, prefix, "steps", ""), o->steps);
    for (int i = 0; good && i < o->set->count; i++)
        good = store_parameter(o, archive, prefix, i, &text);
    if (good)
        o->error[0] = '\0';
    else
        refuse(o, text.failed ? "store: out of memory" : heed_archive_error(archive));
    heed__text_free(&text);
    return good;
}

/* A plain number from 0 up, or -1. */
static int64_t read_steps(const char *text)
{
    int64_t steps = 0;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || steps > (INT64_MAX - 9) / 10)
            return -1;
        steps = 10 * steps + (*c - '0');
    }
    return *text ? steps : -1;
}

/* What a restore builds while nothing of the optimizer has changed yet. */
typedef struct restoring {
    heed_optimizer *o;
    const heed_archive *archive;
    const char *prefix;
    heed__text text;
    memory memory;
    int64_t steps;
} restoring;

static bool restore_fails(restoring *r, const char *what, const char *name)
{
    return heed__say(r->o->error, sizeof r->o->error, "%s: restore: %s %s", r->o->rule->name,
                     what, name);
}

/* *steps from a note; `otherwise` where there is none. */
static bool restore_steps(restoring *r, const char *kind, const char *name, int64_t otherwise,
                          int64_t *steps)
{
    const char *key = join(&r->text, r->prefix, kind, name);
    if (!key)
        return refuse(r->o, "restore: out of memory");
    const char *note = heed_archive_note_of(r->archive, key);
    *steps = note ? read_steps(note) : otherwise;
    return *steps >= 0 ||
           restore_fails(r, note ? "no count of steps in note" : "there is no note", key);
}

static bool restore_moment(restoring *r, int k, const heed_parameter *p)
{
    const heed_optimizer *o = r->o;
    const char *name = join(&r->text, r->prefix, moment_names[k], p->name);
    if (!name)
        return refuse(r->o, "restore: out of memory");
    const heed_entry *entry = heed_archive_find(r->archive, name);
    if (!entry)
        return restore_fails(r, "there is no tensor", name);
    bool fits = entry->dtype == p->dtype && entry->shape.ndim == p->shape.ndim;
    for (int i = 0; fits && i < p->shape.ndim; i++)
        fits = entry->shape.size[i] == p->shape.size[i];
    if (!fits)
        return restore_fails(r, "shape or dtype is not the parameter's in tensor", name);
    memcpy(moment_at(o, &r->memory, k, r->memory.offset[p->index]), entry->data,
           (size_t)p->size * width_of(o));
    return true;
}

static bool restore_all(restoring *r)
{
    const char *key = join(&r->text, r->prefix, "rule", "");
    if (!key)
        return refuse(r->o, "restore: out of memory");
    const char *rule = heed_archive_note_of(r->archive, key);
    if (!rule)
        return restore_fails(r, "there is no note", key);
    if (strcmp(rule, r->o->rule->name) != 0)
        return restore_fails(r, "the state is that of", rule);
    if (!restore_steps(r, "steps", "", -1, &r->steps))
        return false;
    for (int i = 0; i < r->memory.count; i++) {
        const heed_parameter *p = r->o->set->list[i];
        if (r->memory.offset[i] < 0)
            continue;
        int64_t *age = &r->memory.age[i];
        if (!restore_steps(r, "steps.", p->name, r->steps, age))
            return false;
        for (int k = 0; *age > 0 && k < r->o->moments; k++) {
            if (!restore_moment(r, k, p))
                return false;
        }
    }
    return true;
}

bool heed_optimizer_restore(heed_optimizer *o, const heed_archive *archive, const char *prefix)
{
    if (!o)
        return false;
    if (!archive)
        return refuse(o, "restore: there is no archive");
    restoring r = {
        .o = o, .archive = archive, .prefix = prefix, .text.allocator = o->allocator
    };
    bool good =
        memory_new(o, &r.memory) ? restore_all(&r) : refuse(o, "restore: out of memory");
    heed__text_free(&r.text);
    if (!good) {
        memory_free(o, &r.memory);
        return false;
    }
    memory_free(o, &o->memory);
    o->memory = r.memory;
    o->steps = r.steps;
    o->error[0] = '\0';
    return true;
}
