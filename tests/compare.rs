//! Comparisons: statistics against SciPy and NumPy (`tests/goldens/compare`), how often verdicts
//! are wrong, and what is made of records that differ.

mod support;

use serde_json::Value;
use spanbench::compare::{
    Aspect, Cause, Comparison, Direction, Settings, Verdict, WireComparison, compare,
};
use spanbench::random::SplitMix64;
use spanbench::record::wire::WireQuestion;
use spanbench::record::{Record, Run};
use spanbench::render::comparison::{markdown, text};
use spanbench::stats::mcnemar::{binomial_cumulative, exact_p};
use support::runs::{flipping, merged, question, repetition_at, run, runs, single};

fn golden(name: &str) -> Vec<Value> {
    let path = support::project("tests/goldens/compare/expected.json");
    let mut expected: Value = support::json(&path);
    serde_json::from_value(expected[name].take()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn mcnemars_test_is_scipys() {
    let cases = golden("mcnemar");
    assert_eq!(cases.len(), 105);
    for case in cases {
        let (gained, lost, p) = (count(&case[0]), count(&case[1]), number(&case[2]));
        let found = exact_p(gained, lost);
        // What is below 1e-290 is nothing.
        assert!((found - p).abs() <= 1e-9 * p + 1e-290, "{case}: {found}");
    }
}

#[test]
fn binomial_probabilities_are_scipys() {
    let cases = golden("binomial_cumulative");
    assert_eq!(cases.len(), 112);
    for case in cases {
        let (n, q, most) = (count(&case[0]), number(&case[1]), count(&case[2]));
        let found = binomial_cumulative(n, q, most);
        let expected = number(&case[3]);
        let tolerance = 1e-9 * expected + 1e-290;
        assert!((found - expected).abs() <= tolerance, "{case}: {found}");
    }
}

#[test]
fn intervals_are_numpys_to_monte_carlo_error() {
    let cases = golden("bootstrap");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let rows = case["rows"].as_array().unwrap().iter();
        let rows: Vec<_> = rows
            .map(|row| {
                (
                    count(&row[0]),
                    [1, 2, 3, 4].map(|place| number(&row[place])),
                )
            })
            .collect();
        let [base, candidate] = runs(&rows);
        let settings = Settings {
            level: number(&case["level"]),
            ..Settings::default()
        };
        let found = WireComparison::from(&compare(&base, &candidate, &settings)).accuracy;
        assert_eq!(found.resampled.unit, case["unit"].as_str().unwrap());
        for (name, score, step) in [
            ("exact_match", &found.exact_match, number(&case["step"])),
            ("f1", &found.f1, 0.0),
        ] {
            let interval = score.change.interval.unwrap();
            for (end, found) in [interval.lower, interval.upper].into_iter().enumerate() {
                let expected = number(&case[name]["mean"][end]);
                // Of one set of resamples, five standard deviations.
                let tolerance = 5.0 * number(&case[name]["deviation"][end]) + step;
                assert!(
                    (found - expected).abs() < tolerance,
                    "{name}: {found} {expected}"
                );
            }
        }
    }
}

/// A nearly normal number: the sum of twelve even ones.
fn normal(numbers: &mut SplitMix64) -> f64 {
    (0..12)
        .map(|_| numbers.next_u64() as f64 / 2_f64.powi(64))
        .sum::<f64>()
        - 6.0
}

/// Two models' answers to made-up questions. What makes a question hard is shared by its
/// passage, by both models, and by a model within a passage; `shift` makes the candidate worse.
fn trial(seed: u64, passages: usize, questions: u64, shift: f64) -> [Run; 2] {
    let mut numbers = SplitMix64::stream(seed, passages as u64);
    let mut rows = Vec::new();
    for passage in 0..passages {
        let of_passage = 1.2 + 0.8 * normal(&mut numbers);
        let of_models = [0, 1].map(|_| 0.3 * normal(&mut numbers));
        for _ in 0..=numbers.below(2 * questions - 1) {
            let of_question = of_passage + 1.5 * normal(&mut numbers);
            let mut scores = [0.0; 4];
            for model in 0..2 {
                let ease = of_question + of_models[model] + 0.5 * normal(&mut numbers)
                    - shift * model as f64;
                scores[2 * model] = f64::from(ease > 0.0);
                scores[2 * model + 1] = (1.0 + ease / 2.0).clamp(0.0, 1.0);
            }
            rows.push((passage, scores));
        }
    }
    runs(&rows)
}

/// In how many of 300 trials exact match and F1 are called worse.
fn called_worse(passages: usize, questions: u64, shift: f64) -> [usize; 2] {
    let settings = Settings {
        resamples: 1000,
        ..Settings::default()
    };
    let mut called = [0; 2];
    for seed in 0..300 {
        let [base, candidate] = trial(seed, passages, questions, shift);
        let found = verdicts(&compare(&base, &candidate, &settings));
        for (called, verdict) in called.iter_mut().zip(found) {
            *called += usize::from(verdict == Verdict::Worse);
        }
    }
    called
}

#[test]
fn equals_are_called_worse_in_less_than_a_twentieth() {
    for (passages, questions) in [(12, 12), (48, 12), (200, 3)] {
        let called = called_worse(passages, questions, 0.0);
        let few = called.iter().all(|called| *called <= 15);
        assert!(few, "{called:?} of 300 of {passages} passages");
    }
}

#[test]
fn what_is_worse_is_called_worse() {
    let called = called_worse(48, 12, 0.5);
    assert!(
        called.iter().all(|called| *called >= 285),
        "{called:?} of 300"
    );
}

fn verdicts(comparison: &Comparison) -> [Verdict; 2] {
    let accuracy = &comparison.accuracy;
    [accuracy.exact_match.verdict, accuracy.f1.verdict]
}

#[test]
fn verdicts_of_accuracy() {
    use Verdict::{Better, Inconclusive, Same, Worse};
    for ((n, lost, gained), expected) in [
        ((1000, 30, 5), Worse),
        ((1000, 5, 30), Better),
        // Four lost and none gained: by chance in one of eight cases.
        ((1000, 4, 0), Inconclusive),
        ((10_000, 4, 0), Same),
        ((10_000, 100, 100), Same),
        ((1000, 40, 40), Inconclusive),
        // Few changes of few questions show nothing.
        ((100, 1, 0), Inconclusive),
        ((100, 1, 1), Inconclusive),
    ] {
        let [base, candidate] = flipping(n, lost, gained);
        let found = compare(&base, &candidate, &Settings::default());
        assert_eq!(verdicts(&found), [expected; 2], "{n} {lost} {gained}");
        let accuracy = &found.accuracy;
        assert_eq!(
            accuracy.exact_match.reasons.is_empty(),
            expected != Inconclusive
        );
        if expected == Same {
            assert!(accuracy.exact_match.non_inferior && accuracy.f1.non_inferior);
        }
    }
    // Other answers of the same score to few questions say nothing; equal ones are equal.
    let [base, mut candidate] = flipping(100, 0, 0);
    let found = compare(&base, &candidate, &Settings::default());
    assert_eq!(verdicts(&found), [Same; 2]);
    candidate.questions[7].answer = "the other".to_owned();
    let found = compare(&base, &candidate, &Settings::default());
    assert_eq!(verdicts(&found), [Inconclusive; 2]);
    assert_eq!(found.flips.answers_changed, 1);
}

#[test]
fn questions_of_one_side_hinder_accuracy_unless_allowed() {
    let [base, mut candidate] = flipping(400, 0, 0);
    candidate.questions.truncate(380);
    candidate.questions[0].id = "another".to_owned();
    let mut settings = Settings::default();
    let found = compare(&base, &candidate, &settings);
    assert_eq!(verdicts(&found), [Verdict::NotComparable; 2]);
    let pairing = &found.pairing;
    assert_eq!(
        (
            pairing.pairs.len(),
            pairing.only_base,
            pairing.only_candidate
        ),
        (379, 21, 1)
    );
    assert_eq!(found.differences[0].field, "questions");
    let reasons = &found.accuracy.f1.reasons;
    assert!(
        reasons[0].contains("400 questions, 21 of them its own"),
        "{reasons:?}"
    );
    settings.common_questions_suffice = true;
    let found = compare(&base, &candidate, &settings);
    assert_eq!(verdicts(&found), [Verdict::Same; 2]);
    assert!(found.is_comparable(Aspect::Accuracy) && !found.is_comparable(Aspect::Speed));
    // Nothing in common, and nothing at all.
    for questions in [Vec::new(), vec![question("q", "a", 1.0, 1.0)]] {
        let other = run(questions);
        for (base, candidate) in [(&other, &base), (&base, &other), (&run(Vec::new()), &other)] {
            let found = compare(base, candidate, &settings);
            assert_eq!(verdicts(&found), [Verdict::NotComparable; 2]);
            assert!(found.slices.is_empty());
        }
    }
    let one = run(vec![question("q", "a", 1.0, 1.0)]);
    assert_eq!(
        verdicts(&compare(&one, &one, &settings)),
        [Verdict::Same; 2]
    );
    let other = run(vec![question("q", "b", 0.0, 0.5)]);
    let found = compare(&one, &other, &settings);
    assert_eq!(verdicts(&found), [Verdict::Inconclusive; 2]);
}

#[test]
fn what_differs_is_named_with_what_it_hinders() {
    type Change = fn(&mut Run);
    let [base, candidate] = flipping(20, 0, 0);
    let settings = Settings::default();
    assert!(compare(&base, &candidate, &settings).differences.is_empty());
    let all = [Aspect::Accuracy, Aspect::Speed, Aspect::Memory];
    let cases: &[(Change, &str, &[Aspect])] = &[
        (
            |r| single(r).dataset.sha256 = "bb".to_owned(),
            "dataset.sha256",
            &all,
        ),
        (
            |r| single(r).protocol.max_seq_len = 256,
            "protocol.max_seq_len",
            &all,
        ),
        (
            |r| single(r).protocol.null_threshold = None,
            "protocol.null_threshold",
            &all[..1],
        ),
        (
            |r| single(r).protocol.threads = 4,
            "protocol.threads",
            &all[1..],
        ),
        (
            |r| single(r).protocol.timing.turn_s = Some(1.0),
            "protocol.timing.turn_s",
            &all[1..2],
        ),
        (
            |r| single(r).environment.opt_level = "0".to_owned(),
            "environment.opt_level",
            &all[1..2],
        ),
        (
            |r| single(r).environment.cpu_model = Some("another".to_owned()),
            "environment.cpu_model",
            &all[1..],
        ),
        (
            |r| single(r).environment.cpu_model = None,
            "environment.cpu_model",
            &[],
        ),
        (
            |r| single(r).environment.kernel = Some("7".to_owned()),
            "environment.kernel",
            &[],
        ),
        (
            |r| single(r).environment.tool_revision = None,
            "environment.tool_revision",
            &[],
        ),
        (
            |r| single(r).protocol.limit = Some(20),
            "protocol.limit",
            &[],
        ),
    ];
    for (change, field, hinders) in cases {
        let mut other = candidate.clone();
        change(&mut other);
        let found = compare(&base, &other, &settings);
        let [difference] = &found.differences[..] else {
            panic!("{field}: {:?}", found.differences);
        };
        assert_eq!(
            (difference.field, &difference.hinders[..]),
            (*field, *hinders)
        );
        for aspect in all {
            assert_eq!(found.is_comparable(aspect), !hinders.contains(&aspect));
        }
        for figure in &found.performance {
            let hindered = hinders.contains(&figure.aspect);
            assert_eq!(
                figure.verdict == Verdict::NotComparable,
                hindered,
                "{field}"
            );
            assert!(figure.ratio.is_some());
        }
    }
    // The model is what is compared.
    let mut other = candidate.clone();
    single(&mut other).model.id = "another".to_owned();
    single(&mut other).model.dtype = "bf16".to_owned();
    assert!(compare(&base, &other, &settings).differences.is_empty());
}

#[test]
fn verdicts_of_speed_know_which_way_is_better() {
    let [mut base, mut candidate] = flipping(20, 0, 0);
    let speeds = |factor: f64| {
        let speeds = [100.0, 101.0, 99.0, 100.5, 99.5, 100.0].into_iter();
        speeds.map(|speed| repetition_at(factor * speed)).collect()
    };
    let settings = Settings::default();
    let of = |base: &Run, candidate: &Run| -> Vec<(Verdict, bool)> {
        let found = compare(base, candidate, &settings).performance;
        let names: Vec<_> = found.iter().map(|figure| figure.figure).collect();
        assert_eq!(names.len(), 7, "{names:?}");
        found
            .iter()
            .map(|figure| (figure.verdict, figure.paired))
            .collect()
    };
    assert!(
        of(&base, &candidate)
            .iter()
            .all(|v| *v == (Verdict::Inconclusive, false))
    );
    let one = compare(&base, &candidate, &settings).performance.remove(0);
    assert_eq!((one.ratio, one.interval), (Some(1.0), None));
    assert_eq!(one.reasons, ["too few repetitions"]);
    single(&mut base).repetitions = speeds(1.0);
    single(&mut candidate).repetitions = speeds(1.2);
    let fast = of(&base, &candidate);
    assert_eq!(fast[..5], [(Verdict::Better, false); 5]);
    assert_eq!(fast[5..], [(Verdict::Same, false); 2]);
    assert_eq!(of(&candidate, &base)[..5], [(Verdict::Worse, false); 5]);
    for run in [&mut base, &mut candidate] {
        single(run).run_id = Some("run".to_owned());
    }
    assert_eq!(of(&base, &candidate)[0], (Verdict::Better, true));
    single(&mut candidate).repetitions.pop();
    assert_eq!(of(&base, &candidate)[0], (Verdict::Better, false));
    // A figure that cannot be divided by.
    for repetition in &mut single(&mut base).repetitions {
        repetition.memory.rss_peak_bytes = Some(0);
    }
    let found = compare(&base, &candidate, &settings).performance;
    let memory = found
        .iter()
        .find(|f| f.figure == "memory.rss_peak_bytes")
        .unwrap();
    assert_eq!(
        (memory.ratio, memory.verdict),
        (None, Verdict::Inconclusive)
    );
    single(&mut base).repetitions.clear();
    assert!(compare(&base, &candidate, &settings).performance.is_empty());
}

/// A flip of one question with both sides changed as told, and its cause.
fn cause(base: impl Fn(&mut WireQuestion), candidate: impl Fn(&mut WireQuestion)) -> Cause {
    let mut lines = [
        question("q", "Paris", 1.0, 1.0),
        question("q", "Rome", 0.0, 0.0),
    ];
    for line in &mut lines {
        line.null_odds = Some(-3.0);
    }
    base(&mut lines[0]);
    candidate(&mut lines[1]);
    let [base, candidate] = lines.map(|line| run(vec![line]));
    let found = compare(&base, &candidate, &Settings::default());
    assert_eq!(found.flips.flips[0].direction, Direction::Lost);
    let swapped = compare(&candidate, &base, &Settings::default());
    assert_eq!(swapped.flips.flips[0].direction, Direction::Gained);
    assert_eq!(swapped.flips.flips[0].cause, found.flips.flips[0].cause);
    found.flips.flips[0].cause
}

#[test]
fn flips_have_the_first_cause_that_holds() {
    let at = |line: &mut WireQuestion, span, window| {
        (line.span, line.window) = (Some(span), Some(window));
    };
    let paris = |line: &mut WireQuestion| at(line, [10, 15], [0, 90]);
    let none = |_: &mut WireQuestion| {};
    let write = |text: &'static str| move |line: &mut WireQuestion| line.answer = text.to_owned();
    assert_eq!(cause(none, none), Cause::OtherSpan);
    assert_eq!(cause(none, write("Paris")), Cause::Scoring);
    assert_eq!(cause(|q| q.margin = Some(5e-4), none), Cause::Tie);
    assert_eq!(cause(none, |q| q.margin = Some(-5e-4)), Cause::Tie);
    assert_eq!(cause(none, |q| q.margin = Some(2e-3)), Cause::OtherSpan);
    assert_eq!(cause(none, write(" ")), Cause::NullThreshold);
    // A narrow choice among spans is none where "no answer" decided, and the other way round.
    let null = |odds: f32| {
        move |q: &mut WireQuestion| {
            q.answer.clear();
            (q.margin, q.null_odds) = (Some(0.0), Some(odds));
        }
    };
    assert_eq!(cause(none, null(0.5)), Cause::NullThreshold);
    assert_eq!(cause(none, null(5e-4)), Cause::Tie);
    assert_eq!(cause(|q| q.null_odds = Some(-5e-4), null(0.5)), Cause::Tie);
    assert_eq!(cause(|q| q.null_odds = Some(-5e-4), none), Cause::OtherSpan);
    for (text, expected) in [
        ("“ＰＡＲＩＳ”.", Cause::Normalisation),
        ("pa-ris", Cause::Normalisation),
        ("Páris", Cause::OtherSpan),
        ("Paris,  France", Cause::OtherSpan),
    ] {
        assert_eq!(cause(none, write(text)), expected, "{text}");
    }
    assert_eq!(
        cause(|q| q.answer = "Straße 10²".to_owned(), write("STRASSE 102")),
        Cause::Normalisation
    );
    assert_eq!(cause(paris, |q| at(q, [40, 44], [0, 90])), Cause::OtherSpan);
    assert_eq!(cause(paris, |q| at(q, [15, 44], [0, 90])), Cause::OtherSpan);
    assert_eq!(cause(paris, |q| at(q, [14, 44], [0, 90])), Cause::Boundary);
    assert_eq!(cause(paris, |q| at(q, [14, 44], [12, 90])), Cause::Window);
    assert_eq!(cause(paris, |q| at(q, [88, 91], [80, 95])), Cause::Window);
    assert_eq!(cause(paris, |q| q.span = Some([12, 91])), Cause::Window);
    assert_eq!(
        cause(|q| q.span = Some([1, 5]), |q| q.span = Some([4, 9])),
        Cause::Boundary
    );
}

#[test]
fn flips_and_slices_are_counted() {
    let [mut base, mut candidate] = flipping(60, 4, 1);
    for (number, (of_base, of_candidate)) in base
        .questions
        .iter_mut()
        .zip(&mut candidate.questions)
        .enumerate()
    {
        let word = if number < 30 {
            "Who was it?"
        } else {
            "When was it?"
        };
        for line in [of_base, of_candidate] {
            line.question = Some(word.to_owned());
            line.golds = Some(if number == 2 {
                vec![]
            } else {
                vec!["two words".to_owned()]
            });
            line.passage = Some(number % 3);
            line.error = (line.exact_match == 0.0).then(|| "boundary".to_owned());
        }
    }
    candidate.questions[0].answer.clear();
    candidate.questions[50].f1 = 0.5;
    candidate.questions[51].f1 = 0.25;
    let found = WireComparison::from(&compare(&base, &candidate, &Settings::default()));
    let flips = &found.flips;
    assert_eq!((flips.lost, flips.gained), (4, 1));
    assert_eq!((flips.f1_higher, flips.f1_lower), (0, 2));
    let causes = flips.causes.iter();
    let causes: Vec<_> = causes.map(|c| (c.cause, c.lost, c.gained)).collect();
    assert_eq!(
        causes,
        [(Cause::OtherSpan, 3, 1), (Cause::NullThreshold, 1, 0)]
    );
    let [errors] = &flips.errors[..] else {
        panic!("{:?}", flips.errors);
    };
    assert_eq!(
        (errors.error.as_str(), errors.lost, errors.gained),
        ("boundary", 4, 1)
    );
    let ids: Vec<_> = flips
        .questions
        .iter()
        .map(|flip| flip.id.as_str())
        .collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4"]);
    let slice = |property: &str, name: &str| {
        let mut slices = found.slices.iter();
        let slice = slices
            .find(|s| s.property == property && s.name == name)
            .unwrap();
        (slice.group.n, slice.group.lost, slice.group.gained)
    };
    assert_eq!(slice("question_type", "who"), (30, 4, 1));
    assert_eq!(slice("question_type", "when"), (30, 0, 0));
    assert_eq!(slice("has_answer", "no"), (1, 1, 0));
    assert_eq!(slice("answer_length", "2"), (59, 3, 1));
    assert_eq!(slice("windows", "1"), (60, 4, 1));
    assert_eq!(slice("passage", "0"), (20, 2, 0));
    let group = found.accuracy.has_answer.unwrap();
    assert_eq!((group.n, group.lost, group.gained), (59, 3, 1));
    assert_eq!(
        found.accuracy.no_answer.unwrap().exact_match.difference,
        -100.0
    );
    assert_eq!(found.accuracy.resampled.unit, "questions");
    // The surest drop of the large slices first, the single question last.
    assert_eq!(found.slices[0].property, "passage");
    assert_eq!(found.slices.last().unwrap().name, "no");
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(
        serde_json::from_str::<WireComparison>(&text).unwrap(),
        found
    );
}

#[test]
fn settings_that_mean_nothing_are_refused() {
    assert_eq!(Settings::default().check(), Ok(()));
    let refused = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    };
    assert_eq!(
        refused(|s| s.level = 1.0),
        "level is 1; it must be between 0 and 1"
    );
    assert!(refused(|s| s.level = f64::NAN).contains("level is NaN"));
    assert!(refused(|s| s.f1_margin = -1.0).contains("f1_margin is -1"));
    assert!(refused(|s| s.noise_threshold = f64::INFINITY).contains("noise_threshold is inf"));
    assert!(refused(|s| s.resamples = 0).contains("resamples is 0"));
}

