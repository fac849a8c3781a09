# The commands of this repository. Everything runs from .venv, which `setup` makes from requirements.lock.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN   := .venv/bin
STAMP := .venv/.from-lock
UV    := uv>=0.13.9,<1
# mypy refuses a folder without Python
CODE  := $(foreach folder,isthmus api workers gateway migrations tests bench,$(if $(wildcard $(folder)/*.py),$(folder)))
# For every Python from 3.11 on, wheels only. No address of a registry gets in, so the lock works with any mirror. What is
# locked stays as it is where pyproject.toml admits it, unless asked for: `make lock UPGRADE=--upgrade`.
RESOLVE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --only-binary :all: \
           --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links

.PHONY: help setup demo test check golden bench soak migrate lock proto

help:  ## print this
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(STAMP)  ## make .venv from the lock file; does nothing when nothing changed
	@:

demo: setup  ## start everything here, two clusters with real Envoys, and send traffic across; Ctrl-C stops it
	@$(BIN)/isthmus demo

test: setup  ## run the test suite; prints seconds per folder
	@$(BIN)/pytest -n 2 -q tests || { status=$$?; \
	 [ $$status -ne 5 ] || echo 'make test: pytest found no tests, which counts as a failure' >&2; exit $$status; }

check: setup  ## lint, format, types, import directions, lock file: all of them, even if one fails
	@$(MAKE) --keep-going --output-sync -j2 check-ruff check-format check-types check-imports check-own

golden: setup  ## rewrite the golden files; review the difference like code
	@$(BIN)/pytest -q tests/golden --golden-update

bench: setup  ## measure, and print ratios
	@$(BIN)/python -m bench

soak: setup  ## run the full counts, or one part by `make soak-NAME`; results go to docs/evidence/
	@$(BIN)/python -m bench.soak

soak-%: setup
	@$(BIN)/python -m bench.soak $*

migrate: setup  ## bring the database of the settings to the newest schema
	@$(BIN)/isthmus migrate

lock: setup  ## resolve pyproject.toml into requirements.lock and install it; UPGRADE=--upgrade for newer versions
	@$(RESOLVE) $(UPGRADE) --output-file requirements.lock pyproject.toml
	@$(MAKE) setup

# Imports read `from gateway.proto import …` because the paths start here. Never with --pyi_out: two writers of one file.
proto: setup  ## generate the Python of gateway/proto/*.proto; it is committed
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I . --python_out=. --grpc_python_out=. \
	 --mypy_out=quiet:. --mypy_grpc_out=quiet:. gateway/proto/*.proto

# --- setup ---------------------------------------------------------------------------------------------------------------

# The stamp holds the directory it was made in: scripts of a copied .venv would run the original's code.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

$(STAMP): pyproject.toml requirements.lock .ci/venv
	@.ci/venv '$(UV)'
	@printf '%s\n' '$(CURDIR)' > $@

# --- check ---------------------------------------------------------------------------------------------------------------

.PHONY: check-ruff check-format check-types check-imports check-own

check-ruff:
	@$(BIN)/ruff check .

check-format:
	@$(BIN)/ruff format --check .

check-types:
	@$(BIN)/mypy $(CODE)

check-imports:
	@$(BIN)/lint-imports --no-cache --no-logo

check-own:
	@for lint in $(sort $(wildcard tests/lint/*.py)); do $(BIN)/python $$lint || failed=1; done; [ -z "$$failed" ]
