#!/usr/bin/env python3
"""Runs everything that must hold and ends with one line: N passed, N failed[, N skipped].

    run_tests.py [--only PART,…] [--list]

Parts: unit (the gtest binaries), python (pytest: command line, resume, consumers, operators),
asan (core, io and ops under the address and undefined-behaviour sanitizers), fuzz (ten seconds of
each reader's target), format (clang-format), all by default.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
ASAN = ROOT / "build" / "asan"
FUZZ_SECONDS = 10


class Counts:
    def __init__(self):
        self.passed, self.failures, self.skips = 0, [], []

    def add(self, part, name, ok, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failures.append(f"{part}: {name}")
            if detail:
                print(detail[-6000:])


def run(command, **kwargs):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace", **kwargs)


def gtest(part, binary, counts, environment=None):
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = run([binary, f"--gtest_output=json:{report}", "--gtest_brief=1"], env={**os.environ, **(environment or {})})
        if not report.exists():
            counts.add(part, f"{binary.name} (exit {done.returncode}, no report)", False, done.stdout + done.stderr)
            return
        cases = [(f"{suite['name']}.{case['name']}", case)
                 for suite in json.loads(report.read_text())["testsuites"] for case in suite["testsuite"]]
    for name, case in cases:
        if case.get("failures"):
            counts.add(part, name, False, "\n".join(f["failure"] for f in case["failures"]))
        elif case.get("result") == "SKIPPED":
            counts.skips.append(f"{part}: {name}")
        elif case.get("result") == "COMPLETED":
            counts.passed += 1
    if done.returncode != 0 and not any(case.get("failures") for _, case in cases):
        # A sanitizer's finding after the last test, a leak at exit.
        counts.add(part, f"{binary.name} (exit {done.returncode})", False, done.stdout + done.stderr)


def unit(counts):
    for binary in sorted((BUILD / "tests").glob("test_*")):
        gtest("unit", binary, counts)


def python(counts):
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        folders = [p for p in (ROOT / "tests", ROOT / "python" / "tests") if p.exists()]
        done = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *folders], cwd=ROOT)
        if not report.exists():
            counts.add("python", "pytest", False, done.stdout + done.stderr)
            return
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name')}"
            bad = case.find("failure") if case.find("failure") is not None else case.find("error")
            skipped = case.find("skipped")
            if bad is not None:
                counts.add("python", name, False, bad.text or "")
            elif skipped is not None:
                counts.skips.append(f"python: {name}: {skipped.get('message')}")
            else:
                counts.passed += 1


def asan(counts):
    cache = (BUILD / "CMakeCache.txt").read_text()
    settings = [line.replace(":STRING=", "=").replace(":PATH=", "=") for line in cache.splitlines()
                if line.startswith(("TESSERA_PYTHON:", "TESSERA_TORCH_ROOT:"))]
    for command in (["cmake", "-S", ROOT, "--preset", "asan", *[f"-D{s}" for s in settings]],
                    ["cmake", "--build", ASAN, "--target", "all"]):
        done = run(command, cwd=ROOT)
        if done.returncode:
            counts.add("asan", "build", False, done.stdout + done.stderr)
            return
    options = {
        # torch itself keeps memory until exit and is not instrumented: leaks are looked for in the
        # fuzz targets, which link no torch.
        "ASAN_OPTIONS": "detect_leaks=0:detect_odr_violation=0:strict_string_checks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    for binary in sorted((ASAN / "tests").glob("test_*")):
        gtest("asan", binary, counts, options)


def fuzz(counts):
    done = run([ROOT / "tests" / "fuzz" / "run_fuzz.sh", FUZZ_SECONDS])
    print(done.stdout, end="")
    counts.add("fuzz", f"{FUZZ_SECONDS} s of each target", done.returncode == 0, done.stderr)


def style(counts):
    files = run(["git", "ls-files", "*.cpp", "*.h", "*.cu", "*.cuh"], cwd=ROOT).stdout.split()
    if not files:  # an exported tree without git
        files = [p for folder in ("tessera", "cli", "bench", "tests") for p in (ROOT / folder).rglob("*") if p.suffix in (".cpp", ".h", ".cu", ".cuh")]
    done = run(["clang-format-14", "--dry-run", "--Werror", *files], cwd=ROOT)
    counts.add("format", "clang-format", done.returncode == 0, done.stderr)


PARTS = {"unit": unit, "python": python, "asan": asan, "fuzz": fuzz, "format": style}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="comma-separated parts", default=",".join(PARTS))
    parser.add_argument("--list", action="store_true", help="name the parts")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(PARTS))
        return 0
    chosen = arguments.only.split(",")
    if unknown := [part for part in chosen if part not in PARTS]:
        print(f"run_tests: unknown part {unknown[0]}; the parts are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    total = Counts()
    for part in chosen:
        start, counts = time.monotonic(), Counts()
        PARTS[part](counts)
        print(f"{part:<8} {counts.passed:5d} passed {len(counts.failures):3d} failed {len(counts.skips):3d} skipped"
              f"  {time.monotonic() - start:5.0f} s", flush=True)
        total.passed += counts.passed
        total.failures += counts.failures
        total.skips += counts.skips
    for name in total.skips:
        print(f"skipped  {name}")
    for name in total.failures:
        print(f"FAILED   {name}")
    skipped = f", {len(total.skips)} skipped" if total.skips else ""
    print(f"{total.passed} passed, {len(total.failures)} failed{skipped}")
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
