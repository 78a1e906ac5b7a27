// Only the hosts that its configuration names can be asked for, with what is below them.

// An instance is configured once, and serves one request at a time.
let hosts = [];

/** An error at a path of keys and indices: the host shows it with the line in the operator's file. */
function wrong(path, message) {
  const escaped = (key) => String(key).replaceAll("~", "~0").replaceAll("/", "~1");
  return { at: path.map((key) => `/${escaped(key)}`).join(""), message };
}

export const lifecycle = {
  configure(json) {
    const config = JSON.parse(json);
    for (const key of Object.keys(config)) {
      if (key !== "hosts") throw wrong([key], "`hosts` is the only key here");
    }
    if (!Array.isArray(config.hosts)) {
      throw wrong(["hosts"], 'a list of hosts, such as ["example.com"]');
    }
    for (const [index, host] of config.hosts.entries()) {
      if (typeof host !== "string" || host === "") {
        throw wrong(["hosts", index], 'a host is a name, such as "example.com"');
      }
    }
    hosts = config.hosts;
    return {};
  },
};

export const access = {
  authorize(request) {
    const host = request.host();
    const index = hosts.findIndex((domain) => host === domain || host.endsWith(`.${domain}`));
    if (index >= 0) {
      // A pointer into the configuration: the proxy shows the line.
      return { tag: "allow", val: { rule: `/hosts/${index}` } };
    }
    const message = `${host}: this proxy cannot be asked for that host`;
    return { tag: "deny", val: { rule: "no such host", status: 403, message } };
  },
};
