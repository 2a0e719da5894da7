//! A hub on the loopback interface: does what a test tells it, and remembers what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// An answer, good unless told otherwise.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    ranges: bool,
    sent_bytes: Option<usize>,
    delay: Duration,
    stall: Duration,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            ranges: false,
            sent_bytes: None,
            delay: Duration::ZERO,
            stall: Duration::ZERO,
        }
    }

    /// 200 with this body; answers ranges.
    pub fn good(body: &[u8]) -> Self {
        Self {
            body: body.to_vec(),
            ranges: true,
            ..Self::status(200)
        }
    }

    pub fn redirect(status: u16, location: &str) -> Self {
        // As real servers do: the redirect has a body, hence a length and an etag, of its own.
        let body = b"moved".to_vec();
        Self {
            body,
            ..Self::status(status)
        }
        .header("Location", location)
        .header("ETag", "\"redirect\"")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub fn ignoring_ranges(mut self) -> Self {
        self.ranges = false;
        self
    }

    /// Announces all of the body, sends this many bytes of it and closes the connection.
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.sent_bytes = Some(bytes);
        self
    }

    /// As `cut_after`, but is silent for this long before closing.
    pub fn stall_after(self, bytes: usize, stall: Duration) -> Self {
        Self {
            stall,
            ..self.cut_after(bytes)
        }
    }

    /// Thinks for this long before answering.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

#[derive(Default)]
struct Shared {
    /// `METHOD target` to answers; each is given once, the last for ever.
    script: Mutex<HashMap<String, Vec<Reply>>>,
    requests: Mutex<Vec<Request>>,
    stopping: AtomicBool,
}

/// The server; stops when dropped.
pub struct HubServer {
    address: String,
    shared: Arc<Shared>,
    acceptor: Option<thread::JoinHandle<()>>,
}

impl HubServer {
    pub fn start() -> Self {
        let listener =
            TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address")
            .to_string();
        let shared = Arc::new(Shared::default());
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if for_acceptor.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&for_acceptor);
                // Clients hang up on us on purpose; that is no failure of the test.
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Scripts the answers to one request line; the last is repeated.
    pub fn on(&self, method: &str, target: &str, replies: Vec<Reply>) {
        self.shared
            .script
            .lock()
            .unwrap()
            .insert(format!("{method} {target}"), replies);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The requests of one method whose target contains `part`.
    pub fn matching(&self, method: &str, part: &str) -> Vec<Request> {
        let wanted = |request: &Request| request.method == method && request.target.contains(part);
        self.requests().into_iter().filter(wanted).collect()
    }

    pub fn forget_requests(&self) {
        self.shared.requests.lock().unwrap().clear();
    }
}

impl Drop for HubServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which waits for a connection.
        drop(TcpStream::connect(&self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

/// One connection, one request.
fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let mut request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        request
            .headers
            .push((name.to_lowercase(), value.trim().to_owned()));
    }
    let reply = next_reply(shared, &request);
    shared.requests.lock().unwrap().push(request.clone());
    thread::sleep(reply.delay);
    send(stream, &request, &reply)
}

fn next_reply(shared: &Shared, request: &Request) -> Reply {
    let mut script = shared.script.lock().unwrap();
    match script.get_mut(&format!("{} {}", request.method, request.target)) {
        Some(replies) if replies.len() > 1 => replies.remove(0),
        Some(replies) => replies[0].clone(),
        None => Reply::status(404).body(b"no such thing"),
    }
}

fn send(mut stream: TcpStream, request: &Request, reply: &Reply) -> std::io::Result<()> {
    let range = request.header("range").filter(|_| reply.ranges);
    let first = range
        .and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        })
        .unwrap_or(0);
    let total = reply.body.len();
    let mut head = String::new();
    let (status, body) = if range.is_none() {
        (reply.status, &reply.body[..])
    } else if first < total {
        head += &format!("Content-Range: bytes {first}-{}/{total}\r\n", total - 1);
        (206, &reply.body[first..])
    } else {
        head += &format!("Content-Range: bytes */{total}\r\n");
        (416, &[][..])
    };
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !reply
        .headers
        .iter()
        .any(|(name, _)| name == "Content-Length")
    {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    write!(
        stream,
        "HTTP/1.1 {status} Scripted\r\n{head}Connection: close\r\n\r\n"
    )?;
    if request.method != "HEAD" {
        stream.write_all(&body[..reply.sent_bytes.unwrap_or(body.len()).min(body.len())])?;
        stream.flush()?;
        thread::sleep(reply.stall);
    }
    Ok(())
}

/// What `sha256sum` prints.
pub fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// What `git hash-object` prints.
pub fn git_sha1(content: &[u8]) -> String {
    hex(&Sha1::new()
        .chain_update(format!("blob {}\0", content.len()))
        .chain_update(content)
        .finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
