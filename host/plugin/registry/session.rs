//! Requests to one registry: with what authorises them, in time, and with answers that are no
//! longer than they need be.

use super::credentials::Credentials;
use super::trouble::Trouble;
use super::{Limits, Reference};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_auth::{ChallengeParser, ChallengeRef};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

/// A registry, and who asks it for what.
pub(super) struct Session {
    http: reqwest::Client,
    reference: Reference,
    /// Of all that the registry has.
    base: Url,
    credentials: Option<Credentials>,
    authorization: Option<HeaderValue>,
    limits: Limits,
}

/// What is asked for: a registry's token is good for nothing else.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Pull,
    Push,
}

/// Whom a registry sends its clients to for a token.
struct Challenge {
    realm: Url,
    service: Option<String>,
}

/// What comes from there: the one or the other, or both.
#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
}

/// Octets of a token with what is around it. Those of large registries have some 4 KB.
const TOKEN: usize = 64 << 10;
/// Octets of an error that are read: what is said there first.
const ERROR: usize = 64 << 10;

// === impl Session ===

impl Session {
    /// Begins to speak to the registry of that reference: in TLS with the system's certificates, and
    /// without on this machine.
    ///
    /// # Errors
    /// It cannot be reached or trusted, or does not give a token.
    pub(super) async fn begin(
        reference: &Reference,
        credentials: Option<Credentials>,
        limits: Limits,
        action: Action,
    ) -> Result<Session, Trouble> {
        // The first one stays: there is no other in this process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let loopback = reference.is_loopback();
        let client = reqwest::Client::builder()
            .connect_timeout(limits.idle)
            .user_agent(concat!("wproxy/", env!("CARGO_PKG_VERSION")))
            // Neither for tokens, nor wherever the registry sends its clients.
            .https_only(!loopback);
        let client = match loopback {
            // No proxy that the environment names is on the way to this machine.
            true => client.no_proxy(),
            false => client,
        };
        // What fails here is TLS: there is nobody to trust.
        let http = client.build();
        let scheme = if loopback { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/", reference.registry());
        let base = Url::parse(&base).map_err(|error| Trouble::strange(reference, &error))?;
        let mut session = Session {
            http: http.map_err(|error| Trouble::untrusted(reference, &error))?,
            reference: reference.clone(),
            base,
            credentials,
            authorization: None,
            limits,
        };
        session.authorization = session.authorize(action).await?;
        Ok(session)
    }

    /// What belongs to the reference's name: `manifests/1.0`.
    pub(super) fn url(&self, path: &str) -> Result<Url, Trouble> {
        let path = format!("{}/{path}", self.reference.repository());
        self.base
            .join(&path)
            .map_err(|error| Trouble::strange(&self.reference, &error))
    }

    /// A request with what authorises it, where it goes to the registry itself.
    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let is_theirs = url.origin() == self.base.origin();
        let request = self.http.request(method, url);
        match &self.authorization {
            Some(authorization) if is_theirs => request.header(AUTHORIZATION, authorization),
            _ => request,
        }
    }

    /// The whole answer, of so many octets at most.
    pub(super) async fn ask(
        &self,
        request: RequestBuilder,
        what: &str,
        most: usize,
    ) -> Result<Vec<u8>, Trouble> {
        let answer = async {
            let mut response = self.send(request).await?;
            let status = response.status();
            if status != StatusCode::OK {
                return Err(Trouble::strange(&self.reference, &status));
            }
            match self.read(&mut response, most).await? {
                (body, true) => Ok(body),
                (_, false) => Err(Trouble::too_long(&self.reference, what, most)),
            }
        };
        self.in_time(answer).await
    }

    /// The answer's head; its body is still to come.
    pub(super) async fn open(&self, request: RequestBuilder) -> Result<Response, Trouble> {
        self.in_time(self.send(request)).await
    }

    /// What comes next of its body.
    pub(super) async fn piece(&self, response: &mut Response) -> Result<Option<Bytes>, Trouble> {
        let piece = async { response.chunk().await.map_err(|error| self.broken(&error)) };
        self.in_time(piece).await
    }

