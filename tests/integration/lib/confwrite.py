# SPDX-License-Identifier: Apache-2.0
"""Python values as a libconfig document."""

import re

LISTS = ("targets", "roles", "expect", "applications")     # ( … ), also when empty; the others are [ … ]


class Raw(str):
    """Text that stands in the file as it is, for files with mistakes."""


def quote(text):
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
    return '"' + re.sub(r'[\\"\n\r\t\f]', lambda m: escapes[m[0]], text) + '"'


def render(value, name="", indent=""):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}L" if abs(value) > 2147483647 else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return quote(value)
    deeper = indent + "  "
    if isinstance(value, dict):
        return "{\n" + settings(value, deeper) + indent + "}"
    items = [render(item, "", deeper) for item in value]
    brackets = "()" if name in LISTS or any(isinstance(item, dict) for item in value) else "[]"
    return brackets[0] + ", ".join(items) + brackets[1]


def settings(group, indent=""):
    """NAME = VALUE; for each; a value of None leaves the setting out."""
    return "".join(f"{indent}{name} = {render(value, name, indent)};\n"
                   for name, value in group.items() if value is not None)
