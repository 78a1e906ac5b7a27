//! squid's `request_header_access` and its kin, as data and an edit.

use crate::known;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use wproxy_sdk::acl::{AccessList, Acls};
use wproxy_sdk::{ConfigError, Fields, LookedAt, Request};

/// The `[config]` table: lines of squid.conf, each directive's name left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// `localnet src 10.0.0.0/8`; all types but `dst` and `external`, which could have to wait.
    pub(crate) acl: Vec<String>,
    /// `Referer deny all`: field, allow or deny, acls. What is denied does not go to the origin.
    pub(crate) request_header_access: Vec<String>,
    /// The same for what goes to the client.
    pub(crate) reply_header_access: Vec<String>,
    /// `User-Agent Mozilla/5.0`: goes to the origin in place of what was denied.
    pub(crate) request_header_replace: Vec<String>,
    /// The same for what goes to the client.
    pub(crate) reply_header_replace: Vec<String>,
}

/// The lines, understood.
#[derive(Debug)]
pub(crate) struct Rules {
    acls: Acls,
    request: Direction,
    reply: Direction,
}

/// The lines for one of the two ways.
#[derive(Debug, Default)]
struct Direction {
    /// By lower-case name, in the order of their first lines.
    named: Vec<(String, Lines)>,
    /// Those of them that are removed whatever the request: most, and so in one call.
    removed: Vec<String>,
    /// For fields that squid has no name for and that have no lines of their own.
    other: Option<Lines>,
    /// For fields without lines of their own that `other` does not stand for.
    all: Option<Lines>,
    /// By lower-case name.
    replace: HashMap<String, String>,
}

/// The lines that stand for one name.
#[derive(Debug)]
struct Lines {
    /// As the first of them spells it.
    name: String,
    list: AccessList,
    /// JSON Pointers to them.
    pointers: Vec<String>,
}

impl Rules {
    /// # Errors
    /// The line that is wrong.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let acls = Acls::parse("/acl", &config.acl)?;
        Ok(Rules {
            request: Direction::new(
                ("/request_header_access", &config.request_header_access),
                ("/request_header_replace", &config.request_header_replace),
                &acls,
            )?,
            reply: Direction::new(
                ("/reply_header_access", &config.reply_header_access),
                ("/reply_header_replace", &config.reply_header_replace),
                &acls,
            )?,
            acls,
        })
    }

    /// Whether there is a line that could edit what goes to the origin.
    pub(crate) fn can_edit_request(&self) -> bool {
        self.request.can_edit()
    }

    /// Whether there is a line that could edit what goes to the client.
    pub(crate) fn can_edit_reply(&self) -> bool {
        self.reply.can_edit()
    }

    /// Edits what goes to the origin.
    pub(crate) fn edit_request(&self, request: &dyn Request, fields: &dyn Fields) {
        self.request.edit(&self.acls, request, fields);
    }

    /// Edits what goes to the client.
    pub(crate) fn edit_reply(&self, request: &dyn Request, fields: &dyn Fields) {
        self.reply.edit(&self.acls, request, fields);
    }

    /// The lines that are looked at for that: each for the fields of its name that are there.
    pub(crate) fn trace(&self, request: &dyn Request) -> Vec<LookedAt> {
        let ways = [
            ("request-headers", &self.request),
            ("response-headers", &self.reply),
        ];
        let lists = ways
            .into_iter()
            .flat_map(|(hook, way)| way.lists().map(move |lines| (hook, lines)));
        lists
            .flat_map(|(hook, lines)| lines.trace(hook, &self.acls, request))
            .collect()
    }
}

// === impl Direction ===

impl Direction {
    /// Of lists of lines, each with the JSON Pointer to it.
    fn new(
        access: (&str, &[String]),
        replace: (&str, &[String]),
        acls: &Acls,
    ) -> Result<Self, ConfigError> {
        let mut direction = Direction::default();
        direction.access(access.0, access.1, acls)?;
        direction.replace(replace.0, replace.1)?;
        for (name, lines) in &direction.named {
            if lines.list.constant(acls) == Some(false) && !direction.replace.contains_key(name) {
                direction.removed.push(name.clone());
            }
        }
        Ok(direction)
    }

    fn access(&mut self, at: &str, lines: &[String], acls: &Acls) -> Result<(), ConfigError> {
        for (index, line) in lines.iter().enumerate() {
            let pointer = format!("{at}/{index}");
            self.access_line(line, &pointer, acls)
                .map_err(|message| ConfigError::new(pointer, message))?;
        }
        Ok(())
    }

