"""Whether a page can be used by who cannot see it well, or has no mouse: checked in the browser, by what it computes.

What is checked (WCAG 2.2): language and title (3.1.1, 2.4.2), headings in order (1.3.1), a name on every control and picture
(4.1.2, 1.1.1), heads of tables (1.3.1), contrast of text against what is behind it (1.4.3), no id twice, nothing that is reached
out of order, and a mark on what has the focus of the keyboard (2.4.3, 2.4.7).
"""

from __future__ import annotations

from pathlib import Path

from tests.server.browser import Tab

_CHECK = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

_REACHABLE = r"""
[...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]")]
  .filter(n => n.tabIndex >= 0 && !n.disabled && n.getClientRects().length && getComputedStyle(n).visibility === "visible").length
"""
_FOCUSED = r"""
(() => {
  const n = document.activeElement;
  if (!n || n === document.body) return null;
  const s = getComputedStyle(n), marked = (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none";
  const all = [...document.querySelectorAll("*")];
  return {place: all.indexOf(n), marked, what: n.outerHTML.slice(0, 100).replace(/\s+/g, " ")};
})()
"""


async def problems(page: Tab) -> list[str]:
    """What is wrong with the page that is open, one line each."""
    found: list[str] = await page.value(_CHECK)
    return found


async def keyboard_problems(page: Tab, most: int = 40) -> list[str]:
    """Press Tab through the page: what is reached out of order, unmarked, or not at all. Scripts must be on."""
    reachable, out, before = await page.value(_REACHABLE), [], -1
    await page.value("document.activeElement?.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    reached = 0
    for _ in range(min(most, reachable)):
        for kind in ("rawKeyDown", "keyUp"):
            await page.ask("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        at = await page.value(_FOCUSED)
        if at is None:
            break
        reached += 1
        if at["place"] < before:
            out.append(f"reached out of order: {at['what']}")
        if not at["marked"]:
            out.append(f"no mark on what has the focus: {at['what']}")
        before = at["place"]
    if reached < min(most, reachable):
        out.append(f"Tab reaches {reached} of {reachable} controls")
    return out
