/* Finding the command that is meant (program.h). */
#include "program.h"

#include "figures.h"
#include "nearest.h"
#include "options.h"
#include "text.h"

#include <heed/heed.h>
#include <stdio.h>
#include <string.h>

static const char *called; /* by this path */

static int widest(const program *p)
{
    size_t width = 0;
    for (size_t i = 0; i < p->count; i++) {
        size_t size = strlen(p->commands[i].name);
        width = size > width ? size : width;
    }
    return (int)width;
}

static void print_help(const program *p, FILE *to)
{
    fprintf(to, "Usage: %s %s [options]\n%s\n\n", p->name, p->alone ? "[COMMAND]" : "COMMAND",
            p->summary);
    for (size_t i = 0; i < p->count; i++)
        fprintf(to, "  %s %-*s   %s\n", p->name, widest(p), p->commands[i].name,
                p->commands[i].help);
    fprintf(to, "\n  %s COMMAND --help   the options of a command, with their defaults\n",
            p->name);
    if (p->details)
        fprintf(to, "  %s --help           this text and the options of all commands\n",
                p->name);
    fprintf(to,
            "  %s --version        the version of the library\n"
            "\n"
            "Exit codes: 0 good, 1 something failed, 2 wrong usage, 130 interrupted.\n",
            p->name);
}

static int help(const program *p)
{
    char text[] = "--help";
    char *arguments[] = { text, NULL };
    int code = 0;
    print_help(p, stdout);
    for (size_t i = 0; p->details && code == 0 && i < p->count; i++) {
        putchar('\n');
        code = p->commands[i].run(1, arguments);
    }
    return code;
}

static int unknown(const program *p, const char *name, const char *near)
{
    fprintf(stderr, "%s: unknown command '%s'; ", p->name, name);
    if (near) {
        fprintf(stderr, "did you mean %s?\n", near);
        return 2;
    }
    fputs("there are", stderr);
    for (size_t i = 0; i < p->count; i++)
        fprintf(stderr, "%s %s",
                i == 0             ? ""
                : i + 1 < p->count ? ","
                                   : " and",
                p->commands[i].name);
    fputc('\n', stderr);
    return 2;
}

static int run(const program *p, int count, char **arguments)
{
    const char *name = count > 1 ? arguments[1] : NULL;
    nearest_name near;
    called = count > 0 ? arguments[0] : p->name;
    if (!name && p->alone)
        return p->alone(0, arguments + count);
    if (!name) {
        print_help(p, stderr);
        return 2;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return help(p);
    if (strcmp(name, "--version") == 0) {
        printf("%s of heed %s\n", p->name, heed_version());
        return 0;
    }
    if (p->alone && name[0] == '-')
        return p->alone(count - 1, arguments + 1);
    nearest_begin(&near, name);
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(name, p->commands[i].name) == 0)
            return p->commands[i].run(count - 2, arguments + 2);
        nearest_offer(&near, p->commands[i].name);
    }
    return unknown(p, name, near.best);
}

int program_run(const program *p, int count, char **arguments)
{
    return options_end(p->name, run(p, count, arguments));
}

void program_print(const char *command)
{
    fputs("  ", stdout);
    figure_quote(stdout, called);
    printf(" %s ", command);
}
