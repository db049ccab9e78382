"""One module for each command of `cri-shim`, in the groups of `cri-shim help`.

A command has `add(parser)`, which declares its arguments, and `run(args)`, which returns the exit
code. The first line of its docstring is its help text. EXAMPLES are shown below its help; a test
parses each. These are optional: ALIASES, more names for the actions of a package; ABSENT, flags
that its users may look for, each with where to find it; FAILED, another exit code than 1 for its
own failure. A package is a command whose actions are modules.

A new command is a new module, its name in GROUPS, and here:

- pods and containers: `run`, `pods`, `ps`, `logs`, `exec`, `attach`, `inspect`, `plan`, `start`,
  `stop`, `kill`, `pause`, `unpause`, `wait`, `update`, `rm`, `prune`
- their files: `cp`, `diff`, `commit`, `export`
- what they do: `top`, `stats`, `events`, `timeline`, `port_forward`, `sessions`, `desk`
- images: `image`, `login`, `logout`
- the daemon and the node: `serve`, `info`, `check`, `leaks`, `df`, `log_level`, `config`, `reload`,
  `audit`, `hooks`, `report`, `reset`, `version`
- this program: `completion`, `help`
"""

GROUPS = {
    "Pods and containers": [
        "run", "pods", "ps", "logs", "exec", "attach", "inspect", "plan", "start", "stop", "kill",
        "pause", "unpause", "wait", "update", "rm", "prune",
    ],
    "Files of containers": ["cp", "diff", "commit", "export"],
    "Observing": ["top", "stats", "events", "timeline", "desk", "port-forward", "sessions"],
    "Images": ["image", "login", "logout"],
    "Daemon and node": [
        "serve", "info", "check", "leaks", "df", "log-level", "config", "reload", "audit", "hooks",
        "report", "reset", "version",
    ],
    "This program": ["completion", "help"],
}  # fmt: skip

# Names of crictl and podman for the same command; two words are a command and its action.
ALIASES = {
    "images": "image list",
    "pull": "image pull",
    "rmi": "image rm",
    "inspectp": "inspect",
    "stopp": "stop",
    "rmp": "rm",
    "inspecti": "image inspect",
    "save": "image save",
    "load": "image load",
    "tag": "image tag",
    "history": "image history",
}

# Commands of crictl and podman that this program does not have.
ABSENT = {
    "runp": "use `cri-shim run`, or crictl runp",
    "create": "use `cri-shim run`, or crictl create",
    "build": "build with buildah or podman, then `cri-shim image load`",
    "push": "use skopeo copy",
    "search": "use skopeo list-tags",
    "network": "networks are files of CNI; see docs/network.md",
    "volume": "volumes are mounts of a container; see cri-shim run --help",
}
