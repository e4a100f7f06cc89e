import type { Room } from '@flotilla/client';
import type { Page } from 'playwright-core';

declare global {
  /** In the page: the metadata of its room; see `givePageMetadata`. */
  var metadata: () => Room['metadata'];
}

/** Defines `metadata()` in a call page. */
export async function givePageMetadata(page: Page): Promise<void> {
  await page.evaluate(() => {
    globalThis.metadata = () => (globalThis.flotilla as unknown as { room: Room }).room.metadata;
  });
}
