/* config.json of a model: its settings as a table of options (options.h). The table is the only
 * list: the file is written and read by walking it, and read strictly: every setting once,
 * within its limits, and no other. Knows options and the library's text, JSON and file rooms.
 */
#ifndef TEXT_CONFIG_FILE_H
#define TEXT_CONFIG_FILE_H

#include "json.h"
#include "options.h"
#include "text.h"

/* Headings are left out. `format` says whose file it is: "heed vit". The file is replaced in one
 * step. */
bool config_write(const char *path, const char *format, const option *table, size_t count,
                  char *error, size_t error_size);

/* Fills in the values; a refusal leaves some changed. The table has no string. */
bool config_read(const char *path, const char *format, option *table, size_t count, char *error,
                 size_t error_size);

/* The same as a text, for a table that may have strings; one that is NULL, or no UTF-8, is not
 * kept. Those that are read go into `strings`, in the table's order, also by a text that is
 * refused; free() them. */
void config_put(heed__text *to, const char *format, const option *table, size_t count);
bool config_parse(const void *text, size_t size, const char *format, option *table,
                  size_t count, char **strings, char *error, size_t error_size);
/* Refuses a file whose format is not that one, and says whose it is if it is the string at hand
 * and another program's. */
bool config_fail_format(heed__json *json, const char *format);
/* One value alone; when read, the key before it was the last event. A string is put into *own,
 * to be freed. */
void config_put_value(heed__text *to, const option *o);
bool config_read_value(heed__json *json, const option *o, char **own);

#endif
