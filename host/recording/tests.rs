mod strategies;

use super::*;
use crate::http::{self, Form, RequestHead, Target, Version};
use crate::notes::{Noted, Notes, Readers, Wanted};
use crate::share::Share;
use crate::transaction::Request;
use ::http::Method;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::Cursor;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};
use strategies::transaction;

fn header() -> Header {
    Header {
        format: FORMAT,
        wproxy: "0.1.0".into(),
        generation: 3,
        began: "2026-11-24T21:50:03Z".into(),
        redacted: true,
    }
}

fn finished(transactions: u64) -> Finished {
    Finished {
        transactions,
        missed: 2,
        why: "interrupted".into(),
    }
}

fn file(transactions: &[Transaction]) -> Vec<u8> {
    let middle = transactions.iter().cloned();
    let middle = middle.map(|transaction| Line::Transaction(Box::new(transaction)));
    let lines = std::iter::once(Line::Recording(header()))
        .chain(middle)
        .chain([Line::Finished(finished(transactions.len() as u64))]);
    let lines = lines.map(|line| serde_json::to_string(&line).expect("JSON") + "\n");
    lines.collect::<String>().into_bytes()
}

fn reader(file: &[u8]) -> Result<Reader<Cursor<Vec<u8>>>, Unreadable> {
    Reader::new(Cursor::new(file.to_vec()), "a.rec".into())
}

fn all(reader: &mut Reader<Cursor<Vec<u8>>>) -> Result<Vec<Transaction>, Unreadable> {
    let mut all = Vec::new();
    while let Some(transaction) = reader.transaction()? {
        all.push(transaction);
    }
    Ok(all)
}

/// A request that is a request, as a line.
fn some(path: &str) -> Transaction {
    Transaction::new(&noted(request(
        "GET",
        &format!("http://example.com/{path}"),
        &[],
    )))
}

fn noted(request: Request) -> Noted {
    Noted {
        request: request.into(),
        generation: 3,
        notes: Notes::default(),
        wanted: Wanted::ALL,
    }
}

/// As if that request were over.
fn hand_out(readers: &Readers, request: Request) {
    let notebook = readers.notebook(request.id).expect("somebody wants it");
    notebook.hand_out(&request.into(), 3);
}

fn request(method: &str, target: &str, lines: &[(&'static str, &'static [u8])]) -> Request {
    let method: Method = method.parse().expect("a method");
    let text = Bytes::copy_from_slice(target.as_bytes());
    let Ok(Form::Proxy(target)) = Target::parse(&method, &text) else {
        panic!("{target} is no target");
    };
    let mut fields = http::Fields::default();
    for (name, value) in lines {
        fields.push(*name, *value);
    }
    let head = RequestHead {
        method,
        target: Bytes::new(),
        version: Version::Http10,
        fields,
    };
    let received = SystemTime::UNIX_EPOCH + Duration::new(1_795_557_003, 123_456_789);
    Request::new(head, target, ([10, 1, 2, 3], 40_000).into(), received).at_offset(3600)
}

proptest! {
    #[test]
    fn what_was_written_is_read_again(transactions in vec(transaction(), 0..4)) {
        let mut reader = reader(&file(&transactions)).expect("a recording");
        prop_assert_eq!(reader.header(), &header());
        prop_assert_eq!(&all(&mut reader).expect("whole"), &transactions);
        let end = End::Finished(finished(transactions.len() as u64));
        prop_assert_eq!(reader.end(), Some(&end));
    }

    /// As a crash leaves it: whatever is missing at the end, the rest can be used.
    #[test]
    fn what_is_cut_off_takes_nothing_with_it(cut in 0_usize..2000) {
        let transactions: Vec<Transaction> = ["a", "b", "c"].map(some).to_vec();
        let whole = file(&transactions);
        let first = memchr::memchr(b'\n', &whole).expect("a line");
        let cut = first + cut % (whole.len() - first);
        let lines = whole[..cut].iter().filter(|&&octet| octet == b'\n').count();
        let mut reader = reader(&whole[..cut]).expect("its first line is whole");
        let read = all(&mut reader).expect("what there is");
        // A line may lack nothing but its line feed.
        prop_assert!([lines.saturating_sub(1), lines].contains(&read.len()));
        prop_assert_eq!(&read, &transactions[..read.len()]);
        let whole_end = cut == whole.len() - 1;
        let ended = matches!(reader.end(), Some(End::Finished(_)));
        prop_assert_eq!(ended, whole_end);
    }

    #[test]
    fn octets_are_no_recording(octets in vec(any::<u8>(), 0..200)) {
        let refused = matches!(reader(&octets), Err(Unreadable::Other { .. }));
        prop_assert!(refused);
    }
}

