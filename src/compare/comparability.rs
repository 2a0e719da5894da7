//! What differs between two records besides the models, and what that makes incomparable.

use super::pairing::Pairing;
use super::{Aspect, Settings};
use crate::record::WireRecord;
use crate::record::wire::{WireLimits, WirePlatform, WireProcessor, WireProtocolTiming};

/// Something that differs between two records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its place in the record; `questions` where the questions are not the same.
    pub field: &'static str,
    /// The base's value.
    pub base: String,
    /// The candidate's value.
    pub candidate: String,
    /// What it makes incomparable; empty where it is only to be known.
    pub hinders: Vec<Aspect>,
}

impl Difference {
    /// The difference as a reason against a verdict.
    fn reason(&self) -> String {
        format!("{}: {} against {}", self.field, self.base, self.candidate)
    }
}

/// Why `aspect` cannot be compared, a line each.
pub(super) fn hindrances(differences: &[Difference], aspect: Aspect) -> Vec<String> {
    let hinders = |difference: &&Difference| difference.hinders.contains(&aspect);
    let hindrances = differences.iter().filter(hinders);
    hindrances.map(Difference::reason).collect()
}

/// A field that is compared. Model, its files, dtype and operations are none: they are what a
/// comparison is about.
struct Rule {
    field: &'static str,
    /// What a difference makes incomparable.
    hinders: &'static [Aspect],
    /// The field's value as text; nothing where the record does not tell.
    read: fn(&WireRecord) -> Option<String>,
}

const ACCURACY: &[Aspect] = &[Aspect::Accuracy];
const SPEED: &[Aspect] = &[Aspect::Speed];
const MACHINE: &[Aspect] = &[Aspect::Speed, Aspect::Memory];
const ALL: &[Aspect] = &[Aspect::Accuracy, Aspect::Speed, Aspect::Memory];
/// Worth knowing, and no hindrance.
const NOTE: &[Aspect] = &[];

const fn rule(
    field: &'static str,
    hinders: &'static [Aspect],
    read: fn(&WireRecord) -> Option<String>,
) -> Rule {
    Rule {
        field,
        hinders,
        read,
    }
}

/// What is asked. How questions were selected is only to be known: whether they are the same
/// questions is found from their ids.
const DATA: &[Rule] = &[
    rule("dataset.sha256", ALL, |r| text(&r.dataset.sha256)),
    rule("dataset.id", NOTE, |r| text(&r.dataset.id)),
    rule("dataset.revision", NOTE, |r| {
        set(r.dataset.revision.as_ref())
    }),
    rule("protocol.ids_sha256", NOTE, |r| {
        set(r.protocol.ids_sha256.as_ref())
    }),
    rule("protocol.sample", NOTE, |r| set(r.protocol.sample)),
    rule("protocol.limit", NOTE, |r| set(r.protocol.limit)),
    rule("protocol.shard", NOTE, |r| set(r.protocol.shard.as_ref())),
    rule("protocol.seed", NOTE, |r| text(r.protocol.seed)),
];

/// How answers are found and scored.
const ANSWERING: &[Rule] = &[
    rule("protocol.name", ACCURACY, |r| text(&r.protocol.name)),
    rule("protocol.summation", ACCURACY, |r| {
        set(r.protocol.summation.as_ref())
    }),
    rule("protocol.decode", ALL, |r| text(&r.protocol.decode)),
    rule("protocol.max_seq_len", ALL, |r| {
        text(r.protocol.max_seq_len)
    }),
    rule("protocol.doc_stride", ALL, |r| text(r.protocol.doc_stride)),
    rule("protocol.max_question_len", ALL, |r| {
        set(r.protocol.max_question_len)
    }),
    rule("protocol.n_best", ACCURACY, |r| set(r.protocol.n_best)),
    rule("protocol.max_answer_len", ACCURACY, |r| {
        text(r.protocol.max_answer_len)
    }),
    rule("protocol.null_threshold", ACCURACY, |r| {
        set(r.protocol.null_threshold)
    }),
];

