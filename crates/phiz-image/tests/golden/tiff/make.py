"""Makes the TIFFs beside this script: what scanners, cameras, editors and network drives write. Run it anywhere:

    python3 make.py        (made with tifffile 2026, imagecodecs 2026, tiffcp of libtiff 4.5, Pillow 12, NumPy 2)

variants.csv   file, expected .ppm (or the kind of error), greatest difference allowed, why the file exists
"""

import csv
import os
import struct
import subprocess

import numpy as np
import tifffile
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
W, H = 37, 29
y, x = np.mgrid[0:H, 0:W].astype(float)
rgb = np.stack([230 * x / W + 20, 200 * y / H + 30, 255 - 220 * x * y / W / H], -1)
rgb[np.hypot(x - 12, y - 13) < 7] = (40, 60, 200)
rgb = np.round(rgb).astype(np.uint8)
grey = np.round(rgb @ [0.299, 0.587, 0.114]).astype(np.uint8)
rows = []


def ppm(name, pixels):
    pixels = np.asarray(pixels)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, 2)
    with open(name, "wb") as f:
        f.write(b"P6 %d %d 255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.astype(np.uint8).tobytes())
    return name


def case(name, expected, most, why):
    rows.append([name, expected, most, why])


def write(name, expected, why, data=rgb, most=0, **options):
    options.setdefault("photometric", "rgb" if data.ndim == 3 else "minisblack")
    options.setdefault("metadata", None)
    big = {k: options.pop(k) for k in ("bigtiff", "byteorder") if k in options}
    with tifffile.TiffWriter(name, **big) as f:
        f.write(data, **options)
    case(name, expected, most, why)


def copy(source, name, expected, why, *options, most=0):
    subprocess.run(["tiffcp", *options, source, name], check=True, capture_output=True)
    case(name, expected, most, why)


colour = ppm("colour.ppm", rgb)
dull = ppm("grey.ppm", grey)

# Ways to pack.
write("raw.tif", colour, "no compression")
write("strips.tif", colour, "strips of five rows", rowsperstrip=5)
for way in ("lzw", "deflate", "packbits"):
    write(f"{way}.tif", colour, way, compression=way)
write("lzw-predictor.tif", colour, "LZW of differences", compression="lzw", predictor=True)
write("deflate-predictor.tif", colour, "deflate of differences", compression="deflate", predictor=True)
write("tiles.tif", colour, "tiles of 16×16", tile=(16, 16))
write("tiles-lzw.tif", colour, "tiles, LZW of differences", tile=(16, 16), compression="lzw", predictor=True)
write("big-endian.tif", colour, "big-endian", byteorder=">")
write("bigtiff.tif", colour, "BigTIFF", bigtiff=True)
write("bigtiff-mm.tif", colour, "BigTIFF, big-endian, deflate", bigtiff=True, byteorder=">", compression="deflate")
write("bigtiff-tiles.tif", colour, "BigTIFF, tiles", bigtiff=True, tile=(16, 16), compression="lzw")
planes = np.moveaxis(rgb, 2, 0)
for way, options in {"": {}, "-lzw": {"compression": "lzw"}, "-tiles": {"tile": (16, 16)},
                     "-predictor": {"compression": "deflate", "predictor": True}}.items():
    write(f"planes{way}.tif", colour, f"a plane per colour{way}", data=planes, planarconfig="separate", **options)

# Numbers of other sizes.
deep = rgb.astype(np.uint16) * 257
write("deep.tif", colour, "16 bits", data=deep)
write("deep-planes.tif", colour, "16 bits, planes, deflate", data=np.moveaxis(deep, 2, 0), planarconfig="separate",
      compression="deflate")
write("deep-mm.tif", colour, "16 bits, big-endian, LZW of differences", data=deep, byteorder=">", compression="lzw",
      predictor=True)
write("float.tif", colour, "floating point", data=(rgb / 255).astype(np.float32), most=1)
write("wide.tif", colour, "32 bits", data=rgb.astype(np.uint32) * 0x01010101)
write("signed.tif", "unsupported", "signed numbers", data=(rgb.astype(np.int16) - 128).astype(np.int8))

# Grey.
write("grey.tif", dull, "grey", data=grey)
write("grey16.tif", dull, "grey of 16 bits", data=grey.astype(np.uint16) * 257)
write("grey-float.tif", dull, "grey in floating point", data=(grey / 255).astype(np.float32), most=1)
write("negative.tif", dull, "white is zero", data=255 - grey, photometric="miniswhite")
write("negative16.tif", dull, "white is zero, 16 bits", data=65535 - grey.astype(np.uint16) * 257, photometric="miniswhite")


def packed(bits):
    """Rows of samples of so many bits, each row filled up to a byte."""
    levels = (grey >> (8 - bits)).astype(np.uint8)
    out = bytearray()
    for row in levels:
        text = "".join(format(v, f"0{bits}b") for v in row)
        text += "0" * (-len(text) % 8)
        out += bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))
    return bytes(out), levels.astype(int) * 255 // (2 ** bits - 1)


