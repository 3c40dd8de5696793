# Each target calls the tool that does the work; CONTRIBUTING.md lists more commands.

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

check: ## formatting, vet and linters
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "run gofmt -w on: $$unformatted" >&2; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2 run

test: ## all tests; skip those that need something missing
	go test -timeout 1h ./...

interop: ## all tests, with the race detector; nothing may be skipped
	CONFD_INTEROP=require go test -race -shuffle=on -timeout 1h ./...

generate: ## regenerate the code in gen from spec
	go generate .

fuzz: ## each fuzz target, 20,000 inputs
	@for package in ./fuzz ./client ./internal/protocol; do for target in $$(go test $$package -list '^Fuzz' | grep '^Fuzz'); do \
	  go test $$package -run '^$$' -fuzz "^$$target\$$" -fuzztime 20000x -fuzzminimizetime 1x || exit 1; done; done

bench: ## compare the daemon with the limit of this machine
	go run ./cmd/confdctl bench --echo-hmac

package: ## .deb and .rpm
	go run ./packaging/build

rename: ## rename the module: make rename MODULE=example.org/gntconfd
	@[ -n "$(MODULE)" ] || { echo "make rename MODULE=example.org/gntconfd" >&2; exit 1; }
	@old=$$(go list -m) folders='(client|cmd|examples|fuzz|gen|internal|packaging|spec)' && go mod edit -module $(MODULE) && \
	  git grep -lE "\b$$old/$$folders\b" -- '*.go' '*.tmpl' docs | xargs sed -E -i "s#\b$$old/$$folders\b#$(MODULE)/\1#g" && \
	  sed -i "s#$$old@v0.0.0 -replace $$old=#$(MODULE)@v0.0.0 -replace $(MODULE)=#" docs/client.md && \
	  git ls-files '*.go' | xargs gofmt -w

.PHONY: help check test interop generate fuzz bench package rename
