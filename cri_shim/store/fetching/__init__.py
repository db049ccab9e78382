"""Fetches images from registries: the layers that are missing here, each once.

One worker process for each pull has the network, TLS and the credentials (`cri_shim.registry`). The
daemon tells it by lines of JSON which blobs to fetch. Another child unpacks a layer while its blob
comes (`unpack`).

- `new_layers`: brings the missing layers of an image
- `artifact_blobs`: brings the missing blobs of an artifact
- `following`: unpacks a layer while its blob is downloaded
- `fetcher`: starts the workers, with the settings of the node
- `fetch`: the dialogue with a worker about one image
- `worker`: the process, its pipes and its end
- `progress`: the running pulls, and how far they are
- `counters`: what all pulls have done, as numbers
- `grace`: keeps the layers of failed pulls for the next try
"""