def by_hand(name, expected, why, entries, data, order="<", most=0, sub=None, kind=42):
    """A file of one directory at offset 8, then the data; entries are (tag, type, values)."""
    sizes = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4)}
    entries = sorted(entries)
    at = 8 + 2 + 12 * len(entries) + 4
    place = at + 2048
    body, extra = struct.pack(order + "H", len(entries)), b""
    for tag, code, values in entries:
        letter, size = sizes[code]
        values = [place if v == "data" else v for v in values]
        raw = struct.pack(order + letter * len(values), *values)
        field = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(order + "I", at + len(extra))
        if len(raw) > 4:
            extra += raw + b"\0" * (len(raw) % 2)
        body += struct.pack(order + "HHI", tag, code, len(values)) + field
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", kind, 8)
    with open(name, "wb") as f:
        f.write((head + body + b"\0" * 4 + extra).ljust(place, b"\0") + data)
    if expected:
        case(name, expected, most, why)


def tags(bits, photometric, data, samples=1, compression=1, **more):
    base = [(256, 3, [W]), (257, 3, [H]), (258, 3, [bits] * samples), (259, 3, [compression]), (262, 3, [photometric]),
            (273, 4, ["data"]), (277, 3, [samples]), (278, 3, [H]), (279, 4, [len(data)])]
    return base + [(int(k[1:]), *v) for k, v in more.items()]


for bits in (1, 2, 4):
    data, levels = packed(bits)
    name = ppm(f"grey{bits}.ppm", levels)
    by_hand(f"grey{bits}.tif", name, f"grey of {bits} bits", tags(bits, 1, data), data)
    by_hand(f"negative{bits}.tif", name, f"white is zero, {bits} bits", tags(bits, 0, bytes(255 - b for b in data)),
            bytes(255 - b for b in data))
bits = (grey > 120).astype(np.uint8)
data, levels = packed(1)
for way in ("g3", "g3:2d", "g4"):
    expected = "grey1.ppm" if way == "g4" else "unsupported"
    copy("negative1.tif", f"fax-{way.replace(':', '-')}.tif", expected, f"fax, {way}", "-c", way)
copy("negative1.tif", "fax-lsb.tif", "grey1.ppm", "fax, bits turned round", "-c", "g4", "-f", "lsb2msb")
copy("grey1.tif", "bits-lsb.tif", "grey1.ppm", "bits turned round", "-c", "none", "-f", "lsb2msb")
copy("grey1.tif", "bits-lsb-lzw.tif", "grey1.ppm", "LZW, bits turned round", "-c", "lzw", "-f", "lsb2msb")

