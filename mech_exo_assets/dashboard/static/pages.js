// Asks for pages and hands them to Dash, which draws them; says when what is shown is no longer the newest.
(() => {
  const MINUTE = 60000;
  const scripts = {};
  let state = null, asked = 0, seen = false;

  // The first page is on its way before Dash's own scripts are read.
  // Asked as a program: who has to sign in first is told so, and not sent the form.
  const asProgram = {headers: {Accept: "application/json, text/plain"}};
  const content = (path) => fetch(`/content?path=${encodeURIComponent(path)}`, asProgram);
  let first = {path: location.pathname, answer: content(location.pathname)};
  first.answer.catch(() => {});

  const loaded = (address) => scripts[address] ||= new Promise((done, failed) => {
    document.head.append(Object.assign(document.createElement("script"), {src: address, onload: done, onerror: failed}));
  });
  const part = (type, props) => ({namespace: "dash_html_components", type, props});
  const failure = (why) => part("Article", {children: [
    part("H1", {id: "page-title", tabIndex: -1, children: "This page could not be fetched"}),
    part("P", {className: "nothing", role: "alert", children: `${why} Load it again in a moment; the state of this server is at /health.`}),
  ]});

  const show = async (path) => {
    const none = window.dash_clientside.no_update;
    const mine = ++asked;
    try {
      const answer = await (first && first.path === path ? first.answer : content(path));
      first = null;
      if (answer.status === 401) {
        location.assign(`/sign-in?next=${encodeURIComponent(path)}`);
        return [none, none, none];
      }
      if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
      const found = await answer.json();
      await Promise.all(found.scripts.map(loaded));
      // Somebody who has clicked on meanwhile sees what was clicked last.
      if (mine !== asked) return [none, none, none];
      state = found.state;
      document.getElementById("news").hidden = true;
      return [found.page, found.navigation, found.badges];
    } catch (error) {
      first = null;
      return mine === asked ? [failure(error.message), none, none] : [none, none, none];
    }
  };

  // Titles and focus follow the page: a screen reader hears where it is.
  const titled = () => {
    const heading = document.getElementById("page-title");
    if (heading) {
      document.title = `${heading.textContent} · Mech-Exo`;
      if (seen) heading.focus({preventScroll: true});
      seen = true;
    }
    return window.dash_clientside.no_update;
  };

  setInterval(async () => {
    if (document.hidden || state === null) return;
    const answer = await fetch("/state", asProgram).catch(() => null);
    if (answer && answer.ok && await answer.text() !== state) document.getElementById("news").hidden = false;
  }, MINUTE);
  document.addEventListener("click", (event) => { if (event.target.closest("#news")) location.reload(); });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {mechExo: {show, titled}});
})();
