//! Suites as people write them, rightly and wrongly.

use std::path::Path;

use super::*;
use crate::dataset::{Dataset, card as dataset_card};
use crate::decode::Decoder;
use crate::models::{Precision, card};
use crate::score::{Predictions, Protocol, Summation, score};

fn parse_with(text: &str, options: &Options) -> Result<Suite, String> {
    let run = RunOptions::default();
    let suite = Suite::parse("suite.toml", "suite", text, None, options, &run);
    suite.map_err(|fault| crate::message::one_line(&fault))
}

fn parse(text: &str) -> Result<Suite, String> {
    parse_with(&format!("schema = 1\n{text}"), &Options::default())
}

fn names(suite: &Suite) -> Vec<&str> {
    let cells = suite.cells.iter();
    cells.map(|cell| cell.spec.name.as_str()).collect()
}

fn name_list(text: &str) -> Vec<String> {
    let suite = parse(text).unwrap();
    names(&suite).into_iter().map(str::to_owned).collect()
}

const MATRIX: &str = r#"
[[matrix]]
model = ["squeezebert-squad-v1", "deberta-base-squad"]
dataset = "squad"
dtype = ["f32", "bf16"]
"#;

#[test]
fn a_matrix_is_the_product_of_its_lists_in_the_order_written() {
    assert_eq!(
        name_list(MATRIX),
        [
            "squeezebert-squad-v1-squad-f32",
            "squeezebert-squad-v1-squad-bf16",
            "deberta-base-squad-squad-f32",
            "deberta-base-squad-squad-bf16",
        ]
    );
    let other = "[[matrix]]\nseed = [2, 1]\nlimit = 5\nmodel = [\"a/b\", \"c/d\"]\n";
    assert_eq!(
        name_list(other),
        [
            "b-mixed-bag-limit-5-seed-2",
            "d-mixed-bag-limit-5-seed-2",
            "b-mixed-bag-limit-5-seed-1",
            "d-mixed-bag-limit-5-seed-1",
        ]
    );
}

#[test]
fn cells_are_left_out_added_and_changed() {
    let text = format!(
        r#"{MATRIX}
        name = "m"
        prose = "Prose."
        exclude = [{{ model = "deberta-base-squad", dtype = "bf16" }}]
        include = [{{ model = "minilm-l12-squad", dtype = "f16" }}]
        [[cell]]
        name = "own"
        limit = 3
        [[override]]
        match = {{ dtype = "bf16" }}
        set = {{ batch-tokens = 512, seed = 1 }}
        [[override]]
        match = {{ model = "squeezebert-squad-v1" }}
        set = {{ seed = 2 }}
        [[expect]]
        match = {{ dtype = "f32", dataset = "squad" }}
        f1 = 80
        [[expect]]
        match = {{ name = "own" }}
        exact-match = 50.5
        at-least-f1 = 40.0
        tolerance = 0.5"#
    );
    let suite = parse(&text).unwrap();
    assert_eq!(
        names(&suite),
        [
            "m-squeezebert-squad-v1-squad-f32",
            "m-squeezebert-squad-v1-squad-bf16",
            "m-deberta-base-squad-squad-f32",
            "m-minilm-l12-squad-squad-f16",
            "own",
        ]
    );
    let settings: Vec<_> = suite.cells.iter().map(|cell| cell.spec.settings).collect();
    let seeds: Vec<u64> = settings.iter().map(|s| s.seed).collect();
    assert_eq!(seeds, [2, 2, 0, 0, 0]);
    let batches: Vec<Option<usize>> = settings.iter().map(|s| s.batch_tokens).collect();
    assert_eq!(batches, [None, Some(512), None, None, None]);
    assert_eq!(settings[3].precision, Precision::F16);
    assert_eq!(suite.cells[3].spec.model, "minilm-l12-squad");
    assert_eq!(suite.cells[4].spec.model, "minilm-l6-squad");
    assert_eq!(suite.cells[4].spec.questions.limit, Some(3));
    let f1 = Expected {
        f1: Some(80.0),
        tolerance: expect::DEFAULT_TOLERANCE,
        ..Expected::default()
    };
    let own = Expected {
        exact_match: Some(50.5),
        at_least_f1: Some(40.0),
        tolerance: 0.5,
        ..Expected::default()
    };
    let expected: Vec<_> = suite.cells.iter().map(|cell| cell.expected).collect();
    assert_eq!(expected, [Some(f1), None, Some(f1), None, Some(own)]);
    let prose: Vec<_> = suite.cells.iter().map(|c| c.prose.as_deref()).collect();
    assert_eq!(prose[0], Some("Prose."));
    assert_eq!(prose[4], None);
}

