// NTP timestamps of RTCP: 64 bits, seconds since 1900 and their fraction (RFC 3550, section 4).

/** Seconds from 1900 to 1970. */
const epochSeconds = 2_208_988_800;
const fraction = 2 ** 32;

/** Milliseconds since the Unix epoch. NTP seconds that have their highest bit clear are of the era that begins in 2036. */
export function unixMsOfNtp(seconds: number, fractions: number): number {
  const sinceEpoch = seconds - epochSeconds + (seconds < 0x80_00_00_00 ? fraction : 0);
  return sinceEpoch * 1000 + (fractions / fraction) * 1000;
}

/** NTP seconds and fraction of a time in milliseconds since the Unix epoch. */
export function ntpOfUnixMs(unixMs: number): { seconds: number; fractions: number } {
  const whole = Math.floor(unixMs / 1000);
  const fractions = Math.floor(((unixMs - whole * 1000) / 1000) * fraction);
  return { seconds: (whole + epochSeconds) >>> 0, fractions };
}

/** The middle 32 bits, as in the report blocks of a receiver. */
export const middleOfNtp = (seconds: number, fractions: number): number =>
  (((seconds & 0xff_ff) << 16) | (fractions >>> 16)) >>> 0;
