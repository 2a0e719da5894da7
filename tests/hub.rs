//! The hub client against a scripted hub on the loopback interface: no network, no weights.

#[path = "support/hub_house.rs"]
mod hub_house;
#[path = "support/hub_server.rs"]
mod hub_server;

use std::fs;
use std::path::Path;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hub_house::{COMMIT, House, ID, SECRET, SLOW, WEIGHTS, assert_contains, content, resolve};
use hub_server::{HubServer, Reply, git_sha1, sha256};
use spanbench::hub::{Hub, HubError, Missing, RepoRef, Verification};

#[test]
fn layout_is_the_one_the_python_library_reads() {
    let weights = content();
    let house = House::with(&[
        (WEIGHTS, &weights),
        ("config.json", b"{}"),
        ("onnx/deep/vocab.txt", b"a\nb\n"),
    ]);
    let snapshot = house
        .pull(&[WEIGHTS, "config.json", "onnx/deep/vocab.txt"])
        .unwrap();
    assert_eq!(snapshot.commit, COMMIT);
    assert_eq!(
        snapshot.directory,
        house.repo_folder().join("snapshots").join(COMMIT)
    );
    let verified: Vec<_> = snapshot
        .files
        .iter()
        .map(|file| (file.verified_by, file.from_cache))
        .collect();
    let git = (Verification::GitBlobSha1, false);
    assert_eq!(verified, [(Verification::Sha256, false), git, git]);
    let (big, small, deep) = (sha256(&weights), git_sha1(b"{}"), git_sha1(b"a\nb\n"));
    let links = [
        (WEIGHTS, format!("../../blobs/{big}")),
        ("config.json", format!("../../blobs/{small}")),
        ("onnx/deep/vocab.txt", format!("../../../../blobs/{deep}")),
    ];
    for (name, target) in links {
        let link = fs::read_link(snapshot.directory.join(name)).unwrap();
        assert_eq!(link.to_str().unwrap(), target);
    }
    assert_eq!(
        fs::read(house.repo_folder().join("refs/main")).unwrap(),
        COMMIT.as_bytes()
    );
    assert!(
        house
            .config
            .cache_dir
            .join(format!(".locks/models--owner--name/{big}.lock"))
            .exists()
    );
    let mut blobs = vec![big, small, deep]
        .into_iter()
        .map(|etag| format!("models--owner--name/blobs/{etag}"));
    let cached = house.cached();
    assert!(blobs.all(|blob| cached.contains(&blob)));
    assert_eq!(
        cached.len(),
        3 + 3 + 1,
        "blobs, links, reference and nothing else: {cached:?}"
    );
    assert_eq!(
        fs::read(snapshot.directory.join("onnx/deep/vocab.txt")).unwrap(),
        b"a\nb\n"
    );
}

#[cfg(unix)]
#[test]
fn written_files_have_the_rights_the_umask_leaves() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::with(&[("config.json", b"{}")]);
    house.pull_good("config.json", b"{}");
    let plain = house.folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&house.repo_folder().join("refs/main")), mode(&plain));
    assert_eq!(mode(&house.blob(&git_sha1(b"{}"))), mode(&plain));
}

#[test]
fn requests_say_who_asks_and_for_plain_bytes() {
    let house = House::with(&[("config.json", b"{}")]).with_token();
    house.pull_good("config.json", b"{}");
    assert_eq!(house.server.requests().len(), 3);
    for request in house.server.requests() {
        let agent = concat!("spanbench/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(agent));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert_eq!(
            request.header("authorization"),
            Some(format!("Bearer {SECRET}").as_str())
        );
    }
    // A second pull checks the file on disk and asks for nothing but the commit.
    house.server.forget_requests();
    assert!(house.pull_good("config.json", b"{}").from_cache);
    assert_eq!(house.server.requests().len(), 1);
}

#[test]
fn not_found_names_repository_revision_or_file() {
    let house = House::new();
    let (error, text) = house.fail(&["config.json"]);
    assert!(matches!(
        error,
        HubError::NotFound {
            missing: Missing::RepositoryOrRevision,
            ..
        }
    ));
    assert_contains(&text, &[ID, "main", "private", "HF_TOKEN", "not set"]);
    house.api(
        "main",
        vec![Reply::status(404).header("X-Error-Code", "RepoNotFound")],
    );
    assert!(matches!(
        house.fail(&[]).0,
        HubError::NotFound {
            missing: Missing::Repository,
            ..
        }
    ));
    house.api(
        "main",
        vec![Reply::status(404).header("X-Error-Code", "RevisionNotFound")],
    );
    assert!(matches!(
        house.fail(&[]).0,
        HubError::NotFound {
            missing: Missing::Revision,
            ..
        }
    ));
    house.list("main", &["config.json"]);
    let (error, text) = house.fail(&["config.json"]);
    assert!(matches!(
        error,
        HubError::NotFound {
            missing: Missing::File,
            ..
        }
    ));
    assert_contains(&text, &[ID, "config.json", "not found"]);
    // Selected, but not listed: no request is needed to know.
    let (error, text) = house.fail(&["absent.json"]);
    assert!(matches!(
        error,
        HubError::NotFound {
            missing: Missing::File,
            ..
        }
    ));
    assert_contains(&text, &["absent.json"]);
    assert!(house.server.matching("HEAD", "absent").is_empty());
    house.assert_nothing_cached();
}

