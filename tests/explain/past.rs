//! Of requests that the running proxy has served: `wproxy explain --id`.

use super::*;

/// The number of the request that has just been logged.
fn logged(proxy: &Proxy) -> String {
    let line: Value = serde_json::from_str(&proxy.logged()).expect("JSON");
    line["request"].to_string()
}

#[test]
fn a_request_that_was_served_is_explained_by_its_number() {
    let proxy = Proxy::start("logformat = \"json\"\nworkers = 2");
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok",
    );
    let url = origin.url("/a?secret=1");
    let explain = |id: &str| {
        let (code, stdout, stderr) = proxy.command(&["explain", "--id", id]);
        assert_eq!(stderr, "", "{stdout}");
        let settings = proxy.settings();
        (
            code,
            stdout.replace(settings.to_str().unwrap(), "wproxy.toml"),
        )
    };
    let mut ids = Vec::new();
    for code in ["TCP_MISS/200", "TCP_MEM_HIT/200"] {
        proxy.get(&url, &["Cookie: id=0123456"]);
        let id = logged(&proxy);
        let (exit, stdout) = explain(&id);
        assert_eq!(exit, Some(0), "{stdout}");
        // As the log has it.
        let asked = url.split('?').next().unwrap();
        let head = format!("request  {id}: GET {asked}?\nclient   127.0.0.1\ncame     20");
        assert!(stdout.starts_with(&head), "{stdout}");
        let rest = format!(
            "outcome  {code}\n\
             decided  http_access allow localhost\n\
             at       wproxy.toml:8, plugin access-policy, generation 1\n\n\
             access: access-policy\n\
             \x20 - http_access deny unsafe    # wproxy.toml:8\n\
             \x20     no   unsafe     port 25: {}\n\
             \x20 > http_access allow localhost    # wproxy.toml:8\n\
             \x20     yes  localhost  src 127.0.0.0/8 ::1: client 127.0.0.1\n\n",
            origin.address.port()
        );
        assert!(stdout.contains(&rest), "{stdout}");
        let end = "allow\nrule     http_access allow localhost\nat       wproxy.toml:8, plugin access-policy\n";
        assert!(stdout.ends_with(end), "{stdout}");
        assert!(
            !stdout.contains("secret") && !stdout.contains("0123456"),
            "{stdout}"
        );
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);

    // The number stands on the page, too, with what to do with it.
    let denied = proxy.get("http://127.0.0.1:25/", &[]);
    let id = logged(&proxy);
    let command = format!("request {id} (wproxy explain --id {id}).\n");
    assert!(denied.text().ends_with(&command), "{}", denied.text());
    let (exit, stdout) = explain(&id);
    assert_eq!(exit, Some(2), "{stdout}");
    assert!(
        stdout.contains(
            "outcome  TCP_DENIED/403: http_request_denied\ndecided  http_access deny unsafe\n"
        ),
        "{stdout}"
    );
    assert!(stdout.ends_with("deny     403\nrule     http_access deny unsafe\nat       wproxy.toml:8, plugin access-policy\n"), "{stdout}");

    // A tunnel, when it is over.
    let to = origin.address;
    let mut client = proxy.connect();
    client.send(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n"));
    assert_eq!(client.response("CONNECT").status, 200);
    drop(client);
    let id = logged(&proxy);
    let (exit, stdout) = explain(&id);
    assert_eq!(exit, Some(0), "{stdout}");
    assert!(
        stdout.starts_with(&format!("request  {id}: CONNECT {to}\n")),
        "{stdout}"
    );
    assert!(stdout.contains("outcome  TCP_TUNNEL/200\n"), "{stdout}");

    let (code, stdout, _) = proxy.command(&["explain", "--id", &ids[0], "--json"]);
    assert_eq!(code, Some(0));
    let told: Value = serde_json::from_str(&stdout).expect("a line of JSON");
    assert_eq!(told["request"]["id"].to_string(), ids[0]);
    assert_eq!(told["past"]["code"], "TCP_MISS");
    assert_eq!(told["past"]["is_over"], false);
    assert_eq!(told["past"]["rule"], told["verdict"]["by"]);
    assert_eq!(told["asked"][0]["rules"][1]["outcome"], "decides");
}

