/* gpt: trains a decoder-only language model on a text, measures it and writes with it. Each
 * command is a file of its own. */
#include "attend.h"
#include "eval.h"
#include "program.h"
#include "sample.h"
#include "train.h"

static const program_command commands[] = {
    { "train", "learn from a text file (without one: from heed's own source)", train_command },
    { "sample", "write text", sample_command },
    { "eval", "measure how well a text is predicted", eval_command },
    { "attend", "show what each token of a text attends to", attend_command },
};

int main(int count, char **arguments)
{
    const program gpt = {
        .name = "gpt",
        .summary = "Trains a GPT on a text, measures it, writes with it and looks inside.",
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
        .details = true,
    };
    return program_run(&gpt, count, arguments);
}
