let longest = 0;

/** Writes a line: over the previous one on a terminal, below it elsewhere. */
export function progress(text: string): void {
  if (!process.stdout.isTTY) {
    console.log(`  ${text}`);
    return;
  }
  longest = Math.max(longest, text.length);
  process.stdout.write(`\r  ${text.padEnd(longest)}`);
}

/** Ends the line, for output of another kind. */
export function endProgress(): void {
  if (longest > 0) process.stdout.write('\n');
  longest = 0;
}
