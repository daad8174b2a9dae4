"""Measures how soon a name comes before a live camera: from the first frame that shows a face to the event that names it.

    python3 names.py PHIZ PEOPLE FOLDER [APPEARANCES]

PHIZ is the program, PEOPLE a folder with a folder of photos for each person (fixtures/people), FOLDER a place for what is written.
The first two photos of each person are enrolled. A real RTSP server (GStreamer's, H.264, 1280x720, 15 frames a second) shows nobody,
and then each person's third photo in turn for three seconds, at another place and size each time, and nobody in between. The camera
notes the moment at which it hands the first frame with the face to its encoder; the moment at which `phiz watch --json` prints
`identified` is noted when its line is read. Prints each time, the median and the worst, and names that were wrong or missing.

The camera runs in a process of its own, by the system's Python (Debian: gir1.2-gst-rtsp-server-1.0, python3-gi,
gstreamer1.0-plugins-ugly): `names.py camera PORT FOLDER APPEARANCES` is that.
"""
import json
import pathlib
import queue
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

RATE, SHOWN, GONE, SIZE = 15, 3.0, 3.0, (1280, 720)


def pictures(people, folder, count):
    """For each appearance raw frames: nobody's, and of a face that moves a little."""
    chance = random.Random(29)
    names = sorted(person.name for person in people.iterdir() if person.is_dir())
    shown = []
    background = f"color=0x5c5c5c:s={SIZE[0]}x{SIZE[1]}:r={RATE}"
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", background, "-frames:v", "1", *raw, folder / "nobody.yuv"],
                   check=True)
    for number in range(count):
        name = names[number % len(names)]
        photo = sorted((people / name).iterdir())[2]
        side = chance.randrange(200, 420)
        x, y = chance.randrange(0, SIZE[0] - side - 120), chance.randrange(0, SIZE[1] - side)
        chain = f"[1:v]scale={side}:{side}[face];[0:v][face]overlay=x={x}+40*t:y={y}:shortest=1,noise=alls=6:allf=t"
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", background, "-loop", "1", "-framerate", str(RATE), "-i", photo,
                        "-filter_complex", chain, "-t", str(SHOWN), *raw, folder / f"shown{number}.yuv"], check=True)
        shown.append(name)
    return shown


def camera(port, folder, count):
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
    Gst.init(None)
    size = SIZE[0] * SIZE[1] * 3 // 2
    nobody = (folder / "nobody.yuv").read_bytes()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch(
        f"( appsrc name=film is-live=true do-timestamp=true format=time caps=video/x-raw,format=I420,width={SIZE[0]},height={SIZE[1]},"
        f"framerate={RATE}/1 ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=4000 key-int-max={RATE} "
        "! rtph264pay name=pay0 config-interval=1 )")
    sources = []
    factory.connect("media-configure", lambda _, media: sources.append(media.get_element().get_child_by_name("film")))
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)

    def film():
        while not sources:
            time.sleep(0.05)
        # Whoever watches has opened the stream for good once it was opened twice: first it is asked what it is.
        due = time.monotonic()

        def push(frame):
            nonlocal due
            due += 1 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            for source in list(sources):
                source.emit("push-buffer", Gst.Buffer.new_wrapped(frame))

        def empty(seconds):
            for _ in range(int(seconds * RATE)):
                push(nobody)

        empty(25)
        for number in range(count):
            frames = (folder / f"shown{number}.yuv").read_bytes()
            for at in range(len(frames) // size):
                if at == 0:
                    print(json.dumps({"shown": number, "at": time.time() + max(0.0, due + 1 / RATE - time.monotonic())}), flush=True)
                push(frames[at * size:(at + 1) * size])
            empty(GONE)
        print(json.dumps({"over": True}), flush=True)
        empty(600)

    threading.Thread(target=film, daemon=True).start()
    print("ready", flush=True)
    GLib.MainLoop().run()


def read(pipe, told):
    for line in pipe:
        told.put((time.time(), json.loads(line)))


def main():
    phiz, people, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 24
    folder.mkdir(parents=True, exist_ok=True)
    shown = pictures(people, folder, count)
    environment = {"PATH": "/usr/bin:/bin", "PHIZ_HOME": str(folder / "home")}
    for name in sorted(set(shown)):
        subprocess.run([phiz, "enroll", name, *sorted((people / name).iterdir())[:2]], check=True, capture_output=True, env=environment)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(["/usr/bin/python3", __file__, "camera", str(port), folder, str(count)], stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline().startswith("ready")
    log = open(folder / "log", "w")
    watching = subprocess.Popen([phiz, "watch", "--json", "--leave-after", "1", f"rtsp://127.0.0.1:{port}/camera"], stdout=subprocess.PIPE,
                                stderr=log, text=True, env=environment)
    events, notes = queue.Queue(), queue.Queue()
    threading.Thread(target=read, args=(watching.stdout, events), daemon=True).start()
    threading.Thread(target=read, args=(server.stdout, notes), daemon=True).start()
    moments = []
    while True:
        _, note = notes.get(timeout=120)
        if "over" in note:
            break
        moments.append(note["at"])
    watching.send_signal(signal.SIGINT)
    watching.wait(timeout=60)
    server.kill()
    named = []
    while not events.empty():
        at, event = events.get()
        if event["event"] in ("identified", "changed") and event["person"]:
            named.append((at, event["person"]))
    times, wrong, missing = [], 0, 0
    for number, begun in enumerate(moments):
        # From one appearance to the next, 0.2 s of slack for clocks.
        here = [(at - begun, name) for at, name in named if begun - 0.2 <= at < begun + SHOWN + GONE - 0.2]
        wrong += sum(name != shown[number] for _, name in here)
        right = [at for at, name in here if name == shown[number]]
        missing += not right
        times += right[:1]
        print(f"{number}: {shown[number]}: {'no name' if not right else f'{right[0]:.3f} s'}")
    print(f"{len(moments)} appearances: name after a median of {statistics.median(times):.3f} s, at most {max(times):.3f} s; "
          f"within 1 s: {sum(t <= 1.0 for t in times)}; wrong names: {wrong}, without a name: {missing}")


if sys.argv[1] == "camera":
    camera(sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4]))
else:
    main()
