//! One request to its answer: time-outs, redirects by hand, who gets the token, what a status means.

use std::io;
use std::time::SystemTime;

use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body};

use super::config::HubConfig;
use super::error::{HubError, Missing, Subject};
use super::retry::{Failure, RetryPolicy, retry_after};
use super::token::{Token, clean, leaks};
use super::url::Url;

/// Redirects followed before a chain counts as a loop.
const MOST_REDIRECTS: usize = 10;

/// How far to follow redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirects {
    /// Within the endpoint; one that leads elsewhere is itself the answer.
    WithinEndpoint,
    /// To wherever they lead.
    Anywhere,
}

/// An answer and where it came from in the end.
pub(super) struct Reply {
    response: Response<Body>,
    url: Url,
}

impl Reply {
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response
            .headers()
            .get(name)?
            .to_str()
            .ok()
            .map(str::trim)
    }

    pub(super) fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    pub(super) fn into_body(self) -> Body {
        self.response.into_body()
    }

    fn is_redirect(&self) -> bool {
        matches!(self.status(), 301 | 302 | 303 | 307 | 308)
    }
}

/// The connection to the hub.
#[derive(Debug)]
pub(super) struct Transport {
    agent: Agent,
    endpoint: Url,
    endpoint_text: String,
    token: Option<Token>,
    policy: RetryPolicy,
    stall_seconds: f64,
}

