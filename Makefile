.PHONY: crds
crds: ## Write crds/ from the types in src/api
	cargo run --quiet --no-default-features --example crds