#[test]
fn a_cell_keeps_its_name_where_others_come() {
    let alone = name_list("[[cell]]\n");
    assert_eq!(alone, ["minilm-l6-squad-mixed-bag"]);
    let more = format!("[[cell]]\n[[cell]]\ndtype = \"bf16\"\ndevice = \"cuda\"\n{MATRIX}");
    let more = name_list(&more);
    assert_eq!(more[0], alone[0]);
    assert_eq!(more[1], "minilm-l6-squad-mixed-bag-cuda-0-bf16");
    assert_eq!(more[2..], name_list(MATRIX));
    // What all have by default is in no name, nor what an override says.
    let text = "[defaults]\nlimit = 3\ndecode = \"google\"\n[[cell]]\n[[cell]]\ndecode = \"run_qa\"\n\
                [[override]]\nmatch = { decode = \"google\" }\nset = { threads = 1 }\n";
    let names = name_list(text);
    assert_eq!(
        names,
        [
            "minilm-l6-squad-mixed-bag",
            "minilm-l6-squad-mixed-bag-run_qa"
        ]
    );
    // The name of a matrix stands for what it does not list.
    let text = "[[matrix]]\nname = \"short\"\nlimit = 5\nseed = [1, 2]\ninclude = [{ limit = 6, seed = 1 }]\n";
    assert_eq!(
        name_list(text),
        [
            "short-minilm-l6-squad-mixed-bag-seed-1",
            "short-minilm-l6-squad-mixed-bag-seed-2",
            "short-minilm-l6-squad-mixed-bag-limit-6-seed-1"
        ]
    );
    // A flag, a time and a rate.
    let text = "[[cell]]\nscenario = \"server\"\nrate = 2.5\nmin-duration = \"90s\"\n\
                [[cell]]\nmlperf = true\n";
    assert_eq!(
        name_list(text),
        [
            "minilm-l6-squad-mixed-bag-server-rate-2.5-min-duration-1m30s",
            "minilm-l6-squad-mixed-bag-mlperf"
        ]
    );
    // Equal last parts.
    let text = "[[matrix]]\nmodel = [\"a/bert\", \"b/bert\", \"c/other\"]\n";
    assert_eq!(
        name_list(text),
        ["a-bert-mixed-bag", "b-bert-mixed-bag", "other-mixed-bag"]
    );
}

#[test]
fn the_command_line_holds_over_the_suite() {
    let text = format!("schema = 1\n{MATRIX}[[expect]]\nmatch = {{ dtype = \"f32\" }}\nf1 = 80\n");
    let threads = Options {
        threads: Some(3),
        ..Options::default()
    };
    let suite = parse_with(&text, &threads).unwrap();
    assert!(suite.cells.iter().all(|c| c.spec.settings.threads == 3));
    assert!(suite.cells[0].expected.is_some() && suite.notes.is_empty());
    assert_eq!(names(&suite), name_list(MATRIX));
    let limit = Options {
        limit: Some(20),
        ..Options::default()
    };
    let suite = parse_with(&text, &limit).unwrap();
    assert!(
        suite
            .cells
            .iter()
            .all(|c| c.spec.questions.limit == Some(20))
    );
    assert!(suite.cells.iter().all(|cell| cell.expected.is_none()));
    assert!(suite.notes[0].ends_with("do not hold with --limit"));
    let dtype = Options {
        dtype: Some(Precision::F16),
        ..Options::default()
    };
    let fault = parse_with(&text, &dtype).unwrap_err();
    let message = "suite.toml: cells squeezebert-squad-v1-squad-f32 and squeezebert-squad-v1-squad-bf16 \
                   are the same with these options of the command line; leave one out";
    assert_eq!(fault, message);
    let model = Options {
        model: Some("a".to_owned()),
        ..Options::default()
    };
    let fault = parse_with(&text, &model).unwrap_err();
    assert!(
        fault.starts_with("--model cannot be given with a suite"),
        "{fault}"
    );
    // Those of the run as a whole too.
    let run = RunOptions {
        repeat: Some(2),
        ..RunOptions::default()
    };
    let text = format!("schema = 1\n[run]\nrepeat = 5\nturns = \"1s\"\n{MATRIX}");
    let options = Options::default();
    let suite = Suite::parse("suite.toml", "suite", &text, None, &options, &run).unwrap();
    assert_eq!(suite.run.repetitions, 2);
    assert_eq!(suite.run.turn, Some(std::time::Duration::from_secs(1)));
}

