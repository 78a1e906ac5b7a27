//! Who is counted together, and what becomes of whoever has asked too often.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use wproxy_sdk::kv;

/// So many requests in a time that begins with the first.
#[derive(Debug)]
pub struct Quota {
    pub requests: u32,
    pub window: Duration,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Ruling {
    Within,
    /// So long, until the client may ask again.
    Over {
        left: Duration,
    },
    /// There is no room to count another client. Nobody knows how often it has asked.
    NotCounted,
}

impl Quota {
    /// Counts a request of that client.
    pub fn count(&self, client: IpAddr) -> Ruling {
        match kv::increment(&who(client), 1, self.window) {
            Ok(counted) if counted.value <= self.requests.into() => Ruling::Within,
            Ok(counted) => Ruling::Over { left: counted.left },
            Err(_) => Ruling::NotCounted,
        }
    }

    /// What it reads that has asked too often.
    pub fn message(&self, client: IpAddr, left: Duration) -> String {
        // A second that has begun is one to wait.
        let left = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let (who, left) = (who(client), seconds(left));
        format!("{who} has made its {self}. Ask again in {left}.")
    }
}

/// `600 requests in 60 seconds`
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = seconds(self.window.as_secs());
        write!(f, "{} requests in {window}", self.requests)
    }
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

fn seconds(number: u64) -> String {
    match number {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wproxy_sdk::testing::Kv;

    const QUOTA: Quota = Quota {
        requests: 2,
        window: Duration::from_secs(60),
    };

    fn count(client: &str) -> Ruling {
        QUOTA.count(client.parse().expect("an address"))
    }

    #[test]
    fn each_client_has_its_own_in_each_window() {
        let store = Kv::new();
        let over = |seconds| {
            let left = Duration::from_secs(seconds);
            Ruling::Over { left }
        };
        for (later, client, expected) in [
            (0, "192.0.2.1", Ruling::Within),
            (0, "192.0.2.1", Ruling::Within),
            (10, "192.0.2.1", over(50)),
            (0, "192.0.2.2", Ruling::Within),
            (49, "192.0.2.1", over(1)),
            (1, "192.0.2.1", Ruling::Within),
            // All of one network, and none of the next.
            (0, "2001:db8::1", Ruling::Within),
            (0, "2001:db8::2:3", Ruling::Within),
            (0, "2001:db8::4", over(60)),
            (0, "2001:db8:0:1::1", Ruling::Within),
        ] {
            store.pass(Duration::from_secs(later));
            assert_eq!(count(client), expected, "{client}");
        }
    }

    #[test]
    fn who_cannot_be_counted_is_not_taken_for_another() {
        let store = Kv::with_room(1);
        assert_eq!(count("192.0.2.1"), Ruling::Within);
        assert_eq!(count("192.0.2.2"), Ruling::NotCounted);
        assert_eq!(count("192.0.2.1"), Ruling::Within);
        store.pass(QUOTA.window);
        assert_eq!(count("192.0.2.2"), Ruling::Within);
    }

    #[test]
    fn the_message_says_when() {
        for (client, left, message) in [
            (
                "192.0.2.1",
                60_000,
                "192.0.2.1 has made its 2 requests in 60 seconds. Ask again in 60 seconds.",
            ),
            (
                "192.0.2.1",
                1001,
                "192.0.2.1 has made its 2 requests in 60 seconds. Ask again in 2 seconds.",
            ),
            (
                "2001:db8::1",
                1,
                "2001:db8::/64 has made its 2 requests in 60 seconds. Ask again in 1 second.",
            ),
        ] {
            let (client, left) = (
                client.parse().expect("an address"),
                Duration::from_millis(left),
            );
            assert_eq!(QUOTA.message(client, left), message);
        }
    }
}
