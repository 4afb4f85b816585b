# mssgw: everything a newcomer types. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Tests and benchmarks start Python a thousand times: what it compiled is kept, as an installation keeps it.
unexport PYTHONDONTWRITEBYTECODE
# The system's own where it will do: production runs on it, and Debian builds it with profile-guided optimisation,
# which a Python compiled at home mostly lacks.
PYTHON ?= $(shell for each in /usr/bin/python3 python3; do "$$each" -c 'import sys, ensurepip, venv; \
	sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$each" && exit; done; echo python3)
BIN := .venv/bin
STAMP := .venv/.complete
# One lock for a node in production, one with the tools and tests on top; the versions they share are equal.
COMPILE := PATH="$(CURDIR)/$(BIN):$$PATH" uv pip compile --quiet --custom-compile-command 'make lock' --generate-hashes --universal \
	--python-version 3.11 pyproject.toml --extra postgres
PEERS := postfix strace swaks

.PHONY: help demo run test check soak bench lock clean peers

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

demo: $(STAMP) ## see real letters go through the gateway, in under a minute
	@$(BIN)/python -m demo

run: $(STAMP) ## leave the demo's gateway and stand-ins running, and say how to send to them
	@$(BIN)/python -m demo --keep

test: $(STAMP) peers ## everything from unit tests to real peers
	$(BIN)/python -m pytest -m "not soak"

check: $(STAMP) ## what to run before a commit: style, types, unit tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit tests/house

soak: $(STAMP) peers ## the long forms of the tests
	$(BIN)/python -m pytest -m soak

bench: $(STAMP) peers ## measure it beside Postfix, 15 minutes (make bench QUICK=1: 2); see docs/performance.md
	$(BIN)/python -m bench $(if $(QUICK),--quick)

lock: ## bring both locks up to date with pyproject.toml (needs uv; newer versions: make lock UPGRADE=--upgrade)
	$(COMPILE) $(UPGRADE) --group build -o requirements.lock
	$(COMPILE) $(UPGRADE) --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove the virtual environment, caches and the demo's state
	rm -rf .venv build var *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an installation that was cut short is done again from the start, and one that is whole
# but older than the lock is brought up to date.
$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "mssgw needs Python 3.11 or later as $(PYTHON); or name another: make PYTHON=/usr/bin/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	[ -e $@ ] || rm -rf .venv
	rm -f $@
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The peer tests skip by themselves where a peer is missing (under CI=true they fail); say so before, not after: all that
# is missing at once, for a run takes long.
peers:
	@missing=; for each in $(PEERS); do \
		[ -x "/usr/sbin/$$each" ] || [ -x "/usr/bin/$$each" ] || missing+=" $$each"; done; \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=" postgresql"; \
	[ -x /usr/lib/dovecot/imap ] || missing+=" dovecot-imapd"; \
	[ -x /usr/lib/dovecot/lmtp ] || missing+=" dovecot-lmtpd"; \
	[ -z "$$missing" ] || \
		echo "note: the tests with real peers need Debian's packages: apt-get install$$missing" >&2; \
	[ "$$(id -u)" = 0 ] || \
		echo "note: the tests with Postfix and Dovecot run as root only (they drop to their own users); they will be skipped" >&2
