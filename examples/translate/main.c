/* translate: trains models on pairs of texts, judges them, translates with them. Each command is
 * a file of its own. */
#include "commands.h"
#include "program.h"

static const program_command commands[] = {
    { "train", "learn from pairs: a file, or numbers or dates that are made", train_command },
    { "eval", "judge a model by pairs it has not seen", eval_command },
    { "run", "translate sentences, and see what the model attends to", run_command },
    { "compare", "models side by side, by the length of the source", compare_command },
};

int main(int count, char **arguments)
{
    const program translate = {
        .name = "translate",
        .summary = "Recurrent networks and Transformers that translate, with attention and "
                   "without.",
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
    };
    return program_run(&translate, count, arguments);
}
