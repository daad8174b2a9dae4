"""Makes the JPEGs beside this script, and what libjpeg-turbo reads from them. Run it anywhere:

    python3 make.py        (made with cjpeg, jpegtran and djpeg of libjpeg-turbo 2.1.5, Pillow 12, imagecodecs 2026)

variants.csv   file, expected .ppm (or the kind of error), greatest difference allowed, why the file exists
reduced.csv    file, by how much it is reduced, expected .ppm

One drawn picture in every way to sample it, and each of those in many ways to code the same frequencies, so that all of
a family share one expected picture. The size is no multiple of any block's. PPM is what the tests read without any
decoder of ours.
"""

import csv
import io
import os
import re
import struct
import subprocess
import tempfile

import imagecodecs
import numpy as np
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
W, H = 45, 37
rows = []


def picture():
    """Soft colours, hard edges and a little noise, so that all frequencies occur."""
    y, x = np.mgrid[0:H, 0:W].astype(float)
    u, v = x / W, y / H
    p = np.stack([230 * u + 20, 200 * v + 30, 255 - 220 * u * v], -1)
    p[np.hypot(x - 16, y - 19) < 10] = (40, 60, 200)
    p[(x > 31) & (y < 12)] = (250, 240, 10)
    return np.clip(p + np.random.default_rng(5).normal(0, 6, p.shape), 0, 255).astype(np.uint8)


def run(*command, data=None):
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def ppm(rgb):
    return b"P6\n%d %d\n255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes()


def keep(name, data, expected, most, why):
    with open(name, "wb") as f:
        f.write(data)
    rows.append([name, expected, most, why])


def expect(name, data, *options):
    """What djpeg reads from it; grey as three equal channels."""
    # 2 is a warning, as of a transform that nobody defined.
    out = subprocess.run(["djpeg", "-pnm", *options], input=data, capture_output=True)
    assert out.returncode in (0, 2), out.stderr
    out = out.stdout
    kind, w, h = re.match(rb"(P[56])\n(\d+) (\d+)\n255\n", out).groups()
    body = np.frombuffer(out.split(b"\n255\n", 1)[1], np.uint8).reshape(int(h), int(w), -1)
    with open(name, "wb") as f:
        f.write(b"P6 %d %d 255\n" % (int(w), int(h)) + np.repeat(body, 3 // body.shape[2], 2).tobytes())
    return name


def tran(data, *options, scans=None):
    if scans is None:
        return run("jpegtran", *options, data=data)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write(scans)
        f.flush()
        return run("jpegtran", *options, "-scans", f.name, data=data)


source = ppm(picture())
samplings = ["1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "3x1", "1x3", "4x2", "2x4", "3x2", "2x2,1x2,2x1", "2x2,2x1,1x2",
             "2x1,2x1,1x1", "1x1,2x1,1x2", "2x2,2x2,1x1", "4x1,2x1,1x1", "1x1,2x2,1x1"]
colour = "0; 1; 2;"
orders = {"each": colour, "backwards": "2; 1; 0;", "two": "0; 1 2;", "last": "0 1; 2;"}
progressive = "0 1 2: 0-0, 0, 1; 0: 1-5, 0, 2; 2: 1-63, 0, 1; 1: 1-63, 0, 1; 0: 6-63, 0, 2; 0: 1-63, 2, 1; " \
              "0 1 2: 0-0, 1, 0; 2: 1-63, 1, 0; 1: 1-63, 1, 0; 0: 1-63, 1, 0;"
apart = "1: 0-0, 0, 2; 0: 0-0, 0, 0; 2: 0-0, 0, 0; 1: 0-0, 2, 1; 0: 1-63, 0, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0; 1: 0-0, 1, 0;"
for index, sampling in enumerate(samplings):
    name = sampling.replace(",", "_")
    base = run("cjpeg", "-quality", "85", "-sample", sampling, data=source)
    expected = expect(f"{name}.ppm", base)

    def case(way, *options, scans=None):
        keep(f"{name}-{way}.jpg", tran(base, *options, scans=scans), expected, 0, f"sampling {sampling}, {way}")

    keep(f"{name}.jpg", base, expected, 0, f"sampling {sampling}")
    for way, scans in orders.items():
        # Every order for the usual samplings, one for each of the others.
        if index < 4 or list(orders)[index % 4] == way:
            case(way, scans=scans)
    case("progressive", "-progressive")
    case("arithmetic", "-arithmetic")
    if index < 8:
        case("progressive-script", scans=progressive)
        case("progressive-apart", scans=apart)
        case("arithmetic-progressive", "-arithmetic", "-progressive")
        case("arithmetic-each", "-arithmetic", scans=colour)
        case("restart", "-restart", "2B")
        case("restart-row", "-restart", "1", "-optimize")
        case("restart-each", "-restart", "3B", scans=colour)
        case("restart-progressive", "-restart", "2B", "-progressive")
        case("restart-arithmetic", "-restart", "2B", "-arithmetic")
        case("restart-arithmetic-progressive", "-restart", "2B", "-arithmetic", "-progressive")

# Other colours.
grey = run("cjpeg", "-quality", "85", "-grayscale", data=source)
expected = expect("grey.ppm", grey)
for way, options in {"": [], "-progressive": ["-progressive"], "-arithmetic": ["-arithmetic"],
                     "-restart": ["-restart", "2B"]}.items():
    keep(f"grey{way}.jpg", tran(grey, *options), expected, 0, f"one component{way}")
frame = grey.index(b"\xff\xc0")
twice = bytearray(grey)
twice[frame + 11] = 0x22
keep("grey-2x2.jpg", bytes(twice), expect("grey-2x2.ppm", bytes(twice)), 0, "one component that claims to be sampled 2×2")
rgb = run("cjpeg", "-quality", "85", "-rgb", data=source)
keep("rgb.jpg", rgb, expect("rgb.ppm", rgb), 0, "no change of colours, told by Adobe's segment")


def without(data, marker):
    """The file without a segment."""
    at = data.index(b"\xff" + bytes([marker]))
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2:at + 4])[0]:]


