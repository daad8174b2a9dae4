"""An RTSP server for tests: plays a file of H.264, in MP4 or an MPEG transport stream (.ts), once for each client, behind a name and a password.

    python3 rtsp_server.py PORT FILE

It prints "ready" when it listens on rtsp://127.0.0.1:PORT/camera (name "ana", password "s3cret/word").
Needs GStreamer's RTSP server with its Python bindings (Debian: gir1.2-gst-rtsp-server-1.0, python3-gi,
gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad).
"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

port, path = sys.argv[1:]
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
demuxer = "tsdemux" if path.endswith(".ts") else "qtdemux"
factory.set_launch(f'( filesrc location="{path}" ! {demuxer} ! h264parse ! rtph264pay name=pay0 config-interval=1 )')
auth = GstRtspServer.RTSPAuth()
token = GstRtspServer.RTSPToken()
token.set_string("media.factory.role", "user")
auth.add_basic(GstRtspServer.RTSPAuth.make_basic("ana", "s3cret/word"), token)
server.set_auth(auth)
permissions = GstRtspServer.RTSPPermissions()
permissions.add_permission_for_role("user", "media.factory.access", True)
permissions.add_permission_for_role("user", "media.factory.construct", True)
factory.set_permissions(permissions)
server.get_mount_points().add_factory("/camera", factory)
if not server.attach(None):
    sys.exit(f"port {port} is taken")
print("ready", flush=True)
GLib.MainLoop().run()
