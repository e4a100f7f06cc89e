"""A participant without a browser: joins a room, publishes a tone and a moving bar, receives everybody else, and is moved
between SFU nodes during the call.

Prints one JSON object per line: what happened, and every second the number of decoded frames by publication.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import urllib.request

from aiortc.contrib.media import MediaRelay
from pymediasoup import AiortcHandler, Device
from pymediasoup.rtp_parameters import RtpCapabilities
from side import Side
from signaling import RequestFailed, Signaling
from tracks import MovingBar, Tone

# How long the old node keeps a session's media after a commit, in seconds.
LINGER_S = 2
# Pause between two attempts to commit, in seconds.
COMMIT_PAUSE_S = 0.5


def say(event: str, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Bot:
    def __init__(self, signaling: Signaling):
        self._signaling = signaling
        self._relay = MediaRelay()
        # What is published, with its fields in `publish`. `publicationId` is added once it is known.
        self._published = [
            (Tone(), {"source": "microphone"}),
            (MovingBar(), {"source": "camera"}),
        ]
        self._migration: asyncio.Task | None = None
        self._migration_id: str | None = None
        # Publications of others that send nothing.
        self._muted: set[str] = set()
        # Becomes the outcome of the running migration: True when it was committed.
        self._outcome: asyncio.Future | None = None
        self._next: Side | None = None
        self._tasks: set[asyncio.Task] = set()

    async def run(self, room: str):
        events = self._signaling.events()
        welcome = (await anext(events))["payload"]
        self._start(self._join(welcome, room))
        async for event in events:
            handler = getattr(self, f"_on_{event['type']}", None)
            if handler is not None:
                handler(event)

    async def _request(self, type: str, payload: dict) -> dict:
        return await self._signaling.request(type, payload, self._room)

    async def _join(self, welcome: dict, room: str):
        self._device = Device(handlerFactory=AiortcHandler.createFactory())
        await self._device.load(RtpCapabilities(**welcome["rtpCapabilities"]))
        capabilities = self._device.recvRtpCapabilities.model_dump(exclude_none=True)
        reply = await self._signaling.request("join", {"room": room, "rtpCapabilities": capabilities})
        self._room = f"room:{reply['snapshot']['room']['id']}"
        self._me = reply["participantId"]
        self._muted = {each["id"] for each in reply["snapshot"]["publications"] if each["muted"]}
        self._current = Side(self._device, reply["media"], self._request)
        say("joined", participantId=self._me, nodeId=self._current.node_id)
        for subscription in self._current.subscriptions:
            await self._current.receive(subscription)
        await self._publish_all(self._current)
        say("published", publicationIds=[fields["publicationId"] for _, fields in self._published])
        self._start(self._report_frames())

    async def _publish_all(self, side: Side):
        for track, fields in self._published:
            # Each side sends a copy, since both send for a while during a migration.
            fields["publicationId"] = await side.publish(self._relay.subscribe(track), **fields)

    async def _report_frames(self):
        while True:
            await asyncio.sleep(1)
            frames = {}
            for (publication_id, _), count in self._current.frames.items():
                frames[publication_id] = frames.get(publication_id, 0) + count
            say("frames", nodeId=self._current.node_id, frames=frames)

    # Publications of others. While the session is moved they are received on both nodes.

    def _on_publication_added(self, event: dict):
        publication = event["payload"]["publication"]
        if publication["participantId"] == self._me:
            return
        (self._muted.add if publication["muted"] else self._muted.discard)(publication["id"])
        for side in filter(None, (self._current, self._next)):
            self._start(side.subscribe([publication["id"]]))

    def _on_publication_updated(self, event: dict):
        # Another producer: its publisher was moved. `subscribe` answers with the consumer that exists when nothing changed.
        self._on_publication_added(event)

    # Migration, see docs/migration.md.

    def _on_migrate(self, event: dict):
        payload = event["payload"]
        self._migration_id = payload["migrationId"]
        # Both are of the server's clock, which may differ from this machine's.
        seconds = (payload["deadline"] - event["routedAt"]) / 1000
        self._outcome = asyncio.get_running_loop().create_future()
        self._migration = self._start(self._migrate(payload, seconds))

    def _on_migration_rolled_back(self, event: dict):
        if event["payload"]["migrationId"] == self._migration_id:
            self._set_outcome(False)
            if self._migration is not None:
                self._migration.cancel()

    def _on_participant_moved(self, event: dict):
        if event["payload"].get("migrationId") == self._migration_id:
            self._set_outcome(True)

    def _set_outcome(self, is_committed: bool):
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(is_committed)

    async def _migrate(self, payload: dict, seconds: float):
        id = payload["migrationId"]
        is_committed = False

        async def request_on_new_node(type: str, body: dict) -> dict:
            return await self._request(type, body if is_committed else {**body, "migrationId": id})

        side = self._next = Side(self._device, payload["media"], request_on_new_node)
        previous = self._current
        try:
            async with asyncio.timeout(seconds):
                for subscription in side.subscriptions:
                    await side.receive(subscription)
                await side.first_frames([each for each in side.subscriptions if each["publicationId"] not in self._muted])
                await self._publish_all(side)
            is_committed = await self._commit(id)
        except Exception as error:
            with contextlib.suppress(RequestFailed):
                await self._request("migration_failed", {"migrationId": id, "reason": str(error)[:256]})
            say("migration_failed", migrationId=id, reason=repr(error))
        finally:
            self._next = None
            if is_committed:
                self._current = side
            else:
                await side.close()
        if is_committed:
            say("moved", migrationId=id, fromNode=previous.node_id, toNode=side.node_id)
            # Until then others may still receive from the old node.
            await asyncio.sleep(LINGER_S)
            await previous.close()

    async def _commit(self, id: str) -> bool:
        """Sends `migrated` until it is answered, or until an event says the outcome."""
        while not self._outcome.done():
            try:
                await self._request("migrated", {"migrationId": id})
                return True
            except RequestFailed as error:
                if error.code == "MIGRATION_NOT_ACTIVE":
                    return False
                await asyncio.wait([self._outcome], timeout=COMMIT_PAUSE_S)
        return self._outcome.result()

    def _on_media_lost(self, event: dict):
        if self._me in event["payload"]["participantIds"]:
            self._start(self._reopen())

    async def _reopen(self):
        if self._migration is not None:
            self._migration.cancel()
        await self._current.close()
        capabilities = self._device.recvRtpCapabilities.model_dump(exclude_none=True)
        media = await self._request("open_media", {"rtpCapabilities": capabilities})
        self._current = Side(self._device, media, self._request)
        for subscription in self._current.subscriptions:
            await self._current.receive(subscription)
        await self._publish_all(self._current)
        say("reopened", nodeId=self._current.node_id)

    def _start(self, work) -> asyncio.Task:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task):
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            say("error", message=repr(task.exception()))

    async def leave(self):
        with contextlib.suppress(RequestFailed):
            await self._request("leave", {})
        await self._signaling.close()
        for task in self._tasks:
            task.cancel()
        for side in filter(None, (self._current, self._next)):
            await side.close()
        say("left")


def fetch_token(server: str, room: str, name: str, api_key: str | None) -> str:
    """Creates the room unless it exists, and issues a token. In production your backend does this."""

    def post(path: str, body: dict) -> dict:
        headers = {"content-type": "application/json"}
        if api_key is not None:
            headers["authorization"] = f"Bearer {api_key}"
        request = urllib.request.Request(server + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    try:
        post("/v1/rooms", {"name": room})
    except urllib.error.HTTPError as error:
        if error.code != 409:  # ROOM_EXISTS
            raise
    return post(f"/v1/rooms/{room}/tokens", {"name": name, "grants": ["publish", "subscribe", "data"]})["token"]


async def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", default="http://localhost:8080", help="URL of signaling, and of REST unless --token is given")
    options.add_argument("--room", default="stand-up")
    options.add_argument("--name", default="Bot")
    options.add_argument("--token", help="join token; without it, one is issued over REST")
    key = os.environ.get("FLOTILLA_API_KEY")
    options.add_argument("--api-key", default=key, help="API key of the REST API (default: FLOTILLA_API_KEY); `npm start` prints one")
    args = options.parse_args()
    token = args.token or fetch_token(args.server, args.room, args.name, args.api_key)

    bot = Bot(await Signaling.connect(args.server, token))
    running = asyncio.create_task(bot.run(args.room))
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    await asyncio.wait([running, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    await bot.leave()


if __name__ == "__main__":
    asyncio.run(main())
