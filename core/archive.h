/* The insides of heed_archive, for archive.c, which keeps arrays and notes, and params_file.c
 * and params_partial.c, which move whole sets of parameters in and out of one. */
#ifndef HEED_ARCHIVE_H
#define HEED_ARCHIVE_H

#include "params.h"
#include "safetensors.h"
#include "text.h"

#define HEED__SENTENCE 512

/* One array. `stored` and `bytes` are what the file holds or will hold; `entry` is what heed
 * makes of it, with data NULL and the reason in `trouble` where it can make nothing of it. */
typedef struct heed__item {
    heed_entry entry;
    heed__safetensors_dtype stored;
    const void *bytes;
    const char *trouble;
    void *copy; /* converted or aligned numbers */
    size_t copy_bytes;
    char *name; /* own copy, of an added one */
} heed__item;

struct heed_archive {
    const heed_allocator *allocator;
    heed_allocator own;
    heed__item *items; /* first those of the file, in its order, then the added ones */
    size_t count, capacity;
    heed__safetensors_pair *notes; /* added ones */
    size_t note_count, note_capacity;
    heed__safetensors file; /* empty unless opened */
    char *path;             /* of the opened file, NULL otherwise */
    char *error; /* HEED__SENTENCE bytes; the first failure to build, else the last to read */
    bool failed;
};

/* Records the first failure to build; false. */
bool heed__archive_fail(heed_archive *archive, const char *what, const char *why);
/* The item of that name, readable or not; NULL: there is none. */
const heed__item *heed__archive_item(const heed_archive *archive, const char *name);
/* What sentences call it: the file's path, or "archive". */
const char *heed__archive_name(const heed_archive *archive);
/* "f32 [2,3]" into text: dtype in heed's words where it reads it, else in the format's. */
#define HEED__DESCRIPTION (HEED_MAX_NDIM * 21 + 32)
char *heed__item_text(const heed__item *it, char text[HEED__DESCRIPTION]);

/* prefix + name into text; NULL: out of memory. */
const char *heed__archive_key(heed__text *text, const char *prefix, const char *name);
/* Whether the item (NULL: there is none) can be copied over the parameter. */
bool heed__item_fits(const heed__item *it, const heed_parameter *p);

#endif
