/** The part of sdp-transform that is used; the package has no types. It reads what looks like a whole number as a number. */
declare module 'sdp-transform' {
  export interface SharedAttributes {
    iceUfrag?: string | number;
    icePwd?: string | number;
    fingerprint?: { type: string | number; hash: string | number };
    setup?: string;
    direction?: string;
  }

  export interface Media extends SharedAttributes {
    type: string;
    port: number;
    protocol: string;
    payloads?: string | number;
    mid?: string | number;
    connection?: { version: number; ip: string };
    rtp?: { payload: number; codec: string; rate?: number; encoding?: string | number }[];
    fmtp?: { payload: number; config: string | number }[];
    rtcpFb?: { payload: number | string; type: string | number; subtype?: string | number }[];
    ext?: { value: number; direction?: string; uri: string | number }[];
    rids?: { id: string | number; direction: string }[];
    simulcast?: { dir1: string; list1: string | number; dir2?: string; list2?: string | number };
    ssrcs?: { id: number; attribute: string; value?: string | number }[];
    ssrcGroups?: { semantics: string; ssrcs: string | number }[];
    msid?: { id: string | number; appdata?: string | number }[] | string | number;
    rtcpMux?: string;
    rtcpRsize?: string;
    bundleOnly?: string;
    candidates?: Candidate[];
    endOfCandidates?: string;
    invalid?: { value: string }[];
  }

  export interface Candidate {
    foundation: string;
    component: number;
    transport: string;
    priority: number;
    ip: string;
    port: number;
    type: string;
    tcptype?: string | undefined;
  }

  export interface Description extends SharedAttributes {
    version?: number;
    origin?: {
      username: string;
      sessionId: string;
      sessionVersion: number;
      netType: string;
      ipVer: number;
      address: string;
    };
    name?: string;
    timing?: { start: number; stop: number };
    groups?: { type: string; mids: string | number }[];
    icelite?: string;
    extmapAllowMixed?: string;
    msidSemantic?: { semantic: string; token: string };
    media: Media[];
  }

  export function parse(text: string): Description;
  export function write(description: Description): string;
}
