//! The command line: what it says, and that it says it before anything is touched.

use crate::support::proxy::run;
use crate::support::{OPEN_POLICY, wproxy};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use tempfile::TempDir;

fn settings(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wproxy.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// The default plugins' folders, with components that are none.
fn plugins(folder: &Path, component: Option<&[u8]>) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    for name in ["access-policy", "header-scrub", "cache-rules"] {
        let plugin = folder.join(name);
        fs::create_dir(&plugin).unwrap();
        fs::copy(
            root.join(name).join("plugin.toml"),
            plugin.join("plugin.toml"),
        )
        .unwrap();
        if let Some(component) = component {
            fs::write(plugin.join(format!("{name}.wasm")), component).unwrap();
        }
    }
    folder.to_str().unwrap().to_owned()
}

/// What runs of the documented settings, a typo in a key.
#[test]
fn mistakes_are_one_error_that_says_what_where_and_how_to_mend_it() {
    #[rustfmt::skip]
    let cases = [
        ("htp_port = [\"8080\"]", "there is no key `htp_port` here", "1:1", "did you mean `http_port`?"),
        ("read_timeout = \"soon\"", "a duration is a number and a unit", "1:16", "\"30 s\""),
        ("http_port = [", "unclosed array", "1:", ""),
        ("[plugins.acces-policy]\nacl = []", "[plugins.acces-policy]: there is no plugin of that name", "wproxy.toml", "there are: access-policy"),
        ("[plugins.access-policy]\nhttp_acess = []", "unknown field `http_acess`", "2:1", "`http_access`"),
        ("[plugins.access-policy]\nacl = [\n  \"a port 80\",\n  \"b prot HTTP\",\n]", "acl type `prot` is not known", "4:3", "proto"),
        ("[plugins.access-policy]\nhttp_access = [\"allow nobody\"]", "acl `nobody` is not defined", "2:16", ""),
        ("[plugins.header-scrub]\nrequest_header_access = [\"Via deni all\"]", "a line begins with allow or deny", "2:26", ""),
        ("[plugins.cache-rules]\nrefresh_pattern = [\". 0 20 4320 refresh-ims\"]", "option `refresh-ims` is not known", "2:20", ""),
        ("tls_outgoing_cafile = \"/nowhere.pem\"", "there is no such file", "1:23", ""),
    ];
    for (text, message, place, help) in cases {
        let (_folder, path) = settings(text);
        for command in ["check", "run"] {
            let (code, stdout, stderr) = run(&[command, "--config", &path]);
            assert_eq!(code, Some(1), "{text}: {stderr}");
            assert!(stdout.is_empty(), "{stdout}");
            for part in [message, place, help, "error: "] {
                assert!(stderr.contains(part), "{text}: no {part:?} in:\n{stderr}");
            }
            assert_eq!(stderr.matches("error").count(), 1, "{stderr}");
        }
    }
}

#[test]
fn a_caret_points_at_the_line_of_the_plugin() {
    let (_folder, path) =
        settings("[plugins.access-policy]\nacl = [\"localnet src 10.0.0.0/33\"]\n");
    let (_, _, stderr) = run(&["check", "--config", &path]);
    let expected = format!(
        "error: `10.0.0.0/33`: `/33` is neither a prefix length nor a netmask for 10.0.0.0\n \
         --> {path}:2:8\n  |\n2 | acl = [\"localnet src 10.0.0.0/33\"]\n  \
         |        ^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
    );
    assert_eq!(stderr, expected);
}

#[test]
fn a_component_that_is_not_built_or_none_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = plugins(folder.path(), None);
    let (code, _, stderr) = run(&["run", "--plugins", &path]);
    assert_eq!(code, Some(1));
    for part in [
        "cannot read the component",
        "plugin.toml:3:13",
        "build it: wproxy plugin build",
    ] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = plugins(folder.path(), Some(b"\0asm\x01\0\0\0"));
    let (code, _, stderr) = run(&["check", "--plugins", &path]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("not a WebAssembly component"), "{stderr}");
    let empty = tempfile::tempdir().unwrap();
    let (_, _, stderr) = run(&["check", "--plugins", empty.path().to_str().unwrap()]);
    assert!(
        stderr.contains("each sub-folder with a plugin.toml is one"),
        "{stderr}"
    );
    let (_, _, stderr) = run(&["check", "--plugins", "/nowhere"]);
    assert!(
        stderr.contains("cannot read the plugin folder /nowhere"),
        "{stderr}"
    );
}

