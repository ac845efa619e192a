/* log.jsonl: one JSON object a step. Knows the library's file and JSON rooms. */
#ifndef GPT_LOG_H
#define GPT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct log_line {
    int64_t step; /* the first is 1 */
    double train_loss, lr, grad_norm, ms, tokens_per_s;
    double val_loss; /* NaN where nothing was evaluated */
} log_line;

/* The file, and the losses of all its lines for the curve at the end. */
typedef struct gpt_log {
    int file;
    char path[4096];
    float *train, *held_out; /* by step - 1; held_out is NaN where nothing was evaluated */
    size_t count, train_capacity, held_out_capacity;
} gpt_log;

/* Opens the log of a folder and cuts it back to the lines of steps 1 .. steps, in one go.
 * Only one program at a time may hold it. */
bool log_open(gpt_log *log, const char *folder, int64_t steps, char *error, size_t error_size);
bool log_add(gpt_log *log, const log_line *line, char *error, size_t error_size);
/* After this the lines are on the disk. */
bool log_sync(gpt_log *log, char *error, size_t error_size);
void log_close(gpt_log *log);

#endif
