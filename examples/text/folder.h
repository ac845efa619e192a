/* Folders that programs keep models in, and files that are written whole. Knows the library's
 * text and file rooms and POSIX. */
#ifndef TEXT_FOLDER_H
#define TEXT_FOLDER_H

#include "text.h"

/* "FOLDER/NAME" into path; false and a sentence if that is too long. */
bool folder_path(char *path, size_t path_size, const char *folder, const char *name,
                 char *error, size_t error_size);

/* Makes the folder and those above it that are missing. */
bool folder_make(const char *folder, char *error, size_t error_size);

/* Of some files by their names: whether the folder holds one of them; and removing what a writer
 * of one that was killed has left half done. */
bool folder_holds(const char *folder, const char *const *names, size_t count);
void folder_sweep(const char *folder, const char *const *names, size_t count);

/* False and a sentence if a model is there already, config.json and model.safetensors; and
 * removing the two. */
bool folder_is_free(const char *folder, char *error, size_t error_size);
void folder_remove_model(const char *folder);

/* Replaces the file in one step, and frees the text; for a text that has failed there is no
 * memory. */
bool file_put_text(heed__text *text, const char *path, char *error, size_t error_size);

#endif