    /// The same as `open`, however long it takes.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Trouble> {
        let mut response = request.send().await.map_err(|error| self.broken(&error))?;
        let status = response.status();
        match status.is_success() {
            true => Ok(response),
            false => {
                // The status says enough where this cannot be read.
                let said = self.read(&mut response, ERROR).await;
                let (said, _) = said.unwrap_or_default();
                let known = self.credentials.is_some();
                Err(Trouble::answered(
                    &self.reference,
                    known,
                    status.as_u16(),
                    &said,
                ))
            }
        }
    }

    /// So many octets of a body at most, and whether that is all of it.
    async fn read(&self, response: &mut Response, most: usize) -> Result<(Vec<u8>, bool), Trouble> {
        let mut body = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| self.broken(&error))?
        {
            let room = most - body.len();
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.len() > room {
                return Ok((body, false));
            }
        }
        Ok((body, true))
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let limit = self.limits.idle;
        let answer = tokio::time::timeout(limit, answer).await;
        answer.unwrap_or_else(|_| Err(Trouble::silent(&self.reference, limit)))
    }

    /// What requests have to carry, where the registry wants anything.
    async fn authorize(&self, action: Action) -> Result<Option<HeaderValue>, Trouble> {
        let asked = async {
            let asked = self.http.get(self.base.clone()).send().await;
            asked.map_err(|error| self.broken(&error))
        };
        let asked = self.in_time(asked).await?;
        if !asked.headers().contains_key(WWW_AUTHENTICATE) {
            return Ok(None);
        }
        match Challenge::of(asked.headers()) {
            Some(challenge) => self.token(challenge, action).await.map(Some),
            None => Ok(self.credentials.as_ref().map(basic)),
        }
    }

    async fn token(&self, challenge: Challenge, action: Action) -> Result<HeaderValue, Trouble> {
        let Challenge { mut realm, service } = challenge;
        let scope = match action {
            Action::Pull => "pull",
            Action::Push => "pull,push",
        };
        let scope = format!("repository:{}:{scope}", self.reference.repository());
        realm.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = service {
            realm.query_pairs_mut().append_pair("service", &service);
        }
        let request = self.http.get(realm);
        let request = match &self.credentials {
            Some(credentials) => request.header(AUTHORIZATION, basic(credentials)),
            None => request,
        };
        let granted = self.ask(request, "its token", TOKEN).await?;
        let token = serde_json::from_slice(&granted).ok();
        let token = token.and_then(|granted: Granted| granted.token.or(granted.access_token));
        let bearer = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        bearer.ok_or_else(|| Trouble::strange(&self.reference, &"what it gives is not a token"))
    }

    fn broken(&self, error: &reqwest::Error) -> Trouble {
        Trouble::broken(&self.reference, error)
    }
}

// === impl Challenge ===

impl Challenge {
    /// RFC 6750, section 3. None where no token is wanted, but a password.
    fn of(fields: &HeaderMap) -> Option<Challenge> {
        let fields = fields.get_all(WWW_AUTHENTICATE).into_iter();
        let fields = fields.filter_map(|field| field.to_str().ok());
        let mut challenges = fields.flat_map(ChallengeParser::new).flatten();
        let is_bearer =
            |challenge: &ChallengeRef<'_>| challenge.scheme.eq_ignore_ascii_case("Bearer");
        let challenge = challenges.find(is_bearer)?;
        let parameter = |name: &str| {
            let mut all = challenge.params.iter();
            let found = all.find(|(found, _)| found.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        Some(Challenge {
            realm: Url::parse(&parameter("realm")?).ok()?,
            service: parameter("service"),
        })
    }
}

fn basic(Credentials { user, password }: &Credentials) -> HeaderValue {
    let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let mut value =
        HeaderValue::try_from(format!("Basic {pair}")).expect("base 64 is nothing but ASCII");
    value.set_sensitive(true);
    value
}