/// Whatever questions, answers and names hold, a comparison stays a table.
#[test]
fn hostile_text_is_inert() {
    let hostile = "a|b\n<script>x</script> `@all` \u{1b}[31m\u{202e}![i](http://x) $x$ ~~";
    let [mut base, mut candidate] = flipping(60, 6, 2);
    for run in [&mut base, &mut candidate] {
        single(run).model.id = hostile.to_owned();
        single(run).cell = hostile.to_owned();
        single(run).doubts = vec![hostile.to_owned(); 5];
        for line in &mut run.questions {
            line.question = Some(hostile.to_owned());
            line.golds = Some(vec![hostile.repeat(2000)]);
            line.error = Some(hostile.to_owned());
            line.answer += hostile;
        }
    }
    single(&mut candidate).environment.cpu_model = Some(hostile.to_owned());
    let found = WireComparison::from(&compare(&base, &candidate, &Settings::default()));
    let page = markdown(&found);
    assert!(!page.contains("<script"));
    assert!(!page.replace("\\]", "").contains("](http") && page.len() < 100_000);
    let is_bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!page.contains(is_bad));
    let mut columns = 0;
    for line in page.lines() {
        // Each row of a table has as many cells as its headings.
        let bars = line.replace("\\|", "").matches('|').count();
        assert!(bars == 0 || columns == 0 || bars == columns, "{line}");
        columns = bars;
        assert!(!line.contains('@') || line.contains("<code>"), "{line}");
    }
    let first = page.lines().nth(2).unwrap();
    assert_eq!(first, "**inconclusive: exact match, F1**");
    assert_eq!(
        page.matches("<details>").count(),
        page.matches("</details>").count()
    );

    let shown = text(&found, ("", ""));
    assert!(!shown.contains(is_bad));
    assert!(shown.starts_with("inconclusive: exact match, F1\nnot comparable: questions/s,"));
    assert!(shown.contains("Flips, 8 of 8"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() < 700));
    let bold = text(&found, ("<", ">"));
    assert!(bold.starts_with("<inconclusive: exact match, F1>\n"));
    // Nothing to show makes no empty tables.
    let none = run(Vec::new());
    let found = WireComparison::from(&compare(&none, &none, &Settings::default()));
    let page = markdown(&found);
    assert!(page.starts_with("# Comparison\n\n") && !page.contains("Flips, "));
}

