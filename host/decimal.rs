//! Numbers and addresses as digits. Every request writes some, into fields and into the access log,
//! and std's formatting takes several times as long.

use std::io::Write as _;
use std::net::IpAddr;
use std::ops::Deref;

/// A number in decimal digits.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    /// As many as the longest number takes.
    octets: [u8; 20],
    start: usize,
}

// === impl Decimal ===

impl Decimal {
    /// Of a number that is never negative.
    pub fn of(mut number: u64) -> Decimal {
        let mut octets = [0; 20];
        let mut start = octets.len();
        loop {
            start -= 1;
            octets[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Decimal { octets, start };
            }
        }
    }

    /// Of a number that may be negative.
    pub fn signed(number: i64) -> Decimal {
        let mut decimal = Decimal::of(number.unsigned_abs());
        if number < 0 {
            decimal.start -= 1;
            decimal.octets[decimal.start] = b'-';
        }
        decimal
    }
}

impl Deref for Decimal {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.octets[self.start..]
    }
}

/// Appends an address as std writes it. IPv4 is what nearly all are.
pub fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            out.extend_from_slice(&Decimal::of(first.into()));
            for octet in rest {
                out.push(b'.');
                out.extend_from_slice(&Decimal::of(octet.into()));
            }
        }
        IpAddr::V6(address) => {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{address}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_numbers_fit() {
        assert_eq!(*Decimal::of(0), *b"0");
        assert_eq!(*Decimal::of(u64::MAX), *b"18446744073709551615");
        assert_eq!(*Decimal::signed(0), *b"0");
        assert_eq!(*Decimal::signed(i64::MIN), *b"-9223372036854775808");
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_std_does(number: u64, digits in 0..64_u32) {
            let number = number >> digits;
            prop_assert_eq!(Decimal::of(number).to_vec(), number.to_string().into_bytes());
            let number = number.cast_signed();
            prop_assert_eq!(Decimal::signed(number).to_vec(), number.to_string().into_bytes());
        }

        #[test]
        fn addresses_are_written_as_std_does(address: IpAddr) {
            let mut out = Vec::new();
            push_address(&mut out, address);
            prop_assert_eq!(String::from_utf8(out), Ok(address.to_string()));
        }
    }
}
