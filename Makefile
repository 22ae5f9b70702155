# Every target sets itself up. `make help` lists them.

VENV := .venv
BIN := $(VENV)/bin
PYTHON3 ?= python3
.DEFAULT_GOAL := help

# What the user typed reaches the program through the environment and nothing else: a `$(FRAMEWORK)`
# in a recipe would be run by the shell, and make would expand an exported one once more. $(value)
# takes the text as it was typed; a variable that was not typed stays unset, whatever the environment has.
VARIABLES := FRAMEWORK PYTHON VARIANT AS_OF ENGINE INSTALLER REPEATS MEMORY TIMEOUT IMPORT RESULTS RECORD TO \
  LIMIT A B FORMAT PLATFORM RELEASES PLATFORMS DEPS PRE ALL DOWNLOAD FORECAST EXAMPLES MODEL RUNTIME THREADS TRACK \
  ROUNDS RUNS SPINNING WHEELHOUSE OPSET MATRIX EXECUTOR BUILDS WORKERS SCHEDULER MAX_TIME MAX_DOWNLOAD PROGRESS \
  ANYWAY PUBLISH
define pass
ifeq ($$(origin $(1)),command line)
override $(1) := $$(value $(1))
export $(1)
else
unexport $(1)
endif
endef
$(foreach variable,$(VARIABLES),$(eval $(call pass,$(variable))))

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1#\2/p' $(MAKEFILE_LIST) | awk -F'#' '{ printf "  make %-15s %s\n", $$1, $$2 }'

$(BIN)/harness: requirements/run.txt pyproject.toml
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; set PYTHON3=/path/to/it" >&2; exit 4; }
	@echo "setting up $(VENV)" >&2
	@$(PYTHON3) -m venv $(VENV) || \
	  { echo "error: $(PYTHON3) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 4; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . >&2
	@touch $@

$(BIN)/sphinx-build: requirements/docs.txt $(BIN)/harness
	@echo "setting up what draws charts and builds the site" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt >&2
	@touch $@

$(BIN)/pytest: requirements/dev.txt $(BIN)/harness
	@echo "setting up the tools of development" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt >&2
	@touch $@

.PHONY: measure
measure: $(BIN)/harness ## Measure: FRAMEWORK="torch==2.3.0 jax" [AS_OF= PYTHON= VARIANT= ENGINE= INSTALLER= REPEATS= PUBLISH=1]
	@$(BIN)/harness measure --from-make

.PHONY: forecast
forecast: $(BIN)/harness ## Tell a weight without a download: FRAMEWORK=torch [RELEASES=1 DEPS=1 PLATFORMS=1 PLATFORM=]
	@$(BIN)/harness forecast --from-make

.PHONY: verify-forecast
verify-forecast: $(BIN)/harness ## Hold a forecast against a record, file by file: RECORD=results/records/...
	@$(BIN)/harness verify-forecast --from-make

.PHONY: models
models: $(BIN)/harness ## Export the models that are timed [MODEL="mobilenet_v2 bert_base_128" OPSET=20 WHEELHOUSE=]
	@$(BIN)/harness export --from-make

.PHONY: infer
infer: $(BIN)/harness ## Time models: MODEL=mobilenet_v2 RUNTIME="onnxruntime openvino" [THREADS=1,2 TRACK= ROUNDS= RUNS=]
	@$(BIN)/harness infer --from-make

.PHONY: providers
providers: $(BIN)/harness ## Tell which execution providers really run here [RUNTIME="onnxruntime openvino"]
	@$(BIN)/harness providers --from-make

$(BIN)/dask: requirements/fleet.txt $(BIN)/sphinx-build
	@echo "setting up what runs nights and many machines" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fleet.txt >&2
	@touch $@

.PHONY: nightly
nightly: $(BIN)/dask ## Measure what is new, publish it, and say what changed [MAX_TIME=3600 MAX_DOWNLOAD=5GB PUBLISH=0]
	@$(BIN)/harness nightly --from-make; status=$$?; publish=1; place=$${RESULTS:-$${HARNESS_RESULTS:-results}}; \
	  case $${PUBLISH:-1} in 0|no) publish=0;; *) place=$$place/published;; esac; \
	  case $$status in 0|1|3) [ build/site/index.html -nt "$$place/footprint.csv" ] || \
	    $(MAKE) --no-print-directory docs PUBLISH=$$publish >&2 || status=1;; esac; exit $$status

.PHONY: sweep
sweep: $(BIN)/dask ## Measure every combination: FRAMEWORK="torch jax" PYTHON="3.11 3.13" or MATRIX=file.toml [EXECUTOR=local]
	@$(BIN)/harness sweep --from-make

.PHONY: replay
replay: $(BIN)/harness ## Install again from a record's lock, and compare: RECORD=results/records/...
	@$(BIN)/harness replay --from-make

.PHONY: doctor
doctor: $(BIN)/harness ## Tell what this machine can measure
	@$(BIN)/harness doctor

.PHONY: images
images: $(BIN)/harness ## Have the base images: pulled, or built from Debian packages [PYTHON=3.11]
	@$(BIN)/harness images --from-make

