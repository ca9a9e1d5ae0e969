// The browser of a report: filters, search, keyboard, and the details of one item. All texts enter the page as text nodes.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("index").textContent);
  const chunks = [...document.querySelectorAll("script[data-chunk]")];
  const F = Object.fromEntries(data.fields.map((name, place) => [name, place]));
  const $ = (id) => document.getElementById(id);
  const list = $("list"), detail = $("detail"), count = $("count"), form = $("filters");
  const PAGE = 100;
  let shown = data.items.map((_, i) => i), drawn = 0, current = -1;
  const unpacked = new Map();

  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "class") node.className = value; else if (value !== false && value != null) node.setAttribute(name, value);
    }
    for (const child of children.flat()) if (child != null) node.append(child);
    return node;
  }
  const number = (v) => (v == null ? "none" : String(+(+v).toFixed(3)));
  const visible = (text) => (text == null ? "" : String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")));

  async function details(place) {
    const which = Math.floor(place / data.chunk);
    if (!unpacked.has(which)) {
      unpacked.set(which, (async () => {
        const bytes = Uint8Array.from(atob(chunks[which].textContent), (c) => c.charCodeAt(0));
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
        return JSON.parse(await new Response(stream).text());
      })());
    }
    return (await unpacked.get(which))[place % data.chunk];
  }

  async function filter() {
    const words = $("search").value.trim().toLowerCase(), status = $("status").value, flag = $("flag").value;
    const low = $("low").value === "" ? -Infinity : +$("low").value, high = $("high").value === "" ? Infinity : +$("high").value;
    const everywhere = $("everywhere").checked && words !== "";
    const out = [];
    for (let i = 0; i < data.items.length; i++) {
      const it = data.items[i];
      if (status && it[F.status] !== status && "reason:" + it[F.reason] !== status) continue;
      if (flag && !it[F.flags].includes(flag)) continue;
      const r = it[F.reward];
      if ((low > -Infinity || high < Infinity) && (r == null || r < low || r > high)) continue;
      if (words) {
        let hit = (it[F.id] + " " + it[F.prompt] + " " + it[F.text]).toLowerCase().includes(words);
        if (!hit && everywhere) {
          if (i % 200 === 0) { count.textContent = "searching " + i + " of " + data.items.length; await new Promise(requestAnimationFrame); }
          hit = JSON.stringify(await details(i)).toLowerCase().includes(words);
        }
        if (!hit) continue;
      }
      out.push(i);
    }
    const by = $("sort").value, value = (i) => { const it = data.items[i];
      return by === "low" ? it[F.reward] ?? 9 : by === "high" ? -(it[F.reward] ?? -9) : by === "long" ? -it[F.length] : by === "gap" ? -(it[F.gap] ?? -9) : i; };
    if (by !== "order") out.sort((a, b) => value(a) - value(b) || a - b);
    shown = out; drawn = 0; list.replaceChildren(); more();
    count.textContent = out.length.toLocaleString("en") + (out.length === 1 ? " response" : " responses") + " of " + data.items.length.toLocaleString("en");
  }

  function row(place) {
    const it = data.items[place], r = it[F.reward];
    const rewards = data.runs.length > 1 ? [number(r), " / ", number(it[F.other])] : [number(r)];
    const button = el("button", {type: "button", class: "item", "data-place": place, "aria-expanded": "false"},
      el("span", {class: "score" + (r == null ? " absent" : "")}, rewards),
      el("span", {class: "what"}, el("b", {}, visible(it[F.id]) + (it[F.response] ? "[" + it[F.response] + "]" : "")), " ",
        visible(it[F.text] || it[F.prompt])),
      el("span", {class: "marks"}, it[F.reason] ? el("span", {class: "badge bad"}, it[F.reason]) : null,
        it[F.flags].slice(0, 3).map((f) => el("span", {class: "badge plain"}, f))));
    button.addEventListener("click", () => open(place));
    return el("li", {}, button);
  }

  function more() {
    list.append(...shown.slice(drawn, drawn + PAGE).map(row));
    drawn = Math.min(shown.length, drawn + PAGE);
    $("more").hidden = drawn >= shown.length;
  }

  const block = (title, text) => (text == null || text === "" ? null : el("section", {}, el("h4", {}, title), el("pre", {}, visible(text))));

  function rows(head, body) {
    return el("div", {class: "scroll"}, el("table", {}, el("thead", {}, el("tr", {}, head.map((h) => el("th", {scope: "col"}, h)))),
      el("tbody", {}, body.map((r) => el("tr", {}, r.map((c) => el("td", {}, c == null ? "–" : c)))))));
  }

  function call(c, k) {
    const who = [c.turn, c.criteria && c.criteria.length ? c.criteria.join(", ") : null, c.vote ? "vote " + c.vote : null,
      c.order && c.order.length > 1 ? "order " + c.order.join(", ") : null, c.forced ? "asked for alone" : null].filter(Boolean).join(" · ");
    const said = c.reason ? c.reason + (c.detail ? ": " + c.detail : "") : c.value != null ? "verdict " + c.value : "no verdict asked for";
    return el("details", k === 0 ? {open: ""} : {}, el("summary", {}, who + " — " + visible(said) + (c.finish === "stop" ? "" : " (" + c.finish + ")")), el("pre", {}, visible(c.text)));
  }

  function one(run, d) {
    if (!d) return el("section", {class: "run"}, el("h3", {}, run), el("p", {}, "This run has no such item."));
    const parts = [el("h3", {}, run)];
    parts.push(el("p", {class: "headline " + (d.reward == null ? "bad" : "plain")}, "reward " + number(d.reward) +
      (d.raw_reward !== d.reward ? ", raw reward " + number(d.raw_reward) : "") + (d.reason ? ", " + d.reason : "")));
    if (d.reason && d.detail) parts.push(el("p", {}, visible(d.detail)));
    else if (d.explanation) parts.push(el("p", {}, visible(d.explanation)));
    if (d.stages.length) parts.push(rows(["shaping step", "reward after it"], d.stages.map(([n, v]) => [n, number(v)])));
    if (d.components.length > 1 || (d.components[0] && d.components[0][0] !== "overall")) parts.push(rows(["criterion", "score"], d.components.map(([n, v]) => [n, number(v)])));
    if (d.flags.length) parts.push(rows(["flag", "what was noticed"], d.flags.map(([n, v]) => [n, visible(v)])));
    const facts = [["group", d.group], ["expected", d.expected], ["spread over votes", d.spread], ["entropy, nats", d.entropy], ["gap of the two orders", d.order_gap],
      ["judge calls", d.judge_calls], ["tokens", d.tokens], ...Object.entries(d.data)].filter(([, v]) => v != null && v !== "");
    parts.push(el("details", {}, el("summary", {}, "figures and columns of the data"), rows(["name", "value"], facts.map(([n, v]) => [n, typeof v === "number" ? String(+v.toFixed(4)) : visible(v)]))));
    if (d.calls.length) parts.push(el("h4", {}, "What the judge said"), ...d.calls.map(call));
    return el("section", {class: "run"}, parts);
  }

  async function open(place, focus = true) {
    for (const b of list.querySelectorAll("[aria-expanded=true]")) b.setAttribute("aria-expanded", "false");
    const button = list.querySelector(`[data-place="${place}"]`);
    if (button) { button.setAttribute("aria-expanded", "true"); button.scrollIntoView({block: "nearest"}); }
    current = shown.indexOf(place);
    const it = data.items[place], found = await details(place), first = found.runs.find(Boolean);
    detail.replaceChildren(el("h2", {id: "detail-title", tabindex: "-1"}, visible(it[F.id]) + ", response " + it[F.response]),
      block("Prompt", first.prompt), block("Response", first.response),
      el("div", {class: "runs"}, found.runs.map((d, k) => one(data.runs[k], d))));
    location.replace("#" + encodeURIComponent(it[F.id] + "/" + it[F.response]));
    if (focus) $("detail-title").focus({preventScroll: window.innerWidth > 900});
  }

  function move(by) {
    if (!shown.length) return;
    current = Math.max(0, Math.min(shown.length - 1, current + by));
    while (current >= drawn) more();
    open(shown[current], false);
  }

  document.addEventListener("keydown", (e) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (e.key === "Escape" && typing) { document.activeElement.blur(); return; }
    if (typing || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "/") { e.preventDefault(); $("search").focus(); }
    else if (e.key === "j" || e.key === "n") move(1);
    else if (e.key === "k" || e.key === "p") move(-1);
  });
  form.addEventListener("submit", (e) => { e.preventDefault(); filter(); });
  form.addEventListener("change", filter);
  let wait; $("search").addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(filter, 150); });
  $("more").addEventListener("click", more);
  const fill = (select, values) => { for (const [value, name] of values) select.append(el("option", {value}, name)); };
  const tally = (values) => [...values.reduce((m, v) => m.set(v, (m.get(v) || 0) + 1), new Map())].sort((a, b) => b[1] - a[1]);
  fill($("status"), [...tally(data.items.map((i) => i[F.status])).map(([v, n]) => [v, v + " (" + n + ")"]),
    ...tally(data.items.map((i) => i[F.reason]).filter(Boolean)).map(([v, n]) => ["reason:" + v, v + " (" + n + ")"])]);
  fill($("flag"), tally(data.items.flatMap((i) => i[F.flags])).map(([v, n]) => [v, v + " (" + n + ")"]));
  if (data.runs.length < 2) $("sort").querySelector("[value=gap]").remove(); else $("sort").value = "gap";
  $("browser").hidden = false;
  filter().then(() => {
    const wanted = decodeURIComponent(location.hash.slice(1)), place = data.items.findIndex((i) => i[F.id] + "/" + i[F.response] === wanted);
    if (place >= 0) open(place);
    document.body.dataset.ready = "1";
  });
})();
