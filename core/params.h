/* Parameters: a named set of trainable arrays that outlives every tape, with its gradients,
 * files and carried state.
 *
 * Parameters live in chunks that never move, in order of registration, each with flags.
 * Gradients and an optimizer's moments exist for trainable ones only and are laid out in the
 * same order, so an optimizer walks a few long runs of memory instead of many tensors.
 *
 * A set keeps its own first error as a sentence; using a failed set fails the tape. */
#ifndef HEED_PARAMS_H
#define HEED_PARAMS_H

#include "heed.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEED_FROZEN = 1, /* no gradient is computed */
    HEED_DECAY = 2,  /* weight decay applies (by custom: matrices, not biases and norms) */
    HEED_BUFFER = 4, /* saved with the set but never trained */
    /* A matrix that heed_linear_forward alone multiplies by, so that what stands beside it
     * there (lora.h) is never passed by. */
    HEED_ADAPTABLE = 8
};

struct heed_parameter {
    const char *name; /* dotted path: "blocks.0.attention.q.weight" */
    heed_dtype dtype;
    heed_shape shape;
    int64_t size;
    void *data; /* row-major, never moves */
    unsigned flags;
    /* ---- internal ---- */
    heed_params *set;
    int index;
    struct heed__adapter *adapter; /* of a linear layer's weight, or NULL */
};

/* dtype: HEED_F32 or HEED_F64. allocator NULL: the C library's. NULL: out of memory. */
HEED_API heed_params *heed_params_new(heed_dtype dtype, const heed_allocator *allocator);
HEED_API void heed_params_free(heed_params *ps);
HEED_API const char *heed_params_error(const heed_params *ps);
HEED_API heed_parameter *heed_params_fail(heed_params *ps, const char *format, ...)
    HEED_PRINTF(2, 3);
/* Forgets the error, and the scopes still open when it happened: after a file could not be
 * loaded, say. */
HEED_API void heed_params_clear_error(heed_params *ps);
HEED_API heed_dtype heed_params_dtype(const heed_params *ps);

/* Names given between these two are prefixed "name.". */
HEED_API void heed_params_scope(heed_params *ps, const char *name);
HEED_API void heed_params_scope_end(heed_params *ps);
HEED_API bool heed_params_scoped(const heed_params *ps); /* is one open? */

/* A new parameter of zeros under the current scope. NULL on a failed set, a name already taken,
 * or no memory. */
HEED_API heed_parameter *heed_parameter_new(heed_params *ps, const char *name, heed_shape shape,
                                            unsigned flags);
/* Zeroed memory for count things of so many bytes, which lives as long as the set: for what a
 * module needs several of. NULL on a failed set or for want of memory, which fails the set. */
HEED_API void *heed_params_keep(heed_params *ps, int64_t count, size_t size);
HEED_API int heed_params_count(const heed_params *ps);
HEED_API heed_parameter *heed_params_at(const heed_params *ps, int index);
/* or NULL */
HEED_API heed_parameter *heed_params_find(const heed_params *ps, const char *name);
HEED_API int64_t heed_params_size(const heed_params *ps); /* scalars, buffers not counted */
/* scalars neither frozen nor buffers */
HEED_API int64_t heed_params_trainable(const heed_params *ps);
/* Freezes or thaws every parameter whose whole name matches the pattern, in which * stands for
 * any characters, none and dots included, and ? for one, and which a ! in front turns round:
 * "blocks.*", "*.bias", "blocks.?.norm_*", "!head.*". Returns how many; a pattern NULL fails the
 * set. */
HEED_API int heed_params_freeze(heed_params *ps, const char *pattern, bool frozen);
/* Row-major values in the set's dtype; false and an error when there is no such name or the
 * count is off. */
HEED_API bool heed_params_get(heed_params *ps, const char *name, int64_t count, void *values);
HEED_API bool heed_params_set(heed_params *ps, const char *name, int64_t count,
                              const void *values);

/* The parameter as a tensor of this tape's step: always the same one within a step. */
HEED_API heed_tensor *heed_use(heed_tape *t, heed_parameter *p);
/* From now on heed_use(t, p) for p of `from` gives the like-named parameter of `to` (NULL,
 * NULL: ends). Comes before the first heed_use of a step. */
HEED_API bool heed_shadow(heed_tape *t, const heed_params *from, heed_params *to);
/* A copy of names, values and flags in another dtype. NULL: out of memory. */
HEED_API heed_params *heed_params_copy(const heed_params *ps, heed_dtype dtype);

/* ---- gradients ---- */

/* The set's own gradients, made at first use; NULL: out of memory or a failed set. */
HEED_API heed_gradients *heed_params_gradients(heed_params *ps);
/* Another one, for a second tape. */
HEED_API heed_gradients *heed_gradients_new(heed_params *ps);
HEED_API void heed_gradients_free(heed_gradients *g);
HEED_API void heed_gradients_zero(heed_gradients *g);
/* g += other, in order of parameters. False, with nothing changed, when the sets differ, one of
 * them is incomplete, or memory for parameters new to g is short. */
HEED_API bool heed_gradients_add(heed_gradients *g, const heed_gradients *other);
/* The parameter's gradient, row-major in the set's dtype, to read or write; NULL for a frozen
 * one or a buffer. The address holds until the next sweep, zero or step: ask again then. */
HEED_API void *heed_gradients_of(const heed_gradients *g, const heed_parameter *p);
/* sqrt(sum of all squares), in f64 and in a fixed order. */
HEED_API double heed_gradients_norm(const heed_gradients *g);
HEED_API void heed_gradients_scale(heed_gradients *g, double factor);
/* False once a sweep that failed has left them half done; only heed_gradients_zero mends that.
 */
