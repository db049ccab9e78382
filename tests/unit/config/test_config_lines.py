"""Line numbers are found for every way to write a key in TOML."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cri_shim.config.source import line_numbers

TEXT = '''\
plain = 1
"quoted key" = 2   # = not this one
dotted.key = 3

list = [
  "a = b",
  "[not.a.table]",
]
long = """
hidden = 1
[hidden]
"""
[table]
inside = { inline = 1 }
[ spaced . name ]   # a comment
x = 1
[[many]]
y = 1
'''


def test_keys_of_every_form_are_found_on_their_lines() -> None:
    assert tomllib.loads(TEXT)
    assert line_numbers(TEXT) == {
        ("plain",): 1,
        ("quoted key",): 2,
        ("dotted", "key"): 3,
        ("list",): 5,
        ("long",): 9,
        ("table",): 13,
        ("table", "inside"): 14,
        ("spaced", "name"): 15,
        ("spaced", "name", "x"): 16,
        ("many",): 17,
        ("many", "y"): 18,
    }


_values = st.one_of(
    st.integers().map(str),
    st.sampled_from(["true", '"[x]"', "'a = 1'", '"""\nfake = 1\n"""', "[\n  1,\n  2, # c\n]"]),
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), _values, max_size=8))
def test_each_key_is_found_on_its_line_for_all_values(values: dict[str, Any]) -> None:
    text, expected = "", {}
    for name, value in values.items():
        expected[(name,)] = text.count("\n") + 1
        text += f"{name} = {value}\n"
    assert line_numbers(text) == expected
