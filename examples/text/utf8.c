/* UTF-8 as the programs need it. Knows the library's text room only. */
#include "utf8.h"

#include "text.h"

#include <string.h>

bool text_utf8_valid(const char *text, size_t size, size_t *bad)
{
    return heed__utf8_valid(text, size, bad);
}

/* Whether some continuation makes these 1 to 3 bytes a character. Continuation bytes that the
 * lead byte allows form one range, and trying its two ends decides; 80 and BF are ends of every
 * range but those that E0, ED, F0 and F4 narrow, which keep one of them. */
static bool is_beginning(const char *bytes, size_t size)
{
    static const char fillers[] = { '\x80', '\xbf' };
    for (size_t filler = 0; filler < 2; filler++) {
        char whole[4];
        memset(whole, fillers[filler], sizeof whole);
        memcpy(whole, bytes, size);
        size_t length;
        if (heed__utf8_decode(whole, sizeof whole, &length) >= 0 && length > size)
            return true;
    }
    return false;
}

size_t text_utf8_complete(const char *bytes, size_t size)
{
    for (size_t tail = size < 3 ? size : 3; tail > 0; tail--) {
        unsigned char lead = (unsigned char)bytes[size - tail];
        if (lead >= 0xc2 && is_beginning(bytes + size - tail, tail))
            return size - tail;
    }
    return size;
}
