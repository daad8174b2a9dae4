"""Changes bytes of small videos and watches them, for a while: the program must neither crash nor hang.

    python3 fuzz.py PHIZ FOLDER SECONDS [SEED]

Videos of several formats are made by ffmpeg, of a picture that moves. Each round takes one, changes, removes, doubles or swaps
some of its bytes, and runs `phiz watch --json` on it with an end after ten seconds. Exit codes 0, 1 and 2 are answers; a signal,
any other code, a panic or more than a minute is a finding, whose file is kept.
"""
import pathlib
import random
import subprocess
import sys
import time

PHIZ, FOLDER, SECONDS = sys.argv[1], pathlib.Path(sys.argv[2]), float(sys.argv[3])
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1
FORMATS = {
    "mp4": ["-c:v", "libx264", "-pix_fmt", "yuv420p"],
    "mkv": ["-c:v", "libx264", "-pix_fmt", "yuv420p"],
    "webm": ["-c:v", "libvpx", "-b:v", "200k"],
    "avi": ["-c:v", "mpeg4"],
    "mov": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"],
    "ts": ["-c:v", "mpeg2video"],
    "flv": ["-c:v", "flv1"],
    "gif": [],
    "mpg": ["-c:v", "mpeg1video", "-r", "25"],
    "ogv": ["-c:v", "libtheora"],
}


def originals():
    made = {}
    for ending, arguments in FORMATS.items():
        path = FOLDER / f"original.{ending}"
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1.5", *arguments, path],
            capture_output=True)
        if done.returncode == 0:
            made[ending] = path.read_bytes()
    return made


def changed(data, chance):
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 3, 8, 30])):
        # Headers hold most of what can be misread.
        end = len(data) if chance.random() < 0.5 else min(len(data), 600)
        at = chance.randrange(max(end, 1))
        kind = chance.randrange(7)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            data[at:at + 4] = chance.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"])
        elif kind == 3:
            del data[at:at + chance.randrange(1, 64)]
        elif kind == 4:
            data[at:at] = data[at:at + chance.randrange(1, 64)]
        elif kind == 5:
            del data[max(at, 1):]
        else:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 16)))
        if not data:
            break
    return bytes(data)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    films, chance = originals(), random.Random(SEED)
    begun, rounds, codes, findings = time.monotonic(), 0, {}, 0
    environment = {"PATH": "/usr/bin:/bin", "PHIZ_HOME": str(FOLDER / "home")}
    while time.monotonic() - begun < SECONDS:
        ending = chance.choice(sorted(films))
        path = FOLDER / f"now.{ending}"
        path.write_bytes(changed(films[ending], chance))
        command = [PHIZ, "watch", "--json", "--for", "10", "--stall", "5", path]
        try:
            done = subprocess.run(command, capture_output=True, timeout=90, env=environment)
            code, said = done.returncode, done.stderr.decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            code, said = "hangs", ""
        rounds += 1
        codes[code] = codes.get(code, 0) + 1
        clear = code == 0 or any(part in said for part in ("error:", "could not be decoded", "ended before the video did"))
        if code not in (0, 1, 2) or "panicked" in said or not clear:
            findings += 1
            path.rename(FOLDER / f"finding-{SEED}-{rounds}.{ending}")
            print(f"round {rounds}: {ending}: {code}: {said[-400:]}", flush=True)
    print(f"{rounds} rounds in {time.monotonic() - begun:.0f} s, seed {SEED}; exit codes {codes}; findings: {findings}", flush=True)


main()
