/* See recurrent_parts.h. */
#include "recurrent_parts.h"

int64_t heed__gates_width(const heed_tensor *state)
{
    return state->ndim ? state->shape[state->ndim - 1] : 1;
}

int64_t heed__gates_rows(const heed_tensor *state)
{
    int64_t rows = 1;
    for (int k = 0; k < state->ndim - 1; k++)
        rows *= state->shape[k];
    return rows;
}

/* x is [leading axes of the state..., extent]; extent below 0: the leading axes alone. */
static bool fits(const heed_tensor *x, const heed_tensor *state, int64_t extent)
{
    int lead = state->ndim - 1;
    bool same = x->ndim == lead + (extent >= 0) && (extent < 0 || x->shape[lead] == extent);
    for (int k = 0; same && k < lead; k++)
        same = x->shape[k] == state->shape[k];
    return same;
}

bool heed__gates_check(heed_tape *t, const heed_call *c, int gates, int state, int real,
                       int kept)
{
    const heed_tensor *s = c->x[state], *mask = c->x[real];
    if (!heed__floats(t, c))
        return false;
    if (s->ndim < 1)
        return heed_refuse(t, c, "the state needs an axis of units");
    int64_t width = gates * heed__gates_width(s);
    for (int i = 0; i < 2; i++) {
        if (!fits(c->x[i], s, width))
            return heed_refuse(t, c,
                               "operand %d must be [..., %lld]: %d gates of the state's %lld "
                               "units",
                               i, (long long)width, gates, (long long)heed__gates_width(s));
    }
    if (mask && (mask->dtype != HEED_BOOL || !fits(mask, s, -1)))
        return heed_refuse(t, c, "real must be bool, one element for each row of the state");
    if (kept >= 0 && !mask != !c->x[kept])
        return heed_refuse(t, c, "h is needed with real, and only then");
    if (kept >= 0 && mask && !fits(c->x[kept], s, heed__gates_width(s)))
        return heed_refuse(t, c, "h and c differ in shape");
    return true;
}

heed_tensor *heed__gate(heed_tape *t, heed_tensor *x, int which, int64_t n)
{
    return heed_slice(t, x, -1, which * n, (which + 1) * n, 1);
}

heed_tensor *heed__gates_real(heed_tape *t, heed_tensor *real, heed_tensor *x)
{
    if (!real)
        return x;
    heed_tensor *column = heed_unsqueeze(t, real, -1);
    return heed_where(t, column, x, heed__number(t, x, 0));
}

heed_tensor *heed__gates_keep(heed_tape *t, heed_tensor *real, heed_tensor *after,
                              heed_tensor *before)
{
    return real ? heed_where(t, heed_unsqueeze(t, real, -1), after, before) : after;
}

heed_tensor *heed__gates_part(heed_tape *t, heed_tensor *packed, int64_t at,
                              const heed_tensor *x)
{
    heed_tensor *flat = heed_slice(t, packed, 0, at, at + heed_size(x), 1);
    return heed_reshape(t, flat, heed_shape_of(x));
}
