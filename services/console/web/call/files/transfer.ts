export type TransferState = 'waiting' | 'moving' | 'done' | 'stopped';

/** A file on its way, as it is shown. */
export class Transfer {
  state: TransferState = 'waiting';
  /** Bytes handed to the network, or received. */
  bytes = 0;
  /** What became of it, or why it stopped. */
  note = '';
  /** Where a received file can be had. */
  url: string | undefined;
  #began = 0;
  #ended: number | undefined;

  constructor(
    readonly id: number,
    readonly name: string,
    readonly size: number,
    /** Who sends it; undefined: you. */
    readonly from: string | undefined,
  ) {}

  get over(): boolean {
    return this.state === 'done' || this.state === 'stopped';
  }

  /** Since its first byte; 0 before. */
  get bytesPerSecond(): number {
    const ms = (this.#ended ?? performance.now()) - this.#began;
    return this.#began === 0 || ms <= 0 ? 0 : (this.bytes * 1000) / ms;
  }

  begin(): void {
    this.state = 'moving';
    this.#began = performance.now();
  }

  /** The first end counts. */
  end(state: 'done' | 'stopped', note: string): boolean {
    if (this.over) return false;
    this.state = state;
    this.note = note;
    this.#ended = performance.now();
    return true;
  }
}
