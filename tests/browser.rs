//! The HTML page, opened in headless Chromium: everything is there, works, and nothing that
//! records hold can do more than be read. `tests/browser/` holds a run of the bundled model
//! (12 questions of `mixed-bag`), of whose record some lists were shortened.

#[path = "browser/report.rs"]
mod report;
mod support;
#[path = "support/webdriver.rs"]
mod webdriver;

use std::path::{Path, PathBuf};

use report::{Hostile, hostile_report, report};
use serde_json::{Value, json};
use webdriver::Browser;

fn written(html: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    std::fs::write(&path, html).unwrap();
    (folder, path)
}

/// Sets the window's width, and what the page is told of its medium.
fn show(browser: &Browser, path: &Path, width: u32, medium: &str, scheme: &str) {
    let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
    browser.devtools("Emulation.setDeviceMetricsOverride", &size);
    let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
    browser.devtools(
        "Emulation.setEmulatedMedia",
        &json!({"media": medium, "features": features}),
    );
    browser.open(path);
}

fn assert_no_console_entry(browser: &Browser) {
    let entries = browser.console();
    assert!(entries.is_empty(), "{entries:#?}");
}

/// The width that the document takes, and that it has.
fn assert_no_overflow(browser: &Browser, what: &str) {
    let widths = browser.run(
        "const root = document.documentElement;
         const beyond = [...document.querySelectorAll('body *')]
             .filter(e => !e.closest('.scroll') && e.getBoundingClientRect().right > root.clientWidth + 0.5)
             .map(e => e.outerHTML.slice(0, 120));
         return [root.scrollWidth, root.clientWidth, beyond];",
    );
    let [scroll, client] = [0, 1].map(|place| widths[place].as_u64().expect("a width"));
    assert!(client > 0 && scroll <= client, "{what}: {widths:#}");
}

