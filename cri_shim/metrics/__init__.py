"""The metrics of the daemon, for Prometheus: off unless `metrics.address` is set.

    events (calls, steps, exits) -> recorder --+
    counters that exist already  -> readings --+-> exposition -> connection -> a scraper

Nothing here is imported while the metrics are off. An event costs a few microseconds: it adds to
plain counters, and only a scrape makes text of them. The number of time series is bounded: names
that come from an operator or a tenant share the value `other` when there are too many.

- `declared`: the one table of all metrics: name, kind, labels, meaning; docs/metrics.md shows it
- `histogram`: histograms by labels, with a bound of their number
- `recorder`: counts calls, operations, steps and exits as they happen
- `oom_level`: whose memory limit was reached when the kernel killed a container
- `lag`: how late the event loop is
- `readings`: reads the counters and states that other parts have, at each scrape
- `exposition`: the text format of Prometheus, made in short turns of the event loop
- `connection`: one HTTP/1.1 request of one scraper
- `address`: the TCP address or unix socket
- `server`: the few connections at once, and the page that they share
- `endpoint`: all of it together
"""
