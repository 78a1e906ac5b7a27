//! Every failure, and what it is to the outside: only here is one mapped to the other.

use crate::http::{Malformed, ReadError, Target, TargetError};
use crate::log::Code;
use crate::plugin::{Denial, Failed, Rule};
use http::StatusCode;
use std::net::IpAddr;

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request cannot be read.
    #[error("the request is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// Its target is none.
    #[error("the target `{target}` cannot be understood: {error}")]
    Target {
        /// As sent, made printable.
        target: String,
        /// What is wrong with it.
        error: TargetError,
    },
    /// Its header section is larger than `request_header_max_size`.
    #[error("the request's header section is larger than {limit} octets")]
    RequestTooLarge {
        /// Octets.
        limit: usize,
        /// Whether the target alone is.
        first_line: bool,
    },
    /// It did not come to its end in time.
    #[error("the request did not come to its end in time")]
    RequestTimeout,
    /// It expects what no proxy can promise.
    #[error("the expectation `{0}` cannot be met; 100-continue can")]
    Expectation(String),
    /// Its scheme is not one that can be fetched.
    #[error("this proxy fetches http:// and https://, not {0}://")]
    Scheme(String),
    /// It asks the proxy itself for something that it does not have.
    #[error("this is a forward proxy, and has no page `{0}` of its own")]
    NoSuchPage(String),
    /// A rule forbids it.
    #[error("{0}")]
    Denied(Denial),
    /// PURGE for what is not in the cache.
    #[error("nothing is stored for it")]
    NotStored,
    /// A plugin wants to know who is asking.
    #[error("the plugin `{plugin}` wants to know who you are")]
    Unauthenticated {
        /// Which.
        plugin: String,
        /// Proxy-Authenticate.
        challenge: String,
    },
    /// A plugin failed, and its failure policy is closed.
    #[error(transparent)]
    Plugin(#[from] Failed),
    /// It has been here before.
    #[error("the request goes in a circle: it has passed this proxy before")]
    Loop,
    /// It wants nothing but what is cached, and it is not.
    #[error("only a cached response was asked for, and there is none")]
    OnlyIfCached,
    /// The name of the server has no address.
    #[error("the server's name `{host}` cannot be resolved: {reason}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver says.
        reason: String,
    },
    /// No connection to the server.
    #[error("the server {server} cannot be reached: {reason}")]
    Connect {
        /// Host and port.
        server: String,
        /// What the system says.
        reason: String,
        /// Whether it was time that ran out.
        timeout: bool,
        /// The address that was tried last.
        address: Option<IpAddr>,
    },
    /// No TLS with the server.
    #[error("no secure connection to the server {server}: {reason}")]
    Tls {
        /// Host and port.
        server: String,
        /// What TLS says.
        reason: String,
        /// Where it is to be mended.
        fault: TlsFault,
    },
    /// The server closed the connection without a response.
    #[error("the server {server} closed the connection without a response")]
    NoReply {
        /// Host and port.
        server: String,
    },
    /// Its response cannot be read.
    #[error("the response of the server {server} is malformed: {error}")]
    BadReply {
        /// Host and port.
        server: String,
        /// What is wrong with it.
        error: Malformed,
    },
    /// Its response's header section is larger than `reply_header_max_size`.
    #[error("the header section of the server's response ({server}) is larger than {limit} octets")]
    ReplyTooLarge {
        /// Host and port.
        server: String,
        /// Octets.
        limit: usize,
    },
    /// The connection to it broke.
    #[error("the connection to the server {server} broke: {reason}")]
    ReplyBroken {
        /// Host and port.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// It was silent for too long.
    #[error("the server {server} was silent for too long")]
    ReplyTimeout {
        /// Host and port.
        server: String,
    },
    /// What another client was receiving, or what is stored, broke off.
    #[error("the response broke off before its end")]
    BodyBroken,
    /// The client has gone: nobody reads a response.
    #[error("the client has gone")]
    ClientGone,
}

/// Where a failure of TLS has to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The server's certificate.
    Certificate,
    /// The proxy trusts nobody: it has no authorities' certificates.
    NoAuthorities,
    /// What answers there does not speak TLS, or none that the proxy speaks.
    NoTls,
    /// It broke, or there was no answer in time.
    Connection,
}

