"""Print a shell completion script.

The scripts are short: at each Tab they run `completion candidates`, which uses the parser of the
command line. Bash: `source <(cri-shim completion bash)`; zsh: the same, after compinit; fish:
`cri-shim completion fish | source`.
"""

import argparse
import functools
from collections.abc import Callable, Sequence

from cri_shim import config
from cri_shim.cli import daemon
from cri_shim.cli.candidates import Candidate, candidates
from cri_shim.cli.global_flags import overrides
from cri_shim.untrusted import one_line

Parser = Callable[[], argparse.ArgumentParser]  # makes the parser of the whole command line


_SCRIPTS = {
    "bash": r"""
_cri_shim() {
    local IFS=$'\n'
    local found=($("$1" completion candidates -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    COMPREPLY=("${found[@]%%$'\t'*}")
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
}
complete -o default -F _cri_shim cri-shim
""",
    "zsh": r"""#compdef cri-shim
_cri_shim() {
    local -a found shown open
    found=(${(f)"$("${words[1]}" completion candidates -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    shown=("${(@)found/$'\t'/  -- }")
    if (( $#found )); then
        [[ ${found[1]%%$'\t'*} == *= ]] && open=(-S '')
        compadd -l -d shown $open -- "${(@)found%%$'\t'*}"
    else
        _files
    fi
}
if [[ ${funcstack[1]} == _cri-shim ]]; then _cri_shim; else compdef _cri_shim cri-shim; fi
""",
    "fish": r"""
function __cri_shim
    set -l words (commandline -opc) (commandline -ct)
    $words[1] completion candidates -- $words[2..-1] 2>/dev/null
    or return
end
complete -c cri-shim -f -a '(__cri_shim)'
complete -c cri-shim -n 'test -z "$(__cri_shim)"' -F
""",
}


EXAMPLES = """
source <(cri-shim completion bash)
source <(cri-shim completion zsh)
cri-shim completion fish | source
"""


def add(parser: argparse.ArgumentParser) -> None:
    shells = parser.add_subparsers(metavar="SHELL", required=True)
    for name in _SCRIPTS:
        shells.add_parser(name, help=f"a script for {name}").set_defaults(shell=name)
    hidden = shells.add_parser("candidates")  # for the scripts: no help
    hidden.add_argument("words", nargs="*")
    hidden.set_defaults(shell="")


def run(args: argparse.Namespace) -> int:
    if args.shell:
        print(_SCRIPTS[args.shell].lstrip("\n"), end="")
        return 0
    begin = args.words[-1] if args.words else ""
    ids = functools.partial(_known, args.parser, begin)
    for word, meaning in candidates(args.parser(), args.words, ids):
        print(f"{one_line(word)}\t{one_line(meaning.partition(chr(10))[0])}")
    return 0


def _known(parser: Parser, begin: str, kind: object, top: Sequence[str]) -> list[Candidate]:
    """Return the words for an argument's type; the words before the command select the daemon."""
    from cri_shim.cli.known_words import known

    args = parser().parse_args([*top, "version"])
    args.overrides = overrides(args)
    settings = config.load(args.config, args.overrides)
    return known(kind, begin, daemon.socket(args, settings), settings)
