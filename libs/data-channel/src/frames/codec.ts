import { create, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { FrameError, type FrameErrorCode } from './frame-error.ts';
import {
  type MetadataFrame,
  MetadataFrameSchema,
  type RelayStamp,
  RelayStampSchema,
  type Shard,
} from '../generated/metadata_pb.ts';
import { maxFrameBytes } from './limits.ts';
import { fitsLayout } from '../shards/layout.ts';
import { frameWriter } from './frame-writer.ts';

/** The sender of a frame. */
export type FrameOrigin = 'publisher' | 'relay';

type Body = Exclude<MetadataFrame['body'], { case: undefined }>;

/** A validated frame. `payload` of a shard is a view into the bytes it was decoded from. */
export interface Frame {
  readonly body: Body;
  /** Present on every shard from the relay, and on no other frame. */
  readonly stamp: RelayStamp | undefined;
}

const topicPattern = /^[A-Za-z0-9][\w./:-]{0,127}$/;
const publisherPattern = /^[\w.@:+-]{1,128}$/;
const refuseUnknown = { readUnknownFields: false };

/** Whether a topic name is valid: 1 to 128 letters, digits and `_ . / : -`, the first a letter or digit. */
export const isTopic = (name: string): boolean => topicPattern.test(name);

function demand(holds: boolean, code: FrameErrorCode, message: string): asserts holds {
  if (!holds) throw new FrameError(code, message);
}

const checkTopic = (topic: string): void =>
  demand(isTopic(topic), 'topic', 'A topic has 1 to 128 letters, digits and _ . / : -');
const checkPublisher = (id: string): void =>
  demand(publisherPattern.test(id), 'publisher', 'A publisher id has 1 to 128 letters, digits and _ . @ : + -');
const checkTime = (time: number): void =>
  demand(time >= 0 && time <= Number.MAX_SAFE_INTEGER, 'time', 'A time is in microseconds since the Unix epoch');

function checkBody(body: MetadataFrame['body']): asserts body is Body {
  switch (body.case) {
    case 'shard': {
      const { topic, index, total, size, payload, captureTime } = body.value;
      checkTopic(topic);
      checkTime(captureTime);
      demand(fitsLayout(size, total, index, payload.length), 'shard', 'Index, total, size and payload do not agree');
      return;
    }
    case 'timeRequest':
      return checkTime(body.value.t1);
    case 'timeResponse':
      checkTime(body.value.t1);
      checkTime(body.value.t2);
      return checkTime(body.value.t3);
    case 'lossNotice':
      checkTopic(body.value.topic);
      checkPublisher(body.value.publisherId);
      return demand(body.value.fromSeqId <= body.value.toSeqId, 'range', 'The range ends before it begins');
    case 'modeSwitch':
      checkTopic(body.value.topic);
      if (body.value.publisherId !== '') checkPublisher(body.value.publisherId);
      return;
    case undefined:
      throw new FrameError('unknown-kind', 'Unknown kind of frame');
  }
}

function checkOrigin(body: Body, stamp: RelayStamp | undefined, from: FrameOrigin): void {
  const { case: kind } = body;
  const stamped = stamp !== undefined;
  if (from === 'publisher') {
    const allowed =
      kind === 'shard' || kind === 'timeRequest' || (kind === 'modeSwitch' && body.value.publisherId === '');
    return demand(allowed && !stamped, 'direction', 'A publisher must not send this frame');
  }
  demand(kind !== 'timeRequest' && stamped === (kind === 'shard'), 'direction', 'The relay must not send this frame');
  if (kind === 'modeSwitch') checkPublisher(body.value.publisherId);
  if (stamped) checkStamp(stamp);
}

function checkStamp({ publisherId, routedAt }: RelayStamp): void {
  checkPublisher(publisherId);
  checkTime(routedAt);
  demand(routedAt > 0, 'time', 'A stamp needs a routing time');
}

function parse(bytes: Uint8Array): MetadataFrame {
  try {
    return fromBinary(MetadataFrameSchema, bytes, refuseUnknown);
  } catch (cause) {
    throw new FrameError('malformed', 'Not a metadata frame', { cause });
  }
}

/**
 * Decodes and validates a frame. Unknown fields are skipped.
 *
 * @param from sender of the frame, which decides the kinds of frames that are accepted
 * @throws FrameError only
 */
export function decodeFrame(bytes: Uint8Array, from: FrameOrigin, maxBytes = maxFrameBytes): Frame {
  demand(bytes.length <= maxBytes, 'too-large', `A frame has at most ${maxBytes} bytes, not ${bytes.length}`);
  const { body, stamp } = parse(bytes);
  checkBody(body);
  checkOrigin(body, stamp, from);
  return { body, stamp };
}

type Fields<M extends Message> = Partial<Omit<M, keyof Message>>;
type BodyInit = { [Kind in Body['case']]: { case: Kind; value: Fields<Extract<Body, { case: Kind }>['value']> } };

/** The fields of a shard. Missing ones are 0, false or empty. */
export type ShardInit = Fields<Shard>;

/** The fields of a relay's stamp. Missing ones are 0, false or empty. */
export type StampInit = Fields<RelayStamp>;

/** The fields of a frame. Missing ones are 0, false or empty. */
export interface FrameInit {
  body?: BodyInit[Body['case']];
  stamp?: StampInit | undefined;
}

/**
 * Validates and encodes a frame. The sender is not checked.
 *
 * @throws FrameError only
 */
export function encodeFrame(init: FrameInit, maxBytes = maxFrameBytes): Uint8Array<ArrayBuffer> {
  return written(maxBytes, () => {
    const frame = create(MetadataFrameSchema, init);
    const { body, stamp } = frame;
    checkBody(body);
    if (stamp) checkStamp(stamp);
    if (body.case !== 'shard') return toBinary(MetadataFrameSchema, frame);
    demand(body.value.payload.length <= maxBytes, 'too-large', `A frame has at most ${maxBytes} bytes`);
    return frameWriter.shard(body.value, stamp);
  });
}

/**
 * Appends the relay's stamp to an encoded frame without decoding it: protobuf merges concatenated messages, and the last value of a
 * field counts (protobuf.dev, Encoding, "Last One Wins"). A stamped frame can therefore be stamped again, as retained.
 *
 * @throws FrameError only
 */
export function stampFrame(frame: Uint8Array, init: StampInit, maxBytes = maxFrameBytes): Uint8Array<ArrayBuffer> {
  return written(maxBytes, () => {
    const stamp = create(RelayStampSchema, init);
    checkStamp(stamp);
    demand(frame.length <= maxBytes, 'too-large', `A frame has at most ${maxBytes} bytes`);
    return frameWriter.stamped(frame, stamp);
  });
}

function written(maxBytes: number, write: () => Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  try {
    const bytes = write();
    demand(bytes.length <= maxBytes, 'too-large', `A frame has at most ${maxBytes} bytes, not ${bytes.length}`);
    return bytes;
  } catch (cause) {
    if (cause instanceof FrameError) throw cause;
    throw new FrameError('malformed', 'Invalid fields of a metadata frame', { cause });
  }
}
