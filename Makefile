# Two commands are enough to judge this repository: `make demo` and `make test`. Both look after
# what they need (scripts/setup.sh) and run on a bare Debian machine with Go 1.26 and make.

SHELL := /bin/bash
GO    ?= go

# The pinned linter, built from the module proxy. It is no dependency of the module.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# The release that the clusters of `make demo-duplication` behave as.
VERSION ?= 2.5.0

# How long each fuzz target runs in `make fuzz`.
FUZZTIME ?= 20s
# How long `make chaos` begins new rounds.
CHAOSTIME ?= 30m

comma := ,

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  %-18s %s\n", $$1, $$2}'

.PHONY: build
build: setup ## build bin/pegmigrate: one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/pegmigrate .

.PHONY: demo
demo: ## move 200,000 rows between two embedded clusters and compare them; under a minute
	@scripts/demo.sh

.PHONY: demo-duplication
demo-duplication: ## migrate 200,000 rows under live traffic through MetaProxies, and prove that nothing is lost; VERSION=2.4.0, 2.5.0 (default) or 2.6.0; under two minutes
	@VERSION=$(VERSION) scripts/demo-duplication.sh

.PHONY: demo-duplication-all
demo-duplication-all: ## the same between clusters of each release, one after the other
	@set -e; for version in 2.4.0 2.5.0 2.6.0; do VERSION=$$version scripts/demo-duplication.sh; done

.PHONY: demo-restore
demo-restore: ## move 200,000 rows through a cold backup, and restore it again when its table is gone; under two minutes
	@scripts/demo-restore.sh

.PHONY: demo-bulkload
demo-bulkload: ## tables of 200,000 rows get other partition counts through files: 4 to 16, 16 to 4, 6 to 4; under three minutes
	@scripts/demo-bulkload.sh

.PHONY: demo-dualwrite
demo-dualwrite: ## migrate 100,000 rows from 4 to 8 partitions while clients write and delete in both tables, and prove that nothing is lost; under a minute
	@scripts/demo-dualwrite.sh

.PHONY: demo-catchup
demo-catchup: ## copy 600,000 rows while clients write and delete; writes are rejected for under a tenth of the copy, and both tables are equal; two minutes
	@scripts/demo-catchup.sh

.PHONY: test
test: setup-race rocksdb-tools vet fmt-check ## vet, format and every test, with the race detector, in random order (RocksDB's own tools are compared with: Debian's rocksdb-tools, installed when absent)
	$(GO) test -race -shuffle=on -timeout 20m ./...

.PHONY: test-external
test-external: lint test-zookeeper test-hdfs test-browser ## checks whose tools have to be fetched and built first

.PHONY: test-zookeeper
test-zookeeper: setup-race ## route records against a real ZooKeeper (Debian's package, installed when absent)
	scripts/zookeeper.sh $(GO) test -race -count=1 -run 'ZooKeeper' ./internal/metaproxy ./internal/sandbox/zookeeper

.PHONY: test-hdfs
test-hdfs: setup-race ## block stores against a real HDFS (Hadoop's jars by Maven; Debian's packages, installed when absent)
	scripts/hdfs.sh $(GO) test -race -count=1 -timeout 30m -run 'HDFS' ./internal/blobstore ./internal/backup ./internal/splitter

.PHONY: verify-live
verify-live: setup-race ## tables that clients write 5,000 times a second are compared, damaged in 20 rows, repaired and compared again, 10 times (ROUNDS=N)
	PEGMIGRATE_VERIFY_ROUNDS=$(or $(ROUNDS),10) $(GO) test -race -count=1 -timeout 1h -v -run 'TestVerifyATable' ./internal/actuate

.PHONY: test-browser
test-browser: setup-race ## the pages that report writes, in a real browser (Debian's chromium, installed when absent)
	scripts/browser.sh $(GO) test -race -count=1 -timeout 15m -run '^TestBrowser$$' .

.PHONY: bench
bench: setup ## rows per second and per CPU second of copying and comparing, 12 tables, two minutes; SHORT=1: two tables, KEEP=1: into BENCHMARKS.md
	@KEEP=$(KEEP) scripts/bench.sh rates $(if $(SHORT),-short -benchtime 1s)

.PHONY: bench-large
bench-large: setup ## time and memory of copying and comparing 20 and 40 million rows from 1,024 to 256 partitions; LARGE=N: N and 2N rows, KEEP=1: into BENCHMARKS.md
	@KEEP=$(KEEP) scripts/bench.sh large $(if $(LARGE),-large-rows $(LARGE)$(comma)$(shell echo $$((2*$(LARGE)))))

.PHONY: bench-packages
bench-packages: setup ## the benchmarks of single packages: engines, wire, sandbox, files of RocksDB
	$(GO) test -run '^$$' -bench . -benchmem -timeout 1h ./internal/copier ./internal/differ ./internal/wire ./internal/sandbox ./internal/sst

.PHONY: acceptance-throttle
acceptance-throttle: setup ## overload, a source whose latency rises, and caps, in real time; five minutes
	$(GO) test -count=1 -v -timeout 30m -run '^TestThrottle' ./internal/bench -throttle-full

.PHONY: bench-split
bench-split: setup ## rows and bytes per CPU second of reading, writing and splitting 5 million rows, beside RocksDB's own tools (Debian's rocksdb-tools, installed when absent); minutes
	@scripts/bench-split.sh

.PHONY: fuzz
fuzz: setup ## run every fuzz target for FUZZTIME (20s)
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

.PHONY: crash
crash: setup ## the crash loop at every point of a run, not at a sample; an hour at most
	$(GO) test -run '^TestCrashLoop$$' -v -timeout 4h . -crash-all

.PHONY: crash-catchup
crash-catchup: setup ## the crash loop of copies that are caught up behind a fence, at every point, with clients at work; under an hour
	$(GO) test -run '^TestCrashCatchUp$$' -v -timeout 8h . -crash-all

.PHONY: crash-files
crash-files: setup ## the crash loops of the methods that go through files, at every point; under an hour
	$(GO) test -run '^TestCrash(Restore|BulkLoad)$$' -v -timeout 12h . -crash-all

.PHONY: crash-duplication
crash-duplication: setup-race ## the crash loop of online migrations at every point, with clients at work; some hours
	$(GO) test -race -run '^TestCrashDuplication$$' -v -timeout 12h . -crash-all

.PHONY: chaos
chaos: setup-race ## random migrations on failing clusters, killed at random, for CHAOSTIME (30m)
	$(GO) test -race -run '^TestChaos$$' -v -timeout 4h . -chaos-seed 0 -chaos-for $(CHAOSTIME)

.PHONY: lint
lint: setup ## golangci-lint at the pinned version; the first run builds it (some minutes)
	$(GO) run $(GOLANGCI) run ./...

.PHONY: vet
vet: setup ## go vet
	$(GO) vet ./...

.PHONY: fmt-check
fmt-check: setup ## fail when a file is not gofmt-ed
	@files=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [ -n "$$files" ]; then echo "not gofmt-ed:"; echo "$$files"; exit 1; fi

.PHONY: setup setup-race rocksdb-tools
setup:
	@scripts/setup.sh
setup-race:
	@scripts/setup.sh race
rocksdb-tools:
	@scripts/rocksdb-tools.sh
