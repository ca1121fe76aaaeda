// SPDX-License-Identifier: GPL-2.0-only
// Timelines: describe the event under the pointer, or the one chosen by key, in the page's own words.
"use strict";
(() => {
  for (const plot of document.querySelectorAll(".plot")) {
    const figure = plot.parentElement;
    const readout = figure.querySelector(".readout");
    const lines = [...figure.querySelectorAll(".events li")];
    const marks = lines.map((line) => {
      const [first, last, top, height] = line.dataset.e.split(" ").map(Number);
      return { first, last, top, bottom: top + height, line };
    });
    const near = plot.querySelector(".near .field");
    const far = plot.querySelector(".far .field");
    const cursor = plot.querySelector(".cursor");
    const [start, , events, pages] = plot.dataset.box.split(" ").map(Number);
    const bars = new Map([...near.querySelectorAll(".bar")].map((bar) => [Number(bar.dataset.n), bar]));
    const idle = readout.textContent;
    let now = -1;

    const show = (number) => {
      if (number === now) return;
      bars.get(now)?.classList.remove("now");
      now = number;
      cursor?.classList.toggle("on", number >= 0);
      if (number < 0) { readout.textContent = idle; return; }
      const mark = marks[number];
      bars.get(number)?.classList.add("now");
      readout.replaceChildren(...[...mark.line.childNodes].map((node) => node.cloneNode(true)));
      const place = `${((mark.first + mark.last) / 2 - start) / events * 100}%`;
      cursor?.setAttribute("x1", place);
      cursor?.setAttribute("x2", place);
    };
    const outside = (at, low, high) => (at < low ? low - at : at > high ? at - high : 0);
    const closest = (entries, distance) => {
      let best = -1;
      let least = Infinity;
      for (const [number, value] of entries) {
        const away = distance(value);
        if (away < least) { least = away; best = number; }
      }
      return best;
    };
    near.addEventListener("pointermove", (event) => show(closest(bars, (bar) => {
      const box = bar.getBoundingClientRect();
      return outside(event.clientX, box.left, box.right) + outside(event.clientY, box.top, box.bottom);
    })));
    far?.addEventListener("pointermove", (event) => {
      const box = far.getBoundingClientRect();
      const x = start + (event.clientX - box.left) / box.width * events;
      const y = (event.clientY - box.top) / box.height * pages;
      show(closest(marks.entries(), (mark) => outside(x, mark.first, mark.last) / events * box.width
        + outside(y, mark.top, mark.bottom) / pages * box.height / 4));
    });
    const key = () => Math.max(marks.findIndex((mark) => mark.first === Number(plot.dataset.key)), 0);
    plot.addEventListener("focus", () => { if (now < 0) show(key()); });
    plot.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const to = {
        ArrowRight: () => (now + 1) % marks.length,
        ArrowLeft: () => (now < 0 ? key() : (now - 1 + marks.length) % marks.length),
        Home: () => 0, End: () => marks.length - 1, Escape: () => -1,
      }[event.key];
      if (!to) return;
      event.preventDefault();
      show(to());
    });
  }
})();
