/* Statistics of activations, parameters and their gradients, by name. */
#include "training.h"

#include "../core/memory.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- summaries ---- */

typedef struct numbers {
    const heed_tensor *x; /* or */
    const void *data;
    heed_dtype dtype;
    int64_t count;
} numbers;

static double number_at(const numbers *n, int64_t i)
{
    if (n->x)
        return heed_at(n->x, i);
    return n->dtype == HEED_F64 ? ((const double *)n->data)[i]
                                : (double)((const float *)n->data)[i];
}

/* The deviation is taken in a second pass, from the mean: sums of squares alone would lose a
 * small one beside a large mean. */
static heed_summary summarize(const numbers *n)
{
    heed_summary s = { 0 };
    double sum = 0, squares = 0, zeros = 0;
    for (int64_t i = 0; i < n->count; i++) {
        double x = number_at(n, i);
        if (!isfinite(x)) {
            s.not_finite++;
            continue;
        }
        s.count++;
        sum += x;
        zeros += x == 0;
        s.largest = fmax(s.largest, fabs(x));
    }
    if (s.count == 0)
        return s;
    s.mean = sum / (double)s.count;
    s.zeros = zeros / (double)s.count;
    for (int64_t i = 0; i < n->count; i++) {
        double x = number_at(n, i);
        squares += isfinite(x) ? (x - s.mean) * (x - s.mean) : 0;
    }
    s.deviation = sqrt(squares / (double)s.count);
    s.rms = hypot(s.mean, s.deviation);
    return s;
}

heed_summary heed_summarize(const heed_tensor *x)
{
    numbers n = { .x = x, .count = x ? heed_size(x) : 0 };
    if (x && heed_is_contiguous(x) && (x->dtype == HEED_F32 || x->dtype == HEED_F64))
        n = (numbers){ .data = x->data, .dtype = x->dtype, .count = n.count };
    return summarize(&n);
}

/* The variance of both is the mean of the variances and the variance of the means (Chan, Golub,
 * LeVeque 1983). */
heed_summary heed_summary_merge(heed_summary a, heed_summary b)
{
    heed_summary s = { .count = a.count + b.count,
                       .largest = fmax(a.largest, b.largest),
                       .not_finite = a.not_finite + b.not_finite };
    if (s.count == 0)
        return s;
    double share = (double)b.count / (double)s.count, apart = b.mean - a.mean;
    s.mean = a.mean + share * apart;
    s.zeros = a.zeros + share * (b.zeros - a.zeros);
    s.deviation = sqrt((1 - share) * a.deviation * a.deviation +
                       share * b.deviation * b.deviation + share * (1 - share) * apart * apart);
    s.rms = hypot(s.mean, s.deviation);
    return s;
}

/* ---- what was seen ---- */

typedef struct pending {
    const heed_tensor *x;
    size_t at;
} pending;

struct heed_statistics {
    const heed_allocator *allocator;
    heed_allocator own;
    heed_observation *seen;
    size_t count, capacity;
    pending *pending; /* watched in this step */
    size_t pending_count, pending_capacity;
};

heed_statistics *heed_statistics_new(const heed_allocator *allocator)
{
    heed_statistics *s = heed__allocate(allocator, sizeof *s);
    if (!s)
        return NULL;
    *s = (heed_statistics){ 0 };
    if (allocator) {
        s->own = *allocator;
        s->allocator = &s->own;
    }
    return s;
}

void heed_statistics_clear(heed_statistics *s)
{
    for (size_t i = 0; s && i < s->count; i++)
        heed__release(s->allocator, (void *)(uintptr_t)s->seen[i].name,
                      strlen(s->seen[i].name) + 1);
    if (s)
        s->count = s->pending_count = 0;
}

void heed_statistics_free(heed_statistics *s)
{
    if (!s)
        return;
    heed_statistics_clear(s);
    heed_allocator own = s->own, *allocator = s->allocator ? &own : NULL;
    heed__release(allocator, s->seen, s->capacity * sizeof *s->seen);
    heed__release(allocator, s->pending, s->pending_capacity * sizeof *s->pending);
    heed__release(allocator, s, sizeof *s);
}

/* The place of a name, a new one if need be; false: no memory. */
static bool place_of(heed_statistics *s, const char *name, bool parameter, size_t *at)
{
    for (size_t i = 0; i < s->count; i++) {
        *at = i;
        if (s->seen[i].parameter == parameter && strcmp(s->seen[i].name, name) == 0)
            return true;
    }
    heed_observation *seen =
        heed__grow(s->allocator, s->seen, &s->capacity, s->count + 1, sizeof *seen);
    if (!seen)
        return false;
    s->seen = seen;
    char *copy = heed__allocate(s->allocator, strlen(name) + 1);
    if (!copy)
        return false;
    strcpy(copy, name);
    *at = s->count++;
    seen[*at] = (heed_observation){ .name = copy, .parameter = parameter };
    return true;
}

