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
    person = {row["path"]: row["person"] for row in csv.DictReader(open(list_file, newline=""))}
    yaw = {}
    for line in open(faces_file):
        photo = json.loads(line)
        faces = photo.get("faces")
        if faces and photo["path"] in person:
            middle = (photo["width"] / 2, photo["height"] / 2)
            yaw[photo["path"]] = abs(min(faces, key=lambda face: off(face["box"], middle))["pose"]["yaw"])
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
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
