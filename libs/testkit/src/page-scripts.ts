/** Scripts that run in a call page before its own. */

/** The part of the SDK's room in the page that tests read. */
interface PageRoom {
  readonly id: string;
  readonly nodeId?: string;
  readonly state: string;
  readonly me: { readonly id: string };
  readonly publications: ReadonlyMap<string, unknown>;
  readonly participants: ReadonlyMap<
    string,
    {
      readonly name: string;
      readonly publications: ReadonlyMap<
        string,
        {
          readonly id: string;
          readonly kind: string;
          readonly muted: boolean;
          readonly pausedForBandwidth: boolean;
          readonly track?: MediaStreamTrack;
        }
      >;
    }
  >;
  send(data: unknown): Promise<void>;
  on(name: 'message' | 'stateChanged' | 'migrated' | 'migrationFailed', listener: (data: unknown) => void): void;
}

declare global {
  var flotilla: { readonly room?: PageRoom };
  var received: unknown[];
  var statesSeen: unknown[];
  var frameGaps: Map<string, { longest: number; frames: number; of: string }>;
  var connections: RTCPeerConnection[];
  var sound: Map<string, [number, number]>;
  var moves: { ms?: number; error?: string }[];
  var renderedFrames: WeakMap<HTMLVideoElement, number>;
}

export function prepare(): void {
  globalThis.connections = [];
  globalThis.sound = new Map();
  globalThis.renderedFrames = new WeakMap();
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      globalThis.connections.push(this);
    }
  };
}

export function misdirectCandidates(): void {
  // Address and port are the fifth and the sixth field (RFC 8839, section 5.1). Port 9 is `discard` (RFC 863).
  const misdirect = (text: string): string => text.replace(/(candidate:(?:\S+ ){4})\S+ \d+ /g, '$1127.0.0.1 9 ');
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    override addIceCandidate(init?: RTCIceCandidateInit | null): Promise<void> {
      return super.addIceCandidate(init && { ...init, candidate: misdirect(init.candidate ?? '') });
    }

    override setRemoteDescription({ type, sdp = '' }: RTCSessionDescriptionInit): Promise<void> {
      return super.setRemoteDescription({ type, sdp: misdirect(sdp) });
    }
  };
}

/** Replaces the URL of signaling that the console names. */
export function redirectSignaling(url: string): void {
  const request = globalThis.fetch;
  globalThis.fetch = async (...args) => {
    const response = await request(...args);
    if (!response.url.endsWith('/console/entry')) return response;
    const { status } = response;
    return Response.json({ ...((await response.json()) as object), url }, { status });
  };
}

/** Leaves the page without camera, microphone and screen. */
export function removeDevices(): void {
  const devices = navigator.mediaDevices;
  devices.enumerateDevices = () => Promise.resolve([]);
  const refuse = (): Promise<MediaStream> =>
    Promise.reject(new DOMException('There is no such device.', 'NotFoundError'));
  devices.getUserMedia = refuse;
  devices.getDisplayMedia = refuse;
}

/** Resolution of the camera in pixels, regardless of the constraints that the page requests. */
export interface CameraSize {
  readonly width: number;
  readonly height: number;
}

export function limitCamera({ width, height }: CameraSize): void {
  const devices = navigator.mediaDevices;
  const getUserMedia = devices.getUserMedia.bind(devices);
  devices.getUserMedia = (constraints) => {
    const { video } = constraints ?? {};
    if (!video) return getUserMedia(constraints);
    return getUserMedia({ ...constraints, video: { ...(video === true ? {} : video), width, height } });
  };
}
