"""Sphinx: the pages of this folder, with what `harness site` wrote from the records. Builds offline; links nowhere.

https://www.sphinx-doc.org/en/master/usage/configuration.html
"""

from pathlib import Path
from typing import Any

from harness import __version__

project = "footprint-harness"
author = "the authors of footprint-harness"
project_copyright = author  # no year: the same sources always build the same site
release = version = __version__
extensions = ["myst_parser", "sphinx_click", "sphinx_design"]
myst_enable_extensions = ["attrs_block", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_generated/**", "_static/**"]
html_extra_path = ["_generated/public", *(path.name for path in Path(__file__).parent.glob("*.schema.json"))]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_theme = "furo"
html_title = "What an ML runtime costs to ship"
html_theme_options = {"navigation_with_keys": False, "footer_icons": []}
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_search_summary = False  # it fetches pages, which a browser refuses where the site is a folder
html_last_updated_fmt = None
highlight_language = "none"  # what has no language is what a terminal shows
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


def level_captions(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:  # noqa: ARG001
    """Sphinx gives the sidebar's captions the role of headings, and no level, which that role requires."""
    if tree := context.get("furo_navigation_tree"):
        context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app: Any) -> None:
    """Sphinx calls this."""
    app.connect("html-page-context", level_captions, priority=900)  # after furo has made the tree
