#!/usr/bin/env python3
"""Breaks the library on purpose and counts how many of the faults the quick tests notice.

    python3 tests/mutation/mutate.py [--only TEXT] [--list] [--work FOLDER]

faults.toml lists the faults: a file, the text that is there, and the text put in its place. Each is
planted in a copy of the tree, which is built and tested until the first failure. What does not
compile counts as a mistake in the list, not as caught. The exit code is 0 when at least 95 % were
caught. It takes about ten seconds a fault on two cores, and half a minute for one in a kernel.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

TOP = pathlib.Path(__file__).resolve().parents[2]
FAULTS = pathlib.Path(__file__).with_name("faults.toml")
NEEDED = 0.95


def run(*command, timeout=600, environment=None):
    """The exit code, and what was printed; a program that hangs has failed."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=timeout,
                              env={**os.environ, **(environment or {})})
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return 1, "timeout"


def load(only):
    faults = tomllib.loads(FAULTS.read_text())["fault"]
    for fault in faults:
        text = (TOP / fault["file"]).read_text()
        count = text.count(fault["old"])
        if count != 1:
            sys.exit(f"{fault['file']}: the text of '{fault['name']}' occurs {count} times, not once")
        if fault["old"] == fault["new"]:
            sys.exit(f"'{fault['name']}' changes nothing")
    names = [fault["name"] for fault in faults]
    for name in names:
        if names.count(name) > 1:
            sys.exit(f"two faults are named '{name}'")
    return [f for f in faults if only in f["name"] or only in f["file"]]


def copy_tree(to):
    tracked = subprocess.run(["git", "-C", str(TOP), "ls-files", "-z"], stdout=subprocess.PIPE,
                             check=True).stdout.decode().split("\0")
    for name in filter(None, tracked):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TOP / name, target)


def first_failure(output):
    for line in output.splitlines():
        words = line.split()
        if "FAIL" in words or "TIMEOUT" in words or "ERROR" in words:
            return next((w for w in words if w.startswith(("test", "gradcheck", "derivatives"))),
                        line.strip())
    return "?"


def build_and_test(build):
    """(whether it compiles, what noticed the fault or None). The rules of the ops, which notice most
    faults, are built and run alone first."""
    ops = build / "tests" / "test_ops"
    code, _ = run("ninja", "-C", str(build), "tests/test_ops")
    if code:
        return False, None
    code, output = run(str(ops), environment={"CK_RUN_CASE": "rules"})
    if code:
        return True, "test_ops"
    code, _ = run("ninja", "-C", str(build))
    if code:
        return False, None
    code, output = run("meson", "test", "-C", str(build), "--no-rebuild", "--suite", "quick",
                       "--maxfail", "1")
    return True, first_failure(output) if code else None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="faults whose name or file has it")
    parser.add_argument("--list", action="store_true", help="name the faults and stop")
    parser.add_argument("--work", metavar="FOLDER", help="where to build (a temporary folder)")
    options = parser.parse_args()
    faults = load(options.only)
    if options.list:
        for fault in faults:
            print(f"{fault['file']:32} {fault['name']}")
        print(f"{len(faults)} faults")
        return 0

    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        tree, build = pathlib.Path(folder) / "tree", pathlib.Path(folder) / "build"
        copy_tree(tree)
        code, output = run("meson", "setup", str(build), str(tree), "-Dtests=enabled")
        if code:
            sys.exit(output[-3000:])
        builds, by = build_and_test(build)
        if not builds or by:
            sys.exit(f"{by} fails before anything is broken" if builds else "the library does not build")
        caught, missed, unbuilt = [], [], []
        for fault in faults:
            begun = time.monotonic()
            file = tree / fault["file"]
            text = file.read_text()
            file.write_text(text.replace(fault["old"], fault["new"]))
            builds, by = build_and_test(build)
            if not builds:
                unbuilt.append(fault["name"])
                verdict = "does not compile"
            else:
                (caught if by else missed).append(fault["name"])
                verdict = f"caught by {by}" if by else "MISSED"
            file.write_text(text)
            print(f"{fault['file']:32} {fault['name']:52} {verdict}  "
                  f"({time.monotonic() - begun:.0f} s)", flush=True)
    tried = len(caught) + len(missed)
    share = len(caught) / tried if tried else 0
    print(f"\n{len(caught)} of {tried} faults caught ({100 * share:.1f} %)")
    for name in missed:
        print(f"  missed: {name}")
    for name in unbuilt:
        print(f"  does not compile: {name}")
    return 0 if share >= NEEDED and not unbuilt else 1


if __name__ == "__main__":
    sys.exit(main())
