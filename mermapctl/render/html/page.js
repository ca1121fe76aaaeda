// SPDX-License-Identifier: GPL-2.0-only
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // --- theme: as the system, light, dark -------------------------------------------------------
  const themes = ["", "light", "dark"];
  const stored = () => { try { return localStorage.getItem("mermapctl-theme") || ""; } catch { return ""; } };
  const setTheme = (name) => {
    if (name) root.dataset.theme = name; else delete root.dataset.theme;
    document.querySelector('[data-do="theme"] .word').textContent = { "": "Theme: auto", light: "Theme: light", dark: "Theme: dark" }[name];
    try { localStorage.setItem("mermapctl-theme", name); } catch { /* private mode keeps nothing */ }
  };
  const nextTheme = () => setTheme(themes[(themes.indexOf(root.dataset.theme || "") + 1) % 3]);
  setTheme(themes.includes(stored()) ? stored() : "");

  // --- folds -----------------------------------------------------------------------------------
  const folds = all("details");
  const button = document.querySelector('[data-do="fold"] .word');
  const label = () => { button.textContent = folds.some((d) => !d.open) ? "Open all" : "Close all"; };
  const fold = () => {
    const open = folds.some((d) => !d.open);
    for (const one of folds) one.open = open;
    label();
  };
  button.parentElement.hidden = !folds.length;
  document.addEventListener("toggle", label, true);
  label();
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds.filter((d) => !d.open && !d.classList.contains("fold"));
    for (const one of closed) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of closed) one.open = false; });

  // --- links into the console ------------------------------------------------------------------
  const go = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let d = target.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
    for (const old of all(".l.target")) old.classList.remove("target");
    if (target.classList.contains("l")) {
      target.classList.add("target");
      target.scrollIntoView({ block: "center" });
    } else {
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", go);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const to = link && (link.getAttribute("href") ?? link.href.baseVal);
    if (to && to === location.hash) go();  // the same again: no hashchange
  });
  go();

  // --- keys ------------------------------------------------------------------------------------
  const keys = document.getElementById("keys");
  const findings = all(".finding");
  let at = -1;
  const step = (by) => {
    if (!findings.length) return;
    at = (at + by + findings.length) % findings.length;
    if (at < 0) at = 0;
    findings[at].scrollIntoView({ block: "center" });
    findings[at].focus({ preventScroll: true });
  };
  const actions = {
    j: () => step(1), k: () => step(-1), e: fold, t: nextTheme,
    g: () => scrollTo({ top: 0 }), "?": () => keys.showModal(),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    const action = actions[event.key];
    if (action) { event.preventDefault(); action(); }
  });
  const clicks = { fold, theme: nextTheme, help: () => keys.showModal() };
  for (const one of all("[data-do]")) one.addEventListener("click", clicks[one.dataset.do]);

  // --- timelines: the event under the pointer, or the next one by key --------------------------
  for (const plot of all(".plot")) {
    const field = plot.querySelector(".field");
    const cursor = plot.querySelector(".cursor");
    const readout = plot.parentElement.querySelector(".readout");
    const idle = readout.textContent;
    const [first, , events] = plot.querySelector(".bars").getAttribute("viewBox").split(" ").map(Number);
    const tip = (element) => element.querySelector("title").textContent;
    const marks = all(".bars rect", plot).map((element) => ({
      element, from: +element.getAttribute("x"),
      to: +element.getAttribute("x") + +element.getAttribute("width"), text: tip(element),
    }));
    const percent = (element, name) => first + parseFloat(element.getAttribute(name)) / 100 * events;
    for (const one of all(".flush line", plot)) {
      const x = percent(one, "x1");
      marks.push({ element: one, from: x, to: x, text: tip(one.parentElement) });
    }
    marks.sort((a, b) => a.from - b.from);
    let now = -1;
    const show = (index, x) => {
      if (now >= 0) marks[now].element.classList.remove("now");
      now = index;
      if (index < 0) {
        readout.textContent = idle;
        cursor.classList.remove("on");
        return;
      }
      const mark = marks[index];
      mark.element.classList.add("now");
      readout.textContent = mark.text;
      const place = `${((x ?? (mark.from + mark.to) / 2) - first) / events * 100}%`;
      cursor.classList.add("on");
      cursor.setAttribute("x1", place); cursor.setAttribute("x2", place);
    };
    const nearest = (x) => {
      let best = -1;
      let least = Infinity;
      marks.forEach((mark, index) => {
        const far = x < mark.from ? mark.from - x : x > mark.to ? x - mark.to : 0;
        if (far < least || (far === least && mark.to - mark.from < marks[best].to - marks[best].from)) {
          least = far; best = index;
        }
      });
      return best;
    };
    field.addEventListener("pointermove", (event) => {
      const box = field.getBoundingClientRect();
      const x = first + (event.clientX - box.left) / box.width * events;
      const over = marks.findIndex((mark) => mark.element === event.target);
      show(over >= 0 ? over : nearest(x), x);
    });
    field.addEventListener("pointerleave", () => show(-1));
    plot.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (by && marks.length) {
        event.preventDefault();
        show(now < 0 ? (by > 0 ? 0 : marks.length - 1) : (now + by + marks.length) % marks.length);
      }
      if (event.key === "Escape") show(-1);
    });
    plot.addEventListener("blur", () => show(-1));
  }
})();
