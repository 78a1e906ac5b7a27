//! Freshness (RFC 9111 §4.2), with squid's refresh_pattern where the response does not say.

use super::control::{ResponseControl, delta_seconds};
use super::date;
use crate::http::{self, Fields};
use crate::plugin::{Overrule, Refresh};
use std::time::{Duration, SystemTime};

/// What of a response decides about its freshness.
#[derive(Debug, Clone)]
pub struct Times {
    /// When the origin made it: Date, or when it was received where there is none.
    pub date: SystemTime,
    /// When the proxy had its header section.
    pub response_time: SystemTime,
    /// Its age at that time (§4.2.3), in seconds.
    pub initial_age: u64,
    /// How long it says itself that it is fresh (§4.2.1), in seconds.
    pub explicit: Option<u64>,
    /// When it says that it last changed.
    pub last_modified: Option<SystemTime>,
}

impl Times {
    /// Reads a response's fields; of one that is given twice, the first line (§4.2.1, §5.1).
    /// `request_time` is when the request for it was sent.
    pub fn of(
        fields: &Fields,
        control: &ResponseControl,
        request_time: SystemTime,
        response_time: SystemTime,
    ) -> Times {
        let date_of = |name| http_date(fields, name, response_time);
        let date = date_of("date").unwrap_or(response_time);
        let apparent_age = since(date, response_time);
        let delay = since(request_time, response_time);
        let corrected_age = age_value(fields).saturating_add(delay);
        // §5.3: an invalid date is in the past.
        let expires = || date_of("expires").map_or(0, |expires| since(date, expires));
        let has_expires = fields.has("expires") && !control.targeted;
        Times {
            date,
            response_time,
            initial_age: apparent_age.max(corrected_age),
            explicit: control
                .s_maxage
                .or(control.max_age)
                .or_else(|| has_expires.then(expires)),
            last_modified: date_of("last-modified"),
        }
    }

    /// Its age in seconds (§4.2.3). Where the clock has been set back, nobody knows how long the
    /// response has been here: at least as far back as the clock went is the cautious guess.
    pub fn age(&self, now: SystemTime) -> u64 {
        let resident = since(self.response_time, now).max(since(now, self.response_time));
        self.initial_age.saturating_add(resident)
    }

    /// For how many seconds it is fresh: what it says itself, else squid's algorithm for
    /// refresh_pattern (refreshStaleness), as a length of time.
    pub fn lifetime(&self, refresh: &Refresh) -> u64 {
        if let Some(explicit) = self.explicit {
            return match refresh.has(Overrule::OverrideExpire) {
                true => explicit.max(refresh.min),
                false => explicit,
            };
        }
        // An origin whose clock is fast has not left it unchanged for any longer.
        let date = self.date.min(self.response_time);
        let share = self
            .last_modified
            .filter(|modified| *modified < date)
            .map(|modified| since(modified, date).saturating_mul(u64::from(refresh.percent)) / 100);
        let share = match refresh.has(Overrule::OverrideLastmod) {
            true => share.map(|share| share.max(refresh.min)),
            false => share,
        };
        share
            .unwrap_or(refresh.min)
            .min(refresh.max.max(refresh.min))
    }
}

/// Seconds from one moment to a later one; 0 if it is not later.
fn since(earlier: SystemTime, later: SystemTime) -> u64 {
    later
        .duration_since(earlier)
        .as_ref()
        .map_or(0, Duration::as_secs)
}

/// Age (§5.1): of a list the first member; what is no number is ignored.
fn age_value(fields: &Fields) -> u64 {
    let first = fields.elements("age").next();
    first.and_then(delta_seconds).unwrap_or(0)
}

/// A field's date in any of the three forms of RFC 9110 §5.6.7; none where it is none.
pub fn http_date(fields: &Fields, name: &str, now: SystemTime) -> Option<SystemTime> {
    date::parse(fields.get(name)?, now)
}

/// A response that is kept has a date: that of its arrival, where the origin has given none (RFC
/// 9110 §6.6.1).
pub fn add_date(fields: &mut Fields, response_time: SystemTime) {
    if http_date(fields, "date", response_time).is_none() {
        fields.set("Date", http::date(response_time));
    }
}

#[cfg(test)]
mod tests;