impl Transport {
    pub(super) fn new(config: &HubConfig) -> Result<Self, HubError> {
        let setting = |reason: &str| HubError::Setting {
            name: "HF_ENDPOINT",
            reason: reason.to_owned(),
        };
        let endpoint =
            Url::parse(&config.endpoint).map_err(|reason| setting(&format!("it is {reason}")))?;
        if endpoint.has_query() {
            return Err(setting("it has a query"));
        }
        let agent = Agent::config_builder()
            // Statuses are judged and redirects followed here, so that headers of both are seen and
            // the token goes nowhere by itself.
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("spanbench/", env!("CARGO_PKG_VERSION")))
            // A compressed body would have another length and another hash.
            .accept_encoding("identity")
            .timeout_resolve(Some(config.connect_timeout))
            .timeout_connect(Some(config.connect_timeout))
            .timeout_per_read(Some(config.read_timeout))
            .timeout_per_write(Some(config.read_timeout))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            endpoint_text: config.endpoint.trim_end_matches('/').to_owned(),
            endpoint,
            token: config.token.clone(),
            policy: RetryPolicy {
                attempts: config.attempts,
                backoff_base: config.backoff_base,
                backoff_max: config.backoff_max,
            },
            stall_seconds: config.read_timeout.as_secs_f64(),
        })
    }

    pub(super) fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The address of `path` (already percent-encoded) below the endpoint.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.endpoint_text)
    }

    /// Text from outside made fit for a message.
    pub(super) fn clean(&self, text: &str) -> String {
        clean(self.token.as_ref(), text)
    }

    /// Whether text from the server holds the token.
    pub(super) fn leaks(&self, text: &str) -> bool {
        leaks(self.token.as_ref(), text)
    }

    /// A [`HubError::BadResponse`].
    pub(super) fn bad_response(&self, subject: &Subject, reason: &str) -> HubError {
        HubError::BadResponse {
            subject: subject.boxed(),
            reason: self.clean(reason),
        }
    }

    /// Sends a request without a body, from byte `resume_from` on if given, and follows redirects.
    /// The answer has status 2xx, or 416 where a range was asked for, or is a redirect that leads
    /// away from the endpoint where those are not followed.
    pub(super) fn exchange(
        &self,
        subject: &Subject,
        method: &Method,
        address: &str,
        resume_from: Option<u64>,
        redirects: Redirects,
    ) -> Result<Reply, Failure> {
        let mut url = Url::parse(address).map_err(|reason| self.bad_response(subject, reason))?;
        for _ in 0..=MOST_REDIRECTS {
            let reply = self.send(subject, method, &url, resume_from)?;
            if !reply.is_redirect() {
                return self.judge(subject, reply, resume_from.is_some());
            }
            let next = reply
                .header("location")
                .ok_or("no Location")
                .and_then(|location| url.join(location));
            let next = next.map_err(|reason| {
                self.bad_response(
                    subject,
                    &format!("a redirect from {url} leads nowhere: {reason}"),
                )
            })?;
            if redirects == Redirects::WithinEndpoint && !next.same_origin(&self.endpoint) {
                return Ok(reply);
            }
            url = next;
        }
        let reason = format!("more than {MOST_REDIRECTS} redirects, the last to {url}");
        Err(self.bad_response(subject, &reason).into())
    }

    /// One request, one answer.
    fn send(
        &self,
        subject: &Subject,
        method: &Method,
        url: &Url,
        resume_from: Option<u64>,
    ) -> Result<Reply, Failure> {
        let mut request = Request::builder().method(method).uri(url.whole());
        if let Some(first) = resume_from {
            request = request.header("range", format!("bytes={first}-"));
        }
        // Only to the endpoint itself: a redirect's target, a CDN say, must not learn the token.
        if let Some(token) = &self.token
            && url.same_origin(&self.endpoint)
        {
            request = request.header("authorization", token.authorization());
        }
        let request = request
            .body(())
            .map_err(|_| self.bad_response(subject, "an address that no request can be made of"))?;
        let mut configured = self.agent.configure_request(request);
        if url.is_loopback() {
            configured = configured.proxy(None);
        }
        match self.agent.run(configured.build()) {
            Ok(response) => Ok(Reply {
                response,
                url: url.clone(),
            }),
            Err(error) => Err(self.failure(subject, url, &error)),
        }
    }

    /// What an interrupted body means.
    pub(super) fn body_failure(&self, subject: &Subject, url: &Url, error: io::Error) -> Failure {
        // The body's reader wraps the transport's errors; this unwraps them.
        self.failure(subject, url, &ureq::Error::from(error))
    }

    pub(super) fn failure(&self, subject: &Subject, url: &Url, error: &ureq::Error) -> Failure {
        let words = match error {
            ureq::Error::Timeout(ureq::Timeout::PerRead) => {
                format!("stalled: no bytes for {} s", self.stall_seconds)
            }
            ureq::Error::Timeout(phase) => format!("time-out: {phase}"),
            // Its own text may hold a whole address.
            ureq::Error::BadUri(_) => "an address that no request can be made of".to_owned(),
            ureq::Error::ConnectProxyFailed(_) => "the proxy refused the connection".to_owned(),
            other => other.to_string(),
        };
        let cause = self.clean(&format!("{words} ({url})"));
        let passing = match error {
            // rustls reports certificates it does not trust as invalid data.
            ureq::Error::Io(error) => !matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
            ),
            ureq::Error::Timeout(_)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::ConnectProxyFailed(_)
            | ureq::Error::Protocol(_) => true,
            _ => false,
        };
        if passing {
            Failure::Passing {
                cause,
                retry_after: None,
            }
        } else {
            Failure::Final(HubError::Connection {
                subject: subject.boxed(),
                cause,
            })
        }
    }

    /// Sorts statuses into good, passing and final. The bodies of the bad ones are never read.
    fn judge(&self, subject: &Subject, reply: Reply, ranged: bool) -> Result<Reply, Failure> {
        let status = reply.status();
        let elsewhere = !reply.url.same_origin(&self.endpoint);
        let detail = self.detail(&reply);
        match status {
            200..=299 => Ok(reply),
            416 if ranged => Ok(reply),
            408 | 425 | 429 | 500 | 502 | 503 | 504 => Err(Failure::Passing {
                cause: self.clean(&format!("HTTP {status} from {}{detail}", reply.url)),
                retry_after: reply
                    .header("retry-after")
                    .and_then(|value| retry_after(value, SystemTime::now())),
            }),
            // A storage host's refusal is most often a signature that ran out; the next attempt
            // starts at the hub and gets a new one.
            401 | 403 | 404 if elsewhere => Err(Failure::passing(self.clean(&format!(
                "HTTP {status} from {} (another host than HF_ENDPOINT, so HF_TOKEN is not sent there){detail}",
                reply.url
            )))),
            404 => Err(self.not_found(subject, &reply).into()),
            401 | 403 => Err(Failure::Final(HubError::Denied {
                subject: subject.boxed(),
                status,
                detail,
                token_set: self.token.is_some(),
                page: self.address(&format!("{}{}", subject.repo.kind().page_prefix(), subject.repo.id())),
            })),
            _ => Err(Failure::Final(HubError::UnexpectedStatus {
                subject: subject.boxed(),
                status,
                address: self.clean(&reply.url.to_string()),
                detail,
            })),
        }
    }

    fn not_found(&self, subject: &Subject, reply: &Reply) -> HubError {
        let missing = match (reply.header("x-error-code"), &subject.file) {
            (Some("RepoNotFound"), _) => Missing::Repository,
            (Some("RevisionNotFound"), _) => Missing::Revision,
            (Some("EntryNotFound"), _) | (None | Some(_), Some(_)) => Missing::File,
            (None | Some(_), None) => Missing::RepositoryOrRevision,
        };
        HubError::NotFound {
            subject: subject.boxed(),
            missing,
            token_set: self.token.is_some(),
        }
    }

    /// What the server says about its refusal, or nothing.
    fn detail(&self, reply: &Reply) -> String {
        let parts: Vec<String> = ["x-error-code", "x-error-message"]
            .iter()
            .filter_map(|name| reply.response.headers().get(*name))
            .map(|value| self.clean(&String::from_utf8_lossy(value.as_bytes())))
            .filter(|text| !text.is_empty())
            .collect();
        if parts.is_empty() {
            String::new()
        } else {
            format!(": {}", self.clean(&parts.join(": ")))
        }
    }
}
