/* The switch: maps of every attention that a tape computes. */
#include "inspect_parts.h"

#include <stdio.h>

/* Maps whose number is not below `from` were made in a pass that the tape has since been reset
 * or rewound to before: their names are free for the next pass. */
static void end_passes(heed_maps *m, const heed_tape *t, int64_t from)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->maps[i].tape == t && m->maps[i].number >= from)
            m->maps[i].number = -1;
    }
}

/* The name is UTF-8, as names of maps are. */
static void keep(heed_maps *m, heed_tape *t, const heed_attention_seen *seen, const char *first)
{
    char name[800], error[512];
    snprintf(name, sizeof name, "%s", first);
    /* The first of the scope's names that this pass has not taken, or, for a decoder's next
     * queries, the last that it has. */
    heed_map *last = NULL, *map = heed__maps_find(m, name);
    for (int n = 2; map && map->number >= 0; n++) {
        last = map;
        snprintf(name, sizeof name, "%s#%d", first, n);
        map = heed__maps_find(m, name);
    }
    bool more = seen->queries == HEED_QUERIES_MORE && last && last->steps;
    if (more)
        snprintf(name, sizeof name, "%s", last->name);
    bool appending = m->options.append || more;
    if (!heed__maps_take(m, name, seen->weights, appending, error, sizeof error)) {
        heed_fail(t, "%s", error);
        return;
    }
    map = heed__maps_find(m, name);
    map->tape = t;
    map->number = seen->number;
    map->steps = seen->queries != HEED_QUERIES_WHOLE;
}

static void see(heed_tape *t, const heed_attention_seen *seen, void *user)
{
    heed_maps *m = user;
    end_passes(m, t, seen->number);
    char *first = heed__copy_text(m->allocator, seen->scope[0] ? seen->scope : "attention");
    if (first)
        keep(m, t, seen, first);
    else
        heed_fail(t, "maps: %s: out of memory", seen->scope[0] ? seen->scope : "attention");
    heed__free_text(m->allocator, first);
}

void heed_maps_watch(heed_maps *m, heed_tape *t)
{
    heed_attention_watch watch = { .see = see,
                                   .user = m,
                                   .example = m ? m->options.example : 0 };
    for (size_t i = 0; m && i < m->count; i++)
        m->maps[i].number = -1;
    heed_watch_attention(t, m ? &watch : NULL);
}
