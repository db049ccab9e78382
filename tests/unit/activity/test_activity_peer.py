"""A peer in records and messages."""

from cri_shim.activity.peer import Peer


def test_a_peer_is_told_with_its_process() -> None:
    peer = Peer(0, 1, 42, "/usr/bin/kubelet", "/run/s")
    assert peer.facts() == {
        "uid": 0,
        "gid": 1,
        "pid": 42,
        "program": "/usr/bin/kubelet",
        "socket": "/run/s",
    }
    assert str(peer) == "user 0, process 42 (/usr/bin/kubelet)"
    assert str(Peer(7, 7, 42, "", "/run/s")) == "user 7, process 42 (ended)"
