"""Measures how fast `phiz watch` is on a file, and where the time goes.

    python3 fps.py PHIZ PACKS FOLDER [ROUNDS]

PHIZ is the program, PACKS a folder with the collections `clips_talk` and `lfw`, FOLDER a place for what is written. Two films of
ten seconds are made, 1080p and 720p, H.264, 30 frames a second: the clip of `clips_talk` enlarged, with up to four faces, and three
portraits that walk through it, up to seven faces in all. A hundred people are enrolled. In each round each film is decoded by
ffmpeg alone and watched by `phiz watch`, in turn. Prints wall-clock frames a second, processor seconds (of phiz and its ffmpeg
together), and the share of each stage as `phiz watch --stages` tells it.
"""
import csv
import pathlib
import resource
import statistics
import subprocess
import sys
import time

PHIZ, PACKS, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
ROUNDS = int(sys.argv[4]) if len(sys.argv) > 4 else 3
FILMS = {"1080p": (1920, 1080), "720p": (1280, 720)}
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PHIZ_HOME": str(FOLDER / "home")}


def people(count):
    """The first photo of so many people of LFW."""
    with open(PACKS / "lfw.csv", newline="", encoding="utf-8") as file:
        first = {}
        for row in csv.DictReader(file):
            first.setdefault(row["person"], row["path"])
    return [(person.split(":")[-1], PACKS / path) for person, path in sorted(first.items())[:count]]


def film(path, width, height):
    side = height * 2 // 5
    portraits = [photo for _, photo in people(103)[100:]]
    inputs = ["-stream_loop", "1", "-i", PACKS / "clips_talk" / "short_hamilton_clip.mp4"]
    chain = [f"[0:v]scale={width}:{height},fps=30[film0]"]
    for i, portrait in enumerate(portraits):
        inputs += ["-loop", "1", "-framerate", "30", "-i", portrait]
        # Only the middle of the photo, so that one face is in it.
        chain.append(f"[{i + 1}:v]crop=iw*0.6:ih*0.7,scale={side * 6 // 7}:{side}[face{i}]")
        walk = f"x='mod({width}*{0.1 + 0.3 * i}+{width / 14}*t,{width})-{side // 3}':y={height // 12 + i * height // 5}"
        chain.append(f"[film{i}][face{i}]overlay={walk}:shortest=1[film{i + 1}]")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *inputs, "-filter_complex", ";".join(chain), "-map", f"[film{len(portraits)}]", "-t", "10",
         "-c:v", "libx264", "-preset", "fast", "-crf", "21", "-pix_fmt", "yuv420p", path], check=True)


def timed(command, **more):
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=True, **more)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not (FOLDER / "home").exists():
        for person, photo in people(100):
            subprocess.run([PHIZ, "enroll", person, photo, "--largest", "--force"], capture_output=True, env=ENVIRONMENT)
    for name, (width, height) in FILMS.items():
        if not (FOLDER / f"{name}.mp4").exists():
            film(FOLDER / f"{name}.mp4", width, height)
    stages = ["--stages"] if "--stages" in subprocess.run([PHIZ, "watch", "--help"], capture_output=True, text=True).stdout else []
    figures = {name: {"decode": [], "watch": [], "stages": "", "events": 0} for name in FILMS}
    for _ in range(ROUNDS):
        for name in FILMS:
            path = FOLDER / f"{name}.mp4"
            figures[name]["decode"].append(timed(["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-y",
                                                  "/dev/null"])[:2])
            wall, processor, done = timed([PHIZ, "watch", "--json", *stages, path])
            figures[name]["watch"].append((wall, processor))
            said = next((line for line in done.stderr.splitlines() if "frames a second" in line), "")
            figures[name]["stages"], figures[name]["events"] = said, len(done.stdout.splitlines())
    for name, figure in figures.items():
        path = FOLDER / f"{name}.mp4"
        frames = int(subprocess.run(["ffprobe", "-v", "error", "-count_packets", "-select_streams", "v", "-show_entries",
                                     "stream=nb_read_packets", "-of", "csv=p=0", path], capture_output=True, text=True).stdout)
        walls = [wall for wall, _ in figure["watch"]]
        median, decode = (statistics.median(p for _, p in figure[what]) for what in ("watch", "decode"))
        print(f"{name}: {frames} frames, {figure['events']} events; frames a second, the program's start included: "
              + ", ".join(f"{frames / wall:.1f}" for wall in walls) + f" (median {frames / statistics.median(walls):.1f})")
        print(f"{name}: processor seconds {median:.2f} ({frames / median:.1f} frames a second of one core); decoding alone "
              f"{decode:.2f} ({100 * decode / median:.0f} %), {statistics.median(w for w, _ in figure['decode']):.2f} s of wall clock")
        print(f"{name}: {figure['stages'] or 'this program does not know --stages'}")


main()
