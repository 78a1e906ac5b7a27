//! The response that a failure becomes: a page for browsers, a line for everybody else.

use super::Reply;
use crate::config::Settings;
use crate::error::{Face, Failure};
use crate::http::{self, Fields, date, quoted, structured_name};
use std::fmt::Write as _;
use std::time::SystemTime;

/// What is known of the request that failed.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// Method and target.
    pub line: &'a str,
    /// What logs call it by; none where it is no request.
    pub id: Option<u64>,
    /// The client's Accept.
    pub accept: Option<&'a [u8]>,
}

/// The page or line for a failure, and the fields that programs read.
pub fn page(failure: &Failure, settings: &Settings, request: About<'_>, now: SystemTime) -> Reply {
    let Face {
        status,
        squid,
        proxy_status,
        ..
    } = failure.face();
    let host = &settings.visible_hostname;
    let mut fields = Fields::with_capacity(8);
    fields.push("Server", "wproxy");
    fields.push("Date", date(now));
    fields.push("X-Squid-Error", format!("{squid} 0"));
    fields.push(
        "Proxy-Status",
        format!(
            "{}; error={proxy_status}; details={}",
            structured_name(host),
            quoted(&failure.to_string())
        ),
    );
    if let Failure::Unauthenticated { challenge, .. } = failure
        && http::is_value(challenge.as_bytes())
    {
        fields.push("Proxy-Authenticate", challenge.clone());
    }
    fields.push("Cache-Control", "no-store");
    fields.push("Vary", "Accept");
    let is_page = |accept| memchr::memmem::find(accept, b"text/html").is_some();
    let browser = request.accept.is_some_and(is_page);
    let title = format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error")
    );
    let (media_type, body) = match browser {
        true => (
            "text/html; charset=utf-8",
            html(failure, settings, request, &title, squid, now),
        ),
        false => (
            "text/plain; charset=utf-8",
            line(failure, settings, request, &title),
        ),
    };
    fields.push("Content-Type", media_type);
    Reply {
        status,
        fields,
        body: body.into(),
    }
}

fn line(failure: &Failure, settings: &Settings, request: About<'_>, title: &str) -> String {
    let Settings {
        visible_hostname,
        cache_mgr,
        ..
    } = settings;
    let advice = failure.advice();
    let id = request.id.map(|id| match settings.explain_requests {
        0 => format!(", request {id}"),
        _ => format!(", request {id} (wproxy explain --id {id})"),
    });
    let id = id.unwrap_or_default();
    let failure = failure.to_string();
    let failure = failure.trim_end_matches('.');
    format!("{title}: {failure}. {advice} Contact: {cache_mgr}, proxy {visible_hostname}{id}.\n")
}

fn html(
    failure: &Failure,
    settings: &Settings,
    request: About<'_>,
    title: &str,
    squid: &str,
    now: SystemTime,
) -> String {
    let mut facts = String::new();
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(
            facts,
            "<dt>{name}</dt><dd><code>{}</code></dd>",
            escaped(value)
        );
    };
    fact("Request", request.line);
    if let Some(rule) = failure.rule() {
        fact("Rule", &rule.text);
        fact("Plugin", &rule.plugin);
    }
    fact("Whom to ask", &settings.cache_mgr);
    let id = request.id.map(|id| match settings.explain_requests {
        0 => format!("Request {id}. "),
        _ => format!("Request {id}: <code>wproxy explain --id {id}</code>. "),
    });
    include_str!("page.html")
        .replace("{{STATUS}}", &escaped(title))
        .replace("{{SQUID}}", squid)
        .replace("{{ADVICE}}", &escaped(failure.advice()))
        .replace("{{ID}}", &id.unwrap_or_default())
        .replace("{{DATE}}", &date(now))
        .replace("{{HOST}}", &escaped(&settings.visible_hostname))
        .replace("{{WHAT}}", &escaped(&failure.to_string()))
        .replace("{{FACTS}}", &facts)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Placeholders of the page are not for those who write targets.
            '{' => escaped.push_str("&#123;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Configuration;
    use crate::plugin::{Denial, Rule};
    use std::sync::Arc;

    fn settings() -> Arc<Settings> {
        let defaults = Configuration::from_source(None, &[]);
        defaults.expect("the defaults are valid").settings
    }

    fn denied() -> Failure {
        Failure::Denied(Denial {
            rule: Rule::new("access-policy", "http_access deny <all>", None),
            status: 403,
            message: None,
        })
    }

    #[test]
    fn programs_get_a_line_that_names_the_rule() {
        let reply = page(
            &denied(),
            &settings(),
            About {
                line: "GET http://a/",
                id: Some(1001),
                accept: Some(b"*/*"),
            },
            SystemTime::UNIX_EPOCH,
        );
        assert_eq!(
            reply.body,
            "403 Forbidden: the rule `http_access deny <all>` does not allow it. If you think that \
             you should have access, ask for the rule to be changed. Contact: webmaster, proxy none, \
             request 1001 (wproxy explain --id 1001).\n"
        );
        assert_eq!(
            reply.fields.get("proxy-status").map(|value| &value[..]),
            Some(&b"none; error=http_request_denied; details=\"the rule `http_access deny <all>` does not allow it\""[..])
        );
    }

    #[test]
    fn browsers_get_a_page_and_no_markup_of_others() {
        let reply = page(
            &denied(),
            &settings(),
            About {
                line: "GET http://a/<script>{{FACTS}}",
                id: Some(1001),
                accept: Some(b"text/html, */*"),
            },
            SystemTime::UNIX_EPOCH,
        );
        let page = String::from_utf8(reply.body.to_vec()).expect("UTF-8");
        assert!(page.contains("http_access deny &lt;all&gt;"), "{page}");
        assert!(
            page.contains("/&lt;script&gt;&#123;&#123;FACTS}}"),
            "{page}"
        );
        assert!(page.contains("ERR_ACCESS_DENIED"), "{page}");
        assert!(
            page.contains(
                "<footer>Request 1001: <code>wproxy explain --id 1001</code>. Generated Thu, 01 \
                 Jan 1970"
            ),
            "{page}"
        );
        assert!(!page.contains("<script>") && !page.contains("{{"), "{page}");
    }

    #[test]
    fn what_is_no_request_has_no_number() {
        for (accept, end) in [
            (&b"text/html"[..], "<footer>Generated "),
            (b"*/*", "Contact: webmaster, proxy none.\n"),
        ] {
            let about = About {
                line: "G?T",
                id: None,
                accept: Some(accept),
            };
            let reply = page(&denied(), &settings(), about, SystemTime::UNIX_EPOCH);
            let page = String::from_utf8(reply.body.to_vec()).expect("UTF-8");
            assert!(page.contains(end), "{page}");
        }
    }
}
