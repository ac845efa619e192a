/* A training run in memory: settings, pairs, batches, model, optimizer, and how far it has come;
 * new, or from the checkpoint in its folder. Knows all that a run is made of, and not how it
 * proceeds. */
#ifndef TRANSLATE_TRAINING_H
#define TRANSLATE_TRAINING_H

#include "judge.h"

#include <heed/optim.h>
#include <heed/training.h>

/* How far a run has come. Everything else that a step needs is a function of settings and step:
 * batches, random numbers, rates. */
typedef struct training_progress {
    int64_t step;   /* taken */
    int64_t judged; /* the step after which the dev part was judged last */
    double loss;    /* sum over the steps of the epoch that is under way */
    double metric;  /* token accuracy of the dev part after the last whole epoch, or NaN */
    heed_stopping stopping;
} training_progress;

typedef struct training {
    translator m;
    corpus corpus;
    pair_ids pairs;
    heed_batches *batches;
    heed_optimizer *optimizer;
    heed_schedule schedule;
    heed_forcing forcing;
    training_progress progress;
    int64_t stored_epochs; /* of a run that goes on: --epochs as it was; else 0 */
    /* In this start of the program: the folder is this run's to write to, it was not there, and
     * it has got a model. */
    bool opened, made_folder, kept;
} training;

/* How the dev part is judged. */
extern const judge_options training_judging;

/* A new run in a folder that holds none. w->m.settings is given and sound; on failure
 * training_close still is the caller's. */
bool training_begin(training *w, char *error, size_t error_size);

/* Continues the run of a folder: w->m.settings is the command line, `given` its table after
 * parsing. *usage tells a mistake in the options from one in the world. */
bool training_resume(training *w, const option *given, size_t given_size, bool *usage,
                     char *error, size_t error_size);

void training_close(training *w);

/* Takes the files away that a new run has made, and the folder. */
void training_undo(const training *w);

int64_t training_steps(const training *w); /* of all epochs */
int64_t training_epoch(const training *w); /* of the last step taken, from 1; 0 before it */
/* Whether the steps so far make whole epochs the last of which has not been judged. */
bool training_epoch_ended(const training *w);
/* Whether nothing is left to be done, for want of epochs or patience. */
bool training_is_complete(const training *w);

/* Writes the model as it is, for translate eval and run. */
bool training_keep(training *w, double dev_loss, char *error, size_t error_size);

#endif
