# Each target is one or two commands, so that it can be read and run by hand.

.PHONY: cluster-tools

# The control plane and the Prometheus that end-to-end tests and the demo run on: built or fetched once, into
# a cache outside the checkout (~/.cache/serin). Prints where they are.
cluster-tools:
	@tests/cluster/build.sh
	@tests/cluster/prometheus.sh
