//! Cache-Control (RFC 9111 §5.2), of requests and of responses, and the fields that take its place
//! for some caches (RFC 9213).

mod directives;
mod targeted;

use crate::http::{Fields, is_token};
use directives::Argument;

/// What a response says of its storing and freshness. Durations in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseControl {
    pub max_age: Option<u64>,
    pub s_maxage: Option<u64>,
    pub no_store: bool,
    /// All of it has to be asked about; where fields are named, see [`Self::withheld`].
    pub no_cache: bool,
    /// All of it; where fields are named, see [`Self::withheld`].
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    /// RFC 5861 §3: for so long it may be served stale while the origin is asked.
    pub stale_while_revalidate: Option<u64>,
    /// RFC 5861 §4: for so long it may be served stale where the origin fails.
    pub stale_if_error: Option<u64>,
    /// Fields that `no-cache="..."` and `private="..."` name, in lower case: a cache that does not
    /// keep them cannot serve them wrongly (§5.2.2.4, §5.2.2.7).
    pub withheld: Vec<String>,
    /// A targeted field says this: Cache-Control and Expires do not count (RFC 9213 §2.2).
    pub targeted: bool,
}

/// What a request says of the answer that it wants. Durations in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestControl {
    pub no_cache: bool,
    pub no_store: bool,
    pub only_if_cached: bool,
    pub max_age: Option<u64>,
    pub min_fresh: Option<u64>,
    /// `u64::MAX` for any staleness.
    pub max_stale: Option<u64>,
    /// RFC 5861 §4: the client takes one that is stale for so long where the origin fails.
    pub stale_if_error: Option<u64>,
}

/// RFC 9111 §1.2.2: what is larger counts as this.
const LONGEST: u64 = 1 << 31;

/// Fields that are between a proxy and its client (§3.1).
pub(super) const NEVER_STORED: [&str; 3] = [
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
];

/// More fields than anybody withholds. Each is compared with all lines of the response.
const MOST_WITHHELD: usize = 100;

/// Fields that a response cannot be understood or judged without.
const VITAL: [&str; 3] = ["content-encoding", "content-type", "vary"];

impl ResponseControl {
    /// Reads all lines of Cache-Control. Of a directive given twice, the first counts; of different
    /// ones, the strictest (§4.2.1). What is malformed is taken at its strictest.
    pub fn of(fields: &Fields) -> ResponseControl {
        let mut control = ResponseControl::default();
        directives::each(fields, "cache-control", |name, argument| {
            control.take(name, &argument);
        });
        // §5.4 gives it no meaning in responses, but whoever sends it means this.
        if !fields.has("cache-control") && fields.has_element("pragma", "no-cache") {
            control.no_cache = true;
        }
        control
    }

    /// The same for a cache that heeds targeted fields: of these names the first that is there and
    /// valid counts (RFC 9213 §2.2), and Cache-Control where none is.
    pub fn of_targeted<N: AsRef<str>>(fields: &Fields, targets: &[N]) -> ResponseControl {
        let mut targets = targets.iter();
        targets
            .find_map(|name| targeted::control(fields, name.as_ref()))
            .unwrap_or_else(|| ResponseControl::of(fields))
    }

    fn take(&mut self, name: &str, argument: &Argument<'_>) {
        match name {
            "max-age" => set(&mut self.max_age, seconds(argument)),
            "s-maxage" => set(&mut self.s_maxage, seconds(argument)),
            "stale-while-revalidate" => set(&mut self.stale_while_revalidate, seconds(argument)),
            "stale-if-error" => set(&mut self.stale_if_error, seconds(argument)),
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache |= self.withholds_all(argument),
            "private" => self.private |= self.withholds_all(argument),
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            // What makes more possible has to be said properly.
            "public" => self.public |= argument.is_none(),
            "must-understand" => self.must_understand |= argument.is_none(),
            _ => {}
        }
    }

    /// The argument of `no-cache` or `private`: whether it is about all of the response. If not, the
    /// fields that it names are withheld.
    fn withholds_all(&mut self, argument: &Argument<'_>) -> bool {
        let names = match argument {
            Argument::Text(names) => field_names(names),
            Argument::None | Argument::Malformed => None,
        };
        let vital =
            |name: &String| VITAL.contains(&name.as_str()) || name.ends_with("cache-control");
        match names {
            Some(names)
                if !names.iter().any(vital)
                    && self.withheld.len() + names.len() <= MOST_WITHHELD =>
            {
                self.withheld.extend(names);
                false
            }
            _ => true,
        }
    }

    /// The fields that may be kept (§3.1).
    pub fn kept(&self, fields: &Fields) -> Fields {
        let withheld = self.withheld.iter().map(String::as_str);
        let withheld = withheld.chain(NEVER_STORED);
        let mut kept = fields.clone();
        kept.retain(|line| !withheld.clone().any(|name| line.is(name)));
        kept
    }

    /// Whether it forbids that a stale response be served, whatever the reason (§4.2.4).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some() || self.no_cache
    }
}

impl RequestControl {
    /// Reads all lines, and Pragma where there is no Cache-Control (§5.4). Duplicates and what is
    /// malformed count as in responses.
    pub fn of(fields: &Fields) -> RequestControl {
        let mut control = RequestControl::default();
        directives::each(fields, "cache-control", |name, argument| match name {
            "no-cache" => control.no_cache = true,
            "no-store" => control.no_store = true,
            "only-if-cached" => control.only_if_cached = true,
            "max-age" => set(&mut control.max_age, seconds(&argument)),
            "min-fresh" => set(&mut control.min_fresh, seconds_or(&argument, LONGEST)),
            "max-stale" if argument.is_none() => set(&mut control.max_stale, u64::MAX),
            "max-stale" => set(&mut control.max_stale, seconds(&argument)),
            "stale-if-error" => set(&mut control.stale_if_error, seconds(&argument)),
            _ => {}
        });
        if !fields.has("cache-control") && fields.has_element("pragma", "no-cache") {
            control.no_cache = true;
        }
        control
    }
}

fn set(slot: &mut Option<u64>, seconds: u64) {
    slot.get_or_insert(seconds);
}

/// A number of seconds; what is none counts as 0, which is stale (§4.2.1).
fn seconds(argument: &Argument<'_>) -> u64 {
    seconds_or(argument, 0)
}

fn seconds_or(argument: &Argument<'_>, otherwise: u64) -> u64 {
    match argument {
        Argument::Text(digits) => delta_seconds(digits).unwrap_or(otherwise),
        Argument::None | Argument::Malformed => otherwise,
    }
}

/// `delta-seconds` (§1.2.2).
pub(super) fn delta_seconds(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(text).ok()?;
    // Digits that are no number are too many.
    Some(
        digits
            .parse()
            .map_or(LONGEST, |seconds: u64| seconds.min(LONGEST)),
    )
}

/// The list of field names that `no-cache` or `private` holds; none if it is not one.
fn field_names(value: &[u8]) -> Option<Vec<String>> {
    let names = value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii);
    let names = names.filter(|name| !name.is_empty()).map(|name| {
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|name| is_token(name.as_bytes()))?;
        Some(name.to_ascii_lowercase())
    });
    let names: Vec<String> = names.collect::<Option<_>>()?;
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests;
