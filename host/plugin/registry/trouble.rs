//! What goes wrong with registries, for the one who has to mend it.

use super::super::printable;
use super::Reference;
use super::progress::kilobytes;
use oci_client::errors::{OciEnvelope, OciError, OciErrorCode};
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why there is no component, and how to come by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub help: String,
}

// === impl Trouble ===

impl Trouble {
    pub(super) fn new(what: impl Into<String>, help: impl Into<String>) -> Trouble {
        let (what, help) = (what.into(), help.into());
        Trouble { what, help }
    }

    /// The registry has something under that name, and it is no component.
    pub(super) fn no_component(reference: &Reference, why: &str) -> Trouble {
        Trouble::new(
            format!("{}: {}", reference.registry(), printable(why)),
            "`wproxy plugin push` pushes components in the layout that is read here",
        )
    }

    /// What came is not what its digest says.
    pub(super) fn something_else(reference: &Reference) -> Trouble {
        Trouble::new(
            format!(
                "what {} sends is not what the digest names",
                reference.registry()
            ),
            "do not use it: the registry, or something on the way to it, is damaged or hostile",
        )
    }

    /// It may be anybody.
    pub(super) fn untrusted(reference: &Reference, error: &dyn Error) -> Trouble {
        let (registry, why) = (reference.registry(), cause(error));
        Trouble::new(
            format!("{registry} cannot be trusted: {}", printable(&why)),
            "the system's certificates vouch for registries; SSL_CERT_FILE names others",
        )
    }

    /// Nothing comes.
    pub(super) fn silent(reference: &Reference, limit: Duration) -> Trouble {
        unreachable(reference, &format!("it says nothing for {limit:?}"))
    }

    /// It takes too long.
    pub(super) fn slow(reference: &Reference, limit: Duration) -> Trouble {
        unreachable(reference, &format!("it takes longer than {limit:?}"))
    }

    /// It cannot be spoken to, or broke off.
    pub(super) fn broken(reference: &Reference, error: &reqwest::Error) -> Trouble {
        match certificate(error) {
            true => Trouble::untrusted(reference, error),
            false => unreachable(reference, &cause(error)),
        }
    }

    /// More than anybody has a use for.
    pub(super) fn too_long(reference: &Reference, what: &str, most: usize) -> Trouble {
        let most = kilobytes(most as u64);
        Trouble::strange(reference, &format!("{what} is longer than {most} KB"))
    }

    /// An answer that this protocol does not have.
    pub(super) fn strange(reference: &Reference, answer: &dyn fmt::Display) -> Trouble {
        let (registry, answer) = (reference.registry(), printable(&answer.to_string()));
        Trouble::new(
            format!("{registry} gives an answer that cannot be understood: {answer}"),
            "is it a registry for containers (OCI), and its address right?",
        )
    }

    /// An answer with a status that is none of success, and what is said there. `known`: whether the
    /// client has credentials.
    pub(super) fn answered(
        reference: &Reference,
        known: bool,
        status: u16,
        said: &[u8],
    ) -> Trouble {
        let envelope = serde_json::from_slice(said).ok();
        let error = envelope.and_then(|OciEnvelope { errors }| errors.into_iter().next());
        let Some(OciError { code, message, .. }) = error else {
            let said = String::from_utf8_lossy(said);
            return match status {
                401 | 403 => denied(reference, known),
                404 => absent(reference, "404"),
                _ => refused(reference, &format!("{status}: {said}")),
            };
        };
        match code {
            OciErrorCode::Unauthorized | OciErrorCode::Denied => denied(reference, known),
            OciErrorCode::NameUnknown
            | OciErrorCode::ManifestUnknown
            | OciErrorCode::BlobUnknown
            | OciErrorCode::ManifestBlobUnknown
            | OciErrorCode::NotFound => absent(reference, &message),
            _ => refused(reference, &message),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhelp: {}", self.what, self.help)
    }
}

impl Error for Trouble {}

fn unreachable(reference: &Reference, why: &str) -> Trouble {
    let (registry, why) = (reference.registry(), printable(why));
    Trouble::new(
        format!("{registry} cannot be reached: {why}"),
        "is the registry up, and its address right?",
    )
}

fn absent(reference: &Reference, message: &str) -> Trouble {
    let (registry, message) = (reference.registry(), printable(message));
    Trouble::new(
        format!("{registry} has nothing of that name and digest: {message}"),
        "`wproxy plugin push` prints the reference of what it has pushed",
    )
}

fn refused(reference: &Reference, message: &str) -> Trouble {
    let (registry, message) = (reference.registry(), printable(message));
    Trouble::new(
        format!("{registry} refuses: {message}"),
        "its operators know what that means",
    )
}

fn denied(reference: &Reference, known: bool) -> Trouble {
    let registry = reference.registry();
    let file = super::credentials::file();
    let file = file.map_or_else(
        || "~/.docker/config.json".to_owned(),
        |file| file.display().to_string(),
    );
    match known {
        true => Trouble::new(
            format!("{registry} does not let these credentials do that"),
            format!("they stand in {file}; `docker login {registry}` stores others"),
        ),
        false => Trouble::new(
            format!("{registry} wants credentials"),
            format!(
                "`docker login {registry}` stores them in {file}, as `auth`; credential helpers \
                 are not asked"
            ),
        ),
    }
}

/// What is at the bottom of it.
fn cause(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Whether it is the server's certificate that is wrong.
fn certificate(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref().and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref());
        if matches!(inner, Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        next = error.source();
    }
    false
}