static bool add_pending(heed_statistics *s, const heed_tensor *x, size_t at)
{
    pending *grown = heed__grow(s->allocator, s->pending, &s->pending_capacity,
                                s->pending_count + 1, sizeof *grown);
    if (!grown)
        return false;
    s->pending = grown;
    grown[s->pending_count++] = (pending){ x, at };
    return true;
}

heed_tensor *heed_observe(heed_statistics *s, heed_tape *t, heed_tensor *x, const char *name,
                          ...)
{
    char full[256];
    size_t at;
    if (!s || !x || !t || heed_error(t))
        return x;
    va_list list;
    va_start(list, name);
    int length = vsnprintf(full, sizeof full, name, list);
    va_end(list);
    if (length < 0 || (size_t)length >= sizeof full)
        return heed_fail(t, "observe: the name %s... is too long", full);
    if (!place_of(s, full, false, &at))
        return heed_fail(t, "observe: %s: out of memory", full);
    s->seen[at].value = heed_summary_merge(s->seen[at].value, heed_summarize(x));
    if (!heed_recording(t) || (x->dtype != HEED_F32 && x->dtype != HEED_F64))
        return x;
    if (!add_pending(s, x, at))
        return heed_fail(t, "observe: %s: out of memory", full);
    return heed_watch(t, x);
}

bool heed_statistics_gradients(heed_statistics *s, heed_tape *t)
{
    bool good = s && t && !heed_error(t);
    for (size_t i = 0; good && i < s->pending_count; i++) {
        heed_summary *sum = &s->seen[s->pending[i].at].gradient;
        *sum = heed_summary_merge(*sum, heed_summarize(heed_gradient(t, s->pending[i].x)));
    }
    if (s)
        s->pending_count = 0;
    return good;
}

bool heed_statistics_parameters(heed_statistics *s, heed_params *ps, const heed_gradients *g)
{
    if (!s || !ps || heed_params_error(ps))
        return false;
    if (!g)
        g = heed_params_gradients(ps);
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        const void *gradient = heed_gradients_of(g, p);
        size_t at;
        if (!gradient)
            continue;
        if (!place_of(s, p->name, true, &at)) {
            heed_params_fail(ps, "statistics: %s: out of memory", p->name);
            return false;
        }
        numbers values = { .data = p->data, .dtype = p->dtype, .count = p->size };
        numbers slopes = { .data = gradient, .dtype = p->dtype, .count = p->size };
        heed_observation *o = &s->seen[at];
        o->value = heed_summary_merge(o->value, summarize(&values));
        o->gradient = heed_summary_merge(o->gradient, summarize(&slopes));
    }
    return g != NULL;
}

/* ---- reading ---- */

int heed_statistics_count(const heed_statistics *s)
{
    return s ? (int)s->count : 0;
}

const heed_observation *heed_statistics_at(const heed_statistics *s, int index)
{
    return s && index >= 0 && (size_t)index < s->count ? &s->seen[index] : NULL;
}

const heed_observation *heed_statistics_find(const heed_statistics *s, const char *name)
{
    for (size_t i = 0; s && i < s->count; i++) {
        if (strcmp(s->seen[i].name, name) == 0)
            return &s->seen[i];
    }
    return NULL;
}

static void print_line(const heed_observation *o, int width, FILE *file)
{
    const heed_summary *v = &o->value, *g = &o->gradient;
    fprintf(file, "%-*s %10.3g %10.3g %10.3g %10.3g %6.1f%%", width, o->name, v->mean,
            v->deviation, v->rms, v->largest, 100 * v->zeros);
    if (g->count + g->not_finite > 0)
        fprintf(file, " | %10.3g %10.3g %10.3g %10.3g %6.1f%%", g->mean, g->deviation, g->rms,
                g->largest, 100 * g->zeros);
    if (v->not_finite + g->not_finite > 0)
        fprintf(file, "  %lld not finite", (long long)(v->not_finite + g->not_finite));
    fputc('\n', file);
}

void heed_statistics_print(const heed_statistics *s, FILE *file)
{
    static const char *const columns = "      mean  deviation        rms      max|x|   zeros";
    int width = 9;
    for (size_t i = 0; s && i < s->count; i++) {
        int length = (int)strlen(s->seen[i].name);
        width = length > width ? length : width;
    }
    for (int parameters = 0; s && parameters < 2; parameters++) {
        bool headed = false;
        for (size_t i = 0; i < s->count; i++) {
            if (s->seen[i].parameter != (parameters != 0))
                continue;
            if (!headed)
                fprintf(file, "%-*s %s | gradient's\n", width,
                        parameters ? "parameter" : "value", columns);
            headed = true;
            print_line(&s->seen[i], width, file);
        }
    }
}
