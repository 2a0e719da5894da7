//! The little of URLs that following redirects by hand needs.

use std::fmt;

use ureq::http::Uri;

/// An absolute http or https address. `Display` leaves the query out: a CDN's is a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    secure: bool,
    host: String,
    port: u16,
    path: String,
    query: Option<String>,
}

impl Url {
    /// Reads an absolute address; the error says what is wrong without repeating it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "not a well-formed address")?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("an address that starts with neither http:// nor https://"),
        };
        let authority = uri.authority().ok_or("an address without a host")?;
        if authority.as_str().contains('@') {
            return Err("an address with a user name or password in it");
        }
        if authority.host().is_empty() {
            return Err("an address without a host");
        }
        Ok(Self {
            secure,
            host: authority.host().to_ascii_lowercase(),
            port: authority
                .port_u16()
                .unwrap_or(if secure { 443 } else { 80 }),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
        })
    }

    /// The address a `Location` header means when it came from this one.
    pub(super) fn join(&self, location: &str) -> Result<Self, &'static str> {
        let absolute = if location.contains("://") && !location.starts_with('/') {
            location.to_owned()
        } else if let Some(rest) = location.strip_prefix("//") {
            format!("{}://{rest}", self.scheme())
        } else if location.starts_with('/') {
            format!("{}{location}", self.origin())
        } else {
            // Relative to the folder of this address; `.` and `..` are left for the server.
            let folder = self
                .path
                .rfind('/')
                .map_or("/", |slash| &self.path[..=slash]);
            format!("{}{folder}{location}", self.origin())
        };
        Self::parse(&absolute)
    }

    /// Whether scheme, host and port are the same: the token may go there.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure && self.host == other.host && self.port == other.port
    }

    /// Whether it is this very machine, which no proxy can reach.
    pub(super) fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost"
            || bare
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// Whether there is a query, which an endpoint must not have.
    pub(super) fn has_query(&self) -> bool {
        self.query.is_some()
    }

    /// Scheme, host and port: what `HF_ENDPOINT` would hold.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}:{}", self.scheme(), self.host, self.port)
    }

    /// The whole address, for the request itself.
    pub(super) fn whole(&self) -> String {
        match &self.query {
            Some(query) => format!("{self}?{query}"),
            None => self.to_string(),
        }
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme(), self.host)?;
        if self.port != if self.secure { 443 } else { 80 } {
            write!(formatter, ":{}", self.port)?;
        }
        formatter.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_as_browsers_do() {
        let base = Url::parse("https://Hub.example/a/resolve/x?y=1").unwrap();
        for (location, expected) in [
            ("/api/z?k=v", "https://hub.example/api/z?k=v"),
            ("//cdn.example:8443/z", "https://cdn.example:8443/z"),
            (
                "http://cdn.example/z?u=http://q",
                "http://cdn.example/z?u=http://q",
            ),
            ("w", "https://hub.example/a/resolve/w"),
        ] {
            assert_eq!(base.join(location).unwrap().whole(), expected, "{location}");
        }
        assert!(base.join("ftp://x/y").is_err());
        assert!(base.join("https://user:password@x/y").is_err());
        assert!(
            !base
                .join("/z?signature=s")
                .unwrap()
                .to_string()
                .contains("signature")
        );
    }

    #[test]
    fn origins_differ_by_scheme_host_and_port() {
        let hub = Url::parse("https://hub.example/x").unwrap();
        assert!(hub.same_origin(&Url::parse("https://HUB.example:443/y").unwrap()));
        for other in [
            "http://hub.example/x",
            "https://hub.example:444/x",
            "https://hub.example.evil/x",
        ] {
            assert!(!hub.same_origin(&Url::parse(other).unwrap()), "{other}");
        }
    }
}
