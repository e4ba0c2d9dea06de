# SPDX-License-Identifier: Apache-2.0
"""The commands that the documents have for an administrator, line by line, as they stand there."""

import os
import re

ROOT = os.path.normpath(f"{os.path.dirname(os.path.abspath(__file__))}/../..")


def _between(path, begin, end):
    with open(f"{ROOT}/{path}") as source:
        return source.read().partition(begin)[2].partition(end)[0]


def _commands(text, indent):
    """The lines that are indented so far, without what is said about them."""
    found = re.findall(rf"^ {{{indent}}}(\S.*)$", text, re.MULTILINE)
    return [re.sub(r" +# .*", "", line) for line in found]


def readme(heading):
    """Those of a section of README.md; pieces of configuration and output are fenced there."""
    return _commands(re.sub(r"^```.*?^```", "", _between("README.md", f"\n## {heading}\n", "\n## "), flags=re.S | re.M), 4)


def upkeep():
    """{what for: commands} of idsyncd(8)."""
    items = re.split(r"^(\S.*)\n(?=    \S)", _between("man/idsyncd.8.rst", "\nUPKEEP\n======\n", "\nSIGNALS\n"), flags=re.M)
    return {term: _commands(text, 8) for term, text in zip(items[1::2], items[2::2])}
