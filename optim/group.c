/* Groups: parameters that go at a rate of their own. A group is a pattern and two factors; a
 * parameter belongs to the last one that its name matches. */
#include "optimizer.h"

#include "../core/memory.h"
#include "../core/set.h"
#include "../core/text.h"

#include <math.h>
#include <string.h>

int64_t heed__group_of(const heed_optimizer *o, const heed_parameter *p)
{
    for (size_t k = o->group_count; k > 0; k--) {
        if (heed__matches(o->groups[k - 1].pattern, p->name))
            return (int64_t)(k - 1);
    }
    return -1;
}

void heed__groups_free(heed_optimizer *o)
{
    for (size_t k = 0; k < o->group_count; k++)
        heed__release(o->allocator, o->groups[k].pattern, strlen(o->groups[k].pattern) + 1);
    heed__release(o->allocator, o->groups, o->group_capacity * sizeof *o->groups);
}

static bool sound(heed_optimizer *o, const char *pattern, const char *what, double factor)
{
    if (factor >= 0 && isfinite(factor))
        return true;
    return heed__say(o->error, sizeof o->error,
                     "%s: group %s: the factor of the %s must be finite and at least 0, not %g",
                     o->rule->name, pattern, what, factor);
}

static bool add(heed_optimizer *o, const char *pattern, double rate, double decay)
{
    size_t bytes = strlen(pattern) + 1;
    heed__group *groups = heed__grow(o->allocator, o->groups, &o->group_capacity,
                                     o->group_count + 1, sizeof *groups);
    if (groups)
        o->groups = groups;
    char *copy = groups ? heed__allocate(o->allocator, bytes) : NULL;
    if (!copy)
        return heed__optimizer_refuse(o, "out of memory");
    memcpy(copy, pattern, bytes);
    groups[o->group_count++] = (heed__group){ copy, rate, decay };
    return true;
}

int heed_optimizer_set_group(heed_optimizer *o, const char *pattern, double rate, double decay)
{
    if (!o)
        return -1;
    if (!pattern) {
        heed__optimizer_refuse(o, "group: the pattern is NULL");
        return -1;
    }
    if (!sound(o, pattern, "rate", rate) || !sound(o, pattern, "decay", decay) ||
        !add(o, pattern, rate, decay))
        return -1;
    int matched = 0;
    for (int i = 0; i < o->set->count; i++) {
        if (!heed__matches(pattern, o->set->list[i]->name))
            continue;
        matched++;
        if (i < o->memory.count)
            o->memory.group[i] = (int64_t)o->group_count - 1;
    }
    o->error[0] = '\0';
    return matched;
}
