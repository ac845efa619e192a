/* Low-rank adapters beside the weights of linear layers. An adapter's numbers are parameters of
 * the set like any other; the weight points to them, so whoever holds the weight needs to know
 * nothing. */
#include "lora_parts.h"
#include "nn.h"

#include "../core/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct heed__adapter {
    heed_parameter *a, *b; /* [r, in], [out, r] */
    heed_parameter *scale; /* alpha/r */
    double dropout;
};

heed_tensor *heed__lora_add(heed_tape *t, const heed_parameter *weight, heed_tensor *x,
                            heed_tensor *y)
{
    const struct heed__adapter *adapter = weight ? weight->adapter : NULL;
    if (!adapter)
        return y;
    /* A scope of its own: the masks of the model's own dropout stay what they were. */
    heed_scope(t, "lora");
    heed_tensor *seen = heed_dropout(t, x, adapter->dropout);
    heed_tensor *low = heed_linear(t, seen, heed_use(t, adapter->a), NULL); /* [..., r] */
    low = heed_mul(t, low, heed_use(t, adapter->scale));
    heed_tensor *part = heed_linear(t, low, heed_use(t, adapter->b), NULL);
    y = heed_add(t, y, part);
    heed_scope_end(t);
    return y;
}

/* ---- attaching ---- */

static bool is_meant(const heed_parameter *p, const char *pattern)
{
    return (p->flags & HEED_ADAPTABLE) && p->shape.ndim == 2 && heed__matches(pattern, p->name);
}

/* "x.weight" becomes "x.<part>". */
static const char *name_of(char *name, size_t size, const heed_parameter *weight,
                           const char *part)
{
    const char *dot = strrchr(weight->name, '.');
    int length = dot ? (int)(dot - weight->name) + 1 : 0;
    snprintf(name, size, "%.*s%s", length, weight->name, part);
    return name;
}

static bool are_sound(heed_params *ps, const char *pattern, const heed_lora_options *o)
{
    if (!pattern)
        heed_params_fail(ps, "lora: the pattern is NULL");
    else if (heed_params_scoped(ps))
        heed_params_fail(ps, "lora: a scope is open");
    else if (o->rank < 1)
        heed_params_fail(ps, "lora: the rank is %lld but must be at least 1",
                         (long long)o->rank);
    else if (!(o->alpha >= 0 && isfinite(o->alpha)))
        heed_params_fail(ps, "lora: alpha is negative or not finite: %g", o->alpha);
    else if (!(o->dropout >= 0 && o->dropout < 1))
        heed_params_fail(ps, "lora: dropout is not in [0, 1): %g", o->dropout);
    return !heed_params_error(ps);
}

static double get(const heed_parameter *p, int64_t i)
{
    return p->dtype == HEED_F64 ? ((const double *)p->data)[i] : ((const float *)p->data)[i];
}

static bool is_zero(const heed_parameter *p)
{
    for (int64_t i = 0; i < p->size; i++) {
        if (get(p, i) != 0)
            return false;
    }
    return true;
}

static bool fits(heed_params *ps, const heed_parameter *weight, int64_t rank)
{
    char name[600];
    int64_t out = weight->shape.size[0], in = weight->shape.size[1];
    const heed_parameter *merged =
        heed_params_find(ps, name_of(name, sizeof name, weight, "lora_a"));
    const heed_parameter *b =
        heed_params_find(ps, name_of(name, sizeof name, weight, "lora_b"));
    if (weight->adapter)
        heed_params_fail(ps, "lora: %s has an adapter already", weight->name);
    else if (merged && (merged->shape.ndim != 2 || merged->shape.size[0] != rank ||
                        merged->shape.size[1] != in))
        heed_params_fail(ps,
                         "lora: rank %lld is not that of %s, which is there from an adapter "
                         "that was merged",
                         (long long)rank, merged->name);
    else if (b && !is_zero(b))
        heed_params_fail(ps, "lora: %s is not 0: it is of an adapter that was not merged",
                         b->name);
    else if (rank > in || rank > out)
        heed_params_fail(ps, "lora: rank %lld is larger than an extent of %s [%lld,%lld]",
                         (long long)rank, weight->name, (long long)out, (long long)in);
    return !heed_params_error(ps);
}

