/* The numerical sanitizer: after each op, and after each sum of gradients, the result is
 * searched for NaN and for infinities that no operand holds. The first find fails the tape. */
#include "engine.h"

#include <math.h>
#include <stdio.h>

typedef enum { ANY_NAN, ANY_INFINITY } fault;

/* The first element (row-major) that is so, or -1. */
static int64_t find(const heed_tensor *x, fault what)
{
    int64_t n = heed_size(x);
    if (!x->data || (x->dtype != HEED_F32 && x->dtype != HEED_F64))
        return -1;
    for (int64_t i = 0; i < n; i++) {
        double v = heed_at(x, i);
        if (what == ANY_NAN ? isnan(v) : isinf(v))
            return i;
    }
    return -1;
}

static const char *place(const heed_tensor *x, int64_t index, char *text, size_t size)
{
    heed_shape at = heed_shape_of(x);
    for (int k = x->ndim - 1; k >= 0; k--) {
        at.size[k] = index % x->shape[k];
        index /= x->shape[k];
    }
    return heed_shape_text(&at, text, size);
}

/* Which operand holds one already, or -1. */
static int culprit(const heed_call *c, fault what, int64_t *index)
{
    for (int i = 0; i < c->n; i++) {
        *index = c->x[i] ? find(c->x[i], what) : -1;
        if (*index >= 0)
            return i;
    }
    return -1;
}

bool heed__sanitize(heed_tape *t, const heed_call *c, const heed_tensor *y)
{
    char at[96], from[96], rule[64] = "";
    fault what = ANY_NAN;
    int64_t index = find(y, ANY_NAN), source;
    int operand = index < 0 ? -1 : culprit(c, ANY_NAN, &source);
    if (index < 0) {
        what = ANY_INFINITY;
        index = find(y, ANY_INFINITY);
        if (index < 0 || culprit(c, ANY_INFINITY, &source) >= 0)
            return true;
    }
    if (t->rule)
        snprintf(rule, sizeof rule, "in the backward of %.40s, ", t->rule->op->name);
    place(y, index, at, sizeof at);
    if (operand < 0)
        return heed_refuse(t, c, "%sthe result holds %s at %s", rule,
                           what == ANY_NAN ? "NaN" : "an infinity", at);
    return heed_refuse(t, c, "%sthe result holds NaN at %s, and operand %d does at %s", rule,
                       at, operand, place(c->x[operand], source, from, sizeof from));
}

bool heed_set_sanitizing(heed_tape *t, bool on)
{
    bool former = t && t->sanitizing;
    if (t)
        t->sanitizing = on;
    return former;
}
