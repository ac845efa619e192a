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
/* The same; *made: it was not there. */
bool folder_make_own(const char *folder, bool *made, char *error, size_t error_size);

/* Of some files by their names: whether the folder holds one of them; removing what a writer of
 * one that was killed has left half done; and removing them all, and the folder if it was made
 * and nothing else is in it. */
bool folder_holds(const char *folder, const char *const *names, size_t count);
void folder_sweep(const char *folder, const char *const *names, size_t count);
void folder_undo(const char *folder, bool made, const char *const *names, size_t count);

/* The same of the files of a model: config.json, model.safetensors and vocabulary.json. False and
 * a sentence if one is there already. */
bool folder_is_free(const char *folder, char *error, size_t error_size);
void folder_undo_model(const char *folder, bool made);

/* Before long work for a picture: whether the option --NAME names a file .svg, and whether such a
 * file can be written, which writes none. */
bool file_is_picture(const char *path, const char *name, char *error, size_t error_size);
bool file_can_be_written(const char *path, char *error, size_t error_size);

/* Replaces the file in one step, and frees the text; for a text that has failed there is no
 * memory. */
bool file_put_text(heed__text *text, const char *path, char *error, size_t error_size);

#endif
