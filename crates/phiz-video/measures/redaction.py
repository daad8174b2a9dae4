"""Measures redaction: hides all faces in clips and group photos, and counts those that the detector still finds at a low score.

    python3 redaction.py PHIZ PACKS FOLDER

PHIZ is the program, PACKS a folder with the collections `clips`, `clips_talk`, `scenes_web.csv` and `scenes_masks.csv`, FOLDER a
place for what is written. Ten clips and the 200 photos with the most marked faces are taken. Prints one line for each file in
which a face is left, and a sum. What was done already is not done again.
"""
import csv
import json
import pathlib
import subprocess
import sys

CLIPS = [
    "clips/one-by-one-person-detection.mp4",
    "clips/preview/face-demographics-walking-and-pause.gif",
    "clips/preview/face-demographics-walking.gif",
    "clips/preview/head-pose-face-detection-female-and-male.gif",
    "clips/preview/head-pose-face-detection-female.gif",
    "clips/preview/head-pose-face-detection-male.gif",
    "clips/preview/one-by-one-person-detection.gif",
    "clips/preview/people-detection.gif",
    "clips/preview/classroom.gif",
    "clips_talk/short_hamilton_clip.mp4",
]
PHOTOS = 200


def group_photos(packs):
    rows = []
    for name in ["scenes_web.csv", "scenes_masks.csv"]:
        with open(packs / name, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                rows.append((-len(row["boxes"].split(";")), row["path"]))
    return [path for _, path in sorted(rows)[:PHOTOS]]


def main():
    phiz, packs, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    sums = {"clip": [0, 0, 0, 0], "photo": [0, 0, 0, 0]}
    for kind, paths in [("clip", CLIPS), ("photo", group_photos(packs))]:
        for path in paths:
            stem = path.replace("/", "-").rsplit(".", 1)[0]
            out = folder / f"{stem}.{'mp4' if kind == 'clip' else 'png'}"
            kept = folder / f"{stem}.json"
            if not kept.exists():
                command = [phiz, "redact", packs / path, "--out", out, "--check", "--json", "--force"]
                done = subprocess.run(command, capture_output=True, text=True)
                if not done.stdout.strip():
                    print(f"{path}: {done.stderr.strip()}", flush=True)
                    sums[kind][3] += 1
                    continue
                kept.write_text(done.stdout, encoding="utf-8")
            answer = json.loads(kept.read_text(encoding="utf-8").splitlines()[-1])
            left = answer["left"] or []
            sums[kind][0] += 1
            sums[kind][1] += answer["hidden"]
            sums[kind][2] += len(left)
            if left:
                print(f"{path}: {answer['hidden']} hidden, {len(left)} left: {left[:6]}", flush=True)
    for kind, (files, hidden, left, failed) in sums.items():
        print(f"{kind}s: {files}, hidden: {hidden}, left: {left}, failed: {failed}", flush=True)


main()
