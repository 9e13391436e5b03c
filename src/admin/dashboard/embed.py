#!/usr/bin/env python3
"""Puts the dashboard's parts into one page, and that into a C++ source: embed.py HTML CSS JS OUTPUT.

The page's policy names its script and style by their hashes, so that nothing else runs in it.
"""

import base64
import hashlib
import pathlib
import sys

PIECE = 8000  # characters of a string literal; compilers need to take 65,536 only


def source_of(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def literals(text):
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    return "\n".join(f'    R"~~~({piece})~~~"' for piece in pieces)


def main():
    html, css, script, output = map(pathlib.Path, sys.argv[1:])
    style, code = css.read_text(), script.read_text()
    page = html.read_text()
    for mark, part in (("/*STYLE*/", style), ("/*SCRIPT*/", code)):
        assert page.count(mark) == 1, mark
        assert "</s" not in part, "would end its element"
        page = page.replace(mark, part)
    assert ')~~~"' not in page
    policy = (
        f"default-src 'none'; script-src {source_of(code)}; style-src {source_of(style)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    output.write_text(
        "// Made by src/admin/dashboard/embed.py.\n"
        '#include "dashboard.hpp"\n\n'
        "namespace azulb::admin {\n\n"
        f"const std::string_view dashboard_page =\n{literals(page)};\n\n"
        f'const std::string_view dashboard_policy =\n    R"~~~({policy})~~~";\n\n'
        "}  // namespace azulb::admin\n"
    )


if __name__ == "__main__":
    main()
