/* Lines of a text (lines.h). */
#include "lines.h"

#include <string.h>

bool lines_next(line_reader *r)
{
    if (r->next == r->stop)
        return false;
    const char *newline = memchr(r->next, '\n', (size_t)(r->stop - r->next));
    r->at = r->next;
    r->end = newline ? newline : r->stop;
    r->next = newline ? newline + 1 : r->stop;
    if (r->end > r->at && r->end[-1] == '\r')
        r->end--;
    r->number++;
    return true;
}
