//! Ranges: parts of what is stored, and parts that are stored.

use crate::support::{Origin, Proxy, Response, Then};

const BODY: &str = "0123456789abcdef";

/// Serves one range of the body, or all of it.
fn origin() -> Origin {
    Origin::start(|seen, stream| {
        let range = seen.field("range").and_then(|range| {
            let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
        });
        let fields = "ETag: \"1\"\r\nContent-Type: text/plain\r\nCache-Control: max-age=60\r\n";
        match range {
            None => write!(
                stream,
                "HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{BODY}",
                BODY.len()
            )?,
            Some((first, last)) => write!(
                stream,
                "HTTP/1.1 206 Partial Content\r\n{fields}Content-Range: bytes {first}-{last}/{}\r\n\
                 Content-Length: {}\r\n\r\n{}",
                BODY.len(),
                last + 1 - first,
                &BODY[first..=last]
            )?,
        }
        Ok(Then::Keep)
    })
}

fn part(proxy: &Proxy, origin: &Origin, range: &str) -> Response {
    proxy.get(&origin.url("/"), &[&format!("Range: bytes={range}")])
}

/// RFC 9111 §3.4, RFC 9110 §15.3.7.3.
#[test]
fn parts_are_stored_served_and_put_together() {
    let (proxy, origin) = (Proxy::start(""), origin());
    #[rustfmt::skip]
    let steps = [
        // range, served, status, requests at the origin
        ("0-3", "0123", 206, 1),
        ("1-2", "12", 206, 0),
        ("0-3,1-1", "0123", 206, 0),
        ("4-9", "456789", 206, 1),
        ("2-7", "234567", 206, 0),
        ("8-11", "89ab", 206, 1),
        ("99-", "", 416, 0),
        ("10-15", "abcdef", 206, 1),
    ];
    for (range, served, status, asked) in steps {
        let response = part(&proxy, &origin, range);
        assert_eq!(
            (response.status, origin.count()),
            (status, asked),
            "{range}"
        );
        match response.field("content-type") {
            Some(several) if several.starts_with("multipart/") => {
                assert!(response.text().contains(served), "{range}");
            }
            _ => assert_eq!(response.text(), served, "{range}"),
        }
    }
    // That was the last of them: now it is whole.
    let whole = proxy.get(&origin.url("/"), &[]);
    assert_eq!((whole.status, &*whole.text()), (200, BODY));
    assert_eq!(whole.field("content-range"), None);
    assert_eq!(origin.count(), 0);
}

#[test]
fn what_is_stored_in_part_does_not_answer_for_the_whole() {
    let (proxy, origin) = (Proxy::start(""), origin());
    part(&proxy, &origin, "0-3");
    let whole = proxy.get(&origin.url("/"), &[]);
    assert_eq!((whole.status, &*whole.text()), (200, BODY));
    assert_eq!(
        whole.field("cache-status"),
        Some("none; fwd=partial; stored")
    );
    assert_eq!(origin.count(), 2);
    assert_eq!(part(&proxy, &origin, "4-5").text(), "45");
    assert_eq!(origin.count(), 0);
}

/// RFC 9110 §14.6.
#[test]
fn several_ranges_of_a_stored_response_come_as_multipart() {
    let (proxy, origin) = (Proxy::start(""), origin());
    proxy.get(&origin.url("/"), &[]);
    let response = part(&proxy, &origin, "0-1,8-9");
    assert_eq!(response.status, 206);
    let content_type = response.field("content-type").expect("there").to_owned();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("several parts");
    let expected = format!(
        "--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/16\r\n\r\n01\r\n\
         --{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/16\r\n\r\n89\r\n\
         --{boundary}--\r\n"
    );
    let text = response.text();
    assert_eq!(text.trim_start_matches("\r\n"), expected);
    assert_eq!(origin.count(), 1);
}

/// RFC 9111 §3.3: a client that goes on where it broke off makes it whole.
#[test]
fn a_response_that_broke_off_is_a_part() {
    let origin = Origin::start(|seen, stream| {
        let fields = "ETag: \"1\"\r\nCache-Control: max-age=60\r\n";
        if seen.field("range").is_none() {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\n{fields}Content-Length: 8\r\n\r\nhalf"
            )?;
            return Ok(Then::Close);
        }
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\n{fields}Content-Range: bytes 4-7/8\r\n\
             Content-Length: 4\r\n\r\nrest"
        )?;
        Ok(Then::Keep)
    });
    let proxy = Proxy::start("");
    // A page where the client had nothing yet, else half of it.
    let broken = proxy.get(&origin.url("/"), &[]);
    assert!(broken.status == 502 || !broken.complete);
    assert_eq!(part(&proxy, &origin, "0-3").text(), "half");
    assert_eq!(origin.count(), 1);
    assert_eq!(part(&proxy, &origin, "4-7").text(), "rest");
    assert_eq!(proxy.get(&origin.url("/"), &[]).text(), "halfrest");
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_part_of_another_version_takes_the_place_of_those_before() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let origin = Origin::start(move |_, stream| {
        let (tag, range, body) = match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => ("1", "0-1", "aa"),
            1 => ("2", "2-3", "bb"),
            _ => ("2", "0-1", "BB"),
        };
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nETag: \"{tag}\"\r\nCache-Control: max-age=60\r\n\
             Content-Range: bytes {range}/4\r\nContent-Length: 2\r\n\r\n{body}"
        )?;
        Ok(Then::Keep)
    });
    let proxy = Proxy::start("");
    for (range, body) in [("0-1", "aa"), ("2-3", "bb"), ("0-1", "BB"), ("0-3", "BBbb")] {
        assert_eq!(part(&proxy, &origin, range).text(), body, "{range}");
    }
    assert_eq!(origin.count(), 3);
}
