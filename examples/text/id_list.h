/* Ids that grow at their end. Knows the library's memory room. */
#ifndef TEXT_ID_LIST_H
#define TEXT_ID_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Start with { 0 }. */
typedef struct id_list {
    int32_t *ids;
    size_t count, capacity;
} id_list;

bool id_list_add(id_list *list, int32_t id); /* false: no memory */
void id_list_free(id_list *list);

#endif
