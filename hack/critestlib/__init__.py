"""hack/critest: runs the conformance suite of the CRI against private instances, without a network.

The suite names images of public registries. Replacements are made here from Debian's packages and
served by a registry on 127.0.0.1; the instance's registries.conf maps the public names to it.

- `packages`: files of Debian packages
- `images`: the replacement images
- `mirror`: the registry, and the registries.conf
- `tools`: finds the programs
- `instance`: the daemon
- `run`: one combination of OCI runtime, streaming transport, and serial or parallel execution
- `crictl`: crictl's own tests
- `segments`: removes shared memory that specs leave on the host
- `outcome`: reads the reports of ginkgo
- `report`: writes docs/conformance.md

One spec compares with the digest of an image that only its publisher has. A copy of critest runs
it, in which our digest replaces that one, and the report says so.
"""
