/* Proving that an output does not depend on given inputs: causality, padding, masks. Three
 * proofs, each of exact equality, for every input element and every output element it must not
 * reach:
 *   gradient   d output / d input is 0, not merely small;
 *   value      the output keeps its bits when the input changes;
 *   NaN        and also when the input is NaN: nothing is saved by 0 times it.
 * Inputs that reach the same outputs change together, and outputs that see the same inputs
 * share a sweep, so causality over T positions takes T of each and not T^2. */
#include "random.h"
#include "subject.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct leak {
    check_subject *s;
    int input;
    heed_may_depend *may_depend;
    void *user;
    heed_shape xs, ys;
    int64_t n, m;             /* elements of the input, of the output */
    uint64_t *sees, *reaches; /* [m], [n]: a hash of what each may see, may reach */
} leak;

static void unravel(const heed_shape *shape, int64_t flat, int64_t *index)
{
    for (int k = shape->ndim - 1; k >= 0; k--) {
        index[k] = flat % shape->size[k];
        flat /= shape->size[k];
    }
}

static bool depends(const leak *l, int64_t y, int64_t x)
{
    int64_t to[HEED_MAX_NDIM] = { 0 }, from[HEED_MAX_NDIM] = { 0 };
    unravel(&l->ys, y, to);
    unravel(&l->xs, x, from);
    return l->may_depend(to, from, l->user);
}

static void found(leak *l, int64_t y, int64_t x, const char *how)
{
    heed_report *r = l->s->report;
    char to[80], from[80];
    if (!r->passed)
        return;
    r->passed = false;
    r->excess = INFINITY;
    heed__check_name("y", &l->ys, y, to, sizeof to);
    if (x >= 0)
        heed__check_name("x", &l->xs, x, from, sizeof from);
    else
        snprintf(from, sizeof from, "x");
    snprintf(r->where, sizeof r->where, "%.75s of %.75s", to, from);
    heed__check_fail(r, "%s depends on input %d's %s: %s", to, l->input, from, how);
}

/* y's elements, from a new evaluation. */
static bool values(leak *l, double *y)
{
    heed_tensor *result = heed__subject_evaluate(l->s, false);
    if (!result)
        return false;
    for (int64_t i = 0; i < l->m; i++)
        y[i] = heed_at(result, i);
    return true;
}

/* Changes all inputs that reach the same outputs as input j does. */
static void change(const leak *l, int64_t j, const double *keep, int round, heed_random *r)
{
    const heed_input *input = &l->s->inputs[l->input];
    double *x = l->s->values[l->input];
    bool floats = input->dtype == HEED_F32 || input->dtype == HEED_F64;
    double low = input->low, span = input->high - input->low;
    for (int64_t i = 0; i < l->n; i++) {
        if (l->reaches[i] != l->reaches[j])
            continue;
        if (floats)
            x[i] = round == 2 ? NAN
                              : keep[i] + (round ? -1.0 : 1.0) * (0.5 + heed_random_uniform(r));
        else if (input->dtype == HEED_BOOL)
            x[i] = keep[i] == 0;
        else if (span > 1) /* another id */
            x[i] =
                low + fmod(keep[i] - low + 1 + (double)heed_random_below(r, (uint64_t)span - 1),
                           span);
    }
}

static bool by_value(leak *l, double *before, double *after, double *keep, int rounds)
{
    static const char *const how[] = { "its value changed with it", "its value changed with it",
                                       "a NaN there changes it" };
    double *x = l->s->values[l->input];
    heed_random r = { .seed = l->s->o.seed, .stream = 5 };
    memcpy(keep, x, (size_t)l->n * sizeof *keep);
    for (int64_t j = 0; j < l->n; j++) {
        bool done = false;
        for (int64_t i = 0; i < j && !done; i++)
            done = l->reaches[i] == l->reaches[j];
        for (int round = 0; round < rounds && !done; round++) {
            change(l, j, keep, round, &r);
            bool ok = values(l, after);
            memcpy(x, keep, (size_t)l->n * sizeof *keep);
            if (!ok)
                return false;
            for (int64_t i = 0; i < l->m; i++) {
                if (depends(l, i, j))
                    continue;
                l->s->report->compared++;
                if (memcmp(&before[i], &after[i], sizeof *before) != 0)
                    found(l, i, j, how[round]);
            }
        }
    }
    return true;
}

