type Key = 'name' | 'microphone' | 'camera' | 'speaker' | 'shortcuts';

/** What the page remembers between calls. Storage may be forbidden; then nothing is remembered. */
export function recall(key: Key): string | undefined {
  try {
    return localStorage.getItem(`flotilla.${key}`) ?? undefined;
  } catch {
    return undefined;
  }
}

export function remember(key: Key, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(`flotilla.${key}`);
    else localStorage.setItem(`flotilla.${key}`, value);
  } catch {
    // See above.
  }
}
