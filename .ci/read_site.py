"""Read the built documentation in Chromium, as a person with a desk or a telephone does.

``python .ci/read_site.py site`` fails where a page is wider than the window, where a picture is
missing, or where the search does not find what people look for.
"""

import functools
import http.server
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.browser import Browser

WINDOWS = ((390, False), (1280, True))
"""Widths in pixels, and whether the colours are dark."""

FINDS = {
    "emboss": "gallery/index.html",
    "dark edges": "photographs.html",
    "HEIC": "formats.html",
}
"""What is looked for, and a page that must be among the results."""

_FAULTS = """
const wide = document.documentElement.scrollWidth > window.innerWidth;
const broken = [...document.images].filter((one) => one.complete && !one.naturalWidth);
return [...(wide ? ["is wider than the window"] : []),
        ...broken.map((one) => `lacks the picture ${one.src}`)];
"""

_LISTED = """
Number(/\\d+/.exec(document.querySelector("#search-results .search-summary")?.innerText)?.[0])
  === document.querySelectorAll("#search-results ul.search > li").length
"""
"""The search lists its results one by one: whether there are as many as it says."""

_LINKS = "return [...document.querySelectorAll('#search-results li a')].map((one) => one.href)"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def faults(site: Path, address: str, browser: Browser) -> list[str]:
    """Return what is wrong with the pages and with the search, a line each."""
    found = []
    for width, is_dark in WINDOWS:
        browser.resize(width, 900, dark=is_dark)
        for page in sorted(site.rglob("*.html")):
            name = page.relative_to(site).as_posix()
            browser.driver.get(f"{address}/{name}")
            found += [f"{name} at {width} px {fault}" for fault in browser.run(_FAULTS)]
    for words, wanted in FINDS.items():
        browser.driver.get(f"{address}/search.html?q={words.replace(' ', '+')}")
        browser.until(_LISTED)
        if not any(f"/{wanted}" in link for link in browser.run(_LINKS)):
            found.append(f"the search for {words!r} does not find {wanted}")
    return found


def main(site: Path) -> None:
    """Serve the site, and read it."""
    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = Browser()
    try:
        found = faults(site, f"http://127.0.0.1:{server.server_port}", browser)
    finally:
        browser.driver.quit()
        server.shutdown()
    if found:
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
