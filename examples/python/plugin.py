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


def wrong(at: str, message: str) -> Err:
    """An error: the host shows it with the line in the operator's file."""
    return Err(ConfigError(at, message))


def rule(table: dict, at: str) -> Rule:
    """One `[[config.deny]]`."""
    for key in table.keys() - {"pattern", "because"}:
        raise wrong(f"{at}/{key}", "`pattern` and `because` are the keys here")
    for key in ("pattern", "because"):
        if not isinstance(table.get(key), str):
            raise wrong(at if key not in table else f"{at}/{key}", f"`{key}` has to be some text")
    at = f"{at}/pattern"
    try:
        return Rule(re.compile(table["pattern"]), table["because"], at)
    except re.error as error:
        raise wrong(at, f"not a regular expression: {error}")


class Lifecycle(exports.Lifecycle):
    def configure(self, config: str) -> Spared:
        global rules
        table = json.loads(config)
        for key in table.keys() - {"deny"}:
            raise wrong(f"/{key}", "`deny` is the only key here")
        tables = table.get("deny", [])
        rules = [rule(table, f"/deny/{index}") for index, table in enumerate(tables)]
        return Spared(0)


class Access(exports.Access):
    def authorize(self, request):
        uri = request.uri()
        for rule in rules:
            if rule.pattern.search(uri):
                message = f"{rule.because}; this was denied because of {rule.pattern.pattern}"
                return Verdict_Deny(Denial(rule.at, 403, message))
        return Verdict_Pass()
