"""Publishes a tone and a moving bar by WHIP, plays them by WHEP until 10 frames of each were decoded, and ends both."""

import asyncio
import json
import sys
import urllib.request

sys.path.insert(0, sys.argv[1])
from aiortc import RTCPeerConnection, RTCSessionDescription  # noqa: E402
from tracks import MovingBar, Tone  # noqa: E402

_, _, whip, whip_token, whep, whep_token = sys.argv


def _send(method: str, url: str, token: str, body: str | None = None):
    headers = {"authorization": f"Bearer {token}", "content-type": "application/sdp"}
    request = urllib.request.Request(url, body and body.encode(), headers, method=method)
    try:
        response = urllib.request.urlopen(request, timeout=15)
    except urllib.error.HTTPError as error:
        response = error
    return response.status, response.headers.get("location"), response.read().decode()


async def send(*arguments):
    return await asyncio.get_running_loop().run_in_executor(None, _send, *arguments)


async def main():
    publisher, player = RTCPeerConnection(), RTCPeerConnection()
    publisher.addTransceiver(Tone(), direction="sendonly")
    publisher.addTransceiver(MovingBar(), direction="sendonly")
    await publisher.setLocalDescription(await publisher.createOffer())
    published, location, answer = await send("POST", whip, whip_token, publisher.localDescription.sdp)
    if published != 201:
        raise SystemExit(answer)
    await publisher.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    frames = {"audio": 0, "video": 0}
    tasks = []

    @player.on("track")
    def on_track(track):
        async def read():
            while True:
                await track.recv()
                frames[track.kind] += 1

        tasks.append(asyncio.ensure_future(read()))

    for kind in frames:
        player.addTransceiver(kind, direction="recvonly")
    await player.setLocalDescription(await player.createOffer())
    played, resource, answer = await send("POST", whep + "?answer=201", whep_token, player.localDescription.sdp)
    if played != 201:
        raise SystemExit(answer)
    await player.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    while min(frames.values()) < 10:
        await asyncio.sleep(0.05)
    origin = whip[: whip.index("/whip/")]
    deleted = [(await send("DELETE", origin + resource, whep_token))[0], (await send("DELETE", origin + location, whip_token))[0]]
    print(json.dumps({"published": published, "played": played, "deleted": deleted}), flush=True)


asyncio.run(asyncio.wait_for(main(), 60))
