# The menu. `make` or `make help` prints it.
# Everything is a thin call of the CMake presets (CMakePresets.json) or of a script in scripts/.

PREFIX  ?= /usr/local
DESTDIR ?=
PRESETS ?= release debug tsan
JOBS    ?= $(shell nproc)
BINARY  := build/release/daemon/admetricsd

.DEFAULT_GOAL := help
.PHONY: help setup build demo test bench lint format install package clean

help:  ## print this menu
	@echo "admetricsd: streaming materializer of daily ad metrics"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PRESETS=\"$(PRESETS)\" (test)   PREFIX=$(PREFIX) DESTDIR= (install)   DEMO_USERS= DEMO_DAYS= DEMO_SECONDS= (demo)"

setup:  ## install the packages that are missing, fetch SQLite
	@scripts/setup.sh

build: setup  ## the release binary; its path is the last line printed
	@cmake --preset release --log-level=WARNING
	@cmake --build --preset release -j $(JOBS) --target admetricsd
	@echo $(BINARY)

demo: build  ## sample source, live writer, daemon, verification: see it work
	@scripts/demo.sh

test:  ## every test, under each of PRESETS; closes with "N passed, N failed"
	@PRESETS="$(PRESETS)" JOBS=$(JOBS) scripts/test.sh

bench: build  ## run the benchmarks
	@cmake --build --preset release --target bench

lint: setup  ## formatting, clang's thread-safety analysis, clang-tidy
	@scripts/setup.sh --dev
	@scripts/format.sh --check
	@cmake --preset clang-lint --log-level=WARNING
	@cmake --build --preset clang-lint -j $(JOBS)

format:  ## rewrite our sources with clang-format
	@scripts/setup.sh --dev
	@scripts/format.sh

install: build  ## install to $(DESTDIR)$(PREFIX): binary, service unit, configuration
	@cmake --preset release --log-level=WARNING -DCMAKE_INSTALL_PREFIX="$(PREFIX)"
	@cmake --build --preset release -j $(JOBS) --target admetricsd
	@DESTDIR="$(DESTDIR)" cmake --install build/release

package: build  ## the Debian package; its path is the last line printed
	@cpack --config build/release/CPackConfig.cmake >build/release/cpack.log || { cat build/release/cpack.log >&2; exit 1; }
	@sed -n 's|.*package: $(CURDIR)/\(.*\) generated\.|\1|p' build/release/cpack.log

clean:  ## remove build/
	@rm -rf build
