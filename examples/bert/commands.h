/* The commands of bert. Each takes the arguments after its name and returns the program's exit
 * code. */
#ifndef BERT_COMMANDS_H
#define BERT_COMMANDS_H

int train_command(int count, char **arguments);
int fill_command(int count, char **arguments);

#endif
