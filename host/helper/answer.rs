//! What helpers are asked, and what they answer.

use std::fmt;

/// What a plugin wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Whom it asks.
    pub helper: String,
    /// One line: no control characters.
    pub key: String,
}

/// What has come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// In short.
    pub finding: Finding,
    /// `user=`, `message=` and whatever else there is, in its order.
    pub pairs: Vec<(String, String)>,
}

/// An answer in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// squid's OK.
    Found,
    /// squid's ERR.
    NotFound,
    /// squid's BH, and everything that is no answer.
    Failed,
}

// === impl Question ===

impl Question {
    /// Octets that it takes, about.
    pub fn octets(&self) -> usize {
        size_of::<Question>() + self.helper.len() + self.key.len()
    }
}

// === impl Answer ===

impl Answer {
    /// There is none, and that is why: for operators, where `message` is for everybody.
    pub fn failed(why: impl Into<String>) -> Answer {
        Answer {
            finding: Finding::Failed,
            pairs: vec![("error".to_owned(), why.into())],
        }
    }

    /// The first pair's value of that name.
    pub fn pair(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Octets that it takes, about.
    pub fn octets(&self) -> usize {
        let pair = |(name, value): &(String, String)| name.len() + value.len() + 48;
        self.pairs.iter().map(pair).sum::<usize>() + 64
    }
}

/// As squid's helpers say it: `OK user="ann"`
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.finding {
            Finding::Found => "OK",
            Finding::NotFound => "ERR",
            Finding::Failed => "BH",
        })?;
        self.pairs
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name}={value:?}"))
    }
}
