//! Headless Chromium, driven through ChromeDriver by the WebDriver protocol (W3C) over HTTP.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::skipped;

/// A browser with one window. It is closed when this is dropped.
pub struct Browser {
    driver: Child,
    address: String,
    session: String,
    // Removed after the browser has ended.
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser; nothing, and a message, where ChromeDriver is not installed.
    pub fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let driver = match driver {
            Ok(driver) => driver,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                skipped("chromedriver is not installed; scripts/install-test-tools installs it");
                return None;
            }
            Err(error) => panic!("chromedriver: {error}"),
        };
        let profile = tempfile::tempdir().expect("a folder for the browser");
        let mut browser = Self {
            driver,
            address: format!("http://127.0.0.1:{port}"),
            session: String::new(),
            profile,
        };
        browser.await_driver();
        browser.open_session();
        Some(browser)
    }

    fn await_driver(&self) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !matches!(self.send("GET", "/status", None), Ok(status) if status["ready"] == true) {
            assert!(Instant::now() < deadline, "chromedriver does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn open_session(&mut self) {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            profile.as_str(),
        ];
        let capabilities = json!({"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }});
        let body = json!({"capabilities": capabilities});
        let session = self
            .send("POST", "/session", Some(body))
            .expect("a session");
        let id = session["sessionId"].as_str().expect("a session's id");
        self.session = format!("/session/{id}");
    }

    /// Opens a file.
    pub fn open(&self, path: &Path) {
        self.post(
            "/url",
            &json!({"url": format!("file://{}", path.display())}),
        );
    }

    /// The value of a JavaScript function's body.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Clicks on the first element of a CSS selector.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Types into the first element of a CSS selector, in place of what stands there.
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Types into what has the focus.
    pub fn type_into_focused(&self, text: &str) {
        let focused = "return document.activeElement;";
        let found = self.post("/execute/sync", &json!({"script": focused, "args": []}));
        let element = id_of(&found);
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post(
            "/element",
            &json!({"using": "css selector", "value": selector}),
        );
        id_of(&found)
    }

    /// A command of Chrome's own protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        )
    }

    /// What was written to the console since the last call.
    pub fn console(&self) -> Vec<Value> {
        let entries = self.post("/se/log", &json!({"type": "browser"}));
        entries.as_array().expect("a list").clone()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let path = format!("{}{path}", self.session);
        let shown: String = body.to_string().chars().take(200).collect();
        let answer = self.send("POST", &path, Some(body.clone()));
        answer.unwrap_or_else(|error| panic!("{path} {shown}: {error}"))
    }

    fn send(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_mins(2)))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let url = format!("{}{path}", self.address);
        let answer = match (method, body) {
            ("GET", _) => agent.get(url).call(),
            ("DELETE", _) => agent.delete(url).call(),
            (_, body) => agent.post(url).send(body.unwrap_or_default().to_string()),
        };
        let mut answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status();
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(|error| error.to_string())?;
        let mut value: Value =
            serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if status.is_success() {
            Ok(value["value"].take())
        } else {
            Err(value["value"]["message"].to_string())
        }
    }
}

/// Of an element as it stands in an answer: the one value under a name of the protocol's own.
fn id_of(element: &Value) -> String {
    let mut ids = element.as_object().expect("an element").values();
    ids.next_back()
        .and_then(Value::as_str)
        .expect("an element's id")
        .to_owned()
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.send("DELETE", &self.session, None);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