.PHONY: tables
tables: $(BIN)/harness ## Rebuild results/*.csv and results/published/*.csv from the records
	@$(BIN)/harness tables --from-make

.PHONY: charts
charts: $(BIN)/sphinx-build ## Draw results/charts from your records and the published ones [PUBLISH=1]
	@$(BIN)/harness charts --from-make

.PHONY: docs
docs: $(BIN)/sphinx-build ## Build the site into build/site, offline, from docs/ and the records [PUBLISH=1]
	@$(BIN)/harness site --from-make
	@rm -rf build/site
	@$(BIN)/sphinx-build -q -W -n --keep-going -b html -d build/doctrees docs build/site
	@echo build/site/index.html

.PHONY: publish
publish: $(BIN)/sphinx-build ## Put the site of the published results where a static host takes it [TO=build/public]
	@$(MAKE) --no-print-directory docs PUBLISH=1
	@$(BIN)/harness publish --from-make

.PHONY: publish-results
publish-results: $(BIN)/harness ## Copy your results to results/published, which git tracks [RECORD="torch==2.3.0 NAME"]
	@$(BIN)/harness publish-results --from-make

.PHONY: diff
diff: $(BIN)/harness ## Tell what changed between two records: A=torch==2.3.0 B=torch
	@$(BIN)/harness diff --from-make

.PHONY: fits
fits: $(BIN)/harness ## Tell what fits a budget: LIMIT=250MB [FRAMEWORK=torch]
	@$(BIN)/harness fits --from-make

.PHONY: show
show: $(BIN)/harness ## Show one record: RECORD=torch
	@$(BIN)/harness show --from-make

.PHONY: compare
compare: $(BIN)/harness ## Set records side by side: [FRAMEWORK="torch jax" FORMAT=markdown]
	@$(BIN)/harness compare --from-make

.PHONY: test
test: $(BIN)/pytest ## Run all tests
	@$(BIN)/pytest -n 2 --dist loadfile

.PHONY: unit
unit: $(BIN)/pytest ## Run the fast tests only
	@$(BIN)/pytest tests/unit

.PHONY: peer
peer: $(BIN)/pytest ## Hold inference times against independent loops, and against themselves; on a quiet machine
	@HARNESS_QUIET=1 $(BIN)/pytest -rP tests/integration/test_peer.py

.PHONY: fuzz
fuzz: $(BIN)/pytest ## Fuzz the reader of wheels' directories, and tell how many examples ran [EXAMPLES=200000]
	@$(BIN)/pytest tests/unit/test_directory.py -m hypothesis --hypothesis-profile=fuzz --hypothesis-show-statistics

.PHONY: check
check: $(BIN)/pytest ## Lint, check formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/zizmor --offline --quiet .github/workflows

.PHONY: format
format: $(BIN)/pytest ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: schema
schema: $(BIN)/harness ## Publish the JSON Schemas of what is kept
	@$(BIN)/python -m harness.documents.publish docs

.PHONY: bench
bench: $(BIN)/harness ## Compare with `docker build` + `pip install` [FRAMEWORK=torch==2.3.0]
	@$(BIN)/python benchmarks/everyday.py

.PHONY: bench-tables
bench-tables: $(BIN)/harness ## Time the rebuild of 1,000, 10,000 and 100,000 records
	@$(BIN)/python benchmarks/tables.py

.PHONY: bench-forecast
bench-forecast: $(BIN)/harness ## Time forecasts of a history, cold and cached [FRAMEWORK=torch]
	@$(BIN)/python benchmarks/forecast.py

.PHONY: bench-fleet
bench-fleet: $(BIN)/dask ## Simulate up to 64 workers and 10,000 jobs [WORKERS="1 16" JOBS=1000 BOUND=60 PLOT=fleet]
	@$(BIN)/python benchmarks/fleet.py

.PHONY: lock
lock: $(BIN)/pytest ## Refresh the pins in requirements/ and images/
	@cd requirements && for name in run docs fleet dev; do \
	  ../$(BIN)/pip-compile --quiet --upgrade --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-emit-trusted-host $$name.in || exit 1; done
	@# universal: the newest pip of each Python, behind markers
	@cd images/tools && for name in pip uv; do \
	  ../../$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.9 \
	    --only-binary :all: --generate-hashes --no-annotate --no-emit-index-url \
	    --custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; done
	@# which build of torch exports is for who exports: neither it nor the CUDA of the index's build is pinned
	@now=$$(date -u +%Y-%m-%dT%H:00:00Z) && cd images && \
	  sed -i "s/^# as-of .*/# as-of $$now/" exporter/exporter.in exporter/checker.in inference-gpu/inference-gpu.in && \
	  for name in exporter/exporter exporter/checker inference-gpu/inference-gpu; do \
	    ../$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --python-platform x86_64-manylinux_2_36 \
	      --only-binary :all: --generate-hashes --no-annotate --no-emit-index-url --exclude-newer $$now \
	      --custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; done && \
	  awk '/^[^ ]/ { drop = /^(torch|triton|nvidia-|cuda-)/ } !drop' exporter/exporter.txt > exporter/.new && \
	  mv exporter/.new exporter/exporter.txt

.PHONY: clean
clean: ## Remove what was set up here; records and the wheel cache stay
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
