//! What the candidate says otherwise: a table that is bounded, whatever clients ask for. Pure: it is
//! told the time.

use crate::comparison::{Difference, Groups, Room, Said};
use crate::plugin::Hook;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// The differences since it was begun, by the rules that decided.
#[derive(Debug, Clone)]
pub struct Report {
    /// When it was begun.
    pub since: SystemTime,
    /// Requests that the candidate was asked about.
    pub compared: u64,
    /// Those of them about which it says something else.
    pub different: u64,
    /// Those of them about which it fails to say something.
    pub failed: u64,
    /// By kind.
    pub groups: Groups<Kind, Example>,
}

/// A request that was different.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its number, as the access log has it.
    pub request: u64,
    /// When it was received.
    pub received: SystemTime,
    /// Who asked.
    pub client: IpAddr,
    /// `GET`
    pub method: Arc<str>,
    /// As the access log shows it.
    pub uri: Arc<str>,
}

/// What makes two differences the same: the rules, and, where there is none, the words. Of failures,
/// what has failed, whatever it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kind {
    hook: Hook,
    live: Option<String>,
    candidate: String,
}

// === impl Report ===

impl Report {
    /// An empty one.
    pub fn new(room: Room, now: SystemTime) -> Report {
        Report {
            since: now,
            compared: 0,
            different: 0,
            failed: 0,
            groups: Groups::new(room),
        }
    }

    /// Another request has been compared. `example` names it, where that is wanted.
    pub fn compared(
        &mut self,
        differences: &[Difference],
        example: impl Fn() -> Example,
        now: SystemTime,
    ) {
        self.compared += 1;
        self.different += u64::from(differences.iter().any(|one| !one.candidate.failed));
        self.failed += u64::from(differences.iter().any(|one| one.candidate.failed));
        for difference in differences {
            let kind = Kind::of(difference);
            self.groups.add(kind, difference, &example, now);
        }
    }
}

impl Kind {
    fn of(difference: &Difference) -> Kind {
        let Difference {
            hook,
            live,
            candidate,
        } = difference;
        Kind {
            hook: *hook,
            live: (!candidate.failed).then(|| decisive(live)),
            candidate: match candidate.failed {
                // Of what is put aside it is said how often and for how long.
                true => candidate.gist.replace(|c: char| c.is_ascii_digit(), ""),
                false => decisive(candidate),
            },
        }
    }
}

fn decisive(said: &Said) -> String {
    match &said.rule {
        Some(rule) => match &rule.location {
            Some(location) => format!("{}\n{rule}\n{location}", rule.plugin),
            None => format!("{}\n{rule}", rule.plugin),
        },
        None => said.gist.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Rule;
    use std::time::{Duration, UNIX_EPOCH};

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn said(gist: &str, rule: &str) -> Said {
        let rule = (!rule.is_empty()).then(|| Rule::new("access-policy", rule, None));
        Said {
            gist: gist.to_owned(),
            detail: "secret".to_owned(),
            failed: rule.is_none(),
            rule,
        }
    }

    /// What is allowed, and would be denied by that rule; or fails, where there is none.
    fn denied(gist: &str, rule: &str) -> Difference {
        Difference {
            hook: Hook::Access,
            live: said("allow", "allow all"),
            candidate: said(gist, rule),
        }
    }

    fn example(request: u64) -> impl Fn() -> Example {
        move || Example {
            request,
            received: at(request),
            client: [10, 0, 0, 1].into(),
            method: "GET".into(),
            uri: "http://a/?".into(),
        }
    }

    const ROOM: Room = Room {
        groups: 2,
        examples: 2,
    };

    #[test]
    fn differences_by_the_same_rules_are_one_kind() {
        let mut report = Report::new(ROOM, at(0));
        report.compared(&[], example(1), at(1));
        report.compared(&[denied("deny 403", "deny a")], example(2), at(2));
        for request in 3..=5 {
            let one = denied(&format!("deny 403 \"{request}\""), "deny b");
            report.compared(&[one], example(request), at(request));
        }
        assert_eq!(
            (report.compared, report.different, report.failed),
            (5, 4, 0)
        );
        let groups = report.groups.largest_first();
        let brief = groups.iter().map(|group| {
            let requests: Vec<u64> = group.examples.iter().map(|one| one.request).collect();
            let times = (group.first, group.last);
            (group.candidate.gist.as_str(), group.count, times, requests)
        });
        assert_eq!(
            brief.collect::<Vec<_>>(),
            [
                ("deny 403 \"3\"", 3, (at(3), at(5)), vec![3, 4]),
                ("deny 403", 1, (at(2), at(2)), vec![2]),
            ]
        );
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut report = Report::new(ROOM, at(0));
        for (request, one) in [
            denied("deny 403", "deny a"),
            denied("it is suspended for 1s", ""),
            denied("deny 403", "deny c"),
            denied("it is suspended for 2s", ""),
        ]
        .iter()
        .enumerate()
        {
            report.compared(std::slice::from_ref(one), example(request as u64), at(9));
        }
        assert_eq!(
            (report.different, report.failed, report.groups.left_out),
            (2, 2, 1)
        );
        let groups = report.groups.largest_first();
        let counts = groups
            .iter()
            .map(|group| (group.candidate.failed, group.count));
        assert_eq!(counts.collect::<Vec<_>>(), [(true, 2), (false, 1)]);
    }
}
