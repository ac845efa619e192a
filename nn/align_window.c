/* Local attention: which keys a query sees by their distance from a centre p, and by how much
 * those further away count less. */
#include "align_parts.h"

/* p: [T, 1] or [B, T, 1] */
static heed_tensor *centre(heed_tape *t, const heed_align *m, heed_tensor *query,
                           const heed_align_memory *memory, int64_t position)
{
    if (m->options.window == HEED_ALIGN_PREDICTIVE) {
        heed_tensor *hidden = heed_tanh(t, heed_linear_forward(t, &m->window, query));
        heed_tensor *share = heed_sigmoid(t, heed_linear_forward(t, &m->window_from, hidden));
        return heed_mul(t, memory->lengths, share);
    }
    int64_t count = query->shape[1];
    if (position < 0 || position > INT32_MAX - count)
        return heed_fail(t, "align: position %lld is outside 0 .. %lld", (long long)position,
                         (long long)(INT32_MAX - count));
    heed_tensor *ids = heed_arange(t, (int32_t)position, (int32_t)(position + count));
    return heed_unsqueeze(t, heed_cast(t, ids, heed_tape_dtype(t)), 1);
}

align_window heed__align_window(heed_tape *t, const heed_align *m, heed_tensor *query,
                                const heed_align_memory *memory, int64_t position)
{
    align_window window = { 0 };
    if (!query || m->options.window == HEED_ALIGN_GLOBAL)
        return window;
    double reach = (double)m->options.reach;
    heed_tensor *p = centre(t, m, query, memory, position);
    heed_tensor *ids = heed_arange(t, 0, (int32_t)memory->values->shape[1]);
    heed_tensor *place = heed_cast(t, ids, heed_tape_dtype(t));
    heed_tensor *distance = heed_sub(t, place, p); /* [T, S] or [B, T, S] */
    heed_tensor *edge = heed_full(t, HEED_SCALAR, reach);
    window.within = heed_less_equal(t, heed_abs(t, distance), edge);
    if (m->options.window == HEED_ALIGN_PREDICTIVE) /* -1/(2 sigma^2) = -2/reach^2 */
        window.factor =
            heed_exp(t, heed_scale(t, heed_square(t, distance), -2 / (reach * reach)));
    return window;
}
