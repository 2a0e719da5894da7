//! Spans one by one, in the format that Perfetto and Chrome open.

use std::io::{self, Write};

use serde::Serialize;

use super::{Operation, Work};

/// Spans that a recording keeps unless it is told otherwise: about 50 MB in memory, 150 MB as a file.
pub const MAX_EVENTS: usize = 1_000_000;

/// One span that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// What it was spent on.
    pub operation: Operation,
    /// The thread's number within the recording.
    pub thread: u32,
    /// Spans around it on its thread.
    pub depth: u32,
    /// From the start of the recording, in nanoseconds.
    pub start_ns: u64,
    /// In nanoseconds.
    pub duration_ns: u64,
    /// What it computed and moved.
    pub work: Work,
}

/// The spans of a recording: those that ended first, up to its limit.
#[derive(Debug, Clone)]
pub struct Trace {
    events: Vec<Event>,
    threads: Vec<String>,
    cut: u64,
}

impl Trace {
    /// `threads` are named by their numbers in `events`; `cut` spans are missing.
    pub(super) fn new(mut events: Vec<Event>, threads: Vec<String>, cut: u64) -> Self {
        // What lies around another span comes before it, even where both took the same time.
        let outer_first = |event: &Event| {
            let end = event.start_ns + event.duration_ns;
            (event.start_ns, std::cmp::Reverse(end), event.depth)
        };
        events.sort_unstable_by_key(|event| (outer_first(event), event.thread));
        Self {
            events,
            threads,
            cut,
        }
    }

    /// The spans by their start, outer ones before those within them.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Spans that ended after the limit was reached and are missing here.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// What to tell the reader where spans are missing.
    pub fn note(&self) -> Option<String> {
        (self.cut > 0).then(|| {
            format!(
                "the trace holds the first {} spans; {} more are missing from it (the profile counts all)",
                self.events.len(),
                self.cut
            )
        })
    }

    /// Writes the trace as JSON, event by event.
    ///
    /// Source: "Trace Event Format", the JSON object format: metadata events
    /// (`"M"`) name the process and its threads, complete events (`"X"`) have
    /// their start and duration in microseconds. One object a line.
    ///
    /// # Errors
    ///
    /// Fails where `output` does.
    pub fn write(&self, output: impl Write) -> io::Result<()> {
        let mut output = io::BufWriter::new(output);
        let process = std::process::id();
        output.write_all(b"{\"displayTimeUnit\":\"ms\",\"otherData\":")?;
        let other = OtherData {
            version: env!("CARGO_PKG_VERSION"),
            events_cut: self.cut,
            note: self.note(),
        };
        serde_json::to_writer(&mut output, &other)?;
        output.write_all(b",\"traceEvents\":[\n")?;
        let metadata = |name, thread, value| WireMetadata {
            name,
            ph: "M",
            pid: process,
            tid: thread,
            args: Name { name: value },
        };
        serde_json::to_writer(&mut output, &metadata("process_name", 0, "spanbench"))?;
        for (number, name) in (0..).zip(&self.threads) {
            output.write_all(b",\n")?;
            serde_json::to_writer(&mut output, &metadata("thread_name", number, name))?;
        }
        for event in &self.events {
            output.write_all(b",\n")?;
            write_event(&mut output, event, process)?;
        }
        output.write_all(b"\n]}\n")?;
        output.flush()
    }
}

/// Written by hand for the times: microseconds with three decimals are the nanoseconds, to the last.
fn write_event(output: &mut impl Write, event: &Event, process: u32) -> io::Result<()> {
    let stage = if event.operation.is_stage() {
        "stage"
    } else {
        "operation"
    };
    write!(
        output,
        "{{\"name\":\"{}\",\"cat\":\"{stage}\",\"ph\":\"X\",\"ts\":{}.{:03},\"dur\":{}.{:03},\"pid\":{process},\"tid\":{},\"args\":{{",
        event.operation.name(),
        event.start_ns / 1000,
        event.start_ns % 1000,
        event.duration_ns / 1000,
        event.duration_ns % 1000,
        event.thread,
    )?;
    let Work { flops, bytes } = event.work;
    match (flops, bytes) {
        (0, 0) => {}
        (0, bytes) => write!(output, "\"bytes\":{bytes}")?,
        (flops, bytes) => write!(output, "\"flops\":{flops},\"bytes\":{bytes}")?,
    }
    output.write_all(b"}}")
}

#[derive(Serialize)]
struct OtherData {
    version: &'static str,
    events_cut: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize)]
struct WireMetadata<'a> {
    name: &'static str,
    ph: &'static str,
    pid: u32,
    tid: u32,
    args: Name<'a>,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn event(start_ns: u64, duration_ns: u64, depth: u32) -> Event {
        Event {
            operation: Operation::Linear,
            thread: 0,
            depth,
            start_ns,
            duration_ns,
            work: Work {
                flops: 12,
                bytes: 34,
            },
        }
    }

    fn written(trace: &Trace) -> Value {
        let mut bytes = Vec::new();
        trace.write(&mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn outer_spans_come_first_even_where_they_take_as_long() {
        let events = vec![
            event(5, 0, 2),
            event(5, 0, 1),
            event(5, 9, 0),
            event(1, 2, 0),
        ];
        let trace = Trace::new(events, vec!["main".to_owned()], 0);
        let order: Vec<_> = trace
            .events()
            .iter()
            .map(|e| (e.start_ns, e.depth))
            .collect();
        assert_eq!(order, [(1, 0), (5, 0), (5, 1), (5, 2)]);
    }

    #[test]
    fn times_are_microseconds_to_the_nanosecond() {
        let trace = Trace::new(
            vec![event(1_234_567, 8_009, 0)],
            vec!["a \"b\"".to_owned()],
            0,
        );
        let json = written(&trace);
        assert_eq!(json["displayTimeUnit"], "ms");
        let events = json["traceEvents"].as_array().unwrap();
        assert_eq!(events[1]["name"], "thread_name");
        assert_eq!(events[1]["args"]["name"], "a \"b\"");
        let event = &events[2];
        assert_eq!(
            (&event["ph"], &event["cat"]),
            (&"X".into(), &"operation".into())
        );
        assert_eq!(
            (event["ts"].as_f64(), event["dur"].as_f64()),
            (Some(1_234.567), Some(8.009))
        );
        assert_eq!(
            (&event["args"]["flops"], &event["args"]["bytes"]),
            (&12.into(), &34.into())
        );
        assert_eq!(event["pid"], std::process::id());
        assert!(json["otherData"].get("note").is_none());
    }

    #[test]
    fn an_empty_trace_and_a_cut_one_are_json_too() {
        let empty = written(&Trace::new(Vec::new(), Vec::new(), 0));
        assert_eq!(empty["traceEvents"].as_array().unwrap().len(), 1);
        let cut = Trace::new(vec![event(0, 1, 0)], vec!["main".to_owned()], 7);
        assert!(cut.note().unwrap().contains("7 more"));
        let json = written(&cut);
        assert_eq!(json["otherData"]["events_cut"], 7);
        assert_eq!(json["otherData"]["note"], cut.note().unwrap());
    }

    #[test]
    fn a_full_disk_is_an_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let trace = Trace::new(vec![event(0, 1, 0)], Vec::new(), 0);
        assert_eq!(
            trace.write(Full).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }
}
