/* Cutting text into the pieces within which byte pairs are merged. */
#ifndef TEXT_SPLIT_H
#define TEXT_SPLIT_H

#include <stddef.h>

/* The end of the piece that starts at `start` < size, as the pattern of GPT-2 cuts it:
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * Any bytes will do: one that is part of no well-formed character counts as a symbol of its
 * own. */
size_t text_split(const char *text, size_t size, size_t start);

#endif
