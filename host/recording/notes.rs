//! From what was taken down about a request to a line of the recording, and back.

use super::Octets;
use super::line::{
    Access, Answered, Asked, Edit, Fields, Finding, Judged, Key, Refresh, Rule, Transaction,
};
use crate::config::Location;
use crate::generation::CacheKey;
use crate::helper::{self, Answer, Question};
use crate::http::{self, Form, RequestHead, Scheme, Target, Version};
use crate::notes::{self, Noted, Notes};
use crate::plugin::{self, Denial, Failed, Hook};
use crate::transaction::Request;
use crate::upstream::DnsError;
use ::http::Method;
use bytes::Bytes;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::SystemTime;

/// What of a transaction cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be `{}`", value.escape_debug())]
pub struct NotUnderstood {
    what: &'static str,
    value: String,
}

// === impl NotUnderstood ===

impl NotUnderstood {
    fn new(what: &'static str, value: &str) -> NotUnderstood {
        NotUnderstood {
            what,
            value: value.to_owned(),
        }
    }
}

// === impl Transaction ===

impl Transaction {
    /// To be written.
    pub fn new(noted: &Noted) -> Transaction {
        let Notes {
            access,
            key,
            request_headers,
            cache_rules,
            response_headers,
        } = noted.notes.clone();
        Transaction {
            request: asked(&noted.request),
            generation: noted.generation,
            access: access.map(written_access),
            cache_key: key.map(|key| match key {
                CacheKey::Uri => Key::Uri,
                CacheKey::Named(key) => Key::Named(key.to_string()),
                CacheKey::Never => Key::Never,
            }),
            request_headers: request_headers.as_ref().map(written_edit),
            cache_rules: cache_rules.map(|judged| Judged {
                status: judged.status,
                fields: written_fields(&judged.fields),
                refresh: judged.refresh.as_ref().map(written_refresh),
                never: judged.never.as_ref().map(written_rule),
            }),
            response_headers: response_headers.as_ref().map(written_edit),
            redacted: Vec::new(),
        }
    }

    /// As it was when it was recorded.
    ///
    /// # Errors
    /// Somebody has written what no proxy has.
    pub fn into_notes(self) -> Result<(Request, Notes), NotUnderstood> {
        let notes = Notes {
            access: self.access.map(read_access),
            key: self.cache_key.map(|key| match key {
                Key::Uri => CacheKey::Uri,
                Key::Named(key) => CacheKey::Named(key.into()),
                Key::Never => CacheKey::Never,
            }),
            request_headers: self.request_headers.map(read_edit).transpose()?,
            cache_rules: self.cache_rules.map(read_judged).transpose()?,
            response_headers: self.response_headers.map(read_edit).transpose()?,
        };
        Ok((read_request(self.request)?, notes))
    }
}

// === the request ===

fn asked(request: &Request) -> Asked {
    let (_, offset) = request.received_locally();
    Asked {
        id: request.id,
        received: Timestamp::try_from(request.received).unwrap_or_default(),
        offset,
        client: request.client,
        method: request.method.as_str().to_owned(),
        uri: Octets(uri(&request.target)),
        version: version(request.version).to_owned(),
        fields: written_fields(&request.fields),
        addresses: request.addresses().map(<[_]>::to_vec),
        answers: request.answers().iter().map(written_answer).collect(),
    }
}

fn written_answer((question, answer): &(Question, Arc<Answer>)) -> Answered {
    Answered {
        helper: question.helper.clone(),
        key: question.key.clone(),
        finding: match answer.finding {
            helper::Finding::Found => Finding::Ok,
            helper::Finding::NotFound => Finding::Err,
            helper::Finding::Failed => Finding::Bh,
        },
        pairs: answer.pairs.clone(),
    }
}

fn read_answer(answered: Answered) -> (Question, Arc<Answer>) {
    let Answered {
        helper,
        key,
        finding,
        pairs,
    } = answered;
    let finding = match finding {
        Finding::Ok => helper::Finding::Found,
        Finding::Err => helper::Finding::NotFound,
        Finding::Bh => helper::Finding::Failed,
    };
    (
        Question { helper, key },
        Arc::new(Answer { finding, pairs }),
    )
}

/// As a client sends it: [`Target::parse`] makes the same of it.
fn uri(target: &Target) -> Bytes {
    let mut uri = Vec::new();
    if target.scheme != Scheme::None {
        uri.extend_from_slice(target.scheme.as_str().as_bytes());
        uri.extend_from_slice(b"://");
    }
    uri.extend_from_slice(target.authority());
    // Of OPTIONS for a whole server (RFC 9112 §3.2.4).
    if target.path.as_ref() != b"*" {
        uri.extend_from_slice(&target.path);
    }
    uri.into()
}

