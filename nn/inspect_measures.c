/* Measures of heads, how alike two of them are, and warnings. */
#include "inspect_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool heed__map_causal(const heed_map *map)
{
    return map->queries >= 2 && map->keys >= map->queries &&
           map->reach <= map->keys - map->queries;
}

/* x_i and n_i of inspect.h. */
static int64_t position_of(const heed_map *map, int64_t query)
{
    return heed__map_causal(map) ? query + map->keys - map->queries : query;
}

static int64_t choices_of(const heed_map *map, int64_t query)
{
    return heed__map_causal(map) ? position_of(map, query) + 1 : map->keys;
}

/* i of n as 0 .. 1; the only one is 0. */
static double place(int64_t i, int64_t n)
{
    return n > 1 ? (double)i / (double)(n - 1) : 0;
}

/* p_ij, of a row with this sum */
static double share(const double *row, int64_t key, double sum)
{
    return heed__seen(row[key]) / sum;
}

typedef struct row_measures {
    double entropy, largest, distance, apart, centre;
} row_measures;

static row_measures measure_row(const heed_map *map, const double *row, double sum,
                                int64_t query)
{
    row_measures r = { 0 };
    int64_t x = position_of(map, query);
    double relative = heed__map_causal(map) ? place(x, map->keys) : place(x, map->queries);
    for (int64_t j = 0; j < map->keys; j++) {
        double p = share(row, j, sum);
        if (p == 0)
            continue;
        r.entropy -= p * log(p);
        r.largest = fmax(r.largest, p);
        r.distance += p * fabs((double)(x - j));
        r.apart += p * fabs(relative - place(j, map->keys));
        r.centre += p * (double)j;
    }
    return r;
}

/* The key that has the largest share of the rows that have a choice. */
static void find_sink(const heed_map *map, int64_t head, int64_t rows, heed_head *h)
{
    h->sink = rows > 0 ? 0 : NAN;
    for (int64_t j = 0; rows > 0 && j < map->keys; j++) {
        double sum = 0;
        for (int64_t i = 0; i < map->queries; i++) {
            double whole = heed__row_sum(map, head, i);
            if (whole > 0 && choices_of(map, i) > 1)
                sum += share(heed_map_row(map, head, i), j, whole);
        }
        if (sum / (double)rows > h->sink) {
            h->sink = sum / (double)rows;
            h->sink_key = j;
        }
    }
}

static void compare_with_others(const heed_map *map, int64_t head, heed_head *h)
{
    double others = 0, cosine = 0, divergence = 0;
    for (int64_t other = 0; other < map->heads; other++) {
        if (other == head)
            continue;
        heed_similarity s = heed_map_similarity(map, head, map, other);
        if (isnan(s.cosine))
            continue;
        others++;
        cosine += s.cosine;
        divergence += s.divergence;
    }
    h->cosine = cosine / others;
    h->divergence = divergence / others;
}

