# make demo     the story, against a real PostgreSQL and a real SSH host; ONCE=1 walks it and exits. Needs no system package
# make test     everything: types, lint, unused code, layers, then unit, property and black-box tests
# make bench    direct, PgBouncer and Postern side by side
# make check    the static part of `make test`
# make setup    what all of them need, installed; says what. Part of the others
#
# Node 20, npm and make must be there; everything then runs on the Node that package.json pins.

SHELL := /bin/sh
export PATH := $(wildcard $(CURDIR)/node_modules/node-linux-*/bin):$(PATH)

.PHONY: demo test check bench setup npm clean

demo: npm
	@bin/postern demo $(if $(ONCE),--once)

test: setup
	@$(MAKE) --no-print-directory run-tests

check: npm
	@$(MAKE) --no-print-directory run-checks

bench: setup
	@scripts/setup.sh peers
	@$(MAKE) --no-print-directory run-bench

setup: npm
	@scripts/setup.sh system

npm:
	@scripts/setup.sh npm

clean:
	rm -rf node_modules .cache

# Below: run once more by make, so that PATH holds the Node which the set-up has just installed.
.PHONY: run-tests run-checks run-bench

run-checks:
	@echo "check: types"; npm run --silent types
	@echo "check: lint and format"; npm run --silent lint
	@echo "check: unused code"; npm run --silent unused
	@echo "check: layers"; npm run --silent layers
	@echo "check: schema"; npm run --silent schema -- --check

run-tests: run-checks
	@echo "test: unit, property and black-box tests on Node $$(node --version), two files at a time"
	@node --test --test-reporter=spec --test-concurrency=2 --test-timeout=180000 'src/**/*.test.ts' 'scripts/**/*.test.ts' 'test/**/*.test.ts'

run-bench:
	@node bench/main.ts
