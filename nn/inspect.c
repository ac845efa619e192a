/* A collection of attention maps: recording them, whole or a row at a time. */
#include "inspect_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- life ---- */

/* What a map's rows take: those of one head at least, and one at least of each head, so that no
 * number of heads or rows is larger than memory. False: more than can be counted. */
static bool rows_bytes(const heed_map *map, size_t *bytes)
{
    size_t heads = map->heads > 0 ? (size_t)map->heads : 1;
    size_t rows = map->row_capacity > 0 ? (size_t)map->row_capacity : 1;
    return heed__mul_size((size_t)map->key_capacity + 1, sizeof *map->rows, bytes) &&
           heed__mul_size(*bytes, heads, bytes) && heed__mul_size(*bytes, rows, bytes);
}

static void free_rows(heed_maps *m, const heed_map *map)
{
    size_t bytes;
    if (map->rows && rows_bytes(map, &bytes))
        heed__release(m->allocator, map->rows, bytes);
}

static void free_map(heed_maps *m, heed_map *map)
{
    for (int side = HEED__QUERIES; map->labels && side <= HEED__KEYS; side++)
        heed__free_labels(m->allocator, &map->labels[side]);
    heed__release(m->allocator, map->labels, 2 * sizeof *map->labels);
    free_rows(m, map);
    heed__free_text(m->allocator, map->name);
}

heed_maps *heed_maps_new(heed_maps_options options)
{
    heed_maps *m = heed__allocate(options.allocator, sizeof *m);
    if (!m)
        return NULL;
    *m = (heed_maps){ .options = options };
    if (options.allocator) {
        m->own = *options.allocator;
        m->allocator = &m->own;
    }
    m->title = heed__copy_text(m->allocator, options.title ? options.title : "Attention");
    if (m->title)
        return m;
    heed__release(options.allocator, m, sizeof *m);
    return NULL;
}

void heed_maps_clear(heed_maps *m)
{
    for (size_t i = 0; m && i < m->count; i++)
        free_map(m, &m->maps[i]);
    if (m)
        m->count = 0;
}

void heed_maps_free(heed_maps *m)
{
    if (!m)
        return;
    heed_maps_clear(m);
    heed__free_text(m->allocator, m->title);
    heed_allocator own = m->own, *allocator = m->allocator ? &own : NULL;
    heed__release(allocator, m->maps, m->capacity * sizeof *m->maps);
    heed__release(allocator, m, sizeof *m);
}

/* ---- maps ---- */

heed_map *heed__maps_find(const heed_maps *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->maps[i].name, name) == 0)
            return &m->maps[i];
    }
    return NULL;
}

/* Room for so many rows and keys, the old ones kept, all else 0. Doubling: steps of a decoder
 * copy each row a few times at most. False: no memory, or more than can be counted. */
static bool reserve(heed_maps *m, heed_map *map, int64_t queries, int64_t keys)
{
    if (map->rows && queries <= map->row_capacity && keys <= map->key_capacity)
        return true;
    heed_map larger = *map;
    if (queries > map->row_capacity)
        larger.row_capacity = queries > 2 * map->row_capacity ? queries : 2 * map->row_capacity;
    if (keys > map->key_capacity)
        larger.key_capacity = keys > 2 * map->key_capacity ? keys : 2 * map->key_capacity;
    size_t bytes;
    if (!rows_bytes(&larger, &bytes))
        return false;
    larger.rows = heed__allocate(m->allocator, bytes);
    if (!larger.rows)
        return false;
    memset(larger.rows, 0, bytes);
    for (int64_t r = 0; r < map->queries * map->heads; r++)
        memcpy(larger.rows + r * (larger.key_capacity + 1),
               map->rows + r * (map->key_capacity + 1),
               (size_t)(map->keys + 1) * sizeof *map->rows);
    free_rows(m, map);
    *map = larger;
    return true;
}

