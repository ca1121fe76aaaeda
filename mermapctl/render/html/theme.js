// SPDX-License-Identifier: GPL-2.0-only
// The colours: as the system's, light, or dark. Every page has this.
"use strict";
(() => {
  const root = document.documentElement;
  const button = document.querySelector('[data-do="theme"]');
  const themes = { "": "Theme: auto", light: "Theme: light", dark: "Theme: dark" };
  const names = Object.keys(themes);
  const stored = () => { try { return localStorage.getItem("mermapctl-theme") || ""; } catch { return ""; } };
  const choose = (name) => {
    if (name) root.dataset.theme = name; else delete root.dataset.theme;
    button.querySelector(".word").textContent = themes[name];
    try { localStorage.setItem("mermapctl-theme", name); } catch { /* private mode keeps nothing */ }
  };
  const next = () => choose(names[(names.indexOf(root.dataset.theme || "") + 1) % names.length]);
  choose(names.includes(stored()) ? stored() : "");
  button.addEventListener("click", next);
  addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.key === "t" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && !document.querySelector("dialog[open]")) next();
  });
})();
