"""Chromium, which opens pages and does there what a person would do."""

import base64
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from support.waiting import PATIENCE

PROGRAMS = ("chromium", "chromedriver")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]
"""What is not installed of what a browser needs."""

_FLAGS = (
    "headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "hide-scrollbars",
)  # fmt: skip

_PAGE = """
const set = (settings) => {
  for (const id of ["stride", "padding", "border", "dilation", "bias", "range"]) {
    $(id).value = settings[id] ?? $(id).value;
  }
  for (const id of ["flip", "gray"]) $(id).checked = settings[id] ?? false;
  if ("kernel" in settings) {
    choose(data.catalogue.find((entry) => entry.name === settings.kernel) ?? data.kernel);
  } else {
    page.map = settings.map ?? 0;
    compute();
  }
  settle();
};
const text = (plane) => btoa(Array.from(
  new Uint8Array(plane.buffer), (byte) => String.fromCharCode(byte)).join(""));
const output = () => {
  const { pixels, values, width, height, isExact } = page.result;
  const unsure = values.map((raws, at) => Uint8Array.from(
    raws, (_, index) => isUnsure(page.result, at, index)));
  return { planes: pixels.map(text), unsure: unsure.map(text), width, height, isExact,
           problem: $("problem").textContent };
};
const zoom = $("zoom").value;
$("zoom").value = "1";
const found = arguments[0].map((settings) => { set(settings); return output(); });
$("zoom").value = zoom;
fit();
return found;
"""
"""Sets what a page's form holds, and returns the outputs; for each of several settings.

The pictures are fitted into the window at the end: each time, it would lay out the page."""


class Output:
    """What a page computed: `pixels`, shape (H, W, C), and which of them it is `sure` of."""

    def __init__(self, found: dict[str, Any], dtype: np.dtype[Any]) -> None:
        self.is_exact, self.problem = bool(found["isExact"]), str(found["problem"])
        shape = (found["height"], found["width"])
        self.pixels = _stacked(found["planes"], dtype, shape)
        self.sure = _stacked(found["unsure"], np.dtype(np.uint8), shape) == 0


def _stacked(texts: list[str], dtype: np.dtype[Any], shape: tuple[int, int]) -> NDArray[Any]:
    planes = [np.frombuffer(base64.b64decode(text), dtype).reshape(shape) for text in texts]
    return np.stack(planes, axis=-1)


class Browser:
    """A headless Chromium with one window."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        for word in _FLAGS:
            options.add_argument(f"--{word}")
        options.binary_location = shutil.which("chromium") or ""
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service(shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Give the window a size in pixels, and light or dark colours."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, path: Path) -> None:
        """Open a page from the disk, and wait until it is ready."""
        self.driver.get(path.resolve().as_uri())
        self.until("document.body.dataset.ready === 'yes'")

    def until(self, condition: str) -> None:
        """Wait until an expression of JavaScript is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < end, (condition, self.problems())
            time.sleep(0.01)

    def run(self, script: str, *values: object) -> Any:
        return self.driver.execute_script(script, *values)

    def outputs(self, *settings: dict[str, Any], dtype: Any = np.uint8) -> list[Output]:
        """Set what the form of a page holds, time after time, and return what it computes."""
        return [Output(found, np.dtype(dtype)) for found in self.run(_PAGE, settings)]

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def point(self, selector: str, x: float, y: float) -> ActionChains:
        """Move the pointer over an element, to pixels from its upper left corner."""
        element = self.find(selector)
        middle = element.size["width"] / 2, element.size["height"] / 2
        chain = ActionChains(self.driver, duration=0)
        chain.move_to_element_with_offset(element, round(x - middle[0]), round(y - middle[1]))
        chain.perform()
        return chain

    def problems(self) -> list[str]:
        """Return what the page has complained of since the last time."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]