/* One sweep for all outputs that see the same inputs. */
static bool by_gradient(leak *l)
{
    heed_random r = { .seed = l->s->o.seed, .stream = 6 };
    double *u = heed__subject_room(l->s, l->m, sizeof *u);
    if (!u)
        return heed__subject_out_of_memory(l->s);
    for (int64_t i = 0; i < l->m; i++) {
        bool done = false;
        for (int64_t k = 0; k < i && !done; k++)
            done = l->sees[k] == l->sees[i];
        if (done)
            continue;
        for (int64_t k = 0; k < l->m; k++)
            u[k] = l->sees[k] == l->sees[i] ? 0.5 + heed_random_uniform(&r) : 0;
        heed_tensor *y = heed__subject_evaluate(l->s, true), *gx = NULL;
        if (!y)
            return false;
        heed_tensor *gy = heed_copy_in(l->s->t, HEED_F64, l->ys, u);
        if (!heed_grad(l->s->t, y, gy, 1, &l->s->x[l->input], &gx))
            return heed__subject_failed(l->s);
        for (int64_t j = 0; j < l->n && gx; j++) {
            if (depends(l, i, j))
                continue;
            l->s->report->compared++;
            if (heed_at(gx, j) != 0)
                found(l, i, j, "its gradient there is not 0");
        }
    }
    return true;
}

static bool run(leak *l, const heed_leak_options *o)
{
    check_subject *s = l->s;
    const heed_input *input = &s->inputs[l->input];
    bool floats = input->dtype == HEED_F32 || input->dtype == HEED_F64;
    heed_tensor *y = heed__subject_evaluate(s, false);
    if (!y)
        return false;
    if (y->dtype != HEED_F64) {
        heed__check_fail(s->report, "leak check: the function's result is %s but must be f64",
                         heed_dtype_name(y->dtype));
        return false;
    }
    l->xs = input->shape;
    l->ys = heed_shape_of(y);
    l->m = heed_size(y);
    heed__shape_size(&l->xs, &l->n);
    l->sees = heed__subject_room(s, l->m, sizeof *l->sees);
    l->reaches = heed__subject_room(s, l->n, sizeof *l->reaches);
    double *before = heed__subject_room(s, l->m, sizeof *before),
           *after = heed__subject_room(s, l->m, sizeof *after),
           *keep = heed__subject_room(s, l->n, sizeof *keep);
    if (!l->sees || !l->reaches || !before || !after || !keep)
        return heed__subject_out_of_memory(s);
    int64_t independent = 0;
    for (int64_t i = 0; i < l->m; i++) {
        for (int64_t j = 0; j < l->n; j++) {
            bool free = !depends(l, i, j);
            independent += free;
            l->sees[i] = heed__hash(l->sees[i], free);
            l->reaches[j] = heed__hash(l->reaches[j], free);
        }
    }
    if (!independent) {
        heed__check_fail(s->report,
                         "leak check: every output may depend on every element of "
                         "input %d, so there is nothing to prove",
                         l->input);
        return false;
    }
    for (int64_t i = 0; i < l->m; i++)
        before[i] = heed_at(y, i);
    if (!by_value(l, before, after, keep, !floats ? 1 : o->finite_only ? 2 : 3))
        return false;
    return !floats || input->constant || by_gradient(l);
}

heed_report heed_leak_check(heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[], void *user),
                            void *user, heed_params *ps, int n, const heed_input inputs[],
                            heed_leak_options options)
{
    heed_report report = { .passed = true };
    check_subject s = { .f = f,
                        .user = user,
                        .ps = ps,
                        .n = n,
                        .inputs = inputs,
                        .report = &report,
                        .leaves_only = true,
                        .o = heed__check_options(
                            &(heed_check_options){ .seed = options.seed }) };
    leak l = {
        .s = &s, .input = options.input, .may_depend = options.may_depend, .user = options.user
    };
    if (options.input < 0 || options.input >= n || !options.may_depend)
        heed__check_fail(&report,
                         "leak check: input %d is none of the %d, or may_depend is NULL",
                         options.input, n);
    else if (heed__subject_begin(&s))
        run(&l, &options);
    heed__subject_end(&s);
    return report;
}