fn read_request(asked: Asked) -> Result<Request, NotUnderstood> {
    let Asked {
        id,
        received,
        offset,
        client,
        method,
        uri,
        version,
        fields,
        addresses,
        answers,
    } = asked;
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| NotUnderstood::new("a method", &method))?;
    // As a request line is judged before it is read.
    let odd = uri.0.iter().any(|octet| *octet <= b' ' || *octet == 0x7f);
    let target = match Target::parse(&method, &uri.0) {
        Ok(Form::Proxy(target)) if !odd => target,
        _ => return Err(NotUnderstood::new("a URI", &uri.text())),
    };
    let head = RequestHead {
        method,
        target: Bytes::new(),
        version: match version.as_str() {
            "1.0" => Version::Http10,
            "1.1" => Version::Http11,
            other => return Err(NotUnderstood::new("an HTTP version", other)),
        },
        fields: read_fields(fields)?,
    };
    let mut request =
        Request::new(head, target, client, SystemTime::from(received)).at_offset(offset);
    request.id = id;
    match addresses {
        None => {}
        Some(addresses) if addresses.is_empty() => {
            request.set_addresses(Err(DnsError::NoAddress));
        }
        Some(addresses) => request.set_addresses(Ok(addresses.into())),
    }
    for answered in answers {
        let (question, answer) = read_answer(answered);
        request.add_answer(question, answer);
    }
    Ok(request)
}

fn version(version: Version) -> &'static str {
    match version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
    }
}

// === fields ===

fn written_fields(fields: &http::Fields) -> Fields {
    let lines = fields.iter();
    let lines = lines.map(|line| (Octets(line.name.clone()), Octets(line.value.clone())));
    lines.collect()
}

fn read_fields(lines: Fields) -> Result<http::Fields, NotUnderstood> {
    let mut fields = http::Fields::with_capacity(lines.len());
    for (name, value) in lines {
        let what = match (http::is_token(&name.0), http::is_value(&value.0)) {
            (true, true) => None,
            (true, false) => Some(("a field's value", &value)),
            (false, _) => Some(("a field's name", &name)),
        };
        if let Some((what, octets)) = what {
            return Err(NotUnderstood::new(what, &octets.text()));
        }
        fields.push(name.0, value.0);
    }
    Ok(fields)
}

fn written_edit(edit: &notes::Edit) -> Edit {
    Edit {
        status: edit.status,
        before: written_fields(&edit.before),
        after: edit.after.as_ref().map(written_fields),
    }
}

fn read_edit(edit: Edit) -> Result<notes::Edit, NotUnderstood> {
    Ok(notes::Edit {
        status: edit.status,
        before: read_fields(edit.before)?,
        after: edit.after.map(read_fields).transpose()?,
    })
}

// === verdicts and rules ===

fn written_access(access: notes::Access) -> Access {
    match access {
        notes::Access::Allowed(rule) => Access::Allow {
            rule: written_rule(&rule),
        },
        notes::Access::Denied(Denial {
            rule,
            status,
            message,
        }) => Access::Deny {
            rule: written_rule(&rule),
            status,
            message,
        },
        notes::Access::Challenged { plugin, challenge } => {
            Access::Authenticate { plugin, challenge }
        }
        notes::Access::Failed(failed) => Access::Failed {
            plugin: failed.plugin.to_string(),
            reason: failed.reason,
        },
    }
}

fn read_access(access: Access) -> notes::Access {
    match access {
        Access::Allow { rule } => notes::Access::Allowed(read_rule(rule)),
        Access::Deny {
            rule,
            status,
            message,
        } => notes::Access::Denied(Denial {
            rule: read_rule(rule),
            status,
            message,
        }),
        Access::Authenticate { plugin, challenge } => {
            notes::Access::Challenged { plugin, challenge }
        }
        Access::Failed { plugin, reason } => notes::Access::Failed(Failed {
            plugin: plugin.into(),
            hook: Hook::Access,
            reason,
        }),
    }
}

fn written_rule(rule: &plugin::Rule) -> Rule {
    let location = rule.location.as_ref();
    let file = location.map(|location| location.file.to_string());
    let line = location.map(|location| location.line);
    Rule {
        plugin: rule.plugin.to_string(),
        text: rule.text.to_string(),
        file,
        line,
    }
}

fn read_rule(rule: Rule) -> plugin::Rule {
    let location = rule.file.zip(rule.line);
    let location = location.map(|(file, line)| Location {
        file: file.into(),
        line,
    });
    plugin::Rule::new(rule.plugin, rule.text, location)
}

fn written_refresh(refresh: &plugin::Refresh) -> Refresh {
    Refresh {
        rule: written_rule(&refresh.rule),
        min: refresh.min,
        percent: refresh.percent,
        max: refresh.max,
        options: refresh.overrules.clone(),
    }
}

fn read_judged(judged: Judged) -> Result<notes::Judged, NotUnderstood> {
    Ok(notes::Judged {
        status: judged.status,
        fields: read_fields(judged.fields)?,
        refresh: judged.refresh.map(read_refresh),
        never: judged.never.map(read_rule),
    })
}

fn read_refresh(written: Refresh) -> plugin::Refresh {
    plugin::Refresh {
        rule: read_rule(written.rule),
        min: written.min,
        percent: written.percent,
        max: written.max,
        overrules: written.options,
    }
}
