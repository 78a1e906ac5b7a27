//! Who is asking: what `docker login` has stored.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A user's name and password for one registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

/// `config.json`, of which nothing but this matters here. Helpers are not asked: a proxy starts no
/// programs.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    auths: HashMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    /// `user:password` in base 64; not there where a helper keeps it.
    #[serde(default)]
    auth: String,
}

/// Docker's file: `config.json` in `$DOCKER_CONFIG`, else in `~/.docker`.
pub(super) fn file() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = match variable("DOCKER_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&variable("HOME")?).join(".docker"),
    };
    Some(folder.join("config.json"))
}

/// What is stored for that registry; none where there is no such file, or nothing for it in it.
///
/// # Errors
/// Why the file cannot be used.
pub(super) fn stored(file: &Path, registry: &str) -> Result<Option<Credentials>, String> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
    };
    find(&text, registry).map_err(|why| format!("{}: {why}", file.display()))
}

fn find(text: &[u8], registry: &str) -> Result<Option<Credentials>, String> {
    let written: Written =
        serde_json::from_slice(text).map_err(|error| format!("not Docker's JSON: {error}"))?;
    let mut auths = written.auths.into_iter();
    let found = auths.find(|(key, auth)| host(key) == registry && !auth.auth.is_empty());
    let Some((_, Auth { auth })) = found else {
        return Ok(None);
    };
    let pair = BASE64_STANDARD.decode(auth.trim()).ok();
    let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
    let pair = pair.as_deref().and_then(|pair| pair.split_once(':'));
    let Some((user, password)) = pair else {
        return Err(format!(
            "what it has for {registry} is no `user:password` in base 64"
        ));
    };
    Ok(Some(Credentials {
        user: user.to_owned(),
        password: password.to_owned(),
    }))
}

/// Some keys are URLs: `https://index.docker.io/v1/`.
fn host(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    key.split_once('/').map_or(key, |(host, _)| host)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_for_a_registry() {
        let text = format!(
            r#"{{"auths": {{
                "r.test": {{"auth": "{}"}},
                "https://index.docker.io/v1/": {{"auth": "{}"}},
                "r.test:5000": {{"auth": "{}"}},
                "helped.test": {{}},
                "bad.test": {{"auth": "%"}},
                "odd.test": {{"auth": "{}"}}
            }}, "credsStore": "secretservice", "HttpHeaders": {{}}}}"#,
            BASE64_STANDARD.encode("me:a:b"),
            BASE64_STANDARD.encode("hub:x"),
            BASE64_STANDARD.encode("port:y"),
            BASE64_STANDARD.encode("nobody"),
        );
        for (registry, found) in [
            ("r.test", Some(("me", "a:b"))),
            ("index.docker.io", Some(("hub", "x"))),
            ("r.test:5000", Some(("port", "y"))),
            ("r.test:5001", None),
            ("helped.test", None),
            ("other.test", None),
        ] {
            let read = find(text.as_bytes(), registry).expect(registry);
            let read = read
                .as_ref()
                .map(|c| (c.user.as_str(), c.password.as_str()));
            assert_eq!(read, found, "{registry}");
        }
        for registry in ["bad.test", "odd.test"] {
            let said = find(text.as_bytes(), registry).expect_err(registry);
            assert!(
                said.contains(&format!("for {registry} is no `user:password`")),
                "{said}"
            );
        }
        assert_eq!(find(b"{}", "r.test"), Ok(None));
        assert!(
            find(b"[1]", "r.test")
                .expect_err("no table")
                .starts_with("not Docker's JSON")
        );
    }

    #[test]
    fn a_file_that_is_not_there_holds_nothing_and_one_that_cannot_be_read_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        assert_eq!(stored(&file, "r.test"), Ok(None));
        std::fs::create_dir(&file).unwrap();
        let said = stored(&file, "r.test").expect_err("a folder");
        assert!(
            said.starts_with("cannot read ") && said.contains("config.json"),
            "{said}"
        );
    }
}
