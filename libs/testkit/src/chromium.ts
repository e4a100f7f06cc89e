import { type Browser, chromium, type LaunchOptions } from 'playwright-core';
import { findProgram } from './find-program.ts';

/** Chromium's path: CHROMIUM_BIN, or where Debian and others put it. */
export const chromiumPath = (): string =>
  findProgram('Chromium', 'CHROMIUM_BIN', ['chromium', 'chromium-browser', 'google-chrome']);

/**
 * Features that are switched off. The suggestions below the address bar are two pages that nobody sees, and take half a second of CPU
 * time for each window. The others are of playwright's own list, which this one replaces.
 */
const disabledFeatures = [
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsUpgrades',
  'HttpsFirstBalancedModeAutoEnable',
  'LensOverlay',
  'MediaRouter',
  'PaintHolding',
  'ThirdPartyStoragePartitioning',
  'OptimizationHints',
  'NetworkTimeServiceQuerying',
  'AimEnabled',
  'PreconnectToSearch',
];

const launchOptions = (args: readonly string[]): LaunchOptions => ({
  executablePath: chromiumPath(),
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    `--disable-features=${disabledFeatures.join()}`,
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    '--auto-select-desktop-capture-source=Entire screen',
    '--autoplay-policy=no-user-gesture-required',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-background-timer-throttling',
    '--disable-renderer-backgrounding',
    '--disable-backgrounding-occluded-windows',
    ...args,
  ],
});

/** Starts a headless Chromium with a fake camera and microphone, which connects to nothing but the pages that it is given. */
export function launchBrowser(options: { args?: readonly string[] } = {}): Promise<Browser> {
  return chromium.launch(launchOptions(options.args ?? []));
}

/** Starts a browser whose processes can be killed together, so that none of them closes a connection. */
export async function launchBrowserToKill(): Promise<{ browser: Browser; kill(): Promise<void> }> {
  const server = await chromium.launchServer(launchOptions([]));
  return { browser: await chromium.connect(server.wsEndpoint()), kill: () => server.kill() };
}
