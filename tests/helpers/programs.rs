//! Programs that die, hang, babble, are late, or are asked a thousand things at once.

use super::{
    FAILED, NOT_FOUND, POLICY, ask, helper, is_gone, metric, started, view, wait_for_end,
    wait_until, with_script,
};
use crate::support::Proxy;
use crate::support::proxy::{fifo, request};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use std::fs;
use std::io::Write as _;

/// Finds what is not `none`, and says what it was.
const ECHO: &str = "while read -r key; do
    case $key in none) echo ERR;; *) echo \"OK message=$key\";; esac
done";

/// The same, with channels.
const CHANNELS: &str = "while read -r channel key; do
    case $key in none) echo \"$channel ERR\";; *) echo \"$channel OK message=$key\";; esac
done";

#[test]
fn what_it_says_is_the_client_s_answer_and_is_kept() {
    let proxy = with_script(ECHO, "");
    for _ in 0..2 {
        assert_eq!(ask(&proxy, "hello"), "403 hello");
        assert_eq!(ask(&proxy, "none"), NOT_FOUND);
    }
    assert_eq!(started(&proxy).len(), 1);
    let count = |name| {
        metric(
            &proxy,
            &format!("wproxy_helper_{name}_total{{helper=\"h\"}}"),
        )
    };
    let counts = ["questions", "hits", "failures", "timeouts"].map(count);
    assert_eq!(counts, [4, 2, 0, 0]);
}

#[test]
fn status_has_a_row_for_it() {
    let script = format!("if [ -e down ]; then read -r key; exit 7; fi\n{ECHO}");
    let proxy = with_script(&script, "");
    let row = || {
        let (code, out, err) = proxy.command(&["status", "--json"]);
        assert_eq!(code, Some(0), "{err}");
        let status: serde_json::Value = serde_json::from_str(&out).unwrap();
        status["helpers"].clone()
    };
    let expected = |up: Option<bool>, failure: Option<&str>, counts: [u64; 5]| {
        let [kept, questions, hits, failures, timeouts] = counts;
        serde_json::json!([{
            "name": "h", "up": up, "failure": failure, "kept": kept, "questions": questions,
            "hits": hits, "failures": failures, "timeouts": timeouts,
        }])
    };
    assert_eq!(row(), expected(None, None, [0; 5]));
    for _ in 0..2 {
        ask(&proxy, "a");
        ask(&proxy, "none");
    }
    assert_eq!(row(), expected(Some(true), None, [2, 4, 2, 0, 0]));

    fs::write(proxy.folder.path().join("down"), "").unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(started(&proxy)[0].try_into().unwrap()).unwrap(),
        Signal::KILL,
    )
    .unwrap();
    assert_eq!(ask(&proxy, "b"), FAILED);
    let why = "it ended: exit status: 7";
    assert_eq!(row(), expected(Some(false), Some(why), [2, 5, 2, 1, 0]));
    let (_, out, _) = proxy.command(&["status"]);
    let table = format!(
        "\nHELPER  STATE      KEPT     ASKED      HITS    FAILED  TIMEOUTS\n\
         h       down          2         5         2         1         0\n  no answer: {why}\n"
    );
    assert!(out.contains(&table), "{out}");
}

#[test]
fn its_lines_in_the_log_name_the_request() {
    let proxy = with_script("read -r key\nexit 7", "");
    let response = proxy.get("http://a.test/", &["Key: a", "Accept: */*"]);
    let text = response.text();
    let id = text
        .split("explain --id ")
        .nth(1)
        .and_then(|rest| rest.split(')').next());
    let line = format!(
        "no answer: it ended: exit status: 7 helper=\"h\" request={}",
        id.unwrap()
    );
    proxy.says(&line);
}

/// What is no word, and what would be a line of its own if it were decoded too early.
#[test]
fn a_client_cannot_ask_two_things_at_once() {
    let proxy = with_script(ECHO, "");
    assert_eq!(ask(&proxy, "a b%0aOK"), "403 a b%0aOK");
}

#[test]
fn one_that_dies_is_replaced_and_clients_do_not_notice() {
    // Each answers one question.
    let proxy = with_script("read -r key\necho \"OK message=$key\"", "");
    for key in ["a", "b", "c"] {
        assert_eq!(ask(&proxy, key), format!("403 {key}"));
    }
    // The one that the last question found is gone, or on its way: it is asked again of another.
    assert!(started(&proxy).len() >= 3);
    proxy.says("a program of it is replaced: it ended: exit status: 0");
}

