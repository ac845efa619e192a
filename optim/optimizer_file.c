/* An optimizer's state to and from a file's entries:
 *
 *     note    prefix "rule"             "adam"
 *     note    prefix "steps"            steps taken
 *     note    prefix "steps." + name    those of a parameter that took another number
 *     tensor  prefix "m." + name        moments of each parameter that took any; "v." and "b."
 *                                       likewise */
#include "optimizer.h"

#include "../core/memory.h"
#include "../core/set.h"
#include "../core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const moment_names[HEED__MOMENTS] = { "m.", "v.", "b." };

static const char *join(heed__text *text, const char *prefix, const char *kind,
                        const char *name)
{
    heed__text_clear(text);
    heed__text_print(text, "%s%s%s", prefix ? prefix : "", kind, name);
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
    const heed__memory *m = &o->memory;
    const heed_parameter *p = o->set->list[i];
    int64_t age = i < m->count && m->offset[i] >= 0 ? m->age[i] : 0;
    if (p->flags & HEED_BUFFER)
        return true;
    if (age != o->steps && !note_steps(archive, join(text, prefix, "steps.", p->name), age))
        return false;
    for (int k = 0; age > 0 && k < HEED__MOMENTS; k++) {
        if (!m->block[k])
            continue;
        const char *name = join(text, prefix, moment_names[k], p->name);
        if (!name || !heed_archive_add(archive, name, p->dtype, p->shape,
                                       heed__moment_at(o, m, k, m->offset[i])))
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
        heed__optimizer_refuse(o, text.failed ? "store: out of memory"
                                              : heed_archive_error(archive));
    heed__text_free(&text);
    return good;
}

/* What a restore builds while nothing of the optimizer has changed yet. */
typedef struct restoring {
    heed_optimizer *o;
    const heed_archive *archive;
    const char *prefix;
    heed__text text;
    heed__memory memory;
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
        return heed__optimizer_refuse(r->o, "restore: out of memory");
    const char *note = heed_archive_note_of(r->archive, key);
    *steps = note ? heed__read_count(note) : otherwise;
    return *steps >= 0 ||
           restore_fails(r, note ? "no count of steps in note" : "there is no note", key);
}

static bool restore_moment(restoring *r, int k, const heed_parameter *p)
{
    const heed_optimizer *o = r->o;
    const char *name = join(&r->text, r->prefix, moment_names[k], p->name);
    if (!name)
        return heed__optimizer_refuse(r->o, "restore: out of memory");
    const heed_entry *entry = heed_archive_find(r->archive, name);
    if (!entry)
        return restore_fails(r, "there is no tensor", name);
    bool fits = entry->dtype == p->dtype && entry->shape.ndim == p->shape.ndim;
    for (int i = 0; fits && i < p->shape.ndim; i++)
        fits = entry->shape.size[i] == p->shape.size[i];
    if (!fits)
        return restore_fails(r, "shape or dtype is not the parameter's in tensor", name);
    memcpy(heed__moment_at(o, &r->memory, k, r->memory.offset[p->index]), entry->data,
           (size_t)p->size * heed_dtype_size(p->dtype));
    return true;
}

static bool restore_all(restoring *r)
{
    const char *key = join(&r->text, r->prefix, "rule", "");
    if (!key)
        return heed__optimizer_refuse(r->o, "restore: out of memory");
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
        for (int k = 0; *age > 0 && k < HEED__MOMENTS; k++) {
            if (r->memory.block[k] && !restore_moment(r, k, p))
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
        return heed__optimizer_refuse(o, "restore: there is no archive");
    restoring r = {
        .o = o, .archive = archive, .prefix = prefix, .text.allocator = o->allocator
    };
    bool good = heed__memory_new(o, &r.memory)
                    ? restore_all(&r)
                    : heed__optimizer_refuse(o, "restore: out of memory");
    heed__text_free(&r.text);
    if (!good) {
        heed__memory_free(o, &r.memory);
        return false;
    }
    heed__memory_free(o, &o->memory);
    o->memory = r.memory;
    o->steps = r.steps;
    o->error[0] = '\0';
    return true;
}