/// What the way to servers needs is a part of the configuration, too.
#[test]
fn check_refuses_what_run_refuses_and_neither_creates_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let (log, ca) = (
        folder.path().join("access.log"),
        folder.path().join("ca.pem"),
    );
    fs::write(&ca, "no certificate").unwrap();
    let (_folder, path) = settings(&format!(
        "access_log = \"{}\"\ntls_outgoing_cafile = \"{}\"",
        log.display(),
        ca.display()
    ));
    for command in ["check", "run"] {
        let (code, stdout, stderr) = run(&[command, "--config", &path]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        let message = "error: tls_outgoing_cafile cannot be used: there is no certificate in it";
        assert!(stderr.contains(message), "{stderr}");
        assert!(!log.exists());
    }
}

#[test]
fn a_port_in_use_is_said_so_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, _, stderr) = run(&["run", "--listen", &address.to_string()]);
    assert_eq!(code, Some(1));
    let port = address.port();
    for part in [
        format!("cannot listen at {address}: another program listens there"),
        format!("ss -ltnp 'sport = :{port}'"),
    ] {
        assert!(stderr.contains(&part), "{stderr}");
    }
    let (_, _, stderr) = run(&["run", "--listen", "192.0.2.77:8080"]);
    assert!(
        stderr.contains("this machine does not have that address"),
        "{stderr}"
    );
    let (_, _, stderr) = run(&["run", "--listen", "8080", "--listen", "[::1]:8080"]);
    assert!(
        stderr.contains("--listen [::1]:8080: `8080` listens there already"),
        "{stderr}"
    );
    let (_, _, stderr) = run(&["run", "--listen", "here"]);
    assert!(
        stderr.contains("--listen here: not an address to listen at"),
        "{stderr}"
    );
}

/// From any folder, without a file: the documented configuration.
#[test]
fn check_prints_what_would_run() {
    let folder = tempfile::tempdir().unwrap();
    let output = wproxy()
        .arg("check")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let documented = [
        "acl manager proto cache_object",
        "acl localhost src 127.0.0.1/32 ::1",
        "acl to_localhost dst 127.0.0.0/8 0.0.0.0/32 ::1",
        "acl localnet src 10.0.0.0/8",
        "acl SSL_ports port 443",
        "acl Safe_ports port 80",
        "acl Safe_ports port 443",
        "acl CONNECT method CONNECT",
        "http_access allow manager localhost",
        "http_access deny manager",
        "http_access deny !Safe_ports",
        "http_access deny CONNECT !SSL_ports",
        "http_access allow localnet",
        "http_access allow localhost",
        "http_access deny all",
        "request_header_access Referer deny all",
        "request_header_access X-Forwarded-For deny all",
        "request_header_access Via deny all",
        "request_header_access Cache-Control deny all",
        "refresh_pattern -i (/cgi-bin/|\\?) 0 0% 0",
    ];
    let rules: Vec<&str> = stdout
        .lines()
        .filter_map(|line| {
            line.trim()
                .split("    # ")
                .next()
                .filter(|_| line.contains("    # "))
        })
        .collect();
    assert_eq!(rules, documented);
    for part in [
        "settings  the documented defaults",
        "listens   [::]:8080",
        "/run/control.sock\n\n",
        "plugin access-policy\n  digest  sha256:",
        "hooks   access\n",
        "hooks   request-headers (response-headers: nothing to do with this configuration)",
        "hooks   cache-rules (cache-rules for what must not be stored: nothing to do with this ",
        "rights  wproxy:plugin/http@0.2.0",
    ] {
        assert!(stdout.contains(part), "no {part:?} in:\n{stdout}");
    }
    // Nothing was left behind.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn explain_says_verdict_rule_file_and_line() {
    let manifest = include_str!("../plugins/access-policy/plugin.toml");
    let line = |words: &str| {
        1 + manifest
            .lines()
            .position(|line| line.contains(words))
            .unwrap()
    };
    #[rustfmt::skip]
    let cases = [
        (&["GET", "http://example.com/", "--client", "10.1.2.3"][..], 0, "allow", "http_access allow localnet", line("\"allow localnet\"")),
        (&["GET", "http://example.com:81/", "--client", "10.1.2.3"], 2, "deny     403", "http_access deny !Safe_ports", line("\"deny !Safe_ports\"")),
        (&["CONNECT", "example.com:80", "--client", "127.0.0.1"], 2, "deny     403", "http_access deny CONNECT !SSL_ports", line("\"deny CONNECT")),
        (&["GET", "http://example.com/", "--client", "192.0.2.1"], 2, "deny     403", "http_access deny all", line("\"deny all\"")),
        (&["GET", "cache_object://localhost/info", "--client", "::1"], 0, "allow", "http_access allow manager localhost", line("\"allow manager")),
    ];
    for (arguments, code, verdict, rule, line) in cases {
        let arguments: Vec<&str> = ["explain"].iter().chain(arguments).copied().collect();
        let (exit, stdout, stderr) = run(&arguments);
        assert_eq!(exit, Some(code), "{stderr}");
        let at = format!("(built in) access-policy/plugin.toml:{line}, plugin access-policy");
        let end = format!("\n\n{verdict}\nrule     {rule}\nat       {at}\n");
        assert!(stdout.ends_with(&end), "{stdout}");
    }
}

