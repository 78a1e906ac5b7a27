//! What another policy would have said to a request, and where that differs from what the live one
//! has said. Pure, but for the candidate's own calls: what a client gets is none of its business.

mod groups;
#[cfg(test)]
mod tests;

pub use groups::{Group, Groups, Room};

use crate::admit;
use crate::error::Failure;
use crate::generation::{Admission, CacheKey, Generation, Storing};
use crate::http::Fields;
use crate::notes::{Access, Edit, Judged, Notes};
use crate::plugin::{Denial, Hook, Refresh, Rule};
use crate::transaction::Request;
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// A hook in which a candidate does something else with a request than the live policy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub hook: Hook,
    /// What the live policy did.
    pub live: Said,
    /// What the candidate would have done.
    pub candidate: Said,
}

/// What a policy does with a request, in a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// For people, and the same for all requests that the same is done with: `deny 403`, `no Server`.
    pub gist: String,
    /// What is of this request alone: values of fields, a key. Can be a secret. Empty where there is none.
    pub detail: String,
    /// What decided, where a rule did.
    pub rule: Option<Rule>,
    /// Whether a plugin failed: the policy may be right, and the plugin is not.
    pub failed: bool,
}

/// The candidate wants to know what nobody has found out: the destination's addresses, or what a
/// helper says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecided;

/// Octets that header sections can grow to, as the settings of the live policy's proxy have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// `request_header_max_size`
    pub request: usize,
    /// `reply_header_max_size`
    pub reply: usize,
}

/// The hooks that are compared.
pub const HOOKS: [Hook; 5] = [
    Hook::Access,
    Hook::RequestHeaders,
    Hook::ResponseHeaders,
    Hook::CacheRules,
    Hook::CacheKey,
];

/// Asks a candidate what the live policy was asked. The request must not take notes itself.
///
/// What clients and servers would see counts: the same verdict by another rule is no difference,
/// and what comes after another verdict is not compared.
///
/// # Errors
/// It wants to know more: it is to be asked again when the request has that.
pub fn differences(
    candidate: &Generation,
    request: &Arc<Request>,
    notes: &Notes,
    sizes: Sizes,
) -> Result<Vec<Difference>, Undecided> {
    differences_in(|_| true, None, candidate, request, notes, sizes)
}

/// The same in some of the hooks: where it is known that the others say the same. `said` is what the
/// candidate's access hook comes to, where that is known.
///
/// # Errors
/// It wants to know more.
pub fn differences_in(
    hooks: impl Fn(Hook) -> bool,
    said: Option<&Access>,
    candidate: &Generation,
    request: &Arc<Request>,
    notes: &Notes,
    sizes: Sizes,
) -> Result<Vec<Difference>, Undecided> {
    if let Some(live) = notes.access.as_ref().filter(|_| hooks(Hook::Access)) {
        let said = match said {
            Some(said) => Cow::Borrowed(said),
            None => Cow::Owned(verdict(candidate, request)?),
        };
        if !is_same(live, &said) {
            return Ok(vec![Difference {
                hook: Hook::Access,
                live: access(live),
                candidate: access(&said),
            }]);
        }
    }
    let mut differences = Vec::new();
    let mut compare = |difference: Option<Difference>| differences.extend(difference);
    if let Some(live) = notes.key.as_ref().filter(|_| hooks(Hook::CacheKey)) {
        compare(of_key(live, candidate.key(request)));
    }
    let edit = notes.request_headers.as_ref();
    if let Some(live) = edit.filter(|_| hooks(Hook::RequestHeaders)) {
        let mut fields = live.before.clone();
        let done = candidate.on_request(request, &mut fields, sizes.request);
        compare(of_fields(Hook::RequestHeaders, live, done.map(|()| fields)));
    }
    let judged = notes.cache_rules.as_ref();
    if let Some(live) = judged.filter(|_| hooks(Hook::CacheRules)) {
        let mut fields = live.fields.clone();
        let storing = candidate.storing(request, live.status, &mut fields);
        compare(of_freshness(live, &storing));
    }
    let edit = notes.response_headers.as_ref();
    if let Some(live) = edit.filter(|_| hooks(Hook::ResponseHeaders)) {
        let mut fields = live.before.clone();
        let status = live.status.unwrap_or_default();
        let done = candidate.on_response(request, status, &mut fields, sizes.reply);
        compare(of_fields(
            Hook::ResponseHeaders,
            live,
            done.map(|()| fields),
        ));
    }
    Ok(differences)
}

fn verdict(candidate: &Generation, request: &Arc<Request>) -> Result<Access, Undecided> {
    let admission = match candidate.authorize(request) {
        Ok(Admission::NeedsAddresses) if request.addresses().is_some() => Err(admit::asked_again()),
        admission => admission,
    };
    Access::of(&admission).ok_or(Undecided)
}

/// Whether the client is answered the same.
fn is_same(live: &Access, candidate: &Access) -> bool {
    match (live, candidate) {
        (Access::Allowed(_), Access::Allowed(_)) | (Access::Failed(_), Access::Failed(_)) => true,
        (Access::Denied(live), Access::Denied(candidate)) => {
            (live.status, &live.message) == (candidate.status, &candidate.message)
        }
        (
            Access::Challenged { challenge, .. },
            Access::Challenged {
                challenge: other, ..
            },
        ) => challenge == other,
        _ => false,
    }
}

