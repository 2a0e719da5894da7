//! Where the hub is, where the cache lies, how patient to be: the Python library's variables.

use std::path::PathBuf;
use std::time::Duration;

use super::environment::Environment;
use super::error::HubError;
use super::token::Token;

/// Where to fetch from when nothing else is said.
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// The Python library's default for both of its time-outs.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts per request or file.
const DEFAULT_ATTEMPTS: u32 = 5;

/// How to reach the hub. Made by [`HubConfig::from_env`], or field by field in tests.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Scheme, host, port and perhaps a path: `https://huggingface.co`.
    pub endpoint: String,
    /// The folder that holds `models--owner--name` and its like.
    pub cache_dir: PathBuf,
    /// Sent to the endpoint and to nobody else.
    pub token: Option<Token>,
    /// Never open a connection: use what is cached or fail.
    pub offline: bool,
    /// Longest time for name lookup, and again for the connection with its TLS handshake.
    pub connect_timeout: Duration,
    /// A transfer in which no byte arrives for this long has stalled.
    pub read_timeout: Duration,
    /// How often to try each request or file, at least 1.
    pub attempts: u32,
    /// Pause after the first failure; doubles with each further one, less a jitter of up to half.
    pub backoff_base: Duration,
    /// Longest pause, also where the server asks for a longer one with `Retry-After`.
    pub backoff_max: Duration,
}

impl HubConfig {
    /// Reads the process environment; `offline_flag` is the command line's `--offline`.
    ///
    /// # Errors
    /// [`HubError::Setting`] for a value of no use, [`HubError::Token`] for a token that cannot be
    /// one, [`HubError::Io`] for a token file that exists but cannot be read.
    pub fn from_env(offline_flag: bool) -> Result<Self, HubError> {
        Self::from_lookup(offline_flag, &|name| {
            std::env::var(name).ok().or_else(|| {
                // Python asks the password database where HOME is not set; so does this.
                (name == "HOME")
                    .then(std::env::home_dir)
                    .flatten()
                    .map(|home| home.to_string_lossy().into_owned())
            })
        })
    }

