import { createHash } from 'node:crypto';

/** A shared secret that join tokens are signed with. */
interface SigningKey {
  /** Names the key in the header of a token, and is derived from it: every holder of the secret knows it. */
  readonly kid: string;
  readonly bytes: Uint8Array;
}

/** Maximum number of secrets that are valid at a time. A rotation needs two. */
export const maxTokenSecrets = 4;

/** The secrets of a setting, one a line: a secret may contain anything else. */
export const secretsIn = (setting: string): string[] =>
  setting
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

/** The shared secrets. The first one signs, and all verify, so that a secret is replaced without refusing a client. */
export class KeyRing {
  #setting: string | undefined;
  #keys: readonly SigningKey[] = [];

  /** @param source its `secret` may change. */
  constructor(private readonly source: { readonly secret?: string | undefined }) {}

  get current(): readonly SigningKey[] {
    const { secret } = this.source;
    if (secret !== this.#setting) {
      this.#setting = secret;
      this.#keys = secretsIn(secret ?? '').map((each) => ({
        kid: createHash('sha256').update(`kid ${each}`).digest('base64url').slice(0, 12),
        bytes: new TextEncoder().encode(each),
      }));
    }
    return this.#keys;
  }

  /** The key with this id. Other holders of a secret may set any id or none, so for an unknown one all keys. */
  candidates(kid: string | undefined): readonly SigningKey[] {
    const named = this.current.filter((key) => key.kid === kid);
    return named.length > 0 ? named : this.current;
  }
}