#[test]
fn requests_are_what_they_were() {
    let lines: &[(&str, &[u8])] = &[("Host", b"a"), ("X", b""), ("x", b"\xff \xc3\xa4")];
    for (method, target) in [
        ("GET", "http://Example.com:80/a?b=%20c#d"),
        ("GET", "https://example.com"),
        ("GET", "http://user:password@example.com:8080/%zz/\u{e4}"),
        ("GET", "http://[2001:db8::1]:81/"),
        ("GET", "cache_object://none/info"),
        ("GET", "ftp://example.com/"),
        ("GET", "odd://example.com:70/"),
        ("OPTIONS", "http://example.com"),
        ("OPTIONS", "http://example.com/"),
        ("CONNECT", "example.com:443"),
        ("CONNECT", "192.0.2.1:443"),
        ("PURGE", "http://example.com/a"),
    ] {
        let was = noted(request(method, target, lines));
        let written = Transaction::new(&was);
        let was = was.request;
        let json = serde_json::to_string(&written).expect("JSON");
        assert!(!json.contains("password"), "{json}");
        let read: Transaction = serde_json::from_str(&json).expect("a transaction");
        let (is, _) = read.into_notes().expect("a request");
        assert_eq!(is.uri(), was.uri());
        assert_eq!(is.target.path, was.target.path);
        assert_eq!(is.target.authority(), was.target.authority());
        assert_eq!(is.target.scheme, was.target.scheme);
        assert_eq!(
            (is.id, &is.method, is.version),
            (was.id, &was.method, was.version)
        );
        assert_eq!((is.client, is.received), (was.client, was.received));
        assert_eq!(is.received_locally(), was.received_locally());
        assert_eq!((&is.fields, is.addresses()), (&was.fields, was.addresses()));
    }
}

