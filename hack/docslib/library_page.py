"""docs/library.md: the classes of the library, from their signatures and docstrings."""

import inspect
import textwrap
import tokenize
import typing
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import cri_shim
from cri_shim import errors, options
from cri_shim.containers import commit
from cri_shim.library import configs, container, pulling, session
from cri_shim.library.layer import Layer

_INTRODUCTION = """\
# The library

A program can be the runtime itself, without a daemon: it opens the same directories, and pods and
containers are objects. `hack/docs` writes this page from the source.

    from cri_shim import Runtime, options

    async with Runtime(options.with_storage(root="/srv/cri", run_root="/run/cri")) as runtime:
        image = await runtime.pull_image("docker.io/library/busybox")
        pod = await runtime.create_pod(name="hello", log_directory="/var/log/example")
        container = await pod.create_container(image, ["echo", "hello"])
        await container.start()
        print(await container.wait())
        await pod.remove(force=True)

- Import the classes from `cri_shim`: `Runtime`, `Pod`, `Container`, `Image`, `Session`, `Auth`,
  `Progress`, and the modules `options` and `errors`. The package has type annotations.
- A pair of directories can be open in one process at a time: stop the daemon, or use other
  directories. Containers keep running when the process ends.
- Every failure is a class of `cri_shim.errors`. A wrong argument is `InvalidArgument`, and its text
  names the argument and what it may be.
- A path may be a `str` or an `os.PathLike`.
- `examples/` has whole programs. An unprivileged user calls `cri_shim.rootless.enter()` first.
"""
_CLASSES: tuple[type, ...] = (
    cri_shim.Runtime, cri_shim.Pod, cri_shim.Container, cri_shim.Image, session.Session,
)  # fmt: skip
_VALUES: tuple[type, ...] = (
    configs.PodFields, configs.ContainerFields, container.ProcessWords, commit.How,
    cri_shim.Auth, pulling.Progress, pulling.LayerProgress, Layer,
)  # fmt: skip


def text() -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    for kind in _CLASSES:
        parts += _class(kind)
    for value in _VALUES:
        parts += _fields(value)
    parts += ["## Options\n", _paragraph(options)]
    parts += [_call(f"options.{name}", member) for name, member in _functions(options)]
    parts += ["## Errors\n", "All are classes of `cri_shim.errors`.\n"]
    parts += ["\n".join(_error(each) for each in _errors()) + "\n"]
    return "\n".join(parts)


def _class(each: type) -> Iterator[str]:
    yield f"## {each.__name__}\n"
    yield _paragraph(each)
    if (made := vars(each).get("__init__")) is not None and made.__doc__:
        yield _call(each.__name__, made)
    for name, member in _members(each):
        if isinstance(member, property):
            yield _property(name, member)
        else:
            yield _call(name, member)


def _members(each: type) -> Iterator[tuple[str, Any]]:
    for owner in reversed(each.__mro__[:-1]):
        for name, member in vars(owner).items():
            if not name.startswith("_") and (callable(_plain(member)) or _is_property(member)):
                yield name, member


def _is_property(member: object) -> bool:
    return isinstance(member, property)


def _plain(member: Any) -> Any:
    return inspect.unwrap(getattr(member, "__func__", member))


def _property(name: str, member: property) -> str:
    kind = _shown(inspect.signature(member.fget or _plain).return_annotation)
    return _entry(f"**`{name}`**: `{kind}`", member)


def _call(name: str, member: Any) -> str:
    function = _plain(member)
    word = "await " if inspect.iscoroutinefunction(function) else ""
    signature = inspect.signature(function)
    arguments = [
        _argument(parameter)
        for parameter in signature.parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    if any(p.kind is p.KEYWORD_ONLY for p in signature.parameters.values()):
        names = list(signature.parameters.values())
        if not any(p.kind is p.VAR_POSITIONAL for p in names):
            at = next(i for i, p in enumerate(names) if p.kind is p.KEYWORD_ONLY)
            arguments.insert(at - (len(names) - len(arguments)), "*")
    returned = "" if name[0].isupper() else f" -> {_shown(signature.return_annotation)}"
    return _entry(f"**`{word}{name}({', '.join(arguments)}){returned}`**", function)


def _entry(head: str, of: object) -> str:
    text = _paragraph(of)
    return f"{head}\n\n{text}" if text.strip() else f"{head}\n"


def _argument(parameter: inspect.Parameter) -> str:
    kind, value = parameter.kind, parameter.default
    if kind is parameter.VAR_KEYWORD:
        return f"**{parameter.name}: {typing.get_args(parameter.annotation)[0].__name__}"
    star = "*" if kind is parameter.VAR_POSITIONAL else ""
    shown = "..." if callable(value) else repr(value)
    default = "" if value is parameter.empty else f" = {shown}"
    return f"{star}{parameter.name}: {_shown(parameter.annotation)}{default}"


def _shown(annotation: Any) -> str:
    """Return an annotation without the names of modules."""
    shown = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    shown = shown.replace("NoneType", "None").replace("Optional", "None | ")
    words = [part.rpartition(".")[2] for part in _split(shown)]
    return "".join(words).replace("str | PathLike[str]", "StrPath").replace("'", "")


def _split(shown: str) -> list[str]:
    word, parts = "", []
    for character in shown:
        if character.isalnum() or character in "._":
            word += character
        else:
            parts += [word, character]
            word = ""
    return [*parts, word]


def _fields(each: type) -> Iterator[str]:
    """Describe a dataclass or TypedDict by the comments of its source."""
    yield f"## {each.__name__}\n"
    yield _paragraph(each)
    comments = _comments(each)
    lines = [
        f"- `{name}`: `{_shown(kind)}`{f', {comments[name]}' if name in comments else ''}"
        for name, kind in each.__annotations__.items()
    ]
    yield "\n".join(lines) + "\n"


def _comments(each: type) -> dict[str, str]:
    lines = iter(inspect.getsource(each).splitlines(keepends=True))
    found, name, fresh = {}, "", True
    for token in tokenize.generate_tokens(lambda: next(lines, "")):
        if token.type == tokenize.NAME and fresh:
            name = token.string
        elif token.type == tokenize.COMMENT:
            found[name] = token.string.removeprefix("# ")
        fresh = token.type in (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
    return found


def _functions(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, member in vars(module).items():
        if name.startswith("with_") and inspect.isfunction(member):
            yield name, member


def _errors() -> Iterator[type]:
    yield from (member for member in vars(errors).values() if inspect.isclass(member))


def _error(each: type) -> str:
    above = each.__mro__[1].__name__
    of = "" if above == "Exception" else f" ({above})"
    return f"- `{each.__name__}`{of}: {' '.join((each.__doc__ or '').split())}"


def _paragraph(of: object) -> str:
    """Return the docstring as Markdown; indented examples stay so."""
    return textwrap.dedent(inspect.getdoc(of) or "").strip() + "\n"
