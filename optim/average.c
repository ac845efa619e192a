/* The exponential moving average of a set: another set of the same names, which follows.
 *
 *     a += (1 - d) (w - a),    d = decay, or with warm-up min(decay, (1 + n) / (10 + n))
 *
 * n counts the updates before this one. */
#include "optim.h"

#include "../core/kernels/kernels.h"
#include "../core/memory.h"
#include "../core/set.h"
#include "../core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct heed_average {
    heed_params *set, *averages;
    const heed_allocator *allocator;
    heed_allocator own;
    heed_average_options options;
    int64_t updates;
    bool swapped;
    char error[512];
};

/* ---- life ---- */

heed_average *heed_average_new(heed_params *ps, heed_average_options options)
{
    if (!ps || ps->failed)
        return NULL;
    if (!(options.decay >= 0 && options.decay < 1)) {
        heed_params_fail(ps, "average: decay must be at least 0 and below 1, not %g",
                         options.decay);
        return NULL;
    }
    heed_average *a = heed__allocate(ps->allocator, sizeof *a);
    heed_params *averages = a ? heed_params_copy(ps, ps->dtype) : NULL;
    if (!averages) {
        heed__release(ps->allocator, a, sizeof *a);
        heed_params_fail(ps, "average: out of memory");
        return NULL;
    }
    *a = (heed_average){ .set = ps, .averages = averages, .own = ps->own, .options = options };
    a->allocator = ps->allocator ? &a->own : NULL;
    return a;
}

void heed_average_free(heed_average *a)
{
    if (!a)
        return;
    heed_params_free(a->averages);
    heed_allocator own = a->own, *allocator = a->allocator ? &own : NULL;
    heed__release(allocator, a, sizeof *a);
}

heed_params *heed_average_params(heed_average *a)
{
    return a ? a->averages : NULL;
}

int64_t heed_average_updates(const heed_average *a)
{
    return a ? a->updates : 0;
}

const char *heed_average_error(const heed_average *a)
{
    return !a ? "there is no average" : a->error[0] ? a->error : NULL;
}

static bool refuse(heed_average *a, const char *why)
{
    return heed__say(a->error, sizeof a->error, "average: %s", why);
}

/* ---- following ---- */

static size_t bytes_of(const heed_parameter *p)
{
    return (size_t)p->size * heed_dtype_size(p->dtype);
}

/* What the set has got since the last time begins as it is. */
static bool follow(heed_average *a)
{
    heed_params *ps = a->set, *averages = a->averages;
    while (averages->count < ps->count) {
        const heed_parameter *p = ps->list[averages->count];
        heed_parameter *q = heed_parameter_new(averages, p->name, p->shape, p->flags);
        if (!q) {
            heed_params_clear_error(averages);
            return refuse(a, "out of memory");
        }
        memcpy(q->data, p->data, bytes_of(p));
    }
    return true;
}

static bool ready(heed_average *a)
{
    if (a->set->failed)
        return refuse(a, a->set->error);
    if (a->swapped)
        return refuse(a, "the averages are in the set; swap them back first");
    return follow(a);
}

static double decay_now(const heed_average *a)
{
    double n = (double)a->updates, warm = (1 + n) / (10 + n);
    return a->options.warmup && warm < a->options.decay ? warm : a->options.decay;
}

bool heed_average_update(heed_average *a)
{
    if (!a || !ready(a))
        return false;
    const kernel_isa *isa = heed__isa();
    const kernel_table *kernels = a->set->dtype == HEED_F64 ? isa->f64 : isa->f32;
    double rate = 1 - decay_now(a);
    for (int i = 0; i < a->set->count; i++) {
        const heed_parameter *p = a->set->list[i];
        heed_parameter *q = a->averages->list[i];
        kernel_update u = {
            .n = p->size, .w = q->data, .g = p->data, .g_scale = 1, .lr = rate
        };
        if (p->flags & HEED_BUFFER)
            memcpy(q->data, p->data, bytes_of(p));
        else
            kernels->average(&u);
    }
    a->updates++;
    a->error[0] = '\0';
    return true;
}

static void swap_bytes(unsigned char *x, unsigned char *y, size_t count)
{
    unsigned char kept[4096];
    for (size_t i = 0; i < count; i += sizeof kept) {
        size_t part = count - i < sizeof kept ? count - i : sizeof kept;
        memcpy(kept, x + i, part);
        memcpy(x + i, y + i, part);
        memcpy(y + i, kept, part);
    }
}

bool heed_average_swap(heed_average *a)
{
    if (!a)
        return false;
    if (a->set->failed)
        return refuse(a, a->set->error);
    if (!a->swapped && !follow(a))
        return false;
    for (int i = 0; i < a->averages->count; i++)
        swap_bytes(a->set->list[i]->data, a->averages->list[i]->data,
                   bytes_of(a->averages->list[i]));
    a->swapped = !a->swapped;
    a->error[0] = '\0';
    return true;
}

/* ---- files: note prefix "updates", and each average as tensor prefix + name ---- */

static const char *updates_key(const heed_average *a, const char *prefix, heed__text *text)
{
    text->allocator = a->allocator;
    heed__text_print(text, "%supdates", prefix ? prefix : "");
    return text->failed ? NULL : text->bytes;
}

bool heed_average_store(heed_average *a, heed_archive *archive, const char *prefix)
{
    char number[24];
    heed__text text = { 0 };
    if (!a || !ready(a))
        return false;
    const char *key = updates_key(a, prefix, &text);
    snprintf(number, sizeof number, "%" PRId64, a->updates);
    bool good = key && heed_archive_note(archive, key, number) &&
                heed_archive_add_params(archive, prefix, a->averages);
    if (good)
        a->error[0] = '\0';
    else
        refuse(a, key ? heed_archive_error(archive) : "store: out of memory");
    heed__text_free(&text);
    return good;
}

bool heed_average_restore(heed_average *a, heed_archive *archive, const char *prefix)
{
    heed__text text = { 0 };
    if (!a || !ready(a))
        return false;
    if (!archive)
        return refuse(a, "restore: there is no archive");
    const char *key = updates_key(a, prefix, &text);
    const char *note = key ? heed_archive_note_of(archive, key) : NULL;
    int64_t updates = note ? heed__read_count(note) : -1;
    bool good = false;
    if (!key)
        refuse(a, "restore: out of memory");
    else if (updates < 0)
        heed__say(a->error, sizeof a->error, "average: restore: %s %s",
                  note ? "no count of updates in note" : "there is no note", key);
    else if (!heed_archive_get_params(archive, prefix, a->averages))
        refuse(a, heed_archive_error(archive));
    else
        good = true;
    heed__text_free(&text);
    heed_params_clear_error(a->averages);
    if (good) {
        a->updates = updates;
        a->error[0] = '\0';
    }
    return good;
}
