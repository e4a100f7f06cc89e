import type { RemotePublication } from '../room/remote-publication.ts';
import type { SfuLinks } from '../sfu/links.ts';
import { FrameTimes } from './frame-times.ts';

/** How often it is looked which element shows the video. */
const lookEveryMs = 500;
/** A capture time farther from now than this is that of another stream, which was just replaced. */
const plausibleMs = 10_000;

/** The share of a frame's way in the usual way. */
const smoothing = 1 / 8;

/**
 * Tells when each frame of a video is presented, and when it was captured by its sender's clock. It goes by the element that
 * the publication is attached to, or by one of its own that nobody sees.
 */
export class FrameWatch {
  readonly #timer: ReturnType<typeof setInterval>;
  #element: HTMLVideoElement | undefined;
  #own: HTMLVideoElement | undefined;
  #callback = 0;
  /** What a frame usually takes from its capture to its last packet here, with the difference of the two clocks. */
  #wayMs: number | undefined;
  #times: { readonly track: MediaStreamTrack; readonly times: FrameTimes } | undefined;

  constructor(
    private readonly publication: RemotePublication,
    private readonly links: SfuLinks,
    private readonly onFrame: (capturedMs: number) => void,
  ) {
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
    this.#look();
  }

  #look(): void {
    const attached = [...this.publication.elements].find(
      (element): element is HTMLVideoElement => element instanceof HTMLVideoElement && element.isConnected,
    );
    const element = attached ?? this.#ownElement();
    if (element === this.#element) return;
    this.#element?.cancelVideoFrameCallback(this.#callback);
    this.#element = element;
    if (attached) this.#dropOwn();
    this.#next(element);
  }

  #ownElement(): HTMLVideoElement {
    if (this.#own) return this.#own;
    const element = document.createElement('video');
    element.muted = true;
    element.playsInline = true;
    element.autoplay = true;
    this.publication.attach(element);
    return (this.#own = element);
  }

  #dropOwn(): void {
    if (this.#own) this.publication.detach(this.#own);
    this.#own = undefined;
  }

  #next(element: HTMLVideoElement): void {
    this.#callback = element.requestVideoFrameCallback((_now, { rtpTimestamp, receiveTime }) => {
      if (element !== this.#element) return;
      this.#next(element);
      if (rtpTimestamp !== undefined && receiveTime !== undefined) this.#presented(rtpTimestamp, receiveTime);
    });
  }

  #presented(rtpTimestamp: number, receiveTime: number): void {
    const told = this.#timesOfTrack()?.captureTime(rtpTimestamp);
    if (told !== undefined && Math.abs(told - Date.now()) < plausibleMs) {
      const wayMs = receiveTime - told;
      this.#wayMs = this.#wayMs === undefined ? wayMs : this.#wayMs + smoothing * (wayMs - this.#wayMs);
      this.onFrame(told);
    } else if (this.#wayMs !== undefined) {
      // Only one frame a second tells for certain: after the track was replaced it may take as long until the first does.
      this.onFrame(receiveTime - this.#wayMs);
    }
  }

  #timesOfTrack(): FrameTimes | undefined {
    const { track } = this.publication;
    if (!track) return undefined;
    if (this.#times?.track !== track) {
      const receiver = this.links.receiverOf(track);
      this.#times = receiver && { track, times: new FrameTimes(receiver) };
    }
    return this.#times?.times;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#element?.cancelVideoFrameCallback(this.#callback);
    this.#element = undefined;
    this.#dropOwn();
  }
}
