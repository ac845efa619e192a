/* What multi-head attention refuses to be. */
#include "multihead_parts.h"

#include <math.h>

static bool fail(heed_params *ps, const char *what, double value)
{
    heed_params_fail(ps, "multihead_attention: %s %g", what, value);
    return false;
}

static bool check_shape(heed_params *ps, int64_t width,
                        const heed_multihead_attention_options *o)
{
    if (o->heads < 1) {
        heed_params_fail(ps, "multihead_attention: heads %d is not positive", o->heads);
        return false;
    }
    if (width < 1) {
        heed_params_fail(ps, "multihead_attention: width %lld is not positive",
                         (long long)width);
        return false;
    }
    if (width % o->heads != 0 && (o->key_width == 0 || o->value_width == 0)) {
        heed_params_fail(ps, "multihead_attention: width %lld is not divisible by heads %d",
                         (long long)width, o->heads);
        return false;
    }
    if (o->key_heads < 0 || (o->key_heads > 0 && o->heads % o->key_heads != 0)) {
        heed_params_fail(ps, "multihead_attention: heads %d are not divisible by key heads %d",
                         o->heads, o->key_heads);
        return false;
    }
    if (o->key_width < 0 || o->value_width < 0 || o->source_width < 0)
        return fail(ps, "a width is negative:",
                    (double)(o->key_width < 0     ? o->key_width
                             : o->value_width < 0 ? o->value_width
                                                  : o->source_width));
    int64_t most =
        INT32_MAX / o->heads; /* far from overflow, of q, k and v in one matrix too */
    if (width > INT32_MAX || o->key_width > most || o->value_width > most)
        return fail(ps, "a width is too large:",
                    (double)(width > INT32_MAX     ? width
                             : o->key_width > most ? o->key_width
                                                   : o->value_width));
    if (!o->cross && o->source_width != 0 && o->source_width != width)
        return fail(
            ps, "only cross-attention has a source of another width:", (double)o->source_width);
    if (o->cross && (o->rotary || o->alibi || o->buckets)) {
        heed_params_fail(
            ps, "multihead_attention: rotary, ALiBi and relative positions are common to "
                "queries and keys, which cross-attention's are not");
        return false;
    }
    return true;
}

static bool check_numbers(heed_params *ps, const heed_multihead_attention_options *o)
{
    bool both_ways = o->causality == HEED_NOT_CAUSAL;
    if (o->causality < HEED_NOT_CAUSAL || o->causality > HEED_CAUSAL_BOTTOM_RIGHT)
        return fail(ps, "there is no causality", o->causality);
    if (o->gate < HEED_GATE_NONE || o->gate > HEED_GATE_INPUT)
        return fail(ps, "there is no gate", o->gate);
    if (!(o->scale >= 0) || isinf(o->scale))
        return fail(ps, "the scale is negative or not finite:", o->scale);
    if (!(o->cap >= 0) || isinf(o->cap))
        return fail(ps, "the cap is negative or not finite:", o->cap);
    if (o->windowed && (o->left < 0 || o->right < 0))
        return fail(ps, "the window is negative:", (double)(o->left < 0 ? o->left : o->right));
    if (!o->windowed && (o->left != 0 || o->right != 0))
        return fail(ps, "windowed is off, but the window reaches",
                    (double)(o->left != 0 ? o->left : o->right));
    if (o->prefix < 0)
        return fail(ps, "the prefix is negative:", (double)o->prefix);
    if (o->positions < 0)
        return fail(ps, "the number of positions is negative:", (double)o->positions);
    if (!(o->attention_dropout >= 0 && o->attention_dropout < 1))
        return fail(ps, "attention_dropout is not in [0, 1):", o->attention_dropout);
    if (!(o->dropout >= 0 && o->dropout < 1))
        return fail(ps, "dropout is not in [0, 1):", o->dropout);
    if (o->buckets < 0 || o->buckets == 1 || (o->buckets && both_ways && o->buckets % 4 != 0))
        return fail(ps, "cannot share out the buckets:", o->buckets);
    if (o->buckets && o->max_distance <= (both_ways ? o->buckets / 4 : o->buckets / 2))
        return fail(ps, "max_distance is within the exact buckets:", (double)o->max_distance);
    return true;
}

/* What has no place where there are no scores; NULL if there is nothing of the kind. */
static const char *about_scores(const heed_multihead_attention_options *o)
{
    return o->alibi                              ? "ALiBi"
           : o->buckets                          ? "relative positions"
           : o->sinks                            ? "sinks"
           : o->scale != 0                       ? "scale"
           : o->cap != 0                         ? "cap"
           : o->windowed                         ? "window"
           : o->prefix                           ? "prefix"
           : o->score                            ? "score function"
           : o->composed                         ? "composed form"
           : o->attention_dropout != 0           ? "dropout of weights"
           : o->causality > HEED_CAUSAL_TOP_LEFT ? "alignment to the last key"
                                                 : NULL;
}

static bool check_linear(heed_params *ps, const heed_multihead_attention_options *o)
{
    const char *what = o->linear ? about_scores(o) : NULL;
    if (what)
        heed_params_fail(ps, "multihead_attention: linear attention has no scores, and no %s",
                         what);
    else if (o->linear && (o->feature < HEED_FEATURE_ELU || o->feature > HEED_FEATURE_RELU))
        return fail(ps, "there is no feature map", o->feature);
    return !what;
}

static bool check_rope(heed_params *ps, int64_t width, const heed_rope_options *r)
{
    int64_t turned = r->width ? r->width : width;
    if (turned < 0 || turned > width || turned % 2 != 0)
        return fail(ps, "rotary positions need pairs within a head's key width, not",
                    (double)turned);
    if (!(r->base >= 0 && r->linear >= 0 && r->ntk >= 0 && r->offset >= 0))
        return fail(ps, "a rotary setting is negative:",
                    !(r->base >= 0)     ? r->base
                    : !(r->linear >= 0) ? r->linear
                    : !(r->ntk >= 0)    ? r->ntk
                                        : (double)r->offset);
    if (r->offset > INT64_MAX / 2) /* what a cache holds is added */
        return fail(ps, "the rotary offset is too large:", (double)r->offset);
    return true;
}

bool heed__multihead_sound(heed_params *ps, int64_t width,
                           const heed_multihead_attention_options *o)
{
    return check_shape(ps, width, o) && check_numbers(ps, o) && check_linear(ps, o) &&
           (!o->rotary ||
            check_rope(ps, o->key_width ? o->key_width : width / o->heads, &o->rope));
}
