import type {
  MediaSessionParameters,
  ReplyPayload,
  RequestPayload,
  RequestType,
  RtpCapabilities,
} from '@flotilla/contracts';

/** A system under test: opens sessions in one room and answers their requests. */
export interface Side {
  /** Opens a session that is subscribed to all existing publications. */
  open(index: number): Promise<MediaSessionParameters>;
  request<T extends RequestType>(index: number, type: T, payload: RequestPayload<T>): Promise<ReplyPayload<T>>;
  close(): Promise<void>;
}

/** IPC calls of the measuring process. */
export type Call =
  | { readonly id: number; readonly open: number }
  | {
      readonly id: number;
      readonly request: { index: number; type: RequestType; payload: RequestPayload<RequestType> };
    };

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Receive capabilities of the subscribers of both sides: without RTX and bandwidth estimation. */
export function receivable({ codecs = [] }: RtpCapabilities): RtpCapabilities {
  return {
    codecs: codecs.filter(({ mimeType }) => ['audio/opus', 'video/vp8'].includes(mimeType.toLowerCase())),
    headerExtensions: [],
  };
}

/** Serves the measuring process until it exits. */
export function serve(side: Side): void {
  process.on('message', (call: Call) => {
    const work: Promise<unknown> =
      'open' in call ? side.open(call.open) : side.request(call.request.index, call.request.type, call.request.payload);
    work.then(
      (value) => process.send!({ id: call.id, value } satisfies Answer),
      (error: unknown) => process.send!({ id: call.id, error: String(error) } satisfies Answer),
    );
  });
  process.on('disconnect', () => void side.close().finally(() => process.exit(0)));
  process.send!({ id: 0 } satisfies Answer);
}
