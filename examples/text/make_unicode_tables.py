#!/usr/bin/env python3
"""Writes unicode_tables.h: the code points that are letters (category L), numbers (N) and blanks
(property White_Space), as sorted ranges, and the simple lower case of those that have one, from the
Unicode data of the running Python.

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


def lower_runs():
    """First, last, step and difference of runs of capitals that are equally far from their small letters."""
    found = []
    for c in range(sys.maxunicode + 1):
        small = chr(c).lower()
        # Of the one mapping to two characters, U+0130, the first is the simple one.
        difference = ord(small[0]) - c
        if difference == 0:
            continue
        run = found[-1] if found else None
        if run and run[3] == difference and (c - run[1] == run[2] or (run[0] == run[1] and c - run[1] <= 2)):
            run[2] = c - run[1]
            run[1] = c
        else:
            found.append([c, c, 1, difference])
    return found


def put(comment, head, entries):
    lines, line = [], "   "
    for entry in entries:
        if len(line) + 1 + len(entry) > 96:
            lines.append(line)
            line = "   "
        line += " " + entry
    lines.append(line)
    return "/* %s */\nstatic const %s = {\n%s\n};\n" % (comment, head, "\n".join(lines))


def table(name, what, member):
    entries = ["{ 0x%x, 0x%x }," % (first, last) for first, last in ranges(member)]
    return put("%s: %d ranges." % (what, len(entries)), "uint32_t %s[][2]" % name, entries)


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
print(put("Capitals: first, last, step and how far their lower case is.", "int32_t unicode_lower[][4]",
          ["{ 0x%x, 0x%x, %d, %d }," % tuple(run) for run in lower_runs()]))
print("/* clang-format on */\n\n#endif")
