"""Makes the golden files beside this script from those in the folder above. Run it in this folder:

    python3 make.py        (made with libheif 1.15.1, its x265 3.5, and libjxl 0.7.0)

decode.csv   file, expected .ppm (in the folder above), greatest and mean difference allowed, why the file exists

heif-enc writes no `irot` and `imir`, which say how a HEIC picture is turned, so they are put in here. The EXIF orientation
that it copies into the file must not be applied on top of them, so it stays.
"""

import csv
import os
import struct
import subprocess

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rows = []


def case(file, expected, most, mean, why):
    rows.append([file, expected, most, mean, why])


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def boxes(data):
    at = 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        size = size or len(data) - at
        yield kind, data[at + 8:at + size]
        at += size


def box(kind, body):
    return struct.pack(">I4s", len(body) + 8, kind) + body


def turned(path, turns, mirror):
    """Adds an anticlockwise rotation by so many quarters, and then a mirror, to the main picture of a HEIC file."""
    data = open(path, "rb").read()
    new = [box(b"irot", bytes([turns]))] if turns else []
    # Axis 1 exchanges left and right.
    new += [box(b"imir", b"\1")] if mirror else []
    grown = 0
    for _ in range(2):  # the second time with the places moved by what was added the first time
        out = b""
        for kind, body in boxes(data):
            if kind != b"meta":
                out += box(kind, body)
                continue
            inner = body[:4]
            for k, b in boxes(body[4:]):
                if k == b"pitm":
                    main = struct.unpack(">H", b[4:6])[0]
                if k == b"iloc":
                    assert b[0] in (0, 1) and b[4] == 0x44, "offsets and lengths of 4 bytes"
                    count, at = struct.unpack(">H", b[6:8])[0], 8
                    b = bytearray(b)
                    for _ in range(count):
                        inside = b[0] == 1 and b[at + 3] == 1  # counted from the start of `idat`, which moves along
                        at += 4 + (2 if b[0] == 1 else 0)
                        at += (b[5] >> 4)
                        extents = struct.unpack(">H", b[at:at + 2])[0]
                        at += 2
                        for _ in range(extents):
                            offset = struct.unpack(">I", b[at:at + 4])[0]
                            b[at:at + 4] = struct.pack(">I", offset if inside else offset + grown)
                            at += 8
                    b = bytes(b)
                if k == b"iprp":
                    (_, ipco), (_, ipma) = boxes(b)
                    first = len(list(boxes(ipco))) + 1
                    assert ipma[:4] == b"\0\0\0\0"
                    entries, at = bytearray(ipma[:8]), 8
                    for _ in range(struct.unpack(">I", ipma[4:8])[0]):
                        item, n = struct.unpack(">HB", ipma[at:at + 3])
                        own = ipma[at + 3:at + 3 + n]
                        at += 3 + n
                        if item == main:
                            own += bytes(0x80 | (first + i) for i in range(len(new)))
                        entries += struct.pack(">HB", item, len(own)) + own
                    b = box(b"ipco", ipco + b"".join(new)) + box(b"ipma", bytes(entries))
                inner += box(k, b)
            out += box(kind, inner)
        grown = len(out) - len(data)
    open(path, "wb").write(out)


# Anticlockwise quarters, and whether it is mirrored after them, that undo how a camera held in each of eight ways stores.
undo = {1: (0, False), 2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}
for tag, (turns, mirror) in undo.items():
    name = f"turned_{tag}.heic"
    run("heif-enc", "-q", "98", "-p", "chroma=444", f"../orientation_{tag}.jpg", "-o", name)
    turned(name, turns, mirror)
    case(name, "upright.ppm", 36, 4, f"HEIC, turned by irot and imir as EXIF orientation {tag}, which stands there, too")
    name = f"turned_{tag}.jxl"
    run("cjxl", "-q", "100", f"../orientation_{tag}.png", name)
    case(name, "upright.ppm", 1, 0.1, f"lossless JPEG XL, turned by its header as EXIF orientation {tag}")
run("heif-enc", "-q", "98", "../orientation_1.jpg", "-o", "subsampled.heic")
case("subsampled.heic", "upright.ppm", 60, 5, "HEIC of half the colour's resolution, as phones write it")
run("heif-enc", "-q", "98", "-b", "10", "-p", "chroma=444", "../rgb16.png", "-o", "ten_bits.heic")
case("ten_bits.heic", "upright.ppm", 24, 3, "HEIC of 10 bits")
run("heif-enc", "-q", "98", "-p", "chroma=444", "../rgba.png", "-o", "alpha.heic")
case("alpha.heic", "on_white.ppm", 36, 4, "HEIC with alpha, laid on white")
run("heif-enc", "-L", "-p", "chroma=444", "../rgb.png" if os.path.exists("../rgb.png") else "../orientation_1.png", "-o", "lossless.heic")
case("lossless.heic", "upright.ppm", 3, 1, "lossless HEIC")
run("cjxl", "-q", "95", "../orientation_1.png", "lossy.jxl")
case("lossy.jxl", "upright.ppm", 24, 3, "lossy JPEG XL (XYB)")
run("cjxl", "-q", "90", "-p", "../orientation_1.png", "progressive.jxl")
case("progressive.jxl", "upright.ppm", 36, 4, "progressive JPEG XL")
run("cjxl", "../orientation_6.jpg", "from_jpeg.jxl")
case("from_jpeg.jxl", "upright.ppm", 24, 2.5, "a JPEG packed without loss, in boxes and turned")
run("cjxl", "-q", "100", "../grey.png", "grey.jxl")
case("grey.jxl", "grey.ppm", 1, 0.1, "JPEG XL of one channel")
run("cjxl", "-q", "100", "../rgba.png", "alpha.jxl")
case("alpha.jxl", "on_white.ppm", 1, 0.2, "JPEG XL with alpha, laid on white")
run("cjxl", "-q", "100", "../rgb16.png", "sixteen_bits.jxl")
case("sixteen_bits.jxl", "upright.ppm", 1, 1, "JPEG XL of 16 bits")

with open("decode.csv", "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["file", "expected", "most", "mean", "why"])
    w.writerows(rows)
