#!/usr/bin/env python3
"""The faces of a list that are turned furthest, and in how many of them a detector found the face.

    profiles.py LIST.csv > profiles.txt
    phiz detect --quiet --json --files-from profiles.txt | profiles.py LIST.csv --count

LIST.csv has a column `note` with "points" and x and y of both eyes, the nose and both corners of the mouth, as AFLW's crops
have it. A face is turned the further, the nearer its eyes are to each other and the further its nose is from the line between the
middles of eyes and mouth, both as parts of that line's length. Only half of the photos are judged, chosen by the name of the
photo in AFLW; a detector may learn from the other half. Found is a face whose box contains the mean of the five points.
"""

import argparse
import csv
import hashlib
import json
import math
import pathlib
import re
import sys


def turned(points):
    """How near to a profile: smaller is nearer."""
    (lx, ly), (rx, ry), (nx, ny), (mx, my), (qx, qy) = points
    ex, ey = (lx + rx) / 2, (ly + ry) / 2
    ax, ay = (mx + qx) / 2 - ex, (my + qy) / 2 - ey
    length = math.hypot(ax, ay)
    nose = abs((nx - ex) * ay - (ny - ey) * ax) / length / length
    return math.hypot(rx - lx, ry - ly) / length - 0.5 * nose


def judged(path):
    photo = re.search(r"image(\d+)", path).group(1)
    return int(hashlib.sha256(photo.encode()).hexdigest(), 16) % 2 == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=pathlib.Path)
    parser.add_argument("--most", type=int, default=80, help="how many of the faces that are turned furthest")
    parser.add_argument("--count", action="store_true", help="count the faces found, from `phiz detect --json` on standard input")
    args = parser.parse_args()
    faces = {}
    with args.list.open() as lines:
        for number, row in enumerate(csv.DictReader(lines), 2):
            try:
                numbers = [float(n) for n in row["note"].split()[1:]]
                faces[str(args.list.parent / row["path"])] = list(zip(numbers[::2], numbers[1::2], strict=True))
                turned(faces[str(args.list.parent / row["path"])])
                judged(row["path"])
            except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as problem:
                sys.exit(f"{args.list}:{number}: needs a path with `image` and a number, and a note with five points ({problem!r})")
    chosen = sorted((path for path in faces if judged(path)), key=lambda path: turned(faces[path]))[: args.most]
    if not args.count:
        print("\n".join(chosen))
        return
    found = 0
    for line in sys.stdin:
        photo = json.loads(line)
        if photo["path"] not in faces:
            sys.exit(f"{photo['path']}: is no photo of {args.list}; are the paths written alike?")
        x, y = (sum(axis) / 5 for axis in zip(*faces[photo["path"]]))
        boxes = [face["box"] for face in photo.get("faces", [])]
        found += any(left < x < left + w and top < y < top + h for left, top, w, h in boxes)
    print(f"{found} of {len(chosen)} faces found")


if __name__ == "__main__":
    main()