#[test]
fn merged_shards_are_compared_by_accuracy_alone() {
    let [base, candidate] = flipping(400, 30, 3);
    let of_shards = merged(&candidate, 3);
    let settings = Settings {
        resamples: 500,
        ..Settings::default()
    };
    let wire = |base: &Run, candidate: &Run| {
        serde_json::to_value(WireComparison::from(&compare(base, candidate, &settings))).unwrap()
    };
    let (runs, shards) = (wire(&base, &candidate), wire(&base, &of_shards));
    assert_eq!(runs["accuracy"]["exact_match"]["verdict"], "worse");
    for part in ["accuracy", "flips", "slices"] {
        assert_eq!(runs[part], shards[part], "{part}");
    }
    assert_eq!(shards["comparability"]["accuracy"], true);
    assert_eq!(shards["candidate"]["shards"], 3);
    assert!(shards["base"].get("shards").is_none());
    let why = "merged from 3 shards, each measured on its own";
    let of_run = runs["performance"].as_array().unwrap();
    let figures = shards["performance"].as_array().unwrap();
    assert_eq!(figures.len(), of_run.len());
    for (figure, of_run) in figures.iter().zip(of_run) {
        assert_eq!(figure["figure"], of_run["figure"]);
        assert_eq!(figure["base"], of_run["base"]);
        for absent in ["candidate", "ratio", "interval"] {
            assert_eq!(figure[absent], Value::Null, "{figure}");
        }
        assert_eq!(figure["verdict"], "not_comparable");
        let reason = format!("shards: a single run against {why}");
        assert_eq!(figure["reasons"][0], reason);
    }
    let note = format!("candidate: {why}: speed and memory are not compared");
    let notes = shards["notes"].as_array().unwrap();
    assert!(notes.contains(&note.into()), "{notes:?}");
    // Both merged: nothing is left out in silence.
    let both = compare(&of_shards, &of_shards, &settings);
    assert_eq!(both.performance.len(), 9);
    for figure in &both.performance {
        assert_eq!(figure.verdict, Verdict::NotComparable);
        assert_eq!((figure.base, figure.candidate), (None, None));
        assert_eq!(figure.reasons, [format!("shards: {why} against {why}")]);
    }
    let both = WireComparison::from(&both);
    for shown in [text(&both, ("", "")), markdown(&both)] {
        assert!(shown.contains("merged shards \\(3\\)") || shown.contains("merged shards (3)"));
        assert!(shown.contains("not comparable: questions/s"), "{shown}");
        assert!(!shown.contains("NaN"), "{shown}");
    }
}

