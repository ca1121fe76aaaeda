// SPDX-License-Identifier: GPL-2.0-only
"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

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
    const long = (d) => d.classList.contains("fold") || d.classList.contains("events") || d.classList.contains("opens");
    closed = folds.filter((d) => !d.open && !long(d));
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
  const findings = all("article.finding");
  let at = -1;
  const step = (by) => {
    if (!findings.length) return;
    at = (at + by + findings.length) % findings.length;
    if (at < 0) at = 0;
    findings[at].scrollIntoView({ block: "center" });
    findings[at].focus({ preventScroll: true });
  };
  const actions = {
    j: () => step(1), k: () => step(-1), e: fold,
    g: () => scrollTo({ top: 0 }), "?": () => keys.showModal(),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    const action = actions[event.key];
    if (action) { event.preventDefault(); action(); }
  });
  const clicks = { fold, help: () => keys.showModal() };
  for (const [name, click] of Object.entries(clicks)) document.querySelector(`[data-do="${name}"]`).addEventListener("click", click);

})();
