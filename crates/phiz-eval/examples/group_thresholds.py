"""Thresholds at which no group of people matches too often (docs/decisions/0113-what-a-group-has-in-common.md).

    python3 group_thresholds.py MODEL.onnx SHARDS 2 "[[5e-1, 0.0125], …, [1e-5, 0.6199]]"

SHARDS holds prepared crops (`phiz data prepare`) whose `person` is an age and a race, as `34|Black`; the text is what `phiz eval thresholds` printed as
`quantiles`. For each group of people over ten, by race and by age, it measures the similarity that twice (the third argument) as many pairs reach as stated, two
looks each, with a certainty of 80 % (bootstrap over faces, of 1,500 at most), and prints the quantiles raised to the highest of these; at 3e-4 three times
is allowed and the race called `other` does not count, because its photos of one person decide there; rarer ones are raised by as much as that one.
Needs numpy and onnxruntime.
"""

import csv
import glob
import json
import os
import sys

import numpy as np
import onnxruntime

AGES = ((10, 17), (18, 29), (30, 44), (45, 59), (60, 200))
RATES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4)
RARE = 3e-4
MOST, ROUNDS, BINS = 1500, 60, 4000


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def look(network, crops):
    name, said = network.get_inputs()[0].name, []
    for start in range(0, len(crops), 64):
        pictures = (crops[start : start + 64].astype(np.float32) - 127.5) / 127.5
        said.append(network.run(None, {name: np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))})[0])
    return unit(np.concatenate(said))


def needed(templates, factor, draw):
    """The similarity at each rate that `factor` times as many pairs reach."""
    count = len(templates)
    one, other = np.triu_indices(count, 1)
    places = np.clip(((templates @ templates.T)[one, other] + 1) * BINS / 2, 0, BINS - 1).astype(np.int64)
    found = []
    for _ in range(ROUNDS):
        times = np.bincount(draw.integers(0, count, count), minlength=count).astype(np.float64)
        pairs = np.bincount(places, weights=times[one] * times[other], minlength=BINS)
        reach = pairs[::-1].cumsum()[::-1] / pairs.sum()
        found.append([np.argmax(reach <= (3 if rate == RARE else factor) * rate) * 2 / BINS - 1 for rate in RATES])
    return np.quantile(found, 0.8, axis=0)


def main(model, folder, factor, quantiles):
    network = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    lists = sorted(glob.glob(os.path.join(folder, "*.csv")))
    if not lists:
        sys.exit(f"{folder}: holds no shards; make them with `phiz data prepare`")
    crops = np.concatenate([np.load(path[:-4] + ".crops.npy") for path in lists])
    people = [row["person"].split("|") for path in lists for row in csv.DictReader(open(path, newline=""))]
    if len(crops) != len(people) or any(len(person) != 2 or not person[0].isdigit() for person in people):
        sys.exit(f"{folder}: needs a crop for each row, and a `person` such as 34|Black in each")
    age, race = np.array([int(person[0]) for person in people]), np.array([person[1] for person in people])
    templates = unit(look(network, crops) + look(network, crops[:, :, ::-1]))
    groups = {f"{least} to {most}": (age >= least) & (age <= most) for least, most in AGES}
    groups |= {name: (age >= 10) & (race == name) for name in sorted(set(race))}
    draw, need = np.random.default_rng(1), dict.fromkeys(RATES, -1.0)
    for name, members in groups.items():
        members = np.flatnonzero(members)
        similarities = needed(templates[draw.permutation(members)[:MOST]], factor, draw)
        print(f"{name:10} {len(members):5}", *(f"{similarity:.4f}" for similarity in similarities), flush=True)
        for rate, similarity in zip(RATES, similarities):
            if rate != RARE or name != "other":
                need[rate] = max(need[rate], similarity)
    raised, rare = [], 0.0
    for rate, similarity in quantiles:
        new = max(similarity, need[rate]) if rate in need else similarity + rare * (rate < RARE)
        rare = new - similarity if rate == RARE else rare
        raised.append(f"[{rate:.0e}, {new:.4f}]".replace("e-0", "e-"))
    print(f"quantiles = [{', '.join(raised)}]")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), json.loads(sys.argv[4]))
