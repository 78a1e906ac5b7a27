"""Only the hosts that its configuration names can be asked for, with what is below them."""

import json

# Made of wit/ by `wproxy plugin build`.
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.access import Denial, Matched, Verdict_Allow, Verdict_Deny
from wit_world.exports.lifecycle import ConfigError, Spared

# An instance is configured once, and serves one request at a time.
hosts: list[str] = []


def wrong(path: list, message: str) -> Err:
    """An error at a path of keys and indices: the host shows it with the line in the operator's file."""
    steps = (str(key).replace("~", "~0").replace("/", "~1") for key in path)
    return Err(ConfigError("".join(f"/{step}" for step in steps), message))


class Lifecycle(exports.Lifecycle):
    def configure(self, config: str) -> Spared:
        global hosts
        table = json.loads(config)
        for key in table:
            if key != "hosts":
                raise wrong([key], "`hosts` is the only key here")
        hosts = table.get("hosts")
        if not isinstance(hosts, list):
            raise wrong(["hosts"], 'a list of hosts, such as ["example.com"]')
        for index, host in enumerate(hosts):
            if not isinstance(host, str) or not host:
                raise wrong(["hosts", index], 'a host is a name, such as "example.com"')
        return Spared(0)


class Access(exports.Access):
    def authorize(self, request):
        host = request.host()
        for index, domain in enumerate(hosts):
            if host == domain or host.endswith(f".{domain}"):
                # A pointer into the configuration: the proxy shows the line.
                return Verdict_Allow(Matched(f"/hosts/{index}"))
        message = f"{host}: this proxy cannot be asked for that host"
        return Verdict_Deny(Denial("no such host", 403, message))
