//! squid's `request_header_access` and its kin, as data and an edit.

use crate::known;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use wproxy_sdk::acl::{AccessList, Acls};
use wproxy_sdk::{ConfigError, Fields, Request};

/// The `[config]` table: lines of squid.conf, each directive's name left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// `localnet src 10.0.0.0/8`; all types but `dst`, which could have to wait for a look-up.
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
    named: Vec<(String, AccessList)>,
    /// Those of them that are removed whatever the request: most, and so in one call.
    removed: Vec<String>,
    /// For fields that squid has no name for and that have no lines of their own.
    other: Option<AccessList>,
    /// For fields without lines of their own that `other` does not stand for.
    all: Option<AccessList>,
    /// By lower-case name.
    replace: HashMap<String, String>,
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
        for (name, list) in &direction.named {
            if list.constant(acls) == Some(false) && !direction.replace.contains_key(name) {
                direction.removed.push(name.clone());
            }
        }
        Ok(direction)
    }

    fn access(&mut self, at: &str, lines: &[String], acls: &Acls) -> Result<(), ConfigError> {
        for (index, line) in lines.iter().enumerate() {
            self.access_line(line, acls)
                .map_err(|message| ConfigError::new(format!("{at}/{index}"), message))?;
        }
        Ok(())
    }

    fn access_line(&mut self, line: &str, acls: &Acls) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let name = words
            .next()
            .ok_or("a line is a field name, allow or deny, and acls: `Referer deny all`")?;
        let list = self.list(name);
        list.push(words, acls)?;
        if list.needs_addresses(acls) {
            return Err(
                "a `dst` acl cannot be used for fields: it could have to wait for a \
                        look-up; use dstdomain"
                    .into(),
            );
        }
        if list.needs_answers(acls) {
            return Err(
                "an `external` acl cannot be used for fields: it has to wait for a helper".into(),
            );
        }
        Ok(())
    }

    /// The lines that stand for that name in the configuration.
    fn list(&mut self, name: &str) -> &mut AccessList {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "all" => self.all.get_or_insert_with(AccessList::empty),
            "other" => self.other.get_or_insert_with(AccessList::empty),
            _ => {
                let place = self.named.iter().position(|(known, _)| *known == name);
                let place = place.unwrap_or_else(|| {
                    self.named.push((name, AccessList::empty()));
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

    fn edit(&self, acls: &Acls, request: &dyn Request, fields: &dyn Fields) {
        if !self.removed.is_empty() {
            fields.remove_all(&self.removed);
        }
        for (name, list) in &self.named {
            if !self.removed.contains(name) {
                self.apply(name, list, acls, request, fields);
            }
        }
        if self.all.is_none() && self.other.is_none() {
            return;
        }
        let mut seen = HashSet::new();
        for (name, _) in fields.entries() {
            let name = name.to_ascii_lowercase();
            if self.named.iter().any(|(named, _)| *named == name) {
                continue;
            }
            let other = self.other.as_ref().filter(|_| !known::is_known(&name));
            if let Some(list) = other.or(self.all.as_ref())
                && seen.insert(name.clone())
            {
                self.apply(&name, list, acls, request, fields);
            }
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
        let allowed = || match list.constant(acls) {
            Some(allow) => allow,
            // `dst` and `external` were refused at configuration, so that nothing is missing.
            None => list
                .decide(acls, request)
                .is_ok_and(|decided| decided.allow),
        };
        match self.replace.get(name) {
            None if !allowed() => {
                fields.remove(name);
            }
            Some(value) if fields.has(name) && !allowed() => {
                // Refused for fields of the host's own, which then stay as they are.
                let _ = fields.set(name, value.as_bytes());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
