/* The room of the safetensors format: eight bytes of header length, a JSON header, one buffer
 * of numbers. It knows file.h, json.h and text.h; it does not know tensors, so a reader copies
 * what it wants out of an entry.
 *
 * The reader takes what the format allows and nothing more. Beyond the reference implementation
 * it refuses a header that does not begin with '{', a key that occurs twice, numbers not in
 * plain form, more than eight axes, more than a million tensors, names of 0 or more than 4,096
 * bytes, NUL bytes in names or metadata, and BOOL bytes other than 0 and 1. A refusal names
 * file, tensor and reason, and no part of a refused file is returned. Numbers are little-endian
 * in the file and are not converted. */
#ifndef HEED_SAFETENSORS_H
#define HEED_SAFETENSORS_H

#include "memory.h"

#define HEED__SAFETENSORS_MAX_NDIM    8
#define HEED__SAFETENSORS_MAX_HEADER  100000000
#define HEED__SAFETENSORS_MAX_ENTRIES 1000000
#define HEED__SAFETENSORS_MAX_NAME    4096

/* In the format's own order: a writer puts later ones first, so that each tensor is aligned. */
typedef enum heed__safetensors_dtype {
    HEED__SAFETENSORS_BOOL,
    HEED__SAFETENSORS_F4,
    HEED__SAFETENSORS_F6_E2M3,
    HEED__SAFETENSORS_F6_E3M2,
    HEED__SAFETENSORS_U8,
    HEED__SAFETENSORS_I8,
    HEED__SAFETENSORS_F8_E5M2,
    HEED__SAFETENSORS_F8_E4M3,
    HEED__SAFETENSORS_F8_E8M0,
    HEED__SAFETENSORS_F8_E4M3FNUZ,
    HEED__SAFETENSORS_F8_E5M2FNUZ,
    HEED__SAFETENSORS_I16,
    HEED__SAFETENSORS_U16,
    HEED__SAFETENSORS_F16,
    HEED__SAFETENSORS_BF16,
    HEED__SAFETENSORS_I32,
    HEED__SAFETENSORS_U32,
    HEED__SAFETENSORS_F32,
    HEED__SAFETENSORS_C64,
    HEED__SAFETENSORS_F64,
    HEED__SAFETENSORS_I64,
    HEED__SAFETENSORS_U64,
    HEED__SAFETENSORS_DTYPES
} heed__safetensors_dtype;

const char *heed__safetensors_dtype_name(heed__safetensors_dtype dtype);
unsigned heed__safetensors_dtype_bits(heed__safetensors_dtype dtype); /* of one element */

typedef struct heed__safetensors_entry {
    const char *name;
    heed__safetensors_dtype dtype;
    int ndim; /* 0: one element */
    int64_t shape[HEED__SAFETENSORS_MAX_NDIM];
    const void
        *data;    /* row-major. A reader's may have any alignment: copy, do not dereference */
    size_t bytes; /* what dtype and shape amount to; the writer computes it itself */
} heed__safetensors_entry;

typedef struct heed__safetensors_pair {
    const char *key, *value;
} heed__safetensors_pair;

typedef struct heed__safetensors {
    const heed__safetensors_entry *entries; /* in the order of their data */
    size_t count;
    const heed__safetensors_pair *metadata; /* in the order of the file */
    size_t metadata_count;

    /* The reader's own. */
    const heed__safetensors_entry **by_name;
    char *names;
    unsigned char *file;
    size_t entry_capacity, pair_capacity, name_capacity, file_size;
    const heed_allocator *allocator;
} heed__safetensors;

/* Reads a file. Entries and metadata point into it and live until it is closed. */
bool heed__safetensors_open(const char *path, const heed_allocator *allocator,
                            heed__safetensors *file, char *error, size_t error_size);

/* The same from memory, which must outlive *file. `name` stands for the path in sentences. */
bool heed__safetensors_parse(const char *name, const void *bytes, size_t size,
                             const heed_allocator *allocator, heed__safetensors *file,
                             char *error, size_t error_size);

/* NULL if there is none of that name. */
const heed__safetensors_entry *heed__safetensors_find(const heed__safetensors *file,
                                                      const char *name);
const char *heed__safetensors_metadata(const heed__safetensors *file, const char *key);

void heed__safetensors_close(heed__safetensors *file);

/* Writes a file in one step (see file.h), byte for byte as Python's save_file does: tensors by
 * dtype from the last to the first and then by name, compact JSON, a header padded with blanks
 * to a multiple of 8. Metadata, whose order Python leaves to chance, goes by key. Names must
 * differ. */
bool heed__safetensors_write(const char *path, const heed__safetensors_entry *entries,
                             size_t count, const heed__safetensors_pair *metadata,
                             size_t metadata_count, const heed_allocator *allocator,
                             char *error, size_t error_size);

/* *bytes = what a tensor of that dtype and shape occupies. False, with the reason in *why, if
 * that does not fit in memory, is no whole number of bytes, or an extent is negative. */
bool heed__safetensors_extent(heed__safetensors_dtype dtype, int ndim, const int64_t *shape,
                              size_t *bytes, const char **why);

#endif
