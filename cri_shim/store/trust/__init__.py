"""Decides which images are accepted: policy.json and the signatures that it wants to see.

A pull is refused before a layer is fetched. `images/pull` asks for the verdict.

- `policies`: the policies of the node and of its pod namespaces
- `policy`: one policy.json and its requirements for an image, pure
- `verify`: fetches the signatures of an image and verifies them
- `sigstore`: what a signature of cosign says, pure
"""
