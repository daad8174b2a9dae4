"""Compares searches of two builds, in turn: single probes of people who are enrolled, of strangers, and a batch of 100.

    python3 crates/phiz-gallery/benches/two_builds.py BEFORE FOLDER AFTER FOLDER

BEFORE and AFTER are the example `measure` of each build, and each FOLDER was made by it: `measure fill FOLDER 1000000`.
Prints the processor milliseconds a probe, and ratios of medians and of least times.
"""

import statistics
import subprocess
import sys


def main(before, before_folder, after, after_folder):
    started = {}
    for name, program, folder in (("before", before, before_folder), ("after", after, after_folder)):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started[name] = subprocess.Popen([program, "serve", folder], **pipes)
        started[name].stdout.readline()

    def ask(name, first, count):
        started[name].stdin.write(f"{first} {count}\n")
        started[name].stdin.flush()
        return float(started[name].stdout.readline().split()[0]) / count

    for what, first, count, rounds in (("enrolled", 0, 1, 41), ("stranger", 500, 1, 41), ("batch", 450, 100, 9)):
        took = {name: [] for name in started}
        for turn in range(rounds):
            at = first + turn * 7 % 400 if count == 1 else first
            for name in list(started)[:: 1 if turn % 2 else -1]:
                took[name].append(ask(name, at, count))
        medians = {name: statistics.median(times) for name, times in took.items()}
        least = min(took["after"]) / min(took["before"])
        print(
            f"{what}: before {medians['before']:.2f} ms, after {medians['after']:.2f} ms, "
            f"ratio {medians['after'] / medians['before']:.3f}, of least times {least:.3f}"
        )


main(*sys.argv[1:])
