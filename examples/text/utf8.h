/* UTF-8 as the programs need it. Knows the library's text room only. */
#ifndef TEXT_UTF8_H
#define TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the text is well-formed; if not, *bad (may be NULL) is the offset of the first bad
 * byte. Overlong forms, surrogates and values above 10FFFF are bad. */
bool text_utf8_valid(const char *text, size_t size, size_t *bad);

/* How many leading bytes can be shown now: all but a character at the end that more bytes may
 * still complete. Bytes that can become no character are not held back. */
size_t text_utf8_complete(const char *bytes, size_t size);

#endif