/* What an adapter that was merged has left behind serves again. */
static heed_parameter *new_part(heed_params *ps, const heed_parameter *weight, const char *part,
                                heed_shape shape, unsigned flags)
{
    char name[600];
    name_of(name, sizeof name, weight, part);
    heed_parameter *p = heed_params_find(ps, name);
    if (p) {
        p->flags &= ~(unsigned)HEED_FROZEN;
        return p;
    }
    return heed_parameter_new(ps, name, shape, flags);
}

/* Every A and B, then every factor: an optimizer finds the numbers it trains side by side. */
static void register_parts(heed_params *ps, heed_parameter *const *weights, int count,
                           struct heed__adapter *adapters, const heed_lora_options *o)
{
    double alpha = o->alpha > 0 ? o->alpha : (double)o->rank;
    for (int i = 0; i < count; i++) {
        const heed_parameter *w = weights[i];
        int64_t out = w->shape.size[0], in = w->shape.size[1];
        heed_shape wide = HEED_SHAPE(o->rank, in), tall = HEED_SHAPE(out, o->rank);
        adapters[i].dropout = o->dropout;
        adapters[i].a = new_part(ps, w, "lora_a", wide, HEED_DECAY);
        heed_init_constant(adapters[i].a, 0);
        heed_init_normal(adapters[i].a, 1 / sqrt((double)in), o->random);
        adapters[i].b = new_part(ps, w, "lora_b", tall, HEED_DECAY);
    }
    for (int i = 0; i < count; i++) {
        adapters[i].scale = new_part(ps, weights[i], "lora_scale", HEED_SCALAR, HEED_BUFFER);
        heed_init_constant(adapters[i].scale, alpha / (double)o->rank);
    }
}

int heed_lora_attach(heed_params *ps, const char *pattern, heed_lora_options options)
{
    if (heed_params_error(ps) || !are_sound(ps, pattern, &options))
        return 0;
    int known = heed_params_count(ps), count = 0;
    heed_parameter **weights = heed_params_keep(ps, known, sizeof(heed_parameter *));
    for (int i = 0; weights && i < known; i++) {
        heed_parameter *p = heed_params_at(ps, i);
        if (!is_meant(p, pattern))
            continue;
        if (!fits(ps, p, options.rank))
            return 0;
        weights[count++] = p;
    }
    if (count == 0) {
        heed_params_fail(ps, "lora: no weight of a linear layer matches %s", pattern);
        return 0;
    }
    struct heed__adapter *adapters = heed_params_keep(ps, count, sizeof *adapters);
    if (adapters)
        register_parts(ps, weights, count, adapters, &options);
    if (heed_params_error(ps))
        return 0;
    for (int i = 0; i < count; i++) {
        weights[i]->adapter = &adapters[i];
        weights[i]->flags |= HEED_FROZEN;
    }
    return count;
}

/* ---- merging ---- */

static void put(heed_parameter *p, int64_t i, double value)
{
    if (p->dtype == HEED_F64)
        ((double *)p->data)[i] = value;
    else
        ((float *)p->data)[i] = (float)value;
}

/* W += scale B A, each element summed in f64 and rounded once. */
static void add_product(heed_parameter *weight, const struct heed__adapter *adapter)
{
    int64_t out = weight->shape.size[0], in = weight->shape.size[1];
    int64_t rank = adapter->a->shape.size[0];
    double scale = get(adapter->scale, 0);
    for (int64_t i = 0; i < out; i++) {
        for (int64_t j = 0; j < in; j++) {
            double sum = 0;
            for (int64_t k = 0; k < rank; k++)
                sum += get(adapter->b, i * rank + k) * get(adapter->a, k * in + j);
            put(weight, i * in + j, get(weight, i * in + j) + scale * sum);
        }
    }
}

int heed_lora_merge(heed_params *ps)
{
    int merged = 0;
    if (heed_params_error(ps))
        return 0;
    for (int i = 0; i < heed_params_count(ps); i++) {
        heed_parameter *weight = heed_params_at(ps, i);
        const struct heed__adapter *adapter = weight->adapter;
        if (!adapter)
            continue;
        add_product(weight, adapter);
        heed_init_constant(adapter->b, 0);
        adapter->a->flags |= HEED_FROZEN;
        adapter->b->flags |= HEED_FROZEN;
        weight->adapter = NULL;
        merged++;
    }
    return merged;
}
