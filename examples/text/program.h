/* A program of several commands: which one is meant, help, version; and
 * whether what it prints arrives. Knows names only. */
#ifndef TEXT_PROGRAM_H
#define TEXT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

typedef struct program_command {
    const char *name, *help;
    int (*run)(int count, char **arguments); /* those after its name; the exit code */
} program_command;

typedef struct program {
    const char *name, *summary; /* one line, or several */
    const program_command *commands;
    size_t count;
    int (*alone)(int count, char **arguments); /* without a command; NULL: wrong usage */
    bool details; /* --help goes on with the options of all commands */
} program;

/* Runs the command that the arguments of main name. The exit code; 1 and a sentence also if what
 * was printed does not arrive. */
int program_run(const program *p, int count, char **arguments);

/* Prints the program and a command of it as the user called the program, so that a shell reads
 * them: "  build/gpt sample --model ", for what to type next. */
void program_print(const char *command);

#endif
