"use strict";
// Sorting, searching and filtering of tables. Texts come from the page and go nowhere: nothing is
// ever parsed as HTML or run.
(function () {
  var folded = function (text) {
    return text.normalize("NFKC").toLowerCase();
  };

  // Rows of a body, in the page's order.
  var rowsOf = function (table) {
    return Array.prototype.slice.call(table.tBodies[0].rows);
  };

  // What a row is sorted by in a column: a number, a text, or null where there is none.
  var keyOf = function (row, column, sort) {
    var cell = row.cells[column];
    if (!cell || cell.colSpan > 1) return null;
    if (sort === "words") return folded(cell.textContent.trim());
    var text = cell.getAttribute("data-value");
    if (text === null) text = cell.textContent.replace("\u2212", "-").replace(/,/g, "");
    var number = parseFloat(text);
    return isNaN(number) ? null : number;
  };

  var sortBy = function (table, column, sort, direction) {
    var keyed = rowsOf(table).map(function (row) {
      return { row: row, key: keyOf(row, column, sort) };
    });
    keyed.sort(function (a, b) {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      var order = sort === "words" ? a.key.localeCompare(b.key) : a.key - b.key;
      return direction * order;
    });
    keyed.forEach(function (entry) {
      table.tBodies[0].appendChild(entry.row);
    });
  };

  var makeSortable = function (table) {
    var headings = Array.prototype.slice.call(table.tHead.rows[0].cells);
    if (table.tBodies[0].rows.length < 2 || table.classList.contains("properties")) return;
    headings.forEach(function (heading, column) {
      var sort = heading.getAttribute("data-sort");
      if (sort === "none") return;
      var button = document.createElement("button");
      button.type = "button";
      while (heading.firstChild) button.appendChild(heading.firstChild);
      heading.appendChild(button);
      button.addEventListener("click", function () {
        // Figures of most interest first: the largest; words from the beginning.
        var first = sort === "words" ? "ascending" : "descending";
        var other = sort === "words" ? "descending" : "ascending";
        var next = heading.getAttribute("aria-sort") === first ? other : first;
        headings.forEach(function (each) { each.removeAttribute("aria-sort"); });
        heading.setAttribute("aria-sort", next);
        sortBy(table, column, sort, next === "ascending" ? 1 : -1);
      });
    });
  };

  var makeSearchable = function (controls) {
    var table = document.getElementById(controls.getAttribute("data-for"));
    var search = controls.querySelector("input");
    var filters = Array.prototype.slice.call(controls.querySelectorAll("select"));
    var count = controls.querySelector("output");
    var texts = new Map();
    var apply = function () {
      var terms = folded(search.value).split(/\s+/).filter(Boolean);
      var shown = 0;
      var rows = rowsOf(table);
      rows.forEach(function (row) {
        if (terms.length && !texts.has(row)) texts.set(row, folded(row.textContent));
        var isShown = filters.every(function (filter) {
          return filter.value === "" || row.getAttribute(filter.getAttribute("data-by")) === filter.value;
        }) && terms.every(function (term) { return texts.get(row).indexOf(term) >= 0; });
        row.hidden = !isShown;
        if (isShown) shown += 1;
      });
      count.textContent = shown + " of " + rows.length + " shown";
    };
    search.addEventListener("input", apply);
    filters.forEach(function (filter) { filter.addEventListener("change", apply); });
    controls.hidden = false;
    // A browser that goes back to the page fills in what had been chosen.
    apply();
  };

  document.querySelectorAll("table").forEach(makeSortable);
  document.querySelectorAll(".controls").forEach(makeSearchable);

  // Paper has nothing to unfold.
  var opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    opened.forEach(function (details) { details.open = true; });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (details) { details.open = false; });
  });
})();
