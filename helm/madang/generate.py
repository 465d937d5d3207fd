#!/usr/bin/env python3
"""Makes values.schema.json and the table in README.md of values.yaml, or with --check says whether they are stale.

A `# -- sentence` above a key documents it; a `# @schema {…}` line adds to the type that its default gives. A map whose
keys have no sentences of their own is Kubernetes' business and open; every other map takes no unknown keys. The keys
of `settings` are those of the table in the README of the program.
"""

import json
import re
import sys
from pathlib import Path

import yaml

CHART = Path(__file__).resolve().parent
PROGRAM = CHART.parent.parent / "README.md"
DURATION = "^([0-9]+ ?(ms|s|m|h|d) ?)*$"
BEGIN, END = "<!-- values -->\n", "<!-- /values -->\n"
# What the chart sets by itself.
OWNED = {
    "server.listen", "server.internal_listen", "redis.url", "redis.username", "redis.password_file", "redis.ca_file",
    "redis.sentinel_username", "redis.sentinel_password_file",
    "redis.prefix", "api.keys_file", "identity.key_file", "fleet.peers", "fleet.address", "fleet.generation",
}


def documented(text):
    """Returns path -> (sentence, additions to the schema) of every documented key, in order."""
    found, stack, sentence, extra = {}, [], None, {}
    for line in text.splitlines():
        if match := re.match(r" *# -- (.*)", line):
            sentence, extra = match[1], {}
        elif match := re.match(r" *# @schema (.*)", line):
            if sentence is not None:
                extra = json.loads(match[1])
        elif match := re.match(r"( *)([A-Za-z][\w./-]*):", line):
            depth = len(match[1]) // 2
            stack[depth:] = [match[2]]
            if sentence is not None:
                found[tuple(stack)] = (sentence, extra)
            sentence, extra = None, {}
    return found


def type_of(value):
    if isinstance(value, bool):
        return "boolean"
    names = {int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def schema_of(value, path, docs):
    sentence, extra = docs.get(path, (None, {}))
    below = any(len(other) > len(path) and other[: len(path)] == path for other in docs)
    schema = {}
    if sentence:
        schema["description"] = sentence
    if isinstance(value, dict) and below and path != ("settings",):
        schema["type"] = "object"
        schema["additionalProperties"] = False
        schema["properties"] = {key: schema_of(child, (*path, key), docs) for key, child in value.items()}
        schema["required"] = required(schema["properties"])
    elif value is not None:
        schema["type"] = type_of(value)
    schema.update(extra)
    if path not in docs and not below:
        sys.exit(f"values.yaml: {'.'.join(path)} has no sentence")
    if value is None and "type" not in schema:
        sys.exit(f"values.yaml: {'.'.join(path)} is null and says no type")
    return schema


def required(properties):
    """Returns the keys that may not be null, which in values means removed."""
    return [key for key, schema in properties.items() if "null" not in schema["type"]]


def setting_schema(name, allowed):
    """Returns the schema of a setting, from the words in which the program says what it takes; empty is its default."""
    if match := re.fullmatch(r"(?:empty, or )?a whole number from (\d+) to (\d+)", allowed):
        bounds = {"minimum": int(match[1]), "maximum": int(match[2])}
        return {"type": ["integer", "string", "null"], "pattern": "^[0-9]*$", **bounds}
    if allowed.startswith("a size from "):
        return {"type": ["integer", "string", "null"], "pattern": "^([0-9]+ *(KiB|MiB|GiB)?)?$", "minimum": 0}
    if allowed == "one of true, false":
        return {"enum": [True, False, "true", "false", "", None]}
    if match := re.fullmatch(r"one of (.*)", allowed):
        return {"enum": [*match[1].split(", "), "", None]}
    if allowed.startswith("a duration from "):
        # Those of the section drain are computed with, and have a sentence of their own.
        return {"type": ["string", "null"]} | ({} if name.startswith("drain.") else {"pattern": DURATION})
    if allowed.startswith("a list of "):
        return {"type": ["string", "array", "null"], "items": {"type": "string"}}
    return {"type": ["string", "integer", "null"]}


def settings_schema():
    """Returns the schema of `settings`, from the table of settings of the program."""
    sections = {}
    row = r"^\| `(\w+\.\w+)`<br>`MADANG_\w+` \|[^|]*\| (.*?) \| (.*) \|$"
    for name, meaning, allowed in re.findall(row, PROGRAM.read_text(), re.M):
        if name not in OWNED:
            section, key = name.split(".")
            sections.setdefault(section, {})[key] = {"description": meaning} | setting_schema(name, allowed)
    if not sections:
        sys.exit("README.md of the program has no table of settings")
    return {
        section: {"type": "object", "additionalProperties": False, "properties": keys}
        for section, keys in sections.items()
    }


def make_schema(values, docs):
    root = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart madang",
        "type": "object",
        "additionalProperties": False,
        "properties": {key: schema_of(value, (key,), docs) for key, value in values.items()},
    }
    root["required"] = required(root["properties"])
    # A chart above this one may put values of its own into global.
    root["properties"]["global"].pop("additionalProperties")
    settings = root["properties"]["settings"]
    settings["additionalProperties"] = False
    settings["properties"] = settings_schema()
    return json.dumps(root, indent=2, ensure_ascii=False) + "\n"


def make_table(values, docs):
    rows = ["| Value | Default | Meaning |\n", "| --- | --- | --- |\n"]
    for path, (sentence, _) in docs.items():
        value = values
        for key in path:
            value = value[key]
        if path == ("settings",):
            shown = ""
        elif isinstance(value, (dict, list)) and value and len(json.dumps(value)) > 60:
            shown = "see values.yaml"
        else:
            shown = f"`{json.dumps(value, ensure_ascii=False)}`"
        rows.append(f"| `{'.'.join(path)}` | {shown} | {sentence.replace('|', chr(92) + '|')} |\n")
    return "".join(rows)


def main():
    text = (CHART / "values.yaml").read_text()
    values, docs = yaml.safe_load(text), documented(text)
    readme = (CHART / "README.md").read_text()
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    made = {
        CHART / "values.schema.json": make_schema(values, docs),
        CHART / "README.md": before + BEGIN + make_table(values, docs) + END + after,
    }
    stale = [path for path, content in made.items() if not path.exists() or path.read_text() != content]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.name} is stale; run helm/madang/generate.py", file=sys.stderr)
        sys.exit(1 if stale else 0)
    for path in stale:
        path.write_text(made[path])


if __name__ == "__main__":
    main()
