//! A scripted hub, a cache in a temporary folder and a client between them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use spanbench::hub::{Hub, HubConfig, HubError, HubFile, Progress, RepoRef, Snapshot, Token};

use crate::hub_server::{HubServer, Reply, git_sha1, sha256};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const SECRET: &str = "hf_TheSecretToken42";
pub const ID: &str = "owner/name";
pub const WEIGHTS: &str = "model.safetensors";
pub const SLOW: Duration = Duration::from_secs(3);

/// Remembers what it is told.
#[derive(Default)]
pub struct Recorder {
    pub notes: Mutex<Vec<String>>,
    /// Already there, advanced since, for each transfer.
    pub transfers: Mutex<Vec<(u64, u64)>>,
    ended: Mutex<usize>,
}

impl Progress for Recorder {
    fn begin(&self, _file: &str, _total_bytes: Option<u64>, already_bytes: u64) {
        self.transfers.lock().unwrap().push((already_bytes, 0));
    }
    fn advance(&self, bytes: u64) {
        self.transfers
            .lock()
            .unwrap()
            .last_mut()
            .expect("advance comes after begin")
            .1 += bytes;
    }
    fn end(&self) {
        *self.ended.lock().unwrap() += 1;
    }
    fn note(&self, message: &str) {
        self.notes.lock().unwrap().push(message.to_owned());
    }
}

impl Recorder {
    pub fn notes(&self) -> String {
        self.notes.lock().unwrap().join("\n")
    }
}

/// A server, a cache and a client's configuration.
pub struct House {
    pub server: HubServer,
    pub folder: tempfile::TempDir,
    pub config: HubConfig,
    pub progress: Recorder,
}

impl House {
    pub fn new() -> Self {
        let server = HubServer::start();
        let folder = tempfile::tempdir().unwrap();
        let config = HubConfig {
            endpoint: server.url(),
            cache_dir: folder.path().join("hub"),
            token: None,
            offline: false,
            connect_timeout: SLOW,
            read_timeout: SLOW,
            attempts: 3,
            backoff_base: Duration::from_millis(4),
            backoff_max: Duration::from_millis(20),
        };
        Self {
            server,
            folder,
            config,
            progress: Recorder::default(),
        }
    }

    /// A house whose hub has these files on `main`.
    pub fn with(files: &[(&str, &[u8])]) -> Self {
        let house = Self::new();
        house.publish("main", files);
        house
    }

    pub fn with_token(mut self) -> Self {
        self.config.token = Token::parse(SECRET).unwrap();
        self
    }

    pub fn offline(mut self) -> Self {
        self.config.offline = true;
        self
    }

    pub fn publish(&self, revision: &str, files: &[(&str, &[u8])]) {
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        self.list(revision, &names);
        for (name, content) in files {
            self.head(name, content);
            self.get(name, vec![Reply::good(content)]);
        }
    }

    pub fn list(&self, revision: &str, names: &[&str]) {
        let siblings: Vec<_> = names
            .iter()
            .map(|name| serde_json::json!({ "rfilename": name }))
            .collect();
        let json = serde_json::json!({ "id": ID, "sha": COMMIT, "siblings": siblings }).to_string();
        self.api(revision, vec![Reply::good(json.as_bytes())]);
    }

    pub fn api(&self, revision: &str, replies: Vec<Reply>) {
        self.server.on(
            "GET",
            &format!("/api/models/{ID}/revision/{revision}"),
            replies,
        );
    }

    /// Weights have the SHA-256 as etag, other files git's SHA-1, as on the hub.
    pub fn head(&self, name: &str, content: &[u8]) {
        let reply = Reply::good(content).header("X-Repo-Commit", COMMIT);
        let reply = if name.ends_with("safetensors") {
            let size = content.len().to_string();
            let linked = format!("\"{}\"", sha256(content));
            reply
                .header("X-Linked-Etag", &linked)
                .header("X-Linked-Size", &size)
                .header("ETag", "\"other\"")
        } else {
            reply.header("ETag", &format!("W/\"{}\"", git_sha1(content)))
        };
        self.server.on("HEAD", &resolve(name), vec![reply]);
    }

    pub fn get(&self, name: &str, replies: Vec<Reply>) {
        self.server.on("GET", &resolve(name), replies);
    }

    pub fn pull_at(&self, reference: &str, wanted: &[&str]) -> Result<Snapshot, HubError> {
        let repo = RepoRef::parse_model(reference).unwrap();
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        Hub::new(self.config.clone())?.snapshot(&repo, &|_| Ok(wanted.clone()), &self.progress)
    }

    pub fn pull(&self, wanted: &[&str]) -> Result<Snapshot, HubError> {
        self.pull_at(ID, wanted)
    }

    /// Pulls one file and checks what lies there.
    pub fn pull_good(&self, name: &str, content: &[u8]) -> HubFile {
        let snapshot = self.pull(&[name]).unwrap();
        let file = snapshot.files[0].clone();
        assert_eq!(fs::read(&file.path).unwrap(), content);
        assert_eq!(file.path, snapshot.directory.join(name));
        assert_eq!(
            (file.bytes, file.sha256.as_str()),
            (content.len() as u64, sha256(content).as_str())
        );
        let transfers = self.progress.transfers.lock().unwrap().len();
        assert_eq!(
            *self.progress.ended.lock().unwrap(),
            transfers,
            "each begin has its end"
        );
        file
    }

    pub fn fail(&self, wanted: &[&str]) -> (HubError, String) {
        let error = self.pull(wanted).expect_err("the pull should have failed");
        let text = error.to_string();
        assert!(!text.contains('\n'), "one line: {text}");
        (error, text)
    }

    pub fn repo_folder(&self) -> PathBuf {
        self.config.cache_dir.join("models--owner--name")
    }

    pub fn blob(&self, etag: &str) -> PathBuf {
        self.repo_folder().join("blobs").join(etag)
    }

    /// Every file and link below the cache, locks aside.
    pub fn cached(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.config.cache_dir, &self.config.cache_dir, &mut found);
        found.retain(|path| !path.starts_with(".locks"));
        found.sort();
        found
    }

    pub fn assert_nothing_cached(&self) {
        assert_eq!(self.cached(), Vec::<String>::new());
    }
}

pub fn resolve(name: &str) -> String {
    format!("/{ID}/resolve/{COMMIT}/{name}")
}

pub fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            walk(root, &entry.path(), found);
        } else {
            found.push(
                entry
                    .path()
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
}

/// Content too long for one read, and different at every place.
pub fn content() -> Vec<u8> {
    (0..300_000_u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

pub fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing from: {text}");
    }
}