/// What a failure is to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face {
    /// The status of the response.
    pub status: StatusCode,
    /// squid's name of the page, for X-Squid-Error.
    pub squid: &'static str,
    /// RFC 9209 §2.3.
    pub proxy_status: &'static str,
    /// The code in the access log.
    pub code: Code,
}

impl Failure {
    /// Status, names and log code.
    pub fn face(&self) -> Face {
        let face = |status, squid, proxy_status, code| Face {
            status,
            squid,
            proxy_status,
            code,
        };
        use StatusCode as S;
        #[rustfmt::skip]
        let face = match self {
            Failure::Malformed(Malformed::Version(_)) => face(S::HTTP_VERSION_NOT_SUPPORTED, "ERR_UNSUP_HTTPVERSION", "http_request_error", Code::None),
            Failure::Malformed(Malformed::TooManyFields) => face(S::REQUEST_HEADER_FIELDS_TOO_LARGE, "ERR_TOO_BIG", "http_request_error", Code::None),
            Failure::Malformed(_) => face(S::BAD_REQUEST, "ERR_INVALID_REQ", "http_request_error", Code::None),
            Failure::Target { .. } => face(S::BAD_REQUEST, "ERR_INVALID_URL", "http_request_error", Code::None),
            Failure::RequestTooLarge { first_line: true, .. } => face(S::URI_TOO_LONG, "ERR_TOO_BIG", "http_request_error", Code::None),
            Failure::RequestTooLarge { .. } => face(S::REQUEST_HEADER_FIELDS_TOO_LARGE, "ERR_TOO_BIG", "http_request_error", Code::None),
            Failure::RequestTimeout => face(S::REQUEST_TIMEOUT, "ERR_LIFETIME_EXP", "http_request_error", Code::None),
            Failure::Expectation(_) => face(S::EXPECTATION_FAILED, "ERR_INVALID_REQ", "http_request_error", Code::None),
            Failure::Scheme(_) => face(S::NOT_IMPLEMENTED, "ERR_UNSUP_REQ", "http_request_error", Code::None),
            Failure::NoSuchPage(_) => face(S::NOT_FOUND, "ERR_INVALID_URL", "http_request_error", Code::None),
            Failure::Denied(denial) => face(S::from_u16(denial.status).unwrap_or(S::FORBIDDEN), "ERR_ACCESS_DENIED", "http_request_denied", Code::Denied),
            Failure::NotStored => face(S::NOT_FOUND, "ERR_NOT_STORED", "http_request_error", Code::Miss),
            Failure::Unauthenticated { .. } => face(S::PROXY_AUTHENTICATION_REQUIRED, "ERR_CACHE_ACCESS_DENIED", "http_request_denied", Code::Denied),
            Failure::Plugin(_) => face(S::INTERNAL_SERVER_ERROR, "ERR_PLUGIN_FAILED", "proxy_internal_error", Code::None),
            Failure::Loop => face(S::BAD_GATEWAY, "ERR_LOOP_DETECTED", "proxy_loop_detected", Code::Denied),
            Failure::OnlyIfCached => face(S::GATEWAY_TIMEOUT, "ERR_ONLY_IF_CACHED_MISS", "http_request_denied", Code::Miss),
            Failure::Dns { .. } => face(S::SERVICE_UNAVAILABLE, "ERR_DNS_FAIL", "dns_error", Code::Miss),
            Failure::Connect { timeout: true, .. } => face(S::GATEWAY_TIMEOUT, "ERR_CONNECT_FAIL", "connection_timeout", Code::Miss),
            Failure::Connect { .. } => face(S::SERVICE_UNAVAILABLE, "ERR_CONNECT_FAIL", "connection_refused", Code::Miss),
            Failure::Tls { .. } => face(S::BAD_GATEWAY, "ERR_SECURE_CONNECT_FAIL", "tls_protocol_error", Code::Miss),
            Failure::NoReply { .. } => face(S::BAD_GATEWAY, "ERR_ZERO_SIZE_OBJECT", "connection_terminated", Code::Miss),
            Failure::BadReply { .. } => face(S::BAD_GATEWAY, "ERR_INVALID_RESP", "http_protocol_error", Code::Miss),
            Failure::ReplyTooLarge { .. } => face(S::BAD_GATEWAY, "ERR_TOO_BIG", "http_response_header_section_size", Code::Miss),
            Failure::ReplyBroken { .. } => face(S::BAD_GATEWAY, "ERR_READ_ERROR", "connection_terminated", Code::Miss),
            Failure::ReplyTimeout { .. } => face(S::GATEWAY_TIMEOUT, "ERR_READ_TIMEOUT", "connection_read_timeout", Code::Miss),
            Failure::BodyBroken => face(S::BAD_GATEWAY, "ERR_READ_ERROR", "http_response_incomplete", Code::Miss),
            Failure::ClientGone => face(S::BAD_REQUEST, "ERR_CLIENT_GONE", "http_request_error", Code::Miss),
        };
        face
    }

