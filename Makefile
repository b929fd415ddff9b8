# Each target is one or two commands, so that it can be read and run by hand.

.PHONY: demo demo-real test check sim soak e2e crds cluster-tools

# The main job in memory: four releases, two of them bad, in half a minute. Needs Rust and nothing else. SERIN_DEMO_ARGS=--fast tells it at once.
demo:
	cargo run --quiet --example demo -- $(SERIN_DEMO_ARGS)

# The same on real parts: etcd, API server, Prometheus. SERIN_DEMO_ARGS=--real-intervals for 60 s intervals.
demo-real: cluster-tools
	cargo build --quiet --bin serin
	cargo run --quiet --example demo-real -- $(SERIN_DEMO_ARGS)

# Every test; the simulations optimised, because they are many, and of their crash and staleness points a part (see sim). The end-to-end ones on a real control plane come last: they wait more than they work, so many run at once.
test: cluster-tools
	cargo test --lib --bins --examples
	cargo test --doc
	SERIN_SIM_MOST=1 cargo test --profile sim --test it --test sim
	RUST_TEST_THREADS=16 cargo test --test e2e

# The pure core alone and the whole, both without warnings; the core must not be able to reach IO.
check:
	cargo fmt --check
	cargo clippy --quiet --lib --no-default-features -- -D warnings
	cargo clippy --quiet --all-targets -- -D warnings
	./tests/tools/fence.sh

# The simulations whole: every crash point and staleness point, too.
sim:
	SERIN_SIM_WHOLE=1 cargo test --profile sim --test sim

# The simulator's swarm with ever new seeds, until it is stopped or a seed breaks a law.
soak:
	@first=20000; while SERIN_SEED_FIRST=$$first SERIN_SEEDS=20000 \
		cargo test --quiet --profile sim --test sim no_seed_breaks_a_law -- --nocapture; do first=$$((first + 20000)); done

# Only the end-to-end tests.
e2e: cluster-tools
	RUST_TEST_THREADS=16 cargo test --test e2e

# Write crds/ from the types in src/api.
crds:
	cargo run --quiet --no-default-features --example crds

# The control plane and the Prometheus that end-to-end tests and demo-real run on: built or fetched once, into
# a cache outside the checkout (~/.cache/serin). Prints where they are.
cluster-tools:
	@tests/cluster/build.sh
	@tests/cluster/prometheus.sh