    fn access_line(&mut self, line: &str, pointer: &str, acls: &Acls) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let name = words
            .next()
            .ok_or("a line is a field name, allow or deny, and acls: `Referer deny all`")?;
        let lines = self.lines(name);
        lines.list.push(words, acls)?;
        lines.pointers.push(pointer.to_owned());
        if lines.list.needs_addresses(acls) {
            return Err(
                "a `dst` acl cannot be used for fields: it could have to wait for a \
                        look-up; use dstdomain"
                    .into(),
            );
        }
        if lines.list.needs_answers(acls) {
            return Err(
                "an `external` acl cannot be used for fields: it has to wait for a helper".into(),
            );
        }
        Ok(())
    }

    /// The lines that stand for that name in the configuration.
    fn lines(&mut self, spelled: &str) -> &mut Lines {
        let name = spelled.to_ascii_lowercase();
        let none = || Lines::of(spelled);
        match name.as_str() {
            "all" => self.all.get_or_insert_with(none),
            "other" => self.other.get_or_insert_with(none),
            _ => {
                let place = self.named.iter().position(|(known, _)| *known == name);
                let place = place.unwrap_or_else(|| {
                    self.named.push((name, none()));
                    self.named.len() - 1
                });
                &mut self.named[place].1
            }
        }
    }

    fn replace(&mut self, at: &str, lines: &[String]) -> Result<(), ConfigError> {
        for (index, line) in lines.iter().enumerate() {
            let line = line.trim();
            let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let value = value.trim().trim_matches('"');
            if name.is_empty() || value.is_empty() {
                return Err(ConfigError::new(
                    format!("{at}/{index}"),
                    "a line is a field name and what stands in its place: `User-Agent Mozilla/5.0`",
                ));
            }
            self.replace
                .insert(name.to_ascii_lowercase(), value.to_owned());
        }
        Ok(())
    }

    /// A replacement alone edits nothing: it stands in place of what is denied.
    fn can_edit(&self) -> bool {
        !self.named.is_empty() || self.other.is_some() || self.all.is_some()
    }

    /// All of them: those for one field, then those for the others.
    fn lists(&self) -> impl Iterator<Item = &Lines> {
        let named = self.named.iter().map(|(_, lines)| lines);
        named.chain(&self.other).chain(&self.all)
    }

    fn edit(&self, acls: &Acls, request: &dyn Request, fields: &dyn Fields) {
        if !self.removed.is_empty() {
            fields.remove_all(&self.removed);
        }
        for (name, lines) in &self.named {
            if !self.removed.contains(name) {
                self.apply(name, &lines.list, acls, request, fields);
            }
        }
        if self.all.is_some() || self.other.is_some() {
            self.edit_others(acls, request, fields);
        }
    }

    /// Removes or replaces that field where the list denies it.
    fn apply(
        &self,
        name: &str,
        list: &AccessList,
        acls: &Acls,
        request: &dyn Request,
        fields: &dyn Fields,
    ) {
        match self.replace.get(name) {
            None if !allows(list, acls, request) => {
                fields.remove(name);
            }
            Some(value) if fields.has(name) && !allows(list, acls, request) => {
                replace(name, value, fields);
            }
            _ => {}
        }
    }

    /// The same for fields without lines of their own. There can be a thousand of them: what the
    /// lists say is found out once, because it is the request's, and they go in one call.
    fn edit_others(&self, acls: &Acls, request: &dyn Request, fields: &dyn Fields) {
        let says = |lines: &Option<Lines>| {
            let lines = lines.as_ref();
            lines.map(|lines| allows(&lines.list, acls, request))
        };
        let (other, all) = (says(&self.other), says(&self.all));
        let stays = |name: &str| {
            let other = other.filter(|_| !known::is_known(name));
            other.or(all).unwrap_or(true)
        };
        let mut seen = HashSet::new();
        let mut removed = Vec::new();
        for (name, _) in fields.entries() {
            let name = name.to_ascii_lowercase();
            let has_lines = self.named.iter().any(|(named, _)| *named == name);
            if has_lines || stays(&name) || !seen.insert(name.clone()) {
                continue;
            }
            match self.replace.get(&name) {
                None => removed.push(name),
                Some(value) => replace(&name, value, fields),
            }
        }
        if !removed.is_empty() {
            fields.remove_all(&removed);
        }
    }
}

fn allows(list: &AccessList, acls: &Acls, request: &dyn Request) -> bool {
    match list.constant(acls) {
        Some(allow) => allow,
        // `dst` and `external` were refused at configuration, so that nothing is missing.
        None => list
            .decide(acls, request)
            .is_ok_and(|decided| decided.allow),
    }
}

fn replace(name: &str, value: &str, fields: &dyn Fields) {
    // Refused for fields of the host's own, which then stay as they are.
    let _ = fields.set(name, value.as_bytes());
}

// === impl Lines ===

impl Lines {
    fn of(name: &str) -> Lines {
        Lines {
            name: name.to_owned(),
            list: AccessList::empty(),
            pointers: Vec::new(),
        }
    }

    fn trace(&self, hook: &str, acls: &Acls, request: &dyn Request) -> Vec<LookedAt> {
        let traced = self.list.trace(acls, request);
        let lines = traced.lines.into_iter();
        let lines = lines.map(|line| {
            let pointer = self.pointers[line.line].as_str();
            line.looked_at(hook, pointer)
        });
        let mut looked_at: Vec<LookedAt> = lines.collect();
        if traced.decided.is_ok_and(|decided| decided.line.is_none()) {
            let opposite = format!(
                "no line for {} applies: the opposite of the last one",
                self.name
            );
            looked_at.push(LookedAt::new(hook, opposite));
        }
        looked_at
    }
}

#[cfg(test)]
mod tests;
