/* Lines of a text (lines.h). */
#include "lines.h"

#include <string.h>

bool lines_next(line_reader *r)
{
    /* Some editors begin a file with U+FEFF. */
    if (r->number == 0 && r->stop - r->next >= 3 && memcmp(r->next, "\xef\xbb\xbf", 3) == 0)
        r->next += 3;
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
