/* bert: an encoder that learns a language by filling in hidden words, and what that is good
 * for. Each command is a file of its own. */
#include "commands.h"
#include "program.h"

static const program_command commands[] = {
    { "train", "learn to fill in hidden words, then to classify from few examples",
      train_command },
    { "fill", "fill in the hidden words of a sentence", fill_command },
};

int main(int count, char **arguments)
{
    const program bert = {
        .name = "bert",
        .summary = "A BERT that learns by filling in hidden words. Without a command: train.",
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
        .alone = train_command,
    };
    return program_run(&bert, count, arguments);
}
