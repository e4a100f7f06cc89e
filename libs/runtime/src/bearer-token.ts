/** The credentials of an `Authorization: Bearer` header (RFC 6750, section 2.1), or undefined. Takes time linear to the length of the header. */
export const bearerTokenOf = (authorization: string | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