/// Wrong files, each with the line that is at fault and what its message must say.
const WRONG: &[(&str, usize, &[&str])] = &[
    ("", 1, &["there are no cells", "[[matrix]]"]),
    ("[[cell]\n", 2, &["no TOML"]),
    (
        "nmae = \"x\"\n[[cell]]",
        2,
        &["the suite, nmae", "there are schema, name,"],
    ),
    (
        "name = \"a/b\"\n[[cell]]",
        2,
        &["name: \"a/b\" cannot be a folder's name"],
    ),
    (
        "[run]\nrepeat = 0\n[[cell]]",
        3,
        &["[run], repeat: 0: must be at least 1"],
    ),
    (
        "[run]\ndtype = \"f32\"\n[[cell]]",
        3,
        &["[run], dtype: is said of cells", "[defaults]"],
    ),
    (
        "[run]\nrepeats = 2\n[[cell]]",
        3,
        &["[run], repeats: there is no such option", "repeat, turns"],
    ),
    (
        "[defaults]\nrepeat = 2\n[[cell]]",
        3,
        &["[defaults], repeat: is said of a run", "[run]"],
    ),
    (
        "[defaults]\ndtype = [\"f32\"]\n[[cell]]",
        3,
        &["only a [[matrix]] takes lists"],
    ),
    (
        "[[cell]]\n[[matrix]]\n[[matrix]]\ndtype = \"f33\"",
        5,
        &["[[matrix]] 2, dtype: unknown dtype \"f33\"; known are f32"],
    ),
    (
        "[[cell]]\nlimit = \"20\"",
        3,
        &["[[cell]] 1, limit: \"20\" is not a whole number"],
    ),
    (
        "[[cell]]\nlimit = 2.5",
        3,
        &["limit: 2.5 is not a whole number"],
    ),
    (
        "[[cell]]\nlimit = 99999999999999999999999",
        3,
        &["limit: 99999999999999999999999: number too large"],
    ),
    (
        "[[cell]]\nmlperf = \"yes\"",
        3,
        &["mlperf: \"yes\" is not true or false"],
    ),
    (
        "[[cell]]\nmodel = 2020-01-01",
        3,
        &["model: a date is not text"],
    ),
    ("[[cell]]\nmodel = \"\"", 3, &["model: \"\": is empty"]),
    (
        "[[cell]]\nmin-duration = \"5\"",
        3,
        &["min-duration: \"5\": ", "write 90s"],
    ),
    (
        "[[cell]]\nrate = \"2\"",
        3,
        &["rate: \"2\" is not a number; write it without"],
    ),
    ("[[cell]]\nrate = 0.0", 3, &["rate: 0.0: must be above 0"]),
    (
        "[[cell]]\ndtpye = \"f32\"",
        3,
        &["[[cell]] 1, dtpye: there is no such option", "dtype"],
    ),
    (
        "[[cell]]\ndtype = [\"f32\"]",
        3,
        &["a cell has one value", "[[matrix]]"],
    ),
    ("[cell]\n", 2, &["[[cell]]: is a list of tables"]),
    ("[[matrix]]\ndtype = []", 3, &["dtype: the list is empty"]),
    (
        "[[matrix]]\ndevice = [\"cuda\", \"cuda:0\"]",
        3,
        &["device: \"cuda:0\" stands twice"],
    ),
    (
        "[[matrix]]\nexclude = [{ dtype = \"f16\" }]",
        3,
        &[
            "[[matrix]] 1, exclude 1: no cell has dtype f16",
            "--dry-run",
        ],
    ),
    (
        "[[matrix]]\nexclude = [{}]",
        3,
        &["exclude 1: says nothing"],
    ),
    (
        "[[matrix]]\nexclude = [{ dtype = \"f32\" }]",
        2,
        &["every cell is left out"],
    ),
    (
        "[[cell]]\nexclude = [{ dtype = \"f16\" }]",
        3,
        &["[[cell]] 1, exclude: there is no such option"],
    ),
    (
        "[[cell]]\n[[override]]\nmatch = { dtype = \"f16\" }\nset = { limit = 1 }",
        4,
        &["[[override]] 1, match: no cell has dtype f16"],
    ),
    (
        "[[cell]]\n[[override]]\nmatch = { name = \"x\", dtype = \"f32\" }\nset = { limit = 1 }",
        4,
        &["no cell has dtype f32 and name x"],
    ),
    (
        "[[cell]]\n[[override]]\nset = { limit = 1 }",
        3,
        &["[[override]] 1: is not whole; write match"],
    ),
    (
        "[[cell]]\n[[override]]\nmatch = { dtype = \"f32\" }\nset = { limits = 1 }",
        5,
        &["[[override]] 1, set, limits: there is no such option"],
    ),
    (
        "[[cell]]\n[[expect]]\nmatch = { dtype = \"f16\" }\nf1 = 80",
        4,
        &["[[expect]] 1, match: no cell has dtype f16"],
    ),
    (
        "[[cell]]\n[[expect]]\nmatch = { dtype = \"f32\" }",
        3,
        &["[[expect]] 1: is not whole", "at-least-f1"],
    ),
    (
        "[[cell]]\n[[expect]]\nmatch = { dtype = \"f32\" }\nf1 = 180",
        5,
        &["[[expect]] 1, f1: 180: must be from 0 to 100"],
    ),
    (
        "[[cell]]\n[[expect]]\nmatch = { dtype = \"f32\" }\nf1 = nan",
        5,
        &["f1: nan: must be from 0 to 100"],
    ),
    (
        "[[cell]]\n[[expect]]\nmatch = { dtype = \"f32\" }\nat-least-f1 = 80\ntolerance = 1",
        6,
        &["tolerance: has no meaning with floors"],
    ),
    (
        "[[cell]]\n[[expect]]\nmatch = { dtype = \"f32\" }\nf1 = 80\n\
             [[expect]]\nmatch = { seed = 0 }\nf1 = 80",
        7,
        &["[[expect]] 2, match: cell minilm-l6-squad-mixed-bag has an expectation already"],
    ),
    (
        "[[cell]]\n[[cell]]\n",
        3,
        &["[[cell]] 2: cell minilm-l6-squad-mixed-bag is also in [[cell]] 1 (line 2)"],
    ),
    (
        "[[cell]]\nname = \"a\"\n[[cell]]\nname = \"A\"\nlimit = 1",
        4,
        &["the name A is also that of a cell in [[cell]] 1 (line 2)"],
    ),
    (
        "[[matrix]]\nlimit = [1, 2]\nscenario = \"offline\"\nrate = 2",
        2,
        &[
            "[[matrix]] 1, cell minilm-l6-squad-mixed-bag-rate-2-limit-1: ",
            "--rate has no meaning with --scenario offline",
        ],
    ),
    (
        "[run]\nturns = \"200ms\"\n[[cell]]\nscenario = \"single-stream\"",
        4,
        &["--turns has no meaning with --scenario single-stream"],
    ),
    ("[[cell]]\nids = \"no/such/file\"", 2, &["no/such/file"]),
];

