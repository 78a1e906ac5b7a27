//! Request targets (RFC 9112 §3.2) as a forward proxy understands them.

use super::host::{Authority, Host};
use bytes::Bytes;
use http::Method;
use std::fmt;

/// What a request asks for: normalised, except for the path, which stays octet for octet.
#[derive(Debug, Clone)]
pub struct Target {
    /// The scheme; [`Scheme::None`] for CONNECT.
    pub scheme: Scheme,
    /// Lower case, no final dot.
    pub host: Host,
    /// Explicit or the scheme's default; 0 for a scheme without one.
    pub port: u16,
    /// Path and query, without fragment; `*` for OPTIONS of a whole server; empty for CONNECT.
    pub path: Bytes,
    /// `user:password` as it stood before the host (RFC 9110 §4.2.4): never logged; forwarded as
    /// Authorization alone.
    pub user_information: Option<Bytes>,
}

/// The schemes that make a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// CONNECT has none.
    None,
    /// `http`
    Http,
    /// `https`: fetched over TLS.
    Https,
    /// The proxy's own manager pages, however they were asked for.
    CacheObject,
    /// Access rules see it; nothing can be fetched.
    Other(Box<str>),
}

/// What a request's first line says, before it is known whether it concerns the proxy itself.
#[derive(Debug, Clone)]
pub enum Form {
    /// `GET http://host/path`, `CONNECT host:port`
    Proxy(Target),
    /// `GET /path`, `OPTIONS *`: of the server that received it, which is the proxy.
    Own(Bytes),
}

/// Why a target is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No form of RFC 9112 §3.2 that fits the method.
    #[error("it is neither http://host/path nor, for CONNECT, host:port")]
    Form,
    /// The authority is wrong.
    #[error("{0}")]
    Authority(&'static str),
}

impl Target {
    /// Reads a request's target. Control characters and spaces have been refused before.
    pub fn parse(method: &Method, text: &Bytes) -> Result<Form, TargetError> {
        if *method == Method::CONNECT {
            return Target::connect(text).map(Form::Proxy);
        }
        if text.starts_with(b"/") || (text.as_ref() == b"*" && *method == Method::OPTIONS) {
            return Ok(Form::Own(without_fragment(text)));
        }
        Target::absolute(method, text).map(Form::Proxy)
    }

    /// Authority-form (RFC 9112 §3.2.3): the port is not optional.
    fn connect(text: &Bytes) -> Result<Target, TargetError> {
        if text.contains(&b'@') || text.contains(&b'/') || text.contains(&b'#') {
            return Err(TargetError::Form);
        }
        let Authority { host, port } = Authority::parse(text).map_err(TargetError::Authority)?;
        let port = port.ok_or(TargetError::Authority("CONNECT needs a port"))?;
        Ok(Target {
            scheme: Scheme::None,
            host,
            port,
            path: Bytes::new(),
            user_information: None,
        })
    }

    /// Absolute-form (RFC 9112 §3.2.2).
    fn absolute(method: &Method, text: &Bytes) -> Result<Target, TargetError> {
        let colon = find(text, b"://").ok_or(TargetError::Form)?;
        let scheme = Scheme::parse(&text[..colon]).ok_or(TargetError::Form)?;
        let rest = text.slice(colon + 3..);
        let end = rest
            .iter()
            .position(|octet| b"/?#".contains(octet))
            .unwrap_or(rest.len());
        let (user_information, authority) = match rest[..end].iter().rposition(|&o| o == b'@') {
            Some(at) => (Some(rest.slice(..at)), rest.slice(at + 1..end)),
            None => (None, rest.slice(..end)),
        };
        let Authority { host, port } =
            Authority::parse(&authority).map_err(TargetError::Authority)?;
        let path = without_fragment(&rest.slice(end..));
        let path = match path.first() {
            Some(b'/') => path,
            Some(_) => [b"/", path.as_ref()].concat().into(),
            // RFC 9112 §3.2.4: the last proxy sends the asterisk.
            None if *method == Method::OPTIONS => Bytes::from_static(b"*"),
            None => Bytes::from_static(b"/"),
        };
        Ok(Target {
            port: port.unwrap_or(scheme.default_port()),
            scheme,
            host,
            path,
            user_information,
        })
    }

    /// `host` or `host:port`, the port left out where it is the scheme's: what Host says.
    pub fn authority(&self) -> Authority {
        Authority {
            host: self.host.clone(),
            port: (self.port != self.scheme.default_port()).then_some(self.port),
        }
    }

    /// Host and port, for people.
    pub fn server(&self) -> String {
        let authority = Authority {
            host: self.host.clone(),
            port: Some(self.port),
        };
        authority.to_string()
    }

    /// The target in one piece, for rules, logs and cache keys: `http://host/path`,
    /// `host:port` for CONNECT. Octets outside ASCII are percent-encoded.
    pub fn uri(&self) -> String {
        let mut uri = String::with_capacity(self.path.len() + 40);
        if self.scheme != Scheme::None {
            uri.push_str(self.scheme.as_str());
            uri.push_str("://");
        }
        self.authority().push_to(&mut uri);
        push_ascii(&mut uri, &self.path);
        uri
    }

    /// Path and query as text. Octets outside ASCII are percent-encoded.
    pub fn path_text(&self) -> String {
        let mut path = String::with_capacity(self.path.len());
        push_ascii(&mut path, &self.path);
        path
    }
}

fn push_ascii(out: &mut String, text: &[u8]) {
    use fmt::Write as _;
    if let Some(text) = std::str::from_utf8(text)
        .ok()
        .filter(|text| text.is_ascii())
    {
        return out.push_str(text);
    }
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_ascii() {
                out.push(character);
            } else {
                for octet in character.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "%{octet:02X}");
                }
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(out, "%{octet:02X}");
        }
    }
}

fn without_fragment(text: &Bytes) -> Bytes {
    let end = text.iter().position(|&octet| octet == b'#');
    text.slice(..end.unwrap_or(text.len()))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

// === impl Scheme ===

impl Scheme {
    fn parse(text: &[u8]) -> Option<Scheme> {
        let rest = |octet: &u8| octet.is_ascii_alphanumeric() || b"+-._".contains(octet);
        if !text.first()?.is_ascii_alphabetic() || !text.iter().all(rest) {
            return None;
        }
        let scheme = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
        Some(match scheme.as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "cache_object" => Scheme::CacheObject,
            _ => Scheme::Other(scheme.into()),
        })
    }

    fn default_port(&self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Other(name) => match name.as_ref() {
                "ftp" => 21,
                "gopher" => 70,
                "whois" => 43,
                "wais" => 210,
                "ws" => 80,
                "wss" => 443,
                _ => 0,
            },
            Scheme::None | Scheme::CacheObject => 0,
        }
    }

    /// As rules see it; empty for CONNECT.
    pub fn as_str(&self) -> &str {
        match self {
            Scheme::None => "",
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::CacheObject => "cache_object",
            Scheme::Other(name) => name,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
