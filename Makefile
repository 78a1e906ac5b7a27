# `make run` and `make test` do all their own set-up on a Debian machine with rustup.

PLUGINS = plugins/access-policy plugins/header-scrub plugins/cache-rules
WASM = wasm32-unknown-unknown
WASI = wasm32-wasip2

# Debian packages of the clients that the tests run, of what makes their repositories, and of the
# registry for components.
CLIENTS = createrepo-c curl dnf docker-registry python3-requests rpm wget
# And of what plugins in C and Python are built with; JavaScript's npm comes with whatever Node.js there is.
TOOLS = clang lld python3-venv
# Where Debian's squid is unpacked.
SQUID = target/squid
INSTALL = apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends

.PHONY: run build plugins test setup clients tools helpers

# Serves the documented configuration at port 8080, with the plugins of this folder.
run: plugins
	@printf '%s\n' '' \
	  'wproxy is about to serve at port 8080. In another terminal, try:' \
	  '  curl -x http://127.0.0.1:8080 http://example.com/        # allowed: you are localhost' \
	  '  curl -x http://127.0.0.1:8080 http://example.com:81/     # denied: not a safe port' \
	  '  curl http://127.0.0.1:8080/squid-internal-mgr/plugins    # the rules that decide' \
	  'Edit plugins/access-policy/plugin.toml, and swap it in while it serves:' \
	  '  target/release/wproxy reload' ''
	target/release/wproxy run --plugins plugins/

# Leaves target/release/wproxy, which carries the default plugins.
build: setup
	cargo build --release --locked

# The components that the manifests in plugins/ name.
plugins: build
	CARGO_TARGET_DIR=$(CURDIR)/target/plugins target/release/wproxy plugin build $(PLUGINS)

# All that has to hold.
test: setup clients tools helpers
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	cargo test --workspace --all-features --locked

# rustup installs what rust-toolchain.toml names. Where the wasm target cannot be had, the build
# falls back to Debian's rustc-web and builds the standard library itself.
setup:
	@command -v cargo >/dev/null || { echo 'cargo is missing: install rustup, see https://rustup.rs' >&2; exit 1; }
	@rustup target list --installed 2>/dev/null | grep -qx $(WASM) \
	  || rustup target add $(WASM) \
	  || [ -d /usr/lib/rustlib/src/rust/library ] \
	  || { apt-get update -qq && apt-get install -y -qq rustc-web cargo-web rust-web-src; } \
	  || { echo 'no standard library for wasm: rustup target add $(WASM)' >&2; exit 1; }

# What tests/clients.rs and tests/registry.rs need.
clients:
	@! dpkg-query --show --showformat '$${db:Status-Status}\n' $(CLIENTS) 2>&1 | grep -qvx installed \
	  || { [ "$$(id -u)" = 0 ] && $(INSTALL) $(CLIENTS); } \
	  || { echo 'clients for the tests are missing, as root: $(INSTALL) $(CLIENTS)' >&2; exit 1; }

# squid's own helpers, which tests/helpers.rs runs: unpacked, not installed, for no squid is to run.
helpers:
	@[ -x $(SQUID)/usr/lib/squid/ext_file_userip_acl ] \
	  || { mkdir -p $(SQUID) && cd $(SQUID) && rm -f squid_*.deb && { apt-get download -qq squid \
	  || { apt-get update -qq && apt-get download -qq squid; }; } && dpkg -x squid_*.deb . && rm squid_*.deb; } \
	  || { echo "squid's helpers for the tests are missing: dpkg -x squid_*.deb $(SQUID)" >&2; exit 1; }

# What tests/authors.rs and the plugins of the tests need.
tools:
	@rustup target list --installed 2>/dev/null | grep -qx $(WASI) \
	  || rustup target add $(WASI) \
	  || { echo 'no standard library for WASI: rustup target add $(WASI)' >&2; exit 1; }
	@! dpkg-query --show --showformat '$${db:Status-Status}\n' $(TOOLS) 2>&1 | grep -qvx installed \
	  || { [ "$$(id -u)" = 0 ] && $(INSTALL) $(TOOLS); } \
	  || { echo 'tools for plugins are missing, as root: $(INSTALL) $(TOOLS)' >&2; exit 1; }
	@command -v npm >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && $(INSTALL) nodejs npm; } \
	  || { echo 'tools for plugins are missing, as root: $(INSTALL) nodejs npm' >&2; exit 1; }
