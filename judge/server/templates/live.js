
(() => {
  const note = document.getElementById("live");
  let seen = new Date();
  async function renew() {
    if (document.hidden || getSelection().type === "Range") return;
    try {
      const answer = await fetch(location.origin + location.pathname, {cache: "no-store", signal: AbortSignal.timeout(10000)});
      if (!answer.ok) throw new Error("status " + answer.status);
      const text = await answer.text();
      const box = document.createElement("template");  // the page in it is inert; its style would break the policy
      box.innerHTML = text.slice(text.indexOf("<main"), text.lastIndexOf("</main>"));
      const fresh = box.content.firstElementChild;
      const focus = document.activeElement.closest("details[id]");
      for (const open of document.querySelectorAll("details[open]")) box.content.getElementById(open.id)?.setAttribute("open", "");
      document.querySelector("main").replaceWith(fresh);
      document.title = fresh.dataset.title;
      if (focus) document.getElementById(focus.id)?.querySelector("summary").focus({preventScroll: true});
      seen = new Date();
      note.hidden = true;
    } catch {
      note.textContent = "No answer since " + seen.toISOString().slice(11, 19) + " UTC: what is shown is old.";
      note.hidden = false;
    }
  }
  (async () => {
    for (;;) {
      await new Promise(done => setTimeout(done, {{ refresh_s }} * 1000));
      await renew();
    }
  })();
})();
