"""A planned document as text: each line has one origin, or is below a line that has it."""

from typing import Any

from cri_shim.cli import plan_text

DOCUMENT: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "process": {"args": ["sleep", "60"], "env": ["A=1", "B=2"], "cwd": "/"},
    "mounts": [{"destination": "/a~b", "options": ["x" * 40, "y" * 40]}],
    "annotations": {},
}
ORIGINS = {
    "/ociVersion": "cri-shim",
    "/process/args": "CRI config.command",
    "/process/env/0": "image Env",
    "/process/env/1": "CRI config.envs[0]",
    "/process/cwd": "image WorkingDir",
    "/mounts/0": "CRI config.mounts[0]",
    "/annotations": "cri-shim",
}


def test_every_line_has_its_origin_or_is_below_it() -> None:
    lines = plan_text.text(DOCUMENT, ORIGINS).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        'ociVersion: "1.0.2" # cri-shim',
        "process:",
        'args: ["sleep", "60"] # CRI config.command',
        "env:",
        '- "A=1" # image Env',
        '- "B=2" # CRI config.envs[0]',
        'cwd: "/" # image WorkingDir',
        "mounts:",
        "- # CRI config.mounts[0]",
        'destination: "/a~b"',
        "options:",
        f'- "{"x" * 40}"',
        f'- "{"y" * 40}"',
        "annotations: {} # cri-shim",
    ]
    assert lines[2].startswith("  args") and lines[2].index("#") == 62


def test_control_characters_of_a_tenant_are_escaped() -> None:
    text = plan_text.text({"a\x1b": "b\x1b\nc"}, {"/a\x1b": "x"})
    assert text.isprintable()
    assert "\\u001b" in text
