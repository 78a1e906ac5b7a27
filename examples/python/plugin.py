"""Denies by pattern, and says why to whoever asked."""

import json
import re
from dataclasses import dataclass

# Made of wit/ by `wproxy plugin build`.
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.access import Denial, Verdict_Deny, Verdict_Pass
from wit_world.exports.lifecycle import ConfigError, Spared


@dataclass
class Rule:
    pattern: re.Pattern
    because: str
    # Where it stands in the configuration: the proxy shows the line.
    at: str


# An instance is configured once, and serves one request at a time.
rules: list[Rule] = []


def pointer(path: list) -> str:
    """A JSON Pointer (RFC 6901) to a path of keys and indices."""
    steps = (str(key).replace("~", "~0").replace("/", "~1") for key in path)
    return "".join(f"/{step}" for step in steps)


def wrong(path: list, message: str) -> Err:
    """An error: the host shows it with the line in the operator's file."""
    return Err(ConfigError(pointer(path), message))


def rule(table, path: list) -> Rule:
    """One `[[config.deny]]`."""
    if not isinstance(table, dict):
        raise wrong(path, "a table with a `pattern`, and `because`, which is why")
    for key in table.keys() - {"pattern", "because"}:
        raise wrong([*path, key], "`pattern` and `because` are the keys here")
    for key in ("pattern", "because"):
        if not isinstance(table.get(key), str):
            raise wrong([*path, key] if key in table else path, f"`{key}` has to be some text")
    path = [*path, "pattern"]
    try:
        return Rule(re.compile(table["pattern"]), table["because"], pointer(path))
    except re.error as error:
        raise wrong(path, f"not a regular expression: {error}")


class Lifecycle(exports.Lifecycle):
    def configure(self, config: str) -> Spared:
        global rules
        table = json.loads(config)
        for key in table.keys() - {"deny"}:
            raise wrong([key], "`deny` is the only key here")
        tables = table.get("deny", [])
        if not isinstance(tables, list):
            raise wrong(["deny"], "a list of tables: [[config.deny]]")
        rules = [rule(table, ["deny", index]) for index, table in enumerate(tables)]
        return Spared(0)


class Access(exports.Access):
    def authorize(self, request):
        uri = request.uri()
        for rule in rules:
            if rule.pattern.search(uri):
                message = f"{rule.because}; this was denied because of {rule.pattern.pattern}"
                return Verdict_Deny(Denial(rule.at, 403, message))
        return Verdict_Pass()
