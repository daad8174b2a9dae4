"""Watches broken videos: each must end in a clear answer, never in a crash.

    python3 broken.py PHIZ VIDEO FOLDER

PHIZ is the program, VIDEO any video with sound, FOLDER a place for what is written. Prints for each file the exit code, the number of
events and what was said. Exit code 0, or 1 or 2 with a reason, are answers; anything else is a finding.
"""
import pathlib
import subprocess
import sys

PHIZ, VIDEO, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2]).absolute(), pathlib.Path(sys.argv[3])
FOLDER.mkdir(parents=True, exist_ok=True)


def ffmpeg(name, *arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments, FOLDER / name], stderr=subprocess.DEVNULL)
    return FOLDER / name


def cut(name, path, share):
    (FOLDER / name).write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return FOLDER / name


whole = ffmpeg("whole.mp4", "-t", "4", "-i", VIDEO, "-c", "copy")
fast = ffmpeg("fast.mp4", "-i", whole, "-c", "copy", "-movflags", "+faststart")
stream = ffmpeg("whole.ts", "-i", whole, "-c", "copy")
empty = FOLDER / "empty.mp4"
empty.write_bytes(b"")
files = [
    cut("truncated, table of contents lost.mp4", whole, 0.6),
    cut("truncated.mp4", fast, 0.6),
    cut("truncated.ts", stream, 0.5),
    ffmpeg("times that go back.mkv", "-i", whole, "-c", "copy", "-bsf:v", "setts=ts=if(eq(mod(N\\,9)\\,0)\\,0\\,TS)"),
    ffmpeg("times that stand still.mkv", "-i", whole, "-an", "-c:v", "copy", "-bsf:v", "setts=ts=0"),
    ffmpeg("no times.h264", "-i", whole, "-an", "-c:v", "copy"),
    ffmpeg("only sound.mp4", "-i", whole, "-vn", "-c", "copy"),
    ffmpeg("no frames.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x48:d=1", "-frames:v", "0"),
    empty,
    ffmpeg("1x1.mkv", "-f", "lavfi", "-i", "color=red:s=16x16:d=1", "-vf", "scale=1:1", "-c:v", "ffv1", "-pix_fmt", "bgr0"),
    ffmpeg("16k.avi", "-f", "lavfi", "-i", "testsrc2=s=15360x8640:r=2:d=1", "-c:v", "mjpeg", "-q:v", "8"),
]
findings = 0
for path in files:
    if not path.exists():
        print(f"{path.name}: ffmpeg could not make it")
        continue
    done = subprocess.run([PHIZ, "watch", "--json", path], capture_output=True, text=True, timeout=300,
                          env={"PATH": "/usr/bin:/bin", "PHIZ_HOME": str(FOLDER / "home")})
    said = " ".join(line for line in done.stderr.splitlines() if not line.startswith("note:"))
    clear = done.returncode == 0 or (done.returncode in (1, 2) and said)
    findings += not clear or "panicked" in said
    print(f"{path.name}: exit code {done.returncode}, {len(done.stdout.splitlines())} events; {said[:200]}", flush=True)
print(f"{len(files)} files, findings: {findings}")
