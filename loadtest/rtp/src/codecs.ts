import {
  type Depacketizer,
  type DepacketizerHandlers,
  H264Depacketizer,
  H264Packetizer,
  H265Depacketizer,
  H265Packetizer,
  OpusDepacketizer,
  OpusPacketizer,
  type Packetizer,
  type RtpWriter,
  Vp8Depacketizer,
  Vp8Packetizer,
} from '@flotilla/rtp';

export interface Codec {
  readonly name: string;
  /** A frame of about this many bytes. */
  readonly frame: (bytes: number) => Buffer;
  readonly packetizer: (writer: RtpWriter) => Packetizer;
  readonly depacketizer: (handlers: DepacketizerHandlers) => Depacketizer;
}

const filler = 0x77;
const maxOpusBytes = 160;

/** An access unit of parameter sets and one picture that can be decoded without others. */
const accessUnit =
  (...starts: readonly string[]) =>
  (bytes: number): Buffer =>
    Buffer.concat([...starts.map((start) => Buffer.from(`00000001${start}7777`, 'hex')), Buffer.alloc(bytes, filler)]);

export const codecs: readonly Codec[] = [
  {
    name: 'H.264',
    frame: accessUnit('67', '68', '6588'),
    packetizer: (writer) => new H264Packetizer(writer),
    depacketizer: (handlers) => new H264Depacketizer(handlers),
  },
  {
    name: 'H.265',
    frame: accessUnit('4001', '4201', '2601af'),
    packetizer: (writer) => new H265Packetizer(writer),
    depacketizer: (handlers) => new H265Depacketizer(handlers),
  },
  {
    name: 'VP8',
    frame: (bytes) => Buffer.concat([Buffer.from('5000009d012a4001f000', 'hex'), Buffer.alloc(bytes, filler)]),
    packetizer: (writer) => new Vp8Packetizer(writer),
    depacketizer: (handlers) => new Vp8Depacketizer(handlers),
  },
  {
    name: 'Opus',
    frame: (bytes) => Buffer.concat([Buffer.of(0xf8), Buffer.alloc(Math.min(bytes, maxOpusBytes), filler)]),
    packetizer: (writer) => new OpusPacketizer(writer),
    depacketizer: (handlers) => new OpusDepacketizer(handlers),
  },
];