    /// As [`HubConfig::from_env`], from any source of variables. An empty value counts as unset.
    ///
    /// Honours `HF_HOME`, `XDG_CACHE_HOME`, `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`,
    /// `HF_ENDPOINT`, `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, `HF_TOKEN_PATH`,
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN`, `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE`,
    /// `HF_HUB_ETAG_TIMEOUT` (seconds, for [`HubConfig::connect_timeout`]) and
    /// `HF_HUB_DOWNLOAD_TIMEOUT` (seconds, for [`HubConfig::read_timeout`]).
    ///
    /// # Errors
    /// As [`HubConfig::from_env`].
    pub fn from_lookup(
        offline_flag: bool,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, HubError> {
        let environment = Environment { lookup };
        let home = environment.hub_home()?;
        let cache_dir = environment
            .path("HF_HUB_CACHE")
            .or_else(|| environment.path("HUGGINGFACE_HUB_CACHE"))
            .unwrap_or_else(|| home.join("hub"));
        let endpoint = environment
            .get("HF_ENDPOINT")
            .unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        let offline = offline_flag
            || environment.is_true("HF_HUB_OFFLINE")
            || environment.is_true("TRANSFORMERS_OFFLINE");
        // Offline nothing is sent, so a broken token must not stand in the way.
        let token = if offline || environment.is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            None
        } else {
            environment.token(&home)?
        };
        Ok(Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache_dir,
            token,
            offline,
            connect_timeout: environment
                .seconds("HF_HUB_ETAG_TIMEOUT")?
                .unwrap_or(DEFAULT_TIMEOUT),
            read_timeout: environment
                .seconds("HF_HUB_DOWNLOAD_TIMEOUT")?
                .unwrap_or(DEFAULT_TIMEOUT),
            attempts: DEFAULT_ATTEMPTS,
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_mins(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(offline: bool, variables: &[(&str, &str)]) -> Result<HubConfig, HubError> {
        HubConfig::from_lookup(offline, &|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn cache_folder_follows_python() {
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[("HOME", "/h")], "/h/.cache/huggingface/hub"),
            (
                &[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")],
                "/x/huggingface/hub",
            ),
            (
                &[
                    ("HOME", "/h"),
                    ("XDG_CACHE_HOME", "/x"),
                    ("HF_HOME", "~/hf"),
                ],
                "/h/hf/hub",
            ),
            (
                &[
                    ("HOME", "/h"),
                    ("HF_HOME", "/y"),
                    ("HUGGINGFACE_HUB_CACHE", "/old"),
                ],
                "/old",
            ),
            (
                &[
                    ("HOME", "/h"),
                    ("HUGGINGFACE_HUB_CACHE", "/old"),
                    ("HF_HUB_CACHE", "~"),
                ],
                "/h",
            ),
            (
                &[
                    ("HOME", "/h"),
                    ("HF_HUB_CACHE", "$D/${E}/$NO/x"),
                    ("D", "/d"),
                    ("E", "e"),
                ],
                "/d/e/$NO/x",
            ),
            (&[("HOME", "/h"), ("HF_HOME", "~other/hf")], "~other/hf/hub"),
            (
                &[("HOME", "/h"), ("HF_HOME", "")],
                "/h/.cache/huggingface/hub",
            ),
        ];
        for (variables, expected) in cases {
            let got = config(false, variables).unwrap().cache_dir;
            assert_eq!(got, Path::new(expected), "{variables:?}");
        }
        assert!(matches!(
            config(false, &[]),
            Err(HubError::Setting { name: "HOME", .. })
        ));
    }

    #[test]
    fn offline_endpoint_and_timeouts() {
        for word in ["1", "true", "YES", "On"] {
            assert!(
                config(false, &[("HOME", "/h"), ("HF_HUB_OFFLINE", word)])
                    .unwrap()
                    .offline
            );
            assert!(
                config(false, &[("HOME", "/h"), ("TRANSFORMERS_OFFLINE", word)])
                    .unwrap()
                    .offline
            );
        }
        for word in ["0", "false", "no", ""] {
            assert!(
                !config(false, &[("HOME", "/h"), ("HF_HUB_OFFLINE", word)])
                    .unwrap()
                    .offline
            );
        }
        assert!(config(true, &[("HOME", "/h")]).unwrap().offline);
        let got = config(
            false,
            &[
                ("HOME", "/h"),
                ("HF_ENDPOINT", "https://mirror.example/hf/"),
                ("HF_HUB_DOWNLOAD_TIMEOUT", "30"),
                ("HF_HUB_ETAG_TIMEOUT", "2.5"),
            ],
        )
        .unwrap();
        assert_eq!(got.endpoint, "https://mirror.example/hf");
        assert_eq!(
            (got.read_timeout, got.connect_timeout),
            (Duration::from_secs(30), Duration::from_millis(2500))
        );
        for bad in ["0", "-1", "soon", "inf", "NaN"] {
            let error =
                config(false, &[("HOME", "/h"), ("HF_HUB_DOWNLOAD_TIMEOUT", bad)]).unwrap_err();
            assert!(
                error.to_string().contains("HF_HUB_DOWNLOAD_TIMEOUT"),
                "{error}"
            );
        }
    }

    #[test]
    fn token_sources_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let other = folder.path().join("other-token");
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        std::fs::write(&other, "hf_other").unwrap();
        let read = |variables: &[(&str, &str)]| {
            let variables = [&[("HF_HOME", home)], variables].concat();
            config(false, &variables).map(|config| config.token.map(|token| token.authorization()))
        };
        assert_eq!(read(&[]).unwrap().as_deref(), Some("Bearer hf_file"));
        assert_eq!(
            read(&[("HF_TOKEN", " hf_a ")]).unwrap().as_deref(),
            Some("Bearer hf_a")
        );
        assert_eq!(
            read(&[("HUGGING_FACE_HUB_TOKEN", "hf_b")])
                .unwrap()
                .as_deref(),
            Some("Bearer hf_b")
        );
        let path = other.to_str().unwrap();
        assert_eq!(
            read(&[("HF_TOKEN_PATH", path)]).unwrap().as_deref(),
            Some("Bearer hf_other")
        );
        assert_eq!(
            read(&[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"), ("HF_TOKEN", "hf_a")]).unwrap(),
            None
        );
        assert!(matches!(
            read(&[("HF_TOKEN", "hf_\u{7}a")]),
            Err(HubError::Token)
        ));
        assert!(
            matches!(read(&[("HF_TOKEN_PATH", home)]), Err(HubError::Io { .. })),
            "a folder is no token file"
        );
    }
}