static bool new_map(heed_maps *m, heed_map *map, const char *name, int64_t heads)
{
    *map = (heed_map){ .heads = heads, .reach = INT64_MIN, .number = -1 };
    map->name = heed__copy_text(m->allocator, name);
    map->labels = heed__allocate(m->allocator, 2 * sizeof *map->labels);
    if (map->labels)
        memset(map->labels, 0, 2 * sizeof *map->labels);
    if (map->name && map->labels)
        return true;
    free_map(m, map);
    return false;
}

double heed__seen(double weight)
{
    return isfinite(weight) && weight > 0 ? weight : 0;
}

static double *row_at(const heed_map *map, int64_t head, int64_t query)
{
    return map->rows + (query * map->heads + head) * (map->key_capacity + 1);
}

/* Weights to be added: a tensor's, or plain ones; [H, T, S] from a flat index on. */
typedef struct source {
    const heed_tensor *x;
    int64_t first;
    const double *weights;
    int64_t heads, queries, keys;
} source;

static double source_at(const source *s, int64_t i)
{
    return s->x ? heed_at(s->x, s->first + i) : s->weights[i];
}

static void add_rows(heed_map *map, const source *s)
{
    for (int64_t i = 0; i < s->queries; i++) {
        for (int64_t h = 0; h < s->heads; h++) {
            double *row = row_at(map, h, map->queries + i), sum = 0;
            for (int64_t j = 0; j < s->keys; j++) {
                row[1 + j] = source_at(s, (h * s->queries + i) * s->keys + j);
                sum += heed__seen(row[1 + j]);
                if (heed__seen(row[1 + j]) > 0 && j - map->queries - i > map->reach)
                    map->reach = j - map->queries - i;
            }
            row[0] = sum;
        }
    }
    map->queries += s->queries;
    map->keys = s->keys;
}

bool heed__maps_none(char *error, size_t error_size)
{
    return heed__say(error, error_size, "maps: there is no collection");
}

bool heed__maps_no_memory(const char *name, char *error, size_t error_size)
{
    return heed__say(error, error_size, "maps: %s: out of memory",
                     heed__quote(name, strlen(name)).text);
}

static bool append(heed_maps *m, heed_map *map, const source *s, char *error, size_t error_size)
{
    heed__quoted name = heed__quote(map->name, strlen(map->name));
    if (s->heads != map->heads)
        return heed__say(error, error_size,
                         "maps: %s has %" PRId64 " heads, and rows of %" PRId64
                         " heads cannot be added",
                         name.text, map->heads, s->heads);
    if (s->keys < map->keys)
        return heed__say(error, error_size,
                         "maps: %s has %" PRId64 " keys, and rows of only %" PRId64
                         " cannot be added",
                         name.text, map->keys, s->keys);
    if (s->queries > INT64_MAX - map->queries ||
        !reserve(m, map, map->queries + s->queries, s->keys))
        return heed__maps_no_memory(map->name, error, error_size);
    add_rows(map, s);
    return true;
}

/* Adds to the map of that name, or puts a new one in its place. */
static bool take(heed_maps *m, const char *name, const source *s, bool appending, char *error,
                 size_t error_size)
{
    if (s->heads < 0 || s->queries < 0 || s->keys < 0)
        return heed__say(error, error_size,
                         "maps: %s cannot have %" PRId64 " heads, %" PRId64
                         " queries and %" PRId64 " keys",
                         heed__quote(name, strlen(name)).text, s->heads, s->queries, s->keys);
    heed_map *old = heed__maps_find(m, name), map;
    if (old && appending)
        return append(m, old, s, error, error_size);
    heed_map *maps =
        heed__grow(m->allocator, m->maps, &m->capacity, m->count + 1, sizeof *maps);
    if (!maps)
        return heed__maps_no_memory(name, error, error_size);
    m->maps = maps;
    if (!new_map(m, &map, name, s->heads))
        return heed__maps_no_memory(name, error, error_size);
    if (!reserve(m, &map, s->queries, s->keys)) {
        free_map(m, &map);
        return heed__maps_no_memory(name, error, error_size);
    }
    add_rows(&map, s);
    old = heed__maps_find(m, name);
    if (old)
        free_map(m, old);
    else
        old = &m->maps[m->count++];
    *old = map;
    return true;
}

