// SPDX-License-Identifier: GPL-2.0-only
// The list of runs: show the rows that contain every word that was typed.
"use strict";
(() => {
  const input = document.getElementById("filter");
  if (!input) return;
  const rows = [...document.querySelectorAll(".runs tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const count = input.parentElement.querySelector("output");
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, number) => {
      row.hidden = !words.every((word) => texts[number].includes(word));
      shown += !row.hidden;
    });
    count.textContent = words.length ? `${shown} of ${rows.length}` : "";
  };
  input.parentElement.hidden = false;
  input.addEventListener("input", filter);
  filter();
})();
