/** RFC 3550, section 12.1; RFC 4585, section 6.1. */
export const packetTypes = {
  senderReport: 200,
  receiverReport: 201,
  sourceDescription: 202,
  bye: 203,
  transportFeedback: 205,
  payloadFeedback: 206,
} as const;

/** RFC 4585, section 6.2. */
export const transportFormats = { nack: 1 } as const;
/** RFC 4585, section 6.3; RFC 5104, section 4.3. */
export const payloadFormats = { pictureLoss: 1, fullIntraRequest: 4 } as const;
