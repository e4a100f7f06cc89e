// A reassembler on a clock of the test, and what came out of it.
import { create } from '@bufbuild/protobuf';
import { type RelayStamp, RelayStampSchema, type Shard, ShardSchema } from '../src/generated/metadata_pb.ts';
import {
  type Loss,
  type MessageInfo,
  Reassembler,
  type ReassemblerOptions,
  type Refusal,
  type ShardInit,
  split,
} from '../src/index.ts';

export interface Received {
  readonly seqId: number;
  readonly bytes: Uint8Array;
  readonly info: MessageInfo;
}

export class Stream {
  now = 0;
  readonly delivered: Received[] = [];
  readonly losses: Loss[] = [];
  readonly reassembler: Reassembler;

  constructor(options: Partial<ReassemblerOptions> = {}) {
    this.reassembler = new Reassembler({
      now: () => this.now,
      deliver: (message, info) => this.delivered.push({ seqId: info.seqId, bytes: message.slice(), info }),
      lost: (loss) => this.losses.push(loss),
      ...options,
    });
  }

  /** Takes a shard whose buffer is used for something else afterwards. */
  accept(shard: Shard, stamp?: RelayStamp, once = false): Refusal | undefined {
    const payload = shard.payload.slice();
    const refusal = this.reassembler.accept({ ...shard, payload }, stamp, once);
    payload.fill(0xee);
    return refusal;
  }

  get ids(): number[] {
    return this.delivered.map(({ seqId }) => seqId);
  }

  get lostIds(): number[] {
    return this.losses.flatMap(({ fromSeqId, toSeqId }) =>
      Array.from({ length: toSeqId - fromSeqId + 1 }, (_, at) => fromSeqId + at),
    );
  }

  /** Lets the time pass until nothing waits any more. */
  settle(): void {
    while (Number.isFinite(this.reassembler.deadline)) {
      this.now = this.reassembler.deadline;
      this.reassembler.expire();
    }
  }
}

export const shardOf = (fields: ShardInit): Shard => create(ShardSchema, { topic: 'test', ...fields });

/** A message of so many bytes that no other message has. */
export const messageOf = (seqId: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => (seqId * 31 + at * 7 + (at >> 8)) & 255);

export const shardsOf = (seqId: number, size: number, most = 100): Shard[] =>
  [...split(messageOf(seqId, size), most)].map((part) => shardOf({ seqId, captureTime: 1000 + seqId, ...part }));

export const one = (seqId: number): Shard => shardsOf(seqId, 10)[0]!;

export const retained: RelayStamp = create(RelayStampSchema, { publisherId: 'pt_ada', routedAt: 1, retained: true });