#[test]
fn denied_says_what_to_do_about_the_token() {
    let house = House::with(&[(WEIGHTS, b"weights")]);
    house.api("main", vec![Reply::status(401).body(b"secret page")]);
    let (error, text) = house.fail(&[WEIGHTS]);
    assert!(matches!(
        error,
        HubError::Denied {
            status: 401,
            token_set: false,
            ..
        }
    ));
    assert_contains(&text, &[ID, "HF_TOKEN is not set", "401"]);
    let house = House::with(&[(WEIGHTS, b"weights")]).with_token();
    let message = format!("Access\tis\u{202E} restricted {}", "!".repeat(400));
    let gated = Reply::status(403)
        .header("X-Error-Code", "GatedRepo")
        .header("X-Error-Message", &message);
    house.server.on("HEAD", &resolve(WEIGHTS), vec![gated]);
    let (error, text) = house.fail(&[WEIGHTS]);
    assert!(matches!(
        error,
        HubError::Denied {
            status: 403,
            token_set: true,
            ..
        }
    ));
    let page = format!("{}/{ID}", house.server.url());
    assert_contains(
        &text,
        &[
            "HF_TOKEN is set",
            WEIGHTS,
            "GatedRepo",
            "Access is restricted",
            "accept the terms",
            &page,
        ],
    );
    assert!(
        !text.contains(&"!".repeat(200)),
        "a server's message is shortened: {text}"
    );
    house.assert_nothing_cached();
}

#[test]
fn error_bodies_are_never_cached() {
    for status in [400, 403, 404, 429, 500] {
        let house = House::with(&[("config.json", b"{}")]);
        house.get(
            "config.json",
            vec![Reply::status(status).body(b"an error page")],
        );
        house.fail(&["config.json"]);
        house.assert_nothing_cached();
    }
}

#[test]
fn too_many_requests_waits_as_long_as_asked() {
    let mut house = House::with(&[("config.json", b"{}")]);
    house.config.backoff_max = Duration::from_secs(2);
    house.get(
        "config.json",
        vec![
            Reply::status(429).header("Retry-After", "1"),
            Reply::good(b"{}"),
        ],
    );
    let start = Instant::now();
    house.pull_good("config.json", b"{}");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_contains(
        &house.progress.notes(),
        &["retrying in 1.0 s", "HTTP 429", "config.json", ID],
    );
}

#[test]
fn retry_after_is_capped() {
    let house = House::with(&[("config.json", b"{}")]);
    house.get(
        "config.json",
        vec![
            Reply::status(429).header("Retry-After", "3600"),
            Reply::good(b"{}"),
        ],
    );
    let start = Instant::now();
    house.pull_good("config.json", b"{}");
    assert!(start.elapsed() < SLOW, "{:?}", start.elapsed());
}

#[test]
fn server_errors_are_tried_again_everywhere() {
    let house = House::with(&[("config.json", b"{}")]);
    let listing =
        serde_json::json!({ "sha": COMMIT, "siblings": [{ "rfilename": "config.json" }] })
            .to_string();
    house.api(
        "main",
        vec![
            Reply::status(500),
            Reply::status(503),
            Reply::good(listing.as_bytes()),
        ],
    );
    house.get(
        "config.json",
        vec![Reply::status(502), Reply::status(504), Reply::good(b"{}")],
    );
    house.pull_good("config.json", b"{}");
    assert_eq!(house.progress.notes.lock().unwrap().len(), 4);
}

#[test]
fn gives_up_after_the_attempts() {
    let house = House::with(&[("config.json", b"{}")]);
    house.get("config.json", vec![Reply::status(503)]);
    let (error, text) = house.fail(&["config.json"]);
    assert!(matches!(error, HubError::GaveUp { attempts: 3, .. }));
    assert_contains(&text, &[ID, "config.json", "3 attempts", "HTTP 503"]);
    assert_eq!(house.server.matching("GET", "config.json").len(), 3);
}

