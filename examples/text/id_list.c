/* Ids that grow at their end (id_list.h). */
#include "id_list.h"

#include "memory.h"

bool id_list_add(id_list *list, int32_t id)
{
    int32_t *ids = heed__grow(NULL, list->ids, &list->capacity, list->count + 1, sizeof *ids);
    if (!ids)
        return false;
    list->ids = ids;
    ids[list->count++] = id;
    return true;
}

void id_list_free(id_list *list)
{
    heed__release(NULL, list->ids, 0);
    *list = (id_list){ 0 };
}
