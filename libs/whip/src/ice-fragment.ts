import { Problem } from './problem.ts';

const line = /^([a-z]=[^\r\n]*)?$/;
const attribute = (text: string, name: string): string | undefined =>
  new RegExp(`^a=${name}:([A-Za-z0-9+/=_-]{1,256})\\r?$`, 'm').exec(text)?.[1];

/**
 * Reads the ICE credentials of an `application/trickle-ice-sdpfrag` body (RFC 8840). Its candidates are not needed: the server is
 * ICE-lite and answers from where the client's checks come.
 * @throws Problem 400 when it is malformed.
 */
export function readIceFragment(text: string): { readonly iceUfrag: string } {
  const iceUfrag = attribute(text, 'ice-ufrag');
  const isFragment = text.split(/\r?\n/).every((each) => line.test(each));
  if (!isFragment || iceUfrag === undefined || attribute(text, 'ice-pwd') === undefined)
    throw new Problem(400, 'the body is no SDP fragment with a=ice-ufrag and a=ice-pwd (RFC 8840)');
  return { iceUfrag };
}
