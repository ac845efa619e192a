/* The masked-token objective of BERT (bert.h): which tokens are hidden, and by what. */
#include "bert.h"

/* f32 draws have 24 bits, and beyond this not every id is a number of f32. */
enum { F32_WORDS = 1 << 24 };

static bool sound(heed_tape *t, const heed_tensor *ids, const heed_masking *o)
{
    if (heed_error(t))
        return false;
    if (!o)
        heed_fail(t, "mask_tokens: the options are NULL");
    else if (!ids || ids->ndim != 2 || ids->dtype != HEED_I32)
        heed_fail(t, "mask_tokens: ids need dtype i32 and shape [B, T]");
    else if (!(o->share >= 0 && o->share <= 1))
        heed_fail(t, "mask_tokens: share %g is not in [0, 1]", o->share);
    else if (!(o->kept >= 0 && o->random >= 0 && o->kept + o->random <= 1))
        heed_fail(t, "mask_tokens: kept %g and random %g are not shares of a whole", o->kept,
                  o->random);
    else if (o->first < 0 || o->first >= o->vocabulary)
        heed_fail(t, "mask_tokens: there are no words from id %d below %d", (int)o->first,
                  (int)o->vocabulary);
    else if (o->vocabulary > F32_WORDS && heed_tape_dtype(t) == HEED_F32)
        heed_fail(t, "mask_tokens: a draw in f32 tells %d words apart and not %d", F32_WORDS,
                  (int)o->vocabulary);
    else if (o->mask < 0)
        heed_fail(t, "mask_tokens: the mask's id %d is negative", (int)o->mask);
    return heed_error(t) == NULL;
}

/* An id that every element of another tensor is compared with. */
static heed_tensor *constant(heed_tape *t, int32_t id)
{
    return heed_ids(t, HEED_SCALAR, &id);
}

/* bool [B, T]: words that are no padding. */
static heed_tensor *words(heed_tape *t, heed_tensor *ids, const int32_t *lengths,
                          const heed_masking *o)
{
    heed_tensor *from = heed_greater_equal(t, ids, constant(t, o->first));
    heed_tensor *below = heed_less(t, ids, constant(t, o->vocabulary));
    heed_tensor *other = heed_not_equal(t, ids, constant(t, o->mask));
    heed_tensor *are = heed_logical_and(t, heed_logical_and(t, from, below), other);
    if (!lengths)
        return are;
    int64_t batch = ids->shape[0], positions = ids->shape[1];
    heed_tensor *real = heed_padding_mask(t, batch, positions, lengths); /* [B, 1, 1, T] */
    real = heed_reshape(t, real, HEED_SHAPE(batch, positions));
    return heed_logical_and(t, are, real);
}

heed_masked heed_mask_tokens(heed_tape *t, heed_tensor *ids, const int32_t *lengths,
                             const heed_masking *options)
{
    const heed_masked none = { NULL, NULL };
    const heed_masking *o = options;
    if (!t || !sound(t, ids, o))
        return none;
    heed_scope(t, "mask_tokens");
    heed_shape shape = heed_shape_of(ids);
    heed_tensor *chance = heed_bernoulli(t, heed_full(t, shape, o->share));
    heed_tensor *chosen = heed_logical_and(t, words(t, ids, lengths, o), chance);

    /* One draw in [0, 1) says what becomes of a token: kept below `kept`, then random. */
    heed_tensor *what = heed_uniform(t, shape, 0, 1);
    heed_tensor *any = heed_uniform(t, shape, o->first, o->vocabulary);
    any = heed_cast(t, any, HEED_I32);
    heed_tensor *is_kept = heed_less(t, what, heed_full(t, HEED_SCALAR, o->kept));
    heed_tensor *is_not_masked =
        heed_less(t, what, heed_full(t, HEED_SCALAR, o->kept + o->random));
    heed_tensor *instead = heed_where(t, is_not_masked, any, constant(t, o->mask));
    instead = heed_where(t, is_kept, ids, instead);
    heed_masked masked = { heed_where(t, chosen, instead, ids),
                           heed_where(t, chosen, ids, constant(t, HEED_NOT_MASKED)) };
    heed_scope_end(t);
    return heed_error(t) ? none : masked;
}
