"""Errors of usage: the command's own usage, the nearest word, and where an absent thing is."""

import ast
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cri_shim.cli import command_line, commands, main
from cri_shim.cli.command_line import parser
from cri_shim.cli.usage import Commands, Parser

COMMANDS = Path(commands.__path__[0])


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """Return the first line of the usage, and the error."""
    with pytest.raises(SystemExit) as exit:
        main(words)
    assert exit.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    return lines[0], lines[-2]


@pytest.mark.parametrize(
    ("words", "usage", "error"),
    [
        (["serv"], "cri-shim [GLOBAL FLAGS]", "unknown command serv; did you mean serve?"),
        (["zzz"], "cri-shim [GLOBAL FLAGS]", "unknown command zzz"),
        (["--sockt", "x", "ps"], "cri-shim [GLOBAL FLAGS]", None),
        (["push", "x"], "cri-shim [GLOBAL FLAGS]", "unknown command push: use skopeo copy"),
        (["ps", "extra"], "cri-shim ps ", "unexpected argument 'extra'"),
        (["ps", "--al"], "cri-shim ps ", "unknown flag --al; did you mean --all?"),
        (["ps", "--sockt=x"], "cri-shim ps ", "unknown flag --sockt; did you mean --socket?"),
        (["ps", "--format", "x"], "cri-shim ps ", "unknown flag --format: use -o json, "),
        (["run", "-it"], "cri-shim run ", "the following arguments are required: IMAGE"),
        (["exec", "web"], "cri-shim exec ", "the following arguments are required: COMMAND"),
        (["logs"], "cri-shim logs ", "the following arguments are required: NAME"),
        (["image", "pul"], "cri-shim image ", "unknown action pul; did you mean pull?"),
        (["image", "rm", "-x", "a"], "cri-shim image rm ", "unknown flag -x"),
        (["rm", "a", "-f", "b", "--all"], "cri-shim rm ", "unknown flag --all"),
        (["rm", "a", "-f", ""], "cri-shim rm ", "must not be empty"),
        (["commit", "a", "b", "-m", "x", "c"], "cri-shim commit ", "unexpected argument 'c'"),
        (["top", "a", "-D", "b"], "cri-shim top ", "unexpected argument 'b'"),
        (["rmi"], "cri-shim rmi ", "the following arguments are required: IMAGE"),
        (["help", "serv"], "cri-shim [GLOBAL FLAGS]", None),
    ],
)
def test_an_error_shows_the_usage_of_its_command(
    words: list[str], usage: str, error: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, said = refused(capsys, *words)
    assert shown.startswith(f"usage: {usage}")
    assert error is None or error in said
    assert "ARG" not in said


@pytest.mark.parametrize(
    ("words", "dest", "value"),
    [
        (["rm", "a", "-f", "b", "c"], "ids", ["a", "b", "c"]),
        (["rm", "a", "--force", "b", "-D", "c"], "ids", ["a", "b", "c"]),
        (["image", "rm", "a", "-D", "b"], "references", ["a", "b"]),
        (["image", "save", "a", "/x", "-D", "b", "c"], "names", ["b", "c"]),
        (["stats", "a", "-o", "json", "b"], "containers", ["a", "b"]),
        (["port-forward", "web", "80", "-D", "8080:81"], "ports", [(80, 80), (8080, 81)]),
        (["commit", "web", "-m", "x", "new"], "name", "new"),
        (["exec", "web", "-it", "sh", "-c", "x"], "args", ["-c", "x"]),
    ],
)  # fmt: skip
def test_flags_may_stand_between_the_objects(words: list[str], dest: str, value: object) -> None:
    assert getattr(parser().parse_args(words), dest) == value


def parsers(of: Parser) -> list[Parser]:
    """Return every parser below this one that runs something."""
    below = [action for action in of._actions if isinstance(action, Commands)]
    subs = [sub for action in below for sub in action.choices.values()]
    return [one for sub in subs for one in parsers(sub)] if below else [of]


EVERY = [one for one in parsers(parser()) if one.prog != "cri-shim completion candidates"]


SEVERAL = [one for one in EVERY if (last := one._get_positional_actions()[-1:])
           and last[0].nargs in ("*", "+")]  # fmt: skip


@pytest.mark.parametrize("one", SEVERAL, ids=lambda one: one.prog)
def test_several_objects_may_stand_around_a_flag(one: Parser) -> None:
    *before, last = one._get_positional_actions()

    words = [*(list(each.choices)[-1] if each.choices else "80" for each in before)]
    words += ["80", "-D", "80"]

    assert len(getattr(one.parse_args(words), last.dest)) == 2


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.prog)
def test_every_help_has_a_summary_and_describes_every_argument(one: Parser) -> None:
    if one.prog.startswith("cri-shim completion "):
        return
    assert one.description
    assert one.description[0].isupper()
    for action in one._actions:
        assert action.help, f"{one.prog}: {action.option_strings or action.dest}"


def modules() -> list[Path]:
    files = [file for file in COMMANDS.rglob("*.py") if file.stem != "__init__"]
    return [*files, *(file for file in COMMANDS.glob("*/__init__.py"))]


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(COMMANDS)))
def test_the_examples_of_a_command_can_be_parsed(file: Path) -> None:
    values = {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    examples = values["EXAMPLES"].strip().splitlines()
    assert examples
    for line in examples:
        words = shlex.split(line.partition("cri-shim ")[2].partition(" | ")[0].rstrip(")"))
        parser().parse_args(words)


def test_the_groups_of_the_help_have_every_command() -> None:
    found = {file.stem for file in COMMANDS.glob("*.py")} | {
        file.parent.name for file in COMMANDS.glob("*/__init__.py")
    }
    named = [name.replace("-", "_") for group in commands.GROUPS.values() for name in group]
    assert sorted(named) == sorted(found - {"__init__"})


def test_aliases_name_commands_that_exist_and_absent_ones_do_not() -> None:
    for alias, path in commands.ALIASES.items():
        assert alias not in [name for group in commands.GROUPS.values() for name in group]
        assert command_line.summary(*path.split())
    known = [*commands.ALIASES, *(name for group in commands.GROUPS.values() for name in group)]
    assert not set(commands.ABSENT) & set(known)


@pytest.mark.parametrize("words", [["--help"], ["help"]])
def test_the_help_has_every_command_exit_code_and_variable(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if words == ["help"]:
        assert main(words) == 0
    else:
        with pytest.raises(SystemExit):
            main(words)
    shown = capsys.readouterr().out
    for name in [*(n for group in commands.GROUPS.values() for n in group), *commands.ALIASES]:
        assert name in shown
    for text in ("no daemon answers", "127", "CRI_SHIM_SOCKET", "CONTAINER_RUNTIME_ENDPOINT"):
        assert text in shown


def test_the_help_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "62")
    for line in parser().format_help().splitlines():
        assert len(line) <= 62, line


def test_help_shows_the_help_of_an_action(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "image", "pull"]) == 0
    assert capsys.readouterr().out.startswith("usage: cri-shim image pull ")


def test_a_command_line_imports_no_other_command() -> None:
    code = (
        "import sys; from cri_shim.cli import main; main(['--socket', '/nope', 'version']);"
        "print([m for m in sys.modules if m.startswith('cri_shim.cli.commands.')]);"
        "print([m for m in ('yaml', 'plyvel', 'cri_shim.engine') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["['cri_shim.cli.commands.version']", "[]"]
