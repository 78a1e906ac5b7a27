//! `oci://registry/name:tag@sha256:...`: the names of artifacts in registries.

use super::super::digest::Digest;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The name of an artifact in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    image: oci_client::Reference,
    /// A tag that nobody has written is none: it would be `latest`, whatever that is.
    has_tag: bool,
    digest: Option<Digest>,
}

/// What every reference begins with in a manifest.
pub const SCHEME: &str = "oci://";

/// How one is written.
const USAGE: &str =
    "`oci://registry/name:tag@sha256:...` makes one: `oci://ghcr.io/team/policy:1.0`";

// === impl Reference ===

impl Reference {
    /// The registry's host, and its port where one is written.
    pub fn registry(&self) -> &str {
        self.image.resolve_registry()
    }

    /// What it names for good; none where it only has a tag, which can be moved.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Its tag, where one is written.
    pub fn tag(&self) -> Option<&str> {
        self.image.tag().filter(|_| self.has_tag)
    }

    /// The same artifact, named for good.
    pub fn pinned(&self, digest: Digest) -> Reference {
        let (registry, repository) = (self.image.registry(), self.image.repository());
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        let text = digest.to_string();
        let image = match self.tag() {
            Some(tag) => {
                let tag = tag.to_owned();
                oci_client::Reference::with_tag_and_digest(registry, repository, tag, text)
            }
            None => oci_client::Reference::with_digest(registry, repository, text),
        };
        Reference {
            image,
            has_tag: self.has_tag,
            digest: Some(digest),
        }
    }

    /// Whether the registry is on this machine: such a one is spoken to without TLS.
    pub fn is_loopback(&self) -> bool {
        let registry = self.registry();
        let host = registry.split_once(':').map_or(registry, |(host, _)| host);
        host.eq_ignore_ascii_case("localhost")
            || host
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// The artifact's name in the registry, without tag and digest.
    pub(super) fn repository(&self) -> &str {
        self.image.repository()
    }
}

impl FromStr for Reference {
    type Err = String;

    /// With or without the scheme.
    fn from_str(text: &str) -> Result<Reference, String> {
        let text = text.strip_prefix(SCHEME).unwrap_or(text);
        let wrong = |what: &str| format!("not a reference to a registry: {what}; {USAGE}");
        // Where none is written, others take Docker's. Whose code it is has to be said.
        let host = text.split_once('/').map(|(host, _)| host);
        if !host.is_some_and(|host| host.contains(['.', ':']) || host == "localhost") {
            return Err(wrong("it does not say which registry"));
        }
        let image: oci_client::Reference = text
            .parse()
            .map_err(|error: oci_client::ParseError| wrong(&error.to_string()))?;
        let digest = image.digest().map(Digest::from_str).transpose();
        let digest = digest.map_err(|malformed| wrong(&malformed.to_string()))?;
        let name = text.split_once('@').map_or(text, |(name, _)| name);
        let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
        Ok(Reference {
            has_tag: last.contains(':'),
            image,
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (registry, name) = (self.image.registry(), self.image.repository());
        write!(f, "{SCHEME}{registry}/{name}")?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        match self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(text: &str) -> Result<Reference, String> {
        text.parse()
    }

    #[test]
    fn what_is_written_is_what_is_named() {
        let digest = Digest::of(b"");
        let cases = [
            ("ghcr.io/a/b:1.0", "ghcr.io", Some("1.0"), None, false),
            ("ghcr.io/a", "ghcr.io", None, None, false),
            (
                "127.0.0.1:5000/a:x",
                "127.0.0.1:5000",
                Some("x"),
                None,
                true,
            ),
            ("127.8.8.8/a", "127.8.8.8", None, None, true),
            ("localhost/a", "localhost", None, None, true),
            ("localhost:1/a", "localhost:1", None, None, true),
            (
                "localhost.example.com/a",
                "localhost.example.com",
                None,
                None,
                false,
            ),
            ("10.0.0.1:5000/a", "10.0.0.1:5000", None, None, false),
            ("docker.io/a/b", "index.docker.io", None, None, false),
            (
                &format!("r.test/a@{digest}"),
                "r.test",
                None,
                Some(digest),
                false,
            ),
            (
                &format!("r.test/a:1@{digest}"),
                "r.test",
                Some("1"),
                Some(digest),
                false,
            ),
        ];
        for (text, registry, tag, pin, loopback) in cases {
            let read = reference(text).expect(text);
            assert_eq!(read.registry(), registry, "{text}");
            assert_eq!((read.tag(), read.digest()), (tag, pin), "{text}");
            assert_eq!(read.is_loopback(), loopback, "{text}");
            assert_eq!(read.to_string(), format!("oci://{text}"));
            assert_eq!(reference(&format!("oci://{text}")), Ok(read.clone()));
            let pinned = read.pinned(digest);
            assert_eq!(
                (pinned.tag(), pinned.digest()),
                (tag, Some(digest)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_none_is_said_to_be_none_and_why() {
        let cases = [
            ("", "which registry"),
            ("policy", "which registry"),
            ("policy:1.0", "which registry"),
            ("team/policy:1.0", "which registry"),
            ("https://ghcr.io/a", "invalid reference format"),
            ("ghcr.io/Team/policy", "invalid reference format"),
            ("ghcr.io/", "invalid reference format"),
            ("ghcr.io/a b", "invalid reference format"),
            ("ghcr.io/a@sha256:12", "invalid reference format"),
            (
                "ghcr.io/a@sha256:00000000000000000000000000000000",
                "digest length",
            ),
            (
                &format!("ghcr.io/a@sha512:{}", "0".repeat(128)),
                "not a digest: `sha256:`",
            ),
            (
                &format!("ghcr.io/a@sha256:{}", "A".repeat(64)),
                "not a digest: `sha256:`",
            ),
        ];
        for (text, why) in cases {
            let said = reference(text).expect_err(text);
            assert!(said.contains(why) && said.contains(USAGE), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_is_written(
            host in "[a-z]{1,8}\\.[a-z]{1,8}(:[0-9]{1,5})?",
            name in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?){0,3}",
            tag in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
            pinned: bool,
        ) {
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            let digest = pinned.then(|| format!("@{}", Digest::of(name.as_bytes())));
            let text = format!("oci://{host}/{name}{tag}{}", digest.unwrap_or_default());
            prop_assert_eq!(reference(&text).expect("good").to_string(), text);
        }

        #[test]
        fn no_text_is_too_much_for_it(text in "(oci://)?[a-z.:]{0,9}/?\\PC{0,90}") {
            if let Ok(read) = reference(&text) {
                prop_assert_eq!(reference(&read.to_string()), Ok(read));
            }
        }
    }
}
