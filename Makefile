# SPDX-License-Identifier: GPL-2.0
# DAX-GUP: see README.md. The kernel is built by the kernel's own make, below scripts/build; this file only names the jobs.
MAKEFLAGS += --no-builtin-rules --no-print-directory
.NOTPARALLEL:
.SUFFIXES:

export KSRC BUILD TREE BASE FORCE JOBS

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

run: build guest ## everything, from packages to a table of what DMA into a DAX mapping does
	@tests/showcase series

test: all-kernels guest ## the whole test suite; the last line counts
	@tests/run-all

compare: all-kernels guest ## the table of make run for base, stock and series
	@tests/compare

shell: build guest ## a shell in the guest, on the series' kernel
	@guest/run -- sh

packages: ## install the Debian packages that are missing
	@scripts/packages

build: packages ## build the series' kernel
	@scripts/build series

debug: packages ## build the debug kernel
	@scripts/build series debug

all-kernels: build
	@scripts/build base
	@scripts/build stock
	@scripts/build series debug

guest: packages
	@if [ -x guest/make ]; then guest/make; fi

tree: packages ## build/tree: a kernel work tree with one commit a step
	@scripts/tree

refresh: ## write the commits of build/tree (or TREE=) back into patches/ and the overlay
	@scripts/refresh

series: packages ## out/series/*.patch: the steps as mail, for git am
	@scripts/mail

check: packages ## the quick gates
	@scripts/check

clean: ## remove build/ and out/
	@scripts/clean

.PHONY: help run test compare shell packages build debug all-kernels guest tree refresh series check clean
