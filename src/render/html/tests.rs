use super::*;

#[test]
fn an_empty_page_is_whole() {
    let page = page(&Page {
        title: "<t>",
        description: "",
        cells: &[],
        samples: &[],
        comparisons: &[],
        leaderboard: None,
    });
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"));
    assert!(page.contains("<h1><bdi>&lt;t&gt;</bdi></h1>") && page.ends_with("</html>\n"));
}

/// What stands in script and style is not escaped, so it must not end there.
#[test]
fn script_and_style_end_where_they_end() {
    for text in [STYLE, SCRIPT] {
        assert!(!text.contains("</") && !text.contains("<!--"));
    }
}
