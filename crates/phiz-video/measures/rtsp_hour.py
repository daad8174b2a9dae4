"""Measures an hour before a camera: events lost or doubled, memory, recovery.

    python3 rtsp_hour.py PHIZ FACE FOLDER [MINUTES]

PHIZ is the program, FACE a picture of a face, who is enrolled as Ada, FOLDER a place for what is written. A real RTSP server (GStreamer's) plays a film
in which the face is there for ten seconds and away for ten; each minute the film changes its resolution. In between, in turn
every five minutes, the server is killed and started again, the connection is cut, and the connection hangs for half a minute.
The resident memory of `phiz` and of its ffmpeg is sampled every minute. At the end the events are compared with the film: while
the camera could be seen, each cycle must give one `appeared`, one `left` and one `visit`, none twice, and Ada's name.
"""
import json
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

PHIZ, FACE, FOLDER = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
MINUTES = float(sys.argv[4]) if len(sys.argv) > 4 else 60.0
RATE, CYCLE = 15, 20.0


def film(path):
    """A transport stream: minutes of 640x360 and of 480x270 in turn, a face in the first half of every 20 seconds."""
    parts = []
    for number, (width, height) in enumerate([(640, 360), (480, 270)]):
        part = FOLDER / f"part{number}.ts"
        size = height // 2
        moving = f"overlay=x='{width}/4+{width}/8*sin(t)':y={height // 5}:enable='lt(mod(t,{CYCLE}),{CYCLE / 2})'"
        filters = f"[1:v]scale={size}:{size}[face];[0:v][face]{moving}:shortest=1,format=yuv420p"
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"color=0x5c5c5c:s={width}x{height}:r={RATE}:d=60",
             "-loop", "1", "-framerate", str(RATE), "-i", FACE, "-filter_complex", filters, "-t", "60",
             "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "baseline", "-g", str(RATE), "-bf", "0",
             "-f", "mpegts", part], check=True)
        parts.append(part)
    listed = FOLDER / "parts.txt"
    listed.write_text("".join(f"file '{parts[minute % 2].absolute()}'\n" for minute in range(int(MINUTES) + 2)))
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", listed, "-c", "copy", "-f", "mpegts", path],
                   check=True)


class Server:
    def __init__(self, port, path):
        self.script = pathlib.Path(__file__).parent.parent / "tests" / "rtsp_server.py"
        self.port, self.path, self.child = port, path, None

    def start(self):
        self.child = subprocess.Popen(["/usr/bin/python3", self.script, str(self.port), self.path], stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True)
        assert self.child.stdout.readline().startswith("ready")

    def kill(self):
        self.child.kill()
        self.child.wait()


