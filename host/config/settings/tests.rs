use super::super::Configuration;
use super::*;

fn settings(text: &str) -> Result<Settings, String> {
    let source = Source::new("wproxy.toml", text);
    let loaded = Configuration::from_source(Some(&source), &[]);
    loaded
        .map(|loaded| (*loaded.settings).clone())
        .map_err(|mistake| mistake.to_string())
}

#[test]
fn nothing_written_is_the_documented_configuration() {
    let settings = settings("").expect("valid");
    assert_eq!(settings.http_port, ["[::]:8080".parse().unwrap()]);
    assert_eq!(settings.visible_hostname, "none");
    assert_eq!(settings.forwarded_for, ForwardedFor::Off);
    assert_eq!(settings.reply_header_max_size, 51_200);
    assert_eq!(settings.request_header_max_size, 65_536);
    assert_eq!(settings.cache_mem, 134_217_728);
    assert_eq!(settings.connect_timeout, Duration::from_secs(60));
    assert_eq!(settings.read_timeout, Duration::from_secs(900));
}

#[test]
fn the_example_names_every_setting_at_its_default() {
    let example = include_str!("../../../examples/config/wproxy.toml");
    assert_eq!(settings(example), settings(""));
    let unknown = settings("nothing_like_any = 1").expect_err("there is none of that name");
    let (_, keys) = unknown.split_once("there are: ").expect("a list of keys");
    let keys: Vec<&str> = keys.trim().split(", ").collect();
    assert!(keys.contains(&"http_port"), "{keys:?}");
    for key in keys {
        let named = example.lines().any(|line| {
            let line = line.trim_start_matches("# ");
            let begins = [format!("{key} = "), format!("[{key}."), format!("[{key}]")];
            begins.iter().any(|begins| line.starts_with(begins))
        });
        assert!(named, "{key}");
    }
}

#[test]
fn what_is_written_holds() {
    let settings = settings(
        "http_port = [\"3128\", \"10.0.1.11:8080\"]\nvisible_hostname = \"proxy.example\"\n\
         via = false\nforwarded_for = \"truncate\"\ndns_nameservers = [\"192.0.2.53\", \"[::1]:5353\"]\n\
         read_timeout = \"90 s\"\nreply_header_max_size = \"64 KB\"\naccess_log = \"/var/log/a.log\"\n\
         logformat = \"json\"\n[plugins.access-policy]\nacl = []\n",
    )
    .expect("valid");
    assert_eq!(settings.http_port[0], "[::]:3128".parse().unwrap());
    assert_eq!(settings.http_port[1], "10.0.1.11:8080".parse().unwrap());
    assert_eq!(settings.unique_hostname, "proxy.example");
    assert_eq!(settings.forwarded_for, ForwardedFor::Truncate);
    assert_eq!(
        settings.dns_nameservers[0],
        "192.0.2.53:53".parse().unwrap()
    );
    assert_eq!(settings.read_timeout, Duration::from_secs(90));
    assert_eq!(
        settings.access_log,
        LogTarget::File("/var/log/a.log".into())
    );
}

#[test]
fn a_socket_has_a_short_path() {
    let at = |path: &str| settings(&format!("control_socket = \"{path}\""));
    let path = |length: usize| "/".repeat(length - 1) + "s";
    let longest = at(&path(107)).expect("it fits").control_socket;
    assert_eq!(longest, ControlSocket::At(path(107).into()));
    let shown = at(&path(108)).expect_err("it does not fit");
    assert!(shown.contains("at most 107 octets, not 108"), "{shown}");
    let none = at("none").expect("valid").control_socket;
    assert_eq!(none, ControlSocket::None);
}

#[test]
fn mistakes_show_line_and_caret() {
    #[rustfmt::skip]
    let cases = [
        ("http_port = [\"a:b\"]", "not an address to listen at", "1:14"),
        ("http_port = [\"80\", \"127.0.0.1:80\"]", "`80` listens there already", "1:20"),
        ("http_port = [\"[::1]:80\", \"[::]:80\"]", "`[::1]:80` listens there already", "1:26"),
        ("http_port = [\"0.0.0.0:80\", \"[::1]:80\", \"10.0.0.1:80\"]", "`0.0.0.0:80` listens there already", "1:40"),
        ("http_port = 8080", "invalid type: integer `8080`, expected a sequence", "1:13"),
        ("read_timeout = 30", "expected a duration with its unit", "1:16"),
        ("read_timeout = \"30 parsecs\"", "unit \"parsecs\" is not known", "1:16"),
        ("cache_mem = \"128\"", "a size is a number and a unit", "1:13"),
        ("workers = 0", "there can be 1 to 512 workers", "1:11"),
        ("visible_hostname = \"a b\"", "not a host name", "1:20"),
        ("forwarded_for = \"maybe\"", "unknown variant `maybe`, expected one of `on`", "1:17"),
        ("access_log = \"log\"", "not a place for the access log", "1:14"),
        ("control_socket = \"control.sock\"", "not a place for the control socket", "1:18"),
        ("control_socket = \"/run/\"", "not a place for the control socket", "1:18"),
        ("tls_outgoing_cafile = \"/nowhere\"", "there is no such file", "1:23"),
        ("reply_header_max_size = \"1 GB\"", "1 KB to 64 MB", "1:25"),
        ("via = true\nva = 1", "there is no key `va` here", "2:1"),
    ];
    for (text, message, place) in cases {
        let shown = settings(text).expect_err(text);
        assert!(shown.contains(message), "{text}: {shown}");
        assert!(
            shown.contains(&format!("--> wproxy.toml:{place}")),
            "{text}: {shown}"
        );
    }
}
