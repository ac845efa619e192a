/* A training run in memory: settings, tokens, model, optimizer and the step it has reached.
 * Knows all that a run is made of, and not how it proceeds. */
#ifndef GPT_RUN_H
#define GPT_RUN_H

#include "config.h"
#include "data.h"
#include "model.h"

#include <heed/optim.h>

typedef struct gpt_run {
    gpt_config config;
    gpt_text text;
    gpt_part train, held_out;
    gpt_model model;
    heed_optimizer *optimizer;
    int64_t step;         /* steps taken */
    int64_t stored_steps; /* on resume: --steps as the checkpoint has it; else 0 */
} gpt_run;

/* Starts a run in a folder that holds none yet. run->config is given; on failure run_close
 * still is the caller's. */
bool run_begin(gpt_run *run, char *error, size_t error_size);

/* Continues the run of a folder: run->config is the command line, `given` its table after
 * parsing. *usage tells a mistake in the options from one in the world. */
bool run_resume(gpt_run *run, const option *given, size_t given_size, bool *usage, char *error,
                size_t error_size);

void run_close(gpt_run *run);

/* Bytes that training needs at about most, data included; -1 if that is beyond counting. */
int64_t run_memory(const gpt_run *run);

heed_schedule run_schedule(const gpt_run *run);

#endif
