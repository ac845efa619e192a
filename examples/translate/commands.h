/* The commands of translate. Each takes the arguments after its name and returns the program's
 * exit code. */
#ifndef TRANSLATE_COMMANDS_H
#define TRANSLATE_COMMANDS_H

int train_command(int count, char **arguments);
int eval_command(int count, char **arguments);
int run_command(int count, char **arguments);
int compare_command(int count, char **arguments);

#endif
