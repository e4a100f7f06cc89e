type Key = 'name' | 'microphone' | 'camera' | 'speaker' | 'shortcuts';

/** Reads a setting that is kept between calls; undefined where the browser forbids storage. */
export function loadSetting(key: Key): string | undefined {
  try {
    return localStorage.getItem(`flotilla.${key}`) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Stores a setting; undefined removes it. Does nothing where the browser forbids storage. */
export function saveSetting(key: Key, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(`flotilla.${key}`);
    else localStorage.setItem(`flotilla.${key}`, value);
  } catch {
    // Storage is forbidden.
  }
}
