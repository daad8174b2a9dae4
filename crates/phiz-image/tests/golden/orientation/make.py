"""Makes small pictures that tell their orientation in every way, and asks ExifTool what it reads. Run it anywhere:

    python3 make.py        (made with Pillow 12 and ExifTool 12.57)

orientations.csv   file, the orientation that ExifTool reads (1 if none), why the file exists

Expected is what ExifTool reads of the picture itself: the first directory of EXIF, or of the TIFF, or else XMP. The
orientation of a thumbnail, in the second directory, is not the picture's.
"""

import csv
import io
import os
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image, PngImagePlugin

os.chdir(os.path.dirname(os.path.abspath(__file__)))
y, x = np.mgrid[0:8, 0:16]
colour = Image.fromarray(np.stack([x * 16, y * 30, 255 - x * 8 - y * 8], -1).astype(np.uint8))
rows = []

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
FORMS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d"}


def tiff(values, order="<", second=None, first=()):
    """A block of EXIF: (type, value) of the orientation in the first directory and in the second."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    out, extra = b"", b""

    def directory(entries, at, next_at):
        nonlocal extra
        body, data = struct.pack(order + "H", len(entries)), b""
        end = at + 2 + 12 * len(entries) + 4
        for tag, kind, raw in entries:
            count = len(raw) // SIZES[kind]
            if len(raw) > 4:
                field = struct.pack(order + "I", end + len(data))
                data += raw + b"\0" * (len(raw) % 2)
            else:
                field = raw.ljust(4, b"\0")
            body += struct.pack(order + "HHI", tag, kind, count) + field
        return body + struct.pack(order + "I", next_at(end + len(data))) + data

    def entry(value):
        kind, number = value
        if kind == 2:
            raw = str(number).encode() + b"\0"
        elif kind == 7:
            raw = bytes([number])
        elif kind in (5, 10):
            raw = struct.pack(order + "II", number * 3, 3)
        else:
            raw = struct.pack(order + FORMS[kind], number)
        return (0x0112, kind, raw)

    entries = list(first) + ([entry(values)] if values else [])
    one = directory(entries, 8, lambda end: end if second else 0)
    two = directory([entry(second)], 8 + len(one), lambda end: 0) if second else b""
    return head + one + two


def packet(attribute=None, element=None, prefix="tiff", quote='"'):
    """XMP."""
    return (f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
            f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
            f'xmlns:{prefix}={quote}http://ns.adobe.com/tiff/1.0/{quote}'
            + (f' {prefix}:Orientation={quote}{attribute}{quote}' if attribute else "") + ">"
            + (f"<{prefix}:Orientation>{element}</{prefix}:Orientation>" if element else "")
            + '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>').encode()


def saved(kind, **options):
    out = io.BytesIO()
    colour.save(out, kind, **options)
    return out.getvalue()


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


jpeg = saved("JPEG", quality=90, subsampling=0)
png = saved("PNG")
webp = saved("WEBP", lossless=True)


def in_jpeg(*segments, before=False):
    """After the JFIF segment, as most programs write it, or before."""
    at = 2 if before else 20
    return jpeg[:at] + b"".join(segments) + jpeg[at:]


def app1(block):
    return segment(0xE1, b"Exif\0\0" + block)


def app1_xmp(body):
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + body)


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def in_png(*chunks, late=False):
    at = len(png) - 12 if late else 33
    return png[:at] + b"".join(chunks) + png[at:]


def in_webp(*chunks):
    """Extended by hand: flags for EXIF and XMP, the canvas, the picture, then the chunks."""
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + bytes([sum({b"EXIF": 8, b"XMP ": 4}[name] for name, _ in chunks), 0, 0, 0]) + b"\x0f\0\0\x07\0\0" + webp[12:]
    for name, data in chunks:
        body += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def keep(name, data, why):
    with open(name, "wb") as f:
        f.write(data)
    read = lambda tag: subprocess.run(["exiftool", "-n", "-s3", tag, name], capture_output=True, text=True).stdout.strip()
    found = read("-IFD0:Orientation") or read("-XMP-tiff:Orientation") or "1"
    found = found if found in list("12345678") else "1"
    rows.append([name, found, why])


# Types and byte orders.
kinds = {1: "byte", 2: "text", 3: "short", 4: "long", 5: "fraction", 6: "signed-byte", 7: "undefined", 8: "signed-short",
         9: "signed-long", 10: "signed-fraction", 11: "float", 12: "double"}
for kind, word in kinds.items():
    for order, letter in (("<", "ii"), (">", "mm")):
        keep(f"{word}-{letter}.jpg", in_jpeg(app1(tiff((kind, 6), order))), f"EXIF, {word}, {letter.upper()}")
for value in (0, 9, 200):
    keep(f"value-{value}.jpg", in_jpeg(app1(tiff((3, value)))), f"EXIF, {value} is no orientation")

# Places in a JPEG.
six = tiff((3, 6))
keep("before-jfif.jpg", in_jpeg(app1(six), before=True), "EXIF before JFIF")
comment = segment(0xFE, b"a comment with \xff\xe1 inside")
profile = segment(0xE2, b"ICC_PROFILE\0\x01\x01" + b"\xff\xda" * 40)
photoshop = segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\0")
keep("after-others.jpg", in_jpeg(comment, profile, photoshop, app1(six)), "EXIF behind other segments")
tables = jpeg.index(b"\xff\xda")
keep("after-tables.jpg", jpeg[:tables] + app1(six) + jpeg[tables:], "EXIF behind all tables")
keep("empty-first.jpg", in_jpeg(app1(tiff(None)), app1(tiff((3, 8)))), "EXIF without orientation, then EXIF with it")
keep("broken-first.jpg", in_jpeg(segment(0xE1, b"Exif\0\0garbage!"), app1(six)), "EXIF that is garbage, then EXIF")
keep("xmp-first.jpg", in_jpeg(app1_xmp(packet(attribute=3)), app1(six)), "XMP says 3, EXIF says 6")
keep("exif-first.jpg", in_jpeg(app1(six), app1_xmp(packet(attribute=3))), "EXIF says 6, XMP says 3")
keep("exif-silent.jpg", in_jpeg(app1(tiff(None)), app1_xmp(packet(attribute=3))), "EXIF says nothing, XMP says 3")
keep("thumbnail.jpg", in_jpeg(app1(tiff(None, second=(3, 6)))), "only the thumbnail's directory says 6")
keep("both.jpg", in_jpeg(app1(tiff((3, 8), second=(3, 6)))), "the picture says 8, the thumbnail 6")
make = (0x010F, 2, b"Camera works\0")
keep("after-make.jpg", in_jpeg(app1(tiff((4, 5), ">", first=[make]))), "EXIF, other tags before it")
keep("cut.jpg", in_jpeg(app1(six[:-4])), "EXIF that ends behind the tag")
keep("odd-name.jpg", in_jpeg(segment(0xE1, b"Exif\0\xff" + six)), "EXIF with another byte behind its name")
keep("prefixed.jpg", in_jpeg(segment(0xE1, b"\0\0Exif\0\0" + six)), "EXIF with two bytes before its name")

# XMP.
keep("xmp-attribute.jpg", in_jpeg(app1_xmp(packet(attribute=6))), "XMP, attribute")
keep("xmp-element.jpg", in_jpeg(app1_xmp(packet(element=8))), "XMP, element")
keep("xmp-prefix.jpg", in_jpeg(app1_xmp(packet(attribute=7, prefix="ns2"))), "XMP under another prefix")
keep("xmp-quote.jpg", in_jpeg(app1_xmp(packet(attribute=5, quote="'"))), "XMP with single quotes")

# PNG.
keep("chunk.png", in_png(chunk(b"eXIf", six)), "PNG, EXIF before the picture")
keep("chunk-late.png", in_png(chunk(b"eXIf", tiff((4, 8), ">")), late=True), "PNG, EXIF behind the picture")
keep("chunk-named.png", in_png(chunk(b"eXIf", b"Exif\0\0" + six)), "PNG, EXIF with a JPEG's name before it")
digits = lambda block: b"\nexif\n" + b"%8d\n" % len(block) + b"\n".join(
    block.hex().encode()[i:i + 72] for i in range(0, 2 * len(block), 72)) + b"\n"
raw = digits(b"Exif\0\0" + six)
keep("raw-profile.png", in_png(chunk(b"tEXt", b"Raw profile type exif\0" + raw)), "PNG, EXIF in digits")
keep("raw-profile-packed.png", in_png(chunk(b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(raw))),
     "PNG, EXIF in digits, packed, as ImageMagick wrote it")
keep("xmp.png", in_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet(attribute=6))), "PNG, XMP")
keep("xmp-packed.png", in_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0" + zlib.compress(packet(element=6)))),
     "PNG, XMP, packed")

# WebP.
keep("chunk.webp", in_webp((b"EXIF", six)), "WebP, EXIF")
keep("chunk-named.webp", in_webp((b"EXIF", b"Exif\0\0" + tiff((4, 3), ">"))), "WebP, EXIF with a JPEG's name before it")
keep("xmp.webp", in_webp((b"XMP ", packet(attribute=8))), "WebP, XMP")
keep("both.webp", in_webp((b"XMP ", packet(attribute=8)), (b"EXIF", six)), "WebP, XMP says 8, EXIF says 6")

# GIF.
gif = saved("GIF")
xmp = b"\x21\xff\x0bXMP DataXMP" + packet(attribute=6) + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
at = 13 + 3 * 2 ** ((gif[10] & 7) + 1)
keep("xmp.gif", gif[:at] + xmp + gif[at:], "GIF, XMP")

# TIFF: its own tag, in each type.
pixels = np.asarray(colour).tobytes()
for kind, order in ((1, "<"), (3, ">"), (4, "<"), (4, ">"), (9, "<")):
    def picture(order=order):
        short = lambda tag, value: (tag, 3, struct.pack(order + "H", value))
        long = lambda tag, value: (tag, 4, struct.pack(order + "I", value))
        first = [short(256, 16), short(257, 8), (258, 3, struct.pack(order + "HHH", 8, 8, 8)), short(259, 1), short(262, 2),
                 long(273, 1000), short(277, 3), short(278, 8), long(279, len(pixels))]
        return tiff((kind, 6), order, first=first)
    block = picture()
    keep(f"{kinds[kind]}-{'ii' if order == '<' else 'mm'}.tif", block.ljust(1000, b"\0") + pixels,
         f"TIFF, {kinds[kind]}")
short = lambda tag, value: (tag, 3, struct.pack("<H", value))
long = lambda tag, value: (tag, 4, struct.pack("<I", value))
first = [short(256, 16), short(257, 8), (258, 3, struct.pack("<HHH", 8, 8, 8)), short(259, 1), short(262, 2),
         long(273, 2000), short(277, 3), short(278, 8), long(279, len(pixels)), (700, 1, packet(attribute=6))]
keep("xmp.tif", tiff(None, first=first).ljust(2000, b"\0") + pixels, "TIFF, XMP")

with open("orientations.csv", "w", newline="") as f:
    csv.writer(f, lineterminator="\n").writerows([["file", "orientation", "why"]] + rows)
print(len(rows), "files")
