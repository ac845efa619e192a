/* gpt attend: shows what each token of a text attends to. */
#ifndef GPT_ATTEND_H
#define GPT_ATTEND_H

int attend_command(int count, char **arguments);

#endif
