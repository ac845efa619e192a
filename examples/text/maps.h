/* Attention maps in programs: tokens as labels, and files by their endings. Knows the library's
 * text room and maps. */
#ifndef TEXT_MAPS_H
#define TEXT_MAPS_H

#include "text.h"

#include <heed/inspect.h>

/* What options call a file of maps. */
#define MAPS_FILE "FILE.html|.svg|.csv|.json"

typedef struct token_labels {
    heed__text texts; /* one after the other, each with its 0 */
    size_t count;
    const char **labels; /* made by token_labels_of */
} token_labels;

/* One more token, without the space that a word begins with; a space alone is shown, and so is a
 * byte 0. */
void token_labels_add(token_labels *l, const char *bytes, size_t size);
/* [count], until the next token; NULL: no memory. */
const char *const *token_labels_of(token_labels *l);
void token_labels_free(token_labels *l);

/* Whether the name ends in one of the four; false and a sentence if not. */
bool maps_file_known(const char *path, char *error, size_t error_size);
bool maps_file_write(const heed_maps *m, const char *path, char *error, size_t error_size);

#endif
