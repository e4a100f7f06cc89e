import { copyFileSync, mkdirSync } from 'node:fs';
import type { Page } from 'playwright-core';

/** Keeps a picture of the page; with UPDATE_PICTURES=1 it becomes the one in the README. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync('.results', { recursive: true });
  const path = `.results/${name}.png`;
  await page.screenshot({ path, animations: 'disabled' });
  if (process.env['UPDATE_PICTURES']) copyFileSync(path, `../../docs/images/${name}.png`);
}
