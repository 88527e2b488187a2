// Light or dark: the reader's choice where one was made, else the system's. Runs before anything is painted.
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const kept = () => { try { return localStorage.getItem("scheme"); } catch { return null; } };
  const show = (scheme) => document.documentElement.setAttribute("data-scheme", scheme);
  const now = () => kept() || (system.matches ? "dark" : "light");
  show(now());
  system.addEventListener("change", () => show(now()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#scheme")) return;
    const other = document.documentElement.getAttribute("data-scheme") === "dark" ? "light" : "dark";
    try { localStorage.setItem("scheme", other); } catch { /* It is not kept then, and shown nevertheless. */ }
    show(other);
  });
})();
