/* What the files of inspect.h share: the collection's insides, text fit to be shown, and
 * writing it to a path. */
#ifndef HEED_INSPECT_PARTS_H
#define HEED_INSPECT_PARTS_H

#include "inspect.h"

#include "../core/text.h"

typedef struct heed__labels {
    int64_t count;
    char **text;
} heed__labels;

enum { HEED__QUERIES, HEED__KEYS };

struct heed_maps {
    heed_maps_options options;
    const heed_allocator *allocator;
    heed_allocator own;
    char *title;
    heed_map *maps;
    size_t count, capacity;
};

/* A copy that is UTF-8: what is none in `string` becomes U+FFFD. NULL: no memory. */
char *heed__copy_text(const heed_allocator *allocator, const char *string);
void heed__free_text(const heed_allocator *allocator, const char *text);
void heed__free_labels(const heed_allocator *allocator, heed__labels *labels);
/* Always false. */
bool heed__maps_none(char *error, size_t error_size);
bool heed__maps_no_memory(const char *name, char *error, size_t error_size);

heed_map *heed__maps_find(const heed_maps *m, const char *name);
/* Adds weights [1, H, T, S] to the map of that name, or puts a new one in its place. */
bool heed__maps_take(heed_maps *m, const char *name, const heed_tensor *weights, bool appending,
                     char *error, size_t error_size);

/* What a weight counts for. */
double heed__seen(double weight);
/* The sum of what a row's weights count for. */
double heed__row_sum(const heed_map *map, int64_t head, int64_t query);
bool heed__map_causal(const heed_map *map);

/* A map shown in at most `most` rows and columns: each cell stands for `step` of them, and
 * holds the largest weight there (NaN if one is not finite). */
typedef struct heed__grid {
    const heed_map *map;
    int64_t head, step, rows, columns;
} heed__grid;
heed__grid heed__grid_of(const heed_map *map, int64_t head, int64_t most);
double heed__grid_at(const heed__grid *grid, int64_t row, int64_t column);
/* The largest weight of the head; 0 if it has none. */
double heed__map_largest(const heed_map *map, int64_t head);

/* A label as it can be shown in one line: line feed and tab as arrows, other controls as their
 * pictures (U+2400 ..), blanks alone as U+2423, at most `width` columns wide, the last one then
 * an ellipsis. No label: the number. */
typedef struct heed__shown {
    char text[280];
    int width; /* columns that it takes */
} heed__shown;
heed__shown heed__show(const char *label, int64_t number, int width);

/* Adds text to XML or HTML. */
void heed__put_escaped(heed__text *text, const char *string);
/* Adds a collection as a JSON value, weights to so many digits (0: all). */
void heed__put_maps(heed__text *text, const heed_maps *m, int digits);

/* Whether there are a collection and a path to write it to. */
bool heed__maps_writable(const heed_maps *m, const char *path, char *error, size_t error_size);
/* Writes the text to path, in one step, and frees it. */
bool heed__write_text(heed__text *text, const char *path, char *error, size_t error_size);

/* The parts of the page; the script ends in NULL. */
extern const char heed__page_style[], heed__page_body[];
extern const char *const heed__page_script[];

#endif
