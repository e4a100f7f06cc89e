// A recorder in a process of its own: `node recording-process.ts FOLDER CODEC BYTES`. It records frames of BYTES until the recording
// ends or the process is killed, and writes a line for each frame, then the manifest.
import { H264Packetizer, PacketPool, RtpWriter, Vp8Packetizer } from '@flotilla/rtp';
import { Recorder } from '@flotilla/recorder';

const [directory, codec, size] = process.argv.slice(2);
const frameMs = 40;
const framesPerGroup = 25;

const recorder = await Recorder.start({
  directory: directory!,
  recordingId: 'rec_1',
  roomId: 'rm_1',
  onEnd: (state, error) => {
    console.log(JSON.stringify({ state, code: (error as NodeJS.ErrnoException).code, manifest: recorder.manifest }));
  },
});
const feed = recorder.record({
  publicationId: 'pub_1',
  participantId: 'pt_1',
  kind: 'video',
  codec: { mimeType: `video/${codec}`, clockRate: 90_000, payloadType: 96 },
});
const startMs = Date.now();
let frames = 0;
const atMs = (): number => startMs + frames * frameMs;
const writer = new RtpWriter(
  { ssrc: 1, payloadType: 96, sequenceNumber: 1, pool: new PacketPool() },
  ({ bytes, length }) => feed.packet(bytes.subarray(0, length), atMs()),
);
const packetizer = codec === 'VP8' ? new Vp8Packetizer(writer) : new H264Packetizer(writer);
const content = Buffer.alloc(Number(size), 0x77);
const vp8 = (isKeyFrame: boolean): Buffer =>
  isKeyFrame ? Buffer.from('5000009d012a4001f000', 'hex') : Buffer.of(0x51);
const h264 = (isKeyFrame: boolean): Buffer =>
  Buffer.from(
    isKeyFrame ? '000000016742c00dda0507ec0440000003004000000f03c50aa80000000168ce0fc8000000016588' : '000000014188',
    'hex',
  );
feed.senderReport({ ssrc: 1, unixMs: startMs, rtpTimestamp: 0 });
while (recorder.state === 'recording') {
  const isKeyFrame = frames % framesPerGroup === 0;
  const start = codec === 'VP8' ? vp8(isKeyFrame) : h264(isKeyFrame);
  packetizer.write(Buffer.concat([start, content]), (frames * frameMs * 90) >>> 0);
  frames++;
  console.log(`frame ${frames}`);
  await new Promise((resolve) => setTimeout(resolve, 2));
}
