#!/usr/bin/env python3
"""Writes unicode_tables.h: the code points that are letters (category L), numbers (N) and blanks
(property White_Space), as sorted ranges, from the Unicode data of the running Python.

    python3 make_unicode_tables.py > unicode_tables.h
"""

import sys
import unicodedata

# The property White_Space is stable and not in unicodedata; str.isspace differs from it by counting
# the separators U+001C to U+001F as blank.
NOT_BLANK = range(0x1C, 0x20)


def ranges(member):
    found = []
    for c in range(sys.maxunicode + 1):
        if not member(c):
            continue
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def table(name, what, member):
    entries = ["{ 0x%x, 0x%x }," % (first, last) for first, last in ranges(member)]
    lines, line = [], "   "
    for entry in entries:
        if len(line) + 1 + len(entry) > 96:
            lines.append(line)
            line = "   "
        line += " " + entry
    lines.append(line)
    return "/* %s: %d ranges. */\nstatic const uint32_t %s[][2] = {\n%s\n};\n" % (
        what, len(entries), name, "\n".join(lines))


def category(letter):
    return lambda c: unicodedata.category(chr(c))[0] == letter


print("/* Classes of code points from Unicode %s, as first and last of each range. Made by\n"
      " * make_unicode_tables.py; not to be edited. */" % unicodedata.unidata_version)
print("#ifndef TEXT_UNICODE_TABLES_H\n#define TEXT_UNICODE_TABLES_H\n\n#include <stdint.h>\n")
print("/* clang-format off */\n")
print(table("unicode_letters", "Letters, category L", category("L")))
print(table("unicode_numbers", "Numbers, category N", category("N")))
print(table("unicode_blanks", "Blanks, property White_Space",
            lambda c: chr(c).isspace() and c not in NOT_BLANK))
print("/* clang-format on */\n\n#endif")
