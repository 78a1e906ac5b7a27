//! Who is counted, and as whom.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use wproxy_sdk::{Completed, kv};

/// The clients that are counted each for itself. There are only so many series, and whoever has
/// many addresses is not to use them up: the first come, and the others are one.
#[derive(Debug)]
pub struct Clients {
    pub most: u32,
}

/// What all are called that came later.
const OTHER: &str = "other";
/// How many clients there are.
const NUMBER: &str = "clients";
/// As long as the host keeps anything. Longer than most proxies run, with which the counts end, too.
const LONG: Duration = Duration::from_secs(366 * 86_400);

impl Clients {
    /// What that client's count is labelled by. Which have one of their own is not the instance's
    /// to remember: the next one goes on with the same.
    pub fn label<'a>(&self, client: &'a str) -> &'a str {
        let key = format!("client {client}");
        let is_new = || {
            let number = kv::increment(NUMBER, 1, LONG);
            number.is_ok_and(|number| number.value <= self.most.into())
                && kv::set(&key, b"", LONG).is_ok()
        };
        match kv::get(&key).is_some() || is_new() {
            true => client,
            false => OTHER,
        }
    }
}

/// How many requests of whom were denied.
pub fn denied(batch: &[Completed]) -> BTreeMap<String, u64> {
    let mut denied = BTreeMap::new();
    for completed in batch.iter().filter(|completed| completed.is_denied()) {
        *denied.entry(who(completed.client)).or_default() += 1;
    }
    denied
}

/// The address, or all of its network's where it is IPv6: a machine has 2^64 of them there.
fn who(client: IpAddr) -> String {
    match client {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wproxy_sdk::testing::{Kv, completed};

    #[test]
    fn denied_requests_are_counted_by_client() {
        let ended = |client: &str, code: &str, status| Completed {
            client: client.parse().expect("an address"),
            code: code.into(),
            status,
            ..completed("http://example.com/")
        };
        let batch = [
            ended("192.0.2.1", "TCP_DENIED", 403),
            ended("192.0.2.2", "TCP_DENIED", 451),
            ended("192.0.2.1", "TCP_DENIED", 403),
            // Asked who it is; not found; a server's own denial.
            ended("192.0.2.1", "TCP_DENIED", 407),
            ended("192.0.2.1", "TCP_MISS", 404),
            ended("192.0.2.3", "TCP_MISS", 403),
            // All of one network, and none of the next.
            ended("2001:db8::1", "TCP_DENIED", 403),
            ended("2001:db8::2:3", "TCP_DENIED", 403),
            ended("2001:db8:0:1::1", "TCP_DENIED", 403),
        ];
        let expected = [
            ("192.0.2.1", 2),
            ("192.0.2.2", 1),
            ("2001:db8:0:1::/64", 1),
            ("2001:db8::/64", 2),
        ];
        let expected = expected.map(|(who, number)| (who.to_owned(), number));
        assert!(denied(&batch).into_iter().eq(expected));
    }

    #[test]
    fn the_first_clients_have_counts_of_their_own_whichever_instance_counts() {
        let _store = Kv::new();
        for (client, label) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.2", "192.0.2.2"),
            ("192.0.2.3", OTHER),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.4", OTHER),
            ("192.0.2.2", "192.0.2.2"),
        ] {
            assert_eq!(Clients { most: 2 }.label(client), label, "{client}");
        }
    }

    #[test]
    fn who_cannot_be_kept_is_another() {
        // The number has a place, and nothing else.
        let _store = Kv::with_room(1);
        assert_eq!(Clients { most: 2 }.label("192.0.2.1"), OTHER);
    }
}