#[test]
fn nobody_listening_fails_in_bounded_time() {
    let mut house = House::new();
    house.config.endpoint = "http://127.0.0.1:1".to_owned();
    let start = Instant::now();
    let (error, _) = house.fail(&["config.json"]);
    assert!(matches!(error, HubError::GaveUp { .. }), "{error}");
    assert!(start.elapsed() < SLOW);
}

#[test]
fn a_cut_body_is_resumed() {
    let weights = content();
    let house = House::with(&[(WEIGHTS, &weights)]);
    house.get(
        WEIGHTS,
        vec![
            Reply::good(&weights).cut_after(500_000),
            Reply::good(&weights),
        ],
    );
    house.pull_good(WEIGHTS, &weights);
    let requests = house.server.matching("GET", WEIGHTS);
    assert_eq!(requests.len(), 2);
    let resumed_at = house.progress.transfers.lock().unwrap()[1].0;
    assert!(resumed_at > 0 && resumed_at <= 500_000, "{resumed_at}");
    assert_eq!(
        requests[1].header("range"),
        Some(format!("bytes={resumed_at}-").as_str())
    );
}

#[test]
fn a_body_always_cut_is_an_error_and_no_file() {
    let weights = content();
    let house = House::with(&[(WEIGHTS, &weights)]);
    house.get(
        WEIGHTS,
        vec![Reply::good(&weights).ignoring_ranges().cut_after(1000)],
    );
    let (error, text) = house.fail(&[WEIGHTS]);
    assert!(matches!(error, HubError::GaveUp { .. }));
    assert_contains(&text, &[ID, WEIGHTS]);
    // Only what the next run resumes from may be there.
    let partial = format!("models--owner--name/blobs/{}.incomplete", sha256(&weights));
    assert!(
        house.cached().iter().all(|path| *path == partial),
        "{:?}",
        house.cached()
    );
}

#[test]
fn a_transfer_that_gets_on_outlives_the_attempts() {
    // Six megabytes, cut after each 1.2: more failures than attempts, but each brings headway.
    let weights: Vec<u8> = content().iter().cycle().take(6_000_000).copied().collect();
    let house = House::with(&[(WEIGHTS, &weights)]);
    let cut = Reply::good(&weights).cut_after(1_200_000);
    house.get(WEIGHTS, vec![cut]);
    house.pull_good(WEIGHTS, &weights);
    assert!(house.server.matching("GET", WEIGHTS).len() > house.config.attempts as usize);
}

#[test]
fn a_body_shorter_than_the_hub_announced_is_refused() {
    let weights = content();
    let house = House::with(&[(WEIGHTS, &weights)]);
    // Whole by its own Content-Length, so no transport would complain.
    house.get(WEIGHTS, vec![Reply::good(&weights[..1000])]);
    let (error, text) = house.fail(&[WEIGHTS]);
    assert!(matches!(error, HubError::Corrupt { .. }));
    assert_contains(&text, &[ID, WEIGHTS, "1200000 bytes", "1000 bytes"]);
    house.assert_nothing_cached();
}

#[test]
fn a_wrong_hash_is_fetched_once_more() {
    let (right, wrong) = (content(), vec![7; 1_200_000]);
    for name in [WEIGHTS, "vocab.txt"] {
        let house = House::with(&[(name, &right)]);
        house.get(name, vec![Reply::good(&wrong), Reply::good(&right)]);
        house.pull_good(name, &right);
        assert_contains(&house.progress.notes(), &[name, "damaged", "once more"]);
        assert_eq!(house.server.matching("GET", name)[1].header("range"), None);
    }
}

#[test]
fn a_hash_wrong_twice_is_an_error_and_nothing_stays() {
    let (right, wrong) = (content(), vec![7; 1_200_000]);
    for name in [WEIGHTS, "vocab.txt"] {
        let house = House::with(&[(name, &right)]);
        house.get(name, vec![Reply::good(&wrong)]);
        let (error, text) = house.fail(&[name]);
        assert!(matches!(error, HubError::Corrupt { .. }));
        let hash = if name == WEIGHTS {
            [sha256(&right), sha256(&wrong)]
        } else {
            [git_sha1(&right), git_sha1(&wrong)]
        };
        assert_contains(&text, &[ID, name, &hash[0], &hash[1]]);
        assert_eq!(house.server.matching("GET", name).len(), 2);
        house.assert_nothing_cached();
    }
}

