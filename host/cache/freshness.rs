//! Freshness (RFC 9111 §4.2), with squid's refresh_pattern where the response does not say.

use super::control::ResponseControl;
use crate::http::Fields;
use crate::plugin::Refresh;
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
    /// Reads a response's fields. `request_time` is when the request for it was sent.
    pub fn of(
        fields: &Fields,
        control: &ResponseControl,
        request_time: SystemTime,
        response_time: SystemTime,
    ) -> Times {
        let date = http_date(fields, "date").unwrap_or(response_time);
        let apparent_age = since(date, response_time);
        let age_value = fields.get("age").and_then(|age| {
            let age = std::str::from_utf8(age).ok()?;
            age.parse::<u64>().ok()
        });
        let delay = since(request_time, response_time);
        let corrected_age = age_value.unwrap_or(0).saturating_add(delay);
        let expires = fields
            .get("expires")
            .map(|_| match http_date(fields, "expires") {
                Some(expires) => since(date, expires),
                // §5.3: an invalid date is in the past.
                None => 0,
            });
        Times {
            date,
            response_time,
            initial_age: apparent_age.max(corrected_age),
            explicit: control.s_maxage.or(control.max_age).or(expires),
            last_modified: http_date(fields, "last-modified"),
        }
    }

    /// Its age in seconds (§4.2.3).
    pub fn age(&self, now: SystemTime) -> u64 {
        self.initial_age
            .saturating_add(since(self.response_time, now))
    }

    /// For how many seconds it is fresh: what it says itself, else squid's algorithm for
    /// refresh_pattern (refreshStaleness), as a length of time.
    pub fn lifetime(&self, refresh: &Refresh) -> u64 {
        if let Some(explicit) = self.explicit {
            return match refresh.override_expire {
                true => explicit.max(refresh.min),
                false => explicit,
            };
        }
        let share = self
            .last_modified
            .filter(|modified| *modified < self.date)
            .map(|modified| {
                since(modified, self.date).saturating_mul(u64::from(refresh.percent)) / 100
            });
        let share = match refresh.override_lastmod {
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

/// A field's date in any of the three forms of RFC 9110 §5.6.7; none where it is none.
pub fn http_date(fields: &Fields, name: &str) -> Option<SystemTime> {
    let text = std::str::from_utf8(fields.get(name)?).ok()?;
    httpdate::parse_http_date(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond::date;

    const NOW: u64 = 1_800_000_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn refresh(min: u64, percent: u32, max: u64) -> Refresh {
        Refresh {
            min,
            percent,
            max,
            ..Refresh::stale_at_once()
        }
    }

    fn times(lines: &[(&'static str, String)]) -> Times {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.push(*name, value.clone());
        }
        Times::of(&fields, &ResponseControl::of(&fields), at(NOW - 1), at(NOW))
    }

    #[test]
    fn what_the_response_says_itself() {
        let control = |text: &str| ("Cache-Control", text.to_owned());
        let now = || ("Date", date(at(NOW)));
        let expires = |offset| ("Expires", date(at(NOW + 1000 - offset)));
        #[rustfmt::skip]
        let cases = [
            (vec![now(), control("max-age=60")], Some(60)),
            (vec![now(), control("max-age=60, s-maxage=5")], Some(5)),
            (vec![now(), expires(940)], Some(60)),
            (vec![now(), expires(1060)], Some(0)),
            (vec![now(), expires(940), control("max-age=7")], Some(7)),
            (vec![now(), ("Expires", "0".into())], Some(0)),
            (vec![expires(940)], Some(60)),
            (vec![now()], None),
        ];
        for (lines, expected) in cases {
            assert_eq!(times(&lines).explicit, expected, "{lines:?}");
        }
    }

    #[test]
    fn ages_add_up() {
        // §4.2.3: the larger of what Date and what Age say, and the time since.
        let old = times(&[("Date", date(at(NOW - 100)))]);
        assert_eq!((old.age(at(NOW)), old.age(at(NOW + 5))), (100, 105));
        let cached = times(&[("Date", date(at(NOW))), ("Age", "30".into())]);
        assert_eq!(cached.age(at(NOW)), 31);
        let early = times(&[("Date", date(at(NOW + 500)))]);
        assert_eq!(early.age(at(NOW)), 1);
        assert_eq!(times(&[("Age", "soon".into())]).age(at(NOW)), 1);
    }

    #[test]
    fn refresh_pattern_where_it_says_nothing() {
        let modified = |ago: u64| {
            times(&[
                ("Date", date(at(NOW))),
                ("Last-Modified", date(at(NOW - ago))),
            ])
        };
        let squids_default = refresh(0, 20, 259_200);
        assert_eq!(modified(864_000).lifetime(&squids_default), 172_800);
        assert_eq!(modified(8_640_000).lifetime(&squids_default), 259_200);
        assert_eq!(modified(0).lifetime(&squids_default), 0);
        assert_eq!(times(&[]).lifetime(&squids_default), 0);
        assert_eq!(modified(864_000).lifetime(&refresh(0, 0, 0)), 0);
        assert_eq!(times(&[]).lifetime(&refresh(60, 20, 3600)), 60);
        // Last-Modified decides where there is one, unless overruled.
        assert_eq!(modified(100).lifetime(&refresh(60, 20, 3600)), 20);
        let overruled = Refresh {
            override_lastmod: true,
            ..refresh(60, 20, 3600)
        };
        assert_eq!(modified(100).lifetime(&overruled), 60);
    }

    #[test]
    fn overrides_overrule_what_it_says() {
        let expires = times(&[("Cache-Control", "max-age=10".into())]);
        let overrule = Refresh {
            override_expire: true,
            ..refresh(60, 20, 3600)
        };
        assert_eq!(expires.lifetime(&overrule), 60);
        assert_eq!(expires.lifetime(&refresh(60, 20, 3600)), 10);
    }
}
