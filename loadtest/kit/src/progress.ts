let longest = 0;

/** Writes a progress line, which replaces the previous one on a terminal. */
export function progress(text: string): void {
  if (!process.stdout.isTTY) {
    console.log(`  ${text}`);
    return;
  }
  longest = Math.max(longest, text.length);
  process.stdout.write(`\r  ${text.padEnd(longest)}`);
}

/** Ends the progress line before other output. */
export function endProgress(): void {
  if (longest > 0) process.stdout.write('\n');
  longest = 0;
}