class Wire:
    """What stands between the camera and us, and can be cut or can hang."""

    def __init__(self, server_port):
        self.server_port, self.hangs, self.pairs = server_port, False, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            ours, _ = self.listener.accept()
            try:
                theirs = socket.create_connection(("127.0.0.1", self.server_port))
            except OSError:
                ours.close()
                continue
            self.pairs.append((ours, theirs))
            for a, b in [(ours, theirs), (theirs, ours)]:
                threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    def carry(self, a, b):
        try:
            while data := a.recv(65536):
                while self.hangs:
                    time.sleep(0.05)
                b.sendall(data)
        except OSError:
            pass
        for end in (a, b):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def cut(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def resident(pid):
    """Kilobytes of a process, and of its children."""
    def one(pid):
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                return next((int(line.split()[1]) for line in file if line.startswith("VmRSS")), 0)
        except OSError:
            return 0
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            children = file.read().split()
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            children += (task / "children").read_text().split()
    except OSError:
        children = []
    return one(pid), sum(one(child) for child in set(children))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "film.ts"
    film(path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Server(port, path)
    server.start()
    wire = Wire(port)
    environment = {"PATH": "/usr/bin:/bin", "PHIZ_HOME": str(FOLDER / "home")}
    subprocess.run([PHIZ, "enroll", "Ada", FACE, "--largest", "--force"], check=True, env=environment, capture_output=True)
    log, events = open(FOLDER / "log", "w"), open(FOLDER / "events.jsonl", "w")
    address = f"rtsp://ana:s3cret%2Fword@127.0.0.1:{wire.port}/camera"
    begun = time.monotonic()
    phiz = subprocess.Popen([PHIZ, "watch", "--json", "--visit-gap", "5", address], stdout=events, stderr=log,
                            env=environment)
    troubles, memory = [], []
    minute = 0
    while time.monotonic() - begun < MINUTES * 60:
        time.sleep(max(0, begun + 60 * (minute + 1) - time.monotonic()))
        minute += 1
        memory.append((minute, *resident(phiz.pid)))
        print(f"minute {minute}: phiz {memory[-1][1]} kB, ffmpeg {memory[-1][2]} kB", flush=True)
        assert phiz.poll() is None, "phiz has ended"
        if minute % 5 == 0 and minute < MINUTES - 1:
            kind = ["killed", "cut", "hung"][minute // 5 % 3]
            troubles.append((time.monotonic() - begun, kind))
            if kind == "killed":
                server.kill()
                wire.cut()
                time.sleep(5)
                server.start()
            elif kind == "cut":
                wire.cut()
            else:
                wire.hangs = True
                time.sleep(30)
                wire.hangs = False
                wire.cut()
    phiz.send_signal(signal.SIGINT)
    phiz.wait(timeout=60)
    server.kill()
    events.close()
    log.close()
    judge(troubles, memory)


def judge(troubles, memory):
    lines = [line for line in open(FOLDER / "events.jsonl", encoding="utf-8").read().splitlines() if line]
    events = [json.loads(line) for line in lines]
    count = lambda kind: sum(event["event"] == kind for event in events)
    doubled = len(lines) - len(set(lines))
    per_track = {}
    for event in events:
        if event["event"] in ("appeared", "left"):
            key = (event["track"], event["event"])
            per_track[key] = per_track.get(key, 0) + 1
    doubled += sum(n - 1 for n in per_track.values())
    appeared = {track for track, kind in per_track if kind == "appeared"}
    left = {track for track, kind in per_track if kind == "left"}
    # Between two troubles the film runs undisturbed: a face every 20 seconds.
    first = sorted(event["time"] for event in events if event["event"] == "appeared")
    lost = [round(b - a, 1) for a, b in zip(first, first[1:]) if b - a > 1.5 * CYCLE
            and not any(a - 5 <= at <= b + 5 for at, _ in troubles)]
    early = [round(b - a, 1) for a, b in zip(first, first[1:]) if b - a < 0.7 * CYCLE
             and not any(a - 5 <= at <= b + 60 for at, _ in troubles)]
    settled = [kilobytes for minute, kilobytes, _ in memory if minute > 5] or [m[1] for m in memory]
    half = len(settled) // 2
    mean = lambda values: sum(values) / max(len(values), 1)
    growth = mean(settled[half:]) / max(mean(settled[:half] or settled), 1) - 1
    print(f"troubles: {[(round(at), kind) for at, kind in troubles]}")
    print(f"events: {len(events)}; appeared {count('appeared')}, identified {count('identified')}, left {count('left')}, "
          f"visits {count('visit')}")
    named = {event["track"] for event in events if event["event"] == "identified" and event["person"] == "Ada"}
    print(f"tracks: {len(appeared)}; without Ada's name: {sorted(appeared - named)}")
    print(f"doubled: {doubled}; appeared and never left: {sorted(appeared - left)}; left and never appeared: "
          f"{sorted(left - appeared)}")
    print(f"cycles without an event while the camera ran: {lost}; more than one in a cycle: {early}")
    middle = mean(settled)
    print(f"memory after five minutes: {min(settled)} to {max(settled)} kB ({min(settled) / middle - 1:+.1%} to {max(settled) / middle - 1:+.1%} "
          f"of the mean); second half over first: {growth:+.1%}")


main()
