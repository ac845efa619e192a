/* gpt eval: how well a model predicts a text. */
#ifndef GPT_EVAL_H
#define GPT_EVAL_H

int eval_command(int count, char **arguments);

#endif
