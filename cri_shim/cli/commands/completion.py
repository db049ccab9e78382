"""Print a shell completion script.

The scripts are short: at each Tab they run `completion candidates`, which uses the parser of the
command line. Bash: `source <(cri-shim completion bash)`; zsh: the same, after compinit; fish:
`cri-shim completion fish | source`.
"""

import argparse
import asyncio
import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from cri_shim import config
from cri_shim.cli.arguments import any_id, container_id, image_name, pod_id
from cri_shim.cli.candidates import Candidate, candidates
from cri_shim.cli.global_flags import overrides
from cri_shim.errors import CriShimError
from cri_shim.untrusted import one_line

Parser = Callable[[], argparse.ArgumentParser]  # makes the parser of the whole command line

_TIMEOUT_S = 2.0  # for the daemon's answer: the user waits at the prompt
_SHORT = 13  # characters of an id, as in the lists

_SCRIPTS = {
    "bash": r"""
_cri_shim() {
    local IFS=$'\n'
    local found=($("$1" completion candidates -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    COMPREPLY=("${found[@]%%$'\t'*}")
}
complete -o default -F _cri_shim cri-shim
""",
    "zsh": r"""#compdef cri-shim
_cri_shim() {
    local -a found shown
    found=(${(f)"$("${words[1]}" completion candidates -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    shown=("${(@)found/$'\t'/  -- }")
    if (( $#found )); then
        compadd -l -d shown -- "${(@)found%%$'\t'*}"
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
    ids = functools.partial(_ids, args.parser)
    for word, meaning in candidates(args.parser(), args.words, ids):
        print(f"{one_line(word)}\t{one_line(meaning.partition(chr(10))[0])}")
    return 0


def _ids(parser: Parser, kind: object, top: Sequence[str]) -> list[Candidate]:
    """Return the ids for an argument's type; none if no daemon answers in time."""
    if kind not in (any_id, container_id, image_name, pod_id):
        return []
    args = parser().parse_args([*top, "version"])  # the words before the command select the daemon
    socket = config.load(args.config, overrides(args)).server.socket
    with suppress(CriShimError, TimeoutError):
        return asyncio.run(asyncio.wait_for(_listed(kind, socket), _TIMEOUT_S))
    return []


async def _listed(kind: object, socket: Path) -> list[Candidate]:
    from cri_shim.pb import api_pb2 as api
    from cri_shim.rpc.client import Client

    found: list[Candidate] = []
    async with Client(socket) as client:
        if kind is image_name:
            images = (await client.image.ListImages(api.ListImagesRequest())).images
            return [(tag, f"image {i.id[:_SHORT]}") for i in images for tag in i.repo_tags]
        if kind is not container_id:
            pods = await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())
            found += [(p.id[:_SHORT], f"pod {p.metadata.name}") for p in pods.items]
        if kind is not pod_id:
            answer = await client.runtime.ListContainers(api.ListContainersRequest())
            found += [(c.id[:_SHORT], f"container {c.metadata.name}") for c in answer.containers]
    return found
