"""Makes the AVIF files beside this script and the pictures that they must decode to. Run it in this folder:

    python3 make_avif.py   (made with libavif 0.11.1, its aom 3.6.0 and dav1d 1.0.0, and Pillow for PNG)

With the argument "check" it compares what avifdec made of the files with what a Pillow that reads AVIF makes of them.

avif.csv     file, expected .ppm, greatest and mean difference allowed, why the file exists

The expected pixels are those of avifdec, another decoder of the container and of AV1, which neither crops nor turns; that is
done here. What the files show is drawn here, so that every subsampling has edges and slopes to be told by.
"""

import csv
import os
import subprocess
import sys
import tempfile

import numpy
from PIL import Image, ImageDraw, ImageOps

def check():
    """Pillow has a later libavif. It neither crops nor mirrors as the container says: those files differ."""
    for row in csv.reader(open("avif.csv")):
        if not row[0].endswith(".avif"):
            continue
        try:
            with Image.open(row[0]) as read:
                read = ImageOps.exif_transpose(read)
                white = Image.new("RGBA", read.size, "white")
                white.alpha_composite(read.convert("RGBA"))
                ours = numpy.asarray(white.convert("RGB")).astype(int)
        except OSError as error:
            print(row[0], error)
            continue
        with Image.open(row[1]) as read:
            right = numpy.asarray(read).astype(int)
        print(row[0], "another size" if ours.shape != right.shape else abs(ours - right).mean().round(2))


os.chdir(os.path.dirname(os.path.abspath(__file__)))
rows = []
if sys.argv[1:] == ["check"]:
    check()
    sys.exit()


def drawn(width, height):
    y, x = numpy.mgrid[0:height, 0:width]
    picture = numpy.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 255 // (width + height - 2)], -1)
    picture = Image.fromarray(picture.astype("uint8"))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((width // 8, height // 8, width // 3, height // 2), fill=(250, 20, 30))
    pen.ellipse((width // 2, height // 4, width - 6, height - 5), fill=(30, 40, 240), outline=(255, 255, 255))
    pen.line((0, height - 1, width // 2, height // 2), fill=(0, 0, 0))
    return picture


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ppm(name, pixels):
    height, width, _ = pixels.shape
    with open(name, "wb") as f:
        f.write(b"P6 %d %d 255\n" % (width, height) + pixels.astype("uint8").tobytes())


def avif(name, options, why, picture=None, most=3, mean=0.6, change=lambda pixels: pixels):
    """`change` is what a reader does that avifdec does not: crop, turn, mirror."""
    file = f"{name}.avif"
    with tempfile.TemporaryDirectory() as folder:
        source, decoded = f"{folder}/source.png", f"{folder}/decoded.png"
        (picture or drawn(49, 33)).save(source)
        run("avifenc", "-s", "6", "--min", "0", "--max", "20", *options, source, file)
        run("avifdec", "-u", "bilinear", "-d", "8", file, decoded)
        with Image.open(decoded) as read:
            pixels = numpy.asarray(read.convert("RGBA")).astype(int)
    alpha = pixels[..., 3:]
    pixels = change((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255)
    ppm(f"avif_{name}.ppm", pixels)
    os.replace(file, f"avif_{name}.avif")
    rows.append([f"avif_{name}.avif", f"avif_{name}.ppm", most, mean, why])


for layout in ["444", "422", "420", "400"]:
    for depth in ["8", "10", "12"]:
        avif(f"{layout}_{depth}", ["-y", layout, "-d", depth], f"AVIF {layout} of {depth} bits, odd in width and height")
    # This avifdec shows grey of limited range as it is stored (as ffmpeg does, and later ones don't): it is spread here.
    spread = (lambda p: numpy.clip((p - 16) * 255 / 219 + 0.5, 0, 255)) if layout == "400" else (lambda p: p)
    avif(f"{layout}_limited", ["-y", layout, "-r", "limited"], f"AVIF {layout}, limited range", change=spread)
avif("limited_10", ["-y", "420", "-d", "10", "-r", "limited"], "AVIF of 10 bits, limited range")
for name, cicp in [("bt709", "1/13/1"), ("bt2020", "9/13/9"), ("ycgco", "1/13/8"), ("unspecified", "2/2/2")]:
    avif(name, ["-y", "444", "--cicp", cicp], f"AVIF whose matrix is stated as {cicp}")
avif("lossless", ["-l"], "lossless AVIF: the planes are green, blue and red", most=0, mean=0)

turns = {
    "turned_90": (["--irot", "1"], lambda p: numpy.rot90(p, 1)),
    "turned_180": (["--irot", "2"], lambda p: numpy.rot90(p, 2)),
    "turned_270": (["--irot", "3"], lambda p: numpy.rot90(p, 3)),
    "mirror_0": (["--imir", "0"], lambda p: p[::-1]),
    "mirror_1": (["--imir", "1"], lambda p: p[:, ::-1]),
    "turned_mirror": (["--irot", "1", "--imir", "1"], lambda p: numpy.rot90(p, 1)[:, ::-1]),
    "turned_mirror_0": (["--irot", "3", "--imir", "0"], lambda p: numpy.rot90(p, 3)[::-1]),
    "cropped": (["--crop", "4,6,30,20"], lambda p: p[6:26, 4:34]),
    "cropped_turned": (["--crop", "4,6,30,20", "--irot", "1"], lambda p: numpy.rot90(p[6:26, 4:34], 1)),
}
for name, (options, change) in turns.items():
    avif(name, ["-y", "444", *options], f"AVIF with {' '.join(options)}", change=change)

tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
with tempfile.NamedTemporaryFile(suffix=".exif") as block:
    block.write(tiff)
    block.flush()
    avif("exif", ["-y", "444", "--exif", block.name, "--irot", "0"],
         "AVIF whose EXIF states an orientation that irot overrules", change=lambda p: p)

clear = drawn(49, 33).convert("RGBA")
clear.putalpha(Image.fromarray(numpy.tile(numpy.linspace(0, 255, 49).astype("uint8"), (33, 1))))
avif("alpha", ["-y", "444", "--minalpha", "0", "--maxalpha", "0"], "AVIF with alpha, laid on white", clear)
avif("premultiplied", ["-y", "444", "-p", "--minalpha", "0", "--maxalpha", "0"],
     "AVIF with alpha by which its colours are multiplied", clear, most=6, mean=1)
avif("grid", ["-y", "420", "-g", "2x2"], "AVIF of four tiles", drawn(128, 128))
avif("grid_alpha", ["-y", "444", "-g", "2x1"], "AVIF of two tiles, with alpha", drawn(128, 64).convert("RGBA"))
avif("420_even", ["-y", "420"], "AVIF of which a test makes a grid that is odd in width and height", drawn(64, 48))
person = Image.open("../../../../../fixtures/people/Ada/1.jpg").convert("RGB")
person.thumbnail((161, 161))
avif("person", ["-y", "420"], "AVIF of a synthetic person, 4:2:0 as cameras and web sites write it", person)
avif("tiles", ["-y", "420", "--tilerowslog2", "1", "--tilecolslog2", "1"], "AVIF coded in AV1's own tiles", drawn(140, 90))

with open("avif.csv", "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["file", "expected", "most", "mean", "why"])
    w.writerows(rows)
