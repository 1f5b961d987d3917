"""How Sphinx builds the documentation: ``sphinx-build -W docs site``."""

from importlib.metadata import version as version_of

project = "convcli"
author = "The convcli authors"
version = release = version_of("convcli")
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"convcli {version}"
myst_heading_anchors = 3
# The console blocks hold what the program prints: its highlighter takes drawn lines for errors.
suppress_warnings = ["misc.highlighting_failure"]
exclude_patterns = ["images"]
