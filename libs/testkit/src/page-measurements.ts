/** Measurements that run in a call page. A page gets their text: they may use nothing outside of themselves. */

/** See CallPage.watchFrames. */
export function watchFrames(): void {
  const all = (root: ParentNode): Element[] =>
    [...root.querySelectorAll('*')].flatMap((element) => [
      element,
      ...(element.shadowRoot ? all(element.shadowRoot) : []),
    ]);
  const watched = new WeakSet<HTMLVideoElement>();
  // By participant: the video element and the publication may be replaced while this runs.
  const lastFrames = new Map<string, number>();
  const shownBy = (video: Element): string | undefined => {
    for (let at: Element | null = video; at; at = at.parentElement ?? (at.getRootNode() as ShadowRoot).host ?? null)
      if (at instanceof HTMLElement && at.dataset['name'] !== undefined) return at.dataset['name'];
    return undefined;
  };
  globalThis.frameGaps = new Map();
  const watch = (video: HTMLVideoElement): void => {
    watched.add(video);
    const onFrame = (now: number): void => {
      const id = video.dataset['publication'] ?? 'none';
      const of = shownBy(video) ?? id;
      const last = lastFrames.get(of);
      if (last !== undefined) {
        const known = globalThis.frameGaps.get(id);
        globalThis.frameGaps.set(id, {
          longest: Math.max(known?.longest ?? 0, now - last),
          frames: (known?.frames ?? 0) + 1,
          of,
        });
      }
      lastFrames.set(of, now);
      if (video.isConnected) video.requestVideoFrameCallback(onFrame);
      else watched.delete(video);
    };
    video.requestVideoFrameCallback(onFrame);
  };
  setInterval(() => {
    for (const element of all(document))
      if (element instanceof HTMLVideoElement && element.dataset['publication'] && !watched.has(element))
        watch(element);
  }, 100);
}

/** See CallPage.audioSoFar. */
export async function readAudio(): Promise<{ concealedMs: number; playedMs: number }> {
  for (const [index, connection] of globalThis.connections.entries()) {
    if (connection.connectionState === 'closed') continue;
    for (const [id, report] of await connection.getStats()) {
      const stats = report as RTCInboundRtpStreamStats;
      if (stats.type !== 'inbound-rtp' || stats.kind !== 'audio') continue;
      const { ssrc, concealedSamples = 0, silentConcealedSamples = 0, totalSamplesReceived = 0 } = stats;
      // The id of a stream that has ended may be used again.
      globalThis.sound.set(`${index}/${id}/${ssrc}`, [concealedSamples - silentConcealedSamples, totalSamplesReceived]);
    }
  }
  let [concealed, played] = [0, 0];
  for (const [ofOne, allOfOne] of globalThis.sound.values()) {
    concealed += ofOne;
    played += allOfOne;
  }
  // Opus runs at 48 kHz.
  return { concealedMs: concealed / 48, playedMs: played / 48 };
}
