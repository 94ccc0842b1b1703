// Sorts tables by a click on a heading, filters the models, and nothing else.
"use strict";

const sortKey = (cell) => {
  const text = cell.dataset.key ?? cell.textContent.trim();
  const number = parseFloat(text.replace(/^[^\d.+-]*/, "").replace(/,/g, ""));
  return { empty: text === "", number, text };
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

const box = document.getElementById("filter");
if (box) {
  const lines = [...document.querySelectorAll("#model-table tbody tr")];
  const count = document.getElementById("filtered");
  // "β-VAE · β = 4" (from a line of the table of means) asks for whole parts, "beta 4" for words or their beginnings.
  const wanted = (text) => text.split(text.includes("·") ? "·" : /\s+/).map((part) => part.trim()).filter(Boolean);
  const begins = (word, wish) => (Number.isNaN(Number(wish)) ? word.startsWith(wish) : word === wish);
  const filter = () => {
    const text = box.value.toLowerCase();
    let shown = 0;
    for (const line of lines) {
      const words = line.dataset.words.toLowerCase().split(text.includes("·") ? " · " : /[\s·=]+/);
      const fits = wanted(text).every((wish) =>
        text.includes("·") ? words.includes(wish) : words.some((word) => begins(word, wish)));
      line.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${lines.length} models`;
  };
  box.closest("p").hidden = false;
  box.addEventListener("input", filter);
  for (const link of document.querySelectorAll("a[data-filter]"))
    link.addEventListener("click", () => { box.value = link.dataset.filter; filter(); });
  filter();
}
