#!/usr/bin/env python3
"""compare.py PROGRAM EXPECTED PAGE: runs worked_example and compares what it prints with numpy's numbers
(tests/reference/make_worked_example.py), and each ```text block of docs/attention.md with its lines."""
import re
import subprocess
import sys

NUMBER = re.compile(r"-?\d+\.\d{10}")


def fail(message):
    print(message)
    sys.exit(1)


program, expected, page = sys.argv[1:]
printed = subprocess.run([program], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
wanted = open(expected).read().splitlines()
if len(printed) != len(wanted):
    fail(f"{len(printed)} lines printed, {len(wanted)} expected")
compared = 0
for number, (a, b) in enumerate(zip(printed, wanted), 1):
    if NUMBER.sub("#", a).replace(" ", "") != NUMBER.sub("#", b).replace(" ", ""):
        fail(f"line {number}: '{a}' instead of '{b}'")
    for x, y in zip(NUMBER.findall(a), NUMBER.findall(b)):
        compared += 1
        # Both are rounded to ten digits: they may differ by one in the last.
        if abs(float(x) - float(y)) > 1.01e-10:
            fail(f"line {number}: {x} instead of {y}")
blocks = re.findall(r"^```text\n(.*?)^```$", open(page).read(), re.S | re.M)
if not blocks:
    fail(f"{page} shows no numbers")
for block in blocks:
    lines = block.splitlines()
    if not any(printed[i:i + len(lines)] == lines for i in range(len(printed))):
        fail(f"{page}: these lines are not printed:\n{block}")
print(f"{compared} numbers equal numpy's; {len(blocks)} blocks of the page are printed so")