/// They are asked for in two ways, and the server takes both for one.
#[test]
fn explain_knows_the_manager_s_pages_as_the_server_does() {
    #[rustfmt::skip]
    let cases = [
        ("[\"8080\"]", "http://127.0.0.1:8080/squid-internal-mgr/info", true),
        ("[\"0.0.0.0:8080\"]", "http://127.0.0.1:8080/squid-internal-mgr/info", true),
        ("[\"8080\"]", "http://none:8080/squid-internal-mgr/info", true),
        ("[\"80\", \"127.0.0.1:3128\"]", "http://127.0.0.1:3128/squid-internal-mgr/info", true),
        ("[\"127.0.0.1:3128\"]", "http://127.0.0.2:3128/squid-internal-mgr/info", false),
        ("[\"8080\"]", "http://127.0.0.1:3128/squid-internal-mgr/info", false),
        ("[\"8080\"]", "http://192.0.2.77:8080/squid-internal-mgr/info", false),
        ("[\"8080\"]", "http://127.0.0.1:8080/info", false),
    ];
    let policy = "[plugins.access-policy]\nacl = [\"manager proto cache_object\"]\n\
                  http_access = [\"allow manager\", \"deny all\"]";
    for (listeners, url, manager) in cases {
        let (_folder, path) = settings(&format!("http_port = {listeners}\n{policy}"));
        let always = ["--client", "127.0.0.1", "--config", &path];
        let (code, stdout, stderr) = run(&[&["explain", "GET", url][..], &always].concat());
        let expected = if manager { 0 } else { 2 };
        assert_eq!(code, Some(expected), "{listeners} {url}: {stdout}{stderr}");
    }
}

#[test]
fn explain_resolves_where_a_rule_wants_addresses_and_reads_fields() {
    let text = "[plugins.access-policy]\nacl = [\"inside dst 127.0.0.0/8 ::1\", \"robot browser -i bot\"]\n\
                http_access = [\"deny robot\", \"deny inside\", \"allow all\"]\n";
    let (_folder, path) = settings(text);
    let explain = |more: &[&str]| {
        let always = [
            "explain",
            "GET",
            "http://localhost/",
            "--client",
            "10.0.0.1",
            "--config",
            &path,
        ];
        let arguments: Vec<&str> = always.iter().chain(more).copied().collect();
        run(&arguments).1
    };
    let stdout = explain(&[]);
    assert!(
        stdout.starts_with("resolve  localhost: ::1, 127.0.0.1\n\naccess: "),
        "{stdout}"
    );
    assert!(
        stdout.contains("\n\ndeny     403\nrule     http_access deny inside\n"),
        "{stdout}"
    );
    let stdout = explain(&["--header", "User-Agent: FooBot/1"]);
    assert!(
        stdout.contains("\n\ndeny     403\nrule     http_access deny robot\n"),
        "{stdout}"
    );
}

