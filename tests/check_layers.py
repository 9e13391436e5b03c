#!/usr/bin/python3
"""Holds the architecture: which layer includes which, who may name a protocol or its codec, and how long files get.

Each message is "file:line: what is wrong". Exit status 1 if there is any; long files only warn.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

# From left to right; a layer includes itself and what stands in a group to its left (DESIGN: base → … → main).
# Layers of one group don't include each other.
GROUPS = [
    ["base"],
    ["http", "balance", "config", "tls"],
    ["net"],
    ["http1", "http2", "discovery"],
    ["upstream"],
    ["proxy"],
    ["admin"],
    ["daemon"],
    ["main"],
]
RANK = {layer: rank for rank, group in enumerate(GROUPS) for layer in group}

# The only files outside a protocol's own layer that may name its codec, or the protocol.
CODEC_LAYERS = ("http1", "http2")
CODEC_USERS = [
    "include/azulb/upstream/server_codec_table.hpp",
    "src/upstream/server_codec_table.cpp",
    "include/azulb/proxy/client_codec_table.hpp",
    "src/proxy/client_codec_table.cpp",
    "include/azulb/admin/local_*.hpp",
    "src/admin/local_*.[ch]pp",
]

# Nor may any other name what stands in them, or tell by the configuration which protocol is spoken: that needs no include.
# The configuration's own layer reads the word.
CODEC_NAME = re.compile(r"\bhttp[12]::\w+")
PROTOCOL_NAME = re.compile(r"\bProtocol::http[12]\b")
COMMENT_OR_TEXT = re.compile(r'//.*|"(?:[^"\\]|\\.)*"')

LINES_LIMIT = 400
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')


def source_files():
    for top in ("src", "include/azulb"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".cpp", ".hpp"):
                yield path


def layer_of(relative):
    """The layer of a file: src/LAYER/…, include/azulb/LAYER/…, src/main.cpp."""
    parts = relative.parts[1:] if relative.parts[0] == "src" else relative.parts[2:]
    return "main" if len(parts) == 1 else parts[0]


def included_layer(name):
    """The layer that an include names; None for a system header or one of the file's own directory."""
    parts = pathlib.PurePath(name).parts
    return parts[1] if parts[0] == "azulb" and len(parts) > 2 else None


def names_of_protocols(layer, line):
    """What in the line only a codec's user may name."""
    code = COMMENT_OR_TEXT.sub("", line)
    yield from CODEC_NAME.findall(code)
    if layer != "config":
        yield from PROTOCOL_NAME.findall(code)


def problems_of(relative, lines):
    layer = layer_of(relative)
    if layer not in RANK:
        yield 1, f'"{layer}" is no layer'
        return
    knows_protocols = layer in CODEC_LAYERS or any(relative.match(pattern) for pattern in CODEC_USERS)
    for number, line in enumerate(lines, 1):
        for name in [] if knows_protocols else names_of_protocols(layer, line):
            yield number, f"{name}: only the codecs' users (see CODEC_USERS) know a protocol"
        match = INCLUDE.match(line)
        if not match:
            continue
        if match.group(1).startswith(".."):
            yield number, f"{match.group(1)}: includes go from the include directory or the file's own"
        other = included_layer(match.group(1))
        if other is None or other == layer:
            continue
        if other not in RANK:
            yield number, f'{match.group(1)}: "{other}" is no layer'
        elif RANK[other] >= RANK[layer]:
            beside = RANK[other] == RANK[layer]
            yield number, f"{layer} includes {other}, which stands {'beside' if beside else 'to the right of'} it"
        elif other in CODEC_LAYERS and not knows_protocols:
            yield number, f"{match.group(1)}: only the codec's users (see CODEC_USERS) know a protocol"


def main():
    failures = warnings = files = 0
    for path in source_files():
        files += 1
        relative = path.relative_to(ROOT)
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, problem in problems_of(relative, lines):
            print(f"{relative}:{number}: {problem}")
            failures += 1
        if len(lines) > LINES_LIMIT:
            print(f"{relative}:{len(lines)}: warning: more than {LINES_LIMIT} lines")
            warnings += 1
    for pattern in CODEC_USERS:
        directory, name = pattern.rsplit("/", 1)
        if not any((ROOT / directory).glob(name)) and "*" not in name:
            print(f"{pattern}:1: named in CODEC_USERS, but does not exist")
            failures += 1
    print(f"{files} files, {failures} breaches of the layers, {warnings} warnings")
    return 1 if failures or not files else 0


if __name__ == "__main__":
    sys.exit(main())
