# Every verb prepares what it needs first: a fresh clone needs no step before `make run` or `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python

# what was compiled is kept: services, tests and linters start several interpreters each
unexport PYTHONDONTWRITEBYTECODE

# Set by hand: ROADS=extract.osm.pbf (run), ARGS="-k name" (test), "--calls 100" (bench), "--minutes 10" (soak),
# JOBS=3 (test; more workers than processors, since tests wait), LIVES=5000 WORLDS=5000 STORM=4000 (soak).
ROADS ?=
ARGS ?=
JOBS ?= 2
LIVES ?= 2000
WORLDS ?= 2000
SEARCHES := services/geo/tests/search/test_slot_search.py services/geo/tests/search/test_limited_search.py services/geo/tests/test_judged_alike.py
STORM ?= 4000

.PHONY: help setup run test lint format gen gen-check lock openapi bench soak clean

help: ## this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## install what is missing (PostgreSQL + PostGIS, Python packages); instant when nothing is
	@tools/setup.sh

run: setup ## start everything, load the demo, play the operator's flow, serve until Ctrl-C (ROADS=extract.osm.pbf for real roads)
	@exec $(PY) -m allinone run $(if $(ROADS),--roads "$(ROADS)")

test: ## every test, on real PostgreSQL, NATS and Envoy (ARGS="-k name" for some)
	@env -u GIRO_DATABASE_URL tools/setup.sh
	@$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: ## style, types, dependency rule, contracts, generated code, requirements
	@env -u GIRO_DATABASE_URL tools/setup.sh
	@tools/lint.sh

format: setup ## let ruff rewrite what it can
	@.venv/bin/ruff check --fix --exit-zero && .venv/bin/ruff format

gen: setup ## generate shared/giro from the contracts in protos/
	@$(PY) tools/gen.py

gen-check: setup ## fail when shared/giro is not what protos/ gives
	@$(PY) tools/gen.py --check

lock: setup ## resolve the packages anew and write requirements.txt (hashes, no address)
	@$(PY) tools/lock.py

openapi: setup ## write the gateway's OpenAPI page from the contracts
	@$(PY) -m gateway openapi

bench: setup ## measure suggestions, bookings, events, slot search by size and roads, 100,000 reminders, the portal, procedures
	@tools/peers.sh
	@$(PY) -m loadtests.bench $(ARGS)
	@$(PY) -m loadtests.bench.events
	@$(PY) -m loadtests.bench.slots
	@$(PY) -m loadtests.bench.reminders
	@$(PY) -m loadtests.bench.portal
	@$(PY) -m loadtests.bench.procedures

soak: setup ## many operators at once, then verify the promise (ARGS="--minutes 10"); then LIVES=2000 lives, WORLDS=2000 worlds of slot search, storms of STORM=4000
	@$(PY) -m loadtests.soak $(ARGS)
	@GIRO_LIVES=$(LIVES) $(PY) -m pytest -q --timeout 7200 services/booking/tests/usecases/test_life_machine.py
	@GIRO_WORLDS=$(WORLDS) $(PY) -m pytest -q --timeout 7200 $(SEARCHES)
	@GIRO_STORM=$(STORM) $(PY) -m pytest -q tests/failures/test_storm.py services/geo/tests/test_storm.py

clean: ## remove what make run and the tools left (.run, caches); keeps the environment
	@$(PY) -m allinone clean 2>/dev/null || rm -rf .run
	@rm -rf .build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -not -path './.bootstrap/*' -prune -exec rm -rf {} +
