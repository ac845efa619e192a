/* What the program asks of the system: time, memory that is left, and whether the user wants
 * to stop. Knows POSIX. */
#ifndef TEXT_MACHINE_H
#define TEXT_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

double machine_seconds(void); /* of a clock that never goes back */

/* Bytes of physical memory that can be had now; -1 if the system does not tell. */
int64_t machine_memory(void);

/* From now on the first Ctrl-C (or SIGTERM, or a terminal that closes) is only noted, with
 * `words` (or NULL) for whoever looks at the terminal, and the second one ends the program at
 * once with 130. Also makes a file size limit an error of write instead of a signal. */
void machine_catch_interrupts(const char *words);
bool machine_interrupted(void);

/* Refuses a need of that many bytes (-1: more than can be counted) that the machine cannot
 * meet. */
bool machine_has_memory(int64_t bytes, char *error, size_t error_size);

#endif
