"""What the bot sends: a tone and a moving bar, both generated."""

import array
import asyncio
import math
import time
from fractions import Fraction

from aiortc import MediaStreamTrack
from av import AudioFrame, VideoFrame


class _Paced(MediaStreamTrack):
    """Delivers frames at the pace of the clock. `step` is the duration of a frame in units of `rate`."""

    rate = step = 1

    def __init__(self):
        super().__init__()
        self._started = time.monotonic()
        self._pts = 0

    async def _next_pts(self) -> int:
        await asyncio.sleep(max(0, self._started + self._pts / self.rate - time.monotonic()))
        pts = self._pts
        self._pts += self.step
        return pts


class Tone(_Paced):
    """440 Hz, mono, 48 kHz, in frames of 20 ms."""

    kind = "audio"
    rate = 48_000
    step = 960

    async def recv(self) -> AudioFrame:
        pts = await self._next_pts()
        samples = array.array("h", (int(8000 * math.sin(2 * math.pi * 440 * (pts + i) / self.rate)) for i in range(self.step)))
        frame = AudioFrame(format="s16", layout="mono", samples=self.step)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate = self.rate
        frame.pts = pts
        frame.time_base = Fraction(1, self.rate)
        return frame


class MovingBar(_Paced):
    """A white bar that crosses a grey picture of 320 x 180, at 10 frames per second."""

    kind = "video"
    rate = 90_000
    step = 9_000
    width, height = 320, 180

    async def recv(self) -> VideoFrame:
        pts = await self._next_pts()
        frame = VideoFrame(self.width, self.height, "yuv420p")
        x = pts // self.step * 4 % (self.width - 16)
        luma, *chroma = frame.planes
        row = bytearray(b"\x60" * luma.line_size)
        row[x : x + 16] = b"\xff" * 16
        luma.update(bytes(row) * self.height)
        for plane in chroma:
            plane.update(b"\x80" * plane.buffer_size)
        frame.pts = pts
        frame.time_base = Fraction(1, self.rate)
        return frame
