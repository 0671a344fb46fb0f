# Two commands for a newcomer: `make demo` and `make test`. Each sets everything up by itself.
# Before an issue is closed: `make full`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/installed

export MPLBACKEND := Agg
# runs a command and prints how long it took: $(TIMED) NAME COMMAND …
TIMED := bash -c 'name=$$0; "$$@"; status=$$?; echo "$$name: $$SECONDS seconds"; exit $$status'

.PHONY: demo test full test-full test-scale test-accelerator test-without-compiler sanitize fuzz check format bench bench-growth bench-guard bench-screening clean

demo: $(STAMP) ## train on the embedded data set, compare, predict, draw (3 minutes)
	$(BIN)/xtalgraph demo --out runs/demo

test: $(STAMP) ## the tests, doctests included, but for those marked `full`; at most 15 minutes
	@$(TIMED) "make test" $(BIN)/python -m pytest -n 2 --dist worksteal -m "not full"

full: $(STAMP) ## everything: also Ray, Triton, the whole course, long tests
	@$(TIMED) "make full" $(MAKE) --no-print-directory check test-full test-scale test-accelerator test-without-compiler sanitize course

test-full: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[course]"
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-scale: $(STAMP) ## screening on Ray, with two workers on this machine (installs the extra `scale`)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[scale]"
	$(BIN)/python -m pytest tests/screening/test_ray.py

# a torch for CUDA has brought its own Triton, which stays; without a card its kernels are interpreted
test-accelerator: $(STAMP) ## the Triton kernels, on the accelerator or interpreted (installs Triton)
	$(BIN)/python -c "import triton" 2> /dev/null || $(BIN)/python -m pip install --quiet --constraint constraints.txt triton
	TRITON_INTERPRET=$$($(BIN)/python -c "import torch; print(int(not torch.cuda.is_available()))") \
		$(BIN)/python -m pytest -rs tests/nn/test_triton.py tests/graphs/test_loader.py

# every access and every arithmetic operation checked; the editable installation steps aside for the copy
sanitize: $(STAMP) ## the tests of the compiled loops, with the address and undefined-behaviour sanitizers
	rm -rf build/sanitize && mkdir -p build/sanitize && cp -r src build/sanitize/src
	$(BIN)/cmake -S native -B build/sanitize/native -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja \
		-DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python -DXTALGRAPH_SANITIZE=ON -DXTALGRAPH_PLACE=$(CURDIR)/build/sanitize/src/xtalgraph
	$(BIN)/cmake --build build/sanitize/native
	PYTHONPATH=build/sanitize/src LD_PRELOAD="$$($${CXX:-c++} -print-file-name=libasan.so) $$($${CXX:-c++} -print-file-name=libubsan.so) $$($${CXX:-c++} -print-file-name=libstdc++.so.6)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
		$(BIN)/python -c "import sys; sys.meta_path[:] = [finder for finder in sys.meta_path if 'editable' not in type(finder).__module__]; import pytest; sys.exit(pytest.main(sys.argv[1:]))" \
		-p no:cacheprovider tests/native tests/graphs/test_build.py tests/graphs/test_deduplication.py

# an installation where no compiler can be found, in a folder of its own
test-without-compiler: $(STAMP) ## builds with the compiler from the package index, and compares its edges
	rm -rf build/bare && mkdir -p build/bare/bin build/bare/native
	for tool in sh env cat cp rm mkdir dirname basename chmod printf uname; do ln -s "$$(command -v $$tool)" build/bare/bin/; done
	cp -r native/src native/CMakeLists.txt native/zig.sh build/bare/native/
	$(PYTHON) -m venv build/bare/venv
	build/bare/venv/bin/python -m pip install --quiet --constraint constraints.txt cmake nanobind ninja numpy
	cd build/bare && export PATH="$(CURDIR)/build/bare/bin:$(CURDIR)/build/bare/venv/bin" && unset CC CXX && \
		eval "$$(sh native/zig.sh venv/bin/python compiler)" && \
		cmake -S native -B build -G Ninja -DPython_EXECUTABLE=$(CURDIR)/build/bare/venv/bin/python -DXTALGRAPH_PLACE=$(CURDIR)/build/bare && \
		cmake --build build
	$(BIN)/python -m tests.native.compare_builds build/bare

fuzz: $(STAMP) ## 30,000 mutated inputs for every reader: no crash, hang or foreign error
	$(BIN)/python -m tests.structures.fuzz --inputs 30000 --seed 1

check: $(STAMP) ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# make bench BENCH="--reference CLONE --peer cgcnn2=PYTHON": what is not named is left out
bench: $(STAMP) ## speed, side by side with peers in one run: one table in benchmarks/results
	$(BIN)/python -m benchmarks.side_by_side $(BENCH)

bench-growth: $(STAMP) ## how time and memory grow with crystals, atoms, neighbours, width
	$(BIN)/python -m benchmarks.growth

bench-guard: $(STAMP) ## fails where a ratio to a yardstick of the same run fell by over 30 %
	$(BIN)/python -m benchmarks.guard

bench-screening: $(STAMP) ## candidates a second
	$(BIN)/python -m benchmarks.screening

course: $(STAMP) ## the homework of course/, with solution, written part and autograder.zip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[course]"
	$(BIN)/python course/build.py --package

clean:
	rm -rf .venv build dist runs .pytest_cache .mypy_cache .ruff_cache

# the compiled loops are built here too, again whenever their sources change
$(STAMP): pyproject.toml constraints.txt native/CMakeLists.txt $(wildcard native/src/*)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train,screen]" --group dev
	touch $(STAMP)
