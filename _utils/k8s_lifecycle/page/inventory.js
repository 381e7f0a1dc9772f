"use strict";
(() => {
  const body = document.querySelector("#table tbody");
  const rows = [...body.rows].map((row) => ({
    row,
    text: row.textContent.toLowerCase(),
    keys: [...row.cells].map((cell) => cell.dataset.sort),
  }));
  const form = document.querySelector(".filter");
  const query = document.querySelector("#query");
  const filters = [...document.querySelectorAll("[data-filter]")];
  const heads = [...document.querySelectorAll("#table thead th")];
  const byText = new Intl.Collator("en", { numeric: true });

  const show = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = filters.filter((one) => one.value !== "*").map((one) => [one.dataset.filter, one.value]);
    let count = 0;
    for (const { row, text } of rows) {
      const fits =
        wanted.every(([name, value]) => row.dataset[name] === value) && words.every((word) => text.includes(word));
      row.hidden = !fits;
      count += fits;
    }
    document.querySelector("#count").value =
      count === rows.length ? `${count} servers` : `${count} of ${rows.length} servers`;
    document.querySelector("#nothing").hidden = count > 0;
  };

  const number = (key) => (key === "" ? Infinity : Number(key));
  const sort = (head) => {
    const column = heads.indexOf(head);
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const compare =
      head.dataset.kind === "number"
        ? (a, b) => Math.sign(number(a.keys[column]) - number(b.keys[column])) || 0
        : (a, b) => byText.compare(a.keys[column], b.keys[column]);
    rows.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
    body.append(...rows.map(({ row }) => row));
  };

  const choose = ({ dataset }) => {
    form.reset();
    filters.find((one) => one.dataset.filter === dataset.choose).value = dataset.value;
    show();
    document.querySelector("#servers").scrollIntoView();
    query.focus({ preventScroll: true });
  };

  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(show));
  document.querySelector("#all").addEventListener("click", () => form.reset());
  heads.forEach((head) => head.firstElementChild.addEventListener("click", () => sort(head)));
  document.querySelectorAll(".choose").forEach((one) => one.addEventListener("click", () => choose(one)));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|SELECT/.test(event.target.tagName)) {
      event.preventDefault();
      query.focus();
    }
  });
})();