#[test]
fn a_stall_is_noticed_and_resumed() {
    let weights = content();
    let mut house = House::with(&[(WEIGHTS, &weights)]);
    house.config.read_timeout = Duration::from_millis(300);
    house.get(
        WEIGHTS,
        vec![
            Reply::good(&weights).stall_after(400_000, SLOW),
            Reply::good(&weights),
        ],
    );
    let start = Instant::now();
    house.pull_good(WEIGHTS, &weights);
    assert!(
        start.elapsed() < SLOW,
        "waited for the server: {:?}",
        start.elapsed()
    );
    assert_contains(&house.progress.notes(), &["stalled: no bytes for 0.3 s"]);
    assert!(
        house.server.matching("GET", WEIGHTS)[1]
            .header("range")
            .is_some()
    );
}

#[test]
fn a_server_that_never_answers_fails_in_bounded_time() {
    let mut house = House::with(&[("config.json", b"{}")]);
    house.config.read_timeout = Duration::from_millis(200);
    house.api("main", vec![Reply::status(200).after(SLOW)]);
    let start = Instant::now();
    let (error, text) = house.fail(&["config.json"]);
    assert!(matches!(error, HubError::GaveUp { attempts: 3, .. }));
    assert_contains(&text, &["stalled"]);
    assert!(start.elapsed() < SLOW, "{:?}", start.elapsed());
}

#[test]
fn another_host_gets_no_token() {
    let weights = content();
    let house = House::with(&[(WEIGHTS, &weights)]).with_token();
    let storage = HubServer::start();
    storage.on(
        "GET",
        "/bucket/blob?signature=abc",
        vec![Reply::good(&weights).cut_after(9000), Reply::good(&weights)],
    );
    // As the real hub: a relative redirect within it, then one to the storage.
    let moved = Reply::redirect(307, "/moved/weights?x=1");
    let away = Reply::redirect(302, &format!("{}/bucket/blob?signature=abc", storage.url()))
        .header("X-Repo-Commit", COMMIT)
        .header("X-Linked-Etag", &format!("\"{}\"", sha256(&weights)))
        .header("X-Linked-Size", &weights.len().to_string());
    for method in ["HEAD", "GET"] {
        house
            .server
            .on(method, &resolve(WEIGHTS), vec![moved.clone()]);
        house
            .server
            .on(method, "/moved/weights?x=1", vec![away.clone()]);
    }
    house.pull_good(WEIGHTS, &weights);
    assert!(
        storage.matching("HEAD", "").is_empty(),
        "the etag comes from the hub alone"
    );
    let requests = storage.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].header("range").is_some());
    for request in &requests {
        assert_eq!(request.header("authorization"), None);
    }
    for request in house.server.requests() {
        assert!(
            request.header("authorization").is_some(),
            "{}",
            request.target
        );
    }
}

#[test]
fn a_signature_that_ran_out_is_renewed_and_not_printed() {
    let house = House::with(&[(WEIGHTS, b"weights")]);
    let storage = HubServer::start();
    storage.on("GET", "/old?signature=abc", vec![Reply::status(403)]);
    storage.on("GET", "/new?signature=def", vec![Reply::good(b"weights")]);
    let to = |target: &str| Reply::redirect(302, &format!("{}{target}", storage.url()));
    house.get(
        WEIGHTS,
        vec![to("/old?signature=abc"), to("/new?signature=def")],
    );
    house.pull_good(WEIGHTS, b"weights");
    let notes = house.progress.notes();
    assert_contains(&notes, &["HTTP 403", "/old"]);
    assert!(!notes.contains("signature"), "{notes}");
}

#[test]
fn redirect_loops_end() {
    let house = House::with(&[("config.json", b"{}")]);
    house.get(
        "config.json",
        vec![Reply::redirect(302, &resolve("config.json"))],
    );
    let (error, text) = house.fail(&["config.json"]);
    assert!(matches!(error, HubError::BadResponse { .. }));
    assert_contains(&text, &["redirects", "config.json"]);
    assert_eq!(house.server.matching("GET", "resolve").len(), 11);
}

#[test]
fn a_partial_file_is_continued() {
    let weights = content();
    let house = House::with(&[(WEIGHTS, &weights)]);
    let partial = house.blob(&format!("{}.incomplete", sha256(&weights)));
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    fs::write(&partial, &weights[..700_000]).unwrap();
    house.pull_good(WEIGHTS, &weights);
    assert_eq!(
        house.server.matching("GET", WEIGHTS)[0].header("range"),
        Some("bytes=700000-")
    );
    assert_eq!(
        *house.progress.transfers.lock().unwrap(),
        [(700_000, 500_000)]
    );
    assert!(!partial.exists());
}

