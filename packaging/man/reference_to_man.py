#!/usr/bin/python3
"""Makes azulb.toml(5) of conf/reference.toml: reference_to_man.py REFERENCE FRAME VERSION > azulb.toml.5

The reference is the contract, and one list of keys is enough. What is said of a key in its comment is said in the
page; FRAME is the page around it, with @KEYS@, @UNSUPPORTED@ and @VERSION@ where these belong.
"""

import pathlib
import re
import sys

MARK = "# not supported yet: "
TABLE = re.compile(r"\[\[?([\w.]+)\]\]?\s*(?:#\s*(.*))?$")
KEY = re.compile(r"(\w+) = (.*)$")
PARAGRAPH = object()  # between two lines of a comment
CONTINUED = re.compile(r"\s+#\s?(.*)$")


class Entry:
    """A table or a key, and what its comments say."""

    def __init__(self, name, value=None, comment=""):
        self.name, self.value = name, value
        self.comment = [comment] if comment else []
        self.keys = []  # of a table


def split_comment(text):
    """A value and the comment behind it; a # within a string is none."""
    match = re.match(r'((?:[^#"]|"(?:[^"\\]|\\.)*")*?)\s*(?:#\s*(.*))?$', text)
    return match.group(1).strip(), match.group(2) or ""


def parse(text):
    """The tables in their order, and the lines of what is not supported."""
    tables, unsupported, last, depth = [], [], None, 0
    ahead = None  # comments below a "# ----" line, which belong to the table that follows
    for line in text.splitlines():
        line = line[3:] if line.startswith("#| ") else line
        if line.startswith(MARK):
            unsupported.append(split_comment(line[len(MARK) :]))
            last = None
        elif line.startswith("#   ") and last is None:
            continue  # a key of a table that is not supported
        elif depth:
            value, comment = split_comment(line)
            continued = CONTINUED.match(line)
            if continued:
                last.comment.append(continued.group(1).strip())
                continue
            last.value += "\n" + value
            depth += value.count("[") - value.count("]")
            if comment:
                last.comment.append(comment)
        elif match := TABLE.match(line):
            known = next((table for table in tables if table.name == match.group(1)), None)
            last = known or Entry(match.group(1), comment=match.group(2) or "")
            last.comment += ahead or []
            ahead = None
            if not known:
                tables.append(last)
        elif match := KEY.match(line):
            value, comment = split_comment(match.group(2))
            last = Entry(match.group(1), value, comment)
            depth = value.count("[") - value.count("]")
            if all(key.name != last.name for key in tables[-1].keys):
                tables[-1].keys.append(last)
        elif (match := CONTINUED.match(line)) and last is not None:
            last.comment.append(match.group(1).strip())
        elif line.startswith("# ---"):
            ahead = []
        elif line.startswith("# ") and ahead is not None:
            ahead.append(line[2:].strip())
        elif line.startswith("# ") and tables and not line.startswith("# The lines behind"):
            (tables[-1].keys or [tables[-1]])[-1].comment += [PARAGRAPH, line[2:].strip()]
    return tables, unsupported


def escaped(text):
    if text is PARAGRAPH:
        return ".sp 0.5v"
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("^", r"\(ha").replace("~", r"\(ti")
    text = text.replace("…", "...").replace("§", r"\(sc").replace("×", r"\(mu").replace("→", r"\(->")
    return r"\&" + text if text.startswith((".", "\\(aq")) else text


def header(table):
    """[upstream.app] stands for every upstream: its name is the user's choice."""
    if table.name == "route":
        return "[[route]]"
    return "[" + re.sub(r"^(listener|upstream)\.\w+", r"\1.NAME", table.name) + "]"


def merged(tables):
    """Tables that differ only in the name the user gives them are one."""
    result = {}
    for table in tables:
        into = result.setdefault(header(table), Entry(header(table)))
        into.comment += table.comment
        known = {key.name for key in into.keys}
        into.keys += [key for key in table.keys if key.name not in known]
    return list(result.values())


def render_key(key):
    lines = [".TP"]
    if "\n" in key.value:
        lines.append(f".B {escaped(key.name)}")
    else:
        lines.append(f".BR {escaped(key.name)} \" = {escaped(key.value).replace(chr(34), chr(92) + '(dq')}\"")
    lines += [escaped(text) for text in key.comment] or [r"\&"]
    if "\n" in key.value:
        lines += [".IP", ".nf", *(escaped(line) for line in f"{key.name} = {key.value}".splitlines()), ".fi"]
    return lines


def render(tables):
    lines = []
    for table in merged(tables):
        lines += [f".SS {escaped(table.name)}", *(escaped(text) for text in table.comment)]
        for key in table.keys:
            lines += render_key(key)
    return "\n".join(lines)


def render_unsupported(unsupported):
    lines = []
    for what, comment in unsupported:
        lines += [".TP", ".nh", f".B {escaped(what)}", escaped(comment) if comment else r"\&"]
    return "\n".join(lines)


def main(reference, frame, version):
    tables, unsupported = parse(pathlib.Path(reference).read_text())
    page = pathlib.Path(frame).read_text()
    page = page.replace("@KEYS@", render(tables)).replace("@UNSUPPORTED@", render_unsupported(unsupported))
    sys.stdout.write(page.replace("@VERSION@", version))


if __name__ == "__main__":
    main(*sys.argv[1:])