#[test]
fn a_question_that_one_dies_of_is_asked_once_more() {
    let script = format!("if mkdir first; then read -r key; exit 7; fi\n{ECHO}");
    let proxy = with_script(&script, "");
    assert_eq!(ask(&proxy, "a"), "403 a");
    proxy.says("a program of it is replaced: it ended: exit status: 7");
    assert_eq!(started(&proxy).len(), 2);
}

#[test]
fn one_that_always_dies_is_left_alone_for_a_while() {
    let script = format!("if [ ! -e mended ]; then read -r key; exit 7; fi\n{ECHO}");
    let proxy = with_script(&script, "");
    assert_eq!(ask(&proxy, "a"), FAILED);
    proxy.says("no answer: it ended: exit status: 7 helper=\"h\"");
    assert_eq!(started(&proxy).len(), 2);
    // At once, as long as it is not tried again.
    fs::write(proxy.folder.path().join("mended"), "").unwrap();
    wait_until("it is tried again", || ask(&proxy, "a") == "403 a");
    assert_eq!(started(&proxy).len(), 3);
}

#[test]
fn one_that_cannot_be_started_fails_the_request_and_not_the_proxy() {
    let proxy = with_script(ECHO, "");
    fs::remove_file(proxy.folder.path().join("helper.sh")).unwrap();
    assert_eq!(ask(&proxy, "a"), FAILED);
    proxy.says("helper.sh");
}

#[test]
fn one_that_hangs_is_ended_and_replaced() {
    let script = format!("if mkdir first; then read -r key; sleep 1000; fi\n{ECHO}");
    let proxy = with_script(&script, "timeout = \"300 ms\"");
    assert_eq!(ask(&proxy, "a"), FAILED);
    proxy.says("a program of it is replaced: it has not answered within 300ms");
    wait_for_end(started(&proxy)[0]);
    assert_eq!(ask(&proxy, "a"), "403 a");
    assert_eq!(
        metric(&proxy, "wproxy_helper_timeouts_total{helper=\"h\"}"),
        1
    );
}

#[test]
fn garbage_is_no_answer() {
    #[rustfmt::skip]
    let cases = [
        ("", "echo yes", "a line begins with OK, ERR or BH, not `yes`"),
        ("", "echo", "a line begins with OK, ERR or BH, not ``"),
        ("", "echo 0 OK", "a line begins with OK, ERR or BH, not `0`"),
        ("", "printf '\\377\\000\\n'", "a line begins with OK, ERR or BH, not `"),
        ("", "head -c 100000 /dev/zero", "its line is longer than 64 KB"),
        ("", "printf OK; exit", "it ended: exit status: 0"),
        ("", "exec >&-; sleep 1000", "it closed its output"),
        ("concurrency = 2", "echo OK", "a line begins with the number of its channel, not `OK`"),
        ("concurrency = 2", "echo 1 OK", "it answers on channel 1, where it was not asked"),
        ("concurrency = 2", "echo 2 OK", "it answers on channel 2, where it was not asked"),
        ("concurrency = 2", "echo 0 hello", "a line begins with OK, ERR or BH, not `hello`"),
    ];
    for (settings, garbage, why) in cases {
        let script = format!("while read -r key; do {garbage}; done");
        let proxy = with_script(&script, settings);
        assert_eq!(ask(&proxy, "a"), FAILED, "{garbage}");
        proxy.says(&format!("a program of it is replaced: {why}"));
        wait_for_end(started(&proxy)[0]);
    }
}

#[test]
fn an_answer_too_many_is_nobody_s() {
    let proxy = with_script(
        "read -r key\necho \"OK message=$key\"\necho OK\nread -r key",
        "",
    );
    assert_eq!(ask(&proxy, "a"), "403 a");
    proxy.says("a program of it is replaced: it answers without being asked");
    assert_eq!(ask(&proxy, "b"), "403 b");
}