#[test]
fn a_partial_file_of_no_use_is_replaced() {
    let weights = content();
    let too_long = [&weights[..], b"tail"].concat();
    let (start, rotten) = (&weights[..1000], vec![7; 700_000]);
    let ignoring = Reply::good(&weights).ignoring_ranges();
    let ranges = Reply::good(&weights);
    let lying = ignoring.clone().header("Content-Range", "bytes 5-9/10");
    let refusing = Reply::status(416);
    let cases: [(&[u8], Vec<Reply>, &str); 6] = [
        (start, vec![ignoring.clone()], ""),
        (&rotten, vec![ignoring.clone()], ""),
        (&rotten, vec![ranges.clone()], "once more from the start"),
        (&too_long, vec![ranges], "longer than the file"),
        (start, vec![refusing, ignoring.clone()], "no such rest"),
        (
            start,
            vec![lying.with_status(206), ignoring],
            "another place",
        ),
    ];
    for (partial, replies, note) in cases {
        let house = House::with(&[(WEIGHTS, &weights)]);
        let path = house.blob(&format!("{}.incomplete", sha256(&weights)));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, partial).unwrap();
        house.get(WEIGHTS, replies);
        house.pull_good(WEIGHTS, &weights);
        assert_contains(&house.progress.notes(), &[note]);
    }
}

#[test]
fn a_whole_partial_file_needs_no_download() {
    let house = House::with(&[(WEIGHTS, b"weights")]);
    let path = house.blob(&format!("{}.incomplete", sha256(b"weights")));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"weights").unwrap();
    house.pull_good(WEIGHTS, b"weights");
    assert!(house.server.matching("GET", WEIGHTS).is_empty());
}

#[test]
fn offline_uses_the_cache_and_opens_no_connection() {
    let house = House::with(&[(WEIGHTS, b"weights"), ("a/b.txt", b"text")]);
    house.pull(&[WEIGHTS, "a/b.txt"]).unwrap();
    house.server.forget_requests();
    let house = house.offline();
    let repo = RepoRef::parse_model(ID).unwrap();
    let seen = Mutex::new(Vec::new());
    let select = |names: &[String]| {
        *seen.lock().unwrap() = names.to_vec();
        Ok(vec!["a/b.txt".to_owned(), WEIGHTS.to_owned()])
    };
    let snapshot = Hub::new(house.config.clone())
        .unwrap()
        .snapshot(&repo, &select, &house.progress)
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), ["a/b.txt", WEIGHTS]);
    assert_eq!(snapshot.commit, COMMIT);
    assert_eq!(snapshot.files[1].sha256, sha256(b"weights"));
    assert!(
        snapshot
            .files
            .iter()
            .all(|file| file.from_cache && file.verified_by != Verification::SizeOnly)
    );
    assert!(house.pull_at(&format!("{ID}@{COMMIT}"), &[WEIGHTS]).is_ok());
    assert!(house.server.requests().is_empty());
}

#[test]
fn offline_without_the_file_says_how_to_get_it() {
    let house = House::with(&[("config.json", b"{}")]).offline();
    let (error, text) = house.fail(&["config.json"]);
    assert!(matches!(error, HubError::OfflineRevision { .. }));
    assert_contains(
        &text,
        &[ID, "spanbench pull owner/name@main", "HF_HUB_OFFLINE"],
    );
    let mut house = house;
    house.config.offline = false;
    house.pull_good("config.json", b"{}");
    house.server.forget_requests();
    let house = house.offline();
    let (error, text) = house.fail(&[WEIGHTS]);
    assert!(matches!(error, HubError::OfflineFile { .. }));
    assert_contains(&text, &[ID, WEIGHTS, "spanbench pull owner/name@main"]);
    let other = house
        .pull_at("owner/name@other", &["config.json"])
        .unwrap_err();
    assert!(matches!(other, HubError::OfflineRevision { .. }));
    assert!(house.server.requests().is_empty());
}

#[test]
fn offline_with_a_damaged_file_refuses_it() {
    let house = House::with(&[(WEIGHTS, b"weights")]);
    let file = house.pull_good(WEIGHTS, b"weights");
    let blob = house.blob(&sha256(b"weights"));
    fs::write(&blob, b"weighty").unwrap();
    house.server.forget_requests();
    let mut house = house.offline();
    let (error, text) = house.fail(&[WEIGHTS]);
    assert!(matches!(error, HubError::OfflineDamaged { .. }));
    assert_contains(
        &text,
        &[ID, WEIGHTS, "damaged", &sha256(b"weighty"), "once online"],
    );
    assert!(house.server.requests().is_empty());
    // And once online it is repaired.
    house.config.offline = false;
    assert!(!house.pull_good(WEIGHTS, b"weights").from_cache);
    assert_contains(
        &house.progress.notes(),
        &["discarded a damaged copy of", blob.to_str().unwrap()],
    );
    assert_eq!(file.path, house.pull_good(WEIGHTS, b"weights").path);
}

