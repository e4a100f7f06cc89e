import { fileURLToPath } from 'node:url';
import { Child } from '@flotilla/processes';

const encoder = [
  'videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=30/1',
  // Key frames on request only, apart from the first.
  'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30000 bitrate=400 ! video/x-h264,profile=baseline',
  'rtph264pay pt=96 config-interval=-1',
].join(' ! ');
const sound = 'audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=97';

export interface RtpTarget {
  readonly video: number;
  readonly audio: number;
  /** Where the sender receives RTCP of the video. */
  readonly rtcp: number;
}

/** An encoder of GStreamer that sends H.264 and Opus over RTP, and makes a key frame when RTCP requests one. */
export function startEncoder({ video, audio, rtcp }: RtpTarget): Child {
  const to = (port: number): string => `udpsink host=127.0.0.1 port=${port} sync=false async=false`;
  const pipeline = `rtpbin name=bin rtp-profile=avpf ${encoder} ! bin.send_rtp_sink_0 bin.send_rtp_src_0 ! ${to(video)}
    bin.send_rtcp_src_0 ! ${to(video + 1)} udpsrc address=127.0.0.1 port=${rtcp} ! bin.recv_rtcp_sink_0
    ${sound} ! bin.send_rtp_sink_1 bin.send_rtp_src_1 ! ${to(audio)} bin.send_rtcp_src_1 ! ${to(audio + 1)}`;
  return new Child('encoder', 'gst-launch-1.0', ['-q', ...pipeline.split(/\s+/)]);
}

/** A camera of gst-rtsp-server at `rtsp://ada:secret@127.0.0.1:PORT/STREAM`, where the stream is `h264`, `high` or `jpeg`. */
export async function startCamera(port: number): Promise<Child> {
  const script = fileURLToPath(new URL('./rtsp_camera.py', import.meta.url));
  // The bindings are packages of the system's Python.
  const camera = new Child('camera', '/usr/bin/python3', [script, String(port)]);
  await camera.line(/camera ready/);
  return camera;
}

/** An encoder of FFmpeg that sends H.264 and Opus over RTP, in which a flash and a beep start together every second. */
export function startFlashes({ video, audio }: Pick<RtpTarget, 'video' | 'audio'>): Child {
  const isOn = String.raw`lt(mod(t\,1)\,0.1)`;
  const to = (port: number, payloadType: number): string[] => [
    ...['-payload_type', String(payloadType), '-f', 'rtp'],
    `rtp://127.0.0.1:${port}?pkt_size=1200`,
  ];
  return new Child('flashes', 'ffmpeg', [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin'],
    ...['-re', '-f', 'lavfi', '-i', `color=black:s=320x240:r=30,drawbox=c=white:t=fill:enable='${isOn}'`],
    ...['-re', '-f', 'lavfi', '-i', `aevalsrc='if(${isOn}\\,0.5*sin(2*PI*1000*t)\\,0)':s=48000:c=stereo`],
    ...['-map', '0:v', '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-profile:v', 'baseline'],
    ...['-pix_fmt', 'yuv420p', '-g', '30', ...to(video, 96)],
    ...['-map', '1:a', '-c:a', 'libopus', '-b:a', '64k', ...to(audio, 97)],
  ]);
}
