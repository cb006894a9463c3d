# SPDX-License-Identifier: GPL-2.0
# DAX-GUP: see README.md. The kernel is built by the kernel's own make, below scripts/build; this file only names the jobs.
MAKEFLAGS += --no-builtin-rules --no-print-directory
.NOTPARALLEL:
.SUFFIXES:

export KSRC BUILD TREE BASE FORCE JOBS CONFIG

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: build ## everything, from packages to a table of what DMA into a DAX mapping does
	@tests/showcase series

test: packages ## the whole test suite; the last line counts
	@scripts/run-tests

soak: packages ## the long forms of the loops, and stock beside the series
	@scripts/run-tests soak

bench: three ## what memory costs by kernel, in instructions: out/bench.csv, out/bench.svg (PEER=bzImage: one more; RUNS=2: twice)
	@tests/bench series stock base $(PEER)

compare: three ## the table of make run for base, stock and series (FILE_SYSTEMS=xfs: on these alone)
	@tests/compare

shell: build ## a shell in the guest, on the series' kernel
	@guest/run -- sh

packages: ## install the Debian packages that are missing
	@scripts/packages

build: packages ## build the series' kernel
	@scripts/build series

K ?= series
kernel: packages ## build another: K=base, stock, series-debug, upto:NN
	@scripts/build $(K)

three: build
	@scripts/build base
	@scripts/build stock

each: packages ## build the kernel after every step, and run its suite (STEPS="NN...": of some)
	@scripts/build-each $(STEPS)

tree: packages ## build/tree: a kernel work tree with one commit a step
	@scripts/tree

refresh: packages ## write the commits of build/tree (or TREE=) back into patches/ and the overlay
	@scripts/refresh

series: packages ## out/series/*.patch: the steps as mail, for git am, with a cover letter; and all that as a tarball
	@scripts/mail
	@scripts/tarball

drift: packages ## does the series apply to another source? KSRC=<folder or tarball of Linux 6.12.y>
	@scripts/drift

deb: packages ## Debian packages of the series' kernel in out/deb: this machine's or Debian's configuration, or CONFIG=<file>
	@scripts/deb

check: packages ## the quick gates
	@scripts/check

check-full: packages ## all gates: W=1, sparse, coccinelle, docs, other architectures, arm64 in QEMU, every step (GATES="NAME...": some)
	@scripts/check-full $(GATES)

clean: ## remove build/ and out/
	@scripts/clean

.PHONY: help run test soak bench compare shell packages build kernel three each tree refresh series drift deb check check-full clean
