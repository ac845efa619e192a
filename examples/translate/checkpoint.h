/* checkpoint.safetensors: all that a training run needs to go on with the same bits, in one file
 * that is replaced in one go. Parameters are under "model.", Adam's moments and step count under
 * "optimizer.", how far the run is in "progress"; the metadata holds the settings and what tells
 * the pairs from others. Vocabularies are learned again, and batches, random numbers and rates
 * are functions of settings and step. */
#ifndef TRANSLATE_CHECKPOINT_H
#define TRANSLATE_CHECKPOINT_H

#include "training.h"

bool checkpoint_save(training *w, char *error, size_t error_size);

/* Opens that of a folder and reads the settings; the caller's are both. NULL: neither is. */
heed_archive *checkpoint_open(const char *folder, settings *stored, char *error,
                              size_t error_size);
/* Whether it is of these pairs. */
bool checkpoint_is_of(const heed_archive *archive, const corpus *c);
/* Reads parameters, moments and progress once w has model, optimizer and batches. */
bool checkpoint_restore(training *w, heed_archive *archive, char *error, size_t error_size);

/* Whether a folder holds nothing of a run, which must not be overwritten; if not, a sentence that
 * says what can be done. Taking all of it away, and the folder if it was made and nothing else is
 * in it; and what a writer that was killed has left half done. */
bool checkpoint_folder_is_free(const char *folder, char *error, size_t error_size);
void checkpoint_undo(const char *folder, bool made);
void checkpoint_sweep(const char *folder);

#endif