/// How it was measured.
const MEASURING: &[Rule] = &[
    rule("device", MACHINE, |r| text(&r.device)),
    rule("protocol.threads", MACHINE, |r| text(r.protocol.threads)),
    rule("protocol.batch_tokens", MACHINE, |r| {
        text(r.protocol.batch_tokens)
    }),
    rule("protocol.window_order", MACHINE, |r| {
        text(&r.protocol.window_order)
    }),
    rule("protocol.scenario", MACHINE, |r| text(&r.protocol.scenario)),
    rule("protocol.timing.mlperf", SPEED, |r| text(timing(r)?.mlperf)),
    rule("protocol.timing.turn_s", SPEED, |r| set(timing(r)?.turn_s)),
    rule("protocol.timing.min_duration_s", SPEED, |r| {
        text(timing(r)?.min_duration_s)
    }),
    rule("protocol.timing.min_queries", SPEED, |r| {
        text(timing(r)?.min_queries)
    }),
    rule("protocol.timing.samples_per_query", SPEED, |r| {
        text(timing(r)?.samples_per_query)
    }),
    rule("protocol.timing.percentile", SPEED, |r| {
        text(timing(r)?.percentile)
    }),
    rule("protocol.timing.latency_bound_ms", SPEED, |r| {
        set(timing(r)?.latency_bound_ms)
    }),
    rule("protocol.timing.rate_per_s", SPEED, |r| {
        set(timing(r)?.rate_per_s)
    }),
    rule("protocol.timing.find_rate", SPEED, |r| {
        text(timing(r)?.find_rate)
    }),
];

/// Where it was measured.
const PLACE: &[Rule] = &[
    rule("environment.cpu_model", MACHINE, |r| {
        known(r.environment.cpu_model.as_ref())
    }),
    rule("environment.architecture", MACHINE, |r| {
        text(&r.environment.architecture)
    }),
    rule("environment.cpu_features", SPEED, |r| {
        list(&r.environment.cpu_features)
    }),
    rule("environment.logical_cores", MACHINE, |r| {
        text(r.environment.logical_cores)
    }),
    rule("environment.processor.sockets", MACHINE, |r| {
        known(processor(r)?.sockets)
    }),
    rule("environment.processor.physical_cores", MACHINE, |r| {
        known(processor(r)?.physical_cores)
    }),
    rule("environment.processor.smt", SPEED, |r| {
        known(processor(r)?.smt)
    }),
    rule("environment.processor.caches", SPEED, |r| {
        let caches = processor(r)?.caches.iter();
        let caches = caches.map(|(name, bytes, count)| format!("{count} x {name} {bytes}"));
        list(&caches.collect::<Vec<_>>())
    }),
    rule("environment.processor.governors", SPEED, |r| {
        list(&processor(r)?.governors)
    }),
    rule("environment.processor.max_mhz", SPEED, |r| {
        known(processor(r)?.max_mhz)
    }),
    rule("environment.processor.turbo", SPEED, |r| {
        known(processor(r)?.turbo)
    }),
    rule("environment.memory_total_bytes", NOTE, |r| {
        let gigabytes = |bytes| format!("{:.0} GB", bytes as f64 / 1e9);
        r.environment.memory_total_bytes.map(gigabytes)
    }),
    rule("environment.limits.cpu_quota_cores", SPEED, |r| {
        set(limits(r)?.cpu_quota_cores)
    }),
    rule("environment.limits.cpuset", NOTE, |r| {
        set(limits(r)?.cpuset.as_ref())
    }),
    rule("environment.limits.affinity", NOTE, |r| {
        set(limits(r)?.affinity.as_ref())
    }),
    rule("environment.limits.memory_bytes", NOTE, |r| {
        set(limits(r)?.memory_bytes)
    }),
    rule("environment.platform.machine", MACHINE, |r| {
        known(platform(r)?.machine.as_ref())
    }),
    rule("environment.platform.hypervisor", NOTE, |r| {
        known(platform(r)?.hypervisor.as_ref())
    }),
    rule("environment.platform.container", NOTE, |r| {
        known(platform(r)?.container.as_ref())
    }),
    rule("environment.platform.kernel_settings", SPEED, |r| {
        text(platform(r)?.kernel_settings.join(" "))
    }),
    rule(
        "environment.platform.transparent_huge_pages",
        MACHINE,
        |r| known(platform(r)?.transparent_huge_pages.as_ref()),
    ),
    rule("environment.platform.c_library", NOTE, |r| {
        known(platform(r)?.c_library.as_ref())
    }),
    rule("environment.os", NOTE, |r| text(&r.environment.os)),
    rule("environment.kernel", NOTE, |r| {
        known(r.environment.kernel.as_ref())
    }),
];