#[test]
fn shards_on_other_machines_are_named() {
    let [base, candidate] = flipping(40, 0, 0);
    let mut other = merged(&candidate, 4);
    let Record::Merged(record) = &mut other.record else {
        panic!()
    };
    for shard in [1, 2] {
        let measured = record.shards[shard].measured.as_mut().unwrap();
        measured.environment.cpu_model = Some("another".to_owned());
        measured.threads = 8;
    }
    let measured = record.shards[2].measured.as_mut().unwrap();
    measured.environment.kernel = None;
    let found = compare(&base, &other, &Settings::default());
    let fields: Vec<_> = found.differences.iter().map(|d| d.field).collect();
    let expected = [
        "shards",
        "protocol.threads",
        "environment.cpu_model",
        "environment.kernel",
    ];
    assert_eq!(fields, expected);
    let values = found.differences[1..].iter();
    let values: Vec<_> = values.map(|d| d.candidate.as_str()).collect();
    let expected = [
        "2 (shard 1); 8 (shards 2–3)",
        "processor (shard 1); another (shards 2–3)",
        "6.1 (shards 1–2); not known (shard 3)",
    ];
    assert_eq!(values, expected);
    // Machines do not hinder accuracy, as between single runs.
    assert!(found.is_comparable(Aspect::Accuracy));
    assert!(!found.is_comparable(Aspect::Speed) && !found.is_comparable(Aspect::Memory));
    // The same shards twice differ in nothing but that they are shards.
    let twice = compare(&other, &other, &Settings::default());
    assert_eq!(twice.differences.len(), 1);
}
