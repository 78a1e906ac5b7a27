//! Times of the week: squid's `time`.

use crate::Moment;

/// Alternatives such as `MTWHF 9:00-17:00`, in the proxy's local time.
#[derive(Debug, Default)]
pub(super) struct Schedule(Vec<Hours>);

#[derive(Debug)]
struct Hours {
    /// Bit 0 is Sunday.
    days: u8,
    /// Minutes after midnight, both included.
    from: u16,
    to: u16,
}

const EVERY_DAY: u8 = 0b111_1111;
const MINUTES_A_DAY: u16 = 24 * 60;

impl Schedule {
    pub(super) fn extend(&mut self, values: &[&str]) -> Result<(), String> {
        let (days, hours) = match values {
            [hours] if hours.contains(':') => (EVERY_DAY, Some(hours)),
            [names] => (days(names)?, None),
            [names, hours] => (days(names)?, Some(hours)),
            _ => return Err(usage(&values.join(" "))),
        };
        let (from, to) = match hours {
            Some(hours) => span(hours).ok_or_else(|| usage(hours))?,
            None => (0, MINUTES_A_DAY),
        };
        self.0.push(Hours { days, from, to });
        Ok(())
    }

    pub(super) fn contains(&self, moment: Moment) -> bool {
        let (weekday, minute) = on_the_wall(moment);
        self.0.iter().any(|hours| {
            hours.days & (1 << weekday) != 0
                && (i64::from(hours.from)..=i64::from(hours.to)).contains(&minute)
        })
    }
}

/// The day of the week, 0 for Sunday, and the minute of the day.
fn on_the_wall(moment: Moment) -> (i64, i64) {
    let local = moment.unix + i64::from(moment.utc_offset);
    // 1970-01-01 was a Thursday.
    let weekday = (local.div_euclid(86_400) + 4).rem_euclid(7);
    (weekday, local.rem_euclid(86_400) / 60)
}

/// `Monday 09:30`
pub(super) fn words(moment: Moment) -> String {
    const DAYS: [&str; 7] = [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ];
    let (weekday, minute) = on_the_wall(moment);
    let day = DAYS
        .into_iter()
        .zip(0..)
        .find(|(_, number)| *number == weekday);
    let (day, _) = day.unwrap_or_default();
    format!("{day} {:02}:{:02}", minute / 60, minute % 60)
}

fn usage(given: &str) -> String {
    format!(
        "`{given}` is not a time; write `MTWHF 9:00-17:00` (S Sunday, H Thursday, A Saturday, D Monday to Friday)"
    )
}

fn days(names: &str) -> Result<u8, String> {
    names.chars().try_fold(0, |days, name| {
        let day = match name {
            'S' => 1,
            'M' => 1 << 1,
            'T' => 1 << 2,
            'W' => 1 << 3,
            'H' => 1 << 4,
            'F' => 1 << 5,
            'A' => 1 << 6,
            'D' => 0b011_1110,
            _ => return Err(usage(names)),
        };
        Ok(days | day)
    })
}

/// `h1:m1-h2:m2`, the second after the first: a night is two lines.
fn span(hours: &str) -> Option<(u16, u16)> {
    let minutes = |clock: &str| {
        let (hour, minute) = clock.split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        let minutes = hour.checked_mul(60)?.checked_add(minute)?;
        (minute < 60 && minutes <= MINUTES_A_DAY).then_some(minutes)
    };
    let (from, to) = hours.split_once('-')?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    (from < to).then_some((from, to))
}
