"""Compares two builds of phiz on the same photos: processor seconds of each command, in turn, a hundred photos at a time.

    python3 crates/phiz-cli/benches/two_builds.py BEFORE AFTER PEOPLE PHOTOS [COMMAND …]

BEFORE and AFTER are programs, PEOPLE a folder with a folder for each person, who are enrolled first, PHOTOS a folder of photos, and
COMMAND detect, identify or both. Prints the sums, their ratio, and the median of the ratios of the hundreds.
"""

import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile


def run(program, home, *arguments):
    """Processor seconds that a command took, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = dict(os.environ, PHIZ_HOME=home)
    subprocess.run([program, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(before, after, people, folder, *commands):
    photos = sorted(str(path) for path in pathlib.Path(folder).iterdir())
    with tempfile.TemporaryDirectory() as desk:
        builds = {name: (program, f"{desk}/{name}") for name, program in (("before", before), ("after", after))}
        for name, (program, home) in builds.items():
            print(f"enroll {name} {run(program, home, 'enroll', people):.1f} s")
        for command in commands or ("identify", "detect"):
            total, ratios = dict.fromkeys(builds, 0.0), []
            for start in range(0, len(photos), 100):
                order = list(builds) if start // 100 % 2 else list(builds)[::-1]
                took = {name: run(*builds[name], command, "--json", *photos[start : start + 100]) for name in order}
                ratios.append(took["after"] / took["before"])
                for name in builds:
                    total[name] += took[name]
            print(
                f"{command}, {len(photos)} photos: before {total['before']:.1f} s, after {total['after']:.1f} s, "
                f"ratio {total['after'] / total['before']:.2f}, median of hundreds {statistics.median(ratios):.2f}",
                flush=True,
            )


main(*sys.argv[1:])