/// By the rules of the generation that has decided, for as long as that is there.
#[test]
fn after_a_swap_it_is_said_whose_rules_are_shown() {
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let origin = Origin::start(move |seen, stream| {
        if seen.target.ends_with("slow") {
            let _ = released.lock().unwrap().recv();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        Ok(Then::Keep)
    });
    let rules = |rule: &str| {
        let policy = policy(&[], &[rule]);
        format!("logformat = \"json\"\n{policy}")
    };
    let proxy = Proxy::with_policy(&rules("allow all"), &[]);
    proxy.get(&origin.url("/"), &[]);
    let id = logged(&proxy);
    let mut slow = proxy.connect();
    slow.send(request("GET", &origin.url("/slow"), &[], b""));
    origin.seen();
    origin.seen();
    let next = format!("http_port = [\"127.0.0.1:0\"]\n{}", rules("deny all"));
    fs::write(proxy.settings(), next).unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("generation 2 serves");

    let explain = || {
        let (code, stdout, stderr) = proxy.command(&["explain", "--id", &id]);
        assert_eq!(stderr, "", "{stdout}");
        (code, stdout)
    };
    // A download is still there that is judged by it.
    let (code, stdout) = explain();
    assert_eq!(code, Some(0), "{stdout}");
    assert!(
        stdout.contains("  > http_access allow all    # "),
        "{stdout}"
    );
    assert!(!stdout.contains("note "), "{stdout}");

    drop(release);
    assert_eq!(slow.response("GET").status, 200);
    logged(&proxy);
    let over = "note     generation 1 decided; it is gone: this is what generation 2 would say\n";
    // Its last transaction has been logged, and is being taken apart.
    let (code, stdout) = std::iter::repeat_with(explain)
        .find(|(_, stdout)| stdout.contains(over))
        .unwrap();
    assert_eq!(code, Some(2), "{stdout}");
    assert!(
        stdout.contains("decided  http_access allow all\n"),
        "{stdout}"
    );
    assert!(
        stdout.contains("  > http_access deny all    # "),
        "{stdout}"
    );
    assert!(stdout.ends_with(", plugin access-policy\n"), "{stdout}");
}

#[test]
fn what_is_not_remembered_is_said_so() {
    let proxy = Proxy::start("logformat = \"json\"\nexplain_requests = 3");
    let explain = |id: &str| proxy.command(&["explain", "--id", id]);
    let help = "help: it is older, or not over yet, or another proxy's; how many are remembered, \
                explain_requests and explain_mem say\n";
    let (code, stdout, stderr) = explain("7");
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(
        stderr,
        format!("error: request 7 is not remembered: none is\n{help}")
    );

    let mut client = proxy.connect();
    let mut ids = Vec::new();
    for _ in 0..5 {
        client.send(request("GET", "http://127.0.0.1:25/", &[], b""));
        client.response("GET");
        ids.push(logged(&proxy));
    }
    for (index, id) in ids.iter().enumerate() {
        let (code, _, stderr) = explain(id);
        match index < 2 {
            true => {
                assert_eq!(code, Some(1));
                let memory = format!(
                    "error: request {id} is not remembered: of the last 3, the oldest came at 20"
                );
                assert!(
                    stderr.starts_with(&memory) && stderr.ends_with(help),
                    "{stderr}"
                );
            }
            false => assert_eq!(code, Some(2), "{stderr}"),
        }
    }

    let proxy = Proxy::start("logformat = \"json\"\nexplain_requests = 0");
    let page = proxy.get("http://127.0.0.1:25/", &[]).text();
    let id = logged(&proxy);
    assert!(page.ends_with(&format!(", request {id}.\n")), "{page}");
    let (code, _, stderr) = proxy.command(&["explain", "--id", &id]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("this proxy does not remember requests"),
        "{stderr}"
    );
    let text = format!("explain_requests = 2000000\n{OPEN_POLICY}");
    let (_folder, path) = settings(&text);
    let (_, _, stderr) = run(&["check", "--config", &path]);
    assert!(
        stderr.contains("1000000 requests can be remembered at most"),
        "{stderr}"
    );
}

/// A plugin that counts is asked what it would say, and that does not count.
#[test]
fn who_asks_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let counts = "[grants]\nkv = true\n[config]\nrequests = 2\nseconds = 3600\n";
    add(
        folder.path(),
        "quota",
        &quota().join("quota.wasm"),
        &format!("order = 1\n{counts}"),
    );
    let manifest = "order = 2\n[config]\nacl = []\nhttp_access = [\"allow all\"]\n";
    add(folder.path(), "lists", &access_policy(), manifest);
    let (proxy, origin) = (
        Proxy::with_plugins("logformat = \"json\"", folder.path()),
        Origin::plain(),
    );
    assert_eq!(proxy.get(&origin.url("/"), &[]).status, 200);
    let id = logged(&proxy);
    for _ in 0..3 {
        let (code, stdout, stderr) = proxy.command(&["explain", "--id", &id]);
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        assert!(
            stdout.contains("access: quota\n  does not explain itself; it says: pass\n"),
            "{stdout}"
        );
    }
    assert_eq!(proxy.get(&origin.url("/"), &[]).status, 200);
    logged(&proxy);
    assert_eq!(proxy.get(&origin.url("/"), &[]).status, 429);
    // What it went by is not what it is asked about.
    let (code, stdout, _) = proxy.command(&["explain", "--id", &logged(&proxy)]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("outcome  TCP_DENIED/429: "), "{stdout}");
    let note = "note     at the time it was decided otherwise: by a body, by a plugin that failed, or by what it knew\n";
    assert!(stdout.contains(note), "{stdout}");
}