#[test]
fn a_damaged_blob_is_fetched_again() {
    let weights = content();
    let damages: [&[u8]; 3] = [b"", &weights[..1000], &vec![7; 1_200_000]];
    for damage in damages {
        let house = House::with(&[(WEIGHTS, &weights)]);
        house.pull_good(WEIGHTS, &weights);
        fs::write(house.blob(&sha256(&weights)), damage).unwrap();
        assert!(!house.pull_good(WEIGHTS, &weights).from_cache);
        assert_contains(&house.progress.notes(), &["discarded a damaged copy of"]);
        assert_eq!(house.server.matching("GET", WEIGHTS).len(), 2);
    }
    // And it is gone even if nothing can be fetched in its place.
    let house = House::with(&[(WEIGHTS, &weights)]);
    let file = house.pull_good(WEIGHTS, &weights);
    fs::write(house.blob(&sha256(&weights)), b"").unwrap();
    house.get(WEIGHTS, vec![Reply::status(404)]);
    house.fail(&[WEIGHTS]);
    assert!(!house.blob(&sha256(&weights)).exists());
    assert!(fs::symlink_metadata(file.path).is_err());
}

#[cfg(unix)]
#[test]
fn a_snapshot_file_of_another_tool_is_put_right() {
    let house = House::with(&[(WEIGHTS, b"weights")]);
    let pointer = house
        .repo_folder()
        .join("snapshots")
        .join(COMMIT)
        .join(WEIGHTS);
    fs::create_dir_all(pointer.parent().unwrap()).unwrap();
    // A plain copy, as where there are no links: good, then bad.
    fs::write(&pointer, b"weights").unwrap();
    let file = house.pull_good(WEIGHTS, b"weights");
    assert!(file.from_cache && file.verified_by == Verification::Sha256);
    fs::write(&pointer, b"an error page").unwrap();
    assert!(!house.pull_good(WEIGHTS, b"weights").from_cache);
    assert_contains(
        &house.progress.notes(),
        &["discarded a damaged copy of", pointer.to_str().unwrap()],
    );
    assert!(fs::symlink_metadata(&pointer).unwrap().is_symlink());
    // A link to nowhere.
    fs::remove_file(&pointer).unwrap();
    std::os::unix::fs::symlink("../../blobs/gone", &pointer).unwrap();
    assert!(house.pull_good(WEIGHTS, b"weights").from_cache);
}

#[test]
fn a_branch_is_recorded_and_a_commit_needs_no_hub() {
    let files: [(&str, &[u8]); 1] = [("config.json", b"{}")];
    let house = House::with(&files);
    house.publish("refs%2Fpr%2F1", &files);
    house.publish(COMMIT, &files);
    assert_eq!(
        house
            .pull_at("owner/name@refs/pr/1", &["config.json"])
            .unwrap()
            .commit,
        COMMIT
    );
    assert_eq!(
        fs::read_to_string(house.repo_folder().join("refs/refs/pr/1")).unwrap(),
        COMMIT
    );
    house.server.forget_requests();
    let pinned = format!("{ID}@{COMMIT}");
    let snapshot = house.pull_at(&pinned, &["config.json"]).unwrap();
    assert!(snapshot.files[0].from_cache);
    assert_eq!(house.server.requests().len(), 0);
    assert!(!house.repo_folder().join("refs").join(COMMIT).exists());
    // Damaged, the hub is asked after all.
    fs::write(house.blob(&git_sha1(b"{}")), b"[]").unwrap();
    assert!(!house.pull_at(&pinned, &["config.json"]).unwrap().files[0].from_cache);
    assert!(!house.repo_folder().join("refs").join(COMMIT).exists());
}

