//! HTTP-date (RFC 9110 §5.6.7), as caches read it: without regard to case (RFC 9111 §4.2).

use jiff::civil::DateTime;
use jiff::{Span, Timestamp, tz::TimeZone};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAYS: [&[u8]; 7] = [
    b"monday",
    b"tuesday",
    b"wednesday",
    b"thursday",
    b"friday",
    b"saturday",
    b"sunday",
];
const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// Reads any of the three forms; none if it is none. A day of the week has to be one, but need not
/// be that day's: it says nothing that the rest does not. `now` decides about years of two digits.
pub fn parse(text: &[u8], now: SystemTime) -> Option<SystemTime> {
    let text = text.to_ascii_lowercase();
    let moment = fixdate(&text)
        .or_else(|| asctime(&text))
        .or_else(|| rfc850(&text, now))?;
    let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let seconds = moment.duration_since(epoch).as_secs();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    match seconds < 0 {
        true => UNIX_EPOCH.checked_sub(distance),
        false => UNIX_EPOCH.checked_add(distance),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn fixdate(text: &[u8]) -> Option<DateTime> {
    let [
        day_name,
        b", ",
        day,
        b" ",
        month,
        b" ",
        year,
        b" ",
        time,
        b" gmt",
    ] = split(text, [3, 2, 2, 1, 3, 1, 4, 1, 8, 4])?
    else {
        return None;
    };
    is_short_day(day_name).then_some(())?;
    moment(number(year)?, month, number(day)?, time)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<DateTime> {
    let [day_name, b" ", month, b" ", day, b" ", time, b" ", year] =
        split(text, [3, 1, 3, 1, 2, 1, 8, 1, 4])?
    else {
        return None;
    };
    is_short_day(day_name).then_some(())?;
    let day = day.strip_prefix(b" ").unwrap_or(day);
    moment(number(year)?, month, number(day)?, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8], now: SystemTime) -> Option<DateTime> {
    let comma = text.iter().position(|&octet| octet == b',')?;
    let (day_name, rest) = text.split_at(comma);
    let [b", ", day, b"-", month, b"-", year, b" ", time, b" gmt"] =
        split(rest, [2, 2, 1, 3, 1, 2, 1, 8, 4])?
    else {
        return None;
    };
    DAYS.contains(&day_name).then_some(())?;
    let (year, day) = (number(year)?, number(day)?);
    // What appears to be more than 50 years in the future is in the past.
    let limit = civil(now)?.checked_add(Span::new().years(50)).ok()?;
    let latest = limit.year() - (limit.year() - year).rem_euclid(100);
    moment(latest, month, day, time)
        .filter(|moment| *moment <= limit)
        .or_else(|| moment(latest - 100, month, day, time))
}

fn moment(year: i16, month: &[u8], day: i16, time: &[u8]) -> Option<DateTime> {
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let [hour, b":", minute, b":", second] = split(time, [2, 1, 2, 1, 2])? else {
        return None;
    };
    // A leap second, as the nearest time that is not later (RFC 9111 §4.2).
    let second = match number(second)? {
        60 => 59,
        second => second,
    };
    DateTime::new(
        year,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(number(hour)?).ok()?,
        i8::try_from(number(minute)?).ok()?,
        i8::try_from(second).ok()?,
        0,
    )
    .ok()
}

fn civil(time: SystemTime) -> Option<DateTime> {
    let time = Timestamp::try_from(time).ok()?;
    Some(TimeZone::UTC.to_datetime(time))
}

fn is_short_day(text: &[u8]) -> bool {
    DAYS.iter().any(|name| &name[..3] == text)
}

/// Digits alone, so few that they fit.
fn number(digits: &[u8]) -> Option<i16> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Cuts a text into parts of those lengths, with nothing left over.
fn split<const N: usize>(text: &[u8], lengths: [usize; N]) -> Option<[&[u8]; N]> {
    let mut rest = text;
    let mut parts: [&[u8]; N] = [&[]; N];
    for (part, length) in parts.iter_mut().zip(lengths) {
        (*part, rest) = rest.split_at_checked(length)?;
    }
    rest.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-24 12:00:00
    const NOW: u64 = 1_795_521_600;

    fn at(seconds: i64) -> SystemTime {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        match seconds < 0 {
            true => UNIX_EPOCH - distance,
            false => UNIX_EPOCH + distance,
        }
    }

    fn read(text: &str) -> Option<SystemTime> {
        parse(text.as_bytes(), UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn forms_of_a_date() {
        let (sunday, later) = (784_111_777, 2_544_400_878);
        #[rustfmt::skip]
        let cases = [
            // RFC 9110 §5.6.7: the examples.
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(sunday)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(sunday)),
            ("Sun Nov  6 08:49:37 1994", Some(sunday)), ("Sun Nov 06 08:49:37 1994", Some(sunday)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)), ("Wed, 31 Dec 1969 23:59:59 GMT", Some(-1)),
            ("Mon, 01 Jan 1900 00:00:00 GMT", Some(-2_208_988_800)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)), ("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400)),
            // A leap second.
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_799)),
            // RFC 9111 §4.2: case does not matter, zones other than GMT are invalid.
            ("THU, 18 AUG 2050 02:01:18 gMT", Some(later)), ("thursday, 18-aug-50 02:01:18 Gmt", Some(later)),
            ("Thu, 18 Aug 2050 02:01:18 UTC", None), ("Thu, 18 Aug 2050 02:01:18 +0000", None), ("Thu, 18 Aug 2050 02:01:18", None),
            // The day of the week.
            ("Wed, 18 Aug 2050 02:01:18 GMT", Some(later)), ("Day, 18 Aug 2050 02:01:18 GMT", None), ("Thursday, 18 Aug 2050 02:01:18 GMT", None),
            ("Thu, 18-Aug-50 02:01:18 GMT", None),
            // What is none.
            ("", None), ("0", None), ("-1", None), ("now", None), ("Thu, 18 Aug 50 02:01:18 GMT", None), ("Thu 18 Aug 2050 02:01:18 GMT", None),
            ("Thu, 18  Aug  2050 02:01:18 GMT", None), ("Thu, 18-Aug-2050 02:01:18 GMT", None), ("Thu, 18 Aug 2050 02.01.18 GMT", None),
            ("Thu, 18 Aug 2050 2:01:18 GMT", None), ("Thu,  8 Aug 2050 02:01:18 GMT", None), ("Thu, 18 Aug 2050 02:01:18 GMT ", None),
            ("Thu, 30 Feb 2050 02:01:18 GMT", None), ("Thu, 00 Aug 2050 02:01:18 GMT", None), ("Thu, 18 Aug 2050 24:00:00 GMT", None),
            ("Thu, 18 Aug 2050 02:60:18 GMT", None), ("Thu, 18 Aug 2050 02:01:61 GMT", None), ("Thu, 18 Aug +205 02:01:18 GMT", None),
            ("2050-08-18T02:01:18Z", None), ("Sun Nov  6 08:49:37 94", None), ("Sun Nov   08:49:37 1994", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected.map(at), "{text}");
        }
    }

    /// RFC 9110 §5.6.7: more than 50 years in the future is the past.
    #[test]
    fn years_of_two_digits() {
        for (text, year) in [
            ("26", 2026),
            ("27", 2027),
            ("00", 2000),
            ("75", 2075),
            ("77", 1977),
            ("99", 1999),
        ] {
            let two = read(&format!("Monday, 01-Jan-{text} 00:00:00 GMT"));
            let four = read(&format!("Mon, 01 Jan {year} 00:00:00 GMT"));
            assert!(two.is_some() && two == four, "{text}");
        }
        // To the second.
        let last = read("Tuesday, 24-Nov-76 12:00:00 GMT");
        assert_eq!(last, read("Tue, 24 Nov 2076 12:00:00 GMT"));
        let next = read("Tuesday, 24-Nov-76 12:00:01 GMT");
        assert_eq!(next, read("Wed, 24 Nov 1976 12:00:01 GMT"));
        // In a century's last years, the next century's first are near.
        let now = read("Mon, 01 Jan 2090 00:00:00 GMT").expect("a date");
        let near = parse(b"Monday, 01-Jan-05 00:00:00 GMT", now);
        assert_eq!(near, read("Thu, 01 Jan 2105 00:00:00 GMT"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0u64..253_402_300_800) {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            let text = httpdate::fmt_http_date(time);
            prop_assert_eq!(read(&text), Some(time));
            // asctime, from the same parts.
            let day = text[5..7].trim_start_matches('0');
            let asctime = format!("{} {} {day:>2} {} {}", &text[..3], &text[8..11], &text[17..25], &text[12..16]);
            prop_assert_eq!(read(&asctime), Some(time));
        }

        #[test]
        fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..40), now in any::<u32>()) {
            let _ = parse(&octets, UNIX_EPOCH + Duration::from_secs(u64::from(now)));
        }

        #[test]
        fn what_looks_like_a_date_is_read(text in "[MTWFSmtwfs][a-z]{2,7},? ?[0-9a-z ]{2}[ -][A-Z]?[a-z]{2,3}[ -][0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[0-9]{4})") {
            let _ = read(&text);
        }
    }
}
