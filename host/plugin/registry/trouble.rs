//! What goes wrong with registries, for the one who has to mend it.

use super::super::printable;
use super::Reference;
use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};
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

    /// Something ended in the midst of it.
    pub(super) fn broken(reference: &Reference, error: &io::Error) -> Trouble {
        match error
            .get_ref()
            .is_some_and(<dyn Error + Send + Sync>::is::<DigestError>)
        {
            true => Trouble::something_else(reference),
            false => unreachable(reference, &cause(error)),
        }
    }

    /// An answer that this protocol does not have.
    pub(super) fn strange(reference: &Reference, answer: &str) -> Trouble {
        let (registry, answer) = (reference.registry(), printable(answer));
        Trouble::new(
            format!("{registry} gives an answer that cannot be understood: {answer}"),
            "is it a registry for containers (OCI), and its address right?",
        )
    }

    /// What the client says, in words for people. `known`: whether it has credentials.
    pub(super) fn from_client(
        error: &OciDistributionError,
        reference: &Reference,
        known: bool,
    ) -> Trouble {
        match error {
            OciDistributionError::RequestError(error) => match error.status() {
                Some(status) => answered(reference, known, status.as_u16(), status.as_str()),
                None if certificate(error) => Trouble::untrusted(reference, error),
                None => unreachable(reference, &cause(error)),
            },
            OciDistributionError::DigestError(DigestError::VerificationError { .. }) => {
                Trouble::something_else(reference)
            }
            OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_) => denied(reference, known),
            OciDistributionError::RegistryError { envelope, .. } => {
                let said = envelope.errors.first();
                let message = said.map(|said| said.message.as_str()).unwrap_or_default();
                match said.map(|said| &said.code) {
                    Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => {
                        denied(reference, known)
                    }
                    Some(
                        OciErrorCode::NameUnknown
                        | OciErrorCode::ManifestUnknown
                        | OciErrorCode::BlobUnknown
                        | OciErrorCode::ManifestBlobUnknown
                        | OciErrorCode::NotFound,
                    ) => absent(reference, message),
                    _ => refused(reference, message),
                }
            }
            OciDistributionError::ServerError { code, message, .. } => {
                answered(reference, known, *code, &format!("{code}: {message}"))
            }
            other => Trouble::strange(reference, &cause(other)),
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

/// An answer with that status, and no explanation of OCI's.
fn answered(reference: &Reference, known: bool, status: u16, message: &str) -> Trouble {
    match status {
        401 | 403 => denied(reference, known),
        404 => absent(reference, "404"),
        _ => refused(reference, message),
    }
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
