/* gpt train: the loop over steps, with evaluation, log and checkpoints. */
#ifndef GPT_TRAIN_H
#define GPT_TRAIN_H

/* `program` is what the user called the program. Returns its exit code. */
int train_command(const char *program, int count, char *const *arguments);

#endif