#[test]
fn errors_name_the_line_the_place_and_the_remedy() {
    for (text, line, parts) in WRONG {
        let fault = parse(text).unwrap_err();
        let place = format!("suite.toml:{line}: ");
        assert!(fault.starts_with(&place), "{text}\n{fault}\n{place}");
        for part in *parts {
            assert!(fault.contains(part), "{text}\n{fault}\n{part}");
        }
    }
    for (text, line) in [
        ("[[cell]]", 1),
        ("[[cell]]\nschema = 1", 1),
        ("schema = 2\n[[cell]]", 1),
        ("\nschema = \"1\"\n[[cell]]", 2),
    ] {
        let fault = parse_with(text, &Options::default()).unwrap_err();
        let place = format!("suite.toml:{line}: ");
        assert!(
            fault.starts_with(&place) && fault.contains("schema = 1"),
            "{fault}"
        );
    }
    // Named cells may differ in name alone, but are the same measurement.
    let text = "[[cell]]\nname = \"a\"\n[[cell]]\nname = \"b\"\n";
    let fault = parse(text).unwrap_err();
    assert_eq!(
        fault,
        "suite.toml: cells a and b are the same; leave one out"
    );
    let numbers: Vec<String> = (1..=200).map(|n| n.to_string()).collect();
    let numbers = numbers.join(", ");
    let text = format!("[[matrix]]\nseed = [{numbers}]\nlimit = [{numbers}]");
    let fault = parse(&text).unwrap_err();
    assert!(fault.contains("more than 10000"), "{fault}");
}

