# Everything a newcomer and a packager type. `make help` lists it.

VENV := .venv/bin
PREFIX ?= /usr
DESTDIR ?=
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-machines lint generate bench install deb fresh clean distclean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what is missing and make .venv with both programs
	@packaging/setup.sh

demo: setup ## two hosts, a daemon in each, a probe from one to the other
	@packaging/demo.sh

test: ## setup, and every test (all of them as root; PYTEST_ARGS="-k probe" picks some)
	@packaging/setup.sh tests
	@$(VENV)/python -m pytest $(PYTEST_ARGS)

test-machines: ## the service on the kernels of Debian 12 and 13, in virtual machines (PYTEST_ARGS=--matrix: on every NIC)
	@packaging/setup.sh tests
	@$(VENV)/python -m pytest --machines tests/machines $(PYTEST_ARGS)

lint: setup ## ruff, mypy --strict, and that every installed package is pinned
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check
	@$(VENV)/mypy --strict
	@$(VENV)/python packaging/generate.py --check
	@! $(VENV)/pip freeze --all --exclude-editable --exclude pip | grep -vxFf packaging/constraints.txt || \
		{ echo 'lint: pin the packages above in packaging/constraints.txt' >&2; exit 1; }

generate: setup ## write what is told twice anew: default configuration, reference, journal catalog
	@$(VENV)/python packaging/generate.py

bench: setup ## measure the daemon against a C server, DPDK, Scapy and ping, and how it grows
	@bench/run

install: ## install for the system: DESTDIR= PREFIX=/usr
	@packaging/install.sh "$(DESTDIR)" "$(PREFIX)"

deb: ## build the Debian package for the running release, into dist/
	@packaging/deb.sh

fresh: ## setup, demo and test in a new minimal Debian, as root
	@packaging/try-fresh.sh

clean: ## remove what the other targets made here; the minimal Debians in ~/.cache/rawecho stay
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find rawechod rawechoctl tests bench packaging -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## and those too
	rm -rf --one-file-system "$${XDG_CACHE_HOME:-$$HOME/.cache}/rawecho"
