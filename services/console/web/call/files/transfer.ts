export type TransferState = 'waiting' | 'moving' | 'done' | 'stopped';

/** State of a file transfer for the view. */
export class Transfer {
  state: TransferState = 'waiting';
  /** Bytes handed to the network, or received. */
  bytes = 0;
  /** The outcome: who received it, or why it stopped. */
  note = '';
  /** Object URL of a received file. */
  url: string | undefined;
  #began = 0;
  #ended: number | undefined;

  constructor(
    readonly id: number,
    readonly name: string,
    readonly size: number,
    /** Name of the sender; undefined for own files. */
    readonly from: string | undefined,
  ) {}

  get over(): boolean {
    return this.state === 'done' || this.state === 'stopped';
  }

  /** Mean rate since the first byte; 0 before. */
  get bytesPerSecond(): number {
    const ms = (this.#ended ?? performance.now()) - this.#began;
    return this.#began === 0 || ms <= 0 ? 0 : (this.bytes * 1000) / ms;
  }

  begin(): void {
    this.state = 'moving';
    this.#began = performance.now();
  }

  /** Returns false, and changes nothing, if the transfer has ended already. */
  end(state: 'done' | 'stopped', note: string): boolean {
    if (this.over) return false;
    this.state = state;
    this.note = note;
    this.#ended = performance.now();
    return true;
  }
}
