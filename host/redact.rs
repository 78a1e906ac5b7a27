//! Takes secrets out of a transaction before it is written down.
//!
//! In the place of a secret stands a token, `redacted-0123456789abcdef`: a keyed hash, so that equal
//! secrets are equal in one recording, and presence can still be matched. The key is random, is in
//! no file, and is gone when the recording ends, so that nobody can try passwords on the tokens.
//!
//! Secrets are
//!
//! - the credentials in Authorization, Proxy-Authorization and Authentication-Info: the scheme stays
//!   where it is a known one, and those of Basic stay a name and a password in form;
//! - the tokens of Negotiate, NTLM and Kerberos in challenges;
//! - the values of cookies (Cookie, Set-Cookie), while their names and attributes stay;
//! - the whole value of a field whose name says that it is one: X-Amz-Security-Token, X-Api-Key;
//! - in URIs, and wherever else `name=value` stands, the values whose name says so:
//!   X-Amz-Signature, `token`, `password`, `api_key`, `sig`; where such a thing is inside an encoded
//!   value, all of that;
//! - user information in URLs, `user:password@`.
//!
//! A secret of [`LONG`] octets or more goes wherever else it stands in the transaction: in fields
//! that a plugin wrote, in messages, in cache keys. A shorter one would take innocent words with it.
//!
//! What helpers were asked is gone through word by word, decoded: the name and the password of Basic
//! credentials are replaced in there however short they are, and what is a field or the URI by what
//! stands in its place.
//!
//! What cannot be told from other words stays: a secret in a path, or under a name that says nothing.

mod answers;
mod credentials;
mod long;
mod names;
mod scan;

use crate::recording::line::{Access, Edit, Fields, Key, Transaction};
use crate::recording::{Octets, line};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use long::Long;
use memchr::memmem;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Replaces secrets, each always by the same.
#[derive(Debug)]
pub struct Redactor {
    key: [u8; 32],
}

/// Octets from which on a secret is looked for everywhere in its transaction.
pub const LONG: usize = 12;

/// What tokens begin with.
const TOKEN: &str = "redacted-";

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Secret {
    at: Range<usize>,
    form: Form,
}

/// What has to stand in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A token.
    Plain,
    /// A name and a password, encoded (RFC 7617 §2).
    Basic,
}

/// Where a text stands: what is a secret in it goes by that.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// The request's target.
    Uri,
    /// In a field of that name.
    Field(&'a [u8]),
    /// Proxy-Authenticate.
    Challenge,
    /// Anywhere else.
    Text,
}