/// What examples/config/wproxy.toml shows as a comment holds once it is none.
#[test]
fn the_policy_in_the_example_settings_works() {
    let example = include_str!("../examples/config/wproxy.toml");
    let policy = example.find("# [plugins.access-policy]").expect("there");
    let lines = example[policy..].lines();
    let policy: Vec<&str> = lines.map(|line| line.trim_start_matches("# ")).collect();
    let (_folder, path) = settings(&policy.join("\n"));
    for (url, code) in [("http://example.com/", 0), ("http://www.example.org/", 2)] {
        let always = ["--client", "192.168.1.1", "--config", &path];
        let (exit, stdout, stderr) = run(&[&["explain", "GET", url][..], &always].concat());
        assert_eq!(exit, Some(code), "{stdout}{stderr}");
    }
}

#[test]
fn explain_says_what_is_wrong_with_the_question() {
    for (arguments, message) in [
        (["GET", "/path"], "`/path`: write it in full"),
        (["GET", "http://127.1/"], "its host is a number"),
        (["CONNECT", "example.com"], "CONNECT needs a port"),
        (["G T", "http://a/"], "`G T` is not a method"),
    ] {
        let (code, _, stderr) = run(&["explain", arguments[0], arguments[1], "--client", "::1"]);
        assert_eq!(code, Some(1));
        assert!(stderr.contains(message), "{stderr}");
    }
}

/// `[plugins.NAME]` in the settings stands in place of the manifest's own table.
#[test]
fn an_operator_edits_one_file() {
    let (_folder, path) = settings(OPEN_POLICY);
    let (_, stdout, _) = run(&["check", "--config", &path]);
    assert!(
        stdout.contains(&format!("http_access deny unsafe    # {path}:4")),
        "{stdout}"
    );
    assert!(!stdout.contains("Safe_ports"), "{stdout}");
}

/// wasmtime removes from the folder of its cache what it does not know: nothing else may be there.
#[test]
fn the_compile_cache_has_a_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let check = wproxy()
        .arg("check")
        .env("XDG_CACHE_HOME", folder.path())
        .output()
        .expect("wproxy runs");
    assert!(check.status.success());
    let entries = fs::read_dir(folder.path().join("wproxy")).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["compiled"]);
}

#[test]
fn the_wit_files_are_good_and_every_hook_is_in_a_world() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
    let mut before = wit_parser::Resolve::default();
    let (package, _) = before.push_dir(wit.join("0.1")).expect("valid WIT");
    let package = before.packages[package].name.to_string();
    assert_eq!(package, "wproxy:plugin@0.1.0");
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(&wit).expect("valid WIT");
    let package = &resolve.packages[package];
    assert_eq!(package.name.to_string(), "wproxy:plugin@0.2.0");
    for world in [
        "access-plugin",
        "header-plugin",
        "cache-plugin",
        "key-plugin",
        "body-plugin",
        "policy-plugin",
    ] {
        assert!(package.worlds.contains_key(world), "{world}");
    }
    let whole = &resolve.worlds[package.worlds["policy-plugin"]];
    for (name, id) in &package.interfaces {
        let is_hook = ![
            "http", "log", "metrics", "kv", "sets", "helpers", "bodies", "explain",
        ]
        .contains(&name.as_str());
        let key = wit_parser::WorldKey::Interface(*id);
        assert_eq!(whole.exports.contains_key(&key), is_hook, "{name}");
    }
    // Authors read them: nothing is without a word of explanation.
    for (name, id) in &package.interfaces {
        let interface = &resolve.interfaces[*id];
        assert!(interface.docs.contents.is_some(), "{name}");
        for (function, item) in &interface.functions {
            let said = item.docs.contents.is_some()
                || !function.contains('.') && interface.functions.len() == 1;
            assert!(said, "{name}: {function}");
        }
    }
}
