#!/usr/bin/python3
"""clang-tidy over the sources of a build directory: tests/tidy.py BUILD [--all | FILE...]

Without more, over the files that a change touches: what differs from the last commit, and what the last commits
changed that are not on the main branch yet (on the main branch: the last commit); a header stands for the sources
that include it, up to a limit. Exit status 1 if anything is found.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES_LIMIT = 24  # of a change: more would take more than a few minutes; --all takes them all
UNKNOWN_TO_CLANG = ["-Wno-unknown-warning-option", "-Wno-ignored-optimization-argument"]


def git(*arguments):
    answer = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return answer.stdout.split() if answer.returncode == 0 else []


def changed_files():
    names = set(git("diff", "--name-only", "HEAD")) | set(git("ls-files", "--others", "--exclude-standard"))
    base = git("merge-base", "HEAD", "origin/HEAD") or git("merge-base", "HEAD", "main")
    head = git("rev-parse", "HEAD")
    names |= set(git("diff", "--name-only", base[0] if base and base != head else "HEAD~1", "HEAD"))
    return names


def sources_of(names, compiled):
    """The compiled files among `names`, then those that include a header among them."""
    direct = [path for path in compiled if path in names]
    headers = [pathlib.PurePath(name).name for name in names if name.endswith(".hpp")]
    if not headers:
        return direct
    including = re.compile(r'#include "[^"]*\b(' + "|".join(map(re.escape, headers)) + ')"')
    more = [path for path in compiled if path not in names and including.search((ROOT / path).read_text())]
    return direct + more


def tidy(build, path):
    command = ["clang-tidy", "-p", build, "--quiet", *(f"--extra-arg={flag}" for flag in UNKNOWN_TO_CLANG), path]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return path, answer.returncode, answer.stdout


def main(arguments):
    build, *rest = arguments
    compiled = []
    for entry in json.loads((ROOT / build / "compile_commands.json").read_text()):
        path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), ROOT)
        if path.startswith("src/"):
            compiled.append(path)
    if rest == ["--all"]:
        chosen = compiled
    elif rest:
        chosen = rest
    else:
        chosen = sources_of(changed_files(), compiled)
        if len(chosen) > FILES_LIMIT:
            print(f"{len(chosen)} files are concerned; these are the first {FILES_LIMIT} (all: tests/run.sh tidy:all)")
            chosen = chosen[:FILES_LIMIT]
    found = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, status, text in pool.map(lambda each: tidy(build, each), chosen):
            if status != 0:
                found += 1
                print(f"{path}:\n{text}", flush=True)
    print(f"clang-tidy: {len(chosen)} of {len(compiled)} files looked at, {found} with findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
