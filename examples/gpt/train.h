/* gpt train: the loop over steps, with evaluation, log and checkpoints. */
#ifndef GPT_TRAIN_H
#define GPT_TRAIN_H

/* Takes the arguments after its name and returns the program's exit code. */
int train_command(int count, char **arguments);

#endif
