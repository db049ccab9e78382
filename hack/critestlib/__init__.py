"""hack/critest: the field's conformance suite against private instances, without a network.

The suite names its images at public registries. They are made here from Debian's packages
(`packages`, `images`) and served by a registry on 127.0.0.1; the instance's registries.conf sends
the public names there (`mirror`). `tools` finds the programs, `instance` has the daemon, `run` runs
one combination of OCI runtime, streaming transport and way of running, `crictl` the tests that
crictl has of its own, `outcome` reads what ginkgo reports, and `report` writes docs/conformance.md.

One spec compares with the digest of an image that only its makers have. It is run by a copy of
critest in which that digest is exchanged for ours, and the report says so.
"""
