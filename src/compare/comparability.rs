//! What differs between two records besides the models, and what that makes incomparable.

use super::pairing::Pairing;
use super::{Aspect, Settings};
use crate::record::Record;
use crate::record::common::{Place, ShardNumbers};
use crate::record::wire::{WireCard, WireLimits, WirePlatform, WireProcessor, WireProtocolTiming};

/// Something that differs between two records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its place in the record; `questions` where the questions are not the same, `shards` where
    /// a side is of merged ones.
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
    read: Read,
}

/// A field's value as text; nothing where the record does not tell.
enum Read {
    /// It is the same in all of a record.
    Record(fn(&Record) -> Option<String>),
    /// It is that of a machine, of which merged shards have one each.
    Place(fn(&Place<'_>) -> Option<String>),
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
    read: fn(&Record) -> Option<String>,
) -> Rule {
    Rule {
        field,
        hinders,
        read: Read::Record(read),
    }
}

const fn local(
    field: &'static str,
    hinders: &'static [Aspect],
    read: fn(&Place<'_>) -> Option<String>,
) -> Rule {
    Rule {
        field,
        hinders,
        read: Read::Place(read),
    }
}

/// What is asked. How questions were selected is only to be known: whether they are the same
/// questions is found from their ids.
const DATA: &[Rule] = &[
    rule("dataset.sha256", ALL, |r| text(&r.dataset().sha256)),
    rule("dataset.id", NOTE, |r| text(&r.dataset().id)),
    rule("dataset.revision", NOTE, |r| {
        set(r.dataset().revision.as_ref())
    }),
    rule("protocol.ids_sha256", NOTE, |r| {
        set(r.protocol().ids_sha256.as_ref())
    }),
    rule("protocol.sample", NOTE, |r| set(r.protocol().sample)),
    rule("protocol.limit", NOTE, |r| set(r.protocol().limit)),
    rule("protocol.shard", NOTE, |r| set(r.protocol().shard.as_ref())),
    rule("protocol.seed", NOTE, |r| text(r.protocol().seed)),
];

/// How answers are found and scored.
const ANSWERING: &[Rule] = &[
    rule("protocol.name", ACCURACY, |r| text(&r.protocol().name)),
    rule("protocol.summation", ACCURACY, |r| {
        set(r.protocol().summation.as_ref())
    }),
    rule("protocol.decode", ALL, |r| text(&r.protocol().decode)),
    rule("protocol.max_seq_len", ALL, |r| {
        text(r.protocol().max_seq_len)
    }),
    rule("protocol.doc_stride", ALL, |r| {
        text(r.protocol().doc_stride)
    }),
    rule("protocol.max_question_len", ALL, |r| {
        set(r.protocol().max_question_len)
    }),
    rule("protocol.n_best", ACCURACY, |r| set(r.protocol().n_best)),
    rule("protocol.max_answer_len", ACCURACY, |r| {
        text(r.protocol().max_answer_len)
    }),
    rule("protocol.null_threshold", ACCURACY, |r| {
        set(r.protocol().null_threshold)
    }),
];

/// How it was measured.
const MEASURING: &[Rule] = &[
    local("device", MACHINE, |r| text(r.device)),
    local("protocol.threads", MACHINE, |r| text(r.threads)),
    rule("protocol.batch_tokens", MACHINE, |r| {
        text(r.protocol().batch_tokens)
    }),
    rule("protocol.window_order", MACHINE, |r| {
        text(&r.protocol().window_order)
    }),
    rule("protocol.scenario", MACHINE, |r| {
        text(&r.protocol().scenario)
    }),
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
    local("environment.cpu_model", MACHINE, |r| {
        known(r.environment.cpu_model.as_ref())
    }),
    local("environment.architecture", MACHINE, |r| {
        text(&r.environment.architecture)
    }),
    local("environment.cpu_features", SPEED, |r| {
        list(&r.environment.cpu_features)
    }),
    local("environment.logical_cores", MACHINE, |r| {
        text(r.environment.logical_cores)
    }),
    local("environment.processor.sockets", MACHINE, |r| {
        known(processor(r)?.sockets)
    }),
    local("environment.processor.physical_cores", MACHINE, |r| {
        known(processor(r)?.physical_cores)
    }),
    local("environment.processor.smt", SPEED, |r| {
        known(processor(r)?.smt)
    }),
    local("environment.processor.caches", SPEED, |r| {
        let caches = processor(r)?.caches.iter();
        let caches = caches.map(|(name, bytes, count)| format!("{count} x {name} {bytes}"));
        list(&caches.collect::<Vec<_>>())
    }),
    local("environment.processor.governors", SPEED, |r| {
        list(&processor(r)?.governors)
    }),
    local("environment.processor.max_mhz", SPEED, |r| {
        known(processor(r)?.max_mhz)
    }),
    local("environment.processor.turbo", SPEED, |r| {
        known(processor(r)?.turbo)
    }),
    local("environment.cards.name", MACHINE, |r| {
        cards(r, |card| known(card.name.as_ref()))
    }),
    local("environment.cards.driver", SPEED, |r| {
        cards(r, |card| known(card.driver.as_ref()))
    }),
    local("environment.cards.power_limit_w", SPEED, |r| {
        cards(r, |card| known(card.power_limit_w))
    }),
    local("environment.cards.largest_sm_clock_mhz", SPEED, |r| {
        cards(r, |card| known(card.largest_sm_clock_mhz))
    }),
    local("environment.cards.ecc", SPEED, |r| {
        cards(r, |card| known(card.ecc))
    }),
    local("environment.cards.mig", MACHINE, |r| {
        cards(r, |card| known(card.mig))
    }),
    local("environment.memory_total_bytes", NOTE, |r| {
        let gigabytes = |bytes| format!("{:.0} GB", bytes as f64 / 1e9);
        r.environment.memory_total_bytes.map(gigabytes)
    }),
    local("environment.limits.cpu_quota_cores", SPEED, |r| {
        set(limits(r)?.cpu_quota_cores)
    }),
    local("environment.limits.cpuset", NOTE, |r| {
        set(limits(r)?.cpuset.as_ref())
    }),
    local("environment.limits.affinity", NOTE, |r| {
        set(limits(r)?.affinity.as_ref())
    }),
    local("environment.limits.memory_bytes", NOTE, |r| {
        set(limits(r)?.memory_bytes)
    }),
    local("environment.platform.machine", MACHINE, |r| {
        known(platform(r)?.machine.as_ref())
    }),
    local("environment.platform.hypervisor", NOTE, |r| {
        known(platform(r)?.hypervisor.as_ref())
    }),
    local("environment.platform.container", NOTE, |r| {
        known(platform(r)?.container.as_ref())
    }),
    local("environment.platform.kernel_settings", SPEED, |r| {
        text(platform(r)?.kernel_settings.join(" "))
    }),
    local(
        "environment.platform.transparent_huge_pages",
        MACHINE,
        |r| known(platform(r)?.transparent_huge_pages.as_ref()),
    ),
    local("environment.platform.c_library", NOTE, |r| {
        known(platform(r)?.c_library.as_ref())
    }),
    local("environment.os", NOTE, |r| text(&r.environment.os)),
    local("environment.kernel", NOTE, |r| {
        known(r.environment.kernel.as_ref())
    }),
];

/// What was measured with. Other versions are only to be known, as comparing them is a use; a
/// build for other processors or without optimisation is not the same program.
const BUILD: &[Rule] = &[
    local("environment.tool_version", NOTE, |r| {
        text(&r.environment.tool_version)
    }),
    local("environment.tool_revision", NOTE, |r| {
        known(r.environment.tool_revision.as_ref())
    }),
    local("environment.compiler", NOTE, |r| {
        text(&r.environment.compiler)
    }),
    local("environment.libraries", NOTE, |r| {
        known(r.environment.libraries.as_ref())
    }),
    local("environment.target", MACHINE, |r| {
        text(&r.environment.target)
    }),
    local("environment.target_cpu", SPEED, |r| {
        text(&r.environment.target_cpu)
    }),
    local("environment.features", SPEED, |r| {
        text(&r.environment.features)
    }),
    local("environment.profile", SPEED, |r| {
        text(&r.environment.profile)
    }),
    local("environment.opt_level", SPEED, |r| {
        text(&r.environment.opt_level)
    }),
];

/// What differs, hindrances first.
pub(super) fn differences(
    base: &Record,
    candidate: &Record,
    pairing: &Pairing,
    settings: &Settings,
) -> Vec<Difference> {
    let rules = [DATA, ANSWERING, MEASURING, PLACE, BUILD];
    let rules = rules.into_iter().flatten();
    let of_shards = shards(base, candidate).into_iter();
    let mut found: Vec<Difference> = of_shards.chain(questions(pairing, settings)).collect();
    found.extend(rules.filter_map(|rule| differs(rule, base, candidate)));
    found.sort_by_key(|difference| difference.hinders.is_empty());
    found
}

fn differs(rule: &Rule, base: &Record, candidate: &Record) -> Option<Difference> {
    let [base, candidate] = [base, candidate].map(|record| value(rule, record));
    if base == candidate {
        return None;
    }
    // What a record does not tell may be the same.
    let told = base.is_told && candidate.is_told;
    Some(Difference {
        field: rule.field,
        base: base.text,
        candidate: candidate.text,
        hinders: if told {
            rule.hinders.to_vec()
        } else {
            Vec::new()
        },
    })
}

/// What a record says of a field.
#[derive(PartialEq)]
struct Value {
    text: String,
    /// Whether it says it; of merged shards, whether all of them do.
    is_told: bool,
}

/// A record's value of a field; where merged shards differ, that of each.
fn value(rule: &Rule, record: &Record) -> Value {
    let mut found: Vec<(Option<String>, Vec<usize>)> = Vec::new();
    match rule.read {
        Read::Record(read) => found.push((read(record), Vec::new())),
        Read::Place(read) => {
            for place in record.places() {
                let (value, shard) = (read(&place), place.shard);
                match found.iter_mut().find(|(known, _)| *known == value) {
                    Some((_, shards)) => shards.extend(shard),
                    None => found.push((value, shard.into_iter().collect())),
                }
            }
        }
    }
    let is_told = !found.is_empty() && found.iter().all(|(value, _)| value.is_some());
    let several = found.len() > 1;
    let texts = found.into_iter().map(|(value, shards)| {
        let value = value.unwrap_or_else(|| "not known".to_owned());
        if several {
            format!("{value} ({})", ShardNumbers(&shards))
        } else {
            value
        }
    });
    Value {
        text: texts.collect::<Vec<_>>().join("; "),
        is_told,
    }
}

/// That a side is of merged shards: a speed of machines side by side is that of none of them.
fn shards(base: &Record, candidate: &Record) -> Option<Difference> {
    let sides = [base, candidate];
    if sides.iter().all(|record| record.measured().is_some()) {
        return None;
    }
    let side = |record: &Record| record.unmeasured().unwrap_or("a single run".to_owned());
    let [base, candidate] = sides.map(side);
    Some(Difference {
        field: "shards",
        base,
        candidate,
        hinders: MACHINE.to_vec(),
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

fn timing(record: &Record) -> Option<&WireProtocolTiming> {
    let timing = &record.protocol().timing;
    (*timing != WireProtocolTiming::default()).then_some(timing)
}

fn processor<'a>(place: &Place<'a>) -> Option<&'a WireProcessor> {
    let processor = &place.environment.processor;
    (*processor != WireProcessor::default()).then_some(processor)
}

/// What each card tells, one after another; nothing where there are none, or one does not tell.
fn cards(place: &Place<'_>, told: fn(&WireCard) -> Option<String>) -> Option<String> {
    let told: Option<Vec<String>> = place.environment.cards.iter().map(told).collect();
    told.filter(|told| !told.is_empty())
        .map(|told| told.join(", "))
}

fn limits<'a>(place: &Place<'a>) -> Option<&'a WireLimits> {
    let limits = &place.environment.limits;
    (*limits != WireLimits::default()).then_some(limits)
}

fn platform<'a>(place: &Place<'a>) -> Option<&'a WirePlatform> {
    let platform = &place.environment.platform;
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