fn access(access: &Access) -> Said {
    match access {
        Access::Allowed(rule) => Said::by(rule, "allow"),
        Access::Denied(Denial {
            rule,
            status,
            message,
        }) => {
            let mut gist = format!("deny {status}");
            if let Some(message) = message {
                // Writing to a String cannot fail.
                let _ = write!(gist, " \"{message}\"");
            }
            Said::by(rule, &gist)
        }
        Access::Challenged { challenge, .. } => Said {
            detail: challenge.clone(),
            ..Said::plain("ask who it is")
        },
        Access::Failed(failed) => Said::failed(&failed.to_string()),
    }
}

fn of_key(live: &CacheKey, candidate: Result<CacheKey, Failure>) -> Option<Difference> {
    let said = |key: &CacheKey| match key {
        CacheKey::Uri => Said::plain("cached under its URI"),
        CacheKey::Named(key) => Said {
            detail: key.to_string(),
            ..Said::plain("cached under a key")
        },
        CacheKey::Never => Said::plain("not cached"),
    };
    let candidate = match candidate {
        Ok(candidate) if candidate == *live => return None,
        Ok(candidate) => said(&candidate),
        Err(failure) => Said::failed(&failure.to_string()),
    };
    Some(Difference {
        hook: Hook::CacheKey,
        live: said(live),
        candidate,
    })
}

fn of_freshness(live: &Judged, candidate: &Result<Storing, Failure>) -> Option<Difference> {
    let said = |refresh: Option<&Refresh>, never: Option<&Rule>| match (refresh, never) {
        (Some(refresh), _) => Said::by(&refresh.rule, &refresh.to_string()),
        (None, rule) => Said {
            rule: rule.cloned(),
            ..Said::plain("not stored")
        },
    };
    // By another rule, the same is the same.
    let terms = |refresh: Option<&Refresh>| {
        refresh.map(|refresh| Refresh {
            rule: Refresh::stale_at_once().rule,
            ..refresh.clone()
        })
    };
    let (refresh, never) = match candidate {
        Ok(Storing::Fresh(refresh)) => (Some(refresh), None),
        Ok(Storing::Never(rule)) => (None, Some(rule)),
        Err(_) => (None, None),
    };
    let candidate = match candidate {
        Ok(_) if terms(refresh) == terms(live.refresh.as_ref()) => return None,
        Ok(_) => said(refresh, never),
        Err(failure) => Said::failed(&failure.to_string()),
    };
    Some(Difference {
        hook: Hook::CacheRules,
        live: said(live.refresh.as_ref(), live.never.as_ref()),
        candidate,
    })
}

fn of_fields(hook: Hook, live: &Edit, candidate: Result<Fields, Failure>) -> Option<Difference> {
    let (live, candidate) = match (&live.after, candidate) {
        (Some(live), Ok(candidate)) => {
            if *live == candidate {
                return None;
            }
            edits(live, &candidate)?
        }
        (None, Err(_)) => return None,
        (None, Ok(_)) => (Said::failed("a plugin failed"), Said::plain("edited")),
        (Some(_), Err(failure)) => (Said::plain("edited"), Said::failed(&failure.to_string())),
    };
    Some(Difference {
        hook,
        live,
        candidate,
    })
}

/// What each side has that the other one has not. Nothing where only the order of names differs,
/// which means nothing (RFC 9110 §5.3).
fn edits(live: &Fields, candidate: &Fields) -> Option<(Said, Said)> {
    let (ours, theirs) = (by_name(live), by_name(candidate));
    let mut said = (Said::plain(""), Said::plain(""));
    let names = ours
        .keys()
        .chain(theirs.keys().filter(|name| !ours.contains_key(*name)));
    for name in names {
        let (live, candidate) = (ours.get(name), theirs.get(name));
        if live != candidate {
            said.0
                .has(name, live.is_some() && candidate.is_some(), live);
            said.1
                .has(name, live.is_some() && candidate.is_some(), candidate);
        }
    }
    (!said.0.gist.is_empty()).then_some(said)
}

/// Values in order, by names without case.
fn by_name(fields: &Fields) -> BTreeMap<String, Vec<&Bytes>> {
    let mut named: BTreeMap<String, Vec<&Bytes>> = BTreeMap::new();
    for line in fields.iter() {
        let name = String::from_utf8_lossy(&line.name).to_ascii_lowercase();
        named.entry(name).or_default().push(&line.value);
    }
    named
}

// === impl Said ===

/// `deny 403 by http_access deny all (wproxy.toml:13, plugin access-policy)`
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.gist)?;
        match &self.rule {
            Some(rule) => write!(f, " by {}", rule.located()),
            None => Ok(()),
        }
    }
}

impl Said {
    fn plain(gist: &str) -> Said {
        Said {
            gist: gist.into(),
            detail: String::new(),
            rule: None,
            failed: false,
        }
    }

    fn by(rule: &Rule, gist: &str) -> Said {
        Said {
            rule: Some(rule.clone()),
            ..Said::plain(gist)
        }
    }

    fn failed(gist: &str) -> Said {
        Said {
            failed: true,
            ..Said::plain(gist)
        }
    }

    /// One more field that differs.
    fn has(&mut self, name: &str, both: bool, values: Option<&Vec<&Bytes>>) {
        let what = match values {
            None => "no ",
            Some(_) if both => "another ",
            Some(_) => "",
        };
        let comma = if self.gist.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(self.gist, "{comma}{what}{name}");
        for value in values.into_iter().flatten() {
            let comma = if self.detail.is_empty() { "" } else { ", " };
            let value = String::from_utf8_lossy(value);
            let _ = write!(self.detail, "{comma}{name}: {value}");
        }
    }
}
