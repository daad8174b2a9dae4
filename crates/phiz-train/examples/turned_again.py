"""Turned faces several times in the shards that `phiz data prepare` made, so that an epoch shows them more often.

    python3 turned_again.py SHARDS models/phiz-second.onnx

SHARDS/*.csv with the crops and templates beside them are read; SHARDS/turned_*.csv, .crops.npy and .templates.npy are written anew. The refinement
network says where the nose lies between the eyes: a quarter of the eyes' distance from their middle is a turn of about 27 degrees (the face comes twice
more), 0.35 of it about 35 degrees (four times more). Needs numpy, onnxruntime and OpenCV (cv2).
"""

import csv
import glob
import os
import sys

import cv2
import numpy as np
import onnxruntime

TURNED, MORE, FAR, MOST = 0.25, 2, 0.35, 4
PREFIX = "turned_"
ROWS = 1024
# An aligned crop as the refinement network wants a face: 60 of 112 pixels, in the middle.
SMALLER = np.float32([[0.77, 0, 56 * 0.23], [0, 0.77, 56 * 0.23 - 4]])


def turns(network, crops):
    """How far the nose lies from the middle of the eyes, in parts of their distance, for each crop."""
    found = []
    for start in range(0, len(crops), 32):
        few = crops[start : start + 32]
        few = [cv2.warpAffine(c, SMALLER, (112, 112), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE) for c in few]
        pictures = (np.stack(few).astype(np.float32) - 127.5) / 127.5
        points = network.run(["points"], {"image": np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))})[0]
        points = points.reshape(-1, 5, 2)
        eyes = points[:, 1] - points[:, 0]
        square = (eyes**2).sum(1) + 1e-12
        nose = points[:, 2] - (points[:, 0] + points[:, 1]) / 2
        found.append(np.abs((nose * eyes).sum(1)) / square)
    return np.concatenate(found)


def main(folder, model):
    network = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    lists = sorted(path for path in glob.glob(os.path.join(folder, "*.csv")) if not os.path.basename(path).startswith(PREFIX))
    if not lists:
        sys.exit(f"{folder}: holds no shards; make them with `phiz data prepare`")
    # A shard is what has a list, so nothing is half there: former lists go first, new ones come last.
    for path in sorted(glob.glob(os.path.join(folder, PREFIX + "*")), key=lambda path: not path.endswith(".csv")):
        os.remove(path)
    rows, crops, templates = [], [], []
    for path in lists:
        with open(path, newline="") as file:
            faces = list(csv.DictReader(file))
        own = np.load(path[:-4] + ".crops.npy")
        if len(faces) != len(own):
            sys.exit(f"{path}: {len(faces)} rows and {len(own)} crops; prepare this shard again")
        if not faces:
            continue
        turn = turns(network, own)
        again = np.repeat(np.arange(len(faces)), np.where(turn > FAR, MOST, np.where(turn > TURNED, MORE, 0)))
        crops.append(own[again])
        templates.append(np.load(path[:-4] + ".templates.npy")[again])
        rows += [faces[i] for i in again]
        print(f"{path}: {int((turn > TURNED).sum())} of {len(faces)} faces are turned", flush=True)
    if not rows:
        sys.exit(f"{folder}: shows no turned face; nothing is written")
    crops, templates = np.concatenate(crops), np.concatenate(templates)
    order = np.random.default_rng(1).permutation(len(rows))
    for number, start in enumerate(range(0, len(rows), ROWS)):
        some = order[start : start + ROWS]
        name = os.path.join(folder, f"{PREFIX}{number:04d}")
        np.save(name + ".crops.npy", crops[some])
        np.save(name + ".templates.npy", templates[some])
        with open(name + ".csv", "w", newline="") as file:
            write = csv.writer(file, lineterminator="\n")
            write.writerow(["path", "person", "split"])
            write.writerows([rows[i][column] for column in ("path", "person", "split")] for i in some)
    print(f"{len(rows)} faces again")


if __name__ == "__main__":
    try:
        _, folder, model = sys.argv
    except ValueError:
        sys.exit(__doc__)
    main(folder, model)
