"""The worker process of a pull: speaks the distribution specification 1.1 with a registry.

The daemon starts one worker for each pull, `worker`, and writes lines of JSON to it: the request,
then the blobs to fetch. The worker answers with events. It holds the network, TLS, tokens and
credentials, so no byte of a registry is parsed in the daemon except the manifest and the config.
Secrets travel on its standard input, and are in no message, argument or environment.

A name becomes references (`names`), each of them a list of endpoints (`endpoints`). The first
endpoint that has the image is asked for its blobs, too; the others serve if it fails. No module
imports asyncio: each blob has a thread, and the start takes a tenth of a second.

- `worker`: the program: lines in, events out
- `request`: the lines that the daemon writes, pure
- `events`: the lines that the daemon reads
- `pull`: the sessions and downloads of one image
- `reference`: image names, pure
- `registries_conf`: reads registries.conf and its drop-ins
- `names`: short names, aliases, prefixes and locations, pure
- `endpoint`: a server for a repository, with its settings, pure
- `endpoints`: the servers to ask for an image
- `certificates`: certs.d of containers and Docker
- `hosts_toml`: certs.d of containerd
- `credentials`: the call's own credentials, and the forms of others, pure
- `auth_files`: containers-auth.json and Docker's config.json
- `credential_helper`: runs docker-credential-NAME
- `challenge`: WWW-Authenticate, pure
- `authorization`: Basic, and Bearer tokens that are renewed
- `proxies`: the proxy for a URL, pure
- `socks_proxy`: connections through a SOCKS proxy
- `connections`: HTTP and TLS by urllib3
- `unix_socket`: HTTP on a unix socket
- `exchange`: a request with its redirects
- `sentences`: the texts of failures, pure
- `answers`: failures and small bodies
- `login`: tries user and password, for the command line
- `session`: authorized requests for a repository at an endpoint
- `documents`: indexes, manifests and descriptors, pure
- `platforms`: the choice for this machine, pure
- `resolving`: finds the manifest and the config of an image
- `retry`: when to try again, pure
- `ranges`: whether an answer continues a blob, pure
- `part`: the file of a blob under way
- `download`: the download of one blob
- `failure`: the exception that the daemon is told
"""
