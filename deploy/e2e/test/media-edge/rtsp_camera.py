"""An RTSP camera of GStreamer: rtsp_camera.py PORT. It asks for ada / secret by Digest, and prints "camera ready"."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

# What it sends, by path.
STREAMS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=400 "
    "! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 config-interval=0",
    "high": "x264enc tune=zerolatency speed-preset=superfast dct8x8=true key-int-max=30 ! video/x-h264,profile=high ! rtph264pay name=pay0 pt=96",
    "jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])

auth = GstRtspServer.RTSPAuth()
auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
user = GstRtspServer.RTSPToken()
user.set_string("media.factory.role", "viewer")
auth.add_digest("ada", "secret", user)
server.set_auth(auth)

for path, encoder in STREAMS.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        "( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
        + encoder
        + " )"
    )
    factory.set_shared(True)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/" + path, factory)
if server.attach(None) == 0:
    sys.exit("port in use")
print("camera ready", flush=True)
GLib.MainLoop().run()
