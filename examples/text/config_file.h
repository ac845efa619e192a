/* config.json of a model: its settings as a table of options (options.h). The table is the only
 * list: the file is written and read by walking it, and read strictly: every setting once,
 * within its limits, and no other. Knows options and the library's text, JSON and file rooms.
 */
#ifndef TEXT_CONFIG_FILE_H
#define TEXT_CONFIG_FILE_H

#include "options.h"

/* Headings and strings are left out. `format` says whose file it is: "heed vit". The file is
 * replaced in one step. */
bool config_write(const char *path, const char *format, const option *table, size_t count,
                  char *error, size_t error_size);

/* Fills in the values; a refusal leaves some changed. */
bool config_read(const char *path, const char *format, option *table, size_t count, char *error,
                 size_t error_size);

#endif
