#!/usr/bin/env python3
"""compare.py PROGRAM EXPECTED PAGE: runs worked_example and compares its numbers with numpy's
(tests/reference/make_worked_example.py), its two languages with each other, and each ```text block of
docs/attention.md with its lines."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unicodedata
from xml.etree import ElementTree

NUMBERS = re.compile(r"^ [-+.e\d ]+$")
HANGUL = re.compile("[가-힣]")


def fail(message):
    print(message)
    sys.exit(1)


def run(*options, status=0):
    done = subprocess.run([program, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    if done.returncode != status:
        fail(f"worked_example {' '.join(options)}: status {done.returncode}, not {status}: {done.stderr}")
    return done.stdout if status == 0 else done.stderr


def same(found, wanted, dtype):
    """Exact zeros are exact; rounding of a sum of a few terms is let pass, a digit that is shown is not."""
    if dtype == "f32":
        return abs(found - wanted) <= 1e-6 * abs(wanted)
    slack = 1e-15 if abs(wanted) > 1e-10 else 0
    return abs(found - wanted) <= 1e-9 * abs(wanted) + slack


def items_of(page):
    return {f"{s['name']}/{i['name']}": i for s in page["sections"] for i in s["items"]}


def columns(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def compare_numbers(items, wanted):
    for name in sorted(set(items) ^ set(wanted)):
        if name in wanted or "value" in items[name]:
            fail(f"{name} is {'not printed' if name in wanted else 'not expected'}")
    for name, numbers in wanted.items():
        item = items[name]
        if len(item["value"]) != len(numbers):
            fail(f"{name}: {len(item['value'])} numbers, not {len(numbers)}")
        for x, y in zip(item["value"], numbers):
            if not same(x, y, item["dtype"]):
                fail(f"{name}: {x!r} instead of {y!r}")


def compare_languages(english, korean):
    a, b = items_of(english), items_of(korean)
    if list(a) != list(b) or english["verdicts"] != korean["verdicts"]:
        fail("the languages differ in their items or verdicts")
    for name in a:
        for key in ("value", "shape", "dtype", "source", "verdict"):
            if a[name].get(key) != b[name].get(key):
                fail(f"{name}: the languages differ in {key}")
        if "because" in a[name] and not HANGUL.search(b[name]["because"]):
            fail(f"{name}: the Korean page does not give its reason in Korean")
    if any(not HANGUL.search(s["title"]) for s in korean["sections"]):
        fail("a title of the Korean page is not Korean")


def compare_texts(texts, items):
    rows = [[line for line in text if NUMBERS.match(line)] for text in texts]
    if rows[0] != rows[1]:
        fail("the languages print different numbers")
    printed = [float(number) for row in rows[0] for number in row.split()]
    values = [value for item in items.values() for value in item.get("value", [])]
    if len(printed) != len(values):
        fail(f"{len(printed)} numbers as text, {len(values)} as JSON")
    for x, y in zip(printed, values):
        if abs(x - y) > max(5.1e-11, 5.1e-7 * abs(y) if abs(y) < 1e-6 else 0):
            fail(f"{x} as text, {y} as JSON")
    for text in texts:
        for line in text:
            if columns(line) > 80 and not NUMBERS.match(line):
                fail(f"a line of {columns(line)} columns: {line}")


def check_options(english):
    names = [line.split()[0] for line in run("--list").splitlines()]
    if names != [s["name"] for s in english["sections"]]:
        fail("--list does not list the sections")
    for name in names:
        one = json.loads(run("--json", "--section", name))["sections"]
        if one != [s for s in english["sections"] if s["name"] == name]:
            fail(f"--section {name} differs from that part of the whole")
    if "did you mean 'masks'" not in run("--section", "mask", status=2):
        fail("a misspelt section is not explained")
    if "--lang" not in run("--lnag", "ko", status=2) or "--section" not in run("--help"):
        fail("options are not explained")
    if "exclude each other" not in run("--list", "--json", status=2):
        fail("--list prints no JSON, and does not say so")


def check_animation(items):
    """The moving image: an SVG file by itself that shows the numbers of section [thanks], rounded."""
    with tempfile.TemporaryDirectory() as folder:
        images = []
        for language in ("en", "ko"):
            path = os.path.join(folder, language + ".svg")
            if run("--lang", language, "--animation", path):
                fail("--animation prints something")
            text = open(path, encoding="utf-8").read()
            if "href" in text or "<script" in text or text.count("http") != 1:
                fail("the image needs something besides itself")
            images.append(["".join(e.itertext()) for e in ElementTree.fromstring(text).iter()
                           if e.tag.endswith("}text")])
        numbers = [re.findall(r"-?\d+\.\d\d", "\n".join(image)) for image in images]
        shown = []
        for step in "01":
            value = {n: items[f"thanks/{n}_{step}"]["value"] for n in ("s", "scores", "alpha", "c", "word")}
            shown += value["s"] + value["scores"] + value["alpha"] + value["c"] + [max(value["word"])]
        if numbers[0] != numbers[1] or numbers[0] != [f"{x:.2f}" for x in shown]:
            fail(f"the image shows {numbers}")
        if sorted(os.listdir(folder)) != ["en.svg", "ko.svg"]:
            fail("--animation leaves other files")
        missing = os.path.join(folder, "no", "such.svg")
        if missing not in run("--animation", missing, status=1):
            fail("a file that cannot be written is not named")
        other = os.path.join(folder, "x.png")
        if "must name a file .svg" not in run("--animation", other, status=2) or os.path.exists(other):
            fail("a file of another kind is not refused")


program, expected, page = sys.argv[1:]
wanted = {}
for line in open(expected):
    name, numbers = line.split(": ")
    wanted[name] = [float(number) for number in numbers.split()]
english, korean = (json.loads(run("--json", "--lang", language)) for language in ("en", "ko"))
items = items_of(english)
compare_numbers(items, wanted)
compare_languages(english, korean)
texts = [run("--lang", language).splitlines() for language in ("en", "ko")]
compare_texts(texts, items)
check_options(english)
check_animation(items)
blocks = re.findall(r"^```text\n(.*?)^```$", open(page, encoding="utf-8").read(), re.S | re.M)
if not blocks:
    fail(f"{page} shows no numbers")
for block in blocks:
    lines = block.splitlines()
    if not any(texts[0][i:i + len(lines)] == lines for i in range(len(texts[0]))):
        fail(f"{page}: these lines are not printed:\n{block}")
print(f"{sum(map(len, wanted.values()))} numbers equal numpy's, in both languages; "
      f"{len(blocks)} blocks of the page are printed so")
