// Sorts tables by a click on a heading, filters their lines by words, and nothing else.
"use strict";

const sortKey = (cell) => {
  const key = cell.dataset.key;
  const text = cell.textContent.trim();
  // A key is a number or a word as it is; in a text the first number counts, in brackets or behind a symbol.
  const number = key ? Number(key) : parseFloat(text.replace(/^[^\d.+-]*/, "").replace(/,/g, ""));
  return { empty: text === "", number, text: key || text };
};

const compare = (a, b) =>
  Number.isNaN(a.number) || Number.isNaN(b.number) ? a.text.localeCompare(b.text) : a.number - b.number;

function sortBy(table, column, heading) {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  const lines = [...table.tBodies[0].rows].map((line) => ({ line, key: sortKey(line.cells[column]) }));
  // What is not there goes last, whichever way.
  lines.sort((a, b) => a.key.empty - b.key.empty || (descending ? -1 : 1) * compare(a.key, b.key));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  table.classList.add("sorted");
  table.tBodies[0].append(...lines.map(({ line }) => line));
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "sort";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortBy(table, column, heading));
    heading.append(button);
  });
}

// "β-VAE · β = 4" (from a line of the table of means) asks for whole parts; what is typed for parts of words, and for
// whole numbers: "tcvae 4".
function finder(text) {
  const whole = text.includes("·");
  const wishes = text.split(whole ? "·" : /\s+/).map((wish) => wish.trim()).filter(Boolean);
  return (line) => {
    const words = line.dataset.words.toLowerCase();
    if (whole) return wishes.every((wish) => words.split(" · ").includes(wish));
    const numbers = words.split(/[\s·=,()]+/);
    return wishes.every((wish) =>
      Number.isNaN(Number(wish)) ? words.includes(wish.replace(/_/g, "-")) || words.includes(wish) : numbers.includes(wish));
  };
}

function filterBy(box) {
  const section = box.closest("section");
  const lines = [...section.querySelectorAll("tr[data-words]")];
  const count = box.closest("p").querySelector("[role=status]");
  const tables = [...section.querySelectorAll(".table")].filter((table) => table.querySelector("tr[data-words]"));
  const folds = [...section.querySelectorAll("details")].filter((fold) => fold.querySelector("tr[data-words]"));
  const open = new Map(folds.map((fold) => [fold, fold.open]));
  let before = "";
  const filter = () => {
    const text = box.value.trim().toLowerCase();
    const fits = finder(text);
    let shown = 0;
    for (const line of lines) {
      line.hidden = !fits(line);
      shown += !line.hidden;
    }
    if (text !== before) {
      const left = (part) => part.querySelector("tr[data-words]:not([hidden])") !== null;
      if (tables.length > 1) for (const table of tables) table.hidden = !left(table);
      for (const fold of folds) {
        if (before === "") open.set(fold, fold.open);
        fold.hidden = !left(fold);
        fold.open = text === "" ? open.get(fold) : left(fold);
      }
      before = text;
    }
    const hint = shown ? "" : ": try a part of an objective, a strength or a data set";
    count.textContent = `${shown} of ${lines.length} ${box.dataset.counts}${hint}`;
  };
  box.closest("p").hidden = false;
  box.addEventListener("input", filter);
  filter();
  return filter;
}

for (const box of document.querySelectorAll("input[type=search]")) {
  const filter = filterBy(box);
  if (box.id === "filter")
    for (const link of document.querySelectorAll("a[data-filter]"))
      link.addEventListener("click", () => { box.value = link.dataset.filter; filter(); });
}
