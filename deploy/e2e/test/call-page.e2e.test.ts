import { CallPage, notYet, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { picture } from './picture.ts';
import { useBrowser, useStandalone } from './use-topology.ts';

const focused = (page: Page): Promise<string | null> =>
  page.evaluate(() => {
    let element: Element | null = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return element?.getAttribute('data-testid') ?? null;
  });

describe('the call page', () => {
  let topology: Topology;
  let browser: Browser;
  useStandalone((it) => (topology = it));
  useBrowser((it) => (browser = it));

  test('shows a call as in the picture of the README', async () => {
    const calls: CallPage[] = [];
    for (const name of ['Ada', 'Grace', 'Alan'])
      calls.push(await CallPage.join(browser, topology.pageUrl, { room: 'readme', name }));
    const [ada, , alan] = calls as [CallPage, CallPage, CallPage];
    await Promise.all([ada.receivesMediaOf('Grace'), ada.receivesMediaOf('Alan')]);
    await alan.press('mic');
    await waitFor('the quality of both is shown', async () => {
      const shown = await ada.page.locator('.bars').count();
      if (shown < 2) notYet(`of ${shown}`);
    });
    await picture(ada.page, 'call');
    await Promise.all(calls.map((call) => call.close()));
  });

  test('may load scripts from its server alone, and is not framed by other pages, as the other pages of the console', async () => {
    for (const path of ['/', '/topology', '/operations']) {
      const policy = (await fetch(new URL(path, topology.pageUrl))).headers.get('content-security-policy');
      expect(policy).toContain("default-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/script-src|unsafe-eval/);
    }
    const example = await fetch(new URL('/examples/call.html', topology.pageUrl));
    expect(example.headers.get('content-security-policy')).toBe("frame-ancestors 'none'");
  });

  test('shows a shared screen in a separate tile until the sharing ends', async () => {
    const [ada, bob] = [
      await CallPage.join(browser, topology.pageUrl, { room: 'screens', name: 'Ada' }),
      await CallPage.join(browser, topology.pageUrl, { room: 'screens', name: 'Bob' }),
    ];
    await bob.receivesMediaOf('Ada');
    await ada.press('screen');
    const screenFrames = (): Promise<number> =>
      bob.page
        .locator('[data-screen] video[data-publication]')
        .evaluateAll((videos) =>
          videos.reduce(
            (sum, video) => sum + (video as HTMLVideoElement).getVideoPlaybackQuality().totalVideoFrames,
            0,
          ),
        );
    await waitFor('frames of the screen', async () => {
      const frames = await screenFrames();
      if (frames < 3) notYet(`${frames} frames; problems: ${[...ada.problems, ...bob.problems].join('; ') || 'none'}`);
    });
    await bob.receivesMediaOf('Ada');
    await picture(bob.page, 'screen');
    await ada.press('screen');
    await waitFor('the removal of its tile', async () => {
      if ((await bob.page.locator('[data-screen]').count()) > 0) notYet('it is there');
    });
    await bob.receivesMediaOf('Ada');
    await Promise.all([ada.close(), bob.close()]);
  });

  test('is usable by keyboard alone: join, mute and leave', async () => {
    const page = await (await browser.newContext({ permissions: ['camera', 'microphone'] })).newPage();
    await page.goto(topology.pageUrl);
    await waitFor('the focus on the name', async () =>
      (await focused(page)) === 'name' ? undefined : notYet(`the focus is on ${await focused(page)}`),
    );
    await page.keyboard.type('Kay');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('room');
    await page.keyboard.type('keys');
    await page.keyboard.press('Enter');
    await page.getByTestId('leave').waitFor();
    await waitFor('the unmuted microphone', async () =>
      (await page.getByTestId('mic').getAttribute('aria-pressed')) === 'true' ? undefined : notYet('it is not'),
    );
    await page.keyboard.press('m');
    await waitFor('the muted microphone', async () =>
      (await page.getByTestId('mic').getAttribute('aria-pressed')) === 'false' ? undefined : notYet('it is on'),
    );
    await page.getByTestId('leave').focus();
    await page.keyboard.press('Enter');
    await page.getByTestId('join').waitFor();
    await page.context().close();
  });

  test.each([
    ['a phone', { width: 360, height: 740 }],
    ['a desk', { width: 1280, height: 800 }],
  ])(
    'fits %s without horizontal scrolling, and its buttons have names and a target size of 24 px',
    async (_what, viewport) => {
      const call = await CallPage.join(browser, topology.pageUrl, {
        room: `fit-${viewport.width}`,
        name: 'Ada',
        viewport,
      });
      const overflow = await call.page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow).toBe(0);
      const buttons = await call.page.getByRole('button').all();
      expect(buttons.length).toBeGreaterThan(3);
      for (const button of buttons) {
        if (!(await button.isVisible())) continue;
        const name = (await button.getAttribute('aria-label')) ?? (await button.innerText());
        expect(name.trim()).not.toBe('');
        const box = (await button.boundingBox())!;
        // WCAG 2.2, 2.5.8: 24 by 24 CSS pixels at least.
        expect({ name, ok: Math.min(box.width, box.height) >= 24 }).toEqual({ name, ok: true });
      }
      await call.close();
    },
  );

  test('shows why a join was refused, and a second attempt succeeds', async () => {
    const page = await (await browser.newContext({ permissions: ['camera', 'microphone'] })).newPage();
    await topology.api.createRoom({ name: 'tiny', maxParticipants: 1 });
    const first = await CallPage.join(browser, topology.pageUrl, { room: 'tiny', name: 'First' });
    await page.goto(`${topology.pageUrl}/?room=tiny&name=Second`);
    await page
      .getByRole('alert')
      .filter({ hasText: /full|maximum/i })
      .waitFor();
    await first.press('leave');
    await waitFor('the second attempt', async () => {
      await page.getByTestId('join').click({ timeout: 1000 });
      await page.getByTestId('leave').waitFor({ timeout: 2000 });
    });
    await page.context().close();
    await first.close();
  });
});
