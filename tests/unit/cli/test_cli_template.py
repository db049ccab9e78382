"""Templates: what users of crictl and podman write, and what is refused by name."""

import pytest

from cri_shim.cli import template
from cri_shim.cli.exit_codes import UsageError
from cri_shim.cli.template import MAX_TEMPLATE, filled
from cri_shim.cli.template_value import FUNCTIONS

DOCUMENT = {
    "containers": [
        {"id": "a1", "metadata": {"name": "web", "attempt": 0}, "labels": {"b": "2", "a": "1"}},
        {"id": "b2", "metadata": {"name": "db", "attempt": 3}, "labels": {}},
    ],
    "ready": True,
    "none": None,
    "hostile": "a\x1b[2Jb",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{.ready}} {{ .none }} {{.nothing.below}}", "true <nil> <no value>"),
        (r"{{range .containers}}{{.id}}\t{{.metadata.name}}\n{{end}}", "a1\tweb\nb2\tdb\n"),
        ('{{range .containers}}{{.id}}{{"\\n"}}{{end}}', "a1\nb2\n"),
        ("{{range .containers}}{{.id}}{{$.ready}} {{end}}", "a1true b2true "),
        ("{{range .nothing}}x{{else}}none{{end}}", "none"),
        ("{{if .ready}}yes{{else}}no{{end}}", "yes"),
        ("{{if .none}}1{{else if .ready}}2{{else}}3{{end}}4", "24"),
        ("{{if .none}}1{{else if .none}}2{{else}}3{{end}}4", "34"),
        ("{{with .containers}}{{len .}}{{end}}", "2"),
        ("{{with (index .containers 1).metadata}}{{.name}}{{end}}", None),
        ("{{json .containers | len}}", None),
        ("{{.ready | json}}", "true"),
        ("{{json (index .containers 0).id}}", None),
        ("{{json .hostile}}", '"a\\u001b[2Jb"'),
        ("{{(index .containers 1) | json}}", None),
        ('{{index .containers 0 "id"}}', "a1"),
        ("{{if eq .ready true}}a{{end}}{{if ne 1 2}}b{{end}}{{if not .none}}c{{end}}", "abc"),
        ('{{if and .ready .none}}a{{else}}b{{end}}{{or .none "x"}}', "bx"),
        ("{{range .containers}}{{.labels}}{{end}}", "map[a:1 b:2]map[]"),
        ("{{range (index .containers 0).labels}}{{.}}{{end}}", None),
        ("a {{- .ready -}} b", "atrueb"),
        ("a{{/* why */}}b", "ab"),
        ('{{upper `x`}}{{lower "Y"}}', "Xy"),
    ],
)
def test_a_template_is_filled_as_in_go(template: str, text: str | None) -> None:
    if text is None:  # refused with a sentence, or filled: never another exception
        try:
            filled(template, DOCUMENT)
        except UsageError as e:
            assert str(e).startswith("template: ")
        return
    assert filled(template, DOCUMENT) == text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{range .x}}", "range has no end"),
        ("{{end}}", "end without"),
        ("{{else}}", "else without"),
        ("{{if .a}}{{else}}{{else}}{{end}}", "a second else"),
        ("{{.id", "{{ has no }}"),
        ("{{}}", "a value is missing"),
        ("{{printf .id}}", "the function printf is not supported; there are json, "),
        ("{{$x := .id}}", "variables are not supported"),
        ("{{range $i, $e := .x}}{{end}}", "variables are not supported"),
        ("{{template `x`}}", "template is not supported"),
        ("{{.id .name}}", "a value takes no arguments"),
        ("{{range .ready}}{{end}}", "range needs a list or a map"),
        ("{{len .ready}}", "len does not take these arguments: true"),
        ("{{index .containers 9}}", "index does not take"),
        ("{{(.id}}", "( without )"),
        ("{{.id)}}", ") without ("),
        ("{{" + "(" * 50 + ".id" + ")" * 50 + "}}", "parentheses within each other"),
        ("{{if .ready}}" * 50, "blocks within each other"),
        ("x" * (MAX_TEMPLATE + 1), "a template may have"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(template: str, problem: str) -> None:
    with pytest.raises(UsageError) as refusal:
        filled(template, DOCUMENT)
    assert problem in str(refusal.value)


def test_the_output_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "MAX_OUTPUT", 10_000)
    document = {"x": ["y" * 100] * 20}
    with pytest.raises(UsageError, match="exceeds"):
        filled("{{range .x}}{{range $.x}}{{.}}{{end}}{{end}}", document)


def test_values_cannot_move_the_cursor_of_a_terminal() -> None:
    assert filled("{{.hostile}}", DOCUMENT) == "a\\x1b[2Jb"


def test_every_function_survives_any_kind_of_argument() -> None:
    values = [".none", ".ready", "1", "`x`", ".containers", ".nothing", "(index .containers 0)"]
    for name in FUNCTIONS:
        for value in values:
            for arguments in ("", value, f"{value} {value}"):
                try:
                    filled("{{" + f"{name} {arguments}" + "}}", DOCUMENT)
                except UsageError as e:
                    assert str(e).startswith("template: ")
