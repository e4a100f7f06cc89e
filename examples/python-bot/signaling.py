"""A connection to Flotilla's signaling: requests with replies, and events. See docs/protocol.md."""

import asyncio
import json
import time

import websockets


class RequestFailed(Exception):
    """The server refused a request, or did not answer it (code DEADLINE_EXCEEDED)."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code


class Signaling:
    """One WebSocket connection. Iterate over `events()` to receive events."""

    def __init__(self, socket):
        self._socket = socket
        self._last_id = 0
        self._replies: dict[str, asyncio.Future] = {}

    @classmethod
    async def connect(cls, server: str, token: str) -> "Signaling":
        url = server.replace("http", "ws", 1) + "/v1/signal"
        protocols = ["flotilla.v1", f"flotilla.token.{token}", f"flotilla.time.{int(time.time() * 1000)}"]
        # The server negotiates no compression, and sends pings itself.
        socket = await websockets.connect(url, subprotocols=protocols, compression=None, ping_interval=None)
        return cls(socket)

    async def request(self, type: str, payload: dict, to: str | None = None, timeout_s: float = 10) -> dict:
        self._last_id += 1
        id = str(self._last_id)
        message = {"id": id, "type": type, "payload": payload}
        if to is not None:
            message["to"] = to
        reply = self._replies[id] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(json.dumps(message))
            return await asyncio.wait_for(reply, timeout_s)
        except (asyncio.TimeoutError, websockets.ConnectionClosed) as error:
            raise RequestFailed("DEADLINE_EXCEEDED", f"{type} was not answered") from error
        finally:
            del self._replies[id]

    async def events(self):
        """Yields events until the connection closes. Replies are handed to their requests meanwhile."""
        async for text in self._socket:
            message = json.loads(text)
            if "replyTo" not in message:
                yield message
                continue
            reply = self._replies.get(message["replyTo"])
            if reply is None or reply.done():
                continue
            if message["ok"]:
                reply.set_result(message["payload"])
            else:
                reply.set_exception(RequestFailed(message["error"]["code"], message["error"]["message"]))

    async def close(self):
        await self._socket.close(1000)