#[test]
fn a_helper_says_that_it_cannot() {
    let proxy = with_script(
        "while read -r key; do echo \"BH message=\\\"the disk is full\\\"\"; done",
        "",
    );
    let page = proxy.get("http://a.test/", &["Key: a", "Accept: */*"]);
    assert_eq!(page.status, 503);
    assert!(
        page.text().contains("(the disk is full). Try again later."),
        "{}",
        page.text()
    );
    proxy.says("no answer: the disk is full");
    // It is nothing to keep, nor a reason to end it.
    assert_eq!(ask(&proxy, "a").split_at(3).0, "503");
    assert_eq!(started(&proxy).len(), 1);
    assert_eq!(
        metric(&proxy, "wproxy_helper_failures_total{helper=\"h\"}"),
        2
    );
}

/// It answers when a line comes by the pipe `gate`, with that.
const GATED: &str = "while read -r key; do read -r word < gate; echo \"OK message=$word\"; done";

/// A proxy with a helper that waits at the gate.
fn gated(settings: &str) -> Proxy {
    let folder = tempfile::tempdir().unwrap();
    fifo(&folder.path().join("gate"));
    let settings = format!("{}{POLICY}", helper(&folder, GATED, settings));
    Proxy::in_folder(folder, &settings, &[])
}

/// Opens as soon as somebody waits at the gate.
fn answer(proxy: &Proxy, word: &str) {
    let gate = fs::File::options()
        .write(true)
        .open(proxy.folder.path().join("gate"));
    writeln!(gate.unwrap(), "{word}").unwrap();
}

#[test]
fn without_grace_a_late_answer_is_none() {
    let proxy = gated("ttl = \"1 ms\"\ntimeout = \"300 ms\"");
    assert_eq!(ask(&proxy, "a"), FAILED);
    proxy.says("no answer within 300ms");
}

#[test]
fn with_grace_the_answer_before_serves_while_the_next_is_late() {
    let proxy = gated("ttl = \"1 ms\"\ngrace = \"1 hour\"");
    let first = std::thread::scope(|scope| {
        let first = scope.spawn(|| ask(&proxy, "a"));
        answer(&proxy, "first");
        first.join().unwrap()
    });
    assert_eq!(first, "403 first");
    // It is too old by the next request, and no other comes: the clients do not wait.
    wait_until("the next one is asked for", || {
        assert_eq!(ask(&proxy, "a"), "403 first");
        metric(&proxy, "wproxy_helper_hits_total{helper=\"h\"}") > 1
    });
    answer(&proxy, "second");
    wait_until("the next one is there", || ask(&proxy, "a") == "403 second");
    // Nor do they notice that it is gone.
    fs::remove_file(proxy.folder.path().join("helper.sh")).unwrap();
    let pid = i32::try_from(started(&proxy)[0]).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process_group(pid, Signal::KILL).unwrap();
    proxy.says("a program of it is replaced");
    assert_eq!(ask(&proxy, "a"), "403 second");
}

#[test]
fn a_slow_question_on_a_channel_of_its_own_holds_up_no_other() {
    let script = CHANNELS.replace("case $key in", "case $key in slow) ;;");
    let proxy = with_script(
        &script,
        "concurrency = 3\nchildren = 1\ntimeout = \"500 ms\"",
    );
    let slow = std::thread::scope(|scope| {
        let slow = scope.spawn(|| ask(&proxy, "slow"));
        wait_until("it is asked", || {
            metric(&proxy, "wproxy_helper_questions_total{helper=\"h\"}") == 1
        });
        assert_eq!(ask(&proxy, "a"), "403 a");
        assert_eq!(ask(&proxy, "none"), NOT_FOUND);
        slow.join().unwrap()
    });
    assert_eq!(slow, FAILED);
    proxy.says("no answer: it has not answered within 500ms");
    // It has answered the others.
    assert_eq!(ask(&proxy, "b"), "403 b");
    assert_eq!(started(&proxy).len(), 1);
}

#[test]
fn a_thousand_keys_at_once_get_their_own_answers() {
    // A thousand clients are as many files.
    let limit = Rlimit {
        current: Some(20_000),
        ..rustix::process::getrlimit(Resource::Nofile)
    };
    let _ = setrlimit(Resource::Nofile, limit);
    for (script, settings) in [(ECHO, ""), (CHANNELS, "concurrency = 50\nchildren = 2")] {
        let proxy = with_script(script, settings);
        let clients = (0..1000).map(|number| {
            let mut client = proxy.connect();
            let field = format!("Key: k{number}");
            client.send(request(
                "GET",
                "http://a.test/",
                &[&field, "Accept: */*"],
                b"",
            ));
            client
        });
        for (number, mut client) in clients.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(view(&client.response("GET")), format!("403 k{number}"));
        }
        assert!(started(&proxy).len() <= 5);
        assert_eq!(
            metric(&proxy, "wproxy_helper_failures_total{helper=\"h\"}"),
            0
        );
    }
}

