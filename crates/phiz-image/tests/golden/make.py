"""Makes the golden files beside this script with Pillow, OpenCV and NumPy. Run it in this folder:

    python3 make.py        (made with Pillow 13.0, OpenCV 5.0, NumPy 2.4)

decode.csv   file, expected .ppm, greatest and mean difference allowed, why the file exists
resize.csv   source .ppm, width, height, expected .ppm, greatest and mean difference: OpenCV's INTER_AREA and
             INTER_LINEAR
warp.csv     source .ppm, a, b, tx, ty, width, height, expected .ppm, greatest and mean difference: OpenCV's warpAffine,
             its transforms moved from centres at whole numbers to corners
umeyama.csv  n, 2n numbers from, 2n numbers to, a, b, tx, ty: the paper's formulation by singular values

The picture is drawn here, so no photo is involved. PPM is what the tests read without any decoder of ours.
"""

import csv
import io
import os
import struct

import cv2
import numpy as np
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
W, H = 48, 32


def picture(w=W, h=H):
    """Another colour in each corner, a gradient between, and a dark disc off the middle: no symmetry at all."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    u, v = x / (w - 1), y / (h - 1)
    corners = np.array([[[230, 30, 40], [40, 200, 60]], [[50, 70, 220], [240, 220, 90]]], np.float64)
    p = np.zeros((h, w, 3))
    for j, fv in ((0, 1 - v), (1, v)):
        for i, fu in ((0, 1 - u), (1, u)):
            p += corners[j, i] * (fu * fv)[:, :, None]
    disc = np.clip(0.22 * w - np.hypot(x - 0.3 * w, y - 0.45 * h), 0, 4)[:, :, None] / 4
    return np.round(p * (1 - 0.7 * disc)).astype(np.uint8)


def ppm(name, rgb):
    with open(name, "wb") as f:
        f.write(b"P6 %d %d 255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.astype(np.uint8).tobytes())
    return name


rows = []


def case(file, expected, most, mean, why):
    rows.append([file, expected, most, mean, why])


rgb = picture()
colour = Image.fromarray(rgb)
ppm("upright.ppm", rgb)

# The picture as a camera held in each of eight ways stores it, and the tag that undoes it.
undo = {1: None, 2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM, 5: Image.TRANSPOSE,
        6: Image.ROTATE_270, 7: Image.TRANSVERSE, 8: Image.ROTATE_90}
inverse = {Image.ROTATE_270: Image.ROTATE_90, Image.ROTATE_90: Image.ROTATE_270}
for tag, turn in undo.items():
    stored = colour if turn is None else colour.transpose(inverse.get(turn, turn))
    exif = Image.Exif()
    exif[0x0112] = tag
    stored.save(f"orientation_{tag}.jpg", quality=95, subsampling=0, exif=exif)
    case(f"orientation_{tag}.jpg", "upright.ppm", 24, 2.5, f"EXIF orientation {tag} in a JPEG")
    stored.save(f"orientation_{tag}.png", exif=exif)
    case(f"orientation_{tag}.png", "upright.ppm", 0, 0, f"EXIF orientation {tag} in a PNG")
    stored.save(f"orientation_{tag}.webp", lossless=True, exif=exif)
    case(f"orientation_{tag}.webp", "upright.ppm", 0, 0, f"EXIF orientation {tag} in a WebP")
    stored.save(f"orientation_{tag}.tif", compression="tiff_lzw", tiffinfo={274: tag})
    case(f"orientation_{tag}.tif", "upright.ppm", 0, 0, f"orientation {tag} in a TIFF")

# Grey.
luma = np.array(colour.convert("L"))
grey = ppm("grey.ppm", np.repeat(luma[:, :, None], 3, 2))
Image.fromarray(luma).save("grey.png")
case("grey.png", grey, 0, 0, "grey becomes three equal channels")
Image.fromarray(luma).save("grey.jpg", quality=95)
case("grey.jpg", grey, 12, 2, "JPEG of one component")
cv2.imwrite("grey16.png", luma.astype(np.uint16) * 257)
case("grey16.png", grey, 1, 1, "16-bit grey")
Image.fromarray(luma.astype(np.uint16) * 257).save("grey16.tif")
case("grey16.tif", grey, 1, 1, "16-bit grey TIFF")
bits = ((luma > 110) * 255).astype(np.uint8)
bit = ppm("bit.ppm", np.repeat(bits[:, :, None], 3, 2))
Image.fromarray(bits).convert("1").save("bit.png")
case("bit.png", bit, 0, 0, "1-bit grey")
Image.fromarray(bits).convert("1").save("bit.tif")
case("bit.tif", bit, 0, 0, "1-bit TIFF, as scanners write")
Image.fromarray(bits).convert("1").save("bit.bmp")
case("bit.bmp", bit, 0, 0, "1-bit BMP")

# 16 bits of colour.
cv2.imwrite("rgb16.png", rgb[:, :, ::-1].astype(np.uint16) * 257)
case("rgb16.png", "upright.ppm", 1, 1, "16-bit colour")
cv2.imwrite("rgb16.tif", rgb[:, :, ::-1].astype(np.uint16) * 257)
case("rgb16.tif", "upright.ppm", 1, 1, "16-bit colour TIFF")

# Alpha, laid on white.
alpha = np.round(np.linspace(0, 255, W))[None].repeat(H, 0).astype(np.uint8)
rgba = np.dstack([rgb, alpha])
blend = lambda c: np.round((c.astype(float) * alpha[:, :, None] + 255.0 * (255 - alpha[:, :, None])) / 255)
shown = ppm("on_white.ppm", blend(rgb))
shown_grey = ppm("grey_on_white.ppm", blend(np.repeat(luma[:, :, None], 3, 2)))
Image.fromarray(rgba).save("rgba.png")
case("rgba.png", shown, 1, 0.1, "alpha")
Image.fromarray(rgba).save("rgba.webp", lossless=True, exact=True)
case("rgba.webp", shown, 1, 0.1, "alpha in WebP")
Image.fromarray(rgba).save("rgba.tif")
case("rgba.tif", shown, 1, 0.1, "alpha in TIFF")
cv2.imwrite("rgba16.png", np.dstack([rgb[:, :, ::-1], alpha]).astype(np.uint16) * 257)
case("rgba16.png", shown, 2, 1, "16-bit alpha")
Image.fromarray(np.dstack([luma, alpha]), "LA").save("grey_alpha.png")
case("grey_alpha.png", shown_grey, 1, 0.1, "grey with alpha")

# Palettes.
palette = colour.quantize(64, dither=Image.Dither.NONE)
few = ppm("palette.ppm", np.array(palette.convert("RGB")))
palette.save("palette.png")
case("palette.png", few, 0, 0, "palette")
palette.save("palette.gif")
case("palette.gif", few, 0, 0, "GIF")
palette.save("palette.bmp")
case("palette.bmp", few, 0, 0, "BMP with a palette")
palette.save("palette.tif")
hole = palette.copy()
index = int(np.array(palette)[0, 0])
hole.save("transparent.gif", transparency=index)
white = np.array(palette.convert("RGB"))
white[np.array(palette) == index] = 255
case("transparent.gif", ppm("hole.ppm", white), 0, 0, "GIF with a transparent colour")
hole.save("transparent.png", transparency=index)
case("transparent.png", "hole.ppm", 0, 0, "palette with tRNS")
second = Image.fromarray(255 - rgb).quantize(64, dither=Image.Dither.NONE)
palette.save("animated.gif", save_all=True, append_images=[second], duration=100)
case("animated.gif", few, 0, 0, "the first picture of an animation")
colour.save("animated.webp", save_all=True, append_images=[Image.fromarray(255 - rgb)], lossless=True, duration=100)
case("animated.webp", "upright.ppm", 0, 0, "the first picture of an animated WebP")

# JPEG's ways.
colour.save("progressive.jpg", quality=95, subsampling=0, progressive=True)
case("progressive.jpg", "upright.ppm", 24, 2.5, "progressive JPEG")
big = picture(200, 150)
ppm("large.ppm", big)
Image.fromarray(big).save("large.jpg", quality=92, subsampling=2)
case("large.jpg", "large.ppm", 30, 2, "chroma at half resolution, size no multiple of 16")
buffer = io.BytesIO()
exif = Image.Exif()
exif[0x0112] = 1
thumb = io.BytesIO()
colour.resize((24, 16)).save(thumb, "JPEG")
exif_bytes = b"Exif\0\0" + exif.tobytes()[6:]
Image.fromarray(big).save(buffer, "JPEG", quality=92, subsampling=2)
plain = buffer.getvalue()
# A whole JPEG inside an application segment, as cameras put their thumbnails.
inner = b"Thumb\0" + thumb.getvalue()
with open("thumbnail.jpg", "wb") as f:
    f.write(plain[:2] + b"\xff\xe5" + struct.pack(">H", len(inner) + 2) + inner + plain[2:])
case("thumbnail.jpg", "large.ppm", 30, 2, "another JPEG inside a segment")
with open("trailer.jpg", "wb") as f:
    f.write(plain + b"camera's own data \xff\xd8\xff\x00" * 40)
case("trailer.jpg", "large.ppm", 30, 2, "data behind the end")
cmyk = colour.convert("CMYK")
cmyk.save("cmyk.jpg", quality=95)
naive = 255 - np.array(cmyk).astype(float)
cmyk_rgb = ppm("cmyk.ppm", np.round(naive[:, :, :3] * naive[:, :, 3:] / 255))
case("cmyk.jpg", cmyk_rgb, 40, 4, "four inks, inverted as Adobe writes them")
cmyk.save("cmyk.tif", compression="tiff_lzw")
case("cmyk.tif", cmyk_rgb, 2, 1, "four inks in a TIFF")

# WebP's ways, TIFF's ways, BMP.
colour.save("lossy.webp", quality=95)
case("lossy.webp", "upright.ppm", 40, 5, "lossy WebP")
colour.save("lossless.webp", lossless=True)
case("lossless.webp", "upright.ppm", 0, 0, "lossless WebP")
for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
    colour.save(f"{name}.tif", compression=None if name == "raw" else name)
    case(f"{name}.tif", "upright.ppm", 0, 0, f"TIFF, {name}")
colour.save("rgb.bmp")
case("rgb.bmp", "upright.ppm", 0, 0, "BMP")
os.remove("palette.tif")

with open("decode.csv", "w", newline="") as f:
    csv.writer(f, lineterminator="\n").writerows([["file", "expected", "most", "mean", "why"]] + rows)

# Change of size.
rows = []
for w, h, why in ((50, 50, "area, whole factors"), (67, 41, "area, fractions"), (199, 149, "area, hardly smaller"),
                  (400, 300, "twice as large"), (333, 222, "larger by fractions")):
    shrinks = w < 200
    out = cv2.resize(big, (w, h), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    name = f"resized_{w}x{h}.ppm"
    rows.append(["large.ppm", w, h, ppm(name, out), 3 if shrinks else 2, 0.6, why])
with open("resize.csv", "w", newline="") as f:
    csv.writer(f, lineterminator="\n").writerows([["source", "width", "height", "expected", "most", "mean", "why"]] + rows)

# Warps. Ours has corners at whole numbers, OpenCV centres: x' + 0.5 = a (x + 0.5) - b (y + 0.5) + tx.
rows = []
for index, (a, b, tx, ty, w, h, why) in enumerate((
    (1.0, 0.0, 0.0, 0.0, 200, 150, "nothing happens"),
    (1.0, 0.0, 3.25, -2.5, 112, 112, "a shift by parts of a pixel"),
    (0.9, 0.35, 10.0, -20.0, 112, 112, "turned, hardly smaller"),
    (1.6, -0.8, -60.0, 40.0, 112, 112, "turned back, larger, partly outside"),
    (-1.0, 0.05, 190.0, 140.0, 160, 130, "upside down"),
)):
    m = np.array([[a, -b, tx + 0.5 * a - 0.5 * b - 0.5], [b, a, ty + 0.5 * b + 0.5 * a - 0.5]])
    out = cv2.warpAffine(big, m, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    rows.append(["large.ppm", a, b, tx, ty, w, h, ppm(f"warped_{index}.ppm", out), 8, 0.7, why])
with open("warp.csv", "w", newline="") as f:
    header = ["source", "a", "b", "tx", "ty", "width", "height", "expected", "most", "mean", "why"]
    csv.writer(f, lineterminator="\n").writerows([header] + rows)


def umeyama(x, y):
    """Umeyama 1991, equations 38 to 43, without reflection; points are rows."""
    mx, my = x.mean(0), y.mean(0)
    sigma = (y - my).T @ (x - mx) / len(x)
    u, d, vt = np.linalg.svd(sigma)
    s = np.eye(2)
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        s[1, 1] = -1
    r = u @ s @ vt
    c = np.trace(np.diag(d) @ s) / ((x - mx) ** 2).sum(1).mean()
    t = my - c * r @ mx
    return [c * r[0, 0], c * r[1, 0], t[0], t[1]]


rows = []
random = np.random.default_rng(7)
for n in (2, 3, 5, 5, 5, 5, 68):
    x = random.uniform(0, 200, (n, 2))
    angle, scale = random.uniform(-3.1, 3.1), random.uniform(0.2, 4)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    y = x @ turn.T + random.uniform(-50, 50, 2) + random.normal(0, 3, (n, 2))
    x, y = x.round(3), y.round(3)
    rows.append([n, *x.ravel(), *y.ravel(), *umeyama(x, y)])
with open("umeyama.csv", "w", newline="") as f:
    csv.writer(f, lineterminator="\n").writerows(rows)