/// Each answer that a hook can give, as the head of the module has it.
#[test]
fn answers_are_what_they_were() {
    let rule = r#"{"plugin":"p","text":"t","file":"wproxy.toml","line":12}"#;
    let own = r#"{"plugin":"p","text":"its own words"}"#;
    let fields = r#"[["Host","a"],["X",{"base64":"/w=="}],["x",""]]"#;
    let refresh = format!(r#"{{"rule":{rule},"min":1,"percent":20,"max":3"#);
    let all = "\"override-expire\",\"override-lastmod\",\"reload-into-ims\",\"ignore-reload\",\
               \"ignore-no-store\",\"ignore-private\"";
    let answers = [
        format!(r#""access":{{"verdict":"allow","rule":{own}}}"#),
        format!(r#""access":{{"verdict":"deny","rule":{rule},"status":403}}"#),
        format!(r#""access":{{"verdict":"deny","rule":{rule},"status":451,"message":"m"}}"#),
        r#""access":{"verdict":"authenticate","plugin":"p","challenge":"Basic"}"#.into(),
        r#""access":{"verdict":"failed","plugin":"p","reason":"r"}"#.into(),
        r#""cache_key":"uri""#.into(),
        r#""cache_key":{"named":"k"}"#.into(),
        r#""cache_key":"never""#.into(),
        format!(r#""request_headers":{{"before":{fields},"after":[]}}"#),
        format!(r#""request_headers":{{"before":{fields}}}"#),
        format!(r#""cache_rules":{{"status":200,"fields":{fields}}}"#),
        format!(r#""cache_rules":{{"status":200,"fields":[],"refresh":{refresh}}}}}"#),
        format!(
            r#""cache_rules":{{"status":200,"fields":[],"refresh":{refresh},"options":[{all}]}}}}"#
        ),
        format!(r#""response_headers":{{"status":304,"before":[],"after":{fields}}}"#),
    ];
    let json = serde_json::to_string(&some("")).expect("JSON");
    for answer in answers {
        let with = format!("{},{answer}}}", json.strip_suffix('}').expect("an object"));
        let transaction: Transaction = serde_json::from_str(&with).expect(&answer);
        let (request, notes) = transaction.into_notes().expect("a transaction");
        let again = Transaction::new(&Noted {
            notes,
            ..noted(request)
        });
        assert_eq!(serde_json::to_string(&again).expect("JSON"), with);
    }
}

#[test]
fn helpers_answers_are_what_they_were() {
    let mut transaction = some("");
    let answers = r#"[{"helper":"h","key":"a b","finding":"OK","pairs":[["user","ann"],["x",""]]},
                      {"helper":"h","key":"c","finding":"ERR"},{"helper":"i","key":"c","finding":"BH"}]"#;
    transaction.request.answers = serde_json::from_str(answers).expect("JSON");
    let (request, _) = transaction.clone().into_notes().expect("a request");
    assert_eq!(
        request.answer("h", "a b").expect("an answer").to_string(),
        "OK user=\"ann\" x=\"\""
    );
    assert_eq!(Transaction::new(&noted(request)), transaction);
}

#[test]
fn addresses_are_unknown_none_or_some() {
    for (set, seen) in [
        (None, None),
        (Some(vec![]), Some(vec![])),
        (Some(vec!["192.0.2.1"]), Some(vec!["192.0.2.1"])),
    ] {
        let addresses = |texts: &Vec<&str>| -> Vec<IpAddr> {
            texts
                .iter()
                .map(|text| text.parse().expect("an address"))
                .collect()
        };
        let mut transaction = some("");
        transaction.request.addresses = set.as_ref().map(addresses);
        let (request, _) = transaction.into_notes().expect("a request");
        assert_eq!(
            request.addresses().map(<[_]>::to_vec),
            seen.as_ref().map(addresses)
        );
    }
}

#[test]
fn files_that_cannot_be_read_are_said_to_be_so() {
    let newer = r#"{"recording":{"format":7,"wproxy":"9.1.0","what":"ever"}}"#;
    let version = env!("CARGO_PKG_VERSION");
    for (text, message) in [
        ("", "a.rec:1: this is not a recording: it is empty\nhelp: ".to_owned()),
        (
            "hello\n",
            "a.rec:1: this is not a recording: its first line is not JSON\nhelp: `wproxy record a.rec` ".into(),
        ),
        (
            "{\"a\":1}\n",
            "a.rec:1: this is not a recording: `recording` is missing\n".into(),
        ),
        (
            newer,
            format!(
                "a.rec was recorded by wproxy 9.1.0, in format 7; wproxy {version} reads formats up to 1\n\
                 help: replay it with the wproxy that recorded it, or a later one"
            ),
        ),
        (
            "{\"recording\":{\"format\":1,\"wproxy\":\"0.1.0\"}}\n",
            "a.rec:1: the recording is damaged: `generation` is missing\n".into(),
        ),
    ] {
        let error = reader(text.as_bytes()).expect_err(text).to_string();
        assert!(error.starts_with(&message), "{error}");
    }
}

#[test]
fn a_damaged_line_is_named() {
    let whole = String::from_utf8(file(&["a", "b"].map(some))).expect("UTF-8");
    for (from, to, message) in [
        (
            "\"id\":",
            "\"id\"",
            "a.rec:2: the recording is damaged: it is not JSON from column 32 on\n",
        ),
        (
            "\"1.0\"",
            "1",
            "a.rec:2: the recording is damaged: in column ",
        ),
        (
            "{\"transaction\"",
            "{\"recording\"",
            "a.rec:2: the recording is damaged: `format` is missing\n",
        ),
    ] {
        let damaged = whole.replacen(from, to, 1);
        let mut reader = reader(damaged.as_bytes()).expect("its first line is whole");
        let error = all(&mut reader).expect_err(from).to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn what_no_proxy_writes_is_not_understood() {
    type Spoil = fn(&mut Transaction);
    let cases: [(&str, Spoil); 6] = [
        ("a method cannot be `G T`", |t| {
            t.request.method = "G T".into();
        }),
        ("a URI cannot be `/a`", |t| t.request.uri = "/a".into()),
        ("a URI cannot be `http://a/\\u{1b}[2J`", |t| {
            t.request.uri = "http://a/\u{1b}[2J".into();
        }),
        ("an HTTP version cannot be `3`", |t| {
            t.request.version = "3".into();
        }),
        ("a field's name cannot be `a b`", |t| {
            t.request.fields.push(("a b".into(), "".into()));
        }),
        ("a field's value cannot be `a\\nb`", |t| {
            t.request.fields.push(("a".into(), "a\nb".into()));
        }),
    ];
    for (message, change) in cases {
        let mut transaction = some("");
        change(&mut transaction);
        let error = transaction.into_notes().expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    let option =
        r#"{"rule":{"plugin":"p","text":"t"},"min":0,"percent":0,"max":0,"options":["odd"]}"#;
    let error = serde_json::from_str::<line::Refresh>(option).expect_err("no option of squid's");
    assert!(
        error.to_string().starts_with("unknown variant `odd`"),
        "{error}"
    );
}

#[test]
fn one_records_at_a_time_and_workers_never_wait() {
    let (recorder, readers) = (Recorder::default(), Readers::default());
    let hand_out_some = |count: usize| {
        for _ in 0..count {
            hand_out(&readers, request("GET", "http://example.com/", &[]));
        }
    };
    let first = recorder.begin(&readers, Share::ALL).expect("the first");
    assert!(recorder.begin(&readers, Share::ALL).is_none());
    hand_out_some(recorder::QUEUED + 3);
    assert_eq!(first.missed(), 3);
    assert!(first.next(Duration::ZERO).is_some());
    hand_out_some(2);
    assert_eq!(first.missed(), 4);
    drop(first);
    assert!(readers.notebook(1).is_none());
    let second = recorder
        .begin(&readers, Share::ALL)
        .expect("the first is over");
    let notebook = readers.notebook(1).expect("somebody wants it");
    assert_eq!(notebook.wanted(), Wanted::ALL);
    assert_eq!(second.missed(), 0);
    assert!(second.next(Duration::ZERO).is_none());
}

#[test]
fn the_queue_is_bounded_in_octets_too() {
    let (recorder, readers) = (Recorder::default(), Readers::default());
    let recording = recorder.begin(&readers, Share::ALL).expect("the first");
    let large: &'static [u8] = Box::leak(vec![b'x'; 1 << 20].into());
    let hand_out_one = || hand_out(&readers, request("GET", "http://a/", &[("X", large)]));
    (0..20).for_each(|_| hand_out_one());
    assert_eq!(recording.missed(), 5);
    assert!(recording.next(Duration::ZERO).is_some());
    hand_out_one();
    assert_eq!(recording.missed(), 5);
}
