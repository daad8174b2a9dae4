"""Pairs of a photo from the front and one of a turned head, for `phiz eval pairs`.

    phiz detect --json PHOTOS… > faces.jsonl
    python3 turned_pairs.py LIST.csv faces.jsonl FROM TO > turned.csv

LIST.csv has the columns `path` and `person`; paths are written alike in both files. Each photo whose face is turned by
FROM to TO degrees of yaw is paired with every photo of the same person turned by less than 15, and with as many and twenty
more of other people, drawn with a fixed seed. The yaw is the one that the detector's landmarks tell, so it is rough, and the same
pairs should be given to every system that is compared.
"""

import csv
import json
import random
import sys

FRONT = 15.0


def main(list_file, faces_file, least, most):
    with open(list_file, newline="") as rows:
        rows = list(csv.DictReader(rows))
    if not rows or "path" not in rows[0] or "person" not in rows[0]:
        sys.exit(f"{list_file}: needs the columns path and person, and a photo")
    person = {row["path"]: row["person"] for row in rows}
    yaw = {}
    with open(faces_file) as lines:
        for number, line in enumerate(lines, 1):
            try:
                photo = json.loads(line)
                faces, middle = photo.get("faces"), (photo.get("width", 0) / 2, photo.get("height", 0) / 2)
                if faces and photo["path"] in person:
                    face = min(faces, key=lambda face: off(face["box"], middle))
                    yaw[photo["path"]] = abs(face["pose"]["yaw"])
            except (ValueError, KeyError, TypeError, AttributeError) as problem:
                sys.exit(f"{faces_file}:{number}: is no line of `phiz detect --json` ({problem!r})")
    if not yaw:
        sys.exit(f"{faces_file}: shows no face of a photo of {list_file}; are the paths written alike?")
    front = sorted(path for path, angle in yaw.items() if angle < FRONT)
    of_person = {}
    for path in front:
        of_person.setdefault(person[path], []).append(path)
    draw = random.Random(1)
    write = csv.writer(sys.stdout)
    write.writerow(["a", "b", "same", "person_a", "person_b"])
    for path in sorted(path for path, angle in yaw.items() if least <= angle < most):
        own = [other for other in of_person.get(person[path], []) if other != path]
        for other in own:
            write.writerow([path, other, 1, person[path], person[path]])
        for other in draw.sample(front, min(len(front), len(own) + 20)):
            if person[other] != person[path]:
                write.writerow([path, other, 0, person[path], person[other]])


def off(box, middle):
    x, y, w, h = box
    return ((x + w / 2 - middle[0]) ** 2 + (y + h / 2 - middle[1]) ** 2) / max(w * h, 1.0)


if __name__ == "__main__":
    try:
        _, photos, found, least, most = sys.argv
        least, most = float(least), float(most)
    except ValueError:
        sys.exit(__doc__)
    main(photos, found, least, most)
