# `make` or `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
# Where kube-apiserver, etcd and kubectl are. Set it to use your own.
KUBEBUILDER_ASSETS ?= $(BIN)/controlplane
export KUBEBUILDER_ASSETS

KUBERNETES := v1.36.3
VERSION_PKG := k8s.io/component-base/version
# Without a version clients take the API server for an ancient one.
KUBERNETES_LDFLAGS := -s -w -X $(VERSION_PKG).gitVersion=$(KUBERNETES) -X $(VERSION_PKG).gitMajor=1 -X $(VERSION_PKG).gitMinor=36

WORLDS ?= 100000
SEED ?= 1
FUZZTIME ?= 60s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/sallyport
	go build -o $(BIN)/sallyport ./cmd/sallyport

.PHONY: demo
demo: build controlplane ## show sallyport at work on a real API server (DEMO=once: end after the tour)
	go build -C e2e -o $(BIN)/demo ./demo
	@cd e2e && exec $(BIN)/demo

.PHONY: test
test: controlplane ## run all tests with the race detector, on a real API server
	go test -race ./...
	go test -C e2e -race -timeout 30m ./...

.PHONY: test-long
test-long: ## hold 100000 random Worlds against the oracle (WORLDS and SEED change them)
	go test -run '^TestOracle$$' -count 1 -timeout 60m -v ./policy -worlds $(WORLDS) -seed $(SEED)

.PHONY: fuzz
fuzz: ## fuzz each target for a minute, one after the other (FUZZTIME changes it)
	@set -e; for target in $$(go test -list '^Fuzz' ./policy | grep '^Fuzz'); do \
		echo "$$target:"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s -parallel 1 ./policy; \
	done

.PHONY: e2e
e2e: controlplane ## run the tests on a real API server alone
	go test -C e2e -race -count=1 -timeout 30m ./...

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, go mod tidy
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt would change:"; echo "$$files"; exit 1; }
	go vet ./...
	go vet -C e2e ./...
	go build -C e2e -o $(BIN)/staticcheck honnef.co/go/tools/cmd/staticcheck
	$(BIN)/staticcheck ./...
	cd e2e && $(BIN)/staticcheck ./...
	go mod tidy -diff
	cd e2e && go mod tidy -diff

.PHONY: generate
generate: ## rewrite what is generated: the answers in the rules' pages, the README's table, deploy/base
	go test ./policy -run TestCases -update
	go test ./cmd/sallyport -run TestReadme -update
	go test ./webhook -run TestManifests -update

.PHONY: bench
bench: ## measure the cost of decisions
	go test -run '^$$' -bench . -benchmem -count 6 ./policy

.PHONY: controlplane
controlplane: ## build kube-apiserver, etcd and kubectl from Go modules, once
ifeq ($(KUBEBUILDER_ASSETS),$(BIN)/controlplane)
controlplane: $(BIN)/controlplane/.built

$(BIN)/controlplane/.built: e2e/controlplane/go.mod e2e/controlplane/go.sum
	@echo "Building kube-apiserver, etcd and kubectl $(KUBERNETES) (about 5 minutes on two cores, once) ..."
	go build -C e2e/controlplane -o $(BIN)/controlplane/ -ldflags '$(KUBERNETES_LDFLAGS)' k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl
	go build -C e2e/controlplane -o $(BIN)/controlplane/etcd -ldflags '-s -w' go.etcd.io/etcd/server/v3
	@touch $@
endif

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN)