# Palettes.
for size in (8, 4, 1):
    count = 2 ** size
    index = (grey.astype(int) * count // 256).astype(np.uint8)
    colours = np.random.default_rng(size).integers(0, 256, (count, 3))
    shown = ppm(f"palette{size}.ppm", colours[index])
    if size == 8:
        data = index.tobytes()
    else:
        data = bytearray()
        for row in index:
            text = "".join(format(v, f"0{size}b") for v in row)
            text += "0" * (-len(text) % 8)
            data += bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))
        data = bytes(data)
    map16 = [int(v) * 257 for v in colours.T.ravel()]
    by_hand(f"palette{size}.tif", shown, f"palette of {size} bits", tags(size, 3, data, _320=(3, map16)), data)
    if size == 8:
        by_hand("palette-old.tif", shown, "palette of eight bits a colour, as old programs write",
                tags(size, 3, data, _320=(3, [v // 257 for v in map16])), data)
copy("palette8.tif", "palette-lzw.tif", "palette8.ppm", "palette, LZW", "-c", "lzw")

# Inks, brightness and colour, other spaces.
inks = np.dstack([255 - rgb, np.full((H, W), 40, np.uint8)])
shown = ppm("inks.ppm", np.round((255.0 - inks[:, :, :3]) * (255 - inks[:, :, 3:]) / 255))
write("cmyk.tif", shown, "four inks", data=inks, photometric="separated", most=1)
write("cmyk16.tif", shown, "four inks, 16 bits", data=inks.astype(np.uint16) * 257, photometric="separated", most=1)
write("cmyk-planes.tif", shown, "four inks, planes", data=np.moveaxis(inks, 2, 0), photometric="separated",
      planarconfig="separate", most=1)
ycc = np.stack([rgb @ [0.299, 0.587, 0.114], 128 + rgb @ [-0.168736, -0.331264, 0.5],
                128 + rgb @ [0.5, -0.418688, -0.081312]], -1).round().clip(0, 255).astype(np.uint8)
data = ycc.tobytes()
by_hand("ycc.tif", colour, "brightness and colour", tags(8, 6, data, 3, _530=(3, [1, 1])), data, most=2)
by_hand("ycc-small.tif", "unsupported", "colour stored smaller, no JPEG", tags(8, 6, data, 3, _530=(3, [2, 2])), data)
by_hand("lab.tif", "unsupported", "Lab", tags(8, 8, data, 3), data)
by_hand("log.tif", "unsupported", "LogLuv", tags(16, 32845, data, 3), data)

# Transparency.
alpha = np.round(np.linspace(0, 255, W))[None].repeat(H, 0).astype(np.uint8)
white = lambda c: np.round((c.astype(float) * alpha[:, :, None] + 255.0 * (255 - alpha[:, :, None])) / 255)
shown = ppm("on-white.ppm", white(rgb))
write("alpha.tif", shown, "transparency", data=np.dstack([rgb, alpha]), extrasamples=["unassalpha"], most=1)
multiplied = np.round(rgb * (alpha[:, :, None] / 255.0)).astype(np.uint8)
write("alpha-multiplied.tif", shown, "transparency, colours multiplied", data=np.dstack([multiplied, alpha]),
      extrasamples=["assocalpha"], most=1)
write("more.tif", colour, "a fourth sample that is no transparency", data=np.dstack([rgb, alpha]),
      extrasamples=["unspecified"])
write("grey-alpha.tif", ppm("grey-on-white.ppm", white(np.repeat(grey[:, :, None], 3, 2))), "grey with transparency",
      data=np.dstack([grey, alpha]), photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"], most=1)

# JPEG inside.
for name, why, source, options in (
        ("jpeg", "brightness and colour", "raw.tif", ["jpeg:95", "-r", "16"]),
        ("jpeg-rgb", "RGB", "raw.tif", ["jpeg:r:95", "-r", "8"]),
        ("jpeg-tiles", "tiles", "raw.tif", ["jpeg:95", "-t", "-w", "16", "-l", "16"]),
        ("jpeg-grey", "grey", "grey.tif", ["jpeg:95", "-r", "8"])):
    copy(source, f"{name}.tif", f"{name}.ppm", f"JPEG, {why}, as libtiff reads it", "-c", *options)
    ppm(f"{name}.ppm", np.asarray(Image.open(f"{name}.tif").convert("RGB")))
whole = subprocess.run(["cjpeg", "-quality", "95", "-sample", "1x1"], capture_output=True, check=True,
                       input=b"P6\n%d %d\n255\n" % (W, H) + rgb.tobytes()).stdout
by_hand("jpeg-old.tif", colour, "JPEG in its old form, whole",
        tags(8, 6, whole, 3, compression=6, _513=(4, ["data"]), _514=(4, [len(whole)])), whole, most=24)
by_hand("jpeg-older.tif", "unsupported", "JPEG in its old form, tables apart", tags(8, 6, b"\1\2\3", 3, compression=6), b"\1\2\3")

# Ways to pack that are not read.
for way in ("zstd", "lzma", "webp", "jpeg2000", "lerc", "jpegxl"):
    write(f"{way}.tif", "unsupported", way, compression=way)
by_hand("jbig.tif", "unsupported", "JBIG", tags(1, 0, b"\0", compression=34661), b"\0")

# Several pictures.
with tifffile.TiffWriter("pages.tif") as f:
    for page in (rgb, np.repeat(np.repeat(rgb, 2, 0), 2, 1), grey):
        f.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None)
case("pages.tif", colour, 0, "pages, the second larger")
small = rgb[::4, ::4].copy()
with tifffile.TiffWriter("preview.tif") as f:
    f.write(small, photometric="rgb", subfiletype=1, subifds=1, metadata=None)
    f.write(rgb, photometric="rgb", subfiletype=0, metadata=None, compression="lzw")
case("preview.tif", colour, 0, "a preview that says so, the photo below it")
with tifffile.TiffWriter("preview-silent.tif") as f:
    f.write(small, photometric="rgb", subifds=1, metadata=None)
    f.write(rgb, photometric="rgb", metadata=None)
case("preview-silent.tif", colour, 0, "a preview that does not say so, the photo below it")
with tifffile.TiffWriter("preview-page.tif") as f:
    f.write(small, photometric="rgb", subfiletype=1, metadata=None)
    f.write(rgb, photometric="rgb", subfiletype=0, metadata=None)
case("preview-page.tif", colour, 0, "a preview that says so, the photo as the next page")
with tifffile.TiffWriter("preview-big.tif", bigtiff=True) as f:
    f.write(small, photometric="rgb", subfiletype=1, subifds=1, metadata=None)
    f.write(rgb, photometric="rgb", subfiletype=0, metadata=None)
case("preview-big.tif", colour, 0, "a preview and the photo below it, BigTIFF")
with tifffile.TiffWriter("pyramid.tif") as f:
    f.write(rgb, photometric="rgb", subifds=1, metadata=None, tile=(16, 16))
    f.write(small, photometric="rgb", subfiletype=1, metadata=None)
case("pyramid.tif", colour, 0, "smaller copies below")
with tifffile.TiffWriter("only-preview.tif") as f:
    f.write(rgb, photometric="rgb", subfiletype=1, metadata=None)
case("only-preview.tif", colour, 0, "all that there is says to be a preview")
with tifffile.TiffWriter("raw-photo.dng") as f:
    f.write(small, photometric="rgb", subfiletype=1, subifds=1, metadata=None)
    f.write(grey.astype(np.uint16) * 257, photometric="cfa", subfiletype=0, metadata=None,
            extratags=[(33421, "H", 2, (2, 2), True), (33422, "B", 4, (0, 1, 1, 2), True)])
case("raw-photo.dng", "unsupported", 0, "a preview, and what the sensor measured")
with tifffile.TiffWriter("linear.dng") as f:
    f.write(rgb, photometric="linear_raw", metadata=None, extratags=[(50706, "B", 4, (1, 4, 0, 0), True)])
case("linear.dng", "unsupported", 0, "a DNG of colours before development")

with open("variants.csv", "w", newline="") as f:
    csv.writer(f, lineterminator="\n").writerows([["file", "expected", "most", "why"]] + rows)
print(len(rows), "variants")
