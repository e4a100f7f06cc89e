/**
 * Grammars of texts that other clients put into a session description. A browser that cannot parse one of them refuses the
 * whole description, and with it the media of everybody in it.
 */
import { z } from 'zod';

const tokenCharacter = "[!#-'*+\\-.0-9A-Z^-~]";

/** `token` (RFC 8866, section 9). */
const tokenOf = (most: number): z.ZodString =>
  z.string().regex(new RegExp(`^${tokenCharacter}{1,${most}}$`), 'must be a token (RFC 8866, section 9)');

/** Media identification (RFC 5888, section 4). As header extension it has 16 bytes at most (RFC 8285, section 4.2). */
export const Mid = tokenOf(16);

/** The same, or empty. */
export const OptionalMid = z
  .string()
  .regex(new RegExp(`^${tokenCharacter}{0,16}$`), 'must be empty or a token (RFC 8866, section 9)');

/** `rid-id` (RFC 8851, section 10). */
export const Rid = z.string().regex(/^[A-Za-z0-9_-]{1,16}$/, 'must be a rid-id (RFC 8851, section 10)');

/** Stream id and, after a space, track id (RFC 8830, section 2). */
export const Msid = z
  .string()
  .regex(
    new RegExp(`^${tokenCharacter}{1,64}( ${tokenCharacter}{1,64})?$`),
    'must be an msid-value (RFC 8830, section 2)',
  );

/**
 * Canonical name (RFC 3550, section 6.5.1): as the value of an SDP attribute without spaces. Empty for streams that a browser
 * announces by RID instead of SSRC.
 */
export const Cname = z.string().regex(/^[!-~]{0,255}$/, 'must be visible ASCII characters (RFC 3550, section 6.5.1)');

/** URI of a header extension (RFC 8285, section 5). */
export const ExtensionUri = z.string().regex(/^[!-~]{1,256}$/, 'must be a URI (RFC 8285, section 5)');

/** Media type (RFC 8866, section 6.6; RFC 6838, section 4.2) of audio or video. */
export const MimeType = z
  .string()
  .regex(
    /^(audio|video)\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/i,
    'must be audio/SUBTYPE or video/SUBTYPE (RFC 6838, section 4.2)',
  );

/** Name and value of a parameter in `a=fmtp` or `a=extmap`, which are separated by semicolons. */
export const ParameterName = z.string().regex(/^[!-:<>-~]{1,256}$/, 'must be visible ASCII characters without ; and =');
export const ParameterText = z.string().regex(/^[!-:<-~]{0,256}$/, 'must be visible ASCII characters without ;');

/** Type of an RTCP feedback message, and its parameter (RFC 4585, section 4.2). */
export const FeedbackType = tokenOf(256);
export const FeedbackParameter = z
  .string()
  .regex(new RegExp(`^(${tokenCharacter}+( ${tokenCharacter}+)*)?$`), 'must be tokens (RFC 4585, section 4.2)')
  .max(256);

/** Layers of an encoding (W3C WebRTC-SVC, section 6). */
export const ScalabilityMode = z
  .string()
  .regex(
    /^[LS][1-3]T[1-3](h)?(_KEY(_SHIFT)?)?$/,
    'must be a scalability mode such as L1T3 (W3C WebRTC-SVC, section 6)',
  );

export const Uint32 = z.int().min(0).max(0xffff_ffff);

/** Hash of a certificate of so many bytes: upper-case hexadecimal, separated by colons (RFC 8122, section 5). */
export const hashOf = (bytes: number): z.ZodString =>
  z
    .string()
    .regex(
      new RegExp(`^[0-9A-F]{2}(:[0-9A-F]{2}){${bytes - 1}}$`),
      `must be ${bytes} upper-case hexadecimal bytes, separated by colons (RFC 8122, section 5)`,
    );
