/** Limits of an endpoint. */
export interface WhipLimits {
  /** Resources of this process at most, those that are being set up included. */
  readonly maxResources: number;
  /** Resources of one address at most. */
  readonly maxResourcesPerAddress: number;
  /** Requests of one address per second; bursts of ten times as many. */
  readonly requestsPerSecondPerAddress: number;
  /** Time from the headers of a request to the end of its body, ms. */
  readonly bodyWithinMs: number;
  /** Time that a request to the fleet may take: a resource that is not set up by then is refused with 504, ms. */
  readonly setUpWithinMs: number;
  /** Time for the answer to a counter-offer, ms. */
  readonly answerWithinMs: number;
}

/** Size of a request body at most, in bytes. */
export const maxBodyBytes = 65_536;

export const defaultLimits: WhipLimits = {
  maxResources: 500,
  maxResourcesPerAddress: 50,
  requestsPerSecondPerAddress: 10,
  bodyWithinMs: 5000,
  setUpWithinMs: 10_000,
  answerWithinMs: 30_000,
};