    /// Whether the server did not give what was asked: a stale response may stand in for it.
    pub fn is_servers(&self) -> bool {
        matches!(
            self,
            Failure::Dns { .. }
                | Failure::Connect { .. }
                | Failure::Tls { .. }
                | Failure::NoReply { .. }
                | Failure::BadReply { .. }
                | Failure::ReplyTooLarge { .. }
                | Failure::ReplyBroken { .. }
                | Failure::ReplyTimeout { .. }
        )
    }

    /// The rule that decided, where one did.
    pub fn rule(&self) -> Option<&Rule> {
        match self {
            Failure::Denied(denial) => Some(&denial.rule),
            _ => None,
        }
    }

    /// What a person can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Failure::Malformed(_)
            | Failure::Target { .. }
            | Failure::RequestTooLarge { .. }
            | Failure::RequestTimeout
            | Failure::Expectation(_) => "The program that sent the request has to mend it.",
            Failure::Scheme(_) => "Fetch it without this proxy, if you may.",
            Failure::NoSuchPage(_) => {
                "Set it up as a proxy (http_proxy, https_proxy) instead of asking it for pages."
            }
            // Not for lack of a right.
            Failure::Denied(Denial { status: 500.., .. }) => "Try again later.",
            Failure::Denied(_) => {
                "If you think that you should have access, ask for the rule to be changed."
            }
            Failure::NotStored => "There is nothing to purge.",
            Failure::Unauthenticated { .. } => "Give your name and password for the proxy.",
            Failure::Plugin(_) => "The proxy's operator has to mend the plugin.",
            Failure::Loop => "The proxy's operator has to look where this address leads.",
            Failure::OnlyIfCached => "Ask without `only-if-cached`.",
            Failure::Dns { .. } => "Check the name; if it is right, try again later.",
            Failure::Connect { .. } | Failure::ReplyTimeout { .. } | Failure::BodyBroken => {
                "Try again later."
            }
            Failure::Tls { fault, .. } => match fault {
                TlsFault::Certificate => "The server's operator has to mend its certificate.",
                TlsFault::NoAuthorities => {
                    "The proxy's operator has to install ca-certificates or set tls_outgoing_cafile."
                }
                TlsFault::NoTls => "Check name and port: the server has to speak TLS there.",
                TlsFault::Connection => "Try again later.",
            },
            Failure::NoReply { .. }
            | Failure::BadReply { .. }
            | Failure::ReplyTooLarge { .. }
            | Failure::ReplyBroken { .. } => {
                "The server's operator has to mend it; try again later."
            }
            Failure::ClientGone => "",
        }
    }
}

/// Reading the request failed.
impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        match error {
            ReadError::Timeout => Failure::RequestTimeout,
            ReadError::Closed | ReadError::Io(_) => Failure::ClientGone,
            ReadError::TooLarge { limit, first_line } => {
                Failure::RequestTooLarge { limit, first_line }
            }
            ReadError::Malformed(error) => Failure::Malformed(error),
        }
    }
}

/// Reading a server's response failed.
pub fn reading_reply(target: &Target, error: ReadError) -> Failure {
    let server = target.server();
    match error {
        ReadError::Timeout => Failure::ReplyTimeout { server },
        ReadError::Closed => Failure::NoReply { server },
        ReadError::Io(error) => Failure::ReplyBroken {
            server,
            reason: error.to_string(),
        },
        ReadError::TooLarge { limit, .. } => Failure::ReplyTooLarge { server, limit },
        ReadError::Malformed(error) => Failure::BadReply { server, error },
    }
}
