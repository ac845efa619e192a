/* gpt: trains a decoder-only language model on a text, measures it and writes with it. This
 * file only finds the command; each command is a file of its own. */
#include "attend.h"
#include "eval.h"
#include "sample.h"
#include "train.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = { "train", "sample", "eval", "attend" };
enum { COMMANDS = sizeof names / sizeof *names };

static void print_help(FILE *to)
{
    fputs("Usage: gpt COMMAND [options]\n"
          "Trains a GPT on a text, measures it, writes with it and looks inside.\n"
          "\n"
          "  gpt train     learn from a text file (without one: from heed's own source)\n"
          "  gpt sample    write text\n"
          "  gpt eval      measure how well a text is predicted\n"
          "  gpt attend    show what each token of a text attends to\n"
          "\n"
          "  gpt COMMAND --help   the options of a command, with their defaults\n"
          "  gpt --help           this text and the options of all commands\n"
          "  gpt --version        the version of the library\n"
          "\n"
          "Exit codes: 0 good, 1 something failed, 2 wrong usage, 130 interrupted.\n",
          to);
}

static int run(const char *program, int command, int count, char **arguments)
{
    if (command == 0)
        return train_command(program, count, arguments);
    if (command == 1)
        return sample_command(count, arguments);
    if (command == 2)
        return eval_command(count, arguments);
    return attend_command(count, arguments);
}

static int help(const char *program)
{
    char text[] = "--help";
    char *arguments[] = { text };
    print_help(stdout);
    for (int i = 0; i < COMMANDS; i++) {
        putchar('\n');
        run(program, i, 1, arguments);
    }
    return 0;
}

/* The command whose name shares the longest beginning with a wrong one, if any does. */
static const char *nearest(const char *wrong)
{
    const char *best = NULL;
    size_t longest = 0;
    for (int i = 0; i < COMMANDS; i++) {
        size_t same = 0;
        while (wrong[same] && wrong[same] == names[i][same])
            same++;
        if (same > longest) {
            longest = same;
            best = names[i];
        }
    }
    return best;
}

int main(int count, char **arguments)
{
    const char *command = count > 1 ? arguments[1] : NULL;
    if (!command) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
        strcmp(command, "help") == 0)
        return help(arguments[0]);
    if (strcmp(command, "--version") == 0) {
        printf("gpt of heed %s\n", heed_version());
        return 0;
    }
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(command, names[i]) == 0)
            return run(arguments[0], i, count - 2, arguments + 2);
    }
    const char *near = nearest(command);
    fprintf(stderr, "gpt: unknown command '%s'%s%s%s\n", command, near ? "; did you mean " : "",
            near ? near : "", near ? "?" : "; there are train, sample, eval and attend");
    return 2;
}
