"""Names for people of whom nothing is known but that they are different people, in the shards that `phiz data prepare` made.

    python3 one_photo_people.py SHARDS utkface aaf scut

Faces without a name whose path contains one of the words get the name `one:WORD-N`, for a head with `people = "one:"`. Two faces of one word whose
templates by the teacher have a cosine above 0.80 are one person; with a cosine above 0.72 nobody knows, and both stay without a name. Of `utkface` only
children under ten and people of the races 1 to 3 are taken, whom the other sets lack, and only the first bound counts: the teacher hardly tells small
children apart. Needs numpy. Run it before `turned_again.py`.
"""

import csv
import glob
import os
import sys

import numpy as np

SAME, DOUBTFUL, ROWS = 0.80, 0.72, 2000


def is_taken(path, word):
    if word not in path:
        return False
    if word != "utkface":
        return True
    fields = os.path.basename(path).split("_")
    try:
        return int(fields[0]) < 10 or int(fields[2]) in (1, 2, 3)
    except (ValueError, IndexError):
        return False


def people(templates, doubts):
    """For each template the least of those who are the same person, or none if that is doubtful."""
    parent, doubtful = list(range(len(templates))), set()

    def first(one):
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for start in range(0, len(templates), ROWS):
        alike = templates[start : start + ROWS] @ templates.T
        for one, other in zip(*np.where(alike > DOUBTFUL)):
            one, cosine = one + start, alike[one, other]
            if one >= other:
                continue
            if cosine > SAME:
                one, other = sorted((first(one), first(other)))
                parent[other] = one
            elif doubts:
                doubtful |= {one, other}
    return [None if one in doubtful else first(one) for one in range(len(templates))]


def main(folder, words):
    shards = {}
    found = {word: [] for word in words}
    for path in sorted(glob.glob(os.path.join(folder, "*.csv"))):
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        templates = np.load(path[:-4] + ".templates.npy", mmap_mode="r")
        if len(rows) != len(templates):
            sys.exit(f"{path}: {len(rows)} rows and {len(templates)} templates; prepare this shard again")
        shards[path] = rows
        for number, row in enumerate(rows):
            word = next((word for word in words if is_taken(row["path"], word)), None)
            if word and (not row["person"] or row["person"].startswith("one:")):
                found[word].append((row, np.array(templates[number])))
    for word, faces in found.items():
        if not faces:
            sys.exit(f"{folder}: no face without a name whose path contains {word!r}")
        who = people(np.stack([template for _, template in faces]), word != "utkface")
        for (row, _), one in zip(faces, who):
            row["person"] = "" if one is None else f"one:{word}-{one}"
        print(f"{word}: {len(faces)} faces, {len(set(who) - {None})} people, {who.count(None)} doubtful")
    for path, rows in shards.items():
        if rows:
            with open(path + ".new", "w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            os.replace(path + ".new", path)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
