"""The possible next words of a command line, derived from the argument parser itself.

The parser knows options, commands and choices of values; the daemon knows ids. If no candidate is
known, the result is empty and the shell offers files.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence

from cri_shim.cli.arguments import OutputFormat

Candidate = tuple[str, str]  # the word and its description
# Returns the ids for the `type` of an argument, if any; gets the words before the command, too.
Ids = Callable[[object, Sequence[str]], list[Candidate]]


class _Position:
    """The position in a parser after the words so far."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.command = ""
        self._enter(parser)

    def _enter(self, parser: argparse.ArgumentParser) -> None:
        actions = parser._actions  # argparse has no public interface for this
        self.options = {name: a for a in actions for name in a.option_strings}
        self.places = [action for action in actions if not action.option_strings]
        self.waiting: argparse.Action | None = None  # an option whose value comes next

    def take(self, word: str) -> None:
        if self.waiting is not None:
            self.waiting = None
        elif word.startswith("-") and not self.in_rest:
            name, equals, _ = word.partition("=")
            # The last of joined short options, such as -it, may need a value.
            option = self.options.get(name) or self.options.get(f"-{name[-1]}")
            self.waiting = None if equals or option is None or option.nargs == 0 else option
        elif self.places:
            self._place(word)

    def _place(self, word: str) -> None:
        place = self.places[0]
        if isinstance(place, argparse._SubParsersAction):
            if (chosen := place.choices.get(word)) is not None:
                self.command = self.command or word
                self._enter(chosen)
        elif place.nargs in (None, argparse.OPTIONAL):
            del self.places[0]

    @property
    def in_rest(self) -> bool:
        """Whether the words are arguments of another program."""
        return bool(self.places) and self.places[0].nargs == argparse.REMAINDER


def candidates(parser: argparse.ArgumentParser, words: Sequence[str], ids: Ids) -> list[Candidate]:
    """Return candidates for the last of `words` (may be empty), which have no program name."""
    *before, last = [word for word in words if word != "="] or [""]  # bash splits --flag=value
    position = _Position(parser)
    top: list[str] = []
    for word in before:
        position.take(word)
        if not position.command:
            top.append(word)
    if position.waiting is not None and not position.command:
        del top[-1]  # the flag whose value is being typed
    return [found for found in _next(position, last, top, ids) if found[0].startswith(last)]


def _next(position: _Position, last: str, top: Sequence[str], ids: Ids) -> Iterator[Candidate]:
    if position.waiting is None and last.startswith("-") and not position.in_rest:
        for name, option in position.options.items():
            # The global flags, which a command's help leaves out, are offered after a letter.
            if option.help != argparse.SUPPRESS:
                yield name, option.help or ""
            elif last.lstrip("-") and name != "--json":
                yield name, ""
        return
    place = position.waiting or (position.places[0] if position.places else None)
    if isinstance(place, argparse._SubParsersAction):
        yield from ((choice.dest, choice.help or "") for choice in place._get_subactions())
    elif place is not None and place.choices is not None:
        yield from ((str(choice), "") for choice in place.choices)
    elif place is not None and isinstance(place.type, OutputFormat):
        yield from ((word, "") for word in place.type.words)
    elif place is not None:
        yield from ids(place.type, top)
