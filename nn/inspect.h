/* Looking inside attention: a collection of the weights that layers gave their keys, measures
 * of every head with warnings, and the same as a table, CSV, JSON, SVG, one HTML page, or
 * characters in a terminal.
 *
 *     heed_maps *m = heed_maps_new((heed_maps_options){ .title = "translation" });
 *     heed_maps_watch(m, t);
 *     ... any forward pass, in training too ...
 *     heed_maps_watch(NULL, t);
 *     heed_maps_label(m, "*", T, tokens, S, tokens, error, sizeof error);
 *     heed_maps_print(m, stdout);
 *     heed_maps_write_html(m, "attention.html", error, sizeof error);
 *     heed_maps_free(m);
 *
 * Modules know nothing of maps. What they compute by heed_attention is seen by itself, from the
 * fused kernel too; a module that makes weights otherwise, as alignment does, gives them to
 * heed_attention_show. */
#ifndef HEED_INSPECT_H
#define HEED_INSPECT_H

#include <heed/heed.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the collection ---- */

/* Where warnings begin; 0 is the default, a negative number is never. */
typedef struct heed_thresholds {
    double uniform;      /* least relative entropy of a row, from here up; default 0.98 */
    double concentrated; /* mean relative entropy, up to here; default 0.05 */
    double sink;         /* share of one key, above this; default 0.5 */
} heed_thresholds;

typedef struct heed_maps_options {
    const char *title; /* of SVG and HTML; NULL: "Attention" */
    int64_t example;   /* which one of a batch is kept */
    /* Rows are added to the map of that name, for decoding step by step. Otherwise a new one
     * takes that map's place, so that the last forward pass is what is kept. */
    bool append;
    heed_thresholds thresholds;
    const heed_allocator *allocator;
} heed_maps_options;

/* The weights of a layer's heads, [H, T, S]: T queries by S keys. */
typedef struct heed_map {
    const char *name;
    int64_t heads, queries, keys;
    /* ---- internal ---- */
    double *rows; /* [T, H, 1 + capacity]: a row's sum and then its weights */
    int64_t row_capacity, key_capacity;
    int64_t reach; /* the largest j - i that has weight */
    /* Where a watch has it from: the tape, and the attention's number there; -1: from an earlier
     * pass, or not from a watch. */
    const heed_tape *tape;
    int64_t number;
    bool steps;                  /* of queries one at a time */
    struct heed__labels *labels; /* of queries, of keys */
} heed_map;

typedef struct heed_maps heed_maps;
HEED_API heed_maps *heed_maps_new(heed_maps_options options); /* NULL: out of memory */
HEED_API void heed_maps_free(heed_maps *m);
HEED_API void heed_maps_clear(heed_maps *m); /* forgets all maps */

/* The switch: from now on every attention computed on t puts its weights, before dropout, in m;
 * m NULL ends it. End it before m is freed. Results, gradients and random draws keep their bits;
 * without a switch nothing is computed or kept. Weights that cannot be kept (no memory, no such
 * example) fail the tape.
 *
 * A map is called by the tape's scopes, "blocks.0.attention", or "attention" outside all of
 * them; the second one there in one pass is "attention#2". A pass ends with heed_tape_reset,
 * with heed_rewind to before it (not with heed_return), and with the next heed_maps_watch: what
 * is seen then takes the place of the last pass's maps, or adds rows to them if options.append
 * says so. The steps of a decoder (HEED_QUERIES_FIRST, then HEED_QUERIES_MORE: attention with a
 * cache, heed_align_step with one query) add rows within a pass as well: one map for a search,
 * and for the next one in the same pass another, "attention#2". */
HEED_API void heed_maps_watch(heed_maps *m, heed_tape *t);
/* Notes weights [B, H, T, S] (of one example), [H, T, S] or [T, S], f32 or f64, under a name
 * and returns them. m NULL: only returns them. */
HEED_API heed_tensor *heed_maps_record(heed_maps *m, heed_tape *t, heed_tensor *weights,
                                       const char *name, ...) HEED_PRINTF(4, 5);
/* The same from plain numbers [H, T, S], in place of a map of that name. False, and one
 * sentence in error, for sizes that do not fit, or no memory; what was there stays. */
HEED_API bool heed_maps_add(heed_maps *m, const char *name, int64_t heads, int64_t queries,
                            int64_t keys, const double *weights, char *error,
                            size_t error_size);
/* One more query: a row [H, S]. S may be larger than before (earlier queries give weight 0 to
 * later keys) and never smaller. The first row makes the map. */
HEED_API bool heed_maps_append_row(heed_maps *m, const char *name, int64_t heads, int64_t keys,
                                   const double *row, char *error, size_t error_size);
/* Names the queries and keys (UTF-8, copied; bytes that are not become U+FFFD) of every map
 * whose name matches: "blocks.*"; * is any bytes, ? one byte. Labels NULL leave that side as it
 * is.
 * False when no map matches or one has another number of them. */
HEED_API bool heed_maps_label(heed_maps *m, const char *pattern, int64_t queries,
                              const char *const *query_labels, int64_t keys,
                              const char *const *key_labels, char *error, size_t error_size);

/* In the order in which names were seen first. */
HEED_API int heed_maps_count(const heed_maps *m);
HEED_API const heed_map *heed_maps_at(const heed_maps *m, int index);
HEED_API const heed_map *heed_maps_find(const heed_maps *m, const char *name); /* or NULL */

