"""The page of a timeline stands alone, and no name in it is markup."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from cri_shim.cli.timeline_page import page
from cri_shim.cli.waterfall import EMPTY
from cri_shim.timeline import Entry, Stage
from cri_shim.timeline.facts import timeline
from tests.unit.timeline.made import POD_ID, entry

ENTRY = entry(
    "RunPodSandbox",
    0.0,
    4.0,
    Stage("network", "the pod's network", -1, 1.0, 3.0),
    Stage("CNI slow ADD", "CNI plugin slow", 0, 1.0, 2.0, failed=True),
    failure="no address",
)


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.found}


def page_of(entry: Entry, name: str = "default/web") -> str:
    return page(timeline(POD_ID, name, [entry]))


def test_a_row_has_name_times_what_was_waited_for_and_bars() -> None:
    made = Elements(page_of(ENTRY))
    rows = made.text.split("Waited for\n")[1].splitlines()
    assert rows[:3] == [
        "RunPodSandbox0.0 ms4.00 s1.00 sfailed: no address",
        "network1.00 s3.00 s1.00 sthe pod's network",
        "CNI slow ADD1.00 s2.00 s2.00 sCNI plugin slow; failed",
    ]
    bars = [(a["class"], a["style"]) for tag, a in made.found if a.get("class") in ("own", "inner")]
    assert bars == [
        ("own", "left:0.000%;width:100.000%"),
        ("inner", "left:25.000%;width:75.000%"),
        ("own", "left:25.000%;width:75.000%"),
        ("inner", "left:25.000%;width:50.000%"),
        ("own", "left:25.000%;width:50.000%"),
    ]


def test_the_page_needs_nothing_else_and_forbids_it() -> None:
    text = page_of(ENTRY)
    made = Elements(text)
    assert made.tags().isdisjoint({"script", "link", "img", "iframe", "object", "base", "form"})
    assert not any(
        key in ("src", "href") or key.startswith("on") for _, a in made.found for key in a
    )
    assert "url(" not in text
    assert "@import" not in text
    policies = [a["content"] for _, a in made.found if a.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert len(text) < 8_000


def test_it_has_a_dark_mode_and_is_used_with_the_keyboard() -> None:
    text = page_of(ENTRY)
    made = Elements(text)
    assert "prefers-color-scheme: dark" in text
    assert "color-scheme: light dark" in text
    assert {"details", "summary", "table"} <= made.tags()
    (region,) = [attributes for _, attributes in made.found if attributes.get("role") == "region"]
    assert region["tabindex"] == "0"
    assert region["aria-label"]


def test_a_pod_without_entries_says_so() -> None:
    assert EMPTY in page(timeline(POD_ID, "default/web", []))


@given(
    st.text(max_size=40), st.sampled_from(["", "<script>alert(1)</script>", "\"'><x y=z>", "&lt;"])
)
def test_no_name_is_markup(name: str, evil: str) -> None:
    def elements(name: str) -> list[tuple[str, dict[str, str | None]]]:
        stage = Stage(name, name, -1, 0.0, 1.0)
        return Elements(page_of(entry("X", 0.0, 1.0, stage, name=name, failure="no"), name)).found

    assert elements(name + evil) == elements("plain")
