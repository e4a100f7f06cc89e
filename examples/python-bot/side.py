"""The media of a session on one SFU node: a transport each way. During a migration a session has two of these."""

import asyncio
import contextlib

from aiortc.mediastreams import MediaStreamError
from pymediasoup.models.transport import DtlsParameters, IceCandidate, IceParameters


class Side:
    """`request(type, payload)` sends a request about this side; during a migration it adds the migrationId."""

    def __init__(self, device, media: dict, request):
        self.node_id = media["nodeId"]
        self.subscriptions = media["subscriptions"]
        self._request = request
        self._send = device.createSendTransport(sctpParameters=None, **_parameters(media["send"]))
        self._recv = device.createRecvTransport(**_parameters(media["recv"]))
        # pymediasoup negotiates one track at a time.
        self._sending = asyncio.Lock()
        self._receiving = asyncio.Lock()
        # Decoded frames, by publication id and producer id.
        self.frames: dict[tuple[str, str], int] = {}
        self._first_frames: dict[tuple[str, str], asyncio.Event] = {}
        self._tasks: set[asyncio.Task] = set()
        self._tracks = []
        for transport in (self._send, self._recv):
            transport.on("connect", self._on_connect(transport.id))
        self._send.on("produce", self._on_produce)

    def _on_connect(self, transport_id: str):
        async def connect(dtls_parameters: DtlsParameters):
            parameters = dtls_parameters.model_dump(exclude_none=True)
            await self._request("connect_transport", {"transportId": transport_id, "dtlsParameters": parameters})

        return connect

    async def _on_produce(self, kind, rtp_parameters, app_data) -> str:
        payload = {"kind": kind, **app_data, "rtpParameters": rtp_parameters.model_dump(exclude_none=True)}
        publication = (await self._request("publish", payload))["publication"]
        self.published = publication["id"]
        return publication["producerId"]

    async def publish(self, track, **payload) -> str:
        """Publishes a track and returns the publication's id. `publicationId` replaces the producer of a publication."""
        async with self._sending:
            self._tracks.append(track)
            self.published = None
            await self._send.produce(track=track, stopTracks=False, appData=payload)
            return self.published

    async def receive(self, subscription: dict):
        """Creates the receiver of a subscription, then lets its media flow. Does nothing if it exists."""
        id = subscription["publicationId"]
        key = (id, subscription["producerId"])
        async with self._receiving:
            if key in self._first_frames:
                return
            self._first_frames[key] = asyncio.Event()
            consumer = await self._recv.consume(
                id=subscription["consumerId"],
                producerId=subscription["producerId"],
                kind=subscription["kind"],
                rtpParameters=subscription["rtpParameters"],
            )
        self._start(self._count(consumer.track, key))
        await self._request("update_subscriptions", {"publicationIds": [id], "paused": False})

    async def subscribe(self, publication_ids: list[str]):
        reply = await self._request("subscribe", {"publicationIds": publication_ids})
        for subscription in reply["subscriptions"]:
            await self.receive(subscription)

    async def first_frames(self, subscriptions: list[dict]):
        """Waits until a frame of each subscription was decoded."""
        keys = [(each["publicationId"], each["producerId"]) for each in subscriptions]
        await asyncio.gather(*(self._first_frames[key].wait() for key in keys))

    async def _count(self, track, key):
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
                self.frames[key] = self.frames.get(key, 0) + 1
                self._first_frames[key].set()

    def _start(self, work):
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self):
        for track in self._tracks:
            track.stop()
        for task in self._tasks:
            task.cancel()
        await self._send.close()
        await self._recv.close()


def _parameters(transport: dict) -> dict:
    return {
        "id": transport["id"],
        "iceParameters": IceParameters(**transport["iceParameters"]),
        "iceCandidates": [IceCandidate(**candidate) for candidate in transport["iceCandidates"]],
        "dtlsParameters": DtlsParameters(**transport["dtlsParameters"]),
    }
