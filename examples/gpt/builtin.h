/* The text built into the program, which embed.c makes from the library's own sources. */
#ifndef GPT_BUILTIN_H
#define GPT_BUILTIN_H

#include <stddef.h>

extern const unsigned char builtin_text[];
extern const size_t builtin_size;

#endif
