"""The pages that are made from the source, by the path of the file from docs/."""

from collections.abc import Callable, Mapping
from pathlib import Path

from hack.docslib import library_page, messages_page, metrics_page, sample

DIRECTORY = Path(__file__).parents[2] / "docs"
PAGES: Mapping[str, Callable[[], str]] = {
    "library.md": library_page.text,
    "messages.md": messages_page.text,
    "metrics.md": metrics_page.text,
    "settings.md": sample.page,
    "../deploy/config.toml": sample.text,
}