#[test]
fn no_reference_and_no_snapshot_before_all_files_are_there() {
    let house = House::with(&[("config.json", b"{}"), (WEIGHTS, b"weights")]);
    house.get(WEIGHTS, vec![Reply::status(500)]);
    house.fail(&["config.json", WEIGHTS]);
    assert_eq!(
        house.cached(),
        [format!("models--owner--name/blobs/{}", git_sha1(b"{}"))]
    );
    // What had arrived is not fetched again.
    house.get(WEIGHTS, vec![Reply::good(b"weights")]);
    let snapshot = house.pull(&["config.json", WEIGHTS]).unwrap();
    assert_eq!(
        snapshot
            .files
            .iter()
            .map(|file| file.from_cache)
            .collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn the_token_is_never_printed() {
    let house = House::with(&[(WEIGHTS, b"weights")]).with_token();
    let storage = HubServer::start();
    let echo = format!("Invalid token {SECRET}");
    let denied = Reply::status(403)
        .header("X-Error-Message", &echo)
        .header("X-Error-Code", SECRET);
    let busy = Reply::status(503).header("X-Error-Message", &echo);
    let away = |path: &str| Reply::redirect(302, &format!("{}/{path}", storage.url()));
    let scripts = [
        denied.clone(),
        busy,
        Reply::status(418).header("X-Error-Message", &echo),
        away(&format!("{SECRET}?token={SECRET}")),
        Reply::redirect(302, &format!("http://user:{SECRET}@127.0.0.1/")),
        Reply::redirect(302, &format!("/{SECRET}/x")),
    ];
    let mut said = format!(
        "{:?} {:?}",
        house.config,
        Hub::new(house.config.clone()).unwrap()
    );
    for script in scripts {
        house.get(WEIGHTS, vec![script]);
        let (error, text) = house.fail(&[WEIGHTS]);
        said += &format!(
            "\n{text}\n{error:?}\n{:?}",
            std::error::Error::source(&error)
        );
    }
    house.server.on(
        "HEAD",
        &resolve(WEIGHTS),
        vec![Reply::status(200).header("ETag", SECRET)],
    );
    let (error, text) = house.fail(&[WEIGHTS]);
    said += &format!("\n{text}\n{error:?}");
    for listing in [
        serde_json::json!({ "sha": SECRET, "siblings": [] }),
        serde_json::json!({ "sha": COMMIT, "siblings": SECRET }),
        serde_json::json!({ "sha": COMMIT, "siblings": [{ "rfilename": format!("../{SECRET}") }] }),
        serde_json::json!({ "sha": COMMIT, "siblings": [{ "rfilename": SECRET }] }),
    ] {
        house.api("main", vec![Reply::good(listing.to_string().as_bytes())]);
        let (error, text) = house.fail(&[WEIGHTS]);
        said += &format!("\n{text}\n{error:?}");
    }
    said += &house.progress.notes();
    assert!(
        !said.to_lowercase().contains(&SECRET.to_lowercase()),
        "{said}"
    );
    assert_contains(&said, &["***", "Invalid token ***"]);
    house.assert_nothing_cached();
}

#[test]
fn unsafe_names_from_the_server_are_refused() {
    for name in [
        "../../../../evil",
        "/tmp/evil",
        "a/../../evil",
        "a\\..\\evil",
        "a//b",
        "evil\0",
        "",
    ] {
        let house = House::new();
        house.list("main", &["config.json", name]);
        let (error, text) = house.fail(&["config.json"]);
        assert!(
            matches!(error, HubError::BadResponse { .. }),
            "{name:?}: {error:?}"
        );
        assert_contains(&text, &[ID, "unsafe file name"]);
        assert_eq!(house.server.requests().len(), 1);
        house.assert_nothing_cached();
    }
    // Nor may the caller's own choice leave the folder.
    let house = House::with(&[("config.json", b"{}")]);
    assert!(matches!(
        house.fail(&["../config.json"]).0,
        HubError::Selection { .. }
    ));
    // Nor an etag, which names a file as well.
    let house = House::with(&[("config.json", b"{}")]);
    house.server.on(
        "HEAD",
        &resolve("config.json"),
        vec![Reply::good(b"{}").header("ETag", "\"../../evil\"")],
    );
    assert!(matches!(
        house.fail(&["config.json"]).0,
        HubError::BadResponse { .. }
    ));
    house.assert_nothing_cached();
}

#[test]
fn answers_that_are_not_the_hubs_are_refused() {
    let house = House::with(&[("config.json", b"{}")]);
    house.api(
        "main",
        vec![Reply::good(b"<html>Please log in to the Wi-Fi</html>")],
    );
    assert_contains(
        &house.fail(&["config.json"]).1,
        &[ID, "not the Hub's JSON", "HF_ENDPOINT"],
    );
    house.api(
        "main",
        vec![Reply::good(br#"{"sha":"main","siblings":[]}"#)],
    );
    assert_contains(&house.fail(&["config.json"]).1, &["`main` is no commit"]);
    house.list("main", &["config.json"]);
    let other = Reply::good(b"{}")
        .header("X-Repo-Commit", &"f".repeat(40))
        .header("ETag", &git_sha1(b"{}"));
    house
        .server
        .on("HEAD", &resolve("config.json"), vec![other]);
    assert_contains(
        &house.fail(&["config.json"]).1,
        &["config.json", "answered for ffff"],
    );
    let away = Reply::redirect(302, "http://127.0.0.1:1/x");
    house.server.on("HEAD", &resolve("config.json"), vec![away]);
    assert_contains(&house.fail(&["config.json"]).1, &["without X-Linked-Etag"]);
    house.head("config.json", b"{}");
    house.get(
        "config.json",
        vec![Reply::good(b"{}").header("Content-Encoding", "gzip")],
    );
    assert_contains(&house.fail(&["config.json"]).1, &["encoded as gzip"]);
    house.assert_nothing_cached();
}

#[test]
fn an_etag_that_is_no_hash_is_noted() {
    let house = House::with(&[("config.json", b"{}")]);
    let head = Reply::good(b"{}").header("ETag", "\"abc-2\"");
    house.server.on("HEAD", &resolve("config.json"), vec![head]);
    let file = house.pull_good("config.json", b"{}");
    assert_eq!(
        (file.verified_by, file.etag.as_deref()),
        (Verification::SizeOnly, Some("abc-2"))
    );
    assert_contains(&house.progress.notes(), &["no hash"]);
    // The size is still checked, also of what is cached.
    fs::write(house.blob("abc-2"), b"{ }").unwrap();
    assert!(!house.pull_good("config.json", b"{}").from_cache);
    assert!(house.pull_good("config.json", b"{}").from_cache);
}

#[test]
fn two_at_once_both_succeed_with_one_download() {
    let weights = content();
    let house = House::with(&[(WEIGHTS, &weights)]);
    house.get(
        WEIGHTS,
        vec![Reply::good(&weights).after(Duration::from_millis(150))],
    );
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let pull = || {
            barrier.wait();
            let snapshot = house.pull(&[WEIGHTS]).unwrap();
            assert_eq!(fs::read(&snapshot.files[0].path).unwrap(), weights);
            snapshot.files[0].from_cache
        };
        let threads = [scope.spawn(pull), scope.spawn(pull)];
        let mut from_cache = threads.map(|thread| thread.join().unwrap());
        from_cache.sort_unstable();
        assert_eq!(from_cache, [false, true]);
    });
    assert_eq!(house.server.matching("GET", WEIGHTS).len(), 1);
    assert_eq!(house.cached().len(), 3);
}

#[test]
fn a_failed_selection_names_the_repository() {
    let house = House::with(&[("config.json", b"{}")]);
    let repo = RepoRef::parse_model("owner/name@main").unwrap();
    let hub = Hub::new(house.config.clone()).unwrap();
    let select = |names: &[String]| Err(format!("no weights among {} files", names.len()));
    let text = hub
        .snapshot(&repo, &select, &house.progress)
        .unwrap_err()
        .to_string();
    assert_contains(&text, &[ID, "main", "no weights among 1 files"]);
}

#[test]
fn data_sets_have_addresses_and_folders_of_their_own() {
    let house = House::new();
    let json = serde_json::json!({ "sha": COMMIT, "siblings": [{ "rfilename": "plain text/dev 1.json" }] }).to_string();
    house.server.on(
        "GET",
        "/api/datasets/owner/name/revision/main",
        vec![Reply::good(json.as_bytes())],
    );
    let target = format!("/datasets/owner/name/resolve/{COMMIT}/plain%20text/dev%201.json");
    house.server.on(
        "HEAD",
        &target,
        vec![Reply::good(b"[]").header("ETag", &git_sha1(b"[]"))],
    );
    house.server.on("GET", &target, vec![Reply::good(b"[]")]);
    let repo = RepoRef::parse_dataset(ID).unwrap();
    let snapshot = Hub::new(house.config.clone())
        .unwrap()
        .snapshot(&repo, &|names| Ok(names.to_vec()), &house.progress)
        .unwrap();
    let expected = house
        .config
        .cache_dir
        .join("datasets--owner--name/snapshots")
        .join(COMMIT);
    assert_eq!(
        snapshot.files[0].path,
        expected.join("plain text/dev 1.json")
    );
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let mut house = House::with(&[("config.json", b"{}")]);
    // A file where the folder should be: refused to root as well, unlike missing rights.
    house.config.cache_dir = house.folder.path().join("occupied");
    fs::write(&house.config.cache_dir, "").unwrap();
    let (error, text) = house.fail(&["config.json"]);
    assert!(matches!(error, HubError::Io { .. }), "{error:?}");
    assert_contains(&text, &["occupied", "HF_HOME"]);
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_bad_endpoint_is_refused_at_once() {
    for endpoint in [
        "",
        "huggingface.co",
        "ftp://x",
        "https://user:hunter2@x",
        "https://x/?q",
    ] {
        let mut house = House::new();
        house.config.endpoint = endpoint.to_owned();
        let text = Hub::new(house.config).unwrap_err().to_string();
        assert_contains(&text, &["HF_ENDPOINT"]);
        assert!(!text.contains("hunter2"));
    }
}
