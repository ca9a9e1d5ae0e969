(() => {
  const found = [];
  const say = (what, node) => found.push(what + (node ? ": " + node.outerHTML.slice(0, 120).replace(/\s+/g, " ") : ""));
  const shown = node => {
    if (node.closest("[aria-hidden=true], [hidden]")) return false;
    for (let d = node.parentElement?.closest("details:not([open])"); d; d = d.parentElement?.closest("details:not([open])"))
      if (!d.querySelector(":scope > summary")?.contains(node)) return false;
    const box = node.getBoundingClientRect(), style = getComputedStyle(node);
    return box.width > 0 && box.height > 0 && style.visibility === "visible" && style.display !== "none";
  };
  const text = ids => ids.split(/\s+/).map(id => document.getElementById(id)?.textContent ?? "").join(" ").trim();
  const name = node => (node.getAttribute("aria-labelledby") && text(node.getAttribute("aria-labelledby")))
    || node.getAttribute("aria-label") || [...(node.labels ?? [])].map(l => l.textContent).join(" ").trim()
    || node.textContent.trim() || node.getAttribute("title") || node.querySelector?.("title, [alt]")?.textContent || "";

  if (!document.documentElement.lang) say("no language");
  if (!document.title.trim()) say("no title");
  if (document.querySelectorAll("main").length !== 1) say("not one main");
  const heads = [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].filter(shown);
  if (heads.filter(h => h.tagName === "H1").length !== 1) say("not one h1");
  heads.reduce((before, h) => {
    const level = Number(h.tagName[1]);
    if (level > before + 1) say("a heading is skipped before", h);
    return level;
  }, 0);
  for (const node of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex], [role=button]"))
    if (shown(node) && !name(node)) say("a control without a name", node);
  for (const node of document.querySelectorAll("img, svg")) {
    if (!shown(node)) continue;
    if (node.tagName === "IMG" ? !node.hasAttribute("alt") : !(name(node) && node.getAttribute("role") === "img")) say("a picture without words", node);
  }
  for (const table of document.querySelectorAll("table")) {
    if (!shown(table)) continue;
    if (!table.querySelector("th")) say("a table without heads", table);
    for (const th of table.querySelectorAll("th")) if (!th.scope && !th.getAttribute("role")) { say("a table head without scope", th); break; }
  }
  for (const node of document.querySelectorAll("[tabindex]")) if (node.tabIndex > 0) say("reached out of order", node);
  const ids = [...document.querySelectorAll("[id]")].map(n => n.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) say("id twice: " + id);

  const parts = colour => { const c = colour.match(/[\d.]+/g).map(Number); return c.length < 4 ? [...c.slice(0, 3), 1] : c; };
  const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
  const light = rgb => { const [r, g, b] = rgb.map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = node => {
    const stack = [];
    for (let n = node; n; n = n.parentElement) { const c = parts(getComputedStyle(n).backgroundColor); if (c[3]) stack.push(c); if (c[3] === 1) break; }
    let ground = parts(getComputedStyle(document.documentElement).backgroundColor);
    ground = ground[3] ? ground.slice(0, 3) : matchMedia("(prefers-color-scheme: dark)").matches && getComputedStyle(document.documentElement).colorScheme.includes("dark") ? [18, 18, 18] : [255, 255, 255];
    for (const c of stack.reverse()) ground = over(c, ground);
    return ground;
  };
  const faded = node => { let all = 1; for (let n = node; n; n = n.parentElement) all *= Number(getComputedStyle(n).opacity); return all; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), seen = new Set();
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || seen.has(node) || node.closest("script, style, title, desc, noscript, template, option") || !shown(node)) continue;
    seen.add(node);
    const style = getComputedStyle(node), svg = node instanceof SVGElement;
    const ink = parts(svg ? style.fill : style.color), ground = behind(svg ? node.ownerSVGElement.parentElement : node);
    ink[3] *= faded(node);
    const [a, b] = [light(over(ink, ground)), light(ground)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) say("contrast " + ratio.toFixed(2), node);
  }
  return found;
})()
