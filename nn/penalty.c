/* What of attention's weights goes into a loss: whether heads agree, how spread rows are. */
#include "training.h"

/* sum_hh' <p_h, p_h'> = |sum_h p_h|^2: one pass over the weights instead of one for each pair. */
heed_tensor *heed_head_agreement(heed_tape *t, heed_tensor *weights)
{
    if (!t || heed_error(t))
        return NULL;
    if (!weights || weights->ndim < 3) {
        char text[HEED_MAX_NDIM * 21 + 8] = "NULL";
        heed_shape shape = weights ? heed_shape_of(weights) : HEED_SCALAR;
        return heed_fail(t, "head_agreement: weights need shape [..., H, T, S], got %s",
                         weights ? heed_shape_text(&shape, text, sizeof text) : text);
    }
    heed_tensor *mean = heed_mean_axes(t, weights, 1, (const int[]){ -3 }, false);
    heed_tensor *rows =
        heed_sum_axes(t, heed_square(t, mean), 1, (const int[]){ -1 }, false); /* [..., T] */
    return heed_mean(t, rows);
}

heed_tensor *heed_attention_entropy(heed_tape *t, heed_tensor *weights)
{
    if (!t || heed_error(t))
        return NULL;
    if (!weights || weights->ndim < 1)
        return heed_fail(t, "attention_entropy: weights need shape [..., S]");
    return heed_mean(t, heed_entropy(t, weights, -1));
}

/* ---- of every attention on a tape ---- */

static void add_term(heed_tape *t, const heed_attention_seen *seen, void *user)
{
    heed_attention_penalty *p = user;
    heed_tensor *term = p->term(t, seen->weights);
    if (term && term->ndim != 0)
        heed_fail(t, "attention_penalty: a term must be a single number");
    else if (term && p->count++ == 0)
        p->sum = term;
    else if (term)
        p->sum = heed_add(t, p->sum, term);
    if (p->former.see && p->former.recorded)
        p->former.see(t, seen, p->former.user);
}

void heed_attention_penalty_begin(heed_tape *t, heed_attention_penalty *p,
                                  heed_attention_term *term)
{
    *p = (heed_attention_penalty){ .term = term };
    heed_attention_watch watch = { .see = add_term, .user = p, .recorded = true };
    if (!term)
        heed_fail(t, "attention_penalty: the term is NULL");
    p->former = heed_watch_attention(t, &watch);
}

heed_tensor *heed_attention_penalty_end(heed_tape *t, heed_attention_penalty *p)
{
    heed_attention_watch watch = heed_watch_attention(t, &p->former);
    if (!t || heed_error(t))
        return NULL;
    if (watch.see != add_term || watch.user != p) {
        heed_watch_attention(t, &watch);
        return heed_fail(t, "attention_penalty: the watch that was begun is on no more: the "
                            "tape was reset or rewound, or another was begun and not ended");
    }
    if (p->count == 0)
        return heed_fail(t, "attention_penalty: no attention was recorded%s",
                         heed_recording(t) ? "" : ", for recording is off");
    return heed_scale(t, p->sum, 1 / (double)p->count);
}