#[test]
fn many_clients_with_one_key_are_one_question() {
    let proxy = gated("");
    let clients = (0..50).map(|_| {
        let mut client = proxy.connect();
        client.send(request(
            "GET",
            "http://a.test/",
            &["Key: a", "Accept: */*"],
            b"",
        ));
        client
    });
    let clients = clients.collect::<Vec<_>>();
    wait_until("all wait", || {
        metric(&proxy, "wproxy_helper_questions_total{helper=\"h\"}") == 50
    });
    answer(&proxy, "once");
    for mut client in clients {
        assert_eq!(view(&client.response("GET")), "403 once");
    }
}

#[test]
fn those_that_find_no_place_in_the_queue_are_told_at_once() {
    let proxy = gated("children = 1\nqueue_size = 0");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| ask(&proxy, "a"));
        wait_until("it is asked", || started(&proxy).len() == 1);
        assert_eq!(ask(&proxy, "b"), FAILED);
        proxy.says("no answer: 0 questions wait already");
        answer(&proxy, "first");
        assert_eq!(first.join().unwrap(), "403 first");
    });
}

#[test]
fn a_swap_leaves_it_alone_until_its_settings_change() {
    let folder = tempfile::tempdir().unwrap();
    let settings = helper(&folder, ECHO, "");
    let proxy = Proxy::in_folder(folder, &format!("{settings}{POLICY}"), &[]);
    let written = fs::read_to_string(proxy.settings()).unwrap();
    let swap = |text: &str, generation: u64| {
        fs::write(proxy.settings(), text).unwrap();
        proxy.signal(Signal::HUP);
        proxy.says(&format!("generation {generation} serves"));
    };
    assert_eq!(ask(&proxy, "a"), "403 a");
    swap(&format!("{written}\n# changed\n"), 2);
    assert_eq!(ask(&proxy, "a"), "403 a");
    assert_eq!(ask(&proxy, "b"), "403 b");
    let first = started(&proxy);
    assert_eq!(first.len(), 1);
    assert_eq!(metric(&proxy, "wproxy_helper_hits_total{helper=\"h\"}"), 1);

    // Another one in its place; what is counted goes on.
    swap(
        &written.replace("[helpers.h]", "[helpers.h]\nttl = \"1 s\""),
        3,
    );
    wait_for_end(first[0]);
    assert_eq!(ask(&proxy, "a"), "403 a");
    let second = started(&proxy);
    assert_eq!(second.len(), 2);
    assert_eq!(
        metric(&proxy, "wproxy_helper_questions_total{helper=\"h\"}"),
        4
    );

    // Nor is it there any more, when nobody asks it.
    let (_, rest) = written.split_once(POLICY).unwrap();
    let head = written.split_once("[helpers.h]").unwrap().0;
    swap(
        &format!("{head}[plugins.access-policy]\nhttp_access = [\"deny all\"]\n{rest}"),
        4,
    );
    wait_for_end(second[1]);
}

#[test]
fn it_ends_with_the_proxy_and_so_does_what_it_has_started() {
    let script = format!("sleep 1000 & echo $! >> started\n{ECHO}");
    let mut proxy = with_script(&script, "");
    assert_eq!(ask(&proxy, "a"), "403 a");
    let processes = started(&proxy);
    assert_eq!(processes.len(), 2);
    proxy.signal(Signal::TERM);
    assert!(proxy.ended().success());
    for process in processes {
        wait_until("it is gone", || is_gone(process));
    }
}

#[test]
fn what_it_writes_to_stderr_is_in_the_log() {
    let script = format!("printf 'reading\\tthe list\\033[2J\\n' >&2\n{ECHO}");
    let proxy = with_script(&script, "");
    assert_eq!(ask(&proxy, "a"), "403 a");
    proxy.says("reading\\tthe list\\u{1b}[2J helper=\"h\"");
}
