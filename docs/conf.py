"""How Sphinx builds the documentation: ``sphinx-build -W docs site``."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

project = "convcli"
author = "The convcli authors"
version = release = version_of("convcli")
sys.path.insert(0, str(Path(__file__).parent))
extensions = ["myst_parser", "gallery"]
html_theme = "furo"
html_title = f"convcli {version}"
myst_heading_anchors = 3
# The console blocks hold what the program prints: its highlighter takes drawn lines for errors.
suppress_warnings = ["misc.highlighting_failure"]
exclude_patterns = ["images", "__pycache__"]