/// What is done to each text of a transaction.
type Each<'a> = &'a mut dyn FnMut(Place<'_>, &mut Octets);

// === impl Redactor ===

impl Redactor {
    /// With that key.
    pub fn new(key: [u8; 32]) -> Redactor {
        Redactor { key }
    }

    /// Takes the secrets out, and says where some were.
    pub fn redact(&self, transaction: &mut Transaction) {
        let mut long: BTreeMap<Bytes, String> = BTreeMap::new();
        // What a word alone can be, whatever its length.
        let mut same: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        let mut remember = |secret: Bytes, stand_in: String| {
            if secret.len() >= LONG {
                long.insert(secret, stand_in);
            }
        };
        each_text(transaction, &mut |place, text| {
            for Secret { at, form } in secrets(place, &text.0) {
                let found = text.0.slice(at);
                if let (Form::Basic, Some((name, password))) = (form, pair(&found)) {
                    remember(password.clone(), self.token(&password));
                    for part in [name, password] {
                        let token = self.token(&part).into();
                        same.insert(part, token);
                    }
                }
                for decoded in scan::decodings(&found) {
                    let token = self.token(&decoded);
                    remember(decoded.into(), token);
                }
                let stand_in = self.stand_in(&found, form);
                remember(found, stand_in);
            }
        });
        let long = Long::new(long);
        let mut places = BTreeSet::new();
        each_text(transaction, &mut |place, text| {
            if let Some(redacted) = self.text(place, &text.0, &long) {
                let redacted = Bytes::from(redacted);
                let before = std::mem::replace(&mut text.0, redacted.clone());
                if let Place::Uri = place {
                    let paths = [&before, &redacted].map(|uri| uri.slice(path(uri)..));
                    let [before, redacted] = paths;
                    same.insert(before, redacted);
                }
                same.insert(before, redacted);
                places.insert(place.name());
            }
        });
        for answered in &mut transaction.request.answers {
            if self.answered(answered, &long, &same) {
                places.insert("helper".to_owned());
            }
        }
        transaction.redacted = places.into_iter().collect();
    }

    /// The text without secrets; none where there are none in it.
    fn text(&self, place: Place<'_>, text: &[u8], long: &Long) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(text.len());
        let mut changed = false;
        let mut done = 0;
        for Secret { at, form } in secrets(place, text) {
            changed = true;
            self.replace_all(&text[done..at.start], long, &mut out);
            out.extend(self.stand_in(&text[at.clone()], form).into_bytes());
            done = at.end;
        }
        changed |= self.replace_all(&text[done..], long, &mut out);
        // A secret of one place can stand in what is before one of another.
        (changed || out != text).then_some(out)
    }

    /// Copies the text with tokens in the places of these. Whether there were any.
    fn replace_all(&self, text: &[u8], long: &Long, out: &mut Vec<u8>) -> bool {
        let mut done = 0;
        while let Some(at) = long.next(text, done) {
            out.extend_from_slice(&text[done..at.start]);
            let secret = &text[at.clone()];
            match long.stand_in(secret) {
                Some(stand_in) => out.extend_from_slice(stand_in.as_bytes()),
                None => out.extend(self.token(secret).into_bytes()),
            }
            done = at.end;
        }
        out.extend_from_slice(&text[done..]);
        done > 0
    }

    fn stand_in(&self, secret: &[u8], form: Form) -> String {
        match (form, pair(&Bytes::copy_from_slice(secret))) {
            (Form::Basic, Some((name, password))) => {
                let pair = format!("{}:{}", self.token(&name), self.token(&password));
                BASE64_STANDARD.encode(pair)
            }
            _ => self.token(secret),
        }
    }

    fn token(&self, secret: &[u8]) -> String {
        let hash = Sha256::new()
            .chain_update(self.key)
            .chain_update(secret)
            .finalize();
        // A part of it: nothing can be computed on from that.
        let part = hash.iter().take(8);
        part.fold(TOKEN.to_owned(), |token, octet| {
            format!("{token}{octet:02x}")
        })
    }
}

/// Whether all that a field of that name says is for nobody else: credentials, cookies.
pub fn is_secret_field(name: &[u8]) -> bool {
    credentials::is_field(name) || names::is_secret(name)
}

/// What is secret in a field, as it stands there, with the password of Basic credentials.
pub fn in_field(name: &[u8], value: &Bytes) -> Vec<Bytes> {
    let found = credentials::field(name, value).into_iter();
    let found = found.flat_map(|Secret { at, form }| {
        let secret = value.slice(at);
        let password = match form {
            Form::Basic => pair(&secret).map(|(_, password)| password),
            Form::Plain => None,
        };
        [Some(secret), password]
    });
    found.flatten().collect()
}

/// Name and password of Basic credentials.
fn pair(encoded: &Bytes) -> Option<(Bytes, Bytes)> {
    let decoded = Bytes::from(BASE64_STANDARD.decode(encoded).ok()?);
    let colon = memchr::memchr(b':', &decoded)?;
    Some((decoded.slice(..colon), decoded.slice(colon + 1..)))
}

/// Where the path of a URI begins.
fn path(uri: &[u8]) -> usize {
    let authority = memmem::find(uri, b"://").map_or(0, |at| at + 3);
    let path = memchr::memchr(b'/', &uri[authority..]);
    path.map_or(uri.len(), |at| authority + at)
}

/// In order, and apart from each other.
fn secrets(place: Place<'_>, text: &[u8]) -> Vec<Secret> {
    match place {
        Place::Uri => scan::uri(text),
        Place::Text => scan::text(text),
        Place::Challenge => credentials::challenge(text),
        Place::Field(name) => credentials::field(name, text),
    }
}

// === impl Secret ===

impl Secret {
    fn plain(at: Range<usize>) -> Secret {
        Secret {
            at,
            form: Form::Plain,
        }
    }
}

// === impl Place ===

impl Place<'_> {
    /// For people.
    fn name(self) -> String {
        match self {
            Place::Uri => "uri".to_owned(),
            Place::Field(name) => String::from_utf8_lossy(name).to_ascii_lowercase(),
            Place::Challenge => "challenge".to_owned(),
            Place::Text => "text".to_owned(),
        }
    }
}

/// Goes through everything in it that came from outside, or that a plugin made of that.
fn each_text(transaction: &mut Transaction, each: Each<'_>) {
    let Transaction {
        request,
        access,
        cache_key,
        request_headers,
        cache_rules,
        response_headers,
        generation: _,
        redacted: _,
    } = transaction;
    each(Place::Uri, &mut request.uri);
    each_field(&mut request.fields, each);
    match access {
        None => {}
        Some(Access::Allow { rule }) => each_rule(rule, each),
        Some(Access::Deny { rule, message, .. }) => {
            each_rule(rule, each);
            if let Some(message) = message {
                each_string(Place::Text, message, each);
            }
        }
        Some(Access::Authenticate { challenge, .. }) => {
            each_string(Place::Challenge, challenge, each);
        }
        Some(Access::Failed { reason, .. }) => each_string(Place::Text, reason, each),
    }
    if let Some(Key::Named(key)) = cache_key {
        each_string(Place::Uri, key, each);
    }
    for Edit { before, after, .. } in [request_headers, response_headers].into_iter().flatten() {
        each_field(before, each);
        if let Some(after) = after {
            each_field(after, each);
        }
    }
    if let Some(judged) = cache_rules {
        each_field(&mut judged.fields, each);
        if let Some(refresh) = &mut judged.refresh {
            each_rule(&mut refresh.rule, each);
        }
    }
}

fn each_field(fields: &mut Fields, each: Each<'_>) {
    for (name, value) in fields {
        each(Place::Field(&name.0), value);
    }
}

fn each_rule(rule: &mut line::Rule, each: Each<'_>) {
    // What the configuration says is no secret of this request's; what a plugin says can be.
    if rule.file.is_none() {
        each_string(Place::Text, &mut rule.text, each);
    }
}

fn each_string(place: Place<'_>, text: &mut String, each: Each<'_>) {
    let mut octets = Octets::from(text.as_str());
    each(place, &mut octets);
    if octets.0 != text.as_bytes() {
        *text = octets.text().into_owned();
    }
}

#[cfg(test)]
mod tests;
