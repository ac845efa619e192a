/* checkpoint.safetensors: all that a run needs to go on with the same bits, in one file that
 * is replaced in one go. Parameters are under "model.", AdamW's moments and step count under
 * "optimizer."; the metadata holds the step, the settings, the tokenizer and what tells the
 * text from another. Random numbers, batches and the schedule are functions of seed and step
 * and need no more. */
#ifndef GPT_CHECKPOINT_H
#define GPT_CHECKPOINT_H

#include "run.h"

/* Writes the checkpoint and then the exports that `sample` and `eval` read (model.h). */
bool checkpoint_save(gpt_run *run, char *error, size_t error_size);

/* Opens a folder's checkpoint and reads step, settings and tokenizer into run; the settings
 * into `stored`. The text's size and hash are checked by checkpoint_is_of. */
heed_archive *checkpoint_open(gpt_run *run, gpt_config *stored, const char *folder, char *error,
                              size_t error_size);
bool checkpoint_is_of(const heed_archive *archive, const gpt_text *text);
/* Reads parameters and moments once run has a model and an optimizer. */
bool checkpoint_restore(gpt_run *run, heed_archive *archive, char *error, size_t error_size);

/* Whether a folder holds something of a run, which must not be overwritten. */
bool checkpoint_in_the_way(const char *folder);
/* Takes all of it away, and the folder if it was made and nothing else is in it. */
void checkpoint_undo(const char *folder, bool made);
/* Removes what a writer that was killed has left half done. */
void checkpoint_sweep(const char *folder);

#endif
