# SPDX-License-Identifier: Apache-2.0
"""Checks requests and answers against an OpenAPI 3.0 document: path, method, query, headers, body."""

import json
import os
import re
from urllib.parse import parse_qsl, unquote

import jsonschema
import yaml


def load(source):
    return yaml.load(source, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class Violation(Exception):
    """A request (or an answer of ours) that the document doesn't allow. `status` is what to answer."""

    def __init__(self, text, status=400):
        super().__init__(text)
        self.status = status
        self.operation = None       # what was asked for, if that much was clear


def resolve(node, document, base, directory):
    """Replace every $ref below NODE by what it means; the documents have no cycles."""
    if isinstance(node, list):
        return [resolve(item, document, base, directory) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name, pointer = node["$ref"].split("#", 1)
        if name:
            with open(os.path.join(directory, name)) as source:
                document = load(source)
        target = document
        for step in pointer.strip("/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return resolve(target, document, base, directory)
    return {key: resolve(value, document, base, directory) for key, value in node.items()}


def to_json_schema(node, hidden):
    """OpenAPI's dialect to JSON Schema draft 4: `nullable`, and properties that are HIDDEN (readOnly in a request,
    writeOnly in an answer) don't exist."""
    if isinstance(node, list):
        return [to_json_schema(item, hidden) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: to_json_schema(value, hidden) for key, value in node.items() if key != "nullable"}
    if isinstance(node.get("properties"), dict):
        gone = {name for name, item in node["properties"].items() if item.get(hidden) is True}
        plain["properties"] = {name: item for name, item in plain["properties"].items() if name not in gone}
        if "required" in plain:
            plain["required"] = [name for name in plain["required"] if name not in gone]
    if node.get("nullable") is True:
        plain["type"] = [plain["type"], "null"]
    return plain


def validator(schema, hidden="readOnly"):
    schema = to_json_schema(schema, hidden)
    jsonschema.Draft4Validator.check_schema(schema)
    return jsonschema.Draft4Validator(schema)


def complain(check, value, what):
    error = next(check.iter_errors(value), None)
    if error is not None:
        where = "/".join(str(step) for step in error.absolute_path)
        # These would repeat the value: a secret, or all of it.
        reason = error.validator if error.validator in ("oneOf", "pattern", "not") else error.message
        raise Violation(f"{what}{' at ' + where if where else ''}: {reason}"[:300])


def no_duplicates(pairs):
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise Violation("body: a key stands twice")
    return dict(pairs)


def media_type(header):
    return (header or "").split(";")[0].strip().lower()


class Operation:
    def __init__(self, method, path, shared, spec):
        self.method = method.upper()
        self.path = path
        self.id = spec["operationId"]
        self.basic = spec.get("x-auth") == "basic"
        self.parent_only = spec.get("x-parent-token", False)
        self.scopes = [s for entry in spec.get("security", []) for s in entry.get("oauth", [])]
        self.pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)) + r"\Z")
        self.parameters = {(p["in"], p["name"].lower() if p["in"] == "header" else p["name"]): (p, validator(p["schema"]))
                           for p in shared + spec.get("parameters", [])}
        self.bodies = {kind: validator(media["schema"])
                       for kind, media in spec.get("requestBody", {}).get("content", {}).items()}
        self.answers = {status: {kind: validator(media["schema"], "writeOnly")
                                 for kind, media in answer.get("content", {}).items()}
                        for status, answer in spec["responses"].items()}

    def parameter(self, place, name, text):
        definition, check = self.parameters[(place, name)]
        value = text
        if definition["schema"]["type"] == "integer":
            if not re.fullmatch(r"[0-9]{1,10}", text):
                raise Violation(f"{place} parameter {name}: not a whole number: {text!r}"[:200])
            value = int(text)
        elif definition["schema"]["type"] == "boolean":
            if text not in ("true", "false"):
                raise Violation(f"{place} parameter {name}: neither true nor false: {text!r}"[:200])
            value = text == "true"
        complain(check, value, f"{place} parameter {name}")
        return value

    def read_path(self, match):
        return {name: self.parameter("path", name, unquote(text)) for name, text in match.groupdict().items()}

    def read_query(self, query):
        found = {}
        for name, text in parse_qsl(query, keep_blank_values=True):
            if ("query", name) not in self.parameters:
                raise Violation(f"query parameter {name}: unknown")
            if name in found:
                raise Violation(f"query parameter {name}: stands twice")
            found[name] = self.parameter("query", name, text)
        for (place, name), (definition, _) in self.parameters.items():
            if place == "query" and name not in found:
                if definition.get("required"):
                    raise Violation(f"query parameter {name}: missing")
                if "default" in definition["schema"]:
                    found[name] = definition["schema"]["default"]
        return found

    def read_headers(self, headers):
        return {name: self.parameter(place, name, headers[name])
                for place, name in self.parameters if place == "header" and name in headers}

    def read_body(self, headers, body):
        if not self.bodies:
            if body:
                raise Violation(f"a body of {len(body)} bytes where none belongs")
            return None
        kind = media_type(headers.get("content-type"))
        if kind not in self.bodies:
            raise Violation(f"content type {kind or 'missing'}")
        try:
            text = body.decode()
            if kind == "application/json":
                value = json.loads(text, object_pairs_hook=no_duplicates)
            else:
                pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
                value = no_duplicates(pairs)
        except ValueError as error:
            raise Violation(f"body: not readable as {kind}") from error
        complain(self.bodies[kind], value, "body")
        return value


class Contract:
    def __init__(self, path):
        with open(path) as source:
            raw = load(source)
        document = resolve(raw, raw, path, os.path.dirname(path))
        self.operations = []
        for route, item in document["paths"].items():
            shared = item.get("parameters", [])
            for method in ("get", "post", "put", "patch", "delete"):
                if method in item:
                    self.operations.append(Operation(method, route, shared, item[method]))
        flows = document["components"]["securitySchemes"]["oauth"]["flows"]
        self.scopes = [scope for flow in flows.values() for scope in flow["scopes"]]

    def find(self, method, path):
        """The operation and the match of its path; a Violation with 404 or 405 if there is none."""
        matches = [(op, op.pattern.match(path)) for op in self.operations]
        matches = [(op, match) for op, match in matches if match]
        for op, match in matches:
            if op.method == method:
                return op, match
        if matches:
            raise Violation(f"{method} isn't allowed here", 405)
        raise Violation(f"no such path: {path}"[:200], 404)

    def check_answer(self, op, status, value, plain=False, empty=False):
        """Our own answers keep to the document too: this raises only on a fault of the stand-in. The media type; for
        PLAIN text the one that isn't JSON, for an EMPTY answer None."""
        kinds = op.answers.get(str(status))
        if kinds is None:
            raise Violation(f"{op.id}: the document knows no answer {status}")
        if empty:
            return None
        kind = next((kind for kind in kinds if plain != (kind == "application/json")), None)
        if kind is None:
            raise Violation(f"{op.id}: the document knows no such body of an answer {status}")
        complain(kinds[kind], value, f"{op.id} {status}")
        return kind
