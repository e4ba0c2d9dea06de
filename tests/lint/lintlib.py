# SPDX-License-Identifier: Apache-2.0
"""What the lint checks share: the files of the project, C without its comments, and one way to report."""

import os
import re
import sys

PROGRAM_FOLDERS = ("daemon", "ctl")
SKIPPED = {".git", "build", "build-aux", "autom4te.cache", "__pycache__", ".pytest_cache", "corpus", "fixtures"}


def files(*endings, under=None):
    """Paths of the source tree, sorted, that end in one of `endings` (all text files without one)."""
    found = []
    for top in under or ["."]:
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if name not in SKIPPED]
            for name in names:
                path = os.path.normpath(os.path.join(folder, name))
                if (not endings or name.endswith(endings)) and not os.path.islink(path):
                    found.append(path)
    return sorted(found)


def program_sources(*endings):
    return files(*(endings or (".c", ".h")), under=[folder for folder in PROGRAM_FOLDERS if os.path.isdir(folder)])


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code_of(text):
    """C without comments and the insides of strings; lines keep their numbers."""

    def blank(match):
        token = match.group()
        if token[0] in "\"'":
            return token[0] * 2
        return "\n" * token.count("\n") + " "

    return TOKEN.sub(blank, text)


def word_list(path, variable):
    """The words of a make variable that is written as a list, one a line."""
    match = re.search(rf"^{variable} =((?:.*\\\n)*.*)$", read(path), re.MULTILINE)
    return match.group(1).replace("\\", " ").split() if match else []


def finish(problems):
    """Prints the problems; the exit status says whether there was one."""
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
