"""The parts of an image: layers, manifest, configuration, and its files of users and groups."""

import gzip
import io
import json
import os
import tarfile
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zstandard

from cri_shim.errors import InvalidArgument, ToolFailed
from cri_shim.linux.remove import remove_tree
from cri_shim.pb import api_pb2 as api
from cri_shim.spec import image_config, users
from cri_shim.store import manifest
from cri_shim.store.unpack import child
from cri_shim.store.unpack.archive import members
from cri_shim.store.unpack.failure import NO_SPACE_EXIT, BadLayer
from cri_shim.store.unpack.stream import LayerStream
from cri_shim.store.unpack.tree import components
from tests.hostile.fuzz import mutation
from tests.hostile.fuzz.target import Run, Target, pure

_BESIDE = ["blob", "layer", "recipe", "said"]  # what there is in the end, beside the layer
_SAID = 1 << 16  # bytes of what a child says


def _layer(format: int, **extra: str) -> bytes:
    """A layer with an entry of each sort."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for name, kind, link in (
            ("etc", tarfile.DIRTYPE, ""),
            ("etc/passwd", tarfile.REGTYPE, ""),
            ("etc/link", tarfile.SYMTYPE, "passwd"),
            ("etc/hard", tarfile.LNKTYPE, "etc/passwd"),
            ("etc/.wh.gone", tarfile.REGTYPE, ""),
            ("etc/.wh..wh..opq", tarfile.REGTYPE, ""),
            ("dev/fifo", tarfile.FIFOTYPE, ""),
            ("dev/null", tarfile.CHRTYPE, ""),
            ("n" * 150, tarfile.REGTYPE, ""),
            ("l" * 10, tarfile.SYMTYPE, "t" * 150),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, link, 0o4755
            info.devmajor, info.devminor, info.mtime = 1, 3, 1_700_000_000
            info.pax_headers = dict(extra)
            info.size = 5 if kind == tarfile.REGTYPE and ".wh." not in name else 0
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    return buffer.getvalue()


def _layers() -> list[bytes]:
    sparse = {"GNU.sparse.map": "0,1,3,1", "GNU.sparse.size": "9"}
    in_data = {"GNU.sparse.major": "1", "GNU.sparse.realsize": "9"}
    plain = _layer(tarfile.GNU_FORMAT)
    return [
        plain,
        plain[:1024] + bytes(1024),
        _layer(tarfile.PAX_FORMAT, mtime="1.5", uid="70000", **{"SCHILY.xattr.user.a": "b"}),
        _layer(tarfile.PAX_FORMAT, **sparse),
        _layer(tarfile.PAX_FORMAT, **in_data),
        gzip.compress(plain, mtime=0),
        zstandard.compress(plain),
    ]


def _archive(data: bytes) -> None:
    stream = LayerStream(io.BytesIO(data))
    for member in members(stream):
        components(member.name)
    stream.finish()


@contextmanager
def _unpacking() -> Iterator[Run]:
    """Layers unpacked as they are, each by a process that is shut into a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="cri-shim-fuzz-") as name:
        place = Path(name)
        beside = place / "beside"
        beside.write_text("untouched")
        number = iter(range(1 << 62))

        def run(data: bytes) -> None:
            this = place / str(next(number))
            (this / "layer").mkdir(parents=True)
            (this / "blob").write_bytes(data)
            try:
                _in_child(this)
            finally:
                assert beside.read_text() == "untouched"
                assert sorted(entry.name for entry in this.iterdir()) == _BESIDE
                remove_tree(this)

        yield run


def _in_child(this: Path) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            said = os.open(this / "said", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
            os.dup2(said, 1)
            os.dup2(said, 2)
            child.main(str(this / "blob"), str(this / "layer"), str(this / "recipe"))
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(99)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with (this / "said").open("rb") as said_file:
        said_text = said_file.read(_SAID).decode(errors="replace")
    assert code in (0, 1, NO_SPACE_EXIT), said_text
    assert (code == 0) == said_text.startswith('{"diff_id"'), said_text
    if code:
        raise BadLayer(said_text)


CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "User": "app:100",
        "Env": ["PATH=/bin", "A=b"],
        "Entrypoint": ["/entry"],
        "Cmd": ["x"],
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "Labels": {"a": "b"},
        "StopSignal": "SIGINT",
        "ExposedPorts": {"80/tcp": {}},
        "OnBuild": None,
    },
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "ab" * 32]},
    "history": [{"created_by": "x", "empty_layer": True}, {"created": "2024-01-01T00:00:00Z"}],
}
_CONFIG = json.dumps(CONFIG).encode()
_MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": manifest.digest_of(_CONFIG),
        "size": len(_CONFIG),
    },
    "layers": [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": "sha256:" + "cd" * 32,
            "size": 1000,
            "annotations": {"a": "b"},
        }
    ],
    "annotations": {"c": "d"},
}


def _manifest(data: bytes) -> None:
    manifest.config_digest(data)
    manifest.layers_of(data)
    manifest.media_type(data).encode()
    json.dumps(manifest.descriptors_of(data)).encode()
    manifest.content(data, _CONFIG)


def _config(data: bytes) -> None:
    """Accepted values must be usable everywhere."""
    found = image_config.parse(data)
    api.ImageSpec(image=found.user, annotations=dict(found.labels)).SerializeToString()
    for text in (*found.env, *found.cmd, *found.entrypoint, *found.volumes, found.working_dir):
        api.ContainerConfig(working_dir=text, command=[text]).SerializeToString()
        assert "\0" not in text
    manifest.user_of(data).encode()
    manifest.check_platform(data, "amd64")
    image_config.steps(data)


_PASSWD = b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
_GROUP = b"root:x:0:\nwheel:x:10:app\napp:x:1000:\n"


def _users(data: bytes) -> None:
    """The files of users and groups are the image's, and so is the name that is looked for."""
    passwd, _, rest = data.decode(errors="replace").partition("\f")
    group, _, user = rest.partition("\f")
    users.resolve(api.LinuxContainerSecurityContext(), user, passwd, group)
    users.names(passwd)


TARGETS = (
    Target("archive", _layers, pure(_archive), (BadLayer,)),
    Target("layer", _layers, _unpacking, (BadLayer,)),
    Target(
        "manifest",
        lambda: [json.dumps(_MANIFEST).encode()],
        pure(_manifest),
        (ToolFailed,),
        mutation.of_json,
    ),
    Target(
        "image configuration",
        lambda: [_CONFIG, b'{"config": null}'],
        pure(_config),
        (InvalidArgument, ToolFailed),
        mutation.of_json,
    ),
    Target(
        "users and groups",
        lambda: [
            b"\f".join((_PASSWD, _GROUP, user)) for user in (b"app", b"1000:wheel", b":", b"")
        ],
        pure(_users),
        (InvalidArgument,),
    ),
)
