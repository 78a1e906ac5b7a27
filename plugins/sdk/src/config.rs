//! The plugin's own configuration, and how to complain about it.

use serde::{Deserialize, de::DeserializeOwned};

/// Something is wrong in the configuration: the host shows the file, the line and a caret.
///
/// What serde has against a configuration becomes one by itself, with the pointer to the key; what
/// [`configure`](crate::Plugin::configure) finds out points there with [`ConfigError::new`].
///
/// ```text
/// error: `nineish` is not an hour
///  --> wproxy.toml:7:3
///   |
/// 7 |   "nineish to 17:00",
///   |   ^^^^^^^^^^^^^^^^^^
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// JSON Pointer (RFC 6901) to the value at fault: `/http_access/3`; empty for the whole table.
    /// In a key, `~` is written `~0` and `/` is written `~1`.
    pub at: String,
    /// What is wrong there and what would be right, as one sentence.
    pub message: String,
}

impl ConfigError {
    /// An error at a JSON Pointer.
    ///
    /// ```
    /// use wproxy_sdk::ConfigError;
    ///
    /// let hours = ["9:00-17:00", "nineish-17:00"];
    /// let wrong = hours.iter().position(|hours| !hours.starts_with(char::is_numeric));
    /// let error = wrong.map(|line| ConfigError::new(format!("/hours/{line}"), "not an hour"));
    /// assert_eq!(error.unwrap().to_string(), "/hours/1: not an hour");
    /// ```
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        ConfigError {
            at: at.into(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.at.as_str() {
            "" => f.write_str(&self.message),
            at => write!(f, "{at}: {}", self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

/// For a plugin that has nothing to configure: any key is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Reads the JSON that the host hands to `configure`; errors point at the key.
pub(crate) fn parse<C: DeserializeOwned>(json: &str) -> Result<C, ConfigError> {
    let mut input = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let at = pointer(error.path());
        // serde_json ends its messages with a position in JSON that nobody wrote.
        let message = error.inner().to_string();
        let message = match message.rfind(" at line ") {
            Some(end) => &message[..end],
            None => &message,
        };
        ConfigError::new(at, message)
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        let step = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&step);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        #[expect(dead_code, reason = "only its type matters here")]
        lines: Vec<String>,
    }

    #[test]
    fn errors_point_at_the_key() {
        let error = parse::<Example>(r#"{"lines": ["a", 3]}"#).unwrap_err();
        assert_eq!(error.at, "/lines/1");
        assert_eq!(
            error.message,
            "invalid type: integer `3`, expected a string"
        );
    }

    #[test]
    fn an_error_about_all_of_it_points_nowhere() {
        let error = parse::<Example>("{}").unwrap_err();
        assert_eq!(error.at, "");
        assert_eq!(error.to_string(), "missing field `lines`");
    }

    #[test]
    fn keys_are_escaped_in_pointers() {
        let read = parse::<std::collections::BTreeMap<String, u8>>;
        let error = read(r#"{"a/b~c": "no number"}"#).unwrap_err();
        assert_eq!(error.at, "/a~1b~0c");
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = parse::<Example>(r#"{"lines": [], "line": 1}"#).unwrap_err();
        assert_eq!(error.at, "/line");
        assert!(error.message.contains("unknown field `line`"));
    }
}
