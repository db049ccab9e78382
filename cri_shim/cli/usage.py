"""Parsers whose errors help: the usage of the command itself, and the nearest word.

A command is imported when its parser is asked for, so that a command line costs one command.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from cri_shim.cli.exit_codes import USAGE
from cri_shim.untrusted import one_line


class Parser(argparse.ArgumentParser):
    """`absent` has the flags and commands that this program lacks, each with where to find it."""

    def __init__(self, *args: Any, absent: Mapping[str, str] | None = None, **words: Any) -> None:
        words.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        words["allow_abbrev"] = False
        super().__init__(*args, **words)
        self.absent = absent or {}
        self.register("action", "parsers", Commands)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse unknown words here: the parser above would show its own usage instead."""
        known, rest = super().parse_known_args(args, namespace)
        if rest and not self._take(known, rest):
            self.error(self._unknown(next(filter(_is_flag, rest), rest[0])))
        return known, []

    def _take(self, known: argparse.Namespace, rest: list[str]) -> bool:
        """Give words behind a flag, as b of `rm a -f b`, to the argument that takes more of them.

        argparse ends such an argument at a flag. Return whether all words could be taken.
        """
        last = next(reversed(self._get_positional_actions()), None)
        if last is None or any(map(_is_flag, rest)):
            return False
        value = getattr(known, last.dest, None)
        if last.nargs == "?":
            if len(rest) > 1 or value != last.default:
                return False
        elif last.nargs not in ("*", "+"):
            return False
        try:
            more = self._get_values(last, rest)
        except argparse.ArgumentError as e:
            self.error(str(e))
        setattr(known, last.dest, more if last.nargs == "?" else [*(value or ()), *more])
        return True

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        text = one_line(message).removesuffix(".")
        print(f"{self.prog}: {text}\nTry `{self.prog} --help`.", file=sys.stderr)
        sys.exit(USAGE)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write help and errors; argparse would hide that the disk is full."""
        if message and (to := file or sys.stderr) is not None:
            to.write(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if isinstance(action, Commands):
            what = "action" if " " in self.prog else "command"
            text = self._said(f"unknown {what} {value}", value, action.choices)
            raise argparse.ArgumentError(None, text)
        choices = [str(choice) for choice in action.choices]
        text = f"must be one of {', '.join(choices)}, not {value!r}"
        raise argparse.ArgumentError(action, text)

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"unexpected argument {word!r}"
        name = word.partition("=")[0]
        return self._said(f"unknown flag {name}", name, self._option_string_actions)

    def _said(self, problem: str, word: str, known: Iterator[str] | Any) -> str:
        if word in self.absent:
            return f"{problem}: {self.absent[word]}"
        close = nearest(word, known)
        return f"{problem}; did you mean {close}?" if close else problem


class Commands(argparse._SubParsersAction):  # type: ignore[type-arg]
    """The commands below a parser. `offer` names them; none is imported before it is used."""

    _names: Sequence[str] = ()

    def offer(
        self,
        names: Sequence[str],
        aliases: Mapping[str, str],
        make: Callable[[str], argparse.ArgumentParser],
        summary: Callable[[str], str],
    ) -> None:
        self._names, self._summary = names, summary
        self.choices = self._name_parser_map = _Made(names, aliases, make)  # type: ignore[assignment]

    def _get_subactions(self) -> list[argparse.Action]:
        """Return a line of help for each command."""
        if not self._names:
            return super()._get_subactions()
        return [
            argparse.Action([], name, help=self._summary(name), metavar=name)
            for name in self._names
        ]


class _Made(Mapping[str, argparse.ArgumentParser]):
    """The parsers of commands, by name or alias, made at their first use. Iteration: names."""

    def __init__(
        self,
        names: Sequence[str],
        aliases: Mapping[str, str],
        make: Callable[[str], argparse.ArgumentParser],
    ) -> None:
        self._names, self._aliases, self._make = names, aliases, make
        self._made: dict[str, argparse.ArgumentParser] = {}

    def __getitem__(self, name: str) -> argparse.ArgumentParser:
        if name not in self:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _is_flag(word: str) -> bool:
    return word.startswith("-") and len(word) > 1


def nearest(word: str, known: Any) -> str:
    """Return the known word that is most like `word`; "" if none is like it."""
    import difflib

    return next(iter(difflib.get_close_matches(word, [str(one) for one in known], 1, 0.6)), "")
