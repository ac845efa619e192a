/* The Taylor test of a gradient: with the right g,
 *   R(h) = |f(x + h u) - f(x) - h <g, u>|
 * falls as h^2, with a wrong one as h. It needs no tolerance, sees errors of any size that rise
 * above rounding, and costs a dozen evaluations a tensor however large the model is. */
#include "subject.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STEPS  11    /* h = first, first/2, first/4, ... */
#define FIRST  0.01  /* the longest step, as a distance */
#define NEEDED 1.9   /* the least slope of ln R over ln h that passes */
#define ENOUGH 3     /* remainders above rounding that a slope is fitted to */
#define FLOOR  1e-12 /* remainders below this part of the values are rounding */

/* The least-squares slope of y over x. */
static double fit(const double *x, const double *y, int n)
{
    double mx = 0, my = 0, xy = 0, xx = 0;
    for (int i = 0; i < n; i++) {
        mx += x[i] / n;
        my += y[i] / n;
    }
    for (int i = 0; i < n; i++) {
        xy += (x[i] - mx) * (y[i] - my);
        xx += (x[i] - mx) * (x[i] - mx);
    }
    return xy / xx;
}

static void judge(check_subject *s, const char *name, double slope)
{
    heed_report *r = s->report;
    char where[sizeof r->where];
    snprintf(where, sizeof where, "%.100s: the order of the remainder", name);
    /* 2 is no excess, 1.9 just passes. */
    r->compared++;
    double excess = slope >= 2 ? 0 : (2 - slope) / (2 - NEEDED);
    if (r->where[0] && !(excess > r->excess))
        return;
    r->analytic = slope;
    r->numeric = 2;
    r->excess = excess;
    snprintf(r->where, sizeof r->where, "%s", where);
    if (!(slope >= NEEDED)) {
        r->passed = false;
        heed__check_fail(r, "%.100s: the remainder falls with h^%.3g instead of h^2", name,
                         slope);
    }
}

/* Along d over blocks first .. last - 1. f0 and g are value and gradient at the point. */
static bool along(check_subject *s, const char *name, int first, int last, double f0,
                  const double *g, const double *d, double *keep)
{
    double length = 0, slope = 0, x[STEPS], y[STEPS];
    int count = 0;
    for (int i = first; i < last; i++) {
        const check_block *b = &s->block[i];
        length += heed__check_dot(d + b->offset, d + b->offset, b->size);
        slope += heed__check_dot(g + b->offset, d + b->offset, b->size);
    }
    heed__subject_keep(s, first, last, keep);
    for (int k = 0; k < STEPS; k++) {
        double h = ldexp(FIRST / sqrt(length), -k), f;
        heed__subject_move(s, first, last, keep, d, h);
        bool ok = heed__subject_value(s, &f);
        heed__subject_move(s, first, last, keep, d, 0);
        if (!ok)
            return false;
        double remainder = fabs(f - f0 - h * slope);
        if (!isfinite(remainder)) {
            heed__check_fail(s->report, "%.100s: the function is not finite nearby", name);
            return false;
        }
        if (remainder <= FLOOR * (fabs(f) + fabs(f0) + fabs(h * slope)))
            continue;
        x[count] = log(h);
        y[count++] = log(remainder);
    }
    /* Straight lines leave rounding only. The shortest steps are the least disturbed by higher
     * orders. */
    int used = count < 5 ? count : 5;
    judge(s, name, count < ENOUGH ? 2 : fit(x + count - used, y + count - used, used));
    return true;
}

static bool run(check_subject *s)
{
    double f0, *g = heed__subject_room(s, s->total, sizeof *g),
               *d = heed__subject_room(s, s->total, sizeof *d),
               *keep = heed__subject_room(s, s->total, sizeof *keep);
    if (!g || !d || !keep)
        return heed__subject_out_of_memory(s);
    if (!heed__subject_gradient(s, &f0, g))
        return false;
    heed_random r = { .seed = s->o.seed, .stream = 3 };
    for (int64_t i = 0; i < s->total; i++)
        d[i] = 2 * heed_random_uniform(&r) - 1;
    for (int i = 0; i < s->blocks; i++) {
        const check_block *b = &s->block[i];
        if (b->size && !along(s, b->name, i, i + 1, f0, g, d, keep))
            return false;
    }
    return along(s, "everything", 0, s->blocks, f0, g, d, keep);
}

heed_report heed_check_taylor(heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[],
                                                void *user),
                              void *user, heed_params *ps, int n, const heed_input inputs[],
                              const heed_check_options *options)
{
    heed_report report = { .passed = true };
    check_subject s = { .f = f,
                        .user = user,
                        .ps = ps,
                        .n = n,
                        .inputs = inputs,
                        .report = &report,
                        .o = heed__check_options(options) };
    if (heed__subject_begin(&s))
        run(&s);
    heed__subject_end(&s);
    return report;
}