heed_head heed_map_measure(const heed_map *map, int64_t head)
{
    static const heed_map nothing = { .reach = INT64_MIN };
    map = map ? map : &nothing;
    heed_head h = { .sink_key = -1,
                    .causal = heed__map_causal(map),
                    .least_entropy = INFINITY };
    double relative = 0, apart = 0, steps = 0, forward = 0, before = 0;
    int64_t choosing = 0;
    bool follows = false;
    for (int64_t i = 0; i < map->queries; i++) {
        const double *row = heed_map_row(map, head, i);
        double sum = row ? heed__row_sum(map, head, i) : 0;
        for (int64_t j = 0; row && j < map->keys; j++)
            h.not_finite += !isfinite(row[j]);
        if (sum == 0) {
            h.blind++;
            follows = false;
            continue;
        }
        row_measures r = measure_row(map, row, sum, i);
        h.rows++;
        h.entropy += r.entropy;
        h.span += exp(r.entropy);
        h.confidence += r.largest;
        h.largest = fmax(h.largest, r.largest);
        h.distance += r.distance;
        apart += r.apart;
        if (choices_of(map, i) > 1) {
            double of_most = r.entropy / log((double)choices_of(map, i));
            relative += of_most;
            h.least_entropy = fmin(h.least_entropy, of_most);
            choosing++;
        }
        if (follows) {
            steps++;
            forward += r.centre >= before - 1e-6 * (double)map->keys;
        }
        before = r.centre;
        follows = true;
    }
    double rows = (double)h.rows;
    h.entropy /= rows;
    h.span /= rows;
    h.confidence /= rows;
    h.distance /= rows;
    h.largest = h.rows > 0 ? h.largest : NAN;
    h.diagonality = 1 - apart / rows;
    h.monotonicity = forward / steps;
    h.relative_entropy = relative / (double)choosing;
    h.least_entropy = choosing > 0 ? h.least_entropy : NAN;
    find_sink(map, head, choosing, &h);
    compare_with_others(map, head, &h);
    return h;
}

/* ---- two heads ---- */

/* m = (p + q)/2; half of p ln(p/m) + q ln(q/m). */
static double divergence_at(double p, double q)
{
    double d = 0, m = (p + q) / 2;
    if (p > 0)
        d += p * log(p / m);
    if (q > 0)
        d += q * log(q / m);
    return d / 2;
}

heed_similarity heed_map_similarity(const heed_map *a, int64_t head_a, const heed_map *b,
                                    int64_t head_b)
{
    double rows = 0, cosine = 0, divergence = 0;
    bool alike = a && b && a->queries == b->queries && a->keys == b->keys;
    for (int64_t i = 0; alike && i < a->queries; i++) {
        const double *x = heed_map_row(a, head_a, i), *y = heed_map_row(b, head_b, i);
        double sum_x = x ? heed__row_sum(a, head_a, i) : 0;
        double sum_y = y ? heed__row_sum(b, head_b, i) : 0;
        if (sum_x == 0 || sum_y == 0)
            continue;
        double pp = 0, qq = 0, pq = 0;
        for (int64_t j = 0; j < a->keys; j++) {
            double p = share(x, j, sum_x), q = share(y, j, sum_y);
            pp += p * p;
            qq += q * q;
            pq += p * q;
            divergence += divergence_at(p, q);
        }
        cosine += pq / sqrt(pp * qq);
        rows++;
    }
    return (heed_similarity){ cosine / rows, divergence / rows };
}

/* ---- warnings ---- */

static double threshold(double given, double usual)
{
    return given == 0 ? usual : given;
}

/* Comparisons with NaN are false: what could not be measured is not warned of. */
unsigned heed_head_warnings(const heed_head *h, const heed_thresholds *thresholds)
{
    heed_thresholds t = thresholds ? *thresholds : (heed_thresholds){ 0 };
    unsigned warnings = 0;
    if (!h)
        return 0;
    double uniform = threshold(t.uniform, 0.98), sink = threshold(t.sink, 0.5);
    if (uniform >= 0 && h->least_entropy >= uniform)
        warnings |= HEED_HEAD_UNIFORM;
    if (h->relative_entropy <= threshold(t.concentrated, 0.05))
        warnings |= HEED_HEAD_CONCENTRATED;
    if (sink >= 0 && h->sink > sink)
        warnings |= HEED_HEAD_SINK;
    if (h->blind > 0)
        warnings |= HEED_HEAD_BLIND;
    if (h->not_finite > 0)
        warnings |= HEED_HEAD_NOT_FINITE;
    return warnings;
}

char *heed_warnings_text(unsigned warnings, char *text, size_t size)
{
    static const char *const names[] = { "uniform", "concentrated", "sink", "blind",
                                         "not finite" };
    size_t used = 0;
    if (size > 0)
        text[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (warnings & 1u << i && used < size)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", names[i]);
    }
    return text;
}
