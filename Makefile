# Glasstack's everyday commands. CMake does the building (CMakePresets.json); this file names what people do with it.
.NOTPARALLEL:
.DEFAULT_GOAL := help
SHELL := /bin/bash

CLANG_FORMAT ?= clang-format-14
FUZZ_SECONDS ?= 60
BENCH_ARGS ?=

# Sources that clang-format keeps in shape; .inc tables are laid out by hand.
SOURCE_DIRS = $(wildcard src tests bench fuzz examples)
SOURCES = $(shell find $(SOURCE_DIRS) -name '*.cc' -o -name '*.h')

# ccache and mold make builds faster where they are present, and are not missed where they are not.
FAST = $(if $(shell command -v ccache),-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache) \
       $(if $(shell command -v mold),-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=mold)

.PHONY: help setup run build test asan tsan bench fuzz analyze format format-check clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup:  ## install what is missing for building and testing (docs/DEPENDENCIES.md)
	@scripts/setup test

run: build/release/glass-built  ## build the release preset, then run `glass demo`
	@build/release/glass demo

build: build/release/all-built  ## build everything of the release preset

test: setup  ## every test: release, debug with sanitizers, tidy, format; ends with a count
	@scripts/test

asan: setup  ## the tests under AddressSanitizer and UBSan only
	@scripts/test debug

tsan: setup  ## the tests under ThreadSanitizer only
	@scripts/test tsan

bench: setup build/release/build.ninja  ## Glasstack beside lwIP: a table, and build/bench.json (BENCH_ARGS=--help)
	@cmake --build build/release --target bench/all
	@bench/run.py $(BENCH_ARGS)

fuzz: setup-tools build/fuzz/build.ninja  ## every fuzz target for FUZZ_SECONDS (60) each
	@cmake --build build/fuzz --target fuzz/all
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/each build/fuzz/fuzz "fuzz target"

analyze: setup-tools build/release/build.ninja  ## clang-tidy-19 over every source of src/
	@run-clang-tidy-19 -quiet -p build/release '$(CURDIR)/src/.*\.cc$$'

format:  ## rewrite every source with clang-format
	@$(CLANG_FORMAT) -i $(SOURCES)

format-check:  ## fail where `make format` would change a source
	@$(CLANG_FORMAT) --dry-run --Werror $(SOURCES)

clean:  ## remove everything that was built
	@rm -rf build

# --- steps the targets above share ---
.PHONY: setup-build setup-tools
setup-build:
	@scripts/setup build
setup-tools:
	@scripts/setup tools

build/%/build.ninja: CMakePresets.json | setup-build
	@cmake --preset $* $(FAST)
	@touch $@

# Phony in effect (never created): Ninja knows best what is out of date.
build/%/glass-built: build/%/build.ninja
	@cmake --build build/$* --target glass

build/%/all-built: build/%/build.ninja
	@cmake --build build/$*
.PRECIOUS: build/%/build.ninja