/// Every attribute of every drawing that places something holds finite numbers, within the drawing.
const PLACES: &str = r#"
    const faults = [];
    const names = ["d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "width", "height"];
    for (const svg of document.querySelectorAll("svg")) {
        const box = (svg.getAttribute("viewBox") ?? "").split(" ").map(Number);
        const [, , width, height] = box;
        if (box.length !== 4 || !box.every(Number.isFinite) || !(width > 0 && height > 0)) {
            faults.push(svg.outerHTML.slice(0, 120) + ": viewBox");
            continue;
        }
        for (const part of svg.querySelectorAll("*")) {
            for (const name of names) {
                const text = part.getAttribute(name);
                if (text === null) continue;
                const numbers = text.replace(/[MLZ]/g, " ").trim().split(/\s+/).map(Number);
                const far = (n) => !Number.isFinite(n) || n < -10 || n > Math.max(width, height) + 10;
                if (numbers.some(far)) faults.push(svg.querySelector("title").textContent + ": " + name + "=" + text);
            }
        }
    }
    return faults;
"#;

fn assert_drawings_are_sound(browser: &Browser) {
    let faults = browser.run(PLACES);
    assert_eq!(faults, json!([]));
    let empty = browser.run(
        "return [...document.querySelectorAll('svg.plot, svg.strip')]
            .filter(svg => !svg.querySelector('title').textContent || svg.getAttribute('role') !== 'img').length;",
    );
    assert_eq!(empty, 0);
}

fn count(browser: &Browser, selector: &str) -> u64 {
    let script = format!("return document.querySelectorAll({selector:?}).length;");
    browser.run(&script).as_u64().unwrap()
}

/// Rows of a table that show, and what is said of their number.
fn shown(browser: &Browser, table: &str) -> (u64, String) {
    let rows = browser.run(&format!(
        "return [...document.querySelectorAll('#{table} tbody tr')].filter(row => row.offsetHeight > 0).length;"
    ));
    let said = browser.run(&format!(
        "return document.querySelector('[data-for={table}] output').textContent;"
    ));
    (rows.as_u64().unwrap(), said.as_str().unwrap().to_owned())
}

#[test]
fn the_page_has_every_section_and_drawing() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let (_folder, path) = written(&report().page());
    show(&browser, &path, 1280, "screen", "light");
    let ids =
        browser.run("return [...document.querySelectorAll('section')].map(section => section.id);");
    let expected = [
        "results",
        "tradeoff",
        "leaderboard",
        "comparison-1",
        "comparison-2",
        "latency",
        "slices",
        "answerability",
        "errors",
        "details",
        "environment",
        "reproduce",
        "method",
    ];
    assert_eq!(ids, json!(expected));
    let broken = browser.run(
        "return [...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.getAttribute('href'))).length;",
    );
    assert_eq!(broken, 0);
    for (drawing, fewest) in [
        // The third cell is of another machine, so it has no part in the drawing of the other two.
        ("svg.tradeoff", 1),
        ("svg.tradeoff .mark", 2),
        ("svg.tradeoff .front", 1),
        ("svg.latency path.line", 2),
        ("svg.calibration", 3),
        ("svg.calibration .bar", 3),
        ("svg.precision-recall path.line", 3),
        ("#slices-table svg.strip .dot", 10),
        ("#performance-1 svg.strip .dot", 3),
        ("#accuracy-1 svg.strip .interval", 2),
    ] {
        let found = count(&browser, drawing);
        assert!(found >= fewest, "{drawing}: {found}");
    }
    assert_drawings_are_sound(&browser);
    let levels = browser.run(
        "return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]));",
    );
    let levels: Vec<u64> = serde_json::from_value(levels).unwrap();
    assert!(
        levels[0] == 1 && levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
        "{levels:?}"
    );
    let unscoped = count(&browser, "th:not([scope]), table:not(:has(caption))");
    assert_eq!(unscoped, 0);
    let twice = browser.run("const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.length - new Set(ids).size;");
    assert_eq!(twice, 0);
    let text = browser.run("return document.body.textContent;");
    let text = text.as_str().unwrap();
    for part in [
        "failed: out of memory: killed for want of memory",
        "other processes kept 0.5 cores busy",
        "spanbench run --model minilm-l6-squad --dataset mixed-bag --limit 12",
        "Another processor",
        &"elsewhere ".repeat(1000),
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert_no_console_entry(&browser);
}

#[test]
fn rows_can_be_searched_filtered_and_sorted() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let report = report();
    let flips = &report.comparisons[0].flips;
    let all = flips.questions.len() as u64;
    assert!(flips.lost > 0 && flips.gained > 0 && flips.causes.len() > 1);
    let (_folder, path) = written(&report.page());
    show(&browser, &path, 1280, "screen", "light");
    assert_eq!(
        shown(&browser, "flips-1"),
        (all, format!("{all} of {all} shown"))
    );

    // Search looks at the whole text of a row, whatever is folded, and wants every word.
    let id = &flips.questions[0].id;
    browser.type_into("[data-for=flips-1] input", &id.to_uppercase());
    let with_id = flips.questions.iter().filter(|flip| flip.id == *id).count() as u64;
    assert_eq!(
        shown(&browser, "flips-1"),
        (with_id, format!("{with_id} of {all} shown"))
    );
    browser.type_into("[data-for=flips-1] input", "elsewhere");
    let long = flips
        .questions
        .iter()
        .filter(|flip| flip.candidate.answer.contains("elsewhere"))
        .count() as u64;
    assert!(long > 0 && long < all);
    assert_eq!(shown(&browser, "flips-1").0, long);
    browser.type_into("[data-for=flips-1] input", "elsewhere nothing-has-this");
    assert_eq!(shown(&browser, "flips-1"), (0, format!("0 of {all} shown")));
    browser.type_into("[data-for=flips-1] input", "x");
    browser.run("const box = document.querySelector('[data-for=flips-1] input'); box.value = ''; box.dispatchEvent(new Event('input'));");

    // Filters narrow further, together.
    browser.click("[data-for=flips-1] select[data-by=data-direction] option[value=lost]");
    assert_eq!(shown(&browser, "flips-1").0, flips.lost as u64);
    let cause = &flips.causes[0];
    let name = cause.cause.name().replace('_', " ");
    browser.click(&format!(
        "[data-for=flips-1] select[data-by=data-cause] option[value='{name}']"
    ));
    assert_eq!(shown(&browser, "flips-1").0, cause.lost as u64);

    // Figures: the largest first, then the smallest. Failed cells stay last.
    let speeds = "return [...document.querySelectorAll('#cells tbody tr')].map(row => row.cells.length > 8 ? parseFloat(row.cells[8].textContent) : null);";
    let heading = "#cells thead th:nth-child(9)";
    assert!(
        browser
            .run(&format!(
                "return document.querySelector('{heading}').textContent;"
            ))
            .as_str()
            .unwrap()
            .starts_with("questions/s")
    );
    for (order, direction) in [(1.0, "descending"), (-1.0, "ascending")] {
        browser.click(&format!("{heading} button"));
        let sorted: Vec<Option<f64>> = serde_json::from_value(browser.run(speeds)).unwrap();
        let figures: Vec<f64> = sorted.iter().flatten().copied().collect();
        assert!(
            figures.len() == 3
                && figures
                    .windows(2)
                    .all(|pair| order * pair[0] >= order * pair[1]),
            "{sorted:?}"
        );
        assert_eq!(sorted[3], None);
        assert_eq!(
            browser.run(&format!(
                "return document.querySelector('{heading}').getAttribute('aria-sort');"
            )),
            direction
        );
    }
    // Words, from the keyboard.
    browser.run("document.querySelector('#cells thead th button').focus();");
    browser.type_into_focused("\u{e007}");
    let names = browser
        .run("return [...document.querySelectorAll('#cells tbody th')].map(th => th.textContent);");
    assert_eq!(names, json!(["base", "third", "too-large", "worse"]));
    assert_no_console_entry(&browser);
}