ids = without(rgb, 0xEE)
keep("rgb-ids.jpg", ids, expect("rgb-ids.ppm", ids), 0, "no change of colours, told by the components' names")
full = run("cjpeg", "-quality", "85", "-sample", "2x2", data=source)
bare = without(full, 0xE0)
keep("bare.jpg", bare, "2x2.ppm", 0, "neither JFIF nor Adobe")
adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
for transform in (0, 1, 2):
    data = bare[:2] + adobe + bytes([transform]) + bare[2:]
    keep(f"adobe-{transform}.jpg", data, expect(f"adobe-{transform}.ppm", data), 0, f"Adobe's transform {transform}")
both = full[:20] + adobe + b"\x00" + full[20:]
keep("adobe-jfif.jpg", both, expect("adobe-jfif.ppm", both), 0, "JFIF outweighs Adobe's transform 0")
buffer = io.BytesIO()
Image.fromarray(picture()).convert("CMYK").save(buffer, "JPEG", quality=85)
cmyk = buffer.getvalue()
keep("cmyk.jpg", cmyk, expect("cmyk.ppm", cmyk), 1, "four inks, Adobe")
plain = without(cmyk, 0xEE)
keep("cmyk-plain.jpg", plain, expect("cmyk-plain.ppm", plain), 1, "four inks, no word of Adobe")
at = cmyk.index(b"Adobe") + 11
ycck = cmyk[:at] + b"\x02" + cmyk[at + 1:]
keep("ycck.jpg", ycck, expect("ycck.ppm", ycck), 1, "black and three inks as brightness and colour")
frame = ycck.index(b"\xff\xc0")
assert ycck[frame + 9] == 4
keep("ycck-progressive.jpg", tran(ycck, "-progressive"), "ycck.ppm", 1, "the same, progressive")

# What is not read.
deep = np.clip(picture().astype(np.uint16) * 16 + 7, 0, 4095)
keep("twelve.jpg", imagecodecs.jpeg8_encode(deep, level=95, bitspersample=12), "unsupported", 0, "twelve bits a sample")
frame = full.index(b"\xff\xc0")
for marker, why in ((0xC3, "lossless"), (0xC5, "hierarchical"), (0xCB, "lossless, arithmetic"), (0xF7, "JPEG-LS")):
    data = full[:frame + 1] + bytes([marker]) + full[frame + 2:]
    keep(f"frame-{marker:x}.jpg", data, "unsupported", 0, f"{why} (its header only)")
fraction = run("cjpeg", "-sample", "3x1", data=source)
frame = fraction.index(b"\xff\xc0")
fraction = fraction[:frame + 14] + b"\x21" + fraction[frame + 15:]
keep("fraction.jpg", fraction, "unsupported", 0, "sampling without a whole ratio")
two = full[:frame] + b"\xff\xc0\x00\x0e\x08\x00\x10\x00\x10\x02\x01\x11\x00\x02\x11\x00" + full[frame:]
keep("two.jpg", two, "unsupported", 0, "two components")

# What is missing and what is too much.
start = full.index(b"\xff\xc0")
lines = full[:start + 5] + b"\x00\x00" + full[start + 7:-2] + b"\xff\xdc\x00\x04" + struct.pack(">H", H) + full[-2:]
keep("lines.jpg", lines, "2x2.ppm", 0, "the height is told behind the data")
keep("no-end.jpg", full[:-2], "2x2.ppm", 0, "no end marker, though all data")
pages = tran(full, "-progressive")
keep("no-end-progressive.jpg", pages[:-2], "2x2.ppm", 0, "no end marker, though all data, progressive")
fill = re.sub(rb"\xff([\xc0-\xc4\xda\xdb])", lambda m: b"\xff\xff" + m[0], full[:full.index(b"\xff\xda") + 2])
keep("fill.jpg", fill + full[full.index(b"\xff\xda") + 2:], "2x2.ppm", 0, "fill bytes before markers")
keep("fat.jpg", full[:-2] + b"\x00" * 40 + full[-2:], "2x2.ppm", 0, "a few bytes too many, as cameras write")
wide = bytearray()
at = 0
for found in re.finditer(rb"\xff\xdb\x00\x43(.)", full, re.S):
    table = full[found.end():found.end() + 64]
    wide += full[at:found.start()] + b"\xff\xdb\x00\x83" + bytes([found.group(1)[0] | 0x10])
    wide += b"".join(bytes([0, value]) for value in table)
    at = found.end() + 64
wide += full[at:]
keep("wide-tables.jpg", bytes(wide), "2x2.ppm", 0, "factors of sixteen bits")

# The same at 1/2, 1/4 and 1/8.
reduced = []
for name in [sampling.replace(",", "_") for sampling in samplings] + ["grey", "rgb"]:
    with open(f"{name}.jpg", "rb") as f:
        data = f.read()
    for factor in (2, 4, 8):
        reduced.append([f"{name}.jpg", factor, expect(f"{name}-{factor}.ppm", data, "-scale", f"1/{factor}")])
with open("reduced.csv", "w", newline="") as f:
    csv.writer(f, lineterminator="\n").writerows([["file", "factor", "expected"]] + reduced)

with open("variants.csv", "w", newline="") as f:
    csv.writer(f, lineterminator="\n").writerows([["file", "expected", "most", "why"]] + rows)
print(len(rows), "variants")