/* S weights of a query, as they were recorded; NULL outside the map. */
HEED_API const double *heed_map_row(const heed_map *map, int64_t head, int64_t query);
HEED_API const char *heed_map_query(const heed_map *map, int64_t query); /* NULL: no label */
HEED_API const char *heed_map_key(const heed_map *map, int64_t key);

/* ---- measures ----
 *
 * Of p_ij = w_ij / sum_j w_ij. A weight that is negative or not finite counts as 0. Rows whose
 * sum is 0 see nothing and are left out; a mean is over the others, and NaN if there are none.
 *
 * A map is causal if T >= 2 and S >= T and no head gives weight to a key j > i + S - T: query i
 * then stands at key position x_i = i + S - T and has n_i = x_i + 1 keys to choose from.
 * Otherwise x_i = i and n_i = S. Rows with n_i = 1 have no choice: relative_entropy,
 * least_entropy and sink leave them out. */
typedef struct heed_head {
    int64_t rows;       /* that see something */
    int64_t blind;      /* that see nothing */
    int64_t not_finite; /* weights */
    bool causal;
    double entropy;          /* mean of H_i = -sum_j p_ij ln p_ij, nats */
    double relative_entropy; /* mean of H_i / ln n_i, 0 .. 1 */
    double least_entropy;    /* the least H_i / ln n_i */
    double confidence;       /* mean of max_j p_ij: Voita et al. 2019 */
    double largest;          /* max_ij p_ij */
    double span;             /* mean of e^H_i: how many keys share the weight */
    double distance;         /* mean of sum_j p_ij |x_i - j|: Vig, Belinkov 2019 */
    /* 1 - mean of sum_j p_ij |r_i - j/(S - 1)|, with r_i = x_i/(S - 1) if causal, else
     * i/(T - 1): 1 on the diagonal, about 2/3 if uniform. */
    double diagonality;
    /* Of pairs of rows one after the other: the share whose centre sum_j j p_ij does not move
     * back (by more than S/10^6). */
    double monotonicity;
    double sink;      /* the largest max_j of mean_i p_ij, the share of one key, */
    int64_t sink_key; /* and which; -1: none */
    /* Means over the other heads of the map; NaN for the only one. */
    double cosine, divergence;
} heed_head;
HEED_API heed_head heed_map_measure(const heed_map *map, int64_t head);

/* Of two heads, of one map or of two with equal T and S (NaN otherwise): means over the rows in
 * which both see something of
 *   cosine      sum_j p_ij q_ij / (|p_i| |q_i|), 0 .. 1
 *   divergence  Jensen and Shannon's, of p_i and q_i, 0 .. ln 2 nats: Lin 1991 */
typedef struct heed_similarity {
    double cosine, divergence;
} heed_similarity;
HEED_API heed_similarity heed_map_similarity(const heed_map *a, int64_t head_a,
                                             const heed_map *b, int64_t head_b);

enum {
    HEED_HEAD_UNIFORM = 1,      /* looks at nothing in particular in any row: dead */
    HEED_HEAD_CONCENTRATED = 2, /* entropy collapse: Zhai et al. 2023 */
    HEED_HEAD_SINK = 4,         /* one key takes the weight of most rows: Xiao et al. 2023 */
    HEED_HEAD_BLIND = 8,        /* some row sees nothing */
    HEED_HEAD_NOT_FINITE = 16   /* some weight is infinite or NaN */
};
/* Which of these a head deserves, or-ed. */
HEED_API unsigned heed_head_warnings(const heed_head *h, const heed_thresholds *thresholds);
/* "uniform, blind" into text (always terminated); returns text. */
HEED_API char *heed_warnings_text(unsigned warnings, char *text, size_t size);

/* A table, one line a head. */
HEED_API void heed_maps_print(const heed_maps *m, FILE *file);
/* A head as shades of characters, a row a query: darker is more, up to its largest weight. More
 * than 60 queries or keys: a shade is the largest of several. ascii: no UTF-8 but labels. */
HEED_API void heed_map_draw(const heed_map *map, int64_t head, bool ascii, FILE *file);

/* ---- files ----
 *
 * Written whole or not at all: false, one sentence in error, and nothing changed. */

/* map,head,query,query_label,key,key_label,weight; a line for each weight, which is empty if
 * not finite. */
HEED_API bool heed_maps_write_csv(const heed_maps *m, const char *path, char *error,
                                  size_t error_size);
/* {"title", "maps": [{"name", "queries": T, "keys": S, "query_labels", "key_labels": [...] or
 * null, "heads": [{"measures": {...}, "warnings": [...], "weights": [[...]]}]}]}; null is what
 * is not finite. */
HEED_API bool heed_maps_write_json(const heed_maps *m, const char *path, char *error,
                                   size_t error_size);
/* A heat map for each head: maps below each other, heads side by side, one scale of colours. */
HEED_API bool heed_maps_write_svg(const heed_maps *m, const char *path, char *error,
                                  size_t error_size);
/* One page that needs nothing else: heads to choose from, tokens joined by lines, numbers under
 * the pointer. */
HEED_API bool heed_maps_write_html(const heed_maps *m, const char *path, char *error,
                                   size_t error_size);

#ifdef __cplusplus
}
#endif

#endif
