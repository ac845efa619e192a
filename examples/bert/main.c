/* bert: an encoder that learns a language by filling in hidden words, and what that is good
 * for. This file only finds the command; each command is a file of its own. */
#include "commands.h"
#include "nearest.h"

#include <heed/heed.h>
#include <stdio.h>
#include <string.h>

typedef struct command {
    const char *name, *help;
    int (*run)(int count, char **arguments);
} command;

static const command commands[] = {
    { "train", "learn to fill in hidden words, then to classify from few examples",
      train_command },
    { "fill", "fill in the hidden words of a sentence", fill_command },
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_help(FILE *to)
{
    fputs("Usage: bert [COMMAND] [options]\n"
          "A BERT that learns by filling in hidden words. Without a command: train.\n\n",
          to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  bert %-7s %s\n", commands[i].name, commands[i].help);
    fputs("\n"
          "  bert COMMAND --help   the options of a command, with their defaults\n"
          "  bert --version        the version of the library\n"
          "\n"
          "Exit codes: 0 good, 1 something failed, 2 wrong usage, 130 interrupted.\n",
          to);
}

int main(int count, char **arguments)
{
    const char *name = count > 1 ? arguments[1] : NULL;
    if (!name)
        return train_command(0, arguments);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("bert of heed %s\n", heed_version());
        return 0;
    }
    nearest_name near;
    nearest_begin(&near, name);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(count - 2, arguments + 2);
        nearest_offer(&near, commands[i].name);
    }
    fprintf(stderr, "bert: unknown command '%s'%s%s%s\n", name,
            near.best ? "; did you mean " : "; there are train and fill",
            near.best ? near.best : "", near.best ? "?" : "");
    return 2;
}