#[test]
fn it_is_readable_everywhere() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let (_folder, path) = written(&report().page());
    let colours = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color];";
    let mut seen = Vec::new();
    for width in [1280, 390] {
        for scheme in ["light", "dark"] {
            show(&browser, &path, width, "screen", scheme);
            assert_no_overflow(&browser, &format!("{width} px, {scheme}"));
            browser.run("document.querySelectorAll('details').forEach(details => { details.open = true; });");
            assert_no_overflow(&browser, &format!("{width} px, {scheme}, unfolded"));
            seen.push(browser.run(colours));
        }
    }
    assert!(
        seen[0] != seen[1] && seen[0] == seen[2] && seen[1] == seen[3],
        "{seen:?}"
    );

    // On paper: light, nothing to click on, nothing folded.
    show(&browser, &path, 800, "print", "dark");
    assert_eq!(browser.run(colours), seen[0]);
    assert_eq!(browser.run("return [...document.querySelectorAll('.controls, nav')].filter(e => e.offsetHeight > 0).length;"), 0);
    let folded = browser.run(
        "return [...document.querySelectorAll('details')].filter(details => {
            const inner = details.querySelector(':scope > :not(summary)');
            return inner && inner.getBoundingClientRect().height === 0;
        }).length;",
    );
    assert_eq!(folded, 0);
    let paper = browser.devtools("Page.printToPDF", &json!({}));
    assert!(paper["data"].as_str().unwrap().len() > 10_000);
    assert_no_console_entry(&browser);
}

/// Nothing but the page's own script runs, even if something got into the page.
#[test]
fn the_policy_holds() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let html = report().page();
    let injected = html.replace(
        "<main>",
        "<main><script>window.hacked = 1</script><p id=painted style='color: red' onclick='window.hacked = 2'>x</p>\
         <style>body { display: none }</style><img src='http://127.0.0.1:9/x.png' onerror='window.hacked = 3'>",
    );
    assert_ne!(html, injected);
    let (_folder, path) = written(&injected);
    show(&browser, &path, 1280, "screen", "light");
    browser.click("#painted");
    assert_eq!(
        browser
            .run("return window.hacked === undefined && getComputedStyle(document.body).display;"),
        "block"
    );
    let refused = browser.console();
    assert!(refused.len() >= 4, "{refused:#?}");
    let is_refusal = |entry: &Value| {
        entry["message"]
            .as_str()
            .unwrap()
            .contains("Content Security Policy")
    };
    assert!(refused.iter().all(is_refusal), "{refused:#?}");
}

#[test]
fn hostile_strings_are_only_read() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let report = hostile_report();
    let (_folder, path) = written(&report.page());
    for width in [1280, 390] {
        show(&browser, &path, width, "screen", "light");
        browser.run(
            "document.querySelectorAll('details').forEach(details => { details.open = true; });",
        );
        assert_no_overflow(&browser, &format!("{width} px"));
    }
    assert_drawings_are_sound(&browser);
    assert_eq!(browser.run("return window.hacked === undefined;"), true);
    assert_eq!(
        (
            count(&browser, "script"),
            count(&browser, "style"),
            count(&browser, "img, iframe, object, link, form")
        ),
        (1, 1, 0)
    );
    let handlers = browser.run(
        "return [...document.querySelectorAll('*')].flatMap(e => [...e.attributes])
            .filter(a => a.name.startsWith('on') || (a.name === 'href' && !a.value.startsWith('#'))).length;",
    );
    assert_eq!(handlers, 0);
    let text = browser.run("return document.body.textContent;");
    let text = text.as_str().unwrap();
    let hostile = Hostile::new();
    for whole in hostile.texts.iter().filter(|text| {
        !text
            .chars()
            .any(|c| c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c))
    }) {
        assert!(text.contains(whole.as_str()), "{whole:.60}");
    }
    assert!(text.contains("\u{27e8}U+0000\u{27e9}") && text.contains("\u{27e8}U+202E\u{27e9}"));
    assert!(!text.contains(['\u{0}', '\u{1b}', '\u{202e}', '\u{2066}', '\u{85}']));
    assert_eq!(browser.run("return document.title;"), hostile.texts[3]);

    // Hostile words are found like others.
    let all = report.comparisons[0].flips.questions.len() as u64;
    browser.type_into("[data-for=flips-1] input", "onerror=window.hacked=1>");
    let (found, said) = shown(&browser, "flips-1");
    assert!(found > 0 && found < all && said == format!("{found} of {all} shown"));
    assert_no_console_entry(&browser);
}