#[test]
fn paths_are_relative_to_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suites/mine.toml");
    std::fs::create_dir_all(folder.path().join("suites")).unwrap();
    std::fs::create_dir_all(folder.path().join("model")).unwrap();
    // A folder beside the suite that is called as a card is not what the card's name means.
    std::fs::create_dir_all(folder.path().join("suites/roberta-base-squad2")).unwrap();
    std::fs::write(folder.path().join("suites/ids.txt"), "one\ntwo\n").unwrap();
    let text = "schema = 1\n[defaults]\nids = \"ids.txt\"\n\
                [[matrix]]\nmodel = [\"../model\", \"owner/name\", \"roberta-base-squad2\"]\n\
                [[expect]]\nmatch = { model = \"../model\" }\nf1 = 1\n";
    std::fs::write(&path, text).unwrap();
    let open = |path: &Path| {
        let name = path.to_str().unwrap();
        Suite::open(name, &Options::default(), &RunOptions::default())
    };
    let suite = open(&path).unwrap();
    assert_eq!(suite.name, "mine");
    let models: Vec<&str> = suite
        .cells
        .iter()
        .map(|cell| cell.spec.model.as_str())
        .collect();
    let beside = folder.path().join("suites/../model");
    assert_eq!(
        models,
        [
            beside.to_str().unwrap(),
            "owner/name",
            "roberta-base-squad2"
        ]
    );
    assert_eq!(names(&suite)[0], "model-mixed-bag");
    assert!(suite.cells[0].expected.is_some());
    let ids = suite.cells[1].spec.questions.ids.as_ref().unwrap();
    assert!(ids.path.ends_with("ids.txt"));
    let fault = open(&folder.path().join("no.toml")).unwrap_err();
    assert!(fault.to_string().contains("quick"), "{fault}");
    assert!(matches!(
        open(folder.path()),
        Err(SuiteError::Unreadable { .. })
    ));
}

/// Every suite of the program can be read, and every card in it exists.
#[test]
fn the_programs_own_suites_can_be_run() {
    let mut count = 0;
    for name in super::names() {
        let suite = Suite::open(name, &Options::default(), &RunOptions::default()).unwrap();
        assert_eq!(suite.name, name);
        assert!(suite.description.is_some(), "{name}");
        for cell in &suite.cells {
            let spec = &cell.spec;
            assert!(card::card(&spec.model).is_some(), "{name}: {}", spec.model);
            let dataset = dataset_card::card(&spec.dataset);
            assert!(dataset.is_some(), "{name}: {}", spec.dataset);
        }
        count += 1;
    }
    assert_eq!(count, 6);
    let quick = Suite::open("quick", &Options::default(), &RunOptions::default()).unwrap();
    assert!(quick.run.offline);
    assert!(quick.cells.iter().all(|cell| {
        let spec = &cell.spec;
        spec.model == bundled::MODEL && spec.dataset == bundled::DATASET
    }));
}

/// What `quick` expects of its plainest cell is what Hugging Face transformers answers, scored.
#[test]
fn quick_expects_the_references_answers() {
    let suite = Suite::open("quick", &Options::default(), &RunOptions::default()).unwrap();
    let cell = suite.cells.iter().find(|cell| {
        let spec = &cell.spec;
        let decoder = spec.settings.windows.decoder;
        spec.settings.precision == Precision::F32 && decoder == Decoder::RunQa
    });
    let cell = cell.unwrap();
    let mut dataset = Dataset::bundled();
    dataset.select(&cell.spec.questions).unwrap();
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/bundled");
    let predictions = Predictions::read(&goldens.join("predictions.json")).unwrap();
    let scored = score(
        &dataset,
        &predictions,
        Protocol::SquadV2,
        None,
        Summation::default(),
    );
    let accuracy = scored.unwrap().accuracy;
    let expected = cell.expected.unwrap();
    assert_eq!(Some(accuracy.exact_match()), expected.exact_match);
    assert_eq!(Some(accuracy.f1()), expected.f1);
}

/// What the squad suite expects is what the cards say was published.
#[test]
fn expectations_are_the_cards_figures() {
    let suite = Suite::open("squad", &Options::default(), &RunOptions::default()).unwrap();
    let mut checked = 0;
    for cell in &suite.cells {
        let Some(expected) = cell.expected else {
            continue;
        };
        let card = card::card(&cell.spec.model).unwrap();
        let published = card.published.iter().any(|published| {
            published.exact_match == expected.exact_match
                && published.f1 == expected.f1
                && published.protocol == dataset_card::card(&cell.spec.dataset).unwrap().protocol
        });
        assert!(published, "{}", cell.spec.name);
        let windows = card.windows.and_then(|windows| windows.max_seq_len);
        let length = cell.spec.settings.windows.max_seq_len;
        assert!(
            windows.is_none_or(|windows| windows == length),
            "{}",
            cell.spec.name
        );
        checked += 1;
    }
    assert!(checked >= 18);
}