bool heed__maps_take(heed_maps *m, const char *name, const heed_tensor *weights, bool appending,
                     char *error, size_t error_size)
{
    source s = { .x = weights,
                 .heads = weights->shape[1],
                 .queries = weights->shape[2],
                 .keys = weights->shape[3] };
    return take(m, name, &s, appending, error, error_size);
}

heed_tensor *heed_maps_record(heed_maps *m, heed_tape *t, heed_tensor *weights,
                              const char *name, ...)
{
    char full[256], error[512], shape[HEED_MAX_NDIM * 21 + 8];
    if (!m || !weights || !t || heed_error(t))
        return weights;
    if (!name)
        return heed_fail(t, "maps: the name is NULL");
    va_list list;
    va_start(list, name);
    int length = vsnprintf(full, sizeof full, name, list);
    va_end(list);
    if (length < 0 || (size_t)length >= sizeof full)
        return heed_fail(t, "maps: the name %s... is too long", full);
    heed_shape found = heed_shape_of(weights);
    heed_shape_text(&found, shape, sizeof shape);
    int n = weights->ndim;
    if (n < 2 || n > 4)
        return heed_fail(
            t, "maps: %s: weights need shape [B, H, T, S], [H, T, S] or [T, S], got %s", full,
            shape);
    if (weights->dtype != HEED_F32 && weights->dtype != HEED_F64)
        return heed_fail(t, "maps: %s: weights are %s but must be f32 or f64", full,
                         heed_dtype_name(weights->dtype));
    int64_t example = m->options.example;
    if (n == 4 && (example < 0 || example >= weights->shape[0]))
        return heed_fail(t, "maps: %s: there is no example %" PRId64 " in weights %s", full,
                         example, shape);
    source s = { .x = weights,
                 .heads = n > 2 ? weights->shape[n - 3] : 1,
                 .queries = weights->shape[n - 2],
                 .keys = weights->shape[n - 1] };
    s.first = n == 4 ? example * s.heads * s.queries * s.keys : 0;
    if (!take(m, full, &s, m->options.append, error, sizeof error))
        return heed_fail(t, "%s", error);
    return weights;
}

/* Whether there is what plain numbers go to and come from. */
static bool given(const heed_maps *m, const char *name, const source *s, char *error,
                  size_t error_size)
{
    if (!m)
        return heed__maps_none(error, error_size);
    if (!name)
        return heed__say(error, error_size, "maps: the name is NULL");
    if (!s->weights && s->heads > 0 && s->queries > 0 && s->keys > 0)
        return heed__say(error, error_size, "maps: %s: the weights are NULL",
                         heed__quote(name, strlen(name)).text);
    return true;
}

bool heed_maps_add(heed_maps *m, const char *name, int64_t heads, int64_t queries, int64_t keys,
                   const double *weights, char *error, size_t error_size)
{
    source s = { .weights = weights, .heads = heads, .queries = queries, .keys = keys };
    return given(m, name, &s, error, error_size) && take(m, name, &s, false, error, error_size);
}

bool heed_maps_append_row(heed_maps *m, const char *name, int64_t heads, int64_t keys,
                          const double *row, char *error, size_t error_size)
{
    source s = { .weights = row, .heads = heads, .queries = 1, .keys = keys };
    return given(m, name, &s, error, error_size) && take(m, name, &s, true, error, error_size);
}

/* ---- reading ---- */

int heed_maps_count(const heed_maps *m)
{
    return m ? (int)m->count : 0;
}

const heed_map *heed_maps_at(const heed_maps *m, int index)
{
    return m && index >= 0 && (size_t)index < m->count ? &m->maps[index] : NULL;
}

const heed_map *heed_maps_find(const heed_maps *m, const char *name)
{
    return m && name ? heed__maps_find(m, name) : NULL;
}

const double *heed_map_row(const heed_map *map, int64_t head, int64_t query)
{
    if (!map || head < 0 || head >= map->heads || query < 0 || query >= map->queries)
        return NULL;
    return row_at(map, head, query) + 1;
}

double heed__row_sum(const heed_map *map, int64_t head, int64_t query)
{
    return *row_at(map, head, query);
}