/// What was measured with. Other versions are only to be known, as comparing them is a use; a
/// build for other processors or without optimisation is not the same program.
const BUILD: &[Rule] = &[
    rule("environment.tool_version", NOTE, |r| {
        text(&r.environment.tool_version)
    }),
    rule("environment.tool_revision", NOTE, |r| {
        known(r.environment.tool_revision.as_ref())
    }),
    rule("environment.compiler", NOTE, |r| {
        text(&r.environment.compiler)
    }),
    rule("environment.libraries", NOTE, |r| {
        known(r.environment.libraries.as_ref())
    }),
    rule("environment.target", MACHINE, |r| {
        text(&r.environment.target)
    }),
    rule("environment.target_cpu", SPEED, |r| {
        text(&r.environment.target_cpu)
    }),
    rule("environment.features", SPEED, |r| {
        text(&r.environment.features)
    }),
    rule("environment.profile", SPEED, |r| {
        text(&r.environment.profile)
    }),
    rule("environment.opt_level", SPEED, |r| {
        text(&r.environment.opt_level)
    }),
];

/// What differs, hindrances first.
pub(super) fn differences(
    base: &WireRecord,
    candidate: &WireRecord,
    pairing: &Pairing,
    settings: &Settings,
) -> Vec<Difference> {
    let rules = [DATA, ANSWERING, MEASURING, PLACE, BUILD];
    let rules = rules.into_iter().flatten();
    let mut found: Vec<Difference> = questions(pairing, settings).into_iter().collect();
    found.extend(rules.filter_map(|rule| differs(rule, base, candidate)));
    found.sort_by_key(|difference| difference.hinders.is_empty());
    found
}

fn differs(rule: &Rule, base: &WireRecord, candidate: &WireRecord) -> Option<Difference> {
    let values = [base, candidate].map(rule.read);
    if values[0] == values[1] {
        return None;
    }
    // What a record does not tell may be the same.
    let told = values.iter().all(Option::is_some);
    let [base, candidate] = values.map(|value| value.unwrap_or_else(|| "not known".to_owned()));
    Some(Difference {
        field: rule.field,
        base,
        candidate,
        hinders: if told {
            rule.hinders.to_vec()
        } else {
            Vec::new()
        },
    })
}

/// Questions that only one of the two has.
fn questions(pairing: &Pairing, settings: &Settings) -> Option<Difference> {
    let side = |only: usize| {
        let all = pairing.pairs.len() + only;
        format!("{all} questions, {only} of them its own")
    };
    (!pairing.is_complete()).then(|| Difference {
        field: "questions",
        base: side(pairing.only_base),
        candidate: side(pairing.only_candidate),
        hinders: if settings.common_questions_suffice {
            MACHINE.to_vec()
        } else {
            ALL.to_vec()
        },
    })
}

// Sections that older records lack are as by default there.

fn timing(record: &WireRecord) -> Option<&WireProtocolTiming> {
    let timing = &record.protocol.timing;
    (*timing != WireProtocolTiming::default()).then_some(timing)
}

fn processor(record: &WireRecord) -> Option<&WireProcessor> {
    let processor = &record.environment.processor;
    (*processor != WireProcessor::default()).then_some(processor)
}

fn limits(record: &WireRecord) -> Option<&WireLimits> {
    let limits = &record.environment.limits;
    (*limits != WireLimits::default()).then_some(limits)
}

fn platform(record: &WireRecord) -> Option<&WirePlatform> {
    let platform = &record.environment.platform;
    (*platform != WirePlatform::default()).then_some(platform)
}

/// A value that every record has.
#[allow(clippy::unnecessary_wraps, clippy::needless_pass_by_value)] // as the rules have it
fn text(value: impl ToString) -> Option<String> {
    let text = value.to_string();
    Some(if text.is_empty() {
        "none".to_owned()
    } else {
        text
    })
}

/// A setting, whose absence is a value.
#[allow(clippy::unnecessary_wraps)] // as the rules have it
fn set(value: Option<impl ToString>) -> Option<String> {
    Some(value.map_or("none".to_owned(), |value| value.to_string()))
}

/// What the system may not tell.
fn known(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// What is empty where the system does not tell.
fn list(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| values.join(" "))
}
