// Rewrites header fields, for one upstream alone.

/** Of one direction: names to remove, and names with their new values. */
class Edits {
  constructor(table, at) {
    const { remove = [], set = {}, ...rest } = table;
    for (const key of Object.keys(rest)) throw wrong([...at, key], "`remove` and `set` are the keys here");
    for (const [index, name] of list(remove, [...at, "remove"]).entries()) {
      text(name, [...at, "remove", index]);
    }
    const values = Object.entries(set).map(([name, value]) => [name, text(value, [...at, "set", name])]);
    this.remove = remove;
    // Field values are octets.
    this.set = values.map(([name, value]) => [name, new TextEncoder().encode(value)]);
  }

  get isEmpty() {
    return this.remove.length === 0 && this.set.length === 0;
  }

  apply(fields) {
    if (this.remove.length > 0) fields.removeAll(this.remove);
    for (const [name, value] of this.set) {
      try {
        fields.set(name, value);
      } catch (error) {
        // `syntax`, `host-owned` or `too-large`: the fields are as before.
        console.warn(`${name} is not set: ${error.payload}`);
      }
    }
  }
}

// An instance is configured once, and serves one request at a time.
let host;
let request;
let response;

/** An error at a path of keys and indices: the host shows it with the line in the operator's file. */
function wrong(path, message) {
  const escaped = (key) => String(key).replaceAll("~", "~0").replaceAll("/", "~1");
  return { at: path.map((key) => `/${escaped(key)}`).join(""), message };
}

function text(value, at) {
  if (typeof value !== "string" || value === "") throw wrong(at, "some text, in quotation marks");
  return value;
}

function list(value, at) {
  if (!Array.isArray(value)) throw wrong(at, 'a list, such as ["Cookie"]');
  return value;
}

export const lifecycle = {
  configure(json) {
    const { host: upstream, request: to = {}, response: from = {}, ...rest } = JSON.parse(json);
    for (const key of Object.keys(rest)) {
      throw wrong([key], "`host`, `request` and `response` are the keys here");
    }
    host = text(upstream, ["host"]).toLowerCase();
    request = new Edits(to, ["request"]);
    response = new Edits(from, ["response"]);
    // A hook that would change nothing need not be called: requests save what that costs.
    return { requestHeaders: request.isEmpty, responseHeaders: response.isEmpty };
  },
};

export const requestHeaders = {
  onRequest(asked, fields) {
    if (asked.host() === host) request.apply(fields);
  },
};

export const responseHeaders = {
  onResponse(asked, _status, fields) {
    if (asked.host() === host) response.apply(fields);
  },
};
