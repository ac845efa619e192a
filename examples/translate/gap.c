/* Attention or none, by hidden width (gap.h). */
#include "gap.h"

bool gap_find(const gap_model *models, int count, int64_t hidden, gap *g)
{
    bool attending = false, others = false;
    *g = (gap){ .hidden = hidden, .with = 1, .without = 0 };
    for (int i = 0; i < count; i++) {
        const gap_model *m = &models[i];
        if (m->hidden != hidden || m->pairs == 0)
            continue;
        double share = (double)m->exact / (double)m->pairs;
        if (m->attends)
            g->with = share < g->with ? share : g->with;
        else
            g->without = share > g->without ? share : g->without;
        attending = attending || m->attends;
        others = others || !m->attends;
    }
    return attending && others;
}

/* Only where most sentences are right by either means is a small gap one that has closed. */
void gap_say(const gap *g, heed__text *to)
{
    double points = 100 * (g->with - g->without);
    heed__text_print(to,
                     "hidden %lld: on seven words and more, %.1f %% with attention (lowest), "
                     "%.1f %% without (highest): ",
                     (long long)g->hidden, 100 * g->with, 100 * g->without);
    if (points < 2 && points > -2 && g->with > 0.5)
        heed__text_add_string(to, "the gap has closed.");
    else if (points < 0)
        heed__text_print(to, "attention is %.1f points below.", -points);
    else
        heed__text_print(to, "%.1f points apart.", points);
}

void gap_say_all(const gap_model *models, int count, heed__text *to)
{
    for (int i = 0; i < count; i++) {
        bool seen = false;
        gap g;
        for (int j = 0; j < i; j++)
            seen = seen || models[j].hidden == models[i].hidden;
        if (seen || !gap_find(models, count, models[i].hidden, &g))
            continue;
        gap_say(&g, to);
        heed__text_add_string(to, "\n");
    }
}
