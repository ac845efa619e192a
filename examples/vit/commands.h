/* The commands of vit. Each takes the arguments after its name and returns the program's exit
 * code. */
#ifndef VIT_COMMANDS_H
#define VIT_COMMANDS_H

int train_command(int count, char **arguments);
int eval_command(int count, char **arguments);

#endif