HEED_API bool heed_gradients_complete(const heed_gradients *g);

/* ---- files: safetensors, as PyTorch and NumPy users open them ---- */

/* Writes every parameter and buffer to path (temporary name, sync, rename) with notes as
 * metadata: key, value, key, value, ..., NULL; notes may be NULL. */
HEED_API bool heed_params_save(heed_params *ps, const char *path, const char *const *notes);
/* Reads every parameter from path; names, shapes and dtypes must match exactly. On error no
 * value in the set has changed, and the set's error names the file, the parameter, and what was
 * expected and found. */
HEED_API bool heed_params_load(heed_params *ps, const char *path);
/* The same for those parameters alone whose names match the pattern, at least one; what else a
 * file holds is left aside. Loading is as strict: of the names that match, set and file must
 * have the same. */
HEED_API bool heed_params_save_matching(heed_params *ps, const char *path, const char *pattern,
                                        const char *const *notes);
HEED_API bool heed_params_load_matching(heed_params *ps, const char *path, const char *pattern);

/* What loading a file into a set that it need not match came to, parameter by parameter. */
typedef enum heed_load_outcome {
    HEED_LOADED,
    HEED_MISSING, /* in the set and not in the file: keeps its value */
    HEED_UNFIT,   /* in both, of another shape or dtype: keeps its value */
    HEED_UNKNOWN  /* in the file and not in the set */
} heed_load_outcome;
typedef struct heed_load_line {
    heed_load_outcome outcome;
    const char *name;     /* without the prefix */
    const char *expected; /* "f32 [2,3]": what the set has; empty where it has none */
    const char *found;    /* likewise the file */
} heed_load_line;
typedef struct heed_load_report {
    int count; /* the set's parameters in their order, then what is unknown to it */
    const heed_load_line *lines;
    int loaded, missing, unfit, unknown; /* how many of each */
    /* ---- internal ---- */
    heed_allocator allocator;
    char *text;
    size_t text_bytes, line_bytes;
} heed_load_report;
/* Reads from path what fits, by name, and leaves the rest of the set as it is. False, with no
 * value changed, when the file is broken or memory is short; the set's error says which.
 * report: NULL, or to be freed. */
HEED_API bool heed_params_load_partial(heed_params *ps, const char *path,
                                       heed_load_report *report);
/* Everything that was not simply loaded, a line each, and the totals. */
HEED_API void heed_load_report_print(const heed_load_report *report, FILE *file);
HEED_API void heed_load_report_free(heed_load_report *report);

/* A set of named arrays and notes to be written as one file, or read from one. */
typedef struct heed_archive heed_archive;
typedef struct heed_entry {
    const char *name;
    heed_dtype dtype;
    heed_shape shape;
    const void *data;
} heed_entry;
HEED_API heed_archive *heed_archive_new(const heed_allocator *allocator);
HEED_API heed_archive *heed_archive_open(const char *path, const heed_allocator *allocator,
                                         char *error, size_t error_size);
HEED_API void heed_archive_free(heed_archive *archive);
/* data is borrowed until the archive is saved; name and note are copied. The first failure
 * sticks: later additions do nothing and the archive is not saved. What was opened may be added
 * to and saved too. */
HEED_API bool heed_archive_add(heed_archive *archive, const char *name, heed_dtype dtype,
                               heed_shape shape, const void *data);
HEED_API bool heed_archive_note(heed_archive *archive, const char *key, const char *value);
/* Every parameter as "prefix" + its name; prefix NULL: none, here and below. */
HEED_API bool heed_archive_add_params(heed_archive *archive, const char *prefix,
                                      heed_params *ps);
HEED_API bool heed_archive_save(heed_archive *archive, const char *path);
HEED_API const char *heed_archive_error(const heed_archive *archive);
/* NULL if there is none of that name, or if it is of a dtype heed does not read (f16, ...),
 * which heed_archive_error then says; i64 is given as i32 where every number fits. */
HEED_API const heed_entry *heed_archive_find(const heed_archive *archive, const char *name);
/* or NULL */
HEED_API const char *heed_archive_note_of(const heed_archive *archive, const char *key);
/* Copies "prefix" + name of every parameter into ps, all or nothing, as strictly as
 * heed_params_load; what lies outside the prefix is left aside. The sentence of a failure is
 * the archive's error and the set's. */
HEED_API bool heed_archive_get_params(heed_archive *archive, const char *prefix,
                                      heed_params *ps);

/* The same of what fits only, as heed_params_load_partial does. */
HEED_API bool heed_archive_get_partial(heed_archive *archive, const char *prefix,
                                       heed_params *ps, heed_load_report *report);

/* ---- state: what a model carries from call to call (caches, recurrent state) ---- */

/* A growing array whose only changes are append and assign. Values on tapes that view it stay
 * valid until the state is cleared, assigned or freed. */
typedef struct heed_state heed_state;
HEED_API heed_state *heed_state_new(const heed_allocator *allocator);
HEED_API void heed_state_free(heed_state *state);
HEED_API void heed_state_clear(heed_state *state);
/* Appends x along axis and returns all that is held so far as a view. Room for `capacity`
 * positions along the axis (0: for those of x) is made at first; going beyond it is an error.
 * Not differentiable. */
HEED_API heed_tensor *heed_state_append(heed_tape *t, heed_state *state, heed_tensor *x,
                                        int axis, int64_t capacity);
HEED_API bool heed_state_assign(heed_tape *t, heed_state *state, heed_tensor *x);
/* NULL and an error if empty */
HEED_API heed_tensor *heed_state_value(heed_tape *t, heed_state *state);
/* positions along the appended axis */
HEED_API int64_t heed_state_length(const heed_state *state);

#ifdef __cplusplus
}
#endif

#endif
